"""What a rollout needs from an environment, and the adapter that provides it for any gymnax environment."""

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key, PyTree


class World(Protocol):
    """An environment in a form that a rollout can run fast: tables and random numbers come first.

    Whatever depends on the level alone is computed once per lifetime (`plan`), all random numbers of a
    rollout are drawn at once (`noise`), and only the rest happens step by step.
    """

    @property
    def num_actions(self) -> int:
        """Number A of discrete actions, or of floats in a continuous action."""
        ...

    @property
    def continuous_actions(self) -> bool:
        """Whether an action is a vector of num_actions floats, clipped to -1..1, rather than one integer."""
        ...

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Shape of one observation; () if the observation is an integer state index."""
        ...

    @property
    def num_observations(self) -> int | None:
        """Number of integer observations, or None if observations are arrays."""
        ...

    def plan(self, level: PyTree) -> PyTree:
        """Compute the tables of one level, which every step on it reuses."""
        ...

    def noise(self, key: Key[Array, ""], plan: PyTree, shape: tuple[int, ...]) -> PyTree:
        """Draw random numbers for `shape` steps, each with its reset; leaves lead with `shape`."""
        ...

    def reset(self, noise: PyTree, plan: PyTree) -> PyTree:
        """Return the state at the start of an episode; `noise` has shape ()."""
        ...

    def step(
        self, noise: PyTree, plan: PyTree, state: PyTree, action: Int[Array, ""] | Float[Array, "A"]
    ) -> tuple[PyTree, Float[Array, ""], Bool[Array, ""], Bool[Array, ""]]:
        """Take one step without reset: next state, reward, terminated, truncated; `noise` has shape ()."""
        ...

    def observe(self, plan: PyTree, state: PyTree) -> Array:
        """Return the observation of a state, of shape `observation_shape`."""
        ...


ObservationKind = Literal["table", "image", "vector"]
"""A state index; planes [C, H, W]; any other array."""


def observation_kind(world: World) -> ObservationKind:
    """Return the kind of observation of a world, which decides networks, optimizers and learning rates.

    Args:
        world: the environment.

    Returns:
        The kind.
    """
    if world.num_observations is not None:
        return "table"
    return "image" if len(world.observation_shape) == 3 else "vector"


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


def keys_of_steps(key: Key[Array, ""], shape: tuple[int, ...]) -> GymnaxNoise:
    """Draw keys for a batch of steps.

    Args:
        key: random key, consumed.
        shape: shape of the batch.

    Returns:
        Noise whose leaves have that shape.
    """
    step_key, reset_key = jax.random.split(key)
    return GymnaxNoise(step_key=jax.random.split(step_key, shape), reset_key=jax.random.split(reset_key, shape))


def rescale(action: Float[Array, "A"], low: ArrayLike, high: ArrayLike, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Rescale an action of a continuous policy to the bounds of an action space: -1 is low, 1 is high.

    Args:
        action: [A] float32, clipped to -1..1.
        low: lower bounds, of `shape` or broadcast to it.
        high: upper bounds, of `shape` or broadcast to it.
        shape: shape of the action space, which has A elements.

    Returns:
        The action in low..high.
    """
    low, high = jnp.asarray(low, jnp.float32), jnp.asarray(high, jnp.float32)
    return low + (jnp.clip(action, -1.0, 1.0).reshape(shape) + 1.0) * 0.5 * (high - low)


@dataclass(frozen=True)
class GymnaxWorld:
    """Any gymnax 1.x environment, run through `step_env`.

    gymnax's own `step` resets on every step; a rollout resets by itself and skips that work.
    Environments hash by identity, so make each one only once. An action of a Box is clipped to -1..1 and
    rescaled linearly to the bounds of the Box.
    """

    env: Any

    @property
    def num_actions(self) -> int:
        space = self.env.action_space(self.env.default_params)
        return math.prod(space.shape) if self.continuous_actions else int(space.n)

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
        return keys_of_steps(key, shape)

    def reset(self, noise: GymnaxNoise, plan: PyTree) -> GymnaxState:
        observation, inner = self.env.reset_env(noise.reset_key, plan)
        return GymnaxState(inner=inner, observation=observation)

    def step(
        self, noise: GymnaxNoise, plan: PyTree, state: GymnaxState, action: Int[Array, ""] | Float[Array, "A"]
    ) -> tuple[GymnaxState, Float[Array, ""], Bool[Array, ""], Bool[Array, ""]]:
        if self.continuous_actions:
            space = self.env.action_space(plan)
            action = rescale(action, space.low, space.high, space.shape)
        observation, inner, reward, terminated, _ = self.env.step_env(noise.step_key, state.inner, action, plan)
        truncated = jnp.asarray(self.env.is_truncated(inner, plan))
        reward = jnp.asarray(reward, jnp.float32)
        return GymnaxState(inner=inner, observation=observation), reward, jnp.asarray(terminated), truncated

    def observe(self, plan: PyTree, state: GymnaxState) -> Array:
        del plan
        return state.observation
