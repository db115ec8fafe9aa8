"""Read a table with one row a participant, or several."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import MISSING, CellError, level_label
from alliance_bayes.cohort.cohort import Cohort
from alliance_bayes.cohort.convert import ReadOptions
from alliance_bayes.cohort.files import read_raw
from alliance_bayes.cohort.flow import ROW, check_unit
from alliance_bayes.cohort.header import LACKING, check_mapping
from alliance_bayes.cohort.items import (
    BUILT_IN_SCORES,
    Prorate,
    Prorated,
    Rule,
    Score,
    check_instruments,
    check_prorate,
    check_prorated,
    check_subscales,
    disagreeing,
    prorate_of,
    prorating,
    score_column,
    scores_in,
    without_score,
)
from alliance_bayes.cohort.joined import JoinedTables, check_join
from alliance_bayes.cohort.names import CHANGE, ID, TABLE_NUMBER
from alliance_bayes.cohort.parsing import ColumnOptions, ParsedTable, check_column_options, parse_table
from alliance_bayes.cohort.persons import long_rules, of_persons, person_problems, time_problems
from alliance_bayes.cohort.programs import plain_label
from alliance_bayes.cohort.raw import RawTable
from alliance_bayes.cohort.schema import ColumnRule, cohort_rules, named_rules
from alliance_bayes.cohort.wide import check_wide, to_long
from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.instruments import Instrument
from alliance_bayes.kinds import is_several
from alliance_bayes.remedies import argument, call

__all__ = ["read_cohort"]

#: What the change is made of.
_CHANGED = ("who5_baseline", "who5_followup")
#: Why a score is missing of which some items are not.
_INCOMPLETE = "some items are missing"


def read_cohort(
    source: str | Path | pd.DataFrame | RawTable,
    *,
    columns: Mapping[str, str] | None = None,
    levels: Mapping[str, Sequence[str]] | None = None,
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    missing: Sequence[str] = MISSING,
    encoding: str | None = None,
    decimal: str = ".",
    sep: str | None = None,
    sheet: str | None = None,
    prorate: Prorate = None,
    set_aside: bool = False,
    person: str | None = None,
    time: str | None = None,
    unit: str = ROW,
    date_format: str | None = None,
    instruments: Mapping[str, str] | None = None,
    subscales: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    wide: Mapping[str, str] | None = None,
    join: Mapping[str, Any] | None = None,
) -> Cohort:
    """Read, check and score a table with one row a participant, or a long one with several.

    Nothing is converted that does not say plainly what it is, and no row is left out: a cell that breaks a rule is an
    error, and all errors are reported together. A table need not hold every known column; those it holds are checked.

    Parameters
    ----------
    source
        Path of a text (.csv, .tsv, .tab, also compressed, .csv.gz; or a pipe), of a Parquet, Feather or Arrow file, a
        workbook (.xlsx, .xlsb, .xls, .ods), or a file of SPSS (.sav, .zsav, .por), Stata (.dta), SAS (.sas7bdat, .xpt)
        or R (.rds); or a DataFrame, whose text cells are read as those of a CSV file are.
    columns
        Canonical name -> name in the table: ``{"age": "Age at intake"}``.
    levels
        Column -> its allowed levels in order. Undeclared levels are those of the data, sorted (a categorical column
        of a DataFrame, Parquet or R file declares its own, and so do value labels). Codes are levels by their value:
        1, 1.0 and "1.00" are one level, "01" is another.
    categorical, numeric
        Further columns to be read as a factor or as numbers whatever their cells look like. Otherwise a further
        column is numeric when all its values are numbers, and a factor when none is; codes with leading zeros (007)
        are text. One that nobody asks for and that cannot be read (a mixture, say) is an error for whoever uses it.
    missing
        Texts that stand for a missing value, as an empty cell always does. A declared level is never one of them.
    encoding
        Of a text file; by default what its byte-order mark says (UTF-8, 16 or 32), else UTF-8.
    decimal
        Decimal mark of numbers written as text: "." or ",".
    sep
        Separator of a text file: by default what a first line ``sep=;`` says, else "," for .csv and a tab for .tsv and
        .tab. A space stands for any number of spaces.
    sheet
        Name of a workbook's sheet; by default the only one that holds anything.
    prorate
        What to do about a score whose items were not all answered. None: it is missing. A share in (0, 1]: it is given
        to those who answered at least that share, by their own mean, and may lie between the steps of its scale.
        "instrument": by the instrument's own rule, where one is known (`Instrument.missing`). A mapping says so by
        instrument or by column: ``{"phq9": 0.75, "core_om": "instrument"}``; scores that it does not name need all.
    set_aside
        Whether known columns, too, are set aside where they break a rule, and are an error only for whoever uses them,
        as further columns always are. Fits from a table or on the command line read so.
    person
        Column that says whose a row is, in a table with several rows a person. It is read as text, character by
        character, and every row must have one. People and rows are then counted apart, and no person is named.
    time
        Column that says when a row was, of numbers or of dates; every row must have one, and no person two rows at one
        time. Only with `person`.
    unit
        What a row is called, a noun in the singular: "session", "week", "visit". Only with `person`.
    date_format
        How dates in `time` are written, such as "%d.%m.%Y"; by default YYYY-MM-DD.

    instruments
        Which instrument of the catalogue a column is a score of, where its name does not say so: ``{"mood": "phq9"}``,
        with the items ``mood_1`` ... ``mood_9``. Its range, steps, direction and thresholds are those of the column.
        ``{"alliance": "wai_sr"}``: the alliance is on that instrument's own scale, 12 to 60, and no mean rating of 1 to
        5; models of the cohort, their priors and the study take it as it is.
    subscales
        Scores of subscales to be made, by score and subscale: ``["wai_goal", "core_om_baseline_risk"]``.
    labels
        What a page of a model calls a column, by its name: ``{"age": "age at intake"}``. By default what a file of
        SPSS, Stata, SAS or R calls it (its variable label), else its name.
    wide
        Measure -> pattern of its columns, in a table with one row a person and a column a time:
        ``{"who5": "who5_t{time}"}`` for `who5_t1` ... `who5_t6`; with "{item}" in both for items. Each person then has
        a row a time, the column `time` (or what `time` names) says which, and other columns are repeated. Only with
        `person`. Rows without a value of any measure are left out; whoever has none at all keeps one row.
    join
        Key -> a second table with one row for each value of it: ``{"therapist_id": "therapists.xlsx"}``, or a path and
        the name of a sheet. Its columns stand beside those of the first table. Keys are levels (1 is 1.0), and one that
        the second table lacks is an error, as is a column of both.

    Returns
    -------
    Cohort
        Known columns:

        * `participant_id`: text, kept character by character (007 and 1.0 stay so); numbered from 1 when there is none
          and no `person`, since a row then is a participant;
        * `age` 0-120 years, `days_in_care` 0 or more, `n_sessions` a whole number, 0 or more;
        * `sex`, `country`, `provider_type`, `modality`: factors ("video" comes before "in_person" where both occur);
        * `alliance` 1-5, or its items `alliance_goal` and `alliance_bond` (whole numbers 1-5; their mean), or the score
          of another instrument (see `instruments`);
        * `who5_baseline`, `who5_followup`: 0-100 in steps of 4, or their items `who5_baseline_1` ... `_5` (0-5). Where
          a score and all its items are given they must agree; a score's empty cell is filled from the items;
        * any score of the catalogue's instruments, by its name or declared (`instruments`), or its items, numbered as
          the instrument has them: ``phq9_followup_1`` ... ``phq9_followup_9`` make `phq9_followup`. Items that are
          reversed are answers as they were given.

        The column of `person` is a factor (`participant_id` stays text), that of `time` numbers or dates.

    Raises
    ------
    UsageError
        When an option is impossible, or there is no such file.
    DataError
        When the table breaks a rule: every structural problem at once, else every cell's at once. Rows of files are
        numbered as a spreadsheet does (the header is row 1), cases of SPSS, Stata, SAS and R from 1, and rows of a
        DataFrame by index label.
    """
    check_prorate(prorate)
    declared = check_instruments(instruments, [rule.name for rule in cohort_rules(scores=())])
    wanted = check_subscales(subscales)
    column_options = ColumnOptions(
        check_mapping(columns),
        check_levels(levels),
        check_texts("categorical", categorical),
        check_texts("numeric", numeric),
    )
    patterns, second = check_wide(wide, person=person, time=time), check_join(join)
    # Of a wide table, times are made and not read.
    at = time if patterns is None else None
    long = partial(long_rules, options=column_options, person=person, unit=check_unit(unit))
    known = cohort_rules(scores=scores_in((), declared))
    check_column_options(column_options, long(known, time=at))
    if date_format is not None and time is None:
        raise UsageError(f"{argument('date_format')} is how dates in {argument('time')} are written. Name that column.")
    reading = ReadOptions(
        decimal=check_decimal(decimal), missing=check_texts("missing", missing), date_format=date_format
    )
    raw = source if isinstance(source, RawTable) else read_raw(source, encoding=encoding, sep=sep, sheet=sheet)
    if TABLE_NUMBER in raw.cells:
        raise UsageError(
            f"{raw.source} numbers completed tables in '{TABLE_NUMBER}', so that its rows are not all of different "
            f"people. Read it with {call('read_imputed')}."
        )
    if patterns is not None:
        raw, numbered = to_long(raw, patterns, missing=reading.missing)
        # Times that are names order no rows: they are levels.
        time = patterns.time if numbered else None
    called = {name: canonical for canonical, name in column_options.columns.items()}
    names = [called.get(name, name) for name in raw.cells.columns]
    scores, rules = _scores_and_rules(names, declared, wanted, prorate, column_options, (person, time))
    check_prorated(prorate, scores)
    rules = long(rules, time=time)
    here = [*names, *raw.aside]
    joined = JoinedTables(
        second, here, column_options, rules, reading, person=person, encoding=encoding, set_aside=set_aside
    )
    parsed = parse_table(raw, rules, reading, joined.options, set_aside=set_aside)
    data = parsed.data.copy()
    aside = {**joined.aside, **parsed.aside}
    # What joins is told with the table that it joins.
    problems = [one for one in parsed.problems if not (one.what == LACKING and one.column in second)]
    data, between = joined.beside(data, parsed)
    problems += between
    if person is not None and person in data:
        problems += person_problems(parsed, person)
        data[person] = of_persons(data[person])
        if time is not None and time in data:
            problems += time_problems(parsed, person, time)
    elif ID not in data and ID not in column_options.columns:
        data.insert(0, ID, pd.Series(range(1, len(data) + 1), index=data.index).astype("str"))
    persons = None if person is None or person not in data else pd.factorize(data[person])[0]
    prorated: dict[str, Prorated] = {}
    for score in scores:
        rule = prorate_of(prorate, score)
        data, wrong, filled = _score(data, parsed, score, rule, persons)
        wrong = wrong or _of_items(data, aside, score)
        if wrong and (set_aside or not score.asked):
            aside[score.name] = tuple(wrong)
            data = data.drop(columns=score.name, errors="ignore")
        elif wrong:
            problems += wrong
        elif filled is not None:
            prorated[score.name] = filled
    problems += _absent(declared, data, aside, names)
    if of := [problem for name in _CHANGED for problem in aside.get(name, ())]:
        aside.setdefault(CHANGE, tuple(of))
        data = data.drop(columns=CHANGE, errors="ignore")
    if differing := _change_problems(data, parsed):
        if set_aside:
            aside[CHANGE] = tuple(differing)
        else:
            problems += differing
    if problems:
        raise DataError(problems, source=parsed.raw.source)
    usual = {score.name: score.instrument for score in BUILT_IN_SCORES}
    declared_as = {name: instrument.name for name, instrument in declared.items() if usual.get(name) is not instrument}
    return Cohort(
        data,
        source=parsed.raw.source,
        aside=aside,
        notes=(*parsed.notes, *joined.notes),
        person=person,
        time=time,
        unit=unit,
        instruments=declared_as,
        prorated=prorated,
        labels={**parsed.labels, **joined.labels, **check_labels(labels, data.columns)},
        wide={} if patterns is None else patterns.patterns,
        join=joined.sources,
        reasons=_with_scores(joined.reasons(parsed.reasons), scores, data),
        row_names=pd.Index(parsed.raw.rows),
        joined_rows=joined.rows(data),
    )


def _with_scores(reasons: pd.DataFrame | None, scores: Sequence[Score], data: pd.DataFrame) -> pd.DataFrame | None:
    """Why cells are empty, also of scores: for the one reason that their items have, or since only some were answered.

    Without the latter, who answered eight items of nine would pass for somebody who did not come back.
    """
    known = pd.DataFrame(index=data.index) if reasons is None else reasons
    added: dict[str, pd.Series] = {}
    for score in scores:
        items = [item for item in score.own_items if item in data]
        if not items or score.name not in data or score.name in known:
            continue
        answered, lacking = data[items].notna(), data[score.name].isna()
        why = pd.Series(None, index=data.index, dtype=object)
        why[lacking & answered.any(axis=1) & ~answered.all(axis=1)] = _INCOMPLETE
        if coded := [item for item in items if item in known]:
            texts = known[coded].astype(object)
            alone = (texts.nunique(axis=1) == 1) & lacking
            why = texts.bfill(axis=1).iloc[:, 0].where(alone, why)
        if why.notna().any():
            added[score.name] = why
    return reasons if not added else known.assign(**added)


def _scores_and_rules(
    names: Sequence[str],
    declared: Mapping[str, Instrument],
    subscales: Sequence[str],
    prorate: Prorate,
    options: ColumnOptions,
    taken: tuple[str | None, ...],
) -> tuple[tuple[Score, ...], tuple[ColumnRule, ...]]:
    """The scores of a table with these columns, and the rules of all columns that are known by name."""
    plain = {rule.name for rule in cohort_rules(scores=())}
    otherwise = {*plain, *options.levels, *options.categorical, *(name for name in taken if name is not None)}
    scores = scores_in(names, declared, subscales=subscales, otherwise=otherwise)
    between = [score.name for score in scores if prorate_of(prorate, score) is not None]
    rules = cohort_rules(prorated=between, scores=scores)
    known = {rule.name for rule in rules} | otherwise
    return scores, (*rules, *named_rules([name for name in names if name not in known], scores))


def _absent(
    declared: Mapping[str, Instrument], data: pd.DataFrame, aside: Mapping[str, object], names: Sequence[str]
) -> list[Problem]:
    """Declared scores of which the table has neither the column nor an item."""
    return [
        Problem(
            name,
            None,
            None,
            f"is declared as a score of the {instrument.name}, and neither it nor its items are in the table",
            f"Leave it out of {argument('instruments')}, or map its columns: {argument('columns', {name: ...})}. "
            f"Columns: {', '.join(names)}.",
        )
        for name, instrument in declared.items()
        if name not in data and name not in aside and not any(item in names for item in _numbered(name, instrument))
    ]


def _numbered(name: str, instrument: Instrument) -> list[str]:
    return [f"{name}_{item}" for item in range(1, instrument.n_items + 1)]


def check_levels(levels: Mapping[str, Sequence[str]] | None) -> dict[str, tuple[str, ...]]:
    """Copy declared levels as labels; anything odd is left for `check_column_options` to refuse."""
    if levels is None:
        return {}
    if not isinstance(levels, Mapping) or not all(is_several(listed) for listed in levels.values()):
        raise UsageError(
            f"{argument('levels')} should map columns to lists of levels, as in "
            f"{argument('levels', {'sex': ['female', 'male']})}."
        )
    try:
        return {name: tuple(level_label(level) for level in listed) for name, listed in levels.items()}
    except CellError as bad:
        raise UsageError(f"a declared level {bad.what}. {bad.remedy}") from bad


def check_labels(labels: Mapping[str, str] | None, columns: Collection[str]) -> dict[str, str]:
    """What columns are called in words, in one line each.

    Raises
    ------
    UsageError
        No mapping of columns of the table to texts.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping) or not all(
        isinstance(text, str) and plain_label(text) for text in labels.values()
    ):
        example = argument("labels", {"age": "age at intake"})
        raise UsageError(f"{argument('labels')} should map columns to what they are called, as in {example}.")
    if unknown := [name for name in labels if name not in columns]:
        raise UsageError(
            f"{argument('labels')} names {unknown[0]!r}, which is no column that was read. Columns: "
            f"{', '.join(map(str, columns))}."
        )
    return {name: plain_label(text) for name, text in labels.items()}


def check_texts(name: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Return several texts as a tuple, or raise UsageError when the argument is one text or holds anything else."""
    several = isinstance(texts, Iterable) and not isinstance(texts, str)
    if not several or not all(isinstance(text, str) for text in texts):
        raise UsageError(
            f"{argument(name)} should be a sequence of texts but got {shown(texts)}. Write {argument(name, ['...'])}."
        )
    return tuple(texts)


def check_decimal(decimal: str) -> str:
    """Return the decimal mark, or raise UsageError."""
    if not isinstance(decimal, str) or decimal not in (".", ","):
        raise UsageError(f"{argument('decimal')} should be '.' or ',' but got {shown(decimal)}.")
    return decimal


def _score(
    data: pd.DataFrame, parsed: ParsedTable, score: Score, rule: Rule, persons: np.ndarray | None
) -> tuple[pd.DataFrame, list[Problem], Prorated | None]:
    """Add a score from its items, or check the one that is there against them."""
    name = score.name
    here = [item for item in score.items if item in data]
    if not here or any(item in parsed.aside for item in score.items) or name in parsed.aside:
        return data, [], None
    if len(here) < len(score.items):
        return data, [] if name in data else without_score(score, here, parsed.names), None
    if any(problem.column in {parsed.names[item] for item in score.items} for problem in parsed.problems):
        # The items' own problems come first; a score of wrong items would only repeat them.
        return data, [], None
    if not score.instrument.scored:
        remedy = f"Score them by the authors' manual, give '{name}', and rename the items."
        what = f"is an item of the {score.instrument.name}, of which it is not known here which items are reversed"
        return data, [] if name in data else [Problem(parsed.names[here[0]], None, None, what, remedy)], None
    scored = score_column(data, score, rule)
    filled = prorating(data, score, rule, persons)
    if name not in data:
        return data.assign(**{name: scored}), [], filled
    given_scores = data[name]
    wrong = disagreeing(given_scores, scored, score, data[list(score.own_items)].notna().all(axis=1).to_numpy())
    problems = [
        parsed.problem(
            name, int(row), f"differs from the score of its items ({scored.iloc[row]:g})", "Correct one of them."
        )
        for row in wrong
    ]
    return data.assign(**{name: given_scores.fillna(scored)}), problems, filled


def _of_items(data: pd.DataFrame, aside: Mapping[str, tuple[Problem, ...]], score: Score) -> list[Problem]:
    """What is wrong with the items of a score that the table does not give."""
    if score.name in data or score.name in aside:
        return []
    return [problem for item in score.items for problem in aside.get(item, ())]


def _change_problems(data: pd.DataFrame, parsed: ParsedTable) -> list[Problem]:
    """List changes in the table that are not follow-up minus baseline; the cohort's own are always computed."""
    if not {CHANGE, *_CHANGED} <= set(data.columns):
        return []
    change = data["who5_followup"] - data["who5_baseline"]
    differs = (change - data[CHANGE]).abs() > 0.01
    remedy = "Correct it, or remove the column: it is always computed."
    problems = {int(row): "is not follow-up minus baseline" for row in np.flatnonzero(differs)}
    for name in _CHANGED:
        alone = np.flatnonzero(data[CHANGE].notna() & data[name].isna())
        problems |= {int(row): f"is a change, but there is no {parsed.names[name]!r} in this row" for row in alone}
    return [parsed.problem(CHANGE, row, what, remedy) for row, what in sorted(problems.items())]
