"""Eleven fixed 13×13 mazes for held-out evaluation, read from the files in maze_maps/."""

from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Key

from levels.ascii_map import START, read_map
from levels.generators.distributions import DISTRIBUTIONS, LevelDistribution
from levels.level import UNUSED, Level
from levels.near_names import unknown
from levels.placement import draw_free_cells
from levels.worlds.tabular_grid import TabularGrid

GOAL = "G"

MAZE_NAMES = (
    "sixteen_rooms",
    "sixteen_rooms_snake",
    "four_rooms",
    "spiral",
    "spiral_mirrored",
    "double_spiral",
    "perfect_winding",
    "perfect_branching",
    "perfect_uniform",
    "comb_short",
    "comb_long",
)
"""Files in maze_maps/: rooms, labyrinths, mazes with one path between any two cells, dead ends."""


@dataclass(frozen=True)
class MazeGenerator:
    """Levels (levels.level_generator.LevelGenerator) of one maze, from its start to its goal.

    The first object stands on the goal, with a reward in [0, 1]. Further objects, with the number and
    properties that `objects` draws, stand on free cells drawn for each level.

    Attributes:
        rows: the map: '#' wall, '.' free, one 'S' start, one 'G' goal.
        objects: distribution of levels from which the objects' number, rewards and chances are drawn.
        max_steps: number of steps after which an episode is truncated, ≥ 1.
        lifetime: lifetime in updates, ≥ 1.

    Raises:
        ValueError: the map is malformed or lacks a start or goal, or a count is below 1.
    """

    rows: tuple[str, ...]
    objects: LevelDistribution = DISTRIBUTIONS["small"]
    max_steps: int = 250
    lifetime: int = 2500

    def __post_init__(self) -> None:
        _, places = read_map(self.rows, (START, GOAL), "MazeGenerator.rows")
        for sign in (START, GOAL):
            if sign not in places:
                raise ValueError(f"MazeGenerator.rows must have one {sign!r}, got none")
        for name in ("max_steps", "lifetime"):
            if getattr(self, name) < 1:
                raise ValueError(f"MazeGenerator.{name} must be >= 1, got {getattr(self, name)}")

    @property
    def world(self) -> TabularGrid:
        """The tabular grid world of the maze's size."""
        return TabularGrid(len(self.rows), len(self.rows[0]), self.objects.max_objects)

    def sample(self, key: Key[Array, ""]) -> Level:
        """Draw a level of the maze.

        Args:
            key: random key.

        Returns:
            A level that differs from others of the maze only in its objects.
        """
        walls, places = read_map(self.rows, (START, GOAL), "MazeGenerator.rows")
        height, width = walls.shape
        start, goal = (np.int32(row * width + column) for row, column in (places[START], places[GOAL]))
        fixed = {
            "max_steps_in_episode": np.int32(self.max_steps),
            "walls": walls,
            "height": np.int32(height),
            "width": np.int32(width),
            "start": start,
            "lifetime": np.int32(self.lifetime),
        }
        blocked = walls.copy()
        blocked.flat[[start, goal]] = True
        return _with_objects(self.objects, fixed, blocked, goal, key)


@partial(jax.jit, static_argnums=0)
def _with_objects(
    objects: LevelDistribution, fixed: dict[str, Any], blocked: Bool[Array, "H W"], goal: Array, key: Key[Array, ""]
) -> Level:
    """Draw the objects of a level; mazes of one size share this program."""
    object_key, place_key = jax.random.split(key)
    drawn = draw_free_cells(place_key, blocked, objects.max_objects - 1)
    level = objects.sample(object_key)
    cells = jnp.concatenate([goal[None], drawn])
    return replace(level, **fixed, object_cells=jnp.where(level.object_types != UNUSED, cells, 0))


def maze_rows(name: str) -> tuple[str, ...]:
    """Read the map of a maze.

    Args:
        name: one of MAZE_NAMES.

    Returns:
        Its rows.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in MAZE_NAMES:
        raise ValueError(unknown("maze", name, MAZE_NAMES))
    maps = resources.files("levels.generators") / "maze_maps"
    return tuple((maps / f"{name}.txt").read_text(encoding="utf-8").split())


def maze(name: str) -> MazeGenerator:
    """Build the generator of a maze.

    Args:
        name: one of MAZE_NAMES.

    Returns:
        Its generator, with 250 steps per episode and a lifetime of 2500 updates.

    Raises:
        ValueError: the name is unknown, or the file is malformed.
    """
    return MazeGenerator(maze_rows(name))
