"""A2C and REINFORCE: worked by hand, and against a NumPy update."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpg.networks import Outputs
from lpg.rollout import Rollout
from lpg.rules.actor_critic import A2C, REINFORCE, ActorCriticTargets
from tests.lpg import numpy_oracles, tiny


def column(*values, dtype=jnp.float32):
    """Values of one worker as a [T, 1] array."""
    return jnp.asarray(values, dtype)[:, None]


def three_steps(terminated=(False, False, True)):
    return Rollout(
        observation=column(0, 1, 2, dtype=jnp.int32),
        action=column(0, 1, 1, dtype=jnp.int32),
        reward=column(1, 0, 4),
        terminated=column(*terminated, dtype=bool),
        truncated=column(False, False, False, dtype=bool),
        next_observation=column(1, 2, 0, dtype=jnp.int32),
    )


def outputs_of(values, logits=(0.0, 0.0)):
    return Outputs(logits=jnp.broadcast_to(jnp.asarray(logits), (len(values), 1, 2)), value=column(*values))


def targets_of(rule, values, next_values, rollout):
    """Targets of an agent with these values of the observations before and after each step."""
    return rule.targets((), (), outputs_of(values), outputs_of(next_values), rollout, tiny.progress())[1]


def test_reinforce_targets_are_monte_carlo_returns_by_hand():
    targets = targets_of(REINFORCE(discount=0.5), [1, 1, 1], [1, 1, 1], three_steps())
    np.testing.assert_allclose(targets.value[:, 0], [2.0, 2.0, 4.0])
    np.testing.assert_allclose(targets.advantage[:, 0], [1.0, 1.0, 3.0])


def test_a2c_targets_normalise_advantages_over_the_rollout():
    targets = targets_of(A2C(discount=0.5, gae_lambda=1.0), [1, 1, 1], [1, 1, 1], three_steps())
    np.testing.assert_allclose(targets.value[:, 0], [2.0, 2.0, 4.0])
    # (1, 1, 3): mean 5⁄3, variance 8⁄9.
    np.testing.assert_allclose(targets.advantage[:, 0], (np.asarray([1, 1, 3]) - 5 / 3) / np.sqrt(8 / 9), rtol=1e-5)


def test_a2c_targets_stay_finite_where_all_advantages_are_equal():
    targets = targets_of(A2C(), [0], [0], tiny.rollout(1, 1))
    np.testing.assert_array_equal(targets.advantage, [[0.0]])


def test_targets_follow_discount_and_trace():
    def value(**fields):
        return float(targets_of(A2C(**fields), [1, 1, 1], [1, 1, 1], three_steps()).value[0, 0])

    assert value(discount=0.5, gae_lambda=0.0) == 1.5 and value(discount=0.5, gae_lambda=1.0) == 2.0
    assert value(discount=0.0, gae_lambda=1.0) == 1.0


def test_loss_by_hand():
    targets = ActorCriticTargets(advantage=column(1, -2, 0), value=column(3, 0, 0))
    outputs = outputs_of([1, 1, 0], logits=(0.0, float(np.log(3))))
    loss, metrics = A2C().loss(outputs, three_steps(), targets, tiny.hyper(value_cost=0.5, entropy_cost=0.1))
    policy_loss = -(np.log(0.25) - 2 * np.log(0.75)) / 3
    value_loss = 0.5 * (4 + 1) / 3
    policy_entropy = -0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    np.testing.assert_allclose(metrics["policy_loss"], policy_loss, rtol=1e-5)
    np.testing.assert_allclose(metrics["prediction_loss"], value_loss, rtol=1e-5)
    np.testing.assert_allclose(metrics["entropy"], policy_entropy, rtol=1e-5)
    np.testing.assert_allclose(loss, policy_loss + 0.5 * value_loss - 0.1 * policy_entropy, rtol=1e-5)


@pytest.mark.parametrize("t", range(3))
def test_loss_credits_only_the_step_that_earned_it(t):
    targets = ActorCriticTargets(advantage=jnp.zeros((3, 1)).at[t].set(1.0), value=jnp.zeros((3, 1)))
    outputs = outputs_of([0, 0, 0])

    def loss(outputs):
        return A2C().loss(outputs, three_steps(), targets, tiny.hyper(entropy_cost=0.0))[0]

    moved = np.asarray(jax.grad(loss)(outputs).logits)[:, 0].any(-1)
    np.testing.assert_array_equal(moved, np.arange(3) == t)


def test_targets_credit_only_the_step_that_earned_it():
    # With neither discount nor λ an advantage is the step's own reward minus its value.
    rule = A2C(discount=0.0, gae_lambda=0.0, normalise=False)
    rollout = three_steps()
    targets = targets_of(rule, [1, 2, 3], [1, 1, 1], rollout)
    assert targets.advantage.shape == targets.value.shape == rollout.reward.shape
    np.testing.assert_allclose(targets.advantage[:, 0], [0.0, -2.0, 1.0])


@pytest.mark.parametrize("name", ["a2c", "reinforce"])
def test_update_agrees_with_numpy(name):
    rule, agent = tiny.RULES[name], tiny.agent(name)
    after, rollout, _ = tiny.update(name)(jax.random.key(1), (), agent, tiny.level())
    params, rollout, hyper = jax.tree.map(lambda x: np.asarray(x), (agent.params, rollout, agent.hyper))
    assert (rollout.terminated | rollout.truncated).any()
    tables = jax.tree.map(np.float64, params)
    logits, value = tables["policy"][rollout.observation], tables["value"][rollout.observation][..., 0]
    next_value = tables["value"][rollout.next_observation][..., 0]
    advantage = numpy_oracles.advantages(
        rollout.reward.astype(float), value, next_value, rollout.terminated, rollout.truncated, 0.99, rule.gae_lambda
    )
    returns = value + advantage
    if name == "a2c":
        advantage = (advantage - advantage.mean()) / advantage.std()
    grads = numpy_oracles.a2c_row_grads(logits, value, rollout, advantage, returns, hyper)
    rates = {"policy": hyper.learning_rate, "value": hyper.prediction_learning_rate}
    for group, row_grads in zip(("policy", "value"), grads, strict=True):
        expected = numpy_oracles.clipped_step(tables[group], rollout.observation, row_grads, 0.5, rates[group])
        np.testing.assert_allclose(after.params[group], expected, atol=1e-5)
        assert np.abs(expected - tables[group]).max() > 1e-2


@pytest.mark.parametrize("rule", [A2C, REINFORCE])
@pytest.mark.parametrize("field, value", [("discount", 1.1), ("discount", -0.1), ("gae_lambda", 2.0)])
def test_rule_refuses_factors_outside_zero_to_one(rule, field, value):
    with pytest.raises(ValueError, match=rf"{rule.__name__}.{field} must be in \[0, 1\], got {value}"):
        rule(**{field: value})
