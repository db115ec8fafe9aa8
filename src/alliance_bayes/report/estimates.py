"""Estimates as a page prints them: with how many decimals, as percentages or points, in which words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.effects.analysis import PRIOR_DRAWS
from alliance_bayes.effects.at import levels_at
from alliance_bayes.effects.equivalence import DECIDED
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.marks import factors_of
from alliance_bayes.report.privacy import identifying, named_factors
from alliance_bayes.report.records import effect_records
from alliance_bayes.report.small_counts import SMALL, hidden_levels, hidden_rows
from alliance_bayes.report.text import (
    PROBABILITY,
    Row,
    clean,
    column_name,
    decimals,
    interval_name,
    is_probability,
    number,
    percent,
    percent_unit,
    probability,
    range_of,
    typeset,
    units,
)
from alliance_bayes.report.verdicts import SCALE
from alliance_bayes.rounding import ROUNDING

__all__ = ["SHARES", "Estimates", "Figures", "float_of", "said", "short_of", "text_of", "words_of"]

#: Mean and interval of a row as they are printed.
type Figures = Callable[[Row], tuple[str, str]]


#: Units of shares that are printed as percentages, besides probabilities.
SHARES = ("share of change", "share of variance")
# A name that is no word: of a column of the data, as tables of effects have it, or of what is made of its rows.
_CODED = re.compile(r"(?<![\w\[(.:'/])(?:(?:within|between|lag)\([^()]*\)|[^\W\d]\w*[_\d]\w*(?![\w\[(/=]))")

# Texts of the data.
_LABELS = ("level", "versus", "factor", "term")

# Rows with the same of these are of one kind, and printed with the same number of decimals; so are kinds of one unit.
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
        hidden = tuple(name for name in named_factors(fit) if identifying(fit, name))
        keep = [
            not (isinstance(factor, str) and factor in hidden and isinstance(level, str))
            for factor, level in zip(table["factor"], table["level"], strict=True)
        ]
        named = [set(levels_at(at)) if isinstance(at, str) else set() for at in table["at"]]
        single = [any(columns & set(factor.split(":")) for factor in hidden) for columns in named]
        keep = np.asarray(keep, dtype=bool) & ~np.asarray(single, dtype=bool) & ~hidden_rows(fit, table, small)
        hidden_of = hidden_levels(fit, small)
        named_by = dict.fromkeys([*factors_of(fit), fit.spec.focal_factor(fit.design)])
        few = tuple(name for name in named_by if name is not None and hidden_of[name] and name not in hidden)
        return cls(table[keep], hidden, few)

    def where(self, estimand: str | Iterable[str], **values: str | None) -> pd.DataFrame:
        """Rows of an estimand (or several) with given values of other columns (None: missing), in the table's order.

        Of everybody as they are: rows with some predictors set (``at``) have names of their own.
        """
        return self._rows.iloc[self._found(estimand, values)]

    def first(self, estimand: str, **values: str | None) -> pd.Series | None:
        """The first such row whose mean is a number, or None."""
        places = self._found(estimand, values)
        places = places[self._rows["median"].notna().to_numpy()[places]]
        return self._rows.iloc[int(places[0])] if places.size else None

    def _found(self, estimand: str | Iterable[str], values: Mapping[str, str | None]) -> np.ndarray:
        """Places of the rows that :meth:`where` gives."""
        names = {estimand} if isinstance(estimand, str) else set(estimand)
        keep = np.isin(self._column("estimand")[0], list(names)) & self._column("at")[1]
        for column, value in values.items():
            cells, missing = self._column(column)
            keep = keep & (missing if value is None else cells == value)
        return np.flatnonzero(keep)

    def _column(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A column's values, and where there are none: sections look for rows a hundred times."""
        if name not in self._columns:
            column = self._rows[name]
            self._columns[name] = column.to_numpy(), column.isna().to_numpy()
        return self._columns[name]

    @cached_property
    def _columns(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {}

    def with_at(self) -> pd.DataFrame:
        """Rows of everybody with some predictors set, in the table's order."""
        return self._rows[self._rows["at"].notna()]

    @cached_property
    def _rows(self) -> pd.DataFrame:
        """The table with its texts as Python's own, which are read row by row many times."""
        rows = pd.DataFrame(self.table)
        return rows.astype(dict.fromkeys(rows.select_dtypes("str").columns, object))

    @cached_property
    def _places(self) -> dict[tuple[Any, ...], int]:
        places: dict[tuple[Any, ...], int] = {}
        for row in self._rows[[*_ALIKE, "at", "mcse_mean", "sd", "lower", "upper"]].to_dict("records"):
            key = _alike(row)
            sd = _spread(row)
            digits = decimals(float_of(row["mcse_mean"]), sd)
            # A row that does not vary, but for rounding, says nothing about the others.
            ends = (abs(float_of(row[end])) for end in ("lower", "upper"))
            if sd > ROUNDING * max(filter(math.isfinite, ends), default=0.0):
                places[key] = min(places.get(key, digits), digits)
        return places

    @cached_property
    def _places_of_units(self) -> dict[tuple[Any, ...], int]:
        places: dict[tuple[Any, ...], int] = {}
        for kind, digits in self._places.items():
            unit = _unit_of(kind)
            places[unit] = min(places.get(unit, digits), digits)
        return places

    def places(self, row: Row) -> int:
        """Decimals of a row: those that the least precise row of its kind justifies, or of its unit if one less.

        So the rows of a column have the same decimals, unless a few are so uncertain that the others would lose two.
        """
        kind = _alike(row)
        digits = self._places.get(kind, 2)
        return max(min(digits, self._places_of_units.get(_unit_of(kind), digits)), digits - 1)

    def mean(self, row: Row) -> str:
        """Posterior mean; the median where there is no mean, and of what has none once a draw may be infinite."""
        value = float_of(row["mean"])
        use = np.isnan(value) or self.table.measure(str(row["estimand"])).unbounded
        return number(float_of(row["median"]) if use else value, self.places(row))

    def interval(self, row: Row) -> str:
        """Ends of the interval in brackets."""
        return range_of(*self._ends(row), self.places(row))

    def _ends(self, row: Row) -> tuple[float, float]:
        """Ends of the interval, of which what may be infinite may have no upper one."""
        lower, upper = float_of(row["lower"]), float_of(row["upper"])
        unbounded = self.table.measure(str(row["estimand"])).unbounded
        return lower, np.inf if unbounded and np.isfinite(lower) and np.isnan(upper) else upper

    def figures(self, row: Row) -> tuple[str, str]:
        """Mean and interval: shares as percentages, their differences and slopes in percentage points."""
        unit = text_of(row, "unit")
        if unit in SHARES:
            return self.percentages(row, most=1)
        if not is_probability(unit):
            return self.mean(row), self.interval(row)
        if unit == PROBABILITY and not self.table.measure(str(row["estimand"])).difference:
            return self.percentages(row, most=1)
        # Of the next unit, a hundredth, two digits less: a tenth of a point is as much as anybody reads of it.
        places = max(0, min(1, self.places(row) - 2))
        lower, upper = self._ends(row)
        return number(100 * float_of(row["mean"]), places), range_of(100 * lower, 100 * upper, places)

    def percentages(self, row: Row, *, least: int = 0, most: int = 2) -> tuple[str, str]:
        """Mean and interval as percentages; a hundredth of a percent is as much as a share can mean."""
        places = max(least, min(most, self.places(row) - 2))
        mean, lower, upper = (percent(float_of(row[name]), places) for name in ("mean", "lower", "upper"))
        return mean, f"({lower} to {upper})"

    def printed(self, row: Row, figures: Figures | None = None) -> str:
        """Mean and interval in one cell: "2.3 (1.6 to 2.9)"."""
        mean, interval = (figures or self.figures)(row)
        return f"{mean} {interval}"

    def spoken(self, row: Row, *, lower: bool = False) -> str:
        """The interval with its kind and probability, in words: "89% equal-tailed interval 1.3 to 3.0".

        `lower` of what a sentence calls lower by so much: as the size, the ends are of how much lower.
        """
        if lower:
            row = {**dict(row), "lower": -float_of(row["upper"]), "upper": -float_of(row["lower"])}
        return f"{interval_name(row['interval'], float(row['prob']))} {self.figures(row)[1].strip('()')}"

    def amount(self, row: Row) -> str:
        """The mean with its unit, as a sentence has it: "2.4 WHO-5 points per year", "8.8 percentage points", "41%"."""
        mean, unit = self.figures(row)[0], words_of(row, "unit")
        share = unit == PROBABILITY and not self.table.measure(str(row["estimand"])).difference
        return mean if share or unit in SHARES or not unit else f"{mean} {percent_unit(units(unit))}"

    def direction(self, row: Row) -> str:
        """Probability of direction with the side it speaks of: "99% above 0"."""
        if np.isnan(float_of(row["p_direction"])):
            return "–"
        side = "above" if float_of(row["median"]) >= 0 else "below"
        return f"{_short_of_limits(row)} {side} 0"

    def direction_spoken(self, row: Row, *, lower: bool = False) -> str:
        """The same as a sentence gives it: "99% probability of being above zero"; empty where it does not apply.

        `lower` as for the interval: "99% probability of being lower".
        """
        if np.isnan(float_of(row["p_direction"])):
            return ""
        side = "lower" if lower else "above zero" if float_of(row["median"]) >= 0 else "below zero"
        return f"{said(_short_of_limits(row))} probability of being {side}"

    def share_spoken(self, row: Row, column: str) -> str:
        """A probability of the row in words where it is beyond what can be told: "less than 0.1%"."""
        return said(self.share(row, column))

    def share(self, row: Row, column: str) -> str:
        """A probability of the row (`p_rope`, `p_relevant`); of independent draws where it is the prior's."""
        value = float_of(row[column])
        if column == "p_rope_prior":
            return probability(value, PRIOR_DRAWS)
        return short_of(value, probability(value, float_of(row["ess_bulk"])), (DECIDED,), (1 - DECIDED,))

    def interval_heading(self) -> str:
        """The interval's probability and kind, for a table's heading."""
        if not len(self.table):
            return "Interval"
        return interval_name(self.table["interval"].iloc[0], float(self.table["prob"].iloc[0]))

    def records(self) -> list[dict[str, Any]]:
        """Every row for the JSON: the row's id, all columns, and the number of decimals that is printed."""
        records = effect_records(self._rows)
        for identity, record in zip(self._rows.index, records, strict=True):
            record |= {"id": str(identity), "decimals": self.places(record)}
        return records


def _short_of_limits(row: Row) -> str:
    """The probability of direction, never rounded up to a limit of the words for it that it does not reach."""
    value = float_of(row["p_direction"])
    return short_of(value, probability(value, float_of(row["ess_bulk"])), [limit for limit, _ in SCALE])


def short_of(value: float, shown: str, upper: Iterable[float], lower: Iterable[float] = ()) -> str:
    """A probability as it is printed, but not as a limit that decides about words where it falls short of it.

    Parameters
    ----------
    value, shown
        The probability, and as it would be printed.
    upper, lower
        Limits that it must reach from below, and from above: one less, or one more, of the last digit is printed.
    """
    for limits, step in ((upper, -1), (lower, 1)):
        for limit in limits:
            for places in (0, 1):
                if (value - limit) * step > 0 and shown == percent(limit, places):
                    return percent(limit + step * 10.0 ** -(2 + places), places)
    return shown


def said(share: str) -> str:
    """A share with its comparison sign in words."""
    return share.replace("< ", "less than ").replace("> ", "more than ")


def text_of(row: Row, column: str) -> str:
    """A text column of a row, cleaned; empty where it does not apply."""
    value = row[column]
    if not isinstance(value, str):
        return ""
    # Labels are the data's; all else is made of words and numbers.
    return clean(value) if column in _LABELS else typeset(clean(value))


def words_of(row: Row, column: str) -> str:
    """The same with columns of the data called what sentences call them."""
    return _CODED.sub(lambda match: column_name(match[0]), text_of(row, column))


def _alike(row: Row) -> tuple[Any, ...]:
    """What rows that are printed alike share; those with some predictors set do not decide on the others."""
    texts = (row[name] for name in _ALIKE)
    return (*(value if isinstance(value, str) else None for value in texts), isinstance(row.get("at"), str))


def _unit_of(kind: tuple[Any, ...]) -> tuple[Any, ...]:
    """The unit of a kind of rows; shares, correlations and standardised differences have only their estimand's."""
    estimand, _, _, unit, denominator, held = kind
    named = unit and unit != PROBABILITY and not unit.startswith("share")
    return ("" if named else estimand, unit, denominator, held)


def _spread(row: Row) -> float:
    """The posterior SD; of what has none once a draw may be infinite, that of a normal with as wide an 89% interval."""
    sd, width = float_of(row["sd"]), float_of(row["upper"]) - float_of(row["lower"])
    return width / 3.2 if np.isnan(sd) and np.isfinite(width) else sd


def float_of(value: Any) -> float:
    """A number of a row, NaN where it has none."""
    return float("nan") if value is None or value is pd.NA else float(value)
