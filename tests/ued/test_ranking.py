"""What noisy scores are ranked by: numbers worked by hand, and what they select."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.ued.tiny import batch_of, number_of, outcome_of
from ued.curriculum import unknown_extras
from ued.ranking import Ranking
from ued.replay import PrioritizedLevelReplay
from ued.scores import SCORES
from ued.settings import ReplaySettings

KEY = jax.random.key(0)
NAN, INF = float("nan"), float("inf")
NOISE = SCORES["algorithmic_regret"].noise


def antagonists(mean, variance, count):
    return unknown_extras(len(count)).replace(
        antagonist_mean=jnp.asarray(mean, jnp.float32),
        antagonist_variance=jnp.asarray(variance, jnp.float32),
        antagonist_count=jnp.asarray(count, jnp.int32),
    )


def ranked(uncertainty, score, variance, count):
    values = Ranking(uncertainty, NOISE)(jnp.asarray(score, jnp.float32), antagonists(score, variance, count))
    return np.asarray(values)


# The variances count 1, 1 and 3 times, so that their mean is .6; with 2 · .6 added, they are .5, 1 and .5.
SCORES_3, VARIANCES, COUNTS = [1.0, 2.0, 6.0], [0.3, 1.8, 0.3], [2, 2, 4]
SQUARED_ERRORS = np.array([1.5 / 3 / 2, 3.0 / 3 / 2, 2.1 / 5 / 4])


def test_mean_is_the_score():
    np.testing.assert_array_equal(ranked("mean", SCORES_3, VARIANCES, COUNTS), SCORES_3)
    np.testing.assert_array_equal(Ranking("lower_bound")(jnp.ones(2), unknown_extras(2)), 1)


def test_lower_bound_by_hand():
    expected = np.array(SCORES_3) - 2 * np.sqrt(SQUARED_ERRORS)
    np.testing.assert_allclose(ranked("lower_bound", SCORES_3, VARIANCES, COUNTS), expected, rtol=1e-5)


def test_shrunken_by_hand():
    spread = np.var(SCORES_3) - np.mean(SQUARED_ERRORS)
    expected = 3 + spread / (spread + SQUARED_ERRORS) * (np.array(SCORES_3) - 3)
    np.testing.assert_allclose(ranked("shrunken", SCORES_3, VARIANCES, COUNTS), expected, rtol=1e-5)


@pytest.mark.parametrize("uncertainty", ["lower_bound", "shrunken"])
def test_levels_without_a_score_play_no_part_and_stay_last(uncertainty):
    found = ranked(uncertainty, [*SCORES_3, -INF], [*VARIANCES, 50.0], [*COUNTS, 9])
    np.testing.assert_allclose(found[:3], ranked(uncertainty, SCORES_3, VARIANCES, COUNTS), rtol=1e-6)
    assert found[3] == -INF


@pytest.mark.parametrize("uncertainty", ["lower_bound", "shrunken"])
def test_scores_whose_error_nobody_knows_stay(uncertainty):
    np.testing.assert_allclose(ranked(uncertainty, [3.0, 1.0], [NAN, NAN], [1, 1]), [3, 1], rtol=1e-6)
    np.testing.assert_array_equal(ranked(uncertainty, [-INF, -INF], [NAN, NAN], [0, 0]), -INF)


@pytest.mark.parametrize("uncertainty", ["lower_bound", "shrunken"])
def test_one_antagonist_has_the_error_of_the_others(uncertainty):
    found = ranked(uncertainty, [1.0, 5.0, 2.0], [NAN, 0.5, 0.5], [1, 2, 2])
    assert np.all(np.isfinite(found)) and found[0] < found[2] < found[1]
    if uncertainty == "lower_bound":
        np.testing.assert_allclose(found, np.array([1, 5, 2]) - 2 * np.sqrt([0.5, 0.25, 0.25]), rtol=1e-6)


def test_scores_that_differ_by_noise_alone_keep_their_order():
    found = ranked("shrunken", [0.1, 0.3, 0.2], [9.0, 9.0, 9.0], [2, 2, 2])
    assert np.ptp(found) < 0.01 and np.argsort(found).tolist() == [0, 2, 1]


@pytest.mark.parametrize("uncertainty", ["lower_bound", "shrunken"])
def test_the_best_of_many_noisy_scores_are_better_than_by_the_mean(uncertainty):
    # 1,000 levels with 2 to 8 antagonists whose noise differs from level to level; the seed is fixed.
    random = np.random.default_rng(0)
    truth, count = 0.3 * random.normal(size=1000), random.integers(2, 9, 1000)
    deviation = 0.24 * np.exp(random.normal(size=1000) - 0.5)
    returns = truth[:, None] + deviation[:, None] * random.normal(size=(1000, 8))
    seen = [row[:num] for row, num in zip(returns, count, strict=True)]
    mean, variance = [np.mean(row) for row in seen], [np.var(row, ddof=1) for row in seen]

    def chosen(by):
        values = ranked(by, mean, variance, count)
        best = np.argsort(-values)[:16]
        return np.mean(truth[best]), np.mean(values[best]) - np.mean(truth[best])

    (true_by_mean, too_high_by_mean), (true, too_high) = chosen("mean"), chosen(uncertainty)
    assert true > true_by_mean + 0.1 and too_high < too_high_by_mean / 2


def test_replay_draws_and_evicts_by_the_lower_bound():
    # Level 0 has the highest mean regret, from two antagonists far apart; the others have eight that agree.
    extras = antagonists([1.0, 0.9, 0.8, 0.7], [2.0, 0.01, 0.01, 0.01], [2, 8, 8, 8])
    states = {}
    for uncertainty in ("mean", "lower_bound"):
        curriculum = PrioritizedLevelReplay(
            SCORES["algorithmic_regret"],
            ReplaySettings(buffer=4, priorities="top", staleness=0.0, score_uncertainty=uncertainty),
        )
        state = curriculum.init({"cells": jnp.zeros(2, jnp.int32), "lifetime": jnp.int32(1)})
        outcome = outcome_of(jnp.zeros(4), extras=extras)
        state = curriculum.update(KEY, state, batch_of([0, 1, 2, 3]), outcome)
        drawn = curriculum.inclusion(state, 2)["by score"]
        better = outcome_of(jnp.zeros(1), extras=antagonists([0.75], [0.01], [8]))
        states[uncertainty] = curriculum.update(KEY, state, batch_of([9]), better)
        best = 0 if uncertainty == "mean" else 1
        assert number_of(state.levels)[int(np.argmax(drawn))] == best and np.max(drawn) == 1
        numbers = curriculum.report(state, batch_of([0, 1, 2, 3]), outcome)
        assert numbers["kept_score"] == pytest.approx(0.85)
        assert (numbers["kept_ranked_score"] < 0.6) == (uncertainty == "lower_bound")
    kept = {name: sorted(number_of(state.levels).tolist()) for name, state in states.items()}
    assert kept == {"mean": [0, 1, 2, 9], "lower_bound": [1, 2, 3, 9]}
    assert np.max(states["lower_bound"].score) == pytest.approx(0.9), "scores are kept as measured"
