"""Two benchmarks side by side."""

from benchmarks.readings import Bench, Reading
from benchmarks.tables import aligned, number

Readings = dict[tuple[str, str, str], Reading]
"""Readings by section, name and metric."""

DATED = ("date",)
"""Facts of a machine that always differ."""


def compared(old: Bench, new: Bench) -> str:
    """Compare two benchmarks: ratios of the readings that both have, and the names of the others.

    Args:
        old: the earlier benchmark, which the ratios divide by.
        new: the later benchmark.

    Returns:
        Text of several lines.
    """
    before, after = ({reading.key: reading for reading in bench.readings} for bench in (old, new))
    both = [(before[key], reading) for key, reading in after.items() if key in before]
    alike = [(one, other) for one, other in both if _comparable(one, other)]
    rows = [
        (" / ".join(now.key), number(was.median), number(now.median), now.unit, _ratio(was, now)) for was, now in alike
    ]
    lines = [f"old: {_facts(old)}", f"new: {_facts(new)}"]
    differing = [
        name
        for name in old.machine | new.machine
        if name not in DATED and old.machine.get(name) != new.machine.get(name)
    ]
    if differing:
        lines.append(f"measured on different machines: {', '.join(differing)}")
    lines += [aligned([("reading", "old", "new", "unit", "new / old"), *rows])] if rows else ["nothing to compare"]
    lines += _listed("other settings, not compared", [was for was, now in both if not _comparable(was, now)])
    lines += _only("old", before, after)
    lines += _only("new", after, before)
    return "\n".join(lines)


def _comparable(old: Reading, new: Reading) -> bool:
    return old.unit == new.unit and old.settings == new.settings


def _ratio(old: Reading, new: Reading) -> str:
    return f"{new.median / old.median:.3f}" if old.median else "–"


def _facts(bench: Bench) -> str:
    return ", ".join(f"{name} {value}" for name, value in bench.machine.items())


def _listed(title: str, readings: list[Reading]) -> list[str]:
    return [f"{title}: {' / '.join(reading.key)}" for reading in readings]


def _only(title: str, own: Readings, others: Readings) -> list[str]:
    """List the sections that only one benchmark has, and its unmatched readings in the other sections."""
    sections = {reading.section for reading in others.values()}
    whole = dict.fromkeys(reading.section for reading in own.values() if reading.section not in sections)
    single = [reading for key, reading in own.items() if key not in others and reading.section in sections]
    return [f"section only in {title}: {section}" for section in whole] + _listed(f"only in {title}", single)
