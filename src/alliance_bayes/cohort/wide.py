"""Wide repeated measures made long: columns of one measure at several times become rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import NUMBER, is_missing
from alliance_bayes.cohort.labelled import without_marks
from alliance_bayes.cohort.raw import RawTable, size_problems
from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.remedies import argument

__all__ = ["TIME", "Wide", "check_wide", "to_long"]

#: What the column of times is called where nobody says.
TIME = "time"
_EXAMPLE = {"who5": "who5_t{time}"}
_FIELD = re.compile(r"\{(time|item)\}")
_ITEM = re.compile(r"(.+)_[0-9]+")
# Columns that a message lists, and those that it adds to the first of its kind.
_LISTED, _MORE = 30, 3
# Whole numbers from here on share a float with their neighbours.
_LARGEST_WHOLE = 2**53


@dataclass(frozen=True, slots=True)
class Wide:
    """How wide columns are named, checked.

    Parameters
    ----------
    patterns
        Name of each measure -> how its columns are named.
    time
        Name of the column of times.
    """

    patterns: Mapping[str, str]
    time: str


def check_wide(wide: Mapping[str, str] | None, *, person: str | None, time: str | None) -> Wide | None:
    """What is asked for, or UsageError.

    Parameters
    ----------
    wide
        Measure -> pattern of its columns, such as "who5_t{time}"; both with "{item}" where it has items.
    person, time
        Column that says whose a row is, and what the column of times is to be called.
    """
    if wide is None:
        return None
    example = argument("wide", _EXAMPLE)
    texts = isinstance(wide, Mapping) and all(isinstance(text, str) for pair in wide.items() for text in pair)
    if not texts or not wide:
        raise UsageError(f"{argument('wide')} should map measures to how their columns are named, as in {example}.")
    for name, pattern in wide.items():
        fields, in_name = _FIELD.findall(pattern), _FIELD.findall(name)
        items = [field for field in fields if field == "item"]
        odd = fields.count("time") != 1 or len(items) > 1 or in_name != items
        if odd or "{" in _FIELD.sub("", pattern) + _FIELD.sub("", name):
            raise UsageError(
                f"{argument('wide')} of {name!r} should name its columns by a pattern with {{time}} in it, once, as in "
                f"{example}; and with {{item}} in both where it has items, as in "
                f"{argument('wide', {'phq9_{item}': 'phq_{item}_t{time}'})}; but got {shown(pattern)}."
            )
    if person is None:
        raise UsageError(
            f"{argument('wide')} makes several rows a person. Say which column tells whose they are: "
            f"{argument('person', ...)}."
        )
    return Wide(dict(wide), TIME if time is None else time)


def to_long(raw: RawTable, wide: Wide, *, missing: Sequence[str]) -> tuple[RawTable, bool]:
    """A row for each row and time.

    Parameters
    ----------
    raw
        The table.
    wide
        What is asked for.
    missing
        Texts that stand for a missing value.

    Returns
    -------
    raw : RawTable
        Columns that no pattern fits are repeated. Rows in which no measure has a value, or a reason why it has none,
        are left out, with a note of how many; of whom all are empty, the first stays.
    numeric : bool
        Whether times are numbers; else they are levels, in the order of the columns.

    Raises
    ------
    DataError
        A pattern that fits no column, a column that several fit, or a name that is taken.
    """
    series, measures, notes = _columns(raw, wide)
    taken = {column for by_time in series.values() for column in by_time.values()}
    rest = [str(name) for name in raw.cells if name not in taken]
    clashes = [name for name in (*series, wide.time) if name in rest or name in set(raw.aside) - taken]
    problems = _told([[_clash(name, wide, measures[name]) for name in clashes if name != wide.time]])
    problems += [_taken(name) for name in clashes if name == wide.time][:1]
    times = list(dict.fromkeys(time for by_time in series.values() for time in by_time))
    numeric = all(NUMBER["."].fullmatch(time) for time in times)
    if numeric:
        times.sort(key=float)
    else:
        order = {time: place for place, time in enumerate(dict.fromkeys(_in_order(raw, series)))}
        times.sort(key=order.__getitem__)
    n = len(raw.cells)
    problems = problems or size_problems(n * len(times), len(rest) + len(series) + 1)
    if problems:
        raise DataError(problems, source=raw.source)
    rows_first = np.arange(n * len(times)).reshape(len(times), n).T.ravel()
    cells = {name: _repeated(raw.cells[name], len(times), rows_first) for name in rest}
    at = [time for _ in range(n) for time in times]
    cells[wide.time] = pd.Series([float(time) for time in at] if numeric else pd.Categorical(at, categories=times))
    for name, by_time in series.items():
        cells[name] = _stacked(raw.cells, [by_time.get(time) for time in times]).iloc[rows_first].reset_index(drop=True)
    reasons = {name: _repeated(raw.reasons[name], len(times), rows_first) for name in raw.reasons if name in rest}
    for name, by_time in series.items():
        if any(column in raw.reasons for column in by_time.values()):
            stacked = _stacked(raw.reasons, [by_time.get(time) for time in times])
            reasons[name] = stacked.iloc[rows_first].reset_index(drop=True)
    rows = tuple(f"{row}, {wide.time} {time}" for row in raw.rows for time in times)
    long = replace(
        raw,
        cells=pd.DataFrame(cells),
        rows=rows,
        reasons=pd.DataFrame(reasons),
        after_gap=frozenset(),
        aside={**{name: wrong for name, wrong in raw.aside.items() if name not in taken}, **_set_aside(raw, series)},
        labels={**{name: raw.labels[name] for name in rest if name in raw.labels}, **_shared(raw.labels, series)},
        value_labels={**raw.value_labels, **_shared(raw.value_labels, series)},
    )
    known = _there(long, list(series), missing).reshape(n, len(times))
    known[~known.any(axis=1), 0] = True
    left = int((~known).sum())
    if left:
        listed = " and ".join(list(series)[:3]) if len(series) <= 3 else "the measures"
        what = f"has {known.size:,} rows now, {len(times)} a row, and {left:,} without a value of {listed} are left out"
        notes.append(Problem(None, None, None, what, "Whoever has no value at all keeps one row."))
    return replace(long.where(known.ravel()), notes=(*raw.notes, *notes)), numeric


def _columns(raw: RawTable, wide: Wide) -> tuple[dict[str, dict[str, str]], dict[str, str], list[Problem]]:
    """Measure -> time -> column, items being measures of their own; what `wide` calls each; and notes."""
    names = [*raw.cells, *raw.aside]
    series: dict[str, dict[str, str]] = {}
    measures: dict[str, str] = {}
    claimed: dict[str, str] = {}
    written: dict[float, str] = {}
    problems: list[Problem] = []
    wrong: dict[tuple[str, ...], list[Problem]] = {}
    apart: dict[str, list[Problem]] = {}
    fits = {measure: _fitting(pattern, names) for measure, pattern in wide.patterns.items()}
    words = {match["time"] for fitting in fits.values() for match in fitting.values()}
    for measure, pattern in wide.patterns.items():
        fitting = fits[measure]
        numbers = {name for name, match in fitting.items() if NUMBER["."].fullmatch(match["time"])}
        for name, match in fitting.items():
            time = match["time"]
            if why := _no_time(time, words, numbers=bool(numbers)):
                what = f"fits {pattern!r}, but {time[:40]!r} is {why}"
                note = Problem(name, None, None, what, "It stays a column; rename it if it is a time.")
                apart.setdefault(measure, []).append(note)
                continue
            if numbers:
                value = float(time)
                if not abs(value) < _LARGEST_WHOLE:
                    what = f"fits {pattern!r}, but {time[:40]!r} is too large a number for a time"
                    remedy = f"Rename it, or write a pattern that does not fit it: {argument('wide')}."
                    wrong.setdefault(("large", measure), []).append(Problem(name, None, None, what, remedy))
                    continue
                # One number is one time, however each measure's columns write it.
                time = written.setdefault(value, str(int(value)) if value.is_integer() else time)
            full_name = measure.replace("{item}", match.groupdict().get("item") or "")
            measures[full_name] = measure
            other = series.setdefault(full_name, {}).setdefault(time, name)
            if other != name:
                problem = Problem(name, None, None, f"is {full_name!r} at {time}, and so is '{other}'", "Rename one.")
                wrong.setdefault(("twice", measure), []).append(problem)
            elif name in claimed:
                what = f"fits the patterns of {claimed[name]!r} and of {full_name!r}"
                problem = Problem(name, None, None, what, "Write patterns of which one fits.")
                wrong.setdefault(("both", measures[claimed[name]], measure), []).append(problem)
            claimed[name] = full_name
        if not fitting:
            listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
            what = f"has no column that {pattern!r} fits"
            problems.append(Problem(None, None, None, what, f"Correct {argument('wide')}. Columns: {listed}."))
    if problems := [*_told(wrong.values()), *problems]:
        raise DataError(problems, source=raw.source)
    bare = ([note for note in notes if note.column not in claimed] for notes in apart.values())
    return series, measures, _told(bare)


def _fitting(pattern: str, names: Sequence[str]) -> dict[str, re.Match[str]]:
    expression = _expression(pattern)
    return {name: match for name in names if (match := expression.fullmatch(name))}


def _no_time(time: str, words: Collection[str], *, numbers: bool) -> str | None:
    """Why what stands in the place of a time is none."""
    if numbers:
        return None if NUMBER["."].fullmatch(time) else "no number as its other times are"
    item = _ITEM.fullmatch(time)
    return f"an item at {item[1][:40]!r}, as it seems" if item is not None and item[1] in words else None


def _told(kinds: Iterable[Sequence[Problem]]) -> list[Problem]:
    """The first of each kind, which says how many columns more there are and names some."""
    merged = []
    for first, *others in filter(None, kinds):
        if others:
            named = ", ".join(repr(note.column) for note in others[:_MORE]) + (", ..." if len(others) > _MORE else "")
            columns = "another column" if len(others) == 1 else f"{len(others):,} more columns"
            first = replace(first, what=f"{first.what} (likewise {columns}: {named})")
        merged.append(first)
    return merged


def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern as an expression: an item is a word, a time anything."""
    parts = {"time": "(?P<time>.+)", "item": "(?P<item>[A-Za-z0-9]+)"}
    pieces = _FIELD.split(pattern)
    return re.compile("".join(parts[piece] if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)))


def _taken(name: str) -> Problem:
    remedy = f"Name them: {argument('time', 'week')}."
    return Problem(name, None, None, "is a column of the table, and the times would be called so", remedy)


def _clash(name: str, wide: Wide, measure: str) -> Problem:
    other = argument("wide", {f"long_{measure}": wide.patterns[measure]})
    remedy = f"Rename the column, or call the measure something else before its pattern: {other}."
    return Problem(name, None, None, "is a column of the table, and the name of a measure", remedy)


def _in_order(raw: RawTable, series: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Times in the order in which the table has the columns."""
    where = {name: place for place, name in enumerate([*raw.cells, *raw.aside])}
    pairs = [(where[name], time) for by_time in series.values() for time, name in by_time.items()]
    return [time for _, time in sorted(pairs)]


def _repeated(column: pd.Series, times: int, order: np.ndarray) -> pd.Series:
    return pd.concat([column] * times, ignore_index=True).iloc[order].reset_index(drop=True)


def _stacked(table: pd.DataFrame, columns: Sequence[str | None]) -> pd.Series:
    """One column below the other; nothing where there is none."""
    present = [table[name] for name in columns if name is not None and name in table]
    numbers = all(pd.api.types.is_numeric_dtype(column.dtype) for column in present)
    nothing = pd.Series(np.nan if numbers else None, index=table.index, dtype=np.float64 if numbers else object)
    parts = [table[name] if name is not None and name in table else nothing for name in columns]
    return pd.concat(parts, ignore_index=True)


def _set_aside(raw: RawTable, series: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[Problem, ...]]:
    """Measures of which a column cannot be read."""
    wrong = {}
    for name, by_time in series.items():
        if problems := [problem for column in by_time.values() for problem in raw.aside.get(column, ())]:
            wrong[name] = tuple(problems)
    return wrong


def _shared[T](values: Mapping[str, T], series: Mapping[str, Mapping[str, str]]) -> dict[str, T]:
    """What is said of a measure's every column alike."""
    shared = {}
    for name, by_time in series.items():
        first = next(iter(by_time.values()))
        if first in values and all(values.get(column) == values[first] for column in by_time.values()):
            shared[name] = values[first]
    return shared


def _there(long: RawTable, measures: Collection[str], missing: Sequence[str]) -> np.ndarray:
    """Which rows have a value of some measure, or a reason why there is none."""
    known = np.zeros(len(long.cells), dtype=bool)
    for name in measures:
        cells = without_marks(long.cells[name], missing)
        if pd.api.types.is_numeric_dtype(cells.dtype):
            known |= cells.notna().to_numpy()
        else:
            known |= np.array([not is_missing(cell, missing) for cell in cells.tolist()], dtype=bool)
        if name in long.reasons:
            known |= long.reasons[name].notna().to_numpy()
    return known
