"""Any environment of Gymnasium as a world, run on the host."""

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnasium.spaces import Box, Discrete
from jaxtyping import Array, Bool, Float, Int, Key, UInt

from levels.time_limit import NO_LIMIT, TimeLimit, time_limit
from levels.world import rescale
from levels.worlds.adapters.library_world import require_known
from levels.worlds.gymnasium_host import GymnasiumHost
from levels.worlds.host_callback import host_callback


@struct.dataclass
class GymnasiumState:
    """State of an episode that is played on the host."""

    start: Int[Array, ""]  # [] int32, seed of its first observation
    time: Int[Array, ""]  # [] int32, steps taken
    episode: UInt[Array, "2"]  # [2] uint32, its name on the host; zeros before the first step
    mark: UInt[Array, ""]  # [] uint32, identifies this state among all states after as many steps
    observation: Array  # what the agent sees


@struct.dataclass
class GymnasiumNoise:
    """Random numbers of one step."""

    start: Int[Array, ""]  # [] int32, seed of the next episode, 0..num_starts − 1
    words: UInt[Array, "2"]  # [2] uint32, name of an episode that begins with this step; the first word marks the state


class GymnasiumWorld:
    """An environment of Gymnasium (levels.world.World), run on the host in one callback for a whole batch.

    A rollout computes a reset on every step of every worker. To keep that cheap, an episode starts from
    one of `num_starts` first observations, those of the seeds 0..num_starts − 1, computed once. After
    the start, the environment draws from an `np_random` seeded by the episode's own random name, so that
    episodes with the same start differ. (An environment that draws from elsewhere repeats itself.)

    Observations are a Box, given as float32 in its own shape and range, or Discrete, given as an integer
    from 0. Actions are Discrete, counted from 0, or a Box, rescaled from -1..1 to its bounds. The time
    limit is the level's, not a wrapper's.

    A state can be stepped again later, any number of times, but two futures of one state cannot be
    stepped in turns. A state can only be stepped in the process that began its episode, so a program
    that resumes after a stop must begin new episodes.

    Args:
        env_id: id registered with Gymnasium, such as "CartPole-v1".
        num_starts: number of first observations S, ≥ 1.
        max_envs: largest number of environments kept on the host, ≥ 1; more workers than that are correct
            but slow.
        **options: options for `gymnasium.make`.

    Raises:
        ValueError: the environment is unknown or cannot be made, or its spaces are none of these.
    """

    def __init__(self, env_id: str, num_starts: int = 256, max_envs: int = 4096, **options: Any) -> None:
        for name, value in (("num_starts", num_starts), ("max_envs", max_envs)):
            if value < 1:
                raise ValueError(f"GymnasiumWorld.{name} must be >= 1, got {value}")

        def make() -> Any:
            return gymnasium.make(env_id, max_episode_steps=-1, disable_env_checker=True, **options)

        try:
            self.host = GymnasiumHost(make, num_starts, max_envs)
            env = make()
        except (gymnasium.error.Error, ImportError) as error:
            raise ValueError(f"gymnasium:{env_id} cannot be made: {' '.join(str(error).split())}") from error
        self._num_starts = num_starts
        self._observations, self._actions = env.observation_space, env.action_space
        env.close()
        if not isinstance(self._observations, Box | Discrete):
            raise ValueError(f"gymnasium:{env_id}: observations must be Box or Discrete, got {self._observations}")
        bounded = isinstance(self._actions, Box) and self._actions.is_bounded()
        if not bounded and not isinstance(self._actions, Discrete):
            raise ValueError(f"gymnasium:{env_id}: actions must be Discrete or a bounded Box, got {self._actions}")
        self._first_observations = np.stack([self._seen(first) for first in self.host.first_observations])
        scalars = [jax.ShapeDtypeStruct((), dtype) for dtype in (jnp.float32, jnp.bool_, jnp.bool_)]
        observation = jax.ShapeDtypeStruct(self.observation_shape, self._first_observations.dtype)
        self._call = host_callback(self._step_on_host, (observation, *scalars))

    @property
    def num_actions(self) -> int:
        return int(np.prod(self._actions.shape)) if self.continuous_actions else int(self._actions.n)

    @property
    def continuous_actions(self) -> bool:
        return isinstance(self._actions, Box)

    @property
    def observation_shape(self) -> tuple[int, ...]:
        return tuple(self._observations.shape)

    @property
    def num_observations(self) -> int | None:
        return int(self._observations.n) if isinstance(self._observations, Discrete) else None

    def plan(self, level: TimeLimit) -> TimeLimit:
        return level

    def noise(self, key: Key[Array, ""], plan: TimeLimit, shape: tuple[int, ...]) -> GymnasiumNoise:
        del plan
        start_key, words_key = jax.random.split(key)
        return GymnasiumNoise(
            start=jax.random.randint(start_key, shape, 0, self._num_starts, jnp.int32),
            words=jax.random.bits(words_key, (*shape, 2), jnp.uint32),
        )

    def reset(self, noise: GymnasiumNoise, plan: TimeLimit) -> GymnasiumState:
        del plan
        return GymnasiumState(
            start=noise.start,
            time=jnp.int32(0),
            episode=jnp.zeros(2, jnp.uint32),
            mark=jnp.uint32(0),
            observation=jnp.asarray(self._first_observations)[noise.start],
        )

    def step(
        self, noise: GymnasiumNoise, plan: TimeLimit, state: GymnasiumState, action: Int[Array, ""] | Float[Array, "A"]
    ) -> tuple[GymnasiumState, Float[Array, ""], Bool[Array, ""], Bool[Array, ""]]:
        if self.continuous_actions:
            action = rescale(action, self._actions.low, self._actions.high, self._actions.shape)
        # An episode is named by its first step, not by its reset, because batch members that share a start part here.
        episode = jnp.where(state.time == 0, noise.words, state.episode)
        mark, time = noise.words[0], state.time + 1
        observation, reward, terminated, truncated = self._call(
            episode, state.start, state.time, state.mark, mark, action, time >= plan.max_steps_in_episode
        )
        after = GymnasiumState(start=state.start, time=time, episode=episode, mark=mark, observation=observation)
        return after, reward, terminated, truncated | (time >= plan.max_steps_in_episode)

    def observe(self, plan: TimeLimit, state: GymnasiumState) -> Array:
        del plan
        return state.observation

    def _step_on_host(
        self, episode: Any, start: Any, time: Any, mark: Any, next_mark: Any, action: Any, last: Any
    ) -> Any:
        """Step a batch on the host, as a callback: all arrays have a leading batch axis."""
        names = [tuple(name) for name in np.asarray(episode).tolist()]
        starts, times, marks, next_marks, lasts = (np.asarray(x).tolist() for x in (start, time, mark, next_mark, last))
        if self.continuous_actions:
            actions = list(np.asarray(action, self._actions.dtype))
        else:
            actions = [int(self._actions.start) + one for one in np.asarray(action).tolist()]
        steps = self.host.step(names, starts, times, marks, next_marks, actions, lasts)
        observation, reward, terminated, truncated = zip(*steps, strict=True)
        return (
            np.stack([self._seen(one) for one in observation]),
            np.asarray(reward, np.float32),
            np.asarray(terminated, bool),
            np.asarray(truncated, bool),
        )

    def _seen(self, observation: Any) -> np.ndarray:
        if isinstance(self._observations, Discrete):
            return np.asarray(observation - self._observations.start, np.int32)
        return np.asarray(observation, np.float32)


def environment(name: str) -> tuple[GymnasiumWorld, TimeLimit]:
    """Make an environment of Gymnasium with its registered time limit.

    Args:
        name: id registered with Gymnasium, such as "CartPole-v1".

    Returns:
        The world and its level.

    Raises:
        ValueError: the environment is unknown or cannot be made, or no agent here can use its spaces.
    """
    if ":" not in name:  # otherwise the name starts with the module that registers it
        require_known("gymnasium", name, gymnasium.registry)
    world = GymnasiumWorld(name)
    return world, time_limit(gymnasium.spec(name).max_episode_steps or NO_LIMIT)
