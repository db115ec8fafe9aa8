"""Smooths: a straight line in the common terms, and here the penalised departure from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg

from alliance_bayes.errors import ModelError
from alliance_bayes.model.nodes import SmoothTerm

__all__ = ["Smooth", "build_smooth", "check_knots", "hat_corners", "smooth_of_moments"]

# Share of the range between neighbouring knots: cubes of places keep four digits of a hat function of such a width.
_LEAST_GAP = 1e-6


@dataclass(frozen=True, eq=False)
class Smooth:
    """The departure of one column's curve from a straight line, as basis columns with exchangeable coefficients.

    Parameters
    ----------
    column
        The numeric column.
    knots
        Where the third derivative may jump, in increasing order; as many as there are basis columns.
    ends
        Least and largest value in the analysed rows; beyond them every curve is a straight line.
    declared
        Whether the knots were stated in the formula.
    transform
        From integrated hat functions to basis columns, shape (n_knots, n_knots).
    line
        Constant and slope of each column's straight line, which is taken out, shape (2, n_knots).

    Notes
    -----
    The curves are natural cubic splines: between the ends their second derivative is the sum of hat functions h_k, one
    a knot, with weights gamma_k. Their roughness, the integral of the squared second derivative, is gamma' R gamma
    with the tridiagonal R of the hat functions' products [1]_. With R = L L' and gamma = L'^-1 u the roughness is
    u' u, so that coefficients u which are independent Normal(0, tau) are what the penalty of a smoothing spline says
    [2]_. The straight line of least squares over the analysed rows is taken out of every column, since it belongs to
    the common terms, and the columns are scaled so that sum_k B_ik^2 is 1 on average over those rows: tau is the prior
    SD of the departure from the line, in units of the linear predictor.

    Everything is computed from the ends and the knots by a Cholesky factor, which unlike eigenvectors has no free
    signs, so that the same rows give the same basis.

    References
    ----------
    .. [1] Green and Silverman (1994). Nonparametric Regression and Generalized Linear Models, section 2.1. Chapman and
       Hall.
    .. [2] Crainiceanu, Ruppert and Wand (2005). Bayesian analysis for penalized spline regression using WinBUGS.
       Journal of Statistical Software 14(14). doi 10.18637/jss.v014.i14
    """

    column: str
    knots: tuple[float, ...]
    ends: tuple[float, float]
    declared: bool
    transform: np.ndarray
    line: np.ndarray

    @property
    def name(self) -> str:
        """The dim of the coefficients ``u_<name>``, whose SD is ``tau_<name>``."""
        return f"s_{self.column}"

    @property
    def title(self) -> str:
        """The smooth as a formula writes it."""
        return f"s({self.column})"

    @property
    def size(self) -> int:
        """Number of basis columns."""
        return len(self.knots)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the basis columns: the coordinate of the dim."""
        return tuple(str(number) for number in range(1, self.size + 1))

    @property
    def numbers(self) -> tuple[float, ...]:
        """All that fixes the basis: ends, knots, transform and line, one after another."""
        parts = (np.array(self.ends), np.array(self.knots), self.transform.ravel(), self.line.ravel())
        return tuple(np.concatenate(parts).tolist())

    def evaluate(self, values: np.ndarray) -> np.ndarray:
        """Basis columns at values of the column, in its own unit.

        Parameters
        ----------
        values
            Shape (n,).

        Returns
        -------
        numpy.ndarray
            Shape (n, n_knots).
        """
        place = _place(values, self.ends)
        return _integrated_hats(place, self._places) @ self.transform - (self.line[0] + place[:, None] * self.line[1])

    def change(self, values: np.ndarray) -> np.ndarray:
        """Derivatives of the basis columns at values of the column, shape (n, n_knots)."""
        slopes = _integrated_hats(_place(values, self.ends), self._places, derivative=True)
        return (slopes @ self.transform - self.line[1]) / (self.ends[1] - self.ends[0])

    @property
    def _places(self) -> np.ndarray:
        return _place(np.array([self.ends[0], *self.knots, self.ends[1]]), self.ends)


def build_smooth(term: SmoothTerm, frame: pd.DataFrame) -> Smooth:
    """The smooth of some rows.

    Parameters
    ----------
    term
        What the formula asks for.
    frame
        The analysed rows.

    Raises
    ------
    ModelError
        The column is not numeric, has too few distinct values, or does not reach beyond the declared knots.
    """
    column = frame[term.column]
    written = f"s({term.column})"
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise ModelError(
            f"{written} needs a numeric column, but '{term.column}' has levels. Write it as a common term or pool "
            "over it."
        )
    values = column.to_numpy(float)
    distinct = np.unique(values)
    if distinct.size < term.size + 2:
        most = f"k of at most {distinct.size}" if term.knots is None else f"at most {distinct.size - 2} knots"
        raise ModelError(
            f"{written} with {term.size} knots needs at least {term.size + 2} distinct values, but '{term.column}' has "
            f"{distinct.size} in the analysed rows. "
            + (f"Ask for {most}, or" if distinct.size > 2 else "Write")
            + f" the column itself in place of {written}."
        )
    ends = (float(distinct[0]), float(distinct[-1]))
    # Quantiles of the distinct values are apart from each other however many people share a value.
    inner = np.quantile(distinct, np.linspace(0, 1, term.size + 2)[1:-1])
    knots = tuple(float(knot) for knot in inner) if term.knots is None else term.knots
    check_knots(term.column, knots, ends)
    place = _place(values, ends)
    columns = np.column_stack([place, _integrated_hats(place, _place(np.array([ends[0], *knots, ends[1]]), ends))])
    mean = columns.mean(axis=0)
    away = columns - mean
    return smooth_of_moments(
        term.column, knots, ends, n=len(values), mean=mean, cross=away.T @ away, declared=term.knots is not None
    )


def check_knots(column: str, knots: tuple[float, ...], ends: tuple[float, float]) -> None:
    """Refuse knots that do not lie between the ends, or so close together that a basis would be rounding.

    Raises
    ------
    ModelError
        They are such.
    """
    if not ends[0] < knots[0] or not knots[-1] < ends[1]:
        raise ModelError(
            f"s({column}): the knots {', '.join(f'{knot:g}' for knot in knots)} should lie between the least and the "
            f"largest value of the analysed rows, {ends[0]:g} and {ends[1]:g}. Leave the others out."
        )
    if np.diff(_place(np.array([ends[0], *knots, ends[1]]), ends)).min() < _LEAST_GAP:
        raise ModelError(
            f"s({column}): its knots are closer to each other, or to the least or largest value, than a millionth of "
            f"the distance from {ends[0]:g} to {ends[1]:g}, where no curve can be computed. Take the logarithm of "
            f"'{column}' in the table, correct values that are far from all others, or state knots further apart."
        )


def smooth_of_moments(
    column: str,
    knots: tuple[float, ...],
    ends: tuple[float, float],
    *,
    n: float,
    mean: np.ndarray,
    cross: np.ndarray,
    declared: bool = True,
) -> Smooth:
    """The smooth of rows of which the moments are known.

    Parameters
    ----------
    column, knots, ends, declared
        As :class:`Smooth` has them.
    n
        Number of rows.
    mean, cross
        Means, and cross-products about them, of the place between the ends and of the integrated hat functions;
        shapes (n_knots + 1,) and (n_knots + 1, n_knots + 1).
    """
    places = _place(np.array([ends[0], *knots, ends[1]]), ends)
    transform = linalg.solve_triangular(_roughness_factor(places), np.eye(len(knots)), lower=True).T
    slope = cross[0, 1:] @ transform / cross[0, 0]
    line = np.stack([mean[1:] @ transform - slope * mean[0], slope])
    left = np.diag(transform.T @ cross[1:, 1:] @ transform) - slope**2 * cross[0, 0]
    scale = 1 / np.sqrt(left.sum() / n)
    return Smooth(column, knots, ends, declared, transform * scale, line * scale)


def hat_corners(knots: tuple[float, ...], ends: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Weights and corners of the three cubed ramps that make each integrated hat function, shape (3, n_knots) each.

    Between the ends, hat k at place t is the sum of weight times max(t - corner, 0)^3 / 6.
    """
    return _ramps(_place(np.array([ends[0], *knots, ends[1]]), ends))


def _place(values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Values as places between the ends, 0 to 1."""
    return (np.asarray(values, dtype=float) - ends[0]) / (ends[1] - ends[0])


def _integrated_hats(place: np.ndarray, places: np.ndarray, *, derivative: bool = False) -> np.ndarray:
    """Twice integrated hat functions, shape (n, n_knots): natural cubic splines, zero up to the first place.

    Parameters
    ----------
    place
        Where, shape (n,).
    places
        The two ends and the knots between them, in increasing order, from 0 to 1; shape (n_knots + 2,).
    derivative
        Whether their derivatives are wanted instead.
    """
    weights, corners = _ramps(places)
    inside = np.minimum(place, 1.0)[:, None, None]
    ramps = np.maximum(inside - corners, 0.0)
    beyond = np.maximum(place - 1.0, 0.0)[:, None]
    # Beyond the last place the cubes cancel down to a straight line, which is better written as one.
    slope = (weights * np.maximum(1.0 - corners, 0.0) ** 2 / 2).sum(axis=0)
    if derivative:
        return np.where(beyond > 0, slope, (weights * ramps**2 / 2).sum(axis=1))
    return (weights * ramps**3 / 6).sum(axis=1) + beyond * slope


def _ramps(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # A hat is a sum of three ramps; integrated twice, a ramp max(t - a, 0) is its cube over six.
    left, middle, right = places[:-2], places[1:-1], places[2:]
    weights = np.stack([1 / (middle - left), -1 / (middle - left) - 1 / (right - middle), 1 / (right - middle)])
    return weights, np.stack([left, middle, right])


def _roughness_factor(places: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor of the integrals of the hat functions' products, shape (n_knots, n_knots)."""
    gaps = np.diff(places)
    products = np.diag((gaps[:-1] + gaps[1:]) / 3) + np.diag(gaps[1:-1] / 6, 1) + np.diag(gaps[1:-1] / 6, -1)
    return np.linalg.cholesky(products)
