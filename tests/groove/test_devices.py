"""Devices: as many as asked for, and no more than there are."""

import subprocess
import sys

import jax
import pytest

from groove.devices import lives_mesh


def test_lives_mesh_holds_the_devices_asked_for():
    assert [lives_mesh(count).size for count in (1, 2, None)] == [1, 2, jax.local_device_count()]
    assert lives_mesh(2).axis_names == ("lives",)


def test_lives_mesh_refuses_more_devices_than_there_are():
    count = jax.local_device_count()
    with pytest.raises(ValueError, match=f"--devices must be at most {count} on this machine, got {count + 1}"):
        lives_mesh(count + 1)


def test_configure_host_settles_for_one_cpu_device():
    # In a process of its own, where JAX has no devices yet.
    program = "from groove.devices import configure_host; configure_host(); import jax; print(jax.devices())"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[CpuDevice(id=0)]\n"
