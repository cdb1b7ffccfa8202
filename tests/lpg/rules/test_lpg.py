"""The learned rule: a full NumPy restatement, the inputs it reads, and the agent's loss."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpg.networks import Outputs
from lpg.rules.lpg import LPG, LearnedTargets
from lpg.settings import RuleSettings
from tests.lpg import numpy_oracles, tiny

NUM_STEPS, NUM_WORKERS, NUM_ACTIONS, NUM_CLASSES = 4, 3, 2, 3
DONE = np.zeros((NUM_STEPS, NUM_WORKERS), bool)
DONE[1, 0] = DONE[3, 1] = DONE[0, 2] = DONE[1, 2] = True
ROLLOUT = tiny.rollout(NUM_STEPS, NUM_WORKERS, NUM_ACTIONS, done=DONE)


@functools.cache
def weights(name):
    """Meta-parameters, none of them zero, large enough for inputs to affect the targets."""
    leaves, structure = jax.tree.flatten(tiny.meta_params(name))
    keys = jax.random.split(jax.random.key(11), len(leaves))
    return structure.unflatten([jax.random.normal(key, x.shape) for key, x in zip(keys, leaves, strict=True)])


@functools.cache
def views(seed=0):
    """Outputs [T, B] of an agent, and its outputs for the next observations."""
    keys = jax.random.split(jax.random.key(seed), 3)
    sizes = (NUM_ACTIONS, NUM_CLASSES, NUM_CLASSES)
    logits, prediction, next_prediction = (
        jax.random.normal(key, (NUM_STEPS, NUM_WORKERS, size)) for key, size in zip(keys, sizes, strict=True)
    )
    return Outputs(logits=logits, prediction=prediction), Outputs(logits=logits, prediction=next_prediction)


@functools.cache
def program(name):
    return jax.jit(tiny.RULES[name].targets)


def targets(name, rollout=ROLLOUT, outputs=None, next_outputs=None, progress=None):
    seen, seen_next = views()
    _, found, _ = program(name)(
        weights(name),
        tiny.RULES[name].init_state(),
        seen if outputs is None else outputs,
        seen_next if next_outputs is None else next_outputs,
        rollout,
        tiny.progress() if progress is None else progress,
    )
    return found


def differs(left, right):
    """[T, B], where two answers of a rule differ."""
    weight = np.abs(left.policy_weight - right.policy_weight) > 1e-6
    return weight | (np.abs(left.log_prediction - right.log_prediction) > 1e-6).any(-1)


@pytest.mark.parametrize("name", tiny.LEARNED)
def test_targets_agree_with_the_restatement(name):
    arrays = (weights(name), *views(), ROLLOUT, tiny.progress())
    params, outputs, next_outputs, rollout, progress = jax.tree.map(np.asarray, arrays)
    policy_weight, prediction = numpy_oracles.lpg_targets(
        jax.tree.map(np.float64, params),
        tiny.RULES[name],
        outputs.logits,
        outputs.prediction,
        next_outputs.prediction,
        rollout,
        progress,
    )
    found = targets(name)
    np.testing.assert_allclose(found.policy_weight, policy_weight, atol=1e-4)
    np.testing.assert_allclose(np.exp(found.log_prediction), prediction, atol=1e-4)
    np.testing.assert_allclose(np.exp(found.log_prediction).sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "rule, count",
    [
        (LPG(), 203_946),
        (LPG(RuleSettings("ta-lpg")), 205_482),
        # φ 31·16 + 17, LSTM (5 + 256 + 1)·4·256, heads 257·(1 + 30): the paper's own sizes, without its input γ.
        (LPG(RuleSettings(prediction_size=30, cell="lstm")), 276_768),
    ],
    ids=["lpg", "ta_lpg", "lstm"],
)
def test_init_has_the_published_number_of_parameters(rule, count):
    shapes = jax.eval_shape(rule.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count


def test_init_follows_its_key():
    first, other = (tiny.meta_params("lpg", seed) for seed in (7, 8))
    again = tiny.meta_params.__wrapped__("lpg", 7)
    same = jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), first, again)
    assert all(jax.tree.leaves(same))
    assert not jnp.array_equal(first["policy_head"]["kernel"], other["policy_head"]["kernel"])


@pytest.mark.parametrize("field", ["reward", "logits", "prediction", "next_outputs"])
def test_targets_read_every_input(field):
    outputs, _ = views()
    other, other_next = views(seed=1)
    changed = {
        "reward": {"rollout": ROLLOUT.replace(reward=-ROLLOUT.reward)},
        "logits": {"outputs": outputs.replace(logits=other.logits)},
        "prediction": {"outputs": outputs.replace(prediction=other.prediction)},
        "next_outputs": {"next_outputs": other_next},
    }
    assert differs(targets("lpg"), targets("lpg", **changed[field])).any(0).all()


def test_targets_read_only_the_probability_of_the_action_taken():
    outputs, _ = views()
    # A shift of all logits leaves probabilities unchanged.
    shifted = targets("lpg", outputs=outputs.replace(logits=outputs.logits + 3))
    assert not differs(targets("lpg"), shifted).any()


@pytest.mark.parametrize("name", ["lpg", "ta_lpg", "lstm"])
def test_targets_ignore_what_comes_after_an_episodes_end(name):
    # Steps of worker 0 after its end at step 1, and the prediction of the observation it ended in.
    reward = ROLLOUT.reward.at[2:, 0].add(1.0)
    next_outputs = views()[1]
    next_prediction = next_outputs.prediction.at[1, 0].add(jnp.asarray([1.0, -1.0, 0.0]))
    next_outputs = next_outputs.replace(prediction=next_prediction)
    changed = targets(name, rollout=ROLLOUT.replace(reward=reward), next_outputs=next_outputs)
    expected = np.zeros_like(DONE)
    expected[2:, 0] = True
    np.testing.assert_array_equal(differs(targets(name), changed), expected)


@pytest.mark.parametrize("kind", ["terminated", "truncated"])
def test_targets_treat_both_kinds_of_end_alike(kind):
    nowhere = jnp.zeros_like(ROLLOUT.terminated)
    ends = {"terminated": nowhere, "truncated": nowhere} | {kind: jnp.asarray(DONE)}
    assert not differs(targets("lpg"), targets("lpg", rollout=ROLLOUT.replace(**ends))).any()


@pytest.mark.parametrize("changed", [{"fraction": 0.9}, {"log_lifetime": 1.0}], ids=lambda changed: next(iter(changed)))
def test_targets_read_the_lifetime_only_with_lifetime_inputs(changed):
    progress = tiny.progress(**changed)
    assert differs(targets("ta_lpg"), targets("ta_lpg", progress=progress)).any(0).all()
    assert not differs(targets("lpg"), targets("lpg", progress=progress)).any()


@pytest.mark.parametrize("scale", [0.1, 10.0, 1e4])
def test_targets_of_a_scale_free_rule_do_not_depend_on_the_unit_of_rewards(scale):
    rescaled = ROLLOUT.replace(reward=scale * ROLLOUT.reward)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4),
        targets("scale_free", rollout=rescaled),
        targets("scale_free"),
    )
    assert differs(targets("ta_lpg", rollout=rescaled), targets("ta_lpg")).any()


def test_scale_free_rule_relates_rewards_to_all_those_of_the_life():
    rule, big = tiny.RULES["scale_free"], ROLLOUT.replace(reward=100 * ROLLOUT.reward)
    learned = rule.targets(weights("scale_free"), rule.init_state(), *views(), big, tiny.progress())[0]
    assert learned.count == 1 and learned.sigma == pytest.approx(100 * np.sqrt(np.mean(ROLLOUT.reward**2)), rel=1e-5)
    after, found, _ = rule.targets(weights("scale_free"), learned, *views(), ROLLOUT, tiny.progress())
    assert differs(found, targets("scale_free")).any()
    mean = np.mean(np.concatenate([big.reward, ROLLOUT.reward]) ** 2)
    assert after.sigma == pytest.approx(np.sqrt(mean), rel=1e-5)


def test_targets_stay_in_scale_over_lifetimes_from_ten_to_a_million():
    short, long = (targets("ta_lpg", progress=tiny.progress(1.0, log10)) for log10 in (1.0, 6.0))
    kernels = weights("ta_lpg")
    # Hidden states lie in (−1, 1), so a head's output is bounded by its weights whatever the inputs.
    bound = np.abs(kernels["policy_head"]["kernel"]).sum() + np.abs(kernels["policy_head"]["bias"]).sum()
    for found in (short, long):
        assert np.all(np.abs(found.policy_weight) <= bound) and np.all(np.isfinite(found.log_prediction))
    assert differs(short, long).any()


def two_class_loss(y_logits, target, policy_weight=0.0, kl_cost=1.0):
    outputs = Outputs(logits=jnp.zeros((1, 1, 2)), prediction=jnp.asarray(y_logits)[None, None])
    told = LearnedTargets(
        policy_weight=jnp.full((1, 1), policy_weight), log_prediction=jnp.log(jnp.asarray(target))[None, None]
    )
    rollout = tiny.rollout(1, 1, num_actions=1)
    return LPG().loss(outputs, rollout, told, tiny.hyper(kl_cost=kl_cost))[0]


def test_loss_by_hand():
    # KL((½, ½) ‖ (¼, ¾)) = ½ log 2 + ½ log ⅔; reversed it would be ¼ log ½ + ¾ log 3⁄2.
    divergence = 0.5 * np.log(2) + 0.5 * np.log(2 / 3)
    np.testing.assert_allclose(two_class_loss([0.0, 0.0], [0.25, 0.75]), divergence, rtol=1e-6)
    np.testing.assert_allclose(
        two_class_loss([0.0, 0.0], [0.25, 0.75], policy_weight=3.0, kl_cost=0.5),
        3 * np.log(2) + 0.5 * divergence,
        rtol=1e-6,
    )
    np.testing.assert_allclose(two_class_loss([np.log(0.25), np.log(0.75)], [0.25, 0.75]), 0, atol=1e-6)


def test_loss_favours_actions_of_positive_weight_and_draws_the_prediction_to_its_target():
    outputs, _ = views()
    told = targets("lpg")

    def loss(outputs):
        return tiny.RULES["lpg"].loss(outputs, ROLLOUT, told, tiny.hyper())[0]

    grads = jax.jit(jax.grad(loss))(outputs)
    taken = np.take_along_axis(np.asarray(grads.logits), np.asarray(ROLLOUT.action)[..., None], -1)[..., 0]
    np.testing.assert_array_equal(np.sign(taken), -np.sign(told.policy_weight))
    step = jax.nn.log_softmax(outputs.prediction - 1e-2 * grads.prediction)
    before = jax.nn.log_softmax(outputs.prediction)

    def divergence(log_y):
        return jnp.sum(jnp.exp(log_y) * (log_y - told.log_prediction), -1)

    assert np.all(divergence(step) < divergence(before))
