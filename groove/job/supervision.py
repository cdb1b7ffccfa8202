"""A process that watches a process of a job and reports in one line why it ended."""

import ctypes
import os
import re
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

RUNTIME_LOG = re.compile(rb"[EF]\d{4} ")
"""Start of an error in the log of JAX's runtime."""

FATAL = b"Terminating process because the JAX distributed service"
NOT_MET = b"CoordinationService/RegisterTask"
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
HELD_SECONDS = 5.0
"""Seconds after which an error of the runtime is printed although the process has not ended."""


def supervise(lost: Callable[[str], str], not_met: str) -> None:
    """Launch a child process and return only there; this process watches the child.

    JAX's coordination service ends a process from one of its own threads, with pages of log but no exception
    and no exit handler, so only another process can report in one line what that means. The watcher passes
    signals on and exits with the child's status. If the watcher is killed, the kernel kills the child.

    Args:
        lost: function from the runtime's reason to the line that reports another process's end.
        not_met: line that reports that the processes never connected.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    reading, writing = os.pipe()
    watcher = os.getpid()
    child = os.fork()
    if child:
        os.close(writing)
        _watch(child, reading, lost, not_met)
    os.close(reading)
    os.dup2(writing, 2)
    os.close(writing)
    # Ctrl-C reaches all processes of a terminal's session; the child must get it only once, from the watcher.
    os.setsid()
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != watcher:
        os._exit(1)


def _watch(child: int, reading: int, lost: Callable[[str], str], not_met: str) -> NoReturn:
    for number in PASSED_ON:
        signal.signal(number, lambda number, frame: os.kill(child, number))
    lost_begins = lost("").split("(")[0].encode()
    said, pending, held = False, b"", b""
    while True:
        if held and not select.select([reading], [], [], HELD_SECONDS)[0]:
            _write(held)
            held = b""
        received = os.read(reading, 2**16)
        *lines, pending = (pending + received).split(b"\n")
        # At the end of the stream, the rest is a line without a newline.
        for line in lines if received else filter(None, [pending]):
            if held or RUNTIME_LOG.match(line):
                held += line + b"\n"
            else:
                said = said or line.startswith(lost_begins)
                _write(line + b"\n")
        if not received:
            break
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(_tell_the_end(status, held, said, lost, not_met))


def _tell_the_end(status: int, held: bytes, said: bool, lost: Callable[[str], str], not_met: str) -> int:
    """Report what the last output of a process means, and return its exit status."""
    if FATAL in held:
        if NOT_MET in held:
            _write(f"{not_met}\n".encode())
            return 2
        if not said:
            reason = b" ".join(held.split(b"absl::Status: ")[-1].split()).split(b". ")[0].split(b" The tasks")[0]
            _write(f"{lost(reason.decode(errors='replace'))}\n".encode())
        return 1
    # If the process has reported its own reason in one line, the runtime's is noise.
    ours = b"".join(line for line in held.splitlines(keepends=True) if line.startswith(b"groove: "))
    _write(ours if said or ours else held)
    if status < 0:
        _write(f"groove: ended by {signal.Signals(-status).name}\n".encode())
        return 128 - status
    return status


def _write(content: bytes) -> None:
    # The reader may be gone; the run continues all the same.
    with suppress(OSError):
        os.write(2, content)
