"""A few numbers that describe a level; their means over generations show where a curriculum drifts."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from levels.generators.solvable import moves_to_prize
from levels.level import UNUSED, Level


def features(level: Level) -> dict[str, Float[Array, ""]]:
    """Return the size, walls, objects, horizon and path length of a level.

    Args:
        level: one valid level.

    Returns:
        [] float32 each: `side`, √(height · width) in cells; `walls`, wall cells inside height × width;
        `objects`, slots in use; `horizon`, steps after which an episode is truncated; `path_length`, moves
        of the shortest path from the start to an object of positive reward, NaN if none is reachable.
    """
    num_cells = level.height * level.width
    # Everything beyond height × width is wall.
    num_outside = level.walls.size - num_cells
    num_moves = moves_to_prize(level)
    return {
        "side": jnp.sqrt(num_cells.astype(jnp.float32)),
        "walls": (jnp.sum(level.walls) - num_outside).astype(jnp.float32),
        "objects": jnp.sum(level.object_types != UNUSED).astype(jnp.float32),
        "horizon": level.max_steps_in_episode.astype(jnp.float32),
        "path_length": jnp.where(num_moves < level.walls.size, num_moves.astype(jnp.float32), jnp.nan),
    }
