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
"""Largest number of combinations of an action's parts that are offered as one choice."""

DOWNLOADED = "Sokoban-v0"
"""The environment that downloads its levels when it is made."""


@dataclass(frozen=True, eq=False)
class JumanjiWorld(LibraryWorld):
    """An environment of Jumanji, controlled by one agent.

    An action with several parts is one integer, in which the last part varies fastest. Several agents
    are controlled together that way, and their rewards are summed. The observation is a float32 vector:
    all arrays of the library's observation, including the mask of legal actions, flattened one after
    the other. The library decides what an illegal action does.

    Attributes:
        env: the library's environment, without wrappers and with its own time limit out of reach.
    """

    env: Any

    @cached_property
    def action_parts(self) -> tuple[int, ...]:
        """Number of choices for each part of an action, () if an action has no parts."""
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
        """Join all arrays of a time step's observation into one vector."""
        leaves = jax.tree.leaves(timestep.observation)
        return jnp.concatenate([jnp.ravel(leaf).astype(jnp.float32) for leaf in leaves])


def environment(name: str) -> tuple[JumanjiWorld, TimeLimit]:
    """Make an environment with the library's time limit.

    Args:
        name: name as in `jumanji.make`, such as "Snake-v1".

    Returns:
        The world and its level.

    Raises:
        ValueError: the name is unknown, or there are too many actions, or actions are not choices.
    """
    require_known("jumanji", name, jumanji.registered_environments() - {DOWNLOADED})
    env: Any = jumanji.make(name)
    num_steps = getattr(env, "time_limit", NO_LIMIT)
    if num_steps != NO_LIMIT:
        # Jumanji reports its time limit as a termination; one step later, it is never reached.
        env.time_limit = num_steps + 1
    world = JumanjiWorld(env)
    if not hasattr(env.action_spec, "num_values") or world.num_actions > MAX_ACTIONS:
        raise ValueError(f"jumanji:{name} cannot be played: its actions are not one choice of at most {MAX_ACTIONS}")
    return world, time_limit(num_steps)
