"""Models without an intercept: nothing is centred that no intercept takes up, and priors say what they are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.errors import ModelError
from alliance_bayes.imputation.impute import begin
from alliance_bayes.imputation.linked import Gaps
from alliance_bayes.model import ModelSpec
from alliance_bayes.model.formula import parse_formula
from alliance_bayes.moments.from_rows import moments_of
from alliance_bayes.moments.weighted import design_of_moments
from alliance_bayes.report.text import equations
from builders import rows

QUICK: dict[str, Any] = {"seed": 3, "chains": 2, "tune": 300, "draws": 300, "progress": False}


@pytest.mark.parametrize("engine", ["collapsed", "nuts"])
def test_a_line_through_the_origin_is_that_of_least_squares(engine: str) -> None:
    frame = rows(300)
    x, y = frame["alliance"].to_numpy(), frame["who5_followup"].to_numpy()
    fit = ab.Model("who5_followup ~ 0 + alliance", priors={"alliance": "Normal(0, 1000)"}).fit(
        frame, engine=engine, **QUICK
    )
    slope = fit.stacked["beta"][:, 0]
    squares = float(x @ y / (x @ x))
    assert slope.mean() == pytest.approx(squares, abs=0.3 * slope.std())
    assert fit.predict().values.mean() == pytest.approx((squares * x).mean(), rel=0.02)
    assert dict(fit.design.centres) == {"alliance": 0.0}
    assert equations(fit.design)[1] == "η = β[alliance] · alliance"


def test_a_stated_centre_is_kept_without_an_intercept() -> None:
    frame = rows(50)
    design = ModelSpec("who5_followup ~ 0 + alliance + age", centre={"age": 36.0}).design(frame)
    np.testing.assert_array_equal(design.rows.x, np.column_stack([frame["alliance"], frame["age"] - 36.0]))


@pytest.mark.parametrize(
    ("formula", "left", "centred"),
    [
        ("y ~ a + (a || g)", (), ("a",)),
        ("y ~ a + (1 | g) + (0 + a | g)", (), ("a",)),
        ("y ~ 0 + a + b", ("a", "b"), ()),
        ("y ~ a - 1 + (a | g)", ("a",), ()),
        ("y ~ a + b + (0 + a | g)", ("a",), ("b",)),
        ("y ~ a + b + (0 + a:b | g)", ("a", "b"), ()),
        ("y ~ a + b + (0 + a | g) + (a | h)", ("a",), ("b",)),
        ("y ~ a + (0 + I(a ** 2) | g)", ("I(a ** 2)",), ("a",)),
        ("y ~ a + a:c + b", ("a",), ("b",)),
        ("y ~ c + a:c + b", (), ("a", "b")),
        ("y ~ c / a", (), ("a",)),
        ("y ~ a:b + c", ("a", "b"), ()),
        ("y ~ a + a:b", ("a",), ("b",)),
        ("y ~ a * b * c - b:c", ("a",), ("b",)),
        ("y ~ a * b + a:b:c", ("a", "b"), ("c",)),
        ("y ~ a + b + (a + a:b || g)", ("a",), ("b",)),
        ("y ~ log(a) + log(a):c + a", ("log(a)",), ("a",)),
    ],
)
def test_what_no_intercept_takes_up_is_not_centred(
    formula: str, left: tuple[str, ...], centred: tuple[str, ...]
) -> None:
    parsed = parse_formula(formula)
    assert [parsed.is_centred(name) for name in (*left, *centred)] == [False] * len(left) + [True] * len(centred)


def test_a_slope_that_is_pooled_without_its_level_turns_about_zero() -> None:
    frame = rows(60)
    design = ModelSpec("who5_followup ~ alliance + age + (0 + alliance | country)").design(frame)
    np.testing.assert_array_equal(design.rows.z["country"][:, 0], frame["alliance"])
    np.testing.assert_array_equal(design.rows.x[:, 1], frame["alliance"])
    np.testing.assert_allclose(design.rows.x[:, 2].mean(), 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("right", "columns"),
    [
        ("alliance + alliance:sex", lambda x, b, male: [x, x * male]),
        ("alliance:sex", lambda x, b, male: [x * (1 - male), x * male]),
        ("sex + alliance:who5_baseline", lambda x, b, male: [male, x * b]),
        ("alliance + alliance:who5_baseline", lambda x, b, male: [x, x * b]),
        ("alliance * who5_baseline - alliance", lambda x, b, male: [b, x * b]),
    ],
)
def test_products_without_their_parts_are_the_model_that_is_written(
    right: str, columns: Callable[..., list[np.ndarray]]
) -> None:
    frame = rows(300)
    x, b = frame["alliance"].to_numpy(), frame["who5_baseline"].to_numpy()
    made = columns(x, b, (frame["sex"] == "male").to_numpy(float))
    spanned = np.column_stack([np.ones(len(frame)), *made])
    design = ModelSpec(f"who5_followup ~ {right}").design(frame)
    assert design.rows.x.shape == spanned.shape
    # Of the same model, each has the columns of the other as combinations of its own.
    size = np.abs(spanned).max(axis=0)
    left = spanned - design.rows.x @ np.linalg.lstsq(design.rows.x, spanned, rcond=None)[0]
    np.testing.assert_allclose(left / size, 0.0, atol=1e-9)


def test_arms_that_are_alike_at_the_start_differ_at_the_end() -> None:
    month = np.tile([0.0, 3.0, 6.0], 60)
    arm = np.repeat(["usual", "new"], 90)
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"month": month, "arm": arm, "score": 20 + month * (arm == "new") + rng.normal(0, 1, 180)})
    fit = ab.Model("score ~ month + month:arm", focal="month").fit(frame, **QUICK)
    truth = np.linalg.lstsq(
        np.column_stack([np.ones(180), month, month * (arm == "usual")]), frame["score"], rcond=None
    )[0]
    found = fit.contrasts("arm", at={"month": [0, 6]}).query("estimand == 'contrast_of_means'").set_index("at")["mean"]
    assert found["month = 0"] == pytest.approx(0.0, abs=1e-12)
    # Weak priors draw the estimate by less than a twentieth of its standard error, 0.05.
    assert found["month = 6"] == pytest.approx(6 * truth[2], abs=0.02)


def test_years_are_no_further_from_zero_than_the_prior_of_the_intercept_allows() -> None:
    rng = np.random.default_rng(6)
    year, site = np.repeat(np.arange(2010.0, 2020.0), 20), np.tile(list("abcdefghij"), 20)
    frame = pd.DataFrame({"year": year, "site": site, "score": 20 + 1.5 * (year - 2010) + rng.normal(0, 2, 200)})
    slope = float(np.polyfit(year - 2010, frame["score"], 1)[0])
    spec = ModelSpec("score ~ year + (0 + year | site)")
    design = spec.design(frame)
    priors = spec.priors_for(design)
    level, own = priors["Intercept"].prior.arguments, priors["year"].prior.arguments["sigma"]
    outcome = frame["score"].std()
    assert level["mu"] == pytest.approx(frame["score"].mean())
    assert level["sigma"] == pytest.approx(np.hypot(2.5 * outcome, own * year.mean()))
    assert "with 'year' at 0, which" in priors["Intercept"].reason
    fit = ab.Model("score ~ year + (0 + year | site)").fit(frame, **QUICK)
    # Ten sites' own slopes, which are nothing here, leave the mean within its SD of least squares.
    found = fit.slopes().set_index("estimand").loc["slope"]
    assert found["mean"] == pytest.approx(slope, abs=found["sd"])
    assert found["sd"] < 0.2


def test_a_stated_centre_far_from_everybody_leaves_the_slope_as_it_is() -> None:
    rng = np.random.default_rng(7)
    year = np.repeat(np.arange(2010.0, 2020.0), 20)
    frame = pd.DataFrame({"year": year, "score": 20 + 1.5 * (year - 2010) + rng.normal(0, 2, 200)})
    slope = float(np.polyfit(year - 2010, frame["score"], 1)[0])
    for centre in ({}, {"year": 0.0}, {"year": 2100.0}):
        fit = ab.Model("score ~ year", centre=centre).fit(frame, **QUICK)
        found = fit.slopes().set_index("estimand").loc["slope"]
        # The standard error is 0.05, and weak priors draw the estimate by less than a tenth of it.
        assert found["mean"] == pytest.approx(slope, abs=0.01), centre
    start = ModelSpec("score ~ year")
    near = ModelSpec("score ~ year", centre={"year": 2012.0})
    level = start.priors_for(start.design(frame))["Intercept"]
    assert near.priors_for(near.design(frame))["Intercept"] == level


def test_the_prior_at_zero_is_what_the_other_priors_make_of_it() -> None:
    frame = rows(200)
    prior = {"alliance": "Normal(3, 0.5)", "alliance:sex[male]": "StudentT(4, 0, 1)"}
    spec = ModelSpec("who5_followup ~ alliance + alliance:sex + age", priors=prior)
    level = spec.priors_for(spec.design(frame))["Intercept"].prior.arguments
    start = ModelSpec("who5_followup ~ alliance + age").priors["Intercept"].prior.arguments
    mean = spec.design(frame).scales["alliance"].mean
    assert level["mu"] == pytest.approx(start["mu"] - 3 * mean)
    assert level["sigma"] == pytest.approx(np.sqrt(start["sigma"] ** 2 + (0.5 * mean) ** 2 + mean**2))
    centred = ModelSpec("who5_followup ~ alliance * sex + age", priors=prior)
    assert centred.priors_for(centred.design(frame))["Intercept"].prior.arguments == start


def test_a_residual_sd_has_products_as_they_are_written() -> None:
    frame = rows(200)
    design = ModelSpec("who5_followup ~ alliance + age", sigma="~ age + age:sex").design(frame)
    male = (frame["sex"] == "male").to_numpy(float)
    np.testing.assert_array_equal(design.rows.sigma, np.column_stack([frame["age"], frame["age"] * male]))


def test_an_incomplete_column_is_left_where_a_complete_one_is() -> None:
    frame = rows(120)
    frame.loc[:9, "alliance"] = np.nan
    for right, centred in (("alliance + alliance:sex", False), ("alliance * sex", True)):
        stated, _, filled = begin(ModelSpec(f"who5_followup ~ {right}", missing="impute"), Gaps.of(frame), seed=1)
        assert (stated.design(filled).centres["alliance"] != 0.0) == centred


def test_moments_are_left_where_the_rows_are() -> None:
    frame = rows(200)
    for formula in ("who5_followup ~ 0 + alliance + age", "who5_followup ~ alliance + age + (0 + alliance | country)"):
        spec = ModelSpec(formula)
        expected = spec.design(frame)
        for made_for in (formula, "who5_followup ~ alliance + age + (0 + alliance | country)"):
            design, _ = design_of_moments(moments_of(ModelSpec(made_for).design(frame)), spec)
            assert dict(design.centres) == pytest.approx(dict(expected.centres), abs=1e-9)
            sums = design.rows.x.T @ (design.weights[:, None] * design.rows.x)
            np.testing.assert_allclose(sums, expected.rows.x.T @ expected.rows.x, rtol=1e-9, atol=1e-9)


def test_priors_without_an_intercept_cover_the_level_of_the_outcome() -> None:
    frame = rows(100)
    spec = ModelSpec("who5_followup ~ 0 + alliance", priors="literature")
    prior = spec.priors_for(spec.design(frame))["alliance"]
    squares = float(frame["alliance"] @ frame["who5_followup"] / (frame["alliance"] @ frame["alliance"]))
    assert prior.prior.arguments["mu"] == 0.0
    assert squares < 1.5 * prior.prior.arguments["sigma"]
    assert "no intercept" in prior.reason
    assert spec.priors["alliance"] == prior
    about = ModelSpec("who5_followup ~ 0 + alliance", centre={"alliance": 4.5})
    assert about.priors_for(about.design(frame))["alliance"].prior.arguments["sigma"] > 5 * squares


def test_priors_of_levels_are_those_of_an_intercept() -> None:
    frame = rows(100)
    level = ModelSpec("who5_followup ~ 1").priors["Intercept"].prior
    table = (spec := ModelSpec("who5_followup ~ 0 + sex + provider_type")).priors_for(spec.design(frame))
    assert [table[f"sex[{name}]"].prior for name in ("female", "male")] == [level, level]
    assert table["provider_type[both]"].prior != level
    assert "sex" not in spec.priors


def test_an_ordinal_model_has_its_cutpoints() -> None:
    with pytest.raises(ModelError, match="cutpoints of family 'cumulative' are its intercepts"):
        ModelSpec("who5_followup ~ 0 + alliance", family="cumulative")


@pytest.mark.parametrize(
    ("formula", "options", "what"),
    [
        ("y ~ year + (0 + year | country)", {"family": "cumulative"}, "the cutpoints of family 'cumulative'"),
        ("y ~ year", {"family": "cumulative", "centre": {"year": 0.0}}, "the cutpoints of family 'cumulative'"),
        ("y ~ age", {"sigma": "~ year + year:sex"}, "the residual SD"),
    ],
)
def test_what_has_its_prior_at_zero_is_not_far_from_the_rows(formula: str, options: dict[str, Any], what: str) -> None:
    frame = rows(60).assign(year=2010.0 + np.arange(60) % 10, y=1.0 + np.arange(60) % 4)
    with pytest.raises(ModelError) as caught:
        ModelSpec(formula, **options).design(frame)
    assert str(caught.value) == (
        f"'year' is not centred in this model, and {what} would have the prior at 0, far from its values (2010 to "
        "2019), which draws its coefficient to nothing. Subtract a constant from the column in the table, or state "
        "one: centre={'year': 2014.5}."
    )
    stated = ModelSpec(formula, **{**options, "centre": {"year": 2014.5}}).design(frame)
    assert stated.centres["year"] == 2014.5
