"""Rows of an effects table as a page shows them: with how many decimals, in which words, as a table and as a forest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.effects.analysis import PRIOR_DRAWS
from alliance_bayes.effects.at import at_words, levels_at
from alliance_bayes.effects.equivalence import DECIDED
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Design
from alliance_bayes.report.forest import Forest, Interval, forest_size
from alliance_bayes.report.marks import factors_of
from alliance_bayes.report.privacy import identifying, named_factors
from alliance_bayes.report.records import effect_records
from alliance_bayes.report.small_counts import SMALL, hidden_levels, hidden_rows
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import (
    MINUS,
    PROBABILITY,
    Row,
    capital,
    clean,
    column_name,
    count,
    decimals,
    factor_name,
    interval_name,
    is_probability,
    number,
    percent,
    percent_unit,
    probability,
    range_of,
    typeset,
    unit_of,
    units,
)
from alliance_bayes.report.verdicts import SCALE

__all__ = [
    "MOST_ROWS",
    "SHARES",
    "Column",
    "Estimates",
    "Label",
    "beside",
    "condition",
    "described",
    "effect_table",
    "estimate_columns",
    "forest_of",
    "forest_picture",
    "measured",
    "measured_where",
    "notes_of",
    "rope_of",
    "row_words",
    "rows_of",
    "said",
    "text_of",
    "words_of",
]

#: What a row is called.
type Label = Callable[[Any], str]
#: Mean and interval of a row as they are printed.
type Figures = Callable[[Row], tuple[str, str]]

#: Units of shares that are printed as percentages, besides probabilities.
SHARES = ("share of change", "share of variance")
#: Rows a page can bear; the JSON has the rest.
MOST_ROWS = 1000
# Probabilities of a row that are shown where any row has what stands first, each under its heading.
_JUDGED: Mapping[str, tuple[str, str]] = {
    "p_rope": ("rope_low", "Probability in ROPE"),
    "p_rope_prior": ("p_rope_prior", "Prior’s probability in ROPE"),
    "p_relevant": ("relevant", "Probability of {:g} or more, up or down"),
}

# A name that is no word: of a column of the data, as tables of effects have it.
_CODED = re.compile(r"(?<![\w\[(.:'/])[^\W\d]\w*[_\d]\w*(?![\w\[(/=])")

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
        found = self._found(estimand, values)
        found = found[self._rows["median"].notna().to_numpy()[found]]
        return self._rows.iloc[int(found[0])] if found.size else None

    def _found(self, estimand: str | Iterable[str], values: Mapping[str, str | None]) -> np.ndarray:
        """Places of the rows that :meth:`where` gives."""
        names = {estimand} if isinstance(estimand, str) else set(estimand)
        keep = np.isin(self._column("estimand")[0], list(names)) & self._column("at")[1]
        for column, value in values.items():
            own, missing = self._column(column)
            keep = keep & (missing if value is None else own == value)
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
            own = decimals(_float(row["mcse_mean"]), sd)
            # A row that does not vary says nothing about the others.
            if sd > 0:
                places[key] = min(places.get(key, 6), own)
        return places

    @cached_property
    def _places_of_units(self) -> dict[tuple[Any, ...], int]:
        places: dict[tuple[Any, ...], int] = {}
        for kind, own in self._places.items():
            unit = _unit_of(kind)
            places[unit] = min(places.get(unit, 6), own)
        return places

    def places(self, row: Row) -> int:
        """Decimals of a row: those that the least precise row of its kind justifies, or of its unit if one less.

        So the rows of a column have the same decimals, unless a few are so uncertain that the others would lose two.
        """
        kind = _alike(row)
        own = self._places.get(kind, 2)
        return max(min(own, self._places_of_units.get(_unit_of(kind), own)), own - 1)

    def mean(self, row: Row) -> str:
        """Posterior mean; the median where there is no mean, and of what has none once a draw may be infinite."""
        value = _float(row["mean"])
        use = np.isnan(value) or self.table.measure(str(row["estimand"])).unbounded
        return number(_float(row["median"]) if use else value, self.places(row))

    def interval(self, row: Row) -> str:
        """Ends of the interval in brackets."""
        return range_of(*self._ends(row), self.places(row))

    def _ends(self, row: Row) -> tuple[float, float]:
        """Ends of the interval, of which what may be infinite may have no upper one."""
        lower, upper = _float(row["lower"]), _float(row["upper"])
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
        return number(100 * _float(row["mean"]), places), range_of(100 * lower, 100 * upper, places)

    def percentages(self, row: Row, *, least: int = 0, most: int = 2) -> tuple[str, str]:
        """Mean and interval as percentages; a hundredth of a percent is as much as a share can mean."""
        places = max(least, min(most, self.places(row) - 2))
        mean, lower, upper = (percent(_float(row[name]), places) for name in ("mean", "lower", "upper"))
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
            row = {**dict(row), "lower": -_float(row["upper"]), "upper": -_float(row["lower"])}
        return f"{interval_name(row['interval'], float(row['prob']))} {self.figures(row)[1].strip('()')}"

    def amount(self, row: Row) -> str:
        """The mean with its unit, as a sentence has it: "2.4 WHO-5 points per year", "8.8 percentage points", "41%"."""
        mean, unit = self.figures(row)[0], words_of(row, "unit")
        share = unit == PROBABILITY and not self.table.measure(str(row["estimand"])).difference
        return mean if share or unit in SHARES or not unit else f"{mean} {percent_unit(units(unit))}"

    def direction(self, row: Row) -> str:
        """Probability of direction with the side it speaks of: "99% above 0"."""
        if np.isnan(_float(row["p_direction"])):
            return "–"
        side = "above" if _float(row["median"]) >= 0 else "below"
        return f"{_short_of_limits(row)} {side} 0"

    def direction_spoken(self, row: Row, *, lower: bool = False) -> str:
        """The same as a sentence gives it: "99% probability of being above zero"; empty where it does not apply.

        `lower` as for the interval: "99% probability of being lower".
        """
        if np.isnan(_float(row["p_direction"])):
            return ""
        side = "lower" if lower else "above zero" if _float(row["median"]) >= 0 else "below zero"
        return f"{said(_short_of_limits(row))} probability of being {side}"

    def share_spoken(self, row: Row, column: str) -> str:
        """A probability of the row in words where it is beyond what can be told: "less than 0.1%"."""
        return said(self.share(row, column))

    def share(self, row: Row, column: str) -> str:
        """A probability of the row (`p_rope`, `p_relevant`); of independent draws where it is the prior's."""
        value = _float(row[column])
        if column == "p_rope_prior":
            return probability(value, PRIOR_DRAWS)
        return short_of(value, probability(value, _float(row["ess_bulk"])), (DECIDED,), (1 - DECIDED,))

    def interval_heading(self) -> str:
        """The interval's probability and kind, for a table's heading."""
        if not len(self.table):
            return "Interval"
        return interval_name(self.table["interval"].iloc[0], float(self.table["prob"].iloc[0]))

    def records(self) -> list[dict[str, Any]]:
        """Every row for the JSON: the row's id, all columns, and the number of decimals that is printed."""
        found = effect_records(self._rows)
        for identity, record in zip(self._rows.index, found, strict=True):
            record |= {"id": str(identity), "decimals": self.places(record)}
        return found


def _short_of_limits(row: Row) -> str:
    """The probability of direction, never rounded up to a limit of the words for it that it does not reach."""
    value = _float(row["p_direction"])
    return short_of(value, probability(value, _float(row["ess_bulk"])), [limit for limit, _ in SCALE])


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
    return _CODED.sub(lambda found: column_name(found[0]), text_of(row, column))


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
    sd, width = _float(row["sd"]), _float(row["upper"]) - _float(row["lower"])
    return width / 3.2 if np.isnan(sd) and np.isfinite(width) else sd


def _float(value: Any) -> float:
    return float("nan") if value is None or value is pd.NA else float(value)


def measured(table: EffectTable, row: Row, *, design: Design | None = None, short: bool = False, **words: str) -> str:
    """What a row is called, as its estimand has it; by its name with blanks where none says.

    Parameters
    ----------
    table, row
        A table of effects and one of its rows.
    design
        Tells the unit of the row's term.
    short
        Whether the table says the rest.
    **words
        What the label has in braces, in place of what the row says.
    """
    of, name = table.measure(str(row["estimand"])), clean(row["estimand"]).replace("_", " ")
    return clean(((of.short if short else of.label) or name).format(**(row_words(row, design) | words)))


def measured_where(table: EffectTable, row: Row, *, design: Design) -> str:
    """The same with the row's level, or pair of levels, where that does not say it, and the values that are set."""
    name, words = measured(table, row, design=design), row_words(row, design)
    where = words["level"] + (f" {MINUS} {words['versus']}" if words["versus"] else "")
    name = capital(name if not where or words["level"] in name else f"{name}: {where}")
    return f"{name}, {clean(at_words(row['at'], column_name))}" if isinstance(row["at"], str) else name


def row_words(row: Row, design: Design | None = None) -> dict[str, str]:
    """What the words of an estimand have in braces, as a row of it says them."""
    term, factor, level, versus, change = (
        row[key] if isinstance(row[key], str) else "" for key in ("term", "factor", "level", "versus", "denominator")
    )
    unit = unit_of(design, term) if design is not None and term in design.frame else ""
    said = {"term": column_name(term), "unit": unit, "units": units(unit), "factor": factor_name(factor)}
    return said | {"level": condition(clean(level)), "versus": condition(clean(versus)), "change": clean(change)}


def condition(level: str) -> str:
    """A level, or the value that a predictor is held at, in words: "baseline WHO-5 of 68"."""
    column, equals, value = level.partition(" = ")
    return f"{column_name(column)} of {value}" if equals else level


def rows_of(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as mappings, which are read ten times as fast as Series, each with its id."""
    names, values = [*map(str, rows.columns), "id"], pd.DataFrame(rows).to_numpy(dtype=object).tolist()
    return [dict(zip(names, (*row, str(name)), strict=True)) for row, name in zip(values, rows.index, strict=True)]


@dataclass(frozen=True)
class Column:
    """A column of a table of effects: its heading, what it says of a row, and whether that is words."""

    heading: str
    cell: Label
    words: bool = False


def estimate_columns(
    estimates: Estimates,
    rows: pd.DataFrame,
    *,
    mean: str = "Mean",
    figures: Figures | None = None,
    direction: bool | None = None,
    judged: Sequence[str] = tuple(_JUDGED),
) -> list[Column]:
    """Columns of mean and interval and, where they apply, of probabilities.

    Parameters
    ----------
    estimates
        Knows how the numbers are printed.
    rows
        What the columns are of: they tell which probabilities apply.
    mean
        Heading of the mean.
    figures
        What gives mean and interval of a row; by default as numbers.
    direction
        Whether there is the probability of direction; by default where a row has one.
    judged
        Which other probabilities there are where a row has one.
    """
    of = estimates.figures if figures is None else figures
    columns = [
        Column(mean, lambda row: of(row)[0]),
        Column(estimates.interval_heading(), lambda row: of(row)[1]),
    ]
    if rows["p_direction"].notna().any() if direction is None else direction:
        columns.append(Column("Probability of direction", estimates.direction))
    for name in judged:
        judge, heading = _JUDGED[name]
        if rows[judge].notna().any():
            columns.append(Column(heading.format(rows[judge].max()), partial(estimates.share, column=name)))
    if judged and rows["fmi"].notna().any():
        columns.append(Column("Missing information", lambda row: percent(_float(row["fmi"]))))
    return columns


def beside(rows: pd.DataFrame, columns: Iterable[Column], *key: str) -> list[Column]:
    """Columns that say of a row what they say of that of `rows` with the same key, or a dash; none without rows."""
    others = {tuple(row[name] for name in key): row for row in rows_of(rows)}

    def of_other(column: Column) -> Column:
        def cell(row: Row) -> str:
            other = others.get(tuple(row[name] for name in key))
            return "–" if other is None else column.cell(other)

        return replace(column, cell=cell)

    return [of_other(column) for column in columns] if others else []


def effect_table(
    name: str,
    caption: str,
    rows: pd.DataFrame,
    columns: Sequence[Column],
    *,
    note: str = "",
    at_once: int | None = None,
    ends: bool = False,
    folded: bool = False,
) -> Table:
    """Rows of an effects table as a table of the page.

    Parameters
    ----------
    name, caption, note
        See :class:`Table`.
    rows
        From top to bottom.
    columns
        What is said of every row.
    at_once
        Rows that are shown before more are asked for; all by default.
    ends
        Whether those shown are the first and the last ones, in equal parts, and not the first.
    folded
        Whether the whole is shown only when asked for.
    """

    def cells(some: pd.DataFrame) -> list[list[str]]:
        return [[clean(column.cell(row)) for column in columns] for row in rows_of(some)]

    listed, few = cells(rows.iloc[:MOST_ROWS]), len(rows) if at_once is None else min(at_once, len(rows))
    last = few // 2 if ends and few < len(rows) else 0
    shown = listed[: few - last] + cells(rows.iloc[len(rows) - last :])
    if len(rows) > MOST_ROWS:
        note = f"{note} The page lists the first {count(MOST_ROWS)}; all are in the JSON file.".strip()
    return Table.of(
        name,
        caption,
        [column.heading for column in columns],
        shown,
        words=[place for place, column in enumerate(columns) if column.words],
        note=note,
        more=listed if few < len(rows) else (),
        folded=folded,
    )


def notes_of(rows: pd.DataFrame, label: Label) -> str:
    """The rows' notes with the row that each is about; one that several rows share is said once."""
    notes: dict[str, list[str]] = {}
    for row in rows_of(rows):
        if note := words_of(row, "note"):
            notes.setdefault(note, []).append(clean(label(row)))
    return " ".join(f"{of[0]}: {note}." if len(of) == 1 else f"{capital(note)}." for note, of in notes.items())


def described(
    estimates: Estimates, rows: pd.DataFrame, label: Label, *, figures: Figures | None = None, then: str = ": "
) -> list[str]:
    """Every row in words: what it is called, mean and interval."""
    printed = figures or estimates.figures
    return [f"{clean(label(row))}{then}{' '.join(printed(row))}" for row in rows_of(rows)]


def rope_of(row: Row) -> tuple[float, float] | None:
    """Ends of a row's region of practical equivalence; None where it has none."""
    low, high = _float(row["rope_low"]), _float(row["rope_high"])
    return None if np.isnan(low) or np.isnan(high) else (low, high)


def forest_of(
    estimates: Estimates,
    rows: pd.DataFrame,
    *,
    axis: str,
    label: Label,
    figures: Figures | None = None,
    people: Label | None = None,
    **drawn: Any,
) -> Forest:
    """Rows of an effects table as a painter; `drawn` are fields of it, the others as for :func:`forest_picture`."""
    lines = [
        Interval(
            label(row),
            _float(row["mean"]),
            _float(row["lower"]),
            _float(row["upper"]),
            people="" if people is None else people(row),
            printed=estimates.printed(row, figures),
        )
        for row in rows_of(rows)
    ]
    probable = [is_probability(text_of(row, "unit")) for row in rows_of(rows)]
    drawn["shares"] = drawn.get("shares", False) or (bool(probable) and all(probable))
    drawn["points"] = percent_unit(PROBABILITY) in axis
    return Forest(
        lines,
        label=axis,
        people="" if people is None else "People",
        printed=f"Mean ({estimates.interval_heading().split()[0]} interval)",
        **drawn,
    )


def forest_picture(
    name: str,
    title: str,
    estimates: Estimates,
    rows: pd.DataFrame,
    *,
    caption: str,
    axis: str,
    heading: str,
    label: Label,
    line: Label | None = None,
    figures: Figures | None = None,
    shares: bool = False,
    people: Label | None = None,
    reference: float | None = 0.0,
    overall: float | None = None,
    rope: tuple[float, float] | None = None,
    relevant: float | None = None,
    width: int = 34,
    inches: float | None = None,
    description: str | None = None,
    data_title: str | None = None,
    data: Table | None = None,
    shown: Callable[[str], str] = str,
) -> Picture:
    """Rows of an effects table as a forest plot, with its words and its data.

    Parameters
    ----------
    name, title, caption
        Id, heading and words of the figure.
    estimates, figures
        See :func:`estimate_columns`.
    rows
        One line each, from top to bottom.
    axis
        What the horizontal axis measures, with its unit; the interval is added.
    heading, label
        Heading of the data's first column, and what it calls a row.
    line
        What the drawing calls a row; by default the same.
    shares
        Whether the axis is in per cent.
    people
        How many people a row is of, as the page may show it.
    reference, overall, rope, relevant, width
        See :class:`alliance_bayes.report.forest.Forest`.
    inches
        Width of the figure; by default what so many lines need.
    description
        What the figure shows, in words; by default every row.
    data_title
        Caption of the data; by default the title.
    data
        A table of the same rows that says more; by default one of their estimates.
    shown
        What is done to every text in the drawing.
    """
    usual, height = forest_size(len(rows))
    if data is None:
        own = [Column(heading, label), *([] if people is None else [Column("People", people)])]
        own += estimate_columns(estimates, rows, figures=figures, direction=False, judged=())
        data = effect_table(f"{name}-data", data_title or title, rows, own)
    painter = forest_of(
        estimates,
        rows,
        axis=axis,
        label=line or label,
        figures=figures,
        shares=shares,
        people=people,
        reference=reference,
        overall=overall,
        rope=rope,
        relevant=relevant,
        width=width,
    )
    return Picture.drawn(
        painter,
        name=name,
        title=title,
        caption=caption,
        description=description or f"{'; '.join(described(estimates, rows, label, figures=figures))}.",
        size=(inches or usual, height),
        data=data,
        shown=shown,
    )
