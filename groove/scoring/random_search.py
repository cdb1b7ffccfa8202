"""The one random search: learning rates and costs that suit a rule on validation levels or environments."""

from collections.abc import Callable
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lpg.update_rule import Hyperparameters, UpdateRule

TUNING_SEEDS = 3
"""Agents of each configuration on each level or environment."""


def search_space(rule: UpdateRule, default: Hyperparameters, num_configurations: int) -> list[Hyperparameters]:
    """Return the configurations of a search: the default first, then draws around it.

    Both learning rates and the costs that the rule reads are log-uniform within a factor of 10 of the default.

    Args:
        rule: the rule to tune.
        default: centre of the search, of scalars.
        num_configurations: ≥ 1.

    Returns:
        As many configurations, the same at every call.
    """
    draws = np.random.default_rng(0)
    names = ("learning_rate", "prediction_learning_rate", *rule.costs)

    def around() -> Hyperparameters:
        return replace(
            default, **{name: jnp.float32(getattr(default, name) * 10 ** draws.uniform(-1, 1)) for name in names}
        )

    return [default] + [around() for _ in range(num_configurations - 1)]


def best_of(
    configurations: list[Hyperparameters], worths: Callable[[list[Hyperparameters]], Float[np.ndarray, "n"]]
) -> Hyperparameters:
    """Return the configuration of the highest worth, the first of equals.

    Args:
        configurations: n of them.
        worths: returns [n] their worths; one that is not finite is never taken, unless none is finite.

    Returns:
        The best one.
    """
    found = worths(configurations)
    return configurations[int(np.argmax(np.where(np.isfinite(found), found, -np.inf)))]
