"""What a page says first: each word and number of it follows from the rows that the same page holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import effects, improvement
from alliance_bayes.effects.equivalence import DECIDED
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Scale
from alliance_bayes.report import Rendered
from alliance_bayes.report.text import MINUS
from alliance_bayes.report.verdicts import SCALE, UNSETTLED
from builders import fitted, of_family, rendered, rows

# Sentences and tables: nothing here is about figures, which take most of the time of a page.
pytestmark = pytest.mark.usefixtures("undrawn")

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | sex)"
ROWS = rows(150, countries=3)
NUMBER = rf"{MINUS}?[0-9]+(?:\.[0-9]+)?"
WAY = r"better|worse|higher \(worse\)|lower \(better\)|higher|lower"
SENTENCE = re.compile(
    rf"^(?:.+ was (?P<word>[a-z ]+?) (?P<way>{WAY}) (?:with|among) .+: by (?P<size>{NUMBER})"
    rf"|Whether .+ was (?:{WAY}) or (?:{WAY}) .+ is not settled(?: under other priors)?: the difference is "
    rf"(?P<mean>{NUMBER}))"
    r"(?: of [0-9]+)? (?P<unit>[^(]+) \((?P<kind>[0-9.]+% [a-z -]+ interval) "
    rf"(?P<lower>{NUMBER}) to (?P<upper>{NUMBER})\)\.$"
)
ENDS = rf"({NUMBER}) \(({NUMBER}) to ({NUMBER})\)"
EXPECTED = re.compile(rf"^About {ENDS} would be expected .+, about {ENDS} .+\.$")
SHARES = re.compile(
    r"^Of 100 .+ about ([0-9]+) \(([0-9]+) to ([0-9]+)\) would .+, about ([0-9]+) \(([0-9]+) to ([0-9]+)\) .+\.$"
)


def number_of(text: str) -> float:
    return float(text.replace(MINUS, "-"))


def built(slope: float, sd: float, *, outcome: str = "who5", seed: int = 0, **spec: Any) -> FittedModel:
    """A fit whose slope per point has that mean and SD, of well-being, symptoms or an unknown outcome."""
    names = {"who5": ("who5_followup", "who5_baseline"), "phq9": ("phq9_followup", "phq9_baseline"), "y": ("y", "x0")}
    after, before = names[outcome]
    frame = ROWS.rename(columns={"who5_followup": after, "who5_baseline": before})
    if outcome == "phq9":
        frame[[after, before]] = np.round(frame[[after, before]] * 27 / 100)
    formula = FORMULA.replace("who5_followup", after).replace("who5_baseline", before)
    means = {"beta": [float(frame[after].mean()), slope, 0.4], "sigma": float(frame[after].std())}
    return fitted(frame, formula=formula, means=means, sds={"beta": [0.2, sd, 0.01]}, draws=100, seed=seed, spec=spec)


def head(fit: FittedModel, checks: CheckReport, prob: float = 0.89) -> tuple[Rendered, dict[str, Any], pd.DataFrame]:
    table = effects(fit, prob=prob)
    report = rendered(fit, effects=table, checks=checks, sections=["effects"])
    assert report.rows is not None
    return report, report.numbers["answer"], pd.DataFrame(report.rows)


def contrast(found: pd.DataFrame) -> pd.Series:
    return found.loc[found["estimand"] == "slope_p10_p90"].iloc[0]


@pytest.mark.slow
@settings(
    max_examples=15,
    deadline=None,
    # A page a try: to look for a smaller failure would take minutes.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(slope=-6.26, sd=1.0, outcome="phq9", prob=0.5, seed=47)
@given(
    slope=st.floats(-9, 9).map(lambda x: round(x, 2)),
    sd=st.floats(0.05, 4).map(lambda x: round(x, 2)),
    outcome=st.sampled_from(["who5", "phq9", "y"]),
    prob=st.sampled_from([0.5, 0.89, 0.99]),
    seed=st.integers(0, 100),
)
def test_the_answer_says_what_its_rows_hold(
    slope: float, sd: float, outcome: str, prob: float, seed: int, checks_of: Callable[..., CheckReport]
) -> None:
    report, answer, found = head(built(slope, sd, outcome=outcome, seed=seed), checks_of(), prob)
    row = contrast(found)
    (summary, *_) = report.numbers["summary"]

    said = SENTENCE.match(answer["sentence"])
    assert said is not None, answer["sentence"]
    settled = said["word"] is not None
    # Direction: of symptoms, fewer is better; where no scale says what is good, nothing is called so.
    assert settled == (row["lower"] > 0 or row["upper"] < 0) or row["p_direction"] < SCALE[-1][0]
    if settled:
        words = {"who5": ("better", "worse"), "phq9": ("higher (worse)", "lower (better)"), "y": ("higher", "lower")}[
            outcome
        ]
        assert said["way"] == words[0 if row["median"] > 0 else 1]
        assert row["p_direction"] >= {word: limit for limit, word in SCALE}[said["word"]]
        assert answer["certainty"] == said["word"]
    elif not (row["lower"] > 0 or row["upper"] < 0):
        assert answer["certainty"] in (UNSETTLED, SCALE[-1][1])
    # Size: the numbers of the table in the section, half a last digit off at most.
    places = len((said["size"] or said["mean"]).partition(".")[2])
    half = 0.5 * 10.0**-places + 1e-9
    ends = [row["mean"], row["lower"], row["upper"]]
    if settled and row["median"] < 0:
        # By how much it was less.
        ends = [-ends[0], -ends[2], -ends[1]]
    numbers = [number_of(said[name]) for name in ("size" if settled else "mean", "lower", "upper")]
    np.testing.assert_allclose(numbers, ends, rtol=0, atol=half)
    assert said["kind"] == f"{100 * prob:g}% equal-tailed interval"
    assert summary["estimate"].startswith(
        f"{'' if row['median'] > 0 or not settled else MINUS}{said['size'] or said['mean']} ("
    )
    # The verdict on the margins is that of the row's own probabilities.
    words_said = summary["words"]
    if outcome == "y":
        assert pd.isna(row["rope_low"])
        assert "negligible" not in words_said
        assert "relevant" not in words_said
        # No scale says what is much: what is expected at either end does, and the two differ by the contrast.
        shares = EXPECTED.match(answer["shares"])
        assert shares is not None, answer["shares"]
        at_ends = np.array([number_of(one) for one in shares.groups()]).reshape(2, 3)
        own = found[found.index.str.startswith("answer/")]
        np.testing.assert_allclose(at_ends, own[["mean", "lower", "upper"]], rtol=0, atol=0.51)
        assert own["mean"].iloc[0] - own["mean"].iloc[1] == pytest.approx(row["mean"], abs=1e-9)
        return
    inside, beyond = row["p_rope"], max(row["p_above_rope"], 1 - row["p_rope"] - row["p_above_rope"])
    # Of what has no direction no size is said that has one.
    open_or_more = "more than negligible" if beyond >= DECIDED and settled else "may be negligible"
    verdict = "negligible" if inside >= DECIDED else open_or_more
    reached = row["p_relevant"] >= DECIDED
    # What is relevant is more than negligible, which is not said again.
    assert re.findall(r"(?:more than |may be )?negligible", words_said) == ([] if reached else [verdict])
    assert ("short of relevant" in words_said) == (row["p_relevant"] <= 1 - DECIDED and inside < DECIDED)
    assert words_said.endswith("; relevant") == reached
    # The shares are those that the manifest has.
    shares = SHARES.match(answer["shares"])
    assert shares is not None, answer["shares"]
    own = found[found.index.str.startswith("answer/")]
    numbers = [100 * own.iloc[place][name] for place in (0, 1) for name in ("mean", "lower", "upper")]
    np.testing.assert_allclose([float(one) for one in shares.groups()], numbers, atol=0.5 + 1e-9)


def test_shares_at_a_rating_are_those_of_everybody_set_to_it(checks_of: Callable[..., CheckReport]) -> None:
    fit = built(6.0, 0.5)
    _, answer, found = head(fit, checks_of())
    low, high = np.quantile(ROWS["alliance"], [0.1, 0.9])
    # By hand: the chance of a score of the next step above baseline + 10, cut midway between two steps.
    draws, frame = fit.stacked, fit.design.frame

    expected = []
    for value in (high, low):
        aims = np.ceil((frame["who5_baseline"].to_numpy() + 10) / 4) * 4
        eta = (
            draws["beta"][:, :1]
            + draws["beta"][:, 1:2] * (value - frame["alliance"].mean())
            + draws["beta"][:, 2:3] * (frame["who5_baseline"] - frame["who5_baseline"].mean()).to_numpy()
            + draws["u_sex"][:, frame["sex"].cat.codes.to_numpy(), 0]
        )
        chances = norm.sf((aims - 2 - eta) / draws["sigma"][:, None]) * (aims <= 100)
        expected.append(chances.mean())
    own = found[found.index.str.startswith("answer/")]
    # Rows that are nearly alike are joined: within 0.02 of a posterior SD.
    np.testing.assert_allclose(own["mean"], expected, atol=0.05 * float(own["sd"].max()))
    assert own["at"].tolist() == [f"alliance = {value:g}" for value in (high, low)]
    assert f"at {high:g}" in answer["shares"]


def test_everybody_is_set_to_a_value_but_not_to_another_baseline() -> None:
    fit = built(6.0, 0.5)
    with pytest.raises(UsageError, match=r"sets 'who5_baseline', the baseline that everybody's outcome is compared"):
        improvement(fit, at={"who5_baseline": 20.0})
    two = improvement(fit, at={"alliance": [3.0, 5.0]}, factor="sex")
    assert two["at"].tolist() == ["alliance = 3"] * 4 + ["alliance = 5"] * 4


def test_a_declared_contrast_is_what_the_page_leads_with(checks_of: Callable[..., CheckReport]) -> None:
    _, answer, found = head(built(3.0, 0.3, contrast=(2, 4)), checks_of())
    row = found.loc[found["estimand"] == "slope_contrast"].iloc[0]
    assert answer["rows"][0] == row.name
    assert row["mean"] == pytest.approx(6.0, abs=0.2)
    assert "with alliance at 4 than at 2: by" in answer["sentence"]
    assert "percentile" not in answer["sentence"]


def test_two_arms_are_the_question(checks_of: Callable[..., CheckReport]) -> None:
    frame = ROWS.assign(arm=pd.Categorical.from_codes(np.arange(150) % 2, ["control", "treated"]))
    fit = fitted(
        frame,
        formula="who5_followup ~ arm + who5_baseline",
        means={"beta": [45.0, 8.0, 0.4]},
        sds={"beta": [0.2, 1.0, 0.01]},
        draws=100,
        spec={"focal": "arm"},
    )
    report, answer, found = head(fit, checks_of())
    row = found.loc[found["estimand"] == "contrast_of_means"].iloc[0]
    said = SENTENCE.match(answer["sentence"])
    assert said is not None
    assert (said["word"], said["way"]) == ("almost certainly", "better")
    assert number_of(said["size"]) == pytest.approx(row["mean"], abs=0.06)
    assert "“treated” than among those with “control”" in answer["sentence"]
    assert answer["caveat"].startswith("A difference between groups, not an effect of them unless chance assigned")
    assert report.numbers["summary"][0]["question"] == "Follow-up WHO-5 by arm"


def test_an_event_is_told_in_percentage_points(checks_of: Callable[..., CheckReport]) -> None:
    frame, options = of_family(ROWS, "bernoulli")
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance",
        means={"beta": [0.0, -1.0]},
        sds={"beta": [0.1, 0.2]},
        draws=100,
        spec=options,
    )
    report, answer, found = head(fit, checks_of())
    row = contrast(found)
    said = SENTENCE.match(answer["sentence"])
    assert said is not None, answer["sentence"]
    assert (said["way"], said["unit"]) == ("lower", "percentage points")
    numbers = [number_of(said[name]) for name in ("size", "lower", "upper")]
    np.testing.assert_allclose(numbers, [-100 * row[name] for name in ("mean", "upper", "lower")], atol=0.51)
    shares = SHARES.match(answer["shares"])
    assert shares is not None
    # What is between the two shares is the difference.
    assert float(shares[1]) - float(shares[4]) == pytest.approx(100 * row["mean"], abs=1.01)
    assert report.numbers["summary"][0]["estimate"].endswith(") percentage points")


def of_counts(family: str, formula: str, slope: float, **spec: Any) -> FittedModel:
    """A fit of 150 people's counts, each over days of their own, of which nothing but the slope is not certain."""
    rng = np.random.default_rng(5)
    frame = ROWS.assign(
        contacts=rng.integers(0, 9, 150), days=rng.integers(10, 100, 150).astype(float), planned=np.full(150, 8.0)
    )
    beta = [0.5, slope] if "age" not in formula else [0.5, slope, 0.01]
    sds = {"beta": [0.05, 0.05, 0.0][: len(beta)]}
    return fitted(
        frame,
        formula=formula,
        means={"beta": beta},
        sds=sds,
        draws=100,
        spec={"family": family, "priors": "weak", **spec},
    )


def test_counts_over_unequal_times_say_so_and_what_is_expected_at_either_end(
    checks_of: Callable[..., CheckReport],
) -> None:
    fit = of_counts("poisson", "contacts ~ alliance + age + offset(log(days))", -0.3)
    _, answer, found = head(fit, checks_of())
    # Days are no covariate: they have no coefficient.
    assert answer["caveat"] == "An association, not an effect, adjusted for age, everybody over their own days."
    said = EXPECTED.match(answer["shares"])
    assert said is not None, answer["shares"]
    # By hand: everybody with their own days, at either end.
    frame, beta = fit.design.frame, fit.stacked["beta"]
    ends = np.quantile(ROWS["alliance"], [0.9, 0.1])
    logs = np.log(frame["days"].to_numpy())
    for place, value in enumerate(ends):
        eta = beta[:, :1] + beta[:, 1:2] * (value - frame["alliance"].mean()) + logs - logs.mean()
        eta = eta + beta[:, 2:3] * (frame["age"] - frame["age"].mean()).to_numpy()
        expected = np.exp(eta).mean(axis=1)
        numbers = [number_of(one) for one in said.groups()[3 * place : 3 * place + 3]]
        np.testing.assert_allclose(numbers, [expected.mean(), *np.quantile(expected, [0.055, 0.945])], atol=0.011)
    own = found[found.index.str.startswith("answer/")]
    assert own["mean"].iloc[0] - own["mean"].iloc[1] == pytest.approx(contrast(found)["mean"], rel=1e-9)


def test_what_is_added_as_it_is_is_called_an_offset(checks_of: Callable[..., CheckReport]) -> None:
    frame = ROWS.assign(expected_change=np.linspace(-3, 3, 150))
    formula = "who5_followup ~ alliance + offset(expected_change) + offset(who5_baseline) + age:who5_baseline"
    _, answer, _ = head(fitted(frame, formula=formula, draws=100), checks_of())
    # What is in a term, too, is adjusted for.
    assert answer["caveat"] == (
        "An association, not an effect, adjusted for age and baseline WHO-5, "
        "with expected change and baseline WHO-5 as an offset."
    )


def test_shares_of_trials_are_told_of_a_hundred(checks_of: Callable[..., CheckReport]) -> None:
    fit = of_counts("binomial", "contacts ~ alliance", 0.4, trials="planned")
    _, answer, _ = head(fit, checks_of())
    shares = SHARES.match(answer["shares"])
    assert shares is not None, answer["shares"]
    assert answer["shares"].startswith("Of 100 trials (“planned”) about ")
    assert "would be counted as “contacts” at" in answer["shares"]
    beta, ends = fit.stacked["beta"], np.quantile(ROWS["alliance"], [0.9, 0.1])
    eta = beta[:, :1] + beta[:, 1:2] * (ends - ROWS["alliance"].mean())
    of = 100 / (1 + np.exp(-eta))
    by_hand = np.concatenate([of.mean(axis=0)[:, None], np.quantile(of, [0.055, 0.945], axis=0).T], axis=1)
    np.testing.assert_allclose(np.array(shares.groups(), float).reshape(2, 3), by_hand, atol=0.51)


@pytest.mark.parametrize(
    ("family", "said"),
    [
        (
            "cumulative",
            "Means and differences count the levels of mood by their numbers (1 to 4), as if they were equally far "
            "apart. The model itself takes their order alone.",
        ),
        (
            "censored_gaussian",
            "Means and differences are of mood as it is observed, cut at the ends of its scale. Those of what the "
            "scale cuts off are larger.",
        ),
        ("gaussian", ""),
    ],
)
def test_what_a_mean_is_of_is_said_where_a_family_has_another(
    family: str, said: str, checks_of: Callable[..., CheckReport]
) -> None:
    frame = ROWS.assign(mood=1.0 + np.arange(150) % 4)
    scales = {"mood": Scale(2.5, 1.0, 1.0, 4.0)} if family == "censored_gaussian" else {}
    spec = {"family": family, "scales": scales, "priors": "weak"}
    fit = fitted(frame, formula="mood ~ alliance", draws=100, spec=spec)
    report = rendered(fit, effects=effects(fit), checks=checks_of(), sections=["limitations"])
    found = [one for one in report.numbers["limitations"]["sentences"] if one.startswith("Means and differences")]
    assert found == ([said] if said else [])


def test_when_a_row_is_is_neither_raised_nor_measured_with_error(checks_of: Callable[..., CheckReport]) -> None:
    fit = fitted(ROWS, formula="who5_followup ~ days_in_care", draws=100, spec={"focal": "days_in_care"})
    known = {"person": "participant_id", "time": "days_in_care", "unit": "day"}
    for info, timed in ((fit.info, False), ({**fit.info, "long": known}, True)):
        page = rendered(replace(fit, info=info), effects=effects(fit), checks=checks_of(), sections=["limitations"])
        said = " ".join(page.numbers["limitations"]["sentences"])
        assert ("Values of days in care are taken as measured without error." in said) is not timed
        text = " ".join(BeautifulSoup(page.html, "html.parser").get_text(" ").split())
        assert ("That raising days in care would change the outcome." in text) is not timed
        assert (
            "That days in care by itself changes the outcome. Whatever else changed meanwhile is in" in text
        ) is timed


def test_withheld_conclusions_have_no_answer(withheld: Rendered) -> None:
    assert withheld.numbers["answer"] is None
    assert withheld.numbers["summary"] == []
    assert 'class="answer"' not in withheld.html


@pytest.mark.parametrize(
    ("female", "product", "words"),
    # Slopes of women and of men minus women; where both point one way, lower is steeper where they fall.
    [
        (-3.0, -3.0, "Steeper in “male”"),
        (-6.0, 3.0, "Flatter in “male”"),
        (6.0, -3.0, "Flatter in “male”"),
        (3.0, 3.0, "Steeper in “male”"),
        (3.0, -6.0, "Slope lower in “male”"),
        (-3.0, 6.0, "Slope higher in “male”"),
    ],
)
def test_the_steeper_of_two_slopes_is_named(
    female: float, product: float, words: str, checks_of: Callable[..., CheckReport]
) -> None:
    frame = ROWS.assign(sex=pd.Categorical.from_codes(np.arange(150) % 2, ["female", "male"]))
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance * sex",
        means={"beta": [45.0, female, 0.0, product]},
        sds={"beta": [0.2, 0.2, 0.2, 0.2]},
        draws=100,
    )
    report, _, found = head(fit, checks_of())
    assert list(fit.design.terms) == ["Intercept", "alliance", "sex[male]", "alliance:sex[male]"]
    slopes = found[found["estimand"] == "slope_by_level"].set_index("level")["mean"]
    assert slopes.loc["male"] - slopes.loc["female"] == pytest.approx(product, abs=0.2)
    (row,) = [row for row in report.numbers["summary"] if row["question"] == "Slopes by sex"]
    assert row["words"].split(",")[0] == words
