"""Sampling for learnability: one pool per period, and half of each batch from the best of the last pool."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.ued.tiny import learnable, levels, number_of
from ued.curriculum import NOT_KEPT
from ued.learnability_sampling import LearnabilitySampling
from ued.settings import ReplaySettings

SFL = LearnabilitySampling(4, ReplaySettings(sfl_period=3))
EVERYWHERE = jnp.ones(4, bool)
NAN = float("nan")

# Success shares of the two new levels of each generation; learnability is ¼ at ½, 3⁄16 at ¼ and ¾, else 0.
SHARES = [(0.5, 1.0), (0.25, NAN), (0.5, 0.0), (0.0, 0.0), (0.75, 1.0), (NAN, NAN), (NAN, NAN), (NAN, NAN), (NAN, NAN)]


@functools.cache
def programs():
    return jax.jit(SFL.sample), jax.jit(SFL.update)


@functools.cache
def history():
    """Return batch and state after each generation; generation g offers levels 10 g … 10 g + 3."""
    sample, update = programs()
    state, past = SFL.init(jax.tree.map(lambda x: x[0], levels([0]))), []
    for number, shares in enumerate(SHARES):
        key = jax.random.key(number)
        state, batch = sample(key, state, levels(10 * number + np.arange(4)), EVERYWHERE)
        # A level that is not measured has no random return, hence no learnability.
        outcome = learnable([*shares, 0.5, 0.5])
        extras = outcome.extras.replace(random_return=outcome.extras.random_return.at[2:].set(jnp.nan))
        state = update(key, state, batch, outcome.replace(extras=extras))
        past.append((batch, state))
    return past


def held(buffer):
    return dict(
        zip(number_of(buffer.levels)[buffer.filled].tolist(), buffer.score[buffer.filled].tolist(), strict=True)
    )


def test_pool_of_a_period_is_drawn_from_in_the_next():
    states = [state for _, state in history()]
    assert held(states[0].found) == {0: 0.25, 1: 0.0} and held(states[0].active) == {}
    assert held(states[1].found) == {0: 0.25, 1: 0.0, 10: 0.1875} and held(states[1].active) == {}
    # The most learnable four of five.
    assert held(states[2].active) == {0: 0.25, 20: 0.25, 10: 0.1875, 21: 0.0} and held(states[2].found) == {}
    assert held(states[4].active) == held(states[2].active)
    assert held(states[5].active) == {30: 0.0, 31: 0.0, 40: 0.1875, 41: 0.0} and held(states[5].found) == {}
    # A period without a measurable level leaves nothing to replay.
    assert held(states[8].active) == {}
    assert [int(state.generation) for state in states] == list(range(1, 10))


def test_half_of_a_batch_is_replayed_once_there_is_a_pool():
    for number, (batch, _) in enumerate(history()):
        found = number_of(batch.levels)
        np.testing.assert_array_equal(found[:2], [10 * number, 10 * number + 1])
        assert np.all(batch.slots[:2] == NOT_KEPT) and np.all(batch.trains)
        if number < 3:
            assert np.all(batch.slots == NOT_KEPT)
            np.testing.assert_array_equal(found[2:], [10 * number + 2, 10 * number + 3])
        else:
            assert np.all(batch.slots[2:] != NOT_KEPT) and found[2] != found[3]
            assert set(found[2:]) <= ({0, 20, 10, 21} if number < 6 else {30, 31, 40, 41})


def test_kept_levels_are_drawn_uniformly():
    # Learnability chooses the pool and has no further effect.
    state, num_samples = history()[2][1], 4000
    np.testing.assert_allclose(SFL.inclusion(state, num_places=4)["uniform"], 0.5)
    keys = jax.random.split(jax.random.key(0), num_samples)
    draw = jax.jit(jax.vmap(lambda key: SFL.sample(key, state, levels([1, 2, 3, 4]), EVERYWHERE)[1].slots[2]))
    # The margin is five standard deviations; the seed is fixed.
    found = np.bincount(draw(keys), minlength=4) / num_samples
    assert np.all(np.abs(found - 0.25) < 5 * np.sqrt(0.25 * 0.75 / num_samples))


def test_places_that_want_no_level_get_none():
    batch = programs()[0](jax.random.key(0), history()[2][1], levels([1, 2, 3, 4]), EVERYWHERE.at[2].set(False))[1]
    assert batch.slots[2] == NOT_KEPT != batch.slots[3]


def test_report_counts_the_pool_and_scores_the_new_levels():
    batch, state = history()[4]
    outcome = learnable([0.5, NAN, 0.25, 0.25])
    numbers = SFL.report(state, batch, outcome)
    assert (numbers["levels_kept"], numbers["levels_replayed"], numbers["score_new"]) == (4, 2, 0.25)
    np.testing.assert_allclose(numbers["kept_score"], (0.25 + 0.25 + 0.1875) / 4)


def test_num_measured_is_the_number_not_replayed():
    assert (
        SFL.num_measured(4) == 2 and LearnabilitySampling(4, ReplaySettings(replay_fraction=0.25)).num_measured(4) == 3
    )
    assert SFL.score.needs == {"random"}


def test_a_pool_smaller_than_the_levels_in_use_is_refused():
    with pytest.raises(ValueError, match=r"capacity must be >= the 5 levels in use, got 4$"):
        SFL.sample(jax.random.key(0), history()[0][1], levels([1, 2, 3, 4, 5]), jnp.ones(5, bool))


def test_nothing_kept_is_refused():
    with pytest.raises(ValueError, match=r"^LearnabilitySampling.capacity must be >= 1, got 0$"):
        LearnabilitySampling(0)
