"""Bootstrap intervals against theory, identities and scipy."""

import numpy as np
import pytest
import scipy.stats

from groove.scoring.bootstrap import bootstrap, factors
from groove.scoring.statistics import iqm, probability_of_improvement
from groove.scoring.units import Units


def mean(scores):
    return np.mean(scores, axis=(1, 2, 3))


def middle(scores):
    return iqm(scores.reshape(len(scores), -1))


def better(x, y):
    return probability_of_improvement(*(side.reshape(len(side), -1, side.shape[-1]) for side in (x, y)))


def fixed(num_tasks):
    return Units.separate(drawn=False, num_tasks=num_tasks)


def drawn(num_tasks):
    return Units.separate(drawn=True, num_tasks=num_tasks)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def half_width(interval):
    return (interval.high - interval.low) / 2


def wide(values, num_units, own_freedom=None):
    """The 95% half-width of a mean of units with these values: Student's, from the unbiased variance."""
    t = scipy.stats.t.ppf(0.975, num_units - 1 if own_freedom is None else own_freedom)
    return t * np.std(values, ddof=1) / np.sqrt(num_units)


@pytest.mark.parametrize("units", [drawn(4), fixed(4)])
def test_interval_of_a_constant_is_that_constant(units):
    interval = bootstrap([np.full((3, 2, 4), 2.5)], middle, units)
    assert (interval.estimate, interval.low, interval.high) == (2.5, 2.5, 2.5)


@pytest.mark.parametrize("units", [drawn(50), fixed(50)])
def test_meta_seeds_are_drawn_with_all_their_runs(units):
    # Tasks agree within a meta-seed, so only the mean of the drawn meta-seeds varies, and its error is known.
    rules = normal(0, 40, 1, 1)
    interval = bootstrap([np.broadcast_to(rules, (40, 20, 50))], mean, units, num_resamples=1000)
    assert half_width(interval) == pytest.approx(wide(rules, 40), rel=0.1)


def test_drawn_tasks_are_the_same_for_all_meta_seeds():
    # Meta-seeds agree, so four of them on a hundred levels say no more than one does. If each drew its own levels, the
    # interval would be half as wide. Four meta-seeds count as few, so the tail is that of Student with 3 degrees.
    levels = normal(0, 1, 1, 100)
    one, four = (
        bootstrap([np.broadcast_to(levels, (m, 2, 100))], mean, drawn(100), confidence, 1000)
        for m, confidence in ((1, 0.95), (4, 0.8))
    )
    assert half_width(one) == pytest.approx(wide(levels, 100), rel=0.1)
    factor = scipy.stats.t.ppf(0.9, 3) * np.sqrt(4 / 3)
    assert half_width(four) == pytest.approx(factor * np.std(levels) / np.sqrt(100), rel=0.1)


def test_meta_seeds_and_drawn_tasks_add_their_variances():
    both = normal(0, 40, 1, 1) + normal(1, 1, 1, 60)
    parts = [wide(both.mean(axis=(1, 2)), 40), wide(both.mean(axis=(0, 1)), 60)]
    interval = bootstrap([both], mean, drawn(60))
    assert half_width(interval) == pytest.approx(np.hypot(*parts), rel=0.1)


def test_all_samples_draw_the_same_tasks_and_seeds():
    # Both sides agree on every run, so their difference is the same in every resample.
    scores = normal(2, 1, 3, 30)
    for units in (drawn(30), fixed(30)):
        samples = [np.broadcast_to(scores, (num_rules, 3, 30)) for num_rules in (1, 3)]
        interval = bootstrap(samples, lambda x, y: mean(x) - mean(y), units, num_resamples=50)
        assert [interval.estimate, interval.low, interval.high] == pytest.approx([0, 0, 0], abs=1e-12)


def test_samples_draw_their_meta_seeds_separately():
    # Drawn together, a sample and its copy would always give a half.
    x = normal(8, 8, 1, 3) * np.ones((8, 5, 3))
    assert half_width(bootstrap([x, x], better, fixed(3), num_resamples=100)) > 0.1


def test_fixed_tasks_are_not_drawn():
    # Tasks differ but their seeds agree, so nothing is left to chance.
    scores = np.repeat(normal(0, 1, 1, 30), 4, axis=1)
    interval = bootstrap([scores], middle, fixed(30), num_resamples=50)
    assert interval.low == interval.estimate == interval.high == iqm(scores.ravel())


def test_one_seed_of_fixed_tasks_has_no_width():
    interval = bootstrap([normal(1, 1, 1, 9)], middle, fixed(9), num_resamples=50)
    assert interval.low == interval.estimate == interval.high


def test_seeds_are_drawn_separately_within_each_fixed_task_and_together_within_a_cluster():
    # Each seed has the same score on all tasks: drawn separately, the mean of 100 tasks varies a tenth as much.
    seeds = normal(2, 1, 20, 1)
    scores = np.repeat(seeds, 100, axis=2)
    separate = bootstrap([scores], mean, fixed(100), num_resamples=1000)
    assert half_width(separate) == pytest.approx(wide(seeds, 20, 19 * 100) / 10, rel=0.1)
    together = bootstrap([scores], mean, Units(False, np.zeros(100, int)), num_resamples=1000)
    assert half_width(together) == pytest.approx(wide(seeds, 20), rel=0.1)


def test_seeds_that_share_a_level_are_one_unit():
    # Eight levels, each lived on by two of 16 seeds: sixteen seeds say no more than eight levels.
    levels = normal(3, 1, 8, 1)
    scores = np.tile(levels, (1, 2, 1))
    interval = bootstrap([scores], mean, Units(False, np.zeros(1, int), num_draws=8), num_resamples=1000)
    assert half_width(interval) == pytest.approx(wide(levels, 8), rel=0.15)


def test_tasks_of_a_cluster_are_one_draw():
    # Each of 40 levels at three lifetimes: 120 tasks say no more than 40. Clusters may have different sizes.
    levels, clusters = normal(4, 1, 1, 40), np.tile(np.arange(40), 3)
    interval = bootstrap([levels[..., clusters]], mean, Units(True, clusters), num_resamples=1000)
    assert half_width(interval) == pytest.approx(wide(levels, 40), rel=0.1)
    uneven = np.append(clusters, 40)
    interval = bootstrap([np.append(levels[..., clusters], [[[5.0]]], axis=2)], mean, Units(True, uneven))
    assert interval.low < interval.estimate < interval.high


def test_interval_of_one_task_is_the_percentile_bootstrap_of_scipy_with_wider_tails():
    # With 9999 draws each, an end of the interval is known to about 1% of the width.
    scores = normal(3, 1, 30, 1) ** 2
    interval = bootstrap([scores], mean, fixed(1), 0.9, num_resamples=9999)
    confidence = 1 - 2 * scipy.stats.norm.cdf(-scipy.stats.t.ppf(0.95, 29) * np.sqrt(30 / 29))
    theirs = scipy.stats.bootstrap((scores.ravel(),), np.mean, confidence_level=confidence, method="percentile", rng=0)
    low, high = theirs.confidence_interval
    assert [interval.low, interval.high] == pytest.approx([low, high], abs=0.03 * (high - low))
    assert interval.estimate == pytest.approx(np.mean(scores)) and 0.91 < confidence < 0.93


def test_interval_widens_with_confidence_and_repeats_with_its_seed():
    scores = normal(4, 5, 4, 20)
    narrow, again, wider = (bootstrap([scores], middle, drawn(20), c, 200) for c in (0.5, 0.5, 0.95))
    assert wider.low < narrow.low < narrow.estimate < narrow.high < wider.high
    assert narrow == again != bootstrap([scores], middle, drawn(20), 0.5, 200, seed=1)


def test_resamples_are_computed_in_batches(monkeypatch):
    # Two resamples at once; every one is made, the last batch alone.
    monkeypatch.setattr("groove.scoring.bootstrap.MAX_BATCH", 40)
    scores, sizes = np.zeros((1, 2, 10)), []

    def count(resampled):
        sizes.append(len(resampled))
        return np.zeros(len(resampled))

    bootstrap([scores], count, drawn(scores.shape[2]), num_resamples=3)
    assert sizes == [2, 1, 1], "two batches and the estimate"


@pytest.mark.parametrize(
    ("shapes", "units", "expected"),
    [
        ([(1, 4, 6)], fixed(6), [(4, 18)]),
        ([(1, 4, 6)], Units(False, np.zeros(6, int)), [(4, 3)]),
        ([(1, 16, 6)], Units(False, np.arange(6), num_draws=8), [(8, 42)]),
        ([(1, 4, 6)], drawn(6), [(6, 5)]),
        ([(1, 4, 6)], Units(True, np.arange(6), strata=np.array([0, 0, 1, 1, 1, 1])), [(2, 4)]),
        ([(5, 4, 6)], drawn(6), [(6, 5), (5, 4)]),
        ([(5, 4, 6), (1, 4, 6)], fixed(6), [(4, 18), (5, 4)]),
        ([(5, 4, 6), (3, 4, 6)], drawn(6), [(6, 5), (3, 2)]),
    ],
)
def test_factors_are_the_fewest_units_and_meta_seeds(shapes, units, expected):
    assert factors([np.zeros(shape) for shape in shapes], units) == expected


def test_bootstrap_refuses_what_it_cannot_resample():
    scores = np.ones((1, 2, 2))
    for confidence in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"confidence must be in \(0, 1\)"):
            bootstrap([scores], middle, drawn(2), confidence)
    with pytest.raises(ValueError, match="num_resamples must be >= 1, got 0"):
        bootstrap([scores], middle, drawn(2), num_resamples=0)
    for wrong in (np.ones((2, 2)), np.ones((1, 2, 3))):
        with pytest.raises(ValueError, match=r"scores must be \[M, S, 2\], got shape .* in sample 1"):
            bootstrap([scores, wrong], better, drawn(2))
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="scores must be finite, got 1 that are not"):
            bootstrap([np.array([[[1.0, value]]])], middle, drawn(2))


def test_interval_of_the_probability_of_improvement_resamples_both_sides():
    # One task with 40 seeds on each side. For equal distributions, U / (m n) has variance (m + n + 1) / (12 m n);
    # resampling only one side would miss half of it. Shuffled, because a seed is drawn for both sides at once.
    draws = np.random.default_rng(0)
    x, y = (
        draws.permutation(scipy.stats.norm.ppf((np.arange(40) + offset) / 40))[None, :, None] for offset in (0.4, 0.6)
    )
    interval = bootstrap([x, y], better, fixed(1))
    assert half_width(interval) == pytest.approx(2.02 * np.sqrt(81 / (12 * 40 * 40)), rel=0.15)
    assert interval.estimate == probability_of_improvement(x[0], y[0])
    assert interval.low < 0.5 < interval.high
