"""What the engine's sums run over: rows, or cells of rows with cross-products of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design
from alliance_bayes.model.levels import joined_level
from alliance_bayes.moments import Moments
from alliance_bayes.moments.pooling import cell_moments, cell_numbers, pool

__all__ = ["Points", "points_of"]

# Rows whose cross-products are made at once.
_BLOCK = 8192


@dataclass(frozen=True, eq=False)
class Points:
    """Rows, or cells of rows.

    Parameters
    ----------
    columns
        The constant ("Intercept"), the outcome, and the design's columns.
    counts
        Rows that each point stands for, shape (n_points,).
    values
        Means of the columns, shape (n_points, n_columns).
    rest
        What rounding took from the outcome's means, shape (n_points,).
    cross
        Cross-products of all columns but the constant about the points' own means, shape (n_points, n_columns - 1,
        n_columns - 1); None where there are none, as of single rows.
    levels
        Level number of each point by factor, shape (n_points,).
    stratum, strata
        Residual stratum of each point, shape (n_points,), and how many there are.
    mean, square
        Mean of all columns but the constant over all rows, shape (n_columns - 1,), and their cross-products about it.
    """

    columns: tuple[str, ...]
    counts: np.ndarray
    values: np.ndarray
    rest: np.ndarray
    cross: np.ndarray | None
    levels: dict[str, np.ndarray]
    stratum: np.ndarray
    strata: int
    mean: np.ndarray
    square: np.ndarray

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.counts)

    def places(self, labels: Sequence[str]) -> np.ndarray:
        """Positions of some columns.

        Raises
        ------
        ModelError
            The moments that the points are of lack one.
        """
        position = {label: k for k, label in enumerate(self.columns) if k != 1}
        missing = [label for label in labels if label not in position]
        if missing:
            raise ModelError(
                f"the moments lack the column(s) {', '.join(map(repr, missing))} of the model. "
                "Reduce the table again with this model's card."
            )
        return np.array([position[label] for label in labels], dtype=np.intp)


def points_of(design: Design, moments: Moments | None) -> Points:
    """Points of the moments of a design's rows, or of the rows themselves.

    Raises
    ------
    ModelError
        The moments lack a factor or a level of the model.
    """
    return _of_rows(design) if moments is None else _of_moments(design, moments)


def _of_moments(design: Design, moments: Moments) -> Points:
    residual = design.residual
    stratum = np.zeros(moments.n_cells, dtype=np.intp)
    if residual is not None:
        stratum = level_codes(residual.name, residual.levels, moments)
    return Points(
        ("Intercept", *moments.columns),
        moments.counts,
        np.concatenate([np.ones((moments.n_cells, 1)), moments.means], axis=1),
        moments.rest[:, 0],
        moments.cross,
        {factor.name: level_codes(factor.name, factor.levels, moments, factor.idle) for factor in design.factors},
        stratum,
        1 if residual is None else len(residual.levels),
        moments.total_mean,
        moments.total_cross,
    )


def _of_rows(design: Design) -> Points:
    """The rows, or their cells where the cells' cross-products take no more room than the rows do."""
    rows = design.rows
    columns = _columns(design)
    p = len(columns)
    codes = {factor.name: rows.index[factor.name] for factor in design.factors}
    sizes = [len(factor.levels) for factor in design.factors]
    strata = 1 if design.residual is None else len(design.residual.levels)
    keys = np.column_stack([*codes.values(), rows.strata])
    cells, number = cell_numbers(keys, [*sizes, strata])
    if design.weights is not None or len(cells) * p > rows.n:
        values = np.ones((rows.n, 1 + p))
        for place, column in enumerate(columns.values()):
            values[:, 1 + place] = column
        weights = design.information_weights
        counts = np.ones(rows.n) if weights is None else weights
        rest, cross, at = np.zeros(rows.n), None, keys
        mean, square = _totals(counts, values)
    else:
        # Short integers are sorted by counting, which takes a fifth of the time.
        order = np.argsort(number.astype(np.uint16) if len(cells) < 2**16 else number, kind="stable")
        # A column's values lie side by side, so that sums run over neighbouring numbers.
        side = np.empty((p, rows.n))
        for place, column in enumerate(columns.values()):
            side[place] = column[order]
        moments = cell_moments(side, np.bincount(number, minlength=len(cells)))
        counts, rest, cross, at = moments.counts, moments.rest[:, 0], moments.cross, cells
        values = np.concatenate([np.ones((len(cells), 1)), moments.means], axis=1)
        whole = pool(moments, np.zeros(len(cells), dtype=np.int64), 1)
        mean, square = whole.means[0], whole.cross[0]
    return Points(
        ("Intercept", *columns),
        counts,
        values,
        rest,
        cross,
        {name: np.ascontiguousarray(at[:, place], dtype=np.intp) for place, name in enumerate(codes)},
        np.ascontiguousarray(at[:, -1], dtype=np.intp),
        strata,
        mean,
        square,
    )


def _columns(design: Design) -> dict[str, np.ndarray]:
    """Values of the outcome, of every design column once, and of the smooths' bases."""
    rows, offset = design.rows, design.rows.offset
    outcome = {design.outcome.name: design.outcome.coded if offset is None else design.outcome.coded - offset}
    columns: dict[str, np.ndarray] = {}
    sources: list[tuple[Any, np.ndarray]] = [(design.columns, rows.x)]
    sources += [(factor.columns, rows.z[factor.name]) for factor in design.factors]
    for described, array in sources:
        for place, column in enumerate(described):
            if column.label != "Intercept":
                columns.setdefault(column.label, array[:, place])
    for smooth in design.smooths:
        basis = rows.basis[smooth.name]
        columns |= {f"{smooth.name}[{label}]": basis[:, place] for place, label in enumerate(smooth.labels)}
    return outcome | columns


def _totals(counts: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the columns but the constant, and cross-products about it, of single rows."""
    values, n = values[:, 1:], counts.sum()
    # Counted from one of them first, because the mean of numbers far from zero is rounded.
    mean = values[0] + counts @ (values - values[0]) / n
    square, slip = np.zeros((values.shape[1], values.shape[1])), np.zeros(values.shape[1])
    for start in range(0, len(values), _BLOCK):
        away = values[start : start + _BLOCK] - mean
        weighted = counts[start : start + _BLOCK, None] * away
        square += weighted.T @ away
        slip += weighted.sum(axis=0)
    return mean + slip / n, square - np.outer(slip, slip) / n


def level_codes(name: str, levels: tuple[str, ...], moments: Moments, idle: tuple[str, ...] = ()) -> np.ndarray:
    """Level number of each cell in a factor, which may be a cross of several keys; any where nothing is pooled."""
    parts = name.split(":")
    missing = [part for part in parts if part not in moments.keys]
    if missing:
        raise ModelError(
            f"the moments lack the factor(s) {', '.join(map(repr, missing))} of the model. "
            "Reduce the table again with this model's card."
        )
    codes = moments.codes[:, [moments.keys.index(part) for part in parts]]
    combinations, inverse = cell_numbers(codes, [len(moments.levels[part]) for part in parts])
    number = {label: k for k, label in enumerate(levels)} | dict.fromkeys(idle, 0)
    labels = [
        joined_level(moments.levels[part][code] for part, code in zip(parts, combination, strict=True))
        for combination in combinations
    ]
    unknown = [label for label in labels if label not in number]
    if unknown:
        raise ModelError(
            f"the moments hold level(s) of '{name}' that the model lacks: {', '.join(map(repr, unknown))}."
        )
    return np.array([number[label] for label in labels], dtype=np.intp)[inverse]
