"""Independent draws from the exact posterior of a Gaussian model with fixed level SDs, packed as a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from alliance_bayes.cohort import Flow
from alliance_bayes.engines import posterior_coords, posterior_dims
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import ModelSpec, Prior
from alliance_bayes.model.families import prepare_outcome

__all__ = ["Problem", "problem"]


class Problem:
    """A Gaussian model on fixed predictors: simulate outcomes from it, and fit outcomes exactly.

    The coefficients w = (beta, u) have prior Normal(m, D) with the level SDs held fixed; sigma keeps its own prior and is drawn
    from a grid of its marginal posterior, the coefficients from their normal distribution given sigma.
    """

    def __init__(self, frame: pd.DataFrame, formula: str, *, tau: float | Mapping[str, float] = 2.0, **spec: object) -> None:
        self.spec = ModelSpec(formula, **spec)
        self.design = self.spec.design(frame)
        self.priors = self.spec.priors_for(self.design)
        own = [self.priors[term].prior for term in self.design.terms]
        assert all(prior.distribution == "Normal" for prior in own)
        blocks, mean, sd, self.places, start = [self.design.rows.x], [p.parameters[0] for p in own], [p.parameters[1] for p in own], [], len(own)
        for factor in self.design.factors:
            levels, z = len(factor.levels), self.design.rows.z[factor.name]
            basis = np.linalg.svd(np.eye(levels) - 1 / levels)[0][:, : levels - 1] if factor.exhaustive else np.eye(levels)
            indicators = np.eye(levels)[self.design.rows.index[factor.name]] @ basis
            size = tau[factor.name] if isinstance(tau, Mapping) else tau
            for term in range(z.shape[1]):
                blocks.append(indicators * z[:, [term]])
                mean += [0.0] * basis.shape[1]
                sd += [float(size)] * basis.shape[1]
                self.places.append((factor.name, term, basis, slice(start, start + basis.shape[1]), float(size)))
                start += basis.shape[1]
        self.w, self.m, self.sd = np.hstack(blocks), np.array(mean), np.array(sd)
        scaled = self.w * self.sd
        self.values, self.vectors = np.linalg.eigh(scaled.T @ scaled)
        self.values = np.maximum(self.values, 0.0)

    def effects(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the level effects from their prior; shape (n,), the sum over factors."""
        w = np.zeros(self.m.size)
        for _, _, _, place, size in self.places:
            w[place] = rng.normal(0, size, w[place].size)
        return self.w @ w

    def fit(self, y: np.ndarray, *, chains: int = 4, draws: int = 250, seed: int = 0) -> FittedModel:
        """Exact posterior draws given outcomes."""
        rng = np.random.default_rng(seed)
        n, total = y.size, chains * draws
        residual = y - self.w @ self.m
        r = self.vectors.T @ (self.sd * (self.w.T @ residual))
        s = residual @ residual
        prior: Prior = self.priors["sigma"].prior
        sigma = np.geomspace(0.5, 2.0, 400) * np.sqrt(self._residual_variance(residual))
        a = 1 + self.values / sigma[:, None] ** 2
        log_p = -n * np.log(sigma) - 0.5 * np.log(a).sum(1) - 0.5 * (s / sigma**2 - ((r / sigma[:, None] ** 2) ** 2 / a).sum(1))
        log_p += _log_prior(prior, sigma) + np.log(sigma)
        p = np.exp(log_p - log_p.max())
        at = rng.choice(sigma.size, total, p=p / p.sum())
        a = a[at]
        standard = (r / sigma[at, None] ** 2) / a + rng.normal(size=a.shape) / np.sqrt(a)
        w = self.m + self.sd * (standard @ self.vectors.T)
        return self._pack(y, w, sigma[at], chains, draws, rng)

    def _residual_variance(self, residual: np.ndarray) -> float:
        left = residual - self.w @ np.linalg.lstsq(self.w, residual, rcond=None)[0]
        return float(left @ left) / (residual.size - np.linalg.matrix_rank(self.w))

    def _pack(self, y: np.ndarray, w: np.ndarray, sigma: np.ndarray, chains: int, draws: int, rng: np.random.Generator) -> FittedModel:
        frame = self.design.frame.assign(**{self.design.outcome.name: y})
        scale = self.design.scales.get(self.design.outcome.name)
        design = replace(self.design, frame=frame, outcome=prepare_outcome(self.design.outcome.name, y, self.design.family, scale))
        coords, values = posterior_coords(design), {"beta": w[:, : len(design.terms)], "sigma": sigma}
        for name, term, basis, place, size in self.places:
            shape = (len(w), len(design.factor(name).levels), len(design.factor(name).terms))
            values.setdefault(f"u_{name}", np.zeros(shape))[:, :, term] = w[:, place] @ basis.T
            values.setdefault(f"tau_{name}", np.zeros((len(w), shape[2])))[:, term] = size
        dims = posterior_dims(design)
        base = {"chain": np.arange(chains), "draw": np.arange(draws)}
        posterior = xr.Dataset(
            {key: (("chain", "draw", *dims[key]), values[key].reshape(chains, draws, *values[key].shape[1:])) for key in dims},
            coords={**base, **coords},
        )
        quiet = {
            "diverging": np.zeros((chains, draws), bool),
            "energy": rng.normal(1000, 5, (chains, draws)),
            "reached_max_tree_depth": np.zeros((chains, draws), bool),
        }
        stats_ = xr.Dataset({key: (("chain", "draw"), value) for key, value in quiet.items()}, coords=base)
        tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats_})
        return FittedModel(self.spec, design, self.priors, tree, Flow(y.size), {"engine": "exact"})


def _log_prior(prior: Prior, sigma: np.ndarray) -> np.ndarray:
    assert prior.distribution == "HalfNormal"
    return stats.halfnorm.logpdf(sigma, scale=prior.parameters[0])


def problem(n: int, *, seed: int, countries: int = 5, extra: bool = False, **spec: object) -> tuple[Problem, pd.DataFrame]:
    """A WHO-5 problem without heaping, and the rows it is on (with columns that the model leaves out)."""
    from builders import rows

    frame = rows(n, seed=seed, countries=countries)
    formula = "who5_followup ~ alliance + who5_baseline + age + (alliance || country) + (1 | provider_type)"
    return Problem(frame, formula, priors="literature", **spec), frame
