"""The choice of bootstrap for each kind of scores."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from groove.scoring.bootstrap import matrix_bootstrap, task_bootstrap
from groove.scoring.statistics import probability_of_improvement

Ends = list[float | None]
"""Estimate, lower end and upper end; the ends are None if there is nothing to resample."""


def present(runs: Float[np.ndarray, "S n"]) -> Bool[np.ndarray, "n"]:
    """Mark the tasks with at least one agent that did not break.

    Args:
        runs: [S, n] scores or returns, NaN for broken agents.

    Returns:
        [n] mask.
    """
    return np.isfinite(runs).any(axis=0)


def of_aggregate(
    samples: Sequence[Float[np.ndarray, "S n"]],
    aggregate: Callable[[np.ndarray], float],
    drawn: bool,
    num_resamples: int = 2000,
) -> Ends | None:
    """Compute an aggregate of scores with its 95% interval.

    Args:
        samples: scores of each meta-seed, all of the same shape [S, n]; NaN for broken agents.
        aggregate: function of a vector of scores.
        drawn: whether the tasks are themselves a sample and are resampled if there is only one meta-seed;
            otherwise seeds are resampled within each task, and meta-seeds if there are several.
        num_resamples: number of resamples.

    Returns:
        Estimate and ends; None if no task has an unbroken agent of every meta-seed.
    """
    kept = np.all([present(runs) for runs in samples], axis=0)
    if not kept.any():
        return None
    return _ends([np.stack(samples)[..., kept]], lambda runs: aggregate(runs[~np.isnan(runs)]), drawn, num_resamples)


def of_improvement(
    ours: Sequence[Float[np.ndarray, "S n"]], theirs: Float[np.ndarray, "S n"], drawn: bool
) -> Ends | None:
    """Estimate the probability that a run of ours beats one of theirs on the same task, with its 95% interval.

    Args:
        ours: returns or scores of each meta-seed, all of the same shape [S, n]; NaN for broken agents.
        theirs: [S, n] returns or scores to compare with.
        drawn: as for `of_aggregate`.

    Returns:
        Estimate and ends; None if no task has unbroken agents on all sides.
    """
    kept = np.all([present(runs) for runs in [*ours, theirs]], axis=0)
    if not kept.any():
        return None
    return _ends([np.stack(ours)[..., kept], theirs[None, :, kept]], probability_of_improvement, drawn)


def _ends(
    samples: list[Float[np.ndarray, "M S n"]],
    statistic: Callable[..., float],
    drawn: bool,
    num_resamples: int = 2000,
) -> Ends:
    single = all(sample.shape[0] == 1 for sample in samples)
    if drawn and single and samples[0].shape[-1] > 1:
        found = task_bootstrap([sample[0] for sample in samples], statistic, num_resamples=num_resamples)
    elif single and all(sample.shape[1] == 1 for sample in samples):
        return [number(statistic(*(sample[0] for sample in samples))), None, None]
    else:
        found = matrix_bootstrap(samples, statistic, num_resamples=num_resamples)
    return [number(x) for x in (found.estimate, found.low, found.high)]


def number(value: float) -> float | None:
    """Return a number rounded for JSON.

    Args:
        value: any number.

    Returns:
        The value with six decimals, None if it is not finite.
    """
    return round(float(value), 6) if np.isfinite(value) else None
