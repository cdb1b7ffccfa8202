"""summary.json and the terminal's tables: aggregates of the scores, with intervals."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from groove.scoring.intervals import Ends, bracketed, number, of_aggregate, of_improvement, of_mean
from groove.scoring.statistics import area_under_curve, iqm, shortfall
from groove.scoring.variance_components import mean_with_error
from groove.transfer.contestants import TUNED
from groove.transfer.differences import differences
from groove.transfer.scores import SuiteScores
from groove.transfer.worst_tasks import on_worst_tasks

if TYPE_CHECKING:
    from rich.table import Table

CVAR_SHARES = tuple(percent / 100 for percent in range(1, 101))
LEVELS, RUNS = "levels, chosen on one seed and scored on the others", "runs"
"""What the worst share of a CVaR is a share of."""

EXACT = "exact values"
"""What scores are normalised by if the best policy is known in all tasks."""


def summarise(
    scores: SuiteScores,
    learned: list[str],
    timing: list[dict[str, Any]],
    groups: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Summarise everything that a report says about a suite.

    Args:
        scores: scores in the suite.
        learned: names of the learned rules and groups of rules, tuned ones included.
        timing: the suite's rows of timing.jsonl.
        groups: as for `suite_scores`.

    Returns:
        JSON content. For every rule: the IQM, mean, optimality gap and area under the curve with 95% intervals,
        the number of failed agents, which count as random actions everywhere, seconds and steps. For every learned
        rule: the probability that it is better than each other rule, tuned against tuned, and how much better it is.
        Returns by environment.
    """
    rules = {rule: _of_rule(scores, rule) | _cost((groups or {}).get(rule, [rule]), timing) for rule in scores.returns}
    return {
        "tasks": len(scores.tasks),
        "excluded": [list(task) for task in scores.excluded],
        "normalised_by": EXACT if scores.exact else "random actions (0) and PPO (1) where the best is not known",
        "rules": rules,
        "probability_of_improvement": _improvements(scores, learned),
        "differences": differences(scores, learned),
        "lifetimes": _lifetimes(scores),
        "cvar_over": LEVELS if scores.has_levels_with_seeds else RUNS,
        "cvar": _cvar(scores),
        "returns": {
            name if lifetime == 1 else f"{name} x {lifetime:g}": by_rule
            for (name, lifetime), by_rule in mean_returns(scores).items()
        },
    }


def _of_rule(scores: SuiteScores, rule: str) -> dict[str, Any]:
    returns = scores.returns[rule]
    found: dict[str, Any] = {"runs": int(returns.size), "failed": int(scores.failed[rule].sum())}
    if len(returns) > 1:
        found["meta_seeds"] = len(returns)
    if not scores.tasks:
        return found
    final, units = scores.final(rule), scores.scored_units
    by_task = zip(scores.steps[rule], np.moveaxis(scores.curves[rule], 2, 0), strict=True)
    areas = np.stack([_area(steps, curve) for steps, curve in by_task], axis=-1)
    return found | {
        "iqm": of_aggregate(final, iqm, units),
        "mean": of_mean(final, units),
        "optimality_gap": of_mean(shortfall(final), units),
        "area_under_curve": of_mean(areas, units),
    }


def _area(steps: Float[np.ndarray, "K"], curve: Float[np.ndarray, "M S K"]) -> Float[np.ndarray, "M S"]:
    """Return the area under the curves of one task, or the last height if the agents made no steps."""
    if not steps.any():
        return curve[..., -1]
    # In a life with fewer updates than points, some points coincide, and some lie at its start.
    distinct = np.flatnonzero((np.diff(steps, append=np.inf) > 0) & (steps > 0))
    return area_under_curve(steps[distinct], curve[..., distinct], start=0.0)


def _improvements(scores: SuiteScores, learned: list[str]) -> dict[str, Any]:
    """Return, by learned rule, the probability that it is better than each other rule, tuned against tuned."""
    found: dict[str, Any] = {}
    for ours in learned:
        own = found.setdefault(ours.removesuffix(TUNED), {})
        for theirs, returns in scores.returns.items():
            if theirs != ours and theirs.endswith(TUNED) == ours.endswith(TUNED):
                own[theirs] = of_improvement(scores.returns[ours], returns, scores.units)
    return found


def _cost(members: Sequence[str], timing: list[dict[str, Any]]) -> dict[str, Any]:
    own = [row for row in timing if row["rule"] in members]
    here = [row for row in own if not row.get("cached")]
    seconds, steps = (sum(row[name] for row in here) for name in ("seconds", "env_steps"))
    return {
        "seconds": round(seconds, 3),
        "compile_seconds": round(sum(row["compile_seconds"] for row in here), 3),
        "env_steps": sum(row["env_steps"] for row in own),
        "gradient_steps": sum(row["gradient_steps"] for row in own),
        # Cached runs were timed earlier, so they do not count here.
        "env_steps_per_second": round(steps / seconds) if seconds and steps else None,
    }


def _lifetimes(scores: SuiteScores) -> dict[str, Any]:
    """Return the IQM of every rule at every lifetime, for suites with several lifetimes."""
    factors = sorted({task[1] for task in scores.tasks})
    if len(factors) < 2:
        return {}
    parts = {f"{factor:g}": scores.at_lifetime(factor) for factor in factors}
    return {
        factor: {rule: of_aggregate(part.final(rule), iqm, part.scored_units) for rule in part.curves}
        for factor, part in parts.items()
    }


def _cvar(scores: SuiteScores) -> dict[str, list[float]]:
    """Return the mean score on the worst 1%, 2% … of the levels, or of all runs."""
    shares, over_levels = np.array(CVAR_SHARES), scores.has_levels_with_seeds
    return {
        rule: np.round(on_worst_tasks(scores.final(rule), shares, over_levels), 6).tolist() for rule in scores.curves
    }


def mean_returns(scores: SuiteScores) -> dict[tuple[str, float], dict[str, list[Any]]]:
    """Return the mean raw return of every rule in every environment, with its standard error.

    The error is that of the mean's t interval: over levels or seeds, and over the rule files of a group.

    Args:
        scores: scores in a suite.

    Returns:
        [mean, standard error, number of runs that did not fail] by environment and lifetime, then by rule; None for
        the standard error of a single unit of a single rule file.
    """
    found: dict[tuple[str, float], dict[str, list[Any]]] = {}
    tasks = scores.tasks + scores.excluded
    for key in dict.fromkeys(task[:2] for task in tasks):
        columns = [i for i, task in enumerate(tasks) if task[:2] == key]
        units, own = scores.units.of_tasks(columns), found.setdefault(key, {})
        for rule, returns in scores.returns.items():
            mean, error, _ = mean_with_error(*units.means(returns[..., columns]))
            own[rule] = [number(mean), number(error), int(np.sum(~scores.failed[rule][..., columns]))]
    return found


def tables(summary: dict[str, Any]) -> "list[Table]":
    """Build tables for each suite: rules, returns by environment, and gains of learned rules.

    Args:
        summary: summaries of all suites by name.

    Returns:
        Rich tables.
    """
    from rich.table import Table

    shown = []
    for suite, found in summary.items():
        table = Table(title=f"{suite}: {found['tasks']} tasks, {found['normalised_by']}", title_justify="left")
        for column in columns(found):
            table.add_column(column, justify="left" if column == "rule" else "right")
        for cells in rule_rows(found):
            table.add_row(*cells)
        if found["excluded"]:
            number_left_out = len(found["excluded"])
            table.caption = (
                f"{number_left_out} more tasks have no scale because PPO was not better than random actions in them"
            )
        shown.append(table)
        returns = Table(title=f"{suite}: returns ± s.e.", title_justify="left")
        returns.add_column("environment")
        for rule in next(iter(found["returns"].values()), {}):
            returns.add_column(rule, justify="right")
        for name, by_rule in found["returns"].items():
            returns.add_row(name, *(_plus_minus(*cell[:2]) for cell in by_rule.values()))
        shown.append(returns)
        for ours, by_rule in found["differences"].items():
            gains = Table(title=f"{suite}: {ours} minus others on the same tasks", title_justify="left")
            for column in ("others", "part", "mean [95%]", "IQM [95%]", "worst tenth"):
                gains.add_column(column, justify="left" if column in ("others", "part") else "right")
            for theirs, parts in by_rule.items():
                for part, ends in parts.items():
                    gains.add_row(
                        theirs, part, *(bracketed(ends[name], "+") for name in ("mean", "iqm", "worst_tenth"))
                    )
            shown.append(gains)
    return shown


def columns(found: dict[str, Any]) -> list[str]:
    """Name the columns of `rule_rows`.

    Args:
        found: summary of a suite.

    Returns:
        Titles; "P(rule better)" for the only learned rule, "P(NAME better)" for each of several.
    """
    learned = list(found["probability_of_improvement"])
    better = [f"P({name} better)" for name in learned] if len(learned) > 1 else ["P(rule better)"]
    return ["rule", "IQM [95%]", "mean", "gap", *better, "failed", "steps/s", "gradient steps"]


def rule_rows(found: dict[str, Any]) -> list[list[str]]:
    """Format the rows of a suite's table.

    Args:
        found: summary of the suite.

    Returns:
        Rule, IQM with interval, mean, optimality gap, probability that each learned rule is better than this one,
        failed, steps/s, gradient steps.
    """
    rows = []
    learned = list(found["probability_of_improvement"].values()) or [{}]
    for rule, own in found["rules"].items():
        speed = own.get("env_steps_per_second")
        rows.append(
            [
                rule,
                _bracketed(own.get("iqm")),
                # Where units are too few for the IQM's interval, the mean may have one.
                (_bracketed if None in own.get("iqm", ()) else _plain)(own.get("mean")),
                _plain(own.get("optimality_gap")),
                *(_bracketed(better.get(rule)) for better in learned),
                str(own.get("failed", "")),
                "" if speed is None else f"{speed / 1e3:,.0f}k",
                "" if "gradient_steps" not in own else f"{own['gradient_steps']:,}",
            ]
        )
    return rows


def _bracketed(interval: Ends | None) -> str:
    return "" if interval is None else bracketed(interval)


def _plain(interval: Ends | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f}"


def _plus_minus(mean: float, error: float | None) -> str:
    return f"{mean:.3f}" + ("" if error is None else f" ± {error:.3f}")
