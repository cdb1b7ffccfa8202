"""What the adapters share: keys, time limits and the observation that is kept with the library's own state."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Integer, Key

from levels.near_names import unknown
from levels.time_limit import TimeLimit
from levels.world import GymnaxNoise, keys_of_steps


@struct.dataclass
class LibraryState:
    """State of an episode in another library's environment."""

    time: Int[Array, ""]  # [] int32, steps taken
    inner: Any  # the library's own state
    observation: Array  # float32, observation of `inner`


class LibraryWorld(ABC):
    """A world (levels.world.World) from two functions of a library: how an episode begins and how it goes on.

    The level's time limit is enforced here and is a truncation; if the library itself ends an episode,
    that is a termination. Libraries get keys as raw uint32 words, for which they were all written, and
    observations are float32 arrays of one shape. Worlds hash by identity, so make each one only once.
    """

    @property
    @abstractmethod
    def num_actions(self) -> int:
        """Number A of discrete actions, or of floats in a continuous action."""

    @property
    def continuous_actions(self) -> bool:
        """Whether actions are vectors of num_actions floats; they are integers unless an adapter overrides this."""
        return False

    @abstractmethod
    def begin(self, key: Array) -> tuple[Array, Any]:
        """Start an episode.

        Args:
            key: raw words of a key, consumed.

        Returns:
            The first observation and the library's state.
        """

    @abstractmethod
    def advance(self, key: Array, inner: Any, action: Array) -> tuple[Array, Any, Array, Array]:
        """Take one step, without reset and without time limit.

        Args:
            key: raw words of a key, consumed.
            inner: the library's state.
            action: [] int32, or [A] float32 if actions are continuous.

        Returns:
            The observation after the step, the library's state, the reward, and whether the episode terminated.
        """

    @cached_property
    def observation_shape(self) -> tuple[int, ...]:
        return tuple(jax.eval_shape(lambda: self.begin(_words(jax.random.key(0))))[0].shape)

    @property
    def num_observations(self) -> int | None:
        return None

    def plan(self, level: TimeLimit) -> TimeLimit:
        return level

    def noise(self, key: Key[Array, ""], plan: TimeLimit, shape: tuple[int, ...]) -> GymnaxNoise:
        del plan
        return keys_of_steps(key, shape)

    def reset(self, noise: GymnaxNoise, plan: TimeLimit) -> LibraryState:
        del plan
        observation, inner = self.begin(_words(noise.reset_key))
        return LibraryState(time=jnp.int32(0), inner=inner, observation=observation.astype(jnp.float32))

    def step(
        self, noise: GymnaxNoise, plan: TimeLimit, state: LibraryState, action: Int[Array, ""] | Float[Array, "A"]
    ) -> tuple[LibraryState, Float[Array, ""], Bool[Array, ""], Bool[Array, ""]]:
        observation, inner, reward, terminated = self.advance(_words(noise.step_key), state.inner, action)
        time = state.time + 1
        after = LibraryState(time=time, inner=inner, observation=observation.astype(jnp.float32))
        truncated = time >= plan.max_steps_in_episode
        return after, jnp.asarray(reward, jnp.float32), jnp.asarray(terminated, bool), truncated

    def observe(self, plan: TimeLimit, state: LibraryState) -> Float[Array, "..."]:
        del plan
        return state.observation


def _words(key: Key[Array, ""]) -> Array:
    return jax.random.key_data(key)


def planes(symbols: Integer[Array, "H W L"], sizes: tuple[int, ...]) -> Float[Array, "H W planes"]:
    """Encode layers of integer symbols as one plane of zeros and ones for each symbol of each layer.

    Args:
        symbols: [H, W, L] integers; a symbol outside its layer's range sets no plane.
        sizes: number of symbols in each of the L layers.

    Returns:
        [H, W, sum of sizes] float32.
    """
    layers = [jax.nn.one_hot(symbols[..., i], sizes[i]) for i in range(len(sizes))]
    return jnp.concatenate(layers, axis=-1)


def require_known(library: str, name: str, known: Collection[str]) -> None:
    """Refuse an environment that a library does not have.

    Args:
        library: name of the library.
        name: name of the environment.
        known: names of all environments that can be played.

    Raises:
        ValueError: the environment is not among them.
    """
    if name not in known:
        raise ValueError(unknown(f"{library} environment", name, sorted(known)))
