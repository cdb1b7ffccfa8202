"""TensorBoard events: on disk at once, hidden where a resumed run repeats them, no hang on a full disk."""

import struct

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from groove.records.json_file import RunFolderError
from groove.records.tensorboard_log import TensorBoardLog
from tests.full_disk import full_disk


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
