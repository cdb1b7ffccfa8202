"""summary.json and the tables of the terminal: what the scores come to, with intervals."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from groove.bootstrap import Interval, hierarchical_bootstrap, matrix_bootstrap, stratified_bootstrap
from groove.statistics import area_under_curve, cvar_curve, iqm, optimality_gap, probability_of_improvement
from groove.transfer.scores import SuiteScores

if TYPE_CHECKING:
    from rich.table import Table

CVAR_SHARES = tuple(percent / 100 for percent in range(1, 101))
ALL_RULES = "all rules"
"""Several learned rules taken as meta-seeds of one way to discover rules."""


def summarise(scores: SuiteScores, learned: list[str], timing: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything of a suite that a report says.

    Args:
        scores: of the suite.
        learned: names of the rules that were discovered; several are also taken together, as meta-seeds.
        timing: rows of timing.jsonl of the suite.

    Returns:
        JSON: of every rule IQM, mean, optimality gap and area under the curve with 95% intervals, probability
        that the first learned rule is better, failed agents, seconds and steps; returns by environment.
    """
    rules = {rule: _of_rule(scores, rule) | _cost(rule, timing) for rule in scores.curves}
    if len(learned) > 1 and scores.tasks:
        stacked = np.stack([scores.final(rule) for rule in learned])
        stacked = stacked[:, :, np.all([_present(final) for final in stacked], axis=0)]
        if stacked.size:
            together = {name: hierarchical_bootstrap(stacked, aggregate) for name, aggregate in _AGGREGATES.items()}
            rules[ALL_RULES] = {name: _interval(found) for name, found in together.items()}
            rules[ALL_RULES]["meta_seeds"] = len(learned)
    better = {}
    if learned and scores.tasks:
        own = scores.final(learned[0])
        for rule in scores.curves:
            both = _present(own) & _present(scores.final(rule))
            if rule != learned[0] and both.any():
                pair = [own[None, :, both], scores.final(rule)[None, :, both]]
                better[rule] = _interval(matrix_bootstrap(pair, probability_of_improvement))
    return {
        "tasks": len(scores.tasks),
        "excluded": [list(task) for task in scores.excluded],
        "normalised_by": "exact values" if scores.exact else "runs of random actions (0) and of PPO (1)",
        "rules": rules,
        "probability_that_the_rule_is_better": better,
        "lifetimes": _lifetimes(scores),
        "cvar": _cvar(scores),
        "returns": _returns(scores),
    }


_AGGREGATES = {"iqm": iqm, "mean": lambda x: float(np.mean(x)), "optimality_gap": optimality_gap}


def _of_rule(scores: SuiteScores, rule: str) -> dict[str, Any]:
    final = scores.final(rule)
    present = _present(final)
    found: dict[str, Any] = {"runs": int(final.size), "failed": scores.num_failed(rule)}
    if not present.all():
        found["tasks_without_a_sound_run"] = [list(scores.tasks[i]) for i in np.flatnonzero(~present)]
    if not present.any():
        return found
    for name, aggregate in _AGGREGATES.items():
        found[name] = _interval(stratified_bootstrap(final[:, present], aggregate))
    by_task = zip(scores.steps[rule], scores.curves[rule].swapaxes(0, 1), strict=True)
    areas = np.stack([_area(steps, curve) for steps, curve in by_task], axis=1)
    found["area_under_curve"] = _interval(stratified_bootstrap(areas[:, present], _AGGREGATES["mean"]))
    return found


def _area(steps: Float[np.ndarray, "K"], curve: Float[np.ndarray, "S K"]) -> Float[np.ndarray, "S"]:
    """Area under the curves of one task; the height alone of agents that never learned."""
    if not steps.any():
        return curve[..., -1]
    # A life of fewer updates than points has points that fall together, and some at its start.
    apart = np.flatnonzero((np.diff(steps, append=np.inf) > 0) & (steps > 0))
    return area_under_curve(steps[apart], curve[..., apart], start=0.0)


def _cost(rule: str, timing: list[dict[str, Any]]) -> dict[str, Any]:
    own = [row for row in timing if row["rule"] == rule]
    seconds, steps = (sum(row[name] for row in own) for name in ("seconds", "env_steps"))
    return {
        "seconds": round(seconds, 3),
        "compile_seconds": round(sum(row["compile_seconds"] for row in own), 3),
        "env_steps": steps,
        "gradient_steps": sum(row["gradient_steps"] for row in own),
        "env_steps_per_second": round(steps / seconds) if seconds else None,
    }


def _lifetimes(scores: SuiteScores) -> dict[str, Any]:
    """IQM of every rule at every lifetime, for suites that have several."""
    factors = sorted({task[1] for task in scores.tasks})
    if len(factors) < 2:
        return {}
    parts = {f"{factor:g}": scores.at_lifetime(factor) for factor in factors}
    return {
        factor: {
            rule: _interval(stratified_bootstrap(part.final(rule)[:, _present(part.final(rule))], iqm))
            for rule in part.curves
            if _present(part.final(rule)).any()
        }
        for factor, part in parts.items()
    }


def _cvar(scores: SuiteScores) -> dict[str, list[float]]:
    """Mean of the worst 1%, 2% … of the tasks, chosen by seed 0 and measured with the others."""
    found = {}
    for rule in scores.curves:
        final = scores.final(rule)
        if final.shape[0] < 2 or final.shape[1] < 2 or not np.isfinite(final).all():
            continue
        curve = cvar_curve(final[0], final[1:].mean(axis=0), np.array(CVAR_SHARES))
        found[rule] = [round(float(x), 6) for x in curve]
    return found


def _returns(scores: SuiteScores) -> dict[str, Any]:
    """Mean raw return of every rule in every environment, and its standard error over runs."""
    found: dict[str, Any] = {}
    for key in dict.fromkeys(task[:2] for task in scores.tasks):
        columns = [i for i, task in enumerate(scores.tasks) if task[:2] == key]
        own: dict[str, Any] = found.setdefault(key[0] if key[1] == 1 else f"{key[0]} x {key[1]:g}", {})
        for rule, returns in scores.returns.items():
            values = returns[:, columns][np.isfinite(returns[:, columns])]
            error = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.nan
            own[rule] = [_number(values.mean() if values.size else np.nan), _number(error), int(values.size)]
    return found


def _present(final: Float[np.ndarray, "S n"]) -> Bool[np.ndarray, "n"]:
    """Tasks in which at least one agent is sound."""
    return np.isfinite(final).any(axis=0)


def _interval(interval: Interval) -> list[float | None]:
    return [_number(x) for x in (interval.estimate, interval.low, interval.high)]


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def tables(summary: dict[str, Any]) -> "list[Table]":
    """Two tables for each suite: rules, and returns by environment.

    Args:
        summary: of all suites, by name.

    Returns:
        Rich tables.
    """
    from rich.table import Table

    shown = []
    for suite, found in summary.items():
        table = Table(title=f"{suite}: {found['tasks']} tasks, {found['normalised_by']}", title_justify="left")
        for column in ("rule", "IQM [95%]", "mean", "gap", "P(rule better)", "failed", "steps/s", "gradient steps"):
            table.add_column(column, justify="left" if column == "rule" else "right")
        for cells in rule_rows(found):
            table.add_row(*cells)
        if found["excluded"]:
            table.caption = (
                f"{len(found['excluded'])} more tasks left out: PPO was no better than random actions in them"
            )
        shown.append(table)
        returns = Table(title=f"{suite}: returns ± s.e.", title_justify="left")
        returns.add_column("environment")
        for rule in next(iter(found["returns"].values()), {}):
            returns.add_column(rule, justify="right")
        for name, by_rule in found["returns"].items():
            returns.add_row(name, *(_plus_minus(*cell[:2]) for cell in by_rule.values()))
        shown.append(returns)
    return shown


def rule_rows(found: dict[str, Any]) -> list[list[str]]:
    """The rows of a suite's table.

    Args:
        found: summary of the suite.

    Returns:
        Rule, IQM with interval, mean, optimality gap, probability that the rule is better, failed, steps/s,
        gradient steps.
    """
    rows = []
    for rule, own in found["rules"].items():
        better = found["probability_that_the_rule_is_better"].get(rule)
        speed = own.get("env_steps_per_second")
        rows.append(
            [
                rule,
                _bracketed(own.get("iqm")),
                _plain(own.get("mean")),
                _plain(own.get("optimality_gap")),
                _bracketed(better),
                str(own.get("failed", "")),
                "" if speed is None else f"{speed / 1e3:,.0f}k",
                "" if "gradient_steps" not in own else f"{own['gradient_steps']:,}",
            ]
        )
    return rows


def _bracketed(interval: list[float] | None) -> str:
    return "" if interval is None else "{:.3f} [{:.3f}, {:.3f}]".format(*interval)


def _plain(interval: list[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f}"


def _plus_minus(mean: float | None, error: float | None) -> str:
    if mean is None:
        return "none"
    return f"{mean:.3f}" + ("" if error is None else f" ± {error:.3f}")
