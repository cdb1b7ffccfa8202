"""Pictures of levels."""

import jax.numpy as jnp
import numpy as np
import pytest

from levels.level import Level
from levels.renderer import AGENT_FILL, INK, WALL, render_gallery, render_rgb, render_text, reward_color
from levels.worlds.random_grid import NOWHERE, RandomGridState
from levels.worlds.tabular_grid import GridState

PIXELS = 24


@pytest.fixture(scope="module")
def level():
    """2×3 cells of a 3×4 array: S a # / b . . with an unused slot between the two objects."""
    walls = np.ones((3, 4), bool)
    walls[:2, :3] = False
    walls[0, 2] = True
    return Level(
        max_steps_in_episode=np.int32(9),
        walls=walls,
        height=np.int32(2),
        width=np.int32(3),
        start=np.int32(0),
        object_cells=np.int32([1, 0, 4]),
        object_types=np.int32([0, -1, 1]),
        object_rewards=np.float32([1, 0, -0.5]),
        object_terminate_probs=np.float32([0, 0, 1]),
        object_respawn_probs=np.float32([0, 0, 1]),
        lifetime=np.int32(1),
    )


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


def test_render_gallery_tiles_levels_of_any_size(level):
    small = level.replace(height=np.int32(1), width=np.int32(1), walls=np.arange(12).reshape(3, 4) > 0)
    small = small.replace(object_types=np.int32([-1, -1, -1]))
    gallery = render_gallery([level, small, level], columns=2)
    margin = PIXELS // 2
    assert gallery.shape == (2 * (2 * PIXELS + margin) + margin, 2 * (3 * PIXELS + margin) + margin, 3)
    first = gallery[margin : margin + 2 * PIXELS, margin : margin + 3 * PIXELS]
    assert np.array_equal(first, render_rgb(level))
    top, left = 2 * margin + 2 * PIXELS, margin
    assert np.array_equal(gallery[top : top + 2 * PIXELS, left : left + 3 * PIXELS], render_rgb(level))
    assert np.all(gallery[top - 2 :, left + 3 * PIXELS + 2 :] == 255), "there is no fourth level"


def test_render_gallery_writes_titles(level):
    plain = render_gallery([level], columns=3)
    named = render_gallery([level], columns=3, titles=["regret 0.5"])
    extra = named.shape[0] - plain.shape[0]
    assert extra > 10 and named.shape[1] == plain.shape[1]
    strip = named[PIXELS // 2 : PIXELS // 2 + extra - 4]
    assert strip.min() < 100 and strip.mean() > 180


def test_render_gallery_makes_room_for_the_longest_title(level):
    heights = [
        render_gallery([level, level], columns=2, titles=titles).shape[0]
        for titles in (["a", "b"], ["a", "b\nc\nd"], ["", "a\n"])
    ]
    assert heights == [heights[0], heights[0] + 2 * 24, heights[0] + 24]
    strips = render_gallery([level], columns=1, titles=["a\nb"])[PIXELS // 2 :][:48]
    assert strips[:24].min() < 100 and strips[24:].min() < 100, "a line stands in each half"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": []}, "render_gallery: levels must hold at least one level, got none"),
        ({"columns": 0}, "render_gallery: columns must be >= 1, got 0"),
        ({"titles": ["a", "b"]}, "render_gallery: titles must be one per level, got 2 for 1 levels"),
        ({"cell_pixels": 3}, "render_rgb: cell_pixels must be >= 4, got 3"),
    ],
)
def test_render_gallery_settings_are_checked(level, settings, message):
    with pytest.raises(ValueError, match=message):
        render_gallery(**{"levels": [level], "columns": 1, **settings})
