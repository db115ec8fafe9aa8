"""Who was observed: differences, a model, and weights by which those observed stand for everybody."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lxml import html

import alliance_bayes as ab

DRAWS = {"seed": 1, "draws": 300, "chains": 2, "progress": False}


def table(n: int = 1200) -> pd.DataFrame:
    """Follow-up is missing the likelier the lower the baseline; both and an age, of which some are missing."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"before": rng.normal(50, 10, n), "site": rng.choice(list("abcd"), n)})
    frame["after"] = frame["before"] + rng.normal(5, 8, n)
    frame["age"] = np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 10, n))
    chance = 1 / (1 + np.exp(-(frame["before"] - 47) / 8))
    frame["after"] = frame["after"].where(rng.random(n) < chance)
    frame["chance"] = chance
    return frame


@pytest.fixture(scope="module")
def found() -> ab.Attrition:
    return ab.attrition(table().drop(columns="chance"), "after", **DRAWS)


def test_the_model_of_being_observed_has_the_probabilities_and_the_weights_undo_them(found: ab.Attrition) -> None:
    frame = table()
    assert found.fit.spec.formula == "observed ~ before + site + age + age_missing"
    # Of 1,200 people a logistic regression with seven coefficients knows a probability to some hundredths.
    assert np.abs(found.probability - frame["chance"]).mean() < 0.03
    assert found.observed.tolist() == frame["after"].notna().tolist()
    np.testing.assert_allclose(found.weights, found.observed.mean() / found.probability)
    # Weighted, those observed have the baseline of everybody; without weights they do not.
    everybody, there = frame["before"].mean(), frame[found.observed]["before"]
    error = frame["before"].std() / np.sqrt(len(frame))
    assert there.mean() - everybody > 5 * error
    assert abs(np.average(there, weights=found.weights[found.observed]) - everybody) < 2 * error


def test_a_weighted_mean_of_the_outcome_is_that_of_everybody(found: ab.Attrition) -> None:
    truth = 55.0
    model = {"formula": "after ~ 1", "autoscale": True}
    weighted = ab.Model(**model, weights="observation_weight", weights_kind="sampling")
    means = [
        one.fit(found.weighted(), seed=1, progress=False).stacked["beta"][:, 0] for one in (weighted, ab.Model(**model))
    ]
    assert abs(means[0].mean() - truth) < 2.5 * means[0].std()
    assert abs(means[1].mean() - truth) > 4 * means[1].std()


def test_those_for_whom_nobody_stands_are_counted(found: ab.Attrition) -> None:
    assert found.unsupported < 0.05
    frame = table().drop(columns="chance")
    none = ab.attrition(frame.assign(after=frame["after"].where(frame["before"] > 45)), "after", **DRAWS)
    gone = none.cohort.data["after"].isna().to_numpy()
    least = none.probability[~gone].min()
    assert none.unsupported == pytest.approx(np.mean(none.probability[gone] < least))
    assert none.unsupported > 0.2


def test_differences_that_rest_on_few_people_are_left_out(found: ab.Attrition) -> None:
    assert found.differences["column"].unique().tolist() == ["before", "site", "age"]
    many = ab.attrition(table().drop(columns="chance"), "after", small=10_000, **DRAWS)
    assert many.differences.empty
    assert "of 1,200 observed" in repr(many)


def test_the_figure_has_a_point_for_each_difference_the_largest_at_the_top(found: ab.Attrition) -> None:
    axes = found.plot()
    drawn = axes.lines[-1].get_xdata()
    assert sorted(drawn) == sorted(found.differences["difference"])
    assert drawn[-1] == found.differences.loc[found.differences["difference"].abs().idxmax(), "difference"]
    assert axes.get_yticklabels()[-1].get_text() == "before"


def test_what_cannot_be_asked_is_refused_in_words() -> None:
    frame = table().drop(columns="chance")
    with pytest.raises(ab.ModelError, match="everybody has a value of 'before'"):
        ab.attrition(frame, "before", **DRAWS)
    with pytest.raises(ab.UsageError, match="no column 'nowhere'"):
        ab.attrition(frame, "nowhere", **DRAWS)
    with pytest.raises(ab.ModelError, match="nothing but what has to be observed"):
        ab.attrition(frame[["after"]], "after", **DRAWS)
    twice = ab.attrition(frame, ab.Model("after ~ before"), formula="before", **DRAWS)
    with pytest.raises(ab.UsageError, match="has a column 'age'"):
        twice.weighted("age")


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_report_says_who_was_left_out_and_is_verified(tmp_path: Path) -> None:
    frame = table().drop(columns="chance")
    fit = ab.Model("after ~ before").fit(frame, seed=1, progress=False)
    fit.report(tmp_path / "page.html")
    told = json.loads((tmp_path / "page.json").read_text())["participants"]["left_out"]
    gone = frame["after"].isna()
    spread = np.sqrt((frame.loc[gone, "before"].var() + frame.loc[~gone, "before"].var()) / 2)
    difference = (frame.loc[gone, "before"].mean() - frame.loc[~gone, "before"].mean()) / spread
    assert told[0]["column"] == "before"
    # No more exact than the page, lest it tell of how many people it is.
    assert told[0]["difference"] == round(difference, 2)
    tree = html.fromstring((tmp_path / "page.html").read_text())
    rows = [[cell.text_content() for cell in row] for row in tree.get_element_by_id("table-left-out").iter("tr")]
    assert rows[0][-1] == "Standardised difference"
    assert float(rows[1][-1].replace("\N{MINUS SIGN}", "-")) == pytest.approx(difference, abs=0.005)
    section = tree.get_element_by_id("data").text_content()
    assert "differ from those analysed by more than a tenth of a standard deviation in before" in " ".join(
        section.split()
    )
    assert not ab.verify_report(tmp_path / "page.html", ab.read_cohort(frame)).problems
    whole = ab.Model("before ~ site").fit(frame, seed=1, progress=False)
    assert "left_out" not in whole.info


def test_names_that_the_comparison_uses_itself_are_names_like_any_other() -> None:
    """A level "(missing)" was an error, and columns "observed" and "age_missing" were written over."""
    frame = table(300).drop(columns="chance").assign(extra=np.random.default_rng(3).normal(size=300))
    frame["site"] = pd.Categorical(frame["site"].where(np.arange(300) % 9 > 0))
    names = {"before": "observed", "extra": "age_missing"}
    same = frame.rename(columns=names)
    same["site"] = same["site"].cat.rename_categories({"a": "(missing)"})
    fits = [
        ab.attrition(ab.read_cohort(one, levels=levels), "after", **DRAWS)
        for one, levels in (
            (frame, {"site": list("abcd")}),
            (same, {"site": ["(missing)", *"bcd"]}),
        )
    ]
    assert fits[1].fit.spec.formula == "observed_ ~ observed + site + age + age_missing_ + age_missing"
    assert [str(level) for level in fits[1].fit.design.frame["site"].cat.categories] == [
        "(missing)",
        "b",
        "c",
        "d",
        "(missing)_",
    ]
    # The same design has the same draws.
    np.testing.assert_allclose(fits[1].probability, fits[0].probability, rtol=1e-6)
