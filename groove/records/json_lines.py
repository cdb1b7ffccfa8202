"""Files of one JSON object per line, which grow row by row and survive a kill."""

import json
import numbers
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from groove.records.json_file import RunFolderError
from groove.records.json_values import to_json
from lpg.atomic_file import replacing

Row = dict[str, Any]


class JsonLines:
    """One JSON object per line, on disk when `append` returns.

    Equal values give equal bytes. JSON has no NaN or infinity, so both are written as null.

    Attributes:
        path: the file, which need not exist.
    """

    def __init__(self, path: Path, numbered: str | None = None) -> None:
        """Name the file, without reading or creating it.

        Args:
            path: the file, which need not exist.
            numbered: a field that must be an integer in every row, or None.
        """
        self.path, self._numbered = path, numbered

    def append(self, *rows: Mapping[str, Any]) -> None:
        """Append rows.

        Args:
            rows: mappings of names to numbers, strings, arrays, and mappings of these.

        Raises:
            RunFolderError: the file cannot be written.
            ValueError: a row lacks the field that numbers it.
        """
        for row in rows:
            if not self._is_numbered(row):
                raise ValueError(f"a row needs an integer {self._numbered}, got {row.get(self._numbered or '')!r}")
        lines = [json.dumps(to_json(row), separators=(",", ":"), allow_nan=False) + "\n" for row in rows]
        try:
            with self.path.open("ab") as file:
                file.write("".join(lines).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot be written: {error.strerror}") from error

    def rows(self) -> list[Row]:
        """Read all complete rows, oldest first; a last line cut off by a kill is left out.

        Raises:
            RunFolderError: the file cannot be read, or a complete line is not a row.
        """
        return [row for row, _ in self._rows_and_lines()]

    def keep(self, wanted: Callable[[Row], bool] = lambda _: True) -> list[Row]:
        """Drop the rows that are not wanted, and a last line that was cut off, so that more can be appended.

        Args:
            wanted: whether a row stays; by default every row does.

        Returns:
            The rows that stay.

        Raises:
            RunFolderError: the file cannot be read or written, or a complete line is not a row.
        """
        kept = [(row, line) for row, line in self._rows_and_lines() if wanted(row)]
        try:
            with replacing(self.path) as temporary:
                temporary.write_bytes(b"".join(line for _, line in kept))
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot be written: {error.strerror}") from error
        return [row for row, _ in kept]

    def _rows_and_lines(self) -> list[tuple[Row, bytes]]:
        try:
            lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot be read: {error.strerror}") from error
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        rows = []
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise RunFolderError(f"{self.path}: line {number} is not JSON") from error
            if not isinstance(row, dict) or not self._is_numbered(row):
                wanted = "" if self._numbered is None else f" with an integer {self._numbered}"
                raise RunFolderError(f"{self.path}: line {number} is not a row{wanted}")
            rows.append((row, line))
        return rows

    def _is_numbered(self, row: Mapping[str, Any]) -> bool:
        if self._numbered is None:
            return True
        number = row.get(self._numbered)
        return isinstance(number, numbers.Integral) and not isinstance(number, bool)
