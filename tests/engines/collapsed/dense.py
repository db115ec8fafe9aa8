"""The same posterior by dense algebra over rows, written independently of the engine.

The outcome of n rows given the hyperparameters is multivariate normal with mean X m and covariance S + X diag(s^2) X'
+ sum of B B' tau^2 (smooths) + sum of Z D Z' (factors). Decimal arithmetic keeps 60 digits, so that the reference
has no rounding errors of its own, whatever the scales.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np
from scipy import linalg, stats

from alliance_bayes.engines.collapsed.hyper import Hyper
from alliance_bayes.model import Design, Prior, PriorTable

__all__ = [
    "Natural",
    "coefficients",
    "exact_log_likelihood",
    "extremes",
    "log_lkj_constant",
    "log_prior",
    "natural",
    "points",
    "prior_of_coefficients",
]

DIGITS = 60


@dataclass(frozen=True)
class Natural:
    """Hyperparameters in their own units: residual SDs by stratum, scales by name, correlation matrices by factor."""

    sigma: np.ndarray
    tau: dict[str, float]
    correlation: dict[str, np.ndarray]


def natural(hyper: Hyper, theta: np.ndarray) -> Natural:
    """From one theta (size,), by the names of its elements: logs, and inverse tanh of partial correlations."""
    named = dict(zip(hyper.names, theta, strict=True))
    partial = {name: np.tanh(value) for name, value in named.items() if name.startswith("partial_corr_")}
    correlation = {}
    for factor, q, _ in hyper.correlated:
        p = {(i, j): partial[f"partial_corr_{factor}[{i},{j}]"] for i in range(q) for j in range(i)}
        r = np.eye(q)
        for (i, j), value in p.items():
            # Correlations of two and three variables from partial ones given the first (Yule 1907).
            assert j < 2, "written for up to three terms"
            if j == 1:
                value = value * np.sqrt((1 - p[i, 0] ** 2) * (1 - p[1, 0] ** 2)) + p[i, 0] * p[1, 0]
            r[i, j] = r[j, i] = value
        correlation[factor] = r
    sigma = np.exp([value for name, value in named.items() if name.startswith("sigma")])
    return Natural(
        sigma, {name: float(np.exp(value)) for name, value in named.items() if name[:4] == "tau_"}, correlation
    )


def points(hyper: Hyper, n: int, *, seed: int = 1) -> np.ndarray:
    """Random thetas: residual SDs of about 7, scales of about 1.6, weak and strong correlations."""
    centre = np.r_[np.full(len(hyper.sigma), 2.0), np.full(len(hyper.tau), 0.5), np.zeros(hyper.size - hyper.positive)]
    return centre + np.random.default_rng(seed).normal(0, 1, (n, hyper.size))


def extremes(hyper: Hyper) -> np.ndarray:
    """Thetas at the edges: scales of 1e-8 and 1e3, one of each, residual SDs of 1e3 and 0.01, correlations of 0.999."""
    first = points(hyper, 1, seed=2)[0]
    s, t = slice(len(hyper.sigma)), slice(len(hyper.sigma), hyper.positive)
    out = []
    for part, value in ((t, 1e-8), (t, 1e3), (s, 1e3), (s, 0.01)):
        point = first.copy()
        point[part] = np.log(value)
        out.append(point)
    mixed, correlated = first.copy(), first.copy()
    mixed[t] = np.where(np.arange(len(hyper.tau)) % 2, np.log(1e-8), np.log(50.0))
    correlated[hyper.positive :] = np.arctanh(0.999)
    return np.stack([*out, mixed, correlated])


def factor_covariance(design: Design, name: str, at: Natural) -> np.ndarray:
    """Prior covariance of one level's effects, shape (q, q)."""
    scales = np.array([at.tau[f"tau_{name}[{term}]"] for term in design.factor(name).terms])
    return np.outer(scales, scales) * at.correlation.get(name, np.eye(len(scales)))


# ---------------------------------------------------------------- the outcome's distribution


def exact_log_likelihood(design: Design, priors: PriorTable, at: Natural) -> float:
    """Log density of the outcome given the hyperparameters, in 60 digits."""
    with localcontext() as context:
        context.prec = DIGITS
        exact = np.vectorize(Decimal, otypes=[object])
        y, x = exact(design.outcome.coded), exact(design.rows.x)
        n = len(y)
        covariance = np.diag(exact(at.sigma[_strata(design)]) ** 2)
        residual = y
        for column, term in enumerate(design.terms):
            own = priors[term].prior.arguments
            residual = residual - x[:, column] * Decimal(own["mu"])
            covariance = covariance + Decimal(own["sigma"]) ** 2 * np.outer(x[:, column], x[:, column])
        for smooth in design.smooths:
            basis = exact(design.rows.basis[smooth.name])
            covariance = covariance + Decimal(at.tau[f"tau_{smooth.name}"]) ** 2 * (basis @ basis.T)
        for factor in design.factors:
            z, level = exact(design.rows.z[factor.name]), design.rows.index[factor.name]
            scales = exact([at.tau[f"tau_{factor.name}[{term}]"] for term in factor.terms])
            r = exact(at.correlation.get(factor.name, np.eye(len(scales))))
            shared = (z * scales) @ r @ (z * scales).T
            same = exact((level[:, None] == level).astype(int))
            if factor.exhaustive:
                # Effects that sum to zero: projected off the mean over the levels.
                same = same - Decimal(1) / len(factor.levels)
            covariance = covariance + shared * same
        log_det, square = _cholesky(covariance, residual)
        two_pi = Decimal(2) * Decimal("3.14159265358979323846264338327950288419716939937510582097494")
        return float(-(Decimal(n) * two_pi.ln() + log_det + square) / 2)


def _strata(design: Design) -> np.ndarray:
    return np.zeros(design.rows.n, dtype=int) if design.rows.residual is None else design.rows.residual


def _cholesky(covariance: np.ndarray, residual: np.ndarray) -> tuple[Decimal, Decimal]:
    """Log determinant, and squared length of the whitened residual, by elimination of one row after the other."""
    a, r = covariance.copy(), residual.copy()
    log_det = square = Decimal(0)
    for k in range(len(r)):
        pivot = a[k, k]
        assert pivot > 0
        log_det, square = log_det + pivot.ln(), square + r[k] ** 2 / pivot
        share = a[k + 1 :, k] / pivot
        r[k + 1 :] -= share * r[k]
        a[k + 1 :, k + 1 :] -= np.outer(share, a[k, k + 1 :])
    return log_det, square


# ---------------------------------------------------------------- priors


def log_prior(hyper: Hyper, theta: np.ndarray) -> float:
    """Log prior density of one theta, from SciPy's densities and the Jacobians."""
    at = natural(hyper, theta)
    positive = np.concatenate([at.sigma, list(at.tau.values())])
    total = float(sum(np.log(v) + _log_density(p, v) for p, v in zip(hyper.priors, positive, strict=True)))
    named = dict(zip(hyper.names, theta, strict=True))
    for factor, q, eta in hyper.correlated:
        r = at.correlation[factor]
        total += (eta - 1) * np.linalg.slogdet(r)[1] - log_lkj_constant(q, eta)
        for i in range(q):
            for j in range(i):
                # The step from theta to the partial correlation, and from that to the correlation.
                total += -2 * np.log(np.cosh(named[f"partial_corr_{factor}[{i},{j}]"]))
                if j == 1:
                    total += 0.5 * np.log((1 - r[i, 0] ** 2) * (1 - r[1, 0] ** 2))
    return total


def _log_density(prior: Prior, value: float) -> float:
    p = prior.arguments
    match prior.distribution:
        case "HalfNormal":
            return float(stats.halfnorm.logpdf(value, scale=p["sigma"]))
        case "HalfStudentT":
            return float(np.log(2) + stats.t.logpdf(value, p["nu"], scale=p["sigma"]))
        case "Exponential":
            return float(stats.expon.logpdf(value, scale=1 / p["lam"]))
        case "Gamma":
            return float(stats.gamma.logpdf(value, p["alpha"], scale=1 / p["beta"]))
    raise AssertionError(prior)


def log_lkj_constant(q: int, eta: float) -> float:
    """Log of the integral of det(R)^(eta - 1) over correlation matrices.

    References
    ----------
    Lewandowski, Kurowicka, Joe (2009), Journal of Multivariate Analysis 100:1989-2001, equation 16.
    """
    from scipy.special import betaln

    total = 0.0
    for k in range(1, q):
        shape = eta + (q - k - 1) / 2
        total += (q - k) * ((2 * eta - 2 + q - k) * np.log(2) + betaln(shape, shape))
    return float(total)


# ---------------------------------------------------------------- coefficients given the hyperparameters


def prior_of_coefficients(
    design: Design, priors: PriorTable, at: Natural
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple[str, int]]]:
    """Columns W (n, p), prior mean (p,) and covariance (p, p) of beta, smooths and effects; and each one's variable.

    Coefficients are in the order of the posterior's variables: ``beta``, then ``u_<factor>`` level by level, then
    ``u_<smooth>``.
    """
    n = design.rows.n
    blocks, means, covariances, names = [design.rows.x], [], [], [("beta", len(design.terms))]
    own = [priors[term].prior.arguments for term in design.terms]
    means.append(np.array([p["mu"] for p in own]))
    covariances.append(np.diag([p["sigma"] ** 2 for p in own]) if own else np.zeros((0, 0)))
    for factor in design.factors:
        z, level, levels = design.rows.z[factor.name], design.rows.index[factor.name], len(factor.levels)
        q = z.shape[1]
        wide = np.zeros((n, levels, q))
        wide[np.arange(n), level] = z
        between = np.eye(levels) - (1 / levels if factor.exhaustive else 0.0)
        blocks.append(wide.reshape(n, levels * q))
        means.append(np.zeros(levels * q))
        covariances.append(np.kron(between, factor_covariance(design, factor.name, at)))
        names.append((f"u_{factor.name}", levels * q))
    for smooth in design.smooths:
        blocks.append(design.rows.basis[smooth.name])
        means.append(np.zeros(smooth.size))
        covariances.append(np.eye(smooth.size) * at.tau[f"tau_{smooth.name}"] ** 2)
        names.append((f"u_{smooth.name}", smooth.size))
    return np.hstack(blocks), np.concatenate(means), linalg.block_diag(*covariances), names


def coefficients(design: Design, priors: PriorTable, at: Natural) -> tuple[np.ndarray, np.ndarray]:
    """Conditional mean (p,) and covariance (p, p) of all coefficients given the outcome and the hyperparameters."""
    w, mean, prior, _ = prior_of_coefficients(design, priors, at)
    # By the covariance of the outcome, so that scales near zero do no harm.
    outcome = w @ prior @ w.T + np.diag(at.sigma[_strata(design)] ** 2)
    gain = linalg.solve(outcome, w @ prior, assume_a="pos").T
    return mean + gain @ (design.outcome.coded - w @ mean), prior - gain @ w @ prior
