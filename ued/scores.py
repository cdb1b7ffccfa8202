"""Scores of levels; a higher score is replayed sooner. Scores are finite, or -inf if a level cannot be scored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from ued.curriculum import Outcome

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
    """

    formula: Callable[[Outcome], Float[Array, "n"]]
    needs: frozenset[Need] = frozenset()
    non_negative: bool = False

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
    "algorithmic_regret": Score(algorithmic_regret, frozenset({"antagonist"})),
    "exact_regret": Score(exact_regret, frozenset({"optimum"})),
    "positive_value_loss": Score(positive_value_loss, frozenset({"values"}), non_negative=True),
    "l1_value_loss": Score(l1_value_loss, frozenset({"values"}), non_negative=True),
    "max_monte_carlo": Score(max_monte_carlo, frozenset({"values"})),
    "learnability": Score(learnability, frozenset({"random"}), non_negative=True),
    "uniform": Score(uniform, non_negative=True),
}
"""Every score by name."""


def _given(value: Float[Array, "n"] | None, name: str) -> Float[Array, "n"]:
    if value is None:
        raise ValueError(f"Outcome.{name} must be measured for this score, got None")
    return value
