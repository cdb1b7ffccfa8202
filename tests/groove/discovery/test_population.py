"""Populations: the same outcomes however lives are ordered, chunked and spread; few updates wasted."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.building import build_hyperparameters, build_learner, build_rule
from groove.config import TrainConfig
from groove.discovery.evolution import low_rank_candidates
from groove.discovery.population import EARLY_STREAM, Lives, Population
from groove.job.devices import lives_mesh
from levels.registry import generator
from levels.solver import policy_return
from lpg.cores.low_rank import LowRank, whole

CONFIG = TrainConfig.of(hidden_size=2, embedding_size=2, prediction_size=2, workers=4, rollout_length=8)
NUM_LIVES, NUM_CANDIDATES, LONGEST = 64, 8, 50
LEVELS = generator("small")
LEARNER = build_learner(CONFIG, LEVELS.world, build_rule(CONFIG))


@functools.cache
def candidates():
    """Return [P, …] rules far enough apart for their agents to differ."""
    params = jax.vmap(LEARNER.rule.init)(jax.random.split(jax.random.key(1), NUM_CANDIDATES))
    return jax.tree.map(lambda x: 3 * x, params)


@functools.cache
def lives():
    """Return lives of log-uniform length, 2 to 50 updates, each with its own level, candidate and learning rate."""
    level_key, length_key, life_key, candidate_key = jax.random.split(jax.random.key(0), 4)
    spread = jnp.log(LONGEST / 2) * jax.random.uniform(length_key, (NUM_LIVES,))
    hyper = build_hyperparameters(CONFIG, LEVELS.world)
    rates = hyper.learning_rate * jnp.linspace(0.5, 2, NUM_LIVES)
    return Lives(
        keys=jax.random.split(life_key, NUM_LIVES),
        candidates=jax.random.randint(candidate_key, (NUM_LIVES,), 0, NUM_CANDIDATES),
        levels=jax.jit(jax.vmap(LEVELS.sample))(jax.random.split(level_key, NUM_LIVES)),
        lengths=jnp.round(2 * jnp.exp(spread)).astype(jnp.int32),
        hyper=jax.tree.map(lambda x: jnp.broadcast_to(x, (NUM_LIVES,)), hyper).replace(learning_rate=rates),
    )


@functools.cache
def population(num_devices, chunk_size, num_points=1):
    return jax.jit(Population(LEARNER, lives_mesh(num_devices), chunk_size, num_points=num_points).live)


@functools.cache
def eighths():
    """Outcomes on one device in chunks of an eighth."""
    return population(1, NUM_LIVES // 8)(candidates(), lives())


def assert_same(returns, expected):
    """Check equality to float tolerance: chunks of other sizes round differently, which may change an action."""
    agree = np.isclose(returns, expected, atol=1e-5)
    assert np.mean(agree) >= 0.9, (np.asarray(returns)[~agree], np.asarray(expected)[~agree])


def test_outcomes_are_those_of_lives_lived_alone():
    @jax.jit
    def alone(weights, key, level, length, hyper):
        init_key, train_key, evaluation_key = jax.random.split(key, 3)
        agent = LEARNER.init(init_key, level, hyper, length)
        agent = LEARNER.train(train_key, weights, agent, level, length)
        probs = jax.nn.softmax(agent.params["policy"])
        return jnp.mean(LEARNER.evaluate(evaluation_key, agent, level)), policy_return(LEVELS.world, level, probs)

    def live(n):
        life = jax.tree.map(lambda x: x[n], lives())
        rule = jax.tree.map(lambda x: x[life.candidates], candidates())
        return alone(rule, life.keys, life.levels, life.lengths, life.hyper)

    some = np.arange(0, NUM_LIVES, 5)
    sampled, expected = np.array([live(n) for n in some]).T
    assert_same(sampled, eighths().returns[some])
    assert np.std(eighths().returns) > 0.1
    exact = jax.jit(Population(LEARNER, lives_mesh(1), NUM_LIVES // 8, exact=LEVELS.world).live)(candidates(), lives())
    assert_same(expected, exact.returns[some])
    # The episodes are the same, and their mean is not its expectation.
    assert_same(exact.episode_returns, eighths().episode_returns)
    assert np.std(exact.returns - eighths().returns) > 0.01


def test_outcomes_do_not_depend_on_devices_and_chunks():
    outcomes = population(2, 7)(candidates(), lives())
    assert_same(outcomes.returns, eighths().returns)
    np.testing.assert_array_equal(outcomes.num_updates, lives().lengths)


def test_outcomes_follow_the_order_of_the_lives():
    order = np.random.default_rng(0).permutation(NUM_LIVES)
    shuffled = population(1, NUM_LIVES // 8)(candidates(), jax.tree.map(lambda x: x[order], lives()))
    assert_same(shuffled.returns, eighths().returns[order])
    np.testing.assert_array_equal(shuffled.num_updates, lives().lengths[order])


def test_each_life_makes_its_updates_and_few_are_wasted():
    # Trap: trained to the longest life and masked, two thirds of these updates would be thrown away.
    outcomes, lengths = eighths(), np.asarray(lives().lengths)
    np.testing.assert_array_equal(outcomes.num_updates, lengths)
    longest_of_chunks = np.sort(lengths)[::-1].reshape(8, -1)[:, 0]
    assert outcomes.updates_run == np.sum(longest_of_chunks) * NUM_LIVES // 8
    assert 1 <= outcomes.updates_run / np.sum(lengths) <= 1.35 < 2.5 < NUM_LIVES * LONGEST / np.sum(lengths)


def test_lives_with_the_same_key_rule_and_level_are_the_same():
    group = lives()
    twins = jax.tree.map(lambda x: jnp.repeat(x[:32], 2, axis=0), group)
    returns = population(1, NUM_LIVES // 8)(candidates(), twins).returns.reshape(32, 2)
    assert_same(returns[:, 0], returns[:, 1])
    other_keys = twins.replace(keys=group.keys)
    returns = population(1, NUM_LIVES // 8)(candidates(), other_keys).returns.reshape(32, 2)
    assert np.mean(np.abs(returns[:, 0] - returns[:, 1]) > 1e-3) > 0.5


def test_one_rule_for_all_is_that_rule_for_each():
    rule = jax.tree.map(lambda x: x[3], candidates())
    shared = population(1, NUM_LIVES // 8)(rule, lives().replace(candidates=None))
    each = population(1, NUM_LIVES // 8)(candidates(), lives().replace(candidates=jnp.full(NUM_LIVES, 3)))
    assert_same(shared.returns, each.returns)
    assert np.any(np.abs(np.asarray(shared.returns - eighths().returns)) > 1e-3)


def test_low_rank_candidates_live_as_the_rules_they_stand_for():
    thin = low_rank_candidates(jax.random.key(2), LEARNER.rule.init(jax.random.key(1)), 0.5, NUM_CANDIDATES, 1)
    assert any(isinstance(leaf, LowRank) for leaf in jax.tree.leaves(thin, is_leaf=lambda x: isinstance(x, LowRank)))
    returns = population(1, NUM_LIVES // 8)(thin, lives()).returns
    assert_same(returns, population(1, NUM_LIVES // 8)(whole(thin), lives()).returns)
    assert np.any(np.abs(np.asarray(returns - eighths().returns)) > 1e-3)


def test_agents_whose_parameters_are_not_finite_have_no_return():
    # Their actions and rewards are finite nevertheless.
    broken = jax.tree.map(lambda x: x.at[5].set(jnp.inf), candidates())
    returns = population(1, NUM_LIVES // 8)(broken, lives()).returns
    ruled_by_it = np.asarray(lives().candidates == 5)
    assert np.all(np.isnan(returns[ruled_by_it])) and 0 < np.sum(ruled_by_it) < NUM_LIVES
    assert_same(returns[~ruled_by_it], eighths().returns[~ruled_by_it])


@functools.cache
def with_points():
    """Outcomes with three points of each life, as `eighths` otherwise."""
    return population(1, NUM_LIVES // 8, num_points=3)(candidates(), lives())


def test_points_of_a_life_do_not_change_its_end():
    np.testing.assert_allclose(with_points().returns, eighths().returns, atol=1e-6)
    np.testing.assert_array_equal(with_points().num_updates, lives().lengths)
    for outcomes, num_points in ((with_points(), 3), (eighths(), 1)):
        assert outcomes.curve.shape == (NUM_LIVES, num_points)
        np.testing.assert_array_equal(outcomes.curve[:, -1], outcomes.returns)
        np.testing.assert_allclose(outcomes.episode_returns.mean(axis=1), outcomes.returns, atol=1e-6)


def test_points_of_a_life_are_returns_of_agents_that_young():
    @jax.jit
    def young(weights, key, level, length, hyper, number):
        init_key, train_key, _ = jax.random.split(key, 3)
        early = jax.random.split(jax.random.fold_in(key, EARLY_STREAM), 2)
        agent = LEARNER.init(init_key, level, hyper, length)
        agent = LEARNER.train(train_key, weights, agent, level, length * number // 3)
        return jnp.mean(LEARNER.evaluate(early[number - 1], agent, level))

    def points(n):
        life = jax.tree.map(lambda x: x[n], lives())
        rule = jax.tree.map(lambda x: x[life.candidates], candidates())
        return [float(young(rule, life.keys, life.levels, life.lengths, life.hyper, number)) for number in (1, 2)]

    some = np.arange(0, NUM_LIVES, 6)
    assert_same(np.array([points(n) for n in some]), np.asarray(with_points().curve[some, :2]))
    assert np.mean(np.abs(with_points().curve[:, 0] - with_points().curve[:, 2]) > 1e-3) > 0.5


def test_chunks_are_even():
    # 64 lives in chunks of at most 40 make two chunks of 32; two of 40 would run a quarter more.
    outcomes = population(1, 40)(candidates(), lives().replace(lengths=jnp.full(NUM_LIVES, 2)))
    assert outcomes.updates_run == 2 * NUM_LIVES


@pytest.mark.parametrize("field", ["chunk_size", "num_points", "num_episodes"])
def test_population_refuses_counts_below_one(field):
    with pytest.raises(ValueError, match=f"Population.{field} must be >= 1, got 0"):
        Population(LEARNER, lives_mesh(1), **{"chunk_size": 1, field: 0})


def test_no_two_lives_run_with_one_key_also_where_places_are_filled_up():
    seen = []

    class Recorded(Population):
        def _run_chunk(self, meta_params, lives):
            words = jax.random.key_data(lives.keys)
            jax.debug.callback(lambda words: seen.extend(map(tuple, np.asarray(words).tolist())), words)
            nothing = jnp.zeros((lives.keys.size, 1))
            ends = {"returns": nothing[:, 0], "episode_returns": nothing, "curve": nothing}
            return ends | {"value_losses": None, "num_updates": lives.lengths}, jnp.int32(0)

    some = jax.tree.map(lambda x: x[:5], lives())
    jax.block_until_ready(jax.jit(Recorded(LEARNER, lives_mesh(2), 2).live)(candidates(), some))
    jax.effects_barrier()
    # Two chunks of two on each device.
    own = map(tuple, np.asarray(jax.random.key_data(some.keys)).tolist())
    assert len(seen) == len(set(seen)) == 8 and set(own) <= set(seen)
