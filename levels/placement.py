"""Where start and objects go on a map that is already there."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key


def draw_free_cells(key: Key[Array, ""], blocked: Bool[Array, "H W"], num_cells: int) -> Int[Array, "K"]:
    """Distinct cells, uniform among those that are not blocked.

    Args:
        key: random key.
        blocked: [H, W] bool, cells that must not be drawn; at least K are not.
        num_cells: how many, K.

    Returns:
        [K] int32, cells `row * W + column`.
    """
    order = jnp.where(blocked.ravel(), 2.0, jax.random.uniform(key, (blocked.size,)))
    return jnp.argsort(order)[:num_cells].astype(jnp.int32)
