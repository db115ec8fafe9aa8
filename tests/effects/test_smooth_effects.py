"""Effects of a model with a smooth are averages of its predictions, and its bend is a part of the variance."""

from __future__ import annotations

import numpy as np
import pytest

from alliance_bayes.effects import adjusted_means, bayesian_r2, slopes, slopes_by_level, variance_partition
from alliance_bayes.effects.explained import contributions
from alliance_bayes.fit import FittedModel
from builders import fitted, rows

FORMULA = "who5_followup ~ s(alliance, k=6) + s(age, k=4) + sex + (alliance || country)"
FAMILIES = {
    "gaussian": ({"u_s_alliance": 3.0, "u_s_age": 2.0, "u_country": 2.0}, 1e-9),
    # Interpolated: below 1e-8 of the outcome's range.
    "beta_binomial": ({"u_s_alliance": 0.4, "u_s_age": 0.2, "u_country": 0.3}, 1e-6),
}


@pytest.fixture(scope="module", params=list(FAMILIES))
def fit(request: pytest.FixtureRequest) -> FittedModel:
    sds, _ = FAMILIES[request.param]
    means = {} if request.param == "gaussian" else {"beta": 0.1}
    return fitted(
        rows(80, countries=3, seed=6),
        formula=FORMULA,
        means=means,
        sds=sds,
        chains=2,
        draws=12,
        spec={"family": request.param},
    )


def average(fit: FittedModel, **columns: object) -> np.ndarray:
    return fit.predict(fit.design.frame.assign(**columns)).mean("obs").values


def bend(fit: FittedModel, name: str) -> np.ndarray:
    return np.asarray(fit.stacked[f"u_{name}"] @ fit.design.rows.basis[name].T)


def test_the_linear_predictor_holds_the_bend_exactly(fit: FittedModel) -> None:
    design, draws = fit.design, fit.stacked
    u = draws["u_country"][:, design.rows.index["country"]]
    straight = draws["beta"] @ design.rows.x.T + (u * design.rows.z["country"]).sum(axis=2)
    expected = straight + bend(fit, "s_alliance") + bend(fit, "s_age")
    np.testing.assert_allclose(fit.linear_predictor(), expected, rtol=1e-12)


def test_means_and_steps_are_average_predictions(fit: FittedModel) -> None:
    atol = FAMILIES[fit.spec.family][1]
    table = adjusted_means(fit, "country", population="sample")
    for level in ("C0", "C2"):
        row = table.index[table["level"] == level][0]
        np.testing.assert_allclose(table.draws[row], average(fit, country=level), rtol=0, atol=atol)
    table = slopes(fit, population="sample")
    low, high = np.quantile(fit.design.frame["alliance"], [0.1, 0.9])
    step = average(fit, alliance=high) - average(fit, alliance=low)
    np.testing.assert_allclose(table.draws["slope_p10_p90/alliance/sample"], step, rtol=0, atol=2 * atol)


def test_new_levels_and_equal_ones_leave_the_bend_alone(fit: FittedModel) -> None:
    atol = FAMILIES[fit.spec.family][1]
    table = adjusted_means(fit, "country", population="new", seed=3)
    frame = fit.design.frame.assign(country="(new level)")
    expected = fit.predict(frame, seed=3).mean("obs").values
    np.testing.assert_allclose(table.draws[table.index[0]], expected, rtol=0, atol=atol)
    table = adjusted_means(fit, "country", population="equal")
    cells = [average(fit, country="C1", sex=sex) for sex in ("female", "male")]
    found = table.draws[table.index[table["level"] == "C1"][0]]
    np.testing.assert_allclose(found, np.mean(cells, axis=0), rtol=0, atol=atol)


@pytest.mark.parametrize("predictor", ["alliance", "age"])
def test_slopes_are_average_derivatives(fit: FittedModel, predictor: str) -> None:
    values = fit.design.frame[predictor]
    # The same central difference, straight from predictions; step 1e-4 SD. Subtracting outcomes of about 50 over a step
    # of 1e-4 costs 1e-10 of them; interpolated ones 1e-6 of the slope more.
    step = 1e-4 * values.std(ddof=1)
    expected = (average(fit, **{predictor: values + step}) - average(fit, **{predictor: values - step})) / (2 * step)
    table = slopes(fit, predictor=predictor, population="sample")
    scale = np.abs(expected).max()
    np.testing.assert_allclose(table.draws[f"slope/{predictor}/sample"], expected, rtol=0, atol=1e-5 * scale)
    by_level = slopes_by_level(fit, "country", predictor=predictor, population="sample")
    assert np.isfinite(by_level["mean"]).all()


def test_every_smooth_has_a_share_of_its_own(fit: FittedModel) -> None:
    table = variance_partition(fit)
    shares = table[table["estimand"] == "variance_share"]
    names = shares["factor"].where(shares["factor"].notna(), shares["term"]).tolist()
    assert names == ["common terms", "country", "s(alliance)", "s(age)", "covariance", "residual"]
    draws = {name: shares.draws[row].ravel() for name, row in zip(names, shares.index, strict=True)}
    np.testing.assert_allclose(sum(draws.values()), np.ones(24), rtol=1e-12)
    residual = draws["residual"] / (1 - draws["residual"]) * fit.linear_predictor().var(axis=1, ddof=1)
    total = fit.linear_predictor().var(axis=1, ddof=1) + residual
    for name in ("s_alliance", "s_age"):
        own = bend(fit, name).var(axis=1, ddof=1) / total
        np.testing.assert_allclose(draws[f"s({name[2:]})"], own, rtol=1e-9)


def test_a_bend_is_not_correlated_with_its_straight_line(fit: FittedModel) -> None:
    parts = {part.name: part for part in contributions(fit)}
    line = fit.design.frame["alliance"].to_numpy(float)
    curve = parts["s_alliance"].draws @ parts["s_alliance"].matrix.T
    assert max(abs(np.corrcoef(line, one)[0, 1]) for one in curve) < 1e-12


def test_r2_is_that_of_the_predictions(fit: FittedModel) -> None:
    explained = fit.predict().values.reshape(24, -1).var(axis=1, ddof=1)
    r2 = bayesian_r2(fit).draws["bayesian_r2/sample"].ravel()
    if fit.spec.family == "gaussian":
        np.testing.assert_allclose(r2, explained / (explained + fit.stacked["sigma"] ** 2), rtol=1e-10)
    assert ((r2 > 0) & (r2 < 1)).all()


def test_unique_variance_is_what_no_other_column_explains() -> None:
    sds, _ = FAMILIES["gaussian"]
    fit = fitted(rows(80, countries=3, seed=6), formula=FORMULA, sds=sds, chains=2, draws=12)
    rows_, frame = fit.design.rows, fit.design.frame
    # Everything that does not hold alliance: intercept, age, sex, the levels of country, and the bend of age.
    levels = np.eye(3)[rows_.index["country"]]
    others = np.column_stack([rows_.x[:, [k for k, t in enumerate(fit.design.terms) if t != "alliance"]], levels])
    others = np.column_stack([others, rows_.basis["s_age"]])
    x = frame["alliance"].to_numpy(float)
    left = x - others @ np.linalg.lstsq(others, x, rcond=None)[0]
    residual = fit.stacked["sigma"] ** 2
    total = fit.linear_predictor().var(axis=1, ddof=1) + residual
    table = slopes(fit, predictor="alliance", population="sample")
    # Of the average slope along the bend.
    unique = table.draws["slope/alliance/sample"].ravel() ** 2 * (left @ left) / (len(frame) - 1)
    np.testing.assert_allclose(table.draws["delta_r2/alliance/sample"].ravel(), unique / total, rtol=1e-7)
    partial = np.abs(table.draws["partial_correlation/alliance/sample"].ravel())
    np.testing.assert_allclose(partial, np.sqrt(unique / (unique + residual)), rtol=1e-7)
