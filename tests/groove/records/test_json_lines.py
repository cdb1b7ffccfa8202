"""Rows that survive a kill, that a resumed run continues, and that any JSON reader reads."""

import numpy as np
import pytest

from groove.records.json_file import RunFolderError
from groove.records.json_lines import JsonLines
from tests.full_disk import full_disk


@pytest.fixture
def log(tmp_path):
    return JsonLines(tmp_path / "metrics.jsonl", numbered="generation")


def test_append_writes_one_line_of_json_for_every_kind_of_number(log):
    row = {
        "generation": np.int32(3),
        "fitness": np.float32(0.5),
        "fitness_by_level": np.array([1.0, np.nan], np.float32),
        "failed": np.array(2),
        "solved": np.bool_(True),
        "name": "tiny",
        "score": {"small": 0.25, "all": float("inf")},
    }
    log.append(row)
    assert log.path.read_text() == (
        '{"generation":3,"fitness":0.5,"fitness_by_level":[1.0,null],"failed":2,"solved":true,'
        '"name":"tiny","score":{"small":0.25,"all":null}}\n'
    )


def test_append_keeps_every_bit_of_a_float(log):
    values = [np.float32(0.1), np.nextafter(np.float32(1), np.float32(2)), np.float32(1e-42)]
    log.append({"generation": 0, "values": values})
    assert [np.float32(value) for value in log.rows()[0]["values"]] == values


@pytest.mark.parametrize("generation", [None, 1.0, "1", True])
def test_append_needs_an_integer_generation(log, generation):
    with pytest.raises(ValueError, match="a row needs an integer generation"):
        log.append({"generation": generation})
    assert not log.path.exists()


def test_keep_makes_the_resumed_file_equal_to_the_uninterrupted_one(log, tmp_path):
    uninterrupted = JsonLines(tmp_path / "uninterrupted.jsonl", numbered="generation")
    rows = [{"generation": generation, "fitness": np.float32(generation / 3)} for generation in range(6)]
    for row in rows:
        uninterrupted.append(row)
    for row in rows[:5]:
        log.append(row)
    with log.path.open("ab") as file:
        file.write(b'{"generation":5,"fit')
    log.keep(lambda row: row["generation"] < 3)
    assert [row["generation"] for row in log.rows()] == [0, 1, 2]
    for row in rows[3:]:
        log.append(row)
    assert log.path.read_bytes() == uninterrupted.path.read_bytes()


def test_keep_drops_a_torn_line_that_is_whole_json(log):
    log.path.write_bytes(b'{"generation":0}\n{"generation":1}')
    log.keep(lambda row: row["generation"] < 9)
    assert log.path.read_bytes() == b'{"generation":0}\n'


def test_keep_of_no_file_is_an_empty_file(log):
    log.keep(lambda row: row["generation"] < 0)
    assert log.rows() == []


@pytest.mark.parametrize("line", [b"\x00\x00", b"[1]", b'{"fitness":1}', b'{"generation":"x"}'])
def test_rows_names_the_line_that_is_no_row(log, line):
    log.path.write_bytes(b'{"generation":0}\n' + line + b'\n{"generation":2}\n')
    with pytest.raises(RunFolderError, match=r"metrics.jsonl: line 2 is not"):
        log.rows()


def test_append_onto_a_full_disk_is_one_line_and_loses_no_earlier_row(log):
    log.append({"generation": 0})
    with full_disk(), pytest.raises(RunFolderError, match="metrics.jsonl: cannot be written: File too large"):
        log.append({"generation": 1, "filler": "x" * 10_000})
    assert log.rows() == [{"generation": 0}]
    log.keep(lambda row: row["generation"] < 1)
    assert log.path.read_bytes() == b'{"generation":0}\n'
