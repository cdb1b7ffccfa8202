"""What a run records, as JSON knows it."""

import math
from collections.abc import Mapping
from typing import Any


def to_json(value: Any) -> Any:
    """Return a value as JSON values: arrays as lists, and null for a number that is not finite.

    Args:
        value: numbers, strings, None, arrays, and mappings and sequences of them.

    Returns:
        What `json.dumps` writes without `allow_nan`.
    """
    if isinstance(value, Mapping):
        return {str(name): to_json(part) for name, part in value.items()}
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return [to_json(part) for part in value]
    if not isinstance(value, (bool, int, float)):
        import numpy as np  # not above: the command line, which reads run folders, starts without it

        return to_json(np.asarray(value).tolist())
    return value if math.isfinite(value) else None
