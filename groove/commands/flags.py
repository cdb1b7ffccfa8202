"""The flags of a command, read by tyro, whose complaints become one line."""

import dataclasses
import re
from contextlib import redirect_stderr
from io import StringIO
from itertools import groupby
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import tyro

from groove.config import flag_of, with_flags
from groove.errors import UsageError
from levels.near_names import perhaps

Flags = TypeVar("Flags")


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
    _refuse_unknown(arguments, _flags_of(kind))
    options: dict[str, Any] = {} if default is None else {"default": default}
    complaint = StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(kind, prog=prog, args=arguments, **options)
    except SystemExit as end:
        if not end.code:
            raise
        raise UsageError(f"{with_flags(_reason(complaint.getvalue()))} (see {prog} --help)") from end
    except ValueError as error:
        raise UsageError(with_flags(str(error))) from error


def _flags_of(kind: Any) -> list[str]:
    """Return all flags that tyro makes of a dataclass: nested ones and aliases, too, and negations of switches."""
    flags = []
    for name, annotation in get_type_hints(kind, include_extras=True).items():
        plain, *markers = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
        if tyro.conf.Positional in markers:
            continue
        if dataclasses.is_dataclass(plain):
            flags += _flags_of(plain)
            continue
        flags += [alias for marker in markers for alias in getattr(marker, "aliases", None) or ()]
        name = next((marker.name for marker in markers if getattr(marker, "name", None)), name)
        flags += [flag_of(name), *([flag_of(f"no_{name}")] if plain is bool else [])]
    return flags


def _refuse_unknown(arguments: list[str], known: list[str]) -> None:
    """Refuse a flag that a command does not have, with the nearest that it has."""
    known = [*known, "--help", "-h"]
    for argument in arguments:
        flag = argument.split("=", 1)[0].replace("_", "-")
        # A dash and a digit begin a negative number.
        if re.match(r"--|-[^\d.]", flag) and flag not in known:
            raise UsageError(f"unknown flag {flag}{perhaps(flag, known)}; known: {' '.join(known)}")


def _reason(box: str) -> str:
    """The first paragraph in a box that tyro draws around a title, a reason and help, of dashes where it must."""
    lines = [line.strip("│ ") for line in box.splitlines()[1:]]
    paragraphs = [list(group) for ruled, group in groupby(lines, lambda line: not line.strip("─╰╯-")) if not ruled]
    reason = " ".join(" ".join(paragraphs[0]).split())
    reason = re.sub(r"invalid literal for int\(\) with base 10: (.*)", r"must be an integer, got \1", reason)
    reason = re.sub(r"could not convert string to float: (.*)", r"must be a number, got \1", reason)
    return re.sub(r"^(Error parsing )?((config|job)[.a-z]*: )?", "", reason)
