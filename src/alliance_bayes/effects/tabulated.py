"""What a family expects of rows, tabulated over the linear predictor: averages over many rows for little."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Family, Outcome

__all__ = ["Expected", "Tabulated", "Tabulations", "expectation"]


# What a family expects given its linear predictor (..., n), its parameters and the outcome: of shape (..., n), or
# (..., n, n_functions) for several things at once.
type Expected = Callable[[Family, np.ndarray, Mapping[str, np.ndarray], Outcome], np.ndarray]


def expectation(family: Family, eta: np.ndarray, parameters: Mapping[str, np.ndarray], outcome: Outcome) -> np.ndarray:
    """The outcome itself, as what is expected."""
    return family.expectation(eta, parameters, outcome)


def _residual_variance(
    family: Family, eta: np.ndarray, parameters: Mapping[str, np.ndarray], outcome: Outcome
) -> np.ndarray:
    return family.residual_variance(eta, parameters, outcome)


# Points of a draw's grid. With four-point (cubic) interpolation the error is below 1e-7 of the outcome's range where
# the linear predictor spans 20 logits, and below 1e-5 of itself for a derivative.
_POINTS = 1024
# Several functions at once are probabilities: where the linear predictor spans 10 residual SDs, the error is below
# 1e-6.
_POINTS_OF_SEVERAL = 128
# How many times as many points an extended grid may have.
_MOST_LONGER = 8


@dataclass(frozen=True, eq=False)
class Tabulated:
    """Functions of the linear predictor, one a stratum, on a grid of its own for every draw of a block.

    Parameters
    ----------
    low, step
        Start and spacing of the grids, shape (n_draws,).
    values
        The functions on the grids, shape (n_draws, n_strata, n_points), or (n_draws, n_strata, n_points, n_functions).
    """

    low: np.ndarray
    step: np.ndarray
    values: np.ndarray

    @property
    def high(self) -> np.ndarray:
        """End of the grids, shape (n_draws,)."""
        return np.asarray(self.low + self.step * (self.values.shape[2] - 1))

    def smoothed(self, sd: np.ndarray, nodes: np.ndarray, weights: np.ndarray) -> Tabulated:
        """Tables of the functions' means over ``eta + sd * node``, by weight; ``sd`` has shape (n_draws,).

        They hold where the tables reach as far as the nodes do.
        """
        functions = self.values.reshape(*self.values.shape[:3], -1)
        means = _smoothed(functions, sd[:, None] * nodes / self.step[:, None], weights)
        return replace(self, values=means.reshape(self.values.shape))

    def __call__(self, eta: np.ndarray, strata: np.ndarray) -> np.ndarray:
        """The functions at linear predictors of shape (n_draws, n_rows), by the rows' strata of shape (n_rows,)."""
        return np.asarray(_interpolated(eta, strata, self.low, self.step, self.values))

    def mean(
        self,
        eta: np.ndarray,
        strata: np.ndarray,
        effects: np.ndarray,
        z: np.ndarray,
        counting: np.ndarray | None = None,
    ) -> np.ndarray:
        """Mean over rows of the functions at ``eta + effects @ z.T``, shape (n_draws,) or (n_draws, n_functions).

        ``counting`` are weights of the rows, where they have some.
        """
        effects, n = np.ascontiguousarray(effects), eta.shape[1]
        share = np.full(n, 1 / n) if counting is None else counting / counting.sum()
        if self.values.ndim == 3:
            return np.asarray(_mean(eta, strata, effects, z, share, self.low, self.step, self.values))
        # What the rows together weigh each grid point with is the same for all functions.
        size = self.values.shape[1:3]
        weights = _weights(eta, strata, effects, z, share, self.low, self.step, *size)
        functions = self.values.reshape(len(eta), -1, self.values.shape[3])
        return np.asarray((weights.reshape(len(eta), 1, -1) @ functions)[:, 0])


@dataclass(frozen=True, eq=False)
class Tabulations:
    """Tables of a fit's expected outcome and residual variance by block of draws, made when they are needed.

    Parameters
    ----------
    fit
        A fit of any family; made for those that are not linear.
    function
        What is expected of a row: the outcome itself by default, or the probability of an event.
    n_functions
        How many things ``function`` gives at once; None for one without an axis of its own.
    """

    fit: FittedModel
    function: Expected = expectation
    n_functions: int | None = None
    _kept: dict[tuple[int, int], Tabulated] = field(default_factory=dict, repr=False)

    @property
    def of_outcome(self) -> bool:
        """Whether it is the outcome itself that is expected."""
        return self.function is expectation

    @property
    def _points(self) -> int:
        return _POINTS if self.n_functions is None else _POINTS_OF_SEVERAL

    @property
    def _unit(self) -> float:
        """Of the linear predictor: that of the outcome where its expectation is the outcome, else a logit."""
        design = self.fit.design
        return design.sd(design.outcome.name) if design.family.link == "identity" else 1.0

    def blocks(self, n_rows: int) -> Iterator[slice]:
        """Slices of the stacked draws such that linear predictors and tables stay within a fixed amount of memory."""
        return self.fit.blocks(n_rows if self.n_functions is None else max(n_rows, self._points * self.n_functions))

    def by_row(self, n_rows: int) -> Iterator[slice]:
        """Slices of the draws such that what is expected of every row stays within a fixed amount of memory."""
        return self.fit.blocks(n_rows * (self.n_functions or 1))

    def given(self, eta: np.ndarray, which: np.ndarray, strata: np.ndarray) -> np.ndarray:
        """What is expected at linear predictors of shape (n_draws, n), of some draws, by strata of shape (n,)."""
        parameters = self.fit.parameters_at(which, residual=strata)
        return self.function(self.fit.design.family, eta, parameters, self.fit.design.outcome)

    def expected(self, which: slice, low: np.ndarray, high: np.ndarray) -> Tabulated:
        """Table of what is expected for a block of draws, covering linear predictors from ``low`` to ``high``.

        Parameters
        ----------
        which
            A block of the stacked draws.
        low, high
            Shape (n_draws,).

        Notes
        -----
        A table that has to reach further keeps its grid and gets more points. Differences of averages from two tables
        then hold no difference of interpolation errors, which a small divisor would blow up.
        """
        table = self._kept.get(key := (which.start, which.stop))
        if table is None:
            step = np.maximum.reduce([high - low, np.full(low.shape, 1e-6 * self._unit), 1e-9 * np.abs(low)])
            step = step / self._points
            table = self._filled(self.function, which, low - 2 * step, step, self._points + 4)
        elif (low < table.low + table.step).any() or (high > table.high - 2 * table.step).any():
            below = max(0, int(np.ceil(((table.low - low) / table.step).max())) + 2)
            above = max(0, int(np.ceil(((high - table.high) / table.step).max())) + 3)
            if below + table.values.shape[2] + above > _MOST_LONGER * self._points:
                del self._kept[key]
                return self.expected(which, np.minimum(low, table.low), np.maximum(high, table.high))
            start = table.low - below * table.step
            before = self._filled(self.function, which, start, table.step, below)
            after = self._filled(self.function, which, table.high + table.step, table.step, above)
            values = np.concatenate([before.values, table.values, after.values], axis=2)
            table = Tabulated(start, table.step, values)
        self._kept[key] = table
        return table

    def residual(self, which: slice, table: Tabulated) -> Tabulated:
        """Table of the residual variance on the grid of another table."""
        return self._filled(_residual_variance, which, table.low, table.step, table.values.shape[2])

    def _filled(self, function: Expected, which: slice, low: np.ndarray, step: np.ndarray, size: int) -> Tabulated:
        design = self.fit.design
        grid = low[:, None] + step[:, None] * np.arange(size)
        parameters = {name: draws[which] for name, draws in self.fit.parameters.items()}
        if design.residual is None:
            strata = [parameters]
        else:
            strata = [
                parameters | {"sigma": parameters["sigma"][:, level]} for level in range(len(design.residual.levels))
            ]
        values = np.stack([function(design.family, grid, of, design.outcome) for of in strata], axis=1)
        return Tabulated(low, step, values)


@njit(cache=True, nogil=True, inline="always")
def _at(eta: float, low: float, step: float, values: np.ndarray) -> float:
    """Cubic interpolation through the two grid points on either side."""
    place = (eta - low) / step
    k = min(max(int(place), 1), values.size - 3)
    f = place - k
    a, b, c, d = values[k - 1], values[k], values[k + 1], values[k + 2]
    return float(
        -f * (f - 1) * (f - 2) / 6 * a
        + (f + 1) * (f - 1) * (f - 2) / 2 * b
        - (f + 1) * f * (f - 2) / 2 * c
        + (f + 1) * f * (f - 1) / 6 * d
    )


@njit(cache=True, nogil=True)
def _smoothed(values: np.ndarray, shifts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means of functions on a grid, shape (n_draws, n_strata, n_points, n_functions), at shifts in steps."""
    out = np.zeros_like(values)
    n_points = values.shape[2]
    for d in range(values.shape[0]):
        for k in range(shifts.shape[1]):
            whole = int(np.floor(shifts[d, k]))
            f = shifts[d, k] - whole
            a, b = -f * (f - 1) * (f - 2) / 6, (f + 1) * (f - 1) * (f - 2) / 2
            c, e = -(f + 1) * f * (f - 2) / 2, (f + 1) * f * (f - 1) / 6
            for s in range(values.shape[1]):
                for p in range(max(0, 1 - whole), min(n_points, n_points - 2 - whole)):
                    at = p + whole
                    for j in range(values.shape[3]):
                        out[d, s, p, j] += weights[k] * (
                            a * values[d, s, at - 1, j]
                            + b * values[d, s, at, j]
                            + c * values[d, s, at + 1, j]
                            + e * values[d, s, at + 2, j]
                        )
    return out


@njit(cache=True, nogil=True)
def _interpolated(
    eta: np.ndarray, strata: np.ndarray, low: np.ndarray, step: np.ndarray, values: np.ndarray
) -> np.ndarray:
    out = np.empty_like(eta)
    for d in range(eta.shape[0]):
        for i in range(eta.shape[1]):
            out[d, i] = _at(eta[d, i], low[d], step[d], values[d, strata[i]])
    return out


@njit(cache=True, nogil=True)
def _mean(
    eta: np.ndarray,
    strata: np.ndarray,
    effects: np.ndarray,
    z: np.ndarray,
    share: np.ndarray,
    low: np.ndarray,
    step: np.ndarray,
    values: np.ndarray,
) -> np.ndarray:
    out = np.zeros(eta.shape[0])
    for d in range(eta.shape[0]):
        for i in range(eta.shape[1]):
            predictor = eta[d, i]
            for t in range(z.shape[1]):
                predictor += effects[d, t] * z[i, t]
            out[d] += share[i] * _at(predictor, low[d], step[d], values[d, strata[i]])
    return out


@njit(cache=True, nogil=True)
def _weights(
    eta: np.ndarray,
    strata: np.ndarray,
    effects: np.ndarray,
    z: np.ndarray,
    share: np.ndarray,
    low: np.ndarray,
    step: np.ndarray,
    n_strata: int,
    n_points: int,
) -> np.ndarray:
    """Weights of the grid points that make the interpolation of :func:`_at`, averaged over rows, a dot product."""
    out = np.zeros((eta.shape[0], n_strata, n_points))
    for d in range(eta.shape[0]):
        for i in range(eta.shape[1]):
            each = share[i]
            predictor = eta[d, i]
            for t in range(z.shape[1]):
                predictor += effects[d, t] * z[i, t]
            place = (predictor - low[d]) / step[d]
            k = min(max(int(place), 1), n_points - 3)
            f = place - k
            to = out[d, strata[i]]
            to[k - 1] -= each * f * (f - 1) * (f - 2) / 6
            to[k] += each * (f + 1) * (f - 1) * (f - 2) / 2
            to[k + 1] -= each * (f + 1) * f * (f - 2) / 2
            to[k + 2] += each * (f + 1) * f * (f - 1) / 6
    return out
