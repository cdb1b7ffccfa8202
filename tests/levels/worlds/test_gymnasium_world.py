"""Gymnasium on the host: compared with a plain loop, going back in time, and from several devices at once."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from levels.time_limit import time_limit
from levels.worlds.gymnasium_host import ABANDONED_AFTER
from levels.worlds.gymnasium_world import GymnasiumWorld, environment
from lpg.episodes import episode_returns, random_policy
from lpg.rollout import collect, reset_workers

NUM_STEPS, NUM_WORKERS = 60, 3


@pytest.fixture(scope="module")
def cart_pole():
    return GymnasiumWorld("CartPole-v1", num_starts=8)


def rolled(world, level, num_steps=NUM_STEPS, num_workers=NUM_WORKERS):
    """Compiled key -> first states, states after, rollout; a random policy."""

    def run(key):
        plan = world.plan(level)
        reset_key, rollout_key = jax.random.split(key)
        states = reset_workers(reset_key, world, plan, num_workers)
        return states, *collect(rollout_key, world, plan, random_policy(world), states, num_steps)

    return jax.jit(run)


def episodes_of(world, level, key, num_steps, num_workers=NUM_WORKERS):
    """The rollout, and the start and name of the episode in which each step was taken."""
    plan = world.plan(level)
    reset_key, rollout_key = jax.random.split(key)
    states = reset_workers(reset_key, world, plan, num_workers)
    rollout = rolled(world, level, num_steps, num_workers)(key)[2]
    noise = world.noise(jax.random.split(rollout_key)[1], plan, (num_steps, num_workers))
    return jax.tree.map(np.asarray, (rollout, states.start, noise))


@pytest.mark.parametrize("env_id, limit", [("CartPole-v1", 15), ("FrozenLake-v1", 6)])
def test_gymnasium_world_plays_like_a_plain_loop(env_id, limit):
    world = GymnasiumWorld(env_id, num_starts=8)
    rollout, starts, noise = episodes_of(world, time_limit(limit), jax.random.key(1), NUM_STEPS)
    assert rollout.truncated.any() and rollout.terminated.any()
    for worker in range(NUM_WORKERS):
        env, start, time = gymnasium.make(env_id, max_episode_steps=limit), starts[worker], 0
        for t in range(NUM_STEPS):
            if time == 0:
                observation, _ = env.reset(seed=int(start))
                env.unwrapped.np_random = np.random.default_rng(noise.words[t, worker].tolist())
            np.testing.assert_array_equal(rollout.observation[t, worker], np.float32(observation))
            observation, reward, terminated, truncated, _ = env.step(int(rollout.action[t, worker]))
            time += 1
            np.testing.assert_array_equal(rollout.next_observation[t, worker], np.float32(observation))
            assert rollout.reward[t, worker] == np.float32(reward)
            assert (rollout.terminated[t, worker], rollout.truncated[t, worker]) == (terminated, truncated)
            if terminated or truncated:
                start, time = noise.start[t, worker], 0


def test_gymnasium_world_rescales_actions_like_a_plain_loop():
    world = GymnasiumWorld("Pendulum-v1", num_starts=2)
    assert (world.continuous_actions, world.num_actions, world.observation_shape) == (True, 1, (3,))
    plan = time_limit(200)
    noise = world.noise(jax.random.key(0), plan, (5,))
    state = world.reset(jax.tree.map(lambda x: x[0], noise), plan)
    env = gymnasium.make("Pendulum-v1")
    env.reset(seed=int(state.start))
    for t, action in enumerate([0.5, -1.0, 3.0, 0.0, -0.25]):
        one = jax.tree.map(lambda x, t=t: x[t], noise)
        state, reward, *_ = jax.jit(world.step)(one, plan, state, jnp.asarray([action]))
        observation, direct, *_ = env.step(np.float32([2 * np.clip(action, -1, 1)]))
        np.testing.assert_allclose(state.observation, observation, rtol=1e-5)
        np.testing.assert_allclose(reward, direct, rtol=1e-5)


def test_gymnasium_world_counts_integer_observations_and_keeps_the_registered_limit():
    world, level = environment("FrozenLake-v1")
    assert (world.num_actions, world.observation_shape, world.num_observations) == (4, (), 16)
    assert not world.continuous_actions and level.max_steps_in_episode == 100


def test_gymnasium_world_is_a_function_of_its_key(cart_pole):
    run = rolled(cart_pole, time_limit(10))
    first = jax.tree.map(np.asarray, run(jax.random.key(3)))
    jax.block_until_ready(run(jax.random.key(4)))
    jax.tree.map(np.testing.assert_array_equal, first, jax.tree.map(np.asarray, run(jax.random.key(3))))
    other = jax.tree.map(np.asarray, rolled(GymnasiumWorld("CartPole-v1", 8, 1), time_limit(10))(jax.random.key(3)))
    jax.tree.map(np.testing.assert_array_equal, first, other)


def test_gymnasium_world_goes_back_to_an_earlier_state(cart_pole):
    plan, policy = time_limit(500), random_policy(cart_pole)
    again = jax.jit(lambda key, states: collect(key, cart_pole, plan, policy, states, 4))
    states = reset_workers(jax.random.key(0), cart_pole, plan, 2)
    states, _ = again(jax.random.key(1), states)
    first = jax.tree.map(np.asarray, again(jax.random.key(2), states))
    jax.block_until_ready(again(jax.random.key(3), first[0]))
    jax.block_until_ready(again(jax.random.key(4), states))
    jax.tree.map(np.testing.assert_array_equal, first, jax.tree.map(np.asarray, again(jax.random.key(2), states)))


def test_gymnasium_world_refuses_two_futures_in_turns(cart_pole):
    plan, policy = time_limit(500), random_policy(cart_pole)
    states, _ = collect(
        jax.random.key(1), cart_pole, plan, policy, reset_workers(jax.random.key(0), cart_pole, plan, 1), 2
    )
    one, _ = collect(jax.random.key(2), cart_pole, plan, policy, states, 1)
    jax.block_until_ready(collect(jax.random.key(3), cart_pole, plan, policy, states, 1))
    with pytest.raises(Exception, match="two rollouts continue from the same state within"):
        jax.block_until_ready(collect(jax.random.key(4), cart_pole, plan, policy, one, 1))


def test_gymnasium_world_refuses_the_state_of_another_process(cart_pole):
    plan, policy = time_limit(500), random_policy(cart_pole)
    states, _ = collect(
        jax.random.key(1), cart_pole, plan, policy, reset_workers(jax.random.key(0), cart_pole, plan, 1), 2
    )
    elsewhere = GymnasiumWorld("CartPole-v1", num_starts=8)
    with pytest.raises(Exception, match="begun by another process"):
        jax.block_until_ready(collect(jax.random.key(2), elsewhere, plan, policy, states, 1))


def test_gymnasium_world_keeps_a_bounded_number_of_environments():
    world = GymnasiumWorld("CartPole-v1", num_starts=2, max_envs=2)
    jax.block_until_ready(rolled(world, time_limit(7), 70, 5)(jax.random.key(0)))
    assert world.host.num_envs == 2 == world.host.num_playing + world.host.num_idle
    assert world.host.num_episodes == 50


def test_gymnasium_world_reuses_environments():
    world = GymnasiumWorld("CartPole-v1", num_starts=2)
    run = rolled(world, time_limit(7), 10, 5)
    jax.block_until_ready(run(jax.random.key(0)))
    assert world.host.num_envs == 5 == world.host.num_playing
    # Five were abandoned mid-episode; new ones are made until the abandoned ones may be reused.
    for seed in range(1, 300):
        jax.block_until_ready(run(jax.random.key(seed)))
    assert world.host.num_envs == 5 * (ABANDONED_AFTER // 10 + 1)


def test_gymnasium_world_forgets_the_oldest_episodes():
    world = GymnasiumWorld("CartPole-v1", num_starts=2, max_envs=1)
    jax.block_until_ready(rolled(world, time_limit(1), 50, 1)(jax.random.key(0)))
    assert world.host.num_episodes == 32


def test_gymnasium_world_plays_batches_of_agents_to_the_end_of_each_episode(cart_pole):
    def returns(key):
        return episode_returns(key, cart_pole, time_limit(30), random_policy(cart_pole), 4)

    keys = jax.random.split(jax.random.key(0), 3)
    batched = jax.jit(jax.vmap(returns))(keys)
    np.testing.assert_array_equal(batched, [jax.jit(returns)(key) for key in keys])
    assert batched.max() <= 30 and batched.min() >= 8


def test_gymnasium_world_steps_from_two_devices(cart_pole):
    mesh = jax.make_mesh((2,), ("lives",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    lives = PartitionSpec("lives")
    run = jax.vmap(rolled(cart_pole, time_limit(20), 25, 64))
    keys = jax.random.split(jax.random.key(0), 2)
    sharded = jax.jit(jax.shard_map(run, mesh=mesh, in_specs=lives, out_specs=lives, check_vma=False))
    for _ in range(3):
        both = jax.tree.map(np.asarray, sharded(keys))
    jax.tree.map(np.testing.assert_array_equal, both, jax.tree.map(np.asarray, jax.jit(run)(keys)))


@pytest.mark.parametrize(
    "env_id, options, message",
    [
        ("Nothing-v0", {}, "gymnasium:Nothing-v0 cannot be made"),
        ("CartPole-v1", {"num_starts": 0}, "GymnasiumWorld.num_starts must be >= 1, got 0"),
        ("CartPole-v1", {"max_envs": 0}, "GymnasiumWorld.max_envs must be >= 1, got 0"),
        ("Blackjack-v1", {}, "observations must be Box or Discrete"),
    ],
)
def test_gymnasium_world_refuses_what_it_cannot_play(env_id, options, message):
    with pytest.raises(ValueError, match=message):
        GymnasiumWorld(env_id, **options)
