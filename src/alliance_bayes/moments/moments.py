"""Moments: all that a Gaussian model reads of its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.errors import ModelError
from alliance_bayes.model import Formula
from alliance_bayes.moments.histogram import Histogram
from alliance_bayes.moments.persons import numbered, with_numbers_from
from alliance_bayes.moments.pooling import Cells, cell_numbers, pool, united
from alliance_bayes.moments.recentring import Source, Sources, derived, recentred_cells
from alliance_bayes.moments.terms import component_names, indicators
from alliance_bayes.readonly import ReadOnly

__all__ = ["Moments", "fingerprint"]


@dataclass(frozen=True, eq=False, repr=False)
class Moments:
    """Count, means and cross-products of a design's columns in every cell of its categorical columns.

    Parameters
    ----------
    columns
        The outcome, the design's columns (common ones, then pooled ones, each once, without "Intercept"), smooths'
        basis columns, then base columns: components of products and squares that are no design column themselves.
    keys
        Categorical columns of the model, whose cross makes the cells.
    levels
        Level labels in order, by key.
    codes
        Level numbers of each cell, shape (n_cells, n_keys).
    counts
        Rows in each cell, shape (n_cells,).
    means
        Shape (n_cells, n_columns), in the columns' units.
    cross
        Cross-products about the cell's own means, shape (n_cells, n_columns, n_columns).
    centres
        What was subtracted from each numeric component before products were made.
    histogram
        How often each outcome occurred in each cell.
    rest
        What rounding took from `means`: their sum has twice the digits. None for zeros.
    parts
        Components that each column is the product of: "sex[male]:age" is ("sex[male]", "age"). A column that is not
        named has itself for its one component.
    bases
        Numbers that fix each smooth's basis, by its name: ends, knots, transform and line. Moments with other bases
        cannot be merged.
    flow
        Who was left out before.
    notes
        What was lost on the way, one sentence each.
    card
        The model card (TOML) of the model that the moments were made for; "" when not known.
    person
        The key whose levels are persons, who are numbered and not named. Empty where the model has none, and a row is
        a person.
    """

    columns: tuple[str, ...]
    keys: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    codes: np.ndarray
    counts: np.ndarray
    means: np.ndarray
    cross: np.ndarray
    centres: Mapping[str, float]
    histogram: Histogram | None = None
    rest: np.ndarray = None  # type: ignore[assignment]
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bases: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    flow: Flow | None = None
    notes: tuple[str, ...] = ()
    card: str = ""
    person: str = ""

    def __post_init__(self) -> None:
        if self.rest is None:
            object.__setattr__(self, "rest", np.zeros_like(self.means))
        for name in ("levels", "centres", "parts", "bases"):
            object.__setattr__(self, name, ReadOnly(getattr(self, name)))

    def __repr__(self) -> str:
        """Sizes and names only: no cell's values."""
        cells = f"{self.n_cells:,} cells of {', '.join(self.keys)}" if self.keys else "one cell"
        people = f" of {self.people:,} people" if self.person else ""
        return f"<{type(self).__name__}: {self.n:,.0f} rows{people} in {cells}; columns: {', '.join(self.columns)}>"

    @property
    def n(self) -> float:
        """Number of rows."""
        return float(self.counts.sum())

    @property
    def people(self) -> int:
        """Number of people whose rows they are."""
        return len(self.levels[self.person]) if self.person else round(self.n)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.counts)

    @property
    def total_mean(self) -> np.ndarray:
        """Mean over all rows, shape (n_columns,)."""
        return self._total.means[0]

    @property
    def total_cross(self) -> np.ndarray:
        """Cross-products about the overall mean, shape (n_columns, n_columns)."""
        return self._total.cross[0]

    @cached_property
    def _total(self) -> Cells:
        return pool(self.cells, np.zeros(self.n_cells, dtype=np.int64), 1)

    @property
    def cells(self) -> Cells:
        """The arrays of the cells together."""
        return Cells(self.counts, self.means, self.rest, self.cross)

    def column(self, label: str) -> int:
        """Position of a column.

        Parameters
        ----------
        label
            As in ``columns``.

        Returns
        -------
        int
            Counted from 0.

        Raises
        ------
        ModelError
            No such column; the message lists those there are.
        """
        if label not in self.columns:
            raise ModelError(
                f"the moments have no column '{label}'. Their columns: {', '.join(self.columns)}. "
                "Reduce the table again with this model's card."
            )
        return self.columns.index(label)

    def keep_keys(self, keys: Sequence[str]) -> Moments:
        """Pool the cells that differ in other keys only; exact.

        Parameters
        ----------
        keys
            Keys to keep, in the order wanted; none pools everything.

        Returns
        -------
        Moments
            With fewer cells.

        Raises
        ------
        ModelError
            A key that the moments do not have.
        """
        unknown = [key for key in keys if key not in self.keys]
        if unknown:
            raise ModelError(
                f"the moments have no key {', '.join(map(repr, unknown))}. Their keys: "
                f"{', '.join(self.keys) or 'none'}."
            )
        codes = self.codes[:, [self.keys.index(key) for key in keys]]
        return self.regrouped(tuple(keys), {key: self.levels[key] for key in keys}, codes)

    def centres_for(self, formula: Formula) -> dict[str, float]:
        """Centres of a formula's own components, without those of base columns: what a model's ``centre`` takes.

        Parameters
        ----------
        formula
            A formula whose columns the moments have.

        Returns
        -------
        dict
            Centre by component.
        """
        names = component_names(formula)
        return {name: value for name, value in self.centres.items() if name in names}

    def recentred(self, centres: Mapping[str, float]) -> Moments:
        """The moments as they would be with other centres; exact.

        Parameters
        ----------
        centres
            New centre by numeric component; the others keep theirs.

        Returns
        -------
        Moments
            Of the same rows.

        Raises
        ------
        ModelError
            A component that the moments do not have, a centre that is not finite, or a product of which the
            components are not among the columns.
        """
        unknown = [name for name in centres if name not in self.centres]
        if unknown:
            raise ModelError(
                f"centres names {', '.join(map(repr, unknown))}, but the numeric components of these moments are "
                f"{', '.join(self.centres) or 'none'}."
            )
        for name, value in centres.items():
            if not np.isfinite(value):
                raise ModelError(f"centre of '{name}' should be a finite number but got {value}.")
        if all(self.centres[name] == value for name, value in centres.items()):
            return self
        cells = recentred_cells(self.cells, self.sources, self.centres, centres)
        return self.with_cells(
            cells, centres={**self.centres, **{name: float(value) for name, value in centres.items()}}
        )

    def merge(self, other: Moments) -> Moments:
        """Moments of both tables' rows together; exact.

        Cells are matched by their levels' labels and the levels united, in the first table's order where the two
        contradict each other. Indicator columns that one table lacks, because nobody had the level there, are filled
        in. Centres that differ become those of all rows together. The flow is kept only if both tables have one, and
        the histogram only if both have the same bins. Persons of the one are others than those of the other.

        Parameters
        ----------
        other
            Moments of other rows, of the same model.

        Returns
        -------
        Moments
            With the cells of both.

        Raises
        ------
        ModelError
            The tables do not have the same columns and keys, or their centres cannot be brought together.
        """
        return _merged(self, other)

    def __add__(self, other: Moments) -> Moments:
        return self.merge(other)

    def regrouped(self, keys: tuple[str, ...], levels: Mapping[str, tuple[str, ...]], codes: np.ndarray) -> Moments:
        """The moments with other level numbers; cells that get the same ones are pooled.

        Parameters
        ----------
        keys, levels
            New keys and their levels; levels that no cell has are dropped.
        codes
            New level numbers of each cell, shape (n_cells, n_keys).

        Returns
        -------
        Moments
            Of the same rows.
        """
        levels, codes = _used(keys, levels, codes)
        distinct, number = cell_numbers(codes, [len(levels[key]) for key in keys])
        cells = pool(self.cells, number, len(distinct))
        histogram = None if self.histogram is None else self.histogram.pooled(number, len(distinct))
        return self.with_cells(cells, keys=keys, levels=levels, codes=distinct, histogram=histogram)

    @property
    def sources(self) -> Sources:
        """The columns as sources of other columns."""
        return Sources(self.columns, self.parts, {key: self.levels[key] for key in self.keys}, self.codes)

    def with_cells(self, cells: Cells, **changes: Any) -> Moments:
        """The moments with other arrays, and other fields where named.

        Parameters
        ----------
        cells
            Arrays by cell.
        **changes
            Other fields, by name.

        Returns
        -------
        Moments
            A new object.
        """
        return replace(self, **cells._asdict(), **changes)


def _used(
    keys: tuple[str, ...], levels: Mapping[str, tuple[str, ...]], codes: np.ndarray
) -> tuple[dict[str, tuple[str, ...]], np.ndarray]:
    """Levels that cells have, and the cells' numbers among them."""
    out, used = codes.copy(), {}
    for position, key in enumerate(keys):
        present = np.zeros(len(levels[key]), dtype=bool)
        present[codes[:, position]] = True
        out[:, position] = (np.cumsum(present) - 1)[codes[:, position]]
        used[key] = tuple(level for level, here in zip(levels[key], present, strict=True) if here)
    return used, out


def _merged(first: Moments, second: Moments) -> Moments:
    """See `Moments.merge`."""
    first, second = _of_other_persons(*_of_same_columns(first, second))
    centres = _common_centres(first, second)
    first, second = (m.recentred(centres) for m in (first, second))
    levels = {key: united(first.levels[key], second.levels[key]) for key in first.keys}
    codes = np.concatenate([_codes_in(m, first.keys, levels) for m in (first, second)])
    histogram, lost = Histogram.joined(first.histogram, second.histogram)
    stacked = first.with_cells(
        Cells(*(np.concatenate(pair) for pair in zip(first.cells, second.cells, strict=True))),
        centres={**second.centres, **first.centres},
        parts={**second.parts, **first.parts},
        histogram=histogram,
        flow=_joint_flow(first.flow, second.flow),
        notes=tuple(dict.fromkeys((*first.notes, *second.notes, *lost))),
        card=first.card if first.card == second.card else "",
    )
    return numbered(stacked.regrouped(first.keys, levels, codes))


def _of_other_persons(first: Moments, second: Moments) -> tuple[Moments, Moments]:
    """The moments, of which the second's persons have numbers that the first's do not have."""
    if first.person != second.person:
        known = first.person or second.person
        raise ModelError(
            f"only the {'first' if first.person else 'second'} of these moments counts people, by '{known}'; a row of "
            "the other is a person. Reduce both tables alike."
        )
    return (first, with_numbers_from(second, first.people + 1)) if first.person else (first, second)


def _of_same_columns(first: Moments, second: Moments) -> tuple[Moments, Moments]:
    columns = tuple(dict.fromkeys((*first.columns, *second.columns)))
    parts = {label: (first if label in first.columns else second).parts.get(label, (label,)) for label in columns}
    _refuse("keys", first.keys, second.keys)
    if first.columns[0] != second.columns[0]:
        _refuse("outcomes", first.columns[:1], second.columns[:1])
    for name in dict.fromkeys((*first.bases, *second.bases)):
        if first.bases.get(name) != second.bases.get(name):
            raise ModelError(
                f"the tables' bases of '{name}' are not the same: each was made from its own table's values. Read the "
                "rows of both together, or replace the smooth by powers of the column."
            )
    whole = _arranged(first, columns, parts), _arranged(second, columns, parts)
    if whole[0] is None or whole[1] is None:
        _refuse("columns", first.columns, second.columns)
    assert whole[0] is not None
    assert whole[1] is not None
    return whole[0], whole[1]


def _refuse(what: str, first: Sequence[str], second: Sequence[str]) -> None:
    alone = [name for name in first if name not in second], [name for name in second if name not in first]
    differences = " and ".join(
        f"only the {which} has {', '.join(map(repr, names))}"
        for which, names in zip(("first", "second"), alone, strict=True)
        if names
    )
    if differences:
        raise ModelError(f"these moments have different {what}: {differences}. Reduce both tables with one model card.")


def _arranged(moments: Moments, columns: Sequence[str], parts: Mapping[str, tuple[str, ...]]) -> Moments | None:
    """The moments with columns in some order, indicators of absent levels filled in; None when that is not possible."""
    if tuple(columns) == moments.columns:
        return moments
    sources = []
    for label in columns:
        if label in moments.columns:
            sources.append(Source(moments.columns.index(label), None))
            continue
        inside = [part for part in parts[label] if part not in moments.centres]
        source = moments.sources.find(parts[label]) if indicators(inside, moments.levels) else None
        if source is None:
            return None
        sources.append(source)
    return moments.with_cells(derived(moments.cells, sources), columns=tuple(columns))


def _common_centres(first: Moments, second: Moments) -> dict[str, float]:
    """The mean of all rows for every component whose centres differ."""

    def mean(m: Moments, name: str) -> float:
        # A component that is no column itself is known by its centre alone, which by default is its mean.
        return m.centres[name] + (m.total_mean[m.columns.index(name)] if name in m.columns else 0.0)

    total = first.n + second.n
    return {
        name: float((first.n * mean(first, name) + second.n * mean(second, name)) / total)
        for name in first.centres
        if name in second.centres and first.centres[name] != second.centres[name]
    }


def _codes_in(moments: Moments, keys: tuple[str, ...], levels: Mapping[str, tuple[str, ...]]) -> np.ndarray:
    """Level numbers of each cell among other levels, shape (n_cells, n_keys)."""
    out = np.empty((moments.n_cells, len(keys)), dtype=np.int64)
    for position, key in enumerate(keys):
        place = {level: number for number, level in enumerate(levels[key])}
        moved = np.array([place[level] for level in moments.levels[key]], dtype=np.int64)
        out[:, position] = moved[moments.codes[:, moments.keys.index(key)]]
    return out


def _joint_flow(first: Flow | None, second: Flow | None) -> Flow | None:
    if (
        first is None
        or second is None
        or first.unit != second.unit
        or (first.people is None) != (second.people is None)
    ):
        return None
    steps: dict[str, FlowStep] = {}
    for step in (*first.steps, *second.steps):
        steps[step.reason] = _joint_step(steps[step.reason], step) if step.reason in steps else step
    people = None if first.people is None or second.people is None else first.people + second.people
    return Flow(first.participants + second.participants, tuple(steps.values()), people, first.unit)


def _joint_step(step: FlowStep, other: FlowStep) -> FlowStep:
    """The same reason at two places, whose people are others."""
    if step.people is None or other.people is None or step.lost is None or other.lost is None:
        return FlowStep(step.reason, step.n + other.n)
    return FlowStep(step.reason, step.n + other.n, step.people + other.people, step.lost + other.lost)


def fingerprint(moments: Moments) -> str:
    """SHA-256 of what the moments say of the rows: labels, counts, means and cross-products."""
    words = [moments.columns, moments.keys, dict(moments.levels), dict(moments.centres)]
    words += [[moments.person]] if moments.person else []
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    for array in (moments.codes, moments.counts, moments.means, moments.rest, moments.cross):
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()
