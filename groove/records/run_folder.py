"""The folder of one run: the paths of its files, and a lock that lets only one process work in it."""

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from groove.records.json_values import to_json
from lpg.atomic_file import replacing

LOCK_NAME = "lock"


class RunFolderError(ValueError):
    """One line that names the folder or file of a run and says what is wrong with it."""


class RunFolder:
    """`runs/NAME/` of one run.

    `RunFolder(path)` only names the files, for a reader. `create` and `open` also hold the folder's
    lock until `close`. The kernel releases the lock (flock) when the process ends, however it ends.

    Attributes:
        path: the folder.
        config_path: resolved configuration, versions, seed, devices (JSON).
        metrics_path: metrics of each generation, without wall-clock values (JSON lines).
        timing_path: seconds and steps per second of each generation (JSON lines).
        checkpoints_path: folder of the resumable states.
        rule_path: the rule to share.
        start_path: the rule that the search started from, where one was given.
        results_path: the closing table (JSON).
        events_path: folder of TensorBoard events.
        curriculum_path: folder of pictures of the curriculum (`groove curriculum`).
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config_path = self.path / "config.json"
        self.metrics_path = self.path / "metrics.jsonl"
        self.timing_path = self.path / "timing.jsonl"
        self.checkpoints_path = self.path / "checkpoints"
        self.rule_path = self.path / "rule.safetensors"
        self.start_path = self.path / "start.safetensors"
        self.results_path = self.path / "results.json"
        self.events_path = self.path / "events"
        self.curriculum_path = self.path / "curriculum"
        self._lock: int | None = None

    @classmethod
    def create(cls, path: Path | str) -> Self:
        """Create a new run folder and lock it.

        Raises:
            RunFolderError: the folder is not empty, is in use, or cannot be created.
        """
        folder = cls(path)
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"{folder.path}: cannot be made: {error.strerror}") from error
        folder._acquire()
        # Checked under the lock, so that of two processes started at once one gets the empty folder and one an error.
        if any(entry.name != LOCK_NAME for entry in folder.path.iterdir()):
            folder.close()
            raise RunFolderError(f"{folder.path}: exists and is not empty; resume it or name another folder")
        return folder

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open the folder of an earlier run and lock it.

        Raises:
            RunFolderError: it is not a run folder, is in use, or cannot be written.
        """
        folder = cls(path).check()
        folder._acquire()
        return folder

    def check(self) -> Self:
        """Refuse a folder that is not a run's. Readers need no lock.

        Returns:
            The folder itself.

        Raises:
            RunFolderError: it is not a run folder.
        """
        if not self.path.is_dir():
            raise RunFolderError(f"{self.path}: no such folder")
        if not self.config_path.is_file():
            raise RunFolderError(f"{self.path}: not a run folder, it has no {self.config_path.name}")
        return self

    def close(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def write_config(self, config: dict[str, Any]) -> None:
        """Write `config.json` atomically.

        Args:
            config: JSON object; the order of its fields is kept.

        Raises:
            RunFolderError: the file cannot be written.
        """
        _write_json(self.config_path, config)

    def write_results(self, rows: list[dict[str, Any]]) -> None:
        """Write `results.json` atomically.

        Args:
            rows: rows of the closing table; numbers that are not finite are written as null, as JSON has none.

        Raises:
            RunFolderError: the file cannot be written.
        """
        _write_json(self.results_path, to_json(rows))

    def read_config(self) -> dict[str, Any]:
        """Read `config.json`.

        Raises:
            RunFolderError: the file cannot be read or is not a JSON object.
        """
        try:
            config = json.loads(self.config_path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RunFolderError(f"{self.config_path}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise RunFolderError(f"{self.config_path}: not JSON: {error}") from error
        if not isinstance(config, dict):
            raise RunFolderError(f"{self.config_path}: must hold a JSON object, got a {type(config).__name__}")
        return config

    def _acquire(self) -> None:
        try:
            lock = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise RunFolderError(f"{self.path}: in use by process {owner}") from error
        except OSError as error:
            os.close(lock)
            raise RunFolderError(f"{self.path}: cannot be locked: {error.strerror}") from error
        self._lock = lock


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written: {error.strerror}") from error
