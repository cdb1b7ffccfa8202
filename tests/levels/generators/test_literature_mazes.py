"""Mazes read from jaxued's source, here from a stand-in with the same structure."""

import importlib.util
import sys

import pytest

from levels.generators.literature_mazes import literature_maze, literature_maze_names

SOURCE = '''
import a_package_that_is_not_there
raise RuntimeError("this source must not be run")

Crossing = """
>.#
#..
#.G
"""

prefabs = {
    "Crossing": Crossing.strip(),
    "Plain": "..G\\n.v.",
}
'''


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Make a package `jaxued` with the given source importable."""

    def write(source):
        folder = tmp_path / "jaxued" / "environments" / "maze"
        folder.mkdir(parents=True)
        for parent in (tmp_path / "jaxued", folder.parent, folder):
            (parent / "__init__.py").write_text("raise RuntimeError('packages must not be imported')")
        (folder / "level.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()

    return write


def test_literature_mazes_are_read_without_running_their_source(install):
    install(SOURCE)
    assert literature_maze_names() == ("Crossing", "Plain")
    assert literature_maze("Crossing").rows == ("S.#", "#..", "#.G")
    assert literature_maze("Plain").rows == ("..G", ".S.")
    assert literature_maze("Plain").lifetime == 2500
    assert "jaxued" not in sys.modules


def test_literature_maze_lists_the_known_names(install):
    install(SOURCE)
    with pytest.raises(ValueError, match="unknown literature maze 'Moria'; known: Crossing, Plain"):
        literature_maze("Moria")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("prefabs = load()", "level.py must assign a dictionary 'prefabs', found none"),
        ("prefabs = {'a': draw(3)}", r"jaxued's prefabs must hold strings, got the expression draw\(3\)"),
        ("prefabs = {'a': Missing}", "jaxued's prefabs must hold strings, got the expression Missing"),
    ],
)
def test_literature_mazes_in_another_format_are_refused(install, source, message):
    install(source)
    with pytest.raises(ValueError, match=message):
        literature_maze_names()


def test_literature_mazes_without_the_package_say_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"need the package jaxued: .* -m pip install 'jaxued'$"):
        literature_maze_names()
