"""Bootstrap intervals against theory, identities and scipy."""

import numpy as np
import pytest
import scipy.stats

from groove.scoring.bootstrap import (
    crossed_bootstrap,
    crossed_task_bootstrap,
    hierarchical_bootstrap,
    matrix_bootstrap,
    stratified_bootstrap,
)
from groove.scoring.statistics import iqm, probability_of_improvement


def mean(scores):
    return float(np.mean(scores))


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def half_width(interval):
    return (interval.high - interval.low) / 2


def test_crossed_bootstrap_of_a_constant_is_that_constant():
    interval = crossed_bootstrap(np.full((3, 4), 2.5), iqm)
    assert (interval.estimate, interval.low, interval.high) == (2.5, 2.5, 2.5)


def test_crossed_bootstrap_resamples_meta_seeds():
    # Levels agree within a meta-seed, so only the mean of the drawn meta-seeds varies, and its error is known.
    scores = np.repeat(np.random.default_rng(0).normal(size=(40, 1)), 50, axis=1)
    interval = crossed_bootstrap(scores, mean)
    expected = 1.96 * np.std(scores[:, 0]) / np.sqrt(40)
    assert half_width(interval) == pytest.approx(expected, rel=0.1)


def test_crossed_bootstrap_draws_the_same_levels_for_all_meta_seeds():
    # Meta-seeds agree, so four of them on a hundred levels say no more than one does.
    scores = np.repeat(np.random.default_rng(0).normal(size=(1, 100)), 4, axis=0)
    interval = crossed_bootstrap(scores, mean)
    expected = 1.96 * np.std(scores) / np.sqrt(100)
    assert half_width(interval) == pytest.approx(expected, rel=0.1)


def test_crossed_bootstrap_is_the_same_for_the_same_seed():
    scores = np.random.default_rng(1).normal(size=(3, 5))
    assert crossed_bootstrap(scores, iqm, seed=3) == crossed_bootstrap(scores, iqm, seed=3)
    assert crossed_bootstrap(scores, iqm, seed=3) != crossed_bootstrap(scores, iqm, seed=4)


def test_crossed_bootstrap_widens_with_confidence():
    scores = np.random.default_rng(2).normal(size=(5, 20))
    narrow, wide = (crossed_bootstrap(scores, iqm, confidence=confidence) for confidence in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


def test_crossed_bootstrap_still_makes_the_published_draws():
    # The numbers in the README come from these draws.
    interval = crossed_bootstrap(np.arange(12.0).reshape(3, 4) ** 2, iqm, num_resamples=100, seed=5)
    assert [interval.estimate, interval.low, interval.high] == pytest.approx([199 / 6, 4.0041666667, 89.4708333333])


BOOTSTRAPS = [
    (crossed_bootstrap, np.ones((2, 2))),
    (stratified_bootstrap, np.ones((2, 2))),
    (hierarchical_bootstrap, np.ones((1, 2, 2))),
]


@pytest.mark.parametrize(("bootstrap", "scores"), BOOTSTRAPS)
def test_bootstraps_refuse_settings_outside_their_range(bootstrap, scores):
    for confidence in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"confidence must be in \(0, 1\)"):
            bootstrap(scores, iqm, confidence=confidence)
    with pytest.raises(ValueError, match="num_resamples must be >= 1, got 0"):
        bootstrap(scores, iqm, num_resamples=0)


def test_stratified_bootstrap_keeps_tasks_fixed():
    # Tasks differ but their seeds agree, so nothing is left to chance.
    scores = np.repeat(normal(0, 1, 30), 4, axis=0)
    interval = stratified_bootstrap(scores, iqm, num_resamples=50)
    assert interval.low == interval.estimate == interval.high == iqm(scores)


def test_stratified_bootstrap_of_one_seed_has_no_width():
    interval = stratified_bootstrap(normal(1, 1, 9), iqm, num_resamples=50)
    assert interval.low == interval.estimate == interval.high


def test_stratified_bootstrap_draws_seeds_separately_within_each_task():
    # Each seed has the same score on all tasks. If it were drawn for all at once, this would be ten times as wide.
    seeds = normal(2, 20, 1)
    interval = stratified_bootstrap(np.repeat(seeds, 100, axis=1), mean)
    assert half_width(interval) == pytest.approx(1.96 * np.std(seeds) / np.sqrt(20 * 100), rel=0.1)


def test_stratified_bootstrap_of_one_task_is_the_percentile_bootstrap_of_scipy():
    # With 9999 draws each, an end of the interval is known to 0.7% of the width, and the difference of two to 1%.
    scores = normal(3, 30, 1) ** 2
    interval = stratified_bootstrap(scores, mean, 0.9, num_resamples=9999)
    theirs = scipy.stats.bootstrap((scores[:, 0],), np.mean, confidence_level=0.9, method="percentile", rng=0)
    low, high = theirs.confidence_interval
    assert [interval.low, interval.high] == pytest.approx([low, high], abs=0.03 * (high - low))
    assert interval.estimate == pytest.approx(np.mean(scores))


def test_stratified_bootstrap_widens_with_confidence_and_repeats_with_its_seed():
    scores = normal(4, 5, 20)
    narrow, wide = (stratified_bootstrap(scores, iqm, confidence, 200) for confidence in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high
    assert stratified_bootstrap(scores, iqm, 0.95, 200) == wide != stratified_bootstrap(scores, iqm, 0.95, 200, seed=1)


def test_hierarchical_bootstrap_of_one_meta_seed_is_stratified():
    scores = normal(5, 4, 7)
    scores[1, 2] = np.nan
    settings = (iqm, 0.8, 100, 6)
    assert hierarchical_bootstrap(scores[None], *settings) == stratified_bootstrap(scores, *settings)


def test_hierarchical_bootstrap_draws_meta_seeds_for_all_their_runs():
    rules = normal(6, 40, 1, 1)
    interval = hierarchical_bootstrap(np.broadcast_to(rules, (40, 3, 50)), mean)
    assert half_width(interval) == pytest.approx(1.96 * np.std(rules) / np.sqrt(40), rel=0.1)


def test_hierarchical_bootstrap_draws_seeds_separately_within_each_drawn_meta_seed():
    # Rules agree seed by seed. If their seeds were drawn together, this would be five times as wide.
    seeds = normal(7, 1, 8, 20)
    interval = hierarchical_bootstrap(np.repeat(seeds, 25, axis=0), mean)
    expected = 1.96 * np.sqrt(np.mean(np.var(seeds, axis=1)) / (25 * 8 * 20))
    assert half_width(interval) == pytest.approx(expected, rel=0.1)


def test_hierarchical_interval_covers_where_a_stratified_one_does_not():
    # Eight rules with standard deviation 1, four seeds and five tasks with standard deviation 1; the truth is 0.
    # Pooled, the runs look like 160 independent ones of standard deviation 1.4, which misses most of the variance
    # of the rules' mean. Over 300 other trials 90% and 43% covered; counts out of 100 have standard deviations 3 and 5.
    covered = {"hierarchical": 0, "stratified": 0}
    for trial in range(100):
        scores = normal(100 + trial, 8, 1, 1) + normal(500 + trial, 8, 4, 5)
        intervals = {
            "hierarchical": hierarchical_bootstrap(scores, mean, num_resamples=200),
            "stratified": stratified_bootstrap(scores.reshape(32, 5), mean, num_resamples=200),
        }
        for name, interval in intervals.items():
            covered[name] += interval.low <= 0 <= interval.high
    assert covered["hierarchical"] >= 85
    assert covered["stratified"] <= 60


def test_missing_runs_are_neither_drawn_nor_counted():
    scores = np.array([[[1.0, np.nan], [np.nan, 20.0], [3.0, 30.0], [np.nan, 40.0]]])
    drawn = []

    def keep(matrix):
        drawn.append(matrix)
        return 0.0

    matrix_bootstrap([scores], keep, num_resamples=100)
    *resamples, observed = np.array(drawn)
    present = ~np.isnan(np.array(resamples))
    assert np.all(np.sum(present, axis=1) == [2, 3])
    assert set(np.array(resamples)[..., 0][present[..., 0]]) == {1.0, 3.0}
    assert set(np.array(resamples)[..., 1][present[..., 1]]) == {20.0, 30.0, 40.0}
    assert np.nansum(observed, axis=0).tolist() == [4.0, 90.0]


def test_each_drawn_meta_seed_keeps_its_number_of_runs():
    scores = np.array([[[1.0], [1.0], [1.0]], [[2.0], [np.nan], [np.nan]]])
    sums = set()

    def keep(matrix):
        sums.add(float(np.nansum(matrix)))
        return 0.0

    matrix_bootstrap([scores], keep, num_resamples=50)
    assert sums == {3.0 + 3.0, 3.0 + 2.0, 2.0 + 2.0}


def test_aggregates_get_only_the_present_scores():
    scores = np.array([[1.0, 5.0], [np.nan, 5.0], [1.0, np.nan]])
    interval = stratified_bootstrap(scores, lambda present: float(present.size * np.sum(present)), num_resamples=20)
    assert interval.low == interval.estimate == interval.high == 4 * 12
    with pytest.raises(ValueError, match="scores must be finite, got 1 that are not"):
        stratified_bootstrap(np.array([[np.inf, 1.0]]), iqm)


def test_a_task_without_a_run_is_named():
    scores = np.ones((2, 3, 4))
    scores[1, :, 2] = np.nan
    message = "every task must have a run that is not NaN; task 2 of meta-seed 1 in sample {} has none"
    with pytest.raises(ValueError, match=message.format(0)):
        hierarchical_bootstrap(scores, iqm)
    with pytest.raises(ValueError, match=message.format(1)):
        matrix_bootstrap([np.ones((1, 3, 4)), scores], probability_of_improvement)


def test_bootstraps_refuse_other_numbers_of_axes():
    with pytest.raises(ValueError, match=r"stratified_bootstrap: scores must be \[S, n\], got shape \(1, 2, 3\)"):
        stratified_bootstrap(np.ones((1, 2, 3)), iqm)
    with pytest.raises(ValueError, match=r"scores must be \[M, S, n\], got shape \(2, 3\) in sample 0"):
        hierarchical_bootstrap(np.ones((2, 3)), iqm)


def test_interval_of_the_probability_of_improvement_resamples_both_sides():
    # One task with 40 seeds on each side. For equal distributions, U / (m n) has variance (m + n + 1) / (12 m n);
    # resampling only one side would miss half of it.
    x, y = (scipy.stats.norm.ppf((np.arange(40) + offset) / 40)[None, :, None] for offset in (0.4, 0.6))
    interval = matrix_bootstrap([x, y], probability_of_improvement)
    assert half_width(interval) == pytest.approx(1.96 * np.sqrt(81 / (12 * 40 * 40)), rel=0.1)
    assert interval.estimate == probability_of_improvement(x[0], y[0])
    assert interval.low < 0.5 < interval.high


def test_interval_of_the_probability_of_improvement_resamples_the_sides_separately():
    # Resampled together, a sample and its copy would always give a half.
    x = normal(8, 1, 5, 3)
    assert half_width(matrix_bootstrap([x, x], probability_of_improvement, num_resamples=50)) > 0.1


def test_interval_of_the_probability_of_improvement_with_missing_runs():
    x, y = np.array([[[2.0, 5.0], [np.nan, 6.0]]]), np.array([[[1.0, 7.0]]])
    interval = matrix_bootstrap([x, y], probability_of_improvement, num_resamples=20)
    assert interval.low == interval.estimate == interval.high == 0.5


def test_crossed_task_bootstrap_of_one_meta_seed_still_makes_the_published_draws():
    # The intervals of grid-heldout in the README come from these draws.
    scores = np.arange(12.0).reshape(1, 3, 4) ** 2
    interval = crossed_task_bootstrap([scores], iqm, num_resamples=100, seed=5)
    assert [interval.estimate, interval.low, interval.high] == pytest.approx([199 / 6, 25.2125, 264.1 / 6])


def test_crossed_task_bootstrap_resamples_meta_seeds_and_tasks():
    # Only meta-seeds differ; then only tasks do, which all meta-seeds share; then both, so that the variances add up.
    of_seeds, of_tasks = normal(0, 40, 1, 1), normal(1, 1, 1, 60)
    errors = [np.std(of_seeds) / np.sqrt(40), np.std(of_tasks) / np.sqrt(60)]
    cases = [(of_seeds, errors[0]), (of_tasks, errors[1]), (of_seeds + of_tasks, np.hypot(*errors))]
    for scores, error in cases:
        interval = crossed_task_bootstrap([np.broadcast_to(scores, (40, 2, 60))], mean)
        assert half_width(interval) == pytest.approx(1.96 * error, rel=0.1)


def test_crossed_task_bootstrap_draws_the_same_tasks_for_all_samples():
    # Both sides agree on every task, so their difference is the same in every resample.
    scores = normal(2, 1, 1, 30)
    samples = [np.broadcast_to(scores, (num_seeds, 2, 30)) for num_seeds in (1, 3)]
    interval = crossed_task_bootstrap(samples, lambda x, y: mean(x) - mean(y), num_resamples=50)
    assert [interval.estimate, interval.low, interval.high] == pytest.approx([0, 0, 0], abs=1e-12)
