"""One generation of discovery: candidates live, the search follows the better ones."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int, Key, PyTree

from groove.evolution import Search
from groove.population import Lifetimes, Outcomes, Population
from levels.generator import LevelGenerator
from lpg.update_rule import Hyperparameters
from ued.curriculum import Curriculum, Outcome


@struct.dataclass
class RunState:
    """All that a run needs to go on: the content of a checkpoint."""

    generation: Int[Array, ""]  # [] int32, generations done
    search: PyTree  # state of the evolution strategy
    curriculum: PyTree  # state of the curriculum


@dataclass(frozen=True)
class MetaTraining:
    """Discovery by evolution: antithetic candidates meet the same levels, agents and random numbers.

    Candidates are compared within groups: the pairs of an antithetic strategy, else the whole
    population. A group shares its levels and their keys, so that only the rule differs in it.

    Attributes:
        population: runs lifetimes.
        search: evolution strategy.
        curriculum: chooses levels.
        generator: draws fresh levels.
        hyper: the agents' step sizes and costs.
        levels_per_candidate: lifetimes behind a candidate's fitness.
    """

    population: Population
    search: Search
    curriculum: Curriculum
    generator: LevelGenerator
    hyper: Hyperparameters
    levels_per_candidate: int

    @property
    def num_groups(self) -> int:
        """Groups of candidates that share their levels."""
        size = self.search.config.population_size
        return size // 2 if self.search.config.antithetic else 1

    def init(self, key: Key[Array, ""]) -> RunState:
        """State before the first generation, around a freshly initialised rule.

        Args:
            key: consumed.

        Returns:
            The state.
        """
        rule_key, search_key, level_key = jax.random.split(key, 3)
        mean = self.population.learner.rule.init(rule_key)
        return RunState(
            generation=jnp.int32(0),
            search=self.search.init(search_key, mean),
            curriculum=self.curriculum.init(self.generator.sample(level_key)),
        )

    def generation(self, run_key: Key[Array, ""], state: RunState) -> tuple[RunState, dict[str, Array]]:
        """One generation; its random numbers depend on the run's key and its number alone.

        Args:
            run_key: key of the run, the same in all generations.
            state: state before it.

        Returns:
            State after it, and metrics [].
        """
        key = jax.random.fold_in(run_key, state.generation)
        ask_key, tell_key, fresh_key, sample_key, life_key, update_key = jax.random.split(key, 6)
        candidates, search = self.search.ask(ask_key, state.search)
        num_levels = self.num_groups * self.levels_per_candidate
        fresh = jax.vmap(self.generator.sample)(jax.random.split(fresh_key, num_levels))
        curriculum, batch = self.curriculum.sample(sample_key, state.curriculum, fresh)
        life, level = self._who_meets_what()
        outcomes = self.population.live(
            candidates,
            Lifetimes(
                keys=jax.random.split(life_key, num_levels)[level],
                candidates=life,
                levels=jax.tree.map(lambda x: x[level], batch.levels),
                lengths=batch.levels.lifetime[level],
                hyper=jax.tree.map(lambda x: jnp.broadcast_to(x, level.shape), self.hyper),
            ),
        )
        returns = jnp.mean(outcomes.returns.reshape(-1, self.levels_per_candidate), axis=1)
        level_return = jnp.zeros(num_levels).at[level].add(outcomes.returns) / (level.size // num_levels)
        curriculum = self.curriculum.update(update_key, curriculum, batch, Outcome(agent_return=level_return))
        new_search = self.search.tell(tell_key, candidates, returns, search)
        metrics = self._metrics(returns, outcomes, state, new_search)
        state = RunState(generation=state.generation + 1, search=new_search, curriculum=curriculum)
        return state, metrics

    def _who_meets_what(self) -> tuple[Int[Array, "N"], Int[Array, "N"]]:
        """Candidate and level of each life, candidate by candidate."""
        candidate = jnp.arange(self.search.config.population_size)
        first_level = (candidate % self.num_groups) * self.levels_per_candidate
        level = first_level[:, None] + jnp.arange(self.levels_per_candidate)
        return jnp.repeat(candidate, self.levels_per_candidate), level.reshape(-1)

    def _metrics(
        self, returns: Float[Array, "P"], outcomes: Outcomes, state: RunState, search: Any
    ) -> dict[str, Array]:
        finite = jnp.isfinite(returns)
        before, after = self.search.mean(state.search), self.search.mean(search)
        moved = jax.tree.map(jnp.subtract, after, before)
        return {
            "generation": state.generation,
            "fitness_mean": jnp.mean(returns, where=finite),
            "fitness_std": jnp.std(returns, where=finite),
            "fitness_max": jnp.max(jnp.where(finite, returns, -jnp.inf)),
            "failed_candidates": jnp.sum(~finite),
            "updates_run": outcomes.updates_run,
            "updates_lived": jnp.sum(outcomes.num_updates),
            "rule_norm": _norm(after),
            "rule_step_norm": _norm(moved),
        }


def _norm(tree: PyTree) -> Float[Array, ""]:
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)))
