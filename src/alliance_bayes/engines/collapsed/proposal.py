"""A proposal that resembles a low-dimensional posterior, and independence chains from it.

Marginal shapes along the ridges of the posterior around its mode, joined by a t copula, adapted by importance sampling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import linalg, optimize, special
from scipy.interpolate import PchipInterpolator

from alliance_bayes.compiled import njit
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.errors import SamplingError

__all__ = [
    "Adapted",
    "Chains",
    "LogDensity",
    "Proposal",
    "adapt",
    "along_ridges",
    "efficiency_of",
    "find_mode",
    "independence_chains",
    "normalised",
    "starting_point",
    "weighted",
]


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
        return np.asarray(self.constant - 0.5 * (self.df + d) * np.log1p(square / self.df))

    @cached_property
    def constant(self) -> float:
        """Log density at the centre."""
        d = len(self.root)
        constant = special.gammaln((self.df + d) / 2) - special.gammaln(self.df / 2) - 0.5 * d * np.log(self.df * np.pi)
        return float(constant - d * np.log(self.spread) - np.log(np.diag(self.root)).sum())


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

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        """Log density of some thetas, shapes (n, D) and (n,)."""
        out = np.empty(len(theta))
        _log_densities(np.ascontiguousarray(theta, dtype=float), *self._tabulated, out)
        return out

    @cached_property
    def _tabulated(self) -> tuple[np.ndarray, ...]:
        """What the kernel knows: points of each marginal in one row after another and where they begin; components."""
        parts, d = self.components, len(self.marginals)
        start = np.cumsum([0, *(len(marginal.scores) for marginal in self.marginals)])
        scores, values = (
            np.concatenate([getattr(marginal, name) for marginal in self.marginals]) for name in ("scores", "values")
        )
        with np.errstate(divide="ignore"):
            log_share = np.log([part.share for part in parts])
        constants = log_share + np.array([part.constant for part in parts])
        df, spread = (np.array([getattr(part, name) for part in parts]) for name in ("df", "spread"))
        centres, inverse = np.array([part.centre for part in parts]), np.empty((len(parts), d, d))
        for k, part in enumerate(parts):
            inverse[k] = linalg.solve_triangular(part.root, np.eye(d), lower=True)
        return start, scores, values, constants, df, spread, centres, inverse

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


@njit(cache=True, nogil=True)
def _log_densities(theta, start, scores, values, constants, df, spread, centres, inverse, out):  # type: ignore[no-untyped-def]
    """Log density of thetas (n, D) by a proposal's tables."""
    n, d = theta.shape
    z = np.empty(d)
    for i in range(n):
        log_slope = 0.0
        for k in range(d):
            first, last = start[k], start[k + 1]
            at = np.searchsorted(values[first:last], theta[i, k]) - 1
            at = first + min(max(at, 0), last - first - 2)
            slope = (values[at + 1] - values[at]) / (scores[at + 1] - scores[at])
            z[k] = scores[at] + (theta[i, k] - values[at]) / slope
            log_slope += np.log(slope)
        largest, total = -np.inf, 0.0
        for part in range(len(df)):
            square = 0.0
            for a in range(d):
                white = 0.0
                for b in range(a + 1):
                    white += inverse[part, a, b] * (z[b] - centres[part, b])
                square += white * white
            square /= spread[part] ** 2
            value = constants[part] - 0.5 * (df[part] + d) * np.log1p(square / df[part])
            if value > largest:
                total = total * np.exp(largest - value) + 1.0
                largest = value
            elif value > -np.inf:
                total += np.exp(value - largest)
        out[i] = largest + np.log(total) - log_slope


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
    heights = log_density(np.concatenate([line(k, reach) for k in range(d)])).reshape(d, -1)
    steps = np.empty((d, _COARSE))
    middle = len(_REACH)
    for k in range(d):
        low = heights[k] < heights[k].max() - _FALL
        left, right = np.flatnonzero(low[:middle]), np.flatnonzero(low[middle + 1 :])
        first = reach[left[-1]] if left.size else reach[0]
        last = reach[middle + 1 + right[0]] if right.size else reach[-1]
        steps[k] = np.linspace(first, last, _COARSE)
    heights = log_density(np.concatenate([line(k, steps[k]) for k in range(d)])).reshape(d, -1)
    marginals = tuple(
        _quantiles(mode[k] + steps[k] * sd[k], np.maximum(heights[k], heights[k].max() - 60.0)) for k in range(d)
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


_STEP = 1e-4
# A residual SD below this share of the outcome's SD is vanishing: sums of squares hold the square of it, 1e-12, with
# few digits. Where the pilot leaves nothing, the search begins at the other share.
_VANISHING, _SMALL = 1e-6, 1e-3
# Newton's steps after the search, and the rise that ends them.
_NEWTON, _RISE = 50, 1e-3
# Flat or upward directions get the curvature of an SD of 2, wide for a logarithm.
_FLAT = 0.25


def starting_point(marginal: Marginal, outcome_sd: float) -> np.ndarray:
    """Where the search begins: residual SDs as the pilot left them, scales at half their prior's, no correlation."""
    eq, hyper = marginal.equations, marginal.hyper
    theta = np.zeros(hyper.size)
    strata = len(hyper.sigma)
    # The pilot explains all of few rows, but priors hold its coefficients back.
    overall = max(eq.rss.sum() / eq.n.sum(), (_SMALL * outcome_sd) ** 2)
    spread = np.where(eq.rss > eq.n * (_VANISHING * outcome_sd) ** 2, eq.rss / np.maximum(eq.n, 1.0), overall)
    theta[:strata] = 0.5 * np.log(spread)
    for k, prior in enumerate(hyper.priors[strata:]):
        p = prior.arguments
        size = p["sigma"] if "sigma" in p else p["alpha"] / p["beta"] if "alpha" in p else 1.0 / p["lam"]
        theta[strata + k] = np.log(size / 2)
    return theta


def find_mode(marginal: Marginal, outcome_sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Mode (size,) and a positive definite covariance (size, size) from the curvature there.

    Parameters
    ----------
    marginal
        The density.
    outcome_sd
        SD of the outcome over all rows.

    Raises
    ------
    SamplingError
        The density cannot be computed where the search begins, or a residual SD runs to zero.
    """
    start = starting_point(marginal, outcome_sd)
    # Steps are counted in rough posterior SDs: those of log residual SDs are known, the others' are about one.
    strata = len(marginal.hyper.sigma)
    unit = np.ones(len(start))
    unit[:strata] = 1 / np.sqrt(2 * np.maximum(marginal.equations.n, 1.0))

    lowest = np.full(len(start), -np.inf)
    lowest[:strata] = np.log(_VANISHING * outcome_sd)

    def negative(steps: np.ndarray) -> tuple[float, np.ndarray]:
        theta = start + unit * steps
        value, gradient = marginal.value_and_gradient(np.maximum(theta, lowest))
        below = theta < lowest
        # A residual SD that runs to zero comes to rest where the density can still be computed. One that a step has
        # taken there, where the density falls, is led back.
        gradient[below] = np.maximum(gradient[below], 0.0)
        value += float(gradient[below] @ (theta - lowest)[below])
        return (-value, -unit * gradient) if np.isfinite(value) else (1e300, np.zeros_like(steps))

    if not np.isfinite(marginal.log_density(start[None])[0]):
        raise SamplingError(
            "the marginal density cannot be computed at the start. Check for columns on very different scales."
        )
    # The density is a large number that changes little, so the search ends by its gradient; what it cannot reduce
    # further for want of digits is close enough for a proposal.
    optimum = optimize.minimize(negative, np.zeros(len(start)), jac=True, method="BFGS", options={"gtol": 1e-2})
    mode = start + unit * np.asarray(optimum.x)
    for _ in range(_NEWTON):
        _refuse_vanished(marginal, mode, lowest)
        values, vectors = _curvature(marginal, mode)
        value, gradient = marginal.value_and_gradient(mode)
        # Where the density is hollow, uphill is still uphill (Dauphin et al. 2014, arXiv:1406.2572).
        step = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), _FLAT))
        # Twice what a quadratic has still to rise: nothing that a proposal's shape would show.
        if gradient @ step < _RISE:
            break
        best = _uphill(marginal, mode, step / max(1.0, np.abs(step).max()), value)
        if best is None:
            break
        mode = best
    return mode, np.asarray((vectors / np.maximum(values, _FLAT)) @ vectors.T)


def _refuse_vanished(marginal: Marginal, mode: np.ndarray, lowest: np.ndarray) -> None:
    vanished = [name for name, value, least in zip(marginal.hyper.names, mode, lowest, strict=True) if value < least]
    if vanished:
        raise SamplingError(
            f"{', '.join(vanished)} runs to zero: the predictors explain the outcome exactly. Remove the term that "
            "repeats the outcome, or check the columns."
        )


def _curvature(marginal: Marginal, mode: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (size,) and eigenvectors (size, size) of minus the density's second derivatives."""
    size = len(mode)
    hessian = np.empty((size, size))
    for k in range(size):
        step = np.zeros(size)
        step[k] = _STEP
        above, below = marginal.value_and_gradient(mode + step)[1], marginal.value_and_gradient(mode - step)[1]
        hessian[k] = (below - above) / (2 * _STEP)
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    return values, vectors


def _uphill(marginal: Marginal, mode: np.ndarray, step: np.ndarray, value: float) -> np.ndarray | None:
    """The best of some shares of a step; None where all lead downhill."""
    trials = mode + 0.5 ** np.arange(12)[:, None] * step
    heights = marginal.log_density(trials)
    return trials[np.argmax(heights)] if heights.max() > value else None


# Proposals out of which each chain's first state is taken.
_BEFORE = 50


@dataclass(frozen=True, eq=False)
class Adapted:
    """The best proposal found, and what its round said of it.

    Parameters
    ----------
    proposal
        The proposal.
    efficiency
        Effective share of its draws, 1 / (N sum w^2).
    rounds
        Which round it was drawn in.
    """

    proposal: Proposal
    efficiency: float
    rounds: int


def adapt(
    log_density: LogDensity,
    proposal: Proposal,
    rng: np.random.Generator,
    *,
    size: int,
    rounds: int,
    good: float,
    most: float = 1.0,
) -> Adapted:
    """Rounds of importance sampling, each from the proposal refitted to the round before, until one is good.

    Parameters
    ----------
    log_density
        Unnormalised log density of thetas (N, D).
    proposal
        Where to begin.
    rng
        Generator.
    size, rounds
        Proposals in a round, and the most rounds.
    good
        Efficiency at which to stop.
    most
        Largest share of one proposal in a fit, before all are scaled to sum to 1.

    References
    ----------
    Ionides (2008), Journal of Computational and Graphical Statistics 17(2):295-311, doi 10.1198/106186008X320456.
    Cappe, Douc, Guillin, Marin, Robert (2008), Statistics and Computing 18:447-459, doi 10.1007/s11222-008-9059-x.
    """
    best = Adapted(proposal, 0.0, 0)
    for number in range(1, rounds + 1):
        z, weight = weighted(log_density, proposal, rng, size)
        if not weight.any():
            break
        efficiency = efficiency_of(weight)
        if efficiency > best.efficiency:
            best = Adapted(proposal, efficiency, number)
        if efficiency >= good:
            break
        if weight.max() > most:
            weight = np.minimum(weight, most)
            weight /= weight.sum()
        proposal = proposal.refitted(z, weight)
    return best


def weighted(
    log_density: LogDensity, proposal: Proposal, rng: np.random.Generator, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (size, D) of some proposals, and their importance ratios (size,)."""
    theta, z, log_q = proposal.draw(rng, size)
    return z, normalised(log_density(theta) - log_q)


def normalised(log_weight: np.ndarray) -> np.ndarray:
    """Importance ratios that sum to 1; all are 0 where none can be computed."""
    largest = log_weight.max()
    if not np.isfinite(largest):
        return np.zeros_like(log_weight)
    weight = np.exp(log_weight - largest)
    return np.asarray(weight / weight.sum())


def efficiency_of(weight: np.ndarray) -> float:
    """Effective share of proposals with importance ratios that sum to 1, or are 0 all."""
    square = (weight**2).sum()
    return float(1.0 / square / len(weight)) if square > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Chains:
    """Independence chains.

    Parameters
    ----------
    theta
        Shape (chain, draw, D).
    accepted
        Share of proposals accepted on the way to each draw, shape (chain, draw).
    log_density
        Shape (chain, draw).
    scores, log_weight
        Scores (N, D) and log importance ratios (N,) of all proposals.
    """

    theta: np.ndarray
    accepted: np.ndarray
    log_density: np.ndarray
    scores: np.ndarray
    log_weight: np.ndarray


def independence_chains(
    log_density: LogDensity, proposal: Proposal, rng: np.random.Generator, *, chains: int, draws: int, steps: int
) -> Chains:
    """Metropolis-Hastings chains that propose independently of where they are.

    Each chain starts from a draw, by importance weights, out of proposals of its own, and keeps every ``steps``-th
    state.

    References
    ----------
    Tierney (1994), Annals of Statistics 22:1701-1728, doi 10.1214/aos/1176325750.
    """
    length = draws * steps
    theta, z, log_q = proposal.draw(rng, chains * (_BEFORE + length))
    value = log_density(theta)
    log_weight = value - log_q
    ratio = log_weight.reshape(_BEFORE + length, chains)
    weight = np.exp(ratio[:_BEFORE] - ratio[:_BEFORE].max(axis=0))
    cumulative = np.cumsum(weight / weight.sum(axis=0), axis=0)
    at = np.minimum((cumulative < rng.random(chains)).sum(axis=0), _BEFORE - 1)
    state, moved = _walk(ratio, at, np.log(rng.random((length, chains))), _BEFORE)
    column = np.arange(chains)
    thinned = (state[steps - 1 :: steps] * chains + column).T
    return Chains(theta[thinned], moved.reshape(draws, steps, chains).mean(axis=1).T, value[thinned], z, log_weight)


@njit(cache=True)
def _walk(ratio, start, log_uniform, before):  # type: ignore[no-untyped-def]
    """Row of ``ratio`` that each chain is in after each step, and whether it moved; shape (length, chains) each."""
    length, chains = log_uniform.shape
    state, moved = np.empty((length, chains), dtype=np.int64), np.empty((length, chains), dtype=np.bool_)
    for chain in range(chains):
        at = start[chain]
        for step in range(length):
            moved[step, chain] = log_uniform[step, chain] < ratio[before + step, chain] - ratio[at, chain]
            if moved[step, chain]:
                at = before + step
            state[step, chain] = at
    return state, moved
