"""Galleries of levels: their size, whole titles, and what is below them."""

import numpy as np
import pytest

from levels.gallery import LEAST_WIDTH, MARGIN, cell_pixels, render_gallery
from levels.legend import render_legend
from levels.renderer import WALL, render_rgb


def of_size(level, height, width):
    """A level without walls and objects."""
    return level.replace(
        height=np.int32(height),
        width=np.int32(width),
        walls=np.zeros((height, width), bool),
        object_types=np.int32([-1, -1, -1]),
    )


@pytest.mark.parametrize(
    ("shapes", "columns", "pixels"),
    [
        ([(1, 1)], 1, 96),
        ([(5, 5)], 1, 96),
        ([(12, 4)], 1, 40),
        ([(12, 4), (4, 24)], 5, 13),
        ([(12, 12)], 100, 20),
        ([(600, 2)], 1, 1),
    ],
)
def test_cells_are_as_large_as_the_largest_map_allows(level, shapes, columns, pixels):
    assert cell_pixels([of_size(level, *shape) for shape in shapes], columns) == pixels


@pytest.mark.parametrize("side", [1, 4, 13, 700])
def test_a_gallery_of_one_level_is_readable_whatever_its_size(level, side):
    height, width = render_gallery([[("name", of_size(level, side, side))]]).shape[:2]
    assert max(LEAST_WIDTH, side) <= width <= LEAST_WIDTH + side and 250 < height < 700 + side


def test_levels_stand_in_rows_with_the_legend_below(level):
    gallery = render_gallery([[("a", level), ("b", of_size(level, 1, 1))], [], [("c", level)]])
    picture = render_rgb(level, cell_pixels=cell_pixels([level], 2))
    height, width = picture.shape[:2]
    legend = render_legend(gallery.shape[1] - 2 * MARGIN)
    assert np.array_equal(gallery[-MARGIN - len(legend) : -MARGIN, MARGIN:-MARGIN], legend)
    # Half a margin, a title of 24 pixels and two pixels of the frame.
    first_top, second_top, left = 32, 32 + height + 2 + MARGIN + 24 + 2, (gallery.shape[1] - 2 * width - MARGIN) // 2
    for top in (first_top, second_top):
        assert np.array_equal(gallery[top : top + height, left : left + width], picture)
        assert np.all(gallery[top - 2, left - 2 : left + width + 2] == WALL)
    assert np.all(gallery[second_top : second_top + height, left + width + 2 :] == 255), "there is no fourth level"


@pytest.mark.parametrize("title", ["a/file_name" * 20, "W" * 300, "short"])
def test_a_title_is_never_cut(level, title):
    gallery = render_gallery([[(title, level)] * 2])
    plain = render_gallery([[("", level)] * 2])
    rows = len(gallery) - len(plain) + 24
    ink = (gallery[6 : 6 + rows].min(axis=2) < 128).any(axis=0)
    assert not ink[:MARGIN].any() and not ink[-MARGIN:].any()
    middle = len(ink) // 2
    assert ink.any() and not ink[middle - 2 : middle + 2].any(), "the two titles stay apart"
    assert (rows == 24) == (title == "short")


def test_notes_are_below_the_legend(level):
    plain = render_gallery([[("a", level)]])
    noted = render_gallery([[("a", level)]], ["one", "a long note " * 10])
    below = noted[len(plain) :]
    assert np.array_equal(noted[: len(plain)], plain) and len(below) == 24 * 3 + MARGIN
    assert all((below[24 * i : 24 * i + 24] < 128).any() for i in range(3)) and np.all(below[:, -4:] == 255)


def test_a_gallery_of_nothing_is_refused():
    with pytest.raises(ValueError, match="render_gallery: rows must hold at least one level, got none"):
        render_gallery([[]])
