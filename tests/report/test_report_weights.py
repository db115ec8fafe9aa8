"""A page of weighted rows speaks of the people whom they stand for."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort.weights import weighted_quantiles
from alliance_bayes.effects.slopes import CONTRASTED
from alliance_bayes.report.curve import average_curve
from alliance_bayes.report.effect_sizes import slope_painter
from alliance_bayes.report.group_lines import group_curves
from report.test_report_page import parsed


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_the_two_values_that_are_compared_are_those_of_the_people_weighed() -> None:
    frame = ab.simulate_cohort(n=300, seed=2).data.drop(columns=["who5_change"]).reset_index(drop=True)
    # Low ratings stand for eight times as many people each: percentiles of all are lower than those of the rows.
    frame["w"] = np.where(frame["alliance"] < 4.2, 8.0, 1.0)
    model = ab.Model("who5_followup ~ alliance", weights="w", weights_kind="sampling")
    fit = model.fit(ab.read_cohort(frame), seed=1, progress=False)
    text = " ".join(parsed(fit.report(sections=["effects"]).html).text.split())
    answer = re.search(r"with alliance at ([\d.]+) \(90th percentile\) than at ([\d.]+) \(10th\)", text)
    assert answer is not None
    rows = fit.design.frame["alliance"].to_numpy(float)
    people = np.repeat(rows, np.where(rows < 4.2, 8, 1))
    for printed, at in zip(answer.groups(), (0.9, 0.1), strict=True):
        # Ratings are in steps of a few hundredths, between which weighted percentiles may be read in two ways.
        assert float(printed) == pytest.approx(np.quantile(people, at), abs=0.1)
    assert float(answer[2]) < np.quantile(rows, 0.1) - 0.3
    slopes = fit.slopes()
    (unit,) = slopes.loc[slopes["estimand"].isin(CONTRASTED), "unit"]
    assert str(unit).endswith(f"from alliance {answer[2]} to {answer[1]}")
    # Every average of the section is of the people weighed, which its captions say, and no count is.
    n = len(rows)
    averages = re.findall(rf"averaged over the {n} people analysed(.{{17}})", text)
    assert len(averages) >= 2
    assert set(averages) == {" by their weights"[:17]}
    assert re.findall(r"means as observed, (.*?) adjustment", text) == ["by their weights and without"]
    assert re.findall(r"Observed mean follow-up WHO-5 by alliance, (.*?) adjustment", text) == [
        "by weights and without"
    ]


def of_the_heavier(n: int = 400) -> tuple[ab.Fit, np.ndarray]:
    """A fit of rows whose weights go with both predictors and with the group, and the weights."""
    rng = np.random.default_rng(3)
    alliance, sex = rng.uniform(2, 5, n).round(2), rng.choice(["female", "male"], n)
    before = (4 * rng.integers(2, 24, n)).astype(float)
    after = np.clip(4 * np.round((0.4 * before + 4 * alliance + rng.normal(10, 8, n)) / 4), 0, 100)
    frame = pd.DataFrame({"alliance": alliance, "sex": sex, "who5_baseline": before, "who5_followup": after})
    frame["w"] = np.exp(0.04 * before - 0.8 * alliance) * np.where(sex == "male", 2, 1)
    formula = "who5_followup ~ alliance * who5_baseline + (alliance || sex)"
    model = ab.Model(formula, weights="w", weights_kind="sampling")
    return model.fit(ab.read_cohort(frame), seed=1, draws=100, progress=False), frame["w"].to_numpy()


def test_curves_and_their_ends_are_of_the_people_weighed() -> None:
    fit, weights = of_the_heavier()
    frame = fit.design.frame

    def expected(people: pd.DataFrame) -> float:
        return float(np.average(fit.predict(people).mean(("chain", "draw")), weights=weights))

    def unweighted(people: pd.DataFrame) -> float:
        return float(fit.predict(people).mean())

    curve = average_curve(fit, "alliance", prob=0.89, small=10)
    for place in (0, 12, 24):
        people = frame.assign(alliance=curve["x"].iloc[place])
        # Rounding only: everything is linear.
        assert curve["mean"].iloc[place] == pytest.approx(expected(people), rel=1e-9)
        assert abs(unweighted(people) - expected(people)) > 3
    for sex, line in group_curves(fit, "sex", "alliance", prob=0.89, small=3).items():
        theirs = (frame["sex"] == sex).to_numpy()
        values = frame["alliance"].to_numpy()
        ends = weighted_quantiles(values[theirs], (0.1, 0.9), weights[theirs])
        # No line goes beyond the percentiles of everybody.
        whole = weighted_quantiles(values, (0.1, 0.9), weights)
        wanted = [max(ends[0], whole[0]), min(ends[1], whole[1])]
        assert line["x"].iloc[[0, -1]].to_list() == pytest.approx(wanted, rel=1e-9)
        assert wanted[1] < np.quantile(values[theirs], 0.9) - 0.3
        for place in (0, -1):
            people = frame.assign(alliance=line["x"].iloc[place], sex=sex)
            assert line["mean"].iloc[place] == pytest.approx(expected(people), rel=1e-9)
    painter = slope_painter(fit, "alliance", prob=0.89, small=10)
    assert painter.centre == pytest.approx(np.average(frame["alliance"], weights=weights), rel=1e-12)
