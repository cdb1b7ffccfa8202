"""A run folder as a curriculum leaves it, of levels that are solved by hand: nothing is trained."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from groove.building import build_training
from groove.config import TrainConfig
from groove.job.devices import lives_mesh
from groove.records.buffer_history import BufferHistory
from groove.records.checkpoints import Checkpoints
from groove.records.json_lines import JsonLines
from groove.records.run_folder import RunFolder
from levels.level import Level, stack_levels
from ued.learnability_sampling import LearnabilityState
from ued.level_buffer import LevelBuffer, empty_buffer

CONFIG = TrainConfig.of(
    levels="small",
    curriculum="plr",
    buffer=8,
    sfl_fraction=0.16,
    hidden_size=4,
    embedding_size=2,
    prediction_size=2,
    population=4,
    generations=20,
)
GENERATION = 20

SLOTS = (1, 2, 4, 5, 7)
IDENTITIES = (3, 9, 4, 17, 12)
PARENTS = (-1, 4, 3, 9, 1)
SCORES = (0.25, 0.75, 0.5, -np.inf, 1.0)
AGENT_RETURNS = (0.5, 0.125, 0.25, 0.0, -0.25)
ANTAGONISTS = (0.75, 0.875, 0.75, 0.5, 0.75)
PRIZES = (0.75, 1.0, 0.875, 0.5, 0.625)
"""What the best policy collects: the object beside the start, which ends the episode."""


def corridor(prize: float) -> Level:
    """A row of four cells in the array of "small" levels: the start, then an object worth `prize` that ends it."""
    walls = np.ones((6, 6), bool)
    walls[0, :4] = False
    return Level(
        max_steps_in_episode=jnp.int32(10),
        walls=jnp.asarray(walls),
        height=jnp.int32(1),
        width=jnp.int32(4),
        start=jnp.int32(0),
        object_cells=jnp.int32([1, 0, 0]),
        object_types=jnp.int32([0, -1, -1]),
        object_rewards=jnp.float32([prize, 0, 0]),
        object_terminate_probs=jnp.float32([1, 0, 0]),
        object_respawn_probs=jnp.zeros(3, jnp.float32),
        lifetime=jnp.int32(5),
    )


def kept_buffer() -> LevelBuffer:
    """Eight slots of which five hold corridors; the last but one has lost its score."""
    where = jnp.array(SLOTS)
    empty = empty_buffer(corridor(1.0), 8)

    def put(kept: Any, values: Any) -> Any:
        return jax.tree.map(lambda old, new: old.at[where].set(jnp.asarray(new, old.dtype)), kept, values)

    return dataclasses.replace(
        empty,
        levels=put(empty.levels, stack_levels([corridor(prize) for prize in PRIZES])),
        filled=put(empty.filled, np.ones(5)),
        score=put(empty.score, np.array(SCORES)),
        agent_return=put(empty.agent_return, np.array(AGENT_RETURNS)),
        extras=dataclasses.replace(
            empty.extras,
            antagonist_mean=put(empty.extras.antagonist_mean, np.array(ANTAGONISTS)),
            antagonist_variance=put(empty.extras.antagonist_variance, np.full(5, 0.02)),
            antagonist_count=put(empty.extras.antagonist_count, np.full(5, 2)),
        ),
        identity=put(empty.identity, np.array(IDENTITIES)),
        parent=put(empty.parent, np.array(PARENTS)),
        born=put(empty.born, np.array([2, 6, 3, 15, 9])),
        last_drawn=put(empty.last_drawn, np.array([10, 18, 15, 15, 15])),
        visits=put(empty.visits, np.array([3, 1, 2, 1, 4])),
        generation=jnp.int32(GENERATION),
        num_arrived=jnp.int32(18),
        num_evicted=jnp.int32(13),
    )


def learnability_state() -> LearnabilityState:
    """The same levels, kept by sfl when its period ended in generation 16; none found since."""
    active = kept_buffer()
    unscored = active.replace(
        generation=jnp.int32(16),
        filled=active.filled & jnp.isfinite(active.score),
        extras=empty_buffer(corridor(1.0), 8).extras,
    )
    return LearnabilityState(unscored, empty_buffer(corridor(1.0), 8), jnp.int32(GENERATION))


@functools.cache
def state_shapes(config: TrainConfig) -> Any:
    """Return the shapes of a run's state, traced once for all tests of a config."""
    return jax.eval_shape(build_training(config, lives_mesh(1)).init, jax.random.key(0))


def write_run(path: Path, config: TrainConfig = CONFIG, curriculum: Any = None) -> RunFolder:
    """Write the config and a checkpoint of a run.

    Args:
        path: folder, made here.
        config: of the run.
        curriculum: state of its curriculum; one without levels by default.

    Returns:
        The folder, not locked.
    """
    folder = RunFolder(path)
    path.mkdir()
    folder.write_config({"config": config.to_json()})
    state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), state_shapes(config))
    if curriculum is not None:
        state = dataclasses.replace(state, curriculum=curriculum)
    Checkpoints(folder.checkpoints_path).save(GENERATION, state, {})
    for generation in (GENERATION // 2, GENERATION):
        BufferHistory(folder.history_path).save(generation, state.curriculum)
    return folder


def write_metrics(folder: RunFolder, num_generations: int = 12) -> None:
    """Write rows of metrics in which replay begins in generation 4."""
    log = JsonLines(folder.metrics_path)
    for generation in range(num_generations):
        row: dict[str, Any] = {"generation": generation}
        for number, name in enumerate(("regret", "score", "side", "walls", "objects", "horizon", "path_length")):
            row |= {
                f"{name}_new": number + 0.1 * generation,
                f"{name}_replayed": number + 0.2 * generation if generation >= 4 else None,
            }
        log.append(row)
