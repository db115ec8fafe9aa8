"""The first screen of the study's page: the answer says what the rows of the manifest hold, and is verified."""

from __future__ import annotations

import re

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.report import Rendered
from alliance_bayes.report.page import read_manifest, rows_by_id
from alliance_bayes.study import Study, run_study
from report import test_report_page as house
from study.test_study_whole import people


@pytest.fixture(scope="module")
def study() -> Study:
    return run_study(ab.read_cohort(people()), progress=False, prob=0.9, margin=3.0)


@pytest.fixture(scope="module")
def page(study: Study) -> Rendered:
    return study.report()


def signless(text: str) -> list[float]:
    """Numbers of a text, without signs."""
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", text)]


def test_the_answer_says_the_declared_contrast_as_its_row_has_it(page: Rendered) -> None:
    rows, answer = rows_by_id(read_manifest(page.html, name="study")), page.numbers["answer"]
    contrast = answer["rows"][0]
    row = rows[contrast]

    assert contrast.startswith("association-everybody/everybody/slope_p10_p90/")
    # The options of the study decide, not the defaults.
    assert (row["prob"], row["rope_low"], row["rope_high"]) == (0.9, -3.0, 3.0)
    said = answer["sentence"]
    interval = re.search(r"\(90% equal-tailed interval (\S+) to (\S+?)\)", said)
    assert interval is not None
    ends = [float(end.replace("\N{MINUS SIGN}", "-")) for end in interval.groups()]
    # As many decimals as are printed.
    places = len(interval[1].partition(".")[2])
    half = 0.5 * 10.0**-places + 1e-9
    assert ends == pytest.approx([row["lower"], row["upper"]], abs=half)
    assert min(abs(value - abs(row["mean"])) for value in signless(said)) <= half
    assert ("is not settled" in said) == (answer["certainty"] == "uncertain" or row["lower"] < 0 < row["upper"])


def test_the_shares_are_those_of_the_manifest(study: Study, page: Rendered) -> None:
    rows, answer = rows_by_id(read_manifest(page.html, name="study")), page.numbers["answer"]
    high, low = (rows[name] for name in answer["rows"][1:])
    found = re.search(r"about (\d+) \((\d+) to (\d+)\) would .*about\s+(\d+) \((\d+) to (\d+)\)", answer["shares"])
    assert found is not None
    shares = [100 * row[name] for row in (high, low) for name in ("mean", "lower", "upper")]
    # Whole people of 100.
    assert list(map(int, found.groups())) == pytest.approx(shares, abs=0.5 + 1e-9)
    # Ends of the predictor as the sentence has them, and the change that the study calls relevant.
    alliance = study.first.design.frame["alliance"].to_numpy(float)
    assert f"{study.options.improvement:g} points or more" in answer["shares"]
    named = signless(answer["sentence"].partition(": by")[0])
    for share in (0.1, 0.9):
        assert min(abs(value - float(np.quantile(alliance, share))) for value in named) < 1e-3


def test_the_answer_stands_in_the_page_before_all_tables_with_its_picture(page: Rendered, study: Study) -> None:
    parsed, answer = house.parsed(page.html), page.numbers["answer"]
    findings = parsed.by_id("findings")
    text = " ".join(findings.text.split())
    for name in ("sentence", "shares", "caveat", "people"):
        assert answer[name]
        assert " ".join(answer[name].split()) in text
    # The picture is named by the answer, and stands before any table.
    (picture,) = findings.all("svg")
    assert picture.attributes["aria-labelledby"].startswith("answer-density")
    flow = page.numbers["participants"]
    assert signless(answer["people"].replace(",", "")) == [flow["analysed"], flow["participants"]]
    checks = answer["checks"]
    assert f"{checks['passed']} of {sum(checks.values())} checks passed" in text
