"""What every contender written in Python measures, and in the same way."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import numpy as np

MOST_ELEMENTS = 1000
# What a fit gives: draws by name, shape (chain, draw, ...), and anything else to report.
Fitted = tuple[Mapping[str, np.ndarray], dict[str, Any]]


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MiB.

    Linux counts a parent's memory in a child's ru_maxrss, so its own high-water mark is read where there is one.
    """
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def smallest_ess(draws: Mapping[str, np.ndarray]) -> float:
    """Smallest bulk effective sample size of all elements, by ArviZ's estimator; elements that never vary have none.

    Of a variable with more than ``MOST_ELEMENTS`` elements so many are looked at, evenly spread.
    """
    from arviz_stats.base.array import BaseArray

    smallest = np.inf
    for values in draws.values():
        values = values.reshape(*values.shape[:2], -1)
        values = values[:, :, :: -(-values.shape[2] // MOST_ELEMENTS)]
        values = values[:, :, np.ptp(values, axis=(0, 1)) > 0]
        if values.shape[2]:
            sizes = BaseArray().ess(np.ascontiguousarray(values), chain_axis=0, draw_axis=1, method="bulk")
            smallest = min(smallest, float(np.min(sizes)))
    return smallest


def compete(prepare: Callable[[str], Any], fit: Callable[[Any], Fitted], packages: tuple[str, ...]) -> None:
    """Fit the table named by the specification, and print what was measured as one line of JSON.

    The specification is the JSON in the first argument: ``table``, ``warm_table`` (fitted first where given, and not
    counted) and ``repeats``; the rest belongs to the contender. Reading the table is not timed.
    """
    spec = specification()
    if spec.get("warm_table"):
        fit(prepare(spec["warm_table"]))
    rows = prepare(spec["table"])
    start, seconds, extras = peak_mb(), [], []
    for _ in range(spec["repeats"]):
        began = time.perf_counter()
        draws, extra = fit(rows)
        seconds.append(time.perf_counter() - began)
        extras.append(extra)
    # Before anything is summarised: what comes now is no part of the fit.
    peak = peak_mb()
    record = {"seconds": seconds, "start_mb": start, "peak_mb": peak, "ess": smallest_ess(draws)}
    answer(record | _medians(extras) | {"versions": versions_of(packages)})


def specification() -> dict[str, Any]:
    return json.loads(sys.argv[1])


def answer(record: Mapping[str, Any]) -> None:
    print(json.dumps(record))


def versions_of(packages: tuple[str, ...]) -> dict[str, str]:
    return {name: metadata.version(name) for name in packages}


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _medians(extras: list[dict[str, Any]]) -> dict[str, Any]:
    """Seconds of a fit's parts are the median over repeats; everything else is the last repeat's."""
    last = {name: value() if callable(value) else value for name, value in extras[-1].items()}
    return last | {
        name: float(np.median([extra[name] for extra in extras])) for name in last if name.endswith("_seconds")
    }
