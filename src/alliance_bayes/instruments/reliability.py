"""How reliably a set of items measures: Cronbach's alpha, McDonald's omega, Spearman-Brown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special
from scipy.optimize import minimize

from alliance_bayes.errors import UsageError
from alliance_bayes.instruments.definition import Instrument
from alliance_bayes.instruments.scoring import item_frame, item_values, recode
from alliance_bayes.kinds import check_prob
from alliance_bayes.rounding import ROUNDING, is_constant

__all__ = ["Reliability", "cronbach_alpha", "mcdonald_omega", "one_factor", "spearman_brown"]

_NAN = float("nan")
_OPPOSED = "A negative value means that items point in different directions; recode what is reversed."
_TITLES = {
    "alpha": "Cronbach's alpha",
    "omega": "McDonald's omega (total, one factor)",
    "spearman_brown": "Spearman-Brown coefficient",
}

# Smallest share of an item's variance that may be its own: the bound customary in maximum-likelihood factor analysis.
_FLOOR = 0.005


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability coefficient with its interval and the people it rests on.

    Parameters
    ----------
    coefficient
        Which one: "alpha", "omega" or "spearman_brown".
    value
        The estimate; NaN where there is none, and then `note` says why.
    lower, upper
        Ends of the interval; NaN where there is none.
    prob
        Confidence level of the interval.
    interval
        Kind of interval and how it was made.
    n
        People with an answer to every item: those used.
    n_left_out
        People with at least one item missing: not used.
    n_items
        Number of items.
    note
        Why a number is missing, or what to be careful about; None when there is nothing to say.
    """

    coefficient: Literal["alpha", "omega", "spearman_brown"]
    value: float
    lower: float
    upper: float
    prob: float
    interval: str
    n: int
    n_left_out: int
    n_items: int
    note: str | None = None

    def __str__(self) -> str:
        people = f"{self.n_items} items, n = {self.n}, {self.n_left_out} left out for missing items"
        if np.isnan(self.value):
            number = "not available"
        elif np.isnan(self.lower):
            number = f"{self.value:.2f}"
        else:
            number = f"{self.value:.2f} [{self.lower:.2f}, {self.upper:.2f}]"
            people = f"{self.prob:.0%} {self.interval}; {people}"
        text = f"{_TITLES[self.coefficient]}: {number} ({people})"
        return text if self.note is None else f"{text}. {self.note}"


def cronbach_alpha(
    items: pd.DataFrame | npt.ArrayLike, instrument: Instrument | None = None, *, prob: float = 0.95
) -> Reliability:
    """Cronbach's alpha with Feldt's confidence interval.

    Parameters
    ----------
    items
        People x items, as answered; people with a missing item are left out.
    instrument
        When given, answers are checked against it and its reversed items recoded. Otherwise all items must already
        point the same way.
    prob
        Confidence level, between 0 and 1.

    Returns
    -------
    Reliability
        Alpha, k/(k - 1) (1 - sum of item variances / variance of the sum) [1]_. For two items this is exact.

    Raises
    ------
    UsageError
        With fewer than two items, a table of the wrong shape, or a `prob` outside (0, 1).
    DataError
        When an answer breaks the rules: one Problem for each.

    Notes
    -----
    (1 - alpha) / (1 - estimate) follows F with n - 1 and (n - 1)(k - 1) degrees of freedom when items are normal and
    essentially tau-equivalent [2]_. Answers piled up at the highest category make the interval too narrow.

    References
    ----------
    .. [1] Cronbach (1951), Psychometrika 16:297-334, doi 10.1007/BF02310555.
    .. [2] Feldt (1965), Psychometrika 30:357-370, doi 10.1007/BF02289499.
    """
    values, left_out, _ = _complete(items, instrument, prob)
    n, k = values.shape

    def result(value: float, lower: float, upper: float, note: str | None) -> Reliability:
        return Reliability("alpha", value, lower, upper, prob, "confidence interval, Feldt", n, left_out, k, note)

    if n < 2:
        return result(_NAN, _NAN, _NAN, f"Variances need at least 2 people with every item, not {n}.")
    whole = float(values.sum(axis=1).var(ddof=1))
    if is_constant(values.sum(axis=1), size=np.abs(values).sum(axis=1).max()):
        return result(_NAN, _NAN, _NAN, "Everybody has the same total, so there is no variance to explain.")
    value = k / (k - 1) * (1 - float(values.var(axis=0, ddof=1).sum()) / whole)
    tail = (1 - prob) / 2
    quantiles = special.fdtri(n - 1, (n - 1) * (k - 1), np.array([1 - tail, tail]))
    lower, upper = (1 - (1 - value) * quantiles).tolist()
    note = _OPPOSED if value < 0 else None
    return result(value, lower, upper, note)


def mcdonald_omega(
    items: pd.DataFrame | npt.ArrayLike, instrument: Instrument | None = None, *, prob: float = 0.95
) -> Reliability:
    """McDonald's omega total of a one-factor model fitted by maximum likelihood.

    Parameters
    ----------
    items, instrument, prob
        As in `cronbach_alpha`.

    Returns
    -------
    Reliability
        Omega, (sum of loadings)^2 / ((sum of loadings)^2 + sum of uniquenesses) [1]_, of the items' covariances, and
        a delta-method interval made on the logit scale under normality. With two items the value is NaN: three
        variances and covariances cannot fix two loadings and two uniquenesses. The note says so.

    Raises
    ------
    UsageError
        With fewer than two items, a table of the wrong shape, or a `prob` outside (0, 1).
    DataError
        When an answer breaks the rules: one Problem for each.

    References
    ----------
    .. [1] McDonald (1999), Test Theory: A Unified Treatment, Erlbaum, chapter 6, doi 10.4324/9781410601087.
    """
    values, left_out, names = _complete(items, instrument, prob)
    n, k = values.shape

    def result(value: float, lower: float, upper: float, note: str | None) -> Reliability:
        kind = "confidence interval, delta method on the logit scale"
        return Reliability("omega", value, lower, upper, prob, kind, n, left_out, k, note)

    if k == 2:
        note = (
            "One factor is not identified by two items. Use alpha or the Spearman-Brown coefficient, "
            "which are equal to omega when both items have the same loading and the same uniqueness."
        )
        return result(_NAN, _NAN, _NAN, note)
    if n <= k:
        return result(_NAN, _NAN, _NAN, f"{k} items need more than {k} people with every item, not {n}.")
    covariance = np.cov(values, rowvar=False)
    constant = [names[position] for position in np.flatnonzero(is_constant(values, axis=0))]
    if constant:
        return result(_NAN, _NAN, _NAN, f"Everybody gave the same answer to {', '.join(constant)}.")
    sds = np.sqrt(np.diag(covariance))
    if np.linalg.eigvalsh(covariance / np.outer(sds, sds))[0] < 1e-10:
        return result(_NAN, _NAN, _NAN, "Some items are exact combinations of others; leave the duplicates out.")
    fit = one_factor(covariance)
    if not fit.converged:
        return result(_NAN, _NAN, _NAN, "The factor model did not converge.")
    if fit.improper:
        which = ", ".join(names[position] for position in fit.improper)
        return result(
            fit.omega, _NAN, _NAN, f"The factor explains all of {which} (a Heywood case), so there is no interval."
        )
    if not fit.identified:
        return result(_NAN, _NAN, _NAN, "Fewer than three items share anything, which does not determine a factor.")
    against = [names[position] for position in np.flatnonzero(fit.loadings < 0)]
    opposed = f"Loading against the others: {', '.join(against)}; recode what is reversed." if against else None
    if fit.omega < 1e-9:
        return result(fit.omega, _NAN, _NAN, opposed)
    reach = _quantile(prob) * fit.omega_logit_sd(n)
    lower, upper = special.expit(special.logit(fit.omega) + np.array([-reach, reach])).tolist()
    return result(fit.omega, lower, upper, opposed)


def spearman_brown(
    items: pd.DataFrame | npt.ArrayLike, instrument: Instrument | None = None, *, prob: float = 0.95
) -> Reliability:
    """Spearman-Brown reliability of a scale of two items, 2r / (1 + r) with r their correlation.

    Parameters
    ----------
    items, instrument, prob
        As in `cronbach_alpha`, with exactly two items.

    Returns
    -------
    Reliability
        The coefficient [1]_ and the interval of r (Fisher's z) carried over. It equals alpha when both items have the
        same variance and is higher otherwise (for r > 0).

    Raises
    ------
    UsageError
        With other than two items, a table of the wrong shape, or a `prob` outside (0, 1).
    DataError
        When an answer breaks the rules: one Problem for each.

    References
    ----------
    .. [1] Eisinga, te Grotenhuis & Pelzer (2013), International Journal of Public Health 58:637-642,
       doi 10.1007/s00038-012-0416-3.
    """
    values, left_out, names = _complete(items, instrument, prob)
    n, k = values.shape
    if k != 2:
        raise UsageError(
            f"the Spearman-Brown coefficient is of two items, not {k}. Use cronbach_alpha or mcdonald_omega."
        )

    def result(value: float, lower: float, upper: float, note: str | None) -> Reliability:
        kind = "confidence interval, Fisher's z"
        return Reliability("spearman_brown", value, lower, upper, prob, kind, n, left_out, k, note)

    if n < 4:
        return result(_NAN, _NAN, _NAN, f"Fisher's z needs at least 4 people with every item, not {n}.")
    constant = [names[position] for position in np.flatnonzero(is_constant(values, axis=0))]
    if constant:
        return result(_NAN, _NAN, _NAN, f"Everybody gave the same answer to {', '.join(constant)}.")
    r = float(np.corrcoef(values[:, 0], values[:, 1])[0, 1])
    if 1 - abs(r) <= ROUNDING:
        return result(1.0 if r > 0 else _NAN, _NAN, _NAN, "The items are exactly collinear, so there is no interval.")
    reach = _quantile(prob) / float(np.sqrt(n - 3))
    ends = np.tanh(np.arctanh(r) + np.array([-reach, reach]))
    lower, upper = (2 * ends / (1 + ends)).tolist()
    note = _OPPOSED if r < 0 else None
    return result(2 * r / (1 + r), lower, upper, note)


def _quantile(prob: float) -> float:
    """Standard normal quantile that leaves (1 - prob) / 2 above it."""
    return float(special.ndtri((1 + prob) / 2))


def _complete(
    items: pd.DataFrame | npt.ArrayLike, instrument: Instrument | None, prob: float
) -> tuple[npt.NDArray[np.float64], int, list[str]]:
    """Recoded answers of people with every item, how many were left out, and the items' names."""
    check_prob(prob, "Pass a confidence level such as 0.95.")
    frame = item_frame(items, instrument)
    if frame.shape[1] < 2:
        raise UsageError(
            f"reliability needs at least 2 items, but the table has {frame.shape[1]}. "
            "Pass every item of the scale, one a column."
        )
    values = item_values(frame, instrument)
    if instrument is not None:
        values = recode(values, instrument)
    whole = ~np.isnan(values).any(axis=1)
    # The coefficients have no unit; a power of two takes the items' out without rounding, and keeps squares in range.
    values = np.ldexp(values, -int(np.frexp(np.abs(values[whole]).max(initial=0.0))[1]))
    return values[whole], int(np.sum(~whole)), [str(name) for name in frame.columns]


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
    matrix = np.asarray(covariance, dtype=np.float64)
    sds = np.sqrt(np.diag(matrix))
    correlation = matrix / np.outer(sds, sds)

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
    optimum = minimize(
        discrepancy,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(_FLOOR, 1.0)] * len(start),
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000},
    )
    unique = np.asarray(optimum.x, dtype=np.float64)
    loadings = best_loadings(unique)[1]
    gradient = np.where((unique <= _FLOOR) | (unique >= 1), 0.0, discrepancy(unique)[1])
    return OneFactor(
        loadings=loadings * sds * (1 if loadings.sum() >= 0 else -1),
        uniquenesses=unique * sds**2,
        # The search may stop for lack of progress at the last digits; what counts is that it is flat there.
        converged=bool(np.abs(gradient).max() < 1e-4),
        improper=tuple(int(position) for position in np.flatnonzero(unique <= _FLOOR * (1 + 1e-9))),
    )
