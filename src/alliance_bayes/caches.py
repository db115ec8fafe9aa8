"""Where compiled code and lists of fonts are kept when neither the installation nor the home can be written to."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

__all__ = ["CacheWarning", "can_draw", "settle", "settled"]

_MAC = sys.platform == "darwin"
# A file system in memory, which containers have that are otherwise read-only.
_MEMORY = "/dev/shm"
_settled: set[Path] = set()


class CacheWarning(UserWarning):
    """What was compiled is kept in a temporary folder only, or not at all."""


def settle() -> None:
    """Give the libraries below a temporary folder for what they keep, where they would have none or complain.

    Only that of a variable which is not set is set, so what the user says holds.
    """
    home = os.path.expanduser("~")
    cache = _cache(home)
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    code = (os.path.join(os.path.dirname(__file__), "__pycache__"), os.path.join(cache, "numba"))
    needs_code = not (os.environ.get("NUMBA_CACHE_DIR") or any(map(_can_hold, code)))
    needs_fonts = not (os.environ.get("MPLCONFIGDIR") or all(map(_can_hold, _fonts(home))))
    needs_graphs = not ("compiledir=" in flags or _can_hold(os.path.join(home, ".pytensor")))
    folder = _temporary() if needs_code or needs_fonts or needs_graphs else None
    if folder is None:
        return
    if not os.path.isabs(home):
        # A user of a container may have none at all, and PyTensor asks for one.
        os.environ["HOME"] = str(folder)
    if needs_code:
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
        if "numba" in sys.modules:
            sys.modules["numba"].config.CACHE_DIR = str(folder)
        _settled.add(folder)
    if needs_fonts:
        os.environ["MPLCONFIGDIR"] = str(folder)
    if needs_graphs:
        os.environ["PYTENSOR_FLAGS"] = ",".join(filter(None, (flags, f"base_compiledir={folder}")))


def settled() -> Path | None:
    """The temporary folder for compiled code, where it has no other."""
    return next(iter(_settled), None)


def can_draw() -> bool:
    """Whether Matplotlib, which is not imported without a folder to write to, is imported or has one."""
    if "matplotlib" in sys.modules:
        return True
    stated = os.environ.get("MPLCONFIGDIR")
    if all(map(_can_hold, [stated] if stated else _fonts(os.path.expanduser("~")))):
        return True
    import tempfile

    try:
        # It makes one of its own.
        return os.access(tempfile.gettempdir(), os.W_OK | os.X_OK)
    except OSError:
        return False


def _cache(home: str) -> str:
    return os.environ.get("XDG_CACHE_HOME") or os.path.join(home, "Library/Caches" if _MAC else ".cache")


def _fonts(home: str) -> list[str]:
    """Folders in which Matplotlib keeps lists of fonts, and looks for settings."""
    if _MAC:
        return [os.path.join(home, ".matplotlib")]
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return [os.path.join(parent, "matplotlib") for parent in (_cache(home), config)]


def _temporary() -> Path | None:
    """A folder that stays from run to run until the system clears it, and that nobody else can write to; or None.

    What is in it is run, so one that another user has made is not taken.
    """
    name = f"alliance_bayes-{os.geteuid()}"
    for parent in (_temporary_files(), os.environ.get("XDG_RUNTIME_DIR"), _MEMORY):
        if parent is None:
            continue
        folder = os.path.join(parent, name)
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        except (OSError, ValueError):
            continue
        status = os.lstat(folder)
        private = status.st_uid == os.geteuid() and not status.st_mode & 0o077
        if stat.S_ISDIR(status.st_mode) and private and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    return None


def _temporary_files() -> str | None:
    import tempfile

    try:
        folder = tempfile.gettempdir()
    except OSError:
        return None
    # The working folder is the last that is tried, and no place for this.
    return None if folder == os.getcwd() and folder not in map(os.environ.get, ("TMPDIR", "TEMP", "TMP")) else folder


def _can_hold(folder: str) -> bool:
    """Whether a folder can be written to, or made."""
    while not os.path.lexists(folder):
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)
