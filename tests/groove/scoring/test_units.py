"""Units: means by hand, and what a resample may hold."""

import numpy as np
import pytest

from groove.scoring.units import Units

SCORES = np.arange(12.0).reshape(1, 4, 3)  # seed s on task t scores 3 s + t


def test_units_of_drawn_tasks_are_clusters_with_all_their_runs():
    means, weights = Units(True, np.array([7, 2, 7])).means(SCORES)
    # Cluster 2 is task 1, with mean 5.5; cluster 7 is tasks 0 and 2, with mean 5.5 too. A mean counts by its share of
    # the tasks, 1 / 3 and 2 / 3, times the two clusters.
    np.testing.assert_allclose(means, [[[5.5 * 2 / 3, 5.5 * 4 / 3]]])
    assert weights.tolist() == [1] and means[0].mean() == pytest.approx(SCORES.mean())


def test_units_of_fixed_tasks_are_seeds_within_clusters():
    means, weights = Units(False, np.array([0, 1, 0])).means(SCORES)
    np.testing.assert_allclose(means, [[[1, 4, 7, 10]]] * 2)
    np.testing.assert_allclose(weights, [2 / 3, 1 / 3])


def test_seeds_that_take_levels_in_turn_are_units_by_level():
    (means,), _ = Units(False, np.zeros(3, int), num_draws=2).means(SCORES)
    np.testing.assert_allclose(means, [[(1 + 7) / 2, (4 + 10) / 2]])
    # An incomplete last round: the mean of all runs stays the mean.
    (means,), _ = Units(False, np.zeros(3, int), num_draws=3).means(SCORES)
    assert means.shape == (1, 3) and means.mean() == pytest.approx(SCORES.mean())
    assert Units(False, np.zeros(3, int), num_draws=9).means(SCORES)[0][0].shape == (1, 4)


def test_drawn_tasks_of_several_distributions_are_units_of_their_own_stratum():
    # Tasks 0 and 2 are a level of distribution 0 at two lifetimes, tasks 3 and 4 two other levels of it.
    units = Units(True, np.array([0, 1, 0, 2, 3]), strata=np.array([0, 1, 0, 0, 0]))
    means, weights = units.means(np.array([[[1.0, 50.0, 3.0, 5.0, 7.0]]]))
    assert units.counts(1) == [3, 1] and weights.tolist() == [0.8, 0.2]
    # Four runs on three levels: level 0 counts double.
    np.testing.assert_allclose(means[0], [[4 * 3 / 4, 5 * 3 / 4, 7 * 3 / 4]])
    np.testing.assert_allclose(means[1], [[50]])
    assert weights @ [own.mean() for own in means] == pytest.approx(66 / 5)
    tasks = units.redrawn_tasks(np.random.default_rng(0), 50)
    assert set(tasks[:, 1]) == {1} and set(tasks[:, [0, 2]].ravel()) == {0, 2} and set(tasks[:, 3:].ravel()) == {3, 4}
    assert units.of_tasks([1, 3]).strata.tolist() == [1, 0]
    with pytest.raises(ValueError, match="strata must be the same for all tasks of a cluster"):
        Units(True, np.array([0, 0]), strata=np.array([0, 1]))


def test_redrawn_tasks_keep_clusters_together():
    draws = np.random.default_rng(0)
    tasks = Units(True, np.array([0, 1, 0, 1, 2])).redrawn_tasks(draws, 50)
    assert tasks.shape == (50, 5) and set(tasks.ravel()) == {0, 1, 2, 3, 4}
    for row in tasks:
        counts = np.bincount(row, minlength=5)
        assert counts[0] == counts[2] and counts[1] == counts[3] and counts[4] == 1
    assert Units.separate(False, 3).redrawn_tasks(draws, 50).tolist() == [[0, 1, 2]]


def test_redrawn_seeds_keep_clusters_and_rounds_together():
    draws = np.random.default_rng(0)
    seeds = Units(False, np.array([0, 1, 0]), num_draws=2).redrawn_seeds(draws, 50, 4)
    assert seeds.shape == (50, 4, 3) and set(seeds.ravel()) == {0, 1, 2, 3}
    np.testing.assert_array_equal(seeds[..., 0], seeds[..., 2])
    assert np.any(seeds[..., 0] != seeds[..., 1])
    np.testing.assert_array_equal(seeds[:, 2:], seeds[:, :2] + 2)
    uneven = Units(False, np.array([0]), num_draws=3).redrawn_seeds(draws, 200, 4)
    assert uneven.min() == 0 and uneven.max() == 3
    assert Units.separate(True, 3).redrawn_seeds(draws, 50, 4)[..., 0].tolist() == [[0, 1, 2, 3]]


def test_units_of_some_tasks():
    units = Units(False, np.array([4, 5, 4]), num_draws=2).of_tasks([0, 2])
    assert units.clusters.tolist() == [4, 4] and units.num_draws == 2 and not units.drawn
    with pytest.raises(ValueError, match="num_draws must be >= 1, got 0"):
        Units(False, np.arange(2), num_draws=0)
