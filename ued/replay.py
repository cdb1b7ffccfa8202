"""Prioritised level replay: PLR, robust PLR and ACCEL, each with any score; with algorithmic regret it is GROOVE."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ued.curriculum import NOT_KEPT, Batch, Outcome, unknown_extras
from ued.level_buffer import (
    LevelBuffer,
    empty_buffer,
    first_or_second,
    give_back,
    keep_best,
    kept_or_fresh,
    take,
)
from ued.priorities import Priorities, percentiles
from ued.ranking import Ranking
from ued.scores import Score
from ued.settings import ReplaySettings

Edit = Callable[[Key[Array, ""], PyTree], PyTree]
"""Function from a key and a level to a level that differs from it in a few details."""


def num_replayed_places(num_places: int, fraction: float) -> int:
    """Return how many places of a batch hold replayed levels; at least one is left for new levels.

    Args:
        num_places: number of places n.
        fraction: fraction of the places that hold replayed levels, in [0, 1]; their number is rounded.

    Returns:
        A number in 0..n - 1.
    """
    return min(round(fraction * num_places), num_places - 1)


@dataclass(frozen=True)
class PrioritizedLevelReplay:
    """A fixed number of new and of replayed levels each generation (Jiang et al. 2021, arXiv:2010.03934).

    Replay starts once `min_filled` of the buffer is filled. Until then, fresh levels take the places of
    replayed ones; they train the rule unless `robust`, but are stored only if they can be scored. Robust
    PLR (arXiv:2110.02439) trains the rule on replayed levels only. ACCEL (Parker-Holder et al. 2022,
    arXiv:2203.01302) is robust PLR in which some new levels are edits of replayed ones.

    Differs: the published methods flip a coin to decide whether a whole batch is new or replayed.

    Attributes:
        score: score that ranks levels.
        settings: replay settings; buffer is the number of slots C, at least the number of levels in a batch.
        robust: whether new levels are scored but do not train.
        edit: random edit of a level, for ACCEL.
    """

    score: Score
    settings: ReplaySettings = ReplaySettings()
    robust: bool = False
    edit: Edit | None = None

    def __post_init__(self) -> None:
        if self.settings.priorities == "proportional" and not self.score.non_negative:
            raise ValueError("ReplaySettings.priorities must be rank for a score that may be negative")

    @property
    def priorities(self) -> Priorities:
        """Probabilities of replay, from scores and staleness."""
        return Priorities(self.settings)

    @property
    def ranking(self) -> Ranking:
        """What levels are drawn and evicted by, from their scores."""
        return Ranking(self.settings.score_uncertainty, self.score.noise)

    def ranked(self, state: LevelBuffer) -> Float[Array, "C"]:
        """Return what each slot is ranked by: its score, or what `score_uncertainty` makes of it.

        Args:
            state: buffer of the curriculum.

        Returns:
            [C], finite where the score is, -inf elsewhere.
        """
        return self.ranking(state.score, state.extras)

    def num_measured(self, num_places: int) -> int:
        return num_places - num_replayed_places(num_places, self.settings.replay_fraction)

    def init(self, example_level: PyTree) -> LevelBuffer:
        return empty_buffer(example_level, self.settings.buffer)

    def inclusion(self, state: LevelBuffer, num_places: int) -> dict[str, Float[Array, "C"]]:
        """Return each slot's probability of being in the next batch, by what it would be drawn for.

        Args:
            state: buffer of the curriculum.
            num_places: number of places of a batch n.

        Returns:
            "by score" and "by staleness", [C] each, once replay has begun; 0 for slots that are empty, unscored or
            in use.
        """
        num_replayed = num_places - self.num_measured(num_places)
        parts = self.priorities.inclusion(self.ranked(state), state.age, state.available, num_replayed)
        return dict(zip(("by score", "by staleness"), parts, strict=True))

    def sample(
        self, key: Key[Array, ""], state: LevelBuffer, fresh: PyTree, wanted: Bool[Array, "n"]
    ) -> tuple[LevelBuffer, Batch]:
        num_places = wanted.shape[0]
        num_new = self.num_measured(num_places)
        num_replayed = num_places - num_new
        if num_places > self.settings.buffer:
            raise ValueError(
                f"ReplaySettings.buffer must be >= the {num_places} levels in use, got {self.settings.buffer}"
            )
        draw_key, edit_key = jax.random.split(key)
        ranked = self.ranked(state)
        slots, by_score = self._draw(draw_key, state, ranked, wanted[num_new:])
        replays = slots != NOT_KEPT
        percentile = percentiles(ranked, state.available)[slots]
        replayed = kept_or_fresh(state.levels, slots, jax.tree.map(lambda x: x[num_new:], fresh))
        new, parents = jax.tree.map(lambda x: x[:num_new], fresh), jnp.full(num_new, NOT_KEPT, jnp.int32)
        if self.edit is not None and num_replayed:
            identities = jnp.where(replays, state.identity[slots], NOT_KEPT)
            new, parents = self._with_edits(edit_key, self.edit, new, replayed, identities)
        known = jax.tree.map(lambda x: x[jnp.maximum(slots, 0)], state.extras)
        extras = jax.tree.map(
            lambda unknown, value: unknown.at[num_new:].set(jnp.where(replays, value, unknown[num_new:])),
            unknown_extras(num_places),
            known,
        )
        nowhere, unknown = jnp.full(num_new, NOT_KEPT, jnp.int32), jnp.full(num_new, jnp.nan, jnp.float32)
        batch = Batch(
            levels=jax.tree.map(lambda a, b: jnp.concatenate([a, b]), new, replayed),
            slots=jnp.concatenate([nowhere, slots]),
            trains=jnp.concatenate([jnp.full(num_new, not self.robust), replays | (not self.robust)]),
            parents=jnp.concatenate([parents, jnp.full(num_replayed, NOT_KEPT, jnp.int32)]),
            extras=extras,
            by_score=jnp.concatenate([jnp.zeros(num_new, bool), by_score]),
            percentile=jnp.concatenate([unknown, jnp.where(replays, percentile, jnp.nan)]),
        )
        return take(state, slots), batch

    def update(self, key: Key[Array, ""], state: LevelBuffer, batch: Batch, outcome: Outcome) -> LevelBuffer:
        del key
        score = self._scored(state, outcome)
        state = give_back(state, batch, outcome, score)
        state = keep_best(state, batch, outcome, score, self.ranking)
        return replace(state, generation=state.generation + 1)

    def report(self, state: LevelBuffer, batch: Batch, outcome: Outcome) -> dict[str, Array]:
        score, replayed, ranked = self._scored(state, outcome), batch.slots != NOT_KEPT, self.ranked(state)
        numbers = {
            "levels_kept": jnp.sum(state.filled),
            "levels_evicted": state.num_evicted,
            "levels_replayed": jnp.sum(replayed),
            "replayed_by_score": jnp.mean(batch.by_score, where=replayed),
            "replayed_percentile": jnp.mean(batch.percentile, where=replayed),
            "levels_ever_replayed": jnp.sum(state.filled & (state.visits > 1)),
            "kept_score": jnp.mean(state.score, where=state.available),
            "kept_ranked_score": jnp.mean(ranked, where=state.available),
            "ranked_score_replayed": jnp.mean(ranked[batch.slots], where=replayed & jnp.isfinite(ranked[batch.slots])),
        }
        for name, group in (("new", ~replayed), ("replayed", replayed)):
            numbers[f"score_{name}"] = jnp.mean(score, where=group & outcome.ended & jnp.isfinite(score))
        return numbers

    def _scored(self, state: LevelBuffer, outcome: Outcome) -> Float[Array, "n"]:
        """Score the levels of a batch, given those that are kept."""
        kept = jnp.where(state.available | state.in_use, state.extras.normalised(state.agent_return), jnp.nan)
        return self.score(replace(outcome, kept_returns=kept))

    def _draw(
        self, key: Key[Array, ""], state: LevelBuffer, ranked: Float[Array, "C"], wanted: Bool[Array, "k"]
    ) -> tuple[Int[Array, "k"], Bool[Array, "k"]]:
        """Draw a slot for each place that wants one, and whether it went by score."""
        num_replayed = wanted.shape[0]
        if not num_replayed:
            return jnp.zeros(0, jnp.int32), jnp.zeros(0, bool)
        num_wanted = jnp.sum(wanted)
        slots, by_score = self.priorities.draw(key, ranked, state.age, state.available, num_wanted, num_replayed)
        place = jnp.cumsum(wanted) - 1
        taken = wanted & self._ready(state, num_replayed)
        return jnp.where(taken, slots[place], NOT_KEPT), taken & by_score[place]

    def _ready(self, state: LevelBuffer, num_replayed: int) -> Bool[Array, ""]:
        filled, available = jnp.sum(state.filled), jnp.sum(state.available)
        return (filled >= self.settings.least_kept) & (available >= num_replayed)

    def _with_edits(
        self, key: Key[Array, ""], edit: Edit, new: PyTree, replayed: PyTree, identities: Array
    ) -> tuple[PyTree, Array]:
        """Replace the first of the new levels by edits of replayed ones, as far as there are any."""
        num_new, num_replayed = jax.tree.leaves(new)[0].shape[0], identities.shape[0]
        num_edits = round(self.settings.edit_fraction * num_new)
        parent = jnp.arange(num_edits) % num_replayed
        edited = jax.vmap(edit)(jax.random.split(key, num_edits), jax.tree.map(lambda x: x[parent], replayed))
        fresh = jax.tree.map(lambda x: x[:num_edits], new)
        first = first_or_second(identities[parent] != NOT_KEPT, edited, fresh)
        parents = jnp.full(num_new, NOT_KEPT, jnp.int32).at[:num_edits].set(identities[parent])
        return jax.tree.map(lambda x, y: x.at[:num_edits].set(y), new, first), parents
