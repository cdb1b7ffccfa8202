"""Type annotations checked when tests import the rooms."""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

# As mypy has it, an int is a float.
_CHECK = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check_calls(function: Callable) -> Callable:
    """Check the arguments and the result of a function, above all the shapes of arrays.

    Left alone are the fields of a dataclass: a state's say the shapes of one state, but stacked, as
    NumPy arrays, or as the axes of a `vmap`, the same class holds others, and what a config refuses
    it says by a ValueError of its own. Protocols are mypy's to check.
    """
    if function.__name__ == "__init__":
        return function
    function.__annotations__ = {
        name: Any if getattr(hint, "_is_protocol", False) else hint for name, hint in function.__annotations__.items()
    }
    return _CHECK(function)
