"""Metrics: rows that survive a kill, that a resumed run continues, and that any JSON reader reads."""

import struct

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from groove.records.metrics_log import MetricsLog, TensorBoardLog
from groove.records.run_folder import RunFolderError
from tests.full_disk import full_disk


@pytest.fixture
def log(tmp_path):
    return MetricsLog(tmp_path / "metrics.jsonl")


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
    with pytest.raises(ValueError, match="needs an integer generation"):
        log.append({"generation": generation})
    assert not log.path.exists()


def test_truncate_after_makes_the_resumed_file_equal_to_the_uninterrupted_one(log, tmp_path):
    uninterrupted = MetricsLog(tmp_path / "uninterrupted.jsonl")
    rows = [{"generation": generation, "fitness": np.float32(generation / 3)} for generation in range(6)]
    for row in rows:
        uninterrupted.append(row)
    for row in rows[:5]:
        log.append(row)
    with log.path.open("ab") as file:
        file.write(b'{"generation":5,"fit')
    log.truncate_after(3)
    assert [row["generation"] for row in log.rows()] == [0, 1, 2]
    for row in rows[3:]:
        log.append(row)
    assert log.path.read_bytes() == uninterrupted.path.read_bytes()


def test_truncate_after_drops_a_torn_line_that_is_whole_json(log):
    log.path.write_bytes(b'{"generation":0}\n{"generation":1}')
    log.truncate_after(9)
    assert log.path.read_bytes() == b'{"generation":0}\n'


def test_truncate_after_of_no_file_is_an_empty_file(log):
    log.truncate_after(0)
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
    log.truncate_after(1)
    assert log.path.read_bytes() == b'{"generation":0}\n'


def read_events(path):
    content, events = path.read_bytes(), []
    while content:
        (size,) = struct.unpack("<Q", content[:8])
        events.append(Event.FromString(content[12 : 12 + size]))
        content = content[16 + size :]
    return events


def test_tensorboard_events_are_on_disk_before_close(tmp_path):
    log = TensorBoardLog(tmp_path / "events")
    log.append({"generation": 4, "fitness": np.float32(0.5), "bad": float("nan"), "name": "tiny"})
    (path,) = (tmp_path / "events").iterdir()
    event = read_events(path)[-1]
    assert event.step == 4
    assert [(value.tag, value.simple_value) for value in event.summary.value] == [("fitness", 0.5)]
    log.close()


def test_tensorboard_log_of_a_resumed_run_hides_what_it_does_again(tmp_path):
    for first_generation in (0, 7):
        TensorBoardLog(tmp_path, first_generation).close()
    starts = [event for path in tmp_path.iterdir() for event in read_events(path) if event.HasField("session_log")]
    assert sorted(event.step for event in starts) == [0, 7]
    assert all(event.session_log.status == SessionLog.START for event in starts)


def test_tensorboard_log_on_a_full_disk_raises_and_does_not_hang(tmp_path):
    log = TensorBoardLog(tmp_path)
    row = {"generation": 0} | {f"metric_{number}": 1.0 for number in range(100)}
    with full_disk(), pytest.raises(RunFolderError, match="cannot be written: File too large"):
        log.append(row)
