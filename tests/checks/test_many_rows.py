"""More rows than fit in memory at once: the same answers in blocks, and residuals of a sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks import CHECKS, Evidence
from alliance_bayes.checks import evidence as module
from alliance_bayes.checks import posterior_predictive as predictive
from builders import fitted, rows


def test_blocks_of_replicates_give_the_same_posterior_predictive_check(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fitted(rows(90), draws=250)
    whole = CHECKS["posterior_predictive"](Evidence(fit))
    # Seven replicates of 90 rows at a time, and groups without their zeros.
    monkeypatch.setattr(module, "BLOCK", 700)
    monkeypatch.setattr(predictive, "MOST_DENSE", 50)
    blocks = list(Evidence(fit).replicate_blocks())
    assert {len(block) for block in blocks} == {7, 6}
    np.testing.assert_array_equal(np.concatenate(blocks), Evidence(fit).simulated)
    found = CHECKS["posterior_predictive"](Evidence(fit))
    assert found.sentence == whole.sentence
    figures = ["observed", "predicted", "lower", "upper", "departure", "p"]
    key = ["statistic", "factor", "level", "n", "outside"]
    pd.testing.assert_frame_equal(found.table[key], whole.table[key])
    # Sums in another order.
    np.testing.assert_allclose(found.table[figures], whole.table[figures], rtol=1e-10, atol=1e-12)


def test_residuals_of_many_rows_are_those_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = rows(400)
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | country)", draws=250)
    assert Evidence(fit).sample.fit is fit
    assert Evidence(fit).sampled == ""
    monkeypatch.setattr(module, "BLOCK", 300_000)
    evidence = Evidence(fit, extra=frame[["age", "sex"]])
    sample = evidence.sample
    assert sample.fit.design.rows.n == 300
    places = sample.fit.design.frame.index
    assert list(places) == list(range(300))
    np.testing.assert_array_equal(sample.fit.design.outcome.values, sample.fit.design.frame["who5_followup"])
    pairs = set(zip(frame["who5_followup"], frame["alliance"], frame["age"], strict=True))
    own = sample.fit.design.frame
    assert sample.extra is not None
    assert set(zip(own["who5_followup"], own["alliance"], sample.extra["age"], strict=True)) <= pairs
    for name in ("curvature", "groups"):
        found = CHECKS[name](evidence)
        assert found.sentence.endswith(" Of 400 rows, a random sample of 300 was looked at.")
        assert found.table.loc[found.table["column"] == found.table["column"].iloc[0], "n"].sum() == 300


def test_the_prior_predictive_of_many_rows_is_that_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    from alliance_bayes.checks import prior_predictive as prior

    fit = fitted(rows(2000), formula="who5_followup ~ alliance + (1 | country)", draws=100)
    whole = CHECKS["prior_predictive"](Evidence(fit)).table.set_index("quantity")
    monkeypatch.setattr(prior, "MOST_ROWS", 500)
    found = CHECKS["prior_predictive"](Evidence(fit)).table.set_index("quantity")
    # The same prior draws for a quarter of the rows: an R2 of theirs differs by less than one part in ten.
    assert found.loc["R2", "median"] == pytest.approx(whole.loc["R2", "median"], rel=0.1)
    assert found.loc["standardised slope of alliance", "median"] == pytest.approx(
        whole.loc["standardised slope of alliance", "median"], rel=1e-6
    )
