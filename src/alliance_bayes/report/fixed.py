"""Differences that a model has decided before it saw the data, which are no findings."""

from __future__ import annotations

import re

import pandas as pd

from alliance_bayes.model import Design

__all__ = ["fixed_at_zero", "fixed_by_model", "slope_differs"]


def fixed_at_zero(rows: pd.DataFrame) -> bool:
    """Whether differences are zero because the model says so."""
    return bool(len(rows)) and bool(((rows["mean"] == 0) & (rows["sd"] == 0)).all())


def fixed_by_model(design: Design, rows: pd.DataFrame) -> bool:
    """Whether differences are zero, or slopes that are one on the scale of the linear predictor, by the model alone.

    In units of the outcome such slopes differ by where the levels lie on the curve of the link, which no data decided.
    """
    if fixed_at_zero(rows):
        return True
    if design.family.linear or not len(rows) or set(rows["estimand"]) != {"contrast_of_slopes"}:
        return False
    pairs = {(str(row["term"]), str(row["factor"])) for row in rows[["term", "factor"]].to_dict("records")}
    return not any(slope_differs(design, *pair) for pair in pairs)


def slope_differs(design: Design, name: str, factor: str) -> bool:
    """Whether the model lets the slope of a column differ between the levels of a factor."""
    pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    common = (term.split(":") for term in design.formula.common)
    if any(factor in parts and any(pattern.search(part) for part in parts if part != factor) for parts in common):
        return True
    return any(
        pattern.search(column.term) is not None
        for one in design.factors
        for column in one.columns
        if factor in (*one.name.split(":"), *column.term.split(":"))
    )
