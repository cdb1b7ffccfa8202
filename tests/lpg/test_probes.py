"""Every hand-written rule must solve worlds so small that values and best actions are known.

After the probe environments of rejax. Where an action matters, its probability is the mean return.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from levels.world import GymnaxWorld
from lpg.baselines import BASELINES
from lpg.learner import Learner
from lpg.networks import Table
from lpg.optimizer import Optimizer
from lpg.policy import num_logits
from tests.lpg import tiny
from tests.lpg.probe_world import NUM_ACTIONS, NUM_STATES, PROBES, ProbeWorld, TargetWorld, probe

WORLD = GymnaxWorld(ProbeWorld())
DISCOUNT = 0.9
every_rule = pytest.mark.parametrize("name", BASELINES)


@functools.cache
def learned(name, num_updates=300):
    """Policies [S, A] and values [S] of one agent in each probe after training; one program per rule."""
    baseline = BASELINES[name]
    learner = Learner(
        WORLD,
        Table(NUM_STATES, NUM_ACTIONS, has_value=True),
        dataclasses.replace(baseline.rule, discount=DISCOUNT),
        Optimizer("sgd"),
        num_workers=8,
        rollout_length=8,
        epochs=baseline.epochs,
        minibatches=baseline.minibatches,
    )
    hyper = tiny.hyper(learning_rate=4.0, prediction_learning_rate=1.0, value_cost=1.0, entropy_cost=1e-3)

    def live(key, level):
        init_key, train_key = jax.random.split(key)
        agent = learner.init(init_key, level, hyper, num_updates)
        return learner.train(train_key, (), agent, level, num_updates).params

    levels = jax.tree.map(lambda *leaves: jnp.stack(leaves), *PROBES.values())
    params = jax.jit(jax.vmap(live))(jax.random.split(jax.random.key(0), len(PROBES)), levels)
    policies, values = np.asarray(jax.nn.softmax(params["policy"])), np.asarray(params["value"][..., 0])
    return {probe: (policies[n], values[n]) for n, probe in enumerate(PROBES)}


@every_rule
def test_rule_masters_a_bandit(name):
    policy, value = learned(name)["bandit"]
    assert policy[0, 1] > 0.95
    np.testing.assert_allclose(value[0], 1, atol=0.1)


@every_rule
def test_rule_acts_by_what_it_sees(name):
    policy, value = learned(name)["seen"]
    assert policy[0, 0] > 0.95 and policy[1, 1] > 0.95
    np.testing.assert_allclose(value[:2], 1, atol=0.1)


@every_rule
def test_rule_credits_an_action_whose_reward_comes_later(name):
    policy, value = learned(name)["delayed"]
    assert policy[0, 1] > 0.95
    np.testing.assert_allclose(value[2], 1, atol=0.05)
    np.testing.assert_allclose(value[1], 0, atol=0.05)


@every_rule
def test_rule_learns_the_discounted_values_of_a_chain(name):
    np.testing.assert_allclose(learned(name)["chain"][1][:3], [0.81, 0.9, 1.0], atol=0.02)


@every_rule
def test_rule_looks_beyond_the_time_limit(name):
    # Cut off after three steps of reward 1, the value is 1 / (1 − γ) = 10, not the 2.71 of those three.
    np.testing.assert_allclose(learned(name)["endless"][1][0], 10, atol=0.2)


@every_rule
def test_rule_leaves_values_of_unseen_states_unchanged(name):
    assert learned(name)["endless"][1][1:].tolist() == [0, 0, 0]


@functools.cache
def aimed(name, num_updates=300):
    """Mean and standard deviation of a Gaussian policy's action, before and after training in the target world."""
    baseline, world = BASELINES[name], GymnaxWorld(TargetWorld())
    learner = Learner(
        world,
        Table(NUM_STATES, num_logits(world), has_value=True),
        baseline.rule,
        Optimizer("sgd"),
        num_workers=16,
        rollout_length=8,
        epochs=baseline.epochs,
        minibatches=baseline.minibatches,
    )
    hyper = tiny.hyper(learning_rate=0.1, prediction_learning_rate=0.1, value_cost=1.0, entropy_cost=1e-3)

    @jax.jit
    def live(key):
        init_key, train_key = jax.random.split(key)
        agent = learner.init(init_key, probe(), hyper, num_updates)
        return agent.params, learner.train(train_key, (), agent, probe(), num_updates).params

    return [(params["policy"][0, 0], np.exp(params["policy"][0, 1])) for params in live(jax.random.key(0))]


@every_rule
def test_rule_moves_a_float_to_its_target(name):
    (first_mean, first_deviation), (mean, deviation) = aimed(name)
    assert (first_mean, first_deviation) == (0, 1)
    np.testing.assert_allclose(mean, 0.5, atol=0.1)
    assert deviation < 0.7
