"""A folder in which only one process at a time works, and the files that those of runs and of groups have in common."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from groove.records.json_file import RunFolderError, read_json, write_json

LOCK_NAME = "lock"


class LockedFolder:
    """A folder with a config, results and a lock.

    The constructor only names the files, for a reader. `create`, `claim` and `open` also hold the folder's lock until
    `close`. The kernel releases the lock (flock) when the process ends, however it ends.

    Attributes:
        path: the folder.
        config_path: what the work in the folder depends on (JSON); it makes the folder one that can be resumed.
        start_path: the rule that the search started from, where one was given.
        results_path: the closing table (JSON).
    """

    kind = "run"
    config_name = "config.json"

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config_path = self.path / self.config_name
        self.start_path = self.path / "start.safetensors"
        self.results_path = self.path / "results.json"
        self._lock: int | None = None
        self._made = False

    @classmethod
    def create(cls, path: Path | str) -> Self:
        """Create a new folder and lock it.

        Raises:
            RunFolderError: the folder is not empty, is in use, or cannot be created.
        """
        folder = cls.claim(path)
        # Checked under the lock, so that of two processes started at once one gets the empty folder and one an error.
        if any(entry.name != LOCK_NAME for entry in folder.path.iterdir()):
            folder.close()
            raise RunFolderError(f"{folder.path}: exists and is not empty; resume it or name another folder")
        return folder

    @classmethod
    def claim(cls, path: Path | str) -> Self:
        """Create a folder unless it exists, whatever it holds, and lock it.

        Raises:
            RunFolderError: the folder is in use or cannot be created.
        """
        folder = cls(path)
        folder._made = not folder.path.exists()
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"{folder.path}: cannot be made: {error.strerror}") from error
        folder._acquire()
        return folder

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open the folder of an earlier command and lock it.

        Raises:
            RunFolderError: it is not a folder of this kind, is in use, or cannot be written.
        """
        folder = cls(path).check()
        folder._acquire()
        return folder

    def check(self) -> Self:
        """Refuse a folder of another kind. Readers need no lock.

        Returns:
            The folder itself.

        Raises:
            RunFolderError: it is not a folder of this kind.
        """
        if not self.path.is_dir():
            raise RunFolderError(f"{self.path}: no such folder")
        if not self.config_path.is_file():
            raise RunFolderError(f"{self.path}: not a {self.kind} folder, it has no {self.config_name}")
        return self

    def close(self) -> None:
        """Release the lock, and remove the folder if it was made for this work and holds none; may be called again."""
        if self._lock is not None:
            with suppress(OSError):
                if self._made and [entry.name for entry in self.path.iterdir()] == [LOCK_NAME]:
                    (self.path / LOCK_NAME).unlink()
                    self.path.rmdir()
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def write_config(self, config: dict[str, Any]) -> None:
        """Write the config atomically.

        Args:
            config: JSON object; the order of its fields is kept.

        Raises:
            RunFolderError: the file cannot be written.
        """
        write_json(self.config_path, config)

    def read_config(self) -> dict[str, Any]:
        """Read the config.

        Raises:
            RunFolderError: the file cannot be read or is not a JSON object.
        """
        return read_json(self.config_path)

    def write_generations(self, generations: int) -> None:
        """Write another number of generations into the config; results of a shorter or longer run are removed.

        Args:
            generations: generations in all.

        Raises:
            RunFolderError: the config cannot be read or written.
        """
        written = self.read_config()
        if written["config"]["generations"] != generations:
            # First, because results beside the new number would pass for those of finished work.
            self.results_path.unlink(missing_ok=True)
            written["config"]["generations"] = generations
            self.write_config(written)

    def write_results(self, rows: list[dict[str, Any]]) -> None:
        """Write `results.json` atomically.

        Args:
            rows: rows of the closing table; numbers that are not finite are written as null, as JSON has none.

        Raises:
            RunFolderError: the file cannot be written.
        """
        write_json(self.results_path, rows)

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
