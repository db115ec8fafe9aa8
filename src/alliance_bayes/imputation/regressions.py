"""Regressions of single columns on others, in turn: what is expected of a value that was not observed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import override

import numpy as np
from scipy import special

from alliance_bayes.imputation.persons import PersonMeans

__all__ = ["COEFFICIENT_SD", "GROUP_SCALE", "VARIANCE_PRIOR", "Factor", "NormalRegression", "ProbitRegression"]

#: Prior SD of every coefficient. Columns are in SDs of what was observed, so that 2.5 is weak.
COEFFICIENT_SD = 2.5
#: Shape and scale of the inverse gamma prior of a residual variance, in squared SDs of the column.
VARIANCE_PRIOR = (1.0, 0.5)
#: Scale of the half-Cauchy prior of the SD of a factor's intercepts.
GROUP_SCALE = 0.5
# Latent values further out than this have a probability that is no number any more.
_FARTHEST = 30.0


@dataclass(eq=False)
class Factor:
    """Intercepts that differ by the levels of a factor, Normal(0, tau), in every chain.

    Parameters
    ----------
    codes
        Level of each row, shape (chains, rows); the sampler writes those that were not observed.
    levels
        How many there are.
    """

    codes: np.ndarray
    levels: int
    effects: np.ndarray = field(init=False)
    variance: np.ndarray = field(init=False)
    _rate: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        chains = len(self.codes)
        self.effects = np.zeros((chains, self.levels))
        self.variance, self._rate = np.full(chains, 0.1), np.ones(chains)

    def at(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Intercept of some rows, shape (chains, n)."""
        return np.take_along_axis(self.effects, self.codes[:, rows], axis=1)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the rows of each level, shape (chains, levels), of values of shape (chains, rows)."""
        place = (self.codes + self.levels * np.arange(len(values))[:, None]).ravel()
        return np.bincount(place, values.ravel(), minlength=self.effects.size).reshape(self.effects.shape)

    def draw(self, left: np.ndarray, precision: np.ndarray, rng: np.random.Generator) -> None:
        """Draw the intercepts and their variance, given what is left for them to explain and how precisely.

        Parameters
        ----------
        left, precision
            Shape (chains, rows); a precision of 0 is a row that says nothing.
        rng
            Generator.
        """
        chains = len(left)
        weight = self.sums(precision) + 1 / self.variance[:, None]
        sums = self.sums(precision * left)
        self.effects = sums / weight + rng.standard_normal(sums.shape) / np.sqrt(weight)
        # A half-Cauchy SD as a mixture of inverse gammas (Makalic and Schmidt 2016, doi 10.1109/LSP.2015.2503725).
        squares = (self.effects**2).sum(axis=1)
        self.variance = (1 / self._rate + squares / 2) / rng.gamma((self.levels + 1) / 2, size=chains)
        self._rate = (1 / GROUP_SCALE**2 + 1 / self.variance) / rng.gamma(1.0, size=chains)


@dataclass(eq=False)
class _Regression(ABC):
    """One column given others, in every chain.

    Parameters
    ----------
    name
        The column.
    columns
        Place of each regressor's columns in ``x``, by name.
    x
        The intercept and the regressors, shape (chains, rows, columns); the sampler writes what was not observed.
    factors
        Factors over which the intercept is pooled, by name.
    counts
        1 where a row counts, 0 where it says nothing, shape (rows,).
    means
        Of a column of persons, of whom one row each counts: their means of the regressors in ``averaged``.
    averaged
        The columns of such regressors by row, shape (chains, rows, width) by name, where ``x`` has persons' means.
    """

    name: str
    columns: Mapping[str, slice]
    x: np.ndarray
    factors: Mapping[str, Factor]
    counts: np.ndarray
    means: PersonMeans | None = field(default=None, kw_only=True)
    averaged: Mapping[str, np.ndarray] = field(default_factory=dict, kw_only=True)

    @abstractmethod
    def draw_parameters(self, rng: np.random.Generator) -> None:
        """Draw all that the regression does not know, given the column and its regressors."""

    @abstractmethod
    def pulls(self, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the column says of a numeric regressor in some rows: precision, and precision times value.

        Shapes (chains, n), of a Normal density of the regressor.
        """

    @abstractmethod
    def log_density(self, name: str, rows: np.ndarray, columns: np.ndarray, levels: Sequence[int]) -> np.ndarray:
        """Log density of the column in some rows with a regressor at each of its levels, shape (chains, n, n_levels).

        ``columns`` are the regressor's columns at its levels, shape (n_levels, width).
        """

    def _draw_all(
        self,
        factors: Mapping[str, Factor],
        target: np.ndarray,
        precision: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw coefficients and the factors' intercepts given a column (chains, rows) and each row's precision.

        Coefficients are drawn with the intercepts of the factor of most levels integrated out, and these given them at
        once: they say nearly the same, of persons' mean and what persons differ by. Returned are the coefficients,
        shape (chains, p), and what is left of the column.
        """
        ordered = sorted(factors.values(), key=lambda factor: -factor.levels)
        left = target.copy()
        for factor in ordered[1:]:
            left -= factor.at()
        coefficients = self._solve(ordered[:1], left, precision, rng)
        left -= np.einsum("cnp,cp->cn", self.x, coefficients)
        for place, factor in enumerate(ordered):
            if place:
                left += factor.at()
            factor.draw(left, precision, rng)
            left -= factor.at()
        return coefficients, left

    def _solve(
        self, integrated: Sequence[Factor], left: np.ndarray, precision: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        x = self.x
        weighted = x * precision[..., None]
        gram = weighted.transpose(0, 2, 1) @ x + np.eye(x.shape[2]) / COEFFICIENT_SD**2
        sums = np.einsum("cnp,cn->cp", weighted, left)
        for factor in integrated:
            by_level = np.stack([factor.sums(column) for column in np.moveaxis(weighted, 2, 0)], axis=2)
            shares = by_level / (factor.sums(precision) + 1 / factor.variance[:, None])[..., None]
            gram -= shares.transpose(0, 2, 1) @ by_level
            sums -= np.einsum("clp,cl->cp", shares, factor.sums(precision * left))
        root = np.linalg.cholesky(gram)
        half = np.linalg.solve(root, sums[..., None])
        noise = rng.standard_normal(half.shape)
        return np.linalg.solve(root.transpose(0, 2, 1), half + noise)[..., 0]

    def put(self, name: str, rows: np.ndarray, columns: np.ndarray) -> None:
        """Write a regressor's columns in some rows, shape (chains, n, width)."""
        if name not in self.averaged:
            self.x[:, rows, self.columns[name]] = columns
            return
        assert self.means is not None
        self.averaged[name][:, rows] = columns
        self.x[:, :, self.columns[name]] = self.means.of(self.averaged[name])

    def _seen(self, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | float, np.ndarray]:
        """Where the column is that some rows' regressor explains, by how much of it, and the regressor there."""
        if name not in self.averaged:
            return rows, 1.0, self.x[:, rows, self.columns[name]]
        assert self.means is not None
        return self.means.first[rows], self.means.share[rows], self.averaged[name][:, rows]

    def _changes(
        self,
        coefficients: np.ndarray,
        factors: Mapping[str, Factor],
        name: str,
        rows: np.ndarray,
        columns: np.ndarray,
        levels: Sequence[int],
    ) -> np.ndarray:
        """How the expectation changes with a regressor of some rows at each level, shape (chains, n, n_levels)."""
        if name in factors:
            factor = factors[name]
            return factor.effects[:, None, list(levels)] - factor.at(rows)[..., None]
        own, (_, share, regressor) = coefficients[:, self.columns[name]], self._seen(name, rows)
        now = np.einsum("cnp,cp->cn", regressor, own)
        change = np.einsum("lp,cp->cl", columns, own)[:, None, :] - now[..., None]
        return change if isinstance(share, float) else change * share[:, None]

    def _of_factors(self, factors: Mapping[str, Factor], rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        parts = [factor.at(rows) for factor in factors.values()]
        return np.sum(parts, axis=0) if parts else np.zeros(self.x[:, rows, 0].shape)


@dataclass(eq=False)
class NormalRegression(_Regression):
    """A numeric column: Normal with one residual SD.

    Parameters
    ----------
    target
        The column in SDs, shape (chains, rows); the sampler writes what was not observed.
    """

    target: np.ndarray
    coefficients: np.ndarray = field(init=False)
    variance: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        chains, _, width = self.x.shape
        self.coefficients, self.variance = np.zeros((chains, width)), np.ones(chains)

    def mean(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Expectation of some rows, shape (chains, n)."""
        fixed = np.einsum("cnp,cp->cn", self.x[:, rows], self.coefficients)
        return np.asarray(fixed + self._of_factors(self.factors, rows))

    @override
    def draw_parameters(self, rng: np.random.Generator) -> None:
        precision = self.counts / self.variance[:, None]
        self.coefficients, left = self._draw_all(self.factors, self.target, precision, rng)
        shape, scale = VARIANCE_PRIOR
        n = self.counts.sum()
        self.variance = (scale + (self.counts * left**2).sum(axis=1) / 2) / rng.gamma(shape + n / 2, size=len(left))

    @override
    def pulls(self, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at, share, now = self._seen(name, rows)
        slope = self.coefficients[:, self.columns[name].start, None] * share
        left = self.target[:, at] - self.mean(at) + slope * now[..., 0]
        weight = self.counts[at] / self.variance[:, None]
        return weight * slope**2, weight * left * slope

    @override
    def log_density(self, name: str, rows: np.ndarray, columns: np.ndarray, levels: Sequence[int]) -> np.ndarray:
        at = self._seen(name, rows)[0] if name in self.columns else rows
        left = (self.target[:, at] - self.mean(at))[..., None]
        left = left - self._changes(self.coefficients, self.factors, name, rows, columns, levels)
        return -0.5 * self.counts[at, None] * left**2 / self.variance[:, None, None]


@dataclass(eq=False)
class ProbitRegression(_Regression):
    """A column of levels: in turn, whether it stops at each level but the last, once it has come so far (probit).

    With two levels it is a probit regression; with ordered ones the sequential model (Albert and Chib 2001, doi
    10.1111/j.0006-341X.2001.00829.x).

    Parameters
    ----------
    codes
        Level of each row, shape (chains, rows); the sampler writes those that were not observed.
    levels
        How many there are.
    """

    codes: np.ndarray
    levels: int
    coefficients: np.ndarray = field(init=False)
    latent: np.ndarray = field(init=False)
    pooled: list[dict[str, Factor]] = field(init=False)

    def __post_init__(self) -> None:
        chains, n, width = self.x.shape
        self.coefficients = np.zeros((self.levels - 1, chains, width))
        self.latent = np.zeros((self.levels - 1, chains, n))
        self.pooled = [
            {name: Factor(one.codes, one.levels) for name, one in self.factors.items()} for _ in range(self.levels - 1)
        ]

    def _mean(self, step: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        fixed = np.einsum("cnp,cp->cn", self.x[:, rows], self.coefficients[step])
        return np.asarray(fixed + self._of_factors(self.pooled[step], rows))

    @override
    def draw_parameters(self, rng: np.random.Generator) -> None:
        for step in range(self.levels - 1):
            reached = self.counts * (self.codes >= step)
            stops = self.codes == step
            mean = np.clip(self._mean(step), -_FARTHEST, _FARTHEST)
            uniform = rng.random(mean.shape)
            side = np.where(stops, 1.0, -1.0)
            latent = mean - side * special.ndtri(uniform * special.ndtr(side * mean))
            self.latent[step] = np.where(reached > 0, latent, 0.0)
            self.coefficients[step], _ = self._draw_all(self.pooled[step], self.latent[step], reached, rng)

    def log_mass(self, rows: np.ndarray) -> np.ndarray:
        """Log probability of each level in some rows, shape (chains, n, n_levels)."""
        means = [self._mean(step, rows) for step in range(self.levels - 1)]
        out, going = [], np.zeros(self.codes[:, rows].shape)
        for mean in means:
            out.append(going + special.log_ndtr(mean))
            going = going + special.log_ndtr(-mean)
        return np.stack([*out, going], axis=-1)

    @override
    def pulls(self, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at, share, now = self._seen(name, rows)
        place, codes = self.columns[name].start, self.codes[:, at]
        precision, sums = np.zeros(codes.shape), np.zeros(codes.shape)
        for step in range(self.levels - 1):
            reached = self.counts[at] * (codes >= step)
            slope = self.coefficients[step][:, place, None] * share
            left = self.latent[step][:, at] - self._mean(step, at) + slope * now[..., 0]
            precision += reached * slope**2
            sums += reached * slope * left
        return precision, sums

    @override
    def log_density(self, name: str, rows: np.ndarray, columns: np.ndarray, levels: Sequence[int]) -> np.ndarray:
        at = self._seen(name, rows)[0] if name in self.columns else rows
        codes = self.codes[:, at]
        out = np.zeros((*codes.shape, len(levels)))
        for step in range(self.levels - 1):
            left = (self.latent[step][:, at] - self._mean(step, at))[..., None]
            left = left - self._changes(self.coefficients[step], self.pooled[step], name, rows, columns, levels)
            out -= 0.5 * np.where((codes >= step)[..., None], self.counts[at, None] * left**2, 0.0)
        return out
