"""How far away a level's prize is, whether it is reachable, and a filter that keeps only levels where it is."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from levels.level import UNUSED, Level
from levels.level_generator import LevelGenerator
from levels.world import World


def path_lengths(walls: Bool[Array, "H W"], start: Int[Array, ""]) -> Int[Array, "H W"]:
    """Return the length of the shortest path from the start to each cell, by breadth-first search in four directions.

    Args:
        walls: [H, W] bool.
        start: [] int, cell `row * W + column`.

    Returns:
        [H, W] int32, moves: 0 at the start, H·W at unreachable cells; H·W everywhere if the start is a wall.
    """
    return _search(walls, start)[0]


def _search(walls: Bool[Array, "H W"], start: Int[Array, ""]) -> tuple[Int[Array, "H W"], Bool[Array, "H W"]]:
    """Return path lengths and which cells are reached; under jit, unused lengths cost nothing."""
    cells = jnp.arange(walls.size).reshape(walls.shape)

    def spread(filled: Bool[Array, "H W"]) -> Bool[Array, "H W"]:
        padded = jnp.pad(filled, 1)
        near = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
        return (filled | near) & ~walls

    def search(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        lengths, _, filled = state
        return lengths + ~filled, filled, spread(filled)

    # Each round reaches the cells one move further, so the loop stops after at most H·W rounds.
    nothing = jnp.zeros_like(walls)
    first = (jnp.zeros(walls.shape, jnp.int32), nothing, (cells == start) & ~walls)
    lengths, _, filled = jax.lax.while_loop(lambda state: jnp.any(state[1] != state[2]), search, first)
    return jnp.where(filled, lengths, walls.size), filled


def reachable(walls: Bool[Array, "H W"], start: Int[Array, ""]) -> Bool[Array, "H W"]:
    """Find the cells that four-directional moves reach from the start.

    Args:
        walls: [H, W] bool.
        start: [] int, cell `row * W + column`.

    Returns:
        [H, W] bool, including the start; all False if the start is a wall.
    """
    return _search(walls, start)[1]


def _prizes(level: Level) -> Bool[Array, "M"]:
    """Return which slots hold an object of positive reward."""
    return (level.object_types != UNUSED) & (level.object_rewards > 0)


def moves_to_prize(level: Level) -> Int[Array, ""]:
    """Return the length of the shortest path from the start to an object of positive reward, in four directions.

    Args:
        level: one level.

    Returns:
        [] int32, moves; H·W if no such object is reachable.
    """
    out_of_reach = level.walls.size
    lengths = path_lengths(level.walls, level.start).ravel()[level.object_cells]
    return jnp.min(jnp.where(_prizes(level), lengths, out_of_reach), initial=out_of_reach)


def is_solvable(level: Level) -> Bool[Array, ""]:
    """Return whether an object of positive reward is reachable from the start.

    Args:
        level: one level.

    Returns:
        [] bool.
    """
    return jnp.any(_prizes(level) & reachable(level.walls, level.start).ravel()[level.object_cells])


@dataclass(frozen=True)
class Solvable:
    """A generator (levels.level_generator.LevelGenerator) that draws unsolvable levels again.

    Attributes:
        generator: source of the levels.
        max_draws: number of draws after which the last level is returned as it is, ≥ 1. At most 3.4%
            (`small`) of GROOVE's random levels are unsolvable, so the default is never reached with those.

    Raises:
        ValueError: max_draws < 1.
    """

    generator: LevelGenerator
    max_draws: int = 64

    def __post_init__(self) -> None:
        if self.max_draws < 1:
            raise ValueError(f"Solvable.max_draws must be >= 1, got {self.max_draws}")

    @property
    def world(self) -> World:
        """The world of the wrapped generator."""
        return self.generator.world

    def sample(self, key: Key[Array, ""]) -> Level:
        """Draw one level with a reachable object of positive reward.

        Args:
            key: random key, consumed.

        Returns:
            The first solvable level of at most `max_draws`, else the last one drawn.
        """
        shapes = jax.eval_shape(self.generator.sample, key)
        blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

        def unsolved(state: tuple[Array, Level]) -> Bool[Array, ""]:
            draw, level = state
            return (draw < self.max_draws) & ((draw == 0) | ~is_solvable(level))

        def draw_again(state: tuple[Array, Level]) -> tuple[Array, Level]:
            draw, _ = state
            return draw + 1, self.generator.sample(jax.random.fold_in(key, draw))

        return jax.lax.while_loop(unsolved, draw_again, (jnp.int32(0), blank))[1]
