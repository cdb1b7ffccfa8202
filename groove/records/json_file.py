"""JSON files that appear whole or not at all."""

import json
from pathlib import Path
from typing import Any

from groove.records.json_values import to_json
from lpg.atomic_file import replacing


class RunFolderError(ValueError):
    """One line that names the folder or file of a run and says what is wrong with it."""


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: its file.

    Returns:
        The object.

    Raises:
        RunFolderError: the file cannot be read or is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RunFolderError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{path}: must hold a JSON object, got {type(content).__name__}")
    return content


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically.

    Args:
        path: its file.
        content: mappings, sequences, numbers, strings; the order of fields is kept. Numbers that are not finite are
            written as null, as JSON has none.

    Raises:
        RunFolderError: the file cannot be written.
    """
    text = json.dumps(to_json(content), indent=2, allow_nan=False) + "\n"
    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}") from error
