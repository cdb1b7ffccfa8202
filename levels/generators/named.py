"""LPG's ten named grid worlds (arXiv:2007.08794, appendix): five tabular, five random."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from levels.ascii_map import FREE, read_map
from levels.level import Level
from levels.lifetimes import updates_in
from levels.placement import draw_free_cells
from levels.worlds.random_grid import RandomGrid
from levels.worlds.tabular_grid import TabularGrid


@dataclass(frozen=True)
class ObjectType:
    """Objects that behave alike.

    Attributes:
        reward: reward on collection.
        terminate_prob: chance that collection ends the episode, 0..1.
        respawn_prob: chance per step that a collected object respawns, 0..1.
        count: number of such objects, ≥ 1.
    """

    reward: float
    terminate_prob: float
    respawn_prob: float
    count: int = 1

    def __post_init__(self) -> None:
        for name in ("terminate_prob", "respawn_prob"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"ObjectType.{name} must be in 0..1, got {getattr(self, name)}")
        if self.count < 1:
            raise ValueError(f"ObjectType.count must be >= 1, got {self.count}")


@dataclass(frozen=True)
class NamedWorld:
    """Levels (levels.level_generator.LevelGenerator) with fixed walls and object types but random positions.

    Attributes:
        rows: rows of the map, '#' for walls and '.' for free cells, all of the same length.
        types: the object types.
        max_steps: number of steps after which an episode is truncated, ≥ 1.
        is_random: whether agent and objects are placed again in every episode and observed as
            planes, one per type; otherwise the level fixes them and the observation is an integer.
        lifetime: lifetime in updates, ≥ 1.
        num_moves: number of moves, 5 or 9, as in TabularGrid.
        auto_collect: whether moving onto an object collects it; False doubles the actions. LPG's
            own action sets are 9 moves, and 9 moves without auto-collect (18 actions).
    """

    rows: tuple[str, ...]
    types: tuple[ObjectType, ...]
    max_steps: int
    is_random: bool = False
    lifetime: int = updates_in(3_000_000)
    num_moves: int = 5
    auto_collect: bool = True

    def __post_init__(self) -> None:
        walls, _ = read_map(self.rows, (), "NamedWorld.rows")
        if np.sum(~walls) <= self.num_objects:
            raise ValueError(f"NamedWorld.rows must have more than {self.num_objects} free cells, got {np.sum(~walls)}")
        for name in ("max_steps", "lifetime"):
            if getattr(self, name) < 1:
                raise ValueError(f"NamedWorld.{name} must be >= 1, got {getattr(self, name)}")

    @property
    def num_objects(self) -> int:
        """Number of objects of all types."""
        return sum(kind.count for kind in self.types)

    @property
    def world(self) -> TabularGrid | RandomGrid:
        """The grid world that the levels belong to."""
        grid = TabularGrid(len(self.rows), len(self.rows[0]), self.num_objects, self.num_moves, self.auto_collect)
        return RandomGrid(grid, num_types=len(self.types)) if self.is_random else grid

    @property
    def num_tasks(self) -> int | None:
        """1 if every episode places start and objects again, so that all levels are one task; otherwise None."""
        return 1 if self.is_random else None

    def sample(self, key: Key[Array, ""]) -> Level:
        """Draw a level.

        Args:
            key: random key.

        Returns:
            A level with the start and the objects on distinct free cells, drawn uniformly.
        """
        walls, _ = read_map(self.rows, (), "NamedWorld.rows")
        cells = draw_free_cells(key, jnp.asarray(walls), self.num_objects + 1)
        kinds = [kind for kind in self.types for _ in range(kind.count)]
        planes = [plane for plane, kind in enumerate(self.types) for _ in range(kind.count)]
        return Level(
            max_steps_in_episode=jnp.int32(self.max_steps),
            walls=jnp.asarray(walls),
            height=jnp.int32(walls.shape[0]),
            width=jnp.int32(walls.shape[1]),
            start=cells[0],
            object_cells=cells[1:],
            object_types=jnp.asarray(planes, jnp.int32),
            object_rewards=jnp.asarray([kind.reward for kind in kinds], jnp.float32),
            object_terminate_probs=jnp.asarray([kind.terminate_prob for kind in kinds], jnp.float32),
            object_respawn_probs=jnp.asarray([kind.respawn_prob for kind in kinds], jnp.float32),
            lifetime=jnp.int32(self.lifetime),
        )


def open_field(height: int, width: int) -> tuple[str, ...]:
    """Return a map of the given size without walls."""
    return (FREE * width,) * height


# The paper shows its two walled maps only as small figures; these two are redrawn from its
# description: a vertical wall with two gaps, and a vertical and a horizontal wall with two gaps each.
VERTICAL_WALL = (
    "....#....",
    ".........",
    "....#....",
    "....#....",
    "....#....",
    ".........",
    "....#....",
)
CROSSED_WALLS = (
    ".....#.....",
    ".....#.....",
    "...........",
    ".....#.....",
    ".....#.....",
    "##.#####.##",
    ".....#.....",
    ".....#.....",
    "...........",
    ".....#.....",
    ".....#.....",
)

DENSE = (ObjectType(1, 0, 0.05, count=2), ObjectType(-1, 0.5, 0.1), ObjectType(-1, 0, 0.5))
LONG_HORIZON = (ObjectType(1, 0, 0.01, count=2), ObjectType(-1, 0.5, 1, count=2))
RANDOM_LIFETIME = updates_in(30_000_000)

NAMED_WORLDS: dict[str, NamedWorld] = {
    "tabular_dense": NamedWorld(open_field(11, 11), DENSE, 500),
    "tabular_sparse": NamedWorld(open_field(13, 13), (ObjectType(1, 1, 0), ObjectType(-1, 1, 0)), 50),
    "tabular_long_horizon": NamedWorld(open_field(11, 11), LONG_HORIZON, 1000),
    "tabular_longer_horizon": NamedWorld(
        VERTICAL_WALL, (ObjectType(1, 0.1, 0.01, count=2), ObjectType(-1, 0.8, 1, count=5)), 2000
    ),
    "tabular_long_dense": NamedWorld(CROSSED_WALLS, (ObjectType(1, 0, 0.005, count=4),), 2000),
    "random_dense": NamedWorld(open_field(11, 11), DENSE, 500, True, RANDOM_LIFETIME),
    "random_long_horizon": NamedWorld(open_field(11, 11), LONG_HORIZON, 1000, True, RANDOM_LIFETIME),
    "random_small": NamedWorld(
        open_field(5, 7),
        (ObjectType(1, 0, 0.05, count=2), ObjectType(-1, 0.5, 0.1, count=2)),
        500,
        True,
        RANDOM_LIFETIME,
    ),
    "random_small_sparse": NamedWorld(
        open_field(5, 7), (ObjectType(1, 1, 1), ObjectType(-1, 1, 1, count=2)), 50, True, RANDOM_LIFETIME
    ),
    "random_very_dense": NamedWorld(open_field(11, 11), (ObjectType(1, 0, 1),), 2000, True, RANDOM_LIFETIME),
}
"""The worlds of LPG's table (arXiv:2007.08794, appendix)."""
