"""Evaluation: the undiscounted return of the first episode of fresh workers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from levels.world import GymnaxWorld
from lpg.episodes import STEPS_PER_ROLLOUT
from lpg.learner import Learner
from lpg.rules.actor_critic import A2C
from tests.lpg.probe_world import NUM_ACTIONS, NUM_STATES, ProbeWorld, probe

NUM_WORKERS = 512
LEARNER = Learner.for_world(GymnaxWorld(ProbeWorld()), A2C(), num_workers=NUM_WORKERS, rollout_length=4)
UNIFORM = jnp.zeros((NUM_STATES, NUM_ACTIONS))

program = jax.jit(LEARNER.evaluate, static_argnums=3)


def returns(level, logits=UNIFORM, seed=0, max_steps=100_000):
    return np.asarray(program(jax.random.key(seed), agent_of(logits), level, max_steps))


def agent_of(logits):
    agent = init()(jax.random.key(0), probe([(0, None, None, 0.0)]))
    return agent.replace(params=agent.params | {"policy": logits})


def test_evaluate_counts_the_whole_episode_and_nothing_after_it():
    # Rewards 1, 2, 4, 8 along a chain; the next episode starts in the middle of a rollout.
    for length, total in ((1, 1), (3, 7), (4, 15)):
        steps = [(s, None, s + 1 if s + 1 < length else None, float(2**s)) for s in range(length)]
        np.testing.assert_array_equal(returns(probe(steps)), total)


def test_evaluate_runs_over_as_many_rollouts_as_the_episode_takes():
    endless = [(0, None, 0, 1.0)]
    for max_steps in (1, STEPS_PER_ROLLOUT, STEPS_PER_ROLLOUT + 1, 50):
        np.testing.assert_array_equal(returns(probe(endless, max_steps=max_steps)), max_steps)


def test_evaluate_gives_up_after_max_steps():
    # The limit is checked between rollouts of 20 steps, whatever the agent's own are.
    np.testing.assert_array_equal(returns(probe([(0, None, 0, 1.0)], max_steps=10**6), max_steps=30), 40)


def test_evaluate_acts_by_the_stochastic_policy():
    bandit = probe([(0, 0, None, 0.0), (0, 1, None, 1.0)])
    found = returns(bandit, UNIFORM.at[0].set(jnp.log(jnp.asarray([0.3, 0.7]))))
    assert set(found) == {0, 1}
    # Five standard deviations of the mean of 512, with the seed fixed.
    assert abs(found.mean() - 0.7) < 5 * np.sqrt(0.21 / NUM_WORKERS)


def test_evaluate_waits_for_the_last_worker():
    # Each step continues with probability 9⁄10, so the longest of 512 episodes spans several rollouts.
    logits = UNIFORM.at[0].set(jnp.log(jnp.asarray([0.1, 0.9])))
    found = returns(probe([(0, 0, None, 1.0), (0, 1, 0, 1.0)]), logits)
    assert found.min() == 1 and found.max() > 2 * STEPS_PER_ROLLOUT
    # A geometric length has mean 10 and variance 90.
    assert abs(found.mean() - 10) < 5 * np.sqrt(90 / NUM_WORKERS)


def test_evaluate_starts_fresh_workers_each_by_itself():
    starts = probe([(0, None, None, 0.0), (1, None, None, 1.0)], num_starts=2)
    first, again, other = (returns(starts, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert 0 < np.mean(first != other) < 1 and 0 < first.mean() < 1


@functools.cache
def init():
    return jax.jit(functools.partial(LEARNER.init, lifetime=1))


@functools.cache
def many():
    return jax.jit(jax.vmap(LEARNER.evaluate, in_axes=(0, 0, None)))


def test_evaluate_of_many_agents_is_each_alone():
    level = probe([(0, 0, None, 1.0), (0, 1, 0, 1.0)])
    logits = jnp.stack([UNIFORM, UNIFORM.at[0, 1].set(1.0)])
    agents = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(agent_of, logits))
    together = many()(jnp.stack([jax.random.key(0), jax.random.key(5)]), agents, level)
    for n, seed in enumerate((0, 5)):
        np.testing.assert_array_equal(together[n], returns(level, logits[n], seed))
