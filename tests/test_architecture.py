"""The rooms: who may import whom, and how large and how named a file may be."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {"levels": set(), "ued": set(), "lpg": {"levels"}, "groove": {"levels", "lpg", "ued"}}
"""For each room, the other rooms that it may import. Nobody imports groove."""

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


@pytest.mark.parametrize("path", ROOM_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_room_imports_only_rooms_below_it(path):
    assert not forbidden_imports(path.relative_to(ROOT).parts[0], path.read_text(encoding="utf-8"))


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


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_has_one_role(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.stem not in NO_NAMES


def test_every_room_is_a_package_of_the_project():
    assert all((ROOT / room / "__init__.py").is_file() for room in MAY_IMPORT)
