"""Requests to stop: put off while files take their places, and of every kind an interrupt to the command line."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stoppable", "undisturbed"]

# From the keyboard, from `kill` and time limits, and from a terminal that closes.
_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put off what would interrupt the block until it has ended; only the main thread is ever interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _REQUESTS}
    # What is ignored, and what ends the process at once, is no interrupt.
    raising = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number in raising:
            signal.signal(number, lambda number, frame: came.append(number))
        yield
    finally:
        for number, handler in raising.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """Have every request to stop raise `KeyboardInterrupt`, so that what is half done is taken away.

    Yields
    ------
    list of int
        The numbers of the signals that came, other than the keyboard's.

    Notes
    -----
    A second request ends the process at once. What is ignored, as under `nohup`, stays so, and the handlers of a
    program that calls the command line are its own.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != owner:
            # A process that was forked has nothing of its own to take away.
            signal.raise_signal(number)
        came.append(number)
        raise KeyboardInterrupt

    ours = [number for number in _REQUESTS[1:] if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, stop)
        yield came
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
