"""PPO and DPO: surrogates worked by hand, where their gradient vanishes, and their form before any step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpg.baselines import BASELINES
from lpg.networks import Outputs
from lpg.rules.actor_critic import A2C, ActorCriticTargets
from lpg.rules.ppo import DPO, PPO, RatioTargets
from tests.lpg import tiny

LEVEL = tiny.level()
both_rules = pytest.mark.parametrize("rule", [PPO(), DPO()], ids=["ppo", "dpo"])

# Ratio, advantage, surrogate. PPO: min(r·A, clip(r, .8, 1.2)·A).
CLIPPED = [(1.5, 2, 2.4), (0.5, 2, 1.0), (1.5, -2, -3.0), (0.5, -2, -1.6), (1.1, 2, 2.2), (0.9, -2, -1.8), (1, 3, 3)]
# DPO: r·A − drift, with the drift written out; it is 0 where r moves against the advantage.
DRIFTING = [
    (3, 4, 12 - (8 - 2 * np.tanh(4))),
    (1.5, 2, 3 - (1 - 2 * np.tanh(0.5))),
    (0.5, 2, 1.0),
    (0.5, -1, -0.5 - (np.log(2) - 0.6 * np.tanh(np.log(2) / 0.6))),
    (2, -3, -6.0),
    (1, 3, 3.0),
]
CASES = [(PPO(normalise=False), *case) for case in CLIPPED] + [(DPO(normalise=False), *case) for case in DRIFTING]


def one(x):
    """One sample as a [1, 1] array."""
    return jnp.full((1, 1), x, jnp.float32)


def policy_loss(rule, log_ratio, advantage, old=-0.7):
    """Loss of one sample whose action had the log-probability `old`."""
    return rule.policy_loss(
        old + one(log_ratio), RatioTargets(advantage=one(advantage), value=one(0), log_prob=one(old))
    )


@pytest.mark.parametrize("rule, ratio, advantage, surrogate", CASES)
def test_policy_loss_by_hand(rule, ratio, advantage, surrogate):
    np.testing.assert_allclose(policy_loss(rule, np.log(ratio), advantage), -surrogate, rtol=1e-5)


@pytest.mark.parametrize("ratio, advantage, stops", [
    (1.5, 2, True), (0.5, 2, False), (1.5, -2, False), (0.5, -2, True), (1.1, 2, False), (0.9, -2, False),
])  # fmt: skip
def test_ppo_stops_pulling_where_the_ratio_has_gained_enough(ratio, advantage, stops):
    pull = jax.grad(policy_loss, argnums=1)(PPO(normalise=False), jnp.float32(np.log(ratio)), advantage)
    np.testing.assert_allclose(pull, 0 if stops else -ratio * advantage, rtol=1e-5)


def test_dpo_pulls_ever_less_and_pushes_back():
    def pull(ratio, advantage):
        return float(jax.grad(policy_loss, argnums=1)(DPO(normalise=False), jnp.float32(np.log(ratio)), advantage))

    assert pull(1.0, 1) == -1 and -1.5 < pull(1.5, 1) < 0 and abs(pull(20.0, 1)) < 1e-4
    # The drift of a negative advantage grows like A·log r, while r·A vanishes, so beyond some point it pulls r back.
    assert pull(1.0, -1) == 1 and pull(0.9, -1) > 0 > pull(0.1, -1)


@pytest.mark.parametrize("fields", [{"alpha": 1.0}, {"beta": 0.3}, {}])
def test_dpo_reads_its_scales(fields):
    rule = DPO(normalise=False, **fields)
    alpha, beta = fields.get("alpha", 2.0), fields.get("beta", 0.6)
    np.testing.assert_allclose(rule.drift(one(np.log(3)), one(1)), 2 - alpha * np.tanh(2 / alpha), rtol=1e-5)
    np.testing.assert_allclose(rule.drift(one(-1), one(-1)), 1 - beta * np.tanh(1 / beta), rtol=1e-5)


def test_ppo_reads_its_clip():
    np.testing.assert_allclose(policy_loss(PPO(clip=0.1, normalise=False), np.log(1.5), 2), -2.2, rtol=1e-5)


@both_rules
def test_drift_is_never_negative_and_zero_without_a_step(rule):
    log_ratio, advantage = jax.random.normal(jax.random.key(0), (2, 40, 5))
    assert (rule.drift(log_ratio, advantage) >= 0).all()
    still = jnp.zeros_like(log_ratio)
    np.testing.assert_array_equal(rule.drift(still, advantage), 0)
    np.testing.assert_array_equal(jax.grad(lambda x: rule.drift(x, advantage).sum())(still), 0)


@both_rules
def test_gradient_without_a_step_is_that_of_a2c(rule):
    rollout, keys = tiny.rollout(), jax.random.split(jax.random.key(1), 3)
    logits, value, next_value = (
        jax.random.normal(key, (4, 3, *last)) for key, last in zip(keys, [(2,), (), ()], strict=True)
    )
    outputs, next_outputs = Outputs(logits=logits, value=value), Outputs(logits=logits, value=next_value)

    def gradient(rule):
        _, targets, _ = rule.targets((), (), outputs, next_outputs, rollout, tiny.progress())
        return jax.grad(lambda outputs: rule.loss(outputs, rollout, targets, tiny.hyper())[0])(outputs)

    found, expected = gradient(rule), gradient(A2C())
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-6)
    np.testing.assert_allclose(found.value, expected.value, atol=1e-6)
    assert np.abs(expected.logits).min() > 1e-3


@pytest.mark.parametrize("name", ["ppo", "dpo"])
def test_first_gradient_step_is_that_of_a2c(name):
    agent, key = tiny.agent("a2c"), jax.random.key(1)
    found, expected = (tiny.update(rule)(key, (), agent, LEVEL)[0].params for rule in (name, "a2c"))
    for group in ("policy", "value"):
        np.testing.assert_allclose(found[group], expected[group], atol=1e-5)


@both_rules
def test_targets_are_raw_advantages_and_the_log_probability_that_acted(rule):
    rollout = tiny.rollout(num_steps=2, num_workers=1)
    logits = jnp.log(jnp.asarray([0.25, 0.75])) + jnp.zeros((2, 1, 2))
    outputs = Outputs(logits=logits, value=jnp.ones((2, 1)))
    inputs = (), (), outputs, outputs, rollout, tiny.progress()
    targets, raw = (own.targets(*inputs)[1] for own in (rule, A2C(normalise=False)))
    np.testing.assert_allclose(jnp.exp(targets.log_prob), jnp.where(rollout.action == 1, 0.75, 0.25), rtol=1e-6)
    assert isinstance(raw, ActorCriticTargets)
    np.testing.assert_array_equal(targets.advantage, raw.advantage)
    np.testing.assert_array_equal(targets.value, raw.value)


@both_rules
def test_policy_loss_normalises_the_advantages_of_its_samples(rule):
    log_prob, old, advantage = jax.random.normal(jax.random.key(0), (3, 8, 1))

    def loss(rule, advantage):
        return rule.policy_loss(log_prob, RatioTargets(advantage=advantage, value=old, log_prob=old))

    plain = type(rule)(normalise=False)
    by_hand = (advantage - advantage.mean()) / advantage.std()
    np.testing.assert_allclose(loss(rule, advantage), loss(plain, by_hand), rtol=1e-5)
    np.testing.assert_allclose(loss(rule, 7 * advantage + 3), loss(rule, advantage), rtol=1e-4)
    assert abs(loss(plain, 7 * advantage + 3) - loss(plain, advantage)) > 0.1


@pytest.mark.parametrize(
    "rule, field, value, allowed",
    [
        (PPO, "clip", 0.0, r"in \(0, 1\)"),
        (PPO, "clip", 1.0, r"in \(0, 1\)"),
        (PPO, "gae_lambda", 2.0, r"in \[0, 1\]"),
        (DPO, "alpha", 0.0, "> 0"),
        (DPO, "beta", -1.0, "> 0"),
        (DPO, "discount", 1.1, r"in \[0, 1\]"),
    ],
)
def test_rule_refuses_numbers_out_of_range(rule, field, value, allowed):
    with pytest.raises(ValueError, match=rf"{rule.__name__}.{field} must be {allowed}, got {value}"):
        rule(**{field: value})


def test_baselines_are_the_hand_written_rules_with_their_passes_over_a_rollout():
    passes = {name: (baseline.epochs, baseline.minibatches) for name, baseline in BASELINES.items()}
    assert passes == {"a2c": (1, 1), "reinforce": (1, 1), "ppo": (4, 4), "dpo": (4, 4)}
    assert {name: tiny.RULES[name] for name in BASELINES} == {name: x.rule for name, x in BASELINES.items()}
