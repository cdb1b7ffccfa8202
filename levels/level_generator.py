"""What a curriculum needs of a source of levels."""

from typing import Protocol

from jaxtyping import Array, Key, PyTree

from levels.world import World


class LevelGenerator(Protocol):
    """A source of levels of one world; every level has the same array shapes."""

    @property
    def world(self) -> World:
        """The world that the levels belong to."""
        ...

    def sample(self, key: Key[Array, ""]) -> PyTree:
        """One level, of a grid world a Level; pure, so that it may be jitted and vmapped over keys."""
        ...
