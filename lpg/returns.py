"""Returns and advantages."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def generalised_advantage(
    reward: Float[Array, "T B"],
    value: Float[Array, "T B"],
    next_value: Float[Array, "T B"],
    terminated: Bool[Array, "T B"],
    truncated: Bool[Array, "T B"],
    discount: float,
    gae_lambda: float,
) -> Float[Array, "T B"]:
    """Compute the generalised advantage estimate (Schulman et al. 2016, arXiv:1506.02438).

    A_t = δ_t + γλ(1 − d_t)A_{t+1}, δ_t = r_t + γ(1 − terminated_t)V(s_{t+1}) − V(s_t). A terminal
    state has value 0; a truncation bootstraps from the state at which the episode was cut off.

    Args:
        reward: [T, B].
        value: [T, B], V(s_t).
        next_value: [T, B], V of the state after the step, before any reset.
        terminated: [T, B], the world ended the episode.
        truncated: [T, B], the time limit ended it.
        discount: γ in [0, 1].
        gae_lambda: λ in [0, 1].

    Returns:
        [T, B] advantages; with `value` added, the λ-returns.
    """
    delta = reward + discount * jnp.where(terminated, 0.0, next_value) - value
    keep = discount * gae_lambda * (1.0 - (terminated | truncated))

    def backward(advantage: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
        delta, keep = step
        advantage = delta + keep * advantage
        return advantage, advantage

    return jax.lax.scan(backward, jnp.zeros_like(reward[0]), (delta, keep), reverse=True)[1]
