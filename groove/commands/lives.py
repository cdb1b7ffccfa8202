"""What the commands that test rules in new environments share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.console import Console

from groove.commands.flags import Flags, read_flags
from groove.config import flag_of
from groove.errors import UsageError, one_line
from groove.records.group_folder import GroupFolder
from levels.near_names import perhaps
from levels.plugins import is_plugin
from lpg.shipped_rules import SHIPPED, rule_path

if TYPE_CHECKING:
    from groove.transfer.contestants import Contestant
    from groove.transfer.environments import Environment


@dataclass(frozen=True)
class LivesFlags:
    """What every agent's life is like, whatever its rule."""

    workers: int | None = None
    """Number of parallel environments per agent, whatever its rule; the suite's own by default (16 or 64)."""
    rollout_length: int | None = None
    """Steps between two updates, whatever the rule; the suite's own by default (20)."""
    level_seed: int = 0
    """Seed of the levels; any but 0 redraws those of the suites, whose results are then named SUITE#SEED."""
    chunk: int = 128
    """Lives between two writes of results, rounded up on a GPU to fill it; does not affect the results."""
    devices: int | None = None
    """Local devices to use: all by default, on CPU one per core."""


def read_lives(kind: type[Flags], command: str, arguments: list[str], positional: str) -> Flags:
    """Return the flags of a command that lets agents live.

    Args:
        kind: dataclass of the flags.
        command: name of the command.
        arguments: the command's arguments.
        positional: name of the field that must not be empty.

    Returns:
        The flags.

    Raises:
        UsageError: a flag is unknown or out of range, or no rule is named.
    """
    flags = read_flags(kind, f"groove {command}", arguments)
    if not getattr(flags, positional):
        shipped = ", ".join(SHIPPED)
        raise UsageError(
            f"{command}: name a rule first: a shipped one ({shipped}), a rule file, the folder of a run or of a group, "
            "or a hand-written one"
        )
    least = dict.fromkeys(("seeds", "workers", "rollout_length", "points", "chunk", "devices"), 1) | {"level_seed": 0}
    for name, bound in least.items():
        value = getattr(flags, name, None)
        if value is not None and value < bound:
            raise UsageError(f"{flag_of(name)} must be >= {bound}, got {value}")
    return flags


def contestants_of(name: str, hand_written_names: tuple[str, ...]) -> "list[Contestant]":
    """Return a rule by its file or name, or the rules of a group.

    Args:
        name: a rule file, a run's folder, a group's, a shipped rule, a hand-written one, or FILE.py:NAME of one of
            your own.
        hand_written_names: names of the hand-written rules that are allowed.

    Returns:
        One contestant, or all of the group.

    Raises:
        ValueError: there is no such rule, or the file holds no rule.
    """
    from groove.transfer.contestants import hand_written, learned, own_rule
    from groove.transfer.methods import learned_group

    if name in hand_written_names:
        return [hand_written(name)]
    if is_plugin(name):
        return [own_rule(name)]
    if name not in SHIPPED and GroupFolder.is_group(name):
        return learned_group(name)
    near = perhaps(name, hand_written_names)
    with one_line(ValueError, suffix=f"{near}; hand-written rules: {', '.join(hand_written_names)}"):
        rule_path(name)
    return [learned(name)]


def shaped(environments: "list[Environment]", flags: LivesFlags) -> "list[Environment]":
    """Return environments with the workers and steps of the flags, where these are given.

    Args:
        environments: environments of one suite, with its workers and steps.
        flags: the command's flags.

    Returns:
        The environments.

    Raises:
        UsageError: a seed is given for levels, but none are drawn.
    """
    if flags.level_seed and not any(environment.draw for environment in environments):
        raise UsageError(f"--level-seed redraws levels, but {environments[0].suite.partition('#')[0]} has none to draw")
    given = {name: getattr(flags, name) for name in ("workers", "rollout_length")}
    return [
        replace(environment, **{name: value for name, value in given.items() if value is not None})
        for environment in environments
    ]


@contextmanager
def progress_bar(console: Console, unit: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show progress: a bar on a terminal, elsewhere a line whenever the task changes.

    Args:
        console: console to print to.
        unit: what is counted.

    Yields:
        A function of the task, the number done and the total.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(unit), MofNCompleteColumn(), BarColumn(bar_width=20))
    bar = Bar(
        *columns,
        TextColumn("{task.description}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task, last = bar.add_task("compiling …", total=None), ""

    def advance(text: str, done: int, total: int) -> None:
        nonlocal last
        bar.update(task, description=text, completed=done, total=total)
        if text != last and not console.is_terminal:
            console.print(f"{done}/{total} {unit}: {text}", highlight=False)
        last = text

    with bar:
        yield advance
