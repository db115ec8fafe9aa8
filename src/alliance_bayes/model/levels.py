"""Declared levels: an unexpected level is an error, not a new level."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from alliance_bayes.errors import DataError, ModelError, Problem

__all__ = ["declare_levels"]


def declare_levels(frame: pd.DataFrame, levels: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """The frame with declared levels, in their order.

    Parameters
    ----------
    frame
        Complete rows.
    levels
        Levels by column; columns that the frame lacks are ignored.

    Raises
    ------
    ModelError
        A declaration that names a level twice or none.
    DataError
        Every row whose level was not declared.
    """
    problems: list[Problem] = []
    declared = {}
    for name, allowed in levels.items():
        if not allowed or len(set(allowed)) != len(allowed):
            raise ModelError(f"levels of '{name}' should be distinct and at least one but got {list(allowed)}.")
        if name not in frame:
            continue
        text = declared[name] = frame[name].astype(str)
        remedy = f"Declared levels: {', '.join(map(repr, allowed))}. Correct the value or declare the level."
        unknown = (~text.isin(allowed)).to_numpy().nonzero()[0]
        problems += [Problem(name, int(row), text.iloc[row], "is not a declared level", remedy) for row in unknown]
    if problems:
        raise DataError(problems, source="model levels (rows as analysed, from 0)")
    made = {name: pd.Categorical(text, categories=list(levels[name]), ordered=True) for name, text in declared.items()}
    return frame.assign(**made)
