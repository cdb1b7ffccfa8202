"""Aggregates checked against numbers worked by hand, identities and scipy."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from groove.scoring.statistics import (
    area_under_curve,
    cvar,
    cvar_curve,
    iqm,
    performance_profile,
    probability_of_improvement,
    shortfall,
)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def test_iqm_is_the_mean_of_the_middle_half():
    rows = np.array([[100.0, 1.0, 2.0, 3.0], [4.0, -100.0, 0.0, 5.0]])
    assert iqm(rows.ravel()) == pytest.approx((1 + 2 + 3 + 4) / 4)
    assert iqm(rows) == pytest.approx([(2 + 3) / 2, (0 + 4) / 2])


def test_iqm_rounds_the_quarters_down():
    # A quarter of five is rounded down to one, so only the lowest and the highest are dropped.
    assert iqm(np.array([9.0, 1.0, 2.0, 3.0, -9.0])) == pytest.approx(2.0)
    assert iqm(np.array([1.0, 2.0, 6.0])) == pytest.approx(3.0)


def test_cvar_is_the_mean_of_the_worst_share():
    scores = np.arange(20.0)[::-1]
    assert cvar(scores, 0.1) == pytest.approx(0.5)
    assert cvar(scores, 1.0) == pytest.approx(9.5)
    assert cvar(scores, 0.01) == 0.0
    assert cvar(scores.reshape(2, 10), 0.2) == pytest.approx([10.5, 0.5])


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_cvar_refuses_shares_outside_its_range(share):
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\]"):
        cvar(np.ones(3), share)


AGGREGATES = [iqm, cvar, shortfall, lambda scores: performance_profile(scores, np.zeros(1))]


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_aggregates_refuse_scores_that_are_not_finite(aggregate):
    # Trap: a broken agent would sort among the best and raise its rule's score.
    with pytest.raises(ValueError, match="scores must be finite, got 2 that are not"):
        aggregate(np.array([1.0, np.nan, 2.0, np.inf]))


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_aggregates_refuse_no_scores(aggregate):
    with pytest.raises(ValueError, match="at least one score is needed, got none"):
        aggregate(np.zeros((3, 0)))


@pytest.mark.parametrize("shape", [(8,), (4, 7), (10, 40)])
def test_iqm_is_the_trimmed_mean_of_scipy(shape):
    scores = normal(0, *shape)
    assert iqm(scores) == pytest.approx(scipy.stats.trim_mean(scores, 0.25, axis=-1), abs=1e-12)


def test_cvar_takes_the_share_that_is_meant():
    # Trap: 0.07 * 100 is more than 7 in binary.
    assert cvar(np.arange(100.0), 0.07) == pytest.approx(3.0)


def test_cvar_curve_chooses_by_one_seed_and_evaluates_on_the_other():
    chosen_by, evaluated = np.array([3.0, 1.0, 2.0, 4.0]), np.array([10.0, 20.0, 60.0, 30.0])
    curve = cvar_curve(chosen_by, evaluated, np.array([0.1, 0.25, 0.5, 0.51, 1.0]))
    assert curve == pytest.approx([20.0, 20.0, 40.0, 30.0, 30.0])


def test_cvar_curve_of_a_seed_on_itself_is_its_cvar():
    scores, shares = normal(1, 100), np.arange(1, 101) / 100
    assert cvar_curve(scores, scores, shares) == pytest.approx([cvar(scores, share) for share in shares])


def test_cvar_curve_of_noise_is_flat():
    # Levels that are worst by chance are no worse with another seed; with the same one, by 1.75 standard deviations.
    first, second = normal(2, 2, 10_000)
    assert cvar_curve(first, second, np.array([0.1]))[0] == pytest.approx(0.0, abs=0.1)
    assert cvar_curve(first, first, np.array([0.1]))[0] == pytest.approx(-1.755, abs=0.1)


def test_cvar_curve_breaks_ties_evenly():
    # Trap: tied levels would be chosen by their position in the suite.
    chosen_by, evaluated = np.array([0.0, 5.0, 0.0, 0.0]), np.array([1.0, 9.0, 2.0, 6.0])
    assert cvar_curve(chosen_by, evaluated, np.array([0.25, 0.5, 0.75, 1.0])) == pytest.approx([3.0, 3.0, 3.0, 4.5])


def test_cvar_curve_refuses_what_it_cannot_rank():
    scores = np.ones(3)
    for share in (0.0, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"cvar_curve: shares must be in \(0, 1\]"):
            cvar_curve(scores, scores, np.array([0.5, share]))
    for other in (np.ones(2), np.ones((3, 1))):
        with pytest.raises(ValueError, match=r"cvar_curve: chosen_by and evaluated must both be \[n\]"):
            cvar_curve(scores, other, np.ones(1))
    with pytest.raises(ValueError, match="cvar_curve: chosen_by and evaluated must both"):
        cvar_curve(np.ones((2, 2)), np.ones((2, 2)), np.ones(1))
    broken = np.array([1.0, np.nan, 2.0])
    for pair in ((broken, scores), (scores, broken)):
        with pytest.raises(ValueError, match="scores must be finite, got 1 that are not"):
            cvar_curve(*pair, np.ones(1))


def test_shortfall_counts_only_what_falls_short():
    scores = np.array([[0.5, 1.0], [3.0, -0.5]])
    assert shortfall(scores).tolist() == [[0.5, 0], [0, 1.5]]
    assert shortfall(scores, target=2.0).tolist() == [[1.5, 1], [0, 2.5]]
    with pytest.raises(ValueError, match="shortfall: target must be finite, got nan"):
        shortfall(scores, target=np.nan)


def test_probability_of_improvement_by_hand():
    # In task 0, three of 2 x 3 pairs win and one ties. In task 1, x always loses.
    x = np.array([[1.0, 0.0], [3.0, 0.0]])
    y = np.array([[0.0, 1.0], [3.0, 2.0], [2.0, 3.0]])
    assert probability_of_improvement(x, y) == pytest.approx((3.5 / 6 + 0) / 2)
    assert probability_of_improvement(y, x) == pytest.approx(1 - 3.5 / 12)


def test_probability_of_improvement_is_the_u_statistic_of_scipy_over_its_pairs():
    x, y = np.round(normal(3, 6, 5), 1), np.round(normal(4, 9, 5) + 0.3, 1)  # rounded, so that some tie
    assert np.any(x[:, None] == y)
    statistic = scipy.stats.mannwhitneyu(x, y).statistic
    assert probability_of_improvement(x, y) == pytest.approx(np.mean(statistic / (6 * 9)))
    assert probability_of_improvement(x, y) == pytest.approx(1 - probability_of_improvement(y, x))


def test_probability_of_improvement_over_itself_is_a_half():
    assert probability_of_improvement(np.ones((3, 2)), np.ones((1, 2))) == 0.5
    assert probability_of_improvement(normal(5, 4, 7), normal(5, 4, 7)) == pytest.approx(0.5)


def test_probability_of_improvement_of_each_resample():
    x, y = np.round(normal(8, 5, 3, 4), 1), np.round(normal(9, 5, 2, 4), 1)
    expected = [probability_of_improvement(*pair) for pair in zip(x, y, strict=True)]
    assert probability_of_improvement(x, y) == pytest.approx(expected)


def test_probability_of_improvement_refuses_tasks_it_cannot_compare():
    x = np.ones((2, 3))
    for shape in ((2, 2), (2,), (0, 3)):
        with pytest.raises(ValueError, match=r"x and y must be \[..., S, n\] with the same n >= 1"):
            probability_of_improvement(x, np.ones(shape))
    with pytest.raises(ValueError, match="n >= 1"):
        probability_of_improvement(np.ones((2, 0)), np.ones((2, 0)))
    for value in (np.nan, -np.inf):
        for pair in ((x, np.full((1, 3), value)), (np.full((1, 3), value), x)):
            with pytest.raises(ValueError, match="scores must be finite, got 3 that are not"):
                probability_of_improvement(*pair)


def test_performance_profile_is_the_share_above_each_threshold():
    scores = np.array([[0.0, 1.0], [1.0, 2.0]])
    assert performance_profile(scores, np.array([-1.0, 1.0, 0.0, 2.0, 0.5])).tolist() == [1.0, 0.25, 0.75, 0.0, 0.75]
    with pytest.raises(ValueError, match="performance_profile: thresholds must be finite"):
        performance_profile(scores, np.array([0.0, np.nan]))


def test_area_under_curve_starts_at_step_zero():
    # From 1 to 3 over the first 10 steps, from 3 to 5 over 30 more: (2 * 10 + 4 * 30) / 40.
    assert area_under_curve(np.array([10, 40]), np.array([3.0, 5.0]), start=1.0) == pytest.approx(3.5)
    assert area_under_curve(np.array([10]), np.array([3.0]), start=1.0) == pytest.approx(2.0)
    assert area_under_curve(np.array([1, 7, 9]), np.full((2, 3), 4.0), start=4.0) == pytest.approx(4.0)


def test_area_under_curve_is_the_integral_of_scipy_for_each_curve():
    steps, values, start = np.cumsum(1 + normal(6, 20) ** 2), normal(7, 4, 5, 20), normal(8, 5)
    heights = np.concatenate([np.broadcast_to(start[:, None], (4, 5, 1)), values], axis=-1)
    expected = scipy.integrate.trapezoid(heights, np.append(0.0, steps)) / steps[-1]
    assert area_under_curve(steps, values, start) == pytest.approx(expected)


def test_area_under_curve_of_a_broken_run_is_nan():
    values = np.array([[1.0, np.nan], [1.0, 1.0]])
    assert area_under_curve(np.array([1, 2]), values, 1.0).tolist() == pytest.approx([np.nan, 1.0], nan_ok=True)


@pytest.mark.parametrize("steps", [[], [0, 1], [2, 1], [1, 1], [1, np.nan]])
def test_area_under_curve_refuses_steps_that_do_not_increase(steps):
    with pytest.raises(ValueError, match="steps must be at least one, > 0 and increasing"):
        area_under_curve(np.array(steps), np.ones(len(steps)), 0.0)


def test_area_under_curve_refuses_values_that_do_not_match_the_steps():
    with pytest.raises(ValueError, match=r"values must be \[..., 2\] like steps, got \(2, 1\)"):
        area_under_curve(np.array([1, 2]), np.ones((2, 1)), 0.0)
