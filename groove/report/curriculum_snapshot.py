"""The levels that a run's curriculum keeps in the newest checkpoint, from the best to the worst."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PyTree

from groove.building import build_training
from groove.config import TrainConfig
from groove.discovery.curricula import DEFAULT_SCORE
from groove.discovery.meta_training import MetaTraining
from groove.job.devices import lives_mesh
from groove.records.buffer_history import BufferHistory
from groove.records.checkpoints import CheckpointError, Checkpoints, Restored
from groove.records.run_folder import RunFolder
from levels.plugins import is_plugin
from levels.solver import exact_grid, optimal_return, returns_on
from levels.world import World
from ued.curriculum import Outcome
from ued.learnability_sampling import LearnabilitySampling, LearnabilityState
from ued.level_buffer import LevelBuffer
from ued.priorities import ranks
from ued.replay import PrioritizedLevelReplay
from ued.scores import algorithmic_regret, exact_regret

SOLVED_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a curriculum keeps at one point in time: n levels in the order by which they are ranked, best first.

    Attributes:
        config: the run's config.
        world: world of the levels.
        generation: number of generations done.
        capacity: slots for levels.
        replay_from: number of levels that must be kept before any is replayed.
        kept: n slots, all filled; `extras.optimal_return` includes what `solved` added.
        ranked: [n] what the levels are ranked by: their scores, or what --score-uncertainty makes of them.
        chances: [n] by what a level would be drawn for; their sum is its probability of being in the next batch.
        history: by generation, at most 64 of the levels that were kept then, evenly spaced by score.
        num_evicted: number of evicted levels; for sfl, those of the period that the kept levels are from.
        skipped: for each newer checkpoint that could not be used, the reason.
    """

    config: TrainConfig
    world: World
    generation: int
    capacity: int
    replay_from: int
    kept: LevelBuffer
    ranked: Float[np.ndarray, "n"]
    chances: dict[str, Float[np.ndarray, "n"]]
    history: dict[int, LevelBuffer]
    num_evicted: int
    skipped: list[str]

    def __len__(self) -> int:
        return self.kept.capacity

    @property
    def score_name(self) -> str:
        """Name of the score that the levels are ranked by."""
        if is_plugin(self.config.curriculum.curriculum):
            return "its own score"
        return (
            "learnability"
            if self.config.curriculum.curriculum == "sfl"
            else self.config.curriculum.score or DEFAULT_SCORE
        )

    @property
    def counts_visits(self) -> bool:
        """Whether the buffer records when levels are drawn; sfl's does not."""
        return self.config.curriculum.curriculum != "sfl"

    @property
    def ranked_otherwise(self) -> bool:
        """Whether levels are ranked by other values than their scores."""
        return not np.array_equal(self.ranked, self.kept.score)

    @cached_property
    def chance(self) -> Float[np.ndarray, "n"]:
        """[n] probability of being in the next batch, once replay has begun."""
        return np.sum(list(self.chances.values()), axis=0)

    @cached_property
    def rank(self) -> Int[np.ndarray, "n"]:
        """[n] rank among the levels that can be drawn, 1 = highest."""
        return np.asarray(ranks(jnp.asarray(self.ranked), self.kept.available))

    @cached_property
    def regret(self) -> Float[np.ndarray, "n"]:
        """[n] algorithmic regret at the last visit, NaN without antagonists."""
        return np.asarray(algorithmic_regret(self._outcome))

    @cached_property
    def exact_regret(self) -> Float[np.ndarray, "n"]:
        """[n] exact regret at the last visit, NaN if the best policy's return is not known."""
        return np.asarray(exact_regret(self._outcome))

    @property
    def _outcome(self) -> Outcome:
        kept = self.kept
        no_episodes = jnp.zeros((len(self), 0))
        return Outcome(kept.filled, kept.agent_return, no_episodes, kept.extras)

    def level(self, row: int) -> PyTree:
        """Return one level.

        Args:
            row: row of the level, 0 = best.

        Returns:
            The level, as NumPy arrays.
        """
        return jax.tree.map(lambda x: np.asarray(x[row]), self.kept.levels)

    def solved(self, rows: list[int]) -> "Snapshot":
        """Solve levels whose best return is not known yet.

        Args:
            rows: rows of the levels to solve.

        Returns:
            The snapshot with these returns added, or unchanged if the world has no exact solver.
        """
        grid = exact_grid(self.world)
        if grid is None or not rows:
            return self
        optimum = np.array(self.kept.extras.optimal_return)
        unknown = np.array([row for row in sorted(set(rows)) if not np.isfinite(optimum[row])], int)
        for begin in range(0, len(unknown), SOLVED_AT_ONCE):
            part = unknown[begin : begin + SOLVED_AT_ONCE]
            # Padded to a fixed size, so that it compiles only once.
            filled = np.resize(part, SOLVED_AT_ONCE)
            levels = jax.tree.map(lambda x, filled=filled: x[filled], self.kept.levels)
            values = returns_on(optimal_return, grid, levels)
            optimum[part] = np.asarray(values)[: len(part)]
        extras = replace(self.kept.extras, optimal_return=jnp.asarray(optimum))
        return replace(self, kept=replace(self.kept, extras=extras))


def read_snapshot(folder: RunFolder, config: TrainConfig) -> Snapshot:
    """Read the curriculum from the newest complete checkpoint of a run, which may still be in progress.

    Args:
        folder: the run's folder; it need not be locked.
        config: the run's config.

    Returns:
        The snapshot.

    Raises:
        CheckpointError: there is no usable checkpoint.
        ValueError: the run's curriculum keeps no levels that can be shown, or its config cannot be built.
    """
    if config.curriculum.curriculum in ("dr", "fixed"):
        raise ValueError(f"{folder.path}: its curriculum, {config.curriculum.curriculum}, keeps no levels")
    training = build_training(config, lives_mesh(1))
    example = jax.eval_shape(training.init, jax.random.key(0))
    restored = _newest(Checkpoints(folder.checkpoints_path), example)
    state = jax.tree.map(jnp.asarray, restored.state.curriculum)
    history = BufferHistory(folder.history_path).read(state)
    return _snapshot(config, training, state, restored, history)


def _newest(checkpoints: Checkpoints, example: PyTree) -> Restored:
    """Restore the newest complete checkpoint, looking again if the run removed files in the meantime."""
    while True:
        before = set(checkpoints.generations())
        try:
            return checkpoints.restore(example)
        except CheckpointError:
            if set(checkpoints.generations()) == before:
                raise


def _snapshot(
    config: TrainConfig, training: MetaTraining, state: Any, restored: Restored, history: dict[int, LevelBuffer]
) -> Snapshot:
    curriculum, num_places = training.curriculum, training.num_levels
    buffer: LevelBuffer
    replay_from, ranked = 1, None
    if isinstance(state, LearnabilityState):
        assert isinstance(curriculum, LearnabilitySampling)
        # The set drawn from stays as it was when its period ended.
        buffer = replace(state.active, generation=state.generation)
        chances = curriculum.inclusion(state, num_places)
    elif isinstance(curriculum, PrioritizedLevelReplay):
        buffer = state
        chances, ranked = curriculum.inclusion(state, num_places), curriculum.ranked(state)
        replay_from = max(1, curriculum.settings.least_kept)
    elif isinstance(state, LevelBuffer) and hasattr(curriculum, "inclusion"):
        buffer = state
        chances = curriculum.inclusion(state, num_places)
    else:
        raise ValueError(
            f"{config.curriculum.curriculum} keeps no levels that can be shown: its state must be a ued.LevelBuffer, "
            "and inclusion(state, num_places) the probabilities [C] to be in the next batch, by name"
        )
    filled, value = np.asarray(buffer.filled), np.asarray(buffer.score if ranked is None else ranked)
    order = np.lexsort((-value, ~filled))[: filled.sum()]
    return Snapshot(
        config=config,
        world=training.generator.world,
        generation=restored.generation,
        capacity=buffer.capacity,
        replay_from=replay_from,
        kept=jax.tree.map(lambda x: x[order] if x.ndim else x, buffer),
        ranked=value[order],
        chances={name: np.asarray(chance, np.float64)[order] for name, chance in chances.items()},
        history=history,
        num_evicted=int(buffer.num_evicted),
        skipped=restored.skipped,
    )
