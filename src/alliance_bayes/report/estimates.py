"""Rows of an effects table as a page shows them: which rows, with how many decimals, in which words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.effects.analysis import PRIOR_DRAWS
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.certainty import SCALE, Row
from alliance_bayes.report.counts import SMALL, hidden_levels, hidden_rows
from alliance_bayes.report.privacy import identifying
from alliance_bayes.report.records import records
from alliance_bayes.report.text import clean, decimals, interval_name, number, percent, probability, range_of

__all__ = ["Estimates", "said", "text_of"]

# Rows with the same of these are printed with the same number of decimals.
_ALIKE = ("estimand", "term", "factor", "unit", "denominator")


@dataclass(frozen=True, eq=False)
class Estimates:
    """An effects table that knows how its numbers are printed.

    Parameters
    ----------
    table
        The rows that may be shown.
    hidden
        Pooled factors whose rows are left out because a level may be one person.
    few
        Other factors of which some levels' rows are left out, since their counts may not be shown.
    """

    table: EffectTable
    hidden: tuple[str, ...]
    few: tuple[str, ...] = ()

    @classmethod
    def of(cls, fit: FittedModel, table: EffectTable, small: int = SMALL) -> Estimates:
        """Leave out what may not be shown: levels that may be one person, and those whose counts are not shown."""
        hidden = tuple(factor.name for factor in fit.design.factors if identifying(fit, factor.name))
        keep = [
            not (isinstance(factor, str) and factor in hidden and isinstance(level, str))
            for factor, level in zip(table["factor"], table["level"], strict=True)
        ]
        keep = np.asarray(keep, dtype=bool) & ~hidden_rows(fit, table, small)
        few = tuple(name for name, levels in hidden_levels(fit, small).items() if levels and name not in hidden)
        return cls(table[keep], hidden, few)

    def where(self, estimand: str | Iterable[str], **values: str | None) -> pd.DataFrame:
        """Rows of an estimand (or several) with given values of other columns (None: missing), in the table's order."""
        names = [estimand] if isinstance(estimand, str) else list(estimand)
        keep = self._rows["estimand"].isin(names)
        for column, value in values.items():
            keep &= self._rows[column].isna() if value is None else self._rows[column] == value
        return self._rows[keep]

    def first(self, estimand: str, **values: str | None) -> pd.Series | None:
        """The first such row whose mean is a number, or None."""
        found = self.where(estimand, **values)
        found = found[found["median"].notna()]
        return found.iloc[0] if len(found) else None

    @cached_property
    def _rows(self) -> pd.DataFrame:
        """The table with its texts as Python's own, which are read row by row many times."""
        rows = pd.DataFrame(self.table)
        return rows.astype(dict.fromkeys(rows.select_dtypes("str").columns, object))

    @cached_property
    def _places(self) -> dict[tuple[Any, ...], int]:
        places: dict[tuple[Any, ...], int] = {}
        for row in self._rows[[*_ALIKE, "mcse_mean", "sd"]].to_dict("records"):
            key = tuple(_key(row[name]) for name in _ALIKE)
            own = decimals(_float(row["mcse_mean"]), _float(row["sd"]))
            # A row that does not vary says nothing about the others.
            if _float(row["sd"]) > 0:
                places[key] = min(places.get(key, 6), own)
        return places

    def places(self, row: Row) -> int:
        """Decimals of a row: those that the least precise row of its kind justifies."""
        return self._places.get(tuple(_key(row[name]) for name in _ALIKE), 2)

    def mean(self, row: Row) -> str:
        """Posterior mean; the median where there is no mean, and of what has none once the slope may be zero."""
        value = _float(row["mean"])
        use = np.isnan(value) or row["estimand"] == "points_needed"
        return number(_float(row["median"]) if use else value, self.places(row))

    def interval(self, row: Row) -> str:
        """Ends of the interval in brackets."""
        return range_of(*_ends(row), self.places(row))

    def spoken(self, row: Row) -> str:
        """The interval with its kind and probability, in words: "89% equal-tailed interval 1.3 to 3.0"."""
        places = self.places(row)
        ends = (number(end, places) for end in _ends(row))
        return f"{interval_name(row['interval'], float(row['prob']))} {' to '.join(ends)}"

    def direction(self, row: Row) -> str:
        """Probability of direction with the side it speaks of: "99% above 0"."""
        if np.isnan(_float(row["p_direction"])):
            return "–"
        side = "above" if _float(row["median"]) >= 0 else "below"
        return f"{_short_of_limits(row)} {side} 0"

    def direction_spoken(self, row: Row) -> str:
        """The same as a sentence gives it: "99% probability of being above zero"; empty where it does not apply."""
        if np.isnan(_float(row["p_direction"])):
            return ""
        side = "above" if _float(row["median"]) >= 0 else "below"
        return f"{said(_short_of_limits(row))} probability of being {side} zero"

    def share_spoken(self, row: Row, column: str) -> str:
        """A probability of the row in words where it is beyond what can be told: "less than 0.1%"."""
        return said(self.share(row, column))

    def share(self, row: Row, column: str) -> str:
        """A probability of the row (`p_rope`, `p_relevant`); of independent draws where it is the prior's."""
        return probability(_float(row[column]), PRIOR_DRAWS if column == "p_rope_prior" else _float(row["ess_bulk"]))

    def interval_heading(self) -> str:
        """The interval's probability and kind, for a table's heading."""
        if not len(self.table):
            return "Interval"
        return interval_name(self.table["interval"].iloc[0], float(self.table["prob"].iloc[0]))

    def records(self) -> list[dict[str, Any]]:
        """Every row for the JSON: the row's id, all columns, and the number of decimals that is printed."""
        found = records(self._rows)
        for identity, record in zip(self._rows.index, found, strict=True):
            record |= {"id": str(identity), "decimals": self.places(record)}
        return found


def _ends(row: Row) -> tuple[float, float]:
    """Ends of the interval; where the slope may be zero, what is needed of the predictor has no upper end."""
    lower, upper = _float(row["lower"]), _float(row["upper"])
    open_ = row["estimand"] == "points_needed" and np.isfinite(lower) and np.isnan(upper)
    return lower, np.inf if open_ else upper


def _short_of_limits(row: Row) -> str:
    """The probability of direction, never rounded up to a limit of the words for it that it does not reach."""
    value = _float(row["p_direction"])
    shown = probability(value, _float(row["ess_bulk"]))
    for limit, _ in SCALE:
        if value < limit and shown in (percent(limit), percent(limit, 1)):
            return f"< {shown}"
    return shown


def said(share: str) -> str:
    """A share with its comparison sign in words."""
    return share.replace("< ", "less than ").replace("> ", "more than ")


def text_of(row: Row, column: str) -> str:
    """A text column of a row, cleaned; empty where it does not apply."""
    value = row[column]
    return clean(value) if isinstance(value, str) else ""


def _key(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _float(value: Any) -> float:
    return float("nan") if value is None or value is pd.NA else float(value)
