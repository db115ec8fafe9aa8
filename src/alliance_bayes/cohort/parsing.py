"""One table from cells to checked values, with everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import (
    MAX_SHOWN,
    MISSING,
    Fault,
    ReadOptions,
    are_dates,
    count_numbers,
    is_missing,
    likeness,
    means_number,
    to_dates,
    to_levels,
    to_numbers,
    to_texts,
)
from alliance_bayes.cohort.header import rename_columns
from alliance_bayes.cohort.labelled import with_labels, without_marks
from alliance_bayes.cohort.names import ID, MANY_LEVELS
from alliance_bayes.cohort.raw import RawTable
from alliance_bayes.cohort.schema import ColumnRule, rule_faults, same_looking
from alliance_bayes.errors import Problem, UsageError
from alliance_bayes.remedies import argument, setting

__all__ = [
    "ColumnOptions",
    "ParsedTable",
    "check_column_options",
    "parse_table",
    "problem_of",
    "read_column",
    "without_odd_rows",
]


#: Identifiers that are almost alike, each with a note of its own.
_ALIKE = 5
_KINDS = {"person": "says whose a row is", "time": "says when a row was"}


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """What a caller says about columns: their names in the table, levels, and kinds of further columns."""

    columns: Mapping[str, str]
    levels: Mapping[str, Sequence[str]]
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedTable:
    """A table read and converted, with everything that is wrong with it.

    Parameters
    ----------
    data
        Converted columns under canonical names; cells that could not be read are missing.
    names
        Canonical name -> the table's own name, as problems give it.
    raw
        The cells.
    problems
        Everything that is wrong with what was known or asked for, by column and row.
    aside
        What is wrong with each column that is therefore not in ``data``, and that is no error until it is used.
    notes
        What is no error, and yet should be known: columns without a name, or named almost like a known one.
    """

    data: pd.DataFrame
    names: dict[str, str]
    raw: RawTable
    problems: tuple[Problem, ...]
    aside: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """What the file calls each column in words, by canonical name."""
        return {canonical: self.raw.labels[name] for canonical, name in self.names.items() if name in self.raw.labels}

    @property
    def reasons(self) -> pd.DataFrame | None:
        """Why cells are empty, by canonical name, as far as the file says so."""
        found = {
            canonical: self.raw.reasons[name] for canonical, name in self.names.items() if name in self.raw.reasons
        }
        return pd.DataFrame(found) if found else None

    def problem(self, column: str, position: int, what: str, remedy: str) -> Problem:
        """Say what is wrong with one cell, by the table's own names."""
        return _problem(self.raw, self.names[column], Fault(position, what, remedy))


def check_column_options(column_options: ColumnOptions, rules: Sequence[ColumnRule]) -> None:
    """Raise UsageError when kinds are asked for that contradict each other or the known columns."""
    kinds = {rule.name: rule.kind for rule in rules}
    for name in (*column_options.levels, *column_options.categorical):
        if kinds.get(name, "factor") != "factor":
            raise UsageError(
                f"column '{name}' {_KINDS.get(kinds[name], f'is a {kinds[name]}')}, not a factor. Leave it out of "
                f"{argument('levels')} and {argument('categorical')}."
            )
    for name in column_options.numeric:
        if kinds.get(name, "number") != "number":
            raise UsageError(
                f"column '{name}' {_KINDS.get(kinds[name], f'is a {kinds[name]}')}, not a number. Leave it out of "
                f"{argument('numeric')}."
            )
        if name in column_options.levels or name in column_options.categorical:
            raise UsageError(f"column '{name}' is asked for as numeric and as a factor. Choose one.")
    for name, levels in column_options.levels.items():
        if isinstance(levels, str) or not levels or len(set(levels)) < len(levels) or "" in levels:
            raise UsageError(
                f"{argument('levels')} of {name!r} should be distinct, non-empty levels in order but got {levels!r}."
            )


def parse_table(
    raw: RawTable,
    rules: Sequence[ColumnRule],
    reading: ReadOptions,
    column_options: ColumnOptions,
    *,
    further: bool = True,
    set_aside: bool = False,
    table: str | None = None,
) -> ParsedTable:
    """Convert and check one table.

    Parameters
    ----------
    raw
        The table's cells.
    rules
        Rules of the columns that the package knows in this table.
    reading
        How cells are read.
    column_options
        What the caller says about columns, checked by `check_column_options`.
    further
        Whether columns without a rule are kept.
    set_aside
        Whether a column that has something wrong is set aside even if it is known or asked for; never one of
        identifiers, or one that the table must have.
    table
        The table's name, where there are several.

    Returns
    -------
    ParsedTable
        With every problem; none is raised.
    """
    by_name = {rule.name: rule for rule in rules}
    person = next((rule.name for rule in rules if rule.kind == "person"), ID)
    raw, problems = without_odd_rows(raw, reading, column_options.columns.get(person, person))
    found = [*raw.cells.columns, *raw.aside]
    known = [rule.name for rule in rules if not rule.by_name]
    asked = [*column_options.levels, *column_options.categorical, *column_options.numeric]
    required = list(dict.fromkeys([rule.name for rule in rules if rule.required] + (asked if further else [])))
    renamed = rename_columns(found, column_options.columns, known=known, required=required, table=table)
    problems += renamed.problems
    values: dict[str, pd.Series] = {}
    names: dict[str, str] = {}
    wrong: dict[str, list[Problem]] = {}
    labelled: list[Problem] = []
    raw = replace(raw, cells=raw.cells.copy())
    for name, canonical in renamed.names.items():
        if canonical in names or not (further or canonical in by_name):
            continue
        names[canonical] = name
        if name in raw.aside:
            wrong[canonical] = list(raw.aside[name])
            continue
        cells, marks, note = _prepared(raw, name, canonical, by_name.get(canonical), reading, column_options)
        raw.cells[name] = cells
        labelled += [] if note is None else [note]
        values[canonical], faults = read_column(
            cells, canonical, by_name.get(canonical), marks, column_options, rows=raw.rows
        )
        if faults:
            wrong[canonical] = [_problem(raw, name, fault) for fault in faults]
    data = pd.DataFrame(values, index=raw.cells.index)
    aside: dict[str, tuple[Problem, ...]] = {}
    # In the order of the columns, whatever is wrong with them.
    for canonical in [canonical for canonical in names if canonical in wrong]:
        rule = by_name.get(canonical)
        wanted = (rule is not None and not rule.by_name) or canonical in (*asked, *column_options.columns)
        needed = rule is not None and (rule.required or rule.kind in ("id", "key", "person"))
        if needed or (wanted and not set_aside):
            problems += wrong[canonical]
        else:
            # A column of remarks, say, must not keep anybody from an analysis that does not use it.
            aside[canonical] = tuple(wrong[canonical])
    data = data.drop(columns=[name for name in aside if name in data])
    identifiers = [name for name in data if name in by_name and by_name[name].kind in ("id", "person")]
    alike = [note for name in identifiers for note in _alike(data[name], raw, by_name[name])]
    return ParsedTable(data, names, raw, tuple(problems), aside, (*raw.notes, *renamed.notes, *labelled, *alike))


def _prepared(
    raw: RawTable,
    name: str,
    canonical: str,
    rule: ColumnRule | None,
    reading: ReadOptions,
    column_options: ColumnOptions,
) -> tuple[pd.Series, ReadOptions, Problem | None]:
    """Cells of a column, missing codes taken out and others as the levels that they stand for; and how to read it."""
    kind, declared = _kind(canonical, rule, column_options), column_options.levels.get(canonical)
    cells = without_marks(raw.cells[name], [mark for mark in reading.missing if mark not in (declared or ())])
    if name not in raw.value_labels or kind not in ("factor", None):
        return cells, reading, None
    labels = raw.value_labels[name]
    cells, note = with_labels(cells, labels, name, wanted=kind == "factor", declared=declared)
    if isinstance(cells.dtype, pd.CategoricalDtype):
        # A code with the label NA has a value; marks that the caller adds may be labels.
        named = {" ".join(label.split()) for _, label in labels} & set(MISSING)
        reading = replace(reading, missing=tuple(mark for mark in reading.missing if mark not in named))
    return cells, reading, note


def _alike(ids: pd.Series, raw: RawTable, rule: ColumnRule) -> list[Problem]:
    """Identifiers of two people that may be of one: they differ in spelling, or in zeros before them, alone."""
    texts = ids.tolist()
    first: dict[str, int] = {}
    notes: list[Problem] = []
    another = "participant" if rule.called == "identifier" else rule.called
    # Of several rows of a person, the first.
    for place in np.flatnonzero(~(ids.duplicated() | ids.isna())).tolist():
        text = texts[place]
        before = first.setdefault(likeness(text), place)
        if before != place and texts[before] != text and len(notes) <= _ALIKE:
            like, value = (f"the {rule.called}", None) if rule.private else (repr(texts[before]), text)
            what = f"is almost {like} in row {raw.rows[before]}, and taken for another {another}"
            notes.append(Problem(str(ids.name), raw.rows[place], value, what, "Write both alike if they are one."))
    if len(notes) > _ALIKE:
        notes[_ALIKE:] = [
            Problem(str(ids.name), None, None, f"has more {rule.called}s of this kind", "Look at all of them.")
        ]
    return notes


def read_column(
    cells: pd.Series,
    name: str,
    rule: ColumnRule | None,
    reading: ReadOptions,
    column_options: ColumnOptions,
    *,
    rows: Sequence[int | str | None],
    counts: Sequence[int] | None = None,
) -> tuple[pd.Series, list[Fault]]:
    """Convert one column and check it.

    Parameters
    ----------
    cells
        The column, RangeIndex.
    name
        Its canonical name.
    rule
        Its rule; None for a further column.
    reading, column_options
        See `parse_table`.
    rows
        How a problem names each row.
    counts
        Rows that each cell stands for, where it is a table of distinct values; one each by default.

    Returns
    -------
    values : pandas.Series
        float64 for numbers, category for factors, str for identifiers, datetime64 for dates; missing where a cell
        could not be read.
    faults : list of Fault
        In the order of the cells, those of the whole column first.
    """
    values, faults = _convert(cells, name, rule, reading, column_options, counts)
    if rule is None or (rule.by_name and not pd.api.types.is_numeric_dtype(values.dtype)):
        return values, faults
    if rule.kind in ("id", "person"):
        if any(fault.position is None for fault in faults):
            return values, faults
        faults += same_looking(values, rows)
    seen = {fault.position for fault in faults if fault.position is not None}
    faults += rule_faults(values, rule, skip=seen, rows=rows)
    return values, sorted(faults, key=lambda fault: -1 if fault.position is None else fault.position)


def _convert(
    cells: pd.Series,
    name: str,
    rule: ColumnRule | None,
    reading: ReadOptions,
    column_options: ColumnOptions,
    counts: Sequence[int] | None,
) -> tuple[pd.Series, list[Fault]]:
    kind = _kind(name, rule, column_options)
    levels = column_options.levels.get(name, rule.levels if rule else None)
    if kind is None:
        numbers, others = count_numbers(cells, reading, counts)
        if numbers and others:
            kind_faults = _mixed(name, cells, numbers, others, reading)
            return pd.Series(np.nan, index=cells.index), kind_faults
        kind = "factor" if others else "number"
    values: pd.Series
    if kind == "number":
        values, faults = to_numbers(cells, reading)
    elif kind == "factor":
        spelling = (rule is not None and not rule.by_name) or name in column_options.categorical
        values, faults = to_levels(
            cells,
            reading,
            name=name,
            levels=levels,
            check_spelling=spelling or _few(cells),
            first=rule.first if rule else (),
            fixed=rule is not None and rule.fixed,
            counts=counts,
        )
    elif kind == "date" or (kind == "time" and are_dates(cells, reading)):
        values, faults = to_dates(cells, reading)
    elif kind == "time":
        values, faults = to_numbers(cells, reading)
    else:
        values, faults = to_texts(cells, reading)
    # An undeclared column may be empty (notes that nobody took); one that the analysis may use may not.
    if rule is not None and rule.may_be_empty:
        return values, faults
    wanted = (rule is not None and not rule.by_name) or name in (
        *column_options.levels,
        *column_options.categorical,
        *column_options.numeric,
        *column_options.columns,
    )
    if wanted and kind in ("number", "factor") and values.isna().all() and not faults:
        faults = [Fault(None, "has no value in any row", "Fill it in, or remove the column.")]
    return values, faults


def _kind(name: str, rule: ColumnRule | None, column_options: ColumnOptions) -> str | None:
    if rule is not None and not rule.by_name:
        return rule.kind
    if name in column_options.levels or name in column_options.categorical:
        return "factor"
    return "number" if name in column_options.numeric else None


def _mixed(name: str, cells: pd.Series, numbers: int, others: int, reading: ReadOptions) -> list[Fault]:
    """A further column of numbers and text: the cells at fault if it is mostly numbers, else the column."""
    if reading.of_model:
        hint = f"If the column is a factor, declare its levels: {setting('levels', {name: ['...']})}."
    else:
        hint = f"If the column is a factor, pass {argument('categorical', [name])}."
    if numbers < others:
        what = f"mixes numbers (in {numbers:,} of its cells) with text (in {others:,})"
        return [Fault(None, what, f"Remove the column or correct it. {hint}")]
    return [
        Fault(fault.position, f"{fault.what}, but the column holds numbers", f"{fault.remedy} {hint}")
        for fault in to_numbers(cells, reading)[1]
    ]


def _few(cells: pd.Series) -> bool:
    """Whether a column may be a factor; one with many distinct texts (notes) is not checked for spelling."""
    return cells.nunique() <= MANY_LEVELS


def _problem(raw: RawTable, name: str, fault: Fault) -> Problem:
    if fault.position is None:
        return Problem(name, None, None, fault.what, fault.remedy)
    return problem_of(name, raw.rows[fault.position], raw.cells[name].iloc[fault.position], fault.what, fault.remedy)


def problem_of(name: str, row: int | str | None, value: object, what: str, remedy: str) -> Problem:
    """Say what is wrong with a cell; of a long text its beginning is shown."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        value = f"{value[:MAX_SHOWN]}..."
    missing = not isinstance(value, str) and is_missing(value, ())
    return Problem(name, row, None if missing else value, what, remedy)


def prefixed(problems: Collection[Problem], table: str) -> list[Problem]:
    """Say in each problem which table it is in: column "sessions.goal", or "sessions is empty"."""
    return [
        replace(problem, what=f"{table} {problem.what}")
        if problem.column is None
        else replace(problem, column=f"{table}.{problem.column}")
        for problem in problems
    ]


#: What the first cell of a row of totals says, in the languages of spreadsheets, and what stands beside such rows.
_TOTALS = frozenset(
    """
    total totals grandtotal subtotal sum sums summe gesamt gesamtsumme insgesamt zwischensumme somme suma somma totale
    totaal totalt soma summa mean means average averages mittelwert durchschnitt moyenne media promedio gemiddelde medel
    """.split()  # noqa: SIM905
)
_BESIDE = frozenset(
    """
    n count counts anzahl sd std stdev stddev standardabweichung se min max minimum maximum median range var varianz
    variance missing fehlend percent prozent
    """.split()  # noqa: SIM905
)
# Words for a missing value that the caller may not have named.
_UNKNOWN = frozenset(
    ("?", "-", "--", ".", "n/a", "n.a.", "null", "none", "missing", "unknown", "unbekannt", "k.a.", "#n/a")
)
# Rows at either end that may be no participants, and rows between that tell what columns hold.
_ENDS, _BODY = 5, 200
_SHOWN = 40
#: Fewest rows above sums, and columns of sums, that are no chance.
_ROWS_SUMMED, _COLUMNS_SUMMED = 3, 2


def without_odd_rows(raw: RawTable, reading: ReadOptions, person: str) -> tuple[RawTable, list[Problem]]:
    """The rows that may be participants, and what the others are.

    Parameters
    ----------
    raw
        The table.
    reading
        How cells are read.
    person
        The column of identifiers, if the table has one.

    Returns
    -------
    raw : RawTable
        Without the odd rows, whose cells would only be faults one by one; all of them where nothing else is left.
    problems : list of Problem
        One for each odd row.
    """
    odd: dict[int, Problem] = {}
    if not raw.cells.shape[1]:
        return raw, []
    for place, problem in (
        *_repeated_headers(raw),
        *_under_the_header(raw, reading, person),
        *_at_the_end(raw, reading, person),
        *_second_table(raw, reading),
        *_headings(raw, reading, person),
    ):
        odd.setdefault(place, problem)
    if not odd:
        return raw, []
    keep = np.ones(len(raw.cells), dtype=bool)
    keep[list(odd)] = False
    problems = list(dict.fromkeys(odd[place] for place in sorted(odd)))
    if not keep.any():
        return raw, problems
    return raw.where(keep), problems


def _repeated_headers(raw: RawTable) -> Iterator[tuple[int, Problem]]:
    names = list(raw.cells.columns)
    same = np.ones(len(raw.cells), dtype=bool)
    for name in names:
        column = raw.cells[name]
        if not pd.api.types.is_object_dtype(column.dtype) and not pd.api.types.is_string_dtype(column.dtype):
            return
        # Few rows are left to be looked at after the first column.
        left = np.flatnonzero(same)
        cells = column.iloc[left].tolist()
        same[left] = [isinstance(cell, str) and cell.strip() == name for cell in cells]
        if not same.any():
            return
    for place in np.flatnonzero(same).tolist():
        if raw.rows[place] in raw.after_gap:
            what, remedy = "begins a second table, with the same header", "Give each table a file of its own."
        else:
            what, remedy = "is the header again", "Remove the row: tables were put one after the other, it seems."
        yield place, Problem(None, raw.rows[place], None, what, remedy)


def _numeric(raw: RawTable, reading: ReadOptions) -> list[str]:
    """Columns of text that hold numbers and nothing else between the ends of the table."""
    n = len(raw.cells)
    top, bottom = min(_ENDS, n // 2), min(_ENDS, n // 4)
    body = raw.cells.iloc[top : min(n - bottom, top + _BODY)]
    found = []
    for name in raw.cells.columns:
        cells = body[name].tolist()
        if not any(isinstance(cell, str) for cell in cells):
            continue
        if _all_numbers(cells, reading):
            found.append(name)
    return found


def _all_numbers(cells: list[object], reading: ReadOptions) -> bool:
    """Whether there are cells that are not missing, and all of them are meant as numbers."""
    kinds = [means_number(cell, reading) for cell in cells if not is_missing(cell, reading.missing)]
    return bool(kinds) and all(kinds)


def _under_the_header(raw: RawTable, reading: ReadOptions, person: str) -> Iterator[tuple[int, Problem]]:
    """First rows with words in the columns of numbers: units, labels, or the texts of questions."""
    numeric = [name for name in _numeric(raw, reading) if name != person]
    if not numeric or len(raw.cells) < 3:
        return
    for place in range(min(_ENDS, len(raw.cells) - 1)):
        row = {name: raw.cells[name].iloc[place] for name in numeric}
        there = {name: cell for name, cell in row.items() if not is_missing(cell, reading.missing)}
        # The same word in all columns is one for a missing value.
        words = {str(cell).strip().casefold() for cell in there.values()}
        # Of nobody one word is enough.
        fewest = 1 if person in raw.cells and is_missing(raw.cells[person].iloc[place], reading.missing) else 2
        numbers = any(means_number(cell, reading) for cell in there.values())
        if len(words) < fewest or words & _UNKNOWN or numbers:
            return
        what = f"holds units or labels ({_listed(list(there.values()))}) under the column names, and no participant"
        yield place, Problem(None, raw.rows[place], None, what, "Remove the row.")


def _second_table(raw: RawTable, reading: ReadOptions) -> Iterator[tuple[int, Problem]]:
    """A row of words below an empty one, in columns that hold numbers above it, and every row after it."""
    if not raw.after_gap:
        return
    for place in [place for place, row in enumerate(raw.rows) if row in raw.after_gap][:_BODY]:
        cells = raw.cells.iloc[place].tolist()
        words = not any(is_missing(cell, reading.missing) or means_number(cell, reading) for cell in cells)
        if not words or cells == list(raw.cells.columns):
            continue
        above = raw.cells.iloc[max(0, place - _BODY) : place]
        if any(_all_numbers(above[name].tolist(), reading) for name in raw.cells.columns):
            what = "seems to begin a second table, below the first and an empty row"
            problem = Problem(None, raw.rows[place], None, what, "Give each table a file of its own.")
            # One problem for all of its rows.
            yield from ((later, problem) for later in range(place, len(raw.rows)))
            return


def _headings(raw: RawTable, reading: ReadOptions, person: str) -> Iterator[tuple[int, Problem]]:
    """Rows that hold some words where the others have an identifier, and nothing else: headings between groups."""
    if person not in raw.cells or raw.cells.shape[1] < 3:
        return
    ids = raw.cells[person].tolist()
    worded = [place for place, text in enumerate(ids) if isinstance(text, str) and " " in text.strip()]
    if not worded or 2 * len(worded) > len(ids):
        return
    others = raw.cells.iloc[worded].drop(columns=person)
    if all(is_missing(cell, reading.missing) for name in others for cell in others[name].tolist()):
        for place in worded:
            what = f"is a heading between rows ({ids[place][:_SHOWN]!r}), and no participant"
            yield place, Problem(None, raw.rows[place], None, what, "Remove the row, or make a column of the headings.")


def _at_the_end(raw: RawTable, reading: ReadOptions, person: str) -> Iterator[tuple[int, Problem]]:
    """Last rows that are totals, or notes."""
    first = person if person in raw.cells else raw.cells.columns[0]
    n = len(raw.cells)
    ends: list[tuple[int, Problem]] = []
    total = False
    for place in range(n - 1, max(n - 1 - _ENDS, 0), -1):
        row = raw.cells.iloc[place]
        label = row[first]
        if first == person and is_missing(label, reading.missing):
            # Nobody: whatever else the row says says what it is.
            label = next((cell for cell in row.tolist() if isinstance(cell, str) and _word(cell) in _TOTALS), label)
        word = _word(label) if isinstance(label, str) else ""
        filled = [cell for cell in row.tolist() if not is_missing(cell, reading.missing)]
        # A level of that name may come again; an identifier may not.
        if (word in _TOTALS or word in _BESIDE) and (raw.cells[first] == label).sum() <= 1:
            total = total or word in _TOTALS
            what = f"is a row of totals ({label.strip()!r}), and no participant"
            ends.append((place, Problem(None, raw.rows[place], None, what, "Remove the row.")))
        elif len(row) > 2 and len(filled) == 1 and isinstance(label, str) and _is_note(raw, first, place):
            # A note need not stand in the first column.
            note = str(filled[0])
            short = f"{note[:_SHOWN]}..." if len(note) > _SHOWN else note
            total = True
            what = f"is a note below the table ({short!r}), and no participant"
            ends.append((place, Problem(None, raw.rows[place], None, what, "Remove the row.")))
        else:
            break
    if total:
        yield from ends
    elif kind := _sums(raw, reading, person):
        what = f"holds the {kind} of the rows above, and no participant"
        yield n - 1, Problem(None, raw.rows[n - 1], None, what, "Remove the row.")


def _word(cell: str) -> str:
    return "".join(cell.split()).strip(":.").casefold()


def _is_note(raw: RawTable, first: str, place: int) -> bool:
    """Whether the one cell of a row is words, where the cells above it are each a word."""
    label = raw.cells[first].iloc[place]
    if raw.rows[place] in raw.after_gap:
        return True
    above = raw.cells[first].iloc[:_BODY].tolist()[: min(place, _BODY)]
    return " " in label.strip() and not any(isinstance(cell, str) and " " in cell.strip() for cell in above)


def _sums(raw: RawTable, reading: ReadOptions, person: str) -> str | None:
    """Whether every number of the last row is the sum, or the mean, of those above it."""
    n = len(raw.cells)
    if n <= _ROWS_SUMMED:
        return None
    # Somebody may be average, but is seldom the sum of all others.
    nobody = person in raw.cells and is_missing(raw.cells[person].iloc[-1], reading.missing)
    kinds = {"sums", "means"} if nobody else {"sums"}
    seen = 0
    for name in raw.cells.columns:
        column = raw.cells[name]
        last = column.iloc[-1]
        if name == person or is_missing(last, reading.missing) or not means_number(last, reading):
            continue
        numbers = _numbers(column, reading)
        above = numbers[:-1][~np.isnan(numbers[:-1])]
        # A column of one value has it as its mean, and the sum of zeros is zero.
        if np.isnan(numbers[-1]) or above.size < _ROWS_SUMMED or np.ptp(above) == 0:
            continue
        seen += 1
        # Spreadsheets show means rounded.
        if abs(above.sum() - numbers[-1]) > 1e-9 * np.abs(above).sum():
            kinds.discard("sums")
        if abs(above.mean() - numbers[-1]) > 1e-9 * np.abs(above).max():
            kinds.discard("means")
        if not kinds:
            return None
    return min(kinds) if seen >= _COLUMNS_SUMMED and len(kinds) == 1 else None


def _numbers(column: pd.Series, reading: ReadOptions) -> np.ndarray:
    if reading.decimal == "," and not pd.api.types.is_numeric_dtype(column.dtype):
        column = column.map(lambda cell: cell.replace(",", ".") if isinstance(cell, str) else cell)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _listed(cells: Sequence[object]) -> str:
    shown = ", ".join(repr(str(cell)[:_SHOWN]) for cell in cells[:3])
    return f"{shown}, ..." if len(cells) > 3 else shown
