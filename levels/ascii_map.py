"""Maps as text: '#' is a wall, '.' is free, and any other character stands on a free cell."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from jaxtyping import Bool

WALL, FREE, START = "#", ".", "S"


def read_map(
    rows: Sequence[str], signs: Collection[str], name: str, first_line: int = 1
) -> tuple[Bool[np.ndarray, "h w"], dict[str, tuple[int, int]]]:
    """Read a map.

    Args:
        rows: h lines of w characters each.
        signs: characters that may stand on free cells, each at most once.
        name: source of the map, for error messages.
        first_line: line number of the first row, for error messages.

    Returns:
        walls [h, w] bool, and the (row, column) of every sign on the map.

    Raises:
        ValueError: there are no rows, rows differ in length, or a character is unknown or repeated.
    """
    if not rows or not rows[0]:
        raise ValueError(f"{name}, line {first_line}: map must have at least one row and one column, got none")
    places: dict[str, tuple[int, int]] = {}
    for i, row in enumerate(rows):
        where = f"{name}, line {first_line + i}: map"
        if len(row) != len(rows[0]):
            raise ValueError(f"{where} row must have {len(rows[0])} characters like the first, got {len(row)}")
        for j, sign in enumerate(row):
            if sign in (WALL, FREE):
                continue
            if sign not in signs:
                raise ValueError(f"{where} has {sign!r}; allowed are {' '.join([WALL, FREE, *sorted(signs)])}")
            if sign in places:
                raise ValueError(f"{where} has {sign!r} a second time; at most one is allowed")
            places[sign] = (i, j)
    return np.array([[sign == WALL for sign in row] for row in rows]), places


def draw_map(walls: Bool[np.ndarray, "h w"], signs: Mapping[tuple[int, int], str]) -> list[str]:
    """Draw a map; the inverse of read_map.

    Args:
        walls: [h, w] bool.
        signs: character on each (row, column) that has one.

    Returns:
        h strings of w characters.
    """
    height, width = walls.shape
    return ["".join(signs.get((i, j), WALL if walls[i, j] else FREE) for j in range(width)) for i in range(height)]
