"""The interface of curricula, and domain randomisation."""

from dataclasses import dataclass
from typing import Protocol

from flax import struct
from jaxtyping import Array, Float, Key, PyTree


@struct.dataclass
class Batch:
    """Levels of one generation."""

    levels: PyTree  # [n, …] levels


@struct.dataclass
class Outcome:
    """What became of the levels of one generation."""

    agent_return: Float[Array, "n"]  # [n] float32, mean return of the rule's agents at the end of their lives


class Curriculum(Protocol):
    """Chooses the levels of each generation from fresh ones and from those it kept."""

    def init(self, example_level: PyTree) -> PyTree:
        """State before the first generation, for levels shaped like the example."""
        ...

    def sample(self, key: Key[Array, ""], state: PyTree, fresh: PyTree) -> tuple[PyTree, Batch]:
        """Levels for one generation, as many as the [n, …] fresh ones offered."""
        ...

    def update(self, key: Key[Array, ""], state: PyTree, batch: Batch, outcome: Outcome) -> PyTree:
        """State after the outcome of the batch is known."""
        ...


@dataclass(frozen=True)
class DomainRandomization:
    """Every generation trains on fresh levels alone (Tobin et al. 2017, arXiv:1703.06907)."""

    def init(self, example_level: PyTree) -> PyTree:
        del example_level
        return ()

    def sample(self, key: Key[Array, ""], state: PyTree, fresh: PyTree) -> tuple[PyTree, Batch]:
        del key
        return state, Batch(levels=fresh)

    def update(self, key: Key[Array, ""], state: PyTree, batch: Batch, outcome: Outcome) -> PyTree:
        del key, batch, outcome
        return state
