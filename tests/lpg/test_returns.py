"""Advantages: worked by hand, against a plain restatement, and the identities they obey."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from lpg.returns import generalised_advantage
from tests.lpg import numpy_oracles

estimate = jax.jit(generalised_advantage, static_argnums=(5, 6))


def column(*values, dtype=jnp.float32):
    """Values of one worker as a [T, 1] array."""
    return jnp.asarray(values, dtype)[:, None]


NEVER = column(False, False, False, dtype=bool)


def random_steps(seed):
    keys = jax.random.split(jax.random.key(seed), 5)
    reward, value, next_value = (jax.random.normal(key, (7, 5)) for key in keys[:3])
    terminated, truncated = (jax.random.bernoulli(key, 0.25, (7, 5)) for key in keys[3:])
    return reward, value, next_value, terminated, truncated


def test_generalised_advantage_by_hand():
    # δ = (1 + .5·2 − 4, 0 + .5·4 − 2, 2 + .5·8 − 4) = (−2, 0, 2); A₂ = 2, A₁ = 0 + .25·2, A₀ = −2 + .25·.5
    advantage = estimate(column(1, 0, 2), column(4, 2, 4), column(2, 4, 8), NEVER, NEVER, 0.5, 0.5)
    np.testing.assert_allclose(advantage[:, 0], [-1.875, 0.5, 2.0])


def test_generalised_advantage_stops_at_a_termination_and_bootstraps_a_truncation():
    steps = column(1, 0, 2), column(4, 2, 4), column(2, 4, 8)
    second = column(False, True, False, dtype=bool)
    # Terminated: δ₁ = 0 − 2. Truncated: δ₁ = 0 + .5·4 − 2. Neither takes anything from step 2.
    terminated = estimate(*steps, second, NEVER, 0.5, 0.5)
    np.testing.assert_allclose(terminated[:, 0], [-2.5, -2.0, 2.0])
    truncated = estimate(*steps, NEVER, second, 0.5, 0.5)
    np.testing.assert_allclose(truncated[:, 0], [-2.0, 0.0, 2.0])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("discount, gae_lambda", [(0.99, 0.95), (1.0, 1.0), (0.0, 0.5)])
def test_generalised_advantage_agrees_with_the_restatement(seed, discount, gae_lambda):
    steps = random_steps(seed)
    expected = numpy_oracles.advantages(*(np.asarray(x, np.float64) for x in steps), discount, gae_lambda)
    np.testing.assert_allclose(estimate(*steps, discount, gae_lambda), expected, atol=1e-5)


def test_generalised_advantage_with_full_trace_is_the_discounted_return_minus_the_value():
    reward, value, next_value, _, _ = random_steps(1)
    never = jnp.zeros(reward.shape, bool)
    # Values cancel in the sum if each is the previous step's next value.
    next_value = jnp.concatenate([value[1:], next_value[-1:]])
    advantage = estimate(reward, value, next_value, never, never, 0.9, 1.0)
    powers = 0.9 ** np.arange(8)
    for t in range(7):
        rewards = np.concatenate([reward[t:], next_value[-1:]])
        np.testing.assert_allclose(advantage[t] + value[t], powers[: 8 - t] @ rewards, atol=1e-5)


def test_generalised_advantage_without_trace_is_the_error_of_one_step():
    reward, value, next_value, terminated, truncated = random_steps(2)
    advantage = estimate(reward, value, next_value, terminated, truncated, 0.9, 0.0)
    np.testing.assert_allclose(advantage, reward + 0.9 * next_value * ~terminated - value, atol=1e-6)


def test_generalised_advantage_is_zero_at_the_true_value_of_an_endless_world():
    truncated = random_steps(3)[4]
    ones = jnp.ones(truncated.shape)
    advantage = estimate(ones, 10 * ones, 10 * ones, jnp.zeros_like(truncated), truncated, 0.9, 0.95)
    np.testing.assert_allclose(advantage, 0, atol=1e-5)


def test_generalised_advantage_of_one_step():
    advantage = estimate(column(3), column(1), column(2), NEVER[:1], NEVER[:1], 0.5, 0.9)
    np.testing.assert_allclose(advantage, [[3.0]])


def test_generalised_advantage_refuses_values_that_would_broadcast():
    reward, value, next_value, terminated, truncated = random_steps(0)
    with pytest.raises(TypeCheckError, match="value"):
        generalised_advantage(reward, value[..., None], next_value, terminated, truncated, 0.9, 0.9)
