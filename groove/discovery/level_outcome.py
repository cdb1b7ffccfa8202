"""What the lives on a level tell about it."""

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from groove.discovery.population import LifeResults
from ued.curriculum import Extras, Outcome


def level_outcome(outcomes: LifeResults, level: Int[Array, "N"], num_levels: int, extras: Extras) -> Outcome:
    """Compute the outcome of n levels from lives, the same number on each level.

    Means are over agents whose parameters stayed finite, since a broken candidate says nothing about the level.

    Args:
        outcomes: outcomes of N lives, all of which ended.
        level: [N] int32 in 0..n - 1, the level of each life; each level occurs N / n times.
        num_levels: number of levels n.
        extras: [n] extras, whose best return is raised where an episode was better.

    Returns:
        The outcome [n], NaN where all lives on a level broke.
    """
    order = jnp.argsort(level, stable=True)

    def by_level(x: Float[Array, "N ..."]) -> Float[Array, "n lives ..."]:
        return x[order].reshape(num_levels, -1, *x.shape[1:])

    def mean(x: Float[Array, "N"]) -> Float[Array, "n"]:
        return jnp.nanmean(by_level(x), axis=1)

    returns = by_level(outcomes.returns)
    episode_returns = by_level(outcomes.episode_returns).reshape(num_levels, -1)
    # max may either ignore or propagate NaN, so the episodes of broken agents are masked out.
    best = jnp.max(jnp.where(jnp.isfinite(episode_returns), episode_returns, -jnp.inf), axis=1)
    losses = outcomes.value_losses
    return Outcome(
        ended=jnp.ones(num_levels, bool),
        agent_return=jnp.nanmean(returns, axis=1),
        episode_returns=episode_returns,
        extras=replace(extras, best_return=jnp.maximum(extras.best_return, best)),
        positive_value_loss=None if losses is None else mean(losses.positive),
        absolute_value_loss=None if losses is None else mean(losses.absolute),
        mean_value=None if losses is None else mean(losses.mean_value),
        agent_returns=returns,
    )
