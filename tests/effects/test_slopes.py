"""Slopes in every unit, against closed forms and least squares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes import Model
from alliance_bayes.effects import EffectTable, slopes, slopes_by_level
from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.explained import unique_variance
from alliance_bayes.effects.options import make_options
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Scale
from builders import fitted, rows


def constant(frame: pd.DataFrame, formula: str, means: Mapping[str, Any], **spec: Any) -> FittedModel:
    """A fit whose draws are all the same."""
    names = ["beta", "sigma", "nu", "phi", *(f"{kind}_{name}" for name in FACTORS for kind in ("u", "tau"))]
    return fitted(frame, formula=formula, means=means, sds=dict.fromkeys(names, 0.0), chains=2, draws=5, spec=spec)


FACTORS = ("provider_type", "sex", "country")
POOLED = "who5_followup ~ alliance + (alliance || provider_type) + (alliance || country)"
PROVIDER = np.array([[2.0, -1.0], [-3.0, 0.5], [1.0, 0.5]])
COUNTRY = np.array([[1.0, 0.3], [0.0, -0.4], [2.0, 0.9], [-4.0, 0.0]])


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return rows(90, countries=4, seed=2)


@pytest.fixture(scope="module")
def pooled(frame: pd.DataFrame) -> FittedModel:
    means = {"beta": [45.0, 2.2], "u_provider_type": PROVIDER, "u_country": COUNTRY, "sigma": 15.0}
    return constant(frame, POOLED, means)


def values(table: EffectTable) -> dict[str, float]:
    return dict(zip(table["estimand"], table["median"], strict=True))


def test_units_in_closed_form(frame: pd.DataFrame, pooled: FittedModel) -> None:
    share = frame["provider_type"].value_counts(normalize=True, sort=False).to_numpy()
    country = frame["country"].value_counts(normalize=True, sort=False).to_numpy()
    slope = 2.2 + share @ PROVIDER[:, 1] + country @ COUNTRY[:, 1]
    x, y = frame["alliance"].to_numpy(), frame["who5_followup"].to_numpy()
    low, high = np.quantile(x, [0.1, 0.9])
    table = slopes(pooled, population="sample")
    found = values(table)
    expected = {
        "slope": slope,
        "slope_per_sd": slope * x.std(ddof=1),
        "slope_p10_p90": slope * (high - low),
        "slope_standardised": slope * x.std(ddof=1) / y.std(ddof=1),
        "points_needed": 10 / slope,
    }
    assert list(found) == [*list(expected)[:4], "partial_correlation", "delta_r2", "points_needed"]
    for name, value in expected.items():
        # The central difference of a straight line has no error but rounding, 1e-16 / 1e-4 of the outcome.
        assert found[name] == pytest.approx(value, rel=1e-10), name
    assert table["unit"].tolist() == [
        "WHO-5 point per alliance point",
        "WHO-5 point per SD of alliance",
        f"WHO-5 point from alliance {low:.1f} to {high:.1f}",
        "SD per SD",
        "correlation",
        "share of variance",
        "alliance point for 10 WHO-5 points",
    ]
    assert table["denominator"].tolist() == [
        "1 alliance point",
        f"sample SD of alliance, {x.std(ddof=1):.4g}",
        "10th to 90th percentile of alliance",
        f"sample SDs of alliance, {x.std(ddof=1):.4g}, and who5_followup, {y.std(ddof=1):.4g}",
        "explained by the slope + unexplained variance",
        "explained + residual variance",
        "10 WHO-5 points",
    ]
    assert set(table["population"]) == {"sample"}
    assert set(table["term"]) == {"alliance"}
    # One contrast carries the verdict.
    assert table["rope_low"].tolist()[:4] == pytest.approx([np.nan, np.nan, -2, np.nan], nan_ok=True)
    assert table["relevant"].tolist()[:4] == pytest.approx([np.nan, np.nan, 10, np.nan], nan_ok=True)
    assert table["p_direction"].notna().tolist() == [True, True, True, True, True, False, False]


def test_populations_weight_the_levels_differently(frame: pd.DataFrame, pooled: FittedModel) -> None:
    # Effects of the exhaustive factor sum to zero over its levels: only equal weights give the common coefficient.
    equal = values(slopes(pooled, population="equal"))
    assert equal["slope"] == pytest.approx(2.2 + COUNTRY[:, 1].mean(), rel=1e-10)
    assert "delta_r2" not in equal
    share = frame["provider_type"].value_counts(normalize=True, sort=False).to_numpy()
    new = slopes(pooled, population="new", seed=1).draws["slope/alliance/new"]
    stream = [factor.name for factor in pooled.design.factors].index("country")
    own = np.random.default_rng([1, stream]).normal(size=(10, 2))[:, 1] * pooled.stacked["tau_country"][:, 1]
    np.testing.assert_allclose(new.ravel(), 2.2 + share @ PROVIDER[:, 1] + own, rtol=1e-9)


def test_slopes_by_level(frame: pd.DataFrame, pooled: FittedModel) -> None:
    share = frame["provider_type"].value_counts(normalize=True, sort=False).to_numpy()
    country = frame["country"].value_counts(normalize=True, sort=False).to_numpy()
    by_country = slopes_by_level(pooled, "country", population="sample")
    assert by_country["level"].tolist() == ["C0", "C1", "C2", "C3"]
    np.testing.assert_allclose(by_country["mean"], 2.2 + COUNTRY[:, 1] + share @ PROVIDER[:, 1], rtol=1e-10)
    by_provider = slopes_by_level(pooled, "provider_type", population="sample")
    np.testing.assert_allclose(by_provider["mean"], 2.2 + PROVIDER[:, 1] + country @ COUNTRY[:, 1], rtol=1e-10)
    equal = slopes_by_level(pooled, "provider_type", population="equal")
    np.testing.assert_allclose(equal["mean"], 2.2 + PROVIDER[:, 1] + COUNTRY[:, 1].mean(), rtol=1e-10)
    assert slopes_by_level(pooled, "country", population="new")["level"].tolist() == ["(new level)"]
    # Weighted by share, the levels' slopes are the sample's.
    assert country @ by_country["mean"] == pytest.approx(
        values(slopes(pooled, population="sample"))["slope"], rel=1e-10
    )


def test_interactions_and_curves(frame: pd.DataFrame) -> None:
    x, base = frame["alliance"].to_numpy(), frame["who5_baseline"].to_numpy()
    product = constant(frame, "who5_followup ~ alliance * who5_baseline", {"beta": [45, 2, 0.4, 0.1]})
    # Columns are centred, so the product adds nothing on average over the baseline.
    assert values(slopes(product, population="sample"))["slope"] == pytest.approx(2, rel=1e-9)
    moved = constant(
        frame, "who5_followup ~ alliance * who5_baseline", {"beta": [45, 2, 0.4, 0.1]}, centre={"who5_baseline": 0.0}
    )
    assert values(slopes(moved, population="sample"))["slope"] == pytest.approx(2 + 0.1 * base.mean(), rel=1e-9)
    square = constant(
        frame,
        "who5_followup ~ alliance + I(alliance**2)",
        {"beta": [45, 2, 0.7]},
        priors={"I(alliance ** 2)": "Normal(0, 1)"},
    )
    found = values(slopes(square, population="sample"))
    assert found["slope"] == pytest.approx(2 + 2 * 0.7 * x.mean(), rel=1e-9)
    low, high = np.quantile(x, [0.1, 0.9])
    assert found["slope_p10_p90"] == pytest.approx(2 * (high - low) + 0.7 * (high**2 - low**2), rel=1e-9)
    log = constant(frame, "who5_followup ~ np.log(alliance)", {"beta": [45, 9.0]})
    assert values(slopes(log, population="sample"))["slope"] == pytest.approx((9 / x).mean(), rel=1e-7)  # h^2 f''' / 6


def test_splines_are_differentiated_to_the_boundary(frame: pd.DataFrame) -> None:
    fit = constant(frame, "who5_followup ~ bs(alliance, df=4)", {"beta": [45, 1.0, -2.0, 4.0, 3.0]})
    x = frame["alliance"]

    def mean(by: float) -> float:
        return float(fit.predict(frame.assign(alliance=x + by)).values.mean())

    slope = (8 * (mean(1e-3) - mean(-1e-3)) - (mean(2e-3) - mean(-2e-3))) / 12e-3
    # Cubic pieces have a constant third derivative, so the error is h^2 / 6 of it, with h = 1e-4 SD.
    assert values(slopes(fit, population="sample"))["slope"] == pytest.approx(slope, rel=1e-6)


def least_squares(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, float]:
    solution, *_ = np.linalg.lstsq(x, y, rcond=None)
    return solution, float(((y - x @ solution) ** 2).sum())


def test_delta_r2_and_partial_correlation_are_the_classical_ones_at_least_squares(frame: pd.DataFrame) -> None:
    frame = frame.assign(age=frame["age"] + 6 * frame["alliance"])  # predictors that share variance
    y = frame["who5_followup"].to_numpy(float)
    x = np.column_stack([np.ones(len(y)), frame[["alliance", "who5_baseline", "age"]]])
    centred = x - np.r_[0, x[:, 1:].mean(axis=0)]
    full, left = least_squares(y, centred)
    _, without = least_squares(y, np.delete(centred, 1, axis=1))
    total = ((y - y.mean()) ** 2).sum()
    fit = constant(
        frame, "who5_followup ~ alliance + who5_baseline + age", {"beta": full, "sigma": np.sqrt(left / (len(y) - 1))}
    )
    found = values(slopes(fit, population="sample"))
    assert found["delta_r2"] == pytest.approx((without - left) / total, rel=1e-9)
    residuals = [v - x[:, [0, 2, 3]] @ np.linalg.lstsq(x[:, [0, 2, 3]], v, rcond=None)[0] for v in (x[:, 1], y)]
    assert found["partial_correlation"] == pytest.approx(np.corrcoef(residuals)[0, 1], rel=1e-9)
    for other in ("who5_baseline", "age"):
        position = ["alliance", "who5_baseline", "age"].index(other) + 1
        _, without = least_squares(y, np.delete(centred, position, axis=1))
        table = values(slopes(fit, predictor=other, population="sample"))
        assert table["slope"] == pytest.approx(full[position], rel=1e-9)
        assert table["delta_r2"] == pytest.approx((without - left) / total, rel=1e-9)


def residual_of(x: np.ndarray, *columns: np.ndarray | pd.DataFrame) -> np.ndarray:
    """What least squares on a constant and some columns leaves of x."""
    design = np.column_stack([np.ones(len(x)), *(np.asarray(column, float) for column in columns)])
    return np.asarray(x - design @ np.linalg.lstsq(design, x, rcond=None)[0])


def test_explained_is_by_the_average_slope_alone(frame: pd.DataFrame) -> None:
    # A product and slopes by level, of much more than the average slope: none of it counts.
    u = np.column_stack([[1.0, -1.0, 2.0, -2.0], [3.0, -3.0, 4.0, -4.0]])
    beta = [45, 0.5, 0.4, 0.3]
    fit = constant(
        frame,
        "who5_followup ~ alliance * who5_baseline + (alliance || country)",
        {"beta": beta, "u_country": u, "sigma": 15.0},
    )
    table = slopes(fit, population="sample")
    found, slope = values(table), values(table)["slope"]
    x, base = frame["alliance"].to_numpy(), frame["who5_baseline"].to_numpy()
    v = residual_of(x, base, pd.get_dummies(frame["country"]).iloc[:, 1:]).var(ddof=1)
    total = fit.linear_predictor().var(axis=1, ddof=1)[0] + 225
    assert found["delta_r2"] == pytest.approx(slope**2 * v / total, rel=1e-9)
    partial = np.sign(slope) * np.sqrt(slope**2 * v / (slope**2 * v + 225))
    assert found["partial_correlation"] == pytest.approx(partial, rel=1e-9)


def of_people(n_providers: int, per: int, seed: int) -> pd.DataFrame:
    """People of providers, who differ in their mean alliance and in what becomes of their people."""
    rng = np.random.default_rng(seed)
    provider = np.repeat(np.arange(n_providers), per)
    mean = rng.normal(size=n_providers)[provider]
    own = rng.normal(size=n_providers * per)
    w = 0.5 * mean + rng.normal(size=n_providers)[provider] * 0.5 + rng.normal(size=len(own))
    y = 3 * mean + 2 * own + w + 2 * rng.normal(size=n_providers)[provider] + 4 * rng.normal(size=len(own))
    named = [f"P{k:03}" for k in provider]
    return pd.DataFrame({"provider": named, "between": mean, "within": own, "w": w, "y": y})


def test_a_predictor_of_providers_has_the_correlation_of_least_squares() -> None:
    frame = of_people(40, 6, 0)
    x, y = frame["between"].to_numpy(), frame["y"].to_numpy()
    b = np.polyfit(x, y, 1)[0]
    provider = residual_of(y, x)
    effects = pd.Series(provider).groupby(frame["provider"]).mean().to_numpy()
    inside = y - frame.groupby("provider")["y"].transform("mean").to_numpy()
    # Effects as least squares has them where nothing is pooled.
    fit = fitted(
        frame,
        formula="y ~ between + (1 | provider)",
        means={"beta": [y.mean(), b], "u_provider": effects[:, None], "sigma": inside.std(ddof=1)},
        sds=dict.fromkeys(("beta", "u_provider", "sigma", "tau_provider"), 0.0),
        spec={"autoscale": True},
        chains=2,
        draws=5,
    )
    table = slopes(fit, predictor="between", population="sample").set_index("estimand")
    correlation = np.corrcoef(x, y)[0, 1]
    assert table.loc["partial_correlation", "mean"] == pytest.approx(correlation, rel=1e-9)
    assert table.loc["delta_r2", "mean"] == pytest.approx(correlation**2, rel=1e-9)
    assert table.loc["partial_correlation", "denominator"].endswith("between levels of provider")


def test_the_level_at_which_a_predictor_varies() -> None:
    frame = of_people(30, 4, 1)
    frame = pd.concat([frame, frame, frame], ignore_index=True)  # three occasions a person
    rng = np.random.default_rng(2)
    frame["person"] = [f"{p}-{k % 120}" for k, p in enumerate(frame["provider"])]
    frame["baseline"] = frame.groupby("person")["w"].transform("first")
    frame["mood"] = rng.normal(size=len(frame)) + frame["baseline"] + 0.3 * frame["between"]
    frame["y"] += rng.normal(size=len(frame))
    formula = "y ~ between + baseline + mood + (1 | provider) + (1 | person)"
    fit = fitted(frame, formula=formula, spec={"autoscale": True}, chains=2, draws=5)
    providers = pd.get_dummies(frame["provider"]).iloc[:, 1:].to_numpy(float)
    people = pd.get_dummies(frame["person"]).iloc[:, 1:].to_numpy(float)

    def of(level: str) -> list[np.ndarray]:
        return [frame.groupby(level)[name].transform("mean").to_numpy() for name in ("between", "baseline", "mood")]

    between, baseline, mood = (frame[name].to_numpy() for name in ("between", "baseline", "mood"))
    expected = {
        "between": (residual_of(between, *of("provider")[1:]), "provider"),
        "baseline": (residual_of(baseline, of("person")[0], of("person")[2], providers), "person"),
        "mood": (residual_of(mood, between, baseline, people), None),
    }
    for name, (left, level) in expected.items():
        found = unique_variance(fit, name)
        assert found.level == level
        assert found.variance == pytest.approx(left.var(ddof=1), rel=1e-8), name
    effects = fit.stacked["u_person"][:, fit.design.rows.index["person"], 0]
    rest = np.stack([residual_of(one, between, baseline, mood, providers) for one in effects])
    np.testing.assert_allclose(unique_variance(fit, "baseline").left, rest.var(axis=1, ddof=1), rtol=1e-8)
    assert (unique_variance(fit, "mood").left == 0).all()


def test_weak_pooling_agrees_with_least_squares_on_sampled_fits() -> None:
    frame = of_people(60, 8, 3)
    fit = Model("y ~ between + within + w + (within || provider)", autoscale=True).fit(frame, seed=1)
    y, w = frame["y"].to_numpy(), frame["w"].to_numpy()
    dummies = pd.get_dummies(frame["provider"]).iloc[:, 1:].to_numpy(float)
    left = [residual_of(y, w, dummies), residual_of(y, frame["within"], w, dummies)]
    table = slopes(fit, predictor="within", population="sample").set_index("estimand")
    expected = ((left[0] ** 2).sum() - (left[1] ** 2).sum()) / ((y - y.mean()) ** 2).sum()
    assert expected > 0.05
    # Least squares has one slope for all, the fit its average: well within the posterior's SD of each other.
    assert abs(table.loc["delta_r2", "mean"] - expected) < 0.5 * table.loc["delta_r2", "sd"]
    partial = np.corrcoef(residual_of(frame["within"].to_numpy(), w, dummies), left[0])[0, 1]
    assert abs(table.loc["partial_correlation", "mean"] - partial) < 0.5 * table.loc["partial_correlation", "sd"]


@pytest.mark.parametrize("interval", ["eti", "hdi"])
@given(centre=st.floats(-3, 3), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_the_interval_of_delta_r2_begins_at_0_where_the_slopes_holds_0(interval: str, centre: float, seed: int) -> None:
    fit = fitted(
        rows(40, seed=1),
        formula="who5_followup ~ alliance + (alliance || country)",
        means={"beta": [45.0, centre], "u_country": 0.0},
        sds={"beta": [0.1, 1.0], "u_country": 0.5},
        seed=seed,
    )
    found = slopes(fit, interval=interval, population="sample")
    table = found.set_index("estimand")
    slope, share = table.loc["slope"], table.loc["delta_r2"]
    assert (slope["lower"] <= 0 <= slope["upper"]) == (share["lower"] == 0)
    draws = found.draws["delta_r2/alliance/sample"].ravel()
    # The probability that the table states, to a draw.
    assert ((draws >= share["lower"]) & (draws <= share["upper"])).mean() == pytest.approx(0.89, abs=2 / draws.size)
    partial = table.loc["partial_correlation"]
    if interval == "eti":
        assert (partial["lower"] <= 0 <= partial["upper"]) == (slope["lower"] <= 0 <= slope["upper"])


def test_nothing_is_unique_to_a_predictor_that_the_others_determine(frame: pd.DataFrame) -> None:
    twin = frame.assign(age=3 * frame["alliance"] + 1)
    fit = constant(twin, "who5_followup ~ alliance + age", {"beta": [45, 2, 1]})
    found = values(slopes(fit, population="sample"))
    # Exactly zero in theory; the square root of rounding, 1e-16, in practice.
    assert found["delta_r2"] == pytest.approx(0, abs=1e-12)
    assert found["partial_correlation"] == pytest.approx(0, abs=1e-6)
    assert found["slope"] == pytest.approx(2, rel=1e-9)


@pytest.mark.parametrize("family", ["bernoulli", "cumulative", "beta_binomial", "censored_gaussian"])
def test_delta_r2_on_the_outcomes_scale_by_brute_force(family: str, frame: pd.DataFrame) -> None:
    if family == "bernoulli":
        frame = frame.assign(who5_followup=(frame["who5_followup"] > 48).astype(float))
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance * sex + who5_baseline + (alliance || country)",
        means={} if family == "censored_gaussian" else {"beta": 0.05},
        sds={"beta": 0.05, "u_country": 0.3},
        chains=2,
        draws=6,
        spec={"family": family},
    )
    kept = [frame["sex"] == "male", frame["who5_baseline"], pd.get_dummies(frame["country"]).iloc[:, 1:]]
    v = residual_of(frame["alliance"].to_numpy(), *kept).var(ddof=1)
    table = slopes(fit, population="sample")
    slope, delta, partial = (
        table.draws[f"{name}/alliance/sample"] for name in ("slope", "delta_r2", "partial_correlation")
    )
    # Both are of the same explained variance, up to the interpolated expectations (1e-8 of the range).
    explained = slope**2 * v
    residual = explained / partial**2 - explained
    np.testing.assert_allclose(
        explained / delta - residual, fit.predict().values.var(axis=-1, ddof=1), rtol=1e-5, atol=1e-6 * residual.max()
    )
    np.testing.assert_array_equal(np.sign(partial), np.sign(slope))


def test_points_needed_when_some_slopes_point_the_other_way(frame: pd.DataFrame) -> None:
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance",
        means={"beta": [45.0, 1.0]},
        sds={"beta": [0, 1.0]},
        chains=4,
        draws=250,
    )
    slope = fit.stacked["beta"][:, 1]
    table = slopes(fit, population="sample")
    row = table.loc["points_needed/alliance/sample"]
    needed = np.where(slope > 0, 10 / np.maximum(slope, 1e-300), np.inf)
    np.testing.assert_allclose(table.draws["points_needed/alliance/sample"].ravel(), needed, rtol=1e-8)
    assert row["median"] == pytest.approx(np.median(needed), rel=1e-8)
    assert np.isnan(row[["mean", "sd", "mcse_mean", "upper"]].astype(float)).all()
    never, beyond = (slope <= 0).mean(), (needed > np.ptp(frame["alliance"])).mean()
    assert beyond == 1  # the largest draw of a few hundred is below 4, and 10 / 4 is more than the range
    assert 0.1 < never < 0.25  # a standard normal is below -1 in 16% of the draws
    assert row["note"] == (
        f"in {never:.1%} of the draws no increase is enough, because the slope is zero or points the other way; "
        "in all draws it is more than the predictor's whole observed range"
    )


def test_points_needed_follow_the_direction_of_improvement(frame: pd.DataFrame) -> None:
    frame = frame.assign(phq9_followup=np.arange(len(frame)) % 28)
    symptoms = constant(frame, "phq9_followup ~ alliance", {"beta": [10.0, -0.5]})
    assert "points_needed" not in values(slopes(symptoms, relevant=None, population="sample"))
    assert values(slopes(symptoms, population="sample"))["points_needed"] == pytest.approx(10, rel=1e-9)
    worse = constant(frame, "phq9_followup ~ alliance", {"beta": [10.0, 0.5]})
    assert np.isnan(values(slopes(worse, population="sample"))["points_needed"])
    flat = constant(frame, "who5_followup ~ alliance", {"beta": [45.0, 0.0]})
    row = slopes(flat, population="sample").set_index("estimand").loc["points_needed"]
    assert row["note"] == (
        "in all draws no increase is enough, because the slope is zero or points the other way; in all draws it is "
        "more than the predictor's whole observed range"
    )


@pytest.mark.parametrize(
    "term", ["alliance + I(alliance ** 2)", "poly(alliance, 2)", "log(alliance)", "s(alliance, k=4)"]
)
def test_no_points_are_needed_where_the_association_bends(frame: pd.DataFrame, term: str) -> None:
    bent = slopes(fitted(frame, formula=f"who5_followup ~ {term}"), relevant=5, population="sample")
    assert "points_needed" not in bent["estimand"].tolist()
    # The curve says what goes with a step from one value; and along the other column nothing bends.
    assert {"slope", "slope_p10_p90"} <= set(bent["estimand"])
    fit = fitted(frame, formula=f"who5_followup ~ {term} + n_sessions")
    assert "points_needed" in slopes(fit, predictor="n_sessions", relevant=5, population="sample")["estimand"].tolist()


def test_units_in_words(frame: pd.DataFrame) -> None:
    frame = frame.assign(score=frame["who5_followup"] / 3, well=(frame["who5_followup"] > 50).astype(float))
    fit = constant(frame, "score ~ n_sessions", {"beta": [15.0, 0.5]}, scales={"score": Scale(15, 6)})
    table = slopes(fit, relevant=3, population="sample").set_index("estimand")
    assert table.loc["slope", "unit"] == "unit of score per session"
    assert table.loc["points_needed", "unit"] == "session for 3 units of score"
    event = constant(frame, "well ~ alliance", {"beta": [0.0, 0.5]}, family="bernoulli")
    table = slopes(event, relevant=0.1, population="sample").set_index("estimand")
    assert table.loc["slope", "unit"] == "probability per alliance point"
    assert table.loc["points_needed", "unit"] == "alliance point for a probability of 0.1"
    assert slopes(fit, relevant=1, population="sample").iloc[-1]["unit"] == "session for 1 unit of score"


def test_percentiles_that_coincide(frame: pd.DataFrame) -> None:
    frame = frame.assign(alliance=np.where(np.arange(len(frame)) < 5, 1.0, 5.0))
    row = slopes(constant(frame, "who5_followup ~ alliance", {"beta": [45.0, 2.0]}), population="sample").iloc[2]
    assert row["estimand"] == "slope_p10_p90"
    assert np.isnan(row["mean"])
    assert row["note"] == "the 10th and the 90th percentile of alliance are both 5"


def test_a_slope_that_does_not_exist_says_so(frame: pd.DataFrame) -> None:
    frame = frame.assign(days_in_care=frame["days_in_care"] - frame["days_in_care"].min())
    fit = constant(frame, "who5_followup ~ np.sqrt(days_in_care)", {"beta": [45.0, 2.0]})
    table = slopes(fit, population="sample").set_index("estimand")
    assert table["note"].tolist()[0] == "the slope of a term is not finite in some of the rows"
    assert table["mean"].isna().tolist() == [True, True, False, True, True, True]
    assert table.loc["slope_p10_p90", "median"] > 0


def test_rope_and_relevant_change_are_those_asked_for(frame: pd.DataFrame) -> None:
    fit = fitted(frame, formula="who5_followup ~ alliance", means={"beta": [45.0, 2.0]}, sds={"beta": [0, 1.0]})
    slope = fit.stacked["beta"][:, 1]
    table = slopes(fit, rope=(-1.0, 1.5), relevant=3.0, population="sample").set_index("estimand")
    row = table.loc["slope_p10_p90"]
    slope = slope * np.diff(np.quantile(frame["alliance"], [0.1, 0.9]))[0]
    assert table["p_rope"].drop("slope_p10_p90").isna().all()
    # One draw may fall on the other side by rounding.
    assert row["p_rope"] == pytest.approx(((slope >= -1) & (slope <= 1.5)).mean(), abs=1.5 / slope.size)
    assert row["p_relevant"] == pytest.approx((np.abs(slope) >= 3).mean(), abs=1.5 / slope.size)
    assert row["p_direction"] == pytest.approx((slope > 0).mean(), abs=1.5 / slope.size)
    none = slopes(fit, rope=None, relevant=None, population="sample")
    assert none["p_rope"].isna().all()
    assert none["p_relevant"].isna().all()
    assert "points_needed" not in none["estimand"].tolist()


def test_the_contrast_that_a_model_declares_carries_the_verdict(frame: pd.DataFrame) -> None:
    means, sds = {"beta": [45.0, 2.0]}, {"beta": [0, 1.0]}
    formula = "who5_followup ~ alliance"
    fit = fitted(frame, formula=formula, means=means, sds=sds, spec={"contrast": (3, 5)})
    table = slopes(fit, population="sample")
    row = table.loc["slope_contrast/alliance/sample"]
    draws = 2 * fit.stacked["beta"][:, 1]
    np.testing.assert_allclose(table.draws["slope_contrast/alliance/sample"].ravel(), draws, rtol=1e-10)
    assert (row["denominator"], row["unit"]) == ("3 to 5 of alliance", "WHO-5 point from alliance 3 to 5")
    assert row["p_rope"] == pytest.approx((np.abs(draws) <= 2).mean(), abs=1.5 / draws.size)
    assert row["p_relevant"] == pytest.approx((np.abs(draws) >= 10).mean(), abs=1.5 / draws.size)
    assert table["rope_low"].drop("slope_contrast/alliance/sample").isna().all()
    # Differences of slopes are judged over the same contrast, against half of the margin.
    assert Analysis(fit, make_options(fit)).slope_rope("alliance") == pytest.approx((-0.5, 0.5))
    # It is about the predictor that the model asks about, and a value that nobody has is said to be none.
    other = fitted(frame, formula=f"{formula} + age", spec={"contrast": (0.0, 5.0)})
    assert "slope_contrast" not in set(slopes(other, predictor="age", population="sample")["estimand"])
    note = slopes(other, population="sample").loc["slope_contrast/alliance/sample", "note"]
    assert note == "extrapolated: no analysed row reaches alliance = 0"


@pytest.mark.parametrize("given", [(5, 3), (3, 3), (3,), "35", (3, float("nan")), (True, 3), 3, (3, "5")])
def test_a_contrast_is_two_numbers(given: object) -> None:
    with pytest.raises(ModelError, match=r"^contrast should be two finite numbers, the lower first, but got "):
        Model("who5_followup ~ alliance", contrast=given)  # type: ignore[arg-type]


@given(factor=st.floats(0.1, 50), shift=st.floats(-20, 20), slope=st.floats(-5, 5).filter(lambda b: abs(b) > 1e-3))
@settings(max_examples=15, deadline=None)
def test_a_change_of_the_predictors_unit(factor: float, shift: float, slope: float) -> None:
    frame = rows(40, seed=1)
    scales = {"rating": Scale(4.0, 1.0)}

    def in_units(rating: pd.Series, b: float) -> dict[str, float]:
        return values(
            slopes(
                constant(frame.assign(rating=rating), "who5_followup ~ rating", {"beta": [45, b]}, scales=scales),
                population="sample",
            )
        )

    before, after = in_units(frame["alliance"], slope), in_units(factor * frame["alliance"] + shift, slope / factor)
    assert after["slope"] * factor == pytest.approx(before["slope"], rel=1e-7)
    for name in ("slope_per_sd", "slope_p10_p90", "slope_standardised", "partial_correlation", "delta_r2"):
        assert after[name] == pytest.approx(before[name], rel=1e-6), name


@pytest.mark.parametrize(
    ("formula", "arguments", "message"),
    [
        (
            "who5_followup ~ alliance + sex",
            {"predictor": "sex"},
            "'sex' is not a numeric predictor of this model but a factor, whose levels are compared by contrasts(). "
            "Numeric predictors: alliance.",
        ),
        (
            "who5_followup ~ alliance + age",
            {"predictor": "who5_followup"},
            "'who5_followup' is not a numeric predictor of this model. Numeric predictors: alliance, age.",
        ),
        (
            "who5_followup ~ sex",
            {},
            "the model has no numeric predictor, so it has no slope. Numeric predictors: none.",
        ),
    ],
)
def test_predictors_that_have_no_slope(formula: str, arguments: dict[str, str], message: str) -> None:
    fit = fitted(rows(30), formula=formula, chains=1, draws=4)
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        slopes(fit, **arguments)  # type: ignore[arg-type]


def test_a_factor_that_the_model_does_not_have(pooled: FittedModel) -> None:
    message = "'sex' is not a factor of this model. Its factors: provider_type, country."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        slopes_by_level(pooled, "sex", population="sample")
