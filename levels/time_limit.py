"""The level of an environment that has nothing to vary but the length of its episodes."""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Int

NO_LIMIT = 2**31 - 1
"""More steps than an episode ever has."""


@struct.dataclass
class TimeLimit:
    """Level of an environment of another library."""

    max_steps_in_episode: Int[Array, ""]  # [] int32, steps after which an episode is cut: a truncation


def time_limit(num_steps: int) -> TimeLimit:
    """The level that cuts episodes after a number of steps.

    Args:
        num_steps: ≥ 1; NO_LIMIT for never.

    Returns:
        The level.
    """
    return TimeLimit(max_steps_in_episode=jnp.asarray(num_steps, jnp.int32))
