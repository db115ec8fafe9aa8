"""Log likelihoods in PyTensor, for families whose own in PyMC compute much that one observed outcome does not need.

Each is what :func:`alliance_bayes.model.likelihood.log_density` says in NumPy.
"""

from __future__ import annotations

import math
from typing import Any

import pytensor.tensor as pt

__all__ = ["bernoulli_logp", "beta_binomial_logp", "censored_logp", "cumulative_logp"]


def bernoulli_logp(value: Any, eta: Any) -> Any:
    """Log mass of an event (1) or its absence (0) with log odds eta."""
    return -pt.softplus(pt.switch(pt.eq(value, 1), -eta, eta))


def beta_binomial_logp(value: Any, eta: Any, phi: Any, n: int) -> Any:
    """Log mass of ``value`` successes of ``n``, beta-binomial with mean expit(eta) and precision phi.

    The two shapes add up to phi, the same in every row, and what does not depend on parameters is computed once for
    data that stay: two gamma functions a row remain of nine.
    """
    # In whole numbers: PyTensor would otherwise add n and b first, and a small b would be gone.
    failures = pt.cast(n - pt.cast(value, "int64"), "float64")
    a, b = pt.sigmoid(eta) * phi, pt.sigmoid(-eta) * phi
    choose = math.lgamma(n + 1) - pt.gammaln(value + 1.0) - pt.gammaln(failures + 1.0)
    both = pt.gammaln(phi) - pt.gammaln(phi + n)
    return choose + both + pt.gammaln(value + a) - pt.gammaln(a) + pt.gammaln(failures + b) - pt.gammaln(b)


def cumulative_logp(value: Any, eta: Any, cutpoints: Any) -> Any:
    """Log mass of level codes, cumulative logit.

    Only the two cutpoints around the observed level are read, and F(above) - F(below) = F(above) F(-below)
    (1 - exp(below - above)) for the logistic F, whose last factor is one number a level.
    """
    code = pt.cast(value, "int64")
    gaps = pt.log1mexp(cutpoints[:-1] - cutpoints[1:])
    end = pt.zeros(1)
    # The lowest level has no cutpoint below and the highest none above: what is read there counts for nothing.
    log_p = pt.concatenate([end, gaps, end])[code]
    above = -pt.softplus(eta - pt.concatenate([cutpoints, end])[code])
    below = -pt.softplus(pt.concatenate([end, cutpoints])[code] - eta)
    last = cutpoints.shape[0]
    return log_p + pt.switch(pt.lt(code, last), above, 0.0) + pt.switch(pt.gt(code, 0), below, 0.0)


def censored_logp(value: Any, mu: Any, sigma: Any, lower: float | None, upper: float | None) -> Any:
    """Log density of a normal outcome between the limits, and log probability of the tail at a limit."""
    log_p = -0.5 * ((value - mu) / sigma) ** 2 - pt.log(sigma) - 0.5 * math.log(2 * math.pi)
    if upper is not None:
        at = pt.nonzero(pt.ge(value, upper))[0]
        log_p = pt.set_subtensor(log_p[at], _log_ndtr((mu[at] - upper) / _of(sigma, at)))
    if lower is not None:
        at = pt.nonzero(pt.le(value, lower))[0]
        log_p = pt.set_subtensor(log_p[at], _log_ndtr((lower - mu[at]) / _of(sigma, at)))
    return log_p


def _of(sigma: Any, at: Any) -> Any:
    return sigma if sigma.ndim == 0 else sigma[at]


def _log_ndtr(z: Any) -> Any:
    """Logarithm of the standard normal distribution function, to full precision in both tails."""
    scaled = z / math.sqrt(2.0)
    # Each branch is asked only where it is exact; what it would give elsewhere must stay finite for the gradient.
    low = pt.log(pt.erfcx(-pt.minimum(scaled, 0.0)) / 2.0) - pt.minimum(scaled, 0.0) ** 2
    high = pt.log1p(-pt.erfc(pt.maximum(scaled, 0.0)) / 2.0)
    return pt.switch(pt.lt(z, 0.0), low, high)
