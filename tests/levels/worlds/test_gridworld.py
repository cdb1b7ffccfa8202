import functools

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.wrappers.purerl import FlattenObservationWrapper, LogWrapper
from hypothesis import given, settings
from hypothesis import strategies as st

from levels.generators.distributions import LevelDistribution
from levels.level import is_valid
from levels.worlds.gridworld import GridWorld
from levels.worlds.random_grid import RandomGrid
from levels.worlds.registration import FACTORIES, register

LEVELS = LevelDistribution(3, 4, 4, 1, 2, 5, 9)
ENVIRONMENTS = {
    "GridWorld-groove": GridWorld(LEVELS.world),
    "RandomGridWorld-groove": GridWorld(RandomGrid(LEVELS.world, num_types=2)),
}


@functools.cache
def episodes(name):
    """Compile 20 random actions on each of 8 random levels through gymnax's own reset and step."""
    env = ENVIRONMENTS[name]

    def one(level, key):
        reset_key, walk_key = jax.random.split(key)
        observation, state = env.reset(reset_key, level)

        def step(state, key):
            action_key, step_key = jax.random.split(key)
            action = env.action_space(level).sample(action_key)
            observation, state, reward, terminated, truncated, extras = env.step(step_key, state, action, level)
            return state, (observation, state, reward, terminated, truncated, extras["final_observation"])

        return observation, jax.lax.scan(step, state, jax.random.split(walk_key, 20))[1]

    def run(key):
        level_key, walk_key = jax.random.split(key)
        levels = jax.vmap(LEVELS.sample)(jax.random.split(level_key, 8))
        return levels, *jax.vmap(one)(levels, jax.random.split(walk_key, 8))

    return jax.jit(run)


@pytest.mark.parametrize("name", sorted(ENVIRONMENTS))
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_step_resets_by_itself_and_keeps_to_its_spaces(name, seed):
    env = ENVIRONMENTS[name]
    levels, first, (observations, states, _, terminated, truncated, final) = jax.tree.map(
        np.asarray, episodes(name)(jax.random.key(seed))
    )
    space = env.observation_space()
    assert first.shape[1:] == space.shape and observations.shape[2:] == space.shape
    assert np.all(space.contains(first)) and np.all(space.contains(observations)) and np.all(space.contains(final))
    for k in range(8):
        clock = 0
        for t in range(20):
            clock += 1
            assert truncated[k, t] == (clock >= levels.max_steps_in_episode[k])
            done = terminated[k, t] or truncated[k, t]
            clock = 0 if done else clock
            assert states.time[k, t] == clock
            if not done:
                np.testing.assert_array_equal(observations[k, t], final[k, t])
            elif name == "GridWorld-groove":
                assert observations[k, t] == first[k]


@pytest.mark.parametrize("name", sorted(ENVIRONMENTS))
def test_reset_and_step_give_gymnax_values(name):
    env = ENVIRONMENTS[name]
    params = env.default_params
    assert jax.jit(is_valid)(params)
    observation, state = env.reset(jax.random.key(0), params)
    outcome = env.step(jax.random.key(1), state, 2, params)
    assert len(outcome) == 6
    assert outcome[2].shape == outcome[3].shape == outcome[4].shape == ()
    assert jax.tree.structure(outcome[1]) == jax.tree.structure(state)
    assert env.action_space(params).n == env.num_actions == 5
    assert env.state_space(params).contains(state)
    seen = jax.jit(lambda state: env.observe(jax.random.key(0), state, None, params))(state)
    np.testing.assert_array_equal(seen, observation)
    assert not env.is_terminated(state, params) and env.discount(state, params) == 1


def test_default_level_pays_in_the_far_corner():
    env = ENVIRONMENTS["GridWorld-groove"]
    _, state = env.reset(jax.random.key(0), env.default_params)
    rewards = []
    for action in (2, 4, 2, 4, 2, 4):
        _, state, reward, terminated, *_ = env.step(jax.random.key(0), state, action, env.default_params)
        rewards.append(float(reward))
    assert rewards == [0, 0, 0, 0, 0, 1] and terminated


def test_gymnax_wrappers_work():
    env = LogWrapper(FlattenObservationWrapper(ENVIRONMENTS["RandomGridWorld-groove"]))
    params = ENVIRONMENTS["RandomGridWorld-groove"].default_params.replace(max_steps_in_episode=jnp.int32(3))
    observation, state = env.reset(jax.random.key(0), params)
    assert observation.shape == (4 * 16,)
    for _ in range(3):
        observation, state, _, _, truncated, extras = env.step(jax.random.key(1), state, 0, params)
    assert truncated and extras["returned_episode_lengths"] == 3


def test_equal_grids_make_equal_environments():
    twin = GridWorld(LEVELS.world)
    assert twin == ENVIRONMENTS["GridWorld-groove"] and hash(twin) == hash(ENVIRONMENTS["GridWorld-groove"])
    assert twin != ENVIRONMENTS["RandomGridWorld-groove"] and twin != GridWorld()


def test_register_makes_the_worlds_known_to_gymnax():
    register()
    register()
    for env_id in FACTORIES:
        assert gymnax.registered_envs.count(env_id) == 1
        env, params = gymnax.make(env_id, height=3, width=7, num_moves=9)
        assert env.name == env_id and env.num_actions == 9
        assert params.walls.shape == (3, 7)
    env, _ = gymnax.make("RandomGridWorld-groove", num_types=5)
    assert env.observation_space().shape == (7, 6, 6)
