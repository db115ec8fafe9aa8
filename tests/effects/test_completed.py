"""What depends on drawn values is of each draw's own completed table: loops over the tables, by dense least squares."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.effects.completed import by_table
from effects.test_confounding import left_of, picked
from imputing import table

M, N = 6, 150


@pytest.fixture(scope="module")
def given() -> list[pd.DataFrame]:
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(2, N))
    base = pd.DataFrame({"y": 1.0 * x + 0.6 * w + rng.normal(size=N), "x": x, "w": w})
    arm = rng.choice(["a", "b"], N)
    lacking = rng.random(N) < 0.4
    # Tables that differ much, so that one of them would not do for all.
    return [
        base.assign(
            x=np.where(lacking, (0.5 + 0.4 * k) * rng.normal(size=N), x),
            arm=np.where(rng.random(N) < 0.2, rng.choice(["a", "b"], N), arm),
        )
        for k in range(M)
    ]


@pytest.fixture(scope="module")
def fit(given: list[pd.DataFrame]) -> ab.Fit:
    return ab.Model("y ~ x + w + arm", focal="x", contrast=(-1, 1)).fit(given, draws=120, seed=4, progress=False)


def test_percentiles_and_sds_are_means_over_the_tables(fit: ab.Fit, given: list[pd.DataFrame]) -> None:
    ends = np.mean([np.quantile(one["x"], [0.1, 0.9]) for one in given], axis=0)
    sd_x, sd_y = (np.mean([one[name].std(ddof=1) for one in given]) for name in ("x", "y"))
    slope = fit.stacked["beta"][:, fit.design.terms.index("x")]
    # Rounding only.
    np.testing.assert_allclose(fit.quantiles("x", (0.1, 0.9)), ends, rtol=1e-12)
    table_ = fit.slopes()
    np.testing.assert_allclose(picked(table_, "slope_p10_p90"), slope * (ends[1] - ends[0]), rtol=1e-9)
    np.testing.assert_allclose(picked(table_, "slope_per_sd"), slope * sd_x, rtol=1e-9)
    np.testing.assert_allclose(picked(table_, "slope_standardised"), slope * sd_x / sd_y, rtol=1e-9)
    # No single table would have done.
    of_one = [np.ptp(np.quantile(one["x"], [0.1, 0.9])) for one in given]
    assert min(abs(np.array(of_one) / (ends[1] - ends[0]) - 1)) > 1e-3


@pytest.mark.parametrize("column", ["arm", "nowhere", None])
def test_quantiles_and_sds_are_of_numbers_of_the_model(fit: ab.Fit, column: str) -> None:
    """By name, and not by an error of pandas."""
    for asked in (lambda: fit.quantiles(column, (0.5,)), lambda: fit.sd(column)):
        with pytest.raises(
            ab.UsageError, match=r"column should be a numeric column of the model but got .* It has y, x, w"
        ):
            asked()
    with pytest.raises(ab.UsageError, match="at should be shares from 0 to 1"):
        fit.quantiles("x", (10.0,))


def test_shares_of_given_tables_are_those_of_a_loop(fit: ab.Fit, given: list[pd.DataFrame]) -> None:
    kept = fit.imputation
    assert kept is not None
    whose = kept.table.ravel()
    assert set(whose) == set(range(M))
    slope, sigma2 = fit.stacked["beta"][:, fit.design.terms.index("x")], fit.stacked["sigma"] ** 2
    difference = fit.stacked["beta"][:, fit.design.terms.index("arm[b]")]
    of_x, of_arm, of_w, r2 = (np.empty(len(whose)) for _ in range(4))
    for k, one in enumerate(given):
        x, w = one["x"].to_numpy(), one["w"].to_numpy()
        b = (one["arm"] == "b").to_numpy(float)
        rest = {"x": left_of(x, w, b), "arm": left_of(b, x, w), "without w": left_of(x, b)}
        own = whose == k
        of_x[own] = rest["x"] @ rest["x"] / (N - 1)
        of_arm[own] = rest["arm"] @ rest["arm"] / (N - 1)
        of_w[own] = 1 - rest["x"] @ rest["x"] / (rest["without w"] @ rest["without w"])
        expected = fit.stacked["beta"][own] @ np.column_stack([np.ones(N), x, w, b])[:, [0, 1, 2, 3]].T
        r2[own] = expected.var(axis=1, ddof=1)
    table_ = fit.confounding()
    f2 = slope**2 * of_x / sigma2
    # Rounding only, as below.
    np.testing.assert_allclose(picked(table_, "partial_r2"), f2 / (1 + f2), rtol=1e-9)
    np.testing.assert_allclose(picked(table_, "benchmark_r2_predictor", "w"), of_w, atol=1e-12)
    f2 = difference**2 * of_arm / sigma2
    np.testing.assert_allclose(picked(fit.confounding(predictor="arm"), "partial_r2"), f2 / (1 + f2), rtol=1e-9)
    # Their siblings: partial correlation and explained variance.
    own = fit.slopes()
    drawn = own.draws["partial_correlation/x/sample"].ravel()
    f2 = slope**2 * of_x / sigma2
    np.testing.assert_allclose(drawn**2, f2 / (1 + f2), rtol=1e-9)
    np.testing.assert_allclose(own.draws["delta_r2/x/sample"].ravel(), slope**2 * of_x / (r2 + sigma2), rtol=1e-9)
    # One table would not have done.
    assert of_x.std() / of_x.mean() > 0.1


@pytest.mark.slow
def test_draws_of_imputed_values_go_with_the_nearest_kept_table() -> None:
    frame = table(n=80)
    made = ab.Model("y ~ x + z + w", missing="impute", auxiliary=("aux",), focal="x").fit(
        frame, draws=200, seed=2, progress=False
    )
    kept = made.imputation
    assert kept is not None
    parts = by_table(made)
    places = np.concatenate([which for _, which in parts])
    assert sorted(places) == list(range(made.stacked["sigma"].size))
    completed = made.imputed()
    means = np.array([[1.0, *one[["x", "z", "w"]].mean()] for one in completed])
    drawn = kept.column_means.reshape(-1, 4) + np.array([0.0, *(made.design.centres[name] for name in "xzw")])
    found = 0
    for one, which in parts:
        (k,) = [k for k, other in enumerate(completed) if one.design.frame.equals(other)]
        apart = ((drawn[which, None] - means) / np.maximum(drawn.std(axis=0), 1e-9)) ** 2
        np.testing.assert_array_equal(apart[..., 1:3].sum(axis=2).argmin(axis=1), k)
        found += int((apart[:, k, 1:3].sum(axis=1) < 1e-12).sum())
        np.testing.assert_array_equal(one.stacked["sigma"], made.stacked["sigma"][which])
    # The draws of the tables that are kept are with them: four a table.
    assert found >= 4 * kept.tables


@pytest.mark.slow
def test_where_only_the_outcome_was_drawn_all_tables_serve() -> None:
    frame = table(n=80, complete=True)
    frame.loc[::5, "y"] = np.nan
    made = ab.Model("y ~ x + w", missing="impute", focal="x").fit(frame, draws=200, seed=2, progress=False)
    sizes = [which.size for _, which in by_table(made)]
    assert len(sizes) == made.imputation.tables  # type: ignore[union-attr]
    assert max(sizes) - min(sizes) <= 1
    x, w = made.design.frame["x"].to_numpy(float), made.design.frame["w"].to_numpy(float)
    v = left_of(x, w) @ left_of(x, w) / 79
    slope = made.stacked["beta"][:, made.design.terms.index("x")]
    f2 = slope**2 * v / made.stacked["sigma"] ** 2
    np.testing.assert_allclose(picked(made.confounding(), "partial_r2"), f2 / (1 + f2), rtol=1e-9)
