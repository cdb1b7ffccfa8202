"""What all rules compute of a policy."""

import jax
import jax.numpy as jnp
import numpy as np

from lpg.policy import action_log_prob, entropy


def test_action_log_prob_by_hand():
    logits = jnp.log(jnp.asarray([[[1.0, 3.0], [1.0, 1.0]], [[2.0, 2.0], [9.0, 1.0]]]))
    action = jnp.asarray([[1, 0], [1, 1]])
    np.testing.assert_allclose(jnp.exp(action_log_prob(logits, action)), [[0.75, 0.5], [0.5, 0.1]], rtol=1e-6)


def test_action_log_prob_stays_finite_at_huge_logits():
    log_prob = action_log_prob(jnp.asarray([[[1e4, 0.0]]]), jnp.asarray([[1]]))
    np.testing.assert_allclose(log_prob, [[-1e4]])


def test_entropy_runs_from_zero_to_the_logarithm_of_the_number_of_classes():
    np.testing.assert_allclose(entropy(jnp.asarray([[5.0, 5.0, 5.0], [1e4, 0.0, 0.0]])), [np.log(3), 0.0], atol=1e-6)
    np.testing.assert_allclose(
        entropy(jnp.log(jnp.asarray([0.25, 0.75]))), -0.25 * np.log(0.25) - 0.75 * np.log(0.75), rtol=1e-6
    )


def test_entropy_ignores_a_shift_of_all_logits():
    logits = jax.random.normal(jax.random.key(0), (3, 2, 4))
    np.testing.assert_allclose(entropy(logits), entropy(logits + 7), rtol=1e-5)
