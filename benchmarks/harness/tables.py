"""Numbers as text, and tables as Markdown that also reads well in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

Row = Mapping[str, str]
NONE = "–"


def seconds(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.3f} s" if value < 0.1 else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def timing(values: Sequence[float]) -> str:
    """Median, and the range and number of repeats where there was more than one."""
    if len(values) == 1:
        return f"{seconds(values[0])} (once)"
    return (
        f"{seconds(median(values))} ({seconds(min(values))[:-2]} to {seconds(max(values))[:-2]}; {len(values)} times)"
    )


def count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def megabytes(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f} MB"


def estimate(record: Mapping[str, Any]) -> str:
    return f"{record['slope']:.2f} ± {record['slope_sd']:.2f}" if "slope" in record else NONE


def ratio(theirs: float, ours: float) -> str:
    """How many times as much of it they have as we."""
    times = theirs / ours
    return f"{times:,.0f}" if times >= 10 else f"{times:.2g}" if times >= 0.1 else f"{times:.1g}"


def markdown(rows: Iterable[Row]) -> str:
    """Rows of the same columns as a Markdown table, padded so that its columns line up."""
    rows = list(rows)
    columns = list(rows[0])
    width = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    lines = [
        "| " + " | ".join(name.ljust(width[name]) for name in columns) + " |",
        "|" + "|".join("-" * (width[name] + 2) for name in columns) + "|",
    ]
    lines += ["| " + " | ".join(row[name].ljust(width[name]) for name in columns) + " |" for row in rows]
    return "\n".join(lines)
