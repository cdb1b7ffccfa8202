"""Maps as text."""

import numpy as np
import pytest

from levels.ascii_map import draw_map, read_map


def test_read_map_finds_walls_and_signs():
    walls, places = read_map(["#.a", "S.#"], "Sab", "here")
    assert walls.tolist() == [[True, False, False], [False, False, True]]
    assert places == {"a": (0, 2), "S": (1, 0)}


def test_draw_map_inverts_read_map():
    rows = ["#.a", "S.#"]
    walls, places = read_map(rows, "Sa", "here")
    assert draw_map(walls, {place: sign for sign, place in places.items()}) == rows
    assert draw_map(np.zeros((1, 2), bool), {}) == [".."]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"here, line 4: map must have at least one row and one column, got none"),
        ([""], r"here, line 4: map must have at least one row"),
        (["...", ".."], r"here, line 5: map row must have 3 characters like the first, got 2"),
        (["..x"], r"here, line 4: map has 'x'; allowed are # \. S"),
        (["S..", ".S."], r"here, line 5: map has 'S' a second time"),
    ],
)
def test_read_map_names_the_line_at_fault(rows, message):
    with pytest.raises(ValueError, match=message):
        read_map(rows, "S", "here", first_line=4)
