"""Normal equations of a Gaussian model: all that its posterior depends on, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from alliance_bayes.engines.collapsed.cells import Block, Cells, basis_of, pilot_estimate
from alliance_bayes.engines.collapsed.elimination import eliminate
from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design, PooledFactor, PriorTable
from alliance_bayes.model.levels import joined_level
from alliance_bayes.moments import Moments

__all__ = ["Equations", "normal_equations"]


@dataclass(frozen=True, eq=False)
class Equations:
    """Cross-products of the design columns with each other and with the outcome, by residual stratum.

    Coefficients are counted from a pilot estimate of the common ones, so that an outcome far from zero loses no digits.

    Parameters
    ----------
    n, rss
        Rows and sum of squares of the outcome around the pilot, shape (S,).
    g_d, r_d
        Dense columns: with each other (S, d, d) and with the outcome (S, d). They are the common columns, the smooths'
        bases, and the pooled factors that are not eliminated (a level's columns side by side; exhaustive factors in an
        orthonormal contrast basis).
    g_e, r_e
        The eliminated factor's levels: (S, L, q, q) and (S, L, q).
    ptr, cols, v
        Cross-products of eliminated levels with the dense columns they meet: columns ``cols[ptr[l]:ptr[l + 1]]``
        (ascending), values (S, q, nnz).
    runs, order
        Eliminated levels are sorted so that those that meet the same columns are neighbours: first level of each such
        run (and L at the end), and the factor's own number of each level.
    fixed, group
        Prior SD of each dense column: ``fixed`` times the scale numbered ``group`` (none where -1), shape (d,).
    offset
        Prior mean of the common coefficients minus the pilot, in prior SDs; 0 for the other columns, shape (d,).
    pilot
        Shape (k,).
    eliminated
        Name of the eliminated factor; None when all columns are dense.
    starts
        First dense column of each smooth and of each factor that is not eliminated.
    correlated
        Dense factors with correlated terms: first column, levels, terms; shape (B, 3).
    """

    n: np.ndarray
    rss: np.ndarray
    g_d: np.ndarray
    r_d: np.ndarray
    g_e: np.ndarray
    r_e: np.ndarray
    ptr: np.ndarray
    cols: np.ndarray
    v: np.ndarray
    runs: np.ndarray
    order: np.ndarray
    fixed: np.ndarray
    group: np.ndarray
    offset: np.ndarray
    pilot: np.ndarray
    eliminated: str | None
    starts: dict[str, int]
    correlated: np.ndarray

    @cached_property
    def kernel(self) -> tuple[Any, ...]:
        """The arrays as the compiled loops take them."""
        return (
            (self.g_d, self.r_d, self.g_e, self.r_e, self.v),
            (self.ptr, self.cols, self.runs, self.order),
            self.correlated,
            self.offset,
        )

    @property
    def size(self) -> int:
        """Number of coefficients."""
        return int(self.g_d.shape[1] + self.g_e.shape[1] * self.g_e.shape[2])


def normal_equations(design: Design, priors: PriorTable, moments: Moments, *, scale: dict[str, int]) -> Equations:
    """Assemble the normal equations from cell moments.

    Parameters
    ----------
    design, priors
        The model, with a Normal prior on every common coefficient.
    moments
        Cell moments of the design's columns.
    scale
        Number of each scale parameter by name (``tau_country[Intercept]``, ``tau_s_alliance``).

    Raises
    ------
    ModelError
        The moments lack a column or a factor of the model.
    """
    position = {"Intercept": 0} | {label: k + 1 for k, label in enumerate(moments.columns)}
    place = _places(position)
    common = place(design.terms)
    prior = [priors[term].prior.arguments for term in design.terms]
    mu, sd = np.array([p["mu"] for p in prior]), np.array([p["sigma"] for p in prior])
    pilot = pilot_estimate(moments, common, mu)
    cells = Cells(moments, _stratum(design, moments), common, pilot)

    smooths = [_smooth(smooth, place, len(moments.counts)) for smooth in design.smooths]
    factors = [_pooled(factor, moments, place) for factor in design.factors]
    widest = max((b for b in factors if not b.exhaustive), key=lambda b: b.levels, default=None)
    whole = Block("", common, np.zeros(len(moments.counts), dtype=np.intp), 1)
    dense = [whole, *smooths, *(block for block in factors if block is not widest)]

    raw = np.cumsum([0, *(block.width for block in dense)])
    bases = [basis_of(block) for block in dense]
    basis = sparse.csr_array(sparse.block_diag(bases, format="csr"))
    starts = np.cumsum([0, *(own.shape[1] for own in bases)])
    g_d, r_d = cells.gram(dense, raw), cells.cross(dense, raw)
    g_d = np.stack([basis.T @ (basis.T @ g).T for g in g_d])
    r_d = np.stack([basis.T @ r for r in r_d])
    d = g_d.shape[1]

    fixed, group, offset = np.ones(d), np.full(d, -1), np.zeros(d)
    fixed[: len(sd)], offset[: len(sd)] = sd, (mu - pilot) / sd
    for block, start, stop in zip(dense[1:], starts[1:-1], starts[2:], strict=True):
        q = len(block.columns)
        names = (
            [f"tau_{block.name}"] * q
            if block in smooths
            else [f"tau_{block.name}[{term}]" for term in design.factor(block.name).terms]
        )
        group[start:stop] = np.tile([scale[name] for name in names], (stop - start) // q)
    correlated = [
        (start, (stop - start) // len(block.columns), len(block.columns))
        for block, start, stop in zip(dense[1:], starts[1:-1], starts[2:], strict=True)
        if block not in smooths and design.factor(block.name).correlated
    ]
    elimination = eliminate(cells, widest, dense, raw, basis)
    return Equations(
        n=cells.n,
        rss=cells.rss,
        g_d=np.ascontiguousarray(g_d),
        r_d=np.ascontiguousarray(r_d),
        **elimination,
        fixed=fixed,
        group=group,
        offset=offset,
        pilot=pilot,
        eliminated=None if widest is None else widest.name,
        starts={block.name: int(start) for block, start in zip(dense[1:], starts[1:-1], strict=True)},
        correlated=np.array(correlated, dtype=np.int64).reshape(-1, 3),
    )


def _places(position: dict[str, int]) -> Any:
    def place(labels: Sequence[str]) -> np.ndarray:
        missing = [label for label in labels if label not in position]
        if missing:
            raise ModelError(
                f"the moments lack the column(s) {', '.join(map(repr, missing))} of the model. "
                "Reduce the table again with this model's card."
            )
        return np.array([position[label] for label in labels], dtype=np.intp)

    return place


def _stratum(design: Design, moments: Moments) -> tuple[np.ndarray, int]:
    residual = design.residual
    if residual is None:
        return np.zeros(len(moments.counts), dtype=np.intp), 1
    return level_codes(residual.name, residual.levels, moments), len(residual.levels)


def _pooled(factor: PooledFactor, moments: Moments, place: Any) -> Block:
    levels = level_codes(factor.name, factor.levels, moments)
    return Block(factor.name, place(factor.terms), levels, len(factor.levels), factor.exhaustive)


def _smooth(smooth: Any, place: Any, n_cells: int) -> Block:
    columns = place([f"{smooth.name}[{label}]" for label in smooth.labels])
    return Block(smooth.name, columns, np.zeros(n_cells, dtype=np.intp), 1)


def level_codes(name: str, levels: tuple[str, ...], moments: Moments) -> np.ndarray:
    """Level number of each cell in a factor, which may be a cross of several keys."""
    parts = name.split(":")
    missing = [part for part in parts if part not in moments.keys]
    if missing:
        raise ModelError(
            f"the moments lack the factor(s) {', '.join(map(repr, missing))} of the model. "
            "Reduce the table again with this model's card."
        )
    codes = moments.codes[:, [moments.keys.index(part) for part in parts]]
    combinations, inverse = np.unique(codes, axis=0, return_inverse=True)
    number = {label: k for k, label in enumerate(levels)}
    labels = [
        joined_level(moments.levels[part][code] for part, code in zip(parts, combination, strict=True))
        for combination in combinations
    ]
    unknown = [label for label in labels if label not in number]
    if unknown:
        raise ModelError(
            f"the moments hold level(s) of '{name}' that the model lacks: {', '.join(map(repr, unknown))}."
        )
    return np.array([number[label] for label in labels], dtype=np.intp)[inverse.ravel()]
