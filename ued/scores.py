"""Scores of levels; a higher score is replayed sooner. Scores are finite, or -inf if a level cannot be scored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from ued.curriculum import Outcome
from ued.ranking import Noise

Need = Literal["antagonist", "optimum", "random", "values"]
"""What a score reads besides the rule's returns: antagonists, the exact solver, random actions, value estimates."""


def algorithmic_regret(outcome: Outcome) -> Float[Array, "n"]:
    """Return V(antagonist) − V(rule's agent), each at the end of its life (Jackson et al. 2023, arXiv:2310.02782)."""
    return outcome.extras.antagonist_mean - outcome.agent_return


def exact_regret(outcome: Outcome) -> Float[Array, "n"]:
    """Return V* − V(rule's agent), where V* is the return of the best policy."""
    return outcome.extras.optimal_return - outcome.agent_return


def positive_value_loss(outcome: Outcome) -> Float[Array, "n"]:
    """Return the mean over episodes of the time-mean of max(GAE, 0) (Jiang et al. 2021, arXiv:2110.02439)."""
    return _given(outcome.positive_value_loss, "positive_value_loss")


def l1_value_loss(outcome: Outcome) -> Float[Array, "n"]:
    """Return the mean over episodes of the time-mean of |GAE| (Jiang et al. 2021, arXiv:2010.03934)."""
    return _given(outcome.absolute_value_loss, "absolute_value_loss")


def max_monte_carlo(outcome: Outcome) -> Float[Array, "n"]:
    """Return the mean over visited states of the best return ever seen on the level − V(s_t) (arXiv:2110.02439)."""
    return outcome.extras.best_return - _given(outcome.mean_value, "mean_value")


def learnability(outcome: Outcome) -> Float[Array, "n"]:
    """Return p(1 − p), where p is the share of successful episodes (Rutherford et al. 2024, arXiv:2408.15099).

    An episode succeeds if its return is above the midpoint between a random policy's and the best ever seen.
    """
    midpoint = (outcome.extras.random_return + outcome.extras.best_return) / 2
    finished = jnp.isfinite(outcome.episode_returns)
    share = jnp.mean(outcome.episode_returns > midpoint[:, None], axis=1, where=finished)
    return jnp.where(jnp.isfinite(midpoint), share * (1 - share), jnp.nan)


def generalised_learnability(outcome: Outcome) -> Float[Array, "n"]:
    """Return (s / √n)·exp(−(R̄ − μ)² / (2σ²)), learnability for graded returns (Monette et al. 2025, arXiv:2505.20659).

    R̄ and s are the mean and standard deviation of a level's normalised returns (`Extras.normalised`) over its n agents,
    μ and σ those of R̄ over the levels of the buffer, or of the outcome as long as fewer than two levels are kept.

    Differs: the authors' public code divides by 2σ⁴, passing σ² for σ.
    """
    returns = outcome.extras.normalised(_given(outcome.agent_returns, "agent_returns"))
    mean, deviation = jnp.nanmean(returns, axis=1), jnp.nanstd(returns, axis=1, ddof=1)
    num_agents = jnp.sum(jnp.isfinite(returns), axis=1)
    reference = jnp.stack([jnp.nanmean(mean), jnp.nanstd(mean)])
    if outcome.kept_returns is not None:
        kept = jnp.stack([jnp.nanmean(outcome.kept_returns), jnp.nanstd(outcome.kept_returns)])
        reference = jnp.where(jnp.sum(jnp.isfinite(outcome.kept_returns)) > 1, kept, reference)
    # If all kept levels are alike, a level that is not like them is as far away as can be.
    distance = (mean - reference[0]) / jnp.maximum(reference[1], 1e-12)
    return deviation / jnp.sqrt(num_agents) * jnp.exp(-(distance**2) / 2)


def uniform(outcome: Outcome) -> Float[Array, "n"]:
    """Return the same score for all levels."""
    return jnp.zeros_like(outcome.agent_return)


@dataclass(frozen=True)
class Score:
    """A way to rank levels.

    Attributes:
        formula: function from an outcome to scores [n], which may be NaN.
        needs: quantities that must have been measured.
        non_negative: whether scores are never below 0, as proportional replay requires.
        noise: the error of the score, if it is known, from the extras of a level (`ued.ranking`).
    """

    formula: Callable[[Outcome], Float[Array, "n"]]
    needs: frozenset[Need] = frozenset()
    non_negative: bool = False
    noise: Noise | None = None

    def __call__(self, outcome: Outcome) -> Float[Array, "n"]:
        """Score the levels of a batch.

        Args:
            outcome: outcome of n levels.

        Returns:
            [n], finite or -inf; a level without a finite score can be neither compared nor replayed.
        """
        score = self.formula(outcome)
        return jnp.where(jnp.isfinite(score), score, -jnp.inf)


SCORES: dict[str, Score] = {
    "algorithmic_regret": Score(
        algorithmic_regret,
        frozenset({"antagonist"}),
        # The agents' part of the noise is drawn again at every visit; the antagonists' part stays with the level.
        noise=lambda extras: (extras.antagonist_variance, extras.antagonist_count),
    ),
    "exact_regret": Score(exact_regret, frozenset({"optimum"})),
    "positive_value_loss": Score(positive_value_loss, frozenset({"values"}), non_negative=True),
    "l1_value_loss": Score(l1_value_loss, frozenset({"values"}), non_negative=True),
    "max_monte_carlo": Score(max_monte_carlo, frozenset({"values"})),
    "learnability": Score(learnability, frozenset({"random"}), non_negative=True),
    "generalised_learnability": Score(generalised_learnability, frozenset({"random"}), non_negative=True),
    "uniform": Score(uniform, non_negative=True),
}
"""Every score by name."""


def _given(value: Array | None, name: str) -> Array:
    if value is None:
        raise ValueError(f"Outcome.{name} must be measured for this score, got None")
    return value
