"""Scores on the worst share of the tasks (CVaR)."""

import numpy as np
from jaxtyping import Float

from groove.scoring.statistics import cvar_curve


def on_worst_tasks(
    final: Float[np.ndarray, "M S n"], shares: Float[np.ndarray, "k"], over_levels: bool
) -> Float[np.ndarray, "k"]:
    """Return the mean score on the worst shares of levels or of runs.

    Levels are chosen on one seed and scored on the others, with each seed choosing once, because a score that also
    chose the level would be too low. Each rule file of a group has its own worst levels; the group's score is the mean
    of theirs. Where no level has several seeds, the worst runs of all files are averaged, which includes bad luck.

    Args:
        final: [M, S, n] scores of the agents of S seeds for each of M rule files on n tasks.
        shares: [k] shares in (0, 1].
        over_levels: whether tasks are levels, with S ≥ 2; otherwise the share is one of runs.

    Returns:
        [k] mean scores.
    """
    if not over_levels:
        return cvar_curve(final.ravel(), final.ravel(), shares)
    curves = [
        cvar_curve(chosen_by, np.mean(np.delete(of_file, seed, axis=0), axis=0), shares)
        for of_file in final
        for seed, chosen_by in enumerate(of_file)
    ]
    return np.mean(curves, axis=0)
