"""Aggregates of scores over meta-seeds and levels, with bootstrap intervals (Agarwal et al. 2021, arXiv:2108.13264)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Aggregate = Callable[[np.ndarray], float]
"""Scores of any shape to one number."""


def iqm(scores: Float[np.ndarray, "..."]) -> float:
    """Interquartile mean: the mean without the lowest and the highest quarter.

    Args:
        scores: any shape, at least one; a quarter of the number is rounded down.

    Returns:
        The mean of what is left.

    Raises:
        ValueError: a score is not finite; it would sort among the best and be cut away.
    """
    ordered = _ordered(scores)
    cut = ordered.size // 4
    return float(np.mean(ordered[cut : ordered.size - cut]))


def cvar(scores: Float[np.ndarray, "..."], share: float = 0.1) -> float:
    """Conditional value at risk: the mean of the worst share of the scores.

    Args:
        scores: any shape, at least one.
        share: in (0, 1]; of the number, rounded up.

    Returns:
        That mean.

    Raises:
        ValueError: a score is not finite, or the share out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"cvar: share must be in (0, 1], got {share}")
    ordered = _ordered(scores)
    return float(np.mean(ordered[: int(np.ceil(share * ordered.size))]))


@dataclass(frozen=True)
class Interval:
    """An estimate and its bootstrap interval.

    Attributes:
        estimate: of all scores.
        low: lower end.
        high: upper end.
    """

    estimate: float
    low: float
    high: float


def bootstrap(
    scores: Float[np.ndarray, "seeds n"],
    aggregate: Aggregate,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of an aggregate: meta-seeds and levels are drawn anew, each with all of the other.

    The two are crossed, since the rules of all meta-seeds are scored on the same levels: drawn apart in
    each row, the luck of the levels would cancel out between the rows.

    Args:
        scores: [seeds, n], a row for each meta-seed, a column for each level.
        aggregate: of any number of scores.
        confidence: in (0, 1).
        num_resamples: draws behind the interval.
        seed: of the draws.

    Returns:
        The aggregate of all scores between the interval's ends.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"bootstrap: confidence must be in (0, 1), got {confidence}")
    draws = np.random.default_rng(seed)
    num_seeds, num_levels = scores.shape
    resampled = np.empty(num_resamples)
    for i in range(num_resamples):
        rows = draws.integers(num_seeds, size=(num_seeds, 1))
        columns = draws.integers(num_levels, size=(1, num_levels))
        resampled[i] = aggregate(scores[rows, columns])
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]).tolist()
    return Interval(aggregate(scores), low, high)


def _ordered(scores: Float[np.ndarray, "..."]) -> Float[np.ndarray, "n"]:
    if not np.all(np.isfinite(scores)):
        raise ValueError(f"scores must be finite, got {np.sum(~np.isfinite(scores))} that are not")
    return np.sort(np.ravel(scores))
