"""Fits whose draws come from the exact posterior, or stand at the truth: what the checks' rates are measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from alliance_bayes.cohort import Flow
from alliance_bayes.engines import posterior_coords, posterior_dims
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import ModelSpec
from builders import fitted

__all__ = ["ExactGaussian", "Known"]


class ExactGaussian:
    """A Gaussian model whose level SDs are fixed, on fixed predictors.

    The coefficients w = (beta, u) have prior Normal(m, D). sigma keeps its own HalfNormal prior and is drawn from a
    grid of its marginal posterior, the coefficients from their normal distribution given sigma: independent draws,
    no sampler.
    """

    def __init__(self, frame: pd.DataFrame, formula: str, *, tau: float = 2.0, **spec: object) -> None:
        self.spec = ModelSpec(formula, **{"priors": "literature", **spec})
        self.design = self.spec.design(frame)
        self.priors = self.spec.priors_for(self.design)
        self.tau = tau
        own = [self.priors[term].prior for term in self.design.terms]
        assert {prior.distribution for prior in own} == {"Normal"}
        assert self.priors["sigma"].prior.distribution == "HalfNormal"
        blocks, mean, sd = [self.design.rows.x], [p.parameters[0] for p in own], [p.parameters[1] for p in own]
        self.bases: dict[str, np.ndarray] = {}
        for factor in self.design.factors:
            levels = np.eye(len(factor.levels))
            # Effects of an exhaustive factor sum to zero: they live on an orthonormal basis of the contrasts.
            basis = np.linalg.svd(levels - 1 / len(levels))[0][:, :-1] if factor.exhaustive else levels
            self.bases[factor.name] = basis
            indicators = levels[self.design.rows.index[factor.name]] @ basis
            for column in self.design.rows.z[factor.name].T:
                blocks.append(indicators * column[:, None])
                mean += [0.0] * basis.shape[1]
                sd += [tau] * basis.shape[1]
        self.w, self.m, self.sd = np.hstack(blocks), np.array(mean), np.array(sd)

    @cached_property
    def spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and eigenvectors of D^(1/2) W'W D^(1/2)."""
        scaled = self.w * self.sd
        values, vectors = np.linalg.eigh(scaled.T @ scaled)
        return np.maximum(values, 0.0), vectors

    def effects(self, rng: np.random.Generator) -> np.ndarray:
        """What the level effects add to each row when they are drawn from their prior; shape (n,)."""
        p = len(self.design.terms)
        return self.w[:, p:] @ rng.normal(0, self.tau, self.w.shape[1] - p)

    def fit(self, y: np.ndarray, *, chains: int = 4, draws: int = 250, seed: int = 0) -> FittedModel:
        """Exact posterior draws given outcomes of shape (n,)."""
        rng = np.random.default_rng(seed)
        values, vectors = self.spectrum
        residual = y - self.w @ self.m
        r = vectors.T @ (self.sd * (self.w.T @ residual))
        least = residual - self.w @ np.linalg.lstsq(self.w, residual, rcond=None)[0]
        # The marginal posterior of sigma is within a factor of two of the least-squares estimate by far.
        sigma = np.geomspace(0.5, 2.0, 400) * np.sqrt(least @ least / (y.size - np.linalg.matrix_rank(self.w)))
        a = 1 + values / sigma[:, None] ** 2
        log_p = -y.size * np.log(sigma) - 0.5 * np.log(a).sum(axis=1)
        log_p -= 0.5 * (residual @ residual / sigma**2 - ((r / sigma[:, None] ** 2) ** 2 / a).sum(axis=1))
        # The grid is even on the logarithm, so the density is multiplied by sigma.
        log_p += stats.halfnorm.logpdf(sigma, scale=self.priors["sigma"].prior.parameters[0]) + np.log(sigma)
        p = np.exp(log_p - log_p.max())
        at = rng.choice(sigma.size, chains * draws, p=p / p.sum())
        standard = r / sigma[at, None] ** 2 / a[at] + rng.normal(size=a[at].shape) / np.sqrt(a[at])
        return self._packed(y, self.m + self.sd * (standard @ vectors.T), sigma[at], chains, draws, rng)

    def _packed(
        self, y: np.ndarray, w: np.ndarray, sigma: np.ndarray, chains: int, draws: int, rng: np.random.Generator
    ) -> FittedModel:
        design = with_outcome(self.design, y)
        start = len(design.terms)
        values = {"beta": w[:, :start], "sigma": sigma}
        for factor in design.factors:
            u, basis = np.zeros((len(w), len(factor.levels), len(factor.terms))), self.bases[factor.name]
            for term in range(len(factor.terms)):
                u[:, :, term] = w[:, start : start + basis.shape[1]] @ basis.T
                start += basis.shape[1]
            values[f"u_{factor.name}"] = u
            # Held fixed; the little noise keeps the convergence check from calling it stuck.
            values[f"tau_{factor.name}"] = self.tau * np.exp(1e-6 * rng.normal(size=(len(w), len(factor.terms))))
        dims, base = posterior_dims(design), {"chain": np.arange(chains), "draw": np.arange(draws)}
        posterior = xr.Dataset(
            {k: (("chain", "draw", *dims[k]), values[k].reshape(chains, draws, *values[k].shape[1:])) for k in dims},
            coords={**base, **posterior_coords(design)},
        )
        quiet = {
            "diverging": np.zeros((chains, draws), dtype=bool),
            "energy": rng.normal(1000, 5, (chains, draws)),
            "reached_max_tree_depth": np.zeros((chains, draws), dtype=bool),
        }
        sample_stats = xr.Dataset({key: (("chain", "draw"), value) for key, value in quiet.items()}, coords=base)
        tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": sample_stats})
        return FittedModel(self.spec, design, self.priors, tree, Flow(y.size), {"engine": "exact"})


class Known:
    """A model of any family whose draws all stand at the parameters that its outcomes are simulated from.

    Nothing is estimated, so the checks' p-values have exactly their nominal distribution.
    """

    def __init__(
        self, frame: pd.DataFrame, formula: str, family: str, means: Mapping[str, object], **spec: object
    ) -> None:
        # Outcomes that the family accepts are needed before there are any simulated ones.
        sds = dict.fromkeys((*means, "beta", *("u_country", "tau_country")), 0.0)
        self.fit = fitted(frame, formula=formula, means=means, sds=sds, draws=5, spec={"family": family, **spec})

    def simulated(self, rng: np.random.Generator) -> FittedModel:
        """The same fit with new outcomes."""
        fit, first = self.fit, np.array([0])
        own = fit.parameters_at(first)
        y = fit.design.family.simulate(fit.linear_predictor(which=first), own, fit.design.outcome, rng)[0]
        return replace(fit, design=with_outcome(fit.design, np.asarray(y, dtype=float)))


def with_outcome(design, y):  # type: ignore[no-untyped-def]
    """The design with other outcomes."""
    name = design.outcome.name
    frame = design.frame.assign(**{name: y})
    return replace(design, frame=frame, outcome=design.family.prepare(name, y, design.scales.get(name)))
