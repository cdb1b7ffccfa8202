"""Craftax (arXiv:2402.16801): an open world in the style of Crafter and NetHack."""

from dataclasses import dataclass
from typing import Any

from craftax.craftax_env import make_craftax_env_from_name
from jaxtyping import Array

from levels.time_limit import NO_LIMIT, TimeLimit, time_limit
from levels.worlds.adapters.library_world import LibraryWorld, require_known

NAMES = ("Craftax-Symbolic-v1", "Craftax-Pixels-v1", "Craftax-Classic-Symbolic-v1", "Craftax-Classic-Pixels-v1")
"""All environments; the library has no list of them."""


@dataclass(frozen=True, eq=False)
class CraftaxWorld(LibraryWorld):
    """An environment of Craftax with the library's observations: a vector, or an image with values in 0..1.

    A rollout makes a new world on every step of every worker, needed or not, which costs more here than
    the step itself.

    Attributes:
        env: the library's environment without resets.
        params: its parameters, with its own time limit out of reach.
    """

    env: Any
    params: Any

    @property
    def num_actions(self) -> int:
        return int(self.env.num_actions)

    def begin(self, key: Array) -> tuple[Array, Any]:
        observation, state = self.env.reset_env(key, self.params)
        return observation, state

    def advance(self, key: Array, inner: Any, action: Array) -> tuple[Array, Any, Array, Array]:
        observation, state, reward, terminated, _ = self.env.step_env(key, inner, action, self.params)
        return observation, state, reward, terminated


def environment(name: str) -> tuple[CraftaxWorld, TimeLimit]:
    """Make an environment with the library's time limit.

    Args:
        name: name as in `make_craftax_env_from_name`, such as "Craftax-Classic-Symbolic-v1".

    Returns:
        The world and its level.

    Raises:
        ValueError: the name is unknown.
    """
    require_known("craftax", name, NAMES)
    env = make_craftax_env_from_name(name, auto_reset=False)
    params = env.default_params
    return CraftaxWorld(env, params.replace(max_timesteps=NO_LIMIT)), time_limit(params.max_timesteps)
