"""The legend of pictures of levels: every symbol with what it means."""

import numpy as np
from jaxtyping import UInt8

from levels.lettering import LINE_HEIGHT, render_lettering, text_width
from levels.renderer import Look, render_cell

SYMBOL_PIXELS = 24
GAP, GROUP_GAP, ROW_HEIGHT = 6, 30, LINE_HEIGHT + 6

Item = tuple[Look | None, str]
"""A symbol, or None where there is only text, and the text to its right."""

GROUPS: tuple[tuple[Item, ...], ...] = (
    ((Look(agent=True), "agent's start"),),
    ((Look(wall=True), "wall"),),
    (
        (None, "object, by its reward:"),
        (Look(thing=(-1.0, 0.0, 0.0)), "−1 or less"),
        (Look(thing=(-0.5, 0.0, 0.0)), "−0.5"),
        (Look(thing=(0.0, 0.0, 0.0)), "0"),
        (Look(thing=(0.5, 0.0, 0.0)), "+0.5"),
        (Look(thing=(1.0, 0.0, 0.0)), "+1 or more"),
    ),
    (
        (None, "chance that collecting it ends the episode:"),
        (Look(thing=(0.0, 0.0, 0.0)), "0"),
        (Look(thing=(0.0, 0.01, 0.0)), "0.01"),
        (Look(thing=(0.0, 0.1, 0.0)), "0.1"),
        (Look(thing=(0.0, 1.0, 0.0)), "1"),
    ),
    (
        (None, "chance per step that it respawns:"),
        (Look(thing=(0.0, 0.0, 0.0)), "0"),
        (Look(thing=(0.0, 0.0, 0.001)), "0.001"),
        (Look(thing=(0.0, 0.0, 0.01)), "0.01"),
        (Look(thing=(0.0, 0.0, 0.1)), "0.1"),
        (Look(thing=(0.0, 0.0, 1.0)), "1"),
    ),
)
"""What belongs together starts on a new row unless all of it fits into the rest of the current one."""


def render_legend(width: int) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the legend.

    Args:
        width: width in pixels, ≥ 616 if a group is to fit on a row and ≥ 300 if no text is to be cut.

    Returns:
        uint8 [h, width, 3], as high as it needs to be.
    """
    places = list(_flow(width))
    height = (places[-1][1] + 1) * ROW_HEIGHT
    texts = [(left + _symbol_width(look), (row + 0.5) * ROW_HEIGHT, text) for left, row, (look, text) in places]
    picture = render_lettering(height, width, texts).copy()
    for left, row, (look, _) in places:
        if look is not None:
            top = row * ROW_HEIGHT + (ROW_HEIGHT - SYMBOL_PIXELS) // 2
            picture[top : top + SYMBOL_PIXELS, left : left + SYMBOL_PIXELS] = render_cell(look, SYMBOL_PIXELS)
    return picture


def _symbol_width(look: Look | None) -> int:
    return 0 if look is None else SYMBOL_PIXELS + GAP


def _item_width(item: Item) -> int:
    return _symbol_width(item[0]) + text_width(item[1])


def _flow(width: int) -> list[tuple[int, int, Item]]:
    """Return the left end and the row of every item, row by row like words of a text."""
    places, left, row = [], 0, 0
    for group in GROUPS:
        widths = [_item_width(item) for item in group]
        if left and left + sum(widths) + 2 * GAP * (len(group) - 1) > width:
            left, row = 0, row + 1
        for item, item_width in zip(group, widths, strict=True):
            if left and left + item_width > width:
                left, row = 0, row + 1
            places.append((left, row, item))
            left += item_width + 2 * GAP
        left += GROUP_GAP - 2 * GAP
    return places
