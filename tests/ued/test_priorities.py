"""Replay of batches: probabilities worked by hand, shares that hold at any size, and what must hold for any scores."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from ued.priorities import Priorities, inclusion_probabilities, percentiles, ranks, systematic_sample
from ued.settings import ReplaySettings

SIZE = 8
ALL = jnp.ones(4, bool)
NO_AGE = jnp.zeros(4, jnp.int32)
KINDS = ("rank", "proportional", "top")
SCORES = st.lists(
    st.one_of(
        st.sampled_from([0.0, 1.0, -1.0, 3e38, -3e38, 2e-38]), st.floats(-1e3, 1e3, width=32, allow_subnormal=False)
    ),
    min_size=SIZE,
    max_size=SIZE,
)


def priorities_of(kind="rank", temperature=0.3, staleness=0.3):
    return Priorities(ReplaySettings(priorities=kind, temperature=temperature, staleness=staleness))


def both(priorities, score, age, available, num_places):
    return np.sum(
        priorities.inclusion(jnp.asarray(score), jnp.asarray(age), jnp.asarray(available), num_places), axis=0
    )


@functools.cache
def drawer(priorities, num_places):
    def draw(key, score, age, available):
        return priorities.draw(key, score, age, available, num_places, num_places)

    return jax.jit(jax.vmap(draw, in_axes=(0, None, None, None)))


def draws(priorities, score, age, available, num_places, num_draws):
    """Draw many batches: slots [num_draws, k], and whether each went by score."""
    arrays = (jnp.asarray(score), jnp.asarray(age), jnp.asarray(available))
    return map(np.asarray, drawer(priorities, num_places)(jax.random.split(jax.random.key(0), num_draws), *arrays))


def test_ranks_and_percentiles_by_hand():
    score = jnp.asarray([2.0, 5.0, -1.0, 5.0, 2.0, 9.0])
    available = jnp.asarray([True, True, True, True, True, False])
    np.testing.assert_array_equal(ranks(score, available)[:5], [3, 1, 5, 1, 3])
    np.testing.assert_allclose(percentiles(score, available), [0.4, 0.8, 0.1, 0.8, 0.4, np.nan], rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(scores=SCORES, available=st.lists(st.booleans(), min_size=SIZE, max_size=SIZE))
def test_ranks_are_those_of_scipy(scores, available):
    score, available = np.asarray(scores, np.float32), np.asarray(available)
    found = np.asarray(ranks(jnp.asarray(score), jnp.asarray(available)))
    np.testing.assert_array_equal(found[available], rankdata(-score[available], method="min"))


def test_inclusion_probabilities_by_hand():
    # Two places: the weight 6 is certain, c = 1⁄4 for the rest.
    found = inclusion_probabilities(jnp.asarray([6.0, 1.0, 1.0, 2.0, 9.0]), jnp.arange(5) < 4, jnp.int32(2))
    np.testing.assert_allclose(found, [1, 0.25, 0.25, 0.5, 0], rtol=1e-6)
    for count in (4, 7):
        np.testing.assert_array_equal(inclusion_probabilities(jnp.ones(4), ALL, jnp.int32(count)), 1)
    np.testing.assert_array_equal(inclusion_probabilities(jnp.ones(4), ALL, jnp.int32(0)), 0)
    # Weightless slots fill the places that are left.
    np.testing.assert_allclose(
        inclusion_probabilities(jnp.asarray([1.0, 0, 0, 0]), ALL, jnp.int32(2)), [1, *[1 / 3] * 3]
    )


def test_systematic_sample_draws_as_many_as_the_sum_each_with_its_probability():
    inclusion = jnp.asarray([1.0, 0.0, 0.5, 0.25, 0.25, 0.9, 0.1])
    keys = jax.random.split(jax.random.key(0), 20_000)
    drawn = np.asarray(jax.jit(jax.vmap(systematic_sample, in_axes=(0, None)))(keys, inclusion))
    np.testing.assert_array_equal(drawn.sum(axis=1), 3)
    # The margin is four standard errors; the seed is fixed.
    assert np.all(np.abs(drawn.mean(axis=0) - inclusion) <= 4 * np.sqrt(inclusion * (1 - inclusion) / len(keys)))


@pytest.mark.parametrize(
    ("capacity", "num_places", "percentile"), [(1000, 16, 0.989), (1000, 32, 0.979), (4000, 256, 0.957)]
)
def test_score_decides_its_share_of_the_places_at_any_size(capacity, num_places, percentile):
    # Trap: drawn one after another from PLR's mixture, 256 of 4000 places went by score to 3%, at percentile .515.
    priorities, available, num_draws = priorities_of(), jnp.ones(capacity, bool), 400
    score = jax.random.normal(jax.random.key(1), (capacity,))

    def generation(age, key):
        slots, by_score = priorities.draw(key, score, age, available, num_places, num_places)
        return (age + 1).at[slots].set(0), (slots, by_score)

    keys = jax.random.split(jax.random.key(0), num_draws)
    _, (slots, by_score) = jax.jit(lambda keys: jax.lax.scan(generation, jnp.zeros(capacity, jnp.int32), keys))(keys)
    slots, by_score = np.asarray(slots), np.asarray(by_score)
    assert all(len(set(row)) == num_places for row in slots) and np.all(slots >= 0)
    assert abs(by_score.mean() - 0.7) < 0.02
    assert abs(np.mean(np.asarray(percentiles(score, available))[slots[by_score]]) - percentile) < 0.01
    expected = np.asarray(priorities.inclusion(score, jnp.zeros(capacity, jnp.int32), available, num_places)[0])
    found = np.bincount(slots[by_score], minlength=capacity) / num_draws
    error = np.sqrt(expected * (1 - expected) / num_draws)
    often = expected * num_draws > 20  # elsewhere the count is far from normal
    assert often.sum() > num_places / 2 and np.all(np.abs(found - expected)[often] <= 4 * error[often] + 1e-6)
    np.testing.assert_allclose(expected.sum(), 0.7 * num_places, rtol=1e-4)


def test_one_place_is_the_published_mixture_by_hand():
    # Ranks 1, 4, 1, 3 at β = 1⁄2: weights 1, 1⁄16, 1, 1⁄9; ages 3, 1, 0, 0; ρ = 2⁄5.
    priorities = priorities_of(temperature=0.5, staleness=0.4)
    weights = np.asarray([1, 1 / 16, 1, 1 / 9])
    by_score, _ = priorities.inclusion(jnp.asarray([3.0, 1.0, 3.0, 2.0]), jnp.asarray([3, 1, 0, 0]), ALL, 1)
    np.testing.assert_allclose(by_score, 0.6 * weights / weights.sum(), rtol=1e-5)
    mixture = 0.6 * weights / weights.sum() + 0.4 * np.asarray([3, 1, 0, 0]) / 4
    slots, _ = draws(priorities, [3.0, 1.0, 3.0, 2.0], [3, 1, 0, 0], ALL, 1, 20_000)
    found = np.bincount(slots[:, 0], minlength=4) / 20_000
    assert np.all(np.abs(found - mixture) <= 4 * np.sqrt(mixture * (1 - mixture) / 20_000))


def test_two_places_by_rank_by_hand():
    # Ranks 1, 2, 3, 4 at β = 1, k_s = 2: weights 1, 2⁄3, 1⁄2, 2⁄5; c = 2 ÷ 77⁄30 = 60⁄77.
    found = priorities_of(temperature=1.0).by_score(jnp.asarray([4.0, 3.0, 2.0, 1.0]), ALL, jnp.int32(2))
    np.testing.assert_allclose(found, np.asarray([1, 2 / 3, 1 / 2, 2 / 5]) * 60 / 77, rtol=1e-5)


def test_proportional_places_by_hand():
    score = jnp.asarray([1.0, 2.0, 0.0, 4.0])
    found = priorities_of("proportional", temperature=1.0).by_score(score, ALL, jnp.int32(1))
    np.testing.assert_allclose(found, np.asarray([1, 2, 0, 4]) / 7, atol=1e-6)
    found = priorities_of("proportional", temperature=0.5).by_score(score, ALL, jnp.int32(2))
    np.testing.assert_allclose(found, [0.2, 0.8, 0, 1], atol=1e-6)


def test_top_places_are_the_highest_scores_and_ties_share_the_last_ones():
    found = priorities_of("top").by_score(jnp.asarray([1.0, 3.0, 1.0, 2.0, 1.0]), jnp.ones(5, bool), jnp.int32(3))
    np.testing.assert_allclose(found, [1 / 3, 1, 1 / 3, 1, 1 / 3], rtol=1e-6)


def test_staleness_by_hand():
    priorities, available = priorities_of(), jnp.asarray([True, True, True, False])
    found = priorities.by_age(jnp.asarray([0, 1, 3, 7]), available, jnp.int32(1))
    np.testing.assert_allclose(found, [0, 0.25, 0.75, 0], atol=1e-6)
    # All were drawn just now, so the places go to all alike.
    np.testing.assert_allclose(priorities.by_age(NO_AGE, available, jnp.int32(1)), [1 / 3, 1 / 3, 1 / 3, 0], rtol=1e-5)


def test_temperature_sets_how_greedy():
    # Trap: a temperature without effect.
    score = jnp.asarray([4.0, 3.0, 2.0, 1.0])
    best = [
        float(priorities_of(kind, temperature, 0.0).by_score(score, ALL, jnp.int32(1))[0])
        for kind in ("rank", "proportional")
        for temperature in (0.05, 0.3, 1.0, 1e6)
    ]
    for four in (best[:4], best[4:]):
        assert np.all(np.diff(four) < -0.01)
    np.testing.assert_allclose(best[::4], 1, atol=0.01)
    np.testing.assert_allclose(best[3::4], 0.25, atol=0.01)


def test_staleness_of_one_forgets_the_scores_and_of_zero_the_ages():
    score, age = [4.0, 3.0, 2.0, 1.0], [1, 1, 1, 5]
    np.testing.assert_allclose(
        both(priorities_of(staleness=1.0), score, age, ALL, 1), np.asarray([1, 1, 1, 5]) / 8, rtol=1e-5
    )
    by_score = priorities_of(staleness=0.0)
    np.testing.assert_array_equal(both(by_score, score, age, ALL, 2), both(by_score, score, NO_AGE, ALL, 2))


def test_equal_scores_are_drawn_equally():
    for kind in KINDS:
        for value in (0.0, 2.0):
            found = both(priorities_of(kind), np.full(4, value, np.float32), NO_AGE, ALL, 2)
            np.testing.assert_allclose(found, 0.5, rtol=1e-5)


def test_large_scores_do_not_overflow():
    # Trap: exp(score / T) overflows above a score of 88 T.
    score = jnp.asarray([3e38, 1e38, 100.0, 0.0])
    for kind in KINDS:
        for temperature in (0.01, 0.3):
            found = np.asarray(priorities_of(kind, temperature, 0.0).by_score(score, ALL, jnp.int32(1)))
            assert np.all(np.isfinite(found)) and np.argmax(found) == 0
            np.testing.assert_allclose(found.sum(), 1, rtol=1e-5)


def test_unavailable_slots_play_no_part():
    # Trap: a NaN that sorts first.
    available = jnp.asarray([False, True, True, False])
    for kind in KINDS:
        priorities = priorities_of(kind)
        expected = both(priorities, [0.0, 2.0, 1.0, 0.0], NO_AGE, available, 1)
        for odd in (jnp.nan, jnp.inf, -jnp.inf):
            found = both(priorities, [odd, 2.0, 1.0, odd], NO_AGE, available, 1)
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            assert found[0] == found[3] == 0 and found[1] > found[2]
            slots, _ = draws(priorities, [odd, 2.0, 1.0, odd], NO_AGE, available, 3, 20)
            np.testing.assert_array_equal(np.sort(slots, axis=1), np.broadcast_to([-1, 1, 2], (20, 3)))
        np.testing.assert_array_equal(both(priorities, np.full(4, np.nan), NO_AGE, ~ALL, 2), 0)


@settings(max_examples=40, deadline=None)
@given(
    scores=SCORES,
    ages=st.lists(st.sampled_from([0, 1, 2, 10**9]), min_size=SIZE, max_size=SIZE),
    available=st.lists(st.booleans(), min_size=SIZE, max_size=SIZE),
    kind=st.sampled_from(KINDS),
    numbers=st.sampled_from([(0.3, 0.3), (0.01, 0.0), (5.0, 1.0)]),
    num_places=st.sampled_from([1, 3, SIZE]),
)
def test_draws_and_inclusion_probabilities_fill_the_places_that_can_be_filled(
    scores, ages, available, kind, numbers, num_places
):
    score, available = np.asarray(scores, np.float32), np.asarray(available)
    score = np.abs(score) if kind == "proportional" else score
    priorities, ages = priorities_of(kind, *numbers), np.asarray(ages, np.int32)
    count = min(num_places, int(available.sum()))
    slots, _ = draws(priorities, score, ages, available, num_places, 3)
    for batch in slots:
        drawn = batch[batch >= 0]
        assert len(drawn) == len(set(drawn)) == count and np.all(available[drawn])
    found = both(priorities, score, ages, available, num_places)
    assert np.all(found >= 0) and np.all(found <= 1 + 1e-5) and np.all(found[~available] == 0)
    np.testing.assert_allclose(found.sum(), count, atol=1e-3)
    if numbers[1] == 0:
        order = np.argsort(-score[available], kind="stable")
        assert np.all(np.diff(found[available][order]) <= 1e-6)
