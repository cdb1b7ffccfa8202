"""The machine that a benchmark ran on."""

import os
from datetime import UTC, datetime
from typing import Any

import jax


def facts() -> dict[str, Any]:
    """Describe the machine without naming it.

    Returns:
        Backend, kind and number of devices, number of cores, version of JAX, and date.
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
