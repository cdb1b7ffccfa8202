"""Delayed chains: observations, rewards and termination."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from levels.world import GymnaxWorld
from levels.worlds.chains import CHAINS, ChainGenerator, DelayedChain, chain_level

PLAIN, NOISY, DISTRACTOR = DelayedChain(8), DelayedChain(8, noisy=True), DelayedChain(8, num_distractors=20)


@partial(jax.jit, static_argnums=0)
def play(chain, level, keys, is_right, later_actions):
    """Observations [B, 9, ...], rewards [B, 8] and terminated [B, 8] of 8 steps without reset."""

    def episode(key, right):
        reset_key, step_key = jax.random.split(key)
        first, start = chain.reset_env(reset_key, level)
        actions = later_actions.at[0].set(jnp.where(right, start.right_action, 1 - start.right_action))

        def step(state, key_and_action):
            key, action = key_and_action
            observation, state, reward, terminated, _ = chain.step_env(key, state, action, level)
            return state, (observation, reward, terminated)

        _, (seen, rewards, terminated) = jax.lax.scan(step, start, (jax.random.split(step_key, 8), actions))
        return jnp.concatenate([first[None], seen]), rewards, terminated

    return jax.vmap(episode)(keys, is_right)


@pytest.fixture(scope="module")
def keys():
    return jax.random.split(jax.random.key(0), 400)


@pytest.fixture(scope="module")
def is_right():
    return jnp.arange(400) % 2 == 0


def played(chain, keys, is_right, length=6, later=0):
    level = chain_level(jnp.int32(length), 1)
    return [np.asarray(x) for x in play(chain, level, keys, is_right, jnp.full(8, later, jnp.int32))]


def test_chain_pays_for_the_first_action_in_its_last_step_only(keys, is_right):
    _, rewards, terminated = played(PLAIN, keys, is_right)
    assert np.all(rewards[:, :5] == 0)
    assert np.array_equal(rewards[:, 5], np.where(np.asarray(is_right), 1.0, -1.0))
    assert np.array_equal(terminated[:, :6], np.broadcast_to(np.arange(6) == 5, (400, 6)))


def test_chain_of_one_step_pays_at_once(keys, is_right):
    _, rewards, terminated = played(PLAIN, keys, is_right, length=1)
    assert np.array_equal(rewards[:, 0], np.where(np.asarray(is_right), 1.0, -1.0))
    assert terminated[:, 0].all()


def test_chain_shows_the_right_action_first_and_then_the_position(keys, is_right):
    observations, _, _ = played(PLAIN, keys, is_right)
    assert np.array_equal(observations[:, 1:], np.broadcast_to(np.arange(2, 10), (400, 8)))
    # It is drawn again in every episode: 200 of 400 ± 4 standard errors of 10.
    assert set(observations[:, 0].tolist()) == {0, 1}
    assert abs(observations[:, 0].sum() - 200) < 40
    assert observations.max() < PLAIN.observation_space().n


def test_noisy_chain_pays_at_random_between_first_and_last(keys, is_right):
    _, rewards, _ = played(NOISY, keys, is_right)
    _, other, _ = played(NOISY, keys, is_right, later=1)
    middle = rewards[:, 1:5]
    assert np.all(rewards[:, 0] == 0)
    assert set(np.unique(middle).tolist()) == {-1.0, 1.0}
    assert abs(middle.mean()) < 4 / np.sqrt(middle.size)
    assert np.array_equal(rewards, other), "the noise must not depend on the action"
    assert np.array_equal(rewards[:, 5], np.where(np.asarray(is_right), 1.0, -1.0))


def test_distractor_chain_hides_two_relevant_bits_among_twenty_two(keys, is_right):
    observations, rewards, _ = played(DISTRACTOR, keys, is_right)
    assert observations.shape == (400, 9, 22) and observations.dtype == bool
    first = observations[:, 0, :2]
    assert np.all(first.sum(-1) == 1) and 0 < first[:, 0].sum() < 400
    assert not observations[:, 1:, :2].any()
    distractors = observations[:, :, 2:]
    assert abs(distractors.mean() - 0.5) < 4 * 0.5 / np.sqrt(distractors.size)
    changed = distractors[:, 1:] != distractors[:, :-1]
    assert abs(changed.mean() - 0.5) < 0.02, "distractors must be drawn at every step"
    assert np.array_equal(rewards[:, 5], np.where(np.asarray(is_right), 1.0, -1.0))


def test_distractor_chain_marks_the_right_action():
    level = chain_level(jnp.int32(3), 1)
    for seed in range(8):
        observation, state = DISTRACTOR.reset_env(jax.random.key(seed), level)
        assert int(jnp.argmax(observation[:2])) == int(state.right_action)


def test_chain_runs_through_gymnax_with_auto_reset():
    level = chain_level(jnp.int32(3), 1)
    observation, state = PLAIN.reset(jax.random.key(0), level)
    ends = []
    for i in range(6):
        assert bool(PLAIN.observation_space(level).contains(observation))
        step_key = jax.random.key(i)
        observation, state, reward, terminated, truncated, _ = PLAIN.step(step_key, state, state.right_action, level)
        ends.append((float(reward), bool(terminated), bool(truncated)))
    assert ends == [(0.0, False, False), (0.0, False, False), (1.0, True, False)] * 2
    assert int(observation) in (0, 1), "the episode's end must show the next one's first state"


def test_equal_chains_share_compiled_programs():
    assert DelayedChain(8) == PLAIN and hash(DelayedChain(8)) == hash(PLAIN) and PLAIN != NOISY
    traces = []

    @partial(jax.jit, static_argnums=0)
    def count(chain, x):
        traces.append(chain)
        return x

    count(PLAIN, 1.0)
    count(DelayedChain(8), 1.0)
    assert len(traces) == 1
    assert GymnaxWorld(DelayedChain(8)) == GymnaxWorld(PLAIN)


def test_chain_world_is_tabular_except_with_distractors():
    short, distractor = CHAINS["short"].world, CHAINS["distractor"].world
    assert (short.num_actions, short.observation_shape, short.num_observations) == (2, (), 32)
    assert (distractor.observation_shape, distractor.num_observations) == ((22,), None)
    assert CHAINS["long"].world.num_observations == 52


def test_chain_states_lie_in_their_space():
    chain = DelayedChain(max_length=4, num_distractors=3)
    assert chain.name == "DelayedChain-groove"
    state = chain.reset_env(jax.random.key(0), chain.default_params)[1]
    space = chain.state_space(chain.default_params)
    assert set(space.spaces) == set(vars(state))
    assert all(space.spaces[field].contains(value) for field, value in vars(state).items())


@pytest.mark.parametrize(
    ("name", "longest", "noisy", "lifetime"),
    [
        ("short", 30, False, 781),
        ("short_noisy", 30, True, 781),
        ("long", 50, False, 781),
        ("long_noisy", 50, True, 781),
        ("distractor", 30, False, 1562),
    ],
)
def test_chains_are_lpgs(name, longest, noisy, lifetime):
    generator = CHAINS[name]
    assert generator.min_length == 5
    assert generator.chain == DelayedChain(longest, noisy, 20 if name == "distractor" else 0)
    assert generator.lifetime == lifetime


def test_chain_generator_draws_every_length_equally():
    generator = ChainGenerator(DelayedChain(8), lifetime=7)
    level = jax.vmap(generator.sample)(jax.random.split(jax.random.key(1), 2000))
    counts = np.bincount(np.asarray(level.length), minlength=9)
    assert counts[:5].sum() == 0 and len(counts) == 9
    assert np.all(np.abs(counts[5:] - 500) < 78)  # 4 standard errors of 19.4
    assert np.array_equal(level.max_steps_in_episode, level.length + 1)
    assert np.all(np.asarray(level.lifetime) == 7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DelayedChain(0), "DelayedChain.max_length must be >= 1, got 0"),
        (lambda: DelayedChain(num_distractors=-1), "DelayedChain.num_distractors must be >= 0, got -1"),
        (lambda: ChainGenerator(min_length=31), "ChainGenerator.min_length must be in 1..30, got 31"),
        (lambda: ChainGenerator(lifetime=0), "ChainGenerator.lifetime must be >= 1, got 0"),
    ],
)
def test_chain_settings_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
