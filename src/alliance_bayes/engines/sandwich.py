"""Draws as wide as unequal weights make them: the pseudo-posterior corrected by a sandwich.

With sampling weights the likelihood is that of each row to the power of its weight. Its maximum is that of the
population, but how sharply it is curved says nothing of how far it is from it: that is what the scores of the rows say
as they are drawn. The draws are mapped linearly about their mean so that their covariance is the one that both give
(Williams and Savitsky 2021, doi 10.1111/insr.12376).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import prod
from typing import Any

import numpy as np
import xarray as xr
from scipy import sparse

from alliance_bayes.model import Design
from alliance_bayes.model.layout import posterior_dataset

__all__ = ["corrected"]

# Half the width of differences, in the units in which a log density bends: a logit, a residual SD.
_STEP = 1e-4
# Directions with less of the largest SD than this are constraints (effects that sum to zero) and rounding.
_RANK = 1e-10
# Standard errors of a covariance of one, times the root of the number of draws, that may be chance.
_CHANCE = 4.0
# Of a row's own share in its prediction, the most that its score is enlarged by.
_MOST_LEVERAGE = 0.9
# Numbers in one piece of rows (doubles).
_PIECE = 2_000_000


def corrected(design: Design, posterior: xr.Dataset) -> xr.Dataset:
    r"""The draws of a pseudo-posterior, corrected.

    Parameters
    ----------
    design
        The model on its rows, which have sampling weights.
    posterior
        Draws of the pseudo-posterior, in which rows count by ``design.information_weights``.

    Returns
    -------
    xarray.Dataset
        Coefficients, level effects and the family's parameters (positive ones on the log scale, cutpoints as the first
        and the logarithms of their distances) with the same means and corrected covariances. The SDs of level effects
        and their correlations are as they were.

    Notes
    -----
    With :math:`\Sigma` the covariance of the draws, :math:`H` the curvature of the weighted log likelihood at their
    mean and :math:`J` the covariance of its slope, estimated from the rows' (or persons') weighted scores, the
    corrected covariance is :math:`\Sigma + \Sigma (J - H) \Sigma`. This is :math:`\Sigma J \Sigma` where the data say
    all, and leaves alone what the prior says: of a level without rows, :math:`J` and :math:`H` are zero. Where weights
    are equal and the model holds, :math:`J = H` and nothing changes. Scores are enlarged by what each row pulls its
    own prediction towards itself (HC3, MacKinnon and White 1985).
    """
    numbers = _Numbers.of(design, posterior)
    centre = numbers.values.mean(axis=0)
    away = numbers.values - centre
    u, size, v = np.linalg.svd(away / np.sqrt(len(away) - 1), full_matrices=False)
    large = size > _RANK * size.max(initial=0.0)
    u, size, v = u[:, large], size[large], v[large]
    if not size.size:
        return posterior
    curvature, slope = _curvature_and_slope(design, numbers, centre, (size[:, None] * v).T)
    root = _root(_inflation(curvature, slope, len(away)))
    moved = centre + np.sqrt(len(away) - 1) * (u @ root) * size @ v
    return posterior_dataset(
        design,
        {str(name): values.values for name, values in posterior.data_vars.items()} | numbers.named(moved),
        chain=posterior["chain"].values,
        draw=posterior["draw"].values,
    )


def _inflation(curvature: np.ndarray, slope: np.ndarray, n_draws: int) -> np.ndarray:
    """The corrected covariance where that of the draws is the identity, of so many draws.

    What the curvature lacks of the identity is the prior's, which counts as it is; a little of it is chance, since the
    covariance of the draws is estimated. Chance in the units of the axes is then in both curvature and slope.
    """
    values, vectors = np.linalg.eigh(np.eye(len(curvature)) - curvature)
    chance = _CHANCE / np.sqrt(n_draws)
    prior = (vectors * (np.maximum(values - chance, 0.0) / (1 - chance))) @ vectors.T
    values, vectors = np.linalg.eigh(curvature + prior)
    unit = (vectors / np.sqrt(np.maximum(values, chance))) @ vectors.T
    return np.asarray(unit @ (slope + prior) @ unit)


def _root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root, which moves draws as little as any root does."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


@dataclass(frozen=True, eq=False)
class _Numbers:
    """What is corrected, as one vector a draw: coefficients, then parameters of the family without limits.

    Parameters
    ----------
    design
        The model.
    shapes
        Shape of each variable behind chain and draw, in the order of the vector.
    values
        Shape (n_draws, size).
    n_coefficients
        How many of the vector's numbers are multiplied by columns of the rows.
    leading
        Number of chains and draws.
    """

    design: Design
    shapes: Mapping[str, tuple[int, ...]]
    values: np.ndarray
    n_coefficients: int
    leading: tuple[int, int]

    @classmethod
    def of(cls, design: Design, posterior: xr.Dataset) -> _Numbers:
        coefficients = ["beta"] if design.terms else []
        coefficients += [f"u_{factor.name}" for factor in design.factors]
        coefficients += [f"u_{smooth.name}" for smooth in design.smooths]
        shapes, columns = {}, []
        leading = (int(posterior.sizes["chain"]), int(posterior.sizes["draw"]))
        for name in (*coefficients, *design.family.parameters):
            drawn = posterior[name].values
            shapes[name] = drawn.shape[2:]
            flat = drawn.reshape(prod(leading), -1)
            columns.append(flat if name in coefficients else _unlimited(name, flat))
        n_coefficients = sum(prod(shapes[name]) for name in coefficients)
        return cls(design, shapes, np.column_stack(columns), n_coefficients, leading)

    def named(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Vectors (n_draws, size) as the posterior's variables."""
        out, at = {}, 0
        for name, shape in self.shapes.items():
            block = values[:, at : at + prod(shape)]
            at += prod(shape)
            if at > self.n_coefficients:
                block = _limited(name, block)
            out[name] = block.reshape(*self.leading, *shape)
        return out


def _unlimited(name: str, values: np.ndarray) -> np.ndarray:
    """Parameters of the family, shape (n_draws, k), as numbers without limits."""
    if name == "cutpoints":
        return np.column_stack([values[:, :1], np.log(np.maximum(np.diff(values, axis=1), np.finfo(float).tiny))])
    return np.log(values)


def _limited(name: str, values: np.ndarray) -> np.ndarray:
    """The inverse of :func:`_unlimited`."""
    if name == "cutpoints":
        return np.cumsum(np.column_stack([values[:, :1], np.exp(values[:, 1:])]), axis=1)
    return np.exp(values)


def _columns(design: Design) -> Any:
    """What multiplies the coefficients in each row, shape (n, n_coefficients), sparse."""
    rows = design.rows
    parts = [sparse.csr_array(rows.x)] if design.terms else []
    for factor in design.factors:
        z, (levels, terms) = rows.z[factor.name], (len(factor.levels), len(factor.terms))
        place = (rows.index[factor.name][:, None] * terms + np.arange(terms)).ravel()
        at = (np.repeat(np.arange(rows.n), terms), place)
        parts.append(sparse.csr_array((z.ravel(), at), shape=(rows.n, levels * terms)))
    parts += [sparse.csr_array(rows.basis[smooth.name]) for smooth in design.smooths]
    return sparse.csr_array(sparse.hstack(parts, format="csr")) if parts else sparse.csr_array((rows.n, 0))


def _curvature_and_slope(
    design: Design, numbers: _Numbers, centre: np.ndarray, basis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Curvature of the weighted log likelihood, and covariance of its slope, along some directions (size, r)."""
    weights = design.information_weights
    assert weights is not None
    x = _columns(design)
    local = _Local(design, x @ centre[: numbers.n_coefficients], numbers, centre)
    n, r = design.rows.n, basis.shape[1]
    # What each local number moves by along each direction: rows of the predictor, or one of the parameters'.
    natural = local.to_natural(centre) @ basis[numbers.n_coefficients :]
    curvature, scores = np.zeros((r, r)), np.zeros((n, r))
    first, second = local.first(), local.second()
    for start in range(0, n, max(1, _PIECE // max(r, 1))):
        piece = slice(start, start + max(1, _PIECE // max(r, 1)))
        moves = [np.asarray(x[piece] @ basis[: numbers.n_coefficients])]
        moves += [np.where(at[piece, None] >= 0, natural[at[piece]], 0.0) for at in local.places]
        leverage = weights[piece] * -second[0, 0][piece] * (moves[0] ** 2).sum(axis=1)
        enlarged = first[0][piece] / (1 - np.clip(leverage, 0.0, _MOST_LEVERAGE))
        scores[piece] = weights[piece, None] * moves[0] * enlarged[:, None]
        for k in range(1, len(moves)):
            scores[piece] += (weights[piece] * first[k][piece])[:, None] * moves[k]
        for (a, b), values in second.items():
            part = moves[a].T @ ((weights[piece] * values[piece])[:, None] * moves[b])
            curvature -= part if a == b else part + part.T
    if design.persons is not None:
        whose = np.unique(design.persons, return_inverse=True)[1]
        scores = np.asarray(sparse.csr_array((np.ones(n), (whose, np.arange(n)))) @ scores)
    scores -= scores.mean(axis=0)
    return curvature, scores.T @ scores * (len(scores) / (len(scores) - 1))


class _Local:
    """The log density of each row as a function of the few numbers that it depends on, and its derivatives.

    They are the linear predictor; the logarithm of the residual SD of the row's level; that of another parameter; and
    the cutpoints below and above the row's level.
    """

    def __init__(self, design: Design, eta: np.ndarray, numbers: _Numbers, centre: np.ndarray) -> None:
        self.design, self.family = design, design.family
        offset = design.rows.offset
        self.eta = eta if offset is None else eta + offset
        self.own, self.places, self._slices = {}, [], {}
        self._names: list[str] = []
        at = numbers.n_coefficients
        for name in design.family.parameters:
            size = prod(numbers.shapes[name])
            self.own[name] = _limited(name, centre[None, at : at + size])[0]
            here, at = at - numbers.n_coefficients, at + size
            self._slices[name] = slice(here, here + size)
            if name == "cutpoints":
                y = design.outcome.coded.astype(np.int64)
                self.places += [np.where(y > 0, here + y - 1, -1), np.where(y < size, here + y, -1)]
                self._names += ["below", "above"]
                continue
            strata = design.rows.strata if size > 1 or name == "sigma" else np.zeros(design.rows.n, dtype=np.int64)
            self.places.append(here + strata)
            self._names.append(name)
        scale = float(self.own["sigma"].min()) if "sigma" in self.own else 1.0
        self.steps = [_STEP * (scale if design.family.link == "identity" else 1.0), *[_STEP] * len(self._names)]

    def to_natural(self, centre: np.ndarray) -> np.ndarray:
        """Derivatives of the local parameters (logarithms; cutpoints) by the unlimited ones, shape (k, k)."""
        size = sum(array.size for array in self.own.values())
        out = np.eye(size)
        if (of := self._slices.get("cutpoints")) is not None:
            cutpoints = self.own["cutpoints"]
            distances = np.concatenate([[1.0], np.diff(cutpoints)])
            out[of, of] = np.tril(np.ones((cutpoints.size, cutpoints.size))) * distances
        return out

    def first(self) -> list[np.ndarray]:
        """First derivatives by each number, shape (n,) each."""
        slopes = []
        for k, step in enumerate(self.steps):
            slopes.append((self._at({k: step}) - self._at({k: -step})) / (2 * step))
        return slopes

    def second(self) -> dict[tuple[int, int], np.ndarray]:
        """Second derivatives by each pair of numbers, shape (n,) each."""
        middle, curvatures = self._at({}), {}
        for a, b in combinations_with_replacement(range(len(self.steps)), 2):
            h, k = self.steps[a], self.steps[b]
            if a == b:
                curvatures[a, b] = (self._at({a: h}) - 2 * middle + self._at({a: -h})) / h**2
                continue
            corners = [self._at({a: s * h, b: t * k}) * s * t for s in (1, -1) for t in (1, -1)]
            curvatures[a, b] = np.sum(corners, axis=0) / (4 * h * k)
        return curvatures

    def _at(self, shifts: Mapping[int, float]) -> np.ndarray:
        """Log density of each row with some of its numbers moved, shape (n,)."""
        eta = (self.eta + shifts.get(0, 0.0))[None]
        moved = {name: shifts.get(k + 1, 0.0) for k, name in enumerate(self._names)}
        parameters = {
            name: values[None, self.design.rows.strata] * np.exp(moved[name])
            if name == "sigma" and self.design.residual is not None
            else values * np.exp(moved[name])
            for name, values in self.own.items()
            if name != "cutpoints"
        }
        if "cutpoints" not in self.own:
            return np.asarray(self.family.log_density(eta, parameters, self.design.outcome)[0])
        out = np.empty(self.design.rows.n)
        for chosen, cutpoints in self._moved_cutpoints(moved):
            density = self.family.log_density(eta, parameters | {"cutpoints": cutpoints[None]}, self.design.outcome)[0]
            out[chosen] = density[chosen]
        return out

    def _moved_cutpoints(self, moved: Mapping[str, float]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows of every third level, and cutpoints of which those below and above these levels are moved."""
        y = self.design.outcome.coded.astype(np.int64)
        number = np.arange(self.own["cutpoints"].size)
        for turn in range(3):
            shift = np.where(number % 3 == (turn - 1) % 3, moved["below"], 0.0)
            shift += np.where(number % 3 == turn, moved["above"], 0.0)
            yield y % 3 == turn, self.own["cutpoints"] + shift
