"""A page of weighted rows speaks of the people whom they stand for."""

from __future__ import annotations

import re

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.effects.slopes import CONTRASTED
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
