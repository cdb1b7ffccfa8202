"""Ctrl-C and termination signals, which end the run after the generation in progress."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console


@contextmanager
def stop_requests(console: Console) -> Iterator[list[int]]:
    """Collect the first interrupt or termination signal in a list; a second one takes effect at once.

    Args:
        console: console on which the first signal is acknowledged.

    Yields:
        The signals received so far, empty until the first one arrives.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        console.print("stopping after this generation (interrupt again to stop at once) …")

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
