"""The grid worlds under gymnax's own names: `register()`, then `gymnax.make("GridWorld-groove")`."""

from typing import Any

from gymnax import registration

from levels.worlds.gridworld import GridWorld
from levels.worlds.random_grid import RandomGrid
from levels.worlds.tabular_grid import TabularGrid


def make_grid_world(**grid: Any) -> GridWorld:
    """Make a grid world of fixed layouts.

    Args:
        **grid: fields of TabularGrid; omitted ones keep their defaults.

    Returns:
        The gymnax environment.
    """
    return GridWorld(TabularGrid(**grid))


def make_random_grid_world(num_types: int = 3, **grid: Any) -> GridWorld:
    """Make a grid world whose layout is drawn again in every episode.

    Args:
        num_types: number of object types, one plane each, ≥ 1.
        **grid: fields of TabularGrid; omitted ones keep their defaults.

    Returns:
        The gymnax environment.
    """
    return GridWorld(RandomGrid(TabularGrid(**grid), num_types))


FACTORIES = {"GridWorld-groove": make_grid_world, "RandomGridWorld-groove": make_random_grid_world}
"""Factory of each environment id, which takes the grid's fields."""


def register() -> None:
    """Add the grid worlds to gymnax's registry; calling it again changes nothing."""
    for env_id, factory in FACTORIES.items():
        if env_id not in registration.registered_envs:
            registration.register(env_id, factory)
