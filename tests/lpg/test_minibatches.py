"""Epochs and minibatches of the learner: every sample is used once per epoch, and 1 × 1 is the plain update."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpg.learner import Learner, shuffled
from lpg.networks import Table
from lpg.optimizer import Optimizer
from lpg.rules.ppo import PPO
from tests.lpg import numpy_oracles, tiny

NUM_SAMPLES = tiny.NUM_WORKERS * tiny.NUM_STEPS
EPOCHS, MINIBATCHES = 2, 3
LEVEL = tiny.level()


@functools.cache
def learner(name="ppo", epochs=EPOCHS, minibatches=MINIBATCHES):
    return tiny.learner_of(tiny.RULES[name], epochs=epochs, minibatches=minibatches)


@functools.cache
def update(name="ppo", epochs=EPOCHS, minibatches=MINIBATCHES):
    return jax.jit(learner(name, epochs, minibatches).update)


def assert_close_trees(left, right, atol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), left, right)


def test_shuffled_holds_every_sample_once_per_epoch_in_a_new_order():
    batches = shuffled(jax.random.key(0), 24, 3, 4)
    assert batches.shape == (12, 6)
    epochs = np.asarray(batches).reshape(3, 24)
    for epoch in epochs:
        assert sorted(epoch) == list(range(24)) != list(epoch)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert not jnp.array_equal(batches, shuffled(jax.random.key(1), 24, 3, 4))


def test_shuffled_puts_every_sample_first_equally_often():
    first = jax.vmap(lambda key: shuffled(key, 4, 1, 2)[0, 0])(jax.random.split(jax.random.key(0), 4000))
    # The mean is 1000 and the standard deviation 27; the margin is four of these.
    assert np.abs(np.bincount(first) - 1000).max() < 110


class Counting:
    """A rule that moves each observation's value by its share of each batch."""

    prediction_size = 0
    reads_value = True

    def init(self, key):
        del key
        return ()

    def targets(self, meta_params, state, outputs, next_outputs, rollout, progress):
        del meta_params, outputs, next_outputs, progress
        return state, {"vector": jnp.stack([rollout.reward, -rollout.reward], axis=-1)}, 1.0

    def loss(self, outputs, rollout, targets, hyper):
        del hyper
        told = jnp.stack([rollout.reward, -rollout.reward], axis=-1)
        strayed = jnp.sum(jnp.abs(targets["vector"] - told))
        return -jnp.mean(outputs.value), {"strayed": strayed, "samples": jnp.float32(rollout.reward.size)}


@pytest.mark.parametrize("epochs, minibatches", [(1, 1), (3, 1), (1, 4), (2, 3), (1, NUM_SAMPLES)])
def test_descend_uses_every_sample_with_its_own_targets_once_per_epoch(epochs, minibatches):
    rule = Counting()
    network, optimizer = Table(NUM_SAMPLES, 2, has_value=True), Optimizer("sgd", max_grad_norm=1e9)
    counting = Learner(tiny.WORLD, network, rule, optimizer, tiny.NUM_WORKERS, tiny.NUM_STEPS, epochs, minibatches)
    params = network.init(jax.random.key(0), jnp.zeros((), jnp.int32))
    agent = tiny.agent("a2c").replace(
        params=params,
        optimizer_state=optimizer.init(params, network.labels(params)),
        hyper=tiny.hyper(prediction_learning_rate=1.0),
    )
    # Each step of the rollout sees a different observation.
    rollout = tiny.rollout(tiny.NUM_STEPS, tiny.NUM_WORKERS)
    rollout = rollout.replace(observation=jnp.arange(NUM_SAMPLES, dtype=jnp.int32).reshape(rollout.action.shape))
    _, targets, _ = rule.targets((), (), None, None, rollout, None)
    batches = shuffled(jax.random.key(1), NUM_SAMPLES, epochs, minibatches) if minibatches > 1 else None
    params, _, metrics = jax.jit(counting.descend)(agent, rollout, targets, batches)
    batch_size = NUM_SAMPLES // minibatches
    np.testing.assert_allclose(params["value"], epochs / batch_size, rtol=1e-5)
    assert metrics["strayed"] == 0 and metrics["samples"] == batch_size


@functools.cache
def descend():
    """Compiled gradient steps on the samples of `batches`, with the targets of the agent that acted."""

    def steps(agent, rollout, actor, batches):
        seen, seen_next = (learner().network.apply(actor, x) for x in (rollout.observation, rollout.next_observation))
        _, targets, _ = tiny.RULES["ppo"].targets((), (), seen, seen_next, rollout, tiny.progress())
        return tiny.learner("ppo").descend(agent, rollout, targets, batches)

    return jax.jit(steps)


ALL_ONCE = jnp.arange(NUM_SAMPLES)[None, ::-1]


def test_one_epoch_of_one_minibatch_is_the_plain_update():
    agent = tiny.agent("ppo")
    after, rollout, metrics = tiny.update("ppo")(jax.random.key(1), (), agent, LEVEL)
    params, _, dealt_metrics = descend()(agent, rollout, agent.params, ALL_ONCE)
    assert_close_trees((params, dealt_metrics), (after.params, metrics))
    assert np.abs(params["policy"] - agent.params["policy"]).max() > 1e-2


def test_two_epochs_are_two_steps_on_the_same_rollout_and_targets():
    agent = tiny.agent("ppo")
    after, rollout, metrics = update(epochs=2, minibatches=1)(jax.random.key(1), (), agent, LEVEL)
    once, same_rollout, first_metrics = tiny.update("ppo")(jax.random.key(1), (), agent, LEVEL)
    np.testing.assert_array_equal(rollout.action, same_rollout.action)
    params, _, second_metrics = descend()(once, rollout, agent.params, ALL_ONCE)
    assert_close_trees(after.params, params)
    assert_close_trees(metrics, jax.tree.map(lambda a, b: (a + b) / 2, first_metrics, second_metrics))
    assert first_metrics["policy_loss"] != second_metrics["policy_loss"]


def draws_in(jaxpr):
    """Number of arrays of random bits that a program draws."""
    num_draws = 0
    for equation in jaxpr.eqns:
        num_draws += equation.primitive.name == "random_bits"
        for parameter in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")):
            inner = getattr(parameter, "jaxpr", parameter)
            num_draws += draws_in(inner) if hasattr(inner, "eqns") else 0
    return num_draws


def test_update_draws_its_permutations_at_once_and_none_for_one_minibatch():
    agent = tiny.agent("ppo")

    def draws(epochs, minibatches):
        update = learner("ppo", epochs, minibatches).update
        return draws_in(jax.make_jaxpr(update)(jax.random.key(0), (), agent, LEVEL).jaxpr)

    plain = draws(1, 1)
    assert plain > 0 and draws(3, 1) == plain and draws(1, 2) == draws(3, 4) == plain + 1


@pytest.mark.parametrize(
    "name, credit", [("ppo", numpy_oracles.clipped_credit), ("dpo", numpy_oracles.drifting_credit)]
)
def test_update_agrees_with_numpy(name, credit):
    agent, key = tiny.agent(name), jax.random.key(1)
    after, rollout, _ = update(name)(key, (), agent, LEVEL)
    batches = shuffled(jax.random.split(key)[1], NUM_SAMPLES, EPOCHS, MINIBATCHES)
    expected, ratios = restated(agent, rollout, np.asarray(batches), credit)
    # Gradient steps large enough for both sides of the clip to matter.
    assert ratios.min() < 0.8 and ratios.max() > 1.2 and (rollout.terminated | rollout.truncated).any()
    for group in ("policy", "value"):
        np.testing.assert_allclose(after.params[group], expected[group], atol=1e-5)
        assert np.abs(expected[group] - agent.params[group]).max() > 1e-2


def restated(agent, rollout, batches, credit):
    """Tables after one gradient step per batch, and every ratio along the way."""
    params, rollout, hyper = jax.tree.map(np.asarray, (agent.params, rollout, agent.hyper))
    tables, rates = jax.tree.map(np.float64, params), (hyper.learning_rate, hyper.prediction_learning_rate)

    def taken(logits, action):
        return np.take_along_axis(numpy_oracles.softmax(logits), action[..., None], -1)[..., 0]

    value = tables["value"][rollout.observation][..., 0]
    next_value = tables["value"][rollout.next_observation][..., 0]
    ends = rollout.terminated, rollout.truncated
    advantage = numpy_oracles.advantages(rollout.reward.astype(float), value, next_value, *ends, 0.99, 0.95)
    returns, old = value + advantage, taken(tables["policy"][rollout.observation], rollout.action)
    flat = jax.tree.map(lambda x: x.reshape(-1), rollout)
    ratios = []
    for batch in batches:
        seen = jax.tree.map(lambda x, batch=batch: x[batch], flat)
        logits, value = tables["policy"][seen.observation], tables["value"][seen.observation][..., 0]
        part = advantage.reshape(-1)[batch]
        ratios.append(taken(logits, seen.action) / old.reshape(-1)[batch])
        weight = credit(ratios[-1], (part - part.mean()) / part.std())
        grads = numpy_oracles.a2c_row_grads(logits, value, seen, weight, returns.reshape(-1)[batch], hyper)
        for group, row_grads, rate in zip(("policy", "value"), grads, rates, strict=True):
            tables[group] = numpy_oracles.clipped_step(tables[group], seen.observation, row_grads, 0.5, rate)
    return tables, np.concatenate(ratios)


def test_update_of_many_agents_is_each_alone():
    agents = [tiny.agent("ppo", seed) for seed in (0, 1)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *agents)
    keys = jax.random.split(jax.random.key(3), 2)
    together = jax.jit(jax.vmap(learner().update, in_axes=(0, None, 0, None)))(keys, (), stacked, LEVEL)[0]
    for n, agent in enumerate(agents):
        alone = update()(keys[n], (), agent, LEVEL)[0]
        np.testing.assert_array_equal(together.states.position[n], alone.states.position)
        assert_close_trees(jax.tree.map(lambda x, n=n: x[n], together.params), alone.params)


@pytest.mark.parametrize("name", tiny.RULES)
def test_every_rule_takes_minibatches(name):
    agent = tiny.agent(name)
    after, _, metrics = jax.eval_shape(learner(name).update, jax.random.key(1), tiny.meta_params(name), agent, LEVEL)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), agent) == jax.tree.map(lambda x: (x.shape, x.dtype), after)
    assert {metric.shape for metric in metrics.values()} == {()}


def test_learner_refuses_minibatches_of_unequal_size():
    with pytest.raises(ValueError, match=r"Learner.minibatches must divide num_workers \* rollout_length = 24, got 5"):
        tiny.learner_of(PPO(), minibatches=5)


class AnyNetwork:
    """A network that the learner does not know to be a table."""

    def __init__(self, network):
        self._network = network

    def __getattr__(self, name):
        return getattr(self._network, name)


def test_tables_learn_in_several_steps_as_if_all_rows_were_read_in_each():
    key, agent, level = jax.random.key(4), tiny.agent("ppo"), tiny.level()
    found = update()(key, (), agent, level)[0].params
    whole = replace(learner(), network=AnyNetwork(learner().network))
    expected = jax.jit(whole.update)(key, (), agent, level)[0].params
    assert any(np.abs(expected[name] - agent.params[name]).max() > 1e-3 for name in expected)
    assert_close_trees(found, expected)


def test_rows_of_a_table_stand_for_all_equal_observations():
    table = Table(num_observations=5, num_logits=2)
    params = {"policy": jnp.arange(10.0).reshape(5, 2)}
    observation = jnp.asarray([3, 0, 3, 4])
    rows, places = table.rows(params, observation)
    np.testing.assert_array_equal(rows["policy"][places], params["policy"][observation])
    assert places[0] == places[2] and len(set(places.tolist())) == 3
    # Each row is doubled once, wherever its observation is seen.
    doubled = {"policy": rows["policy"].at[jnp.unique(places)].multiply(2.0)}
    found = table.with_rows(params, observation, doubled, places)["policy"]
    np.testing.assert_array_equal(found, params["policy"] * jnp.asarray([2.0, 1, 1, 2, 2])[:, None])
