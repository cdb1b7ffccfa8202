"""The one random search, for hyperparameters that suit a rule on validation levels or environments."""

from dataclasses import replace
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lpg.update_rule import Hyperparameters, UpdateRule

Configuration = TypeVar("Configuration")

TUNING_SEEDS = 3
"""Agents of each configuration on each level or environment."""

DECAYS = (0.0, 1.0, 2.0)
"""Exponents tried for the decay of the learning rates and of the entropy cost."""


def search_space(rule: UpdateRule, default: Hyperparameters, num_configurations: int) -> list[Hyperparameters]:
    """Return the hyperparameters of a search: the default first, then draws around it.

    Both learning rates and the costs that the rule reads are log-uniform within a factor of 10 of the default; decays
    of the rates, and of the entropy cost for a rule that reads it, are uniform among `DECAYS`.

    Args:
        rule: the rule to tune.
        default: centre of the search; all fields are scalars.
        num_configurations: number of configurations, ≥ 1.

    Returns:
        That many, the same in every call.
    """
    draws = np.random.default_rng(0)
    names = ("learning_rate", "prediction_learning_rate", *rule.costs)
    decays = ("learning_rate_decay", *(["entropy_decay"] if "entropy_cost" in rule.costs else []))

    def around() -> Hyperparameters:
        scaled = {name: jnp.float32(getattr(default, name) * 10 ** draws.uniform(-1, 1)) for name in names}
        return replace(default, **scaled, **{name: jnp.float32(draws.choice(DECAYS)) for name in decays})

    return [default] + [around() for _ in range(num_configurations - 1)]


def best_of(configurations: list[Configuration], worths: Float[np.ndarray, "n"]) -> Configuration:
    """Return the configuration with the highest worth, the first one on ties.

    Args:
        configurations: n configurations.
        worths: [n] their finite worths.

    Returns:
        The best one.
    """
    return configurations[int(np.argmax(worths))]
