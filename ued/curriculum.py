"""The interface of curricula, and domain randomisation."""

from dataclasses import dataclass
from typing import Protocol

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

NOT_KEPT = -1
"""Slot of a level that no buffer holds, and parent of a level that was drawn afresh."""


@struct.dataclass
class Extras:
    """What is known of a level whatever rule trains on it; a buffer keeps it with the level."""

    antagonist_mean: Float[Array, "n"]  # [n] float32, mean return of its antagonists, NaN before the first
    antagonist_variance: Float[Array, "n"]  # [n] float32, unbiased variance between their seeds, NaN below two
    antagonist_count: Int[Array, "n"]  # [n] int32, antagonists trained
    random_return: Float[Array, "n"]  # [n] float32, return of uniformly random actions, NaN = not measured
    optimal_return: Float[Array, "n"]  # [n] float32, return of the best policy, NaN = not solved
    best_return: Float[Array, "n"]  # [n] float32, best episode of any agent of the rule so far, -inf before the first

    @property
    def antagonist_standard_error(self) -> Float[Array, "n"]:
        """[n] standard error of the antagonists' mean return, NaN below two antagonists."""
        return jnp.sqrt(self.antagonist_variance / self.antagonist_count)


def unknown_extras(num_levels: int) -> Extras:
    """Extras of levels of which nothing is known.

    Args:
        num_levels: n.

    Returns:
        Extras [n].
    """
    unknown = jnp.full(num_levels, jnp.nan, jnp.float32)
    return Extras(
        antagonist_mean=unknown,
        antagonist_variance=unknown,
        antagonist_count=jnp.zeros(num_levels, jnp.int32),
        random_return=unknown,
        optimal_return=unknown,
        best_return=jnp.full(num_levels, -jnp.inf, jnp.float32),
    )


@struct.dataclass
class Batch:
    """Levels to live on, one for each of n places; in the first places stand those to be measured."""

    levels: PyTree  # [n, …] levels
    slots: Int[Array, "n"]  # [n] int32, where the buffer holds the level, -1 = nowhere
    trains: Bool[Array, "n"]  # [n] bool, the rule may learn from this level; otherwise it is only scored
    parents: Int[Array, "n"]  # [n] int32, identity of the level that this one is an edit of, -1 = none
    extras: Extras  # [n], as the buffer holds them, unknown for new levels


@struct.dataclass
class Outcome:
    """What became of the levels of a batch.

    Lives may end at different times: only places that `ended` are read, and only those are given a
    new level by the next `sample` that wants one for them.
    """

    ended: Bool[Array, "n"]  # [n] bool, the place's lives are over
    agent_return: Float[Array, "n"]  # [n] float32, mean return of the rule's agents at the end of their lives
    episode_returns: Float[Array, "n E"]  # [n, E] float32, returns of their single episodes
    extras: Extras  # [n], with what was measured added
    positive_value_loss: Float[Array, "n"] | None = None  # [n] float32, time-mean of max(GAE, 0), NaN = no episode
    absolute_value_loss: Float[Array, "n"] | None = None  # [n] float32, time-mean of |GAE|, NaN = no episode
    mean_value: Float[Array, "n"] | None = None  # [n] float32, time-mean of V(s), NaN = no episode


class Curriculum(Protocol):
    """Chooses the levels of each generation from fresh ones and from those it kept."""

    def num_measured(self, num_places: int) -> int:
        """Places, the first ones of a batch, whose levels are new and must be measured to be scored."""
        ...

    def init(self, example_level: PyTree) -> PyTree:
        """State before the first generation, for levels shaped like the example."""
        ...

    def sample(
        self, key: Key[Array, ""], state: PyTree, fresh: PyTree, wanted: Bool[Array, "n"]
    ) -> tuple[PyTree, Batch]:
        """Levels for the wanted places, as many as the [n, …] fresh ones offered; the others' are not to be used."""
        ...

    def update(self, key: Key[Array, ""], state: PyTree, batch: Batch, outcome: Outcome) -> PyTree:
        """State after the outcome of the places that ended is known."""
        ...

    def report(self, state: PyTree, batch: Batch, outcome: Outcome) -> dict[str, Array]:
        """Numbers [] for the log of a generation, from the state after its update."""
        ...


def new_batch(levels: PyTree, num_places: int) -> Batch:
    """A batch of new levels that all train.

    Args:
        levels: [n, …].
        num_places: n.

    Returns:
        The batch.
    """
    nowhere = jnp.full(num_places, NOT_KEPT, jnp.int32)
    return Batch(
        levels=levels,
        slots=nowhere,
        trains=jnp.ones(num_places, bool),
        parents=nowhere,
        extras=unknown_extras(num_places),
    )


@dataclass(frozen=True)
class DomainRandomization:
    """Every generation trains on fresh levels alone (Tobin et al. 2017, arXiv:1703.06907).

    With a generator that draws from a fixed set of levels this is training on that set.
    """

    def num_measured(self, num_places: int) -> int:
        del num_places
        return 0

    def init(self, example_level: PyTree) -> PyTree:
        del example_level
        return ()

    def sample(
        self, key: Key[Array, ""], state: PyTree, fresh: PyTree, wanted: Bool[Array, "n"]
    ) -> tuple[PyTree, Batch]:
        del key
        return state, new_batch(fresh, wanted.shape[0])

    def update(self, key: Key[Array, ""], state: PyTree, batch: Batch, outcome: Outcome) -> PyTree:
        del key, batch, outcome
        return state

    def report(self, state: PyTree, batch: Batch, outcome: Outcome) -> dict[str, Array]:
        del state, batch, outcome
        return {}
