"""The interface of curricula, and domain randomisation."""

from dataclasses import dataclass
from typing import Protocol

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

NOT_KEPT = -1
"""Slot of a level that no buffer holds, and parent of a freshly drawn level."""


@struct.dataclass
class Extras:
    """What is known about a level whichever rule trains on it; a buffer keeps it with the level."""

    antagonist_mean: Float[Array, "n"]  # [n] float32, mean return of its antagonists, NaN before the first
    antagonist_variance: Float[Array, "n"]  # [n] float32, unbiased variance between their seeds, NaN for fewer than two
    antagonist_count: Int[Array, "n"]  # [n] int32, antagonists trained
    random_return: Float[Array, "n"]  # [n] float32, return of uniformly random actions, NaN = not measured
    optimal_return: Float[Array, "n"]  # [n] float32, return of the best policy, NaN = not solved
    best_return: Float[Array, "n"]  # [n] float32, best episode of any of the rule's agents so far, -inf before any

    @property
    def antagonist_standard_error(self) -> Float[Array, "n"]:
        """[n] standard error of the antagonists' mean return, NaN for fewer than two antagonists."""
        return jnp.sqrt(self.antagonist_variance / self.antagonist_count)

    def normalised(self, returns: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
        """Put returns on a scale where 0 is the return of random actions and 1 the best episode so far.

        Args:
            returns: [n, …] returns on the levels.

        Returns:
            [n, …], 0 where no episode was better than random actions, NaN where those were not measured.
        """
        span = self.best_return - self.random_return
        low, span = (x.reshape(-1, *[1] * (returns.ndim - 1)) for x in (self.random_return, span))
        scaled = jnp.where(span > 0, (returns - low) / span, 0.0 * returns)
        return jnp.where(jnp.isfinite(span), scaled, jnp.nan)


def unknown_extras(num_levels: int) -> Extras:
    """Return the extras of levels about which nothing is known.

    Args:
        num_levels: number of levels n.

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
    """Levels to live on, one for each of n places; those to be measured come first."""

    levels: PyTree  # [n, …] levels
    slots: Int[Array, "n"]  # [n] int32, where the buffer holds the level, -1 = nowhere
    trains: Bool[Array, "n"]  # [n] bool, whether the rule may learn from this level; otherwise it is only scored
    parents: Int[Array, "n"]  # [n] int32, identity of the level that this one is an edit of, -1 = none
    extras: Extras  # [n], as the buffer holds them, unknown for new levels
    by_score: Bool[Array, "n"]  # [n] bool, whether a replayed level was drawn by its score rather than by staleness
    percentile: Float[Array, "n"]  # [n] float32 in 0..1, of its ranked value when it was drawn, NaN for new levels


@struct.dataclass
class Outcome:
    """What the agents achieved on the levels of a batch.

    Lives may end at different times. Only places that `ended` are read, and only they get a new level,
    from the next `sample` that wants one for them.
    """

    ended: Bool[Array, "n"]  # [n] bool, whether the lives on this place are over
    agent_return: Float[Array, "n"]  # [n] float32, mean return of the rule's agents at the end of their lives
    episode_returns: Float[Array, "n E"]  # [n, E] float32, returns of their individual episodes
    extras: Extras  # [n], with what was measured added
    positive_value_loss: Float[Array, "n"] | None = None  # [n] float32, time-mean of max(GAE, 0), NaN = no episode
    absolute_value_loss: Float[Array, "n"] | None = None  # [n] float32, time-mean of |GAE|, NaN = no episode
    mean_value: Float[Array, "n"] | None = None  # [n] float32, time-mean of V(s), NaN = no episode
    agent_returns: Float[Array, "n L"] | None = None  # [n, L] float32, mean return of each of the agents, NaN = broken
    kept_returns: Float[Array, "C"] | None = None  # [C] float32, normalised returns of kept levels, NaN = none


class Curriculum(Protocol):
    """Chooses the levels of each generation from fresh ones and those it has kept."""

    def num_measured(self, num_places: int) -> int:
        """Return how many places, the first ones of a batch, hold new levels that must be measured to be scored."""
        ...

    def init(self, example_level: PyTree) -> PyTree:
        """Return the state before the first generation, for levels shaped like the example."""
        ...

    def sample(
        self, key: Key[Array, ""], state: PyTree, fresh: PyTree, wanted: Bool[Array, "n"]
    ) -> tuple[PyTree, Batch]:
        """Choose n levels, given n fresh ones [n, …]; use only those of the wanted places."""
        ...

    def update(self, key: Key[Array, ""], state: PyTree, batch: Batch, outcome: Outcome) -> PyTree:
        """Return the state once the outcome of the places that ended is known."""
        ...

    def report(self, state: PyTree, batch: Batch, outcome: Outcome) -> dict[str, Array]:
        """Return numbers [] for the log of a generation, from the state after its update."""
        ...


def new_batch(levels: PyTree, num_places: int) -> Batch:
    """Build a batch of new levels that all train.

    Args:
        levels: [n, …] levels.
        num_places: number of places n.

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
        by_score=jnp.zeros(num_places, bool),
        percentile=jnp.full(num_places, jnp.nan, jnp.float32),
    )


@dataclass(frozen=True)
class DomainRandomization:
    """Every generation trains on fresh levels alone (Tobin et al. 2017, arXiv:1703.06907).

    With a generator that draws from a fixed set of levels, this is training on that set.
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
