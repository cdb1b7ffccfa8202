"""Sampling for learnability: half of each batch from the most learnable levels of a large pool."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ued.curriculum import NOT_KEPT, Batch, Outcome, new_batch
from ued.level_buffer import LevelBuffer, draw_slots, empty_buffer, keep_best, kept_or_fresh
from ued.priorities import inclusion_probabilities
from ued.replay import num_replayed_places
from ued.scores import SCORES, Score
from ued.settings import ReplaySettings


@struct.dataclass
class LearnabilityState:
    """Two sets of K levels: those drawn from and those found since."""

    active: LevelBuffer  # levels of the last period, drawn from
    found: LevelBuffer  # the best of this period's new levels
    generation: Int[Array, ""]  # [] int32, updates so far


@dataclass(frozen=True)
class LearnabilitySampling:
    """Sampling for learnability, SFL (Rutherford et al. 2024, arXiv:2408.15099).

    Of the new levels of `sfl_period` generations, the `capacity` most learnable ones are kept. Over the
    next period, half of each batch is drawn uniformly from them.

    Differs: the pool consists of the new levels that the period's candidate rules train on anyway. It
    is not rolled out separately, so a generation costs no extra environment steps.

    Differs: a level is not marked as in use; if lives end at different times, two may share a level.

    Attributes:
        capacity: number of levels K kept from a pool, at least the levels of a batch.
        settings: replay settings; sfl_period is the number of generations whose new levels form a pool.
    """

    capacity: int
    settings: ReplaySettings = ReplaySettings()

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"LearnabilitySampling.capacity must be >= 1, got {self.capacity}")

    @property
    def score(self) -> Score:
        """Learnability."""
        return SCORES["learnability"]

    def num_measured(self, num_places: int) -> int:
        return num_places - num_replayed_places(num_places, self.settings.replay_fraction)

    def init(self, example_level: PyTree) -> LearnabilityState:
        empty = empty_buffer(example_level, self.capacity)
        return LearnabilityState(active=empty, found=empty, generation=jnp.int32(0))

    def inclusion(self, state: LearnabilityState, num_places: int) -> dict[str, Float[Array, "K"]]:
        """Return each active slot's probability of being in the next batch.

        Args:
            state: state of the curriculum.
            num_places: number of places of a batch n.

        Returns:
            "uniform", [K], 0 for empty slots.
        """
        filled = state.active.filled
        num_replayed = jnp.asarray(num_places - self.num_measured(num_places))
        return {"uniform": inclusion_probabilities(jnp.ones(filled.shape), filled, num_replayed)}

    def sample(
        self, key: Key[Array, ""], state: LearnabilityState, fresh: PyTree, wanted: Bool[Array, "n"]
    ) -> tuple[LearnabilityState, Batch]:
        num_places = wanted.shape[0]
        num_new = self.num_measured(num_places)
        if num_places > self.capacity:
            raise ValueError(
                f"LearnabilitySampling.capacity must be >= the {num_places} levels in use, got {self.capacity}"
            )
        slots = draw_slots(key, state.active.filled, num_places - num_new)
        slots = jnp.where(wanted[num_new:], slots, NOT_KEPT)
        replayed = kept_or_fresh(state.active.levels, slots, jax.tree.map(lambda x: x[num_new:], fresh))
        levels = jax.tree.map(lambda x, y: jnp.concatenate([x[:num_new], y]), fresh, replayed)
        batch = new_batch(levels, num_places)
        return state, replace(batch, slots=batch.slots.at[num_new:].set(slots))

    def update(
        self, key: Key[Array, ""], state: LearnabilityState, batch: Batch, outcome: Outcome
    ) -> LearnabilityState:
        del key
        found = keep_best(state.found, batch, outcome, self.score(outcome))
        generation = state.generation + 1
        found = replace(found, generation=generation)
        over = generation % self.settings.sfl_period == 0
        example = jax.tree.map(lambda x: x[0], found.levels)
        empty = replace(empty_buffer(example, self.capacity), generation=generation, num_arrived=found.num_arrived)

        def choose(if_over: PyTree, otherwise: PyTree) -> PyTree:
            return jax.tree.map(lambda a, b: jnp.where(over, a, b), if_over, otherwise)

        return LearnabilityState(active=choose(found, state.active), found=choose(empty, found), generation=generation)

    def report(self, state: LearnabilityState, batch: Batch, outcome: Outcome) -> dict[str, Array]:
        score, replayed = self.score(outcome), batch.slots != NOT_KEPT
        return {
            "levels_kept": jnp.sum(state.active.filled),
            "levels_replayed": jnp.sum(replayed),
            "kept_score": jnp.mean(state.active.score, where=state.active.available),
            "score_new": jnp.mean(score, where=~replayed & outcome.ended & jnp.isfinite(score)),
        }
