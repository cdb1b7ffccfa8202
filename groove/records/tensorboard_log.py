"""Metrics as TensorBoard events, beside the JSON lines that are the source of truth."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groove.records.json_file import RunFolderError
from groove.records.json_values import to_json


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
            row: as for `JsonLines.append`, with an integer `generation`.

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
