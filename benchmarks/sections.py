"""The sections of a benchmark, each measured in processes of its own. Imports no JAX."""

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.own_process import readings_of
from benchmarks.readings import Reading
from benchmarks.settings import (
    AXES,
    DEVICES_FROM,
    GROWTH,
    MEMORY_LIFETIMES,
    MIXED,
    OPTIONS,
    PAPER,
    SETTINGS,
    SOLVED,
    WIDE,
    WIDE_POPULATIONS,
    WORLD_ROLLOUTS,
    WORLD_WORKERS,
    WORLDS,
    A,
    point_name,
)
from groove.config import TrainConfig

Machine = dict[str, Any]
"""Facts of `benchmarks.machine`."""


def _settings(machine: Machine) -> dict[str, TrainConfig]:
    return SETTINGS if machine["backend"] == "cpu" else SETTINGS | PAPER


def worlds(machine: Machine, cache: str) -> Iterator[list[Reading]]:
    """Measure environment steps per second with random actions."""
    # Enough levels for one core would leave an accelerator idle.
    num_levels = 16 if machine["backend"] == "cpu" else 512
    yield readings_of(
        "benchmarks.worlds:measure",
        cache,
        names=WORLDS,
        num_levels=num_levels,
        num_workers=WORLD_WORKERS,
        num_rollouts=WORLD_ROLLOUTS,
    )


def generation(machine: Machine, cache: str) -> Iterator[list[Reading]]:
    """Measure time, floors, compile time and memory of generations, mixed lifetimes, and memory of long lives."""
    for name, config in (_settings(machine) | OPTIONS).items():
        with tempfile.TemporaryDirectory() as empty:
            arguments = {"name": name, "config": config.to_json()}
            yield readings_of("benchmarks.generation:speed", empty, **arguments)
            yield readings_of("benchmarks.generation:warm_compile", empty, **arguments)
    yield readings_of("benchmarks.lifetimes:measure", cache, name="TA", config=MIXED.to_json())
    for lifetime in MEMORY_LIFETIMES:
        config = A.replaced(lifetime=(lifetime, lifetime))
        yield from _memory("generation", f"A, lives of {lifetime}", config, cache)


def curriculum(machine: Machine, cache: str) -> Iterator[list[Reading]]:
    """Measure the cost of GROOVE's curriculum."""
    for name, config in _settings(machine).items():
        yield readings_of("benchmarks.curriculum:measure", cache, name=name, config=config.to_json())


def solver(machine: Machine, cache: str) -> Iterator[list[Reading]]:
    """Measure the time of exact solutions."""
    del machine, cache
    with tempfile.TemporaryDirectory() as empty:
        yield readings_of("benchmarks.solver:measure", empty, sets=SOLVED)


def scaling(machine: Machine, cache: str) -> Iterator[list[Reading]]:
    """Measure time against population, workers, GRU width and devices, and memory against population."""
    numbers = [2**power for power in range(machine["devices"].bit_length())]
    for axis, (config, values) in (AXES | {"devices": (DEVICES_FROM, tuple(numbers))}).items():
        arguments = {"axis": axis, "config": config.to_json(), "values": values, "growth": GROWTH.get(axis)}
        yield readings_of("benchmarks.scaling:measure", cache, **arguments)
    config, values = AXES["population"]
    for value in values:
        point = config.replaced(population=value)
        yield from _memory("scaling", point_name("population", value), point, cache)
    for perturbation in ("full", "lowrank:1"):
        for value in WIDE_POPULATIONS:
            point = WIDE.replaced(population=value, perturbation=perturbation)
            yield from _memory(
                "scaling", f"GRU {WIDE.rule.hidden_size}, {perturbation}, population {value}", point, cache
            )


def _memory(section: str, name: str, config: TrainConfig, cache: str) -> Iterator[list[Reading]]:
    """Measure peak memory without the compiler's; a first process fills the cache."""
    arguments = {"section": section, "name": name, "config": config.to_json()}
    readings_of("benchmarks.generation:memory", cache, **arguments)
    yield readings_of("benchmarks.generation:memory", cache, **arguments)


SECTIONS: dict[str, Callable[[Machine, str], Iterator[list[Reading]]]] = {
    "worlds": worlds,
    "generation": generation,
    "curriculum": curriculum,
    "solver": solver,
    "scaling": scaling,
}
"""Sections by name. Each takes facts of the machine and the folder of a shared compilation cache."""
