"""Levels that may be one person each: never named in a report."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from alliance_bayes.cohort.names import ID
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.counts import SMALL, level_counts
from alliance_bayes.report.text import clean

__all__ = ["Redact", "factors_with_few", "grouped_only", "identifying", "redaction"]

Redact = Callable[[str], str]
HIDDEN = "(a level)"


def identifying(fit: FittedModel, factor: str) -> bool:
    """Whether a factor's levels may each be one person: participants, or most levels with fewer than five people."""
    if ID in factor.split(":"):
        return True
    return float(np.median(list(level_counts(fit, factor).values()))) < SMALL


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
            for position, part in enumerate(name.split(":")):
                if part == ID:
                    hidden |= {clean(label.split(":")[position]) for label in levels if label.count(":") >= position}
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


def factors_with_few(fit: FittedModel) -> list[str]:
    """Pooled factors and categorical columns with a level of one to four people."""
    names = dict.fromkeys(
        [*(f.name for f in fit.design.factors), *fit.design.frame.columns[fit.design.frame.dtypes == "category"]]
    )
    return [name for name in names if any(0 < size < SMALL for size in level_counts(fit, name).values())]


def grouped_only(fit: FittedModel, frame: pd.DataFrame) -> pd.DataFrame:
    """A table without anything that is about one person, or about fewer than five.

    Parameters
    ----------
    fit
        The fit the table is about.
    frame
        Any table of a check. Without its rows when it has one a participant (a column `row` or `obs`); without the ends
        of parts of a column (`low`, `high`), which are somebody's values; without groups of fewer than five people
        (`n`); and with other counts rounded to multiples of five for factors that have such levels.
    """
    if {"row", "obs"} & set(frame.columns):
        return frame.iloc[:0]
    if {"column", "low", "high", "n"} <= set(frame.columns):
        frame = frame.drop(columns=["low", "high"])
    factor = next((name for name in ("factor", "column") if name in frame.columns), None)
    if factor is None or "n" not in frame.columns:
        return frame
    frame = frame[(frame["n"] >= SMALL) | (frame["n"] == 0)]
    if "level" not in frame.columns:
        return frame
    small = factors_with_few(fit)
    rounded = (SMALL * (frame["n"] / SMALL).round()).astype("int64")
    return frame.assign(n=frame["n"].mask(frame[factor].isin(small), rounded))
