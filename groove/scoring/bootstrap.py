"""Bootstrap intervals of aggregates (Agarwal et al. 2021, arXiv:2108.13264)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, stdtrit

from groove.scoring.units import Units

Statistic = Callable[..., Float[np.ndarray, "R"]]
"""Function from arrays [R, M, S, n], one for each sample, to one number for each of R resamples."""

MAX_BATCH = 2**21
"""Scores, or pairs of scores for two samples, in the resamples that are computed at once: about 16 MB."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval.

    Attributes:
        estimate: estimate from all scores.
        low: lower end.
        high: upper end.
    """

    estimate: float
    low: float
    high: float


def bootstrap(
    samples: Sequence[Float[np.ndarray, "M S n"]],
    statistic: Statistic,
    units: Units,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the percentile interval of a statistic from resampled units, crossed with resampled meta-seeds.

    Each sample draws its own meta-seeds. Tasks and seeds are shared by all rules, so all samples and meta-seeds draw
    the same ones.

    Args:
        samples: finite scores [M, S, n], each with its own M; samples with different S draw their seeds separately.
        statistic: function of as many arrays [R, M, S, n].
        units: units of the n tasks.
        confidence: confidence level in (0, 1).
        num_resamples: number of resamples, ≥ 1.
        seed: seed of the draws.

    Returns:
        The statistic of all scores with its interval.

    Raises:
        ValueError: a sample is not [M, S, n] or not finite, or a setting is out of range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"bootstrap: confidence must be in (0, 1), got {confidence}")
    if num_resamples < 1:
        raise ValueError(f"bootstrap: num_resamples must be >= 1, got {num_resamples}")
    num_tasks = units.clusters.size
    for position, sample in enumerate(samples):
        if np.ndim(sample) != 3 or sample.shape[2] != num_tasks:
            shape = np.shape(sample)
            raise ValueError(f"bootstrap: scores must be [M, S, {num_tasks}], got shape {shape} in sample {position}")
        if not np.all(np.isfinite(sample)):
            raise ValueError(f"bootstrap: scores must be finite, got {np.sum(~np.isfinite(sample))} that are not")
    draws = np.random.default_rng(seed)
    work = num_tasks * np.prod([sample.shape[0] * sample.shape[1] for sample in samples])
    size = int(np.clip(MAX_BATCH // work, 1, num_resamples))
    resampled = np.concatenate(
        [
            statistic(*_redrawn(samples, units, draws, min(size, num_resamples - start)))
            for start in range(0, num_resamples, size)
        ]
    )
    (estimate,) = statistic(*(sample[None] for sample in samples))
    tail = min(_tail(*factor, confidence) for factor in factors(samples, units))
    low, high = np.quantile(resampled, [tail, 1 - tail]).tolist()
    return Interval(float(estimate), low, high)


def factors(samples: Sequence[Float[np.ndarray, "M S n"]], units: Units) -> list[tuple[int, int]]:
    """List the factors that a bootstrap resamples, any of which may vary most.

    Args:
        samples: scores [M, S, n], each with its own M and S.
        units: units of the n tasks.

    Returns:
        For the units, which are drawn tasks or the seeds of each fixed cluster, and for the meta-seeds if a sample has
        several: their number, the smallest over samples and strata, and their degrees of freedom over all strata.
    """
    counts = min((units.counts(sample.shape[1]) for sample in samples), key=sum)
    rules = [len(sample) for sample in samples if len(sample) > 1]
    found = [(min(counts), sum(counts) - len(counts))]
    return found + ([(min(rules), min(rules) - 1)] if rules else [])


def _tail(num_units: int, own_freedom: int, confidence: float) -> float:
    """Return the fraction of the resamples beyond each end, smaller than (1 − confidence) / 2 because units are few.

    Resamples of U units vary too little by √((U − 1) / U), and their variance is not known but estimated (Hesterberg
    2015, arXiv:1411.5279).
    """
    if num_units == 1:
        return (1 - confidence) / 2
    wide = stdtrit(own_freedom, (1 + confidence) / 2) * np.sqrt(num_units / (num_units - 1))
    return float(ndtr(-wide))


def _redrawn(
    samples: Sequence[Float[np.ndarray, "M S n"]], units: Units, draws: np.random.Generator, num_resamples: int
) -> list[Float[np.ndarray, "R M S n"]]:
    tasks = units.redrawn_tasks(draws, num_resamples)[:, None, None]
    lengths = dict.fromkeys(sample.shape[1] for sample in samples)
    seeds = {length: units.redrawn_seeds(draws, num_resamples, length)[:, None] for length in lengths}
    redrawn = []
    for sample in samples:
        rules = draws.integers(len(sample), size=(num_resamples, len(sample), 1, 1))
        redrawn.append(sample[rules, seeds[sample.shape[1]], tasks])
    return redrawn
