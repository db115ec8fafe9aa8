"""Regression to the population's mean: exact from the slope, on data whose truth is known, and edges."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.effects import regression_to_mean
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Scale
from builders import fitted, rows

CHANGE = "who5_change ~ who5_baseline + age + (1 | country)"
FOLLOWUP = "who5_followup ~ who5_baseline + age + (1 | country)"
CHANGES = ["mean_change", "mean_change_selected"]
PARTS = ["regression_to_mean", "change_beyond_regression", "share_of_regression"]


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
    # A WHO-5 score regresses to the means of European countries, for want of a better one.
    people = [f"{who}, population mean {mean}" for who in ("everybody", "at most 28") for mean in (47, 70)]
    assert table["estimand"].tolist() == [*CHANGES, *PARTS * 4]
    assert table["level"].fillna("").tolist() == ["", "at most 28", *np.repeat(people, 3)]
    baseline = fit.design.frame["who5_baseline"].to_numpy()
    low = baseline <= 28
    expected = fit.predict().values
    slope = fit.posterior["beta"].sel(term="who5_baseline").values
    draws = list(table.draws.values())
    changes = {"everybody": expected.mean(axis=2), "at most 28": expected[:, :, low].mean(axis=2)}
    # Rounding only: everything is linear.
    for found, change in zip(draws[:2], changes.values(), strict=True):
        np.testing.assert_allclose(found, change, rtol=0, atol=1e-10)
    rows = iter(draws[2:])
    for who, start in (("everybody", baseline.mean()), ("at most 28", baseline[low].mean())):
        for mean in (47, 70):
            part = -slope * (mean - start)
            np.testing.assert_allclose(next(rows), part, rtol=0, atol=1e-10)
            np.testing.assert_allclose(next(rows), changes[who] - part, rtol=0, atol=1e-10)
            np.testing.assert_allclose(next(rows), part / changes[who], rtol=1e-10)
    observed = fit.design.outcome.values[low].mean()
    assert table["note"].fillna("").tolist() == ["", f"observed {observed:.4g}", *[""] * 12]
    assert table["unit"].tolist() == ["WHO-5 point"] * 2 + ["WHO-5 point", "WHO-5 point", "share of change"] * 4
    assert table["rope_high"].fillna(0).tolist() == [2.0] * 2 + [2.0, 2.0, 0.0] * 4
    assert table["relevant"].fillna(0).tolist() == [10.0] * 2 + [10.0, 10.0, 0.0] * 4
    assert table.index.tolist() == [
        "mean_change/who5_baseline/sample",
        "mean_change_selected/who5_baseline/who5_baseline=at most 28/sample",
        *(f"{name}/who5_baseline/who5_baseline={who}/sample" for who in people for name in PARTS),
    ]


@pytest.mark.parametrize("retest", [0.0, 0.537, 1.0])
def test_a_correlation_that_is_known_takes_the_place_of_the_slope(retest: float) -> None:
    fit = built()
    table = regression_to_mean(fit, at_most=28, population_mean=55, retest=retest)
    baseline = fit.design.frame["who5_baseline"].to_numpy()
    parts = table[table["estimand"] == "regression_to_mean"]
    starts = (baseline.mean(), baseline[baseline <= 28].mean())
    assert parts["mean"].tolist() == pytest.approx([(1 - retest) * (55 - start) for start in starts], abs=1e-12)
    assert (parts["sd"] == 0).all()


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


MEAN, SD, RETEST = 60.0, 19.0, 0.54


def measured(
    came: Callable[[np.ndarray, np.random.Generator], np.ndarray], *, gain: float, more: float = 0.0, n: int = 4000
) -> tuple[FittedModel, np.ndarray]:
    """People measured twice, of whom some came because of the first measurement, by least squares; and who was low.

    Everybody gains as much, and those who start low gain `more` for each point below the population's mean.
    """
    rng = np.random.default_rng(3)
    first = rng.normal(MEAN, SD, 40 * n)
    first = first[came(first, rng)][:n]
    second = MEAN + RETEST * (first - MEAN) + SD * np.sqrt(1 - RETEST**2) * rng.normal(size=n)
    second += gain + more * (MEAN - first)
    slope, level = np.polyfit(first, second, 1)
    fit = fitted(
        pd.DataFrame({"score_baseline": first, "score_followup": second}),
        formula="score_followup ~ score_baseline",
        means={"beta": [level + slope * first.mean(), slope]},
        sds={"beta": 0.0, "sigma": 0.0},
        chains=1,
        draws=4,
        spec={"scales": {"score_baseline": Scale(50, 20), "score_followup": Scale(50, 20)}, "priors": "weak"},
    )
    return fit, first


def error_at(first: np.ndarray, value: float) -> float:
    """Standard error of a line's height at a value of its predictor."""
    spread = first.var() * first.size
    return float(SD * np.sqrt(1 - RETEST**2) * np.sqrt(1 / first.size + (value - first.mean()) ** 2 / spread))


CAME = {
    "everybody": lambda first, _: np.full(first.size, True),
    "the lower the likelier": lambda first, rng: rng.random(first.size) < 1 / (1 + np.exp((first - 42) / 5)),
    "below a limit": lambda first, _: first <= 45,
    "low or high": lambda first, _: np.abs(first - MEAN) > 15,
}


@pytest.mark.parametrize("gain", [0.0, 4.0])
@pytest.mark.parametrize("who", CAME)
def test_what_is_beyond_regression_is_what_people_gained_whoever_came(who: str, gain: float) -> None:
    fit, first = measured(CAME[who], gain=gain)
    table = regression_to_mean(fit, baseline="score_baseline", at_most=30, population_mean=MEAN, outcome="followup")
    rest = table.loc[table["estimand"] == "change_beyond_regression", "mean"]
    # Of everybody and of the selected alike: the expected change of who starts at the population's mean.
    assert rest.iloc[0] == pytest.approx(rest.iloc[1], abs=1e-9)
    assert rest.tolist() == pytest.approx([gain] * 2, abs=4 * error_at(first, MEAN))
    if gain == 0:
        low = first[first <= 30]
        share = table.loc[table["estimand"] == "share_of_regression", "mean"].iloc[1]
        expected = (1 - RETEST) * (MEAN - low.mean())
        assert share == pytest.approx(1.0, abs=4 * error_at(first, MEAN) / (expected - 4))


def test_regression_to_those_who_came_misses_most_of_it() -> None:
    """The mean of the wrong people leaves a change of nothing but chance unexplained."""
    fit, first = measured(CAME["the lower the likelier"], gain=0.0)
    assert first.mean() < 40

    def rest(mean: float) -> float:
        table = regression_to_mean(fit, baseline="score_baseline", at_most=30, population_mean=mean, outcome="followup")
        return float(table.loc[table["estimand"] == "change_beyond_regression", "mean"].iloc[0])

    # (1 - r)(MEAN - their mean) is left over.
    left = (1 - RETEST) * (MEAN - first.mean())
    assert rest(float(first.mean())) == pytest.approx(left, abs=4 * error_at(first, float(first.mean())))
    assert rest(MEAN) == pytest.approx(0.0, abs=4 * error_at(first, MEAN))


def test_a_known_correlation_leaves_out_what_the_low_gained_more() -> None:
    fit, first = measured(CAME["the lower the likelier"], gain=2.0, more=0.2)
    low = first[first <= 30]

    def beyond(**more: float) -> list[float]:
        table = regression_to_mean(
            fit, baseline="score_baseline", at_most=30, population_mean=MEAN, outcome="followup", **more
        )
        return table.loc[table["estimand"] == "change_beyond_regression", "mean"].tolist()

    tolerance = 4 * error_at(first, float(low.mean()))
    gained = [2.0 + 0.2 * (MEAN - start.mean()) for start in (first, low)]
    assert beyond(retest=RETEST) == pytest.approx(gained, abs=tolerance)
    # The slope holds both.
    assert beyond() == pytest.approx([2.0, 2.0], abs=4 * error_at(first, MEAN))


@settings(max_examples=25, deadline=None)
@given(mask=st.lists(st.booleans(), min_size=120, max_size=120).filter(lambda m: 0 < sum(m) < 120))
def test_the_parts_add_up_whoever_is_selected(mask: list[bool]) -> None:
    table = regression_to_mean(built(), selected=mask, population_mean=(50, 65))
    everybody, selected, *parts = table.draws.values()
    for place, whole in enumerate((everybody, everybody, selected, selected)):
        part, rest, _ = parts[3 * place : 3 * place + 3]
        np.testing.assert_allclose(part + rest, whole, rtol=0, atol=1e-12)
    people = [f"{who}, population mean {mean}" for who in ("everybody", "selected") for mean in (50, 65)]
    assert table["level"].dropna().unique().tolist() == ["selected", *people]


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
    table = regression_to_mean(fit, at_most=28, population_mean=50)
    selected = table[table["estimand"] == "mean_change_selected"].iloc[0]
    assert selected["lower"] < 0 < selected["upper"]
    notes = table.loc[table["estimand"] == "share_of_regression", "note"].fillna("").tolist()
    assert notes[1] == (
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
            {"at_most": 28, "retest": 1.5},
            "retest should be a correlation in the interval [0, 1] but got 1.5.",
        ),
        *(
            (
                {"at_most": 28, "population_mean": mean},
                "population_mean should be a finite number, the two ends of a range with the lower first, 'default' or "
                f"None, but got {mean!r}.",
            )
            for mean in ((70, 47), (50, 50), (40, 50, 60), float("nan"), "60", True)
        ),
        *(
            (
                {"at_most": 28, "population_mean": mean},
                f"population_mean should lie on the scale of 'who5_baseline', 0 to 100, but got {mean!r}.",
            )
            for mean in (101, (-1, 60))
        ),
        (
            {"at_most": 28, "baseline": "alliance"},
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


def test_two_scores_of_an_instrument_without_a_reference_are_of_one_scale() -> None:
    """Their means and SDs are those of their own rows."""
    data = frame().rename(columns={"who5_baseline": "wemwbs_baseline", "who5_followup": "wemwbs_followup"})
    data[["wemwbs_baseline", "wemwbs_followup"]] = 14 + 0.56 * data[["wemwbs_baseline", "wemwbs_followup"]]
    fit = fitted(data, formula="wemwbs_followup ~ wemwbs_baseline", chains=1, draws=4)
    assert fit.design.scales["wemwbs_followup"].mean != fit.design.scales["wemwbs_baseline"].mean
    said = {"baseline": "wemwbs_baseline", "at_most": 30.0, "population_mean": 50.0}
    found, told = regression_to_mean(fit, **said), regression_to_mean(fit, outcome="followup", **said)
    assert found["mean"].tolist() == told["mean"].tolist()
    plain = frame().rename(columns={"who5_baseline": "before", "who5_followup": "score"})
    fit = fitted(plain, formula="score ~ before", chains=1, draws=4)
    with pytest.raises(UsageError, match=r"^nothing tells whether 'score' is a change or a follow-up score"):
        regression_to_mean(fit, baseline="before", at_most=30, population_mean=50)


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
    assert len(regression_to_mean(fit, at_most=28, outcome="change", population_mean=60)) == 8


def test_no_mean_is_made_up_for_other_instruments() -> None:
    fit, _ = measured(CAME["everybody"], gain=0.0, n=50)
    options = {"baseline": "score_baseline", "at_most": 60, "outcome": "followup"}
    message = (
        "people who start low regress to the mean of the population that they come from, and none is known for "
        "'score_baseline'. Give population_mean=..., one number or the two ends of a range, or None for "
        "the mean changes alone."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        regression_to_mean(fit, **options)  # type: ignore[arg-type]
    found = regression_to_mean(fit, **options, population_mean=None)  # type: ignore[arg-type]
    assert found["estimand"].tolist() == CHANGES


@pytest.mark.parametrize("formula", ["who5_change ~ who5_baseline", "who5_followup ~ who5_baseline"])
def test_changes_are_those_of_the_people_whom_weighted_rows_stand_for(formula: str) -> None:
    # The higher somebody starts, the more people the row stands for.
    people = frame(200).assign(w=lambda f: np.exp(0.06 * (f["who5_baseline"] - 40)))
    model = ab.Model(formula, weights="w", weights_kind="sampling")
    fit = model.fit(people, seed=1, draws=100, progress=False)
    w, start = people["w"].to_numpy(), people["who5_baseline"].to_numpy(float)
    rise = (people["who5_followup"] - people["who5_baseline"]).to_numpy(float)
    low = start <= 28
    expected = fit.predict(people).values.reshape(-1, len(people))
    if formula.startswith("who5_followup"):
        expected = expected - start
    everybody, those = np.average(expected, axis=1, weights=w), np.average(expected[:, low], axis=1, weights=w[low])
    assert rise.mean() - everybody.mean() > 5
    assert rise[low].mean() - those.mean() > 1
    table = regression_to_mean(fit, at_most=28, population_mean=60)
    drawn = [draws.ravel() for draws in table.draws.values()]
    slope = fit.stacked["beta"][:, 1] - (0 if "change" in formula else 1)
    parts = iter(drawn[2:])
    for place, change, mask in ((0, everybody, start >= 0), (1, those, low)):
        # Rounding only: everything is linear.
        np.testing.assert_allclose(drawn[place], change, rtol=0, atol=1e-9)
        part = slope * (np.average(start[mask], weights=w[mask]) - 60)
        np.testing.assert_allclose(next(parts), part, rtol=0, atol=1e-9)
        np.testing.assert_allclose(next(parts), change - part, rtol=0, atol=1e-9)
        next(parts)
    assert table["note"].fillna("").to_list()[1] == f"observed {np.average(rise[low], weights=w[low]):.4g}"
