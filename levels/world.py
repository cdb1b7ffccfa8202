"""What the rollout needs of an environment, and the adapter that makes any gymnax environment one."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key, PyTree


class World(Protocol):
    """An environment in the form that a rollout runs fast: tables first, random numbers first.

    What depends on the level alone is computed once per lifetime (`plan`), all random numbers of a
    rollout are drawn at once (`noise`), and only the rest happens step by step.
    """

    @property
    def num_actions(self) -> int:
        """Number of discrete actions, or of components where actions are vectors, A."""
        ...

    @property
    def continuous_actions(self) -> bool:
        """Whether actions are vectors of A floats, clipped to −1..1, in place of one integer."""
        ...

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Shape of one observation; () where the observation is an integer state index."""
        ...

    @property
    def num_observations(self) -> int | None:
        """Number of integer observations, or None where observations are arrays."""
        ...

    def plan(self, level: PyTree) -> PyTree:
        """Tables of one level, reused by every step on it."""
        ...

    def noise(self, key: Key[Array, ""], plan: PyTree, shape: tuple[int, ...]) -> PyTree:
        """Random numbers for `shape` steps, each with its reset; leaves lead with `shape`."""
        ...

    def reset(self, noise: PyTree, plan: PyTree) -> PyTree:
        """State at the start of an episode; `noise` of shape ()."""
        ...

    def step(
        self, noise: PyTree, plan: PyTree, state: PyTree, action: Int[Array, ""] | Float[Array, "A"]
    ) -> tuple[PyTree, Float[Array, ""], Bool[Array, ""], Bool[Array, ""]]:
        """One step without reset: next state, reward, terminated, truncated; `noise` of shape ()."""
        ...

    def observe(self, plan: PyTree, state: PyTree) -> Array:
        """Observation of a state, of `observation_shape`."""
        ...


@struct.dataclass
class GymnaxState:
    """State of a gymnax environment with the observation that goes with it."""

    inner: Any  # the environment's own state
    observation: Array  # observation of `inner`


@struct.dataclass
class GymnaxNoise:
    """Keys of one step."""

    step_key: Key[Array, ""]  # [] key
    reset_key: Key[Array, ""]  # [] key


@dataclass(frozen=True)
class GymnaxWorld:
    """Any gymnax 1.x environment, run through `step_env`.

    gymnax's own `step` resets on every step; a rollout resets by itself and skips that work.
    Vectors of floats are rescaled from −1..1 to the bounds of the action space.
    Environments hash by identity: make each once.
    """

    env: Any

    @property
    def num_actions(self) -> int:
        space = self.env.action_space(self.env.default_params)
        return int(math.prod(space.shape) if self.continuous_actions else space.n)

    @property
    def continuous_actions(self) -> bool:
        return not hasattr(self.env.action_space(self.env.default_params), "n")

    @property
    def observation_shape(self) -> tuple[int, ...]:
        return tuple(self.env.observation_space(self.env.default_params).shape)

    @property
    def num_observations(self) -> int | None:
        space = self.env.observation_space(self.env.default_params)
        return int(space.n) if hasattr(space, "n") else None

    def plan(self, level: PyTree) -> PyTree:
        return level

    def noise(self, key: Key[Array, ""], plan: PyTree, shape: tuple[int, ...]) -> GymnaxNoise:
        del plan
        step_key, reset_key = jax.random.split(key)
        return GymnaxNoise(step_key=jax.random.split(step_key, shape), reset_key=jax.random.split(reset_key, shape))

    def reset(self, noise: GymnaxNoise, plan: PyTree) -> GymnaxState:
        observation, inner = self.env.reset_env(noise.reset_key, plan)
        return GymnaxState(inner=inner, observation=observation)

    def step(
        self, noise: GymnaxNoise, plan: PyTree, state: GymnaxState, action: Int[Array, ""] | Float[Array, "A"]
    ) -> tuple[GymnaxState, Float[Array, ""], Bool[Array, ""], Bool[Array, ""]]:
        if self.continuous_actions:
            space = self.env.action_space(plan)
            share = (jnp.clip(action.reshape(space.shape), -1, 1) + 1) / 2
            action = space.low + share * (space.high - space.low)
        observation, inner, reward, terminated, _ = self.env.step_env(noise.step_key, state.inner, action, plan)
        truncated = jnp.asarray(self.env.is_truncated(inner, plan))
        reward = jnp.asarray(reward, jnp.float32)
        return GymnaxState(inner=inner, observation=observation), reward, jnp.asarray(terminated), truncated

    def observe(self, plan: PyTree, state: GymnaxState) -> Array:
        del plan
        return state.observation
