"""The cohort: validated rows, of one participant each or several of each, and who was left out of it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.doubts import Doubt, find_doubts, may_be_persons, remarks
from alliance_bayes.cohort.flow import ROW, Flow, FlowStep, check_unit, counted, merge_steps, step_of
from alliance_bayes.cohort.hashing import frame_hash, keyed_digest
from alliance_bayes.cohort.items import Prorated
from alliance_bayes.cohort.names import ANALYSIS_COLUMNS, CHANGE, ID, LISTED_LEVELS, MISSING_REASONS
from alliance_bayes.cohort.row_names import JoinedRows, names_of
from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.instruments.naming import called
from alliance_bayes.remedies import PYTHON, Interface, Message, worded

__all__ = ["Cohort", "single_level_columns"]

#: Columns that a table of sessions must have, and those that it may have, which are factors.
_NEEDED = (ID, "date", "goal", "bond")
_FACTORS = ("provider_id", "provider_type")
_NUMBERS = ("goal", "bond")

#: Reasons for which a column's cells are empty that are told apart.
_REASONS = 10
_COLUMNS = ["variable", "level", "n", "missing", "share", "mean", "sd", "median", "min", "max"]
_OF_MANY = ["levels", "largest", "n_largest", "n_single"]


class NoColumnError(UsageError):
    """A column is asked for that the table does not have."""


@dataclass(frozen=True, eq=False, repr=False)
class Cohort:
    """A table of participants whose every column is known to be what it says.

    Make one with `read_cohort`, `read_tables` or `simulate_cohort`, which check the values; the constructor only
    checks that the columns have the right kinds.

    Parameters
    ----------
    data
        One row a participant, or several of each. Numbers are float64, factors are categorical with str levels in
        declared order, `participant_id` is str, `time` may be dates. Values may be missing. Its rows are renumbered
        from 0, and `who5_change` (follow-up minus baseline, WHO-5 points) is added when both scores are there.
    source
        Where the table came from, to be printed: a file's name without its directory.
    excluded
        People dropped before `data`, by reason, in order.
    sessions
        One row a session of the people in `data`, or None where only one row a participant is known: `participant_id`
        (str), `date` (datetime64, local), `goal` and `bond` (1-5, may be missing), and, where known, `provider_id` and
        `provider_type` (categorical). Those of other people are dropped; the rest are put in the order of `data`, then
        of dates, and renumbered from 0.
    why_missing
        Column -> reason -> ids of the people who lack a value there for that reason, where one is known: a survey at
        the wrong time, say. The flow counts them by it.
    person
        Column that says whose a row is, in a table with several rows a participant (a factor, or `participant_id`).
        Without it a row is a participant, unless some have one `participant_id`.
    time
        Column that says when a row was, of numbers or dates; only with `person`, who has one row at a time.
    unit
        What a row is called, in the singular: "session". Only with `person`.
    aside
        Columns of the table that cannot be read and that nobody asked for, with what is wrong; whoever asks for one is
        told.
    notes
        What is no error, and yet should be known of the table: columns without a name, names almost like known ones.
    instruments
        Instrument on whose own scale a score is, by column, where its name does not say so: ``{"alliance": "WAI-SR",
        "mood": "PHQ-9"}``. By default the alliance is a mean rating of 1 to 5.
    prorated
        How many scores were made up for missing items, by column.
    labels
        What a column is called in words, by its name; a page of a model calls it so.
    reasons
        A row for each of `data` (the same index), and a column for each column of which is known why a cell is empty:
        "refused (-99)". The flow counts rows by it.
    wide, join
        How the table was made of a wide one, and of which second tables by which keys, as `read_cohort` takes them;
        a page says so, since whoever verifies it needs the same.
    row_names
        What an error calls each row of `data`, which is looked up by `data`'s own index: the number that a file's
        program gives it. By default the index labels of `data`. No page and no saved fit has them.
    session_names
        The same of `sessions`.
    joined_rows
        The same of the second tables whose columns `data` has.

    Raises
    ------
    UsageError
        When a column is neither of these kinds, or two columns share a name; when there are sessions and `data` has not
        one row for each `participant_id`.
    """

    data: pd.DataFrame
    source: str
    excluded: tuple[FlowStep, ...] = ()
    sessions: pd.DataFrame | None = None
    why_missing: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    person: str | None = None
    aside: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()
    time: str | None = None
    unit: str = ROW
    instruments: Mapping[str, str] = field(default_factory=dict)
    prorated: Mapping[str, Prorated] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    reasons: pd.DataFrame | None = None
    wide: Mapping[str, str] = field(default_factory=dict)
    join: Mapping[str, str] = field(default_factory=dict)
    row_names: pd.Index | None = None
    session_names: pd.Index | None = None
    joined_rows: tuple[JoinedRows, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "row_names", names_of(self.data, self.row_names))
        joined = tuple(rows for each in self.joined_rows if (rows := each.of(self.data)) is not None)
        object.__setattr__(self, "joined_rows", joined)
        if self.reasons is not None:
            # Rows that were taken from a table keep their numbers until here.
            object.__setattr__(self, "reasons", self.reasons.reindex(self.data.index).reset_index(drop=True))
        object.__setattr__(self, "data", _canonical_data(self.data, self.time))
        check_unit(self.unit)
        if lacking := [name for name in (self.person, self.time) if name is not None and name not in self.data]:
            raise UsageError(f"Cohort: no column {lacking[0]!r}. Use read_cohort.")
        if self.person is None and (self.time is not None or self.unit != ROW):
            raise UsageError("Cohort: time and unit are about the rows of a person. Say whose they are (person).")
        object.__setattr__(self, "excluded", merge_steps(self.excluded))
        if self.sessions is not None:
            sessions = _canonical_sessions(self.sessions, self.data)
            object.__setattr__(self, "session_names", names_of(sessions, self.session_names))
            object.__setattr__(self, "sessions", sessions.reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        """Counts and column names only, and what may mean that nothing is known: no participant's values."""
        left_out = sum(step.n for step in self.excluded)
        before = f", {left_out:,} left out before" if left_out else ""
        sessions = ""
        if self.sessions is not None:
            sessions = ", 1 session" if len(self.sessions) == 1 else f", {len(self.sessions):,} sessions"
        columns = ", ".join(self.data.columns)
        columns += f"; not read: {', '.join(self.aside)}" if self.aside else ""
        columns += "".join(f"; {what}: {words}" for what, words in remarks(self.data, self.notes).items())
        people = counted(len(self), "participant")
        if (codes := self.persons) is not None:
            people = f"{counted(np.unique(codes).size, 'participant')}, {counted(len(self), self.unit)}"
        return f"<{type(self).__name__} {self.source!r}: {people}{before}{sessions}; columns: {columns}>"

    def _repr_html_(self) -> str:
        from alliance_bayes.cohort.html import cohort_html

        return cohort_html(self)

    @property
    def flow(self) -> Flow:
        """Flow into the default analysis: baseline, follow-up, alliance and the covariates that the table has."""
        return self.complete([name for name in ANALYSIS_COLUMNS if name in self.data])[1]

    @property
    def hash(self) -> str:
        """SHA-256 of the content of `data`, whatever the sessions; see `alliance_bayes.cohort.hashing.frame_hash`.

        Whoever knows it can try guesses of a small table, so no page has it; see `digest`.
        """
        return frame_hash(self.data)

    def digest(self, key: bytes) -> str:
        """Digest of `data` and `sessions` for those who have the key; see `alliance_bayes.cohort.hashing`.

        Parameters
        ----------
        key
            Any number of bytes; kept with the data.

        Returns
        -------
        str
            HMAC-SHA-256, hexadecimal.
        """
        return keyed_digest(key, self.hash, *(() if self.sessions is None else (frame_hash(self.sessions),)))

    def people(self, columns: Sequence[str]) -> np.ndarray | None:
        """Number of the person of each row that is complete (see `complete`); None where every row is somebody else.

        Parameters
        ----------
        columns
            Names of columns.

        Returns
        -------
        numpy.ndarray or None
            Shape (n_complete,).
        """
        name = self.person or ID
        if name not in self.data:
            return None
        codes = _numbered(self.complete(columns)[0][name])
        return None if np.unique(codes).size == codes.size else codes

    @property
    def missing_by_reason(self) -> dict[str, dict[str, int]]:
        """Column -> reason -> rows that lack a value there for that reason, where the table says why."""
        names = [] if self.reasons is None else [name for name in self.data if name in self.reasons]
        counts = {
            str(name): {
                reason: n
                for reason, rows in self._coded(str(name))
                if (n := int((rows & self.data[name].isna()).sum()))
            }
            for name in names
        }
        return {name: reasons for name, reasons in counts.items() if reasons}

    @property
    def persons(self) -> np.ndarray | None:
        """Number of the person of each row, shape (n_rows,); None where `person` does not say whose a row is."""
        return None if self.person is None else _numbered(self.data[self.person])

    def complete(self, columns: Sequence[str]) -> tuple[pd.DataFrame, Flow]:
        """Keep the participants who have a value in every one of some columns.

        Parameters
        ----------
        columns
            Names of columns, in the order in which people are to be left out.

        Returns
        -------
        data : pandas.DataFrame
            Every column of the complete rows, renumbered from 0. Factors keep their declared levels, used or not.
        flow : Flow
            From everybody in the source to these rows; reasons that leave nobody out are not listed.

        Raises
        ------
        UsageError
            When a name is no column of the cohort.
        DataError
            When a column could not be read: what is wrong with it.
        """
        if isinstance(columns, str):
            raise UsageError(
                f"columns should be a sequence of names but got the text {columns!r}. Write [{columns!r}]."
            )
        keep = pd.Series(True, index=self.data.index)
        steps, persons = list(self.excluded), self.persons

        def leave_out(reason: str, rows: pd.Series) -> None:
            nonlocal keep
            left = keep & ~rows
            steps.append(step_of(reason, keep.to_numpy(), left.to_numpy(), persons))
            keep = left

        self._require(columns)
        for name in dict.fromkeys(columns):
            lacking = keep & self.data[name].isna()
            # A change lacks what the follow-up lacks, or the baseline, without which there is no follow-up.
            for reason, ids in self.why_missing.get("who5_followup" if name == CHANGE else name, {}).items():
                so = lacking & self.data[ID].isin(ids)
                leave_out(reason, so)
                lacking &= ~so
            label = called(name)
            otherwise = MISSING_REASONS.get(name, f"no value of {name}" if label is None else f"no {label}")
            for reason, rows in self._coded("who5_followup" if name == CHANGE else name):
                leave_out(f"{otherwise}: {reason}", lacking & rows)
                lacking &= ~rows
            leave_out(otherwise, lacking)
        everybody = len(self.data) + sum(step.n for step in self.excluded)
        people = None
        if persons is not None:
            people = np.unique(persons).size + sum(step.lost or 0 for step in self.excluded)
        return self.data[keep].reset_index(drop=True), Flow(everybody, merge_steps(steps), people, self.unit)

    def _coded(self, name: str) -> Iterator[tuple[str, pd.Series]]:
        """Why cells of a column are empty, as far as the table says so, the most frequent reason first; and which."""
        if self.reasons is None or name not in self.reasons:
            return
        counts = self.reasons[name].value_counts()
        kinds = sorted(counts.index, key=lambda reason: (-counts[reason], reason))
        for reason in kinds[:_REASONS]:
            yield reason, self.reasons[name] == reason
        if kinds[_REASONS:]:
            yield "other codes of the table", self.reasons[name].isin(kinds[_REASONS:])

    def same_people(self, columns: Iterable[str], *, beside: pd.DataFrame | None = None) -> Cohort:
        """Only those who have a value in every one of some columns, for models that are to be of the same people.

        Parameters
        ----------
        columns
            Names of columns, of all the models. People are left out in the order of the table, whichever model names
            a column first, so that the flow is the same for each of them.
        beside
            The table with columns that were computed from it, row by row.

        Returns
        -------
        Cohort
            With the flow of those who were left out.

        Raises
        ------
        UsageError
            When a name is no column.
        """
        whole = self if beside is None else replace(self, data=beside)
        wanted = list(dict.fromkeys(columns))
        whole._require(wanted)
        ordered = sorted(wanted, key=list(whole.data.columns).index)
        keep = whole.data[ordered].notna().all(axis=1)
        steps = whole.complete(ordered)[1].steps
        return replace(self, data=self.data[keep], excluded=steps)

    def summary(self) -> pd.DataFrame:
        """Describe every column (a "Table 1"); see `alliance_bayes.cohort.summary.summarise`.

        Returns
        -------
        pandas.DataFrame
            One row a column, or a level of one. In a table with several rows a person, `n` and `share` are of rows, and
            `people` says how many have a value, or are at the level in some row. Columns that say, or may say, whose a
            row is are not in it.
        """
        whose = may_be_persons(self.data) if self.person is None else [self.person]
        return _summarise(self.data.drop(columns=whose), self.persons)

    def doubts(self, columns: Collection[str] | None = None) -> tuple[Doubt, ...]:
        """Look for likely mistakes that are no errors, of some columns alone or of all.

        See `alliance_bayes.cohort.doubts.find_doubts`.

        Parameters
        ----------
        columns
            Which columns; all by default.

        Returns
        -------
        tuple of Doubt
            What was found.
        """
        return find_doubts(self.data, self.person, columns, time=self.time)

    def told(self, interface: Interface = PYTHON) -> dict[str, Any]:
        """What `alliance-bayes validate` says of the table, as JSON values, remedies as an interface words them.

        Parameters
        ----------
        interface
            Python, or a command of the command line.

        Returns
        -------
        dict
            By what it is about.
        """

        def record(problem: Problem) -> dict[str, Any]:
            what, remedy = (worded(Message(text).template, interface) for text in (problem.what, problem.remedy))
            return {"column": problem.column, "row": problem.row, "what": what, "remedy": remedy}

        rows = self.summary().astype(object).to_dict("records")
        flow = self.flow
        return {
            "source": self.source,
            "flow": {
                "participants": flow.participants,
                "left_out": [
                    {key: value for key, value in dataclasses.asdict(step).items() if value is not None}
                    for step in flow.steps
                ],
                "analysed": flow.analysed,
            }
            | ({} if flow.people is None else {"people": flow.people, "analysed_people": flow.analysed_people}),
            "unit": "participant" if self.person is None else self.unit,
            "columns": [{str(name): value for name, value in row.items() if not pd.isna(value)} for row in rows],
            "missing": [
                {"column": name, "reason": reason, "n": n}
                for name, counts in self.missing_by_reason.items()
                for reason, n in counts.items()
            ],
            "doubts": [{"kind": doubt.kind, **record(doubt.problem), **doubt.details} for doubt in self.doubts()],
            "notes": [record(note) for note in self.notes],
            "aside": [record(problem) for problems in self.aside.values() for problem in problems],
        }

    def _require(self, names: Iterable[str]) -> None:
        """Raise unless these are columns that could be read; everything that is wrong with them at once."""
        wanted = list(dict.fromkeys(names))
        if problems := [problem for name in wanted for problem in self.aside.get(name, ())]:
            raise DataError(dict.fromkeys(problems), source=self.source)
        for name in wanted:
            if name in self.data:
                continue
            near = difflib.get_close_matches(name, list(self.data.columns), n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise NoColumnError(f"{self.source}: no column {name!r}. {hint}Columns: {', '.join(self.data.columns)}.")


def _where(column: pd.Series, level: object) -> np.ndarray:
    """Which rows have a value, or are at a level where a row of a summary is of one."""
    at_level = isinstance(column.dtype, pd.CategoricalDtype) and level in column.cat.categories
    return np.asarray(column == level if at_level else column.notna(), dtype=bool)


def _numbered(persons: pd.Series) -> np.ndarray:
    """Number of the person of each row; a row of nobody known is somebody of its own."""
    codes = pd.factorize(persons)[0]
    codes[codes < 0] = codes.size + np.arange((codes < 0).sum())
    return np.asarray(codes, dtype=np.int64)


def single_level_columns(data: pd.DataFrame) -> tuple[str, ...]:
    """Name the factors that have fewer than two levels in use.

    Such a factor is no error in a table, but nothing can be pooled over it.

    Parameters
    ----------
    data
        A cohort's table, or rows of it.

    Returns
    -------
    tuple of str
        Categorical columns with at most one level among their values, in column order.
    """
    factors = [name for name in data.columns if isinstance(data[name].dtype, pd.CategoricalDtype)]
    return tuple(name for name in factors if data[name].nunique() < 2)


def _canonical_data(data: pd.DataFrame, time: str | None) -> pd.DataFrame:
    """Copy a table of participants with kinds checked, rows renumbered and the change score in place.

    Parameters
    ----------
    data
        One row a participant, or several.
    time
        The column that may be of dates.

    Returns
    -------
    pandas.DataFrame
        `participant_id` str, every other column float64 or categorical with str levels, or datetime64 for `time`.

    Raises
    ------
    UsageError
        When a column is neither of these kinds, or two columns share a name.
    """
    out = _named(data, "Cohort: ").reset_index(drop=True)
    for name in out.columns:
        if name == time and pd.api.types.is_datetime64_dtype(out[name].dtype):
            out[name] = out[name].astype("datetime64[us]")
            continue
        out[name] = _column(name, out[name], "Cohort: ", "Use read_cohort.")
    if {"who5_baseline", "who5_followup"} <= set(out.columns):
        out[CHANGE] = out["who5_followup"] - out["who5_baseline"]
    return out


def _canonical_sessions(sessions: pd.DataFrame, data: pd.DataFrame) -> pd.DataFrame:
    """Copy a table of sessions with kinds checked: those of the people in `data`, in their order and that of dates.

    Parameters
    ----------
    sessions
        One row a session; see `alliance_bayes.cohort.cohort.Cohort`.
    data
        What `_canonical_data` returned.

    Returns
    -------
    pandas.DataFrame
        Columns `participant_id` (str), `provider_id` and `provider_type` where given (categorical), `date`
        (datetime64[us]), `goal`, `bond` (float64), then any further ones; rows with their labels. Two sessions of
        one person at one time keep the order they came in. Levels of `provider_id` are those that occur.

    Raises
    ------
    UsageError
        When a column is missing or of another kind, or `data` does not tell people apart.
    """
    where, remedy = "Cohort: sessions: ", "Use read_tables."
    table = _named(sessions, where)
    lacking = [name for name in _NEEDED if name not in table]
    if lacking:
        raise UsageError(f"{where}no column {', '.join(map(repr, lacking))}. {remedy}")
    if ID not in data or data[ID].duplicated().any():
        raise UsageError(f"{where}the table of participants should have one row for each {ID!r}. {remedy}")
    first = [ID, *(name for name in _FACTORS if name in table), *_NEEDED[1:]]
    out = table[[*first, *(name for name in table.columns if name not in first)]].copy()
    for name in out.columns:
        out[name] = _date(out[name], where, remedy) if name == "date" else _column(name, out[name], where, remedy)
        is_factor = isinstance(out[name].dtype, pd.CategoricalDtype)
        if (name in _FACTORS and not is_factor) or (name in _NUMBERS and is_factor):
            kind = "categorical" if name in _FACTORS else "numeric"
            raise UsageError(f"{where}column {name!r} has dtype {out[name].dtype}; it should be {kind}. {remedy}")
    place = pd.Index(data[ID]).get_indexer(pd.Index(out[ID]))
    out = out.assign(**{"place of the person": place})[place >= 0]
    # By several columns, pandas always sorts stably.
    out = out.sort_values(["place of the person", "date"])
    out = out.drop(columns="place of the person")
    if "provider_id" in out:
        # An id names one provider and no kind of one: those of people left out are nobody here.
        out["provider_id"] = out["provider_id"].cat.remove_unused_categories()
    return out


def _named(table: pd.DataFrame, where: str) -> pd.DataFrame:
    names = [str(name) for name in table.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{where}columns named more than once: {', '.join(twice)}. Rename one of each.")
    return table.set_axis(names, axis="columns")


def _date(column: pd.Series, where: str, remedy: str) -> pd.Series:
    # A column of datetimes with a time zone has another dtype, and is refused too.
    if not pd.api.types.is_datetime64_dtype(column.dtype) or column.isna().any():
        raise UsageError(
            f"{where}'date' should be local dates or times without gaps but has dtype {column.dtype}. {remedy}"
        )
    return column.astype("datetime64[us]")


def _column(name: str, column: pd.Series, where: str, remedy: str) -> pd.Series:
    dtype = column.dtype
    if name == ID:
        if not pd.api.types.is_string_dtype(dtype) or column.isna().any():
            raise UsageError(f"{where}{ID!r} should be text without gaps but has dtype {dtype}. {remedy}")
        return column.astype("str")
    if isinstance(dtype, pd.CategoricalDtype):
        if not all(isinstance(level, str) for level in dtype.categories):
            raise UsageError(f"{where}the levels of {name!r} should be text. {remedy}")
        return column
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
        return column.astype(np.float64)
    raise UsageError(f"{where}column {name!r} has dtype {dtype}; it should be numeric or categorical. {remedy}")


def _moments(column: pd.Series) -> dict[str, float]:
    """Mean, SD and median of a column; empty where one is beyond the largest number."""
    largest = float(column.abs().max())
    # Sums of squares of such numbers are beyond it, where what comes of them may not be.
    scale = 2.0**600 if largest > 1e150 else 1.0
    scaled = column / scale
    moments = {"mean": float(scaled.mean()), "sd": float(scaled.std()), "median": float(scaled.median())}
    moments = {name: value * scale for name, value in moments.items()}
    return {name: float("nan") if np.isinf(value) else value for name, value in moments.items()}


def _summarise(data: pd.DataFrame, persons: np.ndarray | None = None) -> pd.DataFrame:
    """Describe every column but the participant's id.

    Parameters
    ----------
    data
        A cohort's table.
    persons
        Number of the person of each row, where there are several.

    Returns
    -------
    pandas.DataFrame
        One row a numeric column (`n` present, `missing`, `mean`, `sd` with n - 1, `median`, `min`, `max`, in the
        column's own unit) and one row a level of each factor (`n`, and `share` of those present; `missing` concerns the
        factor). A factor with more than 20 levels has one row, whose `level` says how many; only where there is such a
        factor there are columns for it: how many `levels` are in use, the `largest`, and in how many rows it is
        (`n_largest`), and how many levels are in one row only (`n_single`).
    """
    rows: list[dict[str, object]] = []
    for name in data.columns:
        if name == ID:
            continue
        column = data[name]
        present, missing = int(column.notna().sum()), int(column.isna().sum())
        if isinstance(column.dtype, pd.CategoricalDtype):
            counts = column.value_counts(sort=False)
            if len(counts) > LISTED_LEVELS:
                used = int((counts > 0).sum())
                about = {"variable": name, "level": f"({used} levels)", "n": present, "missing": missing}
                if used:
                    largest = {"largest": counts.idxmax(), "n_largest": int(counts.max())}
                    about |= {"levels": used, **largest, "n_single": int((counts == 1).sum())}
                rows.append(about)
                continue
            rows += [
                {
                    "variable": name,
                    "level": level,
                    "n": int(n),
                    "missing": missing,
                    "share": n / present if present else float("nan"),
                }
                for level, n in counts.items()
            ]
        elif pd.api.types.is_datetime64_dtype(column.dtype):
            rows.append({"variable": name, "level": "(dates)", "n": present, "missing": missing})
        else:
            rows.append(
                {
                    "variable": name,
                    "level": None,
                    "n": present,
                    "missing": missing,
                    **_moments(column),
                    "min": column.min(),
                    "max": column.max(),
                }
            )
    table = pd.DataFrame(rows, columns=[*_COLUMNS, *_OF_MANY])
    shown = list(_COLUMNS)
    if persons is not None:
        at = [_where(data[name], level) for name, level in zip(table["variable"], table["level"], strict=True)]
        table.insert(3, "people", [int(np.unique(persons[mask]).size) for mask in at])
        shown.insert(3, "people")
    if table["levels"].isna().all():
        return table[shown]
    return table.astype({name: "Int64" for name in _OF_MANY if name != "largest"})
