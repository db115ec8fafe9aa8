"""The posterior of a model with values missing at random by integrating them out: quadrature, sums and weighted draws.

Nothing of the package's sampling is used: densities are SciPy's, missing numbers are summed over the points of a
Gauss-Hermite rule, missing indicators and events over 0 and 1, and parameters are weighted draws of a Student t.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from alliance_bayes import Fit
from alliance_bayes.imputation.impute import begin
from alliance_bayes.imputation.linked import Gaps
from alliance_bayes.imputation.regressions import COEFFICIENT_SD, VARIANCE_PRIOR

FORMULA = "y ~ x*z + w"
_POINTS, _DF, _ROUNDS, _DRAWS, _BLOCK = 18, 9.0, 5, 3000, 500

#: Log density of outcomes (n, 1) given linear predictors (..., n, points) and the family's parameters (..., 1, 1).
RowDensity = Callable[[np.ndarray, np.ndarray, dict[str, np.ndarray]], np.ndarray]


def bernoulli(y: np.ndarray, eta: np.ndarray, own: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(y * special.log_expit(eta) + (1 - y) * special.log_expit(-eta))


def poisson(y: np.ndarray, eta: np.ndarray, own: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(y * eta - np.exp(eta) - special.gammaln(y + 1))


def student_t(y: np.ndarray, eta: np.ndarray, own: dict[str, np.ndarray]) -> np.ndarray:
    nu, sigma = own["nu"], own["sigma"]
    constant = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - 0.5 * np.log(np.pi * nu) - np.log(sigma)
    return np.asarray(constant - (nu + 1) / 2 * np.log1p(((y - eta) / sigma) ** 2 / nu))


def negative_binomial(y: np.ndarray, eta: np.ndarray, own: dict[str, np.ndarray]) -> np.ndarray:
    mean, alpha = np.exp(eta), own["alpha"]
    ways = special.gammaln(y + alpha) - special.gammaln(alpha) - special.gammaln(y + 1)
    return np.asarray(ways + alpha * np.log(alpha) + y * eta - (alpha + y) * np.log(alpha + mean))


def normal(x: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    return np.asarray(-0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi))


def gaussian(y: np.ndarray, eta: np.ndarray, own: dict[str, np.ndarray]) -> np.ndarray:
    return normal(y, eta, own["sigma"])


DENSITIES: dict[str, RowDensity] = {
    "gaussian": gaussian,
    "bernoulli": bernoulli,
    "poisson": poisson,
    "student_t": student_t,
    "negative_binomial": negative_binomial,
}


def table(family: str, seed: int = 11, n: int = 90) -> pd.DataFrame:
    """A number, an indicator and (of an event) the outcome with gaps that depend on an auxiliary column."""
    rng = np.random.default_rng(seed)
    w = rng.normal(0, 1, n)
    x, z = 0.5 * w + rng.normal(0, 1, n), rng.binomial(1, 0.5, n).astype(float)
    eta = 0.2 + 0.8 * x + 0.6 * x * z - 0.5 * z + 0.4 * w
    y = {
        "bernoulli": lambda: rng.random(n) < special.expit(1.5 * eta),
        "poisson": lambda: rng.poisson(np.exp(0.5 * eta)),
        "gaussian": lambda: eta + np.exp(0.4 * x - 0.5 * z) * rng.normal(size=n),
        "student_t": lambda: eta + rng.standard_t(3, n),
        "negative_binomial": lambda: rng.poisson(np.exp(0.5 * eta) * rng.gamma(3, 1 / 3, n)),
    }[family]().astype(float)
    aux = 0.8 * (y - y.mean()) / y.std() + rng.normal(0, 1, n)
    out = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": y, "x": x, "z": z, "w": w, "aux": aux})
    out.loc[rng.random(n) < special.expit(-1 + 0.6 * aux), "x"] = np.nan
    out.loc[rng.random(n) < 0.15, "z"] = np.nan
    if family == "bernoulli":
        out.loc[rng.random(n) < 0.15, "y"] = np.nan
    return out


@dataclass
class Posterior:
    """Weighted draws.

    Parameters
    ----------
    draws
        By name, shape (draws,).
    weight
        Of each, which sum to one.
    """

    draws: dict[str, np.ndarray]
    weight: np.ndarray

    @property
    def worth(self) -> float:
        return float(1 / (self.weight**2).sum())

    def mean_and_sd(self, name: str) -> tuple[float, float]:
        values = self.draws[name]
        mean = float(self.weight @ values)
        return mean, float(np.sqrt(self.weight @ (values - mean) ** 2))


def posterior(fit: Fit, data: pd.DataFrame, *, seed: int = 0) -> Posterior:
    """Of the coefficients and the family's parameters of a fit of :data:`FORMULA` with the auxiliary column.

    The residual SD may differ along the number and the indicator.
    """
    along = () if fit.design.sigma is None else fit.design.sigma.parameters
    names = [*fit.design.terms, *fit.design.family.parameters, *along]
    log_density, size = _log_density(fit, data)
    rng = np.random.default_rng(seed)
    start = np.zeros(size)
    found = optimize.minimize(lambda q: -log_density(q[None])[0], start, method="BFGS", options={"gtol": 1e-3})
    mean, root = found.x, np.linalg.cholesky(found.hess_inv + 1e-4 * np.eye(size))
    for _ in range(_ROUNDS):
        scale = np.sqrt(_DF / rng.chisquare(_DF, _DRAWS))[:, None]
        z = rng.standard_normal((_DRAWS, size)) * scale
        q = mean + z @ root.T
        log_q = -0.5 * (_DF + size) * np.log1p((z**2).sum(axis=1) / _DF) - np.log(np.diag(root)).sum()
        log_weight = log_density(q) - log_q
        weight = np.exp(log_weight - log_weight.max())
        # A few draws do not make the next proposal.
        kept = np.minimum(weight, np.sort(weight)[-50])
        kept, weight = kept / kept.sum(), weight / weight.sum()
        mean = kept @ q
        root = np.linalg.cholesky((kept[:, None] * (q - mean)).T @ (q - mean) + 1e-8 * np.eye(size))
    k = len(fit.design.terms)
    values = np.concatenate([q[:, :k], np.exp(q[:, k + 12 : size - len(along)]), q[:, size - len(along) :]], axis=1)
    return Posterior(dict(zip(names, values.T, strict=True)), weight)


def _log_density(fit: Fit, data: pd.DataFrame) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """Of coefficients, of the indicator's, the number's and the auxiliary column's regressions, and of the family."""
    design, priors, own = fit.design, fit.priors, tuple(fit.design.family.parameters)
    density, k = DENSITIES[design.family.name], len(fit.design.terms)
    along = () if design.sigma is None else design.sigma.labels
    size = k + 2 + 4 + 6 + len(own) + len(along)
    _, columns, _ = begin(fit.spec, Gaps.of(data), seed=0)
    seen = {name: columns[name].standard(data[name].to_numpy(float)) for name in ("x", "z", "w", "y", "aux")}
    raw = {name: data[name].to_numpy(float) for name in ("x", "z", "w", "y")}
    centre = dict(design.centres)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_POINTS)
    log_weights = np.log(weights / weights.sum())
    prior = [_log_prior(str(priors[name].prior)) for name in (*design.terms, *own)]
    of_sigma = () if design.sigma is None else design.sigma.parameters
    prior += [_log_prior(str(priors[name].prior)) for name in of_sigma]

    def rows(q: np.ndarray, at: np.ndarray, z: np.ndarray, y: np.ndarray, known: bool) -> np.ndarray:
        """Log density of some rows, shape (draws, n), with indicators and outcomes given, over numbers or at them."""
        beta = q[:, :k, None, None]
        b_z, b_x, v_x = q[:, k : k + 2], q[:, k + 2 : k + 5], np.exp(q[:, k + 5])
        b_a, v_a = q[:, k + 6 : k + 11], np.exp(q[:, k + 11])
        family = {name: np.exp(q[:, k + 12 + place])[:, None, None] for place, name in enumerate(own)}
        w, z_s = seen["w"][at], columns["z"].standard(z)
        linear = b_z[:, :1] + b_z[:, 1:] * w
        total = special.log_ndtr(np.where(z == 1, linear, -linear))
        mean = b_x[:, :1] + b_x[:, 1:2] * w + b_x[:, 2:] * z_s
        sd = np.sqrt(v_x)[:, None]
        if known:
            x = np.broadcast_to(seen["x"][at][:, None], (*mean.shape, 1))
            total = total + normal(seen["x"][at], mean, sd)
        else:
            x = mean[..., None] + sd[..., None] * nodes
        x_c = columns["x"].natural(x) - centre["x"]
        z_c, w_c = (z - centre["z"])[:, None], (raw["w"][at] - centre["w"])[:, None]
        value = {"Intercept": np.ones_like(x_c), "x": x_c, "z": z_c, "w": w_c, "x:z": x_c * z_c}
        eta = sum(value[name] * beta[:, place] for place, name in enumerate(design.terms))
        if along:
            gamma = q[:, size - len(along) :, None, None]
            family["sigma"] = family["sigma"] * np.exp(sum(value[one] * gamma[:, j] for j, one in enumerate(along)))
        inner = density(y[:, None], np.asarray(eta), family)
        expected = b_a[:, 0, None, None] + b_a[:, 1, None, None] * x
        others = (z_s, w, columns["y"].standard(y))
        expected = expected + sum(b_a[:, 2 + j, None, None] * one[:, None] for j, one in enumerate(others))
        inner = inner + normal(seen["aux"][at][:, None], expected, np.sqrt(v_a)[:, None, None])
        return total + (inner[..., 0] if known else special.logsumexp(inner + log_weights, axis=-1))

    gaps = {name: np.isnan(raw[name]) for name in ("x", "z", "y")}

    def log_density(q: np.ndarray) -> np.ndarray:
        out = np.concatenate([_of_block(part) for part in np.array_split(q, max(1, len(q) // _BLOCK))])
        return np.where(np.isfinite(out), out, -1e300)

    def _of_block(q: np.ndarray) -> np.ndarray:
        total = sum(prior[j](q[:, j]) for j in range(k))
        total = total + sum(prior[k + j](np.exp(q[:, k + 12 + j])) + q[:, k + 12 + j] for j in range(len(own)))
        total = total + sum(prior[k + len(own) + j](q[:, size - len(along) + j]) for j in range(len(along)))
        coefficients = np.concatenate([q[:, k : k + 5], q[:, k + 6 : k + 11]], axis=1)
        total = total + stats.norm.logpdf(coefficients, 0, COEFFICIENT_SD).sum(axis=1)
        shape, scale = VARIANCE_PRIOR
        for place in (k + 5, k + 11):
            total = total + stats.invgamma.logpdf(np.exp(q[:, place]), shape, scale=scale) + q[:, place]
        for number in (False, True):
            for indicator in (False, True):
                for outcome in (False, True):
                    at = np.flatnonzero((gaps["x"] == number) & (gaps["z"] == indicator) & (gaps["y"] == outcome))
                    if not at.size:
                        continue
                    parts = [
                        rows(
                            q,
                            at,
                            np.full(at.size, z) if indicator else raw["z"][at],
                            np.full(at.size, y) if outcome else raw["y"][at],
                            not number,
                        )
                        for z in ((0.0, 1.0) if indicator else (0.0,))
                        for y in ((0.0, 1.0) if outcome else (0.0,))
                    ]
                    total = total + special.logsumexp(np.stack(parts), axis=0).sum(axis=1)
        return np.asarray(total)

    return log_density, size


def _log_prior(stated: str) -> Callable[[np.ndarray], np.ndarray]:
    name, _, rest = stated.partition("(")
    numbers = [float(one) for one in rest.rstrip(")").split(",")]
    made: dict[str, Callable[..., object]] = {
        "Normal": lambda mu, sd: stats.norm(mu, sd),
        "HalfNormal": lambda sd: stats.halfnorm(0, sd),
        "Gamma": lambda shape, rate: stats.gamma(shape, scale=1 / rate),
        "Exponential": lambda rate: stats.expon(scale=1 / rate),
    }
    return made[name](*numbers).logpdf  # type: ignore[attr-defined, no-any-return]
