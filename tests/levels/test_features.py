"""The features of a level: by hand, and against a restatement in plain Python."""

import functools
from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levels.features import features
from levels.generators.distributions import DISTRIBUTIONS, LevelDistribution
from levels.level import Level

WALLED = LevelDistribution(3, 6, 16, 1, 3, 5, 50)
"""Many walls, so paths are long, and about a third of the levels have no prize within reach."""


def by_hand(rows, objects, start, size=(4, 5)):
    """Build a level from a map; objects are (cell in the array, reward), None for an unused slot."""
    walls = np.ones(size, bool)
    walls[: len(rows), : len(rows[0])] = [[sign == "#" for sign in row] for row in rows]
    cells, rewards = zip(*[(0, 0.0) if entry is None else entry for entry in objects], strict=True)
    types = [-1 if entry is None else slot for slot, entry in enumerate(objects)]
    zeros = jnp.zeros(len(objects))
    return Level(
        max_steps_in_episode=jnp.int32(17),
        walls=jnp.asarray(walls),
        height=jnp.int32(len(rows)),
        width=jnp.int32(len(rows[0])),
        start=jnp.int32(start),
        object_cells=jnp.array(cells, jnp.int32),
        object_types=jnp.array(types, jnp.int32),
        object_rewards=jnp.array(rewards, jnp.float32),
        object_terminate_probs=zeros,
        object_respawn_probs=zeros,
        lifetime=jnp.int32(3),
    )


ROWS = [".#..", "....", ".##."]
numbers = jax.jit(features)


def test_features_by_hand():
    found = numbers(by_hand(ROWS, [(13, 0.5), None, (1 + 5, -1.0)], start=0))
    assert set(found) == {"side", "walls", "objects", "horizon", "path_length"}
    assert all(value.dtype == jnp.float32 and value.shape == () for value in found.values())
    np.testing.assert_allclose(found["side"], np.sqrt(12), rtol=1e-6)
    assert (found["walls"], found["objects"], found["horizon"]) == (3, 2, 17)
    # From the top left: down, three to the right, down.
    assert found["path_length"] == 5


@pytest.mark.parametrize(
    ("objects", "path_length"),
    [
        ([(13, 0.5), (2, 1.0), None], 4),
        ([(13, 0.5), (2, -1.0), None], 5),
        ([(13, -0.5), (2, 0.0), None], np.nan),
        ([None, None, (10, 0.1)], 2),
        ([None, None, None], np.nan),
    ],
)
def test_path_length_is_that_to_the_nearest_positive_object(objects, path_length):
    np.testing.assert_equal(float(numbers(by_hand(ROWS, objects, start=0))["path_length"]), path_length)


def test_path_length_is_nan_behind_a_wall():
    rows = [".#..", ".#..", ".#.."]
    assert np.isnan(numbers(by_hand(rows, [(2, 1.0), None, None], start=0))["path_length"])
    assert numbers(by_hand(rows, [(2, 1.0), None, None], start=13))["path_length"] == 3


@functools.cache
def sampler(generator):
    def run(key):
        level = generator.sample(key)
        return level, features(level)

    return jax.jit(jax.vmap(run))


def restated(level, k):
    """Compute the features of the k-th of many levels in plain Python."""
    height, width = int(level.height[k]), int(level.width[k])
    walls = level.walls[k]
    prizes = level.object_cells[k][(level.object_types[k] >= 0) & (level.object_rewards[k] > 0)].tolist()
    prizes = {divmod(cell, walls.shape[1]) for cell in prizes}
    path_length, seen, queue = np.nan, set(), deque([(divmod(int(level.start[k]), walls.shape[1]), 0)])
    while queue:
        (row, column), moves = queue.popleft()
        if (row, column) in seen or not (0 <= row < height and 0 <= column < width) or walls[row, column]:
            continue
        if (row, column) in prizes:
            path_length = moves
            break
        seen.add((row, column))
        near = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
        queue.extend((cell, moves + 1) for cell in near)
    return {
        "side": np.sqrt(height * width),
        "walls": walls[:height, :width].sum(),
        "objects": (level.object_types[k] >= 0).sum(),
        "horizon": level.max_steps_in_episode[k],
        "path_length": path_length,
    }


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_features_agree_with_plain_python(seed):
    found = sampler(WALLED)(jax.random.split(jax.random.key(seed), 200))
    level, values = jax.tree.map(np.asarray, found)
    for k in range(0, 200, 4):
        for name, value in restated(level, k).items():
            np.testing.assert_allclose(values[name][k], value, rtol=1e-6, err_msg=name)
    reached = ~np.isnan(values["path_length"])
    assert 0.3 < reached.mean() < 0.95 and values["path_length"][reached].max() >= 5


def test_features_of_the_distributions_are_in_their_ranges():
    level, values = jax.tree.map(np.asarray, sampler(DISTRIBUTIONS["all"])(jax.random.split(jax.random.key(0), 500)))
    for name, low, high in (("side", 4, 10), ("walls", 0, 15), ("objects", 1, 5), ("horizon", 20, 750)):
        assert low <= values[name].min() < values[name].max() <= high
    np.testing.assert_array_equal(values["side"], level.height)
