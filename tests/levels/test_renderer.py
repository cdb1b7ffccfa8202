"""Pictures of levels."""

import jax.numpy as jnp
import numpy as np
import pytest

from levels.renderer import AGENT_FILL, INK, WALL, render_rgb, render_text, reward_color
from levels.worlds.random_grid import NOWHERE, RandomGridState
from levels.worlds.tabular_grid import GridState

PIXELS = 24


def cell(picture, row, column):
    return picture[row * PIXELS : (row + 1) * PIXELS, column * PIXELS : (column + 1) * PIXELS]


def test_render_text_draws_the_levels_own_part_and_its_objects(level):
    assert render_text(level) == (
        "Sa#\nc..\na: type 0, reward +1, ends 0, returns 0\nc: type 1, reward -0.5, ends 1, returns 1"
    )


def test_render_text_follows_a_tabular_episode(level):
    state = GridState(time=1, position=jnp.int32(1), present=jnp.int32(0b100), terminated=False)
    assert render_text(level, state).splitlines()[:2] == [".@#", "c.."]


def test_render_text_follows_a_random_episode(level):
    # Free cells in order: 0, 1, 4, 5, 6.
    ranks = jnp.array([NOWHERE, NOWHERE, 3])
    state = RandomGridState(time=1, agent_rank=jnp.int32(4), object_ranks=ranks, terminated=False)
    assert render_text(level, state).splitlines()[:2] == ["..#", ".c@"]


def test_render_rgb_is_cropped_and_shows_walls_and_agent(level):
    picture = render_rgb(level)
    assert picture.shape == (2 * PIXELS, 3 * PIXELS, 3) and picture.dtype == np.uint8
    assert np.all(cell(picture, 0, 2) == WALL)
    assert np.all(cell(picture, 0, 0)[12, 12] == AGENT_FILL)
    assert not np.all(cell(picture, 1, 1) == WALL, axis=-1).any()
    assert render_rgb(level, cell_pixels=8).shape == (16, 24, 3)


def test_render_rgb_distinguishes_termination_and_respawn(level):
    picture = render_rgb(level)
    lasting, ending = cell(picture, 0, 1), cell(picture, 1, 0)
    assert np.all(lasting[12, 12] == np.round(reward_color(1.0)))
    assert np.all(ending[12, 12] == INK), "a cross must lie over what ends the episode"
    assert np.all(ending[7, 12] == np.round(reward_color(-0.5)))
    # The ring passes under the middle of the top, right, bottom and left edges.
    ring = [(2, 12), (12, 21), (21, 12), (12, 2)]
    assert all(np.all(ending[place] < 60) for place in ring)
    assert all(np.all(lasting[place] > 200) for place in ring)


def test_render_rgb_draws_half_a_ring_for_a_respawn_chance_of_one_percent(level):
    level = level.replace(object_respawn_probs=np.float32([0.01, 0, 0]))
    goal = cell(render_rgb(level), 0, 1)
    assert np.all(goal[12, 21] < 60) and np.all(goal[12, 2] > 200)
    assert np.all(goal[21, 13] < 60) and np.all(goal[21, 10] > 200)


def test_render_rgb_widens_the_cross_with_the_chance_to_end(level):
    def ink(prob):
        changed = level.replace(object_terminate_probs=np.float32([prob, 0, 0]))
        return -int(cell(render_rgb(changed), 0, 1).sum(dtype=np.int64))

    assert ink(0.0) < ink(0.01) < ink(0.1) < ink(1.0)


def test_render_rgb_follows_an_episode(level):
    state = GridState(time=1, position=jnp.int32(1), present=jnp.int32(0b001), terminated=False)
    picture = render_rgb(level, state)
    assert np.all(cell(picture, 0, 1)[12, 12] == AGENT_FILL)
    assert np.array_equal(cell(picture, 1, 0), cell(picture, 1, 1)), "an object that is away must not be drawn"


def test_reward_color_runs_from_vermillion_through_white_to_blue():
    assert reward_color(0).tolist() == [255, 255, 255]
    assert reward_color(1).tolist() == reward_color(7).tolist() == [0, 114, 178]
    assert reward_color(-1).tolist() == [213, 94, 0]
    assert reward_color(0.5).tolist() == [127.5, 184.5, 216.5]


def test_render_rgb_draws_an_agent_that_stands_on_an_object(level):
    state = GridState(time=1, position=jnp.int32(1), present=jnp.int32(0b001), terminated=False)
    both = cell(render_rgb(level.replace(object_respawn_probs=np.float32([1, 0, 1])), state), 0, 1)
    assert np.all(both[12, 12] == AGENT_FILL) and np.all(both[4, 4] < 60), "the ring stays in sight"


def test_render_rgb_of_one_pixel_per_cell(level):
    assert render_rgb(level, cell_pixels=1).shape == (2, 3, 3)
    with pytest.raises(ValueError, match="render_rgb: cell_pixels must be >= 1, got 0"):
        render_rgb(level, cell_pixels=0)
