"""What no single table can tell: rows of unknown participants, repeated rows, levels that cannot be derived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alliance_bayes.cohort.cells import likeness
from alliance_bayes.cohort.intake import Intake
from alliance_bayes.cohort.names import ID, PROVIDER_TYPES
from alliance_bayes.cohort.scoring import SCORED
from alliance_bayes.errors import Problem
from alliance_bayes.remedies import argument

__all__ = ["link_problems"]

#: What tells two rows of a table apart, as far as the table has it.
_KEYS = {"sessions": (ID, "date", "provider_id", "provider_type"), "surveys": (ID, "date")}


def link_problems(taken: Mapping[str, Intake], provider_types: Sequence[str]) -> dict[str, list[Problem]]:
    """List what is wrong between tables, and between the rows of one.

    Parameters
    ----------
    taken
        "participants", "sessions" and "surveys", those of them that could be read.
    provider_types
        Declared levels of a participant's provider type.

    Returns
    -------
    dict of str to list of Problem
        By table.
    """
    people, sessions = taken.get("participants"), taken.get("sessions")
    problems: dict[str, list[Problem]] = {name: [] for name in taken}
    if people is not None:
        problems["participants"] += _computed(people)
    for name, keys in _KEYS.items():
        if name in taken:
            problems[name] += _orphans(taken[name], people) + _repeats(taken[name], keys, name.removesuffix("s"))
    if sessions is not None and people is not None and "provider_type" not in people.data:
        problems["sessions"] += _underivable(sessions, provider_types)
    return problems


def _computed(people: Intake) -> list[Problem]:
    what = "is computed from sessions and surveys, so it may not be given"
    remedy = "Remove or rename the column."
    return [Problem(people.names[name], None, None, what, remedy) for name in SCORED if name in people.data]


def _orphans(table: Intake, people: Intake | None) -> list[Problem]:
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


def _repeats(table: Intake, keys: Sequence[str], noun: str) -> list[Problem]:
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


def _underivable(sessions: Intake, provider_types: Sequence[str]) -> list[Problem]:
    lacking = [repr(level) for level in PROVIDER_TYPES if level not in provider_types]
    if "provider_type" not in sessions.data or not lacking:
        return []
    yields = ", ".join(map(repr, PROVIDER_TYPES))
    what = f"yields the levels {yields}, but {argument('levels')} leaves out {', '.join(lacking)}"
    return [
        Problem(sessions.names["provider_type"], None, None, what, "List all of them, in the order that is wanted.")
    ]
