"""Work that makes many objects and keeps them, without the collector of cyclic garbage looking through them again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["uncollected"]


class _Pauses:
    """How many are under way, in all threads, and whether there was collecting before the first."""

    lock = Lock()
    count = 0
    collecting = False


@contextmanager
def uncollected() -> Iterator[None]:
    """Hold the collector back; when the last of several pauses ends, it is as it was before the first."""
    with _Pauses.lock:
        if _Pauses.count == 0:
            _Pauses.collecting = gc.isenabled()
            gc.disable()
        _Pauses.count += 1
    try:
        yield
    finally:
        with _Pauses.lock:
            _Pauses.count -= 1
            if _Pauses.count == 0 and _Pauses.collecting:
                gc.enable()
