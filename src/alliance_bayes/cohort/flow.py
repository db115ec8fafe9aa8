"""Participant flow: how many came in, how many were left out and why, how many were analysed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_bayes.errors import UsageError
from alliance_bayes.remedies import argument

__all__ = ["ROW", "Flow", "FlowStep", "check_unit", "counted", "merge_steps", "plural", "step_of"]


#: What a row is called where nobody says.
ROW = "row"
# A noun of a few words: it stands in sentences, headings and file contents as it is.
_UNIT = re.compile(r"[^\W\d_]+(?:[ -][^\W\d_]+){0,3}")
_LONGEST = 40


def check_unit(unit: object) -> str:
    """What a row is called, or UsageError."""
    if not isinstance(unit, str) or len(unit) > _LONGEST or not _UNIT.fullmatch(unit):
        raise UsageError(
            f"{argument('unit')} should be what one row is called, a noun of a few words such as 'session' or 'week', "
            f"but got {unit!r}."
        )
    return unit


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One reason for leaving people, or rows of them, out.

    Parameters
    ----------
    reason
        Why, as a noun phrase: "no follow-up WHO-5".
    n
        Rows left out at this step, which are people where a row is one; nothing is counted at two steps.
    people
        In a table with several rows a person, those whose rows these are.
    lost
        Those of them of whom no row is left.
    """

    reason: str
    n: int
    people: int | None = None
    lost: int | None = None

    def __post_init__(self) -> None:
        if self.n < 0:
            raise UsageError(
                f"FlowStep {self.reason!r}: n should be 0 or more but got {self.n}. Count people left out."
            )
        if (self.people is None) != (self.lost is None):
            raise UsageError(f"FlowStep {self.reason!r}: people and lost should be given together, or neither.")
        if self.people is not None and self.lost is not None and not 0 <= self.lost <= self.people <= self.n:
            raise UsageError(
                f"FlowStep {self.reason!r}: people ({self.people}) should be 0 to n ({self.n}), and lost ({self.lost}) "
                "0 to people. Count those whose rows are left out, and those of whom none is left."
            )


@dataclass(frozen=True, slots=True)
class Flow:
    """Participants in, left out by reason in order, and analysed (STROBE item 13).

    Parameters
    ----------
    participants
        Rows at the start, which are people where a row is one.
    steps
        Reasons in the order they were applied; the counts never overlap.
    people
        People at the start, where a table may have several rows of one; None where a row is a person.
    unit
        What a row is called there: "session".

    Raises
    ------
    UsageError
        When the steps leave out more rows or people than there were, or do not say how many people.
    """

    participants: int
    steps: tuple[FlowStep, ...] = ()
    people: int | None = None
    unit: str = ROW

    def __post_init__(self) -> None:
        check_unit(self.unit)
        if self.analysed < 0:
            raise UsageError(
                f"Flow: the steps leave out {self.participants - self.analysed} of {self.participants} participants. "
                "Count each person at one step only."
            )
        if any((step.people is None) != (self.people is None) for step in self.steps):
            raise UsageError("Flow: people should be counted at the start and at every step, or nowhere.")
        left = self.analysed_people
        if left is not None and not (left <= self.analysed and (left > 0) == (self.analysed > 0)):
            raise UsageError(f"Flow: {self.analysed} rows cannot be those of {left} people. Count both anew.")

    @property
    def analysed(self) -> int:
        """Rows that remain after the last step; people where a row is one."""
        return self.participants - sum(step.n for step in self.steps)

    @property
    def analysed_people(self) -> int | None:
        """People of whom a row remains after the last step; None where a row is a person."""
        return None if self.people is None else self.people - sum(step.lost or 0 for step in self.steps)

    def to_frame(self) -> pd.DataFrame:
        """Return the flow as a table.

        Returns
        -------
        pandas.DataFrame
            Columns `stage`, `left_out`, `remaining`: a row for everybody, one for each step, and one for those
            analysed. They count people, or in a table with several rows a person its rows; beside them are then
            `people_lost`, of whom no row is left, and `people_remaining`.
        """
        everybody = "participants" if self.people is None else "in the table"
        rows: list[tuple[str, int, int]] = [(everybody, 0, self.participants)]
        for step in self.steps:
            rows.append((step.reason, step.n, rows[-1][2] - step.n))
        rows.append(("analysed", 0, self.analysed))
        table = pd.DataFrame(rows, columns=["stage", "left_out", "remaining"])
        if self.people is None:
            return table
        lost = [0, *(step.lost or 0 for step in self.steps), 0]
        remaining = [self.people - sum(lost[: place + 1]) for place in range(len(lost))]
        return table.assign(people_lost=lost, people_remaining=remaining)

    def __str__(self) -> str:
        everybody = "participants" if self.people is None else "in the table"
        counts = [(everybody, self.participants, self.people)]
        counts += [(f"  left out: {step.reason}", step.n, step.lost) for step in self.steps]
        counts.append(("analysed", self.analysed, self.analysed_people))
        lines = [(label, f"{rows:,}", "" if people is None else f"{people:,}") for label, rows, people in counts]
        if self.people is not None:
            lines.insert(0, ("", plural(self.unit), "people"))
        wide, digits, last = (max(len(line[place]) for line in lines) for place in range(3))
        text = "\n".join(f"{label:<{wide}}  {n:>{digits}}  {people:>{last}}".rstrip() for label, n, people in lines)
        if self.participants:
            of = "" if self.people is None else f" of the {plural(self.unit)}"
            text += f"  ({100 * self.analysed / self.participants:.1f} %{of})"
        return text


def plural(noun: str) -> str:
    """The plural of a noun that a row is called: "sessions", "diary entries"."""
    if re.search(r"(?<![aeiou])y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if re.search(r"(s|x|z|ch|sh)$", noun) else f"{noun}s"


def counted(n: float, noun: str) -> str:
    """A number of rows by what one is called: "1 session", "2,000 sessions"."""
    return f"1 {noun}" if n == 1 else f"{n:,.0f} {plural(noun)}"


def step_of(reason: str, before: np.ndarray, after: np.ndarray, persons: np.ndarray | None) -> FlowStep:
    """What left some rows out, of those before it (True where a row was there) and those after it."""
    n = int(before.sum()) - int(after.sum())
    if persons is None:
        return FlowStep(reason, n)
    lost = np.unique(persons[before]).size - np.unique(persons[after]).size
    return FlowStep(reason, n, np.unique(persons[before & ~after]).size, lost)


def merge_steps(steps: Iterable[FlowStep]) -> tuple[FlowStep, ...]:
    """Drop steps that leave nobody out; the order stays."""
    return tuple(step for step in steps if step.n)
