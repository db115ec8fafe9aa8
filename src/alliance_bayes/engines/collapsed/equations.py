"""Normal equations of a Gaussian model: all that its posterior depends on, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, sparse

from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design, PooledFactor, PriorTable
from alliance_bayes.moments import Moments

__all__ = ["Equations", "contrasts", "normal_equations"]


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


def contrasts(levels: int) -> np.ndarray:
    """Orthonormal basis of the effects that sum to zero, shape (levels, levels - 1) (Helmert)."""
    return np.ascontiguousarray(linalg.helmert(levels).T)


@dataclass(frozen=True, eq=False)
class _Block:
    """Columns that a set of levels shares: a smooth or the common columns (one level), or a pooled factor."""

    name: str
    columns: np.ndarray  # positions in the cells' column list, 0 for the constant
    level: np.ndarray  # level number of each cell
    levels: int
    exhaustive: bool = False

    @property
    def width(self) -> int:
        return self.levels * len(self.columns)


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
    cells = _Cells(moments, _stratum(design, moments))
    pilot = _pilot(cells, common, mu)
    cells = cells.without(common, pilot)

    smooths = [_smooth(smooth, place, len(moments.counts)) for smooth in design.smooths]
    factors = [_pooled(factor, moments, place) for factor in design.factors]
    widest = max((b for b in factors if not b.exhaustive), key=lambda b: b.levels, default=None)
    whole = _Block("", common, np.zeros(len(moments.counts), dtype=np.intp), 1)
    dense = [whole, *smooths, *(block for block in factors if block is not widest)]

    raw = np.cumsum([0, *(block.width for block in dense)])
    basis = sparse.csr_array(sparse.block_diag([_basis(block) for block in dense], format="csr"))
    starts = np.cumsum([0, *(_basis(block).shape[1] for block in dense)])
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
    elimination = _eliminated(cells, widest, dense, raw, basis)
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
    return _codes(residual.name, residual.levels, moments), len(residual.levels)


def _pooled(factor: PooledFactor, moments: Moments, place: Any) -> _Block:
    levels = _codes(factor.name, factor.levels, moments)
    return _Block(factor.name, place(factor.terms), levels, len(factor.levels), factor.exhaustive)


def _smooth(smooth: Any, place: Any, n_cells: int) -> _Block:
    columns = place([f"{smooth.name}[{label}]" for label in smooth.labels])
    return _Block(smooth.name, columns, np.zeros(n_cells, dtype=np.intp), 1)


def _codes(name: str, levels: tuple[str, ...], moments: Moments) -> np.ndarray:
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
        ":".join(moments.levels[part][code] for part, code in zip(parts, combination, strict=True))
        for combination in combinations
    ]
    unknown = [label for label in labels if label not in number]
    if unknown:
        raise ModelError(
            f"the moments hold level(s) of '{name}' that the model lacks: {', '.join(map(repr, unknown))}."
        )
    return np.array([number[label] for label in labels], dtype=np.intp)[inverse.ravel()]


def _basis(block: _Block) -> Any:
    """From a block's levels to its dense columns: contrasts for an exhaustive factor, else the levels themselves."""
    q = len(block.columns)
    if not block.exhaustive:
        return sparse.eye_array(block.width, format="csr")
    return sparse.kron(contrasts(block.levels), sparse.eye_array(q), format="csr")


class _Cells:
    """Second moments about zero of (1, outcome, columns) by cell, and their sums over levels."""

    def __init__(self, moments: Moments, stratum: tuple[np.ndarray, int]) -> None:
        self.counts, self.means, self.centred = moments.counts, moments.means, moments.cross
        self.stratum, self.strata = stratum

    @cached_property
    def second(self) -> np.ndarray:
        """Shape (n_cells, 1 + n_columns, 1 + n_columns)."""
        full = np.concatenate([np.ones((len(self.counts), 1)), self.means], axis=1)
        out = self.counts[:, None, None] * full[:, :, None] * full[:, None, :]
        out[:, 1:, 1:] += self.centred
        return out

    def without(self, common: np.ndarray, pilot: np.ndarray) -> _Cells:
        """The same with the pilot's predictions taken out of the outcome (column 0 of the moments)."""
        transform = np.eye(self.means.shape[1])
        shift = 0.0
        for column, value in zip(common, pilot, strict=True):
            if column == 0:
                shift = value
            else:
                transform[0, column - 1] -= value
        out = _Cells.__new__(_Cells)
        out.counts, out.stratum, out.strata = self.counts, self.stratum, self.strata
        out.means = self.means @ transform.T
        out.means[:, 0] -= shift
        out.centred = transform @ self.centred @ transform.T
        return out

    @property
    def n(self) -> np.ndarray:
        return np.bincount(self.stratum, self.counts, minlength=self.strata)

    @property
    def rss(self) -> np.ndarray:
        return np.bincount(self.stratum, self.second[:, 1, 1], minlength=self.strata)

    def sums(self, code: np.ndarray, size: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Sums by stratum and code, shape (S, size, n_left, n_right)."""
        code = self.stratum * size + code
        out = np.empty((self.strata * size, len(left), len(right)))
        for i, a in enumerate(left):
            for j, b in enumerate(right):
                out[:, i, j] = np.bincount(code, self.second[:, a, b], minlength=self.strata * size)
        return out.reshape(self.strata, size, len(left), len(right))

    def gram(self, blocks: list[_Block], starts: np.ndarray) -> np.ndarray:
        """Cross-products of all blocks' columns, shape (S, width, width)."""
        out = np.zeros((self.strata, starts[-1], starts[-1]))
        for i, a in enumerate(blocks):
            for j, b in enumerate(blocks[: i + 1]):
                sums = self.sums(a.level * b.levels + b.level, a.levels * b.levels, a.columns, b.columns)
                sums = sums.reshape(self.strata, a.levels, b.levels, len(a.columns), len(b.columns))
                part = sums.transpose(0, 1, 3, 2, 4).reshape(self.strata, a.width, b.width)
                out[:, starts[i] : starts[i + 1], starts[j] : starts[j + 1]] = part
                out[:, starts[j] : starts[j + 1], starts[i] : starts[i + 1]] = part.transpose(0, 2, 1)
        return out

    def cross(self, blocks: list[_Block], starts: np.ndarray) -> np.ndarray:
        """Cross-products of all blocks' columns with the outcome, shape (S, width)."""
        out = np.zeros((self.strata, starts[-1]))
        for i, block in enumerate(blocks):
            sums = self.sums(block.level, block.levels, block.columns, np.array([1]))
            out[:, starts[i] : starts[i + 1]] = sums.reshape(self.strata, -1)
        return out


def _pilot(cells: _Cells, common: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Least squares of the outcome on the common columns; prior means where the data say nothing."""
    if not len(common):
        return np.empty(0)
    total = cells.counts.sum()
    slopes = common[common > 0] - 1
    if (common == 0).any():
        # About the overall means: an intercept of any size then costs the slopes no digits.
        mean = cells.counts @ cells.means / total
        away = cells.means - mean
        square = cells.centred.sum(axis=0) + (cells.counts[:, None] * away).T @ away
    else:
        mean = np.zeros(cells.means.shape[1])
        square = cells.second.sum(axis=0)[1:, 1:]
    size = np.sqrt(np.maximum(np.diag(square)[slopes], np.finfo(float).tiny))
    beta = np.linalg.lstsq(square[np.ix_(slopes, slopes)] / np.outer(size, size), square[slopes, 0] / size, rcond=1e-10)
    out = mu.copy()
    out[common > 0] = beta[0] / size
    if (common == 0).any():
        out[common == 0] = mean[0] - out[common > 0] @ mean[slopes]
    return out


def _eliminated(
    cells: _Cells, block: _Block | None, dense: list[_Block], starts: np.ndarray, basis: Any
) -> dict[str, np.ndarray]:
    strata = cells.strata
    none = np.zeros(0, dtype=np.int64)
    if block is None:
        return {
            "g_e": np.zeros((strata, 0, 1, 1)),
            "r_e": np.zeros((strata, 0, 1)),
            "ptr": np.zeros(1, dtype=np.int64),
            "cols": none,
            "v": np.zeros((strata, 1, 0)),
            "runs": np.zeros(1, dtype=np.int64),
            "order": none,
        }
    q, width = len(block.columns), starts[-1]
    g_e = cells.sums(block.level, block.levels, block.columns, block.columns)
    r_e = cells.sums(block.level, block.levels, block.columns, np.array([1]))[..., 0]
    # Which dense levels each eliminated level meets, and the sums over the cells where they do.
    pieces: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[] for _ in range(strata * q)]
    touched = []
    for other, start in zip(dense, starts[:-1], strict=True):
        code = block.level * other.levels + other.level
        pairs, inverse = np.unique(code, return_inverse=True)
        sums = cells.sums(inverse, len(pairs), block.columns, other.columns)
        rows, levels = np.divmod(pairs, other.levels)
        columns = start + levels[:, None] * len(other.columns) + np.arange(len(other.columns))
        rows = np.repeat(rows, len(other.columns))
        touched.append((rows, columns.ravel()))
        for s in range(strata):
            for i in range(q):
                pieces[s * q + i].append((sums[s, :, i].ravel(), rows, columns.ravel()))
    at_rows, at_cols = (np.concatenate(parts) for parts in zip(*touched, strict=True))
    met = sparse.csr_array((np.ones(len(at_rows)), (at_rows, at_cols)), shape=(block.levels, width))
    pattern = sparse.csr_array(met @ abs(basis))
    pattern.eliminate_zeros()
    pattern.sort_indices()
    order, runs = _runs(pattern)
    pattern = pattern[order]
    rows = np.repeat(order, np.diff(pattern.indptr))
    v = np.empty((strata, q, len(rows)))
    for s in range(strata):
        for i in range(q):
            values, r, c = (np.concatenate(parts) for parts in zip(*pieces[s * q + i], strict=True))
            matrix = sparse.csr_array((values, (r, c)), shape=(block.levels, width)) @ basis
            v[s, i] = np.asarray(sparse.csr_array(matrix)[rows, pattern.indices]).ravel()
    return {
        "g_e": np.ascontiguousarray(g_e[:, order]),
        "r_e": np.ascontiguousarray(r_e[:, order]),
        "ptr": pattern.indptr.astype(np.int64),
        "cols": pattern.indices.astype(np.int64),
        "v": v,
        "runs": runs,
        "order": order,
    }


def _runs(pattern: Any) -> tuple[np.ndarray, np.ndarray]:
    """Order of levels in which equal patterns are neighbours, and where each run of them starts."""
    keys = [pattern.indices[a:b].tobytes() for a, b in zip(pattern.indptr[:-1], pattern.indptr[1:], strict=True)]
    number: dict[bytes, int] = {}
    codes = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)
    order = np.argsort(codes, kind="stable").astype(np.int64)
    changes = np.flatnonzero(np.diff(codes[order])) + 1
    return order, np.concatenate([[0], changes, [len(order)]]).astype(np.int64)
