"""How many rows a model has is told nowhere on a study's page where it would count a few people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.report import Rendered
from alliance_bayes.report.scale_ends import ScaleEnd
from alliance_bayes.report.suppression import Mark
from alliance_bayes.report.svg import Picture
from alliance_bayes.study import checking
from alliance_bayes.study.called import called
from alliance_bayes.study.checking import _uncounted
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.predictive import predictive_pictures
from builders import fitted, rows
from lightly import lightly, without_figures
from recovering import SMALL, Unknowns, of_flow, solved
from report.test_report_page import cells, parsed

REASONS = {
    "who5_followup": "no follow-up WHO-5",
    "alliance": "no alliance rating",
    "who5_baseline": "no baseline WHO-5",
}


def cohort() -> ab.Cohort:
    """Seven of those who lack a follow-up lack another value, too: four the alliance, three the baseline."""
    frame, at = rows(700, seed=6), np.random.default_rng(6).permutation(700)
    frame.loc[at[:60], "who5_followup"] = np.nan
    frame.loc[at[[*range(4), *range(60, 96)]], "alliance"] = np.nan
    frame.loc[at[[*range(4, 7), *range(96, 138)]], "who5_baseline"] = np.nan
    return ab.read_cohort(frame)


@pytest.fixture(scope="module")
def study() -> ab.Study:
    with lightly():
        return ab.run_study(cohort(), progress=False)


@pytest.fixture(scope="module")
def page(study: ab.Study) -> Rendered:
    """With the checks that say of how many rows they are."""
    with pytest.MonkeyPatch.context() as patch:
        without_figures(patch)
        patch.setattr(checking, "_OF_ALL", ("posterior_predictive", "loo"))
        patch.setattr(checking, "_refits", lambda parts: {})
        return study.report()


def sizes_told(study: ab.Study, page: Rendered) -> Iterator[tuple[str, int]]:
    """Rows of models by name, wherever their checks say of how many they are."""
    titles = {title: name for name, title in called(study.fitted).items()}
    rows_ = cells(parsed(page.html).by_id("table-ends"))[1:]
    assert {titles[row[0]] for row in rows_} >= {"alliance_gaussian"}
    for row in rows_:
        if of := re.search(r" of ([\d,]+) \(", row[2]):
            yield titles[row[0]], int(of[1].replace(",", ""))
    for name, model in page.numbers["checks"].items():
        for n in re.findall(r"([\d,]+) rows", json.dumps(model)):
            yield name, int(n.replace(",", ""))


@pytest.mark.slow
def test_no_size_of_a_model_tells_how_few_lack_two_values(study: ab.Study, page: Rendered) -> None:
    people = page.numbers["participants"]
    assert (people["participants"], people["analysed"]) == (700, 562)
    assert people["missing"]["alliance"] is None
    unknowns = Unknowns()
    of_flow(people, unknowns, REASONS)
    names = list(REASONS)
    # Of those without a follow-up, the others that they lack; whoever has one is in a step of the flow.
    for name in names[1:]:
        unknowns.add(("both", name))
        unknowns.tie({("both", name): 1.0, ("before", name): -1.0}, -np.inf, 0)
    unknowns.add("another")
    steps = sum(unknowns.low[unknowns.names["step", REASONS[name]]] for name in names[1:])
    for name, n in sizes_told(study, page):
        if name == "alliance_gaussian":
            # Who is not rated, or has no baseline, with a follow-up and without.
            unknowns.add("another", 700 - n - steps, 700 - n - steps)
    assert solved(unknowns, {"another": 7}) == []
    shown = {model["model"]: model["people"] for model in page.numbers["models"]}
    assert shown["alliance_gaussian"] is None
    assert {name for name, n in sizes_told(study, page)} <= {name for name, n in shown.items() if n is not None}


def test_of_how_many_rows_a_sentence_is_is_taken_out_of_it() -> None:
    redact = _uncounted(str, 1436)
    assert (
        redact("predictions of 1 of 1,436 rows cannot be trusted") == "predictions of 1 of its rows cannot be trusted"
    )
    assert redact("Of 21,436 rows, 1,436 people") == "Of 21,436 rows, 1,436 people"


def test_an_end_of_a_scale_has_shares_that_any_number_of_rows_can_have() -> None:
    end = ScaleEnd("alliance", "highest", 5.0, 109, 436, Mark.SHOWN, 0.1789, 0.1261, 0.2239, counted=False)
    assert end.cells(SMALL) == ("25%", "18%", "(13% to 22%)", "more than the model expects")
    few = ScaleEnd("alliance", "highest", 5.0, 20, 61, Mark.SHOWN, 0.1789, 0.1261, 0.2239, counted=False)
    assert set(few.cells(SMALL)) == {"–"}
    for n in range(100, 2000):
        assert np.unique(np.round(100 * np.arange(n + 1) / n + 1e-9)).size == 101, n


def sizes_of_bars(picture: Picture, most: int) -> list[int]:
    """Numbers of rows that can have the observed shares of a figure's bars, by the table of its data."""
    assert picture.data is not None
    place, found = picture.data.headings.index("observed"), []
    # A joined bar is of several levels of 0.25, and at an end of the scale there is half of one.
    lines = [([float(end) for end in row[0].split(" to ")], float(row[place])) for row in picture.data.rows]
    levels = np.array([round((high - low) / 0.25 + ((low == 1) + (high == 5)) / 2) for (low, high), _ in lines])
    shares = np.array([share for _, share in lines]) / 100
    for n in range(2, most):
        people = shares * levels * n
        # Four digits of a share.
        if (np.abs(people - np.rint(people)) <= 1e-3 * people + 1e-9).all() and round(people.sum()) == n:
            found.append(n)
    return found


@pytest.mark.parametrize("told", [True, False])
def test_no_figure_of_the_outcome_tells_how_many_rows_a_model_has(told: bool) -> None:
    frame = rows(437, seed=2)
    first = fitted(frame.iloc[: 437 if told else 428].reset_index(drop=True), draws=4)
    fit = fitted(frame, formula="alliance ~ who5_baseline + (1 | provider_type)", draws=100)
    models = {"outcome_everybody": first, "alliance_gaussian": fit}
    runner = SimpleNamespace(
        options=StudyOptions(), fitted={name: SimpleNamespace(fit=model) for name, model in models.items()}
    )
    pictures = predictive_pictures("ratings", "Ratings", fit, runner)  # type: ignore[arg-type]
    assert [picture.name for picture in pictures] == ["picture-ratings-prior", "picture-ratings-posterior"][: 1 + told]
    for picture in pictures:
        # As a page has them: columns in words, true signs, and no blank before a per cent sign.
        assert picture.data is not None
        words = " ".join([picture.caption, *picture.data.headings, picture.data.note])
        assert re.findall(r"who5_baseline|\bR2\b|\d %|[ (]-\d", words) == []
    explained = r"; R² \d\.\d\d \(\d\.\d\d to \d\.\d\d\); standardised slope of baseline WHO-5 "
    assert re.search(explained, pictures[0].caption)
    if told:
        assert sizes_of_bars(pictures[1], 600) == [437]
