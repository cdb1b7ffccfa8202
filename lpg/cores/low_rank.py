"""Matrices that differ from a shared one by a product of thin ones (Sarkar et al. 2025, arXiv:2511.16652)."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int, PyTree


@struct.dataclass
class LowRank:
    """The matrix mean + left·right, whose mean is the same for all candidates of a generation.

    A product with the mean is one product for all candidates; what each adds costs r(m + n) in place of mn.
    """

    mean: Float[Array, "m n"]  # [m, n] float32, without a leading axis for the candidates
    left: Float[Array, "... m r"]  # [m, r] float32, or [P, m, r]
    right: Float[Array, "... r n"]  # [r, n] float32, or [P, r, n]

    def __jax_array__(self) -> Float[Array, "... m n"]:
        """The matrix itself, for whoever asks for an array."""
        return self.mean + jnp.matmul(self.left, self.right, precision=jax.lax.Precision.HIGHEST)


def whole(tree: PyTree) -> PyTree:
    """Meta-parameters as plain arrays.

    Args:
        tree: of arrays and `LowRank` matrices.

    Returns:
        The tree with the matrices themselves, [P, m, n] where their factors have the axis.
    """
    return jax.tree.map(jnp.asarray, tree, is_leaf=_is_low_rank)


def rows(tree: PyTree, index: Int[Array, "N"]) -> PyTree:
    """Meta-parameters of some candidates, by position.

    Args:
        tree: [P, …] arrays and `LowRank` matrices with [P, …] factors.
        index: [N] in 0..P − 1.

    Returns:
        The same with [N, …]; shared means as they are.
    """

    def taken(x: Any) -> Any:
        return x.replace(left=x.left[index], right=x.right[index]) if _is_low_rank(x) else x[index]

    return jax.tree.map(taken, tree, is_leaf=_is_low_rank)


def row_axes(tree: PyTree) -> PyTree:
    """Along which axis of each leaf the candidates lie, as `jax.vmap` asks for it.

    Args:
        tree: [P, …] arrays and `LowRank` matrices with [P, …] factors.

    Returns:
        A tree of 0, and None for shared means.
    """
    return jax.tree.map(
        lambda x: LowRank(mean=None, left=0, right=0) if _is_low_rank(x) else 0,  # type: ignore[arg-type]
        tree,
        is_leaf=_is_low_rank,
    )


def _is_low_rank(x: Any) -> bool:
    return isinstance(x, LowRank)
