"""The checks on draws from NUTS: a sound model, and a funnel in which the sampler gets stuck."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from alliance_bayes.checks import run_checks
from alliance_bayes.cohort import Flow
from alliance_bayes.engines import SamplerSettings, sample_nuts
from alliance_bayes.fit import FittedModel
from builders import fitted, rows
from checks.exact import ExactGaussian


@pytest.mark.slow
def test_a_sound_fit_passes_every_check():
    frame = rows(400, seed=1)
    model = ExactGaussian(frame, "who5_followup ~ alliance + who5_baseline + (1 | country)")
    rng = np.random.default_rng(0)
    y = (
        48
        + 2.2 * (frame["alliance"] - 4.6)
        + 0.45 * (frame["who5_baseline"] - 41)
        + model.effects(rng)
        + rng.normal(0, 15, 400)
    )
    design = model.spec.design(frame.assign(who5_followup=y))
    tree, info = sample_nuts(design, model.priors, SamplerSettings(seed=1))
    report = run_checks(FittedModel(model.spec, design, model.priors, tree, Flow(400), info), extra=frame)
    assert report.gate.passed
    assert {result.name: result.verdict for result in report} == {
        "convergence": "pass",
        "prior_predictive": "info",
        "posterior_predictive": "pass",
        "calibration": "pass",
        "loo": "pass",
        "curvature": "pass",
        "groups": "pass",
        "spread": "pass",
        "interactions": "pass",
        # This fit was put together without the table.
        "unused_columns": "info",
        "order": "pass",
        "copies": "pass",
        # Nobody was left out.
        "absent": "info",
        "prior_sensitivity": "pass",
        # What NUTS sampled is not sampled again.
        "influence": "info",
    }


@pytest.mark.slow
def test_a_centred_funnel_closes_the_gate():
    import pymc as pm

    with pm.Model(coords={"country": [f"C{k}" for k in range(5)], "country_term": ["Intercept"]}):
        tau = pm.HalfNormal("tau_country", 5.0, dims="country_term")
        # Level effects centred on their SD, with hardly any data: the neck of the funnel is too narrow for the step.
        pm.Normal("u_country", 0.0, tau, dims=("country", "country_term"))
        trace = pm.sample(
            draws=1000,
            tune=1000,
            chains=4,
            cores=2,
            random_seed=1,
            target_accept=0.6,
            progressbar=False,
            compute_convergence_checks=False,
        )
    fit = fitted(formula="who5_followup ~ alliance + (1 | country)", draws=1000)
    posterior = fit.posterior.assign(
        {
            name: (fit.posterior[name].dims, trace.posterior[name].transpose("chain", "draw", ...).values)
            for name in ("tau_country", "u_country")
        }
    )
    statistics = xr.Dataset(
        {name: (("chain", "draw"), trace.sample_stats[name].values) for name in ("diverging", "energy")},
        coords=fit.sample_stats.coords,
    )
    stuck = replace(fit, tree=xr.DataTree.from_dict({"posterior": posterior, "sample_stats": statistics}))
    report = run_checks(stuck, checks=["convergence"])
    assert report.conclusions_withheld
    assert any(" diverged, so part of the posterior may be missing" in reason for reason in report.gate.reasons)
