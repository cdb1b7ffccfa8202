"""Calls from a program to the host for a whole batch, in pieces too small to block it."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, PyTree

MAX_BYTES = 2**16
"""Largest argument of one call. Above 100 kB, JAX copies it on a thread of its pool, and when every device waits
in a callback, as two do on two cores, no thread is left to do so."""


def host_callback(function: Callable[..., PyTree], results: PyTree) -> Callable[..., PyTree]:
    """Turn a function of the host into one that can be jitted and batched at any depth.

    However deeply batch axes are nested, the host sees one axis [M], and the whole batch at once unless
    it is cut into pieces of MAX_BYTES.

    Args:
        function: pure function on the host, from arrays with a leading axis [M] to arrays with that
            axis; it must not call JAX.
        results: `jax.ShapeDtypeStruct` of each result of one batch member.

    Returns:
        A function of one batch member's arrays.
    """

    def in_pieces(*arrays: Array) -> PyTree:
        bytes_of_one = max(math.prod(x.shape[1:]) * x.dtype.itemsize for x in arrays)
        size = max(1, MAX_BYTES // bytes_of_one)
        pieces = [call([x[first : first + size] for x in arrays]) for first in range(0, len(arrays[0]), size)]
        return jax.tree.map(lambda *parts: jnp.concatenate(parts), *pieces)

    def call(arrays: list[Array]) -> PyTree:
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct((len(arrays[0]), *x.shape), x.dtype), results)
        return jax.pure_callback(function, shapes, *arrays)

    batch = custom_vmap(in_pieces)

    @batch.def_vmap
    def flattened(axis_size: int, in_batched: list[bool], *arrays: Array) -> tuple[PyTree, PyTree]:
        whole = [
            x if batched else jnp.broadcast_to(x, (axis_size, *x.shape))
            for x, batched in zip(arrays, in_batched, strict=True)
        ]
        flat = batch(*(x.reshape(-1, *x.shape[2:]) for x in whole))
        nested = jax.tree.map(lambda x: x.reshape(axis_size, -1, *x.shape[1:]), flat)
        return nested, jax.tree.map(lambda _: True, nested)

    def of_one(*arrays: Any) -> PyTree:
        return jax.tree.map(lambda x: x[0], batch(*(jnp.asarray(x)[None] for x in arrays)))

    return of_one
