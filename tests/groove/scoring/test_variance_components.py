"""Intervals over meta-seeds and levels: textbook cases, and their coverage in simulated experiments."""

import numpy as np
import pytest
from scipy import stats

from groove.scoring.variance_components import mean_interval, mean_with_error


def ends(interval):
    return [interval.estimate, interval.low, interval.high]


def t_interval(values, confidence=0.95):
    return [np.mean(values), *stats.t.interval(confidence, len(values) - 1, np.mean(values), stats.sem(values))]


def test_interval_by_hand():
    # Seeds 1 and 3 from the mean 2; levels 1.5, 2, 2.5: A = 3·2 = 6 with 1 degree of freedom, B = 2·½ / 2 = ½ with 2.
    scores = np.array([[0.5, 1.0, 1.5], [2.5, 3.0, 3.5]])
    # In the degrees of freedom, A counts (2 + 1) / (2 − 1) times.
    freedom = 18.5**2 / (18**2 / 1 + 0.5**2 / 2)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(6.5 / 6)
    assert ends(mean_interval([scores])) == pytest.approx([2, 2 - half, 2 + half])


def test_interval_of_one_meta_seed_is_over_levels_and_that_of_one_level_over_meta_seeds():
    values = np.random.default_rng(0).normal(size=7)
    for scores in (values[None], values[:, None]):
        assert ends(mean_interval([scores])) == pytest.approx(t_interval(values))
    # Meta-seeds that agree everywhere say no more than one does.
    assert ends(mean_interval([np.tile(values, (3, 1))])) == pytest.approx(t_interval(values))
    assert ends(mean_interval([np.tile(values, (3, 1)).T], confidence=0.8)) == pytest.approx(t_interval(values, 0.8))


def test_levels_that_add_no_variance_are_left_out():
    # The level means differ by less than the rest explains.
    scores = np.array([[1.0, 3.0], [3.0, 1.0], [6.0, 5.0]])
    assert ends(mean_interval([scores])) == pytest.approx(t_interval(scores.mean(axis=1)))


def test_freedom_is_never_less_than_that_of_a_part():
    # Where only runs vary, B is often barely larger than E. The formula alone gives as little as .01 to .14 here.
    draws = np.random.default_rng(0)
    for shape, fewest in (((3, 5), 2), ((5, 3), 2), ((4, 2), 1)):
        freedom = [mean_with_error([draws.normal(size=shape)])[2] for _ in range(500)]
        assert min(freedom) == pytest.approx(fewest)


def test_extremes():
    assert ends(mean_interval([np.full((3, 4), 2.5)])) == [2.5, 2.5, 2.5]
    interval = mean_interval([np.full((1, 1), 2.5)])
    assert interval.estimate == 2.5 and np.isnan([interval.low, interval.high]).all()
    assert np.isnan(ends(mean_interval([np.array([[1.0, np.nan], [1.0, 2.0]])]))).all()
    with pytest.raises(ValueError, match="confidence must be in"):
        mean_interval([np.ones((2, 2))], confidence=1.0)


def test_strata_add_the_variances_of_their_own_units():
    # Two strata with weights ¾ and ¼ and far apart, of seven and four units: Var = 9 s₁² / 16 / 7 + s₂² / 16 / 4.
    draws = np.random.default_rng(1)
    strata = [draws.normal(size=(1, 7)), draws.normal(9, size=(1, 4))]
    first, second = 9 * np.var(strata[0], ddof=1) / 16 / 7, np.var(strata[1], ddof=1) / 16 / 4
    freedom = (first + second) ** 2 / (first**2 / 6 + second**2 / 3)
    mean = 0.75 * strata[0].mean() + 0.25 * strata[1].mean()
    half = stats.t.ppf(0.975, freedom) * np.sqrt(first + second)
    assert ends(mean_interval(strata, np.array([0.75, 0.25]))) == pytest.approx([mean, mean - half, mean + half])
    # A stratum of one unit does not show how much its units vary.
    assert np.isnan(ends(mean_interval([strata[0], strata[1][:, :1]]))[1:]).all()


def test_equal_strata_weigh_the_same():
    strata = list(np.random.default_rng(3).normal(size=(2, 3, 6)))
    assert ends(mean_interval(strata)) == ends(mean_interval(strata, np.array([0.5, 0.5])))
