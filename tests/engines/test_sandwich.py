"""Draws of a weighted fit are as wide as a sandwich says; the estimates are those of the weighted rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort.weights import effective_size

# 4,000 nearly independent draws know an SD to 1.1 %, and a mean to 1.6 % of it: five errors of either.
SD, MEAN = 0.056, 0.08
WEIGHTED = {"weights": "w", "weights_kind": "sampling"}
FLAT = {"Intercept": "Normal(0, 1000)", "x": "Normal(0, 1000)", "z": "Normal(0, 1000)", "sigma": "HalfNormal(1000)"}


def table(n: int = 400, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "w": rng.lognormal(0, 0.6, n)})
    frame["y"] = 1 + frame["x"] - 0.5 * frame["z"] + rng.normal(size=n) * np.exp(0.3 * frame["x"])
    return frame


def sandwich(frame: pd.DataFrame, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares of y on x and z, counted from their weighted means, and HC3 standard errors."""
    w = frame["w"].to_numpy()
    away = [frame[name] - np.average(frame[name], weights=w) for name in ("x", "z")]
    x = np.column_stack([np.ones(len(frame)), *away])
    bread = np.linalg.inv(x.T @ (w[:, None] * x))
    beta = bread @ x.T @ (w * frame["y"])
    leverage = w * np.einsum("ij,jk,ik->i", x, bread, x)
    scores = x * (w * (frame["y"] - x @ beta) / (1 - leverage)).to_numpy()[:, None]
    if groups is not None:
        scores = pd.DataFrame(scores).groupby(groups).sum().to_numpy()
    scores = scores - scores.mean(axis=0)
    n = len(scores)
    return beta, np.sqrt(np.diag(bread @ (scores.T @ scores * n / (n - 1)) @ bread))


def test_a_gaussian_fit_without_prior_information_has_the_estimates_and_errors_of_weighted_least_squares() -> None:
    frame = table()
    fit = ab.Model("y ~ x + z", priors=FLAT, **WEIGHTED).fit(frame, seed=1, progress=False)
    beta, errors = sandwich(frame)
    draws = fit.stacked["beta"]
    np.testing.assert_allclose(draws.std(axis=0), errors, rtol=SD)
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - beta), MEAN * errors)
    # The SD of the residuals, and what it is known to: delta method of the weighted mean square.
    w = frame["w"] / frame["w"].sum()
    residuals = frame["y"] - fit.mean_predictor()
    square = float(w @ residuals**2)
    error = np.sqrt(float((w**2) @ (residuals**2 - square) ** 2)) / (2 * np.sqrt(square))
    assert fit.stacked["sigma"].mean() == pytest.approx(np.sqrt(square), abs=0.5 * error)
    assert fit.stacked["sigma"].std() == pytest.approx(error, rel=2 * SD)


def test_slopes_and_errors_are_near_those_of_the_survey_package_of_r() -> None:
    """Of table() as CSV: summary(svyglm(y ~ x + z, svydesign(~1, weights = ~w, data = t)))$coefficients, survey 4.1."""
    slopes, errors = np.array([1.05978048, -0.56963336]), np.array([0.064805583, 0.050264140])
    fit = ab.Model("y ~ x + z", priors=FLAT, **WEIGHTED).fit(table(), seed=1, progress=False)
    draws = fit.stacked["beta"][:, 1:]
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - slopes), MEAN * errors)
    # Survey's errors are not enlarged by the rows' own share in their prediction, which is 1 to 3 % here.
    np.testing.assert_allclose(draws.std(axis=0), 1.02 * errors, rtol=SD)


def test_the_scale_of_weights_does_not_matter_and_equal_ones_change_little() -> None:
    frame = table()
    fits = [
        ab.Model("y ~ x + z", **WEIGHTED).fit(frame.assign(w=frame["w"] * by), seed=1, progress=False)
        for by in (1.0, 1e-6)
    ]
    np.testing.assert_allclose(fits[1].stacked["beta"], fits[0].stacked["beta"], rtol=1e-6, atol=1e-9)
    assert fits[0].info["weights"]["effective"] == pytest.approx(effective_size(frame["w"].to_numpy()))
    rng = np.random.default_rng(1)
    frame["y"] = 1 + frame["x"] + rng.normal(size=len(frame))
    plain = ab.Model("y ~ x + z").fit(frame, seed=1, progress=False)
    equal = ab.Model("y ~ x + z", **WEIGHTED).fit(frame.assign(w=7.0), seed=1, progress=False)
    np.testing.assert_allclose(equal.stacked["beta"].mean(axis=0), plain.stacked["beta"].mean(axis=0), atol=1e-6)
    # A sandwich of 400 rows is itself known to about 4 %.
    np.testing.assert_allclose(equal.stacked["beta"].std(axis=0), plain.stacked["beta"].std(axis=0), rtol=0.12)


def test_rows_of_one_person_are_one_drawing() -> None:
    frame = table(200)
    twice = frame.loc[frame.index.repeat(2)].reset_index(drop=True)
    twice["pid"] = [f"p{k // 2:03d}" for k in range(len(twice))]
    fit = ab.Model("y ~ x + z", priors=FLAT, **WEIGHTED).fit(twice, person="pid", seed=1, progress=False)
    _, errors = sandwich(twice, np.arange(len(twice)) // 2)
    _, single = sandwich(frame)
    # Each row's own share in its prediction, which the errors are enlarged by, is half as large among twice as many.
    np.testing.assert_allclose(errors, single, rtol=0.05)
    np.testing.assert_allclose(fit.stacked["beta"].std(axis=0), errors, rtol=SD)
    with pytest.raises(ab.ModelError, match="the levels of 'pid' are persons"):
        ab.Model("y ~ x + (1 | pid)", **WEIGHTED).fit(twice, person="pid", seed=1, progress=False)


@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
def test_families_without_parameters_of_their_own_have_the_errors_of_weighted_scores(family: str) -> None:
    frame = table(500)
    mean = 1 / (1 + np.exp(-frame["x"])) if family == "bernoulli" else np.exp(0.3 * frame["x"])
    rng = np.random.default_rng(6)
    frame["y"] = rng.binomial(1, mean) if family == "bernoulli" else rng.poisson(mean)
    priors = {"Intercept": "Normal(0, 50)", "x": "Normal(0, 50)"}
    fit = ab.Model("y ~ x", family=family, priors=priors, **WEIGHTED).fit(frame, seed=1, progress=False)
    # Newton's method for the weighted maximum of the likelihood.
    w, y = (frame[name].to_numpy(float) for name in ("w", "y"))
    x = np.column_stack([np.ones(len(frame)), frame["x"] - np.average(frame["x"], weights=w)])
    beta = np.zeros(2)
    for _ in range(30):
        mu = 1 / (1 + np.exp(-x @ beta)) if family == "bernoulli" else np.exp(x @ beta)
        spread = mu * (1 - mu) if family == "bernoulli" else mu
        bread = np.linalg.inv(x.T @ ((w * spread)[:, None] * x))
        beta = beta + bread @ x.T @ (w * (y - mu))
    leverage = w * spread * np.einsum("ij,jk,ik->i", x, bread, x)
    scores = x * (w * (y - mu) / (1 - leverage))[:, None]
    errors = np.sqrt(np.diag(bread @ scores.T @ scores @ bread))
    draws = fit.stacked["beta"]
    # Means of a skewed posterior lie a little beside its mode: a tenth of an SD at 500 rows.
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - beta), 0.15 * errors)
    np.testing.assert_allclose(draws.std(axis=0), errors, rtol=1.5 * SD)


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", ["student_t", "cumulative", "negative_binomial", "beta_binomial", "censored_gaussian"]
)
def test_other_families_with_weights_are_near_the_same_fit_of_rows_drawn_by_them(family: str) -> None:
    """Rows drawn by their weights are a sample of the population whose estimates the weighted fit has."""
    rng = np.random.default_rng(9)
    n = 1500
    frame = pd.DataFrame({"x": rng.normal(size=n)})
    eta = 0.8 * frame["x"] + rng.logistic(size=n) * 0.6
    frame["y"] = {
        "student_t": eta,
        "cumulative": np.clip(np.round(eta), -2, 2),
        "negative_binomial": rng.poisson(np.exp(0.5 * eta)).astype(float),
        "beta_binomial": np.clip(np.round(5 + 2 * eta), 0, 10),
        "censored_gaussian": np.clip(eta, -1, 1),
    }[family]
    frame["w"] = 1 / (1 + np.exp(-2 * eta)) + 0.15
    scales = {"y": ab.Scale(mean=5, sd=2, lower=0, upper=10, step=1)} if family == "beta_binomial" else {}
    if family == "censored_gaussian":
        scales = {"y": ab.Scale(mean=0, sd=1, lower=-1, upper=1)}
    options = {"formula": "y ~ x", "family": family, "scales": scales, "centre": {"x": 0.0}}
    draws = {"seed": 1, "draws": 400, "chains": 2, "progress": False}
    weighted = ab.Model(**options, **WEIGHTED).fit(frame, **draws)
    kept = frame[rng.random(n) * frame["w"].max() < frame["w"]]
    drawn, plain = (ab.Model(**options).fit(one, **draws) for one in (kept, frame))
    names = ["beta", *(name for name in drawn.design.family.parameters if name != "nu")]
    ours, theirs, other = (
        np.column_stack([fit.stacked[name].reshape(800, -1) for name in names]) for fit in (weighted, drawn, plain)
    )
    apart = (ours.mean(axis=0) - theirs.mean(axis=0)) / theirs.std(axis=0)
    assert np.abs(apart).max() < 3.5
    assert np.abs((other.mean(axis=0) - theirs.mean(axis=0)) / theirs.std(axis=0)).max() > 5
    # It uses all rows, and so its coefficients are not less certain than those of the rows that were drawn.
    k = len(weighted.design.terms)
    assert (ours.std(axis=0)[:k] < 1.1 * theirs.std(axis=0)[:k]).all()
