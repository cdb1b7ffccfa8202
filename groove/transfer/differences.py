"""How much better a learned rule is than another rule on the same tasks."""

import numpy as np
from jaxtyping import Float

from groove.scoring.intervals import Ends, number, of_difference, of_mean
from groove.scoring.statistics import cvar, iqm
from groove.scoring.units import Units
from groove.transfer.contestants import TUNED
from groove.transfer.scores import SuiteScores

ALL = "all"
WORST = 0.1
"""Share of the tasks, or of the runs, in the worst of which rules are compared as well."""


def differences(scores: SuiteScores, learned: list[str]) -> dict[str, dict[str, dict[str, dict[str, Ends]]]]:
    """Subtract the scores of each other rule from those of learned ones, tuned from tuned.

    Args:
        scores: scores in a suite.
        learned: names of the learned rules and groups of rules, tuned ones included.

    Returns:
        By learned rule, by other rule, and by part of the suite ("all", and each environment and each lifetime if there
        are several): the differences of the mean and the IQM, with 95% intervals, and of the worst tenth of the tasks,
        which has none. Lives of the rules differ in nothing but the rule, and pairs of them share their units.
    """
    if not scores.tasks:
        return {}
    return {
        ours: {
            theirs: {
                name: _difference(
                    scores.final(ours)[..., own], scores.final(theirs)[..., own], scores.units.of_tasks(own)
                )
                for name, own in _parts(scores).items()
            }
            for theirs in scores.curves
            if theirs != ours and theirs.endswith(TUNED) == ours.endswith(TUNED)
        }
        for ours in learned
    }


def _parts(scores: SuiteScores) -> dict[str, list[int]]:
    """Return the places of the tasks of each part of a suite."""
    found = {ALL: list(range(len(scores.tasks)))}
    environments, lifetimes = (list(dict.fromkeys(task[field] for task in scores.tasks)) for field in (0, 1))
    if len(environments) > 1:
        found |= {str(name): [i for i, task in enumerate(scores.tasks) if task[0] == name] for name in environments}
    if len(lifetimes) > 1:
        found |= {f"x {x:g}": [i for i, task in enumerate(scores.tasks) if task[1] == x] for x in lifetimes}
    return found


def _difference(ours: Float[np.ndarray, "M S n"], theirs: Float[np.ndarray, "Mt S n"], units: Units) -> dict[str, Ends]:
    worst = _worst(ours) - _worst(theirs)
    # The rule files of two groups make no pairs.
    paired = len(theirs) in (1, len(ours))
    less = ours - (theirs if paired else np.mean(theirs, axis=0, keepdims=True))
    mean = of_mean(less, units)
    return {
        "mean": mean if paired else [mean[0], None, None],
        "iqm": of_difference(ours, theirs, iqm, units),
        "worst_tenth": [number(worst), None, None],
    }


def _worst(final: Float[np.ndarray, "M S n"]) -> float:
    """Return the mean score on the tasks that are worst for each rule file, or on the worst runs of a single task."""
    by_task = np.mean(final, axis=1) if final.shape[2] > 1 else final[..., 0]
    return float(np.mean([cvar(of_file, WORST) for of_file in by_task]))
