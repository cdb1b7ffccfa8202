"""The closing table of a run: the rule compared with a random policy, A2C and the optimum."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, PyTree

from groove.scoring.heldout import Evaluation, LevelSet
from groove.scoring.random_search import TUNING_SEEDS, best_of, search_space
from lpg.update_rule import Hyperparameters

if TYPE_CHECKING:
    from rich.table import Table

CLOSING_SEEDS = 5
"""Agents of each rule on each level in the closing table."""


@dataclass(frozen=True)
class ClosingScore:
    """How well a rule or policy does on a set of levels.

    Attributes:
        name: name of the rule or policy.
        mean: mean score over levels, normalised if the level set has exact anchors.
        standard_error: standard error of that mean over levels.
        mean_return: mean return over levels.
    """

    name: str
    mean: float
    standard_error: float
    mean_return: float


def score(name: str, level_set: LevelSet, returns: Float[np.ndarray, "n"]) -> ClosingScore:
    """Summarise returns on a set of levels.

    Args:
        name: name of the rule or policy.
        level_set: n levels.
        returns: [n] returns.

    Returns:
        The score; the standard error is NaN for a single level.
    """
    scores = level_set.normalised(returns)
    error = np.std(scores, ddof=1) / np.sqrt(scores.size) if scores.size > 1 else np.nan
    return ClosingScore(name, float(np.mean(scores)), float(error), float(np.mean(returns)))


def mean_returns(
    evaluation: Evaluation, meta_params: PyTree, level_set: LevelSet, hyper: Hyperparameters, num_seeds: int
) -> Float[np.ndarray, "n"]:
    """Average the returns of several agents on each level.

    Args:
        evaluation: evaluation of the rule.
        meta_params: the rule's meta-parameters.
        level_set: n levels.
        hyper: the agents' learning rates and costs.
        num_seeds: agents on each level, ≥ 1.

    Returns:
        [n] mean returns.
    """
    return np.mean([evaluation.returns(meta_params, level_set, hyper, seed) for seed in range(num_seeds)], axis=0)


def tuned_on(
    evaluation: Evaluation, validation: LevelSet, default: Hyperparameters, num_configurations: int
) -> Hyperparameters:
    """Return the configuration of a hand-written rule that is best on validation levels.

    Args:
        evaluation: evaluation of the rule to tune.
        validation: levels that are not held out.
        default: centre of the search.
        num_configurations: number of configurations tried, each with `TUNING_SEEDS` seeds.

    Returns:
        The best one.
    """
    configurations = search_space(evaluation.rule, default, num_configurations)
    returns = (mean_returns(evaluation, (), validation, hyper, TUNING_SEEDS) for hyper in configurations)
    return best_of(configurations, np.array([np.mean(validation.normalised(own)) for own in returns]))


def closing_scores(
    learned: Evaluation,
    baseline: Evaluation,
    rules: dict[str, PyTree],
    hyper: Hyperparameters,
    baseline_hyper: Hyperparameters,
    heldout: LevelSet,
    validation: LevelSet,
    num_configurations: int,
) -> list[ClosingScore]:
    """Score a learned rule and A2C on held-out levels, between a random policy and the optimum.

    Args:
        learned: evaluation of the learned rule.
        baseline: evaluation of A2C.
        rules: meta-parameters of the learned rule, by the name to print.
        hyper: learning rates and costs of the learned rule's agents.
        baseline_hyper: A2C's defaults, which are also the centre of the search that tunes it.
        heldout: levels to score on.
        validation: levels to tune on.
        num_configurations: number of configurations tried for tuned A2C.

    Returns:
        Scores in this order: random policy, the rules, A2C with default and with tuned settings, optimum. Without an
        exact solver, random policy and optimum are left out.
    """
    tuned = tuned_on(baseline, validation, baseline_hyper, num_configurations)

    def row(name: str, evaluation: Evaluation, params: PyTree, hyper: Hyperparameters) -> ClosingScore:
        return score(name, heldout, mean_returns(evaluation, params, heldout, hyper, CLOSING_SEEDS))

    rows = [row(name, learned, params, hyper) for name, params in rules.items()]
    rows.append(row("A2C (default)", baseline, (), baseline_hyper))
    rows.append(row("A2C (tuned)", baseline, (), tuned))
    if heldout.random is not None and heldout.optimum is not None:
        rows.insert(0, score("random policy", heldout, heldout.random))
        rows.append(score("optimum", heldout, heldout.optimum))
    return rows


def render(scores: list[ClosingScore], title: str) -> "Table":
    """Format the table for a terminal.

    Args:
        scores: rows of the table.
        title: title above the table.

    Returns:
        A rich table.
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("rule")
    # Without an exact solver nothing is normalised: the one number there is, is the return.
    is_raw = all(row.mean == row.mean_return for row in scores)
    for column in ("return", "± s.e.") if is_raw else ("score", "± s.e.", "return"):
        table.add_column(column, justify="right")
    for row in scores:
        numbers = [row.mean, row.standard_error] if is_raw else [row.mean, row.standard_error, row.mean_return]
        table.add_row(row.name, *(f"{number:.3f}" for number in numbers))
    return table


def markdown(scores: list[ClosingScore]) -> str:
    """Format the table for a README.

    Args:
        scores: rows of the table.

    Returns:
        A Markdown table.
    """
    lines = ["| rule | score | ± s.e. | return |", "|---|---:|---:|---:|"]
    lines += [f"| {row.name} | {row.mean:.3f} | {row.standard_error:.3f} | {row.mean_return:.3f} |" for row in scores]
    return "\n".join(lines)


def read_scores(path: Path) -> list[ClosingScore]:
    """Read the closing table of a finished run.

    Args:
        path: path of a run's `results.json`.

    Returns:
        Rows of the table.
    """
    return [ClosingScore(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
