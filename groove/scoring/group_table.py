"""The closing table of a group: means over meta-seeds, with intervals over meta-seeds and levels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import PyTree

from groove.scoring.closing_table import ClosingTable, LevelReturns, table_of_rules
from groove.scoring.intervals import Ends, bracketed, of_aggregate, of_mean
from groove.scoring.statistics import iqm
from groove.scoring.units import Units

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class GroupScore:
    """How well the rules of all meta-seeds, or a policy, do on a set of levels.

    Attributes:
        name: name of the rules or of the policy.
        mean: mean score over meta-seeds and levels, normalised if the level set has exact anchors.
        low: lower end of its 95% interval, None for two meta-seeds.
        high: upper end.
        mean_return: mean return over meta-seeds and levels.
        iqm: IQM of the agents' scores and the ends of its 95% interval, which are None for few meta-seeds or levels.
        failed: number of agents that failed and count as random play.
        by_seed: mean score of each meta-seed over levels, in the group's order; empty for a baseline.
        gain: as in `ClosingScore`, over meta-seeds and levels.
    """

    name: str
    mean: float
    low: float | None
    high: float | None
    mean_return: float
    iqm: Ends
    failed: int
    by_seed: list[float]
    gain: Ends | None = None


def group_scores(closing: ClosingTable, rules: dict[str, list[PyTree]]) -> list[GroupScore]:
    """Score the learned rules of a group and their baselines.

    Args:
        closing: scores single rules.
        rules: meta-parameters of the rule of each meta-seed, by the name to print, `TRAINED` among them.

    Returns:
        Scores in the order of `ClosingTable.among_baselines`.
    """
    lived = {name: _joined([closing.returns(one) for one in of_seeds]) for name, of_seeds in rules.items()}
    units = Units.separate(drawn=True, num_tasks=closing.heldout.num_levels)
    gains = closing.gains(lived)
    rows = []
    for name, own in closing.among_baselines(lived).items():
        scores = closing.heldout.normalised(own.returns)
        mean, middle = float(np.mean(scores)), of_aggregate(scores, iqm, units)
        _, low, high = of_mean(scores, units)
        by_seed = np.mean(scores, axis=(1, 2)).tolist() if name in rules else []
        returned = float(np.mean(own.returns))
        rows.append(GroupScore(name, mean, low, high, returned, middle, own.failed, by_seed, gains.get(name)))
    return rows


def _joined(parts: list[LevelReturns]) -> LevelReturns:
    return LevelReturns(np.concatenate([part.returns for part in parts]), sum(part.failed for part in parts))


def render(scores: list[GroupScore], title: str) -> "Table":
    """Format the table for a terminal.

    Args:
        scores: rows of the table.
        title: title above the table.

    Returns:
        A rich table.
    """
    # Without an exact solver nothing is normalised, so the return is the only number.
    is_raw = all(row.mean == row.mean_return for row in scores)
    columns = ["IQM of returns [95%]", "return [95%]"] if is_raw else ["IQM [95%]", "score [95%]", "return"]
    rows = []
    for row in scores:
        cells = [bracketed(row.iqm), bracketed([row.mean, row.low, row.high]), f"{row.mean_return:.3f}"]
        rows.append([row.name, *cells[: len(columns)], str(row.failed)])
    return table_of_rules(title, ["rule", *columns, "failed"], rows, {row.name: row.gain for row in scores})
