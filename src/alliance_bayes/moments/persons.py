"""Whose a row of a queried table is, and moments that count people and name nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.flow import ROW, check_unit
from alliance_bayes.cohort.persons import need_person
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.model import ModelSpec
from alliance_bayes.model.roles import may_be_persons, role_of
from alliance_bayes.moments.pooling import pool
from alliance_bayes.moments.sources import Remote, fetched
from alliance_bayes.remedies import Message, setting

if TYPE_CHECKING:
    from alliance_bayes.moments.columns import Columns, Levels
    from alliance_bayes.moments.moments import Moments

__all__ = ["Persons", "numbered", "of_moments", "people_of", "present", "unnamed", "with_gaps", "with_numbers_from"]


@dataclass(frozen=True)
class Persons:
    """Whose a row of a queried table is.

    Parameters
    ----------
    person, time
        Columns that say whose and when a row is; None where nothing says it.
    unit
        What a row is called.
    said
        Whether the person's column was named by whoever reduces, not by the model.
    """

    person: str | None = None
    time: str | None = None
    unit: str = ROW
    said: bool = False

    @classmethod
    def of(cls, spec: ModelSpec, person: str | None, time: str | None, unit: str = ROW) -> Persons:
        """What is said, or else the one pooled factor that the model declares to be persons.

        Raises
        ------
        UsageError
            A unit or a time without a person.
        """
        declared = [name for name, role in spec.roles.items() if role == "person" and ":" not in name]
        known = person or (declared[0] if len(declared) == 1 else None)
        check_unit(unit)
        if known is None:
            need_person(time, unit)
        return cls(known, time, unit, person is not None)

    def several(self, spec: ModelSpec, remote: Remote, kinds: Columns) -> str:
        """The model's column of persons; empty where it has none, so that a row is a person.

        Raises
        ------
        UsageError
            Somebody's rows do not say whose they are, or write it in two ways.
        """
        # A person who is said is one even if everybody has one row, as for rows that are read.
        for name in dict.fromkeys(filter(None, (self.person, *spec.parsed.grouping))):
            if name not in kinds.levels:
                continue
            stated = self.said and name == self.person
            # Rows are counted by a query of the whole table, which a factor of groups needs not.
            if not stated and role_of(name, spec.roles).role != "person":
                continue
            labels = [label for label in kinds.levels[name].labels.values() if label is not None]
            rows = _rows_with(remote, name, kinds.levels[name])
            # Moments are handed on, so that persons are numbered even where everybody has one row.
            if not stated and not may_be_persons(name, spec.roles, len(set(labels)), rows):
                continue
            if len(set(labels)) < len(labels):
                raise UsageError(
                    f"{remote.source}: the column '{remote.names[name]}' writes a person in two ways, who would be "
                    "counted as two. Write each in one way, or read the table and fit its rows."
                )
            if stated and rows < _rows(remote):
                raise with_gaps(remote, name)
            return name
        return ""

    def notes(self, spec: ModelSpec, name: str, kinds: Columns) -> tuple[str, ...]:
        """What is taken for persons though nothing says so."""
        if not name or name == self.person or role_of(name, spec.roles).known:
            return ()
        n = len(kinds.levels[name].order)
        return (
            Message(
                f"The {n:,} levels of '{name}' are taken for persons, who are numbered anew, since nothing says what "
                f"they are. If they are providers or groups, say so: {setting('roles', {name: 'provider'})}, for "
                "example."
            ),
        )

    def check_in_model(self, spec: ModelSpec, remote: Remote) -> None:
        """Refuse a model without an effect of the persons that are named, where somebody has several rows.

        Raises
        ------
        ModelError
            Its moments could not say how many people they are of.
        """
        if not self.said or self.person is None or self.person in spec.columns:
            return
        whose = remote.table[self.person]
        answer = fetched(remote.table.aggregate(n=remote.table.count(), people=whose.nunique()), remote.source)
        counts = answer.to_pylist()[0]
        if int(counts["people"]) < int(counts["n"]):
            raise ModelError(
                f"{remote.source}: the model has no effect of {shown(self.person)}, so its moments could not tell how "
                f"many people they are of, and rows of one person would pass for those of several. Add "
                f"(1 | {self.person}) to the formula {shown(spec.formula)}, or read the table and fit its rows."
            )


def with_gaps(remote: Remote, person: str) -> UsageError:
    """That a column of persons is empty in some rows."""
    return UsageError(
        f"{remote.source}: the column '{remote.names[person]}' does not say of every row whose it is. Fill it in, or "
        "leave those rows out."
    )


def _rows(remote: Remote) -> int:
    return int(fetched(remote.table.aggregate(n=remote.table.count()), remote.source).to_pylist()[0]["n"])


def _rows_with(remote: Remote, name: str, levels: Levels) -> int:
    """Rows that have a level."""
    query = remote.table.aggregate(n=present(remote.table[name], levels).sum())
    return int(fetched(query, remote.source).to_pylist()[0]["n"] or 0)


def present(column: Any, levels: Levels) -> Any:
    """Which rows of a categorical column have a level, as an expression of the database."""
    here = column.notnull()
    if levels.gaps:
        here = here & ~column.isin(levels.gaps)
    if levels.has_nan:
        here = here & ~column.isnan()
    return here


def numbered(moments: Moments) -> Moments:
    """The moments with numbers in place of what persons are called.

    They are numbered in the order of their rows' number and means, which are in the moments anyway: in the order of
    what they are called, whoever has a list of them could tell who is who.

    Parameters
    ----------
    moments
        The moments; those in which a row is a person are returned as they are.
    """
    if not moments.person:
        return moments
    place = moments.keys.index(moments.person)
    codes, n = moments.codes.copy(), len(moments.levels[moments.person])
    pooled = pool(moments.cells, codes[:, place], n)
    order = np.lexsort([*pooled.means.T[::-1], pooled.counts])
    number = np.empty(n, dtype=np.int64)
    number[order] = np.arange(n)
    codes[:, place] = number[codes[:, place]]
    levels = {**moments.levels, moments.person: tuple(str(k + 1) for k in range(n))}
    return moments.regrouped(moments.keys, levels, codes)


def with_numbers_from(moments: Moments, first: int) -> Moments:
    """The moments with persons who are numbered from another number on, so that nobody is somebody of other moments."""
    labels = tuple(str(first + number) for number in range(len(moments.levels[moments.person])))
    return replace(moments, levels={**moments.levels, moments.person: labels})


def of_moments[Spec: ModelSpec](spec: Spec, moments: Moments) -> Spec:
    """The model with the role of the moments' persons, and without levels that name them.

    Raises
    ------
    ModelError
        The model has no effect of them, or says that they are something else.
    """
    name = moments.person
    if not name:
        return spec
    if name not in spec.columns:
        raise ModelError(
            f"these moments count people by {shown(name)}, and without an effect of it rows of one person would pass "
            f"for those of several. Add (1 | {name}) to the formula {shown(spec.formula)}."
        )
    return unnamed(spec, name)


def unnamed[Spec: ModelSpec](spec: Spec, person: str) -> Spec:
    """The model with the role of a column of persons, and without declared levels, which name them."""
    levels: Mapping[str, Any] = {key: labels for key, labels in spec.levels.items() if key != person}
    return replace(spec.with_persons(person), levels=levels)


def people_of(moments: Moments, frame: pd.DataFrame) -> np.ndarray | None:
    """Number of the person of each weighted point, shape (n,); None where a row is a person."""
    return frame[moments.person].cat.codes.to_numpy(np.int64) if moments.person else None
