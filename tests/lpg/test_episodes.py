"""First episodes: their returns and their record agree, and nothing after their end is counted."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from levels.world import GymnaxWorld
from lpg.episodes import STEPS_PER_ROLLOUT, episode_returns, random_policy, recorded_episodes
from tests.lpg.probe_world import NUM_ACTIONS, PROBES, ProbeWorld, probe

WORLD = GymnaxWorld(ProbeWorld())
NUM_WORKERS, MAX_STEPS = 64, 50

COIN = probe([(0, 0, None, 1.0), (0, 1, 1, 2.0), (1, None, 0, 4.0)], max_steps=35)
"""Ends at the first action 0 in the first state, or after 35 steps."""


@functools.cache
def programs():
    """Compiled (key, level, logits of the actions) -> returns, and -> the record."""

    def play(how, key, level, logits):
        def policy(observation):
            return jnp.broadcast_to(logits, (*observation.shape, NUM_ACTIONS))

        return how(key, WORLD, level, policy, NUM_WORKERS, MAX_STEPS)

    return jax.jit(functools.partial(play, episode_returns)), jax.jit(functools.partial(play, recorded_episodes))


def played(level, chance=0.5, seed=0):
    """Return the returns and the record of policies that take action 1 with a given probability."""
    logits = jnp.log(jnp.asarray([1 - chance, chance]))
    return tuple(jax.tree.map(np.asarray, play(jax.random.key(seed), level, logits)) for play in programs())


def test_record_and_returns_are_of_the_same_episodes():
    returns, episodes = played(COIN, chance=0.9)
    np.testing.assert_array_equal(np.sum(episodes.rollout.reward * episodes.lived, axis=0), returns)
    lengths = episodes.lived.sum(axis=0)
    assert np.all(episodes.complete) and lengths.min() < 5 and STEPS_PER_ROLLOUT < lengths.max() <= 35
    assert len(np.unique(returns)) > 5


def test_lived_are_the_steps_up_to_the_first_end():
    _, episodes = played(COIN)
    # A block of steps that no worker lived is blank.
    assert episodes.rollout.reward.shape == (60, NUM_WORKERS) and not np.any(episodes.rollout.reward[40:])
    done = episodes.rollout.terminated | episodes.rollout.truncated
    for b in range(NUM_WORKERS):
        end = int(np.flatnonzero(done[:, b])[0])
        np.testing.assert_array_equal(episodes.lived[:, b], np.arange(60) <= end)
        # Away from the end each state follows the one before.
        seen, after = episodes.rollout.observation[: end + 1, b], episodes.rollout.next_observation[: end + 1, b]
        np.testing.assert_array_equal(seen[1:], after[:-1])
        assert seen[0] == 0


def test_unfinished_episodes_are_counted_as_they_stand_and_not_complete():
    returns, episodes = played(probe([(0, None, 0, 1.0)], max_steps=10**6))
    # Steps come in rollouts of 20.
    np.testing.assert_array_equal(returns, 60)
    assert np.all(episodes.lived) and not np.any(episodes.complete)


def test_an_episode_that_ends_with_the_last_step_is_complete():
    for steps, complete in ((60, True), (61, False)):
        returns, episodes = played(probe([(0, None, 0, 1.0)], max_steps=steps))
        assert np.all(returns == 60) and np.all(episodes.complete == complete)


def test_random_policy_takes_all_actions_alike():
    logits = random_policy(WORLD)(jnp.zeros(5, jnp.int32))
    np.testing.assert_array_equal(logits, np.zeros((5, NUM_ACTIONS)))
    found = episode_returns(jax.random.key(0), WORLD, PROBES["bandit"], random_policy(WORLD), 2000)
    # Five standard deviations, with the seed fixed.
    assert abs(np.mean(found) - 0.5) < 5 * np.sqrt(0.25 / 2000)


def test_other_keys_give_other_episodes():
    first, again, other = (played(COIN, seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first != other) > 0
