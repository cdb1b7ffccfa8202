"""A generator that empties levels, for a curriculum that builds them up again by edits."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
from jaxtyping import Array, Key

from levels.level import UNUSED, Level
from levels.level_generator import LevelGenerator
from levels.world import World


@dataclass(frozen=True)
class Emptied:
    """A generator (levels.level_generator.LevelGenerator) of another's levels without inner walls and with one object.

    ACCEL starts from empty levels (arXiv:2203.01302). The object that stays is the first one with a
    positive reward, which is the one in the first slot in GROOVE's random levels. If no reward is
    positive, it is the first object. Everything else stays as drawn.

    Attributes:
        generator: source of the levels, which are grid levels with at least one object.
    """

    generator: LevelGenerator

    @property
    def world(self) -> World:
        """The world of the wrapped generator."""
        return self.generator.world

    def sample(self, key: Key[Array, ""]) -> Level:
        """Draw one level, valid if the wrapped generator's is.

        Args:
            key: random key, consumed.

        Returns:
            The level that the wrapped generator draws from the key, emptied.
        """
        level: Level = self.generator.sample(key)
        height, width = level.walls.shape
        used = level.object_types != UNUSED
        # The first slot of the highest rank stays; an object of positive reward has rank 2, any other 1.
        rank = used.astype(jnp.int32) + (used & (level.object_rewards > 0))
        stays = jnp.arange(used.size) == jnp.argmax(rank)
        return replace(
            level,
            walls=(jnp.arange(height)[:, None] >= level.height) | (jnp.arange(width) >= level.width),
            object_cells=jnp.where(stays, level.object_cells, 0),
            object_types=jnp.where(stays, level.object_types, UNUSED),
            object_rewards=jnp.where(stays, level.object_rewards, 0.0),
            object_terminate_probs=jnp.where(stays, level.object_terminate_probs, 0.0),
            object_respawn_probs=jnp.where(stays, level.object_respawn_probs, 0.0),
        )
