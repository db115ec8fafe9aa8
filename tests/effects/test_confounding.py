"""Unmeasured confounding: sensemakr's published figures, least squares, made data whose truth is known, and edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

import alliance_bayes as ab
from alliance_bayes.effects import confounding, slopes
from alliance_bayes.effects.strength import (
    as_strong_as,
    bias_share,
    e_value,
    outcome_share_needed,
    robustness_value,
)
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from builders import fitted, of_family, rows

# sensemakr 0.1.4, README: lm(peacefactor ~ directlyharmed + age + farmer_dar + herder_dar + pastvoted + hhsize_darfur +
# female + village, data = darfur), treatment "directlyharmed", benchmark "female".
ESTIMATE, SE, DF = 0.0973158, 0.0232565, 783
BOUNDS = {1: (0.0092, 0.1246, 0.0752), 2: (0.0183, 0.2493, 0.0529), 3: (0.0275, 0.3741, 0.0304)}
DARFUR = ("peace", "harmed", "years", "farmer", "herder", "voted", "household", "female")
# Sums of squares and products of these columns with the villages' means taken out, from that package's table.
MOMENTS = np.array(
    [
        "89.06190853977293",
        "21.32387370077524",
        "0.14873588654077",
        "-11.90652304374205",
        "-0.4097546911603938",
        "-11.49481139306245",
        "68.47968415449309",
        "-45.46130551972606",
        "21.32387370077524",
        "181.1081918954963",
        "-40.63991131795641",
        "-0.8653228348278335",
        "11.21497679849548",
        "6.269138497557994",
        "12.77318685019785",
        "-15.96722048572566",
        "0.14873588654077",
        "-40.63991131795641",
        "179741.6428457494",
        "1064.331623482968",
        "598.5998374422925",
        "-1318.892203379569",
        "14613.39556579811",
        "-1420.672041246582",
        "-11.90652304374205",
        "-0.8653228348278335",
        "1064.331623482968",
        "126.8701553221997",
        "21.71823155777613",
        "2.149769139440326",
        "-71.25653815852048",
        "19.84699954627266",
        "-0.4097546911603938",
        "11.21497679849548",
        "598.5998374422925",
        "21.71823155777613",
        "99.86264038591308",
        "2.343989357642747",
        "-140.4585529797729",
        "2.255071440651604",
        "-11.49481139306245",
        "6.269138497557994",
        "-1318.892203379569",
        "2.149769139440326",
        "2.343989357642747",
        "178.4065235879558",
        "-155.4681400895031",
        "25.96267361062087",
        "68.47968415449309",
        "12.77318685019785",
        "14613.39556579811",
        "-71.25653815852048",
        "-140.4585529797729",
        "-155.4681400895031",
        "27614.00824160777",
        "-237.9185537908869",
        "-45.46130551972606",
        "-15.96722048572566",
        "-1420.672041246582",
        "19.84699954627266",
        "2.255071440651604",
        "25.96267361062087",
        "-237.9185537908869",
        "191.9436352648039",
    ],
    dtype=float,
).reshape(8, 8)


def partial_r2(of: int, among: list[int], column: int) -> float:
    """Of one column of Darfur with another, given others: by the residual sums of squares of both regressions."""
    sums = []
    for columns in ([one for one in among if one != column], among):
        across = MOMENTS[np.ix_(columns, [of])]
        sums.append(
            MOMENTS[of, of] - float((across.T @ np.linalg.solve(MOMENTS[np.ix_(columns, columns)], across))[0, 0])
        )
    return 1 - sums[1] / sums[0]


#: Of `female` with the treatment, and with the outcome given the treatment.
FEMALE = partial_r2(1, [2, 3, 4, 5, 6, 7], 7), partial_r2(0, [1, 2, 3, 4, 5, 6, 7], 7)


def test_published_figures_from_the_published_estimate() -> None:
    t = ESTIMATE / SE
    f2 = t**2 / DF
    # To the digits that are printed there.
    assert round(float(robustness_value(f2)), 5) == 0.13878
    assert round(f2 / (1 + f2), 5) == 0.02187
    # The interval's end: t less its critical value, one degree of freedom less.
    assert round(float(robustness_value((t - 1.962995) ** 2 / (DF - 1))), 4) == 0.0763
    for times, (of_x, of_y, estimate) in BOUNDS.items():
        x, y = as_strong_as(*FEMALE, times)
        assert (round(float(x), 4), round(float(y), 4)) == (of_x, of_y)
        assert round(ESTIMATE - float(bias_share(x, y)) * SE * math.sqrt(DF), 4) == estimate


@pytest.fixture(scope="module")
def darfur() -> ab.Fit:
    """Rows that have the moments of those of sensemakr, as many as it has degrees of freedom besides the columns."""
    n, k = DF + 8, len(DARFUR)
    made = np.column_stack([np.ones(n), np.random.default_rng(1).normal(size=(n, k))])
    columns = np.linalg.qr(made)[0][:, 1:] @ np.linalg.cholesky(MOMENTS).T
    names = DARFUR[1:]
    flat = {"sigma": "HalfNormal(10)", "Intercept": "Normal(0, 100)", **dict.fromkeys(names, "Normal(0, 100)")}
    model = ab.Model(f"peace ~ {' + '.join(names)}", priors=flat, focal="harmed", contrast=(0, 1))
    return model.fit(pd.DataFrame(columns, columns=list(DARFUR)), draws=4000, seed=1, progress=False)


def test_published_figures_from_rows(darfur: ab.Fit) -> None:
    found = darfur.confounding(prob=0.95)
    by = {str(name).replace("/harmed", "").replace("/sample", ""): row for name, row in found.iterrows()}
    # 16,000 draws that are nearly independent: the posterior SD of the robustness value is .031.
    assert by["robustness_value"]["median"] == pytest.approx(0.13878, abs=0.0015)
    # The interval's end of a posterior with n - 1 for the degrees of freedom.
    assert by["robustness_value"]["lower"] == pytest.approx(0.0763, abs=0.004)
    assert by["partial_r2"]["median"] == pytest.approx(0.02187, abs=0.0005)
    assert by["benchmark_r2_predictor/female"]["mean"] == pytest.approx(FEMALE[0], rel=1e-9)
    assert by["benchmark_r2_outcome/female"]["mean"] == pytest.approx(FEMALE[1], abs=0.001)
    for times, (*_, estimate) in BOUNDS.items():
        again = darfur.confounding(benchmarks=["female"], times=times)
        assert again[again["estimand"] == "contrast_as_strong"]["mean"].item() == pytest.approx(estimate, abs=0.001)


FORMULA = "who5_followup ~ alliance + who5_baseline + age + (1 | sex) + (alliance || country)"


@pytest.fixture(scope="module")
def built() -> FittedModel:
    return fitted(rows(300, countries=4), formula=FORMULA, chains=2, draws=50, spec={"contrast": (3, 5)})


def picked(table: ab.effects.EffectTable, name: str, factor: str | None = None) -> np.ndarray:
    rows = table[
        (table["estimand"] == name) & (table["factor"].isna() if factor is None else table["factor"] == factor)
    ]
    return np.asarray(table.draws[str(rows.index[0])]).ravel()


def indicators(frame: pd.DataFrame, *names: str) -> np.ndarray:
    return np.hstack([pd.get_dummies(frame[name]).to_numpy(float) for name in names])


def left_of(values: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    """Residuals of least squares, whatever the rank."""
    x = np.column_stack([np.ones(len(values)), *columns])
    return values - x @ np.linalg.lstsq(x, values, rcond=None)[0]


def test_rows_are_those_of_least_squares_with_the_groups_as_columns(built: FittedModel) -> None:
    table, frame = confounding(built), built.design.frame
    groups, x = indicators(frame, "sex", "country"), frame["alliance"].to_numpy(float)
    numeric = frame[["who5_baseline", "age"]].to_numpy(float)
    n, sigma2 = len(frame), built.stacked["sigma"] ** 2
    slope = slopes(built).draws["slope/alliance/average"].ravel()
    v = left_of(x, numeric, groups) @ left_of(x, numeric, groups) / (n - 1)
    f2 = slope**2 * v / sigma2
    # Dense least squares against a QR in blocks: rounding only, as everywhere below.
    np.testing.assert_allclose(picked(table, "partial_r2"), f2 / (1 + f2), rtol=1e-9)
    np.testing.assert_allclose(picked(table, "robustness_value"), (np.sqrt(f2**2 + 4 * f2) - f2) / 2, rtol=1e-9)
    q = np.maximum(0, (2 * slope - 2) / (2 * slope))
    np.testing.assert_allclose(
        picked(table, "robustness_to_margin"), (np.sqrt((q**2 * f2) ** 2 + 4 * q**2 * f2) - q**2 * f2) / 2, atol=1e-12
    )
    others = {
        "who5_baseline": (numeric[:, 1:], groups, numeric[:, :1] * built.stacked["beta"][:, [2]].T),
        "age": (numeric[:, :1], groups, numeric[:, 1:] * built.stacked["beta"][:, [3]].T),
        "sex": (numeric, indicators(frame, "country"), _level_effects(built, "sex")),
    }
    assert table["factor"].dropna().unique().tolist() == ["who5_baseline", "age", "sex", "country"]
    for name, (kept, grouped, effect) in others.items():
        without = left_of(x, kept, grouped)
        of_x = 1 - v * (n - 1) / (without @ without)
        np.testing.assert_allclose(picked(table, "benchmark_r2_predictor", name), of_x, atol=1e-10)
        remains = left_of(effect, kept, grouped, x)
        w = (remains**2).sum(axis=0) / (n - 1)
        of_y = w / (w + sigma2)
        np.testing.assert_allclose(picked(table, "benchmark_r2_outcome", name), of_y, rtol=1e-8)
        # An unmeasured twin of the covariate: sensemakr's bound, written out again.
        r = of_x**2 / (1 - of_x) ** 2
        y = np.minimum(1, ((1 + np.sqrt(r)) / np.sqrt(1 - r)) ** 2 * of_y / (1 - of_y))
        z = of_x / (1 - of_x)
        bias = np.sqrt(y * z / (1 - z)) * np.sqrt(sigma2 / v)
        np.testing.assert_allclose(picked(table, "contrast_as_strong", name), 2 * (slope - bias), rtol=1e-8)


def _level_effects(fit: FittedModel, factor: str) -> np.ndarray:
    return fit.stacked[f"u_{factor}"][:, fit.design.rows.index[factor], 0].T


def test_the_truth_is_recovered_on_made_data_with_groups() -> None:
    """A cause that is left out moves the slope by what its shares say, and its shares are what the truth is."""
    rng = np.random.default_rng(3)
    n, groups = 6000, 20
    at = rng.integers(groups, size=n)
    # Pooled effects that go with the predictor's own are adjusted for in part only, whatever was measured.
    level, shift = rng.normal(0, 3, (2, groups))[:, at]
    measured, cause = rng.normal(size=(2, n))
    x = 4 + 0.3 * shift + 0.5 * measured + 0.4 * cause + rng.normal(0, 1, n)
    y = 50 + level + 2.0 * x + 3.0 * measured + 4.0 * cause + rng.normal(0, 10, n)
    frame = pd.DataFrame({"y": y, "x": x, "measured": measured, "cause": cause, "group": at.astype(str)})
    more: dict[str, Any] = {"focal": "x", "contrast": (3, 5), "roles": {"group": "group"}}
    options: dict[str, Any] = {"seed": 2, "progress": False}
    whole = ab.Model("y ~ x + measured + cause + (1 | group)", **more).fit(frame, **options)
    # Of the truth, beside everything else: the cause with y given x, x with y, the cause with x.
    found = whole.confounding(benchmarks=["cause", "measured"])
    share = {name: found[found["estimand"] == name]["mean"].to_numpy() for name in found["estimand"].unique()}
    assert share["partial_r2"][0] == pytest.approx(4 / (4 + 100), abs=0.008)  # 2^2 1 / (2^2 1 + 10^2), SE .005
    assert share["benchmark_r2_predictor"] == pytest.approx([0.16 / 1.16, 0.25 / 1.25], abs=0.02)
    # Given x, variances 1 / (1 + .4^2) and 1 / (1 + .5^2) are left of either.
    left = np.array([16 / 1.16, 9 / 1.25])
    assert share["benchmark_r2_outcome"] == pytest.approx(left / (left + 100), abs=0.015)
    without = ab.Model("y ~ x + measured + (1 | group)", **more).fit(frame, **options)
    given = {name: float(share[f"benchmark_{name}"][0]) for name in ("r2_predictor", "r2_outcome")}
    # The contrast of 2 points: allowing for a cause of that strength brings it to that of the model which has it.
    back = without.confounding(benchmarks=[], **given)
    adjusted = back[back["estimand"] == "contrast_bias_adjusted"]["mean"].item()
    true = whole.slopes().loc["slope_contrast/x/average", "mean"]
    seen = without.slopes().loc["slope_contrast/x/average", "mean"]
    assert seen - true > 1.5
    # An identity of least squares. Pooled effects are adjusted for a little less than groups as columns would be, and
    # not by the same in both models: a third of a posterior SD, which is .26.
    assert adjusted == pytest.approx(true, abs=0.09)
    # By the truth's own shares, of which the cause's coefficient is known to 4 % in these rows.
    by_truth = without.confounding(benchmarks=[], r2_predictor=0.16 / 1.16, r2_outcome=left[0] / (left[0] + 100))
    adjusted = by_truth[by_truth["estimand"] == "contrast_bias_adjusted"]["mean"].item()
    assert adjusted == pytest.approx(4.0, abs=3 * 0.26)


def test_draws_on_the_other_side_count_as_explained_away() -> None:
    fit = fitted(
        rows(200), formula="who5_followup ~ alliance + age", sds={"beta": 1.0}, means={"beta": [50, -0.8, 0.1]}
    )
    table = confounding(fit)
    slope = slopes(fit).draws["slope/alliance/sample"].ravel()
    value, ratio = picked(table, "robustness_value"), picked(table, "e_value")
    assert (slope > 0).any()
    assert (value[slope > 0] == 0).all()
    assert (value[slope < 0] > 0).all()
    assert (ratio[slope > 0] == 1).all()
    # The interval holds zero, so nothing need be explained to make it do so.
    lower = table[table["estimand"].isin(["robustness_value", "e_value"])]["lower"].tolist()
    assert lower == [0.0, 1.0]


def test_e_values_of_differences_shares_and_counts() -> None:
    # VanderWeele and Ding (2017): a risk ratio of 3.9 has the E-value 7.26.
    assert round(float(e_value(3.9)), 2) == 7.26
    fit = fitted(rows(200), formula="who5_followup ~ alliance + age", spec={"contrast": (3, 5)})
    slope = slopes(fit).draws["slope/alliance/sample"].ravel()
    ratio = np.maximum(1, np.exp(0.91 * 2 * slope / fit.stacked["sigma"]))
    np.testing.assert_allclose(picked(confounding(fit), "e_value"), ratio + np.sqrt(ratio * (ratio - 1)), rtol=1e-10)
    for family, above in (("bernoulli", 48.0), ("negative_binomial", 48.0)):
        frame, options = of_family(rows(200), family, above=above)
        own = fitted(
            frame,
            formula="who5_followup ~ alliance + age",
            means={"beta": [0.2, -0.4, 0.0]},
            sds={"beta": 0.01},
            spec={"contrast": (3, 5), "priors": {"set": "weak"}, **options},
        )
        table = confounding(own)
        assert table["estimand"].tolist() == ["e_value"]
        both = []
        for value in (3.0, 5.0):
            rows_at = own.design.evaluate(own.design.frame.assign(alliance=value))
            eta = own.linear_predictor(rows_at)
            both.append((np.exp(eta) if family == "negative_binomial" else 1 / (1 + np.exp(-eta))).mean(axis=1))
        ratio = both[0] / both[1]
        # Averages of an event's probability are tabulated, to a ten-thousandth of their range.
        np.testing.assert_allclose(picked(table, "e_value"), ratio + np.sqrt(ratio * (ratio - 1)), rtol=1e-3)


def test_priors_of_shares_give_the_integral_of_the_bias(built: FittedModel) -> None:
    plain = confounding(built, benchmarks=[])
    contrast = slopes(built).draws["slope_contrast/alliance/average"].ravel()
    f = picked(plain, "partial_r2")
    slope = slopes(built).draws["slope/alliance/average"].ravel()
    scale = np.abs(slope) / np.sqrt(f / (1 - f))
    given = {"r2_predictor": 0.05, "r2_outcome": "Uniform(0, 0.2)", "benchmarks": []}
    mean = integrate.quad(lambda y: math.sqrt(0.05 * y / 0.95) / 0.2, 0, 0.2)[0]
    for towards, sign in (("zero", 1), ("away", -1), ("either", 0)):
        table = confounding(built, towards=towards, **given)
        drawn = picked(table, "contrast_bias_adjusted")
        bias = (contrast - drawn) / (2 * scale)
        # 100 draws of a number between 0 and .1: 4 standard errors.
        assert bias.mean() == pytest.approx(sign * mean, abs=4 * 0.1 / math.sqrt(12 * 100) * (1 if sign else 3))
        assert np.abs(bias).max() <= math.sqrt(0.05 * 0.2 / 0.95) + 1e-12
    fixed = picked(confounding(built, r2_predictor=0.1, r2_outcome=0.2, benchmarks=[]), "contrast_bias_adjusted")
    np.testing.assert_allclose(fixed, contrast - 2 * scale * math.sqrt(0.2 * 0.1 / 0.9), rtol=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.floats(1e-6, 50), st.floats(0.05, 1.0))
def test_a_cause_as_strong_as_the_robustness_value_brings_the_slope_where_it_says(f2: float, share: float) -> None:
    value = float(robustness_value(f2, share))
    assert 0 < value < 1
    # In units of the unexplained SDs the slope is f. Digits are lost where the value is near 1.
    assert float(bias_share(value, value)) == pytest.approx(share * math.sqrt(f2), rel=1e-6)
    assert float(outcome_share_needed(value, share * math.sqrt(f2))) == pytest.approx(value, rel=1e-6)


def test_what_has_none_of_it_says_why() -> None:
    frame = rows(100).assign(days=lambda f: 2 * f["age"] + 1)
    table = confounding(fitted(frame, formula="who5_followup ~ alliance + age + days"), predictor="age")
    assert "combination" in table["note"].iloc[0]
    assert table["mean"].isna().iloc[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"benchmarks": "age"}, r"Write \['age'\]"),
        ({"benchmarks": ["height"]}, "Covariates that are: who5_baseline, age, sex, country"),
        ({"benchmarks": ["alliance"]}, "no covariate"),
        ({"times": 0}, "times should be"),
        ({"times": math.inf}, "times should be"),
        ({"r2_outcome": 0.1}, "Give the other share"),
        ({"r2_outcome": 1.0, "r2_predictor": 0.1}, "r2_outcome should be a share"),
        ({"r2_outcome": 0.1, "r2_predictor": "Normal(0, 1)"}, "r2_predictor should be a share"),
        ({"r2_outcome": "Beta(0, 1)", "r2_predictor": 0.1}, "r2_outcome should be a share"),
        ({"r2_outcome": "Uniform(0.2, 0.1)", "r2_predictor": 0.1}, "r2_outcome should be a share"),
        ({"towards": "up"}, "towards should be one of"),
    ],
)
def test_refused(built: FittedModel, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        confounding(built, **given)


def test_shares_are_refused_of_a_family_that_is_not_linear() -> None:
    frame, options = of_family(rows(100), "bernoulli")
    fit = fitted(frame, formula="who5_followup ~ alliance + age", spec={"priors": "weak", **options})
    with pytest.raises(UsageError, match="not linear"):
        confounding(fit, benchmarks=["age"])


def test_a_covariate_that_others_hold_whole_explains_nothing_to_the_last_digit():
    # Means of persons are what the persons' intercepts have: what is left is rounding, on every processor another.
    rng = np.random.default_rng(2)
    pid = np.repeat(np.arange(40), 5)
    x = (rng.normal(4, 1, 40)[pid] + rng.normal(0, 0.7, 200)).round(2)
    frame = pd.DataFrame({"pid": [f"p{person}" for person in pid], "x": x, "z": rng.normal(size=200)})
    frame["y"] = 5 + x + frame["z"] + rng.normal(0, 2, 40)[pid] + rng.normal(0, 1, 200)
    model = ab.Model("y ~ within(x) + between(x) + z + (1 | pid)")
    fit = model.fit(ab.read_cohort(frame, person="pid"), seed=1, draws=200, progress=False)
    table = fit.confounding(benchmarks=["between(x)", "z"])
    assert (picked(table, "benchmark_r2_outcome", "between(x)") == 0).all()
    assert (picked(table, "benchmark_r2_outcome", "z") > 0.1).all()
