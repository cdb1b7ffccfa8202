"""The command line: `groove COMMAND`. Imports of JAX wait until a command needs them."""

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module

from groove import __version__

COMMANDS = {
    "train": ("groove.train_command", "train", "meta-train a rule: groove train EXPERIMENT [--flags]"),
    "resume": ("groove.train_command", "resume", "go on with a run that was stopped: groove resume RUN"),
    "curriculum": (
        "groove.curriculum_command",
        "curriculum",
        "show the levels that a run's curriculum keeps: groove curriculum RUN",
    ),
    "bakeoff": (
        "groove.bakeoff_command",
        "bakeoff",
        "compare all scores on one pool of levels: groove bakeoff RULE",
    ),
    "evaluate": (
        "groove.transfer.commands",
        "evaluate",
        "what a rule is worth in environments it never saw: groove evaluate RULE --suite ...",
    ),
    "benchmark": (
        "groove.transfer.commands",
        "benchmark",
        "a rule against PPO, A2C and others: groove benchmark RULE --against ppo a2c --suite ...",
    ),
    "tune": (
        "groove.transfer.commands",
        "tune",
        "step sizes and costs by random search: groove tune RULE|ppo|a2c --suite ...",
    ),
    "rules": ("groove.rule_command", "rules", "list update rules and rule files: groove rules [FILE ...]"),
    "levels": (
        "groove.level_command",
        "levels",
        "sample, show, solve and edit levels: groove levels sample|show|solve|edit",
    ),
}


class CommandError(Exception):
    """Why a command cannot go on, told in one line."""

    status = 1


class UsageError(CommandError, ValueError):
    """A mistake on the command line."""

    status = 2


def usage() -> str:
    """What `groove --help` prints.

    Returns:
        A few lines.
    """
    lines = ["usage: groove COMMAND [...]", "", "Discover reinforcement-learning algorithms.", ""]
    lines += [f"  {name:10s} {text}" for name, (_, _, text) in COMMANDS.items()]
    return "\n".join([*lines, "", "groove COMMAND --help says more; groove --version prints the version."])


def choose(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not known.

    Args:
        kind: what it names, for the message.
        name: as given.
        known: the names there are.

    Raises:
        UsageError: it is not known; says what is.
    """
    if name not in known:
        raise UsageError(f"unknown {kind} {name!r}; known: {', '.join(known)}")


def refuse_unknown_flags(arguments: list[str], known: list[str]) -> None:
    """Refuse a flag that a command does not have.

    Args:
        arguments: of the command.
        known: its flags, with dashes.

    Raises:
        UsageError: one is not known; says which is near, and which are known.
    """
    known = [*known, "--help", "-h"]
    for argument in arguments:
        flag = argument.split("=", 1)[0].replace("_", "-")
        # A dash and a digit begin a negative number.
        if re.match(r"--|-[^\d.]", flag) and flag not in known:
            near = difflib.get_close_matches(flag, known, n=1)
            hint = f"; perhaps {near[0]}" if near else ""
            raise UsageError(f"unknown flag {flag}{hint}; known: {' '.join(known)}")


@contextmanager
def one_line(*kinds: type[Exception], prefix: str = "", kind: type[CommandError] = UsageError) -> Iterator[None]:
    """Tell errors of some kinds in one line, as mistakes on the command line if not said otherwise.

    Args:
        kinds: of the errors.
        prefix: put before the message.
        kind: of the error raised in their place.

    Raises:
        CommandError: of that kind, in place of such an error.
    """
    try:
        yield
    except CommandError:
        raise
    except kinds as error:
        raise kind(f"{prefix}{error}") from error


def told(error: CommandError | KeyboardInterrupt | BrokenPipeError) -> int:
    """Tell why a command ended.

    Args:
        error: that ended it.

    Returns:
        Exit status of the process.
    """
    if isinstance(error, BrokenPipeError):
        # Whoever read the output, head say, has read enough; nothing more can be told, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    if isinstance(error, KeyboardInterrupt):
        print("groove: interrupted", file=sys.stderr)
        return 130
    print(f"groove: {error}", file=sys.stderr)
    return error.status


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: of the process by default.

    Returns:
        Exit status: 0, 1 where a run failed, 2 for a mistake of the user's, 130 where a run was interrupted,
        141 where nobody reads the output any more.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"groove {__version__}")
        return 0
    try:
        choose("command", arguments[0], COMMANDS)
        module, function, _ = COMMANDS[arguments[0]]
        command: Callable[[list[str]], int] = getattr(import_module(module), function)
        status = command(arguments[1:])
        sys.stdout.flush()
        return status
    except (CommandError, KeyboardInterrupt, BrokenPipeError) as error:
        return told(error)
