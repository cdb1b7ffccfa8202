"""Summary statistics of a generation's levels, which show how the curriculum drifts and the regret on it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from levels.features import features
from levels.level import Level
from ued.curriculum import NOT_KEPT, Batch, Outcome
from ued.scores import algorithmic_regret, exact_regret


def batch_statistics(batch: Batch, outcome: Outcome, replays: bool) -> dict[str, Array]:
    """Average features and regrets separately over the new and the replayed levels of a batch.

    Args:
        batch: batch of n levels.
        outcome: outcome of the batch.
        replays: whether the curriculum replays levels at all.

    Returns:
        [] by name: features of grid levels (`levels.features`), and regrets where the antagonists' return or the
        optimum is known; NaN for a group without levels.
    """
    numbers = features_of(batch.levels)
    if replays:
        numbers |= {"regret": algorithmic_regret(outcome), "exact_regret": exact_regret(outcome)}
    replayed = batch.slots != NOT_KEPT
    groups = {"new": ~replayed} | ({"replayed": replayed} if replays else {})
    return {
        f"{name}_{group}": jnp.mean(values, where=where & jnp.isfinite(values))
        for name, values in numbers.items()
        for group, where in groups.items()
    }


def features_of(levels: object) -> dict[str, Array]:
    """Compute features of levels; worlds whose parameters are not a Level have none.

    Args:
        levels: [n, …] levels.

    Returns:
        [n] float32 by name.
    """
    return jax.vmap(features)(levels) if isinstance(levels, Level) else {}
