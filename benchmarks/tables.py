"""Readings as tables, for a terminal and for the README. Imports no JAX."""

from collections.abc import Iterator, Sequence

from benchmarks.readings import Reading

Rows = list[tuple[str, ...]]


def number(value: float) -> str:
    """Format a number to three digits.

    Args:
        value: the number.

    Returns:
        Its text; ten thousands and more as k, millions as M.
    """
    for size, suffix in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e6 if suffix == 'M' else 1e3):.3g}{suffix}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def cell(reading: Reading) -> str:
    """Format a reading without its unit, with its spread if it was repeated.

    Args:
        reading: the reading.

    Returns:
        Its text.
    """
    spread = f" ({number(reading.min)}–{number(reading.max)})" if reading.repeats > 1 else ""
    return number(reading.median) + spread


def pivots(readings: Sequence[Reading]) -> Iterator[Rows]:
    """Group the readings of a section into tables, one for all subjects with the same metrics.

    Args:
        readings: readings of a section.

    Yields:
        Rows, the first with titles; then a row for each metric, or for each subject if there are more subjects.
    """
    subjects: dict[str, dict[str, Reading]] = {}
    for reading in readings:
        subjects.setdefault(reading.name, {})[reading.metric] = reading
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name, own in subjects.items():
        kinds.setdefault(tuple(own), []).append(name)
    for metrics, names in kinds.items():
        titles = [f"{metric} [{subjects[names[0]][metric].unit}]" for metric in metrics]
        rows = [("", *titles), *((name, *(cell(subjects[name][metric]) for metric in metrics)) for name in names)]
        yield rows if len(names) > len(metrics) else list(zip(*rows, strict=True))


def aligned(rows: Rows) -> str:
    """Format a table for a terminal.

    Args:
        rows: rows of equal length, the first with titles.

    Returns:
        Lines; the first column is left-aligned, the others are right-aligned.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.rjust(width) if place else text.ljust(width) for place, (text, width) in enumerate(row_widths))
        for row_widths in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def markdown(rows: Rows) -> str:
    """Format a table for the README.

    Args:
        rows: rows of equal length, the first with titles.

    Returns:
        A Markdown table.
    """
    rule = "|---|" + "---:|" * (len(rows[0]) - 1)
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], rule, *lines[1:]])
