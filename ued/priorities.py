"""Which levels a batch replays: some places by score, the others by staleness (Jiang et al. 2021, arXiv:2010.03934)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ued.curriculum import NOT_KEPT
from ued.settings import ReplaySettings

LEAST_WEIGHT = 1e-30
"""Smallest weight of an available slot, so that a batch can always be filled; far ranks would underflow float32."""


def ranks(score: Float[Array, "C"], available: Bool[Array, "C"]) -> Int[Array, "C"]:
    """Rank each score among the available ones, 1 = highest; equal scores share the better rank.

    Args:
        score: [C] scores, finite where available.
        available: [C] bool, slots that may be drawn.

    Returns:
        [C] int32 ≥ 1, meaningless where not available.
    """
    ordered = jnp.sort(jnp.where(available, -score, jnp.inf))
    return 1 + jnp.searchsorted(ordered, -score, side="left")


def percentiles(score: Float[Array, "C"], available: Bool[Array, "C"]) -> Float[Array, "C"]:
    """Return the percentile of each score among the available ones: 1 is the highest, equal scores share their mean.

    Args:
        score: [C] scores, finite where available.
        available: [C] bool, slots that may be drawn.

    Returns:
        [C] in 0..1, so that a uniform draw has mean 1/2; NaN where not available.
    """
    ordered = jnp.sort(jnp.where(available, score, jnp.inf))
    below = jnp.searchsorted(ordered, score, side="left") + jnp.searchsorted(ordered, score, side="right")
    return jnp.where(available, below / (2 * jnp.maximum(jnp.sum(available), 1)), jnp.nan)


def inclusion_probabilities(
    weight: Float[Array, "C"],
    share: Float[Array, "C"] | Bool[Array, "C"],
    num_places: Int[Array, ""] | Float[Array, ""],
) -> Float[Array, "C"]:
    """Return π = min(1, c·w) with c such that the mean number of slots drawn is the number of places.

    Args:
        weight: [C] weights w ≥ 0.
        share: [C] in 0..1, the chance that a slot may be drawn; slots whose chance is 0 are never drawn.
        num_places: [] number of places, ≥ 0.

    Returns:
        [C] in 0..1, so that Σ share·π is the number of places; 1 for all slots if there are not more than places.
    """
    share = share.astype(jnp.float32)
    weight = jnp.where(share > 0, jnp.maximum(weight, LEAST_WEIGHT), 0.0)
    # With the heaviest slots certain, c = (k − their share) / (Σ share·w of the others), and is right once c·w ≤ 1.
    order = jnp.argsort(-weight)
    ordered, shares = weight[order], share[order]
    others = jnp.cumsum((shares * ordered)[::-1])[::-1]
    scale = (num_places - (jnp.cumsum(shares) - shares)) / jnp.maximum(others, LEAST_WEIGHT)
    scale = scale[jnp.argmax(scale * ordered <= 1)]
    certain = jnp.sum(share) <= num_places
    return jnp.where(share > 0, jnp.where(certain, 1.0, jnp.clip(scale * weight, 0.0, 1.0)), 0.0)


def systematic_sample(key: Key[Array, ""], inclusion: Float[Array, "C"]) -> Bool[Array, "C"]:
    """Draw slots with given inclusion probabilities by systematic sampling in random order.

    Args:
        key: consumed.
        inclusion: [C] probabilities in 0..1, whose sum is an integer up to rounding.

    Returns:
        [C] bool, slots drawn, all with a probability above 0; as many as the sum, up to one less or more where sums of
        float32 round.
    """
    order_key, start_key = jax.random.split(key)
    order = jnp.argsort(jax.random.uniform(order_key, inclusion.shape))
    total = jnp.round(jnp.sum(inclusion))
    # Sums of float32 from a parallel scan may fall or rise by a rounding where nothing is added.
    sums = jnp.minimum(jax.lax.cummax(jnp.cumsum(inclusion[order])), total)
    marks = jnp.floor(sums - jax.random.uniform(start_key)).astype(jnp.int32)
    drawn = (jnp.diff(marks, prepend=-1) > 0) & (inclusion[order] > 0)
    return jnp.zeros(inclusion.shape, bool).at[order].set(drawn)


@dataclass(frozen=True)
class Priorities:
    """Replay of k levels at a time: k_s = (1 − ρ)k places go by score, the others by staleness.

    For k = 1 this is PLR's mixture (1 − ρ)·P_score + ρ·P_stale with P_score ∝ rank^(−1/β). The k_s places draw
    without replacement with weights (1 + (rank − 1)/k_s)^(−1/β), or score^(1/β) for scores that are never negative, or
    take the k_s highest scores. The others draw among the rest with weights that are the generations since a level was
    last drawn.

    Differs: PLR defines a single draw. Drawn k times without replacement, its mixture exhausts the few levels that
    hold the mass of the scores, and staleness decides most places.

    Attributes:
        settings: priorities is the kind, temperature is β, staleness is ρ.
    """

    settings: ReplaySettings = ReplaySettings()

    def by_score(
        self, score: Float[Array, "C"], available: Bool[Array, "C"], num_places: Int[Array, ""]
    ) -> Float[Array, "C"]:
        """Return the inclusion probabilities of the places that go by score.

        Args:
            score: [C] scores, finite where available.
            available: [C] bool, slots that may be drawn.
            num_places: [] number of these places, k_s.

        Returns:
            [C] in 0..1; they sum to k_s, or to the number of available slots if there are fewer.
        """
        rank = ranks(score, available)
        if self.settings.priorities == "top":
            same = ranks(-score, available)
            num_tied = jnp.sum(available) - rank - same + 2
            return jnp.where(available, jnp.clip((num_places - rank + 1) / jnp.maximum(num_tied, 1), 0.0, 1.0), 0.0)
        if self.settings.priorities == "rank":
            log_weight = -jnp.log1p((rank - 1) / jnp.maximum(num_places, 1))
        else:
            log_weight = jnp.log(jnp.maximum(score, 0.0))
        log_weight = jnp.where(available, log_weight / self.settings.temperature, -jnp.inf)
        # As logarithms up to here, so that no score is too large; all are equal where all scores are 0.
        highest = jnp.max(log_weight)
        weight = jnp.where(jnp.isneginf(highest), 1.0, jnp.exp(log_weight - highest))
        return inclusion_probabilities(weight, available, num_places)

    def by_age(
        self,
        age: Int[Array, "C"],
        share: Float[Array, "C"] | Bool[Array, "C"],
        num_places: Int[Array, ""] | Float[Array, ""],
    ) -> Float[Array, "C"]:
        """Return the inclusion probabilities of the places that go by staleness.

        Args:
            age: [C] generations since the level was last drawn, ≥ 0.
            share: [C] in 0..1, the chance that a slot was not drawn by score; 0 for slots that may not be drawn.
            num_places: [] number of these places.

        Returns:
            [C] in 0..1; uniform where all ages are 0.
        """
        oldest = jnp.max(jnp.where(share > 0, age, 0))
        return inclusion_probabilities(age / jnp.maximum(oldest, 1), share, num_places)

    def draw(
        self,
        key: Key[Array, ""],
        score: Float[Array, "C"],
        age: Int[Array, "C"],
        available: Bool[Array, "C"],
        num_places: Int[Array, ""] | int,
        size: int,
    ) -> tuple[Int[Array, "size"], Bool[Array, "size"]]:
        """Draw distinct slots for the places of a batch, in random order.

        Args:
            key: consumed.
            score: [C] scores, finite where available.
            age: [C] generations since the level was last drawn, ≥ 0.
            available: [C] bool, slots that may be drawn.
            num_places: [] number of places k ≤ size.
            size: length of the result.

        Returns:
            [size] int32 slots, −1 after the first k and where too few are available; and whether each went by score.
        """
        count_key, score_key, age_key, order_key = jax.random.split(key, 4)
        least, chance = self._places_by_score(jnp.asarray(num_places))
        num_by_score = least + jax.random.bernoulli(count_key, chance).astype(jnp.int32)
        by_score = systematic_sample(score_key, self.by_score(score, available, num_by_score))
        rest = available & ~by_score
        by_age = systematic_sample(age_key, self.by_age(age, rest, num_places - jnp.sum(by_score)))
        # Where a sum was rounded, one more of the rest fills the last place.
        order = jax.random.uniform(order_key, score.shape)
        wanted = jnp.where(by_score | by_age, 2 + order, jnp.where(available, order, -1.0))
        value, slot = jax.lax.top_k(wanted, size)
        drawn = (value >= 0) & (jnp.arange(size) < num_places)
        return jnp.where(drawn, slot, NOT_KEPT).astype(jnp.int32), drawn & by_score[slot]

    def inclusion(
        self,
        score: Float[Array, "C"],
        age: Int[Array, "C"],
        available: Bool[Array, "C"],
        num_places: Int[Array, ""] | int,
    ) -> tuple[Float[Array, "C"], Float[Array, "C"]]:
        """Return the probability of each slot to be in the next batch of `draw`, by score and by staleness.

        With the number of places by score given, the second part takes the levels that are left after them as they
        are on average; for k = 1 it is exact.

        Args:
            score: [C] scores, finite where available.
            age: [C] generations since the level was last drawn, ≥ 0.
            available: [C] bool, slots that may be drawn.
            num_places: [] number of places k.

        Returns:
            [C] each; their sum is in 0..1.
        """
        least, chance = self._places_by_score(jnp.asarray(num_places))

        def parts(num_by_score: Int[Array, ""]) -> tuple[Array, Array]:
            by_score = self.by_score(score, available, num_by_score)
            left = jnp.where(available, 1 - by_score, 0.0)
            return by_score, left * self.by_age(age, left, num_places - num_by_score)

        return jax.tree.map(lambda x, y: (1 - chance) * x + chance * y, parts(least), parts(least + 1))

    def _places_by_score(self, num_places: Int[Array, ""]) -> tuple[Int[Array, ""], Float[Array, ""]]:
        """Return ⌊(1 − ρ)k⌋, and the chance of one place more."""
        exact = (1 - self.settings.staleness) * num_places
        least = jnp.floor(exact + 1e-4)
        return least.astype(jnp.int32), jnp.maximum(exact - least, 0.0)
