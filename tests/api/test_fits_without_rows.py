"""The whole way from moments to a report, with the answers of the rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort import FlowStep
from alliance_bayes.model import card_text
from alliance_bayes.moments import moments_of
from builders import OUTCOME_FORMULA, rows

OPTIONS = {"seed": 4, "draws": 300, "progress": False}


@pytest.fixture(scope="module")
def model() -> ab.Model:
    return ab.Model(OUTCOME_FORMULA, priors="literature")


@pytest.fixture(scope="module")
def moments(model: ab.Model) -> ab.Moments:
    found = moments_of(model.design(rows(400, countries=4)), spec=model)
    return replace(found, flow=ab.Flow(450, (FlowStep("no follow-up WHO-5", 50),)))


@pytest.fixture(scope="module")
def of_rows(model: ab.Model) -> ab.Fit:
    return model.fit(rows(400, countries=4), **OPTIONS)


@pytest.fixture(scope="module")
def fit(model: ab.Model, moments: ab.Moments) -> ab.Fit:
    return model.fit(moments, **OPTIONS)


def test_the_draws_are_those_of_the_rows(fit: ab.Fit, of_rows: ab.Fit) -> None:
    assert fit.moments is not None
    assert of_rows.moments is None
    for name, draws in of_rows.stacked.items():
        np.testing.assert_array_equal(fit.stacked[name], draws)
    assert fit.flow.analysed == 400
    assert fit.info["engine"] == "collapsed"
    assert fit.info["cohort_source"] == "moments, without rows"
    assert len(fit.info["cohort_hash"]) == 64
    new = rows(10, countries=4, seed=8)
    np.testing.assert_array_equal(fit.predict(new, seed=1), of_rows.predict(new, seed=1))


def test_what_needs_the_rows_is_refused(fit: ab.Fit) -> None:
    because = (
        " needs the analysed rows, but this fit was made from moments, which hold no row. Fit the model to the table "
        "itself, or give the rows to predict."
    )
    cases = [
        (fit.predict, "predicting the analysed rows"),
        (fit.log_likelihood, "the pointwise log likelihood"),
        (fit.linear_predictor, "the linear predictor of the analysed rows"),
        (lambda: fit.pymc_model, "the PyMC graph"),
    ]
    for call, what in cases:
        with pytest.raises(ab.UsageError) as caught:
            call()
        assert str(caught.value) == what + because
    assert set(fit.to_arviz().children) == {"posterior", "sample_stats", "prior"}


def test_models_that_moments_are_not_enough_for_are_refused(model: ab.Model, moments: ab.Moments) -> None:
    enough = "moments are enough for the collapsed engine only, and it cannot be used here: "
    instead = ". Change the model, or fit it to the table itself."
    heavy = ab.Model(OUTCOME_FORMULA, priors={"set": "literature", "age": "StudentT(3, 0, 1)"})
    for asked, options, reason in (
        (model, {"engine": "nuts"}, "NUTS was asked for"),
        (model, {"sampler": "pymc"}, "sampler 'pymc' was asked for"),
        (heavy, {}, "the prior of 'age' is StudentT(3, 0, 1), not a Normal"),
    ):
        with pytest.raises(ab.ModelError) as caught:
            asked.fit(moments, progress=False, **options)
        assert str(caught.value) == f"{enough}{reason}{instead}"


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_a_kept_fit_comes_back_exactly(fit: ab.Fit, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"fit{ending}"
    fit.save(path)
    again = ab.load_fit(path)
    assert again.posterior.identical(fit.posterior)
    assert again.sample_stats.equals(fit.sample_stats)
    assert card_text(again.spec) == card_text(fit.spec)
    assert (again.flow, again.info, again.design.centres) == (fit.flow, fit.info, fit.design.centres)
    assert again.moments is not None
    np.testing.assert_array_equal(again.moments.cross, fit.moments.cross)  # type: ignore[union-attr]
    np.testing.assert_array_equal(again.design.rows.x, fit.design.rows.x)
    np.testing.assert_array_equal(again.design.weights, fit.design.weights)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(pd.DataFrame(again.effects()), pd.DataFrame(fit.effects()), check_exact=True)


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_the_report_shows_what_moments_tell_and_says_what_they_do_not(
    fit: ab.Fit, of_rows: ab.Fit, tmp_path: Path
) -> None:
    report, theirs = fit.report(tmp_path / "report.html"), of_rows.report(sections=["data"])
    assert (tmp_path / "report.json").exists()
    assert "The curve along alliance and its distribution are left out: they need the rows" in report.html
    assert "which hold no medians and quartiles, and do not tell who lacked a value." in report.html
    assert "50 left out: no follow-up WHO-5" in report.html
    assert "outcome.toml moments.nc" in report.html.replace("model.toml", "outcome.toml")
    assert report.numbers["curve"] is None
    ours = {(row["variable"], row.get("level")): row for row in report.numbers["participants"]["summary"]}
    for row in theirs.numbers["participants"]["summary"]:
        mine = ours[row["variable"], row.get("level")]
        if "mean" in row:
            assert (mine["mean"], mine["sd"]) == pytest.approx((row["mean"], row["sd"]), rel=1e-12)  # rounding
            assert (mine["n"], mine["median"]) == (400, None)
        else:
            assert mine == row
    ours_by, theirs_by = (r.numbers["participants"]["groups"] for r in (report, theirs))
    assert (ours_by["factor"], len(ours_by["levels"])) == ("provider_type", 3)
    for own, other in zip(ours_by["levels"], theirs_by["levels"], strict=True):
        assert (own["level"], own["n"]) == (other["level"], other["n"])
        for mine, row in zip(own["summary"], other["summary"], strict=True):
            assert mine.get("shown") == row.get("shown")
            if "mean" in row:
                assert (mine["mean"], mine["sd"]) == pytest.approx((row["mean"], row["sd"]), rel=1e-10)  # rounding
                assert mine["median"] is None
    assert report.numbers["participants"]["missing"] is None
    assert set(theirs.numbers["participants"]["missing"].values()) == {0}  # fitted to complete rows
    # What a finding says rests on rows that both have, but for the one about percentiles.
    found, expected = ({f["name"]: f["text"] for f in r.numbers["findings"]} for r in (report, theirs))
    assert set(expected) - set(found) == {"span"}
    assert {name: expected[name] for name in found} == found
