"""Shares of responders are average probabilities, row by row, in every family, and their differences subtract."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_bayes.effects import (
    EffectTable,
    adjusted_means,
    overall_mean,
    regression_to_mean,
    responders,
    superiority,
)
from alliance_bayes.effects.responders import AtLeast, cut_for
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import FAMILIES, Scale
from alliance_bayes.moments import moments_of
from alliance_bayes.moments.weighted import design_of_moments
from builders import fitted, of_family, rows

FORMULA = "who5_followup ~ alliance + sex + (alliance || provider_type) + (1 | country)"
LOGIT = {
    "means": {"beta": 0.1, "phi": 6.0},
    "sds": {"beta": 0.1, "u_country": 0.3, "u_provider_type": 0.3},
}
POINTS = {"means": {"nu": 5.0}, "sds": {"beta": 0.3, "u_country": 3.0, "u_provider_type": 2.0}}
# A gaussian linear predictor spans a few residual SDs here, logits a few units: interpolation errs by less than 1e-9.
ATOL = 1e-9


def frame_of(family: str, n: int = 60) -> pd.DataFrame:
    return of_family(rows(n, countries=3, seed=3), family)[0]


def built(family: str, **more: object) -> FittedModel:
    shape = POINTS if not FAMILIES[family].discrete else LOGIT
    spec = {"family": family, **more}
    return fitted(frame_of(family), formula=FORMULA, chains=2, draws=12, spec=spec, **shape)  # type: ignore[arg-type]


def probability(fit: FittedModel, eta: np.ndarray, at_least: float, cut: float, sigma: np.ndarray) -> np.ndarray:
    """P(outcome >= at_least) by SciPy's distributions; eta (n_draws, n), sigma broadcasts against it."""
    match fit.spec.family:
        case "gaussian" | "censored_gaussian":
            return stats.norm.sf(cut, eta, sigma)
        case "student_t":
            return stats.t.sf(cut, fit.stacked["nu"][:, None], eta, sigma)
        case "bernoulli":
            return 1 / (1 + np.exp(-eta))
        case "beta_binomial":
            mean, phi = 1 / (1 + np.exp(-eta)), fit.stacked["phi"][:, None]
            return stats.betabinom.sf(np.ceil(at_least / 4) - 1, 25, mean * phi, (1 - mean) * phi)
        case "poisson":
            return stats.poisson.sf(np.ceil(at_least) - 1, np.exp(eta))
        case "negative_binomial":
            alpha = fit.stacked["alpha"][:, None]
            return stats.nbinom.sf(np.ceil(at_least) - 1, alpha, alpha / (alpha + np.exp(eta)))
    level = int(np.ceil(at_least / 4))
    return 1 / (1 + np.exp(fit.stacked["cutpoints"][:, level - 1, None] - eta))


def expected(fit: FittedModel, at_least: float, cut: float, **columns: str) -> np.ndarray:
    frame = fit.design.frame.copy()
    for name, level in columns.items():
        frame[name] = pd.Series([level] * len(frame)).astype(str)
    placed = fit.design.evaluate(frame)
    sigma = np.ones((1, 1))
    if "sigma" in fit.stacked:
        sigma = fit.stacked["sigma"]
        sigma = sigma[:, None] if fit.design.residual is None else sigma[:, placed.residual]
    return fit.with_chains(probability(fit, fit.linear_predictor(placed), at_least, cut, sigma).mean(axis=1))


def draws(table: EffectTable, level: str) -> np.ndarray:
    (row,) = table.index[(table["level"] == level) & table["versus"].isna()]
    return table.draws[row]


@pytest.mark.parametrize("family", [name for name in FAMILIES if not FAMILIES[name].has_trials])
def test_shares_are_average_probabilities(family: str) -> None:
    fit = built(family)
    counts = FAMILIES[family].link == "log"
    at_least = 1.0 if family == "bernoulli" else 3.0 if counts else 32.0
    cut = at_least if FAMILIES[family].discrete else 30.0
    sign = "=" if family == "bernoulli" else ">="
    event = f"who5_followup {sign} {at_least:g}"
    table = responders(fit, at_least=at_least, factor="provider_type", population="sample")
    np.testing.assert_allclose(
        table.draws[f"share_at_least/{event}/sample"], expected(fit, at_least, cut), rtol=0, atol=ATOL
    )
    for level in ("coach", "therapist", "both"):
        np.testing.assert_allclose(
            draws(table, level), expected(fit, at_least, cut, provider_type=level), rtol=0, atol=ATOL
        )
    assert table["estimand"].tolist() == ["share_at_least"] * 4 + ["risk_difference"] * 3
    assert set(table["unit"]) == {"probability"}
    assert set(table["term"]) == {event}
    assert table["mean"][:4].between(0, 1).all()
    # A column of a common term, and a threshold that is not a value of the scale: 28.5 is the same event as 32.
    between = 1.0 if family == "bernoulli" else 2.5 if counts else 28.5
    by_sex = responders(fit, at_least=between, factor="sex", population="sample")
    np.testing.assert_allclose(draws(by_sex, "male"), expected(fit, at_least, cut, sex="male"), rtol=0, atol=ATOL)


def test_differences_are_later_minus_earlier_and_signed() -> None:
    table = responders(built("gaussian"), at_least=32, factor="provider_type", rope=(-0.05, 0.05), population="sample")
    pairs = table[table["estimand"] == "risk_difference"]
    assert list(zip(pairs["level"], pairs["versus"], strict=True)) == [
        ("therapist", "coach"),
        ("both", "coach"),
        ("both", "therapist"),
    ]
    for row, level, versus in zip(pairs.index, pairs["level"], pairs["versus"], strict=True):
        np.testing.assert_array_equal(table.draws[row], draws(table, level) - draws(table, versus))
    assert pairs["p_direction"].between(0.5, 1).all()
    assert set(pairs["rope_low"]) == {-0.05}
    assert table["p_direction"].notna().tolist() == [False] * 4 + [True] * 3
    assert table["rope_low"].notna().tolist() == [False] * 4 + [True] * 3
    chosen = responders(
        built("gaussian"), at_least=32, factor="provider_type", levels=("both", "coach"), population="sample"
    )
    assert chosen["versus"].dropna().tolist() == ["both"]


def test_without_a_factor_there_is_one_row() -> None:
    table = responders(built("gaussian"), at_least=32, population="sample")
    assert table.index.tolist() == ["share_at_least/who5_followup >= 32/sample"]
    assert table["note"].tolist() == ["cut at 30, in the middle between two values that can be observed"]
    assert responders(built("gaussian"), at_least=32, step=None, population="sample")["note"].isna().all()


def test_a_bernoulli_share_is_the_adjusted_mean() -> None:
    fit = built("bernoulli")
    for population in ("sample", "equal", "new"):
        share = responders(fit, factor="provider_type", population=population, seed=4)
        mean = adjusted_means(fit, "provider_type", population=population, seed=4)
        for level in ("coach", "therapist", "both"):
            np.testing.assert_allclose(draws(share, level), draws(mean, level), rtol=0, atol=1e-12)
        overall = overall_mean(fit, population=population, seed=4)
        # Both are interpolated, on grids that start where the first average needs them.
        np.testing.assert_allclose(
            share.draws[f"share_at_least/who5_followup = 1/{population}"],
            overall.draws[f"overall_mean/{population}"],
            rtol=0,
            atol=1e-12,
        )


def test_everybody_at_a_level_has_its_residual_sd() -> None:
    fit = fitted(
        frame_of("gaussian"),
        formula=FORMULA,
        means={"sigma": [6.0, 30.0, 15.0]},
        sds=POINTS["sds"],
        chains=2,
        draws=12,
        spec={"residual_by": "provider_type"},
    )
    table = responders(fit, at_least=60, factor="provider_type", population="sample")
    # The steepest residual SD is 6 where the linear predictor spans 50 points.
    for level in ("coach", "therapist", "both"):
        np.testing.assert_allclose(draws(table, level), expected(fit, 60, 58, provider_type=level), rtol=0, atol=ATOL)
    by_country = responders(fit, at_least=60, factor="country", population="sample")
    np.testing.assert_allclose(draws(by_country, "C1"), expected(fit, 60, 58, country="C1"), rtol=0, atol=ATOL)


def test_equal_levels_count_the_same() -> None:
    fit = built("gaussian")
    table = responders(fit, at_least=32, factor="sex", population="equal")
    cells = [
        expected(fit, 32, 30, sex="male", provider_type=p, country=c)
        for p in ("coach", "therapist", "both")
        for c in ("C0", "C1", "C2")
    ]
    np.testing.assert_allclose(draws(table, "male"), np.mean(cells, axis=0), rtol=0, atol=ATOL)


def test_a_new_level_is_one_row_without_differences() -> None:
    table = responders(built("gaussian"), at_least=32, factor="country", population="new")
    assert table["level"].fillna("").tolist() == ["", "(new level)"]
    # The same rows, added up in another order.
    np.testing.assert_allclose(*table.draws.values(), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("at_least", "step", "cut"),
    [(32, "default", 30), (28.5, "default", 30), (28, "default", 26), (4, "default", 2), (32, None, 32), (32, 2, 31)],
)
def test_scores_are_cut_between_the_values_that_can_be_observed(at_least: float, step: float, cut: float) -> None:
    assert cut_for(built("gaussian"), at_least, step) == cut


def test_a_change_of_ten_points_is_one_of_twelve_and_a_scale_without_steps_is_cut_where_asked() -> None:
    frame = rows(60).assign(who5_change=lambda f: f["who5_followup"] - f["who5_baseline"])
    change = fitted(frame, formula="who5_change ~ alliance + (1 | country)", chains=1, draws=4)
    assert [cut_for(change, at_least, "default") for at_least in (8, 10, 12, -10)] == [6, 10, 10, -10]
    scales = {"who5_followup": Scale(50, 20)}
    plain = fitted(rows(60), formula="who5_followup ~ alliance", chains=1, draws=4, spec={"scales": scales})
    assert cut_for(plain, 31.5, "default") == 31.5
    assert cut_for(plain, 31.5, 4) == 30.0


def test_a_beta_binomial_tail_is_right_where_masses_underflow() -> None:
    fit = built("beta_binomial")
    eta = np.array([[-40.0, -5.0, -0.3, 0.0, 0.3, 5.0, 40.0, 800.0]])
    for phi in (0.3, 8.0, 1e4):
        found = AtLeast((4.0, 52.0, 100.0, 101.0))(
            fit.design.family, eta, {"phi": np.array([phi])}, fit.design.outcome
        )[0]
        mean = 1 / (1 + np.exp(-eta[0]))
        a, b = np.maximum(mean * phi, 1e-300), np.maximum(phi / (1 + np.exp(eta[0].clip(None, 700))), 1e-300)
        masses = np.exp(stats.betabinom.logpmf(np.arange(26)[:, None], 25, a, b))
        # SciPy's log masses lose digits as phi grows: some 1e-16 times a log gamma of 1e5.
        for place, first in enumerate((1, 13, 25)):
            np.testing.assert_allclose(found[:, place], masses[first:].sum(axis=0), rtol=1e-8, atol=1e-12)
        assert (found[:, 3] == 0).all()


def test_a_censored_scale_has_its_ends() -> None:
    fit = built("censored_gaussian")
    eta, parameters = np.array([[20.0, 99.0]]), {"sigma": np.array([10.0])}
    found = AtLeast((0.0, 100.0, 100.5))(fit.design.family, eta, parameters, fit.design.outcome)[0]
    np.testing.assert_allclose(found, np.column_stack([[1, 1], stats.norm.sf(100, eta[0], 10), [0, 0]]), atol=1e-15)


def test_an_overall_mean_of_a_change_is_signed_and_of_a_score_is_not() -> None:
    frame = rows(60).assign(who5_change=lambda f: f["who5_followup"] - f["who5_baseline"])
    change = fitted(frame, formula="who5_change ~ alliance + (1 | country)", chains=2, draws=10)
    table = overall_mean(change, population="sample")
    expected = change.predict().mean("obs").values
    np.testing.assert_allclose(table.draws["overall_mean/sample"], expected, rtol=0, atol=1e-10)
    row = table.loc["overall_mean/sample"]
    assert (row["rope_low"], row["rope_high"], row["relevant"]) == (-2.0, 2.0, 10.0)
    assert row["p_direction"] == max((expected > 0).mean(), (expected < 0).mean())
    score = overall_mean(built("gaussian"), population="sample").loc["overall_mean/sample"]
    assert score[["p_direction", "rope_low", "relevant"]].isna().all()
    assert score["unit"] == "WHO-5 point"


@pytest.mark.parametrize(
    ("family", "arguments", "message"),
    [
        (
            "gaussian",
            {},
            "at_least should be the smallest value of 'who5_followup' that counts as a response. "
            "For example at_least=10 for a change of the WHO-5, at_least=32 for a score above 28.",
        ),
        (
            "gaussian",
            {"at_least": np.nan},
            "at_least should be a finite number but got nan. Give it in units of 'who5_followup'.",
        ),
        (
            "gaussian",
            {"at_least": 0},
            "at_least=0 counts everybody: 'who5_followup' is never below 0. Give a higher value.",
        ),
        (
            "cumulative",
            {"at_least": 101},
            "at_least=101 counts nobody: 'who5_followup' is never above 100. Give a lower value.",
        ),
        (
            "bernoulli",
            {"at_least": 10},
            "at_least=10 counts nobody: 'who5_followup' is never above 1. Give a lower value.",
        ),
        (
            "cumulative",
            {"at_least": 32, "step": 4},
            "step is for continuous families, but family 'cumulative' knows the levels of 'who5_followup'. "
            "Leave it out.",
        ),
        (
            "gaussian",
            {"at_least": 32, "step": 0},
            "step should be a finite number greater than 0, or None, but got 0.",
        ),
        (
            "gaussian",
            {"at_least": 32, "levels": ("coach", "both")},
            "levels are those of a factor, but none is given. Add factor=... or leave levels out.",
        ),
        (
            "gaussian",
            {"at_least": 32, "factor": ("sex", "country"), "levels": ("C1", "C2")},
            "levels are those of one factor, but several are given. Give one factor, or no levels.",
        ),
        (
            "gaussian",
            {"at_least": 32, "factor": "age"},
            "'age' is not a factor of this model. Its factors: provider_type, country, sex.",
        ),
    ],
)
def test_what_cannot_be_asked(family: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        responders(built(family), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["gaussian", "cumulative", "bernoulli"])
def test_a_share_among_some_rows_is_the_average_over_them(family: str) -> None:
    fit = built(family)
    among = fit.design.frame["alliance"] <= 4.5
    at_least = None if family == "bernoulli" else 32
    table = responders(fit, at_least=at_least, factor="sex", among=among, population="sample")
    sign = "= 1" if family == "bernoulli" else ">= 32"
    event = f"who5_followup {sign} among {among.sum()} of 60"
    assert set(table["term"]) == {event}
    cut = 30.0 if family == "gaussian" else 32.0
    for sex in (None, "male"):
        frame = fit.design.frame.copy()
        if sex is not None:
            frame["sex"] = pd.Series([sex] * 60).astype(str)
        eta = fit.linear_predictor(fit.design.evaluate(frame[among.to_numpy()]))
        sigma = fit.stacked["sigma"][:, None] if family == "gaussian" else np.ones((1, 1))
        found = probability(fit, eta, 32.0, cut, sigma).mean(axis=1).reshape(2, 12)
        actual = table.draws[f"share_at_least/{event}/sample"] if sex is None else draws(table, sex)
        np.testing.assert_allclose(actual, found, rtol=0, atol=ATOL)
    # Pooled levels are chosen without evaluating rows again.
    by_country = responders(fit, at_least=at_least, factor="country", among=among, population="sample")
    frame = fit.design.frame.assign(country=pd.Series(["C2"] * 60).astype(str))
    eta = fit.linear_predictor(fit.design.evaluate(frame[among.to_numpy()]))
    found = probability(fit, eta, 32.0, cut, sigma).mean(axis=1).reshape(2, 12)
    np.testing.assert_allclose(draws(by_country, "C2"), found, rtol=0, atol=ATOL)


@pytest.mark.parametrize("family", ["gaussian", "cumulative"])
def test_several_factors_are_one_after_the_other(family: str) -> None:
    fit = built(family)
    alone = {name: responders(fit, at_least=32, factor=name, population="sample") for name in ("country", "sex")}
    both = responders(fit, at_least=32, factor=["country", "sex"], population="sample")
    expected = [*alone["country"].index, *alone["sex"].index[1:]]
    assert both.index.tolist() == expected
    for table in alone.values():
        for row in table.index:
            np.testing.assert_allclose(both.draws[row], table.draws[row], rtol=0, atol=ATOL)
    # Any sequence of names, and one that is named twice counts once.
    assert (
        responders(fit, at_least=32, factor=pd.Index(["country", "sex", "country"]), population="sample").index.tolist()
        == expected
    )
    assert responders(fit, at_least=32, factor=[], population="sample").index.tolist() == expected[:1]


def test_who_counts_must_be_a_mask() -> None:
    message = (
        "among should be 60 values True or False, one for each analysed row, but got an array of int64 of shape (2,)."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        responders(built("gaussian"), at_least=32, among=[0, 1], population="sample")
    with pytest.raises(UsageError, match=r"^among picks none of the 60 analysed rows\. Pick at least one\.$"):
        responders(built("gaussian"), at_least=32, among=[False] * 60, population="sample")


def test_what_needs_the_distribution_of_predictions_needs_the_rows() -> None:
    whole = built("gaussian")
    design, moments = design_of_moments(moments_of(whole.design, spec=whole.spec), whole.spec)
    fit = replace(whole, design=design, moments=moments)
    rest = (
        "needs the analysed rows, but this fit was made from moments, which hold no row. Fit the model to the table "
        "itself, or give the rows to predict."
    )
    with pytest.raises(UsageError, match=f"^{re.escape('the share of responders ' + rest)}$"):
        responders(fit, at_least=32, population="sample")
    with pytest.raises(UsageError, match=f"^{re.escape('the probability of superiority ' + rest)}$"):
        superiority(fit, "sex", population="sample")
    with pytest.raises(UsageError, match=f"^{re.escape('regression to the mean ' + rest)}$"):
        regression_to_mean(fit, baseline="alliance", at_most=4, outcome="followup")
    np.testing.assert_allclose(
        overall_mean(fit, population="sample").draws["overall_mean/sample"],
        overall_mean(whole, population="sample").draws["overall_mean/sample"],
        rtol=0,
        atol=1e-9,
    )
