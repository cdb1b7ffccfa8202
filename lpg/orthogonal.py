"""Random orthogonal matrices, from which networks start."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def orthogonal(key: Key[Array, ""], shape: tuple[int, int], gain: float) -> Float[Array, "M N"]:
    """Draw a matrix with orthogonal columns, or rows if these are fewer, from the uniform (Haar) distribution.

    Columns are the first of H_1 ⋯ H_n, where H_k reflects a normal vector of all coordinates but the first k − 1 onto
    its first axis (Stewart 1980, "The efficient generation of random orthogonal matrices").

    Differs from `jax.nn.initializers.orthogonal`, which calls LAPACK's QR decomposition: batched over agents, two
    such calls in one program may wait for each other forever on a machine of two cores (jaxlib 0.10).

    Args:
        key: consumed.
        shape: (M, N), each ≥ 1.
        gain: length of each column or row.

    Returns:
        [M, N] float32.
    """
    length, count = max(shape), min(shape)
    axes = jnp.eye(length, count)
    vectors = jnp.where(jnp.arange(length)[:, None] >= jnp.arange(count), jax.random.normal(key, (length, count)), 0.0)
    # H_k turns its vector to the side from which no digits cancel; the signs undo this at the end.
    signs = jnp.where(jnp.diagonal(vectors) < 0, -1.0, 1.0)
    normals = vectors + signs * jnp.linalg.norm(vectors, axis=0) * axes
    normals = normals / jnp.linalg.norm(normals, axis=0)

    def reflect(columns: Array, normal: Array) -> tuple[Array, None]:
        return columns - 2 * jnp.outer(normal, normal @ columns), None

    columns, _ = jax.lax.scan(reflect, -gain * signs * axes, normals.T, reverse=True)
    return columns if shape[0] >= shape[1] else columns.T
