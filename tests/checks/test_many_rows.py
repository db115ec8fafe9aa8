"""More rows than fit in memory at once: the same answers in blocks, and residuals of a sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks import CHECKS, Context
from alliance_bayes.checks import context as module
from builders import fitted, rows


def test_blocks_of_replicates_give_the_same_posterior_predictive_check(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fitted(rows(90), draws=250)
    whole = CHECKS["posterior_predictive"](Context(fit))
    # Seven replicates of 90 rows at a time.
    monkeypatch.setattr(module, "MOST_ROWS", 80)
    monkeypatch.setattr(module, "BLOCK", 700)
    blocks = list(Context(fit).replicate_blocks())
    assert {len(block) for block in blocks} == {7, 6}
    np.testing.assert_array_equal(np.concatenate(blocks), Context(fit).simulated)
    found = CHECKS["posterior_predictive"](Context(fit))
    assert found.sentence == whole.sentence
    figures = ["observed", "predicted", "lower", "upper", "departure", "p"]
    key = ["statistic", "factor", "level", "n", "outside"]
    pd.testing.assert_frame_equal(found.table[key], whole.table[key])
    # Sums in another order.
    np.testing.assert_allclose(found.table[figures], whole.table[figures], rtol=1e-10, atol=1e-12)


def test_of_many_rows_there_are_fewer_replicates_and_the_check_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fitted(rows(400), draws=250)
    whole = CHECKS["posterior_predictive"](Context(fit))
    monkeypatch.setattr(module, "MOST_ROWS", 300)
    monkeypatch.setattr(module, "SIMULATED", 400 * 300)
    monkeypatch.setattr(module, "BLOCK", 7 * 400)
    context = Context(fit)
    assert sum(map(len, context.replicate_blocks())) == 300
    # Spread over all draws, as the replicates of few rows are.
    assert set(context.which_of_all_rows) <= set(context.which)
    assert context.which_of_all_rows[[0, -1]].tolist() == context.which[[0, -1]].tolist()
    found = CHECKS["posterior_predictive"](context)
    # p-values are twice those of half the rate: 2 sqrt(0.005 x 0.995 / 300) is 0.8 %.
    assert found.sentence == (
        f"{whole.sentence} With 400 rows, the limits are from 300 replicates: a p-value of 1 % has a Monte Carlo "
        "standard error of 0.8 %."
    )
    key = ["statistic", "factor", "level"]
    both = whole.table.merge(found.table, on=key, validate="one_to_one", suffixes=("", "_few"))
    assert len(both) == len(whole.table) == len(found.table)
    np.testing.assert_allclose(both["observed_few"], both["observed"], rtol=1e-12)
    # Five standard errors of medians and of SDs from 300 and from 1,000 replicates.
    smooth = both[both["statistic"].isin(["mean", "SD", "skewness"])]
    sd = (smooth["upper"] - smooth["lower"]) / 6
    apart = np.abs(smooth["predicted_few"] - smooth["predicted"])
    assert (apart < 5 * 1.25 * sd * np.sqrt(1 / 300 + 1 / 1000)).all()
    error = np.sqrt(both["p"] * (1 - both["p"] / 2) * 2 * (1 / 300 + 1 / 1000)) + 2 / 300
    assert (np.abs(both["p_few"] - both["p"]) < 5 * error).all()
    # A rate that needs more replicates than are worth their time gets as many as it needs.
    monkeypatch.setattr(module, "SIMULATED", 1)
    assert Context(fit).which_of_all_rows.size == 200


def test_residuals_of_many_rows_are_those_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = rows(400)
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | country)", draws=250)
    assert Context(fit).sample.fit is fit
    assert Context(fit).sampled == ""
    monkeypatch.setattr(module, "MOST_ROWS", 300)
    context = Context(fit, extra=frame[["age", "sex"]])
    sample = context.sample
    assert sample.fit.design.rows.n == 300
    places = sample.fit.design.frame.index
    assert list(places) == list(range(300))
    np.testing.assert_array_equal(sample.fit.design.outcome.values, sample.fit.design.frame["who5_followup"])
    pairs = set(zip(frame["who5_followup"], frame["alliance"], frame["age"], strict=True))
    own = sample.fit.design.frame
    assert sample.extra is not None
    assert set(zip(own["who5_followup"], own["alliance"], sample.extra["age"], strict=True)) <= pairs
    for name in ("curvature", "groups"):
        found = CHECKS[name](context)
        assert found.sentence.endswith(" Of 400 rows, a random sample of 300 was looked at.")
        assert found.table.loc[found.table["column"] == found.table["column"].iloc[0], "n"].sum() == 300


def test_the_prior_predictive_of_many_rows_is_that_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    from alliance_bayes.checks import prior_predictive as prior

    fit = fitted(rows(2000), formula="who5_followup ~ alliance + (1 | country)", draws=100)
    whole = CHECKS["prior_predictive"](Context(fit)).table.set_index("quantity")
    monkeypatch.setattr(prior, "MOST_ROWS", 500)
    found = CHECKS["prior_predictive"](Context(fit)).table.set_index("quantity")
    # The same prior draws for a quarter of the rows: an R2 of theirs differs by less than one part in ten.
    assert found.loc["R2", "median"] == pytest.approx(whole.loc["R2", "median"], rel=0.1)
    assert found.loc["standardised slope of alliance", "median"] == pytest.approx(
        whole.loc["standardised slope of alliance", "median"], rel=1e-6
    )
