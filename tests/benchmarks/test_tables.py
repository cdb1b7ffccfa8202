"""Readings as tables."""

import pytest

from benchmarks.tables import aligned, cell, markdown, number, pivots
from tests.benchmarks.handmade import reading


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.18612, "0.186"),
        (0, "0"),
        (12.34, "12.3"),
        (678.4, "678"),
        (3456.0, "3456"),
        (31_400, "31.4k"),
        (6.89e6, "6.89M"),
    ],
)
def test_number_has_three_digits(value, text):
    assert number(value) == text


def test_cell_shows_the_spread_of_repeated_readings():
    assert cell(reading("A", [1.0, 2.0, 3.0])) == "2 (1–3)"
    assert cell(reading("A", [1.0])) == "1"


def test_pivot_puts_the_longer_side_in_rows():
    seconds = [reading(name, [1.0]) for name in "ABC"]
    assert list(pivots(seconds)) == [[("", "generation [s]"), ("A", "1"), ("B", "1"), ("C", "1")]]
    metrics = [reading("A", [1.0], metric=metric, unit="MB") for metric in "pq"]
    assert list(pivots(metrics)) == [[("", "A"), ("p [MB]", "1"), ("q [MB]", "1")]]


def test_subjects_with_other_metrics_stand_in_a_table_of_their_own():
    rows = [reading("A", [1.0]), reading("TA", [2.0], metric="share"), reading("B", [3.0])]
    assert [[row[0] for row in table] for table in pivots(rows)] == [["", "A", "B"], ["", "share [s]"]]


def test_columns_are_aligned():
    assert aligned([("", "s"), ("first", "1"), ("2", "10.5")]) == "          s\nfirst     1\n2      10.5"


def test_markdown_has_a_rule():
    assert markdown([("", "s"), ("A", "1")]) == "|  | s |\n|---|---:|\n| A | 1 |"
