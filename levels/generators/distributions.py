"""GROOVE's random level distributions: small, medium, large and all (arXiv:2310.02782, appendix)."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from levels.level import UNUSED, Level
from levels.worlds.tabular_grid import TabularGrid

TERMINATE_PROB_RANGE = (0.01, 1.0)
"""Range of the log-uniform chance that a collected object ends the episode."""

RESPAWN_PROB_RANGE = (0.001, 0.1)
"""Range of the log-uniform chance per step that a collected object comes back."""

REWARD_RANGE = (-1.0, 1.0)
"""Range of an object's uniform reward; the object in the first slot has the positive part only."""


def between(draw: Float[Array, "..."], low: int, high: int) -> Int[Array, "..."]:
    """Turn a draw uniform in [0, 1) into a uniform int32 in low..high, both included."""
    return jnp.minimum(low + (draw * (high - low + 1)).astype(jnp.int32), high)


def log_uniform(draw: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
    """Turn a draw uniform in [0, 1) into a log-uniform number in [low, high], low > 0."""
    return jnp.clip(low * (high / low) ** draw, low, high)


def log_uniform_int(draw: Float[Array, "..."], low: int, high: int) -> Int[Array, "..."]:
    """Turn a draw uniform in [0, 1) into a log-uniform int32 in low..high, both included."""
    return jnp.minimum(log_uniform(draw, float(low), float(high + 1)).astype(jnp.int32), high)


def uniform_reward(draw: Float[Array, "..."], slot: Int[Array, "..."]) -> Float[Array, "..."]:
    """Turn a draw uniform in [0, 1) into the reward of the object in a slot, uniform in REWARD_RANGE."""
    low, high = REWARD_RANGE
    return jnp.where(slot == 0, high * draw, low + (high - low) * draw)


@dataclass(frozen=True)
class LevelDistribution:
    """Random square levels (levels.level_generator.LevelGenerator), GROOVE's own (arXiv:2310.02782).

    Side, number of objects, start and cells are uniform; max steps, lifetime and both chances of an
    object are log-uniform. Rewards are uniform in [-1, 1], the first object's in [0, 1]. Walls are
    drawn over the largest grid, so a smaller level keeps only those that fall inside it.

    A level always has room: if the start and the objects do not fit, the walls drawn last inside the
    level are dropped until they do. Among the published distributions this can only happen in `all`,
    with a chance of 1e-9 per level.

    Attributes:
        min_side: smallest number of rows and columns, ≥ 1.
        max_side: largest number of rows and columns, H = W of the arrays.
        num_walls: number of distinct wall cells drawn over max_side × max_side.
        min_objects: smallest number of objects, ≥ 1.
        max_objects: largest number of objects, the slots M of the arrays.
        min_steps: shortest episode limit in steps.
        max_steps: longest episode limit in steps.
        min_lifetime: shortest lifetime in updates.
        max_lifetime: longest lifetime in updates.

    Raises:
        ValueError: a range is empty or starts below 1, or walls or objects do not fit.
    """

    min_side: int
    max_side: int
    num_walls: int
    min_objects: int
    max_objects: int
    min_steps: int
    max_steps: int
    min_lifetime: int = 250
    max_lifetime: int = 250

    def __post_init__(self) -> None:
        for name in ("side", "objects", "steps", "lifetime"):
            low, high = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if low < 1:
                raise ValueError(f"LevelDistribution.min_{name} must be >= 1, got {low}")
            if high < low:
                raise ValueError(f"LevelDistribution.max_{name} must be >= min_{name} = {low}, got {high}")
        if self.max_objects >= self.min_side**2:
            raise ValueError(
                f"LevelDistribution.max_objects must be < min_side**2 = {self.min_side**2}, got {self.max_objects}"
            )
        if not 0 <= self.num_walls < self.max_side**2:
            raise ValueError(
                f"LevelDistribution.num_walls must be in 0..{self.max_side**2 - 1} (max_side**2 - 1), "
                f"got {self.num_walls}"
            )

    @property
    def world(self) -> TabularGrid:
        """The tabular grid world that holds the largest of the levels."""
        return TabularGrid(height=self.max_side, width=self.max_side, num_objects=self.max_objects)

    @partial(jax.jit, static_argnums=0)
    def sample(self, key: Key[Array, ""]) -> Level:
        """Draw one level, always valid.

        Args:
            key: random key, consumed.

        Returns:
            A Level with arrays of max_side × max_side cells and max_objects slots; object k has type k.
        """
        num_cells, num_slots = self.max_side**2, self.max_objects
        # Draw all numbers in one call, because such calls make up most of a level's compile time.
        draws = jax.random.uniform(key, (num_cells + 3 * num_slots + 4,))
        cell_draws, object_draws, level_draws = jnp.split(draws, [num_cells, num_cells + 3 * num_slots])
        reward_draws, terminate_draws, respawn_draws = object_draws.reshape(3, num_slots)
        side = between(level_draws[0], self.min_side, self.max_side)
        num_objects = between(level_draws[1], self.min_objects, self.max_objects)
        walls, start, cells = self._place(jnp.argsort(cell_draws), side, num_objects)
        slots = jnp.arange(num_slots)
        used = slots < num_objects
        rewards = uniform_reward(reward_draws, slots)
        terminate_probs = log_uniform(terminate_draws, *TERMINATE_PROB_RANGE)
        respawn_probs = log_uniform(respawn_draws, *RESPAWN_PROB_RANGE)
        return Level(
            max_steps_in_episode=log_uniform_int(level_draws[2], self.min_steps, self.max_steps),
            walls=walls,
            height=side,
            width=side,
            start=start,
            object_cells=jnp.where(used, cells, 0),
            object_types=jnp.where(used, slots, UNUSED),
            object_rewards=jnp.where(used, rewards, 0.0),
            object_terminate_probs=jnp.where(used, terminate_probs, 0.0),
            object_respawn_probs=jnp.where(used, respawn_probs, 0.0),
            lifetime=log_uniform_int(level_draws[3], self.min_lifetime, self.max_lifetime),
        )

    def _place(
        self, order: Int[Array, "S"], side: Int[Array, ""], num_objects: Int[Array, ""]
    ) -> tuple[Bool[Array, "H W"], Int[Array, ""], Int[Array, "M"]]:
        """Place walls, start and objects by one random order of all S = H·W cells.

        The first `num_walls` cells of the order are walls; the next cells inside the level are the
        start and the objects, so they are uniform over distinct free cells.
        """
        num_cells = self.max_side**2
        inside = (order // self.max_side < side) & (order % self.max_side < side)
        num_inside_walls = jnp.minimum(jnp.sum(inside[: self.num_walls]), side**2 - num_objects - 1)
        inside_first = order[jnp.argsort(~inside, stable=True)]
        rank = jnp.arange(num_cells)
        wall_ranks = (rank < num_inside_walls) | (rank >= side**2)
        walls = jnp.zeros(num_cells, bool).at[inside_first].set(wall_ranks, unique_indices=True)
        # An unused slot may point past the last cell; its cell is dropped by the caller.
        standing = inside_first[jnp.minimum(num_inside_walls + jnp.arange(self.max_objects + 1), num_cells - 1)]
        return walls.reshape(self.max_side, self.max_side), standing[0], standing[1:]


DISTRIBUTIONS: dict[str, LevelDistribution] = {
    "small": LevelDistribution(4, 6, 7, 1, 3, 20, 100, 250, 250),
    "medium": LevelDistribution(6, 8, 10, 2, 4, 100, 250, 1000, 1000),
    "large": LevelDistribution(8, 10, 15, 2, 5, 250, 750, 2500, 2500),
    "all": LevelDistribution(4, 10, 15, 1, 5, 20, 750, 250, 250),
}
"""GROOVE's distributions by name. `all` is published with lifetimes of 250, of 1000 and of
log-U[10, 250] updates; the last is `dataclasses.replace(DISTRIBUTIONS["all"], min_lifetime=10)`."""
