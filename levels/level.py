"""The level of a grid world: the one pytree that generators draw, curricula keep and agents live on."""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int

UNUSED = -1
"""Object type of a slot that holds no object."""


@struct.dataclass(kw_only=True)
class Level:
    """One grid level: the gymnax parameters of a grid world (LPG, arXiv:2007.08794, appendix).

    gymnax requires only `max_steps_in_episode` of its parameters. This class does not derive from gymnax's
    EnvParams because importing gymnax loads all of its environments, seaborn and pandas: 150 MB, 1.2 s.

    A cell is the integer `row * W + column` of the H×W array, whatever the level's own size. Slots
    that hold no object have type -1 and zeros elsewhere, so that equal levels are equal arrays.
    """

    max_steps_in_episode: Int[Array, ""]  # [] int32, steps after which an episode is truncated
    walls: Bool[Array, "H W"]  # [H, W] bool, True on walls and everywhere outside height × width
    height: Int[Array, ""]  # [] int32, rows in use, 1..H
    width: Int[Array, ""]  # [] int32, columns in use, 1..W
    start: Int[Array, ""]  # [] int32, cell of the agent at reset (redrawn by a random layout)
    object_cells: Int[Array, "M"]  # [M] int32, cell of each object (redrawn by a random layout)
    object_types: Int[Array, "M"]  # [M] int32, plane of each object, -1 = slot unused
    object_rewards: Float[Array, "M"]  # [M] float32, paid on collection
    object_terminate_probs: Float[Array, "M"]  # [M] float32, chance that collection ends the episode
    object_respawn_probs: Float[Array, "M"]  # [M] float32, chance per step that it respawns
    lifetime: Int[Array, ""]  # [] int32, updates an agent trains on this level


def is_valid(level: Level) -> Bool[Array, ""]:
    """Return whether an agent can live on a level.

    The start and the objects stand on distinct free cells, everything beyond height × width is wall,
    probabilities lie in [0, 1], numbers are finite, and counts are at least 1.

    Args:
        level: one level.

    Returns:
        [] bool.
    """
    height, width = level.walls.shape
    rows, columns = jnp.arange(height)[:, None], jnp.arange(width)[None, :]
    outside = (rows >= level.height) | (columns >= level.width)
    used = level.object_types != UNUSED
    cells = jnp.concatenate([level.start[None], jnp.where(used, level.object_cells, level.start)])
    standing = jnp.concatenate([jnp.ones(1, bool), used])
    in_range = (cells >= 0) & (cells < height * width)
    free = in_range & ~level.walls.ravel()[jnp.clip(cells, 0, height * width - 1)]
    shared = (cells[:, None] == cells[None, :]) & standing[:, None] & standing[None, :]
    distinct = jnp.sum(shared) == jnp.sum(standing)
    probs = jnp.stack([level.object_terminate_probs, level.object_respawn_probs])
    sizes = (level.height >= 1) & (level.height <= height) & (level.width >= 1) & (level.width <= width)
    return (
        sizes
        & jnp.all(level.walls | ~outside)
        & jnp.all(free)
        & distinct
        & jnp.all((probs >= 0) & (probs <= 1))
        & jnp.all(jnp.isfinite(level.object_rewards))
        & (level.max_steps_in_episode >= 1)
        & (level.lifetime >= 1)
    )


def stack_levels(levels: list[Level]) -> Level:
    """Stack levels of equal array shapes along a new first axis.

    Args:
        levels: n levels.

    Returns:
        A Level with a leading axis [n] in every field.
    """
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *levels)
