"""The interval of each kind of figure, and where there is none."""

import numpy as np
from jaxtyping import Float

from groove.scoring.bootstrap import Statistic, bootstrap, factors
from groove.scoring.statistics import Aggregate, probability_of_improvement
from groove.scoring.units import Units
from groove.scoring.variance_components import mean_interval

Ends = list[float | None]
"""Estimate, lower end and upper end; the ends are None where an interval would cover the truth too rarely."""

ENDS = ("estimate", "low", "high")
"""Names of the ends in files."""

FEWEST_META_SEEDS = 3
"""Fewest meta-seeds, if there are several, for which a mean has an interval. With two, 95% intervals cover as little as
85%."""

FEWEST_UNITS = 5
"""Fewest units for which a bootstrap has an interval: levels or seeds, and meta-seeds if there are several."""

FEWEST_REPEATED_UNITS, LEAST_FREEDOM = 4, 6
"""The same where several fixed tasks have seeds of their own, with the degrees of freedom over all tasks: four seeds of
each of two tasks. With three seeds of tasks whose scores are far apart, 95% intervals of an IQM cover as little as 87%,
because it is then an average over few of the tasks. Drawn levels always need FEWEST_UNITS of each distribution: with
four of each of three far apart, they cover 89%."""


def of_aggregate(scores: Float[np.ndarray, "M S n"], aggregate: Aggregate, units: Units) -> Ends:
    """Compute an aggregate of scores with its 95% interval from a bootstrap.

    Args:
        scores: [M, S, n] finite scores of the agents of S seeds for each of M meta-seeds on n tasks.
        aggregate: function of rows of scores.
        units: units of the tasks.

    Returns:
        Estimate and ends.
    """
    return _ends([scores], lambda x: aggregate(x.reshape(len(x), -1)), units)


def of_difference(
    ours: Float[np.ndarray, "M S n"], theirs: Float[np.ndarray, "Mt S n"], aggregate: Aggregate, units: Units
) -> Ends:
    """Compute the difference of an aggregate of two rules on the same tasks, with its 95% interval from a bootstrap.

    Args:
        ours: [M, S, n] finite scores, as for `of_aggregate`.
        theirs: scores to compare with, with an M of their own.
        aggregate: function of rows of scores.
        units: units of the tasks, which both share.

    Returns:
        Estimate and ends.
    """

    def less(x: Float[np.ndarray, "R M S n"], y: Float[np.ndarray, "R M2 S n"]) -> Float[np.ndarray, "R"]:
        aggregates = [aggregate(side.reshape(len(side), -1)) for side in (x, y)]
        return aggregates[0] - aggregates[1]

    return _ends([ours, theirs], less, units)


def of_improvement(ours: Float[np.ndarray, "M S n"], theirs: Float[np.ndarray, "M S n"], units: Units) -> Ends:
    """Estimate the probability that a run of ours beats one of theirs on the same task, with its 95% interval.

    Args:
        ours: [M, S, n] finite returns or scores.
        theirs: returns or scores to compare with, with M and S of their own.
        units: units of the tasks.

    Returns:
        Estimate and ends.
    """

    def better(x: Float[np.ndarray, "R M S n"], y: Float[np.ndarray, "R M S n"]) -> Float[np.ndarray, "R"]:
        return probability_of_improvement(*(side.reshape(len(side), -1, side.shape[-1]) for side in (x, y)))

    return _ends([ours, theirs], better, units)


def of_mean(scores: Float[np.ndarray, "M S n"], units: Units) -> Ends:
    """Compute the mean of scores, or of paired differences of scores, with its 95% t interval.

    Args:
        scores: [M, S, n] as for `of_aggregate`.
        units: units of the tasks.

    Returns:
        Estimate and ends.
    """
    # With a single unit, nothing shows how much units vary.
    if 1 < len(scores) < FEWEST_META_SEEDS or min(units.counts(scores.shape[1])) == 1:
        return [number(np.mean(scores)), None, None]
    found = mean_interval(*units.means(scores))
    return [number(x) for x in (np.mean(scores), found.low, found.high)]


def _ends(samples: list[Float[np.ndarray, "M S n"]], statistic: Statistic, units: Units) -> Ends:
    if not all(_enough(*factor, repeated=not units.drawn) for factor in factors(samples, units)):
        return [number(statistic(*(sample[None] for sample in samples))[0]), None, None]
    found = bootstrap(samples, statistic, units)
    return [number(x) for x in (found.estimate, found.low, found.high)]


def _enough(num_units: int, own_freedom: int, repeated: bool) -> bool:
    return num_units >= FEWEST_UNITS or (
        repeated and num_units >= FEWEST_REPEATED_UNITS and own_freedom >= LEAST_FREEDOM
    )


def bracketed(ends: Ends, sign: str = "") -> str:
    """Format an estimate with its interval.

    Args:
        ends: estimate and ends.
        sign: "+" to show the signs of positive numbers.

    Returns:
        "estimate [low, high]", or the estimate alone if there is no interval.
    """
    estimate, *interval = (f"{end:{sign}.3f}" for end in ends if end is not None)
    return f"{estimate} [{', '.join(interval)}]" if interval else estimate


def number(value: float) -> float | None:
    """Return a number rounded for JSON.

    Args:
        value: any number.

    Returns:
        The value with six decimals, None if it is not finite.
    """
    return round(float(value), 6) if np.isfinite(value) else None
