"""A residual SD along columns: known coefficients, those of maximum likelihood under flat priors, and calibration.

Calibration (Talts et al. 2018, arXiv:1804.06788) is of 100 fits, 10 in CI, and of 40 for a planted fault: outcomes of
one residual SD.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import linalg, optimize

from alliance_bayes import Model
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Design, ModelSpec, PriorTable
from builders import rows
from sizes import sized
from validation.test_families_sbc import p_values, ranked_of

pytestmark = pytest.mark.slow

N = 800
REPETITIONS, FAULTY, SEED = sized(100, 10), 40, 1000
TRUE = {"Intercept": 50.0, "alliance": 4.0, "sigma": 12.0, "gamma[alliance]": -0.4, "gamma[sex[male]]": 0.3}


def test_known_coefficients_and_those_of_maximum_likelihood_are_recovered() -> None:
    frame = rows(N, seed=5)
    x, male = (frame["alliance"] - frame["alliance"].mean()).to_numpy(), (frame["sex"] == "male").to_numpy(float)
    noise = np.random.default_rng(8).normal(size=N)
    y = 50.0 + 4.0 * x + 12.0 * np.exp(-0.4 * x + 0.3 * male) * noise
    model = Model(
        "y ~ alliance",
        sigma="~ alliance + sex",
        priors={
            "Intercept": "Normal(50, 100)",
            "alliance": "Normal(0, 100)",
            "sigma": "HalfNormal(200)",
            "gamma": "Normal(0, 10)",
        },
    )
    fit = model.fit(frame.assign(y=y), draws=1000, chains=2, seed=3, progress=False)
    assert fit.info["engine"] == "nuts"
    assert fit.info["engine_reason"] == "the residual SD differs along columns (sigma ~ alliance + sex)"
    assert int(fit.sample_stats["diverging"].sum()) == 0
    draws = np.column_stack([fit.stacked["beta"], fit.stacked["sigma"], fit.stacked["gamma"]])
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    # Five numbers within 3.5 posterior SDs: one in 400 data sets has one that is not.
    assert (np.abs(mean - list(TRUE.values())) < 3.5 * sd).all()

    def minus_log_likelihood(at: np.ndarray) -> float:
        log_sd = at[2] + at[3] * x + at[4] * male
        return float(np.sum(0.5 * ((y - at[0] - at[1] * x) / np.exp(log_sd)) ** 2 + log_sd))

    found = optimize.minimize(minus_log_likelihood, [50.0, 0.0, np.log(y.std()), 0.0, 0.0], method="BFGS")
    best = np.r_[found.x[:2], np.exp(found.x[2]), found.x[3:]]
    # The inverse of the expected information: weighted least squares of the mean, and 2 Z'Z of the logarithm of the SD.
    z = np.column_stack([np.ones(N), x, male])
    weights = np.exp(-2 * (found.x[2] + found.x[3] * x + found.x[4] * male))
    of_mean = np.linalg.inv(z[:, :2].T @ (weights[:, None] * z[:, :2]))
    of_log = np.linalg.inv(2 * z.T @ z)
    expected = np.sqrt(np.r_[np.diag(of_mean), np.diag(of_log)]) * [1, 1, best[2], 1, 1]
    # An SD of 1,000 effective draws is known to 2 %; expected and actual information of 800 rows differ by 5 %.
    np.testing.assert_allclose(sd / expected, 1.0, atol=0.12)
    # Means of the posterior by weighted draws of a Student t about the mode: that of the SD is .15 of its SD above it.
    rng, df = np.random.default_rng(1), 9
    standard = rng.standard_normal((20_000, 5)) / np.sqrt(rng.chisquare(df, (20_000, 1)) / df)
    root = np.linalg.cholesky(linalg.block_diag(of_mean, of_log))
    points = found.x + standard @ root.T
    log_weight = np.array([-minus_log_likelihood(at) for at in points]) + (df + 5) / 2 * np.log1p(
        (standard**2).sum(axis=1) / df
    )
    # The priors, and the change of variables to the logarithm of the SD.
    log_weight += (
        points[:, 2] - np.exp(2 * points[:, 2]) / (2 * 200**2) - (points[:, 3:] ** 2).sum(axis=1) / (2 * 10**2)
    )
    weight = np.exp(log_weight - log_weight.max())
    points[:, 2] = np.exp(points[:, 2])
    # The mean of 1,000 effective draws is known to .03 of an SD, that of the weighted ones to .01.
    np.testing.assert_allclose((mean - weight @ points / weight.sum()) / sd, 0.0, atol=0.12)


def calibrated() -> tuple[ModelSpec, Design, PriorTable]:
    """A model of a mean with countries and of a residual SD along a number and a level."""
    spec = ModelSpec(
        "who5_followup ~ alliance + (1 || country)",
        sigma="~ alliance + sex",
        priors={
            "Intercept": "Normal(50, 10)",
            "alliance": "Normal(0, 5)",
            "tau_country": "HalfNormal(7)",
            "sigma": "HalfNormal(10)",
            "gamma": "Normal(0, 0.5)",
        },
    )
    design = spec.design(rows(120, countries=5))
    return spec, design, spec.priors_for(design)


def test_ranks_are_uniform(record_property: Callable[[str, object], None]) -> None:
    found = ranked_of(*calibrated(), REPETITIONS, seed=SEED)
    p = p_values(found)
    record_property("least p", f"{min(p.values()):.2g} of {len(p)}, over {REPETITIONS} fits")
    record_property("seeds", f"{SEED} to {SEED + 1 + REPETITIONS}")
    # 2 coefficients, 5 effects and their scale, sigma, 2 coefficients of its logarithm, the log likelihood.
    assert len(p) == 12
    # 24 tests: a false alarm in at most 1 of 416 seeds.
    assert min(p.values()) > 1e-4, min(p.items(), key=lambda item: item[1])


@pytest.mark.validation
def test_ranks_show_one_residual_sd_for_all() -> None:
    def of_one_sd(drawn: FittedModel, rng: np.random.Generator) -> np.ndarray:
        return drawn.linear_predictor() + drawn.parameters["sigma"].reshape(-1, 1) * rng.normal(
            size=(len(drawn.parameters["sigma"]), drawn.design.rows.n)
        )

    p = p_values(ranked_of(*calibrated(), FAULTY, seed=SEED + 500, simulator=of_one_sd))
    assert min(value for (name, _), value in p.items() if name == "gamma") < 1e-4
