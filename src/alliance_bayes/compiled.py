"""Kernels in machine code, which is kept between runs where there is a place for it, and is never a reason to fail."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache

from alliance_bayes.caches import CacheWarning, settled

__all__ = ["njit"]

#: Rooms, and files, above all that have kernels: these cannot import them, so what stands there is in no machine code.
ABOVE = frozenset({"__main__.py", "api.py", "attrition.py", "cli", "report", "simulation", "study", "verify"})
_EACH_RUN = "so code is compiled in each run, which takes a minute. Set NUMBA_CACHE_DIR to a folder to keep it."
_told: set[str] = set()


def njit(*, cache: bool = True, **options: Any) -> Any:
    """Compile a function; the decorator of numba, but for its cache.

    Parameters
    ----------
    cache
        Whether to keep what was compiled. Where there is no place for it, it is compiled in each run.
    **options
        Those of `numba.njit`.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher: Any = numba.njit(**options)(function)
        # With NUMBA_DISABLE_JIT it is the function itself.
        if cache and hasattr(dispatcher, "enable_caching"):
            try:
                dispatcher._cache = _Cache(dispatcher.py_func)
            except RuntimeError:
                _tell(f"neither the installation nor the home folder can be written to, {_EACH_RUN}")
            if folder := settled():
                _tell(
                    "neither the installation nor the home folder can be written to, so compiled code is kept in "
                    f"'{folder}'. Set NUMBA_CACHE_DIR to keep it elsewhere."
                )
        return dispatcher

    return compiled


@cache
def _state_of_package() -> str:
    """Digest of when the files that a kernel can be made of were written, and how long they are."""
    root = str(Path(__file__).parent)
    states, folders = [], [root]
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if folder == root and entry.name in ABOVE:
                    continue
                if entry.name.endswith(".py"):
                    state = entry.stat()
                    states.append((entry.path, state.st_mtime_ns, state.st_size))
                elif entry.is_dir() and entry.name != "__pycache__":
                    folders.append(entry.path)
    return hashlib.sha256(repr(sorted(states)).encode()).hexdigest()


class _Cache(FunctionCache):
    """Numba's cache, of which what cannot be read or written counts as not there.

    Kernels hold copies of those that they call, of other files too: what was compiled is of use as long as no file has
    changed that they could be made of, where numba looks at the kernel's own alone.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._cache_file._source_stamp = (self._cache_file._source_stamp, _state_of_package())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:
            # Damaged: begun anew.
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except OSError as error:
            self.disable()  # type: ignore[no-untyped-call]
            _tell(f"what was compiled cannot be kept in '{self.cache_path}' ({error.strerror}), {_EACH_RUN}")


def _tell(text: str) -> None:
    """Warn, once a process."""
    if not _told:
        _told.add(text)
        warnings.warn(text, CacheWarning, stacklevel=4)
