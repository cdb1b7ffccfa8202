"""What levels are ranked by where scores are noisy: the score as measured, a lower bound, or a shrunken score."""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ued.curriculum import Extras
from ued.settings import ScoreUncertainty

Noise = Callable[[Extras], tuple[Float[Array, "n"], Int[Array, "n"]]]
"""Function from extras to the unbiased variance between repeated measurements of a score, and their number."""

PRIOR_COUNT = 2
"""Degrees of freedom that the mean variance of all levels counts for in the variance of one; chosen here, because two
antagonists that agree by chance would otherwise have no error."""

NUM_ERRORS = 2
"""Standard errors between a score and its lower bound, the end of a 95% interval; chosen here (docs/curricula.md)."""


@dataclass(frozen=True)
class Ranking:
    """Turns scores into the values by which levels are drawn and evicted.

    The maximum of many noisy scores is too high, and the noisier a level, the more so. The lower bound is the score
    minus two standard errors. The shrunken score is the posterior mean μ + τ²/(τ² + e²)·(score − μ) of a normal prior
    (Efron and Morris 1973), with e the standard error, and μ and τ² the mean and variance of the scores of all levels,
    the noise subtracted from τ².

    Attributes:
        uncertainty: mean (the score itself), lower_bound or shrunken.
        noise: where the error of a score comes from; None if it is not known, and the score itself ranks.
    """

    uncertainty: ScoreUncertainty = "mean"
    noise: Noise | None = None

    def __call__(self, score: Float[Array, "n"], extras: Extras) -> Float[Array, "n"]:
        """Return the values that rank levels.

        Args:
            score: [n] scores as measured, finite or -inf.
            extras: extras [n] of the same levels.

        Returns:
            [n], finite where the score is, -inf elsewhere.
        """
        if self.noise is None or self.uncertainty == "mean":
            return score
        known = jnp.isfinite(score)
        squared_error = _squared_error(*self.noise(extras), known)
        if self.uncertainty == "lower_bound":
            return jnp.where(known, score - NUM_ERRORS * jnp.sqrt(squared_error), -jnp.inf)
        mean = jnp.mean(score, where=known)
        noise = jnp.mean(squared_error, where=known)
        spread = jnp.maximum(jnp.var(score, where=known) - noise, 0.0)
        # Where noise explains all differences, a small share of them still tells the levels apart.
        spread = jnp.maximum(spread, 1e-3 * noise)
        share = jnp.where(squared_error > 0, spread / (spread + squared_error), 1.0)
        return jnp.where(known, mean + share * (score - mean), -jnp.inf)


BY_SCORE = Ranking()
"""The score as measured."""


def _squared_error(variance: Float[Array, "n"], count: Int[Array, "n"], known: Bool[Array, "n"]) -> Float[Array, "n"]:
    """Return the squared standard errors of means, each variance drawn towards that of all levels."""
    freedom = jnp.where(known & jnp.isfinite(variance), jnp.maximum(count - 1, 0), 0)
    own = jnp.where(freedom > 0, variance, 0.0)
    common = jnp.sum(freedom * own) / jnp.maximum(jnp.sum(freedom), 1)
    return (PRIOR_COUNT * common + freedom * own) / (PRIOR_COUNT + freedom) / jnp.maximum(count, 1)
