"""Brax (arXiv:2106.13281): locomotion with continuous actions."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from brax import envs
from jaxtyping import Array

from levels.time_limit import TimeLimit, time_limit
from levels.worlds.adapters.library_world import LibraryWorld, require_known

EPISODE_STEPS = 1000
"""Time limit of an episode in Brax's own training."""


LEFT_OUT = {"fast", "swimmer"}
"""A stand-in for Brax's own tests, and an environment that calls `jnp.clip` in a way that JAX no longer allows."""


@dataclass(frozen=True, eq=False)
class BraxWorld(LibraryWorld):
    """An environment of Brax with its default physics and the library's vector as observation.

    Attributes:
        env: the library's environment, without wrappers.
    """

    env: Any

    @property
    def num_actions(self) -> int:
        return int(self.env.action_size)

    @property
    def continuous_actions(self) -> bool:
        return True

    def begin(self, key: Array) -> tuple[Array, Any]:
        state = self.env.reset(key)
        return state.obs, state

    def advance(self, key: Array, inner: Any, action: Array) -> tuple[Array, Any, Array, Array]:
        del key
        # Some rewards are Python floats.
        state = jax.tree.map(jnp.asarray, self.env.step(inner, jnp.clip(action, -1.0, 1.0)))
        return state.obs, state, state.reward, state.done > 0


def environment(name: str) -> tuple[BraxWorld, TimeLimit]:
    """Make an environment with the time limit of Brax's own training.

    Args:
        name: name as in `brax.envs.get_environment`, such as "ant".

    Returns:
        The world and its level.

    Raises:
        ValueError: the name is unknown.
    """
    require_known("brax", name, set(envs._envs) - LEFT_OUT)
    return BraxWorld(envs.get_environment(name)), time_limit(EPISODE_STEPS)
