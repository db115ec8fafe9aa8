from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import integrate, stats

from alliance_bayes.checks import CHECKS, Context
from builders import OUTCOME_FORMULA, fitted, rows

WHO = "who5_followup ~ alliance + who5_baseline + (1 | country)"


def check(formula=OUTCOME_FORMULA, frame=None, seed=0, **spec):
    # The posterior is not looked at, so a handful of draws will do.
    return CHECKS["prior_predictive"](Context(fitted(frame, formula=formula, draws=4, spec=spec), seed=seed))


def judged(found):
    return found.table.set_index("quantity")["judged"]


@pytest.mark.parametrize("named", ["weak", "literature", "sceptical", "enthusiastic"])
def test_the_default_priors_are_within_the_limits(named):
    found = check(priors=named)
    assert found.verdict == "info"
    assert found.table["quantity"].tolist() == [
        "simulated outcome",
        "share outside the scale",
        "R2",
        "standardised slope of alliance",
    ]
    assert (judged(found).dropna() <= found.table.set_index("quantity")["limit"].dropna()).all()


def test_the_sentence_states_what_the_priors_imply():
    found = check(priors="literature")
    table = found.table.set_index("quantity")
    outside = table.loc["share outside the scale", "judged"]
    r2, slope = table.loc["R2"], table.loc["standardised slope of alliance"]
    assert found.sentence == (
        f"What the priors imply is within the stated limits: {100 * outside:.3g} % of simulated outcomes are "
        "outside the scale "
        f"(limit 50 %); R2 {r2['median']:.2f} ({r2['lower']:.2f} to {r2['upper']:.2f}); standardised slope of alliance "
        f"{slope['median']:.2f} ({slope['lower']:.2f} to {slope['upper']:.2f})."
    )


def test_the_slope_is_the_prior_times_the_spread_of_the_predictor_over_that_of_the_scale():
    frame = rows(200)
    found = check(WHO, frame, priors={"alliance": "Normal(3, 1)"})
    row = found.table.set_index("quantity").loc["standardised slope of alliance"]
    unit = frame["alliance"].std() / 19
    # Quantiles of 500 draws of a normal: Monte Carlo error of the median 1.25 / sqrt(500) SDs, of the 5 % quantile
    # twice that.
    assert row["median"] == pytest.approx(3 * unit, abs=4 * 0.056 * unit)
    assert row["lower"] == pytest.approx((3 - 1.645) * unit, abs=4 * 0.11 * unit)


def test_the_share_outside_is_what_the_normal_distribution_says():
    frame = rows(200)
    found = check("who5_followup ~ 1", frame, priors={"Intercept": "Normal(50, 25)", "sigma": "HalfNormal(0.001)"})
    # 500 independent intercepts and next to no residual spread.
    assert judged(found)["share outside the scale"] == pytest.approx(2 * stats.norm.sf(2), abs=4 * np.sqrt(0.046 / 500))


def test_a_vague_slope_is_called_hard_to_believe():
    found = check(WHO, priors={"alliance": "Normal(0, 1000)"})
    shares = judged(found)
    assert found.verdict == "warn"
    assert found.sentence == (
        f"The priors are hard to believe: {100 * shares['share outside the scale']:.3g} % of outcomes simulated "
        "from the priors "
        f"lie outside 0 to 100 (limit 50 %); half of the prior draws have an R2 above {shares['R2']:.3f} (limit "
        "0.9); the "
        f"standardised slope of alliance is beyond -1 or 1 in {100 * shares['standardised slope of alliance']:.3g} "
        "% of prior "
        "draws (limit 50 %). Narrow them, or say why they are meant."
    )
    assert found.problems == ()


@pytest.mark.parametrize("family", ["beta_binomial", "cumulative", "censored_gaussian"])
def test_bounded_families_are_judged_by_their_ends(family):
    found = check(WHO, family=family)
    assert found.verdict == "info"
    assert "share at the ends of the scale" in found.table["quantity"].tolist()
    wide = "Normal(0, 400)" if family == "censored_gaussian" else "Normal(0, 60)"
    bad = check(WHO, family=family, priors={"alliance": wide, "who5_baseline": wide})
    assert bad.verdict == "warn"
    # Of 26 levels that are as likely the ends have two: halfway from there to all. A continuous score has nobody there.
    limit = "50 %" if family == "censored_gaussian" else "53.8 %"
    assert bad.sentence.startswith(
        f"The priors are hard to believe: {100 * judged(bad)['share at the ends of the scale']:.3g} % of outcomes "
        "simulated from "
        f"the priors lie at 0 or 100 (limit {limit})"
    )


def test_a_two_valued_outcome_has_neither_an_outside_nor_a_middle():
    frame = rows(120).assign(better=lambda data: (data["who5_followup"] > 48).astype(float))
    found = check("better ~ alliance + (1 | country)", frame, family="bernoulli")
    assert found.table["quantity"].tolist() == ["simulated outcome", "R2", "standardised slope of alliance"]
    assert found.verdict == "info"


def test_a_model_without_numeric_predictors_has_no_slope():
    found = check("who5_followup ~ 1 + (1 | sex)")
    assert found.table["quantity"].tolist() == ["simulated outcome", "share outside the scale", "R2"]


def test_a_curve_of_the_focal_predictor_has_a_mean_slope():
    found = check("who5_followup ~ bs(alliance, df=4)", priors={"bs(alliance, df=4)": "Normal(0, 10)"})
    assert "standardised slope of alliance" in found.table["quantity"].tolist()


def test_the_seed_decides():
    first, again, other = (check(seed=seed).table for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_counts_are_judged_by_how_many_are_zero():
    """Default priors have nearly half there, of which no chance of the draws makes a warning."""
    frame = rows(200).assign(visits=lambda data: np.round(data["who5_followup"] / 10))
    found = check("visits ~ 1", frame, family="poisson", priors={})
    expected = integrate.quad(lambda x: stats.norm.pdf(x, 0, 2.5) * np.exp(-np.exp(x)), -20, 10)[0]
    share = judged(found)["share at the lowest value"]
    # The shares of 500 intercepts, of which each is at most 1 apart from the mean of all.
    assert share == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(500))
    assert found.table.set_index("quantity").loc["share at the lowest value", "limit"] == 0.75
    assert found.verdict == "info"
    assert f"{100 * share:.3g} % of simulated outcomes are at the lowest value (limit 75 %)" in found.sentence

    few = check("visits ~ 1", frame, family="poisson", priors={"Intercept": "Normal(-6, 1)"})
    assert few.verdict == "warn"
    zeros = f"{100 * judged(few)['share at the lowest value']:.3g} %"
    assert f"{zeros} of outcomes simulated from the priors lie at the lowest value, 0 (limit 75 %)" in few.sentence
    (plot,) = found.plots
    figure = Figure(figsize=plot.size)
    plot.draw(figure)
    heights, edges, _ = figure.axes[0].patches[0].get_data()
    # Whole numbers, as many in every bar, as far as the axis goes; 0 in the first.
    assert set(np.diff(edges)) == {edges[1] - edges[0]}
    assert edges[0] == -0.5
    assert (edges[1] - edges[0]) % 1 == 0
    beyond = re.search(r"with the lowest value at 0\. ([\d.]+) % lie beyond the axis\.$", plot.description)
    assert beyond is not None
    assert heights.sum() + float(beyond[1]) == pytest.approx(100, abs=0.06)
    assert 95 <= heights.sum() <= 96
