"""The pins of a lock file, checked against the requirements of installed packages. Needs no network."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[([^]]*)\])?==(\S+)", re.MULTILINE)


class Pin(NamedTuple):
    """How a lock file pins a package, over all lines that do: platforms and interpreters may need several versions."""

    versions: frozenset[str]
    extras: frozenset[str]
    """Named in every line."""


NOT_PINNED = Pin(frozenset(), frozenset())


def pins(lock: str) -> dict[str, Pin]:
    """Return how a lock file pins each package.

    Args:
        lock: text of the file.

    Returns:
        Canonical name -> its pin.
    """
    found: dict[str, Pin] = {}
    for name, listed, version in PIN.findall(lock):
        extras = frozenset(canonicalize_name(extra.strip()) for extra in listed.split(",") if extra.strip())
        before = found.get(canonicalize_name(name), Pin(frozenset(), extras))
        found[canonicalize_name(name)] = Pin(before.versions | {version}, before.extras & extras)
    return found


def missing_extras(lock: str, distributions: Iterable[Distribution]) -> list[str]:
    """Return what pip refuses, or will refuse once a package releases again, in hash-checking mode.

    pip 23 takes `coverage==7` as the pin of a request for `coverage[toml]` only as long as 7 is the newest release.
    Python versions and platforms in the markers are not looked at, since the lock serves all of them. What is pinned
    for other platforms alone is not installed here, and so not looked at.

    Args:
        lock: text of the lock file.
        distributions: the installed packages; those that the lock does not pin are skipped.

    Returns:
        A line for each request with extras that the lock does not pin in that form.
    """
    pinned = pins(lock)
    complaints = []
    for distribution in distributions:
        name = canonicalize_name(distribution.metadata["Name"])
        if name not in pinned:
            continue
        for request in _requests(distribution, pinned[name].extras):
            target = canonicalize_name(request.name)
            asked = {canonicalize_name(extra) for extra in request.extras}
            absent = ",".join(sorted(asked - pinned.get(target, NOT_PINNED).extras))
            if absent:
                complaints.append(f"{target} must be pinned as {target}[{absent}], {name} asks for it")
    return complaints


def _requests(distribution: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    """Yield the requirements of a package and of those of its extras that are pinned."""
    for text in distribution.requires or ():
        request = Requirement(text)
        named = set(re.findall(r"""extra\s*==\s*["']([^"']+)""", str(request.marker or "")))
        if not named or {canonicalize_name(extra) for extra in named} & extras:
            yield request
