"""Unmeasured confounding of two levels of a factor: sensemakr's example as the binary one it is, and least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.effects import confounding, contrasts, effects
from alliance_bayes.effects.explained import unique_variance
from alliance_bayes.effects.exposure import Exposure
from alliance_bayes.errors import UsageError
from builders import fitted, of_family, rows
from effects.test_confounding import BOUNDS, DARFUR, DF, ESTIMATE, FEMALE, MOMENTS, indicators, left_of, picked


@pytest.fixture(scope="module")
def darfur() -> pd.DataFrame:
    """Rows of a treatment of 0 and 1 with the sums of squares of those of sensemakr, less its villages.

    281 of 791 who were harmed have a sum of squares of 181.18, where theirs is 181.11: the unit is scaled by the root.
    """
    n, ones = DF + 8, 281
    harmed = np.r_[np.ones(ones), np.zeros(n - ones)]
    away = harmed - harmed.mean()
    order = [1, 0, *range(2, 8)]
    times = np.r_[np.sqrt(away @ away / MOMENTS[1, 1]), np.ones(7)]
    scaled = MOMENTS[np.ix_(order, order)] * np.outer(times, times)
    made = np.column_stack([np.ones(n), away, np.random.default_rng(1).normal(size=(n, 7))])
    basis = np.linalg.qr(made)[0][:, 1:]
    basis *= np.sign(basis.T @ made[:, 1:]).diagonal()
    columns = basis @ np.linalg.cholesky(scaled).T
    np.testing.assert_allclose(columns[:, 0], away, atol=1e-9)
    frame = pd.DataFrame(columns, columns=[DARFUR[k] for k in order])
    return frame.assign(harmed=harmed)


@pytest.mark.parametrize("kind", ["number", "category"])
def test_published_figures_of_a_binary_treatment(darfur: pd.DataFrame, kind: str) -> None:
    frame, names = darfur, list(DARFUR[1:])
    if kind == "category":
        frame = darfur.assign(harmed=np.where(darfur["harmed"] == 1, "yes", "no"))
    flat: dict[str, Any] = {"sigma": "HalfNormal(10)", "Intercept": "Normal(0, 100)"}
    labels = ["harmed[yes]" if kind == "category" and name == "harmed" else name for name in names]
    flat |= dict.fromkeys(labels, "Normal(0, 100)")
    model = ab.Model(f"peace ~ {' + '.join(names)}", priors=flat, focal="harmed")
    fit = model.fit(frame, draws=4000, seed=1, progress=False)
    found = fit.confounding(prob=0.95)
    by = {(row["estimand"], row["factor"]): row for _, row in found.astype({"factor": object}).iterrows()}
    by = {(name, factor if isinstance(factor, str) else None): row for (name, factor), row in by.items()}
    # 16,000 draws that are nearly independent: the posterior SD of the robustness value is .031.
    assert by["robustness_value", None]["median"] == pytest.approx(0.13878, abs=0.0015)
    # The interval's end of a posterior with n - 1 for the degrees of freedom.
    assert by["robustness_value", None]["lower"] == pytest.approx(0.0763, abs=0.004)
    assert by["partial_r2", None]["median"] == pytest.approx(0.02187, abs=0.0005)
    assert by["benchmark_r2_predictor", "female"]["mean"] == pytest.approx(FEMALE[0], rel=1e-8)
    assert by["benchmark_r2_outcome", "female"]["mean"] == pytest.approx(FEMALE[1], abs=0.001)
    for times, (*_, estimate) in BOUNDS.items():
        again = fit.confounding(benchmarks=["female"], times=times)
        assert again[again["estimand"] == "contrast_as_strong"]["mean"].item() == pytest.approx(estimate, abs=0.001)
    assert by["contrast_as_strong", "female"]["mean"] < ESTIMATE


def three_arms(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    arm = pd.Categorical(rng.choice(["care", "both", "wait"], n, p=[0.5, 0.3, 0.2]), ["wait", "care", "both"])
    frame = rows(n, countries=3).assign(arm=arm)
    frame["age"] = frame["age"] + 5.0 * (arm == "both")
    return frame


FORMULAS = {
    "common": "who5_followup ~ arm + alliance + age + (1 | sex) + (1 | country)",
    "product": "who5_followup ~ arm * alliance + age + (1 | sex) + (1 | country)",
    "pooled": "who5_followup ~ alliance + age + (1 + alliance || arm) + (1 | sex) + (1 | country)",
    "varying": "who5_followup ~ arm + alliance + age + (1 | sex) + (1 + arm || country)",
}


@pytest.mark.parametrize("kind", FORMULAS)
def test_rows_are_those_of_least_squares_with_the_other_level_as_a_column(kind: str) -> None:
    fit = fitted(three_arms(), formula=FORMULAS[kind], chains=2, draws=50, spec={"focal": "arm"})
    frame = fit.design.frame
    for level, versus in (("care", "wait"), ("both", "care")):
        table = confounding(fit, levels=[versus, level], rope=(-1, 1))
        own = contrasts(fit, "arm", levels=[versus, level])
        difference = own.draws[next(name for name in own.index if name.startswith("contrast_of_means"))].ravel()
        (third,) = {"wait", "care", "both"} - {level, versus}
        x, other = ((frame["arm"] == one).to_numpy(float)[:, None] for one in (level, third))
        groups = indicators(frame, "sex", "country")
        numeric = frame[["alliance", "age"]].to_numpy(float)
        n, sigma2 = len(frame), fit.stacked["sigma"] ** 2
        rest = left_of(x, numeric, groups, other)[:, 0]
        v = rest @ rest / (n - 1)
        f2 = difference**2 * v / sigma2
        # Dense least squares against a QR in blocks: rounding only, as below.
        np.testing.assert_allclose(picked(table, "partial_r2"), f2 / (1 + f2), rtol=1e-8)
        side = np.sign(np.median(difference))
        value = np.where(difference * side > 0, (np.sqrt(f2**2 + 4 * f2) - f2) / 2, 0.0)
        np.testing.assert_allclose(picked(table, "robustness_value"), value, atol=1e-12)
        ratio = np.maximum(1, np.exp(0.91 * side * difference / fit.stacked["sigma"]))
        np.testing.assert_allclose(picked(table, "e_value"), ratio + np.sqrt(ratio * (ratio - 1)), rtol=1e-10)
        # All but the factor's own levels are covariates to compare with.
        assert table["factor"].dropna().unique().tolist() == ["alliance", "age", "sex", "country"]
        kept = {"age": (numeric[:, :1], groups), "country": (numeric, indicators(frame, "sex"))}
        for name, columns in kept.items():
            without = left_of(x, *columns, other)[:, 0]
            np.testing.assert_allclose(
                picked(table, "benchmark_r2_predictor", name), 1 - v * (n - 1) / (without @ without), atol=1e-10
            )
        place = list(fit.design.terms).index("age")
        remains = left_of(numeric[:, 1:], numeric[:, :1], groups, other, x)[:, 0]
        w = fit.stacked["beta"][:, place] ** 2 * (remains @ remains) / (n - 1)
        np.testing.assert_allclose(picked(table, "benchmark_r2_outcome", "age"), w / (w + sigma2), rtol=1e-8)


@pytest.mark.parametrize(
    "formula",
    [
        "who5_followup ~ harmed + alliance + age",
        "who5_followup ~ harmed * alliance + age + (1 | country)",
        "who5_followup ~ harmed + age + (1 | clinic)",
    ],
)
def test_two_levels_are_a_column_of_0_and_1(formula: str) -> None:
    """By another way through the code: slopes of numbers against means of levels."""
    rng = np.random.default_rng(2)
    frame = rows(240, countries=3).assign(clinic=[f"c{k % 24}" for k in range(240)])
    kinds = rng.integers(0, 2, 24)
    frame["harmed"] = kinds[np.arange(240) % 24] if "clinic" in formula else rng.integers(0, 2, 240)
    fit = fitted(frame, formula=formula, draws=100, spec={"focal": "harmed"})
    one = unique_variance(fit, "harmed")
    two = unique_variance(fit, Exposure("harmed", "1", "0"))
    assert one.level == two.level == ("clinic" if "clinic" in formula else None)
    assert one.variance == pytest.approx(two.variance, rel=1e-10)
    np.testing.assert_allclose(one.left, two.left, rtol=1e-8, atol=1e-12)
    numbers, levels = confounding(fit), confounding(fit, levels=["0", "1"])
    assert numbers["factor"].fillna("").tolist() == levels["factor"].fillna("").tolist()
    np.testing.assert_allclose(numbers["mean"], levels["mean"], rtol=1e-8)


def test_the_e_value_of_shares_is_that_of_their_ratio() -> None:
    frame, options = of_family(three_arms(), "bernoulli", above=48.0)
    formula, spec = "who5_followup ~ arm + age", {"priors": {"set": "weak"}, "focal": "arm", **options}
    means = {"beta": [-0.5, 0.8, 0.3, 0.0]}
    fit = fitted(frame, formula=formula, means=means, sds={"beta": 0.01}, spec=spec)
    table = confounding(fit)
    assert table["estimand"].tolist() == ["e_value"]
    shares = []
    for level in ("care", "wait"):
        at = fit.design.evaluate(
            fit.design.frame.assign(arm=pd.Categorical([level] * len(frame), fit.design.frame["arm"].cat.categories))
        )
        shares.append((1 / (1 + np.exp(-fit.linear_predictor(at)))).mean(axis=1))
    ratio = shares[0] / shares[1]
    # Averages of an event's probability are tabulated, to a ten-thousandth of their range.
    np.testing.assert_allclose(picked(table, "e_value"), ratio + np.sqrt(ratio * (ratio - 1)), rtol=1e-3)
    assert table["denominator"].item() == "care minus wait; ratio of expected outcomes"


def test_it_is_in_a_table_with_others_and_by_name() -> None:
    fit = fitted(three_arms(), formula=FORMULAS["common"], draws=50, spec={"focal": "arm"})
    table = effects(fit, {"contrasts": {"factor": "arm"}, "confounding": {"levels": ["wait", "both"]}})
    alone = confounding(fit, levels=["wait", "both"])
    np.testing.assert_allclose(table.loc[alone.index, "mean"], alone["mean"])
    # A slope that the page is not about, and another factor than it is.
    assert "robustness_value/age" in str(confounding(fit, predictor="age").index.tolist())
    other = confounding(fit, predictor="sex", levels=["female", "male"])
    assert set(other["factor"].dropna()) == {"arm", "alliance", "age", "country"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"levels": ["wait"]}, "should be two levels of 'arm'"),
        ({"levels": ["wait", "care", "both"]}, "should be two levels"),
        ({"levels": "wait"}, "should be two levels"),
        ({"levels": ["wait", "wait"]}, "different levels"),
        ({"levels": ["wait", "nobody"]}, "has no level 'nobody'"),
        ({"predictor": "alliance", "levels": ["wait", "care"]}, "of a factor, which .*alliance.* is not"),
        ({"benchmarks": ["arm"]}, "no covariate"),
        ({"predictor": "height"}, "not a numeric predictor"),
    ],
)
def test_refused(given: dict[str, Any], message: str) -> None:
    fit = fitted(three_arms(), formula=FORMULAS["common"], draws=20, spec={"focal": "arm"})
    with pytest.raises(UsageError, match=message):
        confounding(fit, **given)


def test_levels_that_the_others_tell_have_no_figures() -> None:
    frame = three_arms().assign(points=lambda f: 2.0 * (f["arm"] == "care") + 3.0 * (f["arm"] == "both"))
    fit = fitted(frame, formula="who5_followup ~ arm + points", draws=20, spec={"focal": "arm"})
    table = confounding(fit)
    value = table[table["estimand"] == "partial_r2"].iloc[0]
    assert np.isnan(value["mean"])
    assert "combination" in value["note"]
