"""A generator whose levels are emptied, for a curriculum that builds them up again by edits."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
from jaxtyping import Array, Key

from levels.level import UNUSED, Level
from levels.level_generator import LevelGenerator
from levels.world import World


@dataclass(frozen=True)
class Emptied:
    """A generator (levels.level_generator.LevelGenerator) of another's levels without inner walls and with one object.

    ACCEL starts from empty levels (arXiv:2203.01302). The object that stays is the first
    of positive reward, in GROOVE's random levels that of the first slot; where no reward is
    positive it is the first object. All else is as drawn.

    Attributes:
        generator: where the levels come from; they are grid levels with an object each.
    """

    generator: LevelGenerator

    @property
    def world(self) -> World:
        """The world of the wrapped generator."""
        return self.generator.world

    def sample(self, key: Key[Array, ""]) -> Level:
        """One level, valid where the wrapped generator's is.

        Args:
            key: consumed.

        Returns:
            The level that the wrapped generator draws from the key, emptied.
        """
        level: Level = self.generator.sample(key)
        height, width = level.walls.shape
        used = level.object_types != UNUSED
        # The highest rank comes first in the slots; a positive object's is 2, any other's 1.
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
