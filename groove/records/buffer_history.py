"""What a curriculum kept over time: some of its levels every so often, in the run's folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from groove.records.checkpoints import Checkpoints
from ued.learnability_sampling import LearnabilityState
from ued.level_buffer import LevelBuffer

NUM_KEPT = 64
"""Most levels in a snapshot, so that the history of a run takes a few megabytes at most."""

FOREVER = 2**31


def buffer_of(state: PyTree) -> LevelBuffer | None:
    """Return the levels that a curriculum draws from.

    Args:
        state: state of the curriculum.

    Returns:
        Its buffer, the active one of sfl; None if the state has none.
    """
    buffer = state.active if isinstance(state, LearnabilityState) else state
    return buffer if isinstance(buffer, LevelBuffer) else None


def thinned(buffer: LevelBuffer) -> LevelBuffer:
    """Choose levels that stand for all that are kept: evenly spaced by score, the best and the worst among them.

    Args:
        buffer: buffer of C slots.

    Returns:
        Buffer of min(C, 64) slots, filled as far as there are levels.
    """
    filled = np.asarray(buffer.filled)
    order, num_filled = np.lexsort((-np.asarray(buffer.score), ~filled)), int(filled.sum())
    size = min(NUM_KEPT, filled.size)
    # With fewer levels than places, the rest are empty slots.
    rows = order[np.linspace(0, max(num_filled, size) - 1, size).round().astype(int)]
    return jax.tree.map(lambda x: np.asarray(x)[rows] if np.ndim(x) else np.asarray(x), buffer)


@dataclass(frozen=True)
class BufferHistory:
    """Snapshots of a run's buffer, a file each.

    Attributes:
        folder: folder of the snapshots, created by the first one.
    """

    folder: Path

    def save(self, generation: int, state: PyTree) -> None:
        """Add a snapshot, if the curriculum keeps levels; those of later generations are removed.

        Args:
            generation: the next generation to run.
            state: state of the curriculum, whole on this process.

        Raises:
            CheckpointError: the disk is full or not writable.
        """
        buffer = buffer_of(state)
        if buffer is not None:
            self._files.save(generation, thinned(buffer), {})

    def read(self, state: PyTree) -> dict[int, LevelBuffer]:
        """Read all snapshots that are intact.

        Args:
            state: state of the curriculum, or its shapes.

        Returns:
            Generation -> at most 64 of the levels kept before it, in ascending order.
        """
        buffer = buffer_of(state)
        if buffer is None:
            return {}
        size = min(NUM_KEPT, buffer.capacity)
        example = jax.tree.map(lambda x: jax.ShapeDtypeStruct((size, *x.shape[1:]) if x.ndim else (), x.dtype), buffer)
        found: dict[int, Any] = {number: self._files.read(number, example) for number in self._files.generations()}
        return {number: found[number] for number in sorted(found) if found[number] is not None}

    @property
    def _files(self) -> Checkpoints:
        return Checkpoints(self.folder, keep=FOREVER)
