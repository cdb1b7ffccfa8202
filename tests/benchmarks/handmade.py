"""Readings made by hand."""

from benchmarks.readings import Bench, Reading, Subject

MACHINE = {"backend": "cpu", "device": "cpu", "devices": 2, "cores": 2, "jax": "0.10.2", "date": "2026-11-22"}


def reading(
    name: str,
    values: list[float],
    section: str = "generation",
    metric: str = "generation",
    unit: str = "s",
    **settings: int,
) -> Reading:
    """Return a reading of some values."""
    return Subject(section, name, settings).reading(metric, unit, values)


def bench(*readings: Reading, **facts: object) -> Bench:
    """Return readings of a machine, some of whose facts differ from MACHINE."""
    return Bench(MACHINE | facts, list(readings))
