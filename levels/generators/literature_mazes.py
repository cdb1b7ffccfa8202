"""The mazes of the UED literature, read from the optional package jaxued if it is installed."""

import ast
import importlib.util
from pathlib import Path

from levels.ascii_map import FREE, START, WALL
from levels.extras import install_hint
from levels.generators.mazes import GOAL, MazeGenerator
from levels.near_names import unknown

PACKAGE = "jaxued"
MODULE = Path("environments", "maze", "level.py")
TABLE = "prefabs"


def literature_maze_names() -> tuple[str, ...]:
    """Return the names of the literature's mazes, such as SixteenRooms or Labyrinth.

    Returns:
        The names in jaxued's own order.

    Raises:
        ValueError: jaxued is not installed, or has no table of mazes.
    """
    return tuple(_prefabs())


def literature_maze(name: str) -> MazeGenerator:
    """Build the generator of a maze from the literature (JaxUED, arXiv:2403.13091).

    Differs: the direction that the agent faces there has no meaning in a grid world and is
    dropped, and the goal is an object as in `small` rather than always worth 1.

    Args:
        name: one of literature_maze_names().

    Returns:
        Its generator, with 250 steps per episode and a lifetime of 2500 updates.

    Raises:
        ValueError: jaxued is not installed, or has no maze of that name.
    """
    prefabs = _prefabs()
    if name not in prefabs:
        raise ValueError(unknown("literature maze", name, prefabs))
    kept = {WALL, FREE, GOAL, "\n"}
    text = "".join(sign if sign in kept else START for sign in prefabs[name])
    return MazeGenerator(tuple(text.split()))


def _prefabs() -> dict[str, str]:
    """Read the maps by name from jaxued's source.

    The source is parsed but never run, because jaxued's own loader fails on current JAX, and finding a
    submodule the usual way would import the packages above it.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"the literature's mazes need the package {PACKAGE}: {install_hint('literature', PACKAGE)}")
    path = Path(spec.submodule_search_locations[0]) / MODULE
    if not path.is_file():
        raise ValueError(f"{path} must hold the literature's mazes, but there is no such file")
    texts: dict[str, str] = {}
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            continue
        name, value = statement.targets[0].id, statement.value
        if name == TABLE and isinstance(value, ast.Dict):
            pairs = zip(value.keys, value.values, strict=True)
            return {str(ast.literal_eval(key)): _text(item, texts) for key, item in pairs if key is not None}
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            texts[name] = value.value
    raise ValueError(f"{path} must assign a dictionary {TABLE!r}, found none")


def _text(node: ast.expr, texts: dict[str, str]) -> str:
    """Return the text of a string literal, of a name assigned one, or of either one stripped."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "strip":
        return _text(node.func.value, texts).strip()
    if isinstance(node, ast.Name) and node.id in texts:
        return texts[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ValueError(f"{PACKAGE}'s {TABLE} must hold strings, got the expression {ast.unparse(node)}")
