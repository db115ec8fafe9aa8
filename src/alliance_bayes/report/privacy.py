"""Levels that may be one person each: never named in a report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.names import ID
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.levels import split_level
from alliance_bayes.report.counts import hidden_levels, level_counts, people_in, shown_counts
from alliance_bayes.report.suppression import Mark, one_way, two_way
from alliance_bayes.report.text import clean

__all__ = ["HIDDEN", "Redact", "factors_with_few", "grouped_only", "identifying", "redaction", "unnamed"]

Redact = Callable[[str], str]
#: What stands in place of such a level.
HIDDEN = "(a level)"
#: What stands in place of a quantity about levels whose counts are not shown.
UNNAMED = "(a quantity that is not shown)"
#: People in the middle level of a factor below which its levels may be one person each.
PERSONAL = 5


def identifying(fit: FittedModel, factor: str) -> bool:
    """Whether a factor's levels may each be one person: participants, or most levels with fewer than five people."""
    if ID in factor.split(":"):
        return True
    return float(np.median(list(level_counts(fit, factor).values()))) < PERSONAL


def redaction(fit: FittedModel) -> Redact:
    """A function that takes such levels out of any text.

    The text is cleaned as well (see :func:`alliance_bayes.report.text.clean`), line by line.
    """
    hidden: set[str] = set()
    factors = {factor.name: factor.levels for factor in fit.design.factors}
    if fit.design.residual is not None:
        factors.setdefault(fit.design.residual.name, fit.design.residual.levels)
    for name, levels in factors.items():
        if identifying(fit, name):
            hidden |= {clean(label) for label in levels}
            parts = name.split(":")
            if ID in parts[:-1] + parts[1:]:
                hidden |= {clean(split_level(label)[parts.index(ID)]) for label in levels}
    shown = [levels for name, levels in factors.items() if not identifying(fit, name)]
    hidden -= {clean(level) for levels in shown for level in levels} | {""}
    # Longest first, so that "P10:a" is not taken for "P10" with something behind it.
    names = sorted(hidden, key=lambda name: (-len(name), name))
    # A number is a level only where a parameter's brackets say so: "3 chains" stays.
    words = [re.escape(name) for name in names if not name.replace(".", "").isdecimal()]
    figures = [re.escape(name) for name in names if name.replace(".", "").isdecimal()]
    choices = ([rf"(?<!\w)(?:{'|'.join(words)})(?!\w)"] if words else []) + (
        [rf"(?<=\[)(?:{'|'.join(figures)})(?=[,\]])"] if figures else []
    )
    pattern = re.compile("|".join(choices)) if choices else None

    def redact(text: str) -> str:
        lines = (clean(line) for line in str(text).split("\n"))
        whole = "\n".join(lines)
        return whole if pattern is None else pattern.sub(HIDDEN, whole)

    return redact


def unnamed(redact: Redact, quantities: Iterable[str]) -> Redact:
    """A redaction that takes the names of some quantities out as well.

    Parameters
    ----------
    redact
        Another redaction, which is done afterwards.
    quantities
        Names of parameters of a posterior ("beta[country[B]]"), or ids of effects.
    """
    # A name that is a word may mean something else.
    names = {name for name in quantities if not name.isidentifier()}
    if not names:
        return redact
    choices = "|".join(map(re.escape, sorted(names, key=lambda name: (-len(name), name))))
    pattern = re.compile(rf"(?<!\w)(?:{choices})(?!\w)")
    # Hundreds of names are looked for at every place of a text. Most texts have none of what every name has one of.
    marks = {next((part for part in name if not f"_{part}".isidentifier()), name[0]) for name in names}

    def redacted(text: str) -> str:
        text = str(text)
        return redact(pattern.sub(UNNAMED, text) if any(mark in text for mark in marks) else text)

    return redacted


def factors_with_few(fit: FittedModel, small: int) -> list[str]:
    """Pooled factors and categorical columns with a level whose count is not shown."""
    return [name for name, levels in hidden_levels(fit, small).items() if levels]


def grouped_only(fit: FittedModel, frame: pd.DataFrame, small: int) -> pd.DataFrame:
    """A table without anything that is about one person, or about fewer than `small`.

    Parameters
    ----------
    fit
        The fit the table is about.
    frame
        Any table of a check. Without its rows when it has one a participant (a column `row` or `obs`); without the ends
        of parts of a column (`low`, `high`), which are somebody's values; and without groups (`n`) of fewer than
        `small` people, and those whose count the page does not show lest a small one be had by subtraction.
    """
    if {"row", "obs"} & set(frame.columns):
        return frame.iloc[:0]
    parts = {"column", "low", "high", "n"} <= set(frame.columns)
    if parts:
        if fit.people is not None:
            enough = [_people_between(fit, row) >= small for row in frame.to_dict("records")]
            frame = frame[np.asarray(enough, dtype=bool)]
        frame = frame.drop(columns=["low", "high"])
    factor = next((name for name in ("factor", "column") if name in frame.columns), None)
    if factor is None or "n" not in frame.columns:
        return frame
    keep = (frame["n"] >= small) | (frame["n"] == 0)
    if parts or "level" in frame.columns:
        for name, own in frame.groupby(factor, sort=False):
            keep.loc[own.index] &= _countable(fit, str(name), own, small)
    frame = frame[keep]
    return (
        frame[_without_counts(fit, frame, small)]
        if {"factor", "statistic", "observed"} <= set(frame.columns)
        else frame
    )


def _without_counts(fit: FittedModel, frame: pd.DataFrame, small: int) -> np.ndarray:
    """Which statistics are no shares that stand for a few people, or by which a few could be counted."""
    shares = frame["statistic"].astype(str).str.startswith("share").to_numpy()
    if fit.people is not None:
        # How many people a share of rows stands for is not known.
        return ~shares
    n = frame["n"].to_numpy(int)
    sizes = np.where(shares, np.rint(frame["observed"].to_numpy(float) * n), 0.0).astype(int)
    everybody = (frame["factor"] == "").to_numpy()
    cells = np.column_stack([sizes, n - sizes])
    keep = ~shares
    for statistic in frame.loc[shares, "statistic"].unique():
        own = (frame["statistic"] == statistic).to_numpy()
        totals = cells[own & everybody]
        if len(totals) != 1 or ((totals > 0) & (totals < small)).any():
            continue
        keep |= own & everybody
        for name in frame.loc[own & ~everybody, "factor"].unique():
            at = np.flatnonzero(own & (frame["factor"] == name).to_numpy())
            # Those of the levels that are not listed are the total less the others.
            rest = totals - cells[at].sum(axis=0)
            marks = two_way(np.vstack([cells[at], rest]) if rest.any() else cells[at], small)[: at.size]
            keep[at] = [all(mark is Mark.SHOWN for mark in row) for row in marks]
    return keep


def _people_between(fit: FittedModel, part: Mapping[Any, Any]) -> int:
    """People with a value in a part of a column; none where the column is not one of the model's."""
    if part["column"] not in fit.design.frame:
        return 0
    values = fit.design.frame[part["column"]].to_numpy(float)
    return people_in(fit, (values >= part["low"]) & (values <= part["high"]))


def _countable(fit: FittedModel, name: str, rows: pd.DataFrame, small: int) -> np.ndarray:
    """Which rows of a factor's table are about groups whose count the page shows."""
    known = name in {factor.name for factor in fit.design.factors} | set(fit.design.frame.columns)
    if known and "level" in rows.columns:
        shown = shown_counts(fit, name, small)
        levels = [shown.get(str(level)) for level in rows["level"]]
        return np.array([level is None or level.number is not None for level in levels], dtype=bool)
    # A column beside the model, or parts of one: what is known of it is this table, in which a level may come twice.
    keys = rows["level"] if "level" in rows.columns else pd.Series(np.arange(len(rows)), index=rows.index)
    sizes = rows["n"].groupby(keys, sort=False).max()
    marks = dict(zip(sizes.index, one_way(sizes.astype(int).tolist(), small), strict=True))
    return np.array([marks[key] is Mark.SHOWN for key in keys])
