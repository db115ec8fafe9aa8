"""Hidden folders for what is half done, which a killed run leaves to the next one to remove.

The owner holds a lock on a file in the folder. The system lets it go when the process ends, however it ends: a folder
whose lock can be had is nobody's any more.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alliance_bayes.interrupts import undisturbed

__all__ = ["BEFORE", "private_folder", "remove_leftovers"]

#: Beside the folder that is yielded: where a store waits while another takes its place.
BEFORE = "before"
_PREFIX = ".alliance_bayes-"
_NAME = re.compile(re.escape(_PREFIX) + r"[a-z0-9_]{8}")
_LOCK, _WORK, _GOING = "lock", "work", "going"
_TRIES = 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder that only its owner can read, and that is gone when the block ends.

    Parameters
    ----------
    parent
        Where to make it. What killed runs have left there is removed first.

    Raises
    ------
    OSError
        The system refuses.
    """
    folder: Path | None = None
    lock: int | None = None
    try:
        with undisturbed():
            remove_leftovers(parent)
            folder, lock = _made(parent)
        yield folder / _WORK
    finally:
        with undisturbed():
            if folder is not None:
                with suppress(OSError):
                    _emptied(folder)
            if lock is not None:
                os.close(lock)
                # Over a network a file that is open keeps its folder.
                with suppress(OSError):
                    os.rmdir(folder)  # type: ignore[arg-type]


def remove_leftovers(parent: Path) -> None:
    """Remove the folders that killed runs of this user have left in a folder.

    Left alone are those of a run that lives, of others, links, and all where the file system knows no locks. A store
    that waited for another to take its place goes back.
    """
    with suppress(OSError):
        with os.scandir(parent) as entries:
            names = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
        for name in names:
            with suppress(OSError):
                _remove_leftover(parent, name)


def _made(parent: Path) -> tuple[Path, int | None]:
    """A new folder and its lock; without one where the file system knows none."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX))
        lock: int | None = None
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            locked = _locked(lock)
            (folder / _WORK).mkdir()
            if locked:
                # Another may have removed it just before.
                os.stat(folder / _LOCK)
                return folder, lock
            # A file that anybody can lock would tell a lie.
            os.unlink(folder / _LOCK)
            os.close(lock)
            return folder, None
        except BaseException as error:
            if lock is not None:
                os.close(lock)
            shutil.rmtree(folder, ignore_errors=True)
            # Before its lock was held another run took it for a leftover: then there is a next one.
            if not isinstance(error, (BlockingIOError, FileNotFoundError)) or not parent.is_dir():
                raise


def _locked(handle: int) -> bool:
    """Lock a file; False where the file system knows no locks.

    Raises
    ------
    BlockingIOError
        Another process holds it.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _remove_leftover(parent: Path, name: str) -> None:
    # Everything goes by the folder's own handle: a name could be made a link in between.
    folder = os.open(parent / name, _FOLDER)
    try:
        if os.fstat(folder).st_uid != os.geteuid():
            return
        try:
            lock = os.open(_LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except FileNotFoundError:
            # Ended before it had a lock or after: nothing is in it. Else it is one without locks.
            os.rmdir(parent / name)
            return
        try:
            if _locked(lock):
                _empty(folder, parent)
                os.rmdir(parent / name)
        finally:
            os.close(lock)
    finally:
        os.close(folder)


def _emptied(folder: Path) -> None:
    handle = os.open(folder, _FOLDER)
    try:
        for left in reversed(range(_TRIES)):
            try:
                _empty(handle, folder.parent)
                os.rmdir(folder)
                return
            except OSError:
                # A thread that nobody waited for may be writing yet; over a network the open lock has another name.
                if not left or all(name.startswith(".nfs") for name in os.listdir(handle)):
                    raise
                time.sleep(0.05)
    finally:
        os.close(handle)


def _empty(folder: int, parent: Path) -> None:
    """Remove what is in a folder, its lock last; a store that waited goes back to ``parent`` if none is there."""
    with suppress(OSError):
        waiting = os.open(BEFORE, _FOLDER, dir_fd=folder)
        try:
            for name in os.listdir(waiting):
                if not os.path.lexists(parent / name):
                    os.rename(name, parent / name, src_dir_fd=waiting)
        finally:
            os.close(waiting)
    for name in sorted(os.listdir(folder), key=_LOCK.__eq__):
        try:
            os.unlink(name, dir_fd=folder)
        except (IsADirectoryError, PermissionError):
            # Whoever still writes by its path finds it gone, and cannot fill it faster than it is emptied.
            with suppress(OSError):
                os.rename(name, _GOING, src_dir_fd=folder, dst_dir_fd=folder)
                name = _GOING
            # What cannot be removed keeps the lock's file, and with it the folder.
            shutil.rmtree(name, dir_fd=folder)
