"""Leave-one-out of many rows from a random sample of them and those that weigh most, with the error that this adds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from alliance_bayes.fit import FittedModel

__all__ = ["FEWEST_OF_POPULATION", "LookedAt", "Proxies", "Total", "at_mean", "heaviest", "looked_at", "proxies"]

#: Rows that a fit with sampling weights has to have left, of those that could be drawn as they are.
FEWEST_OF_POPULATION = 50
# Rows that are looked at besides the random sample, because they seem to weigh most.
HEAVIEST = 1000
# Draws from which it is told how much a row weighs, and rows at a time.
_SCREENED, _ROWS = 64, 16_384


@dataclass(frozen=True)
class Total:
    """The sum of a score over all rows.

    Parameters
    ----------
    value
        The sum, or its estimate.
    se
        Standard error of it as an estimate of what other rows would have: the root of n times the rows' variance, and
        of what looking at some rows adds.
    sampling
        The part of the standard error from looking at some rows only; 0 where it was all of them.
    """

    value: float
    se: float
    sampling: float


@dataclass(frozen=True, eq=False)
class LookedAt:
    """Which rows leave-one-out predictions are made of.

    Parameters
    ----------
    n
        Number of all rows.
    rows
        Places of those looked at, ascending, shape (r,).
    random
        Which of these make up the simple random sample, shape (r,).
    certain
        Which of these were looked at whatever the sample, shape (r,).
    """

    n: int
    rows: np.ndarray
    random: np.ndarray
    certain: np.ndarray

    @property
    def whole(self) -> bool:
        """Whether all rows were looked at."""
        return self.rows.size == self.n

    def at(self, some: slice) -> slice | np.ndarray:
        """Places in the table of some of the rows looked at."""
        return some if self.whole else self.rows[some]

    def total(self, values: np.ndarray, proxy: np.ndarray | None) -> Total:
        """Sum a score over all rows.

        Parameters
        ----------
        values
            The score of each row looked at, shape (r,).
        proxy
            Something that is known of every row and is close to its score, shape (n,); None where all were looked at.

        Notes
        -----
        The sum of the proxies is corrected by the differences of the rows looked at: by their own in full for rows that
        are certain, and for the others by the mean difference of those of them that were drawn. It is unbiased whatever
        the proxy [1]_. The variance over rows is estimated likewise, and less what the estimated mean adds to it.

        References
        ----------
        .. [1] Magnusson, Vehtari, Jonasson and Andersen (2020). Leave-one-out cross-validation for Bayesian model
           comparison in large data. AISTATS, PMLR 108. Equations 7 to 9, within the rows that are not certain.
        """
        n = self.n
        if self.whole:
            return Total(float(values.sum()), float(np.sqrt(n * values.var(ddof=1))), 0.0)
        assert proxy is not None
        # Sums of squares lose no digits when they are counted from a number near the mean.
        centre = float(proxy.mean())
        centred, near = values - centre, proxy - centre
        others = n - int(self.certain.sum())
        drawn = self.random & ~self.certain
        difference, squares = centred - near[self.rows], centred**2 - near[self.rows] ** 2
        weight = np.where(self.certain, 1.0, others / drawn.sum())
        value = float(near.sum() + weight @ difference)
        error = others**2 * (1 - drawn.sum() / others) * difference[drawn].var(ddof=1) / drawn.sum()
        around = float((near**2).sum() + weight @ squares) - (value**2 - error) / n
        se = float(np.sqrt(max(around, 0.0) * n / (n - 1) + error))
        return Total(value + n * centre, se, float(np.sqrt(error)))

    @property
    def words(self) -> str:
        """A sentence on which rows were looked at, after a blank; empty where it was all of them."""
        if self.whole:
            return ""
        return (
            f" Of {self.n:,} rows, a random sample of {int(self.random.sum()):,} was looked at, and the "
            f"{int(self.certain.sum()):,} whose log scores differ most between draws."
        )

    def counted(self, total: Total, subject: str) -> str:
        """:attr:`words` and a sentence on the error of a sum; empty where all rows were looked at."""
        if self.whole:
            return ""
        part = f"{total.sampling:.2g}" if total.sampling < 10 else f"{total.sampling:,.0f}"
        return f"{self.words} The SE of {subject} counts that in, with {part}."


@dataclass(frozen=True, eq=False)
class Proxies:
    """What is close to the scores of all rows, and cheap.

    Parameters
    ----------
    elpd
        Log density at the posterior mean of all parameters, shape (n,).
    p
        Variance of the log density over some draws, shape (n,).
    level
        Log probability of the observed level at the posterior mean, shape (n,); None without levels.
    """

    elpd: np.ndarray
    p: np.ndarray
    level: np.ndarray | None


def looked_at(n: int, drawn: np.ndarray, heavy: Iterable[np.ndarray]) -> LookedAt:
    """Which rows to look at.

    Parameters
    ----------
    n
        Number of all rows.
    drawn
        Places of a random sample.
    heavy
        Places of rows that are looked at besides, from one fit or several; not asked for where all rows were drawn.
    """
    if drawn.size == n:
        everything = np.ones(n, dtype=bool)
        return LookedAt(n, drawn, everything, everything)
    random, certain = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    random[drawn] = True
    for places in heavy:
        certain[places] = True
    rows = np.flatnonzero(random | certain)
    return LookedAt(n, rows, random[rows], certain[rows])


def heaviest(known: Proxies) -> np.ndarray:
    """Places of the rows whose log densities vary most: those whose leaving out moves the posterior most."""
    # What cannot be computed may be anything.
    weight = np.where(np.isfinite(known.p), known.p, np.inf)
    return np.argsort(-weight, kind="stable")[:HEAVIEST]


def proxies(fit: FittedModel, step: float | None) -> Proxies:
    """What is close to the scores of all rows.

    Parameters
    ----------
    fit
        The fit.
    step
        Distance between the levels of a continuous family's outcome; None without.
    """
    design, n = fit.design, fit.design.rows.n
    n_draws = fit.shape[0] * fit.shape[1]
    some = np.unique(np.linspace(0, n_draws - 1, _SCREENED).round().astype(int))
    mean = at_mean(fit)
    elpd, p, level = np.empty(n), np.empty(n), np.empty(n)
    for start in range(0, n, _ROWS):
        at = slice(start, min(start + _ROWS, n))
        elpd[at] = mean.log_likelihood_at(at)[0]
        p[at] = fit.log_likelihood_at(at, which=some).var(axis=0, ddof=1)
        if step is not None:
            rows = design.rows.take(at)
            eta, parameters = mean.linear_predictor(rows), mean.parameters_at(rows=rows)
            mass = design.family.level_probability(eta, parameters, design.outcome.take(at), step)[0]
            level[at] = np.log(np.maximum(mass, np.finfo(float).tiny))
    return Proxies(elpd, p, None if step is None else level)


def at_mean(fit: FittedModel) -> FittedModel:
    """The fit with one draw, the mean of all."""
    first = {name: fit.tree[name].to_dataset().isel(chain=[0], draw=[0]) for name in ("posterior", "sample_stats")}
    mean = fit.posterior.mean(("chain", "draw"))
    first["posterior"] = first["posterior"].copy(
        data={name: values.values[None, None] for name, values in mean.data_vars.items()}
    )
    return replace(fit, tree=xr.DataTree.from_dict(first))
