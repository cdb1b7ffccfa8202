"""Which bootstrap suits which scores."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from groove.scoring.bootstrap import matrix_bootstrap, task_bootstrap
from groove.scoring.statistics import probability_of_improvement

Ends = list[float | None]
"""Estimate, lower and upper end; ends are None where there is nothing to draw from."""


def present(runs: Float[np.ndarray, "S n"]) -> Bool[np.ndarray, "n"]:
    """Tasks in which at least one agent is sound.

    Args:
        runs: [S, n], NaN for agents that broke.

    Returns:
        [n].
    """
    return np.isfinite(runs).any(axis=0)


def of_aggregate(
    samples: Sequence[Float[np.ndarray, "S n"]],
    aggregate: Callable[[np.ndarray], float],
    drawn: bool,
    num_resamples: int = 2000,
) -> Ends | None:
    """An aggregate of scores with its 95% interval.

    Args:
        samples: the scores of each meta-seed, [S, n] alike; NaN for agents that broke.
        aggregate: of a vector of scores.
        drawn: tasks are a sample and are resampled; otherwise seeds are, within each task.
        num_resamples: draws behind the interval.

    Returns:
        Estimate and ends; None where no task has a sound agent of every meta-seed.
    """
    kept = np.all([present(runs) for runs in samples], axis=0)
    if not kept.any():
        return None
    return _ends([np.stack(samples)[..., kept]], lambda runs: aggregate(runs[~np.isnan(runs)]), drawn, num_resamples)


def of_improvement(
    ours: Sequence[Float[np.ndarray, "S n"]], theirs: Float[np.ndarray, "S n"], drawn: bool
) -> Ends | None:
    """The probability that a run of ours beats one of theirs on the same task, with its 95% interval.

    Args:
        ours: returns or scores of each meta-seed, [S, n] alike; NaN for agents that broke.
        theirs: [S, n].
        drawn: as for `of_aggregate`.

    Returns:
        Estimate and ends; None where no task has sound agents on all sides.
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
    """A number as JSON has them.

    Args:
        value: any.

    Returns:
        Six digits behind the point; None for what is not finite.
    """
    return round(float(value), 6) if np.isfinite(value) else None
