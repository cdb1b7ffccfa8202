"""The learner: the contract of every rule, lifetimes, and evaluation."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from levels.world import GymnaxWorld
from levels.worlds.gridworld import GridWorld
from levels.worlds.tabular_grid import TabularGrid
from lpg.learner import Learner
from lpg.networks import Dense
from lpg.optimizer import Optimizer
from lpg.rules.actor_critic import A2C
from lpg.update_rule import Hyperparameters
from tests.lpg import numpy_oracles, tiny
from tests.lpg.probe_world import ProbeWorld

LEVEL = tiny.level()
every_rule = pytest.mark.parametrize("name", tiny.RULES)


def updated(name, agent, seed=1):
    return tiny.update(name)(jax.random.key(seed), tiny.meta_params(name), agent, LEVEL)


def assert_equal_trees(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        a, b = (jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in (a, b))
        np.testing.assert_array_equal(a, b)


def specs(tree):
    return jax.tree.map(lambda x: (x.shape, x.dtype), tree)


@every_rule
def test_update_keeps_shapes_and_dtypes_and_counts(name):
    agent = tiny.agent(name)
    after, rollout, metrics = updated(name, agent)
    assert specs(after) == specs(agent)
    assert rollout.action.shape == (tiny.NUM_STEPS, tiny.NUM_WORKERS)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after.params, metrics, rollout)))
    assert {metric.shape for metric in metrics.values()} == {()}
    assert set(metrics) == {"policy_loss", "prediction_loss", "entropy"}
    assert after.num_updates == agent.num_updates + 1 and after.lifetime == agent.lifetime


@every_rule
def test_update_moves_the_outputs_of_seen_states_only(name):
    agent = tiny.agent(name)
    after, rollout, _ = updated(name, agent)
    seen = np.isin(np.arange(tiny.WORLD.num_observations), rollout.observation)
    assert seen.any() and not seen.all()
    for group in after.params:
        np.testing.assert_array_equal((after.params[group] != agent.params[group]).any(-1), seen)


@every_rule
def test_update_repeats_only_with_the_same_key(name):
    agent = tiny.agent(name)
    assert_equal_trees(updated(name, agent), updated(name, agent))
    assert not jnp.array_equal(updated(name, agent)[1].action, updated(name, agent, seed=2)[1].action)


@functools.cache
def restated(name):
    """Parameters after one gradient step on a rollout with its targets held fixed."""
    learner = tiny.learner(name)

    def targets(meta_params, agent, rollout, progress):
        def outputs(observation):
            return learner.network.apply(agent.params, observation)

        seen, seen_next = outputs(rollout.observation), outputs(rollout.next_observation)
        return learner.rule.targets(meta_params, agent.rule_state, seen, seen_next, rollout, progress)[1]

    def step(agent, rollout, targets):
        def loss(params):
            return learner.rule.loss(learner.network.apply(params, rollout.observation), rollout, targets, agent.hyper)

        grads = jax.grad(loss, has_aux=True)(agent.params)[0]
        labels = learner.network.labels(agent.params)
        return learner.optimizer.step(grads, agent.optimizer_state, agent.params, labels, agent.hyper)[0]

    # Two programs, so that no gradient flows from one to the other.
    return jax.jit(targets), jax.jit(step)


@every_rule
def test_update_lets_no_gradient_through_its_targets(name):
    agent = tiny.agent(name)
    after, rollout, _ = updated(name, agent)
    targets, step = restated(name)
    # The agent is at the start of a lifetime of ten updates.
    progress = tiny.progress(fraction=0.0, log_lifetime=1.0)
    found = step(agent, rollout, targets(tiny.meta_params(name), agent, rollout, progress))
    for group in after.params:
        np.testing.assert_allclose(after.params[group], found[group], atol=1e-5)


@pytest.mark.parametrize("name", ["ta_lpg", "a2c"])
def test_update_of_many_agents_is_each_alone(name):
    agents = [tiny.agent(name, seed) for seed in (0, 1)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *agents)
    keys = jax.random.split(jax.random.key(3), 2)
    together = jax.jit(jax.vmap(tiny.learner(name).update, in_axes=(0, None, 0, None)))(
        keys, tiny.meta_params(name), stacked, LEVEL
    )[0]
    for n, agent in enumerate(agents):
        alone = tiny.update(name)(keys[n], tiny.meta_params(name), agent, LEVEL)[0]
        np.testing.assert_array_equal(together.states.position[n], alone.states.position)
        for group in alone.params:
            np.testing.assert_allclose(together.params[group][n], alone.params[group], atol=1e-5)


@pytest.mark.parametrize("name", tiny.LEARNED)
def test_update_by_a_learned_rule_agrees_with_numpy(name):
    agent = tiny.agent(name)
    after, rollout, _ = updated(name, agent)
    params, rollout, hyper, meta_params = jax.tree.map(
        np.asarray, (agent.params, rollout, agent.hyper, tiny.meta_params(name))
    )
    tables = jax.tree.map(np.float64, params)
    logits, prediction = (tables[group][rollout.observation] for group in ("policy", "prediction"))
    policy_weight, target = numpy_oracles.lpg_targets(
        jax.tree.map(np.float64, meta_params),
        tiny.RULES[name],
        logits,
        prediction,
        tables["prediction"][rollout.next_observation],
        rollout,
        tiny.progress(fraction=0.0, log_lifetime=1.0),
    )
    grads = numpy_oracles.lpg_row_grads(logits, prediction, rollout, policy_weight, target, hyper)
    rates = {"policy": hyper.learning_rate, "prediction": hyper.prediction_learning_rate}
    for group, row_grads in zip(("policy", "prediction"), grads, strict=True):
        expected = numpy_oracles.clipped_step(tables[group], rollout.observation, row_grads, 0.5, rates[group])
        np.testing.assert_allclose(after.params[group], expected, atol=1e-5)


def shapes_in(jaxpr):
    """Shapes of every intermediate value of a program, at any depth."""
    for equation in jaxpr.eqns:
        yield from (variable.aval.shape for variable in equation.outvars if hasattr(variable.aval, "shape"))
        for parameter in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")):
            inner = getattr(parameter, "jaxpr", parameter)
            if hasattr(inner, "eqns"):
                yield from shapes_in(inner)


@every_rule
def test_update_of_a_table_builds_no_one_hot(name):
    agent, num_states = tiny.agent(name), tiny.WORLD.num_observations
    program = jax.make_jaxpr(tiny.learner(name).update)(jax.random.key(0), tiny.meta_params(name), agent, LEVEL)
    shapes = set(shapes_in(program.jaxpr))
    assert (tiny.NUM_STEPS, tiny.NUM_WORKERS) in shapes and (tiny.NUM_WORKERS, 5) in shapes
    # Tables themselves lead with the states: [S, A] and [S, Y].
    assert not [shape for shape in shapes if num_states in shape[1:]]
    rollout = updated(name, agent)[1]
    assert rollout.observation.shape == (tiny.NUM_STEPS, tiny.NUM_WORKERS)
    assert rollout.observation.dtype == rollout.next_observation.dtype == jnp.int32


class TellsProgress(A2C):
    """A2C that reports the progress it was given."""

    def targets(self, meta_params, state, outputs, next_outputs, rollout, progress):
        state, targets, scale = super().targets(meta_params, state, outputs, next_outputs, rollout, progress)
        return state, (targets, progress), scale

    def loss(self, outputs, rollout, targets, hyper):
        loss, _ = super().loss(outputs, rollout, targets[0], hyper)
        return loss, {"fraction": targets[1].fraction, "log_lifetime": targets[1].log_lifetime}


@pytest.mark.parametrize(
    "num_updates, lifetime, fraction, log_lifetime",
    [(0, 10, 0.0, 1.0), (5, 10, 0.5, 1.0), (250_000, 1_000_000, 0.25, 6.0), (0, 1, 0.0, 0.0)],
)
def test_update_gives_the_rule_the_fraction_and_the_logarithm_of_the_lifetime(
    num_updates, lifetime, fraction, log_lifetime
):
    agent = tiny.agent("a2c").replace(num_updates=jnp.int32(num_updates), lifetime=jnp.int32(lifetime))
    metrics = _tells_progress()(jax.random.key(0), (), agent, LEVEL)[2]
    np.testing.assert_allclose([metrics["fraction"], metrics["log_lifetime"]], [fraction, log_lifetime], rtol=1e-6)


@functools.cache
def _tells_progress():
    return jax.jit(tiny.learner_of(TellsProgress()).update)


def test_update_depends_on_progress_only_with_lifetime_inputs():
    for name, expected in (("ta_lpg", True), ("lpg", False)):
        young = tiny.agent(name)
        old = young.replace(num_updates=jnp.int32(9))
        moved = updated(name, young)[0].params["policy"] != updated(name, old)[0].params["policy"]
        assert bool(moved.any()) == expected


@pytest.mark.parametrize("name", ["ta_lpg", "a2c"])
def test_train_ends_with_the_lifetime(name):
    key, agent = jax.random.key(4), tiny.agent(name, lifetime=3)
    run = functools.partial(tiny.train(name), key, tiny.meta_params(name), agent, tiny.level())
    whole = run(jnp.int32(3))
    assert whole.num_updates == 3 and not jnp.array_equal(whole.params["policy"], agent.params["policy"])
    assert_equal_trees(run(jnp.int32(7)), whole)
    assert_equal_trees(run(jnp.int32(0)), agent)
    assert run(jnp.int32(2)).num_updates == 2
    assert not jnp.array_equal(run(jnp.int32(2)).params["policy"], whole.params["policy"])


@pytest.mark.parametrize("name", ["ta_lpg", "a2c"])
def test_train_in_parts_until_an_age_is_one_life(name):
    key, agent = jax.random.key(4), tiny.agent(name, lifetime=5)

    def run(agent, until):
        return _train_until(name)(key, tiny.meta_params(name), agent, tiny.level(), jnp.int32(4), jnp.int32(until))

    young = run(agent, 2)
    assert young.num_updates == 2 and run(agent, 9).num_updates == 4
    assert_equal_trees(run(young, 5), tiny.train(name)(key, tiny.meta_params(name), agent, tiny.level(), jnp.int32(5)))
    # An age already passed changes nothing, and training never goes beyond the lifetime.
    assert_equal_trees(run(young, 1), young)
    assert run(young, 9).num_updates == 5


@functools.cache
def _train_until(name):
    return jax.jit(tiny.learner(name).train)


def test_train_of_a_life_of_one_update():
    agent = tiny.agent("a2c", lifetime=1)
    after = tiny.train("a2c")(jax.random.key(4), (), agent, tiny.level(), jnp.int32(5))
    assert after.num_updates == 1


def test_train_draws_new_numbers_in_each_update():
    # The policy never changes, so only the random numbers differ between updates.
    agent = tiny.agent("a2c")
    agent = agent.replace(params=jax.tree.map(jnp.zeros_like, agent.params), hyper=tiny.hyper(0.0, 0.0))
    seen = []
    for num_updates in (1, 2, 3):
        after = tiny.train("a2c")(jax.random.key(4), (), agent, tiny.level(), jnp.int32(num_updates))
        seen.append(tuple(np.asarray(after.states.position)))
    assert len(set(seen)) == 3


def test_init_makes_a_newborn_agent():
    learner = tiny.learner("lpg")
    agent = learner.init(jax.random.key(0), tiny.level(), tiny.hyper(learning_rate=3.0), jnp.int32(7))
    assert (agent.num_updates, agent.lifetime, agent.hyper.learning_rate) == (0, 7, 3)
    assert agent.states.position.shape == (tiny.NUM_WORKERS,) and not agent.states.position.any()


@every_rule
def test_update_reads_the_learning_rates_and_the_costs_that_the_rule_names(name):
    agent = tiny.agent(name)
    # Only parameters are compared, because costs do not change the rollout of their own update.
    plain = updated(name, agent)[0].params
    for field in (field.name for field in dataclasses.fields(Hyperparameters)):
        changed = agent.replace(hyper=agent.hyper.replace(**{field: 3 * getattr(agent.hyper, field)}))
        same = all(map(jnp.array_equal, *map(jax.tree.leaves, (updated(name, changed)[0].params, plain))))
        assert same != (field.endswith("learning_rate") or field in tiny.RULES[name].costs)


def test_hyperparameters_decay_with_age_by_hand():
    hyper = tiny.hyper(8.0, 4.0, entropy_cost=0.5, learning_rate_decay=1.0, entropy_decay=2.0)
    expected = {0.0: (8, 4, 0.5), 0.25: (6, 3, 0.5 * 0.5625), 0.5: (4, 2, 0.125), 1.0: (0, 0, 0), 1.5: (0, 0, 0)}
    for fraction, numbers in expected.items():
        now = jax.jit(Hyperparameters.at)(hyper, jnp.float32(fraction))
        found = (now.learning_rate, now.prediction_learning_rate, now.entropy_cost)
        np.testing.assert_allclose(found, numbers, rtol=1e-6)
        assert now.replace(learning_rate=0, prediction_learning_rate=0, entropy_cost=0) == hyper.replace(
            learning_rate=0, prediction_learning_rate=0, entropy_cost=0
        )
    # Learning rates alone, and the entropy cost alone.
    rates = tiny.hyper(8.0, learning_rate_decay=1.0).at(jnp.float32(0.75))
    assert (rates.learning_rate, rates.entropy_cost) == (2, np.float32(0.01))
    entropy = tiny.hyper(8.0, entropy_cost=4.0, entropy_decay=0.5).at(jnp.float32(0.75))
    assert (entropy.learning_rate, entropy.entropy_cost) == (8, 2)


def test_hyperparameters_without_decay_are_exactly_those_of_birth():
    hyper = tiny.hyper(0.1, 0.3, entropy_cost=0.7)
    ages = jnp.concatenate([jnp.arange(1001) / 1000, jnp.array([2.0, jnp.nan])])
    aged = jax.jit(jax.vmap(hyper.at))(ages)
    for field in dataclasses.fields(Hyperparameters):
        assert set(np.asarray(getattr(aged, field.name)).ravel()) == {np.asarray(getattr(hyper, field.name)).item()}


@pytest.mark.parametrize("name", ["learning_rate_decay", "entropy_decay"])
@pytest.mark.parametrize("value", [-0.5, float("inf"), float("nan")])
def test_hyperparameters_refuse_exponents_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"^Hyperparameters.{name} must be >= 0 and finite, got {value}$"):
        Hyperparameters(**{name: value}).completed(tiny.WORLD)


@every_rule
def test_update_applies_the_decay_of_the_agents_age(name):
    # Half of the life is over: an update with decay is one with half the learning rates or a quarter of the entropy.
    half = tiny.agent(name).replace(num_updates=jnp.int32(5))
    hyper = half.hyper.replace(learning_rate_decay=jnp.float32(1.0), entropy_decay=jnp.float32(2.0))
    by_hand = half.hyper.replace(
        learning_rate=half.hyper.learning_rate / 2,
        prediction_learning_rate=half.hyper.prediction_learning_rate / 2,
        entropy_cost=half.hyper.entropy_cost / 4,
    )
    decayed, expected = (updated(name, half.replace(hyper=given))[0] for given in (hyper, by_hand))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), decayed.params, expected.params)
    assert not jnp.array_equal(decayed.params["policy"], updated(name, half)[0].params["policy"])
    # The agent keeps the hyperparameters of its birth.
    assert_equal_trees(decayed.hyper, hyper)


@pytest.mark.parametrize("num_descents, rate", [(1, 40), (16, 2.5)])
def test_hyperparameters_default_to_those_of_the_kind_of_observation(num_descents, rate):
    assert jax.tree.map(float, Hyperparameters().completed(tiny.WORLD, num_descents)) == Hyperparameters(
        rate, rate / 10, 0.5, 0.5, float(np.float32(0.01)), 0.0, 0.0
    )
    given = Hyperparameters(3.0, value_cost=2.0).completed(OneHotGrid(2, 2, 1), num_descents)
    assert (float(given.learning_rate), float(given.value_cost)) == (3, 2)
    assert float(given.prediction_learning_rate) == pytest.approx(0.3)
    vector = Hyperparameters().completed(OneHotGrid(2, 2, 1), num_descents)
    assert float(vector.learning_rate) == pytest.approx(5e-4)


def test_init_takes_the_lifetime_of_the_level_unless_it_is_given():
    learner = tiny.learner("a2c")
    assert learner.init(jax.random.key(0), tiny.level()).lifetime == tiny.level().lifetime
    assert learner.init(jax.random.key(0), tiny.level(), lifetime=3).lifetime == 3
    probes = Learner.for_world(GymnaxWorld(ProbeWorld()), A2C())
    with pytest.raises(ValueError, match=r"^Learner.init: lifetime must be given"):
        probes.init(jax.random.key(0), ProbeWorld().default_params)


def test_learner_of_one_worker_and_one_step():
    learner = tiny.learner_of(A2C(), num_workers=1, rollout_length=1)
    agent = learner.init(jax.random.key(0), tiny.level(), tiny.hyper(), jnp.int32(1))
    after, rollout, _ = jax.jit(learner.update)(jax.random.key(1), (), agent, LEVEL)
    assert rollout.reward.shape == (1, 1) and all(np.isfinite(x).all() for x in jax.tree.leaves(after.params))


def test_update_of_a_vector_world_moves_torso_and_both_heads():
    world = OneHotGrid(2, 2, 1)
    level = GridWorld(TabularGrid(2, 2, 1)).default_params
    learner = Learner.for_world(world, A2C(), num_workers=4, rollout_length=6)
    assert (learner.network, learner.optimizer) == (Dense(world.num_actions, has_value=True), Optimizer("adam"))
    agent = jax.jit(learner.init)(jax.random.key(0), level, tiny.hyper(learning_rate=1e-3), jnp.int32(5))
    after = jax.jit(learner.update)(jax.random.key(1), (), agent, level)[0]
    moved = jax.tree.map(lambda new, old: np.abs(new - old).max(), after.params, agent.params)
    # Adam's first step has the size of the learning rate wherever there is a gradient.
    np.testing.assert_allclose(jax.tree.leaves(moved), 1e-3, rtol=0.05)


class OneHotGrid(TabularGrid):
    """A grid seen as a vector: 1 on the agent's cell."""

    @property
    def num_observations(self):
        return None

    @property
    def observation_shape(self):
        return (self.num_cells,)

    def observe(self, plan, state):
        del plan
        return (jnp.arange(self.num_cells) == state.position).astype(jnp.float32)


@pytest.mark.parametrize("field", ["num_workers", "rollout_length", "epochs", "minibatches"])
def test_learner_refuses_counts_below_one(field):
    with pytest.raises(ValueError, match=f"Learner.{field} must be >= 1, got 0"):
        tiny.learner_of(A2C(), **{field: 0})
