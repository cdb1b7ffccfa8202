"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name and put it in place when it is complete and on disk.

    A reader, and a process killed at any moment, sees the old file or the new one. The temporary
    file `.NAME.PID.tmp` lies in the same folder, for a rename is atomic only within a file system;
    it is removed when the body raises and is left behind only by a kill.

    Args:
        path: the file to make or to replace; its folder exists.

    Yields:
        The temporary path, to be written and closed by the body.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _flush_to_disk(path.parent)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
