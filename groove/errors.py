"""Errors that end a command with one line on stderr and an exit status."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from levels.near_names import unknown


class CommandError(Exception):
    """One line that says why a command cannot go on."""

    status = 1


class UsageError(CommandError, ValueError):
    """A mistake on the command line."""

    status = 2


def choose(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not known.

    Args:
        kind: what the name stands for, used in the message.
        name: name given by the user.
        known: known names.

    Raises:
        UsageError: the name is unknown; the message lists the known ones.
    """
    if name not in known:
        raise UsageError(unknown(kind, name, known))


@contextmanager
def one_line(
    *kinds: type[Exception], prefix: str = "", suffix: str = "", kind: type[CommandError] = UsageError
) -> Iterator[None]:
    """Turn errors of some kinds into one line, by default as mistakes on the command line.

    Args:
        kinds: types of the errors.
        prefix: text put before the message.
        suffix: text put after the message.
        kind: type of the error that is raised in their place.

    Raises:
        CommandError: an error of one of the kinds was raised; this one is of type `kind`.
    """
    try:
        yield
    except CommandError:
        raise
    except kinds as error:
        raise kind(f"{prefix}{error}{suffix}") from error


def report(error: CommandError | KeyboardInterrupt | BrokenPipeError) -> int:
    """Report in one line why a command ended.

    Args:
        error: the error that ended the command.

    Returns:
        Exit status of the process.
    """
    if isinstance(error, BrokenPipeError):
        # The reader of the output, such as head, has closed the pipe, so nothing more can be printed, even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    if isinstance(error, KeyboardInterrupt):
        print("groove: interrupted", file=sys.stderr)
        return 130
    print(f"groove: {error}", file=sys.stderr)
    return error.status
