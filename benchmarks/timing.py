"""Seconds and bytes of compiled programs."""

import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.sharding import Mesh

LEAST_TURNS = 3
LIMIT_SECONDS = 60.0


def seconds_in_turns(actions: Sequence[Callable[[], Any]], turns: int) -> list[list[float]]:
    """Wall-clock seconds of actions called in turn, after a call of each that is not counted.

    Other programs on the machine slow all actions of a turn alike, so that the ratios of a turn are
    steadier than its seconds. No turn begins after LIMIT_SECONDS but for the first LEAST_TURNS.

    Args:
        actions: called without arguments; each returns arrays to wait for.
        turns: at most.

    Returns:
        Seconds by turn and action.
    """
    for action in actions:
        jax.block_until_ready(action())
    first = time.perf_counter()
    taken: list[list[float]] = []
    while len(taken) < turns and (len(taken) < LEAST_TURNS or time.perf_counter() - first < LIMIT_SECONDS):
        taken.append([_seconds(action) for action in actions])
    return taken


def seconds_of(action: Callable[[], Any], repeats: int) -> list[float]:
    """Wall-clock seconds of one action, as `seconds_in_turns` takes them.

    Args:
        action: called without arguments; returns arrays to wait for.
        repeats: at most.

    Returns:
        Seconds of each call.
    """
    return [turn[0] for turn in seconds_in_turns([action], repeats)]


def _seconds(action: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(action())
    return time.perf_counter() - begin


def peak_megabytes(mesh: Mesh) -> float:
    """Most memory held so far: on one device where devices count it, else resident in this process.

    The resident memory has the compiler's in it.

    Args:
        mesh: of the devices.

    Returns:
        MB.
    """
    stats = [device.memory_stats() for device in mesh.devices.flat]
    if all(stat and "peak_bytes_in_use" in stat for stat in stats):
        return max(stat["peak_bytes_in_use"] for stat in stats) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
