"""A source that draws from a fixed set of levels, such as those of a folder of level files."""

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
        world: world that the levels belong to.
        levels: [n, …] levels, n ≥ 1.
    """

    world: TabularGrid | RandomGrid
    levels: Level

    def sample(self, key: Key[Array, ""]) -> Level:
        """Draw one level of the set.

        Args:
            key: random key, consumed.

        Returns:
            The level.
        """
        which = jax.random.randint(key, (), 0, self.levels.start.shape[0])
        return jax.tree.map(lambda x: x[which], self.levels)


def level_folder(folder: Path, world: TabularGrid | RandomGrid) -> FixedLevels:
    """Load all `*.toml` files of a folder as levels, in arrays of a world's shapes.

    Args:
        folder: folder of level files, which are read in the order of their names.
        world: world whose array size and slots the levels must fit.

    Returns:
        The generator.

    Raises:
        ValueError: the folder does not exist or holds no level file, a file is malformed, or a level does not
            fit the world; the message names the file.
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
