"""results.csv: rows are read as written, and neither a truncated line nor a foreign file passes for results."""

import math
from dataclasses import replace

import pytest

from groove.transfer.results import COLUMNS, ResultsError, Row, append_results, read_results

ROWS = [
    Row("own", "catch, small", 1.0, 0, "ppo", 0, 1280, 1, 16, 0.5),
    Row("own", 'a "name"', 0.25, 7, "ppo (tuned)", 3, 0, 0, 0, -1.0),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.csv"


def test_results_are_read_as_they_were_written(path):
    append_results(path, ROWS[:1])
    append_results(path, ROWS[1:])
    assert read_results(path) == ROWS
    lines = path.read_text().splitlines()
    assert lines[0] == "suite,environment,lifetime,level,rule,seed,step,updates,gradient_steps,return"
    assert lines[1] == 'own,"catch, small",1.0,0,ppo,0,1280,1,16,0.5' and len(lines) == 3


def test_results_keep_nine_digits_and_nan(path):
    append_results(path, [replace(ROWS[0], value=float("nan")), replace(ROWS[0], value=1 / 3)])
    broken, third = read_results(path)
    assert math.isnan(broken.value) and third.value == 0.333333333
    assert path.read_text().endswith(',nan\nown,"catch, small",1.0,0,ppo,0,1280,1,16,0.333333333\n')


def test_missing_or_empty_results_have_no_rows(path):
    assert read_results(path) == []
    path.write_text("")
    assert read_results(path) == []
    append_results(path, ROWS)
    assert read_results(path) == ROWS


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_truncated_last_line_is_not_a_row_and_is_dropped_by_the_next_append(path, cut):
    append_results(path, ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert read_results(path) == ROWS[:1]
    append_results(path, ROWS[1:])
    assert path.read_bytes() == whole


def test_a_truncated_header_is_written_again(path):
    path.write_text("suite,envir")
    assert read_results(path) == []
    append_results(path, ROWS)
    assert read_results(path) == ROWS


def test_a_foreign_file_is_refused_by_name(path):
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ResultsError) as refusal:
        read_results(path)
    assert str(refusal.value) == f"{path}: columns must be {','.join(COLUMNS)}"


@pytest.mark.parametrize(
    "line", ["own,catch,1.0,0,ppo,zero,0,0,0,0.5", "own,catch,1.0,0,ppo", "own,c,1.0,0,ppo,0,0,0,0,"]
)
def test_a_bad_cell_is_refused_with_its_line(path, line):
    append_results(path, ROWS)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ResultsError, match=r"results\.csv: line 4: "):
        read_results(path)


def test_a_run_is_identified_by_everything_but_its_points():
    later = replace(ROWS[0], step=9, updates=9, gradient_steps=9, value=9.0)
    assert later.run == ROWS[0].run == ("own", "catch, small", 1.0, 0, "ppo", 0)
    changes = {"suite": "x", "environment": "x", "lifetime": 2.0, "level": 1, "rule": "x", "seed": 1}
    assert all(replace(ROWS[0], **{name: value}).run != ROWS[0].run for name, value in changes.items())
