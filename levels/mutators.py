"""Edits by which ACCEL makes new levels from old ones (arXiv:2203.01302). A valid level stays valid."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from levels.generators.distributions import (
    RESPAWN_PROB_RANGE,
    TERMINATE_PROB_RANGE,
    between,
    log_uniform,
    uniform_reward,
)
from levels.level import UNUSED, Level
from levels.near_names import unknown

STEPS_FACTOR_RANGE = (0.5, 2.0)
"""Range of the log-uniform factor by which an edit changes the episode limit; a choice of this project."""

NUM_DRAWS = 4
"""Random numbers available to one edit."""


@dataclass(frozen=True)
class Limits:
    """Limits that edited levels must respect beyond being valid.

    Attributes:
        min_steps: shortest episode limit in steps, ≥ 1.
        max_steps: longest episode limit in steps, at most 2³⁰.
        num_types: number of object types that the level's world distinguishes
            (levels.worlds.random_grid.RandomGrid), ≥ 1; an added object's type is its slot number modulo this,
            or the slot number itself if this is None.

    Raises:
        ValueError: the range is empty, or a value is out of bounds.
    """

    min_steps: int = 1
    max_steps: int = 2**30
    num_types: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.min_steps <= self.max_steps <= 2**30:
            raise ValueError(
                f"Limits: must be 1 <= min_steps <= max_steps <= {2**30}, got {self.min_steps} and {self.max_steps}"
            )
        if self.num_types is not None and self.num_types < 1:
            raise ValueError(f"Limits.num_types must be >= 1 or None, got {self.num_types}")


class Mutator(Protocol):
    """One edit of a level."""

    def __call__(self, draws: Float[Array, "4"], level: Level, limits: Limits) -> Level:
        """Edit a level.

        Args:
            draws: [4] float32, uniform in [0, 1).
            level: one valid level.
            limits: limits that the edited level must respect.

        Returns:
            A valid level. If the edit is impossible for want of a free cell, an empty slot or a second
            object, the level is returned unchanged.
        """
        ...


def _pick(draw: Float[Array, ""], allowed: Bool[Array, "K"]) -> Int[Array, ""]:
    """Draw a uniform index among those allowed; K if there are none."""
    count = jnp.sum(allowed)
    rank = jnp.minimum((draw * count).astype(jnp.int32), jnp.maximum(count - 1, 0))
    return jnp.sum(jnp.cumsum(allowed) <= rank).astype(jnp.int32)


def _put(values: Array, index: Int[Array, ""], value: Array | int | float) -> Array:
    """Replace one of the `values` [K]; index K replaces none."""
    return jnp.where(jnp.arange(values.size) == index, value, values)


def _used(level: Level) -> Bool[Array, "M"]:
    return level.object_types != UNUSED


def _standing(level: Level) -> Bool[Array, "S"]:
    """Return which cells hold the start or an object."""
    cells = jnp.arange(level.walls.size)
    return (cells == level.start) | jnp.any((cells[:, None] == level.object_cells) & _used(level), axis=1)


def _free_cell(draw: Float[Array, ""], level: Level) -> Int[Array, ""]:
    """Draw a uniform cell without wall, start or object; S = H·W if there is none."""
    return _pick(draw, ~level.walls.ravel() & ~_standing(level))


def _flip_wall(draws: Float[Array, "4"], level: Level, limits: Limits) -> Level:
    """Turn a cell without start or object into a wall, or a wall into a free cell."""
    del limits
    height, width = level.walls.shape
    inside = (jnp.arange(height)[:, None] < level.height) & (jnp.arange(width) < level.width)
    cell = _pick(draws[0], inside.ravel() & ~_standing(level))
    walls = level.walls.ravel()
    return replace(level, walls=_put(walls, cell, ~walls).reshape(height, width))


def _move_start(draws: Float[Array, "4"], level: Level, limits: Limits) -> Level:
    """Put the start on another free cell."""
    del limits
    cell = _free_cell(draws[0], level)
    return replace(level, start=jnp.where(cell < level.walls.size, cell, level.start))


def _move_object(draws: Float[Array, "4"], level: Level, limits: Limits) -> Level:
    """Put an object on another free cell."""
    del limits
    cell = _free_cell(draws[0], level)
    moved = _put(level.object_cells, _pick(draws[1], _used(level)), cell)
    return replace(level, object_cells=jnp.where(cell < level.walls.size, moved, level.object_cells))


def _add_object(draws: Float[Array, "4"], level: Level, limits: Limits) -> Level:
    """Put an object in the first empty slot and on a free cell, with numbers drawn as in LevelDistribution."""
    num_slots = level.object_types.size
    cell = _free_cell(draws[0], level)
    first_empty = jnp.sum(jnp.cumprod(_used(level))).astype(jnp.int32)
    slot = jnp.where(cell < level.walls.size, first_empty, num_slots)
    kind = slot if limits.num_types is None else slot % limits.num_types
    return replace(
        level,
        object_cells=_put(level.object_cells, slot, cell),
        object_types=_put(level.object_types, slot, kind),
        object_rewards=_put(level.object_rewards, slot, uniform_reward(draws[1], slot)),
        object_terminate_probs=_put(level.object_terminate_probs, slot, log_uniform(draws[2], *TERMINATE_PROB_RANGE)),
        object_respawn_probs=_put(level.object_respawn_probs, slot, log_uniform(draws[3], *RESPAWN_PROB_RANGE)),
    )


def _remove_object(draws: Float[Array, "4"], level: Level, limits: Limits) -> Level:
    """Remove an object, unless it is the only one."""
    del limits
    used = _used(level)
    slot = _pick(draws[0], used & (jnp.sum(used) > 1))
    return replace(
        level,
        object_cells=_put(level.object_cells, slot, 0),
        object_types=_put(level.object_types, slot, UNUSED),
        object_rewards=_put(level.object_rewards, slot, 0.0),
        object_terminate_probs=_put(level.object_terminate_probs, slot, 0.0),
        object_respawn_probs=_put(level.object_respawn_probs, slot, 0.0),
    )


def _draw_reward(draws: Float[Array, "4"], level: Level, limits: Limits) -> Level:
    """Redraw an object's reward."""
    del limits
    slot = _pick(draws[0], _used(level))
    return replace(level, object_rewards=_put(level.object_rewards, slot, uniform_reward(draws[1], slot)))


def _draw_terminate_prob(draws: Float[Array, "4"], level: Level, limits: Limits) -> Level:
    """Redraw the chance that collecting an object ends the episode."""
    del limits
    drawn = log_uniform(draws[1], *TERMINATE_PROB_RANGE)
    slot = _pick(draws[0], _used(level))
    return replace(level, object_terminate_probs=_put(level.object_terminate_probs, slot, drawn))


def _draw_respawn_prob(draws: Float[Array, "4"], level: Level, limits: Limits) -> Level:
    """Redraw the chance per step that an object respawns."""
    del limits
    drawn = log_uniform(draws[1], *RESPAWN_PROB_RANGE)
    slot = _pick(draws[0], _used(level))
    return replace(level, object_respawn_probs=_put(level.object_respawn_probs, slot, drawn))


def _scale_max_steps(draws: Float[Array, "4"], level: Level, limits: Limits) -> Level:
    """Scale the number of steps after which an episode is truncated, then clip it to the limits."""
    steps = level.max_steps_in_episode * log_uniform(draws[0], *STEPS_FACTOR_RANGE)
    within = jnp.clip(jnp.round(steps), limits.min_steps, limits.max_steps)
    return replace(level, max_steps_in_episode=within.astype(jnp.int32))


MUTATORS: dict[str, Mutator] = {
    "flip_wall": _flip_wall,
    "move_start": _move_start,
    "move_object": _move_object,
    "add_object": _add_object,
    "remove_object": _remove_object,
    "reward": _draw_reward,
    "terminate": _draw_terminate_prob,
    "respawn": _draw_respawn_prob,
    "max_steps": _scale_max_steps,
}
"""Edits by name."""


@dataclass(frozen=True)
class Edits:
    """A number of edits of a level, one after the other, each drawn uniformly from the named ones.

    An edit that turns out to be impossible changes nothing, so a level may come out as it went in.

    Attributes:
        num_edits: number of edits per level, ≥ 1.
        names: keys of MUTATORS, at least one; a name listed twice is drawn twice as often.
        limits: limits that edited levels must respect.

    Raises:
        ValueError: num_edits < 1, or there is no name or an unknown one.
    """

    num_edits: int
    names: tuple[str, ...] = tuple(MUTATORS)
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if self.num_edits < 1:
            raise ValueError(f"Edits.num_edits must be >= 1, got {self.num_edits}")
        if not self.names:
            raise ValueError(f"Edits.names must have at least one of {', '.join(MUTATORS)}, got none")
        for name in self.names:
            if name not in MUTATORS:
                raise ValueError(unknown("edit", name, MUTATORS))

    def __call__(self, key: Key[Array, ""], level: Level) -> Level:
        """Edit one level.

        Args:
            key: random key, consumed.
            level: one valid level.

        Returns:
            A valid level of the same array shapes, lifetime, height and width.
        """

        def edit(level: Level, draws: Float[Array, "5"]) -> tuple[Level, None]:
            which = between(draws[0], 0, len(self.names) - 1)
            branches = [partial(MUTATORS[name], limits=self.limits) for name in self.names]
            return jax.lax.switch(which, branches, draws[1:], level), None

        draws = jax.random.uniform(key, (self.num_edits, NUM_DRAWS + 1))
        return jax.lax.scan(edit, level, draws)[0]
