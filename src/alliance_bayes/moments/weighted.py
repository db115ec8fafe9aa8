"""A design without the rows: a few weighted points in each cell that have the cell's means and cross-products."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import linalg

from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design, ModelSpec, Rows, Smooth, described
from alliance_bayes.model.grammar import shown
from alliance_bayes.model.scales import CodedScale, SampleScale, sample_scale
from alliance_bayes.moments.files import check_belongs
from alliance_bayes.moments.moments import Moments
from alliance_bayes.moments.persons import of_moments
from alliance_bayes.moments.terms import SMALL, arithmetic, calls, refuse_offsets
from alliance_bayes.remedies import setting

__all__ = ["design_of_moments", "weighted_points"]

# Directions of a cell's cross-products below this share of the largest, after scaling, are rounding. A point in such a
# direction would make two columns that are one look like two.
_ROUNDING = 1e-12
# Means of columns that are this close to their centre, in SDs, are at it.
_CENTRED = 1e-9


def design_of_moments(moments: Moments, spec: ModelSpec) -> tuple[Design, Moments]:
    """Apply a model to moments.

    Parameters
    ----------
    moments
        Cell moments of the columns of a model that has at least these terms.
    spec
        The model.

    Returns
    -------
    design : Design
        Weighted rows: in every cell, as many points as its columns vary in directions, plus one. Sums of weights are
        numbers of participants, and weighted means, variances and covariances of design columns, of the outcome and
        of the numeric columns are those of all rows, within every cell, to rounding. Nothing else about their
        distribution is real: no point is a participant.
    moments : Moments
        The moments by the model's own keys, at the centres that it states and elsewhere at the means of all rows.

    Raises
    ------
    ModelError
        The moments are of another model, or the model is one that moments do not determine.
    """
    if not spec.observation.conjugate:
        raise ModelError(
            "moments hold what a Gaussian model needs to know of its rows, and the family is "
            f"{spec.family}. Use family 'gaussian', or fit the model to the table itself."
        )
    if spec.sigma is not None:
        raise ModelError(
            f"{setting('sigma', spec.sigma)} needs every row, which moments do not hold. Use {setting('residual_by')}, "
            "or fit the model to the table itself."
        )
    check_belongs(moments, spec)
    spec = of_moments(spec, moments)
    _refuse_calls(spec)
    merged = [key for key in moments.keys if SMALL in moments.levels[key] and key in _components(spec)]
    if merged:
        raise ModelError(
            f"small cells of {', '.join(map(repr, merged))} were merged, so that these moments do not tell its levels "
            "apart, and the formula has a term of it. Pool over it, leave it out, or lower the least number of rows in "
            "a cell."
        )
    if moments.n < 2:
        raise ModelError(f"the model needs at least 2 complete rows but the moments are of {moments.n:,.0f}.")
    absent = [name for name in spec.columns if name not in (*moments.keys, *moments.columns)]
    if absent:
        raise ModelError(
            f"the moments lack the column(s) {', '.join(map(repr, absent))} of the model. Reduce the table again with "
            "this model's card."
        )
    if not set(moments.keys) <= set(spec.columns):
        moments = moments.keep_keys([key for key in moments.keys if key in spec.columns])
    moments = _centred(moments, spec)
    points, cell, weights = weighted_points(moments)
    place = {label: position for position, label in enumerate(moments.columns)}
    frame: dict[str, Any] = {}
    for name in spec.columns:
        if name in moments.keys:
            codes = np.asarray(moments.codes[cell, moments.keys.index(name)], dtype=np.int64)
            frame[name] = pd.Categorical.from_codes(codes, categories=pd.Index(moments.levels[name]), ordered=True)
        else:
            frame[name] = points[:, place[name]] + moments.centres.get(name, 0.0)
    centres = {name: centre for name, centre in moments.centres.items() if name in _components(spec)}
    smooths = tuple(_smooth(term.name, term.column, term.knots is not None, moments) for term in spec.parsed.smooths)
    design = dataclasses.replace(spec, centre=centres).design(
        pd.DataFrame(frame), weights=weights, smooths=smooths, points=True
    )
    return _with_columns(design, points, place), moments


def weighted_points(moments: Moments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points with the means and cross-products of every cell.

    Returns
    -------
    points : numpy.ndarray
        Shape (n_points, n_columns), in the units of the columns.
    cell : numpy.ndarray
        Cell of each, shape (n_points,).
    weights : numpy.ndarray
        Rows that each stands for, shape (n_points,).

    Notes
    -----
    With cross-products A A' of r independent directions and the r + 1 corners v_k of a simplex (sum of v_k zero, sum of
    v_k v_k' the identity), the points m + sqrt((r + 1) / n) A v_k of weight n / (r + 1) have mean m and cross-products
    A A'. They are never more than the rows were.
    """
    scale = np.sqrt(np.einsum("cii->ci", moments.cross).max(axis=0, initial=0.0))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(moments.cross / np.outer(scale, scale))
    largest = values.max(axis=1, initial=0.0)
    nonzero = values > _ROUNDING * np.maximum(largest, np.finfo(float).tiny)[:, None]
    rank = np.minimum(nonzero.sum(axis=1), np.maximum(moments.counts - 1, 0)).astype(np.int64)
    pieces, cells, weights = [], [], []
    for r in np.unique(rank):
        here = np.flatnonzero(rank == r)
        count = moments.counts[here]
        # Eigenvalues ascend: the last r are the largest.
        start = values.shape[1] - r
        root = vectors[here][:, :, start:] * np.sqrt(np.maximum(values[here][:, None, start:], 0.0))
        corners = linalg.helmert(r + 1).T if r else np.zeros((1, 0))
        away = np.einsum("cir,kr->cki", root, corners) * scale * np.sqrt((r + 1) / count)[:, None, None]
        pieces.append((moments.means[here][:, None] + away).reshape(-1, len(moments.columns)))
        cells.append(np.repeat(here, r + 1))
        weights.append(np.repeat(count / (r + 1), r + 1))
    cell = np.concatenate(cells)
    order = np.argsort(cell, kind="stable")
    return np.concatenate(pieces)[order], cell[order], np.concatenate(weights)[order]


def _refuse_calls(spec: ModelSpec) -> None:
    refuse_offsets(spec.parsed)
    for name, call in calls(spec.parsed).items():
        if arithmetic(call) is None:
            raise ModelError(
                f"formula {shown(spec.formula)}: '{name}' cannot be worked out from moments. Make a column of it in "
                "the table, name that in the formula, and reduce the table again."
            )


def _components(spec: ModelSpec) -> set[str]:
    """Names of all components of a formula's terms."""
    return {
        str(component.name)
        for term in described(spec.parsed).terms
        for component in getattr(getattr(term, "expr", term), "components", ())
    }


def _centred(moments: Moments, spec: ModelSpec) -> Moments:
    """The moments at stated centres, and elsewhere at the means of all rows or, without an intercept, at zero."""
    sd = np.sqrt(np.diag(moments.total_cross) / moments.n)
    wanted, components = dict(spec.centre), _components(spec)
    for name, centre in moments.centres.items():
        if name in wanted:
            continue
        if name in components and not spec.parsed.is_centred(name):
            wanted[name] = 0.0
            continue
        if name not in moments.columns:
            continue
        at = moments.columns.index(name)
        off = float(moments.total_mean[at])
        if abs(off) > _CENTRED * sd[at]:
            wanted[name] = centre + off
    wanted = {name: value for name, value in wanted.items() if moments.centres.get(name) != value}
    return moments.recentred(wanted) if wanted else moments


def _smooth(name: str, column: str, declared: bool, moments: Moments) -> Smooth:
    numbers = np.array(moments.bases[name])
    # Two ends, k knots, k x k numbers of the transform and 2 x k of the line: (k + 1) (k + 2) together.
    size = int(np.rint(np.sqrt(numbers.size + 0.25) - 1.5))
    knots, transform, line = np.split(numbers[2:], np.cumsum([size, size**2]))
    ends = (float(numbers[0]), float(numbers[1]))
    return Smooth(
        column, tuple(map(float, knots)), ends, declared, transform.reshape(size, size), line.reshape(2, size)
    )


def _with_columns(design: Design, points: np.ndarray, place: Mapping[str, int]) -> Design:
    """The design with the points' own columns: a product of two columns' points is not the product's point."""
    labels = [*design.terms, *(term for factor in design.factors for term in factor.terms)]
    labels += [f"{smooth.name}[{label}]" for smooth in design.smooths for label in smooth.labels]
    absent = [label for label in dict.fromkeys(labels) if label != "Intercept" and label not in place]
    if absent:
        raise ModelError(
            f"the moments lack the column(s) {', '.join(map(repr, absent))} of the model. Reduce the table again with "
            "this model's card."
        )

    def columns(labels: tuple[str, ...]) -> np.ndarray:
        if not labels:
            return np.empty((len(points), 0))
        return np.column_stack([np.ones(len(points)) if n == "Intercept" else points[:, place[n]] for n in labels])

    rows = Rows(
        columns(design.terms),
        {factor.name: columns(factor.terms) for factor in design.factors},
        design.rows.index,
        design.rows.residual,
        {smooth.name: columns(tuple(f"{smooth.name}[{n}]" for n in smooth.labels)) for smooth in design.smooths},
        lacking=design.rows.lacking,
    )
    # A component that is a call has its scale from the rows; a call of a point is not the call's point either.
    scales, called = dict(design.scales), calls(design.formula)
    for name, scale in scales.items():
        if name in place and name in called and isinstance(scale, SampleScale | CodedScale):
            scales[name] = sample_scale(points[:, place[name]] + design.centres[name], design.weights)
    return dataclasses.replace(design, rows=rows, scales=scales)
