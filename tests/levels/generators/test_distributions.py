import dataclasses
import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levels.generators.distributions import DISTRIBUTIONS, LevelDistribution
from levels.level import is_valid
from levels.worlds.tabular_grid import TabularGrid

CRAMPED = LevelDistribution(2, 4, 15, 1, 3, 1, 9, 10, 250)
"""Fifteen walls for sixteen cells, so nearly every draw has to drop walls."""

CASES = {**DISTRIBUTIONS, "cramped": CRAMPED}


@functools.cache
def sampler(name):
    sample = CASES[name].sample

    def draw(keys):
        levels = jax.vmap(sample)(keys)
        return levels, jax.vmap(is_valid)(levels)

    return jax.jit(draw)


@functools.cache
def many(name):
    """2,000 levels of a distribution, as NumPy arrays."""
    levels, _ = sampler(name)(jax.random.split(jax.random.key(7), 2000))
    return jax.tree.map(np.asarray, levels)


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(CASES)), seed=st.integers(0, 2**31 - 1))
def test_sample_is_valid_and_in_bounds(name, seed):
    bounds = CASES[name]
    levels, valid = sampler(name)(jax.random.split(jax.random.key(seed), 2000))
    levels = jax.tree.map(np.asarray, levels)
    assert np.all(valid)
    assert levels.walls.shape == (2000, bounds.max_side, bounds.max_side)
    assert levels.object_cells.shape == (2000, bounds.max_objects)
    for value, low, high in (
        (levels.height, bounds.min_side, bounds.max_side),
        ((levels.object_types >= 0).sum(1), bounds.min_objects, bounds.max_objects),
        (levels.max_steps_in_episode, bounds.min_steps, bounds.max_steps),
        (levels.lifetime, bounds.min_lifetime, bounds.max_lifetime),
    ):
        assert value.min() >= low and value.max() <= high
    np.testing.assert_array_equal(levels.height, levels.width)


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(sorted(CASES)), seed=st.integers(0, 2**31 - 1))
def test_sample_places_everything_on_distinct_free_cells(name, seed):
    levels = jax.tree.map(np.asarray, sampler(name)(jax.random.split(jax.random.key(seed), 2000))[0])
    side = CASES[name].max_side
    for k in range(0, 2000, 40):
        cells = [int(levels.start[k]), *levels.object_cells[k][levels.object_types[k] >= 0].tolist()]
        assert len(set(cells)) == len(cells)
        for cell in cells:
            row, column = divmod(cell, side)
            assert row < levels.height[k] and column < levels.width[k]
            assert not levels.walls[k, row, column]


@pytest.mark.parametrize("name", sorted(CASES))
def test_sample_leaves_unused_slots_canonical(name):
    levels = many(name)
    slots = np.arange(CASES[name].max_objects)
    used = levels.object_types >= 0
    np.testing.assert_array_equal(levels.object_types, np.where(used, slots, -1))
    for values in (
        levels.object_cells,
        levels.object_rewards,
        levels.object_terminate_probs,
        levels.object_respawn_probs,
    ):
        assert not values[~used].any()


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
def test_sample_draws_walls_over_the_largest_grid(name):
    bounds, levels = DISTRIBUTIONS[name], many(name)
    num_inside = levels.walls.sum((1, 2)) - (bounds.max_side**2 - levels.height**2)
    largest = levels.height == bounds.max_side
    assert np.all(num_inside[largest] == bounds.num_walls)
    for side in range(bounds.min_side, bounds.max_side):
        counts = num_inside[levels.height == side]
        margin = 4 * counts.std() / np.sqrt(len(counts))
        assert abs(counts.mean() - bounds.num_walls * side**2 / bounds.max_side**2) < margin


def test_sample_spreads_start_and_objects_evenly():
    levels = many("large")
    largest = levels.height == 10
    num_free = 85
    # Each cell is free in 85 of 100 levels, and every free cell is equally likely.
    for cells in (levels.start[largest], levels.object_cells[largest, 0]):
        rows, columns = np.divmod(cells, 10)
        margin = 4 * 2.88 / np.sqrt(len(cells))
        assert abs(rows.mean() - 4.5) < margin and abs(columns.mean() - 4.5) < margin
        assert np.bincount(cells, minlength=100).max() < 5 * len(cells) / num_free


def test_sample_draws_sides_and_counts_evenly():
    levels = many("all")
    for values, low, high in ((levels.height, 4, 10), ((levels.object_types >= 0).sum(1), 1, 5)):
        shares = np.bincount(values, minlength=high + 1)[low:] / len(values)
        expected = 1 / (high - low + 1)
        assert np.all(np.abs(shares - expected) < 5 * np.sqrt(expected * (1 - expected) / len(values)))


def test_sample_draws_log_uniformly():
    levels = many("all")
    used = levels.object_types >= 0
    for values, low, high in (
        (levels.max_steps_in_episode, 20, 751),
        (levels.object_terminate_probs[used], 0.01, 1.0),
        (levels.object_respawn_probs[used], 0.001, 0.1),
        (many("cramped").lifetime, 10, 251),
    ):
        places = np.log(values / low) / np.log(high / low)
        # The median of n uniform numbers has a standard error of 1 / (2 sqrt(n)); integers shift it less than 0.01.
        assert abs(np.median(places) - 0.5) < 4 / (2 * np.sqrt(len(places))) + 0.01
        assert abs(np.quantile(places, 0.25) - 0.25) < 4 / (2 * np.sqrt(len(places))) + 0.01
        assert places.min() >= 0 and places.max() <= 1 + 1e-5


def test_sample_draws_rewards_of_the_first_object_above_zero():
    levels = many("medium")
    first = levels.object_rewards[:, 0]
    second = levels.object_rewards[:, 1]
    assert first.min() >= 0 and abs(first.mean() - 0.5) < 4 * 0.289 / np.sqrt(len(first))
    assert second.min() < -0.95 and second.max() > 0.95 and abs(second.mean()) < 4 * 0.578 / np.sqrt(len(second))


def test_sample_gives_the_same_level_for_the_same_key():
    keys = jax.random.split(jax.random.key(7), 2000)
    alone = jax.jit(DISTRIBUTIONS["small"].sample)(keys[3])
    jax.tree.map(lambda one, all_: np.testing.assert_allclose(one, all_[3], rtol=1e-5), alone, many("small"))
    assert len(np.unique(many("small").object_rewards[:, 0])) > 1900


def test_world_fits_the_largest_level():
    assert DISTRIBUTIONS["all"].world == TabularGrid(height=10, width=10, num_objects=5)


def test_lifetime_follows_its_fields():
    longer = dataclasses.replace(DISTRIBUTIONS["all"], min_lifetime=1000, max_lifetime=1000)
    assert jax.jit(longer.sample)(jax.random.key(0)).lifetime == 1000
    assert np.all(many("medium").lifetime == 1000)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"min_side": 0}, "min_side must be >= 1, got 0"),
        ({"max_side": 3}, "max_side must be >= min_side = 4, got 3"),
        ({"min_objects": 0}, "min_objects must be >= 1, got 0"),
        ({"max_objects": 16}, "max_objects must be < min_side\\*\\*2 = 16, got 16"),
        ({"min_steps": 0}, "min_steps must be >= 1, got 0"),
        ({"max_steps": 10}, "max_steps must be >= min_steps = 20, got 10"),
        ({"max_lifetime": 3}, "max_lifetime must be >= min_lifetime = 250, got 3"),
        ({"num_walls": 36}, "num_walls must be in 0..35"),
        ({"num_walls": -1}, "num_walls must be in 0..35"),
    ],
)
def test_level_distribution_names_the_bad_field(change, message):
    with pytest.raises(ValueError, match=f"LevelDistribution.{message}"):
        dataclasses.replace(DISTRIBUTIONS["small"], **change)
