"""Smooths with declared knots, worked out where the table is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec, Smooth
from alliance_bayes.model.smooth import hat_corners, smooth_of_moments
from alliance_bayes.moments.pooling import Cells, pool
from alliance_bayes.moments.sources import fetched

__all__ = ["Curve", "curves_of", "hats", "with_bases"]

# Column, declared knots, and least and largest value of the analysed rows.
type Curve = tuple[str, tuple[float, ...], tuple[float, float]]


def curves_of(spec: ModelSpec, rows: Any, source: str) -> list[Curve]:
    """Column, knots and ends of every smooth of a formula.

    Raises
    ------
    ModelError
        A smooth whose knots are not declared, lie beyond the rows, or are too many for them.
    """
    found: list[Curve] = []
    for term in spec.parsed.smooths:
        assert term.knots is not None
        value = rows[term.column]
        answer = fetched(rows.aggregate(low=value.min(), high=value.max(), distinct=value.nunique()), source)
        low, high, distinct = (answer[name].to_pylist()[0] for name in ("low", "high", "distinct"))
        if distinct < len(term.knots) + 2:
            raise ModelError(
                f"s({term.column}) with {len(term.knots)} knots needs at least {len(term.knots) + 2} distinct values, "
                f"but '{term.column}' has {distinct} in the analysed rows. Declare fewer knots."
            )
        if not low < term.knots[0] or not term.knots[-1] < high:
            raise ModelError(
                f"s({term.column}): the knots {', '.join(f'{knot:g}' for knot in term.knots)} should lie between the "
                f"least and the largest value of the analysed rows, {low:g} and {high:g}. Leave the others out."
            )
        found.append((term.column, term.knots, (float(low), float(high))))
    return found


def hats(curves: Sequence[Curve], rows: Any) -> list[Any]:
    """Integrated hat functions of every curve as expressions of the database."""
    values = []
    for column, knots, ends in curves:
        place = (rows[column] - ends[0]) / (ends[1] - ends[0])
        weights, corners = hat_corners(knots, ends)
        for k in range(len(knots)):
            total = None
            for weight, corner in zip(weights[:, k], corners[:, k], strict=True):
                ramp = (place - float(corner)).clip(lower=0.0)
                cube = ramp * ramp * ramp * float(weight / 6)
                total = cube if total is None else total + cube
            values.append(total)
    return values


def with_bases(
    cells: Cells, curves: Sequence[Curve], linear: Sequence[tuple[int, float]], first: int
) -> tuple[Cells, list[Smooth]]:
    """Basis columns in place of the hat functions they are sums of.

    Parameters
    ----------
    cells
        Moments whose columns from number ``first`` on are the curves' hat functions.
    curves
        The curves.
    linear
        For each curve, the number of its own column among those of ``cells``, and what that was centred at.
    first
        Number of the first hat function.
    """
    smooths: list[Smooth] = []
    total = pool(cells, np.zeros(len(cells.counts), dtype=np.int64), 1)
    width = cells.means.shape[1]
    transform, shift = np.eye(width), np.zeros(width)
    at = first
    for (column, knots, ends), (own, centre) in zip(curves, linear, strict=True):
        size, span = len(knots), ends[1] - ends[0]
        place = [own, *range(at, at + size)]
        unit = np.array([1 / span, *np.ones(size)])
        mean = total.means[0, place] * unit
        mean[0] += (centre - ends[0]) / span
        cross = total.cross[0][np.ix_(place, place)] * np.outer(unit, unit)
        smooth = smooth_of_moments(column, knots, ends, n=float(cells.counts.sum()), mean=mean, cross=cross)
        columns = slice(at, at + size)
        transform[columns, columns] = smooth.transform
        transform[own, columns] = -smooth.line[1] / span
        shift[columns] = -smooth.line[0] - smooth.line[1] * (centre - ends[0]) / span
        smooths.append(smooth)
        at += size
    moved = Cells(
        cells.counts,
        cells.means @ transform + shift,
        cells.rest @ transform,
        transform.T @ cells.cross @ transform,
    )
    return moved, smooths
