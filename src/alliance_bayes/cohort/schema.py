"""What each known column must hold, said once: a rule a column, and which cells break it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import MISSING, visible
from alliance_bayes.cohort.convert import Fault
from alliance_bayes.cohort.items import BUILT_IN_SCORES, Score
from alliance_bayes.cohort.names import CHANGE, FACTORS, ID, LEVELS_FIRST, SESSION_PROVIDER_TYPES
from alliance_bayes.instruments import ALLIANCE2, WHO5, Instrument
from alliance_bayes.instruments.naming import named_after
from alliance_bayes.remedies import argument

__all__ = [
    "ColumnRule",
    "cohort_rules",
    "named_rules",
    "participant_rules",
    "rule_faults",
    "same_looking",
    "session_rules",
    "survey_rules",
]

# Numbers that data sets have in place of a missing value.
_MISSING_CODE = re.compile(r"-[789]|-?(7{2,}|8{2,}|9{2,})")
_MARKS = [mark for mark in MISSING if mark]
_CORRECT = "Correct it, or leave the cell empty if it is unknown."


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What one column must hold.

    Parameters
    ----------
    name
        Canonical name.
    kind
        "id" (text, no two alike), "key" (text), "person" (text, of a table with several rows a person), "number",
        "factor", "date" or "time" (a number or a date); only numbers and factors may be missing.
    low, high
        Bounds of a number, both allowed; None for no bound.
    remedy
        What to do about a number beyond them.
    step
        Numbers must lie this far apart, counted from `low`; None when any number will do.
    what
        What the number is: "years".
    step_remedy
        What to do about a number between two steps.
    levels
        Levels of a factor that are declared from the start.
    first
        Levels that come first, in this order, when none are declared and all of them occur.
    fixed
        Whether the caller cannot declare others.
    required
        Whether the table must have the column.
    may_be_empty
        Whether the column may hold no value at all.
    repeated
        What to do about an identifier that is there twice.
    called
        What an identifier is called: a second table has keys.
    private
        Whether messages give an identifier's row alone.
    by_name
        Whether nobody asked for the column, which is told by its name alone: what is wrong with it is then told to
        those who use it.
    """

    name: str
    kind: Literal["id", "key", "person", "number", "factor", "date", "time"]
    low: float | None = None
    high: float | None = None
    step: float | None = None
    what: str = ""
    step_remedy: str = _CORRECT
    levels: tuple[str, ...] | None = None
    first: tuple[str, ...] = ()
    fixed: bool = False
    required: bool = False
    may_be_empty: bool = False
    remedy: str = _CORRECT
    repeated: str = "Keep one row for each participant."
    called: str = "identifier"
    private: bool = False
    by_name: bool = False

    @property
    def range_text(self) -> str:
        """The broken rule when a number is out of bounds."""
        named = f" ({self.what})" if self.what else ""
        if self.low is None or self.high is None:
            return f"is above {self.high:g}{named}" if self.low is None else f"is below {self.low:g}{named}"
        return f"is outside {self.low:g} to {self.high:g}{named}"

    @property
    def step_text(self) -> str:
        """The broken rule when a number is between two steps."""
        if self.step == 1:
            return f"is not a whole number ({self.what})"
        assert self.low is not None
        assert self.step is not None
        return f"is not on the grid {self.low:g}, {self.low + self.step:g}, ..., {self.high:g} ({self.what})"


_ON_GRID = "Give the percentage score (the raw sum times 4), or leave the cell empty if it is unknown."


def _score_rule(score: Score, *, prorated: bool, named: bool) -> ColumnRule:
    """The rule of a score that the package knows or that is declared; see `cohort_rules`."""
    instrument = score.instrument
    (low, high), step = instrument.range_of(score.subscale), instrument.score_step
    on_grid = score.stepped and not prorated
    label = f"{instrument.name} {score.subscale}".strip() + " score"
    what = "mean alliance rating" if instrument is ALLIANCE2 else label
    if instrument is WHO5 or not named:
        return ColumnRule(score.name, "number", low, high, step if on_grid else None, what, _ON_GRID)
    remedy = _CORRECT
    if score.name == "alliance":
        scale = argument("instruments", {score.name: "wai_sr"})
        remedy = f"Correct it, leave the cell empty, or say on which instrument's scale it is: {scale}."
        if instrument is not ALLIANCE2:
            remedy = f"Correct it, or leave the cell empty; mean ratings of 1 to 5 need no {argument('instruments')}."
    between = f"Correct it, or pass {argument('prorate', 0.8)} if scores were made up for missing items."
    return ColumnRule(score.name, "number", low, high, step if on_grid else None, what, between, remedy=remedy)


def _item_rule(name: str, instrument: Instrument, *, required: bool = False, by_name: bool = False) -> ColumnRule:
    low, high = instrument.item_range
    what = "alliance rating" if instrument is ALLIANCE2 else f"{instrument.name} item"
    remedy = _CORRECT
    if by_name:
        base = name.rpartition("_")[0]
        remedy = (
            f"Correct it, or leave the cell empty. If '{name}' is no item but a score of its own, say so: "
            f"{argument('instruments', {name: base})}."
            if named_after(name) is not None
            else f"{_CORRECT} If '{name}' is no item, rename it: {argument('columns', {'new_name': name})}."
        )
    return ColumnRule(
        name,
        "number",
        low,
        high,
        instrument.item_step,
        what,
        remedy if by_name else _CORRECT,
        required=required,
        may_be_empty=by_name,
        remedy=remedy,
        by_name=by_name,
    )


def _another(name: str) -> str:
    """What to do about a column that is not what its name says."""
    return f"If it is another measure, rename it: {argument('columns', {'new_name': name})}."


def cohort_rules(
    *, prorated: bool | Collection[str] = False, scores: Iterable[Score] | None = None
) -> tuple[ColumnRule, ...]:
    """Rules of a table's known columns.

    Scores that may be made up for missing items (``prorated``: all, or those of these names) may lie between steps.
    ``scores`` are those of the table where whoever reads it may declare others than those that the package knows; those
    that are told by their names alone have rules of their own (`named_rules`).
    """
    several = f"Keep one row for each participant, or pass {argument('person', ID)} if participants have several rows."
    rules = [
        ColumnRule(ID, "id", repeated=several),
        ColumnRule("age", "number", 0, 120, what="years", remedy=f"{_CORRECT} {_another('age')}"),
        *(ColumnRule(name, "factor", first=LEVELS_FIRST.get(name, ())) for name in FACTORS),
        ColumnRule("n_sessions", "number", 0, step=1, what="sessions"),
        ColumnRule("days_in_care", "number", 0, what="days"),
    ]
    for score in BUILT_IN_SCORES if scores is None else scores:
        if score.asked:
            between = prorated if isinstance(prorated, bool) else score.name in prorated
            rules.append(_score_rule(score, prorated=between, named=scores is not None))
            rules += [_item_rule(item, score.instrument) for item in (() if score.subscale else score.items)]
    # A change is missing for everybody when nobody has both scores.
    rules.append(ColumnRule(CHANGE, "number", -100, 100, what="WHO-5 points", may_be_empty=True))
    return tuple(rules)


def named_rules(columns: Iterable[str], scores: Iterable[Score] = ()) -> list[ColumnRule]:
    """Rules of columns that are named after an instrument, of which nobody said anything.

    Scores must lie within the instrument's range, and items on its answers.

    Parameters
    ----------
    columns
        Names of columns without another rule.
    scores
        The table's, some of them with items.
    """
    items = {item: score.instrument for score in scores if not score.asked for item in score.items}
    rules = []
    for name in columns:
        if name in items:
            rules.append(_item_rule(name, items[name], by_name=True))
        elif (named := named_after(name)) is not None:
            low, high = named.score_range
            label = " ".join(filter(None, (named.instrument.name, named.subscale.replace("_", " "))))
            what = f"{label} {'change' if named.when == 'change' else 'score'}"
            remedy = f"{_CORRECT} {_another(name)}"
            rules.append(
                ColumnRule(name, "number", low, high, what=what, may_be_empty=True, remedy=remedy, by_name=True)
            )
    return rules


def participant_rules(provider_types: tuple[str, ...]) -> tuple[ColumnRule, ...]:
    """Rules of the participants' table."""
    return (
        ColumnRule(ID, "id", required=True),
        ColumnRule("age", "number", 0, 120, what="years"),
        ColumnRule("sex", "factor"),
        ColumnRule("country", "factor"),
        ColumnRule("provider_type", "factor", levels=provider_types),
        ColumnRule("modality", "factor", first=LEVELS_FIRST["modality"]),
    )


def session_rules() -> tuple[ColumnRule, ...]:
    """Rules of the sessions' table."""
    return (
        ColumnRule(ID, "key", required=True),
        ColumnRule("provider_id", "factor"),
        ColumnRule("provider_type", "factor", levels=SESSION_PROVIDER_TYPES, fixed=True),
        ColumnRule("date", "date", required=True),
        _item_rule("goal", ALLIANCE2, required=True),
        _item_rule("bond", ALLIANCE2, required=True),
    )


def survey_rules(scores: Iterable[Score]) -> tuple[ColumnRule, ...]:
    """Rules of the surveys' table, which has all items of some instruments."""
    return (
        ColumnRule(ID, "key", required=True),
        ColumnRule("date", "date", required=True),
        *(_item_rule(item, score.instrument, required=True) for score in scores for item in score.items),
    )


def rule_faults(
    column: pd.Series, rule: ColumnRule, *, skip: Collection[int], rows: Sequence[int | str | None]
) -> list[Fault]:
    """Check a converted column against its rule.

    Parameters
    ----------
    column
        The column, RangeIndex.
    rule
        Its rule.
    skip
        Positions that could not be converted and are reported already.
    rows
        Row names, to say where a repeated identifier was first.

    Returns
    -------
    list of Fault
        In row order; a cell's first broken part of the rule only.
    """
    first: dict[int, str] = {}
    for broken, cells in _broken(rule, column):
        for position in np.flatnonzero(cells).tolist():
            if position not in skip:
                first.setdefault(position, broken)
    return [_fault(rule, first[position], position, column, rows) for position in sorted(first)]


def _broken(rule: ColumnRule, column: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    """Parts of a rule in the order in which a cell's faults are told, each with the cells that break it."""
    empty = column.isna().to_numpy()
    if rule.kind in ("id", "key", "person", "date", "time"):
        yield "empty", empty
    if rule.kind == "id":
        yield "repeated", column.duplicated().to_numpy()
    if rule.kind == "number" or (rule.kind == "time" and pd.api.types.is_numeric_dtype(column.dtype)):
        numbers = column.to_numpy(float)
        low = float("-inf") if rule.low is None else rule.low
        high = float("inf") if rule.high is None else rule.high
        inside = (numbers >= low) & (numbers <= high)
        yield "range", ~(empty | inside)
        if rule.step is not None:
            yield "step", np.where(inside, numbers - low, 0.0) % rule.step != 0


def same_looking(column: pd.Series, rows: Sequence[int | str | None]) -> list[Fault]:
    """Identifiers that no reader can tell apart: one text in two Unicode forms, or with characters nobody sees."""
    first: dict[str, int] = {}
    faults = []
    texts = column.tolist()
    if all(isinstance(text, str) and text.isascii() for text in texts):
        return []
    reported: set[str] = set()
    for position, text in enumerate(texts):
        if isinstance(text, str) and not text.isascii():
            before = first.setdefault(visible(text), position)
            if texts[before] != text and text not in reported:
                reported.add(text)
                what = f"looks like the identifier in row {rows[before]}, and differs in Unicode form alone"
                faults.append(Fault(position, what, "Write both alike."))
        elif isinstance(text, str):
            first.setdefault(text, position)
    return faults


def _fault(rule: ColumnRule, broken: str, position: int, column: pd.Series, rows: Sequence[int | str | None]) -> Fault:
    if broken == "range":
        code = f"{column.iloc[position]:g}"
        named = f" If it stands for a missing value, pass {argument('missing', [*_MARKS, code])}."
        return Fault(position, rule.range_text, rule.remedy + (named if _MISSING_CODE.fullmatch(code) else ""))
    if broken == "step":
        return Fault(position, rule.step_text, rule.step_remedy)
    if broken == "empty":
        noun = rule.kind if rule.kind in ("date", "time") else rule.called
        return Fault(position, f"has no {noun}", f"Fill in the {noun}, or remove the row.")
    first = int((column == column.iloc[position]).to_numpy().argmax())
    return Fault(position, f"is already in row {rows[first]}", rule.repeated)
