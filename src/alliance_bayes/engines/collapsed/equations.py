"""Normal equations of a Gaussian model: all that its posterior depends on, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from alliance_bayes.engines.collapsed.blocks import Block, Cells, contrasts, pilot_estimate
from alliance_bayes.engines.collapsed.compressed import Compressed, compress
from alliance_bayes.engines.collapsed.points import points_of
from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design, PooledFactor, PriorTable
from alliance_bayes.moments import Moments
from alliance_bayes.moments.pooling import cell_numbers

__all__ = ["Equations", "eliminate", "eliminated_factor", "normal_equations"]


@dataclass(frozen=True, eq=False)
class Equations:
    """Cross-products of the design columns with each other and with the outcome, by residual stratum.

    Coefficients are counted from a pilot estimate of the common ones, so that an outcome far from zero loses no digits.

    Parameters
    ----------
    n, rss
        Rows and sum of squares of the outcome around the pilot, shape (S,).
    size
        What was summed and taken off on the way to ``rss``, shape (S,).
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
    outcome_sd
        SD of the outcome over all rows.
    eliminated
        Name of the eliminated factor; None when all columns are dense.
    starts
        First dense column of each smooth and of each factor that is not eliminated.
    correlated
        Dense factors with correlated terms: first column, levels, terms; shape (B, 3).
    rotate
        Makes :attr:`compressed`.
    """

    n: np.ndarray
    rss: np.ndarray
    size: np.ndarray
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
    outcome_sd: float
    eliminated: str | None
    starts: dict[str, int]
    correlated: np.ndarray
    rotate: Callable[[], Compressed]

    @cached_property
    def compressed(self) -> Compressed:
        """The rows, rotated: made when first needed."""
        return self.rotate()

    @cached_property
    def kernel(self) -> tuple[Any, ...]:
        """The arrays as the compiled loops take them, and which columns and levels each stratum has rows in."""
        columns = (self.g_d != 0).any(axis=2) | (self.r_d != 0)
        levels = (self.g_e != 0).any(axis=(2, 3)) | (self.r_e != 0).any(axis=2)
        return (
            (self.g_d, self.r_d, self.g_e, self.r_e, self.v, _spans(columns), _spans(levels)),
            (self.ptr, self.cols, self.runs, self.order),
            self.correlated,
            self.offset,
        )

    @cached_property
    def squares(self) -> np.ndarray:
        """``rss`` and ``size`` side by side, shape (S, 2)."""
        return np.column_stack([self.rss, self.size])

    @property
    def n_coefficients(self) -> int:
        """Number of coefficients."""
        return int(self.g_d.shape[1] + self.g_e.shape[1] * self.g_e.shape[2])


def normal_equations(
    design: Design, priors: PriorTable, moments: Moments | None, *, scale: dict[str, int]
) -> Equations:
    """Assemble the normal equations from a design's rows, or from their moments.

    Parameters
    ----------
    design, priors
        The model, with a Normal prior on every common coefficient.
    moments
        Cell moments of the design's columns, where rows are out of reach.
    scale
        Number of each scale parameter by name (``tau_country[Intercept]``, ``tau_s_alliance``).

    Raises
    ------
    ModelError
        The outcome does not vary, or the moments lack a column or a factor of the model.
    """
    points = points_of(design, moments)
    if not points.square[0, 0] > 0:
        raise ModelError(
            f"the outcome '{design.outcome.name}' has the same value in all analysed rows, so there is nothing to "
            "explain. Check the column."
        )
    common = points.places(design.terms)
    prior = [priors[term].prior.arguments for term in design.terms]
    mu, sd = np.array([p["mu"] for p in prior]), np.array([p["sigma"] for p in prior])
    pilot = pilot_estimate(points, common, mu)
    cells = Cells(points, common, pilot)

    everybody = np.zeros(points.n, dtype=np.intp)
    smooths = [
        Block(smooth.name, points.places([f"{smooth.name}[{label}]" for label in smooth.labels]), everybody, 1)
        for smooth in design.smooths
    ]
    factors = [
        Block(
            factor.name, points.places(factor.terms), points.levels[factor.name], len(factor.levels), factor.exhaustive
        )
        for factor in design.factors
    ]
    chosen = eliminated_factor(design)
    widest = next((block for block in factors if chosen is not None and block.name == chosen.name), None)
    dense = [Block("", common, everybody, 1), *smooths, *(block for block in factors if block is not widest)]
    starts = np.cumsum([0, *(block.width for block in dense)])
    g_d, r_d = cells.gram(dense, starts), cells.cross(dense, starts)
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
    elimination = eliminate(cells, widest, dense, starts)
    pattern = tuple(elimination[name] for name in ("ptr", "cols", "runs", "order"))
    return Equations(
        n=cells.n,
        rss=cells.rss,
        size=cells.size,
        g_d=g_d,
        r_d=r_d,
        **elimination,
        fixed=fixed,
        group=group,
        offset=offset,
        pilot=pilot,
        outcome_sd=float(np.sqrt(points.square[0, 0] / points.counts.sum())),
        eliminated=None if widest is None else widest.name,
        starts={block.name: int(start) for block, start in zip(dense[1:], starts[1:-1], strict=True)},
        correlated=np.array(correlated, dtype=np.int64).reshape(-1, 3),
        rotate=lambda: compress(cells, widest, dense, pattern),
    )


def _spans(met: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's first run of True (and their number at the end), and where runs begin and end (n_runs, 2)."""
    edges = np.zeros((met.shape[0], met.shape[1] + 1), dtype=np.int8)
    edges[:, :-1] = met
    edges[:, 1:] -= met
    row, start = np.nonzero(edges == 1)
    stop = np.nonzero(edges == -1)[1]
    first = np.searchsorted(row, np.arange(len(met) + 1))
    return first.astype(np.int64), np.column_stack([start, stop]).astype(np.int64)


def eliminated_factor(design: Design) -> PooledFactor | None:
    """The sampled factor with the most columns, which leaves the fewest to be dense; None where there is none."""
    sampled = (factor for factor in design.factors if not factor.exhaustive)
    return max(sampled, key=lambda factor: len(factor.levels) * len(factor.terms), default=None)


def eliminate(cells: Cells, block: Block | None, dense: list[Block], starts: np.ndarray) -> dict[str, np.ndarray]:
    """Cross-products of the eliminated factor, as :class:`Equations` holds them, by name.

    Parameters
    ----------
    cells
        Sums over the points.
    block
        The factor; None when all columns are dense.
    dense, starts
        The other blocks, and the first dense column of each (and their number at the end).
    """
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
    meetings = [_meeting(block, other) for other in dense]
    order, runs = _runs(sparse.csr_array(sparse.hstack([meeting.pattern for meeting in meetings], format="csr")))
    lengths = np.stack([np.diff(meeting.pattern.indptr) for meeting in meetings])[:, order]
    ptr = np.concatenate([[0], np.cumsum(lengths.sum(axis=0))]).astype(np.int64)
    # Within a level, one block's columns follow on another's.
    first = ptr[:-1] + np.cumsum(lengths, axis=0) - lengths
    q = len(block.columns)
    cols, v = np.empty(ptr[-1], dtype=np.int64), np.empty((strata, q, ptr[-1]))
    for meeting, other, start, begin, count in zip(meetings, dense, starts[:-1], first, lengths, strict=True):
        pattern = meeting.pattern[order]
        place = np.repeat(begin - pattern.indptr[:-1], count) + np.arange(pattern.nnz)
        cols[place] = start + pattern.indices
        for i, sums in enumerate(cells.each(meeting.code, len(meeting.levels), block.columns, other.columns)):
            for s, part in enumerate(sums.reshape(strata, len(meeting.levels), -1)):
                v[s, i, place] = meeting.values(part, order)
    g_e = cells.sums(block.level, block.levels, block.columns, block.columns)
    r_e = cells.sums(block.level, block.levels, block.columns, np.array([1]))[..., 0]
    return {
        "g_e": np.ascontiguousarray(g_e[:, order]),
        "r_e": np.ascontiguousarray(r_e[:, order]),
        "ptr": ptr,
        "cols": cols,
        "v": v,
        "runs": runs,
        "order": order,
    }


@dataclass(frozen=True, eq=False)
class _Meeting:
    """Where the eliminated factor's levels and those of another block meet.

    Parameters
    ----------
    code
        Which meeting each point is part of, shape (n_points,).
    levels
        The other block's level in each meeting, shape (n_meetings,); meetings are sorted by the eliminated level.
    raw
        Row of each eliminated level, column of each column of the other block's levels.
    basis
        From the other block's levels to its dense columns; None where they are those.
    pattern
        Dense columns of the other block that each eliminated level meets.
    """

    code: np.ndarray
    levels: np.ndarray
    raw: Any
    basis: Any
    pattern: Any

    def values(self, sums: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Sums of the meetings (n_meetings, n_columns) as values of the pattern, its rows in another order."""
        raw = sparse.csr_array((sums.ravel(), self.raw.indices, self.raw.indptr), shape=self.raw.shape)
        if self.basis is None:
            return np.asarray(raw[order].data)
        rows = np.repeat(order, np.diff(self.pattern.indptr)[order])
        return np.asarray(sparse.csr_array(raw @ self.basis)[rows, self.pattern[order].indices]).ravel()


def _meeting(block: Block, other: Block) -> _Meeting:
    pairs, code = cell_numbers(np.column_stack([block.level, other.level]), [block.levels, other.levels])
    rows, levels = pairs.T
    q = len(other.columns)
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=block.levels))]) * q
    columns = (levels[:, None] * q + np.arange(q)).ravel()
    raw = sparse.csr_array((np.ones(len(columns)), columns, ends), shape=(block.levels, other.levels * q))
    if not other.exhaustive:
        return _Meeting(code, levels, raw, None, raw)
    basis = sparse.kron(contrasts(other.levels), sparse.eye_array(q), format="csr")
    pattern = sparse.csr_array(raw @ abs(basis))
    pattern.eliminate_zeros()
    pattern.sort_indices()
    return _Meeting(code, levels, raw, basis, pattern)


def _runs(pattern: Any) -> tuple[np.ndarray, np.ndarray]:
    """Order of levels in which equal patterns are neighbours, and where each run of them starts."""
    keys = [pattern.indices[a:b].tobytes() for a, b in zip(pattern.indptr[:-1], pattern.indptr[1:], strict=True)]
    number: dict[bytes, int] = {}
    codes = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)
    order = np.argsort(codes, kind="stable").astype(np.int64)
    changes = np.flatnonzero(np.diff(codes[order])) + 1
    return order, np.concatenate([[0], changes, [len(order)]]).astype(np.int64)
