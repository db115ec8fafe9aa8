"""The posterior mode of the hyperparameters and the curvature there."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.errors import SamplingError

__all__ = ["find_mode", "starting_point"]

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
        # A residual SD that runs to zero comes to rest where the density can still be computed.
        value, gradient = marginal.value_and_gradient(np.maximum(theta, lowest))
        gradient[theta < lowest] = 0.0
        return (-value, -unit * gradient) if np.isfinite(value) else (1e300, np.zeros_like(steps))

    if not np.isfinite(marginal.log_density(start[None])[0]):
        raise SamplingError(
            "the marginal density cannot be computed at the start. Check for columns on very different scales."
        )
    # The density is a large number that changes little, so the search ends by its gradient; what it cannot reduce
    # further for want of digits is close enough for a proposal.
    found = optimize.minimize(negative, np.zeros(len(start)), jac=True, method="BFGS", options={"gtol": 1e-2})
    mode = start + unit * np.asarray(found.x)
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
    vanished = [name for name, own, least in zip(marginal.hyper.names, mode, lowest, strict=True) if own < least]
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
    found = marginal.log_density(trials)
    return trials[np.argmax(found)] if found.max() > value else None
