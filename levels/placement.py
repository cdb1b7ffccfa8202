"""Where the start and the objects go on a given map."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key


def draw_free_cells(key: Key[Array, ""], blocked: Bool[Array, "H W"], num_cells: int) -> Int[Array, "K"]:
    """Draw distinct cells uniformly among those that are not blocked.

    Args:
        key: random key.
        blocked: [H, W] bool, cells that must not be drawn; at least K must not be blocked.
        num_cells: number of cells K to draw.

    Returns:
        [K] int32, cells `row * W + column`.
    """
    order = jnp.where(blocked.ravel(), 2.0, jax.random.uniform(key, (blocked.size,)))
    return jnp.argsort(order)[:num_cells].astype(jnp.int32)
