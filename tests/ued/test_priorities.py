"""Replay priorities: probabilities worked by hand, and what must hold for any scores."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from ued.priorities import Priorities, ranks
from ued.settings import ReplaySettings

SIZE = 8
ALL = jnp.ones(4, bool)
NO_AGE = jnp.zeros(4, jnp.int32)
SCORES = st.lists(
    st.one_of(
        st.sampled_from([0.0, 1.0, -1.0, 3e38, -3e38, 2e-38]), st.floats(-1e3, 1e3, width=32, allow_subnormal=False)
    ),
    min_size=SIZE,
    max_size=SIZE,
)


def priorities_of(kind="rank", temperature=0.3, staleness=0.3):
    return Priorities(ReplaySettings(priorities=kind, temperature=temperature, staleness=staleness))


@functools.cache
def program(kind, temperature, staleness):
    return jax.jit(priorities_of(kind, temperature, staleness))


def test_ranks_by_hand():
    score = jnp.asarray([2.0, 5.0, -1.0, 5.0, 2.0, 9.0])
    available = jnp.asarray([True, True, True, True, True, False])
    np.testing.assert_array_equal(ranks(score, available)[:5], [3, 1, 5, 1, 3])


@settings(max_examples=25, deadline=None)
@given(scores=SCORES, available=st.lists(st.booleans(), min_size=SIZE, max_size=SIZE))
def test_ranks_are_those_of_scipy(scores, available):
    score, available = np.asarray(scores, np.float32), np.asarray(available)
    found = np.asarray(ranks(jnp.asarray(score), jnp.asarray(available)))
    np.testing.assert_array_equal(found[available], rankdata(-score[available], method="min"))


def test_rank_share_by_hand():
    # Ranks 1, 4, 1, 3 at β = 1⁄2: weights 1, 1⁄16, 1, 1⁄9.
    found = priorities_of(temperature=0.5).score_share(jnp.asarray([3.0, 1.0, 3.0, 2.0]), ALL)
    weights = np.asarray([1, 1 / 16, 1, 1 / 9])
    np.testing.assert_allclose(found, weights / weights.sum(), rtol=1e-5)


def test_proportional_share_by_hand():
    score = jnp.asarray([1.0, 2.0, 0.0, 4.0])
    found = priorities_of("proportional", temperature=1.0).score_share(score, ALL)
    np.testing.assert_allclose(found, np.asarray([1, 2, 0, 4]) / 7, rtol=1e-5)
    found = priorities_of("proportional", temperature=0.5).score_share(score, ALL)
    np.testing.assert_allclose(found, np.asarray([1, 4, 0, 16]) / 21, rtol=1e-5)


def test_stale_share_by_hand():
    priorities, available = priorities_of(), jnp.asarray([True, True, True, False])
    found = priorities.stale_share(jnp.asarray([0, 1, 3, 7]), available)
    np.testing.assert_allclose(found, [0, 0.25, 0.75, 0], rtol=1e-5)
    # All were drawn just now, so the share is uniform.
    np.testing.assert_allclose(priorities.stale_share(NO_AGE, available), [1 / 3, 1 / 3, 1 / 3, 0], rtol=1e-5)


def test_priorities_mix_score_and_staleness_by_hand():
    # Ranks 2 and 1 at β = 1: P_score = 1⁄3, 2⁄3; ages 3 and 1: P_stale = 3⁄4, 1⁄4; ρ = 2⁄5.
    priorities = priorities_of(temperature=1.0, staleness=0.4)
    available = jnp.asarray([True, False, True, False])
    found = priorities(jnp.asarray([1.0, 9.0, 2.0, -jnp.inf]), jnp.asarray([3, 9, 1, 9]), available)
    np.testing.assert_allclose(found, [0.6 / 3 + 0.3, 0, 0.6 * 2 / 3 + 0.1, 0], rtol=1e-5)


def test_temperature_sets_how_greedy():
    # Trap: a temperature without effect.
    score = jnp.asarray([4.0, 3.0, 2.0, 1.0])
    best = [
        float(priorities_of(kind, temperature, 0.0)(score, NO_AGE, ALL)[0])
        for kind in ("rank", "proportional")
        for temperature in (0.05, 0.3, 1.0, 1e6)
    ]
    for four in (best[:4], best[4:]):
        assert np.all(np.diff(four) < -0.01)
    np.testing.assert_allclose(best[::4], 1, atol=0.01)
    np.testing.assert_allclose(best[3::4], 0.25, atol=0.01)


def test_staleness_of_one_forgets_the_scores_and_of_zero_the_ages():
    score, age = jnp.asarray([4.0, 3.0, 2.0, 1.0]), jnp.asarray([1, 1, 1, 5])
    np.testing.assert_allclose(priorities_of(staleness=1.0)(score, age, ALL), np.asarray([1, 1, 1, 5]) / 8, rtol=1e-5)
    by_score = priorities_of(staleness=0.0)
    np.testing.assert_array_equal(by_score(score, age, ALL), by_score(score, NO_AGE, ALL))


def test_equal_scores_are_drawn_equally():
    for kind in ("rank", "proportional"):
        for value in (0.0, 2.0):
            np.testing.assert_allclose(priorities_of(kind)(jnp.full(4, value), NO_AGE, ALL), 0.25, rtol=1e-5)


def test_large_scores_do_not_overflow():
    # Trap: exp(score / T) overflows above a score of 88 T.
    score = jnp.asarray([3e38, 1e38, 100.0, 0.0])
    for kind in ("rank", "proportional"):
        for temperature in (0.01, 0.3):
            found = np.asarray(priorities_of(kind, temperature, 0.0)(score, NO_AGE, ALL))
            assert np.all(np.isfinite(found)) and np.argmax(found) == 0
            np.testing.assert_allclose(found.sum(), 1, rtol=1e-5)


def test_unavailable_slots_play_no_part():
    # Trap: a NaN that sorts first.
    available = jnp.asarray([False, True, True, False])
    for kind in ("rank", "proportional"):
        priorities = priorities_of(kind)
        expected = priorities(jnp.asarray([0.0, 2.0, 1.0, 0.0]), NO_AGE, available)
        for odd in (jnp.nan, jnp.inf, -jnp.inf):
            found = priorities(jnp.asarray([odd, 2.0, 1.0, odd]), NO_AGE, available)
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            assert found[0] == found[3] == 0 and found[1] > found[2]
        np.testing.assert_array_equal(priorities(jnp.full(4, jnp.nan), NO_AGE, ~ALL), 0)


@settings(max_examples=40, deadline=None)
@given(
    scores=SCORES,
    ages=st.lists(st.sampled_from([0, 1, 2, 10**9]), min_size=SIZE, max_size=SIZE),
    available=st.lists(st.booleans(), min_size=SIZE, max_size=SIZE),
    kind=st.sampled_from(["rank", "proportional"]),
    numbers=st.sampled_from([(0.3, 0.3), (0.01, 0.0), (5.0, 1.0)]),
)
def test_probabilities_sum_to_one_and_follow_the_scores(scores, ages, available, kind, numbers):
    score, available = np.asarray(scores, np.float32), np.asarray(available)
    score = np.abs(score) if kind == "proportional" else score
    found = np.asarray(
        program(kind, *numbers)(jnp.asarray(score), jnp.asarray(ages, jnp.int32), jnp.asarray(available))
    )
    assert np.all(found >= 0) and np.all(found[~available] == 0)
    np.testing.assert_allclose(found.sum(), float(available.any()), atol=1e-5)
    if numbers[1] == 0:
        order = np.argsort(-score[available], kind="stable")
        assert np.all(np.diff(found[available][order]) <= 1e-6)
