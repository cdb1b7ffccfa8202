"""The history of a buffer: which levels stand for all, and that what was saved is read again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from groove.records.buffer_history import NUM_KEPT, BufferHistory, thinned
from tests.ued.tiny import CURRICULA, levels, number_of
from ued.learnability_sampling import LearnabilityState
from ued.level_buffer import empty_buffer

EXAMPLE = jax.tree.map(lambda x: x[0], levels([0]))


def buffer_with(scores, capacity):
    """Build a buffer whose last slots hold levels numbered by their scores."""
    empty, count = empty_buffer(EXAMPLE, capacity), len(scores)
    where = capacity - count + np.arange(count)
    return empty.replace(
        levels=jax.tree.map(lambda kept, new: kept.at[where].set(new), empty.levels, levels(scores)),
        filled=empty.filled.at[where].set(True),
        score=empty.score.at[where].set(jnp.asarray(scores, jnp.float32)),
    )


def test_snapshot_is_evenly_spaced_by_score():
    scores = np.random.default_rng(0).permutation(1 + 3 * (NUM_KEPT - 1))
    thin = thinned(buffer_with(scores, 300))
    np.testing.assert_array_equal(thin.score, np.arange(NUM_KEPT)[::-1] * 3)
    np.testing.assert_array_equal(number_of(thin.levels), thin.score)
    assert thin.filled.all() and thin.filled.shape == (NUM_KEPT,)


@pytest.mark.parametrize(("num_levels", "capacity"), [(0, 4), (3, 4), (4, 4), (10, 100), (64, 100)])
def test_few_levels_are_all_kept_once(num_levels, capacity):
    thin = thinned(buffer_with(1 + np.arange(num_levels), capacity))
    assert thin.filled.shape == (min(capacity, NUM_KEPT),) and thin.filled.sum() == num_levels
    assert sorted(number_of(thin.levels)[thin.filled].tolist()) == list(range(1, num_levels + 1))


def test_snapshots_are_read_in_their_order_and_broken_ones_passed_over(tmp_path):
    history = BufferHistory(tmp_path / "history")
    for generation, scores in ((4, [1, 2]), (12, [5, 6, 7]), (8, [3])):
        # One that goes back forgets what came later.
        history.save(generation, buffer_with(scores, 6))
    state = buffer_with([9], 6)
    assert list(history.read(jax.eval_shape(lambda: state))) == [4, 8]
    found = history.read(state)
    assert sorted(found[4].score[found[4].filled].tolist()) == [1, 2] and found[8].filled.sum() == 1
    (tmp_path / "history" / "generation_00000006.safetensors").write_bytes(b"cut off")
    assert list(history.read(state)) == [4, 8]


def test_history_of_sfl_is_that_of_the_levels_it_draws_from(tmp_path):
    history = BufferHistory(tmp_path)
    active, found = buffer_with([1, 2], 6), buffer_with([8], 6)
    state = LearnabilityState(active, found, jnp.int32(3))
    history.save(3, state)
    assert history.read(state)[3].filled.sum() == 2


def test_curriculum_without_a_buffer_has_no_history(tmp_path):
    history, state = BufferHistory(tmp_path / "history"), CURRICULA["dr"].init(EXAMPLE)
    history.save(3, state)
    assert history.read(state) == {} and not (tmp_path / "history").exists()
