"""`groove levels`: sample levels into files, show them, solve them, edit them."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from groove.commands.flags import read_flags
from groove.errors import UsageError, choose, one_line
from groove.job.devices import configure
from levels.near_names import perhaps
from levels.plugins import described, is_plugin
from levels.registry import GENERATORS, generator

if TYPE_CHECKING:
    from levels.level import Level


COLUMNS = 6
"""Levels side by side in a picture."""


@dataclass(frozen=True)
class SampleFlags:
    """Draw levels of a distribution, a named grid world or a maze and write each to a level file."""

    distribution: tyro.conf.Positional[str]
    """Where the levels come from."""
    count: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 1
    """Number of levels."""
    seed: int = 0
    """Seed of the draws."""
    solvable: bool = False
    """Draw again where no object of positive reward can be reached."""
    out: Path = Path(".")
    """Folder for the files, DISTRIBUTION-SEED-NUMBER.toml; created if it does not exist."""


@dataclass(frozen=True)
class ShowFlags:
    """Print levels as text, or draw them into one picture."""

    levels: tyro.conf.Positional[tuple[str, ...]]
    """Level files, folders of them, or names of distributions to draw one level from each."""
    seed: int = 0
    """Seed of the draws from distributions."""
    png: Path | None = None
    """Picture to write in place of printing."""


@dataclass(frozen=True)
class SolveFlags:
    """Print the exact returns of the best and of the uniformly random policy on levels."""

    levels: tyro.conf.Positional[tuple[str, ...]]
    """Level files, folders of them, or names of distributions to draw one level from each."""
    seed: int = 0
    """Seed of the draws from distributions."""


@dataclass(frozen=True)
class EditFlags:
    """Edit a level as a curriculum does, and print it as text or write it to a level file."""

    level: tyro.conf.Positional[str]
    """Level file, or name of a distribution to draw one level from."""
    edit: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Name of an edit; give several to make them in order. For an unknown name, the known ones are printed."""
    times: int = 1
    """How many times all the edits are made."""
    seed: int = 0
    """Seed of the edits and of the draw from a distribution."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Level file to write in place of printing."""


def levels(arguments: list[str]) -> int:
    """Run `groove levels sample|show|solve|edit`; without an action, list the names of all distributions.

    Args:
        arguments: the arguments that follow the name of the command.

    Returns:
        Exit status.
    """
    if not arguments:
        print("\n".join(GENERATORS))
        return 0
    if arguments[0] in ("-h", "--help"):
        print("usage: groove levels [sample|show|solve|edit]\n\ngroove levels lists the names of all distributions.")
        print("groove levels sample|show|solve|edit --help says more.")
        return 0
    actions: dict[str, Callable[[list[str]], int]] = {
        "sample": _sample,
        "show": _show,
        "solve": _solve,
        "edit": _edit,
    }
    choose("levels action", arguments[0], actions)
    return actions[arguments[0]](arguments[1:])


def _sample(arguments: list[str]) -> int:
    flags = read_flags(SampleFlags, "groove levels sample", arguments)
    if flags.count < 1:
        raise UsageError(f"--count must be >= 1, got {flags.count}")
    for number in range(flags.count):
        path = flags.out / f"{flags.distribution.rpartition(':')[2]}-{flags.seed}-{number}.toml"
        level = _draw(flags.distribution, flags.seed, number, flags.solvable)
        with one_line(ValueError, OSError):
            from levels.level_file import save_level

            flags.out.mkdir(parents=True, exist_ok=True)
            save_level(path, level)
        print(path)
    return 0


def _show(arguments: list[str]) -> int:
    flags = read_flags(ShowFlags, "groove levels show", arguments)
    chosen = _read(flags.levels, flags.seed)
    if flags.png is not None:
        from matplotlib.image import imsave

        from levels.gallery import render_gallery

        with one_line(ValueError, OSError):
            named = list(chosen.items())
            imsave(flags.png, render_gallery([named[i : i + COLUMNS] for i in range(0, len(named), COLUMNS)]))
        print(flags.png)
        return 0
    from levels.renderer import render_text

    for name, level in chosen.items():
        print(f"{name}\n{render_text(level)}")
    return 0


def _solve(arguments: list[str]) -> int:
    flags = read_flags(SolveFlags, "groove levels solve", arguments)
    chosen = _read(flags.levels, flags.seed)
    from levels.solver import exact_grid, optimal_return, random_return
    from levels.worlds.tabular_grid import TabularGrid

    print(f"{'optimum':>9} {'random':>9}  level")
    for name, level in chosen.items():
        height, width = level.walls.shape
        if _is_distribution(name) and exact_grid(generator(name).world) is None:
            raise UsageError(f"{name} has no exact solver, because its layout is drawn again in every episode")
        with one_line(ValueError):
            grid = TabularGrid(height, width, num_objects=level.object_types.shape[0])
        print(f"{float(optimal_return(grid, level)):9.4f} {float(random_return(grid, level)):9.4f}  {name}")
    return 0


def _edit(arguments: list[str]) -> int:
    flags = read_flags(EditFlags, "groove levels edit", arguments)
    if flags.times < 1:
        raise UsageError(f"--times must be >= 1, got {flags.times}")
    _check_seed(flags.seed)
    level, idle = _edited(_read((flags.level,), flags.seed)[flags.level], flags)
    for name, count in idle.items():
        made = flags.times * flags.edit.count(name)
        times = "" if made == 1 else f", {count} of {made} times"
        print(f"groove: {name} changed nothing{times}", file=sys.stderr)
    if flags.out is not None:
        from levels.level_file import save_level

        with one_line(ValueError, OSError):
            save_level(flags.out, level)
        print(flags.out)
        return 0
    from levels.renderer import render_text

    print(f"{flags.level}\n{render_text(level)}")
    return 0


def _edited(level: "Level", flags: EditFlags) -> "tuple[Level, Counter[str]]":
    """The level after all edits, and how often each edit changed nothing."""
    import jax
    import numpy as np

    from levels.mutators import MUTATORS, Edits

    if not flags.edit:
        raise UsageError(f"name an edit with --edit; known: {', '.join(MUTATORS)}")
    for name in flags.edit:
        choose("edit", name, MUTATORS)
    # A stream of its own, separate from the one that the level is drawn from.
    edit_key = jax.random.fold_in(jax.random.key(flags.seed), 2**31)
    edits = {name: jax.jit(Edits(1, (name,))) for name in flags.edit}
    idle: Counter[str] = Counter()
    for number, name in enumerate(flags.edit * flags.times):
        before, level = level, edits[name](jax.random.fold_in(edit_key, number), level)
        idle[name] += jax.tree.all(jax.tree.map(np.array_equal, before, level))
    return level, +idle


def _read(names: tuple[str, ...], seed: int) -> "dict[str, Level]":
    """Return levels by the name or file given for each."""
    if not names:
        raise UsageError("name a level file or a distribution; distributions: " + ", ".join(GENERATORS))
    return {name: _draw(name, seed, 0) if _is_distribution(name) else _load(name) for name in _files_of(names)}


def _is_distribution(name: str) -> bool:
    return name in GENERATORS or is_plugin(name)


def _files_of(names: tuple[str, ...]) -> Iterator[str]:
    """Yield names and files as they are, and the level files of each folder."""
    for name in names:
        if _is_distribution(name) or not Path(name).is_dir():
            yield name
            continue
        files = sorted(map(str, Path(name).glob("*.toml")))
        if not files:
            raise UsageError(f"{name}: this folder has no level files (*.toml)")
        yield from files


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise UsageError(f"--seed must be in 0..{2**32 - 1}, got {seed}")


def _load(name: str) -> "Level":
    if not Path(name).is_file():
        stem = name.removesuffix(".toml")
        near_file = perhaps(stem, [str(path.with_suffix("")) for path in Path(name).parent.glob("*.toml")])
        near = f"{near_file}.toml" if near_file else perhaps(stem, GENERATORS)
        raise UsageError(f"{name}: no such level file or distribution{near}; distributions: {', '.join(GENERATORS)}")
    configure(None)
    from levels.level_file import load_level

    with one_line(ValueError, OSError):
        return load_level(name)


def _draw(name: str, seed: int, number: int, solvable: bool = False) -> "Level":
    if not is_plugin(name):
        choose("level distribution", name, GENERATORS)
    _check_seed(seed)
    configure(None)
    import jax

    from levels.generators.solvable import Solvable
    from levels.level import Level

    with one_line(ValueError):
        source = Solvable(generator(name)) if solvable else generator(name)
    try:
        level = source.sample(jax.random.fold_in(jax.random.key(seed), number))
    except Exception as error:
        if not is_plugin(name):
            raise
        raise UsageError(f"{name}: sample(key) fails: {described(error)}") from error
    if not isinstance(level, Level):
        raise UsageError(f"{name}: its levels are not grid levels")
    return level
