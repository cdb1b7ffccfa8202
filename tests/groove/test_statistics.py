"""Aggregates against hand-worked numbers, their intervals against theory."""

import numpy as np
import pytest

from groove.statistics import bootstrap, cvar, iqm


def test_iqm_is_the_mean_of_the_middle_half():
    assert iqm(np.array([[100.0, 1.0, 2.0, 3.0], [4.0, -100.0, 0.0, 5.0]])) == pytest.approx((1 + 2 + 3 + 4) / 4)


def test_iqm_rounds_the_quarters_down():
    # A quarter of five is one: the lowest and the highest go.
    assert iqm(np.array([9.0, 1.0, 2.0, 3.0, -9.0])) == pytest.approx(2.0)
    assert iqm(np.array([1.0, 2.0, 6.0])) == pytest.approx(3.0)


def test_cvar_is_the_mean_of_the_worst_share():
    scores = np.arange(20.0)[::-1]
    assert cvar(scores, 0.1) == pytest.approx(0.5)
    assert cvar(scores, 1.0) == pytest.approx(9.5)
    assert cvar(scores, 0.01) == 0.0


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_cvar_refuses_shares_outside_its_range(share):
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\]"):
        cvar(np.ones(3), share)


@pytest.mark.parametrize("aggregate", [iqm, cvar])
def test_aggregates_refuse_scores_that_are_not_finite(aggregate):
    # Trap: sorted among the best, a broken agent would raise its rule.
    with pytest.raises(ValueError, match="scores must be finite, got 2 that are not"):
        aggregate(np.array([1.0, np.nan, 2.0, np.inf]))


def test_bootstrap_of_a_constant_is_that_constant():
    interval = bootstrap(np.full((3, 4), 2.5), iqm)
    assert (interval.estimate, interval.low, interval.high) == (2.5, 2.5, 2.5)


def test_bootstrap_draws_meta_seeds_anew():
    # Levels agree within a meta-seed: all that varies is the mean of the seeds drawn, as theory has it.
    scores = np.repeat(np.random.default_rng(0).normal(size=(40, 1)), 50, axis=1)
    interval = bootstrap(scores, lambda x: float(np.mean(x)))
    expected = 1.96 * np.std(scores[:, 0]) / np.sqrt(40)
    assert (interval.high - interval.low) / 2 == pytest.approx(expected, rel=0.1)


def test_bootstrap_draws_the_same_levels_for_all_meta_seeds():
    # Meta-seeds agree: four of them on a hundred levels say no more than one does.
    scores = np.repeat(np.random.default_rng(0).normal(size=(1, 100)), 4, axis=0)
    interval = bootstrap(scores, lambda x: float(np.mean(x)))
    expected = 1.96 * np.std(scores) / np.sqrt(100)
    assert (interval.high - interval.low) / 2 == pytest.approx(expected, rel=0.1)


def test_bootstrap_is_the_same_for_the_same_seed():
    scores = np.random.default_rng(1).normal(size=(3, 5))
    assert bootstrap(scores, iqm, seed=3) == bootstrap(scores, iqm, seed=3)
    assert bootstrap(scores, iqm, seed=3) != bootstrap(scores, iqm, seed=4)


def test_bootstrap_widens_with_confidence():
    scores = np.random.default_rng(2).normal(size=(5, 20))
    narrow, wide = (bootstrap(scores, iqm, confidence=confidence) for confidence in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


@pytest.mark.parametrize("confidence", [0.0, 1.0, float("nan")])
def test_bootstrap_refuses_confidences_outside_its_range(confidence):
    with pytest.raises(ValueError, match=r"confidence must be in \(0, 1\)"):
        bootstrap(np.ones((2, 2)), iqm, confidence=confidence)
