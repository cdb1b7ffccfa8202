"""Intervals of means over meta-seeds and units, from the variance that each of the two adds."""

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from groove.scoring.bootstrap import Interval


def mean_interval(
    scores: Float[np.ndarray, "M U *C"], weights: Float[np.ndarray, "C"] | None = None, confidence: float = 0.95
) -> Interval:
    """Return the t interval of the mean over meta-seeds and units, both drawn at random.

    The score of meta-seed i on unit j, a level or a seed, is μ + a_i + b_j + e_ij. With the mean squares A of the
    meta-seeds, B of the units and E of the rest, the mean of all scores has the estimated variance (A + B − E) / (M U),
    whose degrees of freedom are Satterthwaite's (1946, doi:10.2307/3002019). Units whose estimated variance is
    negative, B < E, are left out (variance A / (M U)). If there are fixed strata with units of their own, B − E is the
    sum over strata, each with the square of its weight. docs/benchmark.md has simulated coverages.

    Args:
        scores: [M, U] or [M, U, C] finite scores of M meta-seeds on U units, or on U units in each of C strata.
        weights: [C] weights of the strata in the mean, which add up to 1; None if they weigh the same.
        confidence: confidence level in (0, 1).

    Returns:
        The mean with its interval: over the units alone if there is one meta-seed, over the meta-seeds alone if there
        is one unit, NaN ends if there is one of each.

    Raises:
        ValueError: the confidence is out of range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"mean_interval: confidence must be in (0, 1), got {confidence}")
    mean, error, freedom = mean_with_error(scores, weights)
    half = stdtrit(freedom, (1 + confidence) / 2) * error if error > 0 else error
    return Interval(mean, mean - half, mean + half)


def mean_with_error(
    scores: Float[np.ndarray, "M U *C"], weights: Float[np.ndarray, "C"] | None = None
) -> tuple[float, float, float]:
    """Return the mean with the standard error that `mean_interval` is made from.

    Args:
        scores: [M, U] or [M, U, C] as for `mean_interval`.
        weights: [C] as for `mean_interval`.

    Returns:
        The mean, its standard error, and the degrees of freedom of that; NaN errors if there is one meta-seed and one
        unit.
    """
    scores = scores.reshape(*scores.shape[:2], -1)
    num_seeds, num_units, num_strata = scores.shape
    shares = np.full(num_strata, 1 / num_strata) if weights is None else weights
    centre = np.mean(scores, axis=(0, 1), keepdims=True)
    of_units = np.mean(scores, axis=0, keepdims=True) - centre
    rest = scores - np.mean(scores, axis=1, keepdims=True) - of_units
    mean = centre.ravel() @ shares
    seeds, units = num_seeds - 1, num_units - 1
    # Each part is a mean square over the number of scores that the mean averages, with its degrees of freedom.
    a = _part(np.sum((np.mean(scores, axis=1) @ shares - mean) ** 2), seeds) / num_seeds
    b = shares**2 * _part(np.sum(of_units**2, axis=(0, 1)), units) / num_units
    e = shares**2 * _part(np.sum(rest**2, axis=(0, 1)), seeds * units) / (num_seeds * num_units)
    units_add = np.sum(b) > np.sum(e)
    parts = np.array([a, *b, *-e]) if units_add else np.array([a])
    freedom = np.array([seeds, *[units] * num_strata, *[seeds * units] * num_strata])[: parts.size]
    variance = np.sum(parts)
    if num_seeds * num_units == 1 or not variance > 0:
        return float(mean), np.nan if num_seeds * num_units == 1 else float(variance), np.inf
    squares = np.divide(parts**2, freedom, out=np.zeros(parts.size), where=freedom > 0)
    return float(mean), float(np.sqrt(variance)), float(variance**2 / np.sum(squares))


def _part(sum_of_squares: Float[np.ndarray, "*C"], freedom: int) -> Float[np.ndarray, "*C"]:
    return sum_of_squares / freedom if freedom else np.zeros_like(sum_of_squares)
