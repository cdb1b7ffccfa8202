"""Held-out scores on levels that no rule was trained on, between a random policy and the optimum."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.building import build_hyperparameters, build_population, build_training
from groove.config import TrainConfig
from groove.errors import UsageError
from groove.job.devices import lives_mesh
from groove.scoring.heldout import (
    HELDOUT_STREAM,
    TRAINING_STREAM,
    VALIDATION_STREAM,
    Evaluation,
    counted,
    draw_level_set,
    joined,
    stream_key,
)
from levels.generators.solvable import is_solvable
from levels.registry import generator
from levels.solver import random_moments, returns_on
from tests.smallest_run import SMALLEST, StubPopulation

solvable = jax.jit(jax.vmap(is_solvable))
CONFIG = TrainConfig.of(hidden_size=2, embedding_size=2, prediction_size=2, workers=64, lifetime=(1, 1), devices=2)


@dataclass(frozen=True)
class OftenHopeless:
    """Levels of `small`, three in four without a positive reward."""

    levels = generator("small")
    world = levels.world

    def sample(self, key):
        level = self.levels.sample(key)
        hopeless = jax.random.uniform(jax.random.fold_in(key, 7)) < 0.75
        return level.replace(object_rewards=jnp.where(hopeless, -1.0, level.object_rewards))


@functools.cache
def heldout(num_levels=128):
    return draw_level_set(generator("small"), HELDOUT_STREAM, num_levels)


def distinct(levels):
    """Return the set of levels, each as bytes."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(levels) if np.ndim(leaf)]
    return {b"".join(leaf[n].tobytes() for leaf in leaves) for n in range(len(leaves[0]))}


def solve_nothing(monkeypatch, gain=1.0):
    """Say of all levels that the best policy gains `gain`, and that random returns, with mean 0, do not vary."""

    def returns_on(return_on, grid, levels):
        nothing = np.zeros(len(levels.start))
        return nothing, nothing, nothing + gain

    monkeypatch.setattr("groove.scoring.heldout.returns_on", returns_on)


class RecordingPopulation(StubPopulation):
    """A stub that records the lives it is given."""

    recorded: ClassVar = []

    def live(self, meta_params, lives):
        self.recorded[:] = [lives]
        return super().live(meta_params, lives)


def test_heldout_levels_are_solvable_and_worth_more_than_chance():
    level_set = heldout()
    assert np.all(solvable(level_set.levels))
    # Otherwise a level's score would be divided by next to nothing: one level of 128 had a gain of .016.
    _, variance = returns_on(random_moments, generator("small").world, level_set.levels)
    gains = (level_set.optimum - level_set.random) / np.sqrt(variance)
    assert level_set.num_levels == 128 and np.min(gains) >= 0.5
    # The first levels that are drawn are kept unless they gain too little; later draws take the places of those.
    (key,) = jax.random.split(stream_key(HELDOUT_STREAM))[:1]
    drawn = jax.vmap(generator("small").sample)(jax.random.split(key, 128))
    assert 120 <= len(distinct(drawn) & distinct(level_set.levels)) < 128


def test_hopeless_levels_are_drawn_again(monkeypatch):
    solve_nothing(monkeypatch)
    level_set = draw_level_set(OftenHopeless(), HELDOUT_STREAM, 128)
    drawn = jax.jit(jax.vmap(OftenHopeless().sample))(jax.random.split(jax.random.key(0), 128))
    assert np.mean(solvable(drawn)) < 0.5
    assert np.all(solvable(level_set.levels))


def test_streams_never_share_a_key_whatever_the_seeds():
    seeds = np.arange(500)
    keys = [stream_key(HELDOUT_STREAM), stream_key(VALIDATION_STREAM)]
    keys += [stream_key(TRAINING_STREAM, int(seed)) for seed in [*seeds, 2**32 - 1]]
    bits = np.stack([jax.random.key_data(key) for key in keys])
    assert len(np.unique(bits, axis=0)) == len(keys)


def test_heldout_validation_and_training_levels_differ(monkeypatch):
    solve_nothing(monkeypatch)
    validation = draw_level_set(generator("small"), VALIDATION_STREAM, 128)
    training = build_training(SMALLEST.replaced(levels="small", population=256), lives_mesh(1))

    def fresh_levels(key):
        population = RecordingPopulation(training.population.learner, None, 1)
        recorded = dataclasses.replace(training, population=population)
        recorded.generation(key, recorded.init(key))
        return population.recorded[0].levels

    fresh = jax.jit(fresh_levels)(stream_key(TRAINING_STREAM, 0))
    # Lifetimes do not distinguish levels.
    sets = [distinct(levels.replace(lifetime=0)) for levels in (heldout().levels, validation.levels, fresh)]
    assert [len(levels) for levels in sets] == [128, 128, 128]
    assert len(set.union(*sets)) == 3 * 128


def test_scores_of_the_random_and_the_best_policy_are_zero_and_one():
    level_set = heldout()
    np.testing.assert_array_equal(level_set.normalised(level_set.random), np.zeros(128))
    np.testing.assert_array_equal(level_set.normalised(level_set.optimum), np.ones(128))
    between = level_set.random + 0.25 * (level_set.optimum - level_set.random)
    np.testing.assert_allclose(level_set.normalised(between), 0.25, rtol=1e-4)


def test_agents_that_do_not_learn_score_zero():
    # A table starts as the uniformly random policy and stays that way with a learning rate of 0.
    level_set = heldout()
    population = build_training(CONFIG, lives_mesh(2)).population
    hyper = jax.tree.map(jnp.zeros_like, build_hyperparameters(CONFIG, generator("small").world))
    evaluation = Evaluation(population)
    rule = population.learner.rule.init(jax.random.key(0))
    levels = level_set.levels.replace(lifetime=jnp.ones(128, jnp.int32))
    level_set = dataclasses.replace(level_set, levels=levels)
    returns = evaluation.returns(rule, level_set, hyper)
    error = np.std(returns - level_set.random, ddof=1) / np.sqrt(128)
    assert error < 0.03 and abs(np.mean(returns - level_set.random)) < 4 * error
    np.testing.assert_array_equal(evaluation.returns(rule, level_set, hyper), returns)
    assert np.mean(evaluation.returns(rule, level_set, hyper, seed=1) != returns) > 0.5
    # Failed agents count as random play, which is measured if it is not known.
    assert counted(evaluation, level_set, returns) is returns
    broken = np.stack([returns, np.full_like(returns, np.nan)])
    np.testing.assert_array_equal(counted(evaluation, level_set, broken), np.stack([returns, level_set.random]))
    measured = counted(evaluation, dataclasses.replace(level_set, random=None), broken)
    error = np.std(measured[1] - level_set.random, ddof=1) / np.sqrt(128)
    assert 0 < error < 0.03 and abs(np.mean(measured[1] - level_set.random)) < 4 * error


@pytest.mark.parametrize("name", ["chain_short", "random_small"])
def test_worlds_without_exact_solver_are_scored_by_their_returns(name):
    level_set = draw_level_set(generator(name), HELDOUT_STREAM, 3)
    assert level_set.random is None and level_set.optimum is None
    np.testing.assert_array_equal(level_set.normalised(np.array([1.0, -2.0, 0.5])), [1.0, -2.0, 0.5])


def test_evaluation_asks_for_one_life_per_level_under_one_rule():
    level_set = draw_level_set(generator("chain_short"), HELDOUT_STREAM, 5)
    hyper = build_hyperparameters(SMALLEST, generator("chain_short").world)
    population = RecordingPopulation(None, lives_mesh(1), 1)
    with jax.disable_jit():
        Evaluation(population).returns({"w": jnp.ones(3)}, level_set, hyper)
    lives = population.recorded[0]
    assert lives.candidates is None and lives.lengths.tolist() == level_set.levels.lifetime.tolist()
    np.testing.assert_array_equal(lives.hyper.learning_rate, np.full(5, hyper.learning_rate))
    assert build_population(SMALLEST, lives_mesh(2), None).chunk_size is None


@dataclass(frozen=True)
class Hasty:
    """Levels of `small` with one step per episode: most of the reachable prizes lie beyond the time limit."""

    world = generator("small").world

    def sample(self, key):
        return dataclasses.replace(generator("small"), min_steps=1, max_steps=1).sample(key)


def test_levels_with_too_little_to_gain_are_drawn_again():
    level_set = draw_level_set(Hasty(), HELDOUT_STREAM, 8)
    assert level_set.num_levels == level_set.levels.start.shape[0] == level_set.random.size == 8
    assert len(distinct(level_set.levels)) == 8
    assert len(np.unique(jax.random.key_data(level_set.life_keys), axis=0)) == 8
    # Random actions reach a prize nearby with a chance of 1 in 5, so they earn it with a standard deviation of .4.
    assert np.all(level_set.optimum > level_set.random)


def test_a_world_with_nothing_to_gain_is_refused_in_one_line(monkeypatch):
    solve_nothing(monkeypatch, gain=0.0)
    with pytest.raises(
        UsageError, match="^nothing to score: each of the 64 levels .* unsolvable, or .* gains less than 0.5"
    ):
        draw_level_set(generator("small"), HELDOUT_STREAM, 4)


def test_joined_level_sets_keep_their_levels_in_order():
    first, second = heldout().first(3), heldout().first(2)
    both = joined([first, second])
    assert both.num_levels == 5 and both.levels.start.shape == (5,)
    np.testing.assert_array_equal(both.optimum, np.concatenate([first.optimum, second.optimum]))
    chains = joined([draw_level_set(generator("chain_short"), HELDOUT_STREAM, 2)] * 2)
    assert chains.num_levels == 4 and chains.random is None
