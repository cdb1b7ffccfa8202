"""Figures of an experiment, each as PNG and SVG."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groove.figure_style import DOTS_PER_INCH
from groove.scoring.intervals import Ends, of_aggregate
from groove.scoring.statistics import iqm, performance_profile
from groove.transfer.scores import SuiteScores
from groove.transfer.summary import CVAR_SHARES

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's colours, which colour-blind readers can distinguish."""

PROFILE_THRESHOLDS = np.linspace(-0.25, 1.5, 141)
NUM_CURVE_RESAMPLES = 500
AGGREGATES = {"iqm": "IQM", "mean": "mean", "optimality_gap": "optimality gap"}


def draw_all(folder: Path, scores: dict[str, SuiteScores], summary: dict[str, Any]) -> list[Path]:
    """Draw every figure for which an experiment has numbers.

    Args:
        folder: folder to write to, created if it does not exist.
        scores: scores by suite.
        summary: summary by suite.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for suite, own in scores.items():
        if not own.tasks:
            continue
        found = summary[suite]
        pictures: dict[str, Callable[[Figure], None]] = {
            "aggregates": partial(aggregates, found=found),
            "environments": partial(environments, found=found),
            "profiles": partial(_on_axes, profiles, own),
            "curves": partial(_on_axes, curves, own),
        }
        if found["cvar"]:
            pictures["cvar"] = partial(_on_axes, cvar, found)
        if found["lifetimes"]:
            pictures["lifetimes"] = partial(_on_axes, lifetimes, found)
        for name, draw in pictures.items():
            figure = Figure(figsize=(7, 4), layout="constrained")
            draw(figure)
            figure.suptitle(suite, fontsize=10)
            for ending in ("png", "svg"):
                path = folder / f"{suite.replace(':', '-').replace('/', '-')}-{name}.{ending}"
                # No date and no random ids, so that equal figures are equal files.
                with rc_context({"svg.hashsalt": "groove"}):
                    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Date": None} if ending == "svg" else None)
                written.append(path)
    return written


def _on_axes(draw: Callable[[Axes, Any], None], content: Any, figure: Figure) -> None:
    draw(figure.subplots(), content)


def _ends(ends: Ends) -> tuple[float, float, float]:
    """Return estimate and ends, both equal to the estimate if there is no interval."""
    estimate, low, high = (np.nan if end is None else end for end in ends)
    return estimate, low if np.isfinite(low) else estimate, high if np.isfinite(high) else estimate


def _color(rules: list[str], rule: str) -> str:
    return COLORS[rules.index(rule) % len(COLORS)]


def aggregates(figure: Figure, found: dict[str, Any]) -> None:
    """Plot the IQM, mean and optimality gap of every rule with their intervals.

    Args:
        figure: figure to draw on, made taller for many rules.
        found: summary of a suite.
    """
    rules = [rule for rule, own in found["rules"].items() if "iqm" in own]
    figure.set_figheight(1.2 + 0.4 * len(rules))
    for axes, (name, label) in zip(figure.subplots(1, 3, sharey=True), AGGREGATES.items(), strict=True):
        for place, rule in enumerate(rules):
            estimate, low, high = _ends(found["rules"][rule][name])
            axes.barh(place, high - low, left=low, height=0.6, color=_color(rules, rule), alpha=0.6)
            axes.plot([estimate] * 2, [place - 0.3, place + 0.3], color="black", linewidth=1)
        axes.use_sticky_edges = False
        axes.autoscale_view()
        axes.set_xlabel(label)
        axes.set_yticks(range(len(rules)), rules)
    figure.axes[0].invert_yaxis()


def profiles(axes: Axes, scores: SuiteScores) -> None:
    """Plot the share of runs above each score.

    Args:
        axes: axes to draw on.
        scores: scores in a suite.
    """
    rules = list(scores.curves)
    for rule in rules:
        final = scores.final(rule)
        sound = final[np.isfinite(final)]
        if sound.size:
            axes.plot(
                PROFILE_THRESHOLDS,
                performance_profile(sound, PROFILE_THRESHOLDS),
                color=_color(rules, rule),
                label=rule,
            )
    axes.set(xlabel="score τ", ylabel="share of runs with a score above τ", ylim=(0, 1))
    axes.legend(frameon=False)


def curves(axes: Axes, scores: SuiteScores) -> None:
    """Plot the IQM over a suite at each point of life, with its interval.

    Args:
        axes: axes to draw on.
        scores: scores in a suite.
    """
    rules = list(scores.curves)
    for rule in rules:
        values = scores.curves[rule]
        if values.shape[-1] == 1 and not scores.steps[rule].any():
            continue
        num_points = values.shape[-1]
        ends = [of_aggregate(values[..., k], iqm, scores.drawn, NUM_CURVE_RESAMPLES) for k in range(num_points)]
        share = np.arange(1, num_points + 1) / num_points
        middle, low, high = np.array([[np.nan] * 3 if point is None else point for point in ends], float).T
        axes.plot(share, middle, marker="o", markersize=3, color=_color(rules, rule), label=rule)
        axes.fill_between(share, low, high, color=_color(rules, rule), alpha=0.2, linewidth=0)
    axes.set(xlabel="share of the lifetime", ylabel="IQM of scores", xlim=(0, 1.02))
    axes.legend(frameon=False)


def environments(figure: Figure, found: dict[str, Any]) -> None:
    """Plot the mean return of every rule in every environment, one panel per environment.

    Args:
        figure: figure to draw on, made larger for many environments.
        found: summary of a suite.
    """
    returns = found["returns"]
    num_columns = min(4, len(returns))
    num_rows = -(-len(returns) // num_columns)
    rules = list(next(iter(returns.values())))
    figure.set_size_inches(2.4 * num_columns + 1, 1.9 * num_rows + 0.6)
    panels = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes, (name, by_rule) in zip(panels, returns.items(), strict=False):
        for place, rule in enumerate(rules):
            mean, error, _ = by_rule[rule]
            if mean is not None:
                axes.bar(place, mean, yerr=error, color=_color(rules, rule), label=rule, error_kw={"linewidth": 1})
        axes.set_title(name, fontsize=8)
        axes.set_xticks([])
        axes.tick_params(labelsize=7)
    for axes in panels[len(returns) :]:
        axes.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(rules), frameon=False, fontsize=8)


def cvar(axes: Axes, found: dict[str, Any]) -> None:
    """Plot the mean score on the worst share of the tasks, chosen by one seed and evaluated on the others.

    Args:
        axes: axes to draw on.
        found: summary of a suite.
    """
    rules = list(found["rules"])
    for rule, values in found["cvar"].items():
        axes.plot(np.array(CVAR_SHARES) * 100, values, color=_color(rules, rule), label=rule)
    axes.set(xlabel="worst α% of the tasks", ylabel="mean score on them", xlim=(0, 100))
    axes.legend(frameon=False)


def lifetimes(axes: Axes, found: dict[str, Any]) -> None:
    """Plot the IQM of every rule against the lifetime.

    Args:
        axes: axes to draw on.
        found: summary of a suite.
    """
    rules = list(found["rules"])
    for place, rule in enumerate(rules):
        known = [(float(x), *_ends(of_rules[rule])) for x, of_rules in found["lifetimes"].items() if rule in of_rules]
        if not known:
            continue
        factor, middle, low, high = np.array(known).T
        factor = factor * 1.03**place  # side by side, so that intervals do not overlap
        errors = np.maximum([middle - low, high - middle], 0)
        axes.errorbar(factor, middle, yerr=errors, marker="o", markersize=3, color=_color(rules, rule), label=rule)
    axes.set_xscale("log")
    axes.set_xticks([float(x) for x in found["lifetimes"]], list(found["lifetimes"]))
    axes.minorticks_off()
    axes.set(xlabel="lifetime (times the environment's own)", ylabel="IQM of scores")
    axes.legend(frameon=False)
