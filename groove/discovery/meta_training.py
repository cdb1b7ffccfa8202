"""One generation of discovery: candidates train agents, and the search follows the better candidates."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int, Key, PyTree

from groove.discovery.evolution import RuleSearch
from groove.discovery.level_outcome import level_outcome
from groove.discovery.level_statistics import batch_statistics
from groove.discovery.measurement import Measurement
from groove.discovery.population import LifeResults, Lives, Population
from levels.level_generator import LevelGenerator
from levels.solver import returns_on, score_span
from levels.worlds.tabular_grid import TabularGrid
from lpg.update_rule import Hyperparameters
from ued.curriculum import Batch, Curriculum, Extras


@struct.dataclass
class RunState:
    """Everything that a run needs to continue: the contents of a checkpoint."""

    generation: Int[Array, ""]  # [] int32, generations completed
    search: PyTree  # state of the evolution strategy
    curriculum: PyTree  # state of the curriculum
    average: PyTree = None  # meta-parameters, running average of the search's means; None if the last mean is kept


@struct.dataclass
class Proposal:
    """The candidates and levels of a generation, before it is run."""

    generation: Int[Array, ""]  # [] int32, number of the generation
    search: PyTree  # state of the evolution strategy after `ask`
    average: PyTree  # average of the search's means before the generation, or None
    curriculum: PyTree  # state of the curriculum after `sample`
    candidates: PyTree  # [P, …] meta-parameters, possibly with `LowRank` matrices
    batch: Batch  # [n] levels, and what is known about them
    life_key: Key[Array, ""]  # [] typed key, consumed by the lives
    measurement_key: Key[Array, ""]  # [] typed key, consumed by the measurement of the levels
    tell_key: Key[Array, ""]  # [] typed key, consumed by the search
    update_key: Key[Array, ""]  # [] typed key, consumed by the curriculum


@dataclass(frozen=True)
class MetaTraining:
    """Discovery by evolution: antithetic candidates get the same levels, agents and random numbers.

    Candidates are compared within groups: the pairs of an antithetic strategy, otherwise the whole
    population. A group shares levels and keys, so that only the rule differs within it.

    Attributes:
        population: runs the lifetimes.
        search: the evolution strategy.
        curriculum: chooses the levels.
        measurement: measures new levels for the curriculum.
        generator: draws fresh levels.
        hyper: the agents' learning rates and costs.
        levels_per_candidate: number of lifetimes that determine a candidate's fitness.
        exact: the grid whose exact returns normalise the fitness; None to compare returns as they are.
    """

    population: Population
    search: RuleSearch
    curriculum: Curriculum
    measurement: Measurement
    generator: LevelGenerator
    hyper: Hyperparameters
    levels_per_candidate: int
    exact: TabularGrid | None = None

    @property
    def num_levels(self) -> int:
        """Levels of a generation."""
        return self.search.evolution.num_groups * self.levels_per_candidate

    def init(self, key: Key[Array, ""], mean: PyTree | None = None) -> RunState:
        """Return the state before the first generation.

        Args:
            key: consumed.
            mean: meta-parameters to start the search at; freshly initialised ones by default.

        Returns:
            The state.
        """
        rule_key, search_key, level_key = jax.random.split(key, 3)
        mean = self.population.learner.rule.init(rule_key) if mean is None else mean
        return RunState(
            generation=jnp.int32(0),
            search=self.search.init(search_key, mean),
            curriculum=self.curriculum.init(self.generator.sample(level_key)),
            average=mean if self.search.settings.average else None,
        )

    def generation(self, run_key: Key[Array, ""], state: RunState) -> tuple[RunState, dict[str, Array]]:
        """Run one generation, whose random numbers depend only on the run's key and its number.

        A run compiles the four parts separately (groove/discovery/generation_programs.py).

        Args:
            run_key: key of the run, the same in all generations.
            state: state before the generation.

        Returns:
            The state after it, and metrics [].
        """
        proposal = self.propose(run_key, state)
        return self.learn(proposal, self.live(proposal), *self.measure(proposal))

    def propose(self, run_key: Key[Array, ""], state: RunState) -> Proposal:
        """Propose the candidates and levels of a generation.

        Args:
            run_key: key of the run, the same in all generations.
            state: state before the generation.

        Returns:
            The proposal.
        """
        key = jax.random.fold_in(run_key, state.generation)
        ask_key, tell_key, fresh_key, sample_key, life_key, update_key = jax.random.split(key, 6)
        life_key, measurement_key = jax.random.split(life_key)
        candidates, search = self.search.ask(ask_key, state.search)
        fresh = jax.vmap(self.generator.sample)(jax.random.split(fresh_key, self.num_levels))
        everywhere = jnp.ones(self.num_levels, bool)
        curriculum, batch = self.curriculum.sample(sample_key, state.curriculum, fresh, everywhere)
        return Proposal(
            generation=state.generation,
            search=search,
            average=state.average,
            curriculum=curriculum,
            candidates=candidates,
            batch=batch,
            life_key=life_key,
            measurement_key=measurement_key,
            tell_key=tell_key,
            update_key=update_key,
        )

    def live(self, proposal: Proposal) -> LifeResults:
        """Live all lives of every candidate.

        Args:
            proposal: proposal of the generation.

        Returns:
            The outcomes, ordered by candidate.
        """
        life, level = self._who_meets_what()
        levels = proposal.batch.levels
        return self.population.live(
            proposal.candidates,
            Lives(
                keys=jax.random.split(proposal.life_key, self.num_levels)[level],
                candidates=life,
                levels=jax.tree.map(lambda x: x[level], levels),
                lengths=levels.lifetime[level],
                hyper=jax.tree.map(lambda x: jnp.broadcast_to(x, level.shape), self.hyper),
            ),
        )

    def measure(self, proposal: Proposal) -> tuple[Extras, Int[Array, ""]]:
        """Measure what the curriculum needs to know about the levels besides the lives.

        Args:
            proposal: proposal of the generation.

        Returns:
            The extras of its levels, and the number of antagonist updates [].
        """
        if not self._num_measured:
            return proposal.batch.extras, jnp.int32(0)
        return self.measurement.measure(proposal.measurement_key, proposal.batch, self._num_measured)

    def learn(
        self, proposal: Proposal, outcomes: LifeResults, extras: Extras, antagonist_updates: Int[Array, ""]
    ) -> tuple[RunState, dict[str, Array]]:
        """Update the search and the curriculum with the outcomes of the lives.

        Args:
            proposal: proposal of the generation.
            outcomes: outcomes of its lives.
            extras: extras of its levels.
            antagonist_updates: [] int32, number of antagonist updates.

        Returns:
            The state after the generation, and metrics [].
        """
        batch, level = proposal.batch, self._who_meets_what()[1]
        outcome = level_outcome(outcomes, level, self.num_levels, extras)
        curriculum = self.curriculum.update(proposal.update_key, proposal.curriculum, batch, outcome)
        returns, fitness = self._fitness(outcomes, batch, level)
        updated = self.search.tell(proposal.tell_key, proposal.candidates, fitness, proposal.search)
        # If no level trains, the search stays put: a strategy without pairs would follow the order of the ties.
        trains = jnp.any(batch.trains)
        search = jax.tree.map(lambda new, old: jnp.where(trains, new, old), updated, proposal.search)
        metrics = self._metrics(returns, outcomes, proposal, search)
        metrics["antagonist_updates"] = antagonist_updates
        metrics["levels_trained"] = jnp.sum(batch.trains)
        if outcomes.frozen_updates is not None:
            metrics["frozen_updates"] = jnp.sum(outcomes.frozen_updates)
        metrics |= self.curriculum.report(curriculum, batch, outcome)
        metrics |= batch_statistics(batch, outcome, self._num_measured > 0)
        generation, average = proposal.generation + 1, proposal.average
        if average is not None:
            # A plain mean at first, so that the start is soon forgotten.
            weight = 1.0 / jnp.minimum(generation, self.search.settings.average)
            average = jax.tree.map(lambda old, new: old + weight * (new - old), average, self.search.mean(search))
        state = RunState(generation=generation, search=search, curriculum=curriculum, average=average)
        return state, metrics

    def rule(self, state: RunState) -> PyTree:
        """Return the rule that has been found so far.

        Args:
            state: state of the run.

        Returns:
            Meta-parameters: the average of the search's means, if it keeps one, or the last mean.
        """
        return self.search.mean(state.search) if state.average is None else state.average

    @property
    def _num_measured(self) -> int:
        return self.curriculum.num_measured(self.num_levels)

    def _who_meets_what(self) -> tuple[Int[Array, "N"], Int[Array, "N"]]:
        """Return the candidate and the level of each life, ordered by candidate.

        The levels of a group lie num_groups apart, so that each group gets its share of the first
        places, which hold new levels, and of the last ones, which hold replayed levels.
        """
        candidate = jnp.arange(self.search.evolution.settings.population)
        num_groups = self.search.evolution.num_groups
        level = (candidate % num_groups)[:, None] + num_groups * jnp.arange(self.levels_per_candidate)
        return jnp.repeat(candidate, self.levels_per_candidate), level.reshape(-1)

    def _fitness(
        self, outcomes: LifeResults, batch: Batch, level: Int[Array, "N"]
    ) -> tuple[Float[Array, "P"], Float[Array, "P"]]:
        """Return each candidate's mean return on all its levels, and its fitness.

        The fitness is the mean return, or the mean score if the fitness is normalised, on the levels that train (0, a
        tie, if none do).
        """
        returns = outcomes.returns.reshape(-1, self.levels_per_candidate)
        trains = batch.trains[level].reshape(returns.shape)
        scores = returns
        if self.exact is not None:
            solve, mesh = partial(returns_on, score_span, self.exact), self.population.mesh
            if self.num_levels % mesh.size == 0:
                # Each device solves a share of the levels.
                spec = PartitionSpec("lives")
                solve = jax.shard_map(solve, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
            random, span = (x[level].reshape(returns.shape) for x in solve(batch.levels))
            scores = (returns - random) / span
        # A candidate that broke on any of its levels has failed, whether or not that level trains.
        fitness = jnp.sum(jnp.where(trains, scores, 0.0 * scores), axis=1)
        return jnp.mean(returns, axis=1), fitness / jnp.maximum(jnp.sum(trains, axis=1), 1)

    def _metrics(
        self, returns: Float[Array, "P"], outcomes: LifeResults, proposal: Proposal, search: Any
    ) -> dict[str, Array]:
        finite = jnp.isfinite(returns)
        before, after = self.search.mean(proposal.search), self.search.mean(search)
        moved = jax.tree.map(jnp.subtract, after, before)
        return {
            "generation": proposal.generation,
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
