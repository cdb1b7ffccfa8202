"""A folder of level files as a source of levels: each is drawn equally often, and errors take one line."""

import jax
import numpy as np
import pytest

from levels.generators.distributions import DISTRIBUTIONS
from levels.level import is_valid
from levels.level_file import save_level
from levels.level_folder import level_folder
from levels.worlds.random_grid import RandomGrid
from levels.worlds.tabular_grid import TabularGrid

WORLD = TabularGrid(3, 4, 2)

FILE = """\
max_steps = {steps}
lifetime = 3
num_slots = {slots}
map = \"\"\"
{map}
\"\"\"

[[objects]]
symbol = "{symbol}"
type = {kind}
reward = 0.5
terminate_prob = 1
respawn_prob = 0
"""


@pytest.fixture
def write(tmp_path):
    """Write a level file with the given name and return its folder."""

    def write(name, **numbers):
        defaults = {"steps": 10, "slots": 2, "map": "Sa.#", "symbol": "a", "kind": 0}
        (tmp_path / name).write_text(FILE.format(**defaults | numbers))
        return tmp_path

    return write


def test_folder_is_drawn_from_uniformly(write):
    for number in range(3):
        folder = write(f"level_{number}.toml", steps=10 + number)
    (folder / "notes.txt").write_text("no level")
    levels = level_folder(folder, WORLD)
    np.testing.assert_array_equal(levels.levels.max_steps_in_episode, [10, 11, 12])
    drawn = jax.jit(jax.vmap(levels.sample))(jax.random.split(jax.random.key(0), 3000))
    share = np.bincount(drawn.max_steps_in_episode - 10) / 3000
    # The margin is five standard deviations; the seed is fixed.
    assert share.shape == (3,) and np.all(np.abs(share - 1 / 3) < 5 * np.sqrt(2 / 9 / 3000))
    assert levels.world is WORLD


def test_small_and_large_levels_have_arrays_of_the_worlds_shape(write):
    write("a.toml")
    folder = write("b.toml", map="S...\\n....\\n...b".replace("\\n", "\n"), symbol="b", kind=1)
    levels = level_folder(folder, WORLD).levels
    assert levels.walls.shape == (2, 3, 4) and levels.object_cells.shape == (2, 2)
    np.testing.assert_array_equal(levels.height, [1, 3])
    np.testing.assert_array_equal(levels.object_types, [[0, -1], [-1, 1]])
    assert np.all(jax.vmap(is_valid)(levels))


def test_folder_holds_what_was_saved_in_it(tmp_path):
    drawn = DISTRIBUTIONS["small"]
    level = drawn.sample(jax.random.key(3))
    save_level(tmp_path / "level.toml", level)
    loaded = level_folder(tmp_path, drawn.world).sample(jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, loaded, level)


def test_folder_without_levels_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^\S+: must hold at least one level file \(\*\.toml\), got none$"):
        level_folder(tmp_path, WORLD)
    with pytest.raises(ValueError, match=r"missing: no such folder of level files$"):
        level_folder(tmp_path / "missing", WORLD)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"map": "Sa...."}, r"must fit the array's 3×4"),
        ({"map": "Sc..", "symbol": "c", "slots": 3}, r"needs more than 2 slots"),
        ({"steps": 0}, r"max_steps"),
    ],
)
def test_level_that_does_not_fit_is_refused_by_its_files_name(write, numbers, message):
    write("a.toml")
    folder = write("b.toml", **numbers)
    with pytest.raises(ValueError, match=rf"b\.toml.*{message}"):
        level_folder(folder, WORLD)


def test_type_that_the_world_does_not_show_is_refused(write):
    world = RandomGrid(WORLD, num_types=1)
    assert level_folder(write("a.toml"), world).world is world
    with pytest.raises(ValueError, match=r"b\.toml: object types must be in 0\.\.0, got 1$"):
        level_folder(write("b.toml", kind=1), world)
