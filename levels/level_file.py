"""Levels as readable files: a map of characters and a table of objects, in TOML."""

import re
import string
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from levels.ascii_map import START, draw_map, read_map
from levels.level import UNUSED, Level

SYMBOLS = string.ascii_lowercase
"""Character of the object in each slot."""

LARGEST = 2**31 - 1
OBJECT_NUMBERS = ("reward", "terminate_prob", "respawn_prob")
HEADER = """\
# A grid level. Map: '#' wall, '.' free, 'S' the agent's start; letters are objects: 'a' is in the
# first slot, 'b' in the second and so on. Each has an [[objects]] table: its type, the reward for
# collecting it, the chance that this ends the episode, and the chance per step that it respawns.
"""


def save_level(path: str | Path, level: Level) -> None:
    """Write a level to a file that load_level reads back bit for bit.

    Args:
        path: file to write; an existing one is replaced.
        level: one valid level (levels.level.is_valid) of at most 26 slots.

    Raises:
        ValueError: the level is not valid; the message names the field.
    """
    arrays = jax.tree.map(np.asarray, level)
    for fault in _faults(arrays):
        raise ValueError(f"save_level: level.{fault}")
    Path(path).write_text(_text(arrays), encoding="utf-8")


def _faults(level: Any) -> Iterator[str]:
    """Yield the reasons why a level of NumPy arrays cannot be written."""
    if level.walls.ndim != 2:
        yield f"walls must have two axes [H, W], got shape {level.walls.shape}"
    height, width = level.walls.shape
    used = level.object_types != UNUSED
    if len(used) > len(SYMBOLS):
        yield f"object_types must have at most {len(SYMBOLS)} slots, got {len(used)}"
    for name, size, largest in (("height", level.height, height), ("width", level.width, width)):
        if not 1 <= size <= largest:
            yield f"{name} must be in 1..{largest}, got {size}"
    for name in ("max_steps_in_episode", "lifetime"):
        if getattr(level, name) < 1:
            yield f"{name} must be >= 1, got {getattr(level, name)}"
    if not (level.walls[level.height :].all() and level.walls[:, level.width :].all()):
        yield "walls must be True beyond height and width"
    if (level.object_types[used] < 0).any():
        yield f"object_types must be >= -1, got {level.object_types.min()}"
    if not np.isfinite(level.object_rewards).all():
        yield "object_rewards must be finite"
    for name in ("object_terminate_probs", "object_respawn_probs"):
        probs = getattr(level, name)
        if not ((probs >= 0) & (probs <= 1)).all():
            yield f"{name} must be in 0..1, got {probs[~((probs >= 0) & (probs <= 1))][0]}"
    for name in ("object_cells", "object_rewards", "object_terminate_probs", "object_respawn_probs"):
        if getattr(level, name)[~used].any():
            yield f"{name} must be 0 in slots of type -1"
    taken: set[int] = set()
    for name, cell in (("start", level.start), *(("object_cells", cell) for cell in level.object_cells[used])):
        if not (0 <= cell < height * width) or level.walls.flat[cell] or int(cell) in taken:
            yield f"{name} must be a free cell of its own, got {cell}"
        taken.add(int(cell))


def _text(level: Any) -> str:
    """Return the text of the file for a valid level of NumPy arrays."""
    height, width = level.walls.shape
    slots = np.flatnonzero(level.object_types != UNUSED)
    signs = {divmod(int(level.object_cells[m]), width): SYMBOLS[m] for m in slots}
    signs[divmod(int(level.start), width)] = START
    rows = draw_map(level.walls[: level.height, : level.width], signs)
    lines = [
        f"max_steps = {level.max_steps_in_episode}  # steps after which an episode is truncated",
        f"lifetime = {level.lifetime}  # updates that an agent trains for",
        f"array_height = {height}  # size of the array; the map lies in its top left corner",
        f"array_width = {width}",
        f"num_slots = {len(level.object_types)}  # number of objects that the level has room for",
        *('map = """', *rows, '"""'),
    ]
    for m in slots:
        numbers = (level.object_rewards[m], level.object_terminate_probs[m], level.object_respawn_probs[m])
        lines += ["", "[[objects]]", f'symbol = "{SYMBOLS[m]}"', f"type = {level.object_types[m]}"]
        lines += [f"{name} = {_shortest(value)}" for name, value in zip(OBJECT_NUMBERS, numbers, strict=True)]
    return HEADER + "\n".join(lines) + "\n"


def _shortest(value: np.float32) -> str:
    """Return the shortest decimal that reads back as the same float32; nine digits are always enough."""
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    text = next(text for text in texts if _single(text) == value)
    return text if "." in text or "e" in text else f"{text}.0"


def _single(text: str) -> np.float32:
    """Return the float32 nearest to a decimal, infinite beyond the largest."""
    with np.errstate(over="ignore"):
        return np.float32(text)


@dataclass(frozen=True)
class _Table:
    """A TOML table that knows on which line each of its fields is."""

    path: str
    lines: tuple[str, ...]  # of the whole file
    values: dict[str, Any]
    index: int | None = None  # number of the [[objects]] table, None at the top level

    def line(self, field: str) -> int | None:
        """Return the line of a field, else that of the table's heading, else None."""
        current, heading = None, None
        for number, text in enumerate(self.lines, 1):
            if re.match(r"\s*\[\[\s*objects\s*\]\]", text):
                current = 0 if current is None else current + 1
                heading = number if current == self.index else heading
            elif current == self.index and re.match(rf"\s*\"?{re.escape(field)}\"?\s*=", text):
                return number
        return heading

    def fail(self, field: str, problem: str) -> NoReturn:
        """Raise an error about a field."""
        line = self.line(field)
        place = self.path if line is None else f"{self.path}, line {line}"
        name = field if self.index is None else f"objects[{self.index}].{field}"
        raise ValueError(f"{place}: {name} {problem}")

    def get(self, field: str, kinds: tuple[type, ...], kind_name: str) -> Any:
        """Return a required field of one of the given types; a bool is not a number."""
        if field not in self.values:
            self.fail(field, "is missing")
        value = self.values[field]
        if not isinstance(value, kinds) or isinstance(value, bool):
            self.fail(field, f"must be {kind_name}, got {value!r}")
        return value

    def integer(self, field: str, low: int, default: int | None = None) -> int:
        """Return an integer field, ≥ low; a default makes it optional."""
        if default is not None and field not in self.values:
            return default
        value = self.get(field, (int,), "an integer")
        if not low <= value <= LARGEST:
            self.fail(field, f"must be in {low}..{LARGEST}, got {value}")
        return value

    def number(self, field: str, low: float, high: float) -> np.float32:
        """Return a number field in low..high."""
        value = self.get(field, (int, float), "a number")
        # Compare it as a float32, because the shortest decimal of the largest float32 lies above it.
        single = _single(str(value))
        if not low <= single <= high:
            self.fail(field, f"must be in {low:g}..{high:g}, got {value}")
        return single

    def refuse_others(self, *known: str) -> None:
        """Refuse fields that nobody reads."""
        for field in self.values:
            if field not in known:
                self.fail(field, f"is unknown; known are {', '.join(known)}")


def load_level(
    path: str | Path, height: int | None = None, width: int | None = None, num_objects: int | None = None
) -> Level:
    """Read a level from a file.

    Args:
        path: file in save_level's format. `array_height`, `array_width` and `num_slots` may be left
            out; the array is then as large as the map, with slots up to the last letter.
        height: rows H of the level's array, or None for the file's.
        width: columns W of the array, or None for the file's.
        num_objects: number of object slots M, or None for the file's.

    Returns:
        A valid level.

    Raises:
        ValueError: the file is malformed or the level does not fit; the message names the file,
            the line if it is known, and the field.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: must be UTF-8 text, got byte {error.object[error.start]} at {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: must be TOML: {error}") from None
    table = _Table(str(path), tuple(text.splitlines()), values)
    table.refuse_others("max_steps", "lifetime", "array_height", "array_width", "num_slots", "map", "objects")
    rows = table.get("map", (str,), "a string").strip("\n").split("\n")
    walls, places = read_map(rows, [START, *SYMBOLS], table.path, (table.line("map") or 0) + 1)
    if START not in places:
        table.fail("map", f"must have a start {START!r}, got none")
    objects = _read_objects(table, places)
    return _build(
        table,
        walls,
        places,
        objects,
        height if height is not None else table.integer("array_height", 1, walls.shape[0]),
        width if width is not None else table.integer("array_width", 1, walls.shape[1]),
        num_objects if num_objects is not None else table.integer("num_slots", 0, max([-1, *objects]) + 1),
    )


def _read_objects(table: _Table, places: dict[str, tuple[int, int]]) -> dict[int, _Table]:
    """Read the object tables by slot; every table needs its letter on the map and every letter a table."""
    objects: dict[int, _Table] = {}
    values = table.values.get("objects", [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        table.fail("objects", f"must be [[objects]] tables, got {values!r}")
    for i, value in enumerate(values):
        entry = _Table(table.path, table.lines, value, i)
        entry.refuse_others("symbol", "type", *OBJECT_NUMBERS)
        symbol = entry.get("symbol", (str,), "a letter")
        if symbol not in places or symbol not in SYMBOLS:
            entry.fail("symbol", f"must be a letter a..z of the map, got {symbol!r}")
        if SYMBOLS.index(symbol) in objects:
            entry.fail("symbol", f"must differ from every other object's, got {symbol!r} again")
        objects[SYMBOLS.index(symbol)] = entry
    for symbol in places:
        if symbol != START and SYMBOLS.index(symbol) not in objects:
            table.fail("map", f"has {symbol!r}, which no [[objects]] table describes")
    return objects


def _build(
    table: _Table,
    walls: np.ndarray,
    places: dict[str, tuple[int, int]],
    objects: dict[int, _Table],
    height: int,
    width: int,
    num_objects: int,
) -> Level:
    """Build the level of a checked file, in an array of height × width cells."""
    if walls.shape[0] > height or walls.shape[1] > width:
        table.fail("map", f"of {walls.shape[0]}×{walls.shape[1]} must fit the array's {height}×{width}")
    if objects and max(objects) >= num_objects:
        objects[max(objects)].fail("symbol", f"needs more than {num_objects} slots, got {SYMBOLS[max(objects)]!r}")
    cells, types = np.zeros(num_objects, np.int32), np.full(num_objects, UNUSED, np.int32)
    numbers = np.zeros((3, num_objects), np.float32)
    largest = float(np.finfo(np.float32).max)
    for slot, entry in objects.items():
        row, column = places[SYMBOLS[slot]]
        cells[slot] = row * width + column
        types[slot] = entry.integer("type", 0)
        lows, highs = (-largest, 0.0, 0.0), (largest, 1.0, 1.0)
        numbers[:, slot] = [entry.number(*spec) for spec in zip(OBJECT_NUMBERS, lows, highs, strict=True)]
    padded = np.ones((height, width), bool)
    padded[: walls.shape[0], : walls.shape[1]] = walls
    row, column = places[START]
    return Level(
        max_steps_in_episode=jnp.int32(table.integer("max_steps", 1)),
        walls=jnp.asarray(padded),
        height=jnp.int32(walls.shape[0]),
        width=jnp.int32(walls.shape[1]),
        start=jnp.int32(row * width + column),
        object_cells=jnp.asarray(cells),
        object_types=jnp.asarray(types),
        object_rewards=jnp.asarray(numbers[0]),
        object_terminate_probs=jnp.asarray(numbers[1]),
        object_respawn_probs=jnp.asarray(numbers[2]),
        lifetime=jnp.int32(table.integer("lifetime", 1)),
    )
