"""How much better a learned rule is than another rule on the same tasks."""

import numpy as np
from jaxtyping import Float

from groove.scoring.intervals import Ends, number, of_difference, of_mean
from groove.scoring.statistics import iqm
from groove.scoring.units import Units
from groove.transfer.contestants import TUNED
from groove.transfer.scores import SuiteScores
from groove.transfer.worst_tasks import on_worst_tasks

ALL = "all"
WORST = 0.1
"""Share of the levels, or of the runs, in which rules are compared where each is worst."""


def differences(scores: SuiteScores, learned: list[str]) -> dict[str, dict[str, dict[str, dict[str, Ends]]]]:
    """Compute how much better learned rules are than each other rule, tuned against tuned.

    Args:
        scores: scores in a suite.
        learned: names of the learned rules and groups of rules, tuned ones included.

    Returns:
        By learned rule, by other rule, and by part of the suite ("all", and each environment and each lifetime if there
        are several): the differences of the mean and the IQM, with 95% intervals unless both are groups, and of the
        mean score on the worst tenth, which has none. Both rules lived on the same tasks with the same seeds.
    """
    if not scores.tasks:
        return {}
    parts, over_levels = _parts(scores), scores.has_levels_with_seeds

    def between(ours: str, theirs: str) -> dict[str, dict[str, Ends]]:
        left, right = scores.final(ours), scores.final(theirs)
        return {
            name: _difference(left[..., own], right[..., own], scores.units.of_tasks(own), over_levels)
            for name, own in parts.items()
        }

    def comparable(ours: str) -> list[str]:
        return [theirs for theirs in scores.curves if theirs != ours and theirs.endswith(TUNED) == ours.endswith(TUNED)]

    return {ours: {theirs: between(ours, theirs) for theirs in comparable(ours)} for ours in learned}


def _parts(scores: SuiteScores) -> dict[str, list[int]]:
    """Return the places of the tasks of each part of a suite."""
    found = {ALL: list(range(len(scores.tasks)))}
    environments, lifetimes = (list(dict.fromkeys(task[field] for task in scores.tasks)) for field in (0, 1))
    if len(environments) > 1:
        found |= {str(name): [i for i, task in enumerate(scores.tasks) if task[0] == name] for name in environments}
    if len(lifetimes) > 1:
        found |= {f"x {x:g}": [i for i, task in enumerate(scores.tasks) if task[1] == x] for x in lifetimes}
    return found


def _difference(
    ours: Float[np.ndarray, "M S n"], theirs: Float[np.ndarray, "Mt S n"], units: Units, over_levels: bool
) -> dict[str, Ends]:
    worst = [float(on_worst_tasks(side, np.array([WORST]), over_levels)[0]) for side in (ours, theirs)]
    mean, middle = float(np.mean(ours) - np.mean(theirs)), float(iqm(ours.ravel()) - iqm(theirs.ravel()))
    # Of two groups, it is chance which files make a pair.
    groups = min(len(ours), len(theirs)) > 1
    return {
        "mean": [number(mean), None, None] if groups else of_mean(ours - theirs, units),
        "iqm": [number(middle), None, None] if groups else of_difference(ours, theirs, iqm, units),
        "worst_tenth": [number(worst[0] - worst[1]), None, None],
    }
