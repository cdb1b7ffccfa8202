"""Residual rules: zero weights are the base, features have no unit, and outputs change what they say."""

import functools
from dataclasses import replace
from typing import get_args

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
from lpg.rules.residual_functions import FUNCTIONS
from lpg.settings import RESIDUAL_FEATURES, RESIDUAL_OUTPUTS, ResidualSettings, ResidualSize
from tests.lpg import tiny

ALL = ResidualSettings("ppo", tuple(x for x in RESIDUAL_FEATURES if x != "remaining"), tuple(RESIDUAL_OUTPUTS))
PER_STEP = ALL.step_outputs
MLP, RECURRENT = (replace(ALL, size=size, units=3) for size in ("mlp", "recurrent"))
NUM_STEPS, NUM_WORKERS = 4, 3


@functools.cache
def views(scale=1.0):
    """Outputs [T, B] for observations and for the next ones, with values times a scale."""
    keys = jax.random.split(jax.random.key(0), 4)
    logits = jax.random.normal(keys[0], (NUM_STEPS, NUM_WORKERS, 2))
    value, next_value = (scale * jax.random.normal(key, (NUM_STEPS, NUM_WORKERS)) for key in keys[1:3])
    predictions = jax.random.normal(keys[3], (2, NUM_STEPS, NUM_WORKERS, ALL.classes))
    now, then = ({"logits": logits, "prediction": prediction} for prediction in predictions)
    return Outputs(value=value, **now), Outputs(value=next_value, **then)


def rollout(scale=1.0):
    made = tiny.rollout(NUM_STEPS, NUM_WORKERS, done=np.eye(NUM_STEPS, NUM_WORKERS))
    novelty = jax.random.uniform(jax.random.key(1), (NUM_STEPS, NUM_WORKERS), minval=0.1)
    return made.replace(reward=scale * made.reward, novelty=novelty)


@functools.cache
def program(settings):
    return jax.jit(Residual(settings).targets)


def targets(settings, weights, scale=1.0, fraction=0.25):
    """Return what the rule says; weights of a linear rule as an array, or any rule's meta-parameters."""
    rule = Residual(settings)
    if not isinstance(weights, dict):
        weights = {"weights": jnp.asarray(weights, jnp.float32)}
        weights |= {"drift": jnp.zeros(8)} if "drift" in settings.outputs else {}
    return program(settings)(
        weights,
        rule.init_state(),
        *views(scale),
        rollout(scale),
        tiny.progress(fraction=fraction),
    )


def random_weights(settings, size=0.5):
    return size * jax.random.normal(jax.random.key(5), (len(settings.features), len(settings.step_outputs)))


def random_meta_params(settings, size=0.5):
    leaves, structure = jax.tree.flatten(jax.eval_shape(Residual(settings).init, jax.random.key(0)))
    keys = jax.random.split(jax.random.key(5), len(leaves))
    return structure.unflatten([size * jax.random.normal(key, x.shape) for key, x in zip(keys, leaves, strict=True)])


def test_settings_and_functions_name_the_same_features_and_outputs():
    assert tuple(residual_features.FEATURES) == tuple(RESIDUAL_FEATURES)
    assert tuple(sorted(MOST)) == tuple(sorted(PER_STEP))
    assert set(FUNCTIONS) == set(get_args(ResidualSize))


@functools.cache
def life_of(rule, epochs, minibatches):
    learner = tiny.learner_of(rule, epochs=epochs, minibatches=minibatches)

    def live(key, meta_params, num_updates):
        agent = learner.init(key, tiny.level(), tiny.hyper(), 50)
        return learner.train(key, meta_params, agent, tiny.level(), num_updates)

    return jax.jit(live)


def of_base(base, settings=ALL):
    return replace(settings, base=base, outputs=PER_STEP if base == "a2c" else settings.outputs)


# The two programs round differently, and large steps amplify the difference: in single precision to 5e-5 in 50 updates.
@pytest.mark.parametrize(
    ("x64", "num_updates", "atol"), [(True, 50, 1e-9), (False, 15, 1e-5)], ids=["double", "single"]
)
@pytest.mark.parametrize(
    ("base", "settings"),
    [("a2c", ALL), ("ppo", ALL), ("dpo", ALL), ("ppo", MLP), ("a2c", RECURRENT), ("ppo", RECURRENT)],
)
def test_zero_weights_are_the_base_after_many_updates(base, settings, x64, num_updates, atol):
    rule = Residual(of_base(base, settings))
    passes = BASELINES[base].epochs, BASELINES[base].minibatches
    key = jax.random.key(3)
    with jax.enable_x64(x64):
        found = jax.device_get(life_of(rule, *passes)(key, rule.init(key), num_updates))
        expected = jax.device_get(life_of(BASELINES[base].rule, *passes)(key, (), num_updates))
    for group, table in expected.params.items():
        np.testing.assert_allclose(found.params[group], table, atol=atol)
        assert np.abs(table).max() > 0.1
    assert found.rule_state.scale.count == num_updates
    # The target of the prediction is not 0 at the start, so the agent learns it.
    assert "prediction" not in found.params or np.abs(found.params["prediction"]).max() > 0.1


@pytest.mark.parametrize("scale", [0.1, 10.0])
@pytest.mark.parametrize("settings", [ALL, MLP, RECURRENT], ids=lambda settings: settings.size)
def test_rewards_and_values_of_another_scale_give_the_same_weights(scale, settings):
    weights = random_meta_params(settings)
    (_, plain, step), (_, scaled, scaled_step) = targets(settings, weights), targets(settings, weights, scale)
    for name in ("advantage", "offset", "entropy", "value"):
        np.testing.assert_allclose(getattr(scaled.weights, name), getattr(plain.weights, name), atol=1e-4)
        assert np.std(getattr(plain.weights, name)) > 0.01
    if settings is RECURRENT:
        np.testing.assert_allclose(scaled.weights.log_prediction, plain.weights.log_prediction, atol=1e-4)
    np.testing.assert_allclose(scaled_step, step, atol=1e-4)
    np.testing.assert_allclose(scaled.advantage, scale * plain.advantage, rtol=1e-4)


@pytest.mark.parametrize("feature", RESIDUAL_FEATURES)
def test_every_feature_reaches_the_weights(feature):
    settings = ResidualSettings("a2c", (feature,), ("advantage",))
    # Nothing is quiet in a rollout with rewards.
    _, found, _ = targets(settings, [[0.5]], scale=0.0 if feature == "quiet" else 1.0)
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
    settings = of_base("a2c")
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
    _, found, step = targets(ALL, np.full((len(ALL.features), len(PER_STEP)), 1e6))
    assert np.log(found.weights.entropy).max() == pytest.approx(6) and np.log(found.weights.value).max() == 3
    assert np.exp(-3.001) <= step <= np.exp(3.001)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_outputs_that_are_not_finite_freeze_the_update(broken):
    visits = jnp.zeros(tiny.WORLD.num_observations, jnp.int32)
    agent = tiny.agent("a2c").replace(rule_state=Residual(ALL).init_state(), visits=visits)
    learner = tiny.learner_of(Residual(of_base("a2c")))
    weights = jnp.zeros((len(ALL.features), len(PER_STEP))).at[0, 0].set(broken)
    after, _, _ = jax.jit(learner.update)(jax.random.key(1), {"weights": weights}, agent, tiny.level())
    for group, table in agent.params.items():
        np.testing.assert_array_equal(after.params[group], table)
    assert after.rule_state.frozen == 1


def test_scale_is_the_root_mean_square_of_all_advantages_so_far():
    memory = Residual(ALL).init_state()
    rewarded = tiny.rollout(1, 2).replace(reward=jnp.asarray([[0.0, 1.0]]))
    quiet = rewarded.replace(reward=jnp.zeros((1, 2)))
    first, second = jnp.asarray([[3.0, -1.0]]), jnp.asarray([[2.0, 2.0]])
    after = memory.after(first, jnp.full((1, 2), 0.7), rewarded).after(second, jnp.zeros((1, 2)), quiet)
    assert after.scale.sigma == pytest.approx(np.sqrt((9 + 1 + 4 + 4) / 4))
    assert after.birth_entropy == pytest.approx(0.7) and memory.scale.sigma == pytest.approx(1e-8)
    broken = after.after(jnp.full((1, 2), jnp.nan), jnp.zeros((1, 2)), rewarded)
    assert broken.scale.sigma == after.scale.sigma
    assert (after.quiet, broken.quiet, broken.scale.count) == (1, 1, 3)


@pytest.mark.parametrize("settings", [ALL, MLP, RECURRENT], ids=lambda settings: settings.size)
def test_continuous_actions_are_learned_from(settings):
    env, params = gymnax.make("Pendulum-v1")
    world = GymnaxWorld(env)
    features = tuple(name for name in settings.features if name != "novelty")
    with pytest.raises(ValueError, match="rule reads novelty, which needs observations that are integers"):
        Learner.for_world(world, Residual(settings))
    settings = replace(settings, features=features)
    rule = Residual(settings)
    learner = Learner.for_world(world, rule, num_workers=4, rollout_length=5, epochs=2, minibatches=2)
    key = jax.random.key(0)

    def first_update(weights):
        agent = learner.init(key, params, lifetime=10)
        return learner.update(key, weights, agent, params)[0].params

    update = jax.jit(first_update)
    weights = random_meta_params(settings)
    moved, plain = update(weights), update(jax.tree.map(jnp.zeros_like, weights))
    leaves = [np.abs(a - b).max() for a, b in zip(jax.tree.leaves(moved), jax.tree.leaves(plain), strict=True)]
    assert np.isfinite(leaves).all() and max(leaves) > 1e-6


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"base": "dqn"}, "ResidualSettings.base must be one of a2c, ppo, dpo, got 'dqn'"),
        ({"features": ("progres",)}, "features must be some of progress, .*, got 'progres'.*progress"),
        ({"outputs": ("advantage", "advantage")}, "outputs must be different and at least one, got advantage, adv"),
        ({"outputs": ()}, "outputs must be different and at least one"),
        ({"outputs": ("clip",)}, "outputs must be some of advantage, offset, entropy, value, step, drift, got 'clip'"),
        ({"base": "a2c", "outputs": ("drift",)}, "outputs must not have drift with base a2c"),
        ({"size": "large"}, "ResidualSettings.size must be one of linear, mlp, recurrent, got 'large'"),
        ({"outputs": ("drift",), "size": "mlp"}, "size must be linear where drift is the only output, got 'mlp'"),
        ({"features": ("remaining", "progress")}, "features must not have both progress and remaining, which make up"),
        ({"units": 0}, "ResidualSettings.units must be >= 1, got 0"),
        ({"classes": 1}, "ResidualSettings.classes must be >= 2, got 1"),
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


@pytest.mark.parametrize("settings", [ALL, RECURRENT], ids=lambda settings: settings.size)
def test_networks_learn_by_zero_weights_as_by_the_base(settings):
    rule = Residual(replace(settings, features=("progress", "reward")))
    learner, agent, level, key = catch_learner(rule)
    base = Learner.for_world(learner.world, PPO(), num_workers=4, rollout_length=6, epochs=4, minibatches=4)
    assert (learner.epochs, learner.minibatches) == rule.passes == (4, 4)
    found = jax.jit(learner.update)(key, rule.init(key), agent, level)[0].params
    born = base.init(key, level, lifetime=10)
    expected = jax.jit(base.update)(key, (), born, level)[0].params
    for name, layer in expected.items():
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), found[name], layer)
    apart = set(found) - set(expected)
    assert apart == ({"prediction"} if settings is RECURRENT else set())
    for name in apart:
        assert np.abs(found[name]["kernel"] - agent.params[name]["kernel"]).max() > 1e-6


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


def test_loss_with_a_learned_drift_by_hand():
    settings = ResidualSettings("ppo", ("progress",), ("drift",))
    rule, hyper = Residual(settings), tiny.hyper(value_cost=0.0, entropy_cost=0.0)
    drift = np.asarray([0.1, -0.4, -0.1, 0.3, 0.2, -0.2, 0.1, 0.5], np.float32)
    _, found, _ = targets(settings, {"weights": jnp.zeros((1, 0)), "drift": drift})
    moved = views()[0].replace(logits=1.3 * views()[0].logits)
    log_policy = np.asarray(jax.nn.log_softmax(moved.logits), np.float64)
    log_ratio = np.take_along_axis(log_policy, np.asarray(rollout().action)[..., None], -1)[..., 0] - found.log_prob
    ratio = np.exp(log_ratio)
    advantage = (found.advantage - np.mean(found.advantage)) / np.std(found.advantage)
    alone = np.stack([1 - ratio, (1 - ratio) ** 2, log_ratio, log_ratio**2], -1)
    learned = np.concatenate([alone, alone * np.asarray(advantage)[..., None]], -1) @ drift
    clipped = np.maximum((ratio - np.clip(ratio, 0.8, 1.2)) * advantage, 0)
    drifts = np.maximum(learned + clipped - 1e-6, 0)
    assert (drifts > 0).any() and (drifts == 0).any()
    expected = -np.mean(ratio * advantage - drifts)
    np.testing.assert_allclose(rule.loss(moved, rollout(), found, hyper)[0], expected, rtol=1e-4)


def test_policy_that_has_not_moved_feels_no_learned_drift():
    settings = ResidualSettings("ppo", ("progress",), ("drift",))
    rule, hyper = Residual(settings), tiny.hyper()
    plain, drifting = (
        targets(settings, {"weights": jnp.zeros((1, 0)), "drift": x})[1] for x in (jnp.zeros(8), jnp.full(8, 2.0))
    )

    def gradient(logits, found):
        return rule.loss(views()[0].replace(logits=logits), rollout(), found, hyper)[0]

    found = [jax.grad(gradient)(views()[0].logits, one) for one in (plain, drifting)]
    np.testing.assert_allclose(*found, atol=1e-7)


def test_loss_of_a_recurrent_rule_adds_the_divergence_of_the_prediction():
    rule, hyper = Residual(RECURRENT), tiny.hyper(kl_cost=0.7)
    _, found, _ = targets(RECURRENT, random_meta_params(RECURRENT))
    outputs, target = views()[0], np.asarray(found.weights.log_prediction, np.float64)
    np.testing.assert_allclose(np.exp(target).sum(-1), 1, atol=1e-5)
    log_y = np.asarray(jax.nn.log_softmax(outputs.prediction), np.float64)
    divergence = np.mean((np.exp(log_y) * (log_y - target)).sum(-1))
    without = rule.own_base.loss(outputs, rollout(), found, hyper)[0]
    np.testing.assert_allclose(rule.loss(outputs, rollout(), found, hyper)[0], without + 0.7 * divergence, rtol=1e-5)
    assert rule.costs == ("value_cost", "entropy_cost", "kl_cost")


def test_novelty_counts_the_visits_of_the_life():
    learner = tiny.learner_of(Residual(ResidualSettings("a2c", ("novelty",), ("offset",))))
    agent = learner.init(jax.random.key(0), tiny.level(), tiny.hyper(), 10)
    update, counts = jax.jit(learner.update), np.zeros(tiny.WORLD.num_observations, int)
    meta_params = {"weights": jnp.zeros((1, 1))}
    for number in range(3):
        agent, collected, _ = update(jax.random.key(number), meta_params, agent, tiny.level())
        np.add.at(counts, np.asarray(collected.next_observation), 1)
        np.testing.assert_array_equal(agent.visits, counts)
    # The rollout that is handed out is the world's alone.
    assert collected.novelty is None and agent.rule_state.novelty.count == 3
    novelty = 1 / np.sqrt(counts[np.asarray(collected.next_observation)])
    assert 0 < agent.rule_state.novelty.sigma < 1 and novelty.max() <= 1


def test_feature_of_novelty_by_hand():
    settings = ResidualSettings("a2c", ("novelty",), ("offset",))
    _, found, _ = targets(settings, [[1.0]])
    novelty = np.asarray(rollout().novelty, np.float64)
    expected = np.log1p(novelty / np.sqrt(np.mean(novelty**2))) - 0.5
    np.testing.assert_allclose(found.weights.offset, expected, atol=1e-5)
