"""Policies given by logits: categorical over discrete actions, Gaussian over float vectors."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from levels.world import World


def num_logits(world: World) -> int:
    """Return how many numbers a policy head must output.

    Args:
        world: the environment, with A actions.

    Returns:
        A; for float vectors 2·A, the mean and the log standard deviation of each component.
    """
    return 2 * world.num_actions if world.continuous_actions else world.num_actions


def num_draws(world: World) -> int:
    """Return how many random numbers sampling one action takes.

    Args:
        world: the environment, with A actions.

    Returns:
        1; A for float vectors.
    """
    return world.num_actions if world.continuous_actions else 1


def sample_action(draw: Float[Array, "B"], logits: Float[Array, "B A"]) -> Int[Array, "B"]:
    """Sample an action of a categorical policy by inverse transform sampling.

    Args:
        draw: [B] uniform in [0, 1).
        logits: [B, A] unnormalised log-policy.

    Returns:
        [B] int32 in 0..A - 1.
    """
    weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
    cumulative = jnp.cumsum(weights, axis=-1)
    threshold = draw[:, None] * cumulative[:, -1:]
    return jnp.sum(threshold >= cumulative[:, :-1], axis=-1, dtype=jnp.int32)


def sample_vector(draw: Float[Array, "B A"], logits: Float[Array, "B 2*A"]) -> Float[Array, "B A"]:
    """Sample an action of a Gaussian policy with independent components, by inverse transform sampling.

    Args:
        draw: [B, A] uniform in [0, 1).
        logits: [B, 2·A], means and log standard deviations.

    Returns:
        [B, A] float32, unbounded.
    """
    mean, log_deviation = jnp.split(logits, 2, axis=-1)
    # A draw of 0 would give an action of −∞.
    normal = jax.scipy.special.ndtri(jnp.maximum(draw, jnp.finfo(draw.dtype).tiny))
    return mean + jnp.exp(log_deviation) * normal


def action_log_prob(logits: Float[Array, "T B K"], action: Array) -> Float[Array, "T B"]:
    """Return log π(a|s) of the actions taken, a log density where actions are float vectors.

    Args:
        logits: [T, B, K], K = A, or 2·A for vectors.
        action: [T, B] int32, or [T, B, A] float32.

    Returns:
        [T, B]; ≤ 0 for integers.
    """
    if jnp.issubdtype(action.dtype, jnp.floating):
        mean, log_deviation = jnp.split(logits, 2, axis=-1)
        return jnp.sum(jax.scipy.stats.norm.logpdf(action, mean, jnp.exp(log_deviation)), axis=-1)
    log_policy = jax.nn.log_softmax(logits)
    return jnp.take_along_axis(log_policy, action[..., None], axis=-1)[..., 0]


def action_entropy(logits: Float[Array, "T B K"], action: Array) -> Float[Array, "T B"]:
    """Return the policy entropy in nats, for actions of the given type.

    Args:
        logits: [T, B, K], K = A, or 2·A for vectors.
        action: [T, B] int32 or [T, B, A] float32; only its dtype is read.

    Returns:
        [T, B]; in [0, log A] for integers, a differential entropy for vectors.
    """
    if jnp.issubdtype(action.dtype, jnp.floating):
        log_deviation = jnp.split(logits, 2, axis=-1)[1]
        return jnp.sum(log_deviation + 0.5 * (1 + jnp.log(2 * jnp.pi)), axis=-1)
    return entropy(logits)


def entropy(logits: Float[Array, "... K"]) -> Float[Array, "..."]:
    """Return the entropy of a categorical distribution in nats.

    Args:
        logits: [..., K].

    Returns:
        [...], in [0, log K].
    """
    log_probs = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1)
