"""LPG's ten named worlds."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from levels.generators.named import NAMED_WORLDS, NamedWorld, ObjectType, open_field
from levels.worlds.random_grid import RandomGrid
from levels.worlds.tabular_grid import TabularGrid

# The paper's table: (height, width), objects as (count, reward, terminate, respawn), steps.
TABLE = {
    "tabular_dense": ((11, 11), [(2, 1, 0, 0.05), (1, -1, 0.5, 0.1), (1, -1, 0, 0.5)], 500),
    "tabular_sparse": ((13, 13), [(1, 1, 1, 0), (1, -1, 1, 0)], 50),
    "tabular_long_horizon": ((11, 11), [(2, 1, 0, 0.01), (2, -1, 0.5, 1)], 1000),
    "tabular_longer_horizon": ((7, 9), [(2, 1, 0.1, 0.01), (5, -1, 0.8, 1)], 2000),
    "tabular_long_dense": ((11, 11), [(4, 1, 0, 0.005)], 2000),
    "random_dense": ((11, 11), [(2, 1, 0, 0.05), (1, -1, 0.5, 0.1), (1, -1, 0, 0.5)], 500),
    "random_long_horizon": ((11, 11), [(2, 1, 0, 0.01), (2, -1, 0.5, 1)], 1000),
    "random_small": ((5, 7), [(2, 1, 0, 0.05), (2, -1, 0.5, 0.1)], 500),
    "random_small_sparse": ((5, 7), [(1, 1, 1, 1), (2, -1, 1, 1)], 50),
    "random_very_dense": ((11, 11), [(1, 1, 0, 1)], 2000),
}


@pytest.mark.parametrize("name", TABLE)
def test_named_world_is_the_papers(name):
    shape, types, max_steps = TABLE[name]
    world, level = NAMED_WORLDS[name].world, NAMED_WORLDS[name].sample(jax.random.key(0))
    numbers = [level.object_rewards, level.object_terminate_probs, level.object_respawn_probs]
    expected = [(kind, *row[1:]) for kind, row in enumerate(types) for _ in range(row[0])]
    got = np.stack([np.asarray(x, np.float32) for x in (level.object_types, *numbers)], axis=1)
    assert np.array_equal(got, np.asarray(expected, np.float32))
    assert level.walls.shape == shape and (int(level.height), int(level.width)) == shape
    assert int(level.max_steps_in_episode) == max_steps
    is_random = name.startswith("random")
    assert int(level.lifetime) == (23437 if is_random else 2343)
    grid = TabularGrid(*shape, num_objects=len(expected))
    assert world == (RandomGrid(grid, num_types=len(types)) if is_random else grid)
    cells = [int(level.start), *np.asarray(level.object_cells).tolist()]
    assert len(set(cells)) == len(cells) and not np.asarray(level.walls).ravel()[cells].any()


def test_named_worlds_have_the_papers_walls():
    # A wall of 7 cells with two gaps; two crossing walls of 11 cells with two gaps each.
    num_walls = {"tabular_longer_horizon": 7 - 2, "tabular_long_dense": 11 + 11 - 1 - 4}
    for name, world in NAMED_WORLDS.items():
        assert "".join(world.rows).count("#") == num_walls.get(name, 0)


def test_named_world_draws_positions_per_level():
    world = NAMED_WORLDS["tabular_longer_horizon"]
    levels = jax.vmap(world.sample)(jax.random.split(jax.random.key(0), 300))
    free = {i * 9 + j for i, row in enumerate(world.rows) for j, sign in enumerate(row) if sign == "."}
    assert set(np.asarray(levels.start).tolist()) == free
    assert set(np.asarray(levels.object_cells).ravel().tolist()) == free


def test_random_world_observes_a_plane_per_type():
    generator = NAMED_WORLDS["random_small_sparse"]
    world, level = generator.world, generator.sample(jax.random.key(0))

    @jax.jit
    def first_planes(key):
        plan = world.plan(level)
        return world.observe(plan, world.reset(world.noise(key, plan, ()), plan))

    planes = first_planes(jax.random.key(1))
    assert planes.shape == (4, 5, 7)
    assert np.asarray(planes).sum((1, 2)).tolist() == [1, 2, 1, 0]


@pytest.mark.parametrize(("num_moves", "auto_collect", "num_actions"), [(5, True, 5), (9, True, 9), (9, False, 18)])
def test_named_world_offers_lpgs_action_sets(num_moves, auto_collect, num_actions):
    generator = replace(NAMED_WORLDS["random_small"], num_moves=num_moves, auto_collect=auto_collect)
    assert generator.world.num_actions == num_actions


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ObjectType(1, 2, 0), "ObjectType.terminate_prob must be in 0..1, got 2"),
        (lambda: ObjectType(1, 0, -1), "ObjectType.respawn_prob must be in 0..1, got -1"),
        (lambda: ObjectType(1, 0, 0, count=0), "ObjectType.count must be >= 1, got 0"),
        (
            lambda: NamedWorld(open_field(1, 2), (ObjectType(1, 0, 0, count=2),), 5),
            "NamedWorld.rows must have more than 2 free cells, got 2",
        ),
        (lambda: NamedWorld(("..", "S."), (ObjectType(1, 0, 0),), 5), "NamedWorld.rows, line 2: map has 'S'"),
        (lambda: NamedWorld(("..",), (ObjectType(1, 0, 0),), 0), "NamedWorld.max_steps must be >= 1, got 0"),
    ],
)
def test_named_world_settings_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
