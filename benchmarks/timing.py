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
    """Time actions called in turn, after one untimed call of each.

    Other programs on the machine slow all actions of a turn alike, so the ratios within a turn are
    steadier than its times. After LIMIT_SECONDS no turn begins, except the first LEAST_TURNS.

    Args:
        actions: functions without arguments, each of which returns arrays to wait for.
        turns: maximum number of turns.

    Returns:
        Wall-clock seconds by turn and action.
    """
    for action in actions:
        jax.block_until_ready(action())
    first = time.perf_counter()
    taken: list[list[float]] = []
    while len(taken) < turns and (len(taken) < LEAST_TURNS or time.perf_counter() - first < LIMIT_SECONDS):
        taken.append([_seconds(action) for action in actions])
    return taken


def seconds_of(action: Callable[[], Any], repeats: int) -> list[float]:
    """Time one action as `seconds_in_turns` does.

    Args:
        action: function without arguments that returns arrays to wait for.
        repeats: maximum number of timed calls.

    Returns:
        Wall-clock seconds of each call.
    """
    return [turn[0] for turn in seconds_in_turns([action], repeats)]


def _seconds(action: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(action())
    return time.perf_counter() - begin


def peak_megabytes(mesh: Mesh) -> float:
    """Return peak memory so far: of one device if devices report it, otherwise resident in this process.

    Resident memory includes the compiler's.

    Args:
        mesh: mesh of the devices.

    Returns:
        MB.
    """
    stats = [device.memory_stats() for device in mesh.devices.flat]
    if all(stat and "peak_bytes_in_use" in stat for stat in stats):
        return max(stat["peak_bytes_in_use"] for stat in stats) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
