"""Devices: as many as asked for, and no more than there are."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from groove.job.devices import lives_mesh, local, replicated


def test_lives_mesh_holds_the_devices_asked_for():
    assert [lives_mesh(count).size for count in (1, 2, None)] == [1, 2, jax.local_device_count()]
    assert lives_mesh(2).axis_names == ("lives",)


def test_lives_mesh_refuses_more_devices_than_there_are():
    count = jax.local_device_count()
    with pytest.raises(ValueError, match=f"--devices must be at most {count} on this machine, got {count + 1}"):
        lives_mesh(count + 1)


def test_configure_host_uses_one_cpu_device():
    # In a separate process, where JAX has no devices yet.
    program = "from groove.job.devices import configure_host; configure_host(); import jax; print(jax.devices())"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[CpuDevice(id=0)]\n"


def test_replicated_arrays_are_whole_on_every_device_and_come_back_as_they_were():
    mesh, tree = lives_mesh(2), {"key": jax.random.key(3), "x": np.arange(3.0), "nothing": ()}
    placed = replicated(mesh, tree)
    assert placed["x"].sharding.is_fully_replicated and placed["key"].sharding.device_set == set(mesh.devices.flat)
    back = local(placed)
    assert back["x"] is placed["x"] and back["nothing"] == ()
    np.testing.assert_array_equal(back["x"], tree["x"])
    np.testing.assert_array_equal(jax.random.key_data(back["key"]), jax.random.key_data(tree["key"]))
