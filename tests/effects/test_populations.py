"""Averages over all levels that a sampled factor could have, against integrals that are computed in another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy import special, stats

from alliance_bayes.effects import adjusted_means, contrasts, overall_mean, responders, slopes, slopes_by_level
from alliance_bayes.effects.options import make_options
from alliance_bayes.fit import FittedModel
from builders import fitted, of_family, rows

# Two sampled factors, one of them with correlated slopes; an exhaustive one; and one that crosses it.
FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | provider_type) + (alliance | country) + (1 | sex:country)"
LOGIT = {
    "means": {"beta": 0.1, "tau_country": 0.9, "tau_sex:country": 0.7},
    "sds": {"beta": 0.1, "u_country": 0.8, "u_sex:country": 0.5, "u_provider_type": 0.3, "tau_country": 0.3},
}
SCALES: dict[str, dict[str, object]] = {
    "gaussian": {"means": {}, "sds": {"beta": 0.3, "u_country": 2.0, "tau_country": 1.0}},
    "student_t": {"means": {}, "sds": {"beta": 0.3, "u_country": 2.0, "tau_country": 1.0}},
    "bernoulli": LOGIT,
    "poisson": {
        "means": {"beta": 0.02, "tau_country": 0.3, "tau_sex:country": 0.2},
        "sds": {"beta": 0.01, "u_country": 0.2, "u_sex:country": 0.2, "u_provider_type": 0.1},
    },
}
CORRELATION = 0.6


def built(family: str) -> FittedModel:
    frame, spec = of_family(rows(40, countries=4, seed=3), family)
    fit = fitted(frame, formula=FORMULA, chains=2, draws=6, spec=spec, **SCALES[family])  # type: ignore[arg-type]
    posterior = fit.posterior
    corr = np.broadcast_to([[1.0, CORRELATION], [CORRELATION, 1.0]], posterior["corr_country"].shape)
    posterior["corr_country"] = (posterior["corr_country"].dims, corr.copy())
    stats_group = fit.tree["sample_stats"].to_dataset()
    return replace(fit, tree=xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats_group}))


@pytest.fixture(scope="module", params=list(SCALES))
def fit(request: pytest.FixtureRequest) -> FittedModel:
    return built(request.param)


def parts(fit: FittedModel, *, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Linear predictor at level effects of 0, and the variance of these effects: written out, shapes (draws, rows)."""
    frame, draws, design = fit.design.frame, fit.stacked, fit.design
    alliance = frame["alliance"].to_numpy() + shift - design.centres["alliance"]
    x = np.column_stack(
        [np.ones(len(frame)), alliance, frame["who5_baseline"].to_numpy() - design.centres["who5_baseline"]]
    )
    assert design.terms == ("Intercept", "alliance", "who5_baseline")
    types = frame["provider_type"].cat.codes.to_numpy()
    eta = draws["beta"] @ x.T + draws["u_provider_type"][:, types, 0]
    level, slope = draws["tau_country"].T
    crossed = draws["tau_sex:country"][:, 0]
    variance = (
        (level**2 + crossed**2)[:, None]
        + (slope**2)[:, None] * alliance**2
        + 2 * CORRELATION * (level * slope)[:, None] * alliance
    )
    return eta, variance


def expected(fit: FittedModel, *, shift: float = 0.0) -> np.ndarray:
    """Mean over rows of the expected outcome over all levels, shape (chain, draw)."""
    eta, variance = parts(fit, shift=shift)
    family = fit.spec.family
    if family in ("gaussian", "student_t"):
        mean = eta
    elif family == "poisson":
        # The mean of a lognormal.
        mean = np.exp(eta + variance / 2)
    else:
        # A fine sum over +/- 10 SDs: the trapezoidal rule converges faster than any power there.
        points = np.linspace(-10, 10, 4001)
        weights = stats.norm.pdf(points) * (points[1] - points[0])
        mean = sum(w * special.expit(eta + p * np.sqrt(variance)) for p, w in zip(points, weights, strict=True))
    return fit.with_chains(mean.mean(axis=1))


TOLERANCE = {"gaussian": 1e-10, "student_t": 1e-10, "bernoulli": 1e-6, "poisson": 1e-5}


def test_the_overall_mean_integrates_over_all_levels(fit: FittedModel) -> None:
    table = overall_mean(fit, population="average")
    np.testing.assert_allclose(
        table.draws["overall_mean/average"], expected(fit), rtol=TOLERANCE[fit.spec.family], atol=0
    )


def test_the_slope_is_the_derivative_of_that(fit: FittedModel) -> None:
    """Off the identity link the levels' slopes are in the variance, which is a part of the derivative."""
    h = 1e-3
    ahead = expected(fit, shift=h) - expected(fit, shift=-h)
    further = expected(fit, shift=2 * h) - expected(fit, shift=-2 * h)
    derivative = (8 * ahead - further) / (12 * h)
    draws = slopes(fit, population="average").draws["slope/alliance/average"]
    np.testing.assert_allclose(draws, derivative, rtol=0, atol=1e-5 * np.abs(derivative).max())


def test_a_linear_slope_is_the_common_coefficient_and_not_that_of_these_levels() -> None:
    fit = built("gaussian")
    draws = slopes(fit, population="average").draws["slope/alliance/average"]
    np.testing.assert_allclose(draws, fit.with_chains(fit.stacked["beta"][:, 1]), rtol=0, atol=1e-12)
    sample = slopes(fit, population="sample").draws["slope/alliance/sample"]
    shares = fit.design.frame["country"].value_counts(normalize=True, sort=False).to_numpy()
    own = fit.stacked["beta"][:, 1] + fit.stacked["u_country"][:, :, 1] @ shares
    np.testing.assert_allclose(sample, fit.with_chains(own), rtol=0, atol=1e-12)


def test_levels_of_a_sampled_factor_are_their_own_and_the_other_factors_are_averaged() -> None:
    fit = built("gaussian")
    table = adjusted_means(fit, "country", population="average")
    eta, _ = parts(fit)
    alliance = (fit.design.frame["alliance"] - fit.design.centres["alliance"]).mean()
    for number, level in enumerate(fit.design.factor("country").levels):
        own = fit.stacked["u_country"][:, number] @ [1.0, alliance]
        # Of "sex:country" nothing is fixed but the country, so its effects are averaged too.
        np.testing.assert_allclose(
            table.draws[f"mean/country={level}/average"], fit.with_chains(eta.mean(axis=1) + own), rtol=0, atol=1e-9
        )
    by_level = slopes_by_level(fit, "country", population="average")
    own = fit.stacked["beta"][:, 1] + fit.stacked["u_country"][:, 2, 1]
    level = fit.design.factor("country").levels[2]
    np.testing.assert_allclose(
        by_level.draws[f"slope_by_level/alliance/country={level}/average"], fit.with_chains(own), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("family", ["gaussian", "student_t"])
def test_shares_are_those_of_the_wider_distribution(family: str) -> None:
    fit = built(family)
    eta, variance = parts(fit)
    sigma = fit.stacked["sigma"][:, None]
    draws = responders(fit, at_least=30, step=None, population="average").draws[
        "share_at_least/who5_followup >= 30/average"
    ]
    if family == "gaussian":
        # The sum of two normals is one.
        share = stats.norm.sf((30 - eta) / np.sqrt(variance + sigma**2))
    else:
        points = np.linspace(-10, 10, 2001)
        weights = stats.norm.pdf(points) * (points[1] - points[0])
        nu = fit.stacked["nu"][:, None]
        share = sum(
            w * stats.t.sf((30 - eta - p * np.sqrt(variance)) / sigma, nu) for p, w in zip(points, weights, strict=True)
        )
    np.testing.assert_allclose(draws, fit.with_chains(share.mean(axis=1)), rtol=0, atol=2e-6)


def test_contrasts_of_arms_integrate_over_persons() -> None:
    fit = built("bernoulli")
    table = contrasts(fit, "provider_type", population="average")
    levels = fit.design.factor("provider_type").levels
    eta, variance = parts(fit)
    types = fit.design.frame["provider_type"].cat.codes.to_numpy()
    own = fit.stacked["u_provider_type"][:, :, 0]
    points = np.linspace(-10, 10, 2001)
    weights = stats.norm.pdf(points) * (points[1] - points[0])

    def mean(level: int) -> np.ndarray:
        base = eta - own[:, types] + own[:, [level]]
        spread = np.sqrt(variance)
        return sum(  # type: ignore[no-any-return]
            w * special.expit(base + p * spread) for p, w in zip(points, weights, strict=True)
        ).mean(axis=1)  # type: ignore[union-attr]

    draws = table.draws[f"contrast_of_means/provider_type={levels[1]} vs {levels[0]}/average"]
    np.testing.assert_allclose(draws, fit.with_chains(mean(1) - mean(0)), rtol=0, atol=1e-6)


def test_very_wide_effects_are_integrated_too() -> None:
    """Of persons whose log odds differ by an SD of 6, most are near 0 or 1."""
    frame, spec = of_family(rows(40, countries=4, seed=3), "bernoulli")
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance + (1 | country)",
        chains=1,
        draws=4,
        spec=spec,
        means={"beta": 0.3, "tau_country": 6.0},
        sds={"beta": 0.1},
    )
    alliance = fit.design.frame["alliance"].to_numpy() - fit.design.centres["alliance"]
    eta = fit.stacked["beta"] @ np.column_stack([np.ones(len(frame)), alliance]).T
    points = np.linspace(-10, 10, 20001)
    weights = stats.norm.pdf(points) * (points[1] - points[0])
    tau = fit.stacked["tau_country"]
    mean = sum(w * special.expit(eta + p * tau) for p, w in zip(points, weights, strict=True))
    draws = overall_mean(fit, population="average").draws["overall_mean/average"]
    np.testing.assert_allclose(draws, fit.with_chains(mean.mean(axis=1)), rtol=0, atol=2e-5)


def test_the_default_is_the_average_where_a_sampled_factor_varies_and_the_sample_elsewhere() -> None:
    sampled = fitted(formula="who5_followup ~ alliance + (1 | sex) + (1 | country)", chains=1, draws=4)
    exhaustive = fitted(formula="who5_followup ~ alliance + (1 | sex)", chains=1, draws=4)
    assert make_options(sampled).population == "average"
    assert make_options(exhaustive).population == "sample"
    assert set(slopes(sampled)["population"]) == {"average"}
    assert set(slopes(exhaustive)["population"]) == {"sample"}
    assert set(slopes(sampled, population="sample")["population"]) == {"sample"}
    # With nothing to average over, the two are one.
    np.testing.assert_array_equal(
        slopes(exhaustive, population="average").draws["slope/alliance/average"],
        slopes(exhaustive).draws["slope/alliance/sample"],
    )


@pytest.mark.parametrize("family", ["bernoulli", "poisson", "gaussian", "cumulative"])
def test_effects_that_are_as_wide_for_everybody_are_integrated_once(family: str) -> None:
    """Levels that differ in level alone, of two factors: the integral is of a function of the linear predictor."""
    frame, spec = of_family(rows(40, countries=4, seed=3), family)
    given = SCALES.get(family, LOGIT)
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance + (1 | country) + (1 | sex:country)",
        chains=2,
        draws=6,
        spec=spec,
        means=given["means"],  # type: ignore[arg-type]
        sds={name: sd for name, sd in given["sds"].items() if name != "u_provider_type"},  # type: ignore[attr-defined]
    )
    draws, design = fit.stacked, fit.design
    alliance = design.frame["alliance"].to_numpy() - design.centres["alliance"]
    slope = draws["beta"][:, -1:]
    intercept = draws["beta"][:, :1] if design.terms[0] == "Intercept" else 0.0
    eta = intercept + slope * alliance
    sd = np.hypot(draws["tau_country"][:, 0], draws["tau_sex:country"][:, 0])[:, None]
    points = np.linspace(-9, 9, 1801)
    weights = stats.norm.pdf(points) * (points[1] - points[0])
    if family == "gaussian":
        share = stats.norm.sf((30 - eta) / np.hypot(sd, draws["sigma"][:, None]))
        table = responders(fit, at_least=30, step=None, population="average")
        found = table.draws["share_at_least/who5_followup >= 30/average"]
        np.testing.assert_allclose(found, fit.with_chains(share.mean(axis=1)), rtol=0, atol=2e-6)
        return
    found = overall_mean(fit, population="average").draws["overall_mean/average"]
    if family == "poisson":
        mean = np.exp(eta + sd**2 / 2)
    else:
        own = fit.parameters_at()
        mean = sum(
            w * design.family.expectation(eta + p * sd, own, design.outcome)
            for p, w in zip(points, weights, strict=True)
        )
    size = np.abs(mean).max()
    np.testing.assert_allclose(found, fit.with_chains(mean.mean(axis=1)), rtol=0, atol=2e-6 * size)
