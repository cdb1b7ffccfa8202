"""The rooms: who may import whom, and the allowed sizes and names of files."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {"levels": set(), "ued": set(), "lpg": {"levels"}, "groove": {"levels", "lpg", "ued"}}
"""For each package, the other packages that it may import. Nobody imports groove."""

FLOORS = [
    {"errors", "figure_style", "settings", "versions"},
    {"config"},
    {"plugin_fields"},
    {"records"},
    {"job"},
    {"discovery"},
    {"building", "rules"},
    {"scoring"},
    {"transfer"},
    {"report"},
    {"run"},
    {"commands"},
    {"__main__"},
]
"""Rooms and single files of groove, from the ground up. Each imports only itself and the floors below it."""

NO_NAMES = {"util", "utils", "common", "base", "helper", "helpers", "misc"}
ROOM_FILES = sorted(path for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))
ALL_FILES = ROOM_FILES + sorted(path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


def imported_modules(source):
    """Full names of all modules that a file imports, at any depth; '.' for a relative import."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else node.module


def forbidden_imports(room, source):
    rooms = {module.split(".")[0] for module in imported_modules(source) if module != "."}
    relative = {"."} & set(imported_modules(source))
    return (rooms & (set(MAY_IMPORT) | {"tests", "benchmarks"})) - MAY_IMPORT[room] - {room} | relative


def imports_from_above(room, source):
    """Rooms of groove that one of its rooms imports although they are not below it."""
    floor = next(number for number, rooms in enumerate(FLOORS) if room in rooms)
    below = {room, *(other for rooms in FLOORS[:floor] for other in rooms)}
    parts = (module.split(".") for module in imported_modules(source))
    return {names[1] for names in parts if names[0] == "groove" and len(names) > 1} - below


def test_packages_import_only_packages_below_them():
    for path in ROOM_FILES:
        package = path.relative_to(ROOT).parts[0]
        assert not forbidden_imports(package, path.read_text(encoding="utf-8")), path


def test_rooms_of_groove_import_only_rooms_below_them():
    for path in sorted((ROOT / "groove").rglob("*.py")):
        room = path.relative_to(ROOT / "groove").with_suffix("").parts[0]
        if room != "__init__":
            assert not imports_from_above(room, path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    ("room", "source", "forbidden"),
    [
        ("levels", "from lpg.rollout import rollout", {"lpg"}),
        ("ued", "def draw():\n    import levels.level as level", {"levels"}),
        ("lpg", "import groove", {"groove"}),
        ("lpg", "from . import returns", {"."}),
        ("groove", "import jax, lpg.returns\nfrom ued import buffer", set()),
    ],
)
def test_forbidden_imports_are_found(room, source, forbidden):
    assert forbidden_imports(room, source) == forbidden


@pytest.mark.parametrize(
    ("room", "source", "above"),
    [
        ("job", "from groove.errors import UsageError", set()),
        ("errors", "import groove.config", {"config"}),
        ("scoring", "def late():\n    from groove.report.metrics_figures import draw_drift", {"report"}),
        ("run", "from groove import __version__\nfrom groove.run.run_files import RunFiles", set()),
    ],
)
def test_imports_from_above_are_found(room, source, above):
    assert imports_from_above(room, source) == above


def test_files_have_one_role():
    for path in ALL_FILES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
        assert path.stem not in NO_NAMES, path


def test_every_room_is_a_package_of_the_project():
    for room in MAY_IMPORT:
        for folder in {path.parent for path in (ROOT / room).rglob("*.py")}:
            assert (folder / "__init__.py").is_file(), folder
