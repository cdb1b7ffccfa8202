"""What lives say of the levels they were lived on."""

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from groove.discovery.population import Outcomes
from ued.curriculum import Extras, Outcome


def level_outcome(outcomes: Outcomes, level: Int[Array, "N"], num_levels: int, extras: Extras) -> Outcome:
    """The outcome of n levels, each lived on by as many agents.

    Means are of the lives that came to a sound end: a broken candidate says nothing of the level.

    Args:
        outcomes: of N lives, which all ended.
        level: [N] int32 in 0..n - 1, the level of each life; each level N / n times.
        num_levels: n.
        extras: [n], whose best return is raised where an episode was better.

    Returns:
        The outcome [n], NaN where all lives on a level broke.
    """
    order = jnp.argsort(level, stable=True)

    def by_level(x: Float[Array, "N ..."]) -> Float[Array, "n lives ..."]:
        return x[order].reshape(num_levels, -1, *x.shape[1:])

    def mean(x: Float[Array, "N"]) -> Float[Array, "n"]:
        return jnp.nanmean(by_level(x), axis=1)

    episode_returns = by_level(outcomes.episode_returns).reshape(num_levels, -1)
    # max passes NaN over in silence or hands it on, as it likes: a broken agent's episodes are no best ones.
    best = jnp.max(jnp.where(jnp.isfinite(episode_returns), episode_returns, -jnp.inf), axis=1)
    losses = outcomes.value_losses
    return Outcome(
        ended=jnp.ones(num_levels, bool),
        agent_return=mean(outcomes.returns),
        episode_returns=episode_returns,
        extras=replace(extras, best_return=jnp.maximum(extras.best_return, best)),
        positive_value_loss=None if losses is None else mean(losses.positive),
        absolute_value_loss=None if losses is None else mean(losses.absolute),
        mean_value=None if losses is None else mean(losses.mean_value),
    )
