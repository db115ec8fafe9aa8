"""Counts of people by level, the same wherever a page shows them, and none from which a few people can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from alliance_bayes.fit import FittedModel
from alliance_bayes.report.suppression import Mark, one_way, two_way
from alliance_bayes.report.text import count, percent

__all__ = ["NOT_SHOWN", "SMALL", "ShownCount", "fewer", "level_counts", "shown_cells", "shown_counts", "split_factor"]

#: Counts below this are not shown by default.
SMALL = 10
#: What stands for a count that is not shown.
NOT_SHOWN = "–"
#: Columns that a table by groups can have beside the one of everybody.
MOST_GROUPS = 5


@dataclass(frozen=True)
class ShownCount:
    """A count as a page may show it.

    Parameters
    ----------
    number
        The count; None where it is not shown.
    text
        The count, "< 10", or a dash.
    share
        Its share of the total; a dash where the count is not shown.
    """

    number: int | None
    text: str
    share: str

    @classmethod
    def of(cls, size: int, total: int, mark: Mark, small: int) -> Self:
        """A count with its mark."""
        if mark is Mark.SHOWN:
            return cls(size, count(size), percent(size / total, 1) if total else NOT_SHOWN)
        return cls(None, fewer(small) if mark is Mark.FEW else NOT_SHOWN, NOT_SHOWN)

    @property
    def both(self) -> str:
        """Count and share in one cell."""
        return self.text if self.number is None else f"{self.text} ({self.share})"


def fewer(small: int) -> str:
    """How a small count is written; "< 2" would be 1."""
    return f"< {small}" if small > 2 else NOT_SHOWN


def level_counts(fit: FittedModel, factor: str) -> dict[str, int]:
    """People analysed in each level of a pooled factor or of a categorical column, in the levels' order."""
    codes, levels = _codes(fit, factor)
    sizes = np.bincount(codes, weights=fit.design.weights, minlength=len(levels))
    return {level: round(float(size)) for level, size in zip(levels, sizes, strict=True)}


def shown_counts(fit: FittedModel, factor: str, small: int) -> dict[str, ShownCount]:
    """Counts and shares of a factor's levels, the same in every table of a page.

    Parameters
    ----------
    fit
        The fit.
    factor
        A pooled factor or a categorical column. Of combinations ("a:b"), those with the factor that Table 1 is split by
        are shown as there, and of others none is: together, such tables could tell what each of them hides.
    small
        Fewest people that a shown count stands for.
    """
    counts = level_counts(fit, factor)
    total = sum(counts.values())
    if factor in fit.design.frame:
        marks = one_way(list(counts.values()), small)
        return {
            level: ShownCount.of(size, total, mark, small)
            for (level, size), mark in zip(counts.items(), marks, strict=True)
        }
    split, parts = split_factor(fit, small), factor.split(":")
    if len(parts) != 2 or split not in parts:
        return {level: ShownCount(None, NOT_SHOWN, NOT_SHOWN) for level in counts}
    assert split is not None
    other = parts[0] if parts[1] == split else parts[1]
    cells = shown_cells(fit, other, split, small)
    # A label may itself hold a colon, so the parts of a level are those of a row that is in it.
    codes, levels = _codes(fit, factor)
    rows = {int(code): row for row, code in reversed(list(enumerate(codes)))}
    named = fit.design.frame[[other, split]].astype(str)
    found = {}
    for code, level in enumerate(levels):
        if code not in rows:
            found[level] = ShownCount(None, NOT_SHOWN, NOT_SHOWN)
            continue
        of_other, of_split = named.iloc[rows[code]]
        cell = cells[of_other][of_split]
        share = NOT_SHOWN if cell.number is None else percent(cell.number / total, 1)
        found[level] = ShownCount(cell.number, cell.text, share)
    return found


def split_factor(fit: FittedModel, small: int) -> str | None:
    """The factor by whose levels Table 1 describes people: the provider type, else the first with all its levels known.

    None where there is no such factor, or it has more levels than a table has room for, or none of whom enough people
    can be shown.
    """
    frame = fit.design.frame
    exhaustive = [factor.name for factor in fit.design.factors if factor.exhaustive]
    for name in ("provider_type", *exhaustive):
        if name in frame and isinstance(frame[name].dtype, pd.CategoricalDtype):
            counts = list(level_counts(fit, name).values())
            if 2 <= len(counts) <= MOST_GROUPS:
                marks = one_way(counts, small)
                return name if any(s and m is Mark.SHOWN for s, m in zip(counts, marks, strict=True)) else None
    return None


def shown_cells(fit: FittedModel, factor: str, split: str, small: int) -> dict[str, dict[str, ShownCount]]:
    """Counts of a factor's levels in each group of another factor that is shown, with shares of the group.

    Parameters
    ----------
    fit
        The fit.
    factor, split
        Two categorical columns.
    small
        Fewest people that a shown count stands for.

    Returns
    -------
    dict
        Level, then group. Levels and groups whose own counts are not shown have no counts here either.
    """
    # The marks must not depend on which of the two is across.
    first, second = sorted((factor, split))
    table = _crossed(fit, first, second)
    marks = _marks(table, small)
    if first != factor:
        table, marks = table.T, marks.T
    (_, levels), (_, groups) = _codes(fit, factor), _codes(fit, split)
    totals = table.sum(axis=0)
    return {
        level: {
            group: ShownCount.of(int(table[k, j]), int(totals[j]), marks[k, j], small) for j, group in enumerate(groups)
        }
        for k, level in enumerate(levels)
    }


def _crossed(fit: FittedModel, first: str, second: str) -> np.ndarray:
    (rows, levels), (columns, groups) = _codes(fit, first), _codes(fit, second)
    flat = np.bincount(
        rows * len(groups) + columns, weights=fit.design.weights, minlength=len(levels) * len(groups)
    ).reshape(len(levels), len(groups))
    return np.rint(flat).astype(int)


def _marks(table: np.ndarray, small: int) -> np.ndarray:
    """Marks of a table of two factors, of which some rows and columns are hidden since their own counts are."""
    shown = [
        np.array([mark is Mark.SHOWN for mark in one_way([int(size) for size in table.sum(axis=axis)], small)])
        for axis in (1, 0)
    ]
    # What is hidden can be had in sum, as the totals less what is shown: one more row, and one more column.
    merged = _with_rest(_with_rest(table, shown[0]).T, shown[1]).T
    inner = two_way(merged, small)
    marks = np.full(table.shape, Mark.HIDDEN, dtype=object)
    marks[np.ix_(*shown)] = inner[: int(shown[0].sum()), : int(shown[1].sum())]
    return marks


def _with_rest(table: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The rows that are shown and, where there are others, their sum."""
    return table if shown.all() else np.vstack([table[shown], table[~shown].sum(axis=0)])


def _codes(fit: FittedModel, factor: str) -> tuple[np.ndarray, Sequence[str]]:
    for pooled in fit.design.factors:
        if pooled.name == factor:
            return np.asarray(fit.design.rows.index[factor], dtype=np.intp), pooled.levels
    column = fit.design.frame[factor].cat
    return column.codes.to_numpy(np.intp), tuple(map(str, column.categories))
