"""What the columns of a queried table hold: distinct values with counts, judged as `read_cohort` judges cells."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from alliance_bayes.cohort.contents import TABLE_ROWS
from alliance_bayes.cohort.convert import Fault, to_levels
from alliance_bayes.cohort.names import ID, rows_of
from alliance_bayes.cohort.parsing import ColumnOptions, problem_of, read_column
from alliance_bayes.cohort.schema import ColumnRule, cohort_rules, named_rules, rule_faults
from alliance_bayes.errors import DataError, Problem
from alliance_bayes.instruments.naming import named_after
from alliance_bayes.model import ModelSpec, scale_of
from alliance_bayes.model.nodes import columns_of
from alliance_bayes.model.resolve import CATEGORICAL_COLUMNS
from alliance_bayes.moments.sources import Remote, fetched
from alliance_bayes.moments.structure import expressions_of

__all__ = ["Columns", "Levels", "judged", "read_columns"]

#: Distinct values of a column that are looked at one by one: levels, all of which the moments name, and any others.
MOST_LEVELS, MOST_VALUES = TABLE_ROWS, 50_000
#: Values of a column that are each a problem of their own.
MOST_PROBLEMS = 1_000

_CORRECT_ALL = "Correct them like those above."


@dataclass(frozen=True, eq=False)
class Levels:
    """What a categorical column holds.

    Parameters
    ----------
    labels
        Label of each value as the database gives it; None for values that are missing.
    order
        Labels in order.
    """

    labels: Mapping[Any, str | None]
    order: tuple[str, ...]

    @property
    def gaps(self) -> tuple[str, ...]:
        """Texts that stand for a missing value."""
        return tuple(value for value, label in self.labels.items() if label is None and isinstance(value, str))

    @property
    def has_nan(self) -> bool:
        """Whether numbers that are none occur."""
        return any(isinstance(value, float) and math.isnan(value) for value in self.labels)


@dataclass(frozen=True, eq=False)
class Columns:
    """Needed columns by kind, and what they hold.

    Parameters
    ----------
    outcome
        Name of the outcome.
    numeric
        Numeric predictors.
    keys
        Categorical predictors.
    levels
        What each categorical predictor holds.
    ends
        Least and greatest value of each numeric column.
    wrapped
        Numeric columns in which numbers occur that are none.
    """

    outcome: str
    numeric: tuple[str, ...]
    keys: tuple[str, ...]
    levels: Mapping[str, Levels]
    ends: Mapping[str, tuple[float, float]]
    wrapped: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class _Values:
    """Distinct values of a column.

    Parameters
    ----------
    own
        As the database gives them.
    cells
        As the cells of a file would be.
    counts
        Rows of each.
    rows
        The first row of each, where rows have numbers.
    """

    own: list[Any]
    cells: pd.Series
    counts: list[int]
    rows: list[int | None]


@dataclass(frozen=True, slots=True)
class _Ends:
    """Numbers of a column: how many rows have one, the least and the greatest, and how many rows have anything else."""

    n: int
    low: float
    high: float
    others: int

    @property
    def has_nan(self) -> bool:
        """Whether an end is no number, which databases sort before or after all numbers."""
        return math.isnan(self.low) or math.isnan(self.high)


# Of a column whose type says that it holds none, though perhaps something else.
_NO_NUMBERS = _Ends(0, math.nan, math.nan, 1)


def read_columns(spec: ModelSpec, remote: Remote, *, prorated: bool) -> Columns:
    """Tell which of a model's columns are numeric and which have levels, and judge what they hold.

    Parameters
    ----------
    spec
        The model. Its grouping columns and those with declared levels are read as factors, its outcome, components of
        arithmetic and columns with a scale as numbers, as if `read_cohort` were asked to; its values tell of any other.
    remote
        The table.
    prorated
        Whether WHO-5 scores may lie between the steps of 4.

    Raises
    ------
    DataError
        Everything that is wrong with the columns.

    Notes
    -----
    Numbers that are written as such, and keep their rule if the least and the greatest of them do, are not looked at
    one by one; any other value is, once.
    """
    judge = _judged(_Judge(spec, remote, prorated=prorated))
    outcome, *others = spec.columns
    return Columns(
        outcome,
        tuple(name for name in others if name not in judge.levels),
        tuple(name for name in others if name in judge.levels),
        judge.levels,
        {name: (ends.low, ends.high) for name, ends in judge.ends.items() if name not in judge.levels},
        frozenset(judge.wrapped),
    )


def judged(
    spec: ModelSpec, remote: Remote, *, prorated: bool, numeric: Sequence[str], levelled: Sequence[str]
) -> _Judge:
    """Judge columns that others are made of, which need not be the model's own.

    Parameters
    ----------
    spec, remote, prorated
        See `read_columns`.
    numeric, levelled
        Columns that hold numbers, and those that hold levels.

    Raises
    ------
    DataError
        Everything that is wrong with them.
    """
    return _judged(_Judge(spec, remote, prorated=prorated, numeric=numeric, levelled=levelled))


def _judged(judge: _Judge) -> _Judge:
    judge.read_all()
    if problems := [problem for name in judge.columns for problem in judge.problems[name]]:
        raise DataError(problems, source=judge.remote.source)
    return judge


class _Judge:
    """Reads one column after the other: those of the model, or others in their place."""

    def __init__(
        self,
        spec: ModelSpec,
        remote: Remote,
        *,
        prorated: bool,
        numeric: Sequence[str] = (),
        levelled: Sequence[str] = (),
    ) -> None:
        formula = spec.parsed
        outcome = formula.outcome
        self.remote = remote
        self.columns = tuple(dict.fromkeys((*numeric, *levelled))) or spec.columns
        self.rules = {rule.name: rule for rule in cohort_rules(prorated=prorated) if rule.name in self.columns}
        if ID in self.rules:
            # A table of sessions has several rows a participant.
            self.rules[ID] = replace(self.rules[ID], kind="key")
        if outcome in self.rules and self.rules[outcome].kind != "number":
            del self.rules[outcome]
        grouping = {*formula.grouping, *spec.levels, *CATEGORICAL_COLUMNS, spec.residual_by or "", *levelled}
        counted = {name for expression in expressions_of(formula).values() for name in columns_of(expression)}
        counted |= {*spec.centre, *(name for name in self.columns if scale_of(name, spec.scales) is not None)}
        counted |= {*numeric}
        free = [name for name in self.columns if name not in self.rules]
        self.levelled = {name for name in self.columns if name in grouping and name not in (outcome, *numeric)}
        self.options = ColumnOptions(
            remote.names,
            {name: levels for name, levels in spec.levels.items() if name in self.columns},
            tuple(name for name in free if name in self.levelled),
            tuple(name for name in free if name == outcome or (name in counted and name not in self.levelled)),
        )
        named = named_rules(name for name in free if name not in self.levelled)
        self.scale_rules = {**{rule.name: rule for rule in named}, **_scale_rules(spec)}
        self.levels: dict[str, Levels] = {}
        self.ends: dict[str, _Ends] = {}
        self.wrapped: set[str] = set()
        self.problems: dict[str, list[Problem]] = {name: [] for name in self.columns}

    def read_all(self) -> None:
        """Read every column; what is wrong with it is in ``problems`` then."""
        readable = []
        for name in self.columns:
            dtype = self.remote.table[name].type()
            if not _is_cell(dtype):
                what = f"is of type {dtype}, which is no single number, text, truth value or date"
                remedy = "Give it one value a row, or leave it out."
                self.problems[name].append(Problem(self.remote.names[name], None, None, what, remedy))
            elif dtype.is_string() and self._is_number(name) and not self.remote.casts_text:
                self._refuse_text(name)
            else:
                readable.append(name)
        self._find_ends([name for name in readable if self._may_be_number(name)])
        for name in readable:
            if self._is_number(name) and name not in self.levelled:
                self._read_numbers(name)
            elif name in self.ends and (self.remote.table[name].type().is_numeric() or self.ends[name].n):
                self._read_further(name)
            else:
                self._read_levels(name)

    # ------------------------------------------------------------------------------------------------- kinds of column
    def _is_number(self, name: str) -> bool:
        """Whether a column is known to hold numbers."""
        return self.rules[name].kind == "number" if name in self.rules else name in self.options.numeric

    def _may_be_number(self, name: str) -> bool:
        """Whether a column may hold numbers that are not looked at one by one."""
        dtype = self.remote.table[name].type()
        known = name in self.rules or name in (*self.options.levels, *self.options.categorical)
        if name in self.levelled or (known and not self._is_number(name)):
            return False
        return bool(dtype.is_numeric() or (dtype.is_string() and self.remote.casts_text))

    def _refuse_text(self, name: str) -> None:
        dtype = self.remote.table[name].type()
        what, remedy = f"is of type {dtype}, not a number", "Convert the column to numbers."
        self.problems[name].append(Problem(self.remote.names[name], None, None, what, remedy))

    # ------------------------------------------------------------------------------------------------------- queries
    def _find_ends(self, names: Sequence[str]) -> None:
        """Count and bound the numbers of some columns, in one query, or two where numbers occur that are none."""
        for wrap in (False, True):
            aggregates: dict[str, Any] = {}
            for place, name in enumerate(names):
                value, column = self.remote.number(name, wrap=wrap), self.remote.table[name]
                if column.type().is_string():
                    plain = self._plain(name)
                    value = plain.ifelse(value, None)
                    aggregates[f"others_{place}"] = (column.notnull() & ~plain).sum()
                aggregates |= {f"n_{place}": value.count(), f"low_{place}": value.min(), f"high_{place}": value.max()}
            if not aggregates:
                return
            (row,) = fetched(self.remote.table.aggregate(**aggregates), self.remote.source).to_pylist()
            for place, name in enumerate(names):
                n, others = int(row[f"n_{place}"]), int(row.get(f"others_{place}") or 0)
                low, high = (float(row[f"{end}_{place}"]) if n else math.nan for end in ("low", "high"))
                self.ends[name] = _Ends(n, low, high, others)
            # Rare enough to look again: to test every value for being a number at all takes longer than the sums.
            names = [name for name in names if self.ends[name].n and self.ends[name].has_nan]
            self.wrapped |= set(names)

    def _plain(self, name: str) -> Any:
        return self.remote.is_plain(name, codes=self._is_number(name))

    def _query(self, name: str, condition: Any = None) -> Any:
        table = self.remote.table if condition is None else self.remote.table.filter(condition)
        aggregates = {"n": table.count()}
        if self.remote.row is not None:
            aggregates["row"] = table[self.remote.row].min()
        return table.group_by(value=table[name]).aggregate(**aggregates).order_by("value")

    def _values(self, name: str, condition: Any = None) -> _Values:
        """Values of a column, in order; more than can be looked at are a problem."""
        rule = self.rules.get(name)
        most = MOST_LEVELS if name in self.levelled or (rule is not None and rule.kind == "factor") else MOST_VALUES
        answer = fetched(self._query(name, condition).limit(most + 1), self.remote.source)
        if len(answer) > most:
            what = f"has more than {most:,} distinct values to be looked at"
            remedy = "Correct those that are told, or leave the column out of the model."
            self.problems[name].append(Problem(self.remote.names[name], None, None, what, remedy))
        return _values(answer.slice(0, most))

    # ------------------------------------------------------------------------------------------------------ judgement
    def _read(self, name: str, values: _Values) -> tuple[pd.Series, list[Fault]]:
        rule = self.rules.get(name)
        read, faults = read_column(
            values.cells, name, rule, self.remote.reading, self.options, rows=values.rows, counts=values.counts
        )
        if name in self.scale_rules and pd.api.types.is_numeric_dtype(read.dtype):
            known = {fault.position for fault in faults if fault.position is not None}
            faults += rule_faults(read, self.scale_rules[name], skip=known, rows=values.rows)
        return read, faults

    def _read_numbers(self, name: str) -> None:
        """Judge a column of numbers by its ends, and one by one the values that these do not tell of."""
        ends = self.ends.get(name, _NO_NUMBERS)
        faults = self._read(name, _of_ends(ends))[1]
        # What the values that are looked at lack the column may have.
        of_all, beyond = _of_whole(faults), len(_of_values(faults)) > 0
        stepped = name in self.rules and self.rules[name].step is not None
        problems: list[Problem] = []
        if beyond or stepped or ends.others:
            values = self._values(name, None if stepped else self._unsettled(name, beyond=beyond))
            problems = self._told(name, _of_values(self._read(name, values)[1]), values)
        self.problems[name] += problems or self._told(name, of_all)

    def _unsettled(self, name: str, *, beyond: bool) -> Any:
        """Which rows of a column hold no plain number, or, if the ends break a rule, one beyond it; None for all."""
        if name not in self.ends:
            return None
        is_text = self.remote.table[name].type().is_string()
        others = ~self._plain(name) if is_text else None
        if not beyond:
            return others
        rules = [rules[name] for rules in (self.rules, self.scale_rules) if name in rules]
        low = max((rule.low for rule in rules if rule.low is not None), default=-sys.float_info.max)
        high = min((rule.high for rule in rules if rule.high is not None), default=sys.float_info.max)
        value = self.remote.number(name, wrap=name in self.wrapped)
        outside = ((value < low) | (value > high)).fill_null(False)
        return outside if others is None else outside | others

    def _read_further(self, name: str) -> None:
        """Read a column whose values tell its kind, and some of whose values are numbers."""
        ends = self.ends[name]
        if self.remote.table[name].type().is_numeric():
            self._read_numbers(name)
            return
        values = self._values(name, ~self._plain(name))
        read, faults = self._read(name, _joined(values, _of_ends(ends, self.remote.reading.decimal)))
        if isinstance(read.dtype, pd.CategoricalDtype):
            self._read_levels(name)
            return
        self.problems[name] += self._told(name, faults, values)

    def _read_levels(self, name: str) -> None:
        """Read a column all of whose values are looked at."""
        values = self._values(name)
        read, faults = self._read(name, values)
        if not isinstance(read.dtype, pd.CategoricalDtype):
            # Numbers or identifiers that the model groups by.
            known = {fault.position for fault in faults}
            read, more = to_levels(
                read.astype(object).where(read.notna(), None),
                self.remote.reading,
                name=name,
                levels=self.options.levels.get(name),
                check_spelling=False,
            )
            faults += [fault for fault in more if fault.position not in known]
            if name not in self.levelled and not self.remote.casts_text:
                self._refuse_text(name)
        self.problems[name] += self._told(name, faults, values)
        texts: list[Any] = read.astype(object).where(read.notna(), None).tolist()
        present = set(texts)
        order = tuple(str(level) for level in read.cat.categories if level in present)
        self.levels[name] = Levels(dict(zip(values.own, texts, strict=True)), order)

    def _told(self, name: str, faults: Sequence[Fault], values: _Values | None = None) -> list[Problem]:
        """Problems of a column: each value once, by row where rows have numbers; beyond so many they are counted."""
        label = self.remote.names[name]
        problems = [Problem(label, None, None, fault.what, fault.remedy) for fault in _of_whole(faults)]
        if values is None:
            return problems
        places = [(fault, fault.position) for fault in faults if fault.position is not None]
        places.sort(key=lambda pair: values.rows[pair[1]] or 0)
        for fault, place in places[:MOST_PROBLEMS]:
            what = f"{fault.what} ({rows_of(values.counts[place])})"
            problems.append(problem_of(label, values.rows[place], values.cells.iloc[place], what, fault.remedy))
        if more := places[MOST_PROBLEMS:]:
            n = rows_of(sum(values.counts[place] for _, place in more))
            problems.append(
                Problem(label, None, None, f"has {len(more):,} more values of this kind ({n})", _CORRECT_ALL)
            )
        return problems


def _scale_rules(spec: ModelSpec) -> dict[str, ColumnRule]:
    """The ends of the outcome's scale, which the model states, as a rule."""
    outcome = spec.parsed.outcome
    scale = spec.scales.get(outcome, None if named_after(outcome) else scale_of(outcome, spec.scales))
    if scale is None or (scale.lower is None and scale.upper is None):
        return {}
    remedy = "Correct it or the scale."
    return {outcome: ColumnRule(outcome, "number", scale.lower, scale.upper, remedy=remedy)}


def _of_whole(faults: Sequence[Fault]) -> list[Fault]:
    return [fault for fault in faults if fault.position is None]


def _of_values(faults: Sequence[Fault]) -> list[Fault]:
    return [fault for fault in faults if fault.position is not None]


def _is_cell(dtype: Any) -> bool:
    """Whether values of a type are what a cell can hold; databases do not keep the zone of a time."""
    if dtype.is_timestamp():
        return dtype.timezone is None
    return bool(dtype.is_boolean() or dtype.is_numeric() or dtype.is_string() or dtype.is_date())


def _values(answer: Any) -> _Values:
    """Distinct values of an answer."""
    frame = answer.select(["value"]).to_pandas(ignore_metadata=True, integer_object_nulls=True)
    rows = answer["row"].to_pylist() if "row" in answer.column_names else [None] * len(answer)
    return _Values(answer["value"].to_pylist(), frame["value"], answer["n"].to_pylist(), rows)


def _of_ends(ends: _Ends, decimal: str | None = None) -> _Values:
    """The least and the greatest number of a column in place of all of them; as text where a decimal mark is given."""
    if not ends.n:
        return _Values([None], pd.Series([None], dtype=object if decimal else float), [ends.others], [None])
    numbers = [ends.low, ends.high][: ends.n]
    cells = pd.Series(numbers if decimal is None else [repr(end).replace(".", decimal) for end in numbers])
    return _Values(numbers, cells, [ends.n - 1, 1][-len(numbers) :], [None] * len(numbers))


def _joined(first: _Values, second: _Values) -> _Values:
    cells = pd.concat([first.cells.astype(object), second.cells.astype(object)], ignore_index=True)
    return _Values([*first.own, *second.own], cells, [*first.counts, *second.counts], [*first.rows, *second.rows])
