"""NAVIX (arXiv:2407.19396): MiniGrid in JAX."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import navix
from jaxtyping import Array
from navix.environments.environment import StepType
from navix.rendering.cache import RenderingCache

from levels.time_limit import TimeLimit, time_limit
from levels.worlds.adapters.library_world import LibraryWorld, planes, require_known

SYMBOLS = (11, 6, 4)
"""Number of kinds of entity in NAVIX, of colours, and of states (of a door) or directions (of the player)."""


@dataclass(frozen=True, eq=False)
class NavixWorld(LibraryWorld):
    """An environment of NAVIX.

    The observation is the whole grid [H, W, 21], float32: for each cell one plane per kind of entity
    (11), per colour (6) and per state or direction (4).

    Attributes:
        env: the library's environment.
    """

    env: Any

    @property
    def num_actions(self) -> int:
        return len(self.env.action_set)

    def begin(self, key: Array) -> tuple[Array, Any]:
        # Images are never rendered, and the pictures of the tiles would be the largest part of the state.
        timestep = self.env.reset(key, RenderingCache(patches=jnp.zeros((0,), jnp.uint8)))
        return self.see(timestep), timestep

    def advance(self, key: Array, inner: Any, action: Array) -> tuple[Array, Any, Array, Array]:
        del key
        # The public `step` resets by itself and, when batched, pays for a reset on every step.
        timestep = self.env._step(inner, action)
        return self.see(timestep), timestep, timestep.reward, timestep.step_type == StepType.TERMINATION

    def see(self, timestep: Any) -> Array:
        """Encode the grid of a time step as planes."""
        return planes(timestep.observation, SYMBOLS)


def environment(name: str) -> tuple[NavixWorld, TimeLimit]:
    """Make an environment with the library's time limit.

    Args:
        name: name as in `navix.make`, such as "Navix-Empty-5x5-v0".

    Returns:
        The world and its level.

    Raises:
        ValueError: the name is unknown.
    """
    require_known("navix", name, navix.registry())
    env = navix.make(name, observation_fn=navix.observations.symbolic)
    return NavixWorld(env), time_limit(env.max_steps)
