"""Pictures of a benchmark."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.readings import Bench, Reading

DOTS_PER_INCH = 120
BLUE, VERMILLION, GREY = "#0072b2", "#d55e00", "#737373"
BARS = {
    "generation": ("a generation", BLUE),
    "products": ("floor: its matrix products", VERMILLION),
    "traffic": ("floor: its memory traffic", GREY),
}
"""Label and colour of each metric in the picture of generations."""

Y_LABELS = {"generation": "time of a generation", "peak memory": "peak memory"}
AXIS_LABELS = {
    "population": "candidates",
    "workers": "workers of an agent",
    "hidden_size": "units of the GRU",
    "devices": "devices",
}


def draw_all(folder: Path, bench: Bench) -> list[Path]:
    """Draw every picture that has readings, and delete those of an earlier benchmark.

    Args:
        folder: existing folder to write to.
        bench: the readings.

    Returns:
        Paths of the PNG files.
    """
    drawn = []
    for name, draw in PICTURES.items():
        path = folder / f"{name}.png"
        path.unlink(missing_ok=True)
        figure = draw(bench.readings)
        if figure is not None:
            figure.savefig(path)
            drawn.append(path)
    return drawn


def _of(readings: list[Reading], section: str, metric: str) -> dict[str, Reading]:
    """Return the readings of a metric by the names of their subjects."""
    return {reading.name: reading for reading in readings if (reading.section, reading.metric) == (section, metric)}


def draw_worlds(readings: list[Reading]) -> Figure | None:
    """Plot environment steps per second as bars.

    Args:
        readings: readings of all sections.

    Returns:
        The figure, or None if it has no readings.
    """
    steps = _of(readings, "worlds", "env steps")
    if not steps:
        return None
    names = sorted(steps, key=lambda name: steps[name].median)
    figure = Figure(figsize=(7, 0.8 + 0.28 * len(names)), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    axes.barh(names, [steps[name].median for name in names], color=BLUE)
    axes.set_xscale("log")
    # A bar on a logarithmic axis has no zero to start from; a power of ten is the next best.
    axes.set_xlim(left=10 ** np.floor(np.log10(min(reading.median for reading in steps.values()))))
    axes.set_xlabel("environment steps per second, random actions")
    return figure


def draw_generation(readings: list[Reading]) -> Figure | None:
    """Plot the times of a generation and its floors as bars, with a panel for each setting.

    Args:
        readings: readings of all sections.

    Returns:
        The figure, or None if it has no readings.
    """
    seconds, floors = (_of(readings, "generation", metric) for metric in ("generation", "products"))
    names = [name for name in seconds if name in floors]
    if not names:
        return None
    figure = Figure(figsize=(7, 0.6 + 1.4 * len(names)), dpi=DOTS_PER_INCH, layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(len(names), 1)), names, strict=True):
        lengths = [_of(readings, "generation", metric)[name].median for metric in BARS]
        labels, colors = zip(*BARS.values(), strict=True)
        axes.barh(labels, lengths, color=colors)
        axes.invert_yaxis()
        axes.set_title(f"setting {name}", loc="left", fontsize=10)
    figure.supxlabel("seconds (median of repeated measurements)", fontsize=10)
    return figure


def draw_scaling(axis: str, readings: list[Reading]) -> Figure | None:
    """Plot seconds against one size on logarithmic axes, and peak memory where it was measured.

    Args:
        axis: varied field of the config.
        readings: readings of all sections.

    Returns:
        The figure, or None if it has no readings.
    """
    points = {metric: _points(axis, _of(readings, "scaling", metric)) for metric in ("generation", "peak memory")}
    points = {metric: found for metric, found in points.items() if found}
    if "generation" not in points:
        return None
    figure = Figure(figsize=(4.6 * len(points), 3.6), dpi=DOTS_PER_INCH, layout="constrained")
    for axes, (metric, found) in zip(np.atleast_1d(figure.subplots(1, len(points))), points.items(), strict=True):
        values, medians = list(found), [reading.median for reading in found.values()]
        lows, highs = ([getattr(reading, end) for reading in found.values()] for end in ("min", "max"))
        axes.plot(values, medians, "o-", color=BLUE, label="measured, median")
        axes.fill_between(values, lows, highs, color=(BLUE, 0.2), linewidth=0, label="fastest to slowest")
        axes.set_xscale("log", base=2)
        axes.set_xticks(values, [str(value) for value in values])
        axes.set_xlabel(AXIS_LABELS[axis])
        axes.set_ylabel(f"{Y_LABELS[metric]} ({next(iter(found.values())).unit})")
        if metric == "generation":
            _draw_ideal(axes, axis, values, medians)
        else:
            axes.set_ylim(bottom=0)
    return figure


def _points(axis: str, readings: dict[str, Reading]) -> dict[int, Reading]:
    """Return the readings of an axis by its values."""
    prefix = axis.replace("_", " ") + " "
    numbers = {name: name.removeprefix(prefix) for name in readings if name.startswith(prefix)}
    return {int(text): readings[name] for name, text in numbers.items() if text.isdigit()}


def _draw_ideal(axes: Axes, axis: str, values: list[int], medians: list[float]) -> None:
    """Draw the line of costs in proportion to a size, or of devices that share the work without loss."""
    if axis == "devices":
        label, line = "shared without loss", [medians[0] * values[0] / value for value in values]
    else:
        # Through the last point, because fixed costs dominate the first ones.
        label, line = "linear", [medians[-1] * value / values[-1] for value in values]
    axes.plot(values, line, "--", color=GREY, label=label)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend()


PICTURES: dict[str, Callable[[list[Reading]], Figure | None]] = {
    "worlds": draw_worlds,
    "generation": draw_generation,
    **{f"scaling-{axis.replace('_', '-')}": partial(draw_scaling, axis) for axis in AXIS_LABELS},
}
"""File name without suffix -> function that draws the picture."""
