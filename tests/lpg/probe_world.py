"""Worlds so small that what an agent must learn is known, all of one shape."""

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState

NUM_STATES = 4
NUM_ACTIONS = 2


@struct.dataclass(kw_only=True)
class Probe(EnvParams):
    """The tables of one world."""

    max_steps_in_episode: jax.Array  # [] int32
    num_starts: jax.Array  # [] int32, an episode starts in one of the first num_starts states
    next_state: jax.Array  # [S, A] int32
    reward: jax.Array  # [S, A] float32
    ends: jax.Array  # [S, A] bool, whether it is a termination


@struct.dataclass
class ProbeState(EnvState):
    time: jax.Array
    at: jax.Array


class ProbeWorld(Environment[ProbeState, Probe]):
    """A gymnax environment whose observation is its state's number."""

    @property
    def name(self):
        return "Probe"

    @property
    def num_actions(self):
        return NUM_ACTIONS

    @property
    def default_params(self):
        return probe()

    def reset_env(self, key, params):
        at = jax.random.randint(key, (), 0, params.num_starts, jnp.int32)
        return at, ProbeState(time=jnp.int32(0), at=at)

    def step_env(self, key, state, action, params):
        del key
        at = params.next_state[state.at, action]
        reward, ended = params.reward[state.at, action], params.ends[state.at, action]
        return at, ProbeState(time=state.time + 1, at=at), reward, ended, {}

    def action_space(self, params=None):
        del params
        return spaces.Discrete(NUM_ACTIONS)

    def observation_space(self, params=None):
        del params
        return spaces.Discrete(NUM_STATES)


class TargetWorld(ProbeWorld):
    """One step, whose action is a float: the reward is -(a - 0.5)²."""

    def step_env(self, key, state, action, params):
        del key, params
        reward = -((action[0] - 0.5) ** 2)
        return state.at, ProbeState(time=state.time + 1, at=state.at), reward, jnp.bool_(True), {}

    def action_space(self, params=None):
        del params
        return spaces.Box(-1.0, 1.0, (1,))


def probe(steps=(), num_starts=1, max_steps=1000):
    """A world of steps (state, action or None for both, next state or None for the end, reward)."""
    next_state = jnp.zeros((NUM_STATES, NUM_ACTIONS), jnp.int32)
    reward = jnp.zeros((NUM_STATES, NUM_ACTIONS))
    ends = jnp.zeros((NUM_STATES, NUM_ACTIONS), bool)
    for state, action, to, paid in steps:
        which = (state, slice(None) if action is None else action)
        next_state = next_state.at[which].set(0 if to is None else to)
        reward, ends = reward.at[which].set(paid), ends.at[which].set(to is None)
    return Probe(
        max_steps_in_episode=jnp.int32(max_steps),
        num_starts=jnp.int32(num_starts),
        next_state=next_state,
        reward=reward,
        ends=ends,
    )


PROBES = {
    "bandit": probe([(0, 0, None, 0.0), (0, 1, None, 1.0)]),
    "seen": probe([(0, 0, None, 1.0), (0, 1, None, 0.0), (1, 0, None, 0.0), (1, 1, None, 1.0)], num_starts=2),
    "delayed": probe([(0, 0, 1, 0.0), (0, 1, 2, 0.0), (1, None, None, 0.0), (2, None, None, 1.0)]),
    "chain": probe([(0, None, 1, 0.0), (1, None, 2, 0.0), (2, None, None, 1.0)]),
    "endless": probe([(0, None, 0, 1.0)], max_steps=3),
}
