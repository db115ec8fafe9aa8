"""A contender is a program of its own: its memory, its imports and its failures are its own too."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

CONTENDERS = Path(__file__).resolve().parent.parent / "contenders"
# A benchmark that hangs is stopped; nothing here should take as long.
PATIENCE = 3600
# Share of the machine's memory that a contender may have, so that one that asks for too much fails alone.
MEMORY = 0.6

Record = dict[str, Any]


class SkippedError(Exception):
    """A contender that is not here, or that did not finish; the message says which and why."""


def python(script: str, spec: Record, *, interpreter: str = sys.executable, caches: Path | None = None) -> Record:
    """Run a Python contender.

    Parameters
    ----------
    script
        Its file in ``contenders``.
    spec
        What it is asked to do.
    interpreter
        Of the environment it lives in.
    caches
        Where compiled code is kept between processes; an empty folder makes the process compile everything.
    """
    environment = dict(os.environ)
    if caches is not None:
        environment["NUMBA_CACHE_DIR"] = str(caches / "numba")
        environment["PYTENSOR_FLAGS"] = f"base_compiledir={caches / 'pytensor'}"
    return _run([interpreter, str(CONTENDERS / script), json.dumps(spec)], environment)


def rscript(script: str, arguments: Sequence[object], *, package: str, patience: float = PATIENCE) -> Record:
    """Run a contender written in R, if R and its package are here, for ``patience`` seconds at most."""
    if not has_r_package(package):
        raise SkippedError(f"R has no package {package}" if shutil.which("Rscript") else "there is no R here")
    return _run(["Rscript", str(CONTENDERS / script), *map(str, arguments)], dict(os.environ), patience)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def has_r_package(package: str) -> bool:
    if shutil.which("Rscript") is None:
        return False
    asked = subprocess.run(
        ["Rscript", "-e", f"cat(requireNamespace('{package}', quietly = TRUE))"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip().endswith("TRUE")


def _run(command: list[str], environment: dict[str, str], patience: float = PATIENCE) -> Record:
    name = Path(command[1]).name
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
            preexec_fn=_limit_memory,
        )
    except subprocess.TimeoutExpired:
        raise SkippedError(f"{name} was stopped after {patience:.0f} s") from None
    except OSError as error:
        raise SkippedError(f"{name} cannot be started: {error}") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SkippedError(f"{name} failed: {last}")
    record: Record = json.loads(lines[-1])
    return record


def _limit_memory() -> None:
    if sys.platform == "linux":
        most = int(MEMORY * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
