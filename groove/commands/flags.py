"""The flags of a command, read by tyro, whose complaints become one line."""

import re
from contextlib import redirect_stderr
from io import StringIO
from itertools import groupby, takewhile
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import tyro

from groove.commands.flag_fields import alternatives, flags_of, positionals_of
from groove.config import with_flags
from groove.errors import UsageError
from levels.near_names import perhaps

Flags = TypeVar("Flags")

_ALLOWED: dict[Any, str] = {
    int: "an integer",
    float: "a number",
    Path: "a path",
    tuple[int, int]: "two integers",
    tuple[int, ...]: "integers",
}
"""What the value of a flag must be, by its type."""


def read_flags(kind: type[Flags], prog: str, arguments: list[str], default: Flags | None = None) -> Flags:
    """Return the values that the arguments of a command give to its flags.

    Args:
        kind: dataclass with a field for each flag.
        prog: the command, for its help.
        arguments: the command's arguments.
        default: values of the flags that are not given, in place of the class's own.

    Returns:
        The values.

    Raises:
        UsageError: an argument is missing, unknown, or of another type; names it and its value.
        SystemExit: help was asked for and printed.
    """
    flags = flags_of(kind)
    _refuse_unknown(arguments, prog, flags)
    options: dict[str, Any] = {} if default is None else {"default": default}
    complaint = StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(kind, prog=prog, args=arguments, **options)
    except SystemExit as end:
        if not end.code:
            raise
        line = _complaint(_reason(complaint.getvalue()), prog.removeprefix("groove "), kind, arguments)
        raise UsageError(f"{with_flags(line)} (see {prog} --help)") from end
    except ValueError as error:
        raise UsageError(with_flags(str(error))) from error


def _is_flag(argument: str) -> bool:
    # A dash and a digit begin a negative number.
    return re.match(r"--|-[^\d.]", argument) is not None


def _refuse_unknown(arguments: list[str], prog: str, flags: dict[str, Any]) -> None:
    """Refuse a flag that a command does not have, with the nearest that it has, or all of them if none is near."""
    known = [*flags, "--help", "-h"]
    for argument in arguments:
        flag = argument.split("=", 1)[0].replace("_", "-")
        if _is_flag(flag) and flag not in known:
            near = perhaps(flag, known)
            raise UsageError(f"unknown flag {flag}{near or '; known: ' + ' '.join(known)} (see {prog} --help)")


def _complaint(reason: str, command: str, kind: Any, arguments: list[str]) -> str:
    """Say in one sentence what tyro complains of and what is allowed; its own reason where it is a sentence of ours."""
    positionals = positionals_of(kind)
    missing = re.match(r"Missing from .*?: \S+ (.*?)\.? \(required\)", reason)
    if missing:
        return f"{command} needs {positionals[0]}: {missing[1][0].lower()}{missing[1][1:]}"
    stray = re.match(r"Unrecognized options: ([^,]*)", reason)
    if stray:
        return f"unexpected argument {stray[1]!r}: {command} takes only {' and '.join([*positionals, 'flags'])}"
    named = re.match(r"(?:Error parsing |(?:Missing value|invalid choice .*) for argument ')(-[-/\w]+)", reason)
    if named is None:
        return reason
    names = named[1].split("/")
    allowed, given = flags_of(kind)[names[-1]], _given(arguments, names)
    if not given or reason.startswith("Missing"):
        return f"{names[-1]} needs {_allowed(allowed)}"
    return f"{names[-1]} must be {_allowed(allowed)}, got {given!r}{perhaps(given, alternatives(allowed))}"


def _given(arguments: list[str], names: list[str]) -> str:
    """The values that the last of a flag's uses gives it."""
    given = ""
    for number, argument in enumerate(arguments):
        flag, _, value = argument.partition("=")
        if flag.replace("_", "-") in names:
            given = value or " ".join(takewhile(lambda word: not _is_flag(word), arguments[number + 1 :]))
    return given


def _allowed(kind: Any) -> str:
    if choices := alternatives(kind):
        return f"one of {', '.join(choices)}"
    kinds = get_args(kind) if get_origin(kind) in (UnionType, Union) else (kind,)
    return next((_ALLOWED[one] for one in kinds if one in _ALLOWED), "a value")


def _reason(box: str) -> str:
    """The first paragraph in a box that tyro draws around a title, a reason and help, of dashes where it must."""
    lines = [line.strip("│ ") for line in box.splitlines()[1:]]
    paragraphs = [list(group) for ruled, group in groupby(lines, lambda line: not line.strip("─╰╯-")) if not ruled]
    reason = " ".join(" ".join(paragraphs[0]).split())
    return re.sub(r"^Error parsing (config|job)[.a-z]*: ", "", reason)
