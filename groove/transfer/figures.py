"""Figures of an experiment, each as PNG and SVG."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from groove.figure_style import DOTS_PER_INCH
from groove.scoring.intervals import Ends, of_aggregate
from groove.scoring.statistics import iqm, performance_profile
from groove.transfer.scores import SuiteScores
from groove.transfer.summary import CVAR_SHARES, EXACT, LEVELS, mean_returns

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito's colours, which colour-blind readers can distinguish."""

PROFILE_THRESHOLDS = np.linspace(-0.25, 1.5, 141)
AGGREGATES = {"iqm": "IQM\n ", "mean": "mean\n ", "optimality_gap": "optimality gap\n(lower is better)"}
TITLES = {
    "aggregates": "aggregates of the scores, with 95% intervals",
    "environments": "returns at the end of life",
    "profiles": "performance profiles",
    "curves": "learning curves, with 95% intervals",
    "cvar": "CVaR, the mean score of the worst",
    "lifetimes": "scores by lifetime, with 95% intervals",
}


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
            "environments": partial(environments, scores=own),
            "profiles": partial(_on_axes, profiles, own),
            "curves": partial(_on_axes, curves, own),
        }
        if found["cvar"]:
            pictures["cvar"] = partial(_on_axes, cvar, found)
        if found["lifetimes"]:
            pictures["lifetimes"] = partial(_on_axes, lifetimes, found)
        for name, draw in pictures.items():
            figure = Figure(figsize=(7, 4.5), layout="constrained")
            draw(figure)
            figure.suptitle(f"{suite}: {TITLES[name]}", fontsize=11)
            for ending in ("png", "svg"):
                path = folder / f"{re.sub('[:/#]', '-', suite)}-{name}.{ending}"
                # No date and no random ids, so that equal figures are equal files.
                with rc_context({"svg.hashsalt": "groove"}):
                    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Date": None} if ending == "svg" else None)
                # The layout of the first file serves the second one, because finding it takes most of the time.
                figure.set_layout_engine("none")
                written.append(path)
    return written


def scale(exact: bool) -> str:
    """Return what scores of 0 and 1 stand for.

    Args:
        exact: whether the best policy is known in all tasks.

    Returns:
        Text for the label of an axis.
    """
    return f"0 = random actions, 1 = {'best policy' if exact else 'PPO or best policy'}"


def _on_axes(draw: Callable[[Axes, Any], None], content: Any, figure: Figure) -> None:
    draw(figure.subplots(), content)
    _legend(figure)


def _legend(figure: Figure) -> None:
    """Explain the colours below all axes, where the legend hides nothing, each rule once."""
    handles: dict[str, Artist] = {}
    for axes in figure.axes:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    if handles:
        columns = min(len(handles), 4)
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns, frameon=False)


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
    figure.set_figheight(1.8 + 0.4 * len(rules))
    for axes, (name, label) in zip(figure.subplots(1, 3, sharey=True), AGGREGATES.items(), strict=True):
        for place, rule in enumerate(rules):
            estimate, low, high = _ends(found["rules"][rule][name])
            axes.barh(place, high - low, left=low, height=0.6, color=_color(rules, rule), alpha=0.6)
            axes.plot([estimate] * 2, [place - 0.3, place + 0.3], color="black", linewidth=1)
        axes.use_sticky_edges = False
        axes.autoscale_view()
        axes.set_xlabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_yticks(range(len(rules)), rules)
    figure.axes[0].invert_yaxis()
    figure.supxlabel(f"score ({scale(found['normalised_by'] == EXACT)})", fontsize=10)


def profiles(axes: Axes, scores: SuiteScores) -> None:
    """Plot the share of runs above each score.

    Args:
        axes: axes to draw on.
        scores: scores in a suite.
    """
    rules = list(scores.curves)
    for rule in rules:
        profile = performance_profile(scores.final(rule), PROFILE_THRESHOLDS)
        axes.plot(PROFILE_THRESHOLDS, profile, color=_color(rules, rule), label=rule)
    xlabel = f"score τ ({scale(scores.exact)})"
    if scores.exact and max(np.max(scores.final(rule)) for rule in rules) > 1:
        xlabel += "\nScores are means over few episodes; by noise they can exceed 1."
    axes.set(xlabel=xlabel, ylabel="share of runs with a score above τ", ylim=(0, 1))


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
        units = scores.scored_units
        ends = [of_aggregate(values[..., k], iqm, units) for k in range(num_points)]
        share = np.arange(1, num_points + 1) / num_points
        middle, low, high = np.array([_ends(point) for point in ends]).T
        axes.plot(share, middle, marker="o", markersize=3, color=_color(rules, rule), label=rule)
        axes.fill_between(share, low, high, color=_color(rules, rule), alpha=0.2, linewidth=0)
    axes.set(
        xlabel="share of the agents' lifetime (updates)",
        ylabel=f"IQM of scores\n({scale(scores.exact)})",
        xlim=(0, 1.02),
    )


def environments(figure: Figure, scores: SuiteScores) -> None:
    """Plot the mean return of every rule in every environment, one panel per environment, bars grouped by lifetime.

    Args:
        figure: figure to draw on, made larger for many environments.
        scores: scores in a suite.
    """
    returns = mean_returns(scores)
    names, factors = list(dict.fromkeys(name for name, _ in returns)), sorted({factor for _, factor in returns})
    rules = list(scores.returns)
    num_columns = min(3, len(names))
    num_rows = -(-len(names) // num_columns)
    figure.set_size_inches(max(2.8 * num_columns, 5), 2.1 * num_rows + 1.2)
    panels = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        for group, factor in enumerate(factors):
            for place, rule in enumerate(rules, start=group * (len(rules) + 1)):
                mean, error, _ = returns.get((name, factor), {}).get(rule, (None, None, 0))
                if mean is not None:
                    axes.bar(place, mean, yerr=error, color=_color(rules, rule), label=rule, error_kw={"linewidth": 1})
        middles = [group * (len(rules) + 1) + (len(rules) - 1) / 2 for group in range(len(factors))]
        axes.set_xticks(middles, [f"{factor:g}" for factor in factors])
        axes.xaxis.set_visible(len(factors) > 1)
        axes.set_title(name, fontsize=10)
        axes.tick_params(labelsize=9)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    if len(factors) > 1:
        # The lowest panel of each column; a label of the figure would collide with the legend.
        for axes in panels[max(len(names) - num_columns, 0) : len(names)]:
            axes.set_xlabel("lifetime (× its own)", fontsize=9)
    figure.supylabel("sum of rewards in an episode\n(mean ± standard error)", fontsize=10)
    _legend(figure)


def cvar(axes: Axes, found: dict[str, Any]) -> None:
    """Plot the mean score on the worst share of the levels or runs.

    Args:
        axes: axes to draw on.
        found: summary of a suite.
    """
    rules = list(found["rules"])
    for rule, values in found["cvar"].items():
        axes.plot(np.array(CVAR_SHARES) * 100, values, color=_color(rules, rule), label=rule)
    xlabel = f"worst α% of the {found['cvar_over']}"
    if found["cvar_over"] == LEVELS:
        xlabel += "\n(what is worst on one seed need not be on another, so curves can fall)"
    axes.set(xlabel=xlabel, ylabel=f"mean score\n({scale(found['normalised_by'] == EXACT)})", xlim=(0, 100))


def lifetimes(axes: Axes, found: dict[str, Any]) -> None:
    """Plot the IQM of every rule against the lifetime.

    Args:
        axes: axes to draw on.
        found: summary of a suite.
    """
    rules = list(found["rules"])
    for place, rule in enumerate(rules):
        ends = [(float(x), *_ends(of_rules[rule])) for x, of_rules in found["lifetimes"].items()]
        factor, middle, low, high = np.array(ends).T
        factor = factor * 1.03**place  # side by side, so that intervals do not overlap
        errors = np.maximum([middle - low, high - middle], 0)
        axes.errorbar(factor, middle, yerr=errors, marker="o", markersize=3, color=_color(rules, rule), label=rule)
    axes.set_xscale("log")
    axes.set_xticks([float(x) for x in found["lifetimes"]], list(found["lifetimes"]))
    axes.minorticks_off()
    axes.set(
        xlabel="lifetime (times the environment's own)",
        ylabel=f"IQM of scores\n({scale(found['normalised_by'] == EXACT)})",
    )
