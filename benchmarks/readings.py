"""Readings of a benchmark and the file that keeps them. Imports no JAX."""

import dataclasses
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from lpg.atomic_file import replacing

FORMAT = "groove bench 1"


class BenchFileError(ValueError):
    """One line that says why a file holds no readings."""


@dataclass(frozen=True)
class Reading:
    """One number from repeated measurements.

    Attributes:
        section: section of the benchmark.
        name: name of the subject, unique in its section.
        metric: quantity that was measured; section, name and metric together identify the reading.
        unit: unit of the three numbers; "x" for a ratio.
        median: median of the measurements.
        min: minimum of the measurements.
        max: maximum of the measurements.
        repeats: number of measurements.
        settings: settings that it depends on besides the machine; readings of other settings are not compared.
    """

    section: str
    name: str
    metric: str
    unit: str
    median: float
    min: float
    max: float
    repeats: int
    settings: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """Section, name and metric."""
        return self.section, self.name, self.metric


@dataclass(frozen=True)
class Subject:
    """The subject of readings.

    Attributes:
        section: section of the benchmark.
        name: name, unique in its section.
        settings: settings that its readings depend on besides the machine, JSON values.
    """

    section: str
    name: str
    settings: dict[str, Any]

    def reading(self, metric: str, unit: str, values: Sequence[float]) -> Reading:
        """Summarise measurements of this subject as a reading.

        Args:
            metric: quantity that was measured.
            unit: unit of the values.
            values: measurements, at least one.

        Returns:
            The reading.
        """
        return Reading(
            section=self.section,
            name=self.name,
            metric=metric,
            unit=unit,
            median=float(statistics.median(values)),
            min=float(min(values)),
            max=float(max(values)),
            repeats=len(values),
            settings=self.settings,
        )


@dataclass(frozen=True)
class Bench:
    """The result of one call of the benchmark.

    Attributes:
        machine: facts by name (`benchmarks.machine.facts`).
        readings: readings of all sections.
    """

    machine: dict[str, Any]
    readings: list[Reading]

    def reading(self, section: str, name: str, metric: str) -> Reading:
        """Find a reading by its section, name and metric.

        Args:
            section: section of the reading.
            name: name of its subject.
            metric: metric of the reading.

        Returns:
            The reading.

        Raises:
            BenchFileError: there is no such reading.
        """
        for reading in self.readings:
            if reading.key == (section, name, metric):
                return reading
        raise BenchFileError(f"no reading {section} / {name} / {metric}")


def write_bench(path: Path, bench: Bench) -> None:
    """Write readings as JSON, one per line.

    Args:
        path: the file to create or replace.
        bench: the readings.
    """
    rows = ",\n".join(json.dumps(dataclasses.asdict(reading), ensure_ascii=False) for reading in bench.readings)
    machine = json.dumps(bench.machine, ensure_ascii=False)
    with replacing(path) as temporary:
        text = f'{{"format": "{FORMAT}",\n"machine": {machine},\n"readings": [\n{rows}\n]}}\n'
        temporary.write_text(text, encoding="utf-8")


def read_bench(path: Path) -> Bench:
    """Read what `write_bench` wrote.

    Args:
        path: the file to read.

    Returns:
        The readings.

    Raises:
        BenchFileError: the file cannot be read or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchFileError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BenchFileError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BenchFileError(f"{path}: not a file of this benchmark, whose format is {FORMAT!r}")
    machine, rows = content.get("machine"), content.get("readings")
    if not isinstance(machine, dict) or not isinstance(rows, list):
        raise BenchFileError(f"{path}: machine must be an object and readings a list")
    return Bench(machine, [_read_row(path, number, row) for number, row in enumerate(rows)])


def _read_row(path: Path, number: int, row: Any) -> Reading:
    kinds = get_type_hints(Reading)
    if not isinstance(row, dict) or set(row) != set(kinds):
        raise BenchFileError(f"{path}: reading {number} must have the fields {', '.join(kinds)}")
    for name, kind in kinds.items():
        if type(row[name]) not in ((int, float) if kind is float else (get_origin(kind) or kind,)):
            raise BenchFileError(f"{path}: {name} of reading {number} cannot be {row[name]!r}")
    return Reading(**row)
