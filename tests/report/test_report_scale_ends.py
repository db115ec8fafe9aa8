"""Shares at the ends of an outcome's scale: observed beside replicated, and no few people to be had from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.checks import CHECKS, CheckResult, Plot, run_checks
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Scale
from alliance_bayes.report.scale_ends import ScaleEnd, apart, scale_ends
from alliance_bayes.report.small_counts import SMALL
from alliance_bayes.report.suppression import Mark
from builders import fitted, rendered, rows


def of_ratings(values: Any, **more: Any) -> FittedModel:
    """A Gaussian model of ratings from 1 to 5 in steps of a quarter."""
    values = np.asarray(values, float)
    frame = rows(values.size).assign(rating=values)
    return fitted(
        frame,
        formula="rating ~ age",
        means={"beta": [float(values.mean()), 0.0], "sigma": float(values.std()) + 0.1},
        sds={"beta": [0.02, 0.0005], "sigma": 0.01},
        draws=more.pop("draws", 50),
        spec={"scales": {"rating": Scale(4.5, 0.7, 1.0, 5.0)}, "autoscale": True},
        **more,
    )


def ratings(n: int = 400) -> np.ndarray:
    """Most of them high, a third of them at the top."""
    raw = np.random.default_rng(11).normal(4.6, 0.8, n)
    return np.clip(np.round(raw * 4) / 4, 1, 5)


def cells(markup: str) -> list[list[str]]:
    (table,) = BeautifulSoup(markup, "html.parser").select("table[id$='-ends']")
    return [[cell.get_text() for cell in row.select("th, td")] for row in table.select("tbody tr")]


@pytest.mark.slow
def test_the_page_has_the_share_that_was_observed_beside_the_one_that_is_replicated() -> None:
    values = ratings()
    fit = of_ratings(values, draws=250)
    markup = rendered(fit).html
    k = int((values == 5).sum())
    assert k > 100
    low, high = cells(markup)
    assert (values == 1).sum() == 0
    assert low[:2] == ["Lowest possible value, 1", "0 of 400 (0.0%)"]
    assert high[:2] == ["Highest possible value, 5", f"{k} of 400 ({100 * k / 400:.1f}%)"]
    # Independently: a normal variable with the mean and SD of the draws, rounded to its scale, is at the top from
    # half a step below it. The Monte Carlo error of a median of 1,000 shares of 400 is a tenth of a point; those of
    # the draws are as small.
    z = (4.875 - values.mean()) / (values.std() + 0.1)
    from scipy.stats import norm

    assert float(high[2].rstrip("%")) == pytest.approx(100 * norm.sf(z), abs=0.6)
    table = run_checks(fit, checks=["posterior_predictive"]).results[0].table
    row = table[(table["statistic"] == "share at ceiling") & (table["factor"] == "")].iloc[0]
    lower, upper = (float(part.rstrip("%")) for part in high[3].strip("()").split(" to "))
    assert (lower, upper) == pytest.approx((100 * row["lower"], 100 * row["upper"]), abs=0.051)
    assert high[4] == ("within" if lower <= 100 * k / 400 <= upper else "more than the model expects")
    assert (high[4] == "within") is not bool(row["outside"])


@pytest.mark.slow
def test_of_a_few_people_neither_the_number_nor_limits_are_shown() -> None:
    values = np.r_[np.full(3, 1.0), np.repeat([3.0, 3.25, 3.5, 4.0, 4.5], 40), np.full(25, 5.0)]
    low, high = cells(rendered(of_ratings(values, draws=250)).html)
    assert low[1] == f"< 10 of {values.size}"
    assert low[3:] == ["–", "–"]
    assert high[1] == f"25 of {values.size} ({100 * 25 / values.size:.1f}%)"


def made(fit: FittedModel, edges: tuple[float, ...]) -> CheckResult:
    """A predictive check with some bars, its shares counted here."""
    values = fit.design.outcome.values
    shares = {"share at floor": (values == 1).mean(), "share at ceiling": (values == 5).mean()}
    table = pd.DataFrame(
        [(name, "", "all rows", values.size, share, 0.1, 0.05, 0.2) for name, share in shares.items()],
        columns=["statistic", "factor", "level", "n", "observed", "predicted", "lower", "upper"],
    )
    plot = Plot("bars", "Bars", "Bars.", lambda figure: None, edges=edges)
    return CHECKS["posterior_predictive"].result("pass", "Fine.", table, plots=[plot])


@settings(max_examples=60)
@given(
    counts=st.lists(st.integers(0, 24), min_size=17, max_size=17),
    ends=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    first=st.floats(1.3, 3.0),
    last=st.floats(3.2, 4.9),
)
def test_no_few_people_can_be_had_from_an_end_and_the_figure(
    counts: list[int], ends: tuple[int, int], first: float, last: float
) -> None:
    levels = np.arange(1.0, 5.01, 0.25)
    counts[0], counts[-1] = ends
    values = np.repeat(levels, counts)
    if values.size < 20 or np.ptp(values) < 0.5:
        return
    fit = of_ratings(values, draws=2)
    found = {one.end: one for one in scale_ends(fit, made(fit, (1.0, first, last, 5.0)), SMALL)}
    assert set(found) == {"lowest", "highest"}
    # What a reader knows: all, the bars, and the ends that are shown.
    n, bars = values.size, {"lowest": int((values < first).sum()), "highest": int((values >= last).sum())}
    own = dict(zip(("lowest", "highest"), ends, strict=True))
    shown = [end for end in found if found[end].mark is Mark.SHOWN]
    for end, one in found.items():
        assert (one.k, one.n) == (own[end], n)
        told = one.cells(SMALL)
        if one.mark is not Mark.SHOWN:
            # A dash, or that they are fewer than ten where any number of these would do.
            assert told[0] in ("–", f"< 10 of {n}")
            assert told[2:] == ("–", "–")
        if told[0].startswith("<"):
            assert 0 < own[end] < SMALL <= min(n - own[end], bars[end] - own[end])
    for end in shown:
        for rest in (own[end], n - own[end], bars[end] - own[end]):
            assert rest == 0 or rest >= SMALL
    if len(shown) == 2:
        assert n - sum(ends) == 0 or n - sum(ends) >= SMALL


def test_ends_of_models_that_differ_by_a_few_people_are_shown_of_none() -> None:
    one = ScaleEnd("who5_followup", "highest", 100.0, 40, 500, Mark.SHOWN, 0.1, 0.05, 0.15)
    # 3 more at the end; 4 more elsewhere; 30 more at the end; another outcome.
    near = replace(one, k=43, n=520)
    beside = replace(one, k=55, n=519)
    far, other = replace(one, k=85, n=600), replace(one, outcome="alliance", k=43, n=520)
    assert [end.mark for end in apart([one, near, far, other], SMALL)] == [
        Mark.HIDDEN,
        Mark.HIDDEN,
        Mark.SHOWN,
        Mark.SHOWN,
    ]
    assert {end.mark for end in apart([one, beside], SMALL)} == {Mark.HIDDEN}
    assert {end.mark for end in apart([one, one], SMALL)} == {Mark.SHOWN}


def test_an_event_a_score_without_ends_and_an_imputed_one_have_none() -> None:
    frame = rows(200)
    events = fitted(
        frame.assign(well=(frame["who5_followup"] > 48).astype(float)),
        formula="well ~ age",
        spec={"family": "bernoulli", "autoscale": True},
        draws=100,
    )
    endless = fitted(frame, formula="days_in_care ~ age", spec={"autoscale": True}, draws=100)
    for fit in (events, endless):
        result = run_checks(fit, checks=["posterior_predictive"]).results[0]
        floor = [one for one in scale_ends(fit, result, SMALL) if one.end == "highest"]
        assert floor == []
