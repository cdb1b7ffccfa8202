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
from groove.discovery.measurement import Measurement
from groove.discovery.population import Population, lives_of_one_rule
from groove.scoring.heldout import BAKEOFF_STREAM, stream_key
from levels.level_generator import LevelGenerator
from levels.solver import exact_grid, optimal_return, returns_on
from lpg.update_rule import Hyperparameters
from ued.curriculum import NOT_KEPT, unknown_extras
from ued.priorities import Priorities
from ued.scores import SCORES

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
        for name, numbers in first.scores.items():
            seconds = solver_seconds if name == "exact_regret" else np.mean([first.seconds[name], second.seconds[name]])
            halves = [(numbers, second.exact_regret), (second.scores[name], first.exact_regret)]
            verdicts.append(self.verdict(name, halves, float(seconds)))
        return verdicts

    def verdict(self, name: str, halves: list[tuple[np.ndarray, np.ndarray]], seconds: float) -> Verdict:
        """Compare two measurements of a score on n levels, each with the exact regret that the other one found.

        Args:
            name: name of the score.
            halves: for each measurement, scores [n] and the exact regret [n] of other agents.
            seconds: seconds that the score costs.

        Returns:
            The verdict; standard errors are over levels.
        """
        num_levels = halves[0][0].size
        draws = np.random.default_rng(0)
        resamples = [draws.integers(num_levels, size=num_levels) for _ in range(NUM_RESAMPLES)]

        def with_error(of_levels: Callable[[np.ndarray], float]) -> tuple[float, float]:
            everything = np.arange(num_levels)
            spread = np.array([of_levels(chosen) for chosen in resamples])
            spread = spread[np.isfinite(spread)]
            return of_levels(everything), float(np.std(spread, ddof=1)) if spread.size > 1 else np.nan

        def correlation(chosen: np.ndarray) -> float:
            return float(np.mean([spearman(score[chosen], regret[chosen]) for score, regret in halves]))

        def retest(chosen: np.ndarray) -> float:
            return spearman(halves[0][0][chosen], halves[1][0][chosen])

        visits = [np.asarray(self._replays(jnp.asarray(score, jnp.float32))) for score, _ in halves]

        def gain(chosen: np.ndarray) -> float:
            gains = []
            for replays, (_, regret) in zip(visits, halves, strict=True):
                # A level on which all agents broke has no regret.
                usable = chosen[np.isfinite(regret[chosen])]
                mean = np.sum(replays[usable] * regret[usable]) / max(np.sum(replays[usable]), 1)
                gains.append(mean - np.mean(regret[usable]))
            return float(np.mean(gains))

        return Verdict(name, *with_error(correlation), *with_error(retest), *with_error(gain), seconds)

    def _replays(self, score: Float[Array, "n"]) -> Int[Array, "n"]:
        """Count how often each level is drawn over many batches, each an eighth of the pool, as runs draw them. Only
        the better half of the levels is kept, as in a full buffer; all are equally stale."""
        kept = jnp.isfinite(score) & (score >= jnp.median(score))
        num_levels = score.shape[0]
        size, age = num_levels // 8, jnp.zeros(num_levels, jnp.int32)
        draw = jax.vmap(lambda key: self.priorities.draw(key, score, age, kept, size, size)[0])
        slots = draw(jax.random.split(jax.random.key(0), NUM_BATCHES))
        where = jnp.where(slots == NOT_KEPT, num_levels, slots)
        return jnp.zeros(num_levels, jnp.int32).at[where].add(1, mode="drop")


@dataclass(frozen=True, eq=False)
class _Measured:
    """One measurement of all scores."""

    scores: dict[str, np.ndarray]
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
        scores, seconds = {}, {}
        for name, score in SCORES.items():
            if "antagonist" in score.needs:
                for count, train in self._antagonists.items():
                    (returns, _), taken = _timed(train, antagonist_key, self._levels, self._optimum)
                    known = replace(extras, antagonist_mean=jnp.mean(returns, axis=1))
                    scores[f"{name}, {count} antagonists"] = np.asarray(score(replace(outcome, extras=known)))
                    seconds[f"{name}, {count} antagonists"] = taken
                continue
            scores[name] = np.asarray(score(outcome))
            seconds[name] = sum(price.get(need, 0.0) for need in score.needs)
        return _Measured(scores, seconds, scores["exact_regret"])


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
