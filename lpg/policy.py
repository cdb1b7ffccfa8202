"""Policies given by logits: categorical over integer actions, Gaussian over vectors of floats."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from levels.world import World

LOG_STDS = (-5.0, 2.0)
"""Least and greatest log standard deviation of a component of an action."""


def num_logits(world: World) -> int:
    """Return how many numbers a policy head outputs.

    Args:
        world: the environment, with A actions.

    Returns:
        A for integer actions; 2·A for vectors, the means and log standard deviations of their components.
    """
    return 2 * world.num_actions if world.continuous_actions else world.num_actions


def num_draws(world: World) -> int:
    """Return how many random numbers one action needs.

    Args:
        world: the environment, with A actions.

    Returns:
        1 for integer actions; A for vectors of floats.
    """
    return world.num_actions if world.continuous_actions else 1


def sample_action(draw: Float[Array, "B"], logits: Float[Array, "B A"]) -> Int[Array, "B"]:
    """Sample actions from a categorical policy by inverting its cumulative distribution function.

    Args:
        draw: [B] uniform random numbers in [0, 1).
        logits: [B, A] unnormalised log-policy.

    Returns:
        [B] int32 in 0..A - 1.
    """
    by_action = logits.T
    cumulative = jnp.cumsum(jnp.exp(by_action - jnp.max(by_action, axis=0)), axis=0)
    return jnp.sum(draw * cumulative[-1] >= cumulative[:-1], axis=0, dtype=jnp.int32)


def gaussian(logits: Float[Array, "... K"]) -> tuple[Float[Array, "... A"], Float[Array, "... A"]]:
    """Return means and log standard deviations of a Gaussian policy.

    Args:
        logits: [..., 2·A], means and unbounded log standard deviations.

    Returns:
        [..., A] each, the latter in `LOG_STDS`.
    """
    mean, log_std = jnp.split(logits, 2, axis=-1)
    return mean, jnp.clip(log_std, *LOG_STDS)


def sample_vector(draw: Float[Array, "B A"], logits: Float[Array, "B 2*A"]) -> Float[Array, "B A"]:
    """Sample actions from a Gaussian policy with independent components, by inversion.

    Args:
        draw: [B, A] uniform random numbers in [0, 1).
        logits: [B, 2·A], as read by `gaussian`.

    Returns:
        [B, A] float32, unbounded.
    """
    mean, log_std = gaussian(logits)
    # A draw of 0 would give an action of −∞.
    normal = jax.scipy.special.ndtri(jnp.maximum(draw, jnp.finfo(draw.dtype).tiny))
    return mean + jnp.exp(log_std) * normal


def action_log_prob(logits: Float[Array, "T B K"], action: Array) -> Float[Array, "T B"]:
    """Return log π(a|s) of the actions taken, a log-density where they are vectors of floats.

    Args:
        logits: [T, B, K], where K is A, or 2·A for vectors.
        action: [T, B] int32 in 0..A − 1, or [T, B, A] float32.

    Returns:
        [T, B] log-probabilities, ≤ 0 for integers.
    """
    if jnp.issubdtype(action.dtype, jnp.floating):
        mean, log_std = gaussian(logits)
        return jnp.sum(jax.scipy.stats.norm.logpdf(action, mean, jnp.exp(log_std)), axis=-1)
    log_policy = _log_policy(logits)
    taken = jax.nn.one_hot(action, log_policy.shape[0], axis=0, dtype=bool)
    return jnp.sum(log_policy, axis=0, where=taken)


def action_entropy(logits: Float[Array, "T B K"], action: Array) -> Float[Array, "T B"]:
    """Return the policy's entropy in nats, for either kind of action.

    Args:
        logits: [T, B, K], where K is A, or 2·A for vectors.
        action: [T, B] int32 or [T, B, A] float32; only its dtype is read.

    Returns:
        [T, B] entropies, in [0, log A] for integers; differential entropies for vectors.
    """
    if jnp.issubdtype(action.dtype, jnp.floating):
        _, log_std = gaussian(logits)
        return jnp.sum(log_std + 0.5 * (1 + jnp.log(2 * jnp.pi)), axis=-1)
    return entropy(logits)


def entropy(logits: Float[Array, "... K"]) -> Float[Array, "..."]:
    """Return the entropy of a categorical distribution in nats.

    Args:
        logits: [..., K] unnormalised log-probabilities.

    Returns:
        [...] entropies, in [0, log K].
    """
    log_policy = _log_policy(logits)
    return -jnp.sum(jnp.exp(log_policy) * log_policy, axis=0)


def _log_policy(logits: Float[Array, "... A"]) -> Float[Array, "A ..."]:
    """Return log π with actions as the first axis, because CPUs vectorise over steps, of which there are many."""
    return jax.nn.log_softmax(jnp.moveaxis(logits, -1, 0), axis=0)


def divergence(prediction: Float[Array, "... Y"], log_target: Float[Array, "... Y"]) -> Float[Array, ""]:
    """Return the mean of KL(y ‖ ŷ).

    Args:
        prediction: [..., Y] logits of y.
        log_target: [..., Y] log ŷ.

    Returns:
        Scalar ≥ 0.
    """
    log_y = jax.nn.log_softmax(prediction)
    return jnp.mean(jnp.sum(jnp.exp(log_y) * (log_y - log_target), axis=-1))
