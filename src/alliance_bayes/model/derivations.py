"""Rows and columns that a model makes of a cohort: a closed list of ways, in which no expression is evaluated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from alliance_bayes.cohort import Cohort, session_cohort, with_alliance_parts
from alliance_bayes.cohort.flow import step_of
from alliance_bayes.cohort.names import CHANGE, MISSING_REASONS
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import is_number
from alliance_bayes.model.nodes import Windowed
from alliance_bayes.model.roles import Role
from alliance_bayes.model.windows import with_windows
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import call, setting

__all__ = ["DERIVED", "ROWS", "Derivations", "only_among", "problems_of"]

type RowsOf = Literal["participants", "sessions"]
ROWS: tuple[RowsOf, ...] = get_args(RowsOf.__value__)

#: Columns that `with_alliance_parts` makes of single ratings.
DERIVED = ("alliance_first", "alliance_early", "alliance_provider", "alliance_within", "provider_clients")

# How a cut is called, which values are on its side, and what those of the other are called after the column.
_CUTS: Mapping[str, tuple[Callable[[pd.Series, float], pd.Series], str]] = {
    "at_least": (pd.Series.ge, "below {}"),
    "above": (pd.Series.gt, "of {} or less"),
    "at_most": (pd.Series.le, "above {}"),
    "below": (pd.Series.lt, "of {} or more"),
}


def problems_of(rows: object, derived: object, events: object, among: object) -> Iterator[str]:
    """Everything that is wrong with declared rows and columns, a sentence or two each."""
    if rows not in ROWS:
        yield f"{setting('rows')} should be one of {', '.join(map(repr, ROWS))} but got {shown(rows)}."
    if not (isinstance(derived, (list, tuple)) and all(isinstance(name, str) for name in derived)):
        yield f"{setting('derived')} should be a list of names but got {shown(derived)}."
    elif unknown := [shown(name) for name in derived if name not in DERIVED]:
        yield f"{setting('derived')} names {', '.join(unknown)}. What can be derived: {', '.join(DERIVED)}."
    for key, cuts, check in (("events", events, _event), ("among", among, _among)):
        if not isinstance(cuts, Mapping):
            yield f"{setting(key)} should be a table but got {shown(cuts)}."
            continue
        for name, cut in cuts.items():
            yield from check(name, cut)


def _event(name: object, cut: object) -> Iterator[str]:
    subject = f"the event {shown(name)}"
    if not (isinstance(cut, Mapping) and isinstance(cut.get("column"), str) and cut["column"]):
        yield f"{subject} should have a column, such as column = 'who5_change', but got {shown(cut)}."
        return
    yield from _cut(subject, {key: value for key, value in cut.items() if key != "column"}, "column and ")


def _among(name: object, cut: object) -> Iterator[str]:
    subject = f"the limit of {shown(name)} under {setting('among')}"
    if not isinstance(cut, Mapping):
        yield f"{subject} should be a table such as {{at_most = 28}} but got {shown(cut)}."
        return
    yield from _cut(subject, cut, "")


def _cut(subject: str, limits: Mapping[Any, object], before: str) -> Iterator[str]:
    if len(limits) != 1 or not set(limits) <= set(_CUTS):
        keys = ", ".join(map(shown, limits)) or "none"
        yield f"{subject} should have {before}one of {', '.join(_CUTS)}, but its limits are {keys}."
        return
    (value,) = limits.values()
    if not is_number(value):
        yield f"{subject}: the limit should be a finite number but got {shown(value)}."


@dataclass(frozen=True, slots=True)
class Derivations:
    """What a model makes of a cohort before it is applied.

    Parameters
    ----------
    rows
        Of what a row is: ``"participants"``, or ``"sessions"`` (see `session_cohort`).
    derived
        Columns of `DERIVED` that are made of single ratings.
    events
        Columns that are 1 where another column is beyond a limit, 0 where it is not, and missing where it is.
    among
        Columns with the limit within which a row is taken.
    windows
        Columns that are made of several rows; of all of them, before ``among`` takes some.
    factors, roles
        Pooled factors, and their declared roles.

    Raises
    ------
    ModelError
        Everything that is wrong with them at once.
    """

    rows: str = "participants"
    derived: tuple[str, ...] = ()
    events: Mapping[str, Mapping[str, str | float]] = field(default_factory=dict)
    among: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    windows: tuple[Windowed, ...] = ()
    factors: tuple[str, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = list(problems_of(self.rows, self.derived, self.events, self.among))
        if not problems and self.rows == "sessions" and self.derived:
            problems = [
                f"{setting('derived')} makes columns of participants, but {setting('rows', 'sessions')} asks for one "
                "row a session. Leave one of them out."
            ]
        if not problems and (chained := [name for name, cut in self.events.items() if cut["column"] in self.events]):
            problems = [
                f"the event {shown(chained[0])} is made of another event. Name the column that this is made of."
            ]
        if problems:
            raise ModelError(" ".join(problems))
        object.__setattr__(self, "derived", tuple(dict.fromkeys(self.derived)))
        for name in ("events", "among"):
            cuts = {key: ReadOnly(dict(cut)) for key, cut in getattr(self, name).items()}
            object.__setattr__(self, name, ReadOnly(cuts))

    def check_used(self, columns: Sequence[str]) -> None:
        """Refuse declared columns that a model does not have.

        Raises
        ------
        ModelError
            Any of them.
        """
        unused = [name for name in (*self.derived, *self.events) if name not in columns]
        if unused:
            raise ModelError(
                f"{', '.join(map(shown, unused))} would be made and is not in the model, whose columns are "
                f"{', '.join(columns)}. Take it out of {setting('derived')} or {setting('events')}."
            )

    def of(self, cohort: Cohort) -> Cohort:
        """The rows of a cohort with the derived columns; applied twice it is what it is applied once.

        Raises
        ------
        UsageError
            Sessions, providers or columns that are needed and not there, or an event's column that is there already
            with other values.
        DataError
            A column that is needed could not be read.
        """
        if self.rows == "sessions" and (cohort.sessions is not None or cohort.person is None):
            cohort = session_cohort(cohort)
        if self.derived:
            cohort = _with_parts(cohort, self.derived)
        for name, event in self.events.items():
            cohort = _with_event(cohort, name, event)
        cohort = with_windows(cohort, self.windows, self.factors, self.roles)
        for name, limit in self.among.items():
            cohort = only_among(cohort, name, limit)
        return cohort


def _with_parts(cohort: Cohort, names: tuple[str, ...]) -> Cohort:
    """Parts of the alliance; those that the table has are used as they are, where it has all of them."""
    present = [name for name in names if name in cohort.data or name in cohort.aside]
    lacking = [name for name in names if name not in present]
    if not lacking:
        return cohort
    if present:
        raise UsageError(
            f"{cohort.source} has {', '.join(map(repr, present))} and lacks {', '.join(map(repr, lacking))}, which "
            "belong together. Remove what is there, so that all are made of the sessions."
        )
    others = [name for name in DERIVED if name in cohort.data]
    parts = with_alliance_parts(dataclasses.replace(cohort, data=cohort.data.drop(columns=others))).data
    if unknown := [name for name in names if name not in parts]:
        raise UsageError(
            f"{cohort.source}: {', '.join(map(repr, unknown))} cannot be made, since the sessions do not name the "
            "provider. Give them a column 'provider_id'."
        )
    return dataclasses.replace(cohort, data=cohort.data.assign(**{name: parts[name].array for name in names}))


def _with_event(cohort: Cohort, name: str, event: Mapping[str, str | float]) -> Cohort:
    """A column that says where an event happened; who lacks what it is made of has no value for the same reason."""
    column = str(event["column"])
    values = _numbers(cohort, column, f"the event {name!r}")
    ((kind, limit),) = ((key, float(value)) for key, value in event.items() if key != "column")
    happened = _CUTS[kind][0](values, limit).astype("float64").where(values.notna())
    if name in cohort.aside or (name in cohort.data and not happened.equals(cohort.data[name])):
        raise UsageError(
            f"{cohort.source} has a column {name!r} with other values than those of the event {name!r}. Rename or "
            f"remove it, or take the event out of {setting('events')}."
        )
    source = "who5_followup" if column == CHANGE else column
    why = {**cohort.why_missing, name: cohort.why_missing.get(source, {})}
    return dataclasses.replace(cohort, data=cohort.data.assign(**{name: happened}), why_missing=why)


def only_among(cohort: Cohort, name: str, limit: Mapping[str, float]) -> Cohort:
    """Only rows with a value within a limit; the flow counts the others.

    Parameters
    ----------
    cohort
        Any cohort.
    name
        A numeric column.
    limit
        One of ``at_least``, ``above``, ``at_most`` and ``below`` with its value.

    Raises
    ------
    UsageError, DataError
        The column is not there, not numeric or could not be read.
    """
    values = _numbers(cohort, name, setting("among"))
    ((kind, value),) = limit.items()
    side, beyond = _CUTS[kind]
    keep = side(values, float(value))
    reason = MISSING_REASONS.get(name, "")
    words = reason.removeprefix("no ") if reason.startswith("no ") else name
    everybody = np.ones(len(keep), dtype=bool)
    step = step_of(f"{words} {beyond.format(f'{value:g}')}, or missing", everybody, keep.to_numpy(), cohort.persons)
    return dataclasses.replace(cohort, data=cohort.data[keep], excluded=(*cohort.excluded, step))


def _numbers(cohort: Cohort, name: str, subject: str) -> pd.Series:
    # Says of a column that is not there, or could not be read, what every other use of it says.
    cohort.complete([name])
    if not pd.api.types.is_numeric_dtype(cohort.data[name]):
        raise UsageError(
            f"{cohort.source}: {subject} needs numbers, but the column {name!r} has levels. Name another column, or "
            f"read it as numbers with {call('read_cohort')}."
        )
    return cohort.data[name]
