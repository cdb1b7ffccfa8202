"""What the processes of a job tell each other while they run: collectives over the mesh of lives."""

import os
import sys
import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree


def meet(mesh: Mesh) -> None:
    """Open the connections between all devices; the runtime's notes on them are kept from the output.

    Args:
        mesh: of the lives.
    """
    if jax.process_count() == 1:
        return
    sys.stdout.flush()
    output, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        _sum_over_processes(mesh, np.zeros((), np.int32))
    finally:
        os.dup2(output, 1)
        os.close(output)
        os.close(nowhere)


def anywhere(mesh: Mesh, flag: bool) -> bool:
    """Whether a flag is raised on any process.

    Args:
        mesh: of the lives.
        flag: of this process.

    Returns:
        The same on every process.
    """
    return flag if jax.process_count() == 1 else bool(_sum_over_processes(mesh, np.array(flag, np.int32)))


def from_writer(mesh: Mesh, content: bytes) -> bytes:
    """The bytes that process 0 has.

    Args:
        mesh: of the lives.
        content: of process 0; not read on the others.

    Returns:
        The same on every process.
    """
    if jax.process_count() == 1:
        return content
    mine = np.frombuffer(content if jax.process_index() == 0 else b"", np.uint8)
    told = np.zeros(int(_sum_over_processes(mesh, np.array(mine.size, np.int32))), np.uint8)
    told[: mine.size] = mine
    return _sum_over_processes(mesh, told).tobytes()


def differs(mesh: Mesh, tree: PyTree) -> bool:
    """Whether processes hold other bits where all should hold the same, as machines of several kinds might.

    Args:
        mesh: of the lives.
        tree: arrays, whole on every process.

    Returns:
        The same on every process.
    """
    if jax.process_count() == 1:
        return False
    mine = zlib.crc32(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree))).to_bytes(4, "little")
    return anywhere(mesh, mine != from_writer(mesh, mine))


def _sum_over_processes(mesh: Mesh, value: np.ndarray) -> np.ndarray:
    """The first device of each process adds the process's value, its others 0."""
    rows = [
        jax.device_put((value if number == 0 else np.zeros_like(value))[None], device)
        for number, device in enumerate(mesh.local_devices)
    ]
    lives, everywhere = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("lives",), ()))
    stacked = jax.make_array_from_single_device_arrays((mesh.size, *value.shape), lives, rows)
    return np.asarray(jax.jit(_sum_of_rows, out_shardings=everywhere)(stacked))


def _sum_of_rows(rows: Array) -> Array:
    return jnp.sum(rows, axis=0, dtype=rows.dtype)
