"""Jumanji (arXiv:2306.09884): logic, packing and routing problems."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import jumanji
import numpy as np
from jaxtyping import Array

from levels.time_limit import NO_LIMIT, TimeLimit, time_limit
from levels.worlds.adapters.library_world import LibraryWorld, require_known

MAX_ACTIONS = 10_000
"""Most combinations of an action's parts that are offered as one choice."""

DOWNLOADED = "Sokoban-v0"
"""Fetches its levels from the network when it is made."""


@dataclass(frozen=True, eq=False)
class JumanjiWorld(LibraryWorld):
    """An environment of Jumanji, steered by one agent.

    An action of several parts is one integer, its parts counted with the last one fastest; several
    agents are steered together that way, and their rewards are summed. The observation is a vector,
    float32: all arrays of the library's observation, the mask of legal actions among them, flattened
    one after the other. What an illegal action does is the library's choice.

    Attributes:
        env: the library's environment, without wrappers, its own time limit out of reach.
    """

    env: Any

    @cached_property
    def action_parts(self) -> tuple[int, ...]:
        """Number of choices of each part of an action, () where an action has no parts."""
        return tuple(int(n) for n in np.ravel(self.env.action_spec.num_values)) if self.env.action_spec.shape else ()

    @cached_property
    def num_actions(self) -> int:
        return math.prod(self.action_parts) if self.action_parts else int(self.env.action_spec.num_values)

    def begin(self, key: Array) -> tuple[Array, Any]:
        state, timestep = self.env.reset(key)
        return self.see(timestep), state

    def advance(self, key: Array, inner: Any, action: Array) -> tuple[Array, Any, Array, Array]:
        del key
        spec = self.env.action_spec
        if self.action_parts:
            action = jnp.stack(jnp.unravel_index(action, self.action_parts)).reshape(spec.shape)
        state, timestep = self.env.step(inner, action.astype(spec.dtype))
        return self.see(timestep), state, jnp.sum(timestep.reward), timestep.last()

    def see(self, timestep: Any) -> Array:
        """All arrays of a time step's observation as one vector."""
        leaves = jax.tree.leaves(timestep.observation)
        return jnp.concatenate([jnp.ravel(leaf).astype(jnp.float32) for leaf in leaves])


def environment(name: str) -> tuple[JumanjiWorld, TimeLimit]:
    """An environment and the library's time limit for it.

    Args:
        name: as in `jumanji.make`, such as "Snake-v1".

    Returns:
        The world and its level.

    Raises:
        ValueError: unknown name, or the actions are too many or not choices.
    """
    require_known("jumanji", name, jumanji.registered_environments() - {DOWNLOADED})
    env: Any = jumanji.make(name)
    num_steps = getattr(env, "time_limit", NO_LIMIT)
    if num_steps != NO_LIMIT:
        # Jumanji calls its time limit a termination; one step later it is never met.
        env.time_limit = num_steps + 1
    world = JumanjiWorld(env)
    if not hasattr(env.action_spec, "num_values") or world.num_actions > MAX_ACTIONS:
        raise ValueError(f"jumanji:{name} cannot be played: its actions are not one choice among at most {MAX_ACTIONS}")
    return world, time_limit(num_steps)
