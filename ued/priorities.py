"""Probabilities of replay: score and staleness (Jiang et al. 2021, arXiv:2010.03934)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ued.settings import ReplaySettings

LEAST_PROBABILITY = 1e-30
"""Smallest probability of an available slot; far ranks at a low temperature would underflow float32."""


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


def _normalised(log_weight: Float[Array, "C"], available: Bool[Array, "C"]) -> Float[Array, "C"]:
    """Probabilities ∝ exp(log_weight): uniform if all weights are 0, all 0 if no slot is available."""
    log_weight = jnp.where(available, log_weight, -jnp.inf)
    flat = jnp.where(jnp.all(jnp.isneginf(log_weight)), jnp.where(available, 0.0, -jnp.inf), log_weight)
    return jnp.where(jnp.any(available), jax.nn.softmax(flat), 0.0)


def effective_number(probability: Float[Array, "C"]) -> Float[Array, ""]:
    """Return the effective number of slots, 1 / ΣP²: k equally likely slots count as k.

    Args:
        probability: [C] probabilities, which sum to 1 or are all 0.

    Returns:
        [] in 1..C, or 0 if all are 0.
    """
    squares = jnp.sum(probability**2)
    return jnp.where(squares > 0, 1 / squares, 0.0)


@dataclass(frozen=True)
class Priorities:
    """Replay distribution P = (1 − ρ)·P_score + ρ·P_stale over the available slots.

    P_score ∝ rank^(−1/β), or ∝ score^(1/β) for scores that are never negative; P_stale ∝ generations
    since a level was last drawn. Weights are computed as logarithms, so no score is too large.

    Attributes:
        settings: priorities is the kind, temperature is β, staleness is ρ.
    """

    settings: ReplaySettings = ReplaySettings()

    def score_share(self, score: Float[Array, "C"], available: Bool[Array, "C"]) -> Float[Array, "C"]:
        """Return P_score.

        Args:
            score: [C] scores, finite where available.
            available: [C] bool, slots that may be drawn.

        Returns:
            [C], sums to 1 unless nothing is available.
        """
        if self.settings.priorities == "rank":
            log_weight = -jnp.log(ranks(score, available).astype(jnp.float32)) / self.settings.temperature
        else:
            log_weight = jnp.log(jnp.maximum(score, 0.0)) / self.settings.temperature
        return _normalised(log_weight, available)

    def stale_share(self, age: Int[Array, "C"], available: Bool[Array, "C"]) -> Float[Array, "C"]:
        """Return P_stale.

        Args:
            age: [C] generations since the level was last drawn, ≥ 0.
            available: [C] bool, slots that may be drawn.

        Returns:
            [C], sums to 1 unless nothing is available.
        """
        return _normalised(jnp.log(age.astype(jnp.float32)), available)

    def shares(
        self, score: Float[Array, "C"], age: Int[Array, "C"], available: Bool[Array, "C"]
    ) -> tuple[Float[Array, "C"], Float[Array, "C"]]:
        """Return the two parts of P.

        Args:
            score: [C] scores, finite where available.
            age: [C] generations since the level was last drawn, ≥ 0.
            available: [C] bool, slots that may be drawn.

        Returns:
            (1 − ρ)·P_score and ρ·P_stale, [C] each.
        """
        by_score, by_age = self.score_share(score, available), self.stale_share(age, available)
        return (1 - self.settings.staleness) * by_score, self.settings.staleness * by_age

    def __call__(
        self, score: Float[Array, "C"], age: Int[Array, "C"], available: Bool[Array, "C"]
    ) -> Float[Array, "C"]:
        """Return P.

        Args:
            score: [C] scores, finite where available.
            age: [C] generations since the level was last drawn, ≥ 0.
            available: [C] bool, slots that may be drawn.

        Returns:
            [C] in [0, 1], sums to 1 unless nothing is available. Every available slot has a positive
            probability, so that a batch can always be filled.
        """
        mixture = sum(self.shares(score, age, available))
        return jnp.where(available, jnp.maximum(mixture, LEAST_PROBABILITY), 0.0)
