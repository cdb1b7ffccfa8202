"""What a run logs as it goes: JSON lines, which are the source of truth, and TensorBoard events."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from groove.records.json_values import to_json
from groove.records.run_folder import RunFolderError
from lpg.atomic_file import replacing


class MetricsLog:
    """One JSON object per line, one line per generation, on disk when `append` returns.

    Equal values give equal bytes. JSON has no NaN or infinity, so both are written as null.

    Attributes:
        path: the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row.

        Args:
            row: numbers, strings, arrays, and mappings of these; `generation` must be an integer.

        Raises:
            RunFolderError: the file cannot be written.
        """
        if not _has_generation(row):
            raise ValueError(f"a row of metrics needs an integer generation, got {row.get('generation')!r}")
        line = json.dumps(to_json(row), separators=(",", ":"), allow_nan=False) + "\n"
        try:
            with self.path.open("ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot be written: {error.strerror}") from error

    def rows(self) -> list[dict[str, Any]]:
        """Read all complete rows, oldest first; a last line cut off by a kill is left out.

        Raises:
            RunFolderError: the file cannot be read, or a complete line is not a row.
        """
        return [row for row, _ in self._rows_and_lines()]

    def truncate_after(self, generation: int) -> None:
        """Drop what a resumed run will rewrite: rows from `generation` on, and a last line that was cut off.

        Args:
            generation: the first generation that the resumed run executes.

        Raises:
            RunFolderError: the file cannot be read or written, or a complete line is not a row.
        """
        kept = b"".join(line for row, line in self._rows_and_lines() if row["generation"] < generation)
        try:
            with replacing(self.path) as temporary:
                temporary.write_bytes(kept)
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _rows_and_lines(self) -> list[tuple[dict[str, Any], bytes]]:
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
            if not isinstance(row, dict) or not _has_generation(row):
                raise RunFolderError(f"{self.path}: line {number} is not a row with a generation")
            rows.append((row, line))
        return rows


class TensorBoardLog:
    """The numbers of each row as TensorBoard events, on disk when `append` returns.

    A SummaryWriter passes events to a thread. When the disk is full, that thread dies and its queue
    blocks the run forever. This uses the event writer without the thread, so errors are raised.

    Args:
        folder: folder of the events, to which each process adds its own file.
        first_generation: first generation of this process; TensorBoard hides earlier events from there on.

    Raises:
        RunFolderError: the folder cannot be written.
    """

    def __init__(self, folder: Path, first_generation: int = 0) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # The writer names its file by the second, so a log started in the same second would overwrite it.
            self._writer = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
        except OSError as error:
            raise RunFolderError(f"{folder}: cannot be written: {error.strerror}") from error
        self._write(Event(step=first_generation, session_log=SessionLog(status=SessionLog.START)))

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row's finite numbers as scalars at its generation, leaving out everything else.

        Args:
            row: as for `MetricsLog.append`.

        Raises:
            RunFolderError: the file cannot be written.
        """
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        scalars = {name: to_json(value) for name, value in row.items() if name != "generation"}
        values = [
            Summary.Value(tag=name, simple_value=value)
            for name, value in scalars.items()
            if isinstance(value, (int, float))
        ]
        self._write(Event(step=int(row["generation"]), summary=Summary(value=values)))

    def close(self) -> None:
        """Close the file.

        Raises:
            RunFolderError: the file cannot be written.
        """
        try:
            self._writer.close()
        except OSError as error:
            raise RunFolderError(f"{self._folder}: cannot be written: {error.strerror}") from error

    def _write(self, event: Any) -> None:
        event.wall_time = time.time()
        try:
            self._writer.write_event(event)
            self._writer.flush()
        except OSError as error:
            raise RunFolderError(f"{self._folder}: cannot be written: {error.strerror}") from error


def _has_generation(row: Mapping[str, Any]) -> bool:
    generation = row.get("generation")
    return isinstance(generation, (int, np.integer)) and not isinstance(generation, bool)
