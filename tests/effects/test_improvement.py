"""The share of people who improve is the average of their own probabilities, in every family."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_bayes.effects import improvement, responders
from alliance_bayes.effects.improvement import improvement_of
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import FAMILIES
from builders import fitted, rows

FORMULA = "who5_followup ~ alliance + who5_baseline + (alliance || provider_type)"
LOGIT = {"means": {"beta": 0.1, "phi": 6.0}, "sds": {"beta": 0.02}}
POINTS = {"means": {"nu": 5.0}, "sds": {"beta": 0.1}}
SCORES = [name for name in FAMILIES if not FAMILIES[name].event]


def built(family: str) -> FittedModel:
    shape = LOGIT if FAMILIES[family].discrete else POINTS
    return fitted(rows(80, seed=3), formula=FORMULA, chains=2, draws=10, spec={"family": family}, **shape)  # type: ignore[arg-type]


def chances(fit: FittedModel, by: float) -> np.ndarray:
    """P(outcome >= baseline + by) of every draw and row, by SciPy, one row at a time."""
    eta, start = fit.linear_predictor(), fit.design.frame["who5_baseline"].to_numpy(float)
    # The level of the 0-100 scale in steps of 4 that counts, and the middle below it.
    level = np.ceil((start + by) / 4)
    cut = 4 * level - 2
    draws = fit.stacked
    match fit.spec.family:
        case "gaussian" | "censored_gaussian":
            found = stats.norm.sf(cut, eta, draws["sigma"][:, None])
        case "student_t":
            found = stats.t.sf(cut, draws["nu"][:, None], eta, draws["sigma"][:, None])
        case "beta_binomial":
            mean, phi = 1 / (1 + np.exp(-eta)), draws["phi"][:, None]
            found = stats.betabinom.sf(level - 1, 25, mean * phi, (1 - mean) * phi)
        case "poisson":
            found = stats.poisson.sf(np.ceil(start + by) - 1, np.exp(eta))
        case "negative_binomial":
            alpha = draws["alpha"][:, None]
            found = stats.nbinom.sf(np.ceil(start + by) - 1, alpha, alpha / (alpha + np.exp(eta)))
        case _:
            place = np.clip(level.astype(int) - 1, 0, 24)
            found = 1 / (1 + np.exp(draws["cutpoints"][:, place] - eta))
    return np.where(start + by > 100, 0.0, found)


@pytest.mark.parametrize("family", SCORES)
@pytest.mark.parametrize("by", [10.0, 20.0])
def test_it_is_the_average_of_everybodys_own_probability(family: str, by: float) -> None:
    fit = built(family)
    table = improvement(fit, by=by)
    assert table["term"].tolist() == [f"who5_followup - who5_baseline >= {by:g}"]
    # The table of a standard distribution is interpolated with an error below 1e-7.
    np.testing.assert_allclose(
        table.draws[table.index[0]], fit.with_chains(chances(fit, by).mean(axis=1)), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("family", ["gaussian", "beta_binomial"])
def test_it_may_be_about_some_people_only(family: str) -> None:
    fit = built(family)
    low = fit.design.frame["who5_baseline"].to_numpy(float) <= 28
    table = improvement(fit, among=low)
    assert table["term"].tolist() == [f"who5_followup - who5_baseline >= 10 among {low.sum()} of 80"]
    np.testing.assert_allclose(
        table.draws[table.index[0]], fit.with_chains(chances(fit, 10)[:, low].mean(axis=1)), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("family", SCORES)
def test_several_groups_are_rows(family: str) -> None:
    fit = built(family)
    start = fit.design.frame["who5_baseline"].to_numpy(float)
    groups = [start <= 28, None, start > 28]
    table = improvement_of(fit, groups)
    assert table["term"].tolist() == [
        f"who5_followup - who5_baseline >= 10{among}"
        for among in (f" among {(start <= 28).sum()} of 80", "", f" among {(start > 28).sum()} of 80")
    ]
    for row, group in zip(table.index, groups, strict=True):
        expected = chances(fit, 10)[:, slice(None) if group is None else group].mean(axis=1)
        np.testing.assert_allclose(table.draws[row], fit.with_chains(expected), rtol=0, atol=1e-7)


def test_who_starts_too_high_cannot_improve() -> None:
    fit = built("gaussian")
    high = fit.design.frame["who5_baseline"].to_numpy(float) > 60
    assert high.any()
    table = improvement(fit, by=40.0, among=high)
    np.testing.assert_array_equal(table.draws[table.index[0]], 0.0)


def test_people_with_one_baseline_are_responders() -> None:
    fit = built("gaussian")
    same = fit.design.frame["who5_baseline"].to_numpy(float) == 40.0
    assert same.sum() > 1
    ours, theirs = improvement(fit, among=same), responders(fit, at_least=52, among=same)
    np.testing.assert_allclose(ours.draws[ours.index[0]], theirs.draws[theirs.index[0]], rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"baseline": "age"}, "'age' is not a numeric predictor of this model"),
        ({"by": 0.0}, "by should be a finite number of points greater than 0 but got 0.0."),
        ({"among": np.zeros(80, dtype=bool)}, "among picks none of the 80 analysed rows."),
        ({"among": np.ones((2, 80), dtype=bool)}, "an array of bool of shape (2, 80)."),
        ({"among": True}, "an array of bool of shape ()."),
        ({"prob": 1.0}, "prob should be in the interval (0, 1)"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        improvement(built("gaussian"), **options)  # type: ignore[arg-type]


def symptoms(family: str) -> FittedModel:
    frame = rows(80, seed=3)
    frame["phq9_baseline"], frame["phq9_followup"] = np.arange(80) % 28, np.arange(80)[::-1] % 28
    formula = "phq9_followup ~ alliance + phq9_baseline"
    shape = (
        LOGIT if FAMILIES[family].discrete else {"means": {"beta": [12.0, -1.0, 0.4], "nu": 5.0}, "sds": {"beta": 0.1}}
    )
    return fitted(frame, formula=formula, chains=2, draws=10, spec={"family": family}, **shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["gaussian", "student_t", "beta_binomial", "cumulative", "poisson"])
def test_fewer_symptoms_are_an_improvement(family: str) -> None:
    """P(outcome <= baseline - 5) by SciPy, 5 points being the smallest relevant change of the PHQ-9."""
    fit = symptoms(family)
    table = improvement(fit, baseline="phq9_baseline")
    assert table["term"].tolist() == ["phq9_baseline - phq9_followup >= 5"]
    eta, level, draws = fit.linear_predictor(), fit.design.frame["phq9_baseline"].to_numpy(float) - 5, fit.stacked
    match family:
        case "gaussian":
            found = stats.norm.cdf(level + 0.5, eta, draws["sigma"][:, None])
        case "student_t":
            found = stats.t.cdf(level + 0.5, draws["nu"][:, None], eta, draws["sigma"][:, None])
        case "beta_binomial":
            mean, phi = 1 / (1 + np.exp(-eta)), draws["phi"][:, None]
            found = stats.betabinom.cdf(level, 27, mean * phi, (1 - mean) * phi)
        case "poisson":
            found = stats.poisson.cdf(level, np.exp(eta))
        case _:
            place = np.clip(level.astype(int), 0, 26)
            found = 1 / (1 + np.exp(eta - draws["cutpoints"][:, place]))
    expected = np.where(level < 0, 0.0, found).mean(axis=1)
    np.testing.assert_allclose(table.draws[table.index[0]], fit.with_chains(expected), rtol=0, atol=1e-7)


def test_what_counts_as_improved_is_asked_for_where_it_is_not_known() -> None:
    frame = rows(80, seed=3).assign(score=np.arange(80) % 28, before=np.arange(80)[::-1] % 28)
    fit = fitted(frame, formula="score ~ alliance + before", chains=2, draws=10)
    with pytest.raises(UsageError) as caught:
        improvement(fit, baseline="before")
    assert str(caught.value) == (
        "no smallest relevant change of 'score' is known, so nothing tells what counts as improved. Give it in points: "
        "by=..."
    )
    assert improvement(fit, baseline="before", by=3)["term"].tolist() == ["score - before >= 3"]


def cumulative(fit: FittedModel, at_most: np.ndarray, eta: np.ndarray | None = None) -> np.ndarray:
    """P(outcome <= so much) of a Gaussian or beta-binomial PHQ-9 by SciPy, shape (n_draws, n_rows)."""
    eta = fit.linear_predictor() if eta is None else eta
    level, draws = np.floor(at_most + 1e-9), fit.stacked
    if fit.spec.family == "gaussian":
        return np.asarray(stats.norm.cdf(level + 0.5, eta, draws["sigma"][:, None]))
    mean, phi = 1 / (1 + np.exp(-eta)), draws["phi"][:, None]
    return np.asarray(stats.betabinom.cdf(level, 27, mean * phi, (1 - mean) * phi))


@pytest.mark.parametrize("family", ["gaussian", "beta_binomial"])
@pytest.mark.parametrize(
    ("options", "term"),
    [
        ({"share": 0.5}, "phq9_followup <= 0.5 x phq9_baseline"),
        ({"to": 9}, "phq9_followup <= 9"),
        ({"by": 6, "to": 9}, "phq9_baseline - phq9_followup >= 6 and phq9_followup <= 9"),
        ({"share": 0.5, "to": 9}, "phq9_followup <= 0.5 x phq9_baseline and phq9_followup <= 9"),
    ],
)
def test_a_response_a_cut_off_and_a_significant_change(family: str, options: dict[str, float], term: str) -> None:
    fit = symptoms(family)
    start = fit.design.frame["phq9_baseline"].to_numpy(float)
    cases = start >= 10
    # The baseline is the predictor of the outcome's instrument.
    table = improvement(fit, among=cases, **options)  # type: ignore[arg-type]
    assert table["term"].tolist() == [f"{term} among {cases.sum()} of 80"]
    aims = [start - options["by"]] if "by" in options else []
    aims += [start * options["share"]] if "share" in options else []
    aims += [np.full(80, 9.0)] if "to" in options else []
    expected = cumulative(fit, np.min(aims, axis=0))[:, cases].mean(axis=1)
    np.testing.assert_allclose(table.draws[table.index[0]], fit.with_chains(expected), rtol=0, atol=1e-7)


@pytest.mark.parametrize("family", ["gaussian", "beta_binomial"])
def test_at_most_is_the_rest_of_at_least(family: str) -> None:
    fit = symptoms(family)
    below, above = responders(fit, at_most=9), responders(fit, at_least=10)
    np.testing.assert_allclose(below.draws[below.index[0]], 1 - above.draws[above.index[0]], rtol=0, atol=1e-9)
    assert (below["estimand"].tolist(), below["term"].tolist()) == (["share_at_most"], ["phq9_followup <= 9"])
    for bad, said in ((27, "counts everybody: 'phq9_followup' is never above 27"), (-1, "counts nobody")):
        with pytest.raises(UsageError, match=said):
            responders(fit, at_most=bad)
    with pytest.raises(UsageError, match="two events"):
        responders(fit, at_most=9, at_least=10)


@pytest.mark.parametrize("pooled", [False, True])
def test_everybody_is_placed_at_each_level_of_a_factor(pooled: bool) -> None:
    frame = rows(80, seed=3)
    frame["phq9_baseline"], frame["phq9_followup"] = np.arange(80) % 28, np.arange(80)[::-1] % 28
    formula = f"phq9_followup ~ alliance * sex + phq9_baseline + (1 | {'sex' if pooled else 'country'})"
    formula = formula.replace("alliance * sex", "alliance") if pooled else formula
    fit = fitted(frame, formula=formula, chains=2, draws=10, means={"beta": 0.5}, sds={"beta": 0.1})
    table = improvement(fit, by=6, to=9, factor="sex")
    assert table["estimand"].tolist() == ["share_improved"] * 3 + ["difference_improved"]
    levels = list(fit.design.frame["sex"].cat.categories)
    assert table["level"].tolist()[1:] == [*levels, levels[1]]
    aims, found = np.minimum(fit.design.frame["phq9_baseline"].to_numpy(float) - 6, 9.0), []
    for row, level in zip(table.index[1:3], levels, strict=True):
        placed = fit.design.frame.assign(sex=pd.Series([level] * 80).astype(fit.design.frame["sex"].dtype))
        eta = fit.linear_predictor(fit.design.evaluate(placed))
        expected = np.where(aims < 0, 0.0, cumulative(fit, aims, eta)).mean(axis=1)
        np.testing.assert_allclose(table.draws[row], fit.with_chains(expected), rtol=0, atol=1e-7)
        found.append(expected)
    np.testing.assert_allclose(table.draws[table.index[3]], fit.with_chains(found[1] - found[0]), rtol=0, atol=2e-7)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": 1.0}, "share should be in the interval (0, 1) but got 1.0"),
        ({"to": 28}, "to should be a score on the scale of 'phq9_followup' but got 28"),
        ({"baseline": "phq9_last"}, "'phq9_last' is not a numeric predictor"),
    ],
)
def test_impossible_conditions_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        improvement(symptoms("gaussian"), **options)  # type: ignore[arg-type]
    if "share" in options:
        with pytest.raises(UsageError, match="a part of a score of symptoms"):
            improvement(built("gaussian"), share=0.5)


@pytest.mark.parametrize("family", ["gaussian", "student_t"])
@pytest.mark.parametrize(
    ("options", "term"),
    [
        ({}, "who5_change >= 10"),
        ({"to": 52}, "who5_change + who5_baseline >= 52"),
        ({"by": 20, "to": 32}, "who5_change >= 20 and who5_change + who5_baseline >= 32"),
    ],
)
def test_of_a_change_the_change_counts(family: str, options: dict[str, float], term: str) -> None:
    frame = rows(80, seed=3)
    frame["who5_change"] = frame["who5_followup"] - frame["who5_baseline"]
    formula = "who5_change ~ alliance + who5_baseline + (1 | provider_type)"
    fit = fitted(frame, formula=formula, chains=2, draws=10, spec={"family": family}, **POINTS)  # type: ignore[arg-type]
    table = improvement(fit, **options)  # type: ignore[arg-type]
    start = frame["who5_baseline"].to_numpy(float)
    goal = np.maximum(start + options.get("by", 10.0 if not options else -100.0), options.get("to", 0.0))
    # Scores move in steps of 4: the next one that counts, cut in the middle below it.
    cut = np.ceil(goal / 4) * 4 - 2 - start
    spread = fit.stacked["sigma"][:, None]
    eta = fit.linear_predictor()
    nu = fit.stacked["nu"][:, None] if family == "student_t" else np.inf
    away = stats.t.sf(cut, nu, eta, spread)
    expected = np.where(goal > 100, 0.0, away).mean(axis=1)
    assert table["term"].tolist() == [term]
    np.testing.assert_allclose(table.draws[table.index[0]], fit.with_chains(expected), rtol=0, atol=1e-7)


def test_of_a_change_of_symptoms_a_share_is_of_the_baseline() -> None:
    frame = rows(80, seed=4)
    frame["phq9_baseline"] = np.round(frame["who5_baseline"] / 4)
    frame["phq9_change"] = np.round(frame["who5_followup"] / 4) - frame["phq9_baseline"]
    fit = fitted(frame, formula="phq9_change ~ alliance + phq9_baseline", chains=2, draws=10, **POINTS)  # type: ignore[arg-type]
    table = improvement(fit, share=0.5)
    start = frame["phq9_baseline"].to_numpy(float)
    cut = np.floor(0.5 * start) + 0.5 - start
    expected = stats.norm.cdf(cut, fit.linear_predictor(), fit.stacked["sigma"][:, None]).mean(axis=1)
    assert table["term"].tolist() == ["phq9_change + phq9_baseline <= 0.5 x phq9_baseline"]
    np.testing.assert_allclose(table.draws[table.index[0]], fit.with_chains(expected), rtol=0, atol=1e-7)


def test_a_baseline_of_another_instrument_is_none() -> None:
    frame = rows(60).assign(phq9_baseline=np.arange(60.0) % 28)
    fit = fitted(frame, formula="who5_followup ~ alliance + phq9_baseline", chains=2, draws=10)
    with pytest.raises(UsageError, match="'phq9_baseline' is a score of another instrument than 'who5_followup'"):
        improvement(fit, baseline="phq9_baseline")


@pytest.mark.parametrize("family", ["gaussian", "beta_binomial"])
def test_who_begins_so_badly_that_every_outcome_is_better_by_enough_improves(family: str) -> None:
    """A baseline that was drawn knows of no ends of a scale: asked for -4 or more of 0 to 100, a page was an error."""
    frame = rows(80, seed=3)
    frame["who5_baseline"] = np.where(np.arange(80) % 5, frame["who5_baseline"], -14.0)
    shape = LOGIT if FAMILIES[family].discrete else POINTS
    fit = fitted(frame, formula=FORMULA, chains=2, draws=10, spec={"family": family}, **shape)  # type: ignore[arg-type]
    start, surely = frame["who5_baseline"].to_numpy(), frame["who5_baseline"].to_numpy() < 0
    expected = np.where(surely, 1.0, chances(fit, 10.0))
    for among in (None, surely, np.arange(80) % 2 == 0):
        table = improvement(fit, by=10, among=among)
        mean = expected[:, slice(None) if among is None else among].mean(axis=1)
        np.testing.assert_allclose(table.draws[table.index[0]], fit.with_chains(mean), rtol=0, atol=1e-7)
    # Of symptoms, of which fewer are better, the bad end is the high one.
    frame = frame.assign(phq9_baseline=np.where(start < 0, 40.0, np.arange(80) % 28), phq9_followup=np.arange(80) % 28)
    formula = "phq9_followup ~ alliance + phq9_baseline"
    fit = fitted(frame, formula=formula, chains=2, draws=10, spec={"family": family}, **shape)  # type: ignore[arg-type]
    aims = frame["phq9_baseline"].to_numpy(float) - 6
    least = np.where(aims < 0, 0.0, cumulative(fit, np.minimum(aims, 27.0)))
    table = improvement(fit, by=6)
    expected = np.where(aims >= 27, 1.0, least).mean(axis=1)
    np.testing.assert_allclose(table.draws[table.index[0]], fit.with_chains(expected), rtol=0, atol=1e-7)
