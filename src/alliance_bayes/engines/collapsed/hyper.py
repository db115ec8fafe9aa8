"""Hyperparameters of a Gaussian model on an unbounded scale: residual SDs, scales of effects, correlations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.correlation import fill_root, lkj_arguments, lkj_slope, log_lkj, partials
from alliance_bayes.engines.prior_density import coded, log_prior_at, slope_at
from alliance_bayes.model import Design, Prior, PriorTable

__all__ = ["Hyper", "hyperparameters", "log_prior_of", "prior_slope", "scales_at"]


@dataclass(frozen=True)
class Hyper:
    """Names, priors and layout of the hyperparameters.

    The unbounded vector theta holds log residual SDs, log scales, and for each correlated factor its partial
    correlations (:mod:`alliance_bayes.engines.correlation`).

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
        return self.positive + sum(partials(q) for _, q, _ in self.correlated)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Name of each element of theta, as it is in natural units."""
        partial = [
            f"partial_corr_{factor}[{i},{j}]" for factor, q, _ in self.correlated for i in range(q) for j in range(i)
        ]
        return (*self.sigma, *self.tau, *partial)

    @cached_property
    def prior(self) -> tuple[int, np.ndarray, np.ndarray]:
        """What :func:`log_prior_of` takes: number of logarithms, codes of their priors, shapes of correlations."""
        codes = np.array([coded(prior) for prior in self.priors], dtype=float).reshape(-1, 5)
        shapes = [lkj_arguments(q, eta) for _, q, eta in self.correlated]
        return self.positive, codes, np.concatenate([np.empty((0, 2)), *shapes])

    def natural(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Residual SDs (N, S), scales (N, T) and Cholesky factors of correlation matrices (N, q, q) by factor."""
        n, strata, scales = len(theta), len(self.sigma), len(self.tau)
        widths = np.array([q for _, q, _ in self.correlated], dtype=np.int64)
        widest = int(widths.max(initial=1))
        sigma, tau = np.empty((n, strata)), np.empty((n, scales))
        roots = np.zeros((n, len(widths), widest, widest))
        _spread_all(np.ascontiguousarray(theta, dtype=float), widths, sigma, tau, roots)
        return (
            sigma,
            tau,
            {factor: roots[:, f, :q, :q] for f, (factor, q, _) in enumerate(self.correlated)},
        )

    def log_prior(self, theta: np.ndarray) -> np.ndarray:
        """Log prior density of theta (with the Jacobian of its transformation), shape (N,)."""
        out = np.empty(len(theta))
        log_priors(np.ascontiguousarray(theta, dtype=float), *self.prior, out)
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
    stated = tuple(priors[name].prior for name in (*sigma, *tau))
    return Hyper(sigma, tuple(tau), stated, correlated)


@njit(cache=True, nogil=True)
def spread(theta, widths, sigma, tau, roots):  # type: ignore[no-untyped-def]
    """From one theta to residual SDs (S,), scales (T,) and Cholesky factors of correlation matrices (F, q, q)."""
    # Bounds far beyond any data keep a wild proposal from becoming 0 or infinity; its density is nil anyway.
    at = 0
    for k in range(sigma.shape[0]):
        sigma[k] = np.exp(min(max(theta[at], -230.0), 230.0))
        at += 1
    for k in range(tau.shape[0]):
        tau[k] = np.exp(min(max(theta[at], -230.0), 230.0))
        at += 1
    for f in range(widths.shape[0]):
        fill_root(theta[at:], widths[f], roots[f])
        at += partials(widths[f])


@njit(cache=True, nogil=True)
def _spread_all(theta, widths, sigma, tau, roots):  # type: ignore[no-untyped-def]
    for i in range(theta.shape[0]):
        spread(theta[i], widths, sigma[i], tau[i], roots[i])


@njit(cache=True, nogil=True)
def scales_at(theta, place, sigma, tau, roots, k_dense, ce):  # type: ignore[no-untyped-def]
    """Spread one theta: also roots of the dense correlated factors (B, q, q), and of the eliminated covariance (q, q).

    ``place`` is, as :attr:`Marginal.place` has it: widths of the correlated factors, which of them are dense, and of
    the eliminated factor its first scale and which of the correlated factors it is (-1 for none).
    """
    widths, dense, first, eliminated = place
    spread(theta, widths, sigma, tau, roots)
    for b in range(dense.shape[0]):
        for i in range(roots.shape[1]):
            for j in range(i + 1):
                k_dense[b, i, j] = roots[dense[b], i, j]
    if first < 0:
        return
    for i in range(ce.shape[0]):
        for j in range(i + 1):
            ce[i, j] = tau[first + i] * (roots[eliminated, i, j] if eliminated >= 0 else (1.0 if i == j else 0.0))


@njit(cache=True, nogil=True)
def log_prior_of(theta, positive, codes, correlated):  # type: ignore[no-untyped-def]
    """Log prior density of one theta, with the Jacobian of its transformation.

    ``positive`` logarithms, with ``codes`` (positive, 5), come before the partial correlations, whose arguments are
    the rows of ``correlated`` (free, 2).
    """
    total = 0.0
    for k in range(positive):
        total += theta[k] + log_prior_at(codes[k], np.exp(theta[k]), theta[k])
    total += log_lkj(theta[positive:], correlated)
    return total


@njit(cache=True, nogil=True)
def log_priors(theta, positive, codes, correlated, out):  # type: ignore[no-untyped-def]
    """:func:`log_prior_of` each theta (N, size)."""
    for i in range(theta.shape[0]):
        out[i] = log_prior_of(theta[i], positive, codes, correlated)


@njit(cache=True, nogil=True)
def prior_slope(theta, positive, codes, correlated, out):  # type: ignore[no-untyped-def]
    """Gradient of :func:`log_prior_of`, written to ``out``."""
    for k in range(positive):
        out[k] = 1.0 + slope_at(codes[k], np.exp(theta[k]))
    for k in range(correlated.shape[0]):
        out[positive + k] = lkj_slope(theta[positive + k], correlated[k, 0])
