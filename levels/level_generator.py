"""What a curriculum needs from a source of levels."""

from typing import Protocol

from jaxtyping import Array, Key, PyTree

from levels.world import World


class LevelGenerator(Protocol):
    """A source of levels of one world; every level has the same array shapes.

    It may have `num_tasks`, the number of different tasks among its levels, where they are few; a curriculum that
    cannot choose among so few is then refused.
    """

    @property
    def world(self) -> World:
        """The world that the levels belong to."""
        ...

    def sample(self, key: Key[Array, ""]) -> PyTree:
        """Draw one level, a Level in a grid world; pure, so it may be jitted and vmapped over keys."""
        ...
