"""Models without an intercept: nothing is centred that no intercept takes up, and priors say what they are of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.errors import ModelError
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
