import dataclasses
import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levels.generators.distributions import LevelDistribution
from levels.level import Level
from levels.worlds.tabular_grid import TabularGrid

MOVES = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
STAY, UP, DOWN, LEFT, RIGHT, UP_LEFT, UP_RIGHT, DOWN_LEFT, DOWN_RIGHT = range(9)


@dataclass(frozen=True)
class Busy:
    """Small crowded levels whose objects respawn often."""

    distribution: LevelDistribution = LevelDistribution(3, 5, 5, 1, 3, 10, 30)

    def sample(self, key):
        level = self.distribution.sample(key)
        used = level.object_types >= 0
        chance = jax.random.uniform(jax.random.fold_in(key, 1), (2, 3))
        return level.replace(
            object_respawn_probs=jnp.where(used, chance[0], 0), object_terminate_probs=jnp.where(used, chance[1] / 4, 0)
        )


BUSY = Busy()
GRIDS = [
    dataclasses.replace(BUSY.distribution.world, num_moves=moves, auto_collect=auto)
    for moves, auto in ((5, True), (9, True), (9, False))
]


def level_of(rows, objects, max_steps=10, terminate=0.0, respawn=0.0):
    """Build a 2×3 level from a hand-drawn map ('#' wall, 'S' start) and the cells of at most two objects."""
    signs = "".join(rows)
    used = np.arange(2) < len(objects)
    return Level(
        max_steps_in_episode=np.int32(max_steps),
        walls=np.array([sign == "#" for sign in signs]).reshape(2, 3),
        start=np.int32(signs.index("S")),
        height=np.int32(2),
        width=np.int32(3),
        object_cells=np.array([*objects, 0, 0][:2], np.int32),
        object_types=np.where(used, [0, 1], -1).astype(np.int32),
        object_rewards=np.where(used, [1, 2], 0).astype(np.float32),
        object_terminate_probs=np.where(used, terminate, 0).astype(np.float32),
        object_respawn_probs=np.where(used, respawn, 0).astype(np.float32),
        lifetime=np.int32(1),
    )


@functools.cache
def player(num_moves, auto_collect):
    grid = TabularGrid(2, 3, 2, num_moves, auto_collect)

    def steps(level, actions):
        plan = grid.plan(level)
        noise = grid.noise(jax.random.key(0), plan, actions.shape)
        first = grid.reset(jax.tree.map(lambda leaf: leaf[0], noise), plan)

        def step(state, inputs):
            state, *outcome = grid.step(inputs[0], plan, state, inputs[1])
            return state, (state.position, state.present, *outcome)

        return jax.lax.scan(step, first, (noise, actions))[1]

    return jax.jit(steps)


def play(level, actions, num_moves=5, auto_collect=True):
    """Return positions, bits of present objects, rewards, terminated and truncated after each action."""
    padded = np.array([*actions, 0, 0, 0, 0, 0][:5], np.int32)
    path = player(num_moves, auto_collect)(level, padded)
    return [np.asarray(values)[: len(actions)].tolist() for values in path]


def expected_move(level, k, num_moves, auto_collect, position, action):
    """Restate in plain Python where a step leads and which cell it collects from (None = none)."""
    height, width = level.walls[k].shape
    row, column = position // width + MOVES[action % num_moves][0], position % width + MOVES[action % num_moves][1]
    free = 0 <= row < height and 0 <= column < width and not level.walls[k, row, column]
    reached = row * width + column if free else None
    if action >= num_moves:
        return position, reached
    landing = position if reached is None else reached
    return landing, landing if auto_collect else None


def check_episode(grid, walked, k):
    """Check one episode, step by step, against the restated rules."""
    levels, actions, _, first, _, states, observations, rewards, terminated, truncated = walked
    position, present = int(first.position[k]), int(first.present[k])
    used = int(np.sum(levels.object_types[k] >= 0))
    assert position == levels.start[k] and present == 2**used - 1
    for t, action in enumerate(actions[k].tolist()):
        landing, target = expected_move(levels, k, grid.num_moves, grid.auto_collect, position, action)
        got = [m for m in range(used) if present >> m & 1 and levels.object_cells[k, m] == target]
        assert rewards[k, t] == pytest.approx(sum(levels.object_rewards[k, m] for m in got))
        assert not terminated[k, t] or got
        after = int(states.present[k, t])
        assert states.position[k, t] == landing
        assert not levels.walls[k].ravel()[landing]
        assert after < 2**used
        assert not any(after >> m & 1 for m in got)
        kept = present & ~sum(2**m for m in got)
        assert after & kept == kept
        assert truncated[k, t] == (t + 1 >= levels.max_steps_in_episode[k])
        assert observations[k, t] == landing + grid.num_cells * after
        position, present = landing, after
        if terminated[k, t] or truncated[k, t]:
            break
    assert t < levels.max_steps_in_episode[k]


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid.num_actions}_actions")
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_step_follows_the_rules(grid, walk, seed):
    walked = walk(grid, BUSY, seed)
    assert np.abs(walked[7]).sum() > 0
    for k in range(16):
        check_episode(grid, walked, k)


def test_step_collects_and_pays_once():
    positions, present, rewards, terminated, truncated = play(
        level_of(["S..", ".#."], [1, 2]), [RIGHT, STAY, RIGHT, DOWN]
    )
    assert positions == [1, 1, 2, 5]
    assert present == [2, 2, 0, 0]
    assert rewards == [1, 0, 2, 0]
    assert not any(terminated) and not any(truncated)


def test_step_bumps_into_walls_and_borders():
    assert play(level_of(["S..", ".#."], [2]), [UP, LEFT, RIGHT, DOWN, DOWN])[0] == [0, 0, 1, 1, 1]


def test_step_does_not_wrap_around_the_border():
    assert play(level_of(["..#", "S.."], [4]), [LEFT, UP_LEFT, DOWN_LEFT], 9)[0] == [3, 3, 3]
    assert play(level_of(["..S", "..."], [4]), [RIGHT, UP_RIGHT, DOWN_RIGHT], 9)[0] == [2, 2, 2]


def test_collect_actions_reach_the_next_cell_only():
    level = level_of(["...", "S.."], [1, 5])
    positions, present, rewards, *_ = play(level, [RIGHT, 9 + UP, UP, 9 + DOWN_RIGHT], 9, False)
    assert positions == [4, 4, 1, 1]
    assert present == [3, 2, 2, 0]
    assert rewards == [0, 1, 0, 2]
    positions, present, rewards, *_ = play(level, [9 + RIGHT, 9 + UP, 9 + LEFT, 9 + UP_RIGHT], 9, False)
    assert positions == [3] * 4
    assert present == [3, 3, 3, 2]
    assert rewards == [0, 0, 0, 1]


def test_collect_actions_do_not_reach_into_walls_or_over_borders():
    # An object inside a wall makes the level invalid, but shows that actions do not reach into walls.
    assert play(level_of(["..#", ".S#"], [2, 5]), [9 + RIGHT, 9 + UP_RIGHT], 9, False)[2] == [0, 0]
    assert play(level_of(["...", "S.."], [2, 5]), [9 + LEFT, 9 + UP_LEFT], 9, False)[2] == [0, 0]


def test_object_respawns_from_the_next_step_on():
    _, present, rewards, *_ = play(level_of(["S.#", "###"], [1], respawn=1.0), [RIGHT, STAY, STAY, STAY])
    assert present == [0, 1, 0, 1]
    assert rewards == [1, 0, 1, 0]


def test_terminate_prob_ends_the_episode():
    for probability, expected in ((1.0, [True, False]), (0.0, [False, False])):
        assert play(level_of(["S.#", "###"], [1], terminate=probability), [RIGHT, STAY])[3] == expected


def test_time_limit_truncates():
    assert play(level_of(["S.#", "###"], [1], max_steps=2), [STAY] * 3)[4] == [False, True, True]


def test_tabular_grid_is_observed_as_one_integer():
    grid = TabularGrid(2, 3, 2)
    assert (grid.observation_shape, grid.num_observations, grid.num_actions) == ((), 24, 5)


def test_noise_has_the_respawn_and_terminate_chances():
    grid = TabularGrid(2, 3, 2)
    level = level_of(["S..", "..."], [1, 3], respawn=[0.2, 0.7])
    noise = jax.jit(lambda level, key: grid.noise(key, grid.plan(level), (100, 100)))(level, jax.random.key(1))
    assert noise.respawn.shape == noise.terminate.shape == (100, 100)
    first, second = np.asarray(noise.respawn) & 1, np.asarray(noise.respawn) >> 1
    # 10,000 draws: standard errors below 0.005.
    assert abs(first.mean() - 0.2) < 0.02 and abs(second.mean() - 0.7) < 0.02
    assert abs((first & second).mean() - 0.14) < 0.02
    assert abs((np.asarray(noise.terminate) < 0.3).mean() - 0.3) < 0.02


@pytest.mark.parametrize(
    "change, message",
    [
        ({"height": 0}, "height and width must be >= 1, got 0 and 6"),
        ({"num_objects": 21}, "num_objects must be in 0..20, got 21"),
        ({"num_moves": 4}, "num_moves must be 5 or 9, got 4"),
    ],
)
def test_tabular_grid_names_the_bad_field(change, message):
    with pytest.raises(ValueError, match=message):
        TabularGrid(**change)
