"""What processes exchange: sums over the mesh, and nothing if there is only one process."""

import jax
import numpy as np
import pytest

from groove.job import agreement
from groove.job.devices import lives_mesh


def test_process_alone_agrees_with_itself():
    mesh = lives_mesh(2)
    agreement.meet(mesh)
    assert agreement.anywhere(mesh, True) is True and agreement.anywhere(mesh, False) is False
    assert agreement.from_writer(mesh, b"bytes") == b"bytes"


@pytest.mark.parametrize("content", [b"", b"\x00\xff\x80 bytes of every kind \x01"])
def test_writers_bytes_arrive_whole(monkeypatch, content):
    # This process stands for both: its second device plays the other, which has nothing to add.
    mesh = lives_mesh(2)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert agreement.from_writer(mesh, content) == content
    assert agreement.anywhere(mesh, True) and not agreement.anywhere(mesh, False)


def test_other_bits_on_another_process_are_noticed(monkeypatch):
    mesh, rule = lives_mesh(2), {"kernel": np.ones((2, 2), np.float32)}
    assert not agreement.differs(mesh, rule)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert not agreement.differs(mesh, rule)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(agreement, "from_writer", lambda mesh, mine: b"1234")
    assert agreement.differs(mesh, rule)


def test_each_process_counts_once_however_many_devices_it_has():
    for num_devices in (1, 2):
        total = agreement.sum_over_processes(lives_mesh(num_devices), np.array([3, 200], np.uint8))
        np.testing.assert_array_equal(total, np.array([3, 200], np.uint8))
