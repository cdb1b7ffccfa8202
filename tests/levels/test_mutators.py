"""Edits of levels: valid whatever is drawn, one change at a time, and no change where none is possible."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levels.generators.distributions import DISTRIBUTIONS, LevelDistribution
from levels.level import Level, is_valid
from levels.mutators import MUTATORS, Edits, Limits

CRAMPED = LevelDistribution(2, 4, 10, 1, 3, 1, 9, 10, 250)
"""Ten walls for sixteen cells, so many levels have no free cell."""

CASES = {"all": (DISTRIBUTIONS["all"], Limits(20, 750)), "cramped": (CRAMPED, Limits(1, 9))}
NUM_LEVELS = 500

OBJECT_FIELDS = {"object_cells", "object_types", "object_rewards", "object_terminate_probs", "object_respawn_probs"}
TOUCHED = {
    "flip_wall": {"walls"},
    "move_start": {"start"},
    "move_object": {"object_cells"},
    "add_object": OBJECT_FIELDS,
    "remove_object": OBJECT_FIELDS,
    "reward": {"object_rewards"},
    "terminate": {"object_terminate_probs"},
    "respawn": {"object_respawn_probs"},
    "max_steps": {"max_steps_in_episode"},
}
"""The fields that an edit may change."""


@functools.cache
def all_edits(case):
    """Compile one program that draws levels and applies to each every edit, and ten edits of any kind."""
    generator, limits = CASES[case]
    edits = {name: Edits(1, (name,), limits) for name in MUTATORS} | {"ten": Edits(10, limits=limits)}

    def run(key):
        level_key, edit_key = jax.random.split(key)
        level = generator.sample(level_key)
        edited = {name: edit(edit_key, level) for name, edit in edits.items()}
        return level, edited, {name: is_valid(after) for name, after in edited.items()}

    return jax.jit(jax.vmap(run))


@functools.cache
def edited(case, seed=0):
    found = all_edits(case)(jax.random.split(jax.random.key(seed), NUM_LEVELS))
    return jax.tree.map(np.asarray, found)


def fields(level):
    return {name: np.asarray(getattr(level, name)) for name in OBJECT_FIELDS.union(*TOUCHED.values())} | {
        name: np.asarray(getattr(level, name)) for name in ("height", "width", "lifetime")
    }


def changed(before, after):
    """Return for each level and field whether it changed."""
    after = fields(after)
    return {
        name: (values != after[name]).reshape(len(values), -1).any(1) if values.ndim else values != after[name]
        for name, values in fields(before).items()
    }


def any_changed(before, after):
    return np.any(list(changed(before, after).values()), axis=0)


def flat_walls(levels):
    return levels.walls.reshape(len(levels.walls), -1)


def standing(levels, k):
    return {int(levels.start[k]), *levels.object_cells[k][levels.object_types[k] >= 0].tolist()}


cases = pytest.mark.parametrize("case", sorted(CASES))


@settings(max_examples=8, deadline=None)
@given(case=st.sampled_from(sorted(CASES)), seed=st.integers(0, 2**31 - 1))
def test_every_edit_is_valid_canonical_and_within_the_limits(case, seed):
    before, after, valid = edited(case, seed)
    limits = CASES[case][1]
    for name, level in after.items():
        assert np.all(valid[name]), name
        used = level.object_types >= 0
        assert np.all(used.sum(1) >= 1)
        slots = np.broadcast_to(np.arange(used.shape[1]), used.shape)
        np.testing.assert_array_equal(level.object_types, np.where(used, slots, -1))
        for field in OBJECT_FIELDS - {"object_types"}:
            assert not getattr(level, field)[~used].any(), (name, field)
        assert level.max_steps_in_episode.min() >= limits.min_steps
        assert level.max_steps_in_episode.max() <= limits.max_steps
        for field, values in fields(before).items():
            assert getattr(level, field).dtype == values.dtype and getattr(level, field).shape == values.shape
        assert not any(changed(before, level)[field].any() for field in ("height", "width", "lifetime"))


@pytest.mark.parametrize("name", sorted(MUTATORS))
@cases
def test_edit_changes_only_what_its_name_says(case, name):
    before, after, _ = edited(case)
    touched = {field for field, where in changed(before, after[name]).items() if where.any()}
    assert touched == TOUCHED[name]


def test_edit_changes_something_in_most_levels():
    before, after, _ = edited("all")
    share = {name: any_changed(before, level).mean() for name, level in after.items()}
    # `all` draws one object, or as many as there are slots, in a fifth of its levels each.
    for name, least in {"remove_object": 0.7, "add_object": 0.7, "max_steps": 0.95}.items():
        assert least < share.pop(name) < 1
    assert set(share.values()) == {1.0}


@cases
def test_flip_wall_flips_one_cell_that_nobody_stands_on(case):
    before, after, _ = edited(case)
    flipped = before.walls != after["flip_wall"].walls
    assert np.all(flipped.sum((1, 2)) <= 1)
    k, row, column = np.nonzero(flipped)
    assert np.all((row < before.height[k]) & (column < before.width[k]))
    assert all(int(r * flipped.shape[2] + c) not in standing(before, i) for i, r, c in zip(k, row, column, strict=True))
    opened = before.walls[flipped]
    assert opened.any() and not opened.all()
    # It is impossible only if start and objects fill the level.
    filled = 1 + (before.object_types >= 0).sum(1) == before.height * before.width
    np.testing.assert_array_equal(~flipped.any((1, 2)), filled)


@pytest.mark.parametrize(("name", "field"), [("move_start", "start"), ("move_object", "object_cells")])
@cases
def test_move_goes_to_a_cell_that_was_free(case, name, field):
    before, after, _ = edited(case)
    old, new = (getattr(level, field).reshape(NUM_LEVELS, -1) for level in (before, after[name]))
    moved = old != new
    assert np.all(moved.sum(1) <= 1)
    for k, slot in np.argwhere(moved):
        cell = int(new[k, slot])
        assert cell not in standing(before, k) and not flat_walls(before)[k, cell]
    num_free = (~flat_walls(before)).sum(1) - 1 - (before.object_types >= 0).sum(1)
    np.testing.assert_array_equal(moved.any(1), num_free > 0)


@cases
def test_add_object_fills_the_first_empty_slot(case):
    before, after, _ = edited(case)
    after = after["add_object"]
    used = before.object_types >= 0
    num_free = (~flat_walls(before)).sum(1) - 1 - used.sum(1)
    added = (after.object_types >= 0) & ~used
    np.testing.assert_array_equal(added.sum(1), (num_free > 0) & ~used.all(1))
    for k, slot in np.argwhere(added):
        assert slot == np.argmin(used[k]) == after.object_types[k, slot]
        cell = int(after.object_cells[k, slot])
        assert cell not in standing(before, k) and not flat_walls(before)[k, cell]
    others = ~added
    for field in OBJECT_FIELDS:
        np.testing.assert_array_equal(getattr(before, field)[others], getattr(after, field)[others])
    assert after.object_rewards[added].min() >= -1 and after.object_rewards[added].min() < 0
    assert after.object_terminate_probs[added].min() >= 0.01
    assert after.object_respawn_probs[added].min() >= 0.001 and after.object_respawn_probs[added].max() <= 0.1


@cases
def test_remove_object_takes_one_and_leaves_the_last(case):
    before, after, _ = edited(case)
    after = after["remove_object"]
    used, left = before.object_types >= 0, after.object_types >= 0
    assert not np.any(left & ~used)
    np.testing.assert_array_equal((used & ~left).sum(1), used.sum(1) > 1)
    for field in OBJECT_FIELDS:
        np.testing.assert_array_equal(getattr(before, field)[left], getattr(after, field)[left])
    assert np.all((used & ~left).any(0))


@pytest.mark.parametrize(
    ("name", "field", "low", "high"),
    [
        ("reward", "object_rewards", -1.0, 1.0),
        ("terminate", "object_terminate_probs", 0.01, 1.0),
        ("respawn", "object_respawn_probs", 0.001, 0.1),
    ],
)
def test_number_of_one_object_is_drawn_as_in_the_distribution(name, field, low, high):
    before, after, _ = edited("all")
    new, differs = getattr(after[name], field), getattr(before, field) != getattr(after[name], field)
    assert np.all(differs.sum(1) == 1) and np.all(differs.any(0))
    drawn = new[differs]
    assert drawn.min() >= low and drawn.max() <= high
    if name == "reward":
        assert new[:, 0][differs[:, 0]].min() >= 0
        others = new[:, 1:][differs[:, 1:]]
        assert others.min() < -0.9 and others.max() > 0.9 and abs(others.mean()) < 4 * 0.578 / np.sqrt(len(others))
    else:
        places = np.log(drawn / low) / np.log(high / low)
        assert abs(places.mean() - 0.5) < 4 * 0.289 / np.sqrt(len(places))


def test_max_steps_is_scaled_by_at_most_two():
    before, after, _ = edited("all")
    old, new = before.max_steps_in_episode, after["max_steps"].max_steps_in_episode
    assert np.all((new >= old / 2 - 0.5) & (new <= 2 * old + 0.5))
    free = (old > 45) & (old < 300)
    logs = np.log2(new[free] / old[free])
    # Log-uniform in [1/2, 2]: the logarithm has mean 0 and a standard deviation of 2 / √12.
    assert abs(logs.mean()) < 4 * 0.578 / np.sqrt(len(logs)) and logs.min() < -0.9 and logs.max() > 0.9


def small(walls, objects, start=0, steps=10, num_slots=2):
    """Build a level from a [H, W] map with objects on cells, all of reward 0.5."""
    used = np.arange(num_slots) < len(objects)
    return Level(
        max_steps_in_episode=jnp.int32(steps),
        walls=jnp.asarray(walls, bool),
        height=jnp.int32(len(walls)),
        width=jnp.int32(len(walls[0])),
        start=jnp.int32(start),
        object_cells=jnp.asarray([*objects, *[0] * (num_slots - len(objects))], jnp.int32),
        object_types=jnp.asarray(np.where(used, np.arange(num_slots), -1), jnp.int32),
        object_rewards=jnp.asarray(np.where(used, 0.5, 0), jnp.float32),
        object_terminate_probs=jnp.asarray(np.where(used, 0.5, 0), jnp.float32),
        object_respawn_probs=jnp.asarray(np.where(used, 0.5, 0), jnp.float32),
        lifetime=jnp.int32(3),
    )


@functools.cache
def many_edits(edits):
    return jax.jit(jax.vmap(edits, (0, None)))


def edit_small(level, name, limits=Limits(), num_edits=1, num_keys=64):  # noqa: B008
    keys = jax.random.split(jax.random.key(0), num_keys)
    after = jax.tree.map(np.asarray, many_edits(Edits(num_edits, (name,), limits))(keys, level))
    assert np.all(jax.vmap(is_valid)(after))
    return after


def is_same(level, after):
    return all(np.all(values == fields(after)[name]) for name, values in fields(level).items())


@pytest.mark.parametrize("name", ["flip_wall", "move_start", "move_object", "add_object", "remove_object"])
def test_impossible_edit_returns_the_level(name):
    # Two cells: the start and the only object.
    full = small([[0, 0]], [1])
    assert is_same(full, edit_small(full, name))
    assert name == "remove_object" or is_same(full, edit_small(full, name, num_edits=20))


def test_add_object_to_full_slots_returns_the_level():
    full = small([[0, 0, 0], [0, 0, 0]], [1, 2])
    assert is_same(full, edit_small(full, "add_object"))


def test_max_steps_of_one_possible_value_returns_the_level():
    level = small([[0, 0, 0]], [1], steps=7)
    assert is_same(level, edit_small(level, "max_steps", Limits(7, 7)))


def test_only_free_cell_is_taken():
    # The free cell is number 3, between a wall and the end.
    level = small([[0, 0, 1, 0]], [1])
    assert np.all(edit_small(level, "move_start").start == 3)
    assert np.all(edit_small(level, "move_object").object_cells == [3, 0])
    assert np.all(edit_small(level, "add_object").object_cells == [1, 3])
    flipped = edit_small(level, "flip_wall").walls[:, 0]
    assert {tuple(row) for row in flipped.tolist()} == {(False, False, False, False), (False, False, True, True)}


def test_removed_first_object_is_added_in_its_slot():
    level = small([[0, 0, 0, 0]], [1, 3])
    without = edit_small(level, "remove_object")
    (k, *_) = np.flatnonzero(without.object_types[:, 0] == -1)
    one = jax.tree.map(lambda leaf: jnp.asarray(leaf[k]), without)
    again = edit_small(one, "add_object")
    assert np.all(again.object_types == [0, 1]) and set(again.object_cells[:, 0].tolist()) == {1, 2}
    # As in the distributions, the first slot's reward is positive.
    assert again.object_rewards[:, 0].min() >= 0


def test_added_object_keeps_to_the_types_of_its_world():
    level = small([[0, 0, 0, 0]], [1], num_slots=3)
    assert np.all(edit_small(level, "add_object", Limits(num_types=1), num_edits=2).object_types == [0, 0, 0])
    assert np.all(edit_small(level, "add_object", Limits(num_types=2), num_edits=2).object_types == [0, 1, 0])


def test_level_without_slots_can_be_edited():
    level = small([[0, 0, 0, 0]], [], num_slots=0)
    after = jax.jit(Edits(20))(jax.random.key(1), level)
    assert is_valid(after) and after.object_cells.shape == (0,) and np.any(after.walls)


def test_largest_and_smallest_horizons_stay_within_the_limits():
    for steps in (1, 2**30):
        after = edit_small(small([[0, 0]], [1], steps=steps), "max_steps").max_steps_in_episode
        assert after.min() >= 1 and after.max() <= 2**30 and len(np.unique(after)) > 1
    longest = edit_small(small([[0, 0]], [1], steps=2**31 - 1), "max_steps")
    assert np.all(longest.max_steps_in_episode == 2**30)
    above = edit_small(small([[0, 0]], [1], steps=1000), "max_steps", Limits(5, 20))
    assert np.all(above.max_steps_in_episode == 20)


def test_flip_wall_picks_cells_evenly():
    level = small([[0, 1, 0], [0, 0, 1]], [4])
    keys = jax.random.split(jax.random.key(0), 4000)
    # Which edit is made must not determine which cell it flips.
    for names in (("flip_wall", "reward"), ("reward", "flip_wall")):
        flipped = many_edits(Edits(1, names))(keys, level).walls != level.walls
        counts = np.asarray(flipped.sum(0).ravel())
        assert counts[0] == counts[4] == 0
        # 4000 draws over 4 cells and the other edit: 500 ± 4 standard deviations of 20.9.
        assert np.all(np.abs(counts[[1, 2, 3, 5]] - 500) < 84)


def test_edits_draws_names_evenly_and_only_those():
    level = small([[0, 0, 0], [0, 0, 0]], [1])
    keys = jax.random.split(jax.random.key(0), 2000)
    after = many_edits(Edits(1, ("reward", "move_start", "move_start")))(keys, level)
    shares = {name: np.mean(where) for name, where in changed(stacked(level, 2000), after).items()}
    margin = 4 * np.sqrt(2 / 9 / 2000)
    assert abs(shares.pop("start") - 2 / 3) < margin and abs(shares.pop("object_rewards") - 1 / 3) < margin
    assert not any(shares.values())


def stacked(level, num_levels):
    return jax.tree.map(lambda leaf: np.broadcast_to(leaf, (num_levels, *leaf.shape)), level)


def test_edits_are_made_one_after_the_other():
    level = small(np.zeros((6, 6)), [1])
    for num_edits in (1, 3):
        flips = (edit_small(level, "flip_wall", num_edits=num_edits).walls != np.asarray(level.walls)).sum((1, 2))
        # A cell may be flipped back, so flips may cancel in pairs.
        assert set(flips.tolist()) <= set(range(num_edits, 0, -2)) and num_edits in flips
    assert len(np.unique(edit_small(level, "reward", num_edits=3).object_rewards[:, 0])) == 64


def test_edits_alone_are_those_among_many():
    level = small(np.zeros((3, 3)), [1])
    keys = jax.random.split(jax.random.key(0), 32)
    edits = Edits(4)
    together, alone = many_edits(edits)(keys, level), jax.jit(edits)
    for k in range(0, 32, 4):
        one = fields(alone(keys[k], level))
        for name, values in fields(together).items():
            np.testing.assert_allclose(values[k], one[name], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Edits(0), "Edits.num_edits must be >= 1, got 0"),
        (lambda: Edits(1, ()), "Edits.names must have at least one of flip_wall, .*, got none"),
        (lambda: Edits(1, ("reward", "flop")), "unknown edit 'flop'; known: flip_wall, .*max_steps"),
        (lambda: Limits(0, 5), "Limits: must be 1 <= min_steps <= max_steps <= 1073741824, got 0 and 5"),
        (lambda: Limits(6, 5), "got 6 and 5"),
        (lambda: Limits(1, 2**31), "got 1 and 2147483648"),
        (lambda: Limits(num_types=0), "Limits.num_types must be >= 1 or None, got 0"),
    ],
)
def test_bad_field_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
