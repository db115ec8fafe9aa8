"""Columns of a table of which some values were not observed, and how regressions see them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design
from alliance_bayes.model.grammar import shown
from alliance_bayes.remedies import setting

__all__ = ["MOST_DRAWN", "MOST_LEVELS", "Column", "as_designed", "columns_of_table", "hot_deck"]

#: Levels that are a step each of a probit regression; of more, shares are drawn.
MOST_LEVELS = 12
#: Levels that a column with missing values may have; rows that lack one of more are left out.
MOST_DRAWN = 100
# A factor of more levels has its intercepts pooled, where fewer have a coefficient each.
_MOST_DUMMIES = 6
# SDs of a column that an error of measurement has at least: the precision of less is beyond the digits of a number.
_LEAST_ERROR = 1e-6


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    Parameters
    ----------
    name
        Its name.
    values
        As in the table, shape (n,); NaN, or code -1, where nothing was observed.
    levels
        Its values where it has few: labels, or two numbers; None of a number.
    error
        SD of the error with which it was measured; 0 of one that is what it says.
    whose
        Number of each row's person, shape (n,), where all rows of a person share one value.
    """

    name: str
    values: pd.Series
    levels: tuple[object, ...] | None
    error: float = 0.0
    whose: np.ndarray | None = None

    @cached_property
    def missing(self) -> np.ndarray:
        """Whether nothing was observed, shape (n,)."""
        return self.values.isna().to_numpy()

    @cached_property
    def unknown(self) -> np.ndarray:
        """Places of rows whose value is drawn: that was not observed, or with an error."""
        return np.flatnonzero(self.missing | (self.error > 0))

    @cached_property
    def units(self) -> np.ndarray:
        """Number of the value that each row of ``unknown`` has: a person's rows share one."""
        if self.whose is None:
            return np.arange(len(self.unknown))
        return np.unique(self.whose[self.unknown], return_inverse=True)[1]

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers, two of them too."""
        return not isinstance(self.values.dtype, pd.CategoricalDtype)

    @property
    def pooled(self) -> bool:
        """Whether regressions pool an intercept over its levels."""
        return self.levels is not None and len(self.levels) > _MOST_DUMMIES

    @property
    def shared(self) -> bool:
        """Whether it has so many levels that these have shares and no regression."""
        return not self.numeric and self.levels is not None and len(self.levels) > MOST_LEVELS

    def of_rows(self, rows: np.ndarray) -> Column:
        """The column in some of its rows, with all of its levels."""
        return replace(self, values=self.values.iloc[rows], whose=None)

    def ordered_as(self, frame: pd.DataFrame) -> Column:
        """The column with its levels in the order of the same column of a frame; itself where that has none."""
        if self.numeric or self.name not in frame:
            return self
        dtype = frame[self.name].dtype
        assert isinstance(dtype, pd.CategoricalDtype)
        return replace(self, values=self.values.astype(dtype), levels=tuple(dtype.categories))

    @cached_property
    def centre(self) -> float:
        """Mean of what was observed."""
        return float(self.values.mean())

    @cached_property
    def scale(self) -> float:
        """SD of what was observed."""
        return float(self.values.std(ddof=1)) or 1.0

    def standard(self, values: np.ndarray) -> np.ndarray:
        """Numbers as distances from the mean in SDs."""
        return (np.asarray(values, dtype=float) - self.centre) / self.scale

    def natural(self, standard: np.ndarray) -> np.ndarray:
        """Distances from the mean in SDs as numbers."""
        return self.centre + self.scale * standard

    @cached_property
    def by_level(self) -> np.ndarray:
        """Columns of a regression at each level, shape (n_levels, width)."""
        assert self.levels is not None
        if self.numeric:
            return self.standard(np.array(self.levels, dtype=float))[:, None]
        return np.eye(len(self.levels))[:, 1:]

    def coded(self, values: pd.Series) -> np.ndarray:
        """Number of each value's level, shape (n,)."""
        assert self.levels is not None
        if self.numeric:
            return np.searchsorted(np.array(self.levels, dtype=float), values.to_numpy(float)).astype(np.int64)
        return values.cat.codes.to_numpy(np.int64)

    def placed(self, codes: np.ndarray) -> Any:
        """Values of some levels by number, as the table has them."""
        assert self.levels is not None
        if self.numeric:
            return np.array(self.levels, dtype=float)[codes]
        dtype = self.values.dtype
        assert isinstance(dtype, pd.CategoricalDtype)
        return pd.Categorical.from_codes(codes.tolist(), dtype=dtype)


def columns_of_table(
    frame: pd.DataFrame,
    names: Sequence[str],
    error: Mapping[str, float],
    reliability: Mapping[str, float],
    outcome: str,
) -> dict[str, Column]:
    """The columns by name.

    Parameters
    ----------
    frame
        The rows, with missing values.
    names
        Columns of the model and auxiliary ones.
    error
        SD of the error of measurement, by column.
    reliability
        Share of the variance of what was observed that is not error, by column.
    outcome
        The outcome, which is a number whatever its values.

    Raises
    ------
    ModelError
        A column without any value or with one value only, of those that have missing ones; an error of measurement of
        levels, or one as large as the values, or of no size beside them.
    """
    columns, faults = {}, []
    for name in names:
        values, levels = frame[name], None
        if isinstance(values.dtype, pd.CategoricalDtype):
            # Levels that nobody has are no values that somebody could have had.
            values = values.cat.remove_unused_categories()
            levels = tuple(values.cat.categories)
        elif name != outcome and len(seen := np.unique(values.dropna())) == 2 < values.count():
            # As a column of 0 and 1, however it is coded: nobody is 1.4 of 1 and 2.
            levels = tuple(map(float, seen))
        sd = error.get(name, 0.0)
        if name in reliability and levels is None and pd.api.types.is_numeric_dtype(values):
            sd = float(values.std()) * math.sqrt(1 - reliability[name])
        source = setting("reliability") if name in reliability else setting("error")
        if sd > 0 and levels is None and not sd < (std := float(values.std())):
            faults.append(
                f"{shown(name)} has an error of measurement of SD {sd:.4g}, and values of SD {std:.4g} are not made of "
                f"more. Give the SD of the error in the unit of {shown(name)} ({source})."
            )
        elif sd > 0 and levels is None and sd < _LEAST_ERROR * std:
            faults.append(
                f"{shown(name)} has an error of measurement of SD {sd:.4g}, which beside values of SD {std:.4g} is "
                f"none. Take {shown(name)} out of {source}."
            )
        column = columns[name] = Column(name, values, levels, sd)
        if column.unknown.size and values.nunique() < 2:
            known = "no value at all" if values.nunique() == 0 else "one value only"
            faults.append(
                f"{shown(name)} has {known}, so nothing can be said of the rows that lack it. Take the column out, "
                "or check the table."
            )
        elif name in {*error, *reliability} and levels is not None:
            faults.append(
                f"{shown(name)} has levels, and an error of measurement is one of numbers. Take {shown(name)} out of "
                f"{source}."
            )
    if faults:
        raise ModelError(" ".join(faults))
    return columns


def hot_deck(columns: Mapping[str, Column], frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The table with a value that somebody has in place of each that is missing: where chains begin."""
    filled = frame.copy()
    for name, column in columns.items():
        filled[name] = column.values
        if not column.missing.any():
            continue
        seen = np.flatnonzero(~column.missing)
        at = np.arange(len(frame))
        lacking = np.flatnonzero(column.missing)
        whose = lacking if column.whose is None else column.whose[lacking]
        persons, number = np.unique(whose, return_inverse=True)
        at[lacking] = rng.choice(seen, len(persons))[number]
        filled[name] = column.values.iloc[at].to_numpy() if column.numeric else column.values.iloc[at].array
    return filled


def as_designed(frame: pd.DataFrame, design: Design, columns: Mapping[str, Column]) -> pd.DataFrame:
    """All rows with the columns of the model as it has them, and levels in its order."""
    out = {}
    for name in columns:
        dtype = design.frame[name].dtype if name in design.frame else frame[name].dtype
        values = frame[name]
        if isinstance(dtype, pd.CategoricalDtype) and name in design.frame:
            known, text = list(dtype.categories), values.astype(object).map(str)
            if columns[name].unknown.size:
                # A level of rows alone that are not analysed is none that the model could have elsewhere.
                text = text.where(text.isin(known), known[0])
            elif others := sorted(set(text) - set(known)):
                dtype = pd.CategoricalDtype([*known, *others], ordered=True)
            values = pd.Series(pd.Categorical(text, dtype=dtype), index=frame.index)
        out[name] = values.astype(dtype)
    return frame.assign(**out)
