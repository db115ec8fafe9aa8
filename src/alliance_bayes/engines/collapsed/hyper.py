"""Hyperparameters of a Gaussian model on an unbounded scale: residual SDs, scales of effects, correlations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from alliance_bayes.model import Design, Prior, PriorTable

__all__ = ["SCALE_PRIORS", "Hyper", "hyperparameters"]

_LOG_HALF_NORMAL = 0.5 * np.log(2.0 / np.pi)
SCALE_PRIORS = ("HalfNormal", "HalfStudentT", "Exponential", "Gamma")


@dataclass(frozen=True)
class Hyper:
    """Names, priors and layout of the hyperparameters.

    The unbounded vector theta holds log residual SDs, log scales, and for each correlated factor the inverse
    hyperbolic tangents of its partial correlations, a row of the Cholesky factor at a time.

    Parameters
    ----------
    sigma
        Names of the residual SDs: one, or one a level of the residual factor.
    tau
        Names of the scales of effects.
    priors
        Priors of ``sigma`` and then ``tau``.
    correlated
        Factor, number of terms, and eta of its LKJ prior.
    """

    sigma: tuple[str, ...]
    tau: tuple[str, ...]
    priors: tuple[Prior, ...]
    correlated: tuple[tuple[str, int, float], ...]

    @property
    def scale(self) -> dict[str, int]:
        """Number of each scale by name."""
        return {name: k for k, name in enumerate(self.tau)}

    @property
    def positive(self) -> int:
        """Number of residual SDs and scales."""
        return len(self.sigma) + len(self.tau)

    @cached_property
    def size(self) -> int:
        """Length of theta."""
        return self.positive + sum(q * (q - 1) // 2 for _, q, _ in self.correlated)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Name of each element of theta, as it is in natural units."""
        partial = [
            f"partial_corr_{factor}[{i},{j}]" for factor, q, _ in self.correlated for i in range(q) for j in range(i)
        ]
        return (*self.sigma, *self.tau, *partial)

    def natural(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Residual SDs (N, S), scales (N, T) and Cholesky factors of correlation matrices (N, q, q) by factor."""
        with np.errstate(over="ignore", under="ignore"):
            # Bounds far beyond any data keep a wild proposal from becoming 0 or infinity; its density is nil anyway.
            positive = np.exp(np.clip(theta[:, : self.positive], -230.0, 230.0))
        at, roots = self.positive, {}
        for factor, q, _ in self.correlated:
            free = q * (q - 1) // 2
            # Beyond 15 a correlation would round to 1, which leaves a Cholesky factor without an inverse.
            roots[factor] = _cholesky(np.tanh(np.clip(theta[:, at : at + free], -15.0, 15.0)), q)
            at += free
        return positive[:, : len(self.sigma)], positive[:, len(self.sigma) :], roots

    def log_prior(self, theta: np.ndarray) -> np.ndarray:
        """Log prior density of theta (with the Jacobian of its transformation), shape (N,)."""
        total = theta[:, : self.positive].sum(axis=1)
        # A wild proposal may be infinite in natural units: its density is nil, or NaN where parts of it cancel.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            for k, prior in enumerate(self.priors):
                total = total + log_density(prior, np.exp(theta[:, k]))
        at = self.positive
        for _, q, eta in self.correlated:
            for i in range(q):
                for j in range(i):
                    shape = eta + (q - 2 - j) / 2
                    # A partial correlation is 2 Beta(shape, shape) - 1; log(1 - tanh^2) without cancellation.
                    log_one_minus = -2.0 * np.logaddexp(theta[:, at], -theta[:, at]) + 2.0 * np.log(2.0)
                    constant = special.betaln(shape, shape) + (2 * shape - 1) * np.log(2.0)
                    total = total + shape * log_one_minus - constant
                    at += 1
        return total

    def grad_log_prior(self, theta: np.ndarray) -> np.ndarray:
        """Gradient of the log prior density at one theta, shape (size,)."""
        out = np.ones(self.size)
        for k, prior in enumerate(self.priors):
            out[k] += slope(prior, float(np.exp(theta[k])))
        at = self.positive
        for _, q, eta in self.correlated:
            for i in range(q):
                for j in range(i):
                    out[at] = -2.0 * (eta + (q - 2 - j) / 2) * np.tanh(theta[at])
                    at += 1
        return out


def hyperparameters(design: Design, priors: PriorTable) -> Hyper:
    """Hyperparameters of a design."""
    residual = design.residual
    sigma = ("sigma",) if residual is None else tuple(f"sigma[{level}]" for level in residual.levels)
    tau = [f"tau_{smooth.name}" for smooth in design.smooths]
    tau += [f"tau_{factor.name}[{term}]" for factor in design.factors for term in factor.terms]
    correlated = tuple(
        (factor.name, len(factor.terms), priors[f"corr_{factor.name}"].prior.arguments["eta"])
        for factor in design.factors
        if factor.correlated
    )
    own = tuple(priors[name].prior for name in (*sigma, *tau))
    return Hyper(sigma, tuple(tau), own, correlated)


def log_density(prior: Prior, value: np.ndarray) -> np.ndarray:
    """Log density of a positive parameter."""
    p = prior.arguments
    match prior.distribution:
        case "HalfNormal":
            return np.asarray(_LOG_HALF_NORMAL - np.log(p["sigma"]) - 0.5 * (value / p["sigma"]) ** 2)
        case "HalfStudentT":
            half = special.gammaln((p["nu"] + 1) / 2) - special.gammaln(p["nu"] / 2)
            constant = np.log(2.0) + half - 0.5 * np.log(p["nu"] * np.pi) - np.log(p["sigma"])
            return np.asarray(constant - (p["nu"] + 1) / 2 * np.log1p((value / p["sigma"]) ** 2 / p["nu"]))
        case "Exponential":
            return np.asarray(np.log(p["lam"]) - p["lam"] * value)
    alpha, beta = p["alpha"], p["beta"]
    return np.asarray(alpha * np.log(beta) - special.gammaln(alpha) + (alpha - 1) * np.log(value) - beta * value)


def slope(prior: Prior, value: float) -> float:
    """Derivative of the log density by the logarithm of the parameter."""
    p = prior.arguments
    match prior.distribution:
        case "HalfNormal":
            return -((value / p["sigma"]) ** 2)
        case "HalfStudentT":
            square = (value / p["sigma"]) ** 2
            return -(p["nu"] + 1) * square / (p["nu"] + square)
        case "Exponential":
            return -p["lam"] * value
    return p["alpha"] - 1 - p["beta"] * value


def _cholesky(partial: np.ndarray, q: int) -> np.ndarray:
    """Cholesky factors of correlation matrices from canonical partial correlations (N, q (q - 1) / 2)."""
    root = np.zeros((len(partial), q, q))
    root[:, 0, 0] = 1.0
    at = 0
    for i in range(1, q):
        left = np.ones(len(partial))
        for j in range(i):
            root[:, i, j] = partial[:, at] * np.sqrt(left)
            left = left * (1.0 - partial[:, at] ** 2)
            at += 1
        root[:, i, i] = np.sqrt(left)
    return root
