"""Section 1: where the data come from, who was left out, and who was analysed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.summary import MANY_LEVELS
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.counts import SMALL, shown_counts
from alliance_bayes.report.sections import Section
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, count, number, percent
from alliance_bayes.report.words import column_name, units

__all__ = ["participants"]


def participants(fit: FittedModel) -> tuple[Section, dict[str, Any]]:
    """The section, and its numbers for the JSON."""
    rows, numbers = _describe(fit)
    table = Table.of(
        "table-participants",
        "Participants analysed: mean (SD) and median [quartiles] of numbers, count (share) of levels",
        ("Variable", "Mean (SD) or count (%)", "Median [quartiles]"),
        rows,
        note=_note(rows),
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


def _describe(fit: FittedModel) -> tuple[list[tuple[str, str, str]], list[dict[str, Any]]]:
    rows: list[tuple[str, str, str]] = []
    numbers: list[dict[str, Any]] = []
    frame = fit.design.frame
    for name in fit.design.formula.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            _levels(name, column, rows, numbers)
        else:
            _numeric(fit, name, column.to_numpy(float), rows, numbers)
    return rows, numbers


def _numeric(
    fit: FittedModel, name: str, values: np.ndarray, rows: list[tuple[str, str, str]], numbers: list[dict[str, Any]]
) -> None:
    scale = fit.design.scales.get(name)
    unit = "" if scale is None or scale.unit == "unit" else f", {units(clean(scale.unit))}"
    ends = "" if scale is None or scale.lower is None or scale.upper is None else f" ({scale.lower:g}–{scale.upper:g})"
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    lower, median, upper = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    # Two digits of the SD, the custom of a Table 1; quartiles of a scale with steps are shown on its own steps.
    places = max(0, 1 - int(np.floor(np.log10(sd)))) if sd > 0 else 1
    rows.append(
        (
            f"{column_name(name)}{ends}{unit}",
            f"{number(mean, places)} ({number(sd, places)})",
            f"{number(median, places)} [{number(lower, places)}, {number(upper, places)}]",
        )
    )
    numbers.append({"variable": name, "n": values.size, "mean": mean, "sd": sd, "median": median, "q25": lower, "q75": upper})


def _levels(name: str, column: pd.Series, rows: list[tuple[str, str, str]], numbers: list[dict[str, Any]]) -> None:
    counts = {str(level): int(n) for level, n in column.value_counts(sort=False).items()}
    if len(counts) > MANY_LEVELS or name == "participant_id":
        # A level may be one person.
        rows.append((column_name(name), f"{count(len(counts))} levels", "–"))
        numbers.append({"variable": name, "levels": len(counts)})
        return
    for level, (size, share) in shown_counts(counts).items():
        rows.append((f"{column_name(name)}: {clean(level)}", f"{size} ({share})" if share != "–" else size, "–"))
        numbers.append({"variable": name, "level": level, "shown": size})


def _note(rows: list[tuple[str, str, str]]) -> str:
    if not any(row[1].startswith("<") for row in rows):
        return ""
    return (
        f"Groups of fewer than {SMALL} people are shown as “< {SMALL}”; the other counts of such a variable are rounded to "
        "multiples of five, so that the small ones cannot be had by subtraction."
    )
