"""The eleven fixed mazes."""

import jax
import numpy as np
import pytest

from levels.generators.distributions import DISTRIBUTIONS
from levels.generators.mazes import MAZE_NAMES, MazeGenerator, maze, maze_rows
from levels.worlds.tabular_grid import TabularGrid

SHORTEST_PATH = {"four_rooms": 24, "sixteen_rooms": 24, "comb_long": 36}


def near(cell):
    i, j = cell
    return [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]


def free_cells(rows):
    return {(i, j): sign for i, row in enumerate(rows) for j, sign in enumerate(row) if sign != "#"}


def distances(free, start):
    """Return the number of steps from the start to every cell that it reaches."""
    steps, queue = {start: 0}, [start]
    for cell in queue:
        for other in near(cell):
            if other in free and other not in steps:
                steps[other] = steps[cell] + 1
                queue.append(other)
    return steps


def place(free, sign):
    return next(cell for cell, other in free.items() if other == sign)


def num_parts(free):
    """Return the connected components of a set of cells."""
    left, parts = dict(free), 0
    while left:
        left = {cell: sign for cell, sign in left.items() if cell not in distances(free, next(iter(left)))}
        parts += 1
    return parts


@pytest.mark.parametrize("name", MAZE_NAMES)
def test_maze_is_connected_and_its_goal_far_from_its_start(name):
    rows = maze_rows(name)
    assert len(rows) == 13 and all(len(row) == 13 for row in rows)
    free = free_cells(rows)
    assert sorted(sign for sign in free.values() if sign != ".") == ["G", "S"]
    steps = distances(free, place(free, "S"))
    assert set(steps) == set(free)
    to_goal = steps[place(free, "G")]
    assert to_goal >= SHORTEST_PATH.get(name, 45)
    assert to_goal >= max(steps.values()) - 1


def test_rooms_are_separated_by_single_doors():
    for name, lines, num_rooms, num_doors in [
        ("sixteen_rooms", (2, 6, 10), 16, 24),
        ("sixteen_rooms_snake", (2, 6, 10), 16, 15),
        ("four_rooms", (6,), 4, 4),
    ]:
        free = free_cells(maze_rows(name))
        doors = {(i, j) for i, j in free if i in lines or j in lines}
        assert num_parts({cell: "." for cell in free if cell not in doors}) == num_rooms
        assert not any(other in doors for door in doors for other in near(door))
        assert len(doors) == num_doors


def test_labyrinths_and_perfect_mazes_have_one_path_between_any_two_cells():
    for name in MAZE_NAMES[3:]:
        free = free_cells(maze_rows(name))
        edges = sum(other in free for cell in free for other in near(cell)) // 2
        assert edges == len(free) - 1, name


def test_spirals_do_not_branch_and_combs_do():
    dead_ends = {
        name: sum(sum(other in free for other in near(cell)) == 1 for cell in free)
        for name in MAZE_NAMES
        if (free := free_cells(maze_rows(name)))
    }
    assert [dead_ends[name] for name in ("spiral", "spiral_mirrored", "double_spiral")] == [2, 2, 2]
    assert dead_ends["comb_long"] == 7 and dead_ends["comb_short"] > 30
    assert tuple(row[::-1] for row in maze_rows("spiral")) == maze_rows("spiral_mirrored")
    assert dead_ends["perfect_winding"] < dead_ends["perfect_uniform"]
    assert len({maze_rows(name) for name in MAZE_NAMES}) == 11


def test_maze_levels_have_a_goal_worth_reaching_and_stray_objects():
    generator = maze("comb_long")
    levels = jax.jit(jax.vmap(generator.sample))(jax.random.split(jax.random.key(0), 200))
    types, cells, rewards = (np.asarray(x) for x in (levels.object_types, levels.object_cells, levels.object_rewards))
    assert generator.world == TabularGrid(13, 13, 3)
    assert np.all(np.asarray(levels.start) == 12 * 13) and np.all(cells[:, 0] == 12 * 13 + 12)
    assert np.all(types[:, 0] == 0) and rewards[:, 0].min() >= 0 and 0.8 < rewards[:, 0].max() <= 1
    num_objects = (types >= 0).sum(1)
    assert set(num_objects.tolist()) == {1, 2, 3}
    walls = np.asarray(levels.walls)[0].ravel()
    for row, kinds, start in zip(cells, types, np.asarray(levels.start), strict=True):
        used = [int(start), *row[kinds >= 0].tolist()]
        assert len(set(used)) == len(used) and not walls[used].any()
    assert np.all(cells[types < 0] == 0)
    assert len(np.unique(cells[:, 1])) > 50
    assert np.all(np.asarray(levels.max_steps_in_episode) == 250) and np.all(np.asarray(levels.lifetime) == 2500)


def test_maze_takes_its_objects_from_the_distribution():
    generator = MazeGenerator(("S..", "..G", "..."), objects=DISTRIBUTIONS["medium"], max_steps=9, lifetime=8)
    level = generator.sample(jax.random.key(0))
    assert generator.world == TabularGrid(3, 3, 4)
    drawn = DISTRIBUTIONS["medium"].sample(jax.random.split(jax.random.key(0))[0])
    assert np.array_equal(level.object_rewards, drawn.object_rewards)
    assert (int(level.max_steps_in_episode), int(level.lifetime)) == (9, 8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: maze("moria"), "unknown maze 'moria'; known: sixteen_rooms, "),
        (lambda: MazeGenerator(("S..",)), "MazeGenerator.rows must have one 'G', got none"),
        (lambda: MazeGenerator(("S.G", ".a.")), "MazeGenerator.rows, line 2: map has 'a'"),
        (lambda: MazeGenerator(("S.G",), lifetime=0), "MazeGenerator.lifetime must be >= 1, got 0"),
    ],
)
def test_maze_settings_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
