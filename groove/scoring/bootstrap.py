"""Bootstrap intervals of aggregates (Agarwal et al. 2021, arXiv:2108.13264).

The bootstrap resamples whatever a repeated experiment would draw again: meta-seeds and levels if the levels are a
sample (crossed), the seeds of each task if the tasks are fixed (stratified), and the meta-seeds above them
if there are several meta-trained rules (hierarchical).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from groove.scoring.statistics import Aggregate


@dataclass(frozen=True)
class Interval:
    """An estimate and its bootstrap interval.

    Attributes:
        estimate: estimate from all scores.
        low: lower end.
        high: upper end.
    """

    estimate: float
    low: float
    high: float


def crossed_bootstrap(
    scores: Float[np.ndarray, "seeds n"],
    aggregate: Aggregate,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the percentile interval of an aggregate, resampling meta-seeds (rows) and levels (columns).

    The two are crossed because the rules of all meta-seeds are scored on the same levels. If each row drew its own
    levels, their luck would average out between the rows.

    Args:
        scores: [seeds, n] scores, a row for each meta-seed, a column for each level.
        aggregate: function from any number of scores to one number.
        confidence: confidence level in (0, 1).
        num_resamples: number of resamples, ≥ 1.
        seed: seed of the draws.

    Returns:
        The aggregate of all scores with its interval.

    Raises:
        ValueError: the confidence or the number of resamples is out of range.
    """
    _check(confidence, num_resamples)
    draws = np.random.default_rng(seed)
    num_seeds, num_levels = scores.shape
    resampled = np.empty(num_resamples)
    for i in range(num_resamples):
        rows = draws.integers(num_seeds, size=(num_seeds, 1))
        columns = draws.integers(num_levels, size=(1, num_levels))
        resampled[i] = aggregate(scores[rows, columns])
    return _percentile_interval(aggregate(scores), resampled, confidence)


def stratified_bootstrap(
    scores: Float[np.ndarray, "S n"],
    aggregate: Aggregate,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the percentile interval of an aggregate, resampling seeds separately within each fixed task.

    Args:
        scores: [S, n] scores, a row for each seed, a column for each task; NaN where a run is missing. Each
            resample has as many runs of a task as there are here.
        aggregate: function of the present scores as a vector; if it needs [S, n], see `matrix_bootstrap`.
        confidence: confidence level in (0, 1).
        num_resamples: number of resamples, ≥ 1.
        seed: seed of the draws.

    Returns:
        The aggregate of all scores with its interval.

    Raises:
        ValueError: the scores are not a matrix, a task has no run, or a setting is out of range.
    """
    if np.ndim(scores) != 2:
        raise ValueError(f"stratified_bootstrap: scores must be [S, n], got shape {np.shape(scores)}")
    return hierarchical_bootstrap(scores[None], aggregate, confidence, num_resamples, seed)


def hierarchical_bootstrap(
    scores: Float[np.ndarray, "M S n"],
    aggregate: Aggregate,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the percentile interval of an aggregate, resampling meta-seeds, then seeds within each of them and task.

    Args:
        scores: [M, S, n] scores of the rules of M meta-seeds; NaN where a run is missing.
        aggregate: function of the present scores as a vector; if it needs [S, n], see `matrix_bootstrap`.
        confidence: confidence level in (0, 1).
        num_resamples: number of resamples, ≥ 1.
        seed: seed of the draws.

    Returns:
        The aggregate of all scores with its interval.

    Raises:
        ValueError: the scores are not [M, S, n], a rule has no run of a task, or a setting is out of range.
    """

    def of_present(matrix: Float[np.ndarray, "MS n"]) -> float:
        return aggregate(matrix[~np.isnan(matrix)])

    return matrix_bootstrap([scores], of_present, confidence, num_resamples, seed)


def crossed_task_bootstrap(
    samples: Sequence[Float[np.ndarray, "M S n"]],
    statistic: Callable[..., float],
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the percentile interval of a statistic, resampling meta-seeds and tasks that are themselves a sample.

    Tasks, such as levels, are resampled with all their runs, and the same tasks for all samples and meta-seeds. Runs
    within a task are too few to resample.

    Args:
        samples: scores [M, S, n], each with its own M and S, NaN where a run is missing.
        statistic: function of as many matrices [M * S, n], a column for each task, NaN where a run is missing.
        confidence: confidence level in (0, 1).
        num_resamples: number of resamples, ≥ 1.
        seed: seed of the draws.

    Returns:
        The statistic of all scores with its interval.

    Raises:
        ValueError: a setting is out of range.
    """
    _check(confidence, num_resamples)
    draws, num_tasks = np.random.default_rng(seed), samples[0].shape[2]
    columns = draws.integers(num_tasks, size=(num_resamples, num_tasks))

    def redrawn(sample: Float[np.ndarray, "M S n"], drawn: Int[np.ndarray, "n"]) -> Float[np.ndarray, "MS n"]:
        rules = draws.integers(len(sample), size=len(sample)) if len(sample) > 1 else np.zeros(1, int)
        return sample[rules][..., drawn].reshape(-1, num_tasks)

    resampled = np.array([statistic(*(redrawn(sample, drawn) for sample in samples)) for drawn in columns])
    estimate = statistic(*(sample.reshape(-1, num_tasks) for sample in samples))
    return _percentile_interval(estimate, resampled, confidence)


def matrix_bootstrap(
    samples: Sequence[Float[np.ndarray, "M S n"]],
    statistic: Callable[..., float],
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the percentile interval of a statistic of samples that are resampled as in `hierarchical_bootstrap`.

    With `[x[None], y[None]]` and `probability_of_improvement`, both sides are resampled, stratified by task.

    Args:
        samples: scores [M, S, n], each with its own M and S, NaN where a run is missing; resampled separately.
        statistic: function of as many matrices [M * S, n], a column for each task, NaN where a run is missing.
        confidence: confidence level in (0, 1).
        num_resamples: number of resamples, ≥ 1.
        seed: seed of the draws.

    Returns:
        The statistic of all scores with its interval.

    Raises:
        ValueError: a sample is not [M, S, n], a rule has no run of a task, or a setting is out of range.
    """
    _check(confidence, num_resamples)
    packed = [_packed(np.asarray(sample, dtype=float), position) for position, sample in enumerate(samples)]
    draws = np.random.default_rng(seed)
    resampled = np.empty(num_resamples)
    for i in range(num_resamples):
        resampled[i] = statistic(*[_redrawn(runs, num_runs, draws) for runs, num_runs in packed])
    estimate = statistic(*[runs.reshape(-1, runs.shape[2]) for runs, _ in packed])
    return _percentile_interval(estimate, resampled, confidence)


def _packed(
    sample: Float[np.ndarray, "M S n"], position: int
) -> tuple[Float[np.ndarray, "M S n"], Int[np.ndarray, "M n"]]:
    """Return the sample with the missing runs moved to the end of S, and the number of present runs."""
    if sample.ndim != 3:
        raise ValueError(f"bootstrap: scores must be [M, S, n], got shape {sample.shape} in sample {position}")
    absent = np.isnan(sample)
    num_runs = np.sum(~absent, axis=1)
    for rule, task in np.argwhere(num_runs == 0).tolist():
        where = f"task {task} of meta-seed {rule} in sample {position}"
        raise ValueError(f"bootstrap: every task must have a run that is not NaN; {where} has none")
    return np.take_along_axis(sample, np.argsort(absent, axis=1, kind="stable"), axis=1), num_runs


def _redrawn(
    runs: Float[np.ndarray, "M S n"], num_runs: Int[np.ndarray, "M n"], draws: np.random.Generator
) -> Float[np.ndarray, "MS n"]:
    num_rules, num_seeds, num_tasks = runs.shape
    rules = draws.integers(num_rules, size=(num_rules, 1, 1))
    present = num_runs[rules, np.arange(num_tasks)]  # [M, 1, n]
    seeds = draws.integers(present, size=runs.shape)
    drawn = runs[rules, seeds, np.arange(num_tasks)]
    return np.where(np.arange(num_seeds)[:, None] < present, drawn, np.nan).reshape(-1, num_tasks)


def _check(confidence: float, num_resamples: int) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"bootstrap: confidence must be in (0, 1), got {confidence}")
    if num_resamples < 1:
        raise ValueError(f"bootstrap: num_resamples must be >= 1, got {num_resamples}")


def _percentile_interval(estimate: float, resampled: Float[np.ndarray, "r"], confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]).tolist()
    return Interval(estimate, low, high)
