"""Residual rules: zero weights are the base, features have no unit, and outputs change what they say."""

import functools

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments.bsuite.catch import Catch

from levels.world import GymnaxWorld
from lpg.baselines import BASELINES
from lpg.learner import Learner
from lpg.networks import Outputs
from lpg.rules import residual_features
from lpg.rules.ppo import PPO
from lpg.rules.residual import MOST, Residual
from lpg.settings import RESIDUAL_BASES, RESIDUAL_FEATURES, RESIDUAL_OUTPUTS, ResidualSettings
from tests.lpg import tiny

ALL = ResidualSettings("ppo", tuple(RESIDUAL_FEATURES), tuple(RESIDUAL_OUTPUTS))
NUM_STEPS, NUM_WORKERS = 4, 3


@functools.cache
def views(scale=1.0):
    """Outputs [T, B] for observations and for the next ones, with values times a scale."""
    keys = jax.random.split(jax.random.key(0), 3)
    logits = jax.random.normal(keys[0], (NUM_STEPS, NUM_WORKERS, 2))
    value, next_value = (scale * jax.random.normal(key, (NUM_STEPS, NUM_WORKERS)) for key in keys[1:])
    return Outputs(logits=logits, value=value), Outputs(logits=logits, value=next_value)


def rollout(scale=1.0):
    made = tiny.rollout(NUM_STEPS, NUM_WORKERS, done=np.eye(NUM_STEPS, NUM_WORKERS))
    return made.replace(reward=scale * made.reward)


@functools.cache
def program(settings):
    return jax.jit(Residual(settings).targets)


def targets(settings, weights, scale=1.0, fraction=0.25):
    rule = Residual(settings)
    life = rule.init_state()
    return program(settings)(
        {"weights": jnp.asarray(weights, jnp.float32)},
        life,
        *views(scale),
        rollout(scale),
        tiny.progress(fraction=fraction),
    )


def random_weights(settings, size=0.5):
    return size * jax.random.normal(jax.random.key(5), (len(settings.features), len(settings.outputs)))


def test_settings_and_functions_name_the_same_features_and_outputs():
    assert tuple(residual_features.FEATURES) == tuple(RESIDUAL_FEATURES)
    assert tuple(sorted(MOST)) == tuple(sorted(RESIDUAL_OUTPUTS))


@functools.cache
def life_of(rule, epochs, minibatches):
    learner = tiny.learner_of(rule, epochs=epochs, minibatches=minibatches)

    def live(key, meta_params):
        agent = learner.init(key, tiny.level(), tiny.hyper(), 50)
        return learner.train(key, meta_params, agent, tiny.level(), 50)

    return jax.jit(live)


@pytest.mark.parametrize("base", RESIDUAL_BASES)
def test_zero_weights_are_the_base_after_fifty_updates(base):
    rule = Residual(ResidualSettings(base, ALL.features, ALL.outputs))
    passes = BASELINES[base].epochs, BASELINES[base].minibatches
    key = jax.random.key(3)
    found = life_of(rule, *passes)(key, rule.init(key))
    expected = life_of(BASELINES[base].rule, *passes)(key, ())
    for group, table in expected.params.items():
        np.testing.assert_allclose(found.params[group], table, atol=1e-5)
        assert np.abs(table).max() > 0.1
    assert found.rule_state.count == 50


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_rewards_and_values_of_another_scale_give_the_same_weights(scale):
    weights = random_weights(ALL)
    (_, plain, step), (_, scaled, scaled_step) = targets(ALL, weights), targets(ALL, weights, scale)
    for name in ("advantage", "offset", "entropy", "value"):
        np.testing.assert_allclose(getattr(scaled.weights, name), getattr(plain.weights, name), atol=1e-4)
        assert np.std(getattr(plain.weights, name)) > 0.05
    np.testing.assert_allclose(scaled_step, step, atol=1e-4)
    np.testing.assert_allclose(scaled.advantage, scale * plain.advantage, rtol=1e-4)


@pytest.mark.parametrize("feature", RESIDUAL_FEATURES)
def test_every_feature_reaches_the_weights(feature):
    settings = ResidualSettings("a2c", (feature,), ("advantage",))
    _, found, _ = targets(settings, [[0.5]])
    assert np.abs(found.weights.advantage - 1).max() > 1e-3
    np.testing.assert_array_equal(found.weights.offset, 0)
    np.testing.assert_array_equal(found.weights.entropy, 1)


def test_weights_by_hand():
    settings = ResidualSettings("a2c", ("progress", "advantage"), ("advantage", "offset", "entropy", "value", "step"))
    weights = np.asarray([[0.2, 0.0, -1.0, 0.1, 0.4], [0.3, 0.5, 0.0, -0.2, 0.0]])
    _, found, step = targets(settings, weights, fraction=0.75)
    bounded = np.tanh(found.advantage)
    np.testing.assert_allclose(found.weights.advantage, np.exp(0.2 * 0.5 + 0.3 * bounded), rtol=1e-5)
    np.testing.assert_allclose(found.weights.offset, 0.5 * bounded, atol=1e-6)
    np.testing.assert_allclose(found.weights.entropy, np.exp(3 * -1.0 * 0.5), rtol=1e-5)
    np.testing.assert_allclose(found.weights.value, np.exp(0.1 * 0.5 - 0.2 * bounded), rtol=1e-5)
    np.testing.assert_allclose(step, np.exp(0.4 * 0.5), rtol=1e-5)


def test_loss_by_hand():
    settings = ResidualSettings("a2c", ALL.features, ALL.outputs)
    rule, hyper = Residual(settings), tiny.hyper(value_cost=0.5, entropy_cost=0.1)
    _, found, _ = targets(settings, random_weights(settings))
    outputs, weights = views()[0], found.weights
    log_policy = np.asarray(jax.nn.log_softmax(outputs.logits), np.float64)
    log_prob = np.take_along_axis(log_policy, np.asarray(rollout().action)[..., None], -1)[..., 0]
    entropy = -(np.exp(log_policy) * log_policy).sum(-1)
    expected = (
        -np.mean(log_prob * (weights.advantage * found.advantage + weights.offset))
        + 0.5 * 0.5 * np.mean(weights.value * (outputs.value - found.value) ** 2)
        - 0.1 * np.mean(weights.entropy * entropy)
    )
    np.testing.assert_allclose(rule.loss(outputs, rollout(), found, hyper)[0], expected, rtol=1e-5)


def test_outputs_are_bounded():
    _, found, step = targets(ALL, np.full((len(ALL.features), len(ALL.outputs)), 1e6))
    assert np.log(found.weights.entropy).max() == pytest.approx(6) and np.log(found.weights.value).max() == 3
    assert np.exp(-3.001) <= step <= np.exp(3.001)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_outputs_that_are_not_finite_freeze_the_update(broken):
    agent = tiny.agent("a2c").replace(rule_state=Residual(ALL).init_state())
    learner = tiny.learner_of(Residual(ResidualSettings("a2c", ALL.features, ALL.outputs)))
    weights = jnp.zeros((len(ALL.features), len(ALL.outputs))).at[0, 0].set(broken)
    after, _, _ = jax.jit(learner.update)(jax.random.key(1), {"weights": weights}, agent, tiny.level())
    for group, table in agent.params.items():
        np.testing.assert_array_equal(after.params[group], table)
    assert after.rule_state.frozen == 1


def test_scale_is_the_root_mean_square_of_all_advantages_so_far():
    life = Residual(ALL).init_state()
    first, second = jnp.asarray([[3.0, -1.0]]), jnp.asarray([[2.0, 2.0]])
    after = life.after(first, jnp.full((1, 2), 0.7)).after(second, jnp.zeros((1, 2)))
    assert after.sigma == pytest.approx(np.sqrt((9 + 1 + 4 + 4) / 4)) and after.birth_entropy == pytest.approx(0.7)
    assert life.sigma == pytest.approx(1e-8)
    broken = after.after(jnp.full((1, 2), jnp.nan), jnp.zeros((1, 2)))
    assert broken.sigma == after.sigma


def test_continuous_actions_are_learned_from():
    env, params = gymnax.make("Pendulum-v1")
    world = GymnaxWorld(env)
    rule = Residual(ALL)
    learner = Learner.for_world(world, rule, num_workers=4, rollout_length=5, epochs=2, minibatches=2)
    key = jax.random.key(0)

    def first_update(weights):
        agent = learner.init(key, params, lifetime=10)
        return learner.update(key, {"weights": weights}, agent, params)[0].params

    update = jax.jit(first_update)
    moved, plain = update(random_weights(ALL)), update(jnp.zeros_like(random_weights(ALL)))
    leaves = [np.abs(a - b).max() for a, b in zip(jax.tree.leaves(moved), jax.tree.leaves(plain), strict=True)]
    assert np.isfinite(leaves).all() and max(leaves) > 1e-6


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"base": "dqn"}, "ResidualSettings.base must be one of a2c, ppo, dpo, got 'dqn'"),
        ({"features": ("progres",)}, "features must be some of progress, .*, got 'progres'.*progress"),
        ({"outputs": ("advantage", "advantage")}, "outputs must be different and at least one, got advantage, adv"),
        ({"outputs": ()}, "outputs must be different and at least one"),
        ({"outputs": ("clip",)}, "outputs must be some of advantage, offset, entropy, value, step, got 'clip'"),
    ],
)
def test_settings_refuse_what_does_not_exist(fields, message):
    with pytest.raises(ValueError, match=message):
        ResidualSettings(**fields)


def catch_learner(rule):
    env = Catch(rows=4, columns=3)
    learner = Learner.for_world(GymnaxWorld(env), rule, num_workers=4, rollout_length=6)
    key = jax.random.key(2)
    return learner, learner.init(key, env.default_params, lifetime=10), env.default_params, key


def test_networks_learn_by_zero_weights_as_by_the_base():
    rule = Residual(ALL)
    learner, agent, level, key = catch_learner(rule)
    base = Learner.for_world(learner.world, PPO(), num_workers=4, rollout_length=6, epochs=4, minibatches=4)
    assert (learner.epochs, learner.minibatches) == rule.passes == (4, 4)
    found = jax.jit(learner.update)(key, rule.init(key), agent, level)[0].params
    expected = jax.jit(base.update)(key, (), agent.replace(rule_state=()), level)[0].params
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), found, expected)


def test_step_factor_survives_adam_and_frozen_updates_leave_its_moments():
    rule = Residual(ResidualSettings("a2c", ("progress", "value"), ("step",)))
    learner, agent, level, key = catch_learner(rule)
    update = jax.jit(learner.update)
    plain, scaled, frozen = (
        update(key, {"weights": jnp.asarray([[x], [0.0]], jnp.float32)}, agent, level)[0] for x in (0.0, 1.0, np.nan)
    )
    # At birth the age counts −1.
    moved = [jax.tree.map(jnp.subtract, after.params, agent.params) for after in (plain, scaled)]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(y, np.exp(-1) * x, atol=1e-6), *moved)
    before, after = (jax.tree.leaves((one.params, one.optimizer_state)) for one in (agent, frozen))
    for x, y in zip(before, after, strict=True):
        np.testing.assert_array_equal(x, y)
