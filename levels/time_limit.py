"""The level of an environment in which only the length of episodes can vary."""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Int

NO_LIMIT = 2**31 - 1
"""More steps than an episode ever has."""


@struct.dataclass
class TimeLimit:
    """Level of an environment of another library."""

    max_steps_in_episode: Int[Array, ""]  # [] int32, steps after which an episode is truncated


def time_limit(num_steps: int) -> TimeLimit:
    """Build the level that truncates episodes after a number of steps.

    Args:
        num_steps: steps per episode, ≥ 1; NO_LIMIT for never.

    Returns:
        The level.
    """
    return TimeLimit(max_steps_in_episode=jnp.asarray(num_steps, jnp.int32))
