"""What the processes of a job exchange while they run: collectives over the mesh of lives."""

import os
import sys
import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree


def meet(mesh: Mesh) -> None:
    """Open the connections between all devices, suppressing the runtime's messages about them.

    Args:
        mesh: mesh of the lives.
    """
    if jax.process_count() == 1:
        return
    sys.stdout.flush()
    output, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        sum_over_processes(mesh, np.zeros((), np.int32))
    finally:
        os.dup2(output, 1)
        os.close(output)
        os.close(nowhere)


def anywhere(mesh: Mesh, flag: bool) -> bool:
    """Return whether a flag is raised on any process.

    Args:
        mesh: mesh of the lives.
        flag: flag of this process.

    Returns:
        The same value on every process.
    """
    return flag if jax.process_count() == 1 else bool(sum_over_processes(mesh, np.array(flag, np.int32)))


def from_writer(mesh: Mesh, content: bytes) -> bytes:
    """Share the bytes of process 0.

    Args:
        mesh: mesh of the lives.
        content: bytes of process 0; ignored on the others.

    Returns:
        The same bytes on every process.
    """
    if jax.process_count() == 1:
        return content
    mine = np.frombuffer(content if jax.process_index() == 0 else b"", np.uint8)
    received = np.zeros(int(sum_over_processes(mesh, np.array(mine.size, np.int32))), np.uint8)
    received[: mine.size] = mine
    return sum_over_processes(mesh, received).tobytes()


def differs(mesh: Mesh, tree: PyTree) -> bool:
    """Check whether arrays that should be equal differ between processes, as on machines of different kinds.

    Args:
        mesh: mesh of the lives.
        tree: pytree of arrays, whole on every process.

    Returns:
        The same value on every process.
    """
    if jax.process_count() == 1:
        return False
    mine = zlib.crc32(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree))).to_bytes(4, "little")
    return anywhere(mesh, mine != from_writer(mesh, mine))


def sum_over_processes(mesh: Mesh, value: np.ndarray) -> np.ndarray:
    """Sum a value over processes: the first device of each contributes its value, the others 0."""
    rows = [
        jax.device_put((value if number == 0 else np.zeros_like(value))[None], device)
        for number, device in enumerate(mesh.local_devices)
    ]
    lives, everywhere = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("lives",), ()))
    stacked = jax.make_array_from_single_device_arrays((mesh.size, *value.shape), lives, rows)
    return np.asarray(jax.jit(_sum_of_rows, out_shardings=everywhere)(stacked))


def _sum_of_rows(rows: Array) -> Array:
    return jnp.sum(rows, axis=0, dtype=rows.dtype)
