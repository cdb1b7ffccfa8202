"""Low-rank matrices: the arrays they stand for, and how candidates are distinguished."""

import jax
import jax.numpy as jnp
import numpy as np

from lpg.cores.low_rank import LowRank, row_axes, rows, whole

MATRIX = LowRank(
    mean=jnp.array([[1.0, 2.0], [3.0, 4.0]]),
    left=jnp.array([[[1.0], [0.0]], [[0.0], [-1.0]]]),
    right=jnp.array([[[10.0, 20.0]], [[5.0, 5.0]]]),
)
TREE = {"kernel": MATRIX, "bias": jnp.array([[7.0], [8.0]])}


def test_whole_matrix_is_mean_and_product_by_hand():
    expected = [[[11.0, 22.0], [3.0, 4.0]], [[1.0, 2.0], [-2.0, -1.0]]]
    np.testing.assert_array_equal(whole(TREE)["kernel"], expected)
    np.testing.assert_array_equal(jnp.asarray(MATRIX), expected)
    np.testing.assert_array_equal(whole(TREE)["bias"], TREE["bias"])


def test_rows_are_the_candidates_asked_for():
    chosen = rows(TREE, jnp.array([1, 1, 0]))
    np.testing.assert_array_equal(whole(chosen)["kernel"], whole(TREE)["kernel"][jnp.array([1, 1, 0])])
    np.testing.assert_array_equal(chosen["bias"], [[8.0], [8.0], [7.0]])
    np.testing.assert_array_equal(chosen["kernel"].mean, MATRIX.mean)


def test_mapped_over_candidates_the_mean_is_shared():
    seen = []

    def one(tree):
        seen.append(tree["kernel"])
        return jnp.asarray(tree["kernel"]) + tree["bias"]

    mapped = jax.vmap(one, in_axes=(row_axes(TREE),))(TREE)
    np.testing.assert_array_equal(mapped, whole(TREE)["kernel"] + TREE["bias"][..., None])
    # A batched mean would need a separate product for each candidate.
    assert not isinstance(seen[0].mean, jax.core.Tracer) and isinstance(seen[0].left, jax.core.Tracer)
