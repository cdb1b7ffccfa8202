"""Emptied levels: no inner wall, one object, the rest as drawn."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from levels.generators.distributions import DISTRIBUTIONS, LevelDistribution
from levels.generators.emptied import Emptied
from levels.generators.mazes import maze
from levels.level import UNUSED, Level, is_valid
from levels.world import World

OBJECT_FIELDS = ("object_cells", "object_types", "object_rewards", "object_terminate_probs", "object_respawn_probs")
GENERATORS = {"all": DISTRIBUTIONS["all"], "maze": maze("spiral")}


def both(generator, num_levels=500):
    def run(key):
        level = Emptied(generator).sample(key)
        return generator.sample(key), level, is_valid(level)

    found = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), num_levels))
    return jax.tree.map(np.asarray, found)


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_sample_empties_what_the_generator_draws(name):
    drawn, emptied, valid = both(GENERATORS[name])
    assert np.all(valid)
    inside = drawn.walls.shape[1] * drawn.walls.shape[2] - drawn.height * drawn.width
    np.testing.assert_array_equal(emptied.walls.sum((1, 2)), inside)
    np.testing.assert_array_equal(emptied.object_types[:, 0], 0)
    assert np.all(emptied.object_types[:, 1:] == UNUSED) and np.all(emptied.object_rewards[:, 0] >= 0)
    for field in OBJECT_FIELDS:
        np.testing.assert_array_equal(getattr(emptied, field)[:, 0], getattr(drawn, field)[:, 0])
        assert field == "object_types" or not getattr(emptied, field)[:, 1:].any()
    for field in ("max_steps_in_episode", "height", "width", "start", "lifetime"):
        np.testing.assert_array_equal(getattr(emptied, field), getattr(drawn, field))


@dataclass(frozen=True)
class Fixed:
    """Levels of one distribution whose objects have given types and rewards."""

    types: tuple[int, ...]
    rewards: tuple[float, ...]
    world: World = LevelDistribution(3, 3, 2, 3, 3, 5, 5).world

    def sample(self, key) -> Level:
        level = LevelDistribution(3, 3, 2, 3, 3, 5, 5).sample(key)
        used = jnp.array(self.types) != UNUSED
        return level.replace(
            object_cells=jnp.where(used, level.object_cells, 0),
            object_types=jnp.array(self.types),
            object_rewards=jnp.array(self.rewards, jnp.float32),
        )


@pytest.mark.parametrize(
    ("types", "rewards", "stays"),
    [
        ((0, 1, 2), (-0.5, 0.25, 0.5), 1),
        ((-1, 1, 2), (0.0, 0.25, 0.5), 1),
        ((-1, 1, 2), (0.0, -0.25, -0.5), 1),
        ((0, 1, 2), (-0.5, 0.0, 1.0), 2),
        ((0, 1, 2), (-0.5, -0.5, -1.0), 0),
    ],
)
def test_sample_keeps_the_first_object_of_positive_reward(types, rewards, stays):
    _, emptied, valid = both(Fixed(types, rewards), 5)
    assert np.all(valid)
    expected = np.where(np.arange(3) == stays, types, UNUSED)
    assert np.all(emptied.object_types == expected)
    assert np.all(emptied.object_rewards == np.where(np.arange(3) == stays, rewards, 0).astype(np.float32))


def test_emptied_has_the_world_of_its_generator():
    assert Emptied(DISTRIBUTIONS["large"]).world == DISTRIBUTIONS["large"].world
