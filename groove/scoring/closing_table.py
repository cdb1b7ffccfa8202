"""The closing table of a run: the rule compared with its start, a random policy, hand-written rules and the optimum."""

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Float, PyTree

from groove.scoring.heldout import Evaluation, LevelSet, counted
from groove.scoring.intervals import Ends, bracketed, of_aggregate, of_mean
from groove.scoring.random_search import TUNING_SEEDS, best_of, search_space
from groove.scoring.statistics import iqm
from groove.scoring.units import Units
from groove.scoring.variance_components import mean_with_error
from lpg.update_rule import Hyperparameters

if TYPE_CHECKING:
    from rich.table import Table

TRAINED = "trained rule"
"""Name of the rule that a run has found."""

CLOSING_SEEDS = 5
"""Agents of each rule on each level in the closing table."""


@dataclass(frozen=True, eq=False)
class LevelReturns:
    """Returns of a rule's agents, or of a policy, on a set of levels.

    Attributes:
        returns: [M, S, n] returns of S agents for each of M meta-seeds on n levels, those of random actions for agents
            that failed.
        failed: number of agents whose parameters were not finite.
    """

    returns: Float[np.ndarray, "M S n"]
    failed: int = 0


@dataclass(frozen=True)
class ClosingScore:
    """How well a rule or policy does on a set of levels.

    Attributes:
        name: name of the rule or policy.
        mean: mean score over levels, normalised if the level set has exact anchors.
        standard_error: standard error of that mean over levels.
        mean_return: mean return over levels.
        iqm: IQM of the agents' scores and the ends of its 95% interval over levels, which are None for few levels; None
            for a single level and in files of version 0.1.
        failed: number of agents that failed and count as random play; None in files of version 0.1.
        gain: the trained rule's mean score minus this one, on the same levels, with its 95% interval; None for the
            trained rule itself, a random policy and the optimum, and in files of version 0.1.
    """

    name: str
    mean: float
    standard_error: float
    mean_return: float
    iqm: Ends | None = None
    failed: int | None = None
    gain: Ends | None = None


def score(name: str, level_set: LevelSet, lived: LevelReturns) -> ClosingScore:
    """Summarise returns on a set of levels.

    Args:
        name: name of the rule or policy.
        level_set: n levels.
        lived: returns [1, S, n] of a single rule.

    Returns:
        The score; the standard error is NaN for a single level.
    """
    scores = level_set.normalised(lived.returns)
    num_levels = scores.shape[2]
    units = Units.separate(drawn=True, num_tasks=num_levels)
    _, error, _ = mean_with_error(*units.means(scores))
    middle = of_aggregate(scores, iqm, units) if num_levels > 1 else None
    return ClosingScore(name, float(np.mean(scores)), error, float(np.mean(lived.returns)), middle, lived.failed)


def gain(level_set: LevelSet, ours: LevelReturns, theirs: LevelReturns) -> Ends:
    """Compute the mean difference of the scores of two rules on the same levels with its 95% interval.

    Args:
        level_set: n levels.
        ours: returns [M, S, n].
        theirs: returns [M, S, n] or [1, S, n] of the rule to compare with.

    Returns:
        Estimate and ends.
    """
    difference = level_set.normalised(ours.returns) - level_set.normalised(theirs.returns)
    return of_mean(difference, Units.separate(drawn=True, num_tasks=level_set.num_levels))


def returns_of(
    evaluation: Evaluation, meta_params: PyTree, level_set: LevelSet, hyper: Hyperparameters, num_seeds: int
) -> LevelReturns:
    """Let several agents live on each level.

    Args:
        evaluation: evaluation of the rule.
        meta_params: the rule's meta-parameters.
        level_set: n levels.
        hyper: the agents' learning rates and costs.
        num_seeds: agents on each level, ≥ 1.

    Returns:
        Returns [1, num_seeds, n].
    """
    returns = np.stack([evaluation.returns(meta_params, level_set, hyper, seed) for seed in range(num_seeds)])
    return LevelReturns(counted(evaluation, level_set, returns)[None], int(np.sum(~np.isfinite(returns))))


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
        The best one. Agents that fail count as random play.
    """
    return best_on(evaluation, validation, search_space(evaluation.rule, default, num_configurations))


def best_on(evaluation: Evaluation, validation: LevelSet, configurations: list[Hyperparameters]) -> Hyperparameters:
    """Return the configuration of a hand-written rule that is best on validation levels, of given ones.

    Args:
        evaluation: evaluation of the rule.
        validation: levels that are not held out.
        configurations: configurations to try, each with `TUNING_SEEDS` seeds.

    Returns:
        The best one, the first on ties. Agents that fail count as random play.
    """
    lived = (returns_of(evaluation, (), validation, hyper, TUNING_SEEDS) for hyper in configurations)
    return best_of(configurations, np.array([np.mean(validation.normalised(own.returns)) for own in lived]))


@dataclass(frozen=True, eq=False)
class HandWritten:
    """A hand-written rule that learned rules are compared with.

    Attributes:
        evaluation: evaluation of the rule.
        default: its default settings, which are also the centre of the search that tunes it.
        shows_default: whether it has a row with its default settings; a rule that the search started at has one
            already.
    """

    evaluation: Evaluation
    default: Hyperparameters
    shows_default: bool = True


@dataclass(frozen=True, eq=False)
class ClosingTable:
    """Scores learned and hand-written rules on held-out levels, between a random policy and the optimum.

    Every rule is scored once, at first use, however many tables it appears in.

    Attributes:
        learned: evaluation of the learned rules.
        hyper: learning rates and costs of the learned rules' agents.
        hand_written: hand-written rules by the name to print.
        heldout: levels to score on.
        validation: levels to tune on.
        num_configurations: number of configurations tried for a tuned rule.
    """

    learned: Evaluation
    hyper: Hyperparameters
    hand_written: dict[str, HandWritten]
    heldout: LevelSet
    validation: LevelSet
    num_configurations: int
    _known: dict[bytes, LevelReturns] = field(default_factory=dict)

    def returns(self, meta_params: PyTree) -> LevelReturns:
        """Return the returns of a learned rule's agents.

        Args:
            meta_params: the rule's meta-parameters.

        Returns:
            Returns [1, S, n] on the held-out levels.
        """
        content = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(meta_params))
        if content not in self._known:
            self._known[content] = returns_of(self.learned, meta_params, self.heldout, self.hyper, CLOSING_SEEDS)
        return self._known[content]

    @cached_property
    def baselines(self) -> dict[str, LevelReturns]:
        """Returns [1, S, n] of hand-written rules on the held-out levels, with default and with tuned settings."""
        rows = {}
        for name, rule in self.hand_written.items():
            tuned = tuned_on(rule.evaluation, self.validation, rule.default, self.num_configurations)
            settings = {f"{name} (default)": rule.default} if rule.shows_default else {}
            for row, hyper in (settings | {f"{name} (tuned)": tuned}).items():
                rows[row] = returns_of(rule.evaluation, (), self.heldout, hyper, CLOSING_SEEDS)
        return rows

    def among_baselines(self, rules: dict[str, LevelReturns]) -> dict[str, LevelReturns]:
        """Put the returns of learned rules into their place among those of the baselines.

        Args:
            rules: returns of learned rules on the held-out levels, by the name to print.

        Returns:
            Returns by name in this order: random policy, the rules, hand-written rules with default and with tuned
            settings, optimum. Without an exact solver, random policy and optimum are left out.
        """
        rows = rules | self.baselines
        if self.heldout.random is None or self.heldout.optimum is None:
            return rows
        random, optimum = (LevelReturns(exact[None, None]) for exact in (self.heldout.random, self.heldout.optimum))
        return {"random policy": random} | rows | {"optimum": optimum}

    def gains(self, rules: dict[str, LevelReturns]) -> dict[str, Ends]:
        """Compare the trained rule with all others that learn.

        Args:
            rules: returns of learned rules on the held-out levels by name, `TRAINED` among them.

        Returns:
            Mean difference of the trained rule's score with its 95% interval, by the name of the other rule.
        """
        others = rules | self.baselines
        return {name: gain(self.heldout, rules[TRAINED], own) for name, own in others.items() if name != TRAINED}

    def scores(self, rules: dict[str, PyTree]) -> list[ClosingScore]:
        """Score learned rules and their baselines.

        Args:
            rules: meta-parameters of the learned rules, by the name to print, `TRAINED` among them.

        Returns:
            Scores in the order of `among_baselines`.
        """
        returns = {name: self.returns(meta_params) for name, meta_params in rules.items()}
        rows = [score(name, self.heldout, values) for name, values in self.among_baselines(returns).items()]
        gains = self.gains(returns)
        return [replace(row, gain=gains.get(row.name)) for row in rows]


def render(scores: list[ClosingScore], title: str) -> "Table":
    """Format the table for a terminal.

    Args:
        scores: rows of the table.
        title: title above the table.

    Returns:
        A rich table.
    """
    gains = {row.name: row.gain for row in scores}
    return table_of_rules(title, *_cells([replace(row, gain=None) for row in scores]), gains)


def table_of_rules(title: str, titles: list[str], rows: list[list[str]], gains: dict[str, Ends | None]) -> "Table":
    """Format a table with one row for each rule.

    Gains stand below it, since with them as a column it would be wider than 80 characters.

    Args:
        title: title above the table.
        titles: titles of the columns, "rule" first.
        rows: cells of each row.
        gains: by rule, the trained rule's gain over it; None where they are not compared.

    Returns:
        A rich table.
    """
    from rich.table import Table

    compared = {name: bracketed(gain, "+") for name, gain in gains.items() if gain is not None}
    caption = "\n".join([f"the {TRAINED} minus", *(f"  {name:20s} {text}" for name, text in compared.items())])
    table = Table(title=title, title_justify="left", caption=caption if compared else None, caption_justify="left")
    for column in titles:
        table.add_column(column, justify="left" if column == "rule" else "right")
    for cells in rows:
        table.add_row(*cells)
    return table


def markdown(scores: list[ClosingScore]) -> str:
    """Format the table for a README.

    Args:
        scores: rows of the table.

    Returns:
        A Markdown table.
    """
    titles, rows = _cells(scores)
    lines = [f"| {' | '.join(cells)} |" for cells in [titles, *rows]]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(titles) - 1), *lines[1:]])


def _cells(scores: list[ClosingScore]) -> tuple[list[str], list[list[str]]]:
    """Return titles and rows, without columns of which nothing is known."""
    # Without an exact solver nothing is normalised, so the return is the only number.
    is_raw = all(row.mean == row.mean_return for row in scores)
    middles = [None if row.iqm is None else bracketed(row.iqm) for row in scores]
    columns: dict[str, list[str | None]] = {
        "rule": [row.name for row in scores],
        "IQM of returns [95%]" if is_raw else "IQM [95%]": middles,
        "return" if is_raw else "score": [f"{row.mean:.3f}" for row in scores],
        "± s.e.": [f"{row.standard_error:.3f}" for row in scores],
        f"{TRAINED} minus this [95%]": [None if row.gain is None else bracketed(row.gain, "+") for row in scores],
        "return": [f"{row.mean_return:.3f}" for row in scores],
        "failed": [None if row.failed is None else str(row.failed) for row in scores],
    }
    known = {title: [cell or "" for cell in cells] for title, cells in columns.items() if any(cells)}
    return list(known), [list(row) for row in zip(*known.values(), strict=True)]


def read_scores(path: Path) -> list[ClosingScore]:
    """Read the closing table of a finished run.

    Args:
        path: path of a run's `results.json`.

    Returns:
        Rows of the table.
    """
    return [ClosingScore(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
