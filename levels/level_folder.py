"""A fixed set of levels as a source of levels: those of a folder of level files."""

from dataclasses import dataclass
from pathlib import Path

import jax
from jaxtyping import Array, Key

from levels.level import UNUSED, Level, stack_levels
from levels.level_file import load_level
from levels.worlds.random_grid import RandomGrid
from levels.worlds.tabular_grid import TabularGrid


@dataclass(frozen=True, eq=False)
class FixedLevels:
    """A generator (levels.level_generator.LevelGenerator) that draws uniformly from a set of levels.

    Attributes:
        world: that the levels belong to.
        levels: [n, …] levels, n ≥ 1.
    """

    world: TabularGrid | RandomGrid
    levels: Level

    def sample(self, key: Key[Array, ""]) -> Level:
        """One level of the set.

        Args:
            key: consumed.

        Returns:
            The level.
        """
        which = jax.random.randint(key, (), 0, self.levels.start.shape[0])
        return jax.tree.map(lambda x: x[which], self.levels)


def level_folder(folder: Path, world: TabularGrid | RandomGrid) -> FixedLevels:
    """The levels of all `*.toml` files of a folder, in arrays of a world's shapes.

    Args:
        folder: read in the order of the files' names.
        world: whose array size and slots the levels must fit.

    Returns:
        The generator.

    Raises:
        ValueError: no such folder, no level file in it, a file that is malformed, or a level that does not fit
            the world; the message names the file.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of level files")
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise ValueError(f"{folder}: must hold at least one level file (*.toml), got none")
    grid = world if isinstance(world, TabularGrid) else world.grid
    levels = []
    for path in paths:
        try:
            level = load_level(path, grid.height, grid.width, grid.num_objects)
        except OSError as error:
            raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
        kinds = [int(kind) for kind in level.object_types if kind != UNUSED]
        if isinstance(world, RandomGrid) and max(kinds, default=0) >= world.num_types:
            raise ValueError(f"{path}: object types must be in 0..{world.num_types - 1}, got {max(kinds)}")
        levels.append(level)
    return FixedLevels(world, stack_levels(levels))
