"""Aggregates of the scores of runs, curves and levels (Agarwal et al. 2021, arXiv:2108.13264)."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

Aggregate = Callable[[Float[np.ndarray, "R k"]], Float[np.ndarray, "R"]]
"""Function from rows of scores to one number for each row."""


def iqm(scores: Float[np.ndarray, "... k"]) -> Float[np.ndarray, "..."]:
    """Return the interquartile mean (IQM) of each row: the mean without the lowest and highest quarters of the scores.

    Args:
        scores: [..., k] scores, k ≥ 1; the size of a quarter is rounded down.

    Returns:
        [...] means of the remaining values.

    Raises:
        ValueError: a score is not finite; NaN would sort among the best and be cut off.
    """
    size = np.shape(_finite(scores))[-1]
    cut = size // 4
    ordered = np.sort(scores, axis=-1)  # faster than a partition at two places
    return np.mean(ordered[..., cut : size - cut], axis=-1)


def cvar(scores: Float[np.ndarray, "... k"], share: float = 0.1) -> Float[np.ndarray, "..."]:
    """Return the conditional value at risk (CVaR) of each row: the mean of the worst share of the scores.

    Args:
        scores: [..., k] scores, k ≥ 1.
        share: share in (0, 1]; the number of scores it selects is rounded up.

    Returns:
        [...] means of the selected scores.

    Raises:
        ValueError: a score is not finite, or the share is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"cvar: share must be in (0, 1], got {share}")
    num_worst = int(_num_worst(share, np.shape(_finite(scores))[-1]))
    return np.mean(np.partition(scores, num_worst - 1, axis=-1)[..., :num_worst], axis=-1)


def cvar_curve(
    chosen_by: Float[np.ndarray, "n"], evaluated: Float[np.ndarray, "n"], shares: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "k"]:
    """Return the mean score of the worst levels for each share, without the bias of selecting on noise.

    The levels are chosen by the scores of one seed and evaluated on those of another. Levels that tie on the
    first all count with their mean score on the second, as if ties were broken at random.

    Args:
        chosen_by: [n] score of each level with one seed; the lowest are the worst.
        evaluated: [n] score of each level with another seed.
        shares: [k] shares in (0, 1] of the n levels; the number of levels is rounded up.

    Returns:
        [k] mean of `evaluated` over the chosen levels.

    Raises:
        ValueError: a score is not finite, the two differ in shape, or a share is out of range.
    """
    shares = np.asarray(shares, dtype=float)
    if not np.all((shares > 0) & (shares <= 1)):
        raise ValueError(f"cvar_curve: shares must be in (0, 1], got {shares.tolist()}")
    if np.shape(chosen_by) != np.shape(evaluated) or np.ndim(chosen_by) != 1:
        shapes = f"{np.shape(chosen_by)} and {np.shape(evaluated)}"
        raise ValueError(f"cvar_curve: chosen_by and evaluated must both be [n], got {shapes}")
    _, ranks = np.unique(_finite(chosen_by), return_inverse=True)
    tied_means = np.bincount(ranks, _finite(evaluated)) / np.bincount(ranks)
    totals = np.cumsum(tied_means[np.sort(ranks)])
    num_worst = _num_worst(shares, ranks.size)
    return totals[num_worst - 1] / num_worst


def shortfall(scores: Float[np.ndarray, "..."], target: float = 1.0) -> Float[np.ndarray, "..."]:
    """Return how far each score falls short of a target; the mean of this is the optimality gap.

    Args:
        scores: at least one score, in any shape.
        target: score that is good enough, finite.

    Returns:
        [...] max(target - score, 0), which gives no credit for exceeding the target.

    Raises:
        ValueError: a score or the target is not finite.
    """
    if not np.isfinite(target):
        raise ValueError(f"shortfall: target must be finite, got {target}")
    return np.maximum(target - _finite(scores), 0.0)


def probability_of_improvement(
    x: Float[np.ndarray, "... S n"], y: Float[np.ndarray, "... Sy n"]
) -> Float[np.ndarray, "..."]:
    """Return the probability that a run of X beats a run of Y on the same task, averaged over n tasks.

    This is the mean over tasks of P(X > Y) + P(X = Y) / 2, the Mann-Whitney U statistic over the number of pairs.

    Args:
        x: [..., S, n] scores, a row for each seed, a column for each task.
        y: [..., S', n] scores on the same tasks, possibly with another number of seeds.

    Returns:
        [...] probabilities in [0, 1], above a half if X is better.

    Raises:
        ValueError: x and y have different numbers of tasks, one has no run, or a score is not finite.
    """
    if np.ndim(x) < 2 or np.ndim(y) < 2 or x.shape[-1] != y.shape[-1] or 0 in (*x.shape[-2:], *y.shape[-2:]):
        shapes = f"{np.shape(x)} and {np.shape(y)}"
        raise ValueError(
            f"probability_of_improvement: x and y must be [..., S, n] with the same n >= 1 and S >= 1, got {shapes}"
        )
    pairs = _finite(x)[..., :, None, :], _finite(y)[..., None, :, :]
    wins, losses = (np.mean(beats(*pairs), axis=(-3, -2, -1)) for beats in (np.greater, np.less))
    return (1 + wins - losses) / 2


def performance_profile(scores: Float[np.ndarray, "..."], thresholds: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
    """Return the performance profile: the share of runs that score above each threshold.

    Args:
        scores: at least one score, in any shape; all count equally.
        thresholds: [k] finite thresholds, in any order.

    Returns:
        [k] shares in [0, 1].

    Raises:
        ValueError: a score or a threshold is not finite.
    """
    if not np.all(np.isfinite(thresholds)):
        raise ValueError(f"performance_profile: thresholds must be finite, got {np.asarray(thresholds).tolist()}")
    ordered = _ordered(scores)
    return 1 - np.searchsorted(ordered, thresholds, side="right") / ordered.size


def area_under_curve(
    steps: Float[np.ndarray, "k"], values: Float[np.ndarray, "... k"], start: float | Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Compute the area under learning curves from step 0, divided by the last step: their mean height.

    The area is that of the trapezoid rule.

    Args:
        steps: [k] steps of the points, > 0 and increasing.
        values: [..., k] height of each curve at each point; a NaN makes the area of its curve NaN.
        start: height at step 0, one for all curves or one for each; broadcasts to [...].

    Returns:
        [...] mean heights, in units of `values`.

    Raises:
        ValueError: the steps are not > 0 and increasing, or the values have another number of points.
    """
    steps = np.asarray(steps, dtype=float)
    if steps.size == 0 or not np.all(np.diff(steps, prepend=0.0) > 0):
        raise ValueError(f"area_under_curve: steps must be at least one, > 0 and increasing, got {steps.tolist()}")
    if np.shape(values)[-1:] != steps.shape:
        raise ValueError(f"area_under_curve: values must be [..., {steps.size}] like steps, got {np.shape(values)}")
    first = np.broadcast_to(start, np.shape(values)[:-1])[..., None]
    heights = np.concatenate([first, values], axis=-1)
    return np.trapezoid(heights, np.concatenate([[0.0], steps]), axis=-1) / steps[-1]


def _num_worst(shares: float | Float[np.ndarray, "..."], size: int) -> Int[np.ndarray, "..."]:
    # Rounded first because 0.07 * 100 is slightly more than 7 but is meant to be 7.
    return np.maximum(np.ceil(np.round(np.multiply(shares, size), 9)), 1).astype(int)


def _finite(scores: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    if np.size(scores) == 0:
        raise ValueError("at least one score is needed, got none")
    if not np.all(np.isfinite(scores)):
        raise ValueError(f"scores must be finite, got {np.sum(~np.isfinite(scores))} that are not")
    return scores


def _ordered(scores: Float[np.ndarray, "..."]) -> Float[np.ndarray, "n"]:
    return np.sort(np.ravel(_finite(scores)))
