"""Two tables' moments into those of all their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.errors import ModelError
from alliance_bayes.moments.histogram import Histogram
from alliance_bayes.moments.moments import Moments
from alliance_bayes.moments.pooling import Cells, united
from alliance_bayes.moments.recentring import Source, derived
from alliance_bayes.moments.terms import indicators

__all__ = ["merged"]


def merged(first: Moments, second: Moments) -> Moments:
    """See `alliance_bayes.moments.moments.Moments.merge`."""
    first, second = _of_same_columns(first, second)
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
    return stacked.regrouped(first.keys, levels, codes)


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


def _refuse(what: str, mine: Sequence[str], its: Sequence[str]) -> None:
    alone = [name for name in mine if name not in its], [name for name in its if name not in mine]
    said = " and ".join(
        f"only the {which} has {', '.join(map(repr, names))}"
        for which, names in zip(("first", "second"), alone, strict=True)
        if names
    )
    if said:
        raise ModelError(f"these moments have different {what}: {said}. Reduce both tables with one model card.")


def _arranged(moments: Moments, columns: Sequence[str], parts: Mapping[str, tuple[str, ...]]) -> Moments | None:
    """The moments with columns in some order, indicators of absent levels filled in; None when that is not possible."""
    if tuple(columns) == moments.columns:
        return moments
    found = []
    for label in columns:
        if label in moments.columns:
            found.append(Source(moments.columns.index(label), None))
            continue
        inside = [part for part in parts[label] if part not in moments.centres]
        source = moments.sources.find(parts[label]) if indicators(inside, moments.levels) else None
        if source is None:
            return None
        found.append(source)
    return moments.with_cells(derived(moments.cells, found), columns=tuple(columns))


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
    if first is None or second is None:
        return None
    steps: dict[str, int] = {}
    for step in (*first.steps, *second.steps):
        steps[step.reason] = steps.get(step.reason, 0) + step.n
    return Flow(first.participants + second.participants, tuple(FlowStep(*step) for step in steps.items()))
