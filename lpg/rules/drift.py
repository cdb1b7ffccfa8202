"""A drift with learned weights, in the form of LPO (Lu et al. 2022, arXiv:2210.05639)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

NUM_TERMS = 8
LEAST_DRIFT = 1e-6
"""Taken off the drift before it is cut at 0, so that a policy that has not moved feels none of it."""


def drift_terms(log_ratio: Float[Array, "..."], advantage: Float[Array, "..."]) -> Float[Array, "... K"]:
    """Return what a learned drift is a weighted sum of; all terms are 0 where the policy has not moved.

    Args:
        log_ratio: [...] log-ratios, log r.
        advantage: [...] advantages A as the base normalises them.

    Returns:
        [..., 8], (1 − r), (1 − r)², log r and (log r)², then the same times A.
    """
    away = -jnp.expm1(log_ratio)
    alone = jnp.stack([away, away**2, log_ratio, log_ratio**2], axis=-1)
    return jnp.concatenate([alone, alone * advantage[..., None]], axis=-1)


def changed_drift(
    weights: Float[Array, "... K"],
    log_ratio: Float[Array, "..."],
    advantage: Float[Array, "..."],
    drift: Float[Array, "..."],
) -> Float[Array, "..."]:
    """Return a drift with learned terms added.

    Args:
        weights: [..., 8] weights of the terms.
        log_ratio: [...] log-ratios, log r.
        advantage: [...] advantages as the base normalises them.
        drift: [...] drift of the base, ≥ 0.

    Returns:
        [...], relu(Σ weight·term + drift − 1e-6), and exactly the base's where the sum is 0.
    """
    learned = jnp.sum(weights * drift_terms(log_ratio, advantage), axis=-1)
    return jnp.where(learned == 0, drift, jax.nn.relu(learned + drift - LEAST_DRIFT))
