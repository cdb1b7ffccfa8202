"""Level files: exact round trips, and errors that name the line."""

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from levels.generators.distributions import DISTRIBUTIONS
from levels.level import Level
from levels.level_file import load_level, save_level

GOOD = '''\
max_steps = 100
lifetime = 250
num_slots = 3
map = """
S.#
.c.
"""

[[objects]]
symbol = "c"
type = 0
reward = -0.25
terminate_prob = 1
respawn_prob = 0.3
'''

PROB = st.floats(0, 1, width=32)
COUNT = st.integers(1, 2**31 - 1)


@st.composite
def level_arrays(draw):
    """A valid level of NumPy arrays, of any size up to 5×6 with up to 5 slots."""
    height, width, num_slots = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(0, 5))
    array_height, array_width = height + draw(st.integers(0, 2)), width + draw(st.integers(0, 2))
    inside = [i * array_width + j for i in range(height) for j in range(width)]
    order = draw(st.permutations(inside))
    used = np.array(draw(st.lists(st.booleans(), min_size=num_slots, max_size=num_slots)), bool)
    used &= np.cumsum(used) < len(order)
    cells = np.zeros(num_slots, np.int32)
    cells[used] = order[1 : 1 + used.sum()]
    num_walls = draw(st.integers(0, len(order) - 1 - int(used.sum())))
    walls = np.ones((array_height, array_width), bool)
    walls[:height, :width] = False
    walls.flat[order[len(order) - num_walls :]] = True

    def in_slots(strategy, dtype, unused):
        values = np.array(draw(st.lists(strategy, min_size=num_slots, max_size=num_slots)), dtype)
        return np.where(used, values, dtype(unused))

    return Level(
        max_steps_in_episode=np.int32(draw(COUNT)),
        walls=walls,
        height=np.int32(height),
        width=np.int32(width),
        start=np.int32(order[0]),
        object_cells=cells,
        object_types=in_slots(st.integers(0, 9), np.int32, -1),
        object_rewards=in_slots(st.floats(allow_nan=False, allow_infinity=False, width=32), np.float32, 0),
        object_terminate_probs=in_slots(PROB, np.float32, 0),
        object_respawn_probs=in_slots(PROB, np.float32, 0),
        lifetime=np.int32(draw(COUNT)),
    )


def assert_same(level, other):
    """Assert that two levels are equal bit for bit, field by field."""
    for field in dataclasses.fields(Level):
        a, b = np.asarray(getattr(level, field.name)), np.asarray(getattr(other, field.name))
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()), field.name


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("levels") / "level.toml"


EXTREMES = np.float32([np.finfo(np.float32).max, -np.finfo(np.float32).smallest_subnormal, -0.0])


@settings(max_examples=100, deadline=None)
@given(level=level_arrays())
@example(
    level=Level(
        max_steps_in_episode=np.int32(2**31 - 1),
        walls=np.zeros((1, 4), bool),
        height=np.int32(1),
        width=np.int32(4),
        start=np.int32(3),
        object_cells=np.int32([2, 1, 0]),
        object_types=np.int32([0, 0, 2]),
        object_rewards=EXTREMES,
        object_terminate_probs=np.float32([0, 1, 0.5]),
        object_respawn_probs=np.float32([0, 1, 1e-45]),
        lifetime=np.int32(1),
    )
)
def test_level_round_trips_bit_for_bit(path, level):
    save_level(path, level)
    assert_same(load_level(path), level)


def test_sampled_level_round_trips(path):
    level = DISTRIBUTIONS["small"].sample(jax.random.key(3))
    save_level(path, level)
    loaded = load_level(path)
    assert_same(loaded, level)
    assert isinstance(loaded.walls, jax.Array)


def test_saved_file_is_readable(path):
    path.write_text(GOOD)
    save_level(path, load_level(path, height=3))
    text = path.read_text()
    assert text[text.index("max_steps") :] == (
        "max_steps = 100  # steps after which an episode is truncated\n"
        "lifetime = 250  # updates that an agent trains for\n"
        "array_height = 3  # size of the array; the map lies in its top left corner\n"
        "array_width = 3\n"
        "num_slots = 3  # number of objects that the level has room for\n"
        'map = """\nS.#\n.c.\n"""\n\n'
        '[[objects]]\nsymbol = "c"\ntype = 0\nreward = -0.25\nterminate_prob = 1.0\nrespawn_prob = 0.3\n'
    )


def test_load_level_fills_a_larger_array(path):
    path.write_text(GOOD)
    level = load_level(path, height=3, width=5, num_objects=4)
    assert np.asarray(level.walls).astype(int).tolist() == [[0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [1, 1, 1, 1, 1]]
    assert (int(level.height), int(level.width), int(level.start)) == (2, 3, 0)
    assert np.asarray(level.object_cells).tolist() == [0, 0, 6, 0]
    assert np.asarray(level.object_types).tolist() == [-1, -1, 0, -1]
    assert np.asarray(level.object_rewards).tolist() == [0.0, 0.0, -0.25, 0.0]


def test_load_level_defaults_to_the_maps_size_and_last_letter(path):
    path.write_text('max_steps = 1\nlifetime = 1\nmap = """\nS.\n"""\n')
    level = load_level(path)
    assert level.walls.shape == (1, 2) and level.object_types.shape == (0,)
    path.write_text(GOOD.replace("num_slots = 3\n", ""))
    assert load_level(path).object_types.shape == (3,)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max_steps = 100\n", "", r"level.toml: max_steps is missing$"),
        ("max_steps = 100", "max_steps = 0", r"level.toml, line 1: max_steps must be in 1..2147483647, got 0$"),
        ("lifetime = 250", "lifetime = 2.5", r"line 2: lifetime must be an integer, got 2.5$"),
        ("lifetime = 250", "lifetime = true", r"line 2: lifetime must be an integer, got True$"),
        ("lifetime = 250", "lifetime = 250\nlifetimes = 1", r"line 3: lifetimes is unknown; known are max_steps, "),
        ("lifetime = 250", "lifetime = ", r"level.toml: must be TOML: Invalid value \(at line 2, column 12\)$"),
        ("num_slots = 3", "num_slots = 2", r"line 10: objects\[0\].symbol needs more than 2 slots, got 'c'$"),
        ("num_slots = 3", "array_width = 2", r"line 4: map of 2×3 must fit the array's 2×2$"),
        ("S.#\n", "S.\n", r"line 6: map row must have 2 characters like the first, got 3$"),
        ("S.#\n", "S?#\n", r"line 5: map has '\?'; allowed are"),
        ("S.#\n", "SS#\n", r"line 5: map has 'S' a second time"),
        ("S.#\n", "..#\n", r"line 4: map must have a start 'S', got none$"),
        ("S.#\n", "S.a\n", r"line 4: map has 'a', which no \[\[objects\]\] table describes$"),
        ('"c"', '"d"', r"line 10: objects\[0\].symbol must be a letter a..z of the map, got 'd'$"),
        ('"c"', '"S"', r"line 10: objects\[0\].symbol must be a letter a..z of the map, got 'S'$"),
        ('"c"', "3", r"line 10: objects\[0\].symbol must be a letter, got 3$"),
        ("type = 0", "type = -1", r"line 11: objects\[0\].type must be in 0..2147483647, got -1$"),
        (
            "reward = -0.25",
            "reward = nan",
            r"line 12: objects\[0\].reward must be in -3.40282e\+38..3.40282e\+38, got n",
        ),
        ("reward = -0.25", "reward = 1e39", r"line 12: objects\[0\].reward must be in .*, got 1e\+39$"),
        ("reward = -0.25", "reward = -1" + 400 * "0", r"line 12: objects\[0\].reward must be in .*, got -10+$"),
        ("reward = -0.25", 'reward = "high"', r"line 12: objects\[0\].reward must be a number, got 'high'$"),
        ("reward = -0.25\n", "", r"line 9: objects\[0\].reward is missing$"),
        (
            "terminate_prob = 1",
            "terminate_prob = 1.5",
            r"line 13: objects\[0\].terminate_prob must be in 0..1, got 1.5$",
        ),
        ("respawn_prob = 0.3", "respawn_prob = -1", r"line 14: objects\[0\].respawn_prob must be in 0..1, got -1$"),
        ("respawn_prob = 0.3", "respawn = 0.1", r"line 14: objects\[0\].respawn is unknown; known are symbol, type"),
        (
            "respawn_prob = 0.3\n",
            'respawn_prob = 0.3\n[[objects]]\nsymbol = "c"\n',
            r"line 16: objects\[1\].symbol must differ from every other object's, got 'c' again$",
        ),
        ("[[objects]]", "[objects]", r"level.toml: objects must be \[\[objects\]\] tables, got {"),
    ],
)
def test_malformed_file_is_refused_naming_line_and_field(path, old, new, message):
    assert GOOD.count(old) == 1
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ValueError, match=message) as error:
        load_level(path)
    assert "\n" not in str(error.value)


def test_file_that_is_not_text_is_refused(path):
    path.write_bytes(b"max_steps = \xff")
    with pytest.raises(ValueError, match="level.toml: must be UTF-8 text, got byte 255 at 12"):
        load_level(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": np.int32(2)}, "level.start must be a free cell of its own, got 2"),
        ({"start": np.int32(-1)}, "level.start must be a free cell of its own, got -1"),
        ({"start": np.int32(4)}, "level.object_cells must be a free cell of its own, got 4"),
        ({"height": np.int32(3)}, "level.height must be in 1..2, got 3"),
        ({"width": np.int32(2)}, "level.walls must be True beyond height and width"),
        ({"lifetime": np.int32(0)}, "level.lifetime must be >= 1, got 0"),
        ({"max_steps_in_episode": np.int32(0)}, "level.max_steps_in_episode must be >= 1, got 0"),
        ({"object_rewards": np.float32([0, 0, np.inf])}, "level.object_rewards must be finite"),
        ({"object_rewards": np.float32([1, 0, 0])}, "level.object_rewards must be 0 in slots of type -1"),
        ({"object_respawn_probs": np.float32([0, 0, 2])}, "level.object_respawn_probs must be in 0..1, got 2.0"),
        (
            {"object_terminate_probs": np.float32([0, 0, np.nan])},
            "level.object_terminate_probs must be in 0..1, got nan",
        ),
        ({"object_types": np.int32([-1, -1, -2])}, "level.object_types must be >= -1, got -2"),
        ({"object_types": np.full(27, -1)}, "level.object_types must have at most 26 slots, got 27"),
        ({"walls": np.zeros((5, 2, 3), bool)}, r"level.walls must have two axes \[H, W\], got shape \(5, 2, 3\)"),
    ],
)
def test_invalid_level_is_not_saved(path, changes, message):
    path.write_text(GOOD)
    level = load_level(path)
    with pytest.raises(ValueError, match=f"^save_level: {message}$"):
        save_level(path, level.replace(**changes))
    assert path.read_text() == GOOD
