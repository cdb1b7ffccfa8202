"""Every source of levels by name. Importing this does not load JAX; a generator's module loads on use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from levels.near_names import unknown
from levels.plugins import is_plugin, load_plugin

if TYPE_CHECKING:
    from levels.level_generator import LevelGenerator


def _distribution(name: str) -> LevelGenerator:
    from levels.generators.distributions import DISTRIBUTIONS

    return DISTRIBUTIONS[name]


def _named(name: str) -> LevelGenerator:
    from levels.generators.named import NAMED_WORLDS

    return NAMED_WORLDS[name]


def _chain(name: str) -> LevelGenerator:
    from levels.worlds.chains import CHAINS

    return CHAINS[name.removeprefix("chain_")]


def _maze(name: str) -> LevelGenerator:
    from levels.generators.mazes import maze

    return maze(name.removeprefix("maze_"))


def _rows(build: Callable[[str], LevelGenerator], *names: str) -> dict[str, Callable[[], LevelGenerator]]:
    return {name: partial(build, name) for name in names}


GENERATORS: dict[str, Callable[[], LevelGenerator]] = {
    **_rows(_distribution, "small", "medium", "large", "all"),
    **_rows(_named, "tabular_dense", "tabular_sparse", "tabular_long_horizon"),
    **_rows(_named, "tabular_longer_horizon", "tabular_long_dense"),
    **_rows(_named, "random_dense", "random_long_horizon", "random_small"),
    **_rows(_named, "random_small_sparse", "random_very_dense"),
    **_rows(_chain, "chain_short", "chain_short_noisy", "chain_long", "chain_long_noisy", "chain_distractor"),
    **_rows(_maze, "maze_sixteen_rooms", "maze_sixteen_rooms_snake", "maze_four_rooms"),
    **_rows(_maze, "maze_spiral", "maze_spiral_mirrored", "maze_double_spiral"),
    **_rows(_maze, "maze_perfect_winding", "maze_perfect_branching", "maze_perfect_uniform"),
    **_rows(_maze, "maze_comb_short", "maze_comb_long"),
}
"""Function that builds each generator, by name."""


def generator(name: str) -> LevelGenerator:
    """Return the source of levels with the given name.

    Args:
        name: key of GENERATORS, or FILE.py:NAME of a generator of your own.

    Returns:
        The generator; generators of the same name compare equal.

    Raises:
        ValueError: the name is unknown, or the file does not hold a generator.
    """
    if is_plugin(name):
        return load_plugin(name, "a level generator", ("world", "sample"), GENERATORS)
    if name not in GENERATORS:
        raise ValueError(unknown("level distribution", name, GENERATORS))
    return GENERATORS[name]()
