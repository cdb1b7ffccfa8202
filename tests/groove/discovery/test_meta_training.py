"""Meta-training: fair comparisons, honest metrics, and generations that depend only on state and number."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.building import build_training
from groove.discovery.population import LifeResults
from groove.job.devices import lives_mesh
from levels.solver import optimal_return, random_return, returns_on
from lpg.baselines import BASELINES
from tests.smallest_run import SMALLEST

NO_PAIRS = "SNES"


class RecordingPopulation:
    """Keeps the lives it is given and returns what the test prescribes."""

    def __init__(self, learner, returns):
        self.learner, self.returns, self.mesh = learner, jnp.asarray(returns, jnp.float32), lives_mesh(1)

    def live(self, candidates, lives):
        self.candidates, self.lives = candidates, lives
        return LifeResults(
            self.returns, self.returns[:, None], self.returns[:, None], None, lives.lengths, 2 * jnp.sum(lives.lengths)
        )


def training_with(returns=None, population=8, **fields):
    """A meta-training whose lives are recorded; their returns are 0, 1, 2, … or as told."""
    config = SMALLEST.replaced(population=population, **fields)
    training = build_training(config, lives_mesh(1))
    returns = np.arange(population * config.evolution.levels_per_candidate) if returns is None else returns
    return dataclasses.replace(training, population=RecordingPopulation(training.population.learner, returns))


def generation_of(training, number=0):
    """Return the state before and after one generation, and its metrics."""
    state = training.init(jax.random.key(0)).replace(generation=jnp.int32(number))
    after, metrics = training.generation(jax.random.key(1), state)
    return state, after, metrics


def distinct(keys_or_levels):
    """Count the different rows of a pytree."""
    leaves = [jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in keys_or_levels]
    return len(np.unique(np.concatenate([np.asarray(x).reshape(x.shape[0], -1) for x in leaves], axis=1), axis=0))


def assert_trees_equal(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


@pytest.mark.parametrize("levels_per_candidate", [1, 3])
def test_members_of_a_pair_meet_the_same_levels_with_the_same_numbers(levels_per_candidate):
    training = training_with(levels_per_candidate=levels_per_candidate)
    generation_of(training)
    lives = training.population.lives
    by_pair = jax.tree.map(
        lambda x: x.reshape(2, 4, levels_per_candidate, *x.shape[1:]), (lives.levels, lives.lengths, lives.hyper)
    )
    jax.tree.map(lambda x: np.testing.assert_array_equal(x[0], x[1]), by_pair)
    keys = jax.random.key_data(lives.keys).reshape(2, -1)
    np.testing.assert_array_equal(keys[0], keys[1])
    np.testing.assert_array_equal(lives.candidates, np.repeat(np.arange(8), levels_per_candidate))
    assert distinct([lives.keys]) == 4 * levels_per_candidate and distinct(jax.tree.leaves(lives.levels)) >= 4
    np.testing.assert_array_equal(lives.lengths, lives.levels.lifetime)


def test_members_of_a_pair_are_the_mean_plus_and_minus_the_same_noise():
    training = training_with()
    state, _, _ = generation_of(training)
    mean = training.search.mean(state.search)
    jax.tree.map(
        lambda x, m: np.testing.assert_allclose(x[:4] - m, m - x[4:], atol=1e-5), training.population.candidates, mean
    )


def test_candidates_without_pairs_all_meet_the_same_levels():
    training = training_with(es=NO_PAIRS, levels_per_candidate=3)
    generation_of(training)
    lives = training.population.lives
    assert distinct([lives.keys]) == distinct(jax.tree.leaves(lives.levels)) == 3
    for values in [jax.random.key_data(lives.keys), *jax.tree.leaves(lives.levels)]:
        by_candidate = np.asarray(values).reshape(8, 3, -1)
        np.testing.assert_array_equal(by_candidate, np.broadcast_to(by_candidate[0], by_candidate.shape))


def test_every_life_gets_the_runs_learning_rates():
    training = training_with(agent_learning_rate=7.0, kl_cost=0.25)
    generation_of(training)
    hyper = training.population.lives.hyper
    np.testing.assert_array_equal(hyper.learning_rate, np.full(8, 7.0))
    np.testing.assert_allclose(hyper.prediction_learning_rate, np.full(8, 0.7), rtol=1e-6)
    np.testing.assert_array_equal(hyper.kl_cost, np.full(8, 0.25))


@pytest.mark.parametrize("es", ["Open_ES", NO_PAIRS])
def test_fitness_is_the_mean_over_a_candidates_levels(es):
    returns = np.random.default_rng(0).normal(size=(8, 3))
    several = training_with(returns.ravel(), es=es, levels_per_candidate=3)
    state, after, metrics = generation_of(several)
    tell_key = jax.random.split(jax.random.fold_in(jax.random.key(1), 0), 6)[1]
    expected = several.search.tell(
        tell_key, several.population.candidates, jnp.asarray(returns.mean(1), jnp.float32), state.search
    )
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6),
        several.search.mean(after.search),
        several.search.mean(expected),
    )
    np.testing.assert_allclose(metrics["fitness_mean"], returns.mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["fitness_max"], returns.mean(1).max(), rtol=1e-5)


def test_normalised_fitness_lies_between_random_play_and_the_optimum():
    told = {}

    class Search:
        def __init__(self, search):
            self._search = search

        def __getattr__(self, name):
            return getattr(self._search, name)

        def tell(self, key, candidates, fitness, state):
            told["fitness"] = fitness
            return self._search.tell(key, candidates, fitness, state)

    training = training_with(returns=np.full(4, 0.5), population=4, levels="small", fitness="normalised")
    training = dataclasses.replace(training, search=Search(training.search))
    generation_of(training)
    levels = training.population.lives.levels
    random, optimum = (returns_on(exact, training.exact, levels) for exact in (random_return, optimal_return))
    np.testing.assert_allclose(told["fitness"], (0.5 - random) / (optimum - random), rtol=1e-4)
    assert np.ptp(told["fitness"]) > 0.05


def test_rule_that_is_found_averages_the_means_of_the_search():
    training = training_with(average=2)
    state = training.init(jax.random.key(0))
    start = training.search.mean(state.search)
    assert_trees_equal(training.rule(state), start)
    means = []
    for _ in range(3):
        state, _ = training.generation(jax.random.key(1), state)
        means.append(training.search.mean(state.search))
    # Means weigh 1, then ½ and ½, then ½ of that and ½ of the third; the start has been forgotten.
    expected = jax.tree.map(lambda a, b, c: 0.25 * a + 0.25 * b + 0.5 * c, *means)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), training.rule(state), expected)
    plain = training_with()
    assert_trees_equal(plain.rule(plain.init(jax.random.key(0))), start)
    assert plain.init(jax.random.key(0)).average is None


@pytest.mark.parametrize(("field", "value"), [("fitness", "normalised"), ("end_returns", "exact")])
def test_exact_numbers_are_refused_without_an_exact_solver(field, value):
    flag = field.replace("_", "-")
    with pytest.raises(ValueError, match=f"--{flag} {value} needs an exact solver, and chain_short has none"):
        training_with(levels="chain_short", **{field: value})


def test_feature_that_never_varies_is_refused():
    fields = {"rule": "residual", "features": ("log_lifetime",)}
    with pytest.raises(
        ValueError, match="--features log_lifetime needs lifetimes that vary, such as .*; all those of small are 5"
    ):
        training_with(levels="small", lifetime=(5, 5), **fields)
    training_with(levels="small", lifetime=(5, 9), **fields)


def test_novelty_is_refused_where_observations_are_no_integers():
    fields = {"rule": "residual", "features": ("novelty", "advantage")}
    with pytest.raises(ValueError, match="--features novelty counts visits .* integers, and those of random_small are"):
        training_with(levels="random_small", **fields)
    assert training_with(levels="small", **fields).population.learner.rule.reads_novelty


def test_rollouts_that_the_base_cannot_split_are_refused():
    with pytest.raises(ValueError, match="on ppo splits a rollout into 4 minibatches: --workers .* got 3 and 5"):
        training_with(levels="small", rule="residual", workers=3, rollout_length=5)
    training_with(levels="small", rule="residual", base="a2c", workers=3, rollout_length=5)


def test_residual_agents_learn_from_a_rollout_as_often_as_their_base():
    learner = training_with(levels="small", rule="residual", workers=4, rollout_length=8).population.learner
    assert (learner.epochs, learner.minibatches) == (BASELINES["ppo"].epochs, BASELINES["ppo"].minibatches) == (4, 4)
    learner = training_with(levels="small", rule="residual", base="a2c").population.learner
    assert (learner.epochs, learner.minibatches) == (1, 1)


def test_metrics_of_a_generation_by_hand():
    training = training_with([1.0, 2.0, 3.0, np.nan, 5.0, np.inf, 7.0, -np.inf], lifetime=(3, 3))
    state, after, metrics = generation_of(training, number=5)
    before, moved = (training.search.mean(s.search) for s in (state, after))
    norm = np.sqrt(sum(np.sum(np.square(x)) for x in jax.tree.leaves(moved)))
    step = np.sqrt(sum(np.sum(np.square(x - y)) for x, y in zip(*map(jax.tree.leaves, (moved, before)), strict=True)))
    expected = {
        "generation": 5,
        "fitness_mean": 3.6,
        "fitness_std": np.std([1, 2, 3, 5, 7]),
        "fitness_max": 7,
        "failed_candidates": 3,
        "updates_run": 48,
        "updates_lived": 24,
        "antagonist_updates": 0,
        "levels_trained": 4,
        "rule_norm": norm,
        "rule_step_norm": step,
    }
    assert set(metrics) == set(expected) and after.generation == 6
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, err_msg=name)
    assert 0 < step < norm


def test_metrics_of_a_generation_without_finite_fitness():
    training = training_with(np.full(8, np.nan))
    metrics = generation_of(training)[2]
    assert metrics["failed_candidates"] == 8 and np.isnan(metrics["fitness_mean"])
    assert metrics["rule_step_norm"] == 0 and np.isfinite(metrics["rule_norm"])


def test_generation_depends_on_state_and_number_alone():
    training = training_with()
    _, first, _ = generation_of(training)
    lives = training.population.lives
    _, again, _ = generation_of(training)
    assert_trees_equal(first, again)
    generation_of(training, number=1)
    assert distinct([lives.keys]) == 4
    assert distinct([jnp.concatenate([lives.keys, training.population.lives.keys])]) == 8


def test_pairs_that_are_alike_tie_and_leave_the_rule_where_it_is():
    # With noise too small to move a float32, both members live the same life: on each level, from
    # the same agent, with the same random numbers, for real.
    config = SMALLEST.replaced(sigma=1e-30, levels="small", lifetime=(3, 5), rollout_length=20)
    training = build_training(config, lives_mesh(2))
    state = training.init(jax.random.key(0))
    after, metrics = jax.jit(training.generation)(jax.random.key(1), state)
    assert metrics["rule_step_norm"] == 0 and metrics["failed_candidates"] == 0 and metrics["fitness_std"] > 0
    assert_trees_equal(training.search.mean(state.search), training.search.mean(after.search))


def test_one_level_for_all_makes_candidates_that_are_alike_equal():
    # Every candidate meets the same levels where there are no pairs: no noise, no spread.
    config = SMALLEST.replaced(sigma=1e-30, es=NO_PAIRS, levels="small", lifetime=(3, 5), rollout_length=20)
    training = build_training(config, lives_mesh(2))
    _, metrics = jax.jit(training.generation)(jax.random.key(2), training.init(jax.random.key(0)))
    assert metrics["fitness_std"] < 1e-6 and metrics["fitness_mean"] != 0
