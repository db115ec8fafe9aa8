"""What of a change is regression to the mean: exact from the slope, on data with no change at all, and edges."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.effects import regression_to_mean
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Scale
from builders import fitted, rows

CHANGE = "who5_change ~ who5_baseline + age + (1 | country)"
FOLLOWUP = "who5_followup ~ who5_baseline + age + (1 | country)"
ESTIMANDS = [
    "mean_change",
    "mean_change_selected",
    "regression_to_mean",
    "change_beyond_regression",
    "share_of_regression",
]


def frame(n: int = 120, seed: int = 1) -> pd.DataFrame:
    return rows(n, countries=3, seed=seed).assign(who5_change=lambda f: f["who5_followup"] - f["who5_baseline"])


def built(formula: str = CHANGE, **more: object) -> FittedModel:
    slope = -0.5 if "change" in formula else 0.5
    level = 4.0 if "change" in formula else 45.0
    return fitted(
        frame(),
        formula=formula,
        means={"beta": [level, slope, 0.1]},
        sds={"beta": [0.5, 0.05, 0.02], "u_country": 1.0},
        chains=2,
        draws=20,
        spec=more,
    )


def test_every_part_is_exact_for_a_change() -> None:
    fit = built()
    table = regression_to_mean(fit, at_most=28)
    draws = dict(zip(table["estimand"], table.draws.values(), strict=True))
    assert list(draws) == ESTIMANDS
    baseline = fit.design.frame["who5_baseline"].to_numpy()
    low = baseline <= 28
    expected = fit.predict().values
    part = fit.posterior["beta"].sel(term="who5_baseline").values * (baseline[low].mean() - baseline.mean())
    # Rounding only: everything is linear.
    np.testing.assert_allclose(draws["mean_change"], expected.mean(axis=2), rtol=0, atol=1e-10)
    np.testing.assert_allclose(draws["mean_change_selected"], expected[:, :, low].mean(axis=2), rtol=0, atol=1e-10)
    np.testing.assert_allclose(draws["regression_to_mean"], part, rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        draws["change_beyond_regression"], expected[:, :, low].mean(axis=2) - part, rtol=0, atol=1e-10
    )
    np.testing.assert_allclose(draws["share_of_regression"], part / expected[:, :, low].mean(axis=2), rtol=1e-10)
    assert (draws["regression_to_mean"] > 0).all()
    observed = fit.design.outcome.values[low].mean()
    assert table["note"].fillna("").tolist() == [
        "",
        f"observed: {observed:.4g}",
        "",
        "",
        "",
    ]
    assert table["level"].fillna("").tolist() == ["", *["at most 28"] * 4]
    assert table["unit"].tolist() == ["WHO-5 point"] * 4 + ["share of change"]
    assert table["rope_high"].fillna(0).tolist() == [2.0] * 4 + [0.0]
    assert table["relevant"].fillna(0).tolist() == [10.0] * 4 + [0.0]
    assert table.index.tolist() == [
        "mean_change/who5_baseline/sample",
        *(f"{name}/who5_baseline/who5_baseline=at most 28/sample" for name in ESTIMANDS[1:]),
    ]


def test_a_model_of_the_follow_up_tells_the_same() -> None:
    change = built()
    followup = built(FOLLOWUP)
    beta = change.tree["posterior"]["beta"].values
    baseline = change.design.frame["who5_baseline"].to_numpy()
    # The same regression, written for the follow-up: one more in the slope, the mean baseline more in the intercept.
    followup.tree["posterior"]["beta"].values[:] = beta + np.array([baseline.mean(), 1.0, 0.0])
    followup.tree["posterior"]["u_country"].values[:] = change.tree["posterior"]["u_country"].values
    one, other = regression_to_mean(change, at_most=28), regression_to_mean(followup, at_most=28)
    for first, second in zip(one.draws.values(), other.draws.values(), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-10, atol=1e-10)
    assert one["note"].fillna("").tolist() == other["note"].fillna("").tolist()


def test_noise_alone_is_all_regression() -> None:
    # Two measurements of the same people, correlated .5, with the same mean: no one changes, the low seem to gain.
    rng = np.random.default_rng(3)
    true, n = rng.normal(50, 14, 4000), 4000
    data = pd.DataFrame({"score_baseline": true + rng.normal(0, 14, n), "score_followup": true + rng.normal(0, 14, n)})
    x, y = data["score_baseline"], data["score_followup"]
    slope = np.cov(x, y)[0, 1] / x.var()
    fit = fitted(
        data,
        formula="score_followup ~ score_baseline",
        means={"beta": [y.mean(), slope]},
        sds={"beta": 0.0, "sigma": 0.0},
        chains=1,
        draws=4,
        spec={"scales": {"score_baseline": Scale(50, 20), "score_followup": Scale(50, 20)}, "priors": "weak"},
    )
    table = regression_to_mean(fit, predictor="score_baseline", at_most=30).set_index("estimand")
    # The share's sampling error: the mean change of everybody, SE 20 / sqrt(4000) = 0.3, of a gain of about 13 points.
    assert table.loc["share_of_regression", "mean"] == pytest.approx(1.0, abs=4 * 0.3 / 13)
    # Least squares: without other terms, what is left is the mean change of everybody, to rounding.
    assert table.loc["change_beyond_regression", "mean"] == pytest.approx(float((y - x).mean()), abs=1e-9)
    assert table.loc["mean_change", "mean"] == pytest.approx(float((y - x).mean()), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(mask=st.lists(st.booleans(), min_size=120, max_size=120).filter(lambda m: 0 < sum(m) < 120))
def test_the_parts_add_up_whoever_is_selected(mask: list[bool]) -> None:
    table = regression_to_mean(built(), selected=mask)
    draws = dict(zip(table["estimand"], table.draws.values(), strict=True))
    whole = draws["regression_to_mean"] + draws["change_beyond_regression"]
    np.testing.assert_allclose(whole, draws["mean_change_selected"], rtol=0, atol=1e-12)
    assert table["level"].dropna().unique().tolist() == ["selected"]


def test_a_share_of_a_change_that_may_be_zero_says_so() -> None:
    frame_ = frame()
    baseline = frame_["who5_baseline"].to_numpy()
    low = baseline <= 28
    shift = 0.5 * (baseline[low].mean() - baseline.mean())
    fit = fitted(
        frame_,
        formula="who5_change ~ who5_baseline + (1 | country)",
        means={"beta": [shift, -0.5]},
        sds={"beta": [1.0, 0.0], "u_country": 0.0},
        chains=2,
        draws=200,
    )
    table = regression_to_mean(fit, at_most=28).set_index("estimand")
    selected = table.loc["mean_change_selected"]
    assert selected["lower"] < 0 < selected["upper"]
    assert table.loc["share_of_regression", "note"] == (
        f"the change of the selected may be zero (89% interval {selected['lower']:.3g} to {selected['upper']:.3g}), "
        "so that a share of it means little"
    )


NEITHER = "give either at_most, the highest baseline that is selected, or selected, a mask of the analysed rows."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, NEITHER),
        ({"at_most": 28, "selected": [True] * 120}, NEITHER),
        (
            {"selected": [1.0] * 120},
            "selected should be 120 values True or False, one for each analysed row, but got an array of float64 of "
            "shape (120,).",
        ),
        (
            {"selected": [True, False]},
            "selected should be 120 values True or False, one for each analysed row, but got an array of bool of "
            "shape (2,).",
        ),
        (
            {"selected": [False] * 120},
            "selected picks none of the 120 analysed rows. Pick at least one.",
        ),
        (
            {"at_most": 100},
            "the selection has all of the 120 analysed rows, so there is nothing to split. The model is of everybody, "
            "and the selected are some of them.",
        ),
        (
            {"at_most": -1},
            "the selection has none of the 120 analysed rows, so there is nothing to split. The model is of everybody, "
            "and the selected are some of them.",
        ),
        (
            {"at_most": 28, "outcome": "gain"},
            "outcome should be one of 'default', 'change', 'followup' but got 'gain'.",
        ),
        (
            {"at_most": 28, "predictor": "alliance"},
            "'alliance' is not a numeric predictor of this model. Numeric predictors: who5_baseline, age.",
        ),
    ],
)
def test_what_cannot_be_asked(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        regression_to_mean(built(), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("formula", "what"),
    [
        ("who5_change ~ alliance * who5_baseline", "'who5_baseline' is also in 'alliance:who5_baseline'"),
        (
            "who5_change ~ who5_baseline + (who5_baseline || country)",
            "'who5_baseline' is also in 'who5_baseline|country'",
        ),
        ("who5_change ~ age + s(who5_baseline, k=4)", "'who5_baseline' is also in 's(who5_baseline)'"),
        ("who5_change ~ age + log(who5_baseline + 1)", "'who5_baseline' is not a common term of its own"),
    ],
)
def test_one_straight_line_is_needed(formula: str, what: str) -> None:
    fit = fitted(frame(), formula=formula, chains=1, draws=4, spec={"priors": "weak", "autoscale": True})
    message = (
        f"regression to the mean is one slope times a difference of means, but in this model {what}. "
        "Fit a model with 'who5_baseline' as a plain common term only."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        regression_to_mean(fit, at_most=28)


def test_families_and_outcomes_that_do_not_say_a_change_are_refused() -> None:
    fit = fitted(frame(), formula=FOLLOWUP, means={"beta": 0.1}, chains=1, draws=4, spec={"family": "beta_binomial"})
    message = (
        "regression to the mean is read off a linear regression, but the expected outcome of family 'beta_binomial' is "
        "not linear. Fit family 'gaussian' or 'student_t'."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        regression_to_mean(fit, at_most=28)
    data = frame().rename(columns={"who5_change": "gain"})
    fit = fitted(
        data,
        formula="gain ~ who5_baseline",
        chains=1,
        draws=4,
        spec={"scales": {"gain": Scale(0, 20)}, "priors": "weak"},
    )
    message = (
        "nothing tells whether 'gain' is a change or a follow-up score on the scale of 'who5_baseline'. "
        "Say outcome='change' or outcome='followup'."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        regression_to_mean(fit, at_most=28)
    assert len(regression_to_mean(fit, at_most=28, outcome="change")) == 5
