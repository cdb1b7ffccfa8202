"""Random orthogonal matrices: products of reflections, uniformly distributed, without LAPACK."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpg.orthogonal import orthogonal


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (4, 1), (1, 1)])
def test_orthogonal_matrix_is_the_product_of_its_reflections(shape):
    key = jax.random.key(3)
    matrix = np.asarray(orthogonal(key, shape, 1.5))
    length, count = max(shape), min(shape)
    earlier, columns = np.eye(length), []
    for k, vector in enumerate(np.asarray(jax.random.normal(key, (length, count)), float).T):
        vector = np.where(np.arange(length) < k, 0.0, vector)
        # Column k is a uniform direction among the axes from k on, which the reflections before it carry along.
        columns.append(earlier @ vector / np.linalg.norm(vector))
        normal = vector + np.sign(vector[k]) * np.linalg.norm(vector) * np.eye(length)[k]
        earlier = earlier @ (np.eye(length) - 2 * np.outer(normal, normal) / (normal @ normal))
    expected = 1.5 * np.stack(columns, axis=1)
    np.testing.assert_allclose(matrix, expected if shape[0] >= shape[1] else expected.T, atol=2e-6)
    assert matrix.shape == shape and matrix.dtype == np.float32


def test_orthogonal_matrices_are_uniform_and_as_precise_as_float32():
    draws = np.asarray(_batch()(jax.random.split(jax.random.key(0), 2000)), float)
    np.testing.assert_allclose(draws.transpose(0, 2, 1) @ draws, np.broadcast_to(np.eye(4), draws.shape), atol=3e-6)
    # Under the uniform distribution a trace has mean 0 and mean square 1, and mirrored matrices are half of all.
    traces, signs = np.trace(draws, axis1=1, axis2=2), np.linalg.det(draws)
    for sample, mean in ((traces, 0), (traces**2, 1), (signs, 0), (draws[:, 3, 0] ** 2, 1 / 4)):
        assert abs(sample.mean() - mean) < 4 * sample.std() / np.sqrt(len(sample))


def test_orthogonal_matrices_of_many_agents_call_no_lapack():
    keys = jax.random.split(jax.random.key(0), 2000)
    assert "custom_call" not in _batch().lower(keys).as_text()


@functools.cache
def _batch():
    return jax.jit(jax.vmap(lambda key: orthogonal(key, (4, 4), 1.0)))


def test_orthogonal_matrix_of_one_agent_is_the_one_in_a_batch():
    keys = jax.random.split(jax.random.key(0), 2000)
    np.testing.assert_allclose(orthogonal(keys[7], (4, 4), 1.0), jnp.asarray(_batch()(keys))[7], atol=1e-6)
