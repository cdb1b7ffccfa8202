"""What every curriculum guarantees, whatever happens to its levels; and domain randomisation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ued.tiny import CAPACITY, CURRICULA, NUM_PLACES, REPLAY, edit, learnable, levels, number_of, outcome_of
from ued.curriculum import NOT_KEPT, unknown_extras

EVERYWHERE = jnp.ones(NUM_PLACES, bool)
SCORES = st.sampled_from([float("nan"), float("inf"), -float("inf"), 3e38, -1.0, 0.0, 0.0, 1.0, 2.0, 2.0, 5.0])

every_curriculum = pytest.mark.parametrize("name", CURRICULA)


@st.composite
def generations(draw):
    """Fresh levels, some of them equal, the scores of a generation, and the places whose lives then end."""
    numbers = draw(st.lists(st.integers(0, 15), min_size=NUM_PLACES, max_size=NUM_PLACES))
    scores = draw(st.lists(SCORES, min_size=NUM_PLACES, max_size=NUM_PLACES))
    ended = draw(st.lists(st.booleans(), min_size=NUM_PLACES, max_size=NUM_PLACES))
    return numbers, scores, ended


@functools.cache
def programs(name):
    """Compile sample, update and report; a batch keeps the levels of the places that want none."""
    curriculum = CURRICULA[name]

    def sample(key, state, fresh, wanted, last):
        state, batch = curriculum.sample(key, state, fresh, wanted)

        def place(new, old):
            return jnp.where(wanted.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        return state, jax.tree.map(place, batch, last)

    def update(key, state, batch, outcome):
        state = curriculum.update(key, state, batch, outcome)
        return state, curriculum.report(state, batch, outcome)

    return jax.jit(sample), jax.jit(update)


@functools.cache
def start(name):
    """Return the first state and a batch for it."""
    curriculum = CURRICULA[name]
    state = curriculum.init(jax.tree.map(lambda x: x[0], levels([0])))
    return curriculum.sample(jax.random.key(0), state, levels(np.arange(100, 104)), EVERYWHERE)


def outcomes(name, scores, ended=None):
    """Build an outcome with these scores, which become 0, ¼ or no score under learnability."""
    if name != "sfl":
        return outcome_of(scores, ended)
    shares = np.where(np.isfinite(scores), np.where(np.asarray(scores) > 0, 0.5, 0.0), np.nan)
    return learnable(shares).replace(ended=EVERYWHERE if ended is None else jnp.asarray(ended))


def live(name, steps):
    """Return, for each step, the states before and after the draw, batch, outcome, updated state and its report."""
    sample, update = programs(name)
    state, batch = start(name)
    wanted = np.ones(NUM_PLACES, bool)
    for number, (numbers, scores, ended) in enumerate(steps):
        before, key = state, jax.random.fold_in(jax.random.key(5), number)
        drawn, batch = sample(key, before, levels(numbers), jnp.asarray(wanted), batch)
        outcome = outcomes(name, scores, ended)
        state, report = update(key, drawn, batch, outcome)
        wanted = np.asarray(ended)
        yield jax.tree.map(np.asarray, (before, drawn, batch, outcome, state, report))


WHOLE = [(np.arange(4 * n, 4 * n + 4), [1.0, 2.0, 3.0, 4.0 + n], [True] * 4) for n in range(6)]
"""Six generations whose lives all end."""


def same_kind(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for x, y in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert x.shape == y.shape and x.dtype == y.dtype


@every_curriculum
def test_states_and_batches_are_of_one_kind(name):
    first, first_batch = start(name)
    reports = []
    for before, drawn, batch, _, after, report in live(name, WHOLE):
        for state in (before, drawn, after):
            same_kind(state, first)
        same_kind(batch, first_batch)
        reports.append(report)
        assert all(np.shape(value) == () for value in report.values()) and set(report) == set(reports[0])


@every_curriculum
def test_first_places_are_new_levels_and_no_slot_is_drawn_twice(name):
    num_new = CURRICULA[name].num_measured(NUM_PLACES)
    for (numbers, _, _), (_, _, batch, _, _, _) in zip(WHOLE, live(name, WHOLE), strict=True):
        assert np.all(batch.slots[:num_new] == NOT_KEPT) and np.all(batch.slots < CAPACITY)
        kept = batch.slots[batch.slots != NOT_KEPT]
        assert len(np.unique(kept)) == kept.size
        untouched = (batch.slots == NOT_KEPT) & (batch.parents == NOT_KEPT)
        np.testing.assert_array_equal(number_of(batch.levels)[untouched], np.asarray(numbers)[untouched])
        assert np.all(batch.parents[num_new:] == NOT_KEPT)
    assert name == "dr" or kept.size == 2


@every_curriculum
def test_curriculum_is_the_same_jitted_and_the_same_again(name):
    curriculum = CURRICULA[name]
    *_, (before, _, _, outcome, _, _) = live(name, WHOLE[:4])
    before, outcome = jax.tree.map(jnp.asarray, (before, outcome))
    key, fresh = jax.random.fold_in(jax.random.key(5), 3), levels(WHOLE[3][0])
    state, batch = curriculum.sample(key, before, fresh, EVERYWHERE)
    after = curriculum.update(key, state, batch, outcome)
    *_, (_, drawn, drawn_batch, _, updated, report) = live(name, WHOLE[:4])
    jax.tree.map(np.testing.assert_array_equal, (state, batch, after), (drawn, drawn_batch, updated))
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), curriculum.report(after, batch, outcome), report
    )


@every_curriculum
def test_only_the_key_decides_what_is_drawn(name):
    *_, (_, _, _, _, state, _) = live(name, WHOLE)
    sample = programs(name)[0]
    slots = {
        tuple(
            sample(jax.random.key(seed), state, levels([50, 51, 52, 53]), EVERYWHERE, start(name)[1])[1].slots.tolist()
        )
        for seed in range(20)
    }
    assert len(slots) == 1 if name == "dr" else len(slots) > 3


@every_curriculum
def test_levels_without_a_finite_score_are_neither_kept_nor_replayed(name):
    steps = [(numbers, [float("nan"), float("inf"), -float("inf"), float("nan")], ended) for numbers, _, ended in WHOLE]
    for _, _, batch, _, state, _ in live(name, steps):
        assert np.all(batch.slots == NOT_KEPT)
        assert name == "dr" or not np.any(getattr(state, "active", state).filled)


@every_curriculum
def test_replayed_levels_are_those_that_were_kept(name):
    for before, _, batch, _, _, _ in live(name, WHOLE):
        if name != "dr":
            kept = before.active if name == "sfl" else before
            replayed = np.flatnonzero(batch.slots != NOT_KEPT)
            found = jax.tree.map(lambda x, places=replayed: x[places], batch.levels)
            slots = batch.slots[replayed]
            jax.tree.map(np.testing.assert_array_equal, found, jax.tree.map(lambda x, s=slots: x[s], kept.levels))
            assert np.all(kept.available[slots])


def check_sample(before, drawn, batch, wanted):
    """Assert that no level in use or without a score is drawn, and that those drawn are marked."""
    new_slots = batch.slots[wanted & (batch.slots != NOT_KEPT)]
    assert np.all(before.available[new_slots])
    in_use = batch.slots[batch.slots != NOT_KEPT]
    assert sorted(np.flatnonzero(drawn.in_use)) == sorted(in_use)
    np.testing.assert_array_equal(number_of(drawn.levels), number_of(before.levels))


def check_update(drawn, batch, outcome, after):
    """Assert that the best of the levels not in use and the new ones are kept, as computed with a Python list."""
    replayed = outcome.ended & (batch.slots != NOT_KEPT)
    score = np.where(np.isfinite(outcome.agent_return), outcome.agent_return, -np.inf)
    old = {int(slot): float(drawn.score[slot]) for slot in np.flatnonzero(drawn.filled)}
    old |= {int(slot): float(s) for slot, s in zip(batch.slots[replayed], score[replayed], strict=True)}
    going_on = batch.slots[(batch.slots != NOT_KEPT) & ~outcome.ended]
    known, new = set(number_of(drawn.levels)[drawn.filled].tolist()), []
    for place in np.flatnonzero(outcome.ended & (batch.slots == NOT_KEPT) & np.isfinite(score)):
        number = int(number_of(batch.levels)[place])
        if number not in known:
            known.add(number)
            new.append(float(score[place]))
    rivals = sorted([*(s for slot, s in old.items() if slot not in going_on), *new], reverse=True)
    expected = [*(old[int(slot)] for slot in going_on), *rivals[: CAPACITY - len(going_on)]]
    assert sorted(after.score[after.filled].tolist()) == pytest.approx(sorted(expected))

    np.testing.assert_array_equal(after.identity[going_on], drawn.identity[going_on])
    assert sorted(np.flatnonzero(after.in_use)) == sorted(going_on)
    numbers = number_of(after.levels)[after.filled]
    assert len(np.unique(numbers)) == numbers.size == np.sum(after.filled) == after.num_arrived - after.num_evicted
    identity = after.identity[after.filled]
    assert len(np.unique(identity)) == identity.size and np.all((identity >= 0) & (identity < after.num_arrived))
    assert np.all(after.parent[after.filled] < identity)
    assert np.all(after.identity[~after.filled] == NOT_KEPT) and np.all(np.isneginf(after.score[~after.filled]))
    assert not np.any(np.isnan(after.score) | np.isposinf(after.score))
    assert np.all(after.visits[after.filled] >= 1) and np.all(after.last_drawn <= after.generation)
    assert np.all(after.visits[after.filled] <= after.generation - after.born[after.filled])


def check_probabilities(name, state):
    parts = CURRICULA[name].inclusion(jax.tree.map(jnp.asarray, state), NUM_PLACES)
    chance = np.sum(list(parts.values()), axis=0)
    available = (state.active if name == "sfl" else state).available
    assert np.all(chance[~available] == 0) and np.all(chance[available] > 0) and np.all(chance <= 1 + 1e-5)
    num_replayed = NUM_PLACES - CURRICULA[name].num_measured(NUM_PLACES)
    np.testing.assert_allclose(chance.sum(), min(num_replayed, available.sum()), rtol=1e-3)


@pytest.mark.parametrize("name", REPLAY)
@settings(max_examples=30, deadline=None)
@given(steps=st.lists(generations(), min_size=1, max_size=12))
def test_buffer_keeps_its_promises_whatever_happens(name, steps):
    wanted = np.ones(NUM_PLACES, bool)
    for before, drawn, batch, outcome, after, _ in live(name, steps):
        check_sample(before, drawn, batch, wanted)
        check_update(drawn, batch, outcome, after)
        wanted = outcome.ended
    check_probabilities(name, after)


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(generations(), min_size=1, max_size=12))
def test_learnable_levels_keep_their_promises_whatever_happens(steps):
    wanted = np.ones(NUM_PLACES, bool)
    for before, _, batch, outcome, after, _ in live("sfl", steps):
        assert np.all(before.active.available[batch.slots[wanted & (batch.slots != NOT_KEPT)]])
        wanted = outcome.ended
        for kept in (after.active, after.found):
            numbers = number_of(kept.levels)[kept.filled]
            assert len(np.unique(numbers)) == numbers.size and np.all(np.isin(kept.score[kept.filled], [0.0, 0.25]))
            assert np.all(np.isneginf(kept.score[~kept.filled]))
    check_probabilities("sfl", after)


def test_edited_levels_are_distinguished_from_others():
    child = edit(jax.random.key(0), jax.tree.map(lambda x: x[0], levels([3])))
    assert number_of(child) in (1003, 2003, 3003)


def test_domain_randomization_passes_on_all_fresh_levels_and_keeps_nothing():
    for (numbers, _, _), (_, _, batch, _, state, report) in zip(WHOLE, live("dr", WHOLE), strict=True):
        np.testing.assert_array_equal(number_of(batch.levels), numbers)
        assert np.all(batch.trains) and state == () and report == {}
    assert CURRICULA["dr"].num_measured(NUM_PLACES) == 0


def test_standard_error_of_the_antagonists_by_hand():
    extras = unknown_extras(2).replace(
        antagonist_variance=jnp.asarray([0.5, jnp.nan]), antagonist_count=jnp.asarray([2, 1])
    )
    np.testing.assert_array_equal(extras.antagonist_standard_error, [0.5, np.nan])
