"""Scores on levels that no rule was trained on, between a random policy (0) and the optimum (1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree

from groove.discovery.population import Population, lives_of_one_rule
from groove.errors import UsageError
from groove.job.devices import everywhere, replicated
from levels.generators.solvable import Solvable, is_solvable
from levels.level import Level
from levels.level_generator import LevelGenerator
from levels.solver import LEAST_GAP, exact_grid, optimal_return, random_moments, returns_on
from levels.worlds.tabular_grid import TabularGrid
from lpg.episodes import episode_returns, random_policy
from lpg.update_rule import Hyperparameters, UpdateRule

HELDOUT_STREAM, VALIDATION_STREAM, TRAINING_STREAM, BAKEOFF_STREAM, TRANSFER_STREAM = 1, 2, 3, 4, 5
"""Folded into the key of the draws for each purpose, so that no seed makes two streams coincide."""


MAX_ROUNDS = 16
"""Most rounds of draws, each of as many levels as are wanted, in search of enough levels that are worth scoring."""


def stream_key(stream: int, seed: int = 0) -> Key[Array, ""]:
    """Return the key of one of the streams of random numbers.

    Args:
        stream: one of the constants above.
        seed: seed in 0..2**32 - 1, 0 for held-out and validation levels, which all runs share.

    Returns:
        [] key.
    """
    return jax.random.fold_in(jax.random.key(seed), stream)


@dataclass(frozen=True, eq=False)
class LevelSet:
    """A fixed set of levels with the returns of a random policy and of the best policy on them.

    Attributes:
        levels: [n, …] levels.
        life_keys: [n] keys of the lives on these levels, the same for every rule.
        random: [n] expected return of uniformly random actions, None without an exact solver.
        optimum: [n] expected return of the best policy, None without an exact solver.
    """

    levels: PyTree
    life_keys: Key[Array, "n"]
    random: Float[np.ndarray, "n"] | None
    optimum: Float[np.ndarray, "n"] | None

    def normalised(self, returns: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Return (R − R_random) / (R* − R_random) on each level, or R itself without an exact solver.

        Args:
            returns: [n] returns R.

        Returns:
            [n] scores.
        """
        if self.random is None or self.optimum is None:
            return returns
        return (returns - self.random) / (self.optimum - self.random)

    @property
    def num_levels(self) -> int:
        """Number of levels n."""
        return len(self.life_keys)

    @property
    def fields(self) -> tuple[PyTree, ...]:
        """The fields in their order."""
        return self.levels, self.life_keys, self.random, self.optimum

    def first(self, num_levels: int) -> "LevelSet":
        """Return the set of the first levels.

        Args:
            num_levels: number of levels, all if there are fewer.

        Returns:
            The set.
        """
        return LevelSet(*jax.tree.map(lambda x: x[:num_levels], self.fields))


def draw_level_set(generator: LevelGenerator, stream: int, num_levels: int, seed: int = 0) -> LevelSet:
    """Draw levels from a stream; if the world has an exact solver, keep only solvable ones that are worth scoring.

    On these the best policy gains at least `LEAST_GAP` standard deviations of a random episode's return. A score
    divides by the gain, so a level with almost none would contribute most of the noise of a mean.

    Args:
        generator: generator of the levels.
        stream: HELDOUT_STREAM, VALIDATION_STREAM or TRANSFER_STREAM.
        num_levels: number of levels, ≥ 1.
        seed: seed of the draws, 0 for the sets that all runs share; sets to be joined need different seeds.

    Returns:
        The set, of fewer levels if `MAX_ROUNDS` times as many draws do not give enough of them.

    Raises:
        UsageError: every level drawn is unsolvable or has too little to gain.
    """
    level_key, life_key, later_key = jax.random.split(stream_key(stream, seed), 3)
    grid = exact_grid(generator.world)
    # Unsolvable levels are dropped below, in a program that all levels of one world share.
    source = generator.generator if grid is not None and isinstance(generator, Solvable) else generator
    rounds: list[LevelSet] = []
    while len(rounds) < MAX_ROUNDS and sum(part.num_levels for part in rounds) < num_levels:
        if rounds:
            level_key, life_key = jax.random.split(jax.random.fold_in(later_key, len(rounds)))
        # Not jitted as a whole, because generators that differ in their map alone share a jitted part.
        levels = jax.vmap(source.sample)(jax.random.split(level_key, num_levels))
        rounds.append(_worthwhile(grid, levels, jax.random.split(life_key, num_levels)))
    found = joined(rounds)
    if not found.num_levels:
        raise UsageError(
            f"nothing to score: each of the {num_levels * MAX_ROUNDS} levels that were drawn is unsolvable, or its "
            f"best policy gains less than {LEAST_GAP:g} standard deviations of a random episode's return"
        )
    return found.first(num_levels)


def joined(parts: Sequence[LevelSet]) -> LevelSet:
    """Join level sets of one world.

    Args:
        parts: the sets, which all have exact anchors or have none.

    Returns:
        The set of all their levels, in order.
    """

    def join(*leaves: Any) -> Any:
        return (np if isinstance(leaves[0], np.ndarray) else jnp).concatenate(leaves)

    return LevelSet(*(jax.tree.map(join, *fields) for fields in zip(*(part.fields for part in parts), strict=True)))


def _worthwhile(grid: TabularGrid | None, levels: PyTree, life_keys: Key[Array, "n"]) -> LevelSet:
    """Return the solvable levels that are worth scoring; all levels without an exact solver."""
    if grid is None:
        return LevelSet(levels, life_keys, None, None)
    random, variance, optimum = map(np.asarray, returns_on(_anchors, grid, levels))
    # Where no return varies, as with all prizes beyond the time limit, the gain must still be more than 0.
    kept = _are_solvable(levels) & (optimum > random) & (optimum - random >= LEAST_GAP * np.sqrt(variance))
    return LevelSet(jax.tree.map(lambda x: x[kept], levels), life_keys[kept], random[kept], optimum[kept])


def _anchors(grid: TabularGrid, level: Level) -> tuple[Array, Array, Array]:
    return *random_moments(grid, level), optimal_return(grid, level)


@jax.jit
def _are_solvable(levels: PyTree) -> Bool[Array, "n"]:
    return jax.vmap(is_solvable)(levels)


def counted(
    evaluation: "Evaluation", level_set: LevelSet, returns: Float[np.ndarray, "... n"]
) -> Float[np.ndarray, "... n"]:
    """Count failed agents as random play.

    Args:
        evaluation: evaluation that the returns come from.
        level_set: n levels.
        returns: [..., n] returns, not finite where an agent's parameters were not.

    Returns:
        [..., n] returns, those of random actions for the failed agents: exact, or measured if they are not known.
    """
    sound = np.isfinite(returns)
    if np.all(sound):
        return returns
    random = evaluation.random_returns(level_set) if level_set.random is None else level_set.random
    return np.where(sound, returns, random)


class Evaluation:
    """Scores rules of one kind by the final policies of agents that live on every level of a set."""

    def __init__(self, population: Population) -> None:
        """Compile once for all scores of one kind of rule.

        Args:
            population: runs the lifetimes; its learner holds the rule.
        """
        self._population = population
        self._mesh = population.mesh
        self._live = jax.jit(
            lambda meta_params, lives: population.live(meta_params, lives).returns,
            out_shardings=everywhere(population.mesh),
        )

    @property
    def rule(self) -> UpdateRule:
        """The update rule, without meta-parameters."""
        return self._population.learner.rule

    def returns(
        self, meta_params: PyTree, level_set: LevelSet, hyper: Hyperparameters, seed: int = 0
    ) -> Float[np.ndarray, "n"]:
        """Return the mean return of one agent per level at the end of its life.

        Args:
            meta_params: meta-parameters of one rule.
            level_set: n levels.
            hyper: the agents' learning rates and costs.
            seed: seed of the lives; another seed gives other agents on the same levels.

        Returns:
            [n] float32 mean returns, NaN for an agent whose parameters are not finite; see `counted`.
        """
        keys = jax.vmap(lambda key: jax.random.fold_in(key, seed))(level_set.life_keys)
        lives = lives_of_one_rule(keys, level_set.levels, level_set.levels.lifetime, hyper)
        return np.asarray(self._live(*replicated(self._mesh, (meta_params, lives))))

    def random_returns(self, level_set: LevelSet) -> Float[np.ndarray, "n"]:
        """Measure the mean return of uniformly random actions, for worlds without an exact solver.

        Args:
            level_set: n levels.

        Returns:
            [n] float32 mean returns of as many episodes as an agent's.
        """
        learner = self._population.learner
        policy = random_policy(learner.world)

        def of_level(key: Key[Array, ""], level: PyTree) -> Float[Array, ""]:
            return jnp.mean(episode_returns(key, learner.world, level, policy, learner.num_workers))

        return np.asarray(jax.jit(jax.vmap(of_level))(level_set.life_keys, level_set.levels))
