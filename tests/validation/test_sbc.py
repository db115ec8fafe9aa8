"""Simulation-based calibration of the NUTS engine (Talts et al. 2018, arXiv:1804.06788).

Parameters drawn from the prior, outcomes simulated from them, the model fitted to the outcomes: over many repetitions
the rank of each true value among its posterior draws is uniform, if prior draws, simulator, density, sampler and layout
all speak of one model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from alliance_bayes.cohort import Flow
from alliance_bayes.engines import SamplerSettings, posterior_dims, sample_nuts, sample_prior
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Design, ModelSpec, PriorTable
from builders import rows
from sizes import sized

pytestmark = pytest.mark.slow

REPETITIONS = sized(200, 24)
DRAWS, KEPT = 1000, 100  # of a fit; those kept are far enough apart to be nearly independent
PRIORS = {
    "Intercept": "Normal(50, 10)",
    "alliance": "Normal(0, 5)",
    "sigma": "HalfNormal(10)",
    "tau_country[Intercept]": "HalfNormal(5)",
    "tau_country[alliance]": "HalfNormal(5)",
    "tau_sex": "HalfNormal(5)",
}

Fits = tuple[dict[str, np.ndarray], dict[str, np.ndarray], int]


@pytest.fixture(scope="module")
def model() -> tuple[ModelSpec, Design, PriorTable]:
    # One sampled factor, whose level means are sampled with the coefficients, and one exhaustive factor.
    spec = ModelSpec("who5_followup ~ alliance + (alliance || country) + (1 || sex)", priors=PRIORS)
    design = spec.design(rows(60, countries=5))
    return spec, design, spec.priors_for(design)


@pytest.fixture(scope="module")
def fits(model: tuple[ModelSpec, Design, PriorTable]) -> Fits:
    """True values (repetition, element), kept draws (repetition, draw, element), and the number of divergences."""
    spec, design, priors = model
    truth = sample_prior(design, priors, draws=REPETITIONS, seed=11)
    drawn = FittedModel(spec, design, priors, xr.DataTree.from_dict({"posterior": truth}), Flow(design.rows.n), {})
    outcomes = design.family.simulate(
        drawn.linear_predictor(), drawn.parameters, design.outcome, np.random.default_rng(12)
    )
    true = {name: drawn.stacked[name].reshape(REPETITIONS, -1) for name in posterior_dims(design)}
    kept: dict[str, list[np.ndarray]] = {name: [] for name in (*true, "log_likelihood")}
    true_likelihood, divergences = [], 0
    for repetition, outcome in enumerate(outcomes):
        observed = dataclasses.replace(design.outcome, values=outcome, coded=outcome)
        # One after the other: side by side, chains of so few rows mostly wait for each other.
        settings = SamplerSettings(draws=DRAWS // 2, tune=400, chains=2, cores=1, seed=1000 + repetition)
        tree, _ = sample_nuts(dataclasses.replace(design, outcome=observed), priors, settings)
        divergences += int(tree["sample_stats"]["diverging"].sum())
        fitted = FittedModel(spec, design, priors, tree, Flow(design.rows.n), {})
        thin = np.arange(0, DRAWS, DRAWS // KEPT)
        for name in true:
            kept[name].append(fitted.stacked[name][thin].reshape(KEPT, -1))
        # The joint log likelihood sees dependence between parameters that single ranks miss (Modrak et al. 2023).
        log_p = design.family.log_density(fitted.linear_predictor(which=thin), fitted.parameters_at(thin), observed)
        kept["log_likelihood"].append(log_p.sum(axis=1, keepdims=True))
        here = slice(repetition, repetition + 1)
        log_p = design.family.log_density(drawn.linear_predictor(which=here), drawn.parameters_at(here), observed)
        true_likelihood.append(log_p.sum())
    true["log_likelihood"] = np.array(true_likelihood)[:, None]
    return true, {name: np.stack(values) for name, values in kept.items()}, divergences


def uniform(true: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Ranks as numbers in (0, 1), exactly uniform under calibration (the steps between ranks are filled at random)."""
    rng = np.random.default_rng(13)
    rank = (kept < true[:, None]).sum(axis=1) + rng.random(true.shape)
    return np.asarray(rank / (kept.shape[1] + 1))


def verdict(u: np.ndarray) -> tuple[float, float]:
    """P-values of location (Kolmogorov-Smirnov) and of spread: (u - 1/2)^2 has mean 1/12 and variance 1/180."""
    z = (((u - 0.5) ** 2).mean() - 1 / 12) / np.sqrt(1 / 180 / len(u))
    return float(stats.kstest(u, "uniform").pvalue), float(2 * stats.norm.sf(abs(z)))


def test_ranks_are_uniform(fits: Fits, record_property: Callable[[str, object], None]) -> None:
    true, kept, _ = fits
    p_values = {}
    for name in true:
        ranks = uniform(true[name], kept[name])
        for k in range(ranks.shape[1]):
            p_values[name, k] = min(verdict(ranks[:, k]))
    record_property("least p", f"{min(p_values.values()):.2g} of {len(p_values)}, over {REPETITIONS} fits")
    record_property("seeds", f"11, 12, 1000 to {999 + REPETITIONS}")
    # 2 coefficients, sigma, 10 + 2 effects, 2 + 1 scales, the log likelihood; the two effects of sex are each other's
    # negative.
    assert len(p_values) == 19
    # 38 tests: a false alarm in at most 1 of 260 seeds.
    assert min(p_values.values()) > 1e-4, min(p_values.items(), key=lambda item: item[1])


def test_divergences_are_rare(fits: Fits) -> None:
    # Five countries and two sexes leave their scales wide open, so a few divergences near tau = 0 are expected: 1 in
    # 1,000 draws at most.
    assert fits[2] <= REPETITIONS * DRAWS / 1000


@pytest.mark.validation
@pytest.mark.parametrize("name", ["beta", "sigma", "tau_country"])
def test_ranks_show_a_shifted_and_an_overconfident_posterior(fits: Fits, name: str) -> None:
    true, kept, _ = fits
    truth, draws = true[name][:, 0], kept[name][:, :, 0]
    centre, sd = draws.mean(axis=1, keepdims=True), draws.std(axis=1, keepdims=True)
    assert verdict(uniform(truth, draws + 0.4 * sd))[0] < 1e-4
    assert verdict(uniform(truth, centre + 0.65 * (draws - centre)))[1] < 1e-4
