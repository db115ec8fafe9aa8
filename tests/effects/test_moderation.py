"""Slopes at values of a moderator: exact in linear models, derivatives of averages in others."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from alliance_bayes.effects import contrasts, equivalence, moderation, slopes
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.moments import moments_of
from alliance_bayes.moments.weighted import design_of_moments
from builders import fitted, rows

FORMULA = (
    "who5_followup ~ alliance + who5_baseline + n_sessions + alliance:who5_baseline + alliance:n_sessions"
    " + alliance:sex + sex + (alliance || country)"
)


@pytest.fixture(scope="module")
def fit() -> FittedModel:
    return fitted(rows(80, countries=3), formula=FORMULA, chains=2, draws=20, spec={"priors": "weak"})


def beta(fit: FittedModel, term: str) -> np.ndarray:
    return fit.posterior["beta"].sel(term=term).values


def test_the_difference_is_the_products_coefficient_times_the_distance(fit: FittedModel) -> None:
    table = moderation(fit, population="sample")
    assert table["estimand"].tolist() == ["slope_at", "slope_at", "difference_in_slope"] * 2
    assert table["factor"].tolist() == ["who5_baseline"] * 3 + ["n_sessions"] * 3
    assert table["unit"].tolist() == ["WHO-5 point per alliance point"] * 6
    alliance = np.quantile(fit.design.frame["alliance"], (0.1, 0.9))
    # A difference of slopes is judged over this step, against half of the two points.
    np.testing.assert_allclose(table["rope_high"], [np.nan, np.nan, 1 / np.diff(alliance)[0]] * 2, rtol=1e-12)
    # The smallest relevant change is ten points, and no slope is in points.
    assert table[["relevant", "p_relevant"]].isna().all(axis=None)
    for place, name in ((0, "who5_baseline"), (3, "n_sessions")):
        low, high = np.quantile(fit.design.frame[name], (0.1, 0.9))
        labels = [f"{name} = {low:.4g}", f"{name} = {high:.4g}"]
        assert table["level"].iloc[place : place + 3].tolist() == [*labels, labels[1]]
        assert table["versus"].iloc[place : place + 3].fillna("").tolist() == ["", "", labels[0]]
        draws = [table.draws[table.index[place + k]] for k in range(3)]
        # A difference quotient with a step of 1e-4 SD multiplies rounding by 1e4.
        np.testing.assert_allclose(draws[2], beta(fit, f"alliance:{name}") * (high - low), rtol=0, atol=1e-9)
        np.testing.assert_array_equal(draws[2], draws[1] - draws[0])


def test_a_slope_at_the_mean_of_the_moderator_is_the_average_slope(fit: FittedModel) -> None:
    mean = float(fit.design.frame["who5_baseline"].mean())
    table = moderation(fit, moderators={"who5_baseline": (mean, mean + 10)}, population="sample")
    assert table["level"].iloc[0] == f"who5_baseline = {mean:.4g}"
    np.testing.assert_allclose(
        table.draws[table.index[0]], slopes(fit, population="sample").draws["slope/alliance/sample"], rtol=0, atol=1e-9
    )
    (one,) = table.index[table["estimand"] == "difference_in_slope"]
    np.testing.assert_allclose(table.draws[one], 10 * beta(fit, "alliance:who5_baseline"), rtol=0, atol=1e-9)


def test_any_of_two_may_be_the_predictor(fit: FittedModel) -> None:
    table = moderation(fit, predictor="who5_baseline", quantiles=(0.25, 0.75), population="sample")
    low, high = np.quantile(fit.design.frame["alliance"], (0.25, 0.75))
    assert table["versus"].dropna().tolist() == [f"alliance = {low:.4g}"]
    np.testing.assert_allclose(
        table.draws[table.index[2]], beta(fit, "alliance:who5_baseline") * (high - low), rtol=0, atol=1e-9
    )


def test_families_that_are_not_linear_have_the_slope_of_the_average_outcome() -> None:
    fit = fitted(
        rows(60),
        formula="who5_followup ~ alliance * who5_baseline",
        means={"beta": [0.0, 0.2, 0.02, 0.01]},
        sds={"beta": 0.002},
        chains=1,
        draws=10,
        spec={"family": "beta_binomial"},
    )
    table = moderation(fit, moderators={"who5_baseline": (20, 60)}, population="sample")

    def average(value: float, shift: float) -> np.ndarray:
        frame = fit.design.frame.assign(who5_baseline=float(value))
        return fit.predict(frame.assign(alliance=frame["alliance"] + shift)).mean("obs").values

    for row, value in zip(table.index[:2], (20, 60), strict=True):
        slope = (average(value, 1e-3) - average(value, -1e-3)) / 2e-3
        # Interpolated by cubics: 1e-5 of a slope of about 5; the quotient here errs by 1e-6.
        np.testing.assert_allclose(table.draws[row], slope, rtol=0, atol=1e-4)


def test_a_difference_can_be_judged_and_reads_well(fit: FittedModel) -> None:
    table = moderation(fit, moderators={"who5_baseline": (20, 64)}, population="sample")
    (row,) = table.index[table["estimand"] == "difference_in_slope"]
    assert row == "difference_in_slope/alliance/who5_baseline=who5_baseline = 64 vs who5_baseline = 20/sample"
    said = equivalence(table.loc[[row]], margin=100)["statement"].tolist()
    assert said == [
        "The slope of alliance at who5_baseline = 64 differs from that at who5_baseline = 20 by less than "
        "100 WHO-5 points per alliance point with probability above .99 (the prior's: above .99)."
    ]


def test_moments_need_values() -> None:
    whole = fitted(
        rows(80),
        formula="who5_followup ~ alliance * who5_baseline + (1 | country)",
        chains=1,
        draws=10,
        spec={"priors": "weak"},
    )
    design, moments = design_of_moments(moments_of(whole.design, spec=whole.spec), whole.spec)
    fit = replace(whole, design=design, moments=moments)
    message = (
        "quantiles need the analysed rows, and this fit was made from moments. Give two values of 'who5_baseline' "
        "instead, the lower first: moderators=..."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        moderation(fit, population="sample")
    spans = {"who5_baseline": (20.0, 64.0)}
    ours, theirs = (
        moderation(fit, moderators=spans, population="sample"),
        moderation(whole, moderators=spans, population="sample"),
    )
    for one, other in zip(ours.draws.values(), theirs.draws.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-8)


def test_a_moderator_that_hardly_varies_is_left_out_or_refused() -> None:
    frame = rows(80).assign(n_sessions=[1.0] * 76 + [9.0] * 4)
    fit = fitted(frame, formula=FORMULA, chains=1, draws=4, spec={"priors": "weak"})
    table = moderation(fit, population="sample")
    assert set(table["factor"]) == {"who5_baseline"}
    assert table.left_out == ("moderation by 'n_sessions': both quantiles of 'n_sessions', 0.1 and 0.9, are 1",)
    message = "both quantiles of 'n_sessions', 0.1 and 0.9, are 1. Give two values instead: moderators=..."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        moderation(fit, moderators=["n_sessions"], population="sample")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"moderators": ["sex"]},
            "moderators should be columns that a common term multiplies 'alliance' with, but got 'sex'. Numeric "
            "moderators of 'alliance': "
            "who5_baseline, n_sessions.",
        ),
        (
            {"moderators": []},
            "moderators should be columns that a common term multiplies 'alliance' with, but got none. Numeric "
            "moderators of 'alliance': "
            "who5_baseline, n_sessions.",
        ),
        ({"moderators": "sex"}, "moderators should be a sequence of names but got 'sex'. Write ['sex']."),
        (
            {"moderators": {"n_sessions": (5, 1)}},
            "the values of 'n_sessions' should be two finite numbers, the lower first, but got (5, 1).",
        ),
        (
            {"quantiles": (0.9, 0.1)},
            "quantiles should be two numbers between 0 and 1, the lower first, but got (0.9, 0.1).",
        ),
    ],
)
def test_what_cannot_be_asked(fit: FittedModel, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        moderation(fit, **arguments)  # type: ignore[arg-type]


def test_a_model_without_numeric_products_points_to_contrasts() -> None:
    fit = fitted(rows(60), formula="who5_followup ~ alliance * sex + (alliance || country)", chains=1, draws=4)
    message = (
        "no common term multiplies 'alliance' with another numeric column, so it has no numeric moderator. Add one to "
        "the formula ('alliance:who5_baseline'); for factors use contrasts(fit, factor, of='slope')."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        moderation(fit, population="sample")
    assert len(contrasts(fit, "sex", of="slope", population="sample")) == 2
