"""How long work will take and how much memory, said before it begins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from alliance_bayes.errors import UsageError
from alliance_bayes.machine import available_memory
from alliance_bayes.remedies import argument

__all__ = ["Forecast", "announce", "bytes_shown", "refuse", "seconds_of", "time_shown"]

#: Where it is said: a line on standard error unless the caller has other plans for it.
logger = logging.getLogger("alliance_bayes")

# Work that takes less is not worth a line.
_LONG = 60.0
# Share of the memory that is left; more is worth one.
_MUCH = 0.5
# A call that takes less is done once more, because it may have been compiled first.
_COMPILING = 20.0


@dataclass(frozen=True)
class Forecast:
    """What work will take.

    Parameters
    ----------
    seconds
        On a machine that does nothing else.
    memory
        Bytes on top of those in use.
    counts
        What they are counted from, as a clause.
    at_least
        Whether the time is a lower bound.
    """

    seconds: float
    memory: int
    counts: str
    at_least: bool = False

    def __str__(self) -> str:
        about = "at least" if self.at_least else "about"
        return f"{about} {time_shown(self.seconds)} and {bytes_shown(self.memory)} of memory, for {self.counts}"


def refuse(memory: int, counts: str, label: str) -> None:
    """Refuse what there is no memory for.

    Parameters
    ----------
    memory
        Bytes on top of those in use.
    counts
        What they are counted from.
    label
        What is about to be done.

    Raises
    ------
    UsageError
        It needs more memory than there is.
    """
    left = available_memory()
    if left is not None and memory > left:
        raise UsageError(
            f"'{label}' would take {bytes_shown(memory)} of memory, for {counts}, and {bytes_shown(left)} are left on "
            f"this machine. Ask for fewer draws ({argument('draws')}) or chains ({argument('chains')}), pool over "
            "factors with fewer levels, or use a machine with more memory."
        )


def announce(forecast: Forecast, label: str, *, quiet: bool = False) -> None:
    """Say what work will take, where that is worth a line.

    Parameters
    ----------
    forecast
        What it will take.
    label
        What is about to be done.
    quiet
        Whether to say it to those only who listen.
    """
    left = available_memory()
    if forecast.seconds > _LONG or (left is not None and forecast.memory > _MUCH * left):
        logger.log(logging.INFO if quiet else logging.WARNING, "'%s' will take %s.", label, forecast)


def seconds_of(work: Callable[[], object]) -> float:
    """Processor seconds of one call, without its compilation."""
    started = time.thread_time()
    work()
    first = time.thread_time() - started
    if first > _COMPILING:
        return first
    started = time.thread_time()
    work()
    return min(first, time.thread_time() - started)


def bytes_shown(n: float) -> str:
    """A number of bytes to two digits."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if n < 1000 or unit == "GiB":
            break
        n /= 1024
    return f"{n:.1f} {unit}" if n < 10 and unit != "bytes" else f"{n:,.0f} {unit}"


def time_shown(seconds: float) -> str:
    """A time to two digits."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} minutes"
    hours = seconds / 3600
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:,.0f} days"
