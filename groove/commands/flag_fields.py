"""The flags that tyro makes of a dataclass."""

import dataclasses
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

from groove.config import flag_of


def flags_of(kind: Any) -> dict[str, Any]:
    """Return all flags that tyro makes of a dataclass: those of nested ones, aliases and negations of switches, too.

    Args:
        kind: dataclass with a field for each flag.

    Returns:
        Flag -> type of its value; bool for a switch, which takes none.
    """
    flags: dict[str, Any] = {}
    for name, plain, markers in _fields_of(kind):
        if tyro.conf.Positional in markers:
            continue
        if dataclasses.is_dataclass(plain):
            flags |= flags_of(plain)
            continue
        aliases = [alias for marker in markers for alias in getattr(marker, "aliases", None) or ()]
        name = next((marker.name for marker in markers if getattr(marker, "name", None)), name)
        negation = [flag_of(f"no_{name}")] if plain is bool else []
        flags |= dict.fromkeys([*aliases, flag_of(name), *negation], plain)
    return flags


def positionals_of(kind: Any) -> list[str]:
    """Return the arguments of a command that are not flags.

    Args:
        kind: dataclass with a field for each.

    Returns:
        Their names in messages, such as RUN.
    """
    return [name.upper() for name, _, markers in _fields_of(kind) if tyro.conf.Positional in markers]


def alternatives(kind: Any) -> tuple[str, ...]:
    """Return the values that a type allows, if they are a list of names.

    Args:
        kind: type of a flag's value.

    Returns:
        The names, none if others are allowed.
    """
    if get_origin(kind) in (UnionType, Union):
        return sum(map(alternatives, get_args(kind)), ())
    return get_args(kind) if get_origin(kind) is Literal else ()


def _fields_of(kind: Any) -> list[tuple[str, Any, list[Any]]]:
    """Name, type and tyro's markers of each field of a dataclass."""
    fields = []
    for name, annotation in get_type_hints(kind, include_extras=True).items():
        plain, *markers = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
        fields.append((name, plain, markers))
    return fields
