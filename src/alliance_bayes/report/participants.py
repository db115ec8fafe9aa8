"""Section 1: where the data come from, who was left out, and who was analysed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.summary import MANY_LEVELS
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.counts import SMALL, level_counts, shown_counts
from alliance_bayes.report.sections import Section
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, count, number, percent
from alliance_bayes.report.words import column_name, units

__all__ = ["participants"]

#: Levels of a factor that are listed at once, and how many of a longer list are.
LISTED, LARGEST = 10, 6
_NO_QUARTILES = "The fit was made from moments, which hold no medians and quartiles."
type Row = tuple[str, str, str]


def participants(fit: FittedModel) -> tuple[Section, dict[str, Any]]:
    """The section, and its numbers for the JSON."""
    rows, short, numbers = _describe(fit)
    table = Table.of(
        "table-participants",
        "Participants analysed: mean (SD) and median [quartiles] of numbers, count (share) of levels",
        ("Variable", "Mean (SD) or count (%)", "Median [quartiles]"),
        short,
        note=" ".join(filter(None, (_note(rows), _NO_QUARTILES if fit.moments is not None else ""))),
        more=rows if len(rows) > len(short) else (),
    )
    flow = fit.flow
    stages = [("stage", f"{count(flow.participants)} participants in the table")]
    stages += [("left", f"{count(step.n)} left out: {clean(step.reason)}") for step in flow.steps]
    share = f" ({percent(flow.analysed / flow.participants, 1)})" if flow.participants else ""
    stages.append(("stage final", f"{count(flow.analysed)} analysed{share}"))
    context = {
        "source": clean(fit.info.get("cohort_source", "not recorded")),
        "hash": clean(fit.info.get("cohort_hash", "not recorded")),
        "stages": stages,
        "table": table,
    }
    steps = [{"reason": step.reason, "n": step.n} for step in flow.steps]
    counted = {"participants": flow.participants, "left_out": steps, "analysed": flow.analysed, "summary": numbers}
    return Section("data", "Data and participant flow", "data.html", context), counted


def _describe(fit: FittedModel) -> tuple[list[Row], list[Row], list[dict[str, Any]]]:
    """All rows, the rows with long lists of levels cut to the largest, and the numbers."""
    rows: list[Row] = []
    short: list[Row] = []
    numbers: list[dict[str, Any]] = []
    frame = fit.design.frame
    for name in (fit.design.outcome.name, *fit.design.predictors):
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            lines, largest = _levels(name, level_counts(fit, name), numbers)
        else:
            lines = largest = [_numeric(fit, name, numbers)]
        rows += lines
        short += largest
    return rows, short, numbers


def _numeric(fit: FittedModel, name: str, numbers: list[dict[str, Any]]) -> Row:
    values = fit.design.frame[name].to_numpy(float)
    scale = fit.design.scales.get(name)
    named = "" if scale is None or scale.unit == "unit" else units(clean(scale.unit))
    unit = f", {named}" if named and not column_name(name).startswith(named) else ""
    bounded = scale is not None and scale.lower is not None and scale.upper is not None
    ends = f" ({scale.lower:g}–{scale.upper:g})" if scale is not None and bounded else ""
    mean, sd = float(fit.design.average(values)), fit.design.sd(name)
    # Moments do not tell quantiles.
    quartiles = np.full(3, np.nan) if fit.moments is not None else np.quantile(values, [0.25, 0.5, 0.75])
    lower, median, upper = map(float, quartiles)
    # Two digits of the SD, the custom of a Table 1; quartiles of a scale with steps are shown on its own steps.
    places = max(0, 1 - int(np.floor(np.log10(sd)))) if sd > 0 else 1
    numbers.append(
        {"variable": name, "n": fit.design.n, "mean": mean, "sd": sd, "median": median, "q25": lower, "q75": upper}
    )
    return (
        f"{column_name(name)}{ends}{unit}",
        f"{number(mean, places)} ({number(sd, places)})",
        "–" if np.isnan(median) else f"{number(median, places)} [{number(lower, places)}, {number(upper, places)}]",
    )


def _levels(name: str, counts: dict[str, int], numbers: list[dict[str, Any]]) -> tuple[list[Row], list[Row]]:
    """One row a level, and the same cut to the largest levels."""
    if len(counts) > MANY_LEVELS or name == ID or float(np.median(list(counts.values()))) < SMALL:
        # A level may be one person.
        numbers.append({"variable": name, "levels": len(counts)})
        line = (column_name(name), f"{count(len(counts))} levels", "–")
        return [line], [line]
    shown = shown_counts(counts)
    numbers += [{"variable": name, "level": level, "shown": size} for level, (size, _) in shown.items()]
    lines = {
        level: (f"{column_name(name)}: {clean(level)}", f"{size} ({share})" if share != "–" else size, "–")
        for level, (size, share) in shown.items()
    }
    if len(lines) <= LISTED:
        return list(lines.values()), list(lines.values())
    largest = sorted(counts, key=lambda level: -counts[level])[:LARGEST]
    rest = (f"{column_name(name)}: {count(len(lines) - LARGEST)} smaller levels", "all rows below", "–")
    return list(lines.values()), [*(lines[level] for level in largest), rest]


def _note(rows: list[Row]) -> str:
    if not any(row[1].startswith("<") for row in rows):
        return ""
    return (
        f"Groups of fewer than {SMALL} people are shown as “< {SMALL}”; the other counts of such a variable are "
        "rounded to multiples of five, so that the small ones cannot be had by subtraction."
    )
