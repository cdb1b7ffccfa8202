import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from levels.world import GymnaxWorld, rescale
from levels.worlds.gridworld import GridWorld
from levels.worlds.tabular_grid import TabularGrid


@pytest.fixture(scope="module")
def catch():
    return GymnaxWorld(gymnax.make("Catch-bsuite")[0])


@pytest.mark.parametrize("env_id, num_actions, shape", [("CartPole-v1", 2, (4,)), ("Catch-bsuite", 3, (10, 5))])
def test_gymnax_world_has_the_environments_sizes(env_id, num_actions, shape):
    env, params = gymnax.make(env_id)
    world = GymnaxWorld(env)
    assert (world.num_actions, world.observation_shape, world.num_observations) == (num_actions, shape, None)
    plan = world.plan(params)
    noise = world.noise(jax.random.key(0), plan, (3, 2))
    assert {leaf.shape for leaf in jax.tree.leaves(noise)} == {(3, 2)}
    one = jax.tree.map(lambda leaf: leaf[0, 0], noise)
    state = world.reset(one, plan)
    after, reward, terminated, truncated = world.step(one, plan, state, jnp.int32(0))
    assert world.observe(plan, state).shape == world.observe(plan, after).shape == shape
    assert reward.shape == terminated.shape == truncated.shape == ()
    assert reward.dtype == jnp.float32 and terminated.dtype == truncated.dtype == bool
    assert jax.tree.structure(after) == jax.tree.structure(state)


def test_gymnax_world_counts_integer_observations():
    grid = TabularGrid(2, 3, 2)
    world = GymnaxWorld(GridWorld(grid))
    assert world.observation_shape == () and world.num_observations == grid.num_observations == 24


def test_gymnax_world_noise_never_repeats(catch):
    noise = catch.noise(jax.random.key(0), catch.env.default_params, (50,))
    words = np.concatenate([jax.random.key_data(keys) for keys in (noise.step_key, noise.reset_key)])
    assert len(np.unique(words, axis=0)) == 100


def test_gymnax_world_steps_like_the_environment(catch):
    params = catch.env.default_params
    noise = catch.noise(jax.random.key(3), params, (12,))
    state = catch.reset(jax.tree.map(lambda leaf: leaf[0], noise), params)
    observation, inner = catch.env.reset_env(noise.reset_key[0], params)
    np.testing.assert_array_equal(catch.observe(params, state), observation)
    step = jax.jit(catch.step)
    for t in range(9):
        state, reward, terminated, _ = step(jax.tree.map(lambda leaf, t=t: leaf[t], noise), params, state, jnp.int32(2))
        observation, inner, direct, ended, _ = catch.env.step_env(noise.step_key[t], inner, 2, params)
        np.testing.assert_array_equal(catch.observe(params, state), observation)
        assert reward == direct and terminated == ended
    assert terminated and reward in (-1, 1)


def test_gymnax_world_distinguishes_truncation_from_termination():
    env, params = gymnax.make("CartPole-v1")
    world = GymnaxWorld(env)
    params = params.replace(max_steps_in_episode=2)
    noise = world.noise(jax.random.key(0), params, ())
    state = world.reset(noise, params)
    ends = []
    for _ in range(2):
        state, _, terminated, truncated = world.step(noise, params, state, jnp.int32(1))
        ends.append((bool(terminated), bool(truncated)))
    assert ends == [(False, False), (False, True)]


def test_gymnax_world_distinguishes_continuous_from_discrete_actions(catch):
    pendulum = GymnaxWorld(gymnax.make("Pendulum-v1")[0])
    assert (pendulum.continuous_actions, pendulum.num_actions) == (True, 1)
    assert catch.continuous_actions is False


@pytest.mark.parametrize("action, torque", [(-1.0, -2.0), (0.25, 0.5), (1.0, 2.0), (7.0, 2.0)])
def test_gymnax_world_rescales_continuous_actions_to_the_bounds(action, torque):
    env, params = gymnax.make("Pendulum-v1")
    world = GymnaxWorld(env)
    noise = world.noise(jax.random.key(0), params, ())
    state = world.reset(noise, params)
    after, reward, _, _ = world.step(noise, params, state, jnp.asarray([action]))
    observation, _, direct, _, _ = env.step_env(noise.step_key, state.inner, jnp.asarray([torque]), params)
    np.testing.assert_allclose(world.observe(params, after), observation, rtol=1e-6)
    np.testing.assert_allclose(reward, direct, rtol=1e-6)


def test_rescale_maps_the_unit_interval_to_bounds_of_any_shape():
    low, high = np.asarray([[0.0], [-3.0]]), np.asarray([[1.0], [5.0]])
    np.testing.assert_allclose(rescale(jnp.asarray([0.5, -2.0]), low, high, (2, 1)), [[0.75], [-3.0]])
