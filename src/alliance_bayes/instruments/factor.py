"""One common factor, fitted to a covariance matrix by maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

__all__ = ["OneFactor", "one_factor"]

# Smallest share of an item's variance that may be its own: the bound customary in maximum-likelihood factor analysis.
_FLOOR = 0.005


@dataclass(frozen=True, slots=True)
class OneFactor:
    """A one-factor model: covariance = loadings loadings' + diag(uniquenesses).

    Parameters
    ----------
    loadings
        One an item, in the item's units; their sum is not negative.
    uniquenesses
        Variance of each item that the factor does not explain, in squared units.
    converged
        Whether the search ended at a minimum.
    improper
        Positions of the items whose uniqueness was stopped at the bound (a Heywood case).
    """

    loadings: npt.NDArray[np.float64]
    uniquenesses: npt.NDArray[np.float64]
    converged: bool
    improper: tuple[int, ...]

    @property
    def omega(self) -> float:
        """Share of the variance of the items' sum that the factor explains, both as the model has them."""
        common = float(self.loadings.sum() ** 2)
        return common / (common + float(self.uniquenesses.sum()))

    def information(self) -> npt.NDArray[np.float64]:
        """Expected information of one person on the loadings, then the uniquenesses, when answers are normal.

        Returns
        -------
        ndarray, twice the number of items squared
            Singular where the covariances do not determine the factor: where fewer than three items load on it.

        Notes
        -----
        With S the model's covariance matrix and A its inverse, the information of a covariance structure is
        1/2 tr(A dS_i A dS_j) [1]_, which for one factor has closed form.

        References
        ----------
        .. [1] Bollen (1989), Structural Equations with Latent Variables, Wiley, chapter 4, doi 10.1002/9781118619179.
        """
        inverse = np.linalg.inv(np.outer(self.loadings, self.loadings) + np.diag(self.uniquenesses))
        projected = inverse @ self.loadings
        cross = inverse * projected
        first = np.outer(projected, projected) + (self.loadings @ projected) * inverse
        return np.block([[first, cross], [cross.T, inverse**2 / 2]])

    @property
    def identified(self) -> bool:
        """Whether the covariances determine the factor."""
        information = self.information()
        sizes = np.diag(information)
        if not (sizes > 0).all():
            return False
        # In units of each parameter's own precision; rounding leaves some 1e-16 of a zero.
        return bool(np.linalg.eigvalsh(information / np.sqrt(np.outer(sizes, sizes)))[0] > 1e-10)

    def omega_logit_sd(self, n: int) -> float:
        """Large-sample standard error of logit(omega) from n people, by the delta method.

        Parameters
        ----------
        n
            Number of people the covariance matrix was computed from.

        Returns
        -------
        float
            From the gradient of logit(omega) = 2 log(sum of loadings) - log(sum of uniquenesses) and the information.
            For an identified factor with omega above 0.
        """
        parts = [2 / self.loadings.sum(), -1 / self.uniquenesses.sum()]
        gradient = np.repeat(parts, len(self.loadings))
        return float(np.sqrt(gradient @ np.linalg.solve(self.information(), gradient) / (n - 1)))


def one_factor(covariance: npt.ArrayLike) -> OneFactor:
    """Fit one common factor by maximum likelihood.

    Parameters
    ----------
    covariance
        Positive definite, items x items, three items or more (two have no unique solution).

    Returns
    -------
    OneFactor
        The fit; see its `converged` and `improper` before trusting it.

    Notes
    -----
    The loadings that are best for given uniquenesses come from the largest eigenvalue of
    U^-1/2 R U^-1/2, so only the uniquenesses U are searched for: the discrepancy is then the sum of
    e - log(e) - 1 over the other eigenvalues e, with the gradient diag(fitted - R) / U^2 [1]_. R is the correlation
    matrix; maximum likelihood does not depend on the items' scales.

    References
    ----------
    .. [1] Jöreskog (1967), Psychometrika 32:443-482, doi 10.1007/BF02289658.
    """
    given = np.asarray(covariance, dtype=np.float64)
    sds = np.sqrt(np.diag(given))
    correlation = given / np.outer(sds, sds)

    def best_loadings(unique: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        roots = np.sqrt(unique)
        values, vectors = np.linalg.eigh(correlation / np.outer(roots, roots))
        return values, roots * vectors[:, -1] * np.sqrt(max(values[-1] - 1, 0.0))

    def discrepancy(unique: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        values, loadings = best_loadings(unique)
        rest = values[:-1]
        return float(np.sum(rest - np.log(rest) - 1)), (loadings**2 + unique - 1) / unique**2

    # Half of what regression on the other items leaves unexplained: the usual start.
    start = np.clip(0.5 / np.diag(np.linalg.inv(correlation)), _FLOOR, 1)
    found = minimize(
        discrepancy,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(_FLOOR, 1.0)] * len(start),
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000},
    )
    unique = np.asarray(found.x, dtype=np.float64)
    loadings = best_loadings(unique)[1]
    gradient = np.where((unique <= _FLOOR) | (unique >= 1), 0.0, discrepancy(unique)[1])
    return OneFactor(
        loadings=loadings * sds * (1 if loadings.sum() >= 0 else -1),
        uniquenesses=unique * sds**2,
        # The search may stop for lack of progress at the last digits; what counts is that it is flat there.
        converged=bool(np.abs(gradient).max() < 1e-4),
        improper=tuple(int(position) for position in np.flatnonzero(unique <= _FLOOR * (1 + 1e-9))),
    )
