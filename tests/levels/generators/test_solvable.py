import functools
from collections import deque
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levels.generators.distributions import DISTRIBUTIONS, LevelDistribution
from levels.generators.solvable import Solvable, is_solvable, path_lengths, reachable

WALLED = LevelDistribution(4, 5, 12, 1, 2, 20, 20)
"""About half of its levels have no reachable prize."""

fill = jax.jit(reachable)
lengths = jax.jit(path_lengths)
solvable = jax.jit(is_solvable)


@functools.cache
def sampler(max_draws):
    generator = Solvable(WALLED, max_draws)

    def draw(keys):
        levels = jax.vmap(generator.sample)(keys)
        return levels, jax.vmap(is_solvable)(levels)

    return jax.jit(draw)


def breadth_first(walls, start):
    reached, queue = set(), deque([start] if not walls[start] else [])
    while queue:
        row, column = queue.popleft()
        if (row, column) in reached:
            continue
        reached.add((row, column))
        for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= near[0] < walls.shape[0] and 0 <= near[1] < walls.shape[1] and not walls[near]:
                queue.append(near)
    return reached


def test_reachable_by_hand():
    rows = ["..#.", "#.#.", "...#", "##.."]
    walls = np.array([[sign == "#" for sign in row] for row in rows])
    expected = [[1, 1, 0, 0], [0, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1]]
    np.testing.assert_array_equal(fill(walls, 0), np.array(expected, bool))
    np.testing.assert_array_equal(fill(walls, 3), [[0, 0, 0, 1], [0, 0, 0, 1], [0] * 4, [0] * 4])


def test_path_lengths_by_hand():
    rows = ["..#.", "#.#.", "...#", "##.."]
    walls = np.array([[sign == "#" for sign in row] for row in rows])
    assert lengths(walls, 0).dtype == np.int32
    np.testing.assert_array_equal(lengths(walls, 0), [[0, 1, 16, 16], [16, 2, 16, 16], [4, 3, 4, 16], [16, 16, 5, 6]])
    np.testing.assert_array_equal(lengths(walls, 2), np.full((4, 4), 16))


def test_path_lengths_goes_round_a_snake():
    walls = np.zeros((5, 5), bool)
    walls[1, :4] = walls[3, 1:] = True
    assert lengths(walls, 0)[4, 4] == 4 + 2 + 4 + 2 + 4


def test_reachable_from_a_wall_is_nothing():
    walls = np.zeros((4, 4), bool)
    walls[1, 1] = True
    assert not np.any(fill(walls, 5))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), share=st.floats(0, 0.7))
def test_reachable_agrees_with_a_breadth_first_search(seed, share):
    random = np.random.default_rng(seed)
    walls = random.random((6, 7)) < share
    start = int(random.integers(42))
    expected = breadth_first(walls, divmod(start, 7))
    assert {tuple(cell) for cell in np.argwhere(np.asarray(fill(walls, start)))} == expected


@functools.cache
def blank_level():
    return jax.jit(LevelDistribution(2, 2, 0, 1, 2, 5, 5).sample)(jax.random.key(0))


def corridor(rewards, types, walls=(False, False, True, False)):
    """A level of one row of four cells: start 0, objects on cells 1 and 3."""
    level = blank_level()
    return level.replace(
        walls=jnp.asarray([walls]),
        start=jnp.int32(0),
        object_cells=jnp.asarray([1, 3]),
        object_types=jnp.asarray(types),
        object_rewards=jnp.asarray(rewards, jnp.float32),
    )


def test_is_solvable_requires_a_reachable_positive_object():
    assert solvable(corridor([1, -1], [0, 1]))
    assert not solvable(corridor([-1, 1], [0, 1]))
    assert solvable(corridor([-1, 1], [0, 1], walls=(False, False, False, False)))
    assert not solvable(corridor([0, 1], [0, 1]))
    assert not solvable(corridor([1, 1], [-1, 1]))


def test_solvable_sample_is_solvable_where_the_plain_one_is_not():
    keys = jax.random.split(jax.random.key(0), 1000)
    _, plain = sampler(1)(keys)
    levels, solved = sampler(64)(keys)
    assert 0.2 < np.mean(plain) < 0.8
    assert np.all(solved)
    assert np.asarray(levels.max_steps_in_episode).min() == 20


def test_solvable_sample_keeps_the_first_draw_if_it_is_solvable():
    keys = jax.random.split(jax.random.key(1), 1000)
    first, plain = sampler(1)(keys)
    levels, _ = sampler(64)(keys)
    kept = np.asarray(plain)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[kept], b[kept]), first, levels)
    assert np.any(np.asarray(first.walls)[~kept] != np.asarray(levels.walls)[~kept])


def test_solvable_sample_gives_up_after_max_draws():
    @dataclass(frozen=True)
    class Hopeless:
        world = WALLED.world

        def sample(self, key):
            del key
            return corridor([-1, 1], [0, 1])

    level = jax.jit(Solvable(Hopeless(), max_draws=3).sample)(jax.random.key(0))
    np.testing.assert_array_equal(level.object_cells, [1, 3])


def test_solvable_refuses_no_draws():
    with pytest.raises(ValueError, match="Solvable.max_draws must be >= 1, got 0"):
        Solvable(WALLED, max_draws=0)


def test_solvable_has_the_world_of_its_generator():
    assert Solvable(DISTRIBUTIONS["large"]).world == DISTRIBUTIONS["large"].world
