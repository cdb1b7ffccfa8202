"""What the adapters share, tested on a countdown in place of a library."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from levels.time_limit import NO_LIMIT, time_limit
from levels.worlds.adapters.library_world import LibraryWorld, planes, require_known


class Countdown(LibraryWorld):
    """Starts at 3, decreases by the action and terminates at 0 or below; observed as an integer."""

    num_actions = 3

    def begin(self, key):
        assert key.dtype == jnp.uint32
        return jnp.asarray([3]), jnp.int32(3)

    def advance(self, key, inner, action):
        assert key.dtype == jnp.uint32
        left = inner - action
        return left[None], left, action, left <= 0


@pytest.mark.parametrize(
    "limit, actions, ends",
    [
        (NO_LIMIT, [1, 0, 2], [(False, False), (False, False), (True, False)]),
        (2, [1, 0], [(False, False), (False, True)]),
        (2, [1, 2], [(False, False), (True, True)]),
        (1, [0], [(False, True)]),
    ],
)
def test_library_world_truncates_at_the_levels_limit_and_terminates_where_the_library_does(limit, actions, ends):
    world, plan = Countdown(), time_limit(limit)
    noise = world.noise(jax.random.key(0), plan, ())
    state = world.reset(noise, plan)
    assert world.observe(plan, state) == 3.0
    for action, end in zip(actions, ends, strict=True):
        state, reward, terminated, truncated = jax.jit(world.step)(noise, plan, state, jnp.int32(action))
        assert (bool(terminated), bool(truncated)) == end and reward == action
        assert reward.dtype == world.observe(plan, state).dtype == jnp.float32
    assert state.time == len(actions)


def test_library_world_has_the_shape_of_the_first_observation():
    world = Countdown()
    assert (world.observation_shape, world.num_observations, world.continuous_actions) == ((1,), None, False)


def test_planes_by_hand():
    symbols = jnp.asarray([[[0, 1], [2, 0]]])
    np.testing.assert_array_equal(planes(symbols, (3, 2)), [[[1, 0, 0, 0, 1], [0, 0, 1, 1, 0]]])
    np.testing.assert_array_equal(planes(jnp.asarray([[[255]]]), (3,)), [[[0, 0, 0]]])


def test_require_known_lists_the_known():
    require_known("zoo", "ant", ["bee", "ant"])
    with pytest.raises(ValueError, match="^unknown zoo environment 'cow'; known: ant, bee$"):
        require_known("zoo", "cow", ["bee", "ant"])
