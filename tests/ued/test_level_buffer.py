"""The level buffer: what is stored, evicted and drawn; by hand and against a restatement in Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.ued.tiny import batch_of, levels, number_of, outcome_of
from ued.level_buffer import LevelBuffer, draw_slots, empty_buffer, give_back, is_repeated, keep_best, take

NAN, INF = float("nan"), float("inf")

keep = jax.jit(keep_best)


def buffer_of(numbers, scores, in_use=(), generation=9, capacity=None):
    """Build a buffer whose first slots hold levels, the oldest first."""
    count, capacity = len(numbers), capacity or len(numbers)
    empty = empty_buffer(jax.tree.map(lambda x: x[0], levels([0])), capacity)

    def put(kept, values):
        return kept.at[:count].set(jnp.asarray(values, kept.dtype))

    return empty.replace(
        levels=jax.tree.map(put, empty.levels, levels(numbers)) if count else empty.levels,
        filled=put(empty.filled, np.ones(count)),
        in_use=empty.in_use.at[jnp.asarray(in_use, jnp.int32)].set(True),
        score=put(empty.score, scores),
        identity=put(empty.identity, np.arange(count)),
        visits=put(empty.visits, np.ones(count)),
        generation=jnp.int32(generation),
        num_arrived=jnp.int32(count),
    )


def kept(buffer):
    """Return number and score of each level in a buffer by slot; None for an empty slot."""
    numbers = number_of(buffer.levels)
    return [(int(n), float(s)) if f else None for n, s, f in zip(numbers, buffer.score, buffer.filled, strict=True)]


def counters(buffer):
    return int(buffer.num_arrived), int(buffer.num_evicted)


def test_empty_buffer_holds_nothing_that_may_be_drawn():
    buffer = empty_buffer({"cells": jnp.zeros((2, 3), bool), "lifetime": jnp.int32(1)}, 5)
    assert buffer.capacity == 5 and buffer.levels["cells"].shape == (5, 2, 3)
    assert buffer.levels["cells"].dtype == bool and buffer.levels["lifetime"].dtype == np.int32
    assert not np.any(buffer.available) and not np.any(buffer.in_use) and counters(buffer) == (0, 0)
    np.testing.assert_array_equal(buffer.score, -INF)
    np.testing.assert_array_equal(buffer.identity, -1)


def test_only_scored_levels_that_are_not_in_use_are_available():
    # Trap: flags rebuilt from another array, so that a level without a score can be replayed.
    buffer = buffer_of([5, 6, 7], [1.0, -INF, 2.0], in_use=[2], capacity=5)
    np.testing.assert_array_equal(buffer.available, [True, False, False, False, False])


def test_best_new_levels_replace_the_worst_by_hand():
    buffer = buffer_of([10, 11, 12], [5.0, 1.0, 0.0], in_use=[2], capacity=4)
    after = keep(buffer, batch_of([20, 21, 22, 23]), outcome_of([4.0, 2.0, NAN, 6.0]), jnp.asarray([4, 2, -INF, 6.0]))
    # 6 takes the empty slot and 4 the slot of 1; 2 is below 5, and the 0 is in use.
    assert kept(after) == [(10, 5.0), (20, 4.0), (12, 0.0), (23, 6.0)]
    assert counters(after) == (5, 1)
    np.testing.assert_array_equal(after.identity, [0, 4, 2, 3])
    np.testing.assert_array_equal(after.born, [0, 9, 0, 9])
    np.testing.assert_array_equal(after.last_drawn, [0, 9, 0, 9])
    np.testing.assert_array_equal(after.visits, [1, 1, 1, 1])
    np.testing.assert_array_equal(after.in_use, buffer.in_use)


def test_extras_are_stored_with_a_level():
    batch = batch_of([20, 21]).replace(parents=jnp.asarray([7, -1], jnp.int32))
    outcome = outcome_of([1.0, 2.0])
    extras = outcome.extras.replace(best_return=jnp.asarray([-3.0, -4.0]), antagonist_count=jnp.asarray([2, 3]))
    after = keep(buffer_of([], [], capacity=3), batch, outcome.replace(extras=extras), outcome.agent_return)
    assert kept(after) == [(21, 2.0), (20, 1.0), None]
    np.testing.assert_array_equal(after.parent, [-1, 7, -1])
    np.testing.assert_array_equal(after.extras.best_return, [-4, -3, -INF])
    np.testing.assert_array_equal(after.extras.antagonist_count, [3, 2, 0])
    np.testing.assert_array_equal(after.agent_return, [2, 1, NAN])


def test_a_level_as_good_as_the_worst_replaces_it():
    after = keep(buffer_of([1, 2], [3.0, 3.0]), batch_of([7, 8]), outcome_of([3.0, 3.0]), jnp.asarray([3.0, 3.0]))
    assert kept(after) == [(7, 3.0), (8, 3.0)] and counters(after) == (4, 2)


def test_nothing_is_evicted_while_there_is_room():
    buffer = buffer_of([1, 2], [-INF, 5.0], capacity=3)
    after = keep(buffer, batch_of([7, 8]), outcome_of([1.0, 2.0]), jnp.asarray([1.0, 2.0]))
    # Once it is full, the level without a score goes first.
    assert kept(after) == [(7, 1.0), (2, 5.0), (8, 2.0)] and counters(after) == (4, 1)


def test_a_level_in_use_is_never_evicted():
    buffer = buffer_of([1, 2, 3], [-INF, 0.0, 1.0], in_use=[0, 1, 2])
    after = keep(buffer, batch_of([7, 8]), outcome_of([9.0, 8.0]), jnp.asarray([9.0, 8.0]))
    assert kept(after) == kept(buffer) and counters(after) == (3, 0)


def test_levels_unscored_or_with_unfinished_lives_or_already_kept_are_not_stored():
    # Trap: NaN that sorts first.
    score = jnp.asarray([-INF, 5.0, 6.0, 1.0])
    outcome = outcome_of([NAN, 5.0, 6.0, 1.0], ended=[True, False, True, True])
    after = keep(buffer_of([], [], capacity=4), batch_of([1, 2, 3, 4], slots=[-1, -1, 0, -1]), outcome, score)
    assert kept(after) == [(4, 1.0), None, None, None]


def test_exact_duplicates_are_stored_once():
    buffer = buffer_of([1, 2], [1.0, 2.0], capacity=6)
    batch, score = batch_of([2, 5, 5, 5]), jnp.asarray([9.0, 3.0, 4.0, 5.0])
    after = keep(buffer, batch, outcome_of(score), score)
    assert kept(after) == [(1, 1.0), (2, 2.0), (5, 3.0), None, None, None]
    # A duplicate that is not offered itself does not block another.
    after = keep(buffer, batch, outcome_of(score, ended=[True, False, True, True]), score)
    assert kept(after)[2] == (5, 4.0)


def test_a_level_is_a_duplicate_only_if_all_of_it_is():
    buffer = buffer_of([4], [1.0], capacity=3)
    offered = levels([4, 4, 0])
    # An empty slot holds zeros, which do not count as a level.
    offered["lifetime"] = offered["lifetime"].at[1].add(1)
    zeros = jax.tree.map(lambda x: x.at[2].set(0), offered)
    np.testing.assert_array_equal(is_repeated(buffer, zeros, jnp.ones(3, bool)), [True, False, False])


def test_more_new_levels_than_slots():
    score = jnp.asarray([1.0, 4.0, 3.0, 2.0, 5.0])
    after = keep(buffer_of([9], [3.5], capacity=2), batch_of([1, 2, 3, 4, 5]), outcome_of(score), score)
    assert kept(after) == [(2, 4.0), (5, 5.0)] and counters(after) == (3, 1)


def test_give_back_writes_to_the_slots_of_the_levels():
    # Trap: mistaking the place in the batch for the slot in the buffer.
    buffer = buffer_of([1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 5.0], in_use=[4, 1, 2])
    batch = batch_of([90, 5, 91, 2, 3], slots=[-1, 4, -1, 1, 2])
    outcome = outcome_of([7.0, 8.0, 9.0, NAN, 6.0], ended=[True, True, True, True, False])
    extras = outcome.extras.replace(best_return=jnp.arange(5.0))
    after = give_back(buffer, batch, outcome.replace(extras=extras), jnp.asarray([7.0, 8.0, 9.0, -INF, 6.0]))
    assert kept(after) == [(1, 1.0), (2, -INF), (3, 3.0), (4, 4.0), (5, 8.0)]
    np.testing.assert_array_equal(after.in_use, [False, False, True, False, False])
    np.testing.assert_array_equal(after.extras.best_return, [-INF, 3, -INF, -INF, 1])
    np.testing.assert_array_equal(after.agent_return, [NAN, NAN, NAN, NAN, 8])
    np.testing.assert_array_equal(after.visits, [1, 2, 1, 1, 2])


def test_take_marks_the_levels_drawn_and_no_other():
    buffer = buffer_of([1, 2, 3], [1.0, 2.0, 3.0], in_use=[1], generation=4)
    after = take(buffer, jnp.asarray([-1, 0], jnp.int32))
    # -1 means no slot, not the last one.
    np.testing.assert_array_equal(after.in_use, [True, True, False])
    np.testing.assert_array_equal(after.last_drawn, [4, 0, 0])
    np.testing.assert_array_equal(after.age, [0, 4, 4])


def test_draw_slots_gives_distinct_available_slots_uniformly():
    available, num_draws = jnp.asarray([False, True, True, False, True]), 10_000
    keys = jax.random.split(jax.random.key(0), num_draws)
    for row in np.asarray(jax.vmap(lambda key: draw_slots(key, available, 4))(keys[:50])):
        assert sorted(row) == [-1, 1, 2, 4] and row[3] == -1
    first = np.asarray(jax.jit(jax.vmap(lambda key: draw_slots(key, available, 2)))(keys))[:, 0]
    # The margin is five standard deviations; the seed is fixed.
    assert np.all(
        np.abs(np.bincount(first, minlength=5)[[1, 2, 4]] / num_draws - 1 / 3) < 5 * np.sqrt(2 / 9 / num_draws)
    )
    np.testing.assert_array_equal(draw_slots(jax.random.key(0), jnp.zeros(5, bool), 2), [-1, -1])


def test_of_equal_scores_the_oldest_level_goes():
    # Trap: a score that is the same for all levels froze the first C of them, so that the control arm was a fixed set.
    buffer = empty_buffer(jax.tree.map(lambda x: x[0], levels([0])), 4)
    for generation in range(5):
        batch = batch_of([10 * generation, 10 * generation + 1])
        buffer = keep_best(buffer, batch, outcome_of([0.0, 0.0]), jnp.zeros(2))
        buffer = buffer.replace(generation=buffer.generation + 1)
    assert set(number_of(buffer.levels).tolist()) == {30, 31, 40, 41} and buffer.num_evicted == 6


@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_old_and_new_are_kept(seed):
    random = np.random.default_rng(seed)
    for _ in range(20):
        filled = int(random.integers(0, 7))
        scores = random.choice([-INF, -1.0, 0.0, 1.0, 2.0, 3e38], filled)
        in_use = np.flatnonzero(random.random(filled) < 0.3)
        new = random.choice([-INF, -2.0, 0.0, 1.0, 2.0, 3.0], 4).astype(np.float32)
        ended = random.random(4) < 0.8
        buffer: LevelBuffer = buffer_of(100 + np.arange(filled), scores, in_use, capacity=6)
        after = keep(buffer, batch_of([1, 2, 3, 4]), outcome_of(new, ended), jnp.asarray(new))
        rivals = sorted([*np.delete(scores, in_use), *new[ended & np.isfinite(new)]], reverse=True)
        rest = [score for slot, score in zip(range(6), after.score, strict=True) if slot not in in_use]
        found = sorted([float(s) for s, f in zip(after.score, after.filled, strict=True) if f], reverse=True)
        best = rivals[: 6 - len(in_use)]
        assert found == pytest.approx(sorted([*best, *scores[in_use]], reverse=True)) and len(rest) == 6 - len(in_use)
        assert all(kept(after)[slot] == kept(buffer)[slot] for slot in in_use)
        arrived, evicted = counters(after)
        assert arrived - evicted == len(found) and np.sum(after.filled) == len(found)
