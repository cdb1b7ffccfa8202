"""All scores on the same levels and the same rule: how well each predicts exact regret, its noise and its cost."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree
from scipy.stats import spearmanr

from groove.discovery.level_outcome import level_outcome
from groove.discovery.measurement import Measurement, across_seeds
from groove.discovery.population import Population, lives_of_one_rule
from groove.scoring.heldout import BAKEOFF_STREAM, stream_key
from levels.level_generator import LevelGenerator
from levels.solver import exact_grid, optimal_return, returns_on
from lpg.update_rule import Hyperparameters
from ued.curriculum import NOT_KEPT, Extras, unknown_extras
from ued.priorities import Priorities
from ued.ranking import Ranking
from ued.scores import SCORES, Score

NUM_RESAMPLES = 1000
"""Bootstrap draws of levels behind each standard error."""

NUM_BATCHES = 200
"""Batches of replayed levels drawn to see which levels replay favours."""


@dataclass(frozen=True)
class Verdict:
    """How good a score is on a pool of levels.

    Attributes:
        score: name of the score, with the number of antagonists if it uses any.
        regret_correlation: Spearman's correlation with the exact regret of other agents of the rule.
        regret_correlation_error: its standard error over levels.
        retest_correlation: Spearman's correlation of the score with itself, measured again.
        retest_correlation_error: its standard error over levels.
        regret_gain: mean exact regret of replayed levels minus that of the pool, in units of return.
        regret_gain_error: its standard error over levels.
        seconds: seconds to measure the score on the pool, on top of the rule's own lives.
    """

    score: str
    regret_correlation: float
    regret_correlation_error: float
    retest_correlation: float
    retest_correlation_error: float
    regret_gain: float
    regret_gain_error: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Half:
    """One measurement of a score on n levels.

    Attributes:
        score: [n] scores.
        ranked: [n] what levels are replayed by, as `ued.ranking.Ranking` makes it of the scores.
        regret: [n] exact regret of the agents of the other measurement.
    """

    score: Float[np.ndarray, "n"]
    ranked: Float[np.ndarray, "n"]
    regret: Float[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class Bakeoff:
    """Measures every score of a rule on one pool of levels, twice, with other agents and antagonists.

    A score is compared with the exact regret of the agents of the *other* measurement, because shared agents
    would make a score look better than it is.

    Attributes:
        generator: generator of the pool.
        population: runs the rule's lives, with a value probe.
        hyper: learning rates and costs of the rule's agents.
        measurement: measures random actions and antagonists, the largest number of them that is compared.
        priorities: priorities by which levels are replayed.
        lives_per_level: lives of the rule on each level, as many as in a generation's antithetic pair.
    """

    generator: LevelGenerator
    population: Population
    hyper: Hyperparameters
    measurement: Measurement
    priorities: Priorities = Priorities()
    lives_per_level: int = 2

    def run(self, meta_params: PyTree, num_levels: int, seed: int) -> list[Verdict]:
        """Run the bake-off.

        Args:
            meta_params: the rule's meta-parameters.
            num_levels: size of the pool, ≥ 8.
            seed: seed of the pool and of all lives.

        Returns:
            One verdict for each score; algorithmic regret has one each for 1, 2, 4 … antagonists.

        Raises:
            ValueError: there are too few levels, or the world has no exact solver.
        """
        grid = exact_grid(self.generator.world)
        if grid is None:
            raise ValueError("--levels must be a grid whose objects the level places (an exact solver)")
        if num_levels < 8:
            raise ValueError(f"--num-levels must be >= 8, got {num_levels}")
        level_key, *measure_keys = jax.random.split(stream_key(BAKEOFF_STREAM, seed), 3)
        levels = jax.jit(jax.vmap(self.generator.sample))(jax.random.split(level_key, num_levels))
        optimum, solver_seconds = _timed(partial(returns_on, optimal_return, grid), levels)
        measure = _Measure(self, meta_params, levels, optimum)
        first, second = (measure(key) for key in measure_keys)
        verdicts = []
        for name in first.scores:
            seconds = solver_seconds if name == "exact_regret" else np.mean([first.seconds[name], second.seconds[name]])
            halves = [
                Half(own.scores[name], own.ranked[name], other.exact_regret)
                for own, other in ((first, second), (second, first))
            ]
            verdicts.append(self.verdict(name, halves, float(seconds)))
        return verdicts

    def verdict(self, name: str, halves: list[Half], seconds: float) -> Verdict:
        """Compare two measurements of a score on n levels, each with the exact regret that the other one found.

        Args:
            name: name of the score.
            halves: the two measurements.
            seconds: seconds that the score costs.

        Returns:
            The verdict; standard errors are over levels.
        """
        num_levels = halves[0].score.size
        draws = np.random.default_rng(0)
        resamples = [draws.integers(num_levels, size=num_levels) for _ in range(NUM_RESAMPLES)]

        def with_error(of_levels: Callable[[np.ndarray], float]) -> tuple[float, float]:
            everything = np.arange(num_levels)
            spread = np.array([of_levels(chosen) for chosen in resamples])
            spread = spread[np.isfinite(spread)]
            return of_levels(everything), float(np.std(spread, ddof=1)) if spread.size > 1 else np.nan

        def correlation(chosen: np.ndarray) -> float:
            return float(np.mean([spearman(half.score[chosen], half.regret[chosen]) for half in halves]))

        def retest(chosen: np.ndarray) -> float:
            return spearman(halves[0].score[chosen], halves[1].score[chosen])

        visits = [np.asarray(self._replays(jnp.asarray(half.ranked, jnp.float32))) for half in halves]

        def gain(chosen: np.ndarray) -> float:
            gains = []
            for replays, half in zip(visits, halves, strict=True):
                # A level on which all agents broke has no regret.
                usable = chosen[np.isfinite(half.regret[chosen])]
                mean = np.sum(replays[usable] * half.regret[usable]) / max(np.sum(replays[usable]), 1)
                gains.append(mean - np.mean(half.regret[usable]))
            return float(np.mean(gains))

        return Verdict(name, *with_error(correlation), *with_error(retest), *with_error(gain), seconds)

    def _replays(self, ranked: Float[Array, "n"]) -> Int[Array, "n"]:
        """Count how often each level is drawn over many batches, each an eighth of the pool, as runs draw them. Only
        the better half of the levels is kept, as in a full buffer; all are equally stale."""
        kept = jnp.isfinite(ranked) & (ranked >= jnp.median(ranked))
        num_levels = ranked.shape[0]
        size, age = num_levels // 8, jnp.zeros(num_levels, jnp.int32)
        draw = jax.vmap(lambda key: self.priorities.draw(key, ranked, age, kept, size, size)[0])
        slots = draw(jax.random.split(jax.random.key(0), NUM_BATCHES))
        where = jnp.where(slots == NOT_KEPT, num_levels, slots)
        return jnp.zeros(num_levels, jnp.int32).at[where].add(1, mode="drop")


@dataclass(frozen=True, eq=False)
class _Measured:
    """One measurement of all scores."""

    scores: dict[str, np.ndarray]
    ranked: dict[str, np.ndarray]
    seconds: dict[str, float]
    exact_regret: np.ndarray


class _Measure:
    """Makes a measurement; compiles once for both."""

    def __init__(self, bakeoff: Bakeoff, meta_params: PyTree, levels: PyTree, optimum: Array) -> None:
        self._bakeoff, self._meta_params, self._levels, self._optimum = bakeoff, meta_params, levels, optimum
        self._live = jax.jit(bakeoff.population.live)
        self._plain = jax.jit(replace(bakeoff.population, value_probe=None).live)
        measurement = bakeoff.measurement
        self._random = jax.jit(lambda key, levels: measurement.random_returns(key, levels, 1)[:, 0])
        self._antagonists = {
            count: jax.jit(
                replace(
                    measurement,
                    settings=replace(measurement.settings, antagonist_seeds=count, antagonist_max_seeds=count),
                ).antagonist_returns
            )
            for count in antagonist_counts(measurement.settings.antagonist_seeds)
        }

    def __call__(self, key: Key[Array, ""]) -> _Measured:
        bakeoff = self._bakeoff
        life_key, random_key, antagonist_key = jax.random.split(key, 3)
        num_levels = self._optimum.shape[0]
        level = jnp.repeat(jnp.arange(num_levels), bakeoff.lives_per_level)
        levels = jax.tree.map(lambda x: x[level], self._levels)
        lives = lives_of_one_rule(jax.random.split(life_key, level.size), levels, levels.lifetime, bakeoff.hyper)
        _, plain_seconds = _timed(self._plain, self._meta_params, lives)
        outcomes, probe_seconds = _timed(self._live, self._meta_params, lives)
        random_return, random_seconds = _timed(self._random, random_key, self._levels)
        extras = replace(unknown_extras(num_levels), random_return=random_return, optimal_return=self._optimum)
        outcome = level_outcome(outcomes, level, num_levels, extras)
        price = {"values": max(probe_seconds - plain_seconds, 0.0), "random": random_seconds}
        measured: dict[str, tuple[Score, Extras, float]] = {}
        for name, score in SCORES.items():
            if "antagonist" in score.needs:
                for count, train in self._antagonists.items():
                    (returns, _), taken = _timed(train, antagonist_key, self._levels, self._optimum)
                    mean, variance = across_seeds(returns)
                    known = replace(
                        outcome.extras,
                        antagonist_mean=mean,
                        antagonist_variance=variance,
                        antagonist_count=jnp.full(num_levels, returns.shape[1], jnp.int32),
                    )
                    measured[f"{name}, {count} antagonists"] = score, known, taken
            else:
                measured[name] = score, outcome.extras, sum(price.get(need, 0.0) for need in score.needs)
        uncertainty = bakeoff.priorities.settings.score_uncertainty
        scores = {name: score(replace(outcome, extras=known)) for name, (score, known, _) in measured.items()}
        ranked = {
            name: Ranking(uncertainty, score.noise)(scores[name], known) for name, (score, known, _) in measured.items()
        }
        return _Measured(
            scores={name: np.asarray(values) for name, values in scores.items()},
            ranked={name: np.asarray(values) for name, values in ranked.items()},
            seconds={name: taken for name, (_, _, taken) in measured.items()},
            exact_regret=np.asarray(scores["exact_regret"]),
        )


def antagonist_counts(most: int) -> list[int]:
    """Return 1, 2, 4 … up to the largest number."""
    return [count for count in (2**power for power in range(most.bit_length())) if count <= most]


def _timed(action: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Call twice, the first time to compile; return the result and the seconds of the second call."""
    jax.block_until_ready(action(*arguments))
    begin = time.perf_counter()
    result = jax.block_until_ready(action(*arguments))
    return result, time.perf_counter() - begin


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's correlation, NaN if either input is constant; values that are not finite rank lowest."""
    finite = [np.where(np.isfinite(x), x, -1e30) for x in (first, second)]
    if any(np.ptp(x) == 0 for x in finite):
        return float("nan")
    return float(spearmanr(*finite).statistic)
