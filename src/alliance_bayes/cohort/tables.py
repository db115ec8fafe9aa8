"""Read participants, sessions and surveys, and join them into one row a participant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import MISSING, likeness
from alliance_bayes.cohort.cohort import Cohort
from alliance_bayes.cohort.convert import ReadOptions
from alliance_bayes.cohort.files import read_raw
from alliance_bayes.cohort.header import check_mapping
from alliance_bayes.cohort.items import Prorate, Score, check_prorate, check_prorated, scores_in
from alliance_bayes.cohort.names import ID, PROVIDER_TYPES
from alliance_bayes.cohort.parsing import ColumnOptions, ParsedTable, check_column_options, parse_table, prefixed
from alliance_bayes.cohort.read import check_decimal, check_levels, check_texts
from alliance_bayes.cohort.schema import participant_rules, session_rules, survey_rules
from alliance_bayes.cohort.scoring import (
    MIN_DAYS_BETWEEN,
    OF_SESSIONS,
    WHO5_SURVEYS,
    Baseline,
    Followup,
    check_options,
    join_scores,
)
from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.instruments.naming import named_after
from alliance_bayes.remedies import argument

__all__ = ["TABLES", "read_tables"]

TABLES = ("participants", "sessions", "surveys")

#: What tells two rows of a table apart, as far as the table has it.
_KEYS = {"sessions": (ID, "date", "provider_id", "provider_type"), "surveys": (ID, "date")}


def read_tables(
    participants: str | Path | pd.DataFrame,
    sessions: str | Path | pd.DataFrame,
    surveys: str | Path | pd.DataFrame,
    *,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    levels: Mapping[str, Sequence[str]] | None = None,
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    baseline: Baseline = "first",
    followup: Followup = "last",
    min_days_between: int = MIN_DAYS_BETWEEN,
    max_days_into_care: int = 0,
    prorate: Prorate = None,
    missing: Sequence[str] = MISSING,
    date_format: str | None = None,
    today: dt.date | None = None,
    encoding: str | None = None,
    decimal: str = ".",
    sep: str | None = None,
    set_aside: bool = False,
) -> Cohort:
    """Read three tables, check them, and score them into one row a participant.

    Parameters
    ----------
    participants
        One row a participant: `participant_id`, and any of `age`, `sex`, `country`, `provider_type`, `modality` and
        further columns, all of which are kept. Path or DataFrame, as for `read_cohort`; so are the others.
    sessions
        One row a session: `participant_id`, `date`, `goal`, `bond` (whole numbers 1-5; may be missing), and, if there,
        `provider_id` and `provider_type` ("coach" or "therapist"). Further columns are not used.
    surveys
        One row a survey: `participant_id`, `date`, `who5_1` ... `who5_5` (whole numbers 0-5; may be missing), or all
        items of other instruments of the catalogue, in their place or beside them: `phq9_1` ... `phq9_9` make
        `phq9_baseline` and `phq9_followup`. Further columns are not used.
    columns
        Table -> canonical name -> name in that table: ``{"surveys": {"date": "filled in on"}}``.
    levels, categorical, numeric
        As in `read_cohort`, for the participants' columns. Levels of `provider_type` are "coach", "therapist" and
        "both" unless given here; those of `modality` are sorted, but "video" comes before "in_person".
    baseline
        "first": the first survey that has a score. "before_care": the last one that can be a baseline. Only a survey
        before care can: on the day of the first session at the latest, or `max_days_into_care` days after it, and not
        after the last session.
    followup
        "last" (or "first"): that survey among those at least `min_days_between` days after the baseline and not before
        the day of the first session. It may be taken before the last session.
    min_days_between
        Days, 0 or more. The default, 14, is the time that the WHO-5 looks back over.
    max_days_into_care
        Days after the first session within which a survey can still be a baseline, 0 or more.
    prorate
        What to do about surveys some of whose items were not answered, as in `read_cohort`; None scores complete ones.
    missing, encoding, decimal, sep
        As in `read_cohort`, for all three tables.
    date_format
        How dates are written (`strptime` codes); None means ISO 8601: YYYY-MM-DD, with or without a local time.
    today
        Last day that a date may fall on; None means the day of the call, where on earth it is latest.
    set_aside
        As in `read_cohort`, for columns that are not computed from; those of a provider among them.

    Returns
    -------
    Cohort
        A row for each participant with a session and a survey, in the participants' order; those without are
        counted in `flow` ("no session" first, then "no WHO-5 survey", or "no survey" where these are of several
        instruments). A session's alliance is the mean of goal and bond (missing when either is), `alliance` the mean
        over rated sessions; `n_sessions` counts all sessions; `days_in_care` runs from the first session to the last;
        `provider_type` is the kind of provider seen, or "both", unless the participants' table gives it; `provider_id`
        is the provider of most sessions. A participant whose surveys do not yield a score stays, with a missing one;
        `why_missing` knows, and the flow counts, whose surveys came at the wrong time: "baseline WHO-5 after the last
        session", "baseline WHO-5 after the first session", "follow-up WHO-5 before care". Whoever has no baseline has
        no follow-up either. `sessions` holds the sessions of these participants.

    Raises
    ------
    UsageError
        When an option is impossible, or a file does not exist.
    DataError
        With everything that is wrong in all three tables; columns are named "sessions.goal".
    """
    check_options(
        baseline=baseline, followup=followup, min_days_between=min_days_between, max_days_into_care=max_days_into_care
    )
    check_prorate(prorate)
    mapped = _mappings(columns)
    scores: tuple[Score, ...] = WHO5_SURVEYS
    declared = check_levels(levels)
    types = declared.pop("provider_type", PROVIDER_TYPES)
    rules = {"participants": participant_rules(types), "sessions": session_rules(), "surveys": survey_rules(scores)}
    column_options = {name: ColumnOptions(mapped[name], {}) for name in TABLES}
    column_options["participants"] = ColumnOptions(
        mapped["participants"], declared, check_texts("categorical", categorical), check_texts("numeric", numeric)
    )
    check_column_options(column_options["participants"], rules["participants"])
    # Tables are read in other time zones than they were written in.
    latest = today or dt.datetime.now(dt.timezone(dt.timedelta(hours=14))).date()
    reading = ReadOptions(check_decimal(decimal), check_texts("missing", missing), date_format, latest)
    sources = dict(zip(TABLES, (participants, sessions, surveys), strict=True))
    parsed: dict[str, ParsedTable] = {}
    problems: dict[str, list[Problem]] = {name: [] for name in TABLES}
    for name in TABLES:
        try:
            raw = read_raw(sources[name], encoding=encoding, sep=sep, name=name)
        except DataError as error:
            problems[name] += error.problems
            continue
        if name == "surveys":
            renamed = {original: canonical for canonical, original in mapped[name].items()}
            scores = _surveyed([renamed.get(column, column) for column in raw.cells.columns])
            check_prorated(prorate, scores)
            rules[name] = survey_rules(scores)
        of_people = name == "participants"
        parsed[name] = parse_table(
            raw,
            rules[name],
            reading,
            column_options[name],
            further=of_people,
            set_aside=set_aside,
            table=name,
        )
        problems[name] += parsed[name].problems
    computed = (*OF_SESSIONS, *(f"{score.name}_{when}" for score in scores for when in ("baseline", "followup")))
    for name, linked in _link_problems(parsed, types, computed).items():
        problems[name] += linked
    label = ", ".join(dict.fromkeys(_label(source) for source in sources.values()))
    if any(problems.values()):
        raise DataError([problem for name in TABLES for problem in prefixed(problems[name], name)], source=label)
    data, excluded, why, prorated = join_scores(
        *(parsed[name].data for name in TABLES),
        baseline=baseline,
        followup=followup,
        min_days_between=min_days_between,
        max_days_into_care=max_days_into_care,
        prorate=prorate,
        scores=scores,
    )
    if "provider_type" in data:
        data["provider_type"] = data["provider_type"].cat.set_categories(list(types))
    sessions_of, people = parsed["sessions"].data, parsed["participants"]
    names = pd.Series([f"{row} of participants" for row in people.raw.rows], index=people.data[ID])
    aside: dict[str, tuple[Problem, ...]] = {}
    for table in ("participants", "sessions"):
        for column, wrong in parsed[table].aside.items():
            # What the participants' table gives is not derived from sessions.
            if column not in data:
                aside.setdefault(column, tuple(prefixed(wrong, table)))
    notes = tuple(note for name in TABLES for note in prefixed(parsed[name].notes, name))
    return Cohort(
        data,
        source=label,
        excluded=excluded,
        sessions=sessions_of,
        why_missing=why,
        aside=aside,
        notes=notes,
        prorated=prorated,
        row_names=pd.Index(names.reindex(data[ID])),
        session_names=pd.Index([f"{row} of sessions" for row in parsed["sessions"].raw.rows]),
    )


def _label(source: str | Path | pd.DataFrame) -> str:
    return "DataFrame" if isinstance(source, pd.DataFrame) else Path(source).name


def _mappings(columns: Mapping[str, Mapping[str, str]] | None) -> dict[str, dict[str, str]]:
    by_table = {} if columns is None else columns
    if not isinstance(by_table, Mapping) or not set(by_table) <= set(TABLES):
        raise UsageError(
            f"{argument('columns')} should map each table ('participants', 'sessions', 'surveys') to its own names, as "
            f"in {argument('columns', {'surveys': {'date': 'filled in on'}})}."
        )
    return {name: check_mapping(by_table.get(name)) for name in TABLES}


def _surveyed(columns: Sequence[str]) -> tuple[Score, ...]:
    """The instruments whose items a table of surveys has, all of them; the WHO-5 where it has those of no other."""
    scores = [
        score
        for score in scores_in(columns, {})
        if not score.asked and score.items and set(score.items) <= set(columns)
    ]
    surveyed = [score for score in scores if (named := named_after(score.name)) is not None and not named.when]
    others = [score for score in surveyed if score.instrument is not WHO5_SURVEYS[0].instrument]
    return tuple(others) if others and not set(WHO5_SURVEYS[0].items) & set(columns) else (*WHO5_SURVEYS, *others)


def _link_problems(
    parsed: Mapping[str, ParsedTable], provider_types: Sequence[str], computed: Sequence[str]
) -> dict[str, list[Problem]]:
    """List what is wrong between tables, and between the rows of one.

    Parameters
    ----------
    parsed
        "participants", "sessions" and "surveys", those of them that could be read.
    provider_types
        Declared levels of a participant's provider type.
    computed
        Columns that sessions and surveys tell.

    Returns
    -------
    dict of str to list of Problem
        By table.
    """
    people, sessions = parsed.get("participants"), parsed.get("sessions")
    problems: dict[str, list[Problem]] = {name: [] for name in parsed}
    if people is not None:
        problems["participants"] += _computed(people, computed)
    for name, keys in _KEYS.items():
        if name in parsed:
            problems[name] += _orphans(parsed[name], people) + _repeats(parsed[name], keys, name.removesuffix("s"))
    if sessions is not None and people is not None and "provider_type" not in people.data:
        problems["sessions"] += _underivable(sessions, provider_types)
    return problems


def _computed(people: ParsedTable, computed: Sequence[str]) -> list[Problem]:
    what = "is computed from sessions and surveys, so it may not be given"
    remedy = "Remove or rename the column."
    return [Problem(people.names[name], None, None, what, remedy) for name in computed if name in people.data]


def _orphans(table: ParsedTable, people: ParsedTable | None) -> list[Problem]:
    if people is None or ID not in people.data or ID not in table.data:
        return []
    ids = table.data[ID]
    unknown = ids.notna() & ~ids.isin(people.data[ID].dropna())
    # Of several people who are alike the first.
    like = {likeness(known): known for known in reversed(people.data[ID].dropna().tolist())}
    problems = []
    for row in np.flatnonzero(unknown):
        near = like.get(likeness(ids.iloc[row]))
        what, remedy = "is not in the participants' table", "Add the participant, or remove the row."
        if near is not None:
            what = f"{what}, which has {near!r}"
            remedy = f"Write {near!r} if that is meant; else add the participant, or remove the row."
        problems.append(table.problem(ID, int(row), what, remedy))
    return problems


def _repeats(table: ParsedTable, keys: Sequence[str], noun: str) -> list[Problem]:
    """List rows with the participant and time (and provider) of an earlier row: an export's duplicates, as a rule."""
    if not {ID, "date"} <= set(table.data.columns):
        return []
    here = [key for key in keys if key in table.data]
    complete = table.data[here][table.data[ID].notna() & table.data["date"].notna()]
    first: dict[tuple[object, ...], int] = {}
    problems = []
    # Missing keys become "" so that they compare equal; no provider is called that.
    cells = complete.astype(object).where(complete.notna(), "")
    for row, key in zip(cells.index.tolist(), cells.itertuples(index=False, name=None), strict=True):
        if first.setdefault(key, row) != row:
            what = f"repeats the {noun} in row {table.raw.rows[first[key]]}"
            problems.append(table.problem("date", row, what, f"Remove one of them, or give the time of each {noun}."))
    return problems


def _underivable(sessions: ParsedTable, provider_types: Sequence[str]) -> list[Problem]:
    lacking = [repr(level) for level in PROVIDER_TYPES if level not in provider_types]
    if "provider_type" not in sessions.data or not lacking:
        return []
    yields = ", ".join(map(repr, PROVIDER_TYPES))
    what = f"yields the levels {yields}, but {argument('levels')} leaves out {', '.join(lacking)}"
    return [
        Problem(sessions.names["provider_type"], None, None, what, "List all of them, in the order that is wanted.")
    ]
