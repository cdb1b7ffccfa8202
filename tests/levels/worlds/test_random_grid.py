import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levels.generators.distributions import LevelDistribution
from levels.worlds.random_grid import NOWHERE, RandomGrid, free_rank
from levels.worlds.tabular_grid import TabularGrid

MOVES = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]


@dataclasses.dataclass(frozen=True)
class Busy:
    """Small crowded levels whose objects respawn often."""

    distribution: LevelDistribution = LevelDistribution(3, 4, 5, 1, 3, 10, 30)

    def sample(self, key):
        level = self.distribution.sample(key)
        used = level.object_types >= 0
        chance = jax.random.uniform(jax.random.fold_in(key, 1), (2, 3))
        return level.replace(
            object_respawn_probs=jnp.where(used, chance[0], 0), object_terminate_probs=jnp.where(used, chance[1] / 4, 0)
        )


BUSY = Busy()
GRIDS = [
    RandomGrid(dataclasses.replace(BUSY.distribution.world, num_moves=moves, auto_collect=auto))
    for moves, auto in ((5, True), (9, False))
]


def cells_of(plan, k, ranks):
    """Return the cells of ranks, None for absent objects."""
    return [None if rank == NOWHERE else int(plan.free_cells[k, rank]) for rank in np.asarray(ranks).tolist()]


def check_places(level, k, agent, objects, planes):
    """Assert that agent and objects are on free cells, objects on distinct ones, and planes show exactly them."""
    here = [cell for cell in objects if cell is not None]
    assert len(set(here)) == len(here)
    walls = level.walls[k]
    assert not any(walls.ravel()[cell] for cell in (agent, *here))
    expected = np.zeros((5, walls.size), bool)
    for kind, cell in zip(level.object_types[k].tolist(), objects, strict=True):
        assert kind >= 0 or cell is None
        if cell is not None:
            expected[kind, cell] = True
    expected[3, agent] = True
    expected[4] = walls.ravel()
    np.testing.assert_array_equal(planes, expected.reshape(5, *walls.shape))


def expected_move(walls, grid, position, action):
    """Restate in plain Python where a step leads and which cell it collects from."""
    shift = MOVES[action % grid.num_moves]
    row, column = position // grid.width + shift[0], position % grid.width + shift[1]
    free = 0 <= row < grid.height and 0 <= column < grid.width and not walls[row, column]
    reached = row * grid.width + column if free else None
    if action >= grid.num_moves:
        return position, reached
    landing = position if reached is None else reached
    return landing, landing if grid.auto_collect else None


def check_episode(grid, walked, k):
    """Check one episode, step by step, against the restated rules."""
    levels, actions, plans, first, planes, states, observations, rewards, terminated, truncated = walked
    agent = cells_of(plans, k, first.agent_rank[k : k + 1])[0]
    objects = cells_of(plans, k, first.object_ranks[k])
    assert [cell is None for cell in objects] == (levels.object_types[k] < 0).tolist()
    assert agent not in objects
    check_places(levels, k, agent, objects, planes[k])
    for t, action in enumerate(actions[k].tolist()):
        landing, target = expected_move(levels.walls[k], grid.grid, agent, action)
        got = [m for m, cell in enumerate(objects) if cell is not None and cell == target]
        assert len(got) <= 1
        assert rewards[k, t] == pytest.approx(sum(levels.object_rewards[k, m] for m in got))
        assert not terminated[k, t] or got
        assert truncated[k, t] == (t + 1 >= levels.max_steps_in_episode[k])
        after = cells_of(plans, k, states.object_ranks[k, t])
        agent = cells_of(plans, k, states.agent_rank[k, t : t + 1])[0]
        assert agent == landing
        for m, cell in enumerate(objects):
            assert after[m] is None if m in got else cell is None or after[m] == cell
            assert cell is not None or after[m] != agent
        # The agent stands on objects only without auto-collect.
        assert agent not in after or not grid.grid.auto_collect
        objects = after
        check_places(levels, k, agent, objects, observations[k, t])
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


def test_free_rank_by_hand():
    taken = jnp.asarray([3, NOWHERE, 0])
    ranks = [int(free_rank(jnp.float32(draw), taken, jnp.int32(6))) for draw in (0.0, 0.26, 0.5, 0.999999)]
    assert ranks == [1, 2, 4, 5]


@functools.cache
def outcomes(grid, on_object):
    """20,000 resets, and 20,000 steps of staying while object 0 is absent and 1 and 2 are present."""
    level = jax.jit(BUSY.sample)(jax.random.key(2)).replace(
        object_types=jnp.arange(3), object_respawn_probs=jnp.asarray([0.5, 0.0, 0.0])
    )

    def run(key):
        plan = grid.plan(level)
        noise = grid.noise(key, plan, (20_000,))
        states = jax.vmap(grid.reset, (0, None))(noise, plan)
        state = jax.tree.map(lambda leaf: leaf[0], states)
        state = state.replace(object_ranks=state.object_ranks.at[0].set(NOWHERE))
        state = state.replace(agent_rank=state.object_ranks[1] if on_object else state.agent_rank)
        after = jax.vmap(lambda step_noise: grid.step(step_noise, plan, state, jnp.int32(0))[0])(noise)
        return plan.num_free, states, state, after

    return jax.tree.map(np.asarray, jax.jit(run)(jax.random.key(0)))


def test_reset_draws_every_place_equally():
    num_free, states, _, _ = outcomes(GRIDS[0], False)
    for ranks in (states.agent_rank, *states.object_ranks.T):
        shares = np.bincount(ranks, minlength=num_free) / 20_000
        assert len(shares) == num_free
        assert np.all(np.abs(shares - 1 / num_free) < 5 * np.sqrt(1 / num_free / 20_000))


@pytest.mark.parametrize("grid, on_object", [(GRIDS[0], False), (GRIDS[1], True)])
def test_respawn_draws_every_free_place_equally(grid, on_object):
    num_free, _, state, after = outcomes(grid, on_object)
    back = after.object_ranks[:, 0]
    assert abs((back < NOWHERE).mean() - 0.5) < 4 * 0.5 / np.sqrt(20_000)
    counts = np.bincount(back[back < NOWHERE], minlength=num_free)
    taken = sorted({int(state.agent_rank), *state.object_ranks[1:].tolist()})
    assert len(taken) == (2 if on_object else 3)
    assert not counts[taken].any()
    left = np.delete(counts, taken) / counts.sum()
    assert np.all(np.abs(left - 1 / len(left)) < 5 * np.sqrt(1 / len(left) / counts.sum()))


def test_random_grid_is_observed_as_planes():
    grid = RandomGrid(TabularGrid(3, 4, 2), num_types=2)
    assert (grid.observation_shape, grid.num_observations, grid.num_actions) == ((4, 3, 4), None, 5)


def test_random_grid_refuses_no_types():
    with pytest.raises(ValueError, match="RandomGrid.num_types must be >= 1, got 0"):
        RandomGrid(num_types=0)
