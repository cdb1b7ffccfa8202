"""The closing table of a run: the rule between a random policy, A2C and the optimum."""

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
class Score:
    """What one way of learning is worth on a set of levels.

    Attributes:
        name: of the rule or policy.
        mean: mean over levels, normalised where the set is.
        standard_error: of that mean, over levels.
        mean_return: mean return over levels.
    """

    name: str
    mean: float
    standard_error: float
    mean_return: float


def score(name: str, level_set: LevelSet, returns: Float[np.ndarray, "n"]) -> Score:
    """Summarise returns on a set of levels.

    Args:
        name: of the rule or policy.
        level_set: n levels.
        returns: [n].

    Returns:
        The score; the standard error is NaN for one level.
    """
    scores = level_set.normalised(returns)
    error = np.std(scores, ddof=1) / np.sqrt(scores.size) if scores.size > 1 else np.nan
    return Score(name, float(np.mean(scores)), float(error), float(np.mean(returns)))


def mean_returns(
    evaluation: Evaluation, meta_params: PyTree, level_set: LevelSet, hyper: Hyperparameters, num_seeds: int
) -> Float[np.ndarray, "n"]:
    """Mean over agents of their return on each level.

    Args:
        evaluation: of the rule.
        meta_params: of the rule.
        level_set: n levels.
        hyper: the agents' step sizes and costs.
        num_seeds: agents on each level, ≥ 1.

    Returns:
        [n].
    """
    return np.mean([evaluation.returns(meta_params, level_set, hyper, seed) for seed in range(num_seeds)], axis=0)


def tuned_on(
    evaluation: Evaluation, validation: LevelSet, default: Hyperparameters, num_configurations: int
) -> Hyperparameters:
    """Return the configuration of a hand-written rule that is best on validation levels.

    Args:
        evaluation: of the rule to tune.
        validation: levels that are not held out.
        default: centre of the search.
        num_configurations: configurations tried, each with `TUNING_SEEDS` seeds.

    Returns:
        The best one.
    """

    def worths(configurations: list[Hyperparameters]) -> Float[np.ndarray, "n"]:
        returns = (mean_returns(evaluation, (), validation, hyper, TUNING_SEEDS) for hyper in configurations)
        return np.array([np.mean(validation.normalised(own)) for own in returns])

    return best_of(search_space(evaluation.rule, default, num_configurations), worths)


def closing_scores(
    learned: Evaluation,
    baseline: Evaluation,
    rules: dict[str, PyTree],
    hyper: Hyperparameters,
    baseline_hyper: Hyperparameters,
    heldout: LevelSet,
    validation: LevelSet,
    num_configurations: int,
) -> list[Score]:
    """Score rules and A2C on held-out levels, worst known first.

    Args:
        learned: evaluates the learned rule.
        baseline: evaluates A2C.
        rules: meta-parameters of the learned rule by the name to print.
        hyper: step sizes and costs of the learned rule's agents.
        baseline_hyper: A2C's default, and the centre of the search that tunes it.
        heldout: levels to score on.
        validation: levels to tune on.
        num_configurations: configurations tried for tuned A2C.

    Returns:
        Random policy, the rules, A2C with the default and with tuned step sizes, optimum.
    """
    tuned = tuned_on(baseline, validation, baseline_hyper, num_configurations)

    def row(name: str, evaluation: Evaluation, params: PyTree, hyper: Hyperparameters) -> Score:
        return score(name, heldout, mean_returns(evaluation, params, heldout, hyper, CLOSING_SEEDS))

    rows = [row(name, learned, params, hyper) for name, params in rules.items()]
    rows.append(row("A2C (default)", baseline, (), baseline_hyper))
    rows.append(row("A2C (tuned)", baseline, (), tuned))
    if heldout.random is not None and heldout.optimum is not None:
        rows.insert(0, score("random policy", heldout, heldout.random))
        rows.append(score("optimum", heldout, heldout.optimum))
    return rows


def render(scores: list[Score], title: str) -> "Table":
    """The table for a terminal.

    Args:
        scores: its rows.
        title: above it.

    Returns:
        A rich table.
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("rule")
    for column in ("score", "± s.e.", "return"):
        table.add_column(column, justify="right")
    for row in scores:
        table.add_row(row.name, f"{row.mean:.3f}", f"{row.standard_error:.3f}", f"{row.mean_return:.3f}")
    return table


def markdown(scores: list[Score]) -> str:
    """The table for a README.

    Args:
        scores: its rows.

    Returns:
        A Markdown table.
    """
    lines = ["| rule | score | ± s.e. | return |", "|---|---:|---:|---:|"]
    lines += [f"| {row.name} | {row.mean:.3f} | {row.standard_error:.3f} | {row.mean_return:.3f} |" for row in scores]
    return "\n".join(lines)


def read_scores(path: Path) -> list[Score]:
    """The scores of a finished run.

    Args:
        path: `results.json` of a run folder.

    Returns:
        Its rows.
    """
    return [Score(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
