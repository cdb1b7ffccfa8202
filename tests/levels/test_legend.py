"""The legend: every symbol of a picture is in it, and no text is cut."""

import numpy as np
import pytest

from levels.legend import GROUPS, SYMBOL_PIXELS, render_legend
from levels.renderer import Look, render_cell

WIDTHS = (320, 616, 1600)


def contains(picture, part):
    """Return whether a part occurs in a picture."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, part.shape)[:, :, 0]
    corner = np.all(windows[..., SYMBOL_PIXELS // 2, SYMBOL_PIXELS // 2, :] == part[12, 12], axis=-1)
    return any(np.array_equal(windows[place], part) for place in zip(*corner.nonzero(), strict=True))


@pytest.mark.parametrize("width", WIDTHS)
def test_legend_shows_every_symbol_at_any_width(width):
    legend = render_legend(width)
    assert legend.shape[1] == width
    looks = [look for group in GROUPS for look, _ in group if look is not None]
    assert Look(agent=True) in looks and Look(wall=True) in looks and len({look.thing for look in looks} - {None}) == 12
    assert all(contains(legend, render_cell(look, SYMBOL_PIXELS)) for look in set(looks))


@pytest.mark.parametrize("width", WIDTHS)
def test_legend_cuts_no_text(width):
    assert np.all(render_legend(width)[:, -1] == 255)


def test_legend_is_lower_where_it_is_wider():
    heights = [render_legend(width).shape[0] for width in WIDTHS]
    assert heights[0] > heights[1] > heights[2] == 60
