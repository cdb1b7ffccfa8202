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
    """A reading of some values."""
    return Subject(section, name, settings).reading(metric, unit, values)


def bench(*readings: Reading, **facts: object) -> Bench:
    """Readings of one machine, of which some facts differ from MACHINE."""
    return Bench(MACHINE | facts, list(readings))
