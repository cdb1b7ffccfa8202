"""Devices and compilation cache, configured before anything starts a JAX backend."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from jax.sharding import Mesh, NamedSharding

Tree = TypeVar("Tree")


def configure(num_devices: int | None) -> None:
    """Set the number of CPU devices and the persistent compilation cache.

    One CPU device uses barely more than one core on element-wise work, so by default there is one
    per core. The cache is in JAX_COMPILATION_CACHE_DIR if set, otherwise in the user's cache folder.
    Call this before importing gymnax or evosax, since both start JAX's backend.

    Args:
        num_devices: number of CPU devices, ≥ 1; one per core if None.
    """
    import jax

    jax.config.update("jax_num_cpu_devices", num_devices or len(os.sched_getaffinity(0)))
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groove" / "jax"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    # Many small programs take longer to compile than the few large ones.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def configure_host() -> None:
    """Configure JAX for one CPU device, since a run in progress may hold all memory of an accelerator."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    configure(1)


def lives_mesh(num_devices: int | None) -> "Mesh":
    """Build a mesh with one axis, "lives", over the devices of all processes.

    Args:
        num_devices: number of devices of each process, ≥ 1; all if None.

    Returns:
        The mesh, with devices ordered by process.

    Raises:
        ValueError: this process has fewer devices.
    """
    import jax
    from jax.sharding import AxisType

    here = len(jax.local_devices())
    if num_devices is not None and num_devices > here:
        raise ValueError(f"--devices must be at most {here} on this machine, got {num_devices}")
    processes = range(jax.process_count())
    devices = [device for process in processes for device in jax.local_devices(process)[:num_devices]]
    return jax.make_mesh((len(devices),), ("lives",), axis_types=(AxisType.Auto,), devices=devices)


def everywhere(mesh: "Mesh") -> "NamedSharding":
    """Return the sharding of arrays replicated on every device.

    Args:
        mesh: mesh of the devices.

    Returns:
        The sharding.
    """
    from jax.sharding import NamedSharding, PartitionSpec

    return NamedSharding(mesh, PartitionSpec())


def replicated(mesh: "Mesh", tree: Tree) -> Tree:
    """Copy arrays to every device of a mesh, as programs over the mesh expect them.

    Args:
        mesh: mesh of the devices.
        tree: arrays and keys, each whole on this process and equal on all processes.

    Returns:
        The replicated tree.
    """
    import jax

    sharding = everywhere(mesh)
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def place(x: Any) -> Any:
        # device_put would compare values across processes, with a collective for each array.
        copies = [jax.device_put(x, device) for device in mesh.local_devices]
        return jax.make_array_from_single_device_arrays(copies[0].shape, sharding, copies)

    return jax.tree.map(place, tree)


def local(tree: Tree) -> Tree:
    """Return this process's copy of replicated arrays.

    Args:
        tree: arrays and keys, as programs over a mesh return them.

    Returns:
        The local tree; the input itself if there is only one process.
    """
    import jax

    return jax.tree.map(lambda x: x if x.is_fully_addressable else x.addressable_data(0), tree)
