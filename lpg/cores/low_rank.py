"""Matrices that differ from a shared mean by a low-rank product (Sarkar et al. 2025, arXiv:2511.16652)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int, PyTree


@struct.dataclass
class LowRank:
    """The matrix mean + left·right, where all candidates of a generation share the mean.

    Multiplying by the mean is one product for all candidates; each candidate's own part costs r(m + n) instead of mn.
    """

    mean: Float[Array, "m n"]  # [m, n] float32, without a leading axis for the candidates
    left: Float[Array, "... m r"]  # [m, r] float32, or [P, m, r]
    right: Float[Array, "... r n"]  # [r, n] float32, or [P, r, n]

    def __jax_array__(self) -> Float[Array, "... m n"]:
        """Return the full matrix, when an array is asked for."""
        return self.mean + jnp.matmul(self.left, self.right, precision=jax.lax.Precision.HIGHEST)


def whole(tree: PyTree) -> PyTree:
    """Convert meta-parameters to plain arrays.

    Args:
        tree: a pytree of arrays and `LowRank` matrices.

    Returns:
        The tree with full matrices, [P, m, n] where the factors have a candidate axis.
    """
    return jax.tree.map(jnp.asarray, tree, is_leaf=_is_low_rank)


def rows(tree: PyTree, index: Int[Array, "N"]) -> PyTree:
    """Select the meta-parameters of some candidates by position.

    Args:
        tree: a pytree of [P, …] arrays and `LowRank` matrices with [P, …] factors.
        index: [N] positions in 0..P − 1.

    Returns:
        The same tree with [N, …] leaves; shared means are unchanged.
    """

    def taken(x: Any) -> Any:
        return x.replace(left=x.left[index], right=x.right[index]) if _is_low_rank(x) else x[index]

    return jax.tree.map(taken, tree, is_leaf=_is_low_rank)


def row_axes(tree: PyTree) -> PyTree:
    """Return the candidate axis of each leaf, as `in_axes` of `jax.vmap`.

    Args:
        tree: a pytree of [P, …] arrays and `LowRank` matrices with [P, …] factors.

    Returns:
        A tree with 0 for each leaf and None for shared means.
    """
    return jax.tree.map(
        lambda x: LowRank(mean=None, left=0, right=0) if _is_low_rank(x) else 0,  # type: ignore[arg-type]
        tree,
        is_leaf=_is_low_rank,
    )


def _is_low_rank(x: Any) -> bool:
    return isinstance(x, LowRank)
