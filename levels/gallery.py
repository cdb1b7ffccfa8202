"""Pictures of several levels side by side, with titles and a legend."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from levels.legend import render_legend
from levels.lettering import LINE_HEIGHT, broken, render_lettering
from levels.level import Level
from levels.renderer import WALL, render_rgb

MARGIN = 12
LEAST_WIDTH = 640
"""Width of the narrowest gallery, in pixels; the legend needs it."""

SHARED_WIDTH = 1600
"""Width that the columns of a gallery share, in pixels, as long as each has one between the two of SIDES."""

SIDES = (240, 480)
"""Least and greatest side that is aimed at for the largest map, in pixels."""

LARGEST_CELL = 96


def cell_pixels(levels: Sequence[Level], columns: int) -> int:
    """Choose the size of cells, the same for all levels of a gallery.

    Args:
        levels: at least one level.
        columns: most levels in a row, ≥ 1.

    Returns:
        Side of a cell in pixels, 1 to 96: the largest map gets a side of 240 to 480 pixels, unless it has more cells
        than pixels.
    """
    side = int(np.clip(SHARED_WIDTH // columns, *SIDES))
    longest = max(max(int(level.height), int(level.width)) for level in levels)
    return int(np.clip(side // longest, 1, LARGEST_CELL))


def render_gallery(
    rows: Sequence[Sequence[tuple[str, Level]]], notes: Sequence[str] = ()
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw levels side by side on white, each below its title, and the legend at the bottom.

    Args:
        rows: titles and levels, row by row; a line of a title that is wider than the level continues on the next.
        notes: paragraphs to write below the legend.

    Returns:
        uint8 [h, w, 3], at least 640 pixels wide.

    Raises:
        ValueError: there are no levels.
    """
    levels = [level for row in rows for _, level in row]
    if not levels:
        raise ValueError("render_gallery: rows must hold at least one level, got none")
    columns = max(map(len, rows))
    pixels = cell_pixels(levels, columns)
    tile_width = max(SIDES[0], *(int(level.width) * pixels for level in levels))
    width = max(columns * (tile_width + MARGIN) + MARGIN, LEAST_WIDTH)
    left = (width - columns * (tile_width + MARGIN) + MARGIN) // 2
    centres = [left + column * (tile_width + MARGIN) + tile_width // 2 for column in range(columns)]
    parts = [np.full((MARGIN // 2, width, 3), 255, np.uint8)]
    for row in filter(None, rows):
        titles = [broken(title, tile_width) for title, _ in row]
        pictures = [render_rgb(level, cell_pixels=pixels) for _, level in row]
        parts += [_title_row(titles, centres, width), _picture_row(pictures, centres, width)]
    parts.append(_indented(render_legend(width - 2 * MARGIN)))
    if notes:
        parts.append(_indented(_paragraphs(notes, width - 2 * MARGIN)))
    return np.concatenate(parts)


def _title_row(titles: Sequence[list[str]], centres: Sequence[int], width: int) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the titles of a row of levels, each standing on its level."""
    height = LINE_HEIGHT * max(map(len, titles))
    texts = [
        (centre, height - LINE_HEIGHT * (len(title) - i - 0.5), line)
        for centre, title in zip(centres, titles, strict=False)
        for i, line in enumerate(title)
    ]
    return render_lettering(height, width, texts, "center")


def _picture_row(
    pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]], centres: Sequence[int], width: int
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw a row of levels in frames of two pixels, with a margin below."""
    row = np.full((max(picture.shape[0] for picture in pictures) + 4 + MARGIN, width, 3), 255, np.uint8)
    for centre, picture in zip(centres, pictures, strict=False):
        height, picture_width = picture.shape[:2]
        left = centre - picture_width // 2
        row[: height + 4, left - 2 : left + picture_width + 2] = WALL
        row[2 : height + 2, left : left + picture_width] = picture
    return row


def _paragraphs(texts: Sequence[str], width: int) -> UInt8[np.ndarray, "h w 3"]:
    lines = [line for text in texts for line in broken(text, width)]
    places = [(0, LINE_HEIGHT * (i + 0.5), line) for i, line in enumerate(lines)]
    return render_lettering(LINE_HEIGHT * len(lines), width, places)


def _indented(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h+12 w+24 3"]:
    return np.pad(picture, ((0, MARGIN), (MARGIN, MARGIN), (0, 0)), constant_values=255)
