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
