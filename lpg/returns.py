"""Returns and advantages."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def td_errors(
    reward: Float[Array, "T B"],
    value: Float[Array, "T B"],
    next_value: Float[Array, "T B"],
    terminated: Bool[Array, "T B"],
    discount: float,
) -> Float[Array, "T B"]:
    """Compute δ_t = r_t + γ(1 − terminated_t)V(s_{t+1}) − V(s_t).

    Args:
        reward: [T, B] rewards.
        value: [T, B], value V(s_t) before the step.
        next_value: [T, B], value V(s_{t+1}) after the step, before any reset.
        terminated: [T, B], whether the world ended the episode.
        discount: γ in [0, 1].

    Returns:
        [T, B] one-step errors.
    """
    return reward + discount * jnp.where(terminated, 0.0, next_value) - value


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

    A_t = δ_t + γλ(1 − d_t)A_{t+1}, δ_t = r_t + γ(1 − terminated_t)V(s_{t+1}) − V(s_t). A terminated
    state has value 0; a truncation bootstraps from the state at which the episode was cut off.

    Args:
        reward: [T, B] rewards.
        value: [T, B], value V(s_t) before the step.
        next_value: [T, B], value V(s_{t+1}) after the step, before any reset.
        terminated: [T, B], whether the world ended the episode.
        truncated: [T, B], whether the time limit ended it.
        discount: γ in [0, 1].
        gae_lambda: λ in [0, 1].

    Returns:
        [T, B] advantages; adding `value` gives the λ-returns.
    """
    delta = td_errors(reward, value, next_value, terminated, discount)
    keep = discount * gae_lambda * (1.0 - (terminated | truncated))

    def backward(advantage: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
        delta, keep = step
        advantage = delta + keep * advantage
        return advantage, advantage

    return jax.lax.scan(backward, jnp.zeros_like(delta[0]), (delta, keep), reverse=True)[1]
