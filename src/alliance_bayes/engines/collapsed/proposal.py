"""A proposal that resembles a low-dimensional posterior: marginal shapes along its ridges, joined by a t copula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, special
from scipy.interpolate import PchipInterpolator

__all__ = ["LogDensity", "Proposal", "along_ridges"]

LogDensity = Callable[[np.ndarray], np.ndarray]

# Weight, degrees of freedom and spread of each t component: most of the mass close to the posterior, the rest wide
# enough that no tail is missed.
_COMPONENTS = ((0.85, 30.0, 1.03), (0.15, 5.0, 1.4))
# Weight of a component that is added where these are too thin, its degrees of freedom and spread.
_MORE, _WIDE = 0.2, (5.0, 1.2)
# Distances from the mode, in SDs, at which a ridge's extent is looked for, and how far its log density has to fall.
_REACH = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
_FALL = 14.0
_COARSE, _FINE = 41, 401


@dataclass(frozen=True, eq=False)
class Marginal1D:
    """A monotone function from normal scores to one hyperparameter: straight lines between tabulated quantiles.

    Parameters
    ----------
    scores, values
        Ascending, shape (n_points,).
    """

    scores: np.ndarray
    values: np.ndarray

    def __call__(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values and log slopes at some scores; the outermost lines go on for ever."""
        at = np.clip(np.searchsorted(self.scores, z) - 1, 0, len(self.scores) - 2)
        slope = np.diff(self.values) / np.diff(self.scores)
        return self.values[at] + slope[at] * (z - self.scores[at]), np.log(slope)[at]


@dataclass(frozen=True, eq=False)
class Component:
    """A multivariate t distribution of scores.

    Parameters
    ----------
    share
        Its weight in a mixture.
    df, spread
        Degrees of freedom, and what its scale matrix's root is multiplied by.
    centre, root
        Location, shape (D,), and Cholesky factor of the scale matrix, shape (D, D).
    """

    share: float
    df: float
    spread: float
    centre: np.ndarray
    root: np.ndarray

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log density of scores (n, D), shape (n,)."""
        d = len(self.root)
        white = linalg.solve_triangular(self.root, (z - self.centre).T, lower=True)
        square = (white**2).sum(axis=0) / self.spread**2
        constant = special.gammaln((self.df + d) / 2) - special.gammaln(self.df / 2) - 0.5 * d * np.log(self.df * np.pi)
        constant -= d * np.log(self.spread) + np.log(np.diag(self.root)).sum()
        return np.asarray(constant - 0.5 * (self.df + d) * np.log1p(square / self.df))


@dataclass(frozen=True, eq=False)
class Proposal:
    """Distribution of theta = g(z), with g monotone in each element and z from a mixture of multivariate t.

    Parameters
    ----------
    components
        The mixture; their shares sum to 1.
    marginals
        g, an element each.
    """

    components: tuple[Component, ...]
    marginals: tuple[Marginal1D, ...]

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Independent draws and their scores, shape (n, D) each, and their log density, shape (n,)."""
        parts = self.components
        shares = np.cumsum([part.share for part in parts])
        which = np.searchsorted(shares[:-1], rng.random(n))
        df, spread = np.array([part.df for part in parts])[which], np.array([part.spread for part in parts])[which]
        white = rng.standard_normal((n, len(self.marginals))) * (spread * np.sqrt(df / rng.chisquare(df)))[:, None]
        z = np.empty_like(white)
        for k, part in enumerate(parts):
            z[which == k] = part.centre + white[which == k] @ part.root.T
        with np.errstate(divide="ignore"):
            log_q = special.logsumexp([np.log(part.share) + part.log_density(z) for part in parts], axis=0)
        theta = np.empty_like(z)
        for k, marginal in enumerate(self.marginals):
            theta[:, k], log_slope = marginal(z[:, k])
            log_q -= log_slope
        return theta, z, log_q

    def refitted(self, z: np.ndarray, weight: np.ndarray) -> Proposal:
        """The same marginal shapes with centre and scale matrix of a weighted sample of scores.

        Parameters
        ----------
        z, weight
            Shapes (N, D) and (N,); weights sum to 1.
        """
        return replace(self, components=_body(*_moments(z, weight)))

    def widened(self, z: np.ndarray, weight: np.ndarray) -> Proposal:
        """With one more component where a weighted sample of scores says that the proposal is too thin.

        Its centre is the point of the largest weight, its shape that of the points around.

        Parameters
        ----------
        z, weight
            Shapes (N, D) and (N,); weights sum to 1.

        References
        ----------
        Raftery and Bao (2010), Biometrics 66(4):1162-1173, doi 10.1111/j.1541-0420.2010.01399.x.
        """
        n, d = z.shape
        centre = z[np.argmax(weight)]
        away = linalg.solve_triangular(self.components[0].root, (z - centre).T, lower=True)
        near = np.argsort((away**2).sum(axis=0), kind="stable")[: min(max(n // 20, 10 * d), n)]
        # Half by weight, half alike: a few points of large weight have no shape of their own.
        share = (weight[near] + 1 / n) / 2
        _, root = _moments(z[near], share / share.sum(), centre)
        more = Component(_MORE, *_WIDE, centre, root)
        return replace(
            self, components=(*(replace(part, share=part.share * (1 - _MORE)) for part in self.components), more)
        )


def _body(centre: np.ndarray, root: np.ndarray) -> tuple[Component, ...]:
    return tuple(Component(share, df, spread, centre, root) for share, df, spread in _COMPONENTS)


def _moments(z: np.ndarray, weight: np.ndarray, centre: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a weighted sample of scores, and Cholesky factor of its covariance (about ``centre``, where given)."""
    if centre is None:
        centre = weight @ z
    away = z - centre
    scale = away.T @ (weight[:, None] * away)
    # Shrunk towards what the marginals alone say, which keeps it positive definite with few effective points.
    d = z.shape[1]
    shrink = d / (d + 1.0 / (weight**2).sum())
    return centre, np.linalg.cholesky((1 - shrink) * scale + shrink * np.eye(d))


def along_ridges(log_density: LogDensity, mode: np.ndarray, covariance: np.ndarray, *, logarithms: int) -> Proposal:
    """Shape every marginal like the density along a line through the mode.

    Each line leaves the mode in the direction in which the other hyperparameters follow, by the curvature there, so
    that along it the density falls as the marginal density does where the two are Gaussian. Towards minus infinity,
    where a scale nears zero and nothing changes any more, the others stop following.

    Parameters
    ----------
    log_density
        Unnormalised log density of thetas (N, D).
    mode, covariance
        Shapes (D,) and (D, D).
    logarithms
        How many of the first elements are logarithms of scales.
    """
    d = len(mode)
    sd = np.sqrt(np.diag(covariance))
    follow = covariance / sd[:, None]  # one row a hyperparameter: how the others follow a step of one SD of it
    np.fill_diagonal(follow, 0.0)

    def line(k: int, steps: np.ndarray) -> np.ndarray:
        # Linear in the logarithm to the right, in the hyperparameter itself to the left.
        left = np.expm1(np.minimum(steps, 0.0) * sd[k]) / sd[k]
        damped = np.where((steps < 0) & (k < logarithms), left, steps)
        theta = mode + damped[:, None] * follow[k]
        theta[:, k] += steps * sd[k]
        return theta

    reach = np.concatenate([-_REACH[::-1], [0.0], _REACH])
    found = log_density(np.concatenate([line(k, reach) for k in range(d)])).reshape(d, -1)
    steps = np.empty((d, _COARSE))
    middle = len(_REACH)
    for k in range(d):
        low = found[k] < found[k].max() - _FALL
        left, right = np.flatnonzero(low[:middle]), np.flatnonzero(low[middle + 1 :])
        first = reach[left[-1]] if left.size else reach[0]
        last = reach[middle + 1 + right[0]] if right.size else reach[-1]
        steps[k] = np.linspace(first, last, _COARSE)
    found = log_density(np.concatenate([line(k, steps[k]) for k in range(d)])).reshape(d, -1)
    marginals = tuple(
        _quantiles(mode[k] + steps[k] * sd[k], np.maximum(found[k], found[k].max() - 60.0)) for k in range(d)
    )
    correlation = covariance / np.outer(sd, sd)
    return Proposal(_body(np.zeros(d), np.linalg.cholesky(correlation)), marginals)


def _quantiles(values: np.ndarray, log_density: np.ndarray) -> Marginal1D:
    """From a log density on a grid to its quantiles by normal score."""
    fine = np.linspace(values[0], values[-1], _FINE)
    density = np.exp(PchipInterpolator(values, log_density)(fine) - log_density.max())
    pieces = (density[1:] + density[:-1]) / 2
    # Sums from either end, so that both tails keep their digits.
    below, above = np.cumsum(pieces), np.cumsum(pieces[::-1])[::-1]
    total = below[-1]
    cdf, survival = below[:-1] / total, above[1:] / total
    scores = np.where(cdf < 0.5, special.ndtri(cdf), -special.ndtri(survival))
    keep = np.concatenate([[True], np.diff(scores) > 1e-9]) & np.isfinite(scores) & (np.abs(scores) < 6.0)
    return Marginal1D(scores[keep], fine[1:-1][keep])
