"""Simulation-based calibration of the collapsed engine (Talts et al. 2018, arXiv:1804.06788), on a model of many parts.

The fits are of small tables, where scales, correlations and residual SDs are far from known and the posterior is far
from normal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from alliance_bayes.cohort import Flow
from alliance_bayes.engines import SamplerSettings, posterior_dims, sample_prior
from alliance_bayes.engines.collapsed import sample_collapsed
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Design, ModelSpec, PriorTable
from alliance_bayes.moments import moments_of
from engines.collapsed.cases import table
from sizes import sized
from validation.test_sbc import uniform, verdict

pytestmark = pytest.mark.slow

REPETITIONS, FAULTY = sized(500, 40), 120
DRAWS, KEPT = 600, 100  # of a fit; every sixth draw of a chain that accepts most proposals is independent
PRIORS = {
    "Intercept": "Normal(50, 10)",
    "x": "Normal(0, 3)",
    "w": "Normal(0, 0.5)",
    "sigma": "HalfNormal(8)",
    "tau_s_w": "Exponential(0.3)",
    "tau_country[Intercept]": "HalfNormal(5)",
    "tau_country[x]": "HalfStudentT(4, 2)",
    "tau_arm": "Gamma(2, 0.5)",
}
Ranked = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def model() -> tuple[ModelSpec, Design, PriorTable]:
    # Correlated slopes, an exhaustive factor, a bend, and residual SDs by level.
    spec = ModelSpec(
        "score ~ s(w, k=4) + x + (x | country) + (1 | arm)", priors=PRIORS, exhaustive=("arm",), residual_by="sex"
    )
    design = spec.design(table(80))
    return spec, design, spec.priors_for(design)


def ranked(model: tuple[ModelSpec, Design, PriorTable], repetitions: int, *, seed: int) -> Ranked:
    """True values (repetition, element) and kept draws (repetition, draw, element) by variable and derived quantity."""
    spec, design, priors = model
    truth = sample_prior(design, priors, draws=repetitions, seed=seed)
    drawn = FittedModel(spec, design, priors, xr.DataTree.from_dict({"posterior": truth}), Flow(design.rows.n), {})
    rng = np.random.default_rng(seed + 1)
    outcomes = design.family.simulate(drawn.linear_predictor(), drawn.parameters_at(), design.outcome, rng)
    true = quantities(drawn, np.arange(repetitions), outcomes)
    kept: dict[str, list[np.ndarray]] = {name: [] for name in true}
    thin = np.arange(0, DRAWS, DRAWS // KEPT)
    for repetition, outcome in enumerate(outcomes):
        own = dataclasses.replace(design, outcome=dataclasses.replace(design.outcome, values=outcome, coded=outcome))
        settings = SamplerSettings(draws=DRAWS // 2, chains=2, tune=400, seed=seed + 2 + repetition)
        tree, _ = sample_collapsed(own, priors, moments_of(own), settings)
        fitted = FittedModel(spec, own, priors, tree, Flow(design.rows.n), {})
        for name, values in quantities(fitted, thin, np.broadcast_to(outcome, (KEPT, len(outcome)))).items():
            kept[name].append(values)
    return true, {name: np.stack(values) for name, values in kept.items()}


def quantities(fit: FittedModel, which: np.ndarray, outcomes: np.ndarray) -> dict[str, np.ndarray]:
    """Every variable, and what only their joint distribution gets right, at some draws; shape (draw, element)."""
    found = {name: fit.stacked[name][which].reshape(len(which), -1) for name in posterior_dims(fit.design)}
    found["corr_country"] = found["corr_country"][:, [1]]
    eta = fit.linear_predictor(which=which)
    observed = dataclasses.replace(fit.design.outcome, values=outcomes, coded=outcomes)
    log_p = fit.design.family.log_density(eta, fit.parameters_at(which), observed)
    # The joint log likelihood sees dependence between parameters that single ranks miss (Modrak et al. 2023).
    found["log_likelihood"] = log_p.sum(axis=1, keepdims=True)
    # So does the size of effects beside their scale.
    standardised = fit.stacked["u_country"][which] / fit.stacked["tau_country"][which][:, None]
    found["standardised effects"] = (standardised**2).mean(axis=1)
    arm = fit.design.rows.index["arm"]
    found["adjusted means"] = np.stack([eta[:, arm == level].mean(axis=1) for level in range(3)], axis=1)
    found["variance of predictions"] = eta.var(axis=1, keepdims=True)
    return found


def p_values(ranks: Ranked) -> dict[tuple[str, int], float]:
    true, kept = ranks
    found = {}
    for name in true:
        u = uniform(true[name], kept[name])
        found |= {(name, k): min(verdict(u[:, k])) for k in range(u.shape[1])}
    return found


@pytest.fixture(scope="module")
def ranks(model: tuple[ModelSpec, Design, PriorTable]) -> Ranked:
    return ranked(model, REPETITIONS, seed=21)


def test_ranks_are_uniform(ranks: Ranked, record_property: Callable[[str, object], None]) -> None:
    found = p_values(ranks)
    record_property("least p", f"{min(found.values()):.2g} of {len(found)}, over {REPETITIONS} fits")
    record_property("seeds", f"21 to {22 + REPETITIONS}")
    # Three coefficients, two residual SDs, 10 + 3 effects, 2 + 1 scales, a correlation, two weights of the bend and
    # their scale, the log likelihood, two sizes of standardised effects, three adjusted means, the variance.
    assert len(found) == 3 + 2 + 10 + 3 + 3 + 1 + 2 + 1 + 1 + 2 + 3 + 1
    # 64 tests: a false alarm in at most 1 of 156 seeds.
    assert min(found.values()) > 1e-4, min(found.items(), key=lambda item: item[1])


@pytest.mark.validation
@pytest.mark.parametrize("name", ["beta", "sigma", "tau_country", "corr_country", "u_arm", "log_likelihood"])
def test_ranks_show_a_shifted_and_an_overconfident_posterior(ranks: Ranked, name: str) -> None:
    truth, draws = ranks[0][name][:, 0], ranks[1][name][:, :, 0]
    centre, sd = draws.mean(axis=1, keepdims=True), draws.std(axis=1, keepdims=True)
    assert verdict(uniform(truth, draws + 0.3 * sd))[0] < 1e-4
    assert verdict(uniform(truth, centre + 0.75 * (draws - centre)))[1] < 1e-4


# ---------------------------------------------------------------- faults planted in the engine


@pytest.mark.validation
def test_ranks_show_a_prior_with_a_jacobian_too_many(
    model: tuple[ModelSpec, Design, PriorTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    density, both, more = Marginal.log_density, Marginal.value_and_gradient, np.array([0.0, 0, 0, 1, 1, 1, 0])

    def value_and_gradient(self: Marginal, theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = both(self, theta)
        return value + float(theta @ more), gradient + more

    monkeypatch.setattr(Marginal, "log_density", lambda self, theta: density(self, theta) + theta @ more)
    monkeypatch.setattr(Marginal, "value_and_gradient", value_and_gradient)
    found = p_values(ranked(model, FAULTY, seed=22))
    assert min(found["tau_country", 0], found["tau_country", 1], found["tau_arm", 0]) < 1e-4


@pytest.mark.validation
def test_ranks_show_coefficients_of_other_hyperparameters(
    model: tuple[ModelSpec, Design, PriorTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Marginal.draw
    monkeypatch.setattr(Marginal, "draw", lambda self, theta, *, seed: right(self, theta[::-1].copy(), seed=seed))
    found = p_values(ranked(model, FAULTY, seed=23))
    assert min(found["standardised effects", 0], found["standardised effects", 1]) < 1e-4
    # Each variable on its own is as it should be.
    assert min(found[name, 0] for name in ("beta", "sigma", "tau_country")) > 1e-4
