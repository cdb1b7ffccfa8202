"""What a benchmark ran on."""

import os
from datetime import UTC, datetime
from typing import Any

import jax


def facts() -> dict[str, Any]:
    """The machine, without a name of it.

    Returns:
        Backend, kind and number of devices, cores, version of JAX, date.
    """
    devices = jax.local_devices()
    return {
        "backend": jax.default_backend(),
        "device": devices[0].device_kind,
        "devices": len(devices),
        "cores": len(os.sched_getaffinity(0)),
        "jax": jax.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }
