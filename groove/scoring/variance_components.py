"""Intervals of means over meta-seeds and units, from the variance that each of the two adds."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from groove.scoring.bootstrap import Interval


def mean_interval(
    strata: Sequence[Float[np.ndarray, "M U"]], weights: Float[np.ndarray, "C"] | None = None, confidence: float = 0.95
) -> Interval:
    """Return the t interval of the mean over meta-seeds and units, both drawn at random.

    The score of meta-seed i on unit j, a level or a seed, is μ + a_i + b_j + e_ij. With the mean squares A of the
    meta-seeds, B of the units and E of the rest, the mean of all scores has the estimated variance (A + B − E) / (M U),
    whose degrees of freedom are Satterthwaite's (1946, doi:10.2307/3002019). Units whose estimated variance is
    negative, B < E, are left out (variance A / (M U)). If there are fixed strata with units of their own, B − E is the
    sum over strata, each with the square of its weight. docs/benchmark.md has simulated coverages.

    Differs: in the degrees of freedom, A counts (M + 1) / (M − 1) times, the ratio of E[A²] to E[A]². Where A is too
    small by chance, its share in the variance, and with it its few degrees of freedom, would otherwise count too little
    just where the interval is too short: of three meta-seeds that vary as much as units and runs, it would cover .92.
    The degrees of freedom are at least the fewest of those of A and of each stratum's B, as in a sum without −E.

    Args:
        strata: finite scores [M, U] of M meta-seeds on the units of each of C strata; U may differ between strata.
        weights: [C] weights of the strata in the mean, which add up to 1; None if they weigh the same.
        confidence: confidence level in (0, 1).

    Returns:
        The mean with its interval: over the units alone if there is one meta-seed, over the meta-seeds alone if there
        is one unit, NaN ends if there is one meta-seed and a stratum with one unit.

    Raises:
        ValueError: the confidence is out of range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"mean_interval: confidence must be in (0, 1), got {confidence}")
    mean, error, freedom = mean_with_error(strata, weights)
    half = stdtrit(freedom, (1 + confidence) / 2) * error if error > 0 else error
    return Interval(mean, mean - half, mean + half)


def mean_with_error(
    strata: Sequence[Float[np.ndarray, "M U"]], weights: Float[np.ndarray, "C"] | None = None
) -> tuple[float, float, float]:
    """Return the mean with the standard error that `mean_interval` is made from.

    Args:
        strata: [M, U] each, as for `mean_interval`.
        weights: [C] as for `mean_interval`.

    Returns:
        The mean, its standard error, and the degrees of freedom of that; NaN errors if there is one meta-seed and a
        stratum with one unit.
    """
    shares = np.full(len(strata), 1 / len(strata)) if weights is None else weights
    of_seeds = np.sum([share * np.mean(own, axis=1) for share, own in zip(shares, strata, strict=True)], axis=0)
    mean, num_seeds = np.mean(of_seeds), len(of_seeds)
    if num_seeds == 1 and min(own.shape[1] for own in strata) == 1:
        return float(mean), np.nan, np.inf
    # Each part is a mean square over the number of scores that the mean averages, with its degrees of freedom.
    a = _part(of_seeds - mean, num_seeds - 1) / num_seeds
    b, e, units_freedom = np.array([_parts_of_units(own) for own in strata]).T
    b, e = shares**2 * b, shares**2 * e
    units_add = np.sum(b) > np.sum(e)
    parts = np.array([a, *b, *-e]) if units_add else np.array([a])
    variance = np.sum(parts)
    if not variance > 0:
        return float(mean), float(variance), np.inf
    freedom = np.array([num_seeds - 1, *units_freedom, *(num_seeds - 1) * units_freedom])[: parts.size]
    parts[0] *= (num_seeds + 1) / max(num_seeds - 1, 1)
    squares = np.divide(parts**2, freedom, out=np.zeros(parts.size), where=freedom > 0)
    # Where A + B − E is small beside B and E, the formula alone tends to 0, which makes intervals absurdly wide.
    added = freedom[: 1 + len(strata)]
    fewest = np.min(added[added > 0])
    return float(mean), float(np.sqrt(variance)), float(max(np.sum(parts) ** 2 / np.sum(squares), fewest))


def _parts_of_units(scores: Float[np.ndarray, "M U"]) -> tuple[float, float, int]:
    """Return B / (M U) and E / (M U) of one stratum, with the degrees of freedom of B."""
    num_seeds, num_units = scores.shape
    of_units = np.mean(scores, axis=0) - np.mean(scores)
    rest = scores - np.mean(scores, axis=1, keepdims=True) - of_units
    b, e = _part(of_units, num_units - 1) / num_units, _part(rest, (num_seeds - 1) * (num_units - 1)) / scores.size
    return b, e, num_units - 1


def _part(deviations: Float[np.ndarray, "..."], freedom: int) -> float:
    return float(np.sum(deviations**2)) / freedom if freedom else 0.0
