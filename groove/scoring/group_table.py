"""The closing table of a group: means over meta-seeds, with intervals over meta-seeds and levels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import PyTree

from groove.scoring.closing_table import ClosingTable, table_of_rules
from groove.scoring.variance_components import mean_interval

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class GroupScore:
    """How well the rules of all meta-seeds, or a policy, do on a set of levels.

    Attributes:
        name: name of the rules or of the policy.
        mean: mean score over meta-seeds and levels, normalised if the level set has exact anchors.
        low: lower end of its 95% interval.
        high: upper end.
        mean_return: mean return over meta-seeds and levels.
        by_seed: mean score of each meta-seed over levels, in the group's order; empty for a baseline.
    """

    name: str
    mean: float
    low: float
    high: float
    mean_return: float
    by_seed: list[float]


def group_scores(closing: ClosingTable, rules: dict[str, list[PyTree]]) -> list[GroupScore]:
    """Score the learned rules of a group and their baselines.

    Args:
        closing: scores single rules.
        rules: meta-parameters of the rule of each meta-seed, by the name to print.

    Returns:
        Scores in the order of `ClosingTable.among_baselines`.
    """
    returns = {name: np.stack([closing.returns(one) for one in of_seeds]) for name, of_seeds in rules.items()}
    rows = []
    for name, values in closing.among_baselines(returns).items():
        scores = closing.heldout.normalised(values)
        interval = mean_interval(np.atleast_2d(scores))
        by_seed = np.mean(scores, axis=1).tolist() if name in rules else []
        rows.append(GroupScore(name, interval.estimate, interval.low, interval.high, float(np.mean(values)), by_seed))
    return rows


def render(scores: list[GroupScore], title: str) -> "Table":
    """Format the table for a terminal.

    Args:
        scores: rows of the table.
        title: title above the table.

    Returns:
        A rich table.
    """
    cells = {row.name: [f"{row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]", f"{row.mean_return:.3f}"] for row in scores}
    # Without an exact solver nothing is normalised, so the return is the only number.
    is_raw = all(row.mean == row.mean_return for row in scores)
    return table_of_rules(title, ["return [95%]"] if is_raw else ["score [95%]", "return"], cells)
