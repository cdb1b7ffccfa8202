"""The closing table of a run: the rule compared with a random policy, A2C and the optimum."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import jax
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


@dataclass(frozen=True, eq=False)
class ClosingTable:
    """Scores learned rules and A2C on held-out levels, between a random policy and the optimum.

    A2C and every learned rule are scored once, at first use, however many tables they appear in.

    Attributes:
        learned: evaluation of the learned rules.
        baseline: evaluation of A2C.
        hyper: learning rates and costs of the learned rules' agents.
        baseline_hyper: A2C's defaults, which are also the centre of the search that tunes it.
        heldout: levels to score on.
        validation: levels to tune on.
        num_configurations: number of configurations tried for tuned A2C.
    """

    learned: Evaluation
    baseline: Evaluation
    hyper: Hyperparameters
    baseline_hyper: Hyperparameters
    heldout: LevelSet
    validation: LevelSet
    num_configurations: int
    _known: dict[bytes, Float[np.ndarray, "n"]] = field(default_factory=dict)

    def returns(self, meta_params: PyTree) -> Float[np.ndarray, "n"]:
        """Return the mean returns of a learned rule's agents.

        Args:
            meta_params: the rule's meta-parameters.

        Returns:
            [n] mean returns on the held-out levels.
        """
        content = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(meta_params))
        if content not in self._known:
            self._known[content] = mean_returns(self.learned, meta_params, self.heldout, self.hyper, CLOSING_SEEDS)
        return self._known[content]

    @cached_property
    def baselines(self) -> dict[str, Float[np.ndarray, "n"]]:
        """Mean returns [n] of A2C's agents on the held-out levels, with default and with tuned settings, by name."""
        tuned = tuned_on(self.baseline, self.validation, self.baseline_hyper, self.num_configurations)
        settings = {"A2C (default)": self.baseline_hyper, "A2C (tuned)": tuned}
        return {
            name: mean_returns(self.baseline, (), self.heldout, hyper, CLOSING_SEEDS)
            for name, hyper in settings.items()
        }

    def among_baselines(self, rules: dict[str, Float[np.ndarray, "... n"]]) -> dict[str, Float[np.ndarray, "... n"]]:
        """Put the returns of learned rules into their place among those of the baselines.

        Args:
            rules: [..., n] returns of learned rules on the held-out levels, by the name to print.

        Returns:
            Returns by name in this order: random policy, the rules, A2C with default and with tuned settings, optimum.
            Without an exact solver, random policy and optimum are left out.
        """
        rows = rules | self.baselines
        if self.heldout.random is None or self.heldout.optimum is None:
            return rows
        return {"random policy": self.heldout.random} | rows | {"optimum": self.heldout.optimum}

    def scores(self, rules: dict[str, PyTree]) -> list[ClosingScore]:
        """Score learned rules and their baselines.

        Args:
            rules: meta-parameters of the learned rules, by the name to print.

        Returns:
            Scores in the order of `among_baselines`.
        """
        returns = {name: self.returns(meta_params) for name, meta_params in rules.items()}
        return [score(name, self.heldout, values) for name, values in self.among_baselines(returns).items()]


def render(scores: list[ClosingScore], title: str) -> "Table":
    """Format the table for a terminal.

    Args:
        scores: rows of the table.
        title: title above the table.

    Returns:
        A rich table.
    """
    cells = {
        row.name: [f"{number:.3f}" for number in (row.mean, row.standard_error, row.mean_return)] for row in scores
    }
    # Without an exact solver nothing is normalised, so the return is the only number.
    if all(row.mean == row.mean_return for row in scores):
        return table_of_rules(title, ["return", "± s.e."], cells)
    return table_of_rules(title, ["score", "± s.e.", "return"], cells)


def table_of_rules(title: str, columns: list[str], cells: dict[str, list[str]]) -> "Table":
    """Format a table with one row for each rule.

    Args:
        title: title above the table.
        columns: headings of the columns of numbers.
        cells: numbers by the name of the rule; those beyond the last column are left out.

    Returns:
        A rich table.
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("rule")
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in cells.items():
        table.add_row(name, *row[: len(columns)])
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
