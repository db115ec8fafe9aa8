"""Words of certainty: for any draws, direction, certainty and number of a sentence are those of its row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import effects
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.finding import scale_words
from alliance_bayes.report.text import MINUS
from alliance_bayes.report.verdicts import SCALE, UNSETTLED, Claim, claim, excludes_zero, least_claim
from builders import fitted, rendered, rows

# Sentences and tables: nothing here is about figures, which take most of the time of a page.
pytestmark = pytest.mark.usefixtures("undrawn")

LIMITS = {word: limit for limit, word in SCALE}
FORMULA = "who5_followup ~ alliance + age + (1 | sex) + (1 | country)"
WORDS = "|".join(LIMITS)


def number_of(text: str) -> float:
    return float(text.replace(MINUS, "-").replace(",", ""))


def row_of(p: float, *, mean: float, median: float, lower: float, upper: float) -> pd.Series:
    return pd.Series(
        {"p_direction": p, "mean": mean, "median": median, "lower": lower, "upper": upper}, name="slope/alliance"
    )


@given(st.floats(0.5, 1), st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 5), st.floats(0, 5))
def test_the_word_follows_from_the_row(p: float, mean: float, median: float, below: float, above: float) -> None:
    row = row_of(p, mean=mean, median=median, lower=median - below, upper=median + above)

    said = claim(row)

    assert said.above == (median >= 0)
    assert said.settled == (excludes_zero(row) and said.word != UNSETTLED)
    assert not (said.settled and said.leaning)
    if said.word != UNSETTLED:
        assert p >= LIMITS[said.word]
        assert mean * median >= 0
    if not excludes_zero(row):
        assert said.word in (UNSETTLED, SCALE[-1][1])
    elif mean * median >= 0:
        # The strongest word that the probability allows, and none below the scale.
        assert said.word == next((word for limit, word in SCALE if p >= limit), UNSETTLED)


@pytest.mark.parametrize(("limit", "word"), SCALE)
def test_a_word_begins_at_its_limit(limit: float, word: str) -> None:
    def word_at(p: float) -> str:
        return claim(row_of(p, mean=2.0, median=2.0, lower=0.1, upper=4.0)).word

    weaker = [name for other, name in SCALE if other < limit]
    assert word_at(limit) == word
    assert word_at(np.nextafter(limit, 0)) == (weaker[0] if weaker else UNSETTLED)


@pytest.mark.slow
def test_the_scale_goes_down_and_is_stated(report: Rendered, withheld: Rendered) -> None:
    limits = [limit for limit, _ in SCALE]
    assert limits == sorted(limits, reverse=True)
    assert len({*LIMITS, UNSETTLED}) == len(SCALE) + 1
    for limit, word in SCALE:
        assert f"“{word}”: {100 * limit:.0f}% or more" in scale_words()
    assert scale_words() in report.html
    assert scale_words() not in withheld.html


def random_fit(slope: float, slope_sd: float, sex: float, sex_sd: float, seed: int) -> FittedModel:
    means = {"beta": [45.0, slope, 0.1], "u_sex": np.array([[sex], [-sex]]), "u_country": 0.0, "sigma": 15.0}
    sds = {"beta": [0.1, slope_sd, 0.01], "u_sex": sex_sd, "u_country": 1.0}
    return fitted(ROWS, formula=FORMULA, means=means, sds=sds, draws=60, seed=seed)


ROWS = rows(120, countries=3)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    slope=st.floats(-3, 3).map(lambda x: round(x, 2)),
    slope_sd=st.floats(0.05, 3).map(lambda x: round(x, 2)),
    sex=st.floats(-3, 3).map(lambda x: round(x, 2)),
    sex_sd=st.floats(0.05, 3).map(lambda x: round(x, 2)),
    prob=st.sampled_from([0.5, 0.89, 0.99]),
    seed=st.integers(0, 100),
)
def test_sentences_agree_with_their_rows(
    slope: float,
    slope_sd: float,
    sex: float,
    sex_sd: float,
    prob: float,
    seed: int,
    checks_of: Callable[..., CheckReport],
) -> None:
    fit = random_fit(slope, slope_sd, sex, sex_sd, seed)
    table = effects(fit, prob=prob)
    estimates = Estimates.of(fit, table)

    report = rendered(fit, effects=table, checks=checks_of(), sections=["effects"])

    assert len(report.numbers["findings"]) >= 3
    for finding in report.numbers["findings"]:
        for said in finding["claims"]:
            row = table.loc[said["row"]]
            assert said["row"] in finding["rows"]
            assert said["above"] == (row["median"] >= 0)
            assert said["settled"] <= excludes_zero(row)
            assert said["certainty"] == UNSETTLED or row["p_direction"] >= LIMITS[said["certainty"]]
        words = set(re.findall(rf"\b(?:{WORDS})\b", finding["text"]))
        # "probably" is within "very probably": a word counts where it is not part of a longer one.
        words = {w for w in words if re.search(rf"(?<!very ){w}\b", finding["text"])}
        assert words <= {said["certainty"] for said in finding["claims"]}
    first = report.numbers["findings"][0]
    row = table.loc[first["rows"][0]]
    found = re.match(
        rf"For each additional alliance point, the mean of follow-up WHO-5 was ({WORDS}) (higher|lower), by (\S+) "
        r"WHO-5 points on average",
        first["text"],
    )
    assert (found is not None) == first["claims"][0]["settled"]
    if found:
        assert found[1] == first["claims"][0]["certainty"]
        assert found[2] == ("higher" if row["median"] > 0 else "lower")
        assert number_of(found[3]) == abs(number_of(estimates.mean(row)))
    else:
        assert first["text"].startswith(
            "Whether the mean of follow-up WHO-5 was higher or lower with more alliance is not settled"
        )
        amount = re.search(r"the estimate is (\S+) WHO-5 points", first["text"])
        assert amount is not None
        assert amount[1] == estimates.mean(row)
    # The table beside the sentence has the same numbers.
    assert f"<td>{estimates.mean(row)}</td><td>{estimates.interval(row)}</td>" in report.html


@given(st.floats(0.5, 1), st.floats(100, 1e5))
def test_a_printed_probability_never_reaches_a_limit_that_the_word_does_not(p: float, ess: float) -> None:
    fit_row = row_of(p, mean=1.0, median=1.0, lower=0.1, upper=2.0)
    fit_row["ess_bulk"] = ess

    shown = Estimates.direction(None, fit_row)  # type: ignore[arg-type]

    found = re.fullmatch(r"([<>]? ?)([\d.]+)% above 0", shown)
    assert found is not None
    printed = float(found[2]) / 100
    for limit, _ in SCALE:
        if p < limit:
            assert printed < limit or (found[1] == "< " and printed == limit)


def test_what_is_needed_is_said_only_of_a_settled_slope(checks_of: Callable[..., CheckReport]) -> None:
    def names(slope: float, sd: float) -> list[str]:
        fit = random_fit(slope, sd, 0.0, 1.0, 0)
        report = rendered(fit, effects=effects(fit), checks=checks_of())
        return [finding["name"] for finding in report.numbers["findings"]]

    assert names(3.0, 0.3)[:3] == ["slope", "needed", "span"]
    assert names(0.1, 2.0)[:2] == ["slope", "span"]


def test_more_than_the_scale_holds_is_said(checks_of: Callable[..., CheckReport]) -> None:
    def needed(slope: float) -> str:
        fit = random_fit(slope, 0.05, 0.0, 1.0, 0)
        return rendered(fit, effects=effects(fit), checks=checks_of()).findings[1]

    # Ratings go from 1 to 5, so 10 points need a slope of 2.5.
    assert "more than the 4 between the ends of its scale" in needed(2.0)
    assert "between the ends of its scale" not in needed(3.0)
    # 4.003, printed with two decimals: no number is more than itself.
    assert "4.00 alliance points" in needed(10 / 4.003)
    assert "as much as the 4 between the ends of its scale" in needed(10 / 4.003)


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "n"), [(2.2, 150), (6.0, 400), (-1.5, 150)])
def test_a_word_of_certainty_is_what_holds_under_all_priors_that_were_tried(slope: float, n: int) -> None:
    rng = np.random.default_rng(4)
    frame = rows(n, seed=4, countries=4)
    score = 45 + slope * (frame["alliance"] - 4.6) + 0.45 * (frame["who5_baseline"] - 41) + rng.normal(0, 12, n)
    frame["who5_followup"] = (4 * (score / 4).round()).clip(0, 100)
    frame["participant_id"] = [f"p{number}" for number in range(n)]
    model = ab.Model("who5_followup ~ alliance + who5_baseline + (1 | country)", priors="enthusiastic")
    fit = model.fit(frame, seed=5, progress=False)
    checks = fit.check()
    tried = checks["prior_sensitivity"].rows
    assert tried is not None
    assert tried["term"].tolist() == [
        "as fitted",
        "weak",
        "literature",
        "sceptical",
        "enthusiastic",
        "all scales halved",
        "all scales doubled",
    ]
    own = claim(fit.slopes().iloc[0])
    order = [*(word for _, word in SCALE), UNSETTLED]
    others = [claim(row) for _, row in tried.iterrows()]
    least = max((one.word for one in (own, *others)), key=order.index)
    if len({one.above for one in (own, *others)}) > 1:
        least = UNSETTLED
    found = json.loads(fit.report(checks=checks).json)["findings"]
    said = next(finding for finding in found if finding["name"] == "slope")
    assert said["claims"][0]["certainty"] == least
    assert said["claims"][0]["settled"] is (least != UNSETTLED and all(one.settled for one in (own, *others)))
    told = "Under these priors alone it would be" in said["text"]
    assert told is (least != own.word)


def test_the_least_of_several_claims() -> None:
    sure, likely = (Claim("x", word, True, True) for word in (SCALE[0][1], SCALE[2][1]))
    assert least_claim(sure, [likely, sure]) == Claim("x", SCALE[2][1], True, True)
    assert least_claim(likely, [sure]) == likely
    assert least_claim(sure, []) == sure
    assert least_claim(sure, [Claim("y", SCALE[0][1], False, True)]) == Claim("x", UNSETTLED, True, False)
    assert least_claim(sure, [Claim("y", UNSETTLED, True, False)]) == Claim("x", UNSETTLED, True, False)
    assert least_claim(sure, [Claim("y", SCALE[2][1], True, False)]) == Claim("x", SCALE[2][1], True, False)
