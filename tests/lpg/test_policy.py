"""What all rules compute from a policy."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from lpg.policy import action_entropy, action_log_prob, entropy, sample_vector

DRAWS = np.random.default_rng(0)
MEANS, LOG_DEVIATIONS, VECTORS = (DRAWS.normal(size=(4, 3, 2)).astype(np.float32) for _ in range(3))
"""[T, B, A], of Gaussian policies and of actions that need not be likely."""
GAUSSIANS = jnp.concatenate([MEANS, LOG_DEVIATIONS], axis=-1)


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


def test_action_log_prob_of_a_vector_is_the_density_of_independent_normals():
    expected = stats.norm(MEANS, np.exp(LOG_DEVIATIONS)).logpdf(VECTORS).sum(axis=-1)
    np.testing.assert_allclose(action_log_prob(GAUSSIANS, jnp.asarray(VECTORS)), expected, rtol=1e-5)


def test_action_entropy_of_vectors_is_that_of_independent_normals():
    expected = stats.norm(MEANS, np.exp(LOG_DEVIATIONS)).entropy().sum(axis=-1)
    np.testing.assert_allclose(action_entropy(GAUSSIANS, jnp.asarray(VECTORS)), expected, rtol=1e-5)


def test_action_type_says_whether_the_policy_is_categorical():
    # The same four logits: of four integers, or two means and two log standard deviations.
    integers = jnp.full((4, 3), 1, jnp.int32)
    expected = jax.nn.log_softmax(GAUSSIANS)
    np.testing.assert_allclose(action_log_prob(GAUSSIANS, integers), expected[..., 1], rtol=1e-5)
    np.testing.assert_allclose(action_entropy(GAUSSIANS, integers), entropy(GAUSSIANS), rtol=1e-6)
    assert np.all(np.abs(action_entropy(GAUSSIANS, integers) - action_entropy(GAUSSIANS, jnp.asarray(VECTORS))) > 1e-3)


def test_sample_vector_has_the_mean_and_the_standard_deviation_of_its_policy():
    mean, deviation, num_draws = np.array([-1.0, 3.0]), np.array([0.5, 2.0]), 100_000
    logits = jnp.broadcast_to(jnp.concatenate([mean, np.log(deviation)]).astype(jnp.float32), (num_draws, 4))
    actions = np.asarray(sample_vector(jax.random.uniform(jax.random.key(0), (num_draws, 2)), logits), float)
    # Within 4 standard errors: σ / √n of a mean, σ / √(2n) of a standard deviation; independent components.
    assert np.all(np.abs(actions.mean(axis=0) - mean) < 4 * deviation / np.sqrt(num_draws))
    assert np.all(np.abs(actions.std(axis=0) - deviation) < 4 * deviation / np.sqrt(2 * num_draws))
    assert abs(np.corrcoef(actions.T)[0, 1]) < 4 / np.sqrt(num_draws)


def test_sample_vector_is_finite_at_both_ends_of_the_draws():
    ends = jnp.asarray([[0.0, np.nextafter(np.float32(1), np.float32(0))]])
    action = sample_vector(ends, jnp.zeros((1, 4)))
    assert np.isfinite(action).all() and action[0, 0] < -5 < 5 < action[0, 1]


def test_sample_vector_of_a_draw_of_a_half_is_the_mean():
    np.testing.assert_allclose(sample_vector(jnp.full((4, 2), 0.5), GAUSSIANS[:, 0]), MEANS[:, 0], atol=1e-6)
