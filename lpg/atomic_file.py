"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name and put it in place when it is complete and on disk.

    A reader sees the old file or the new one, whenever the writing process may be killed. The temporary
    file `.NAME.PID.tmp` lies in the same folder because a rename is atomic only within a file system.
    It is removed when the body raises; only a killed process leaves it behind.

    Args:
        path: the file to create or replace; its folder must exist.

    Yields:
        The temporary path, which the body writes and closes.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path` is left unchanged.
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
