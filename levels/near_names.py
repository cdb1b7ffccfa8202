"""The hint at what a mistyped name may have meant."""

import difflib
from collections.abc import Iterable


def perhaps(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that is nearest to one that is not known.

    Args:
        name: name as given.
        known: names there are.

    Returns:
        Such as "; perhaps tiny", or nothing where no name is near.
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; perhaps {near[0]}" if near else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message about a name that is not known.

    Args:
        kind: what the name stands for.
        name: name as given.
        known: names there are.

    Returns:
        Such as "unknown command 'tain'; perhaps train; known: train, resume".
    """
    if name.endswith(".py"):
        return f"{name} is a file; name an object in it: {name}:NAME"
    known = list(known)
    return f"unknown {kind} {name!r}{perhaps(name, known)}; known: {', '.join(known)}"
