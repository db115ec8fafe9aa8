"""What this machine has left: memory that could be taken now, and processors."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

__all__ = ["available_memory", "processors"]

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int | None:
    """Bytes that could be taken now without anything being killed or refused; None where nobody says.

    The least of what the system, the container and the process's own limit leave.
    """
    bounds = [left for left in (_of_system(), _of_groups(), _of_process()) if left is not None]
    return max(min(bounds), 0) if bounds else None


def _of_system() -> int | None:
    memory = _pairs(_PROC / "meminfo")
    if "MemAvailable:" in memory:
        return 1024 * (memory["MemAvailable:"] + memory.get("SwapFree:", 0))
    # Elsewhere only what is built in is known.
    with contextlib.suppress(OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_groups() -> int | None:
    """What the limits of the process's control groups leave (version 2)."""
    lines = _text(_PROC / "self" / "cgroup").splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::/")), None)
    if path is None:
        return None
    left = []
    folder = _GROUPS / path.lstrip("/")
    for group in (folder, *folder.parents):
        most, used = (_number(_text(group / name).strip()) for name in ("memory.max", "memory.current"))
        if most is not None and used is not None:
            # Files that are kept in memory give way.
            usage = _pairs(group / "memory.stat")
            left.append(most - used + usage.get("inactive_file", 0) + usage.get("active_file", 0))
        if group == _GROUPS:
            break
    return min(left, default=None)


def _of_process() -> int | None:
    """What the limit of the address space leaves, where there is one."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _number(next(iter(_text(_PROC / "self" / "statm").split()), ""))
    if most == resource.RLIM_INFINITY or pages is None:
        return None
    return most - pages * os.sysconf("SC_PAGE_SIZE")


def _pairs(path: Path) -> dict[str, int]:
    """Numbers by name, one a line."""
    words = [line.split() for line in _text(path).splitlines()]
    return {word[0]: number for word in words if len(word) > 1 and (number := _number(word[1])) is not None}


def _number(text: str) -> int | None:
    """The number of 64 bits that a text is, if it is one; a raised digit is none."""
    return int(text) if text.isdecimal() and len(text) <= 20 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
