"""The study's first screen and its checks: answer, summary and grid say what rows and checks hold."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import run_checks
from alliance_bayes.report import Rendered
from alliance_bayes.report.page import read_manifest, rows_by_id
from alliance_bayes.study import Study, run_study
from alliance_bayes.study.called import called
from alliance_bayes.study.checking import DRAWS, GRID, REPLICATES, checked_models, findings_of
from report import test_report_page as house
from study.test_study_whole import people

# One study for all of them.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study() -> Study:
    return run_study(ab.read_cohort(people()), progress=False, prob=0.9, margin=3.0, population_mean=(50, 60))


@pytest.fixture(scope="module")
def page(study: Study) -> Rendered:
    return study.report()


def test_the_range_of_populations_is_that_asked_for(page: Rendered) -> None:
    assert "--population-mean 50 60" in page.html
    assert "if that mean is 50 and" in page.html
    assert page.numbers["meta"]["options"]["population_mean"] == [50.0, 60.0]


def test_no_finding_is_surer_than_other_priors_leave_it(study: Study) -> None:
    checks = checked_models(study)
    own = checks["outcome_everybody"]
    items = []
    for item in own.checked.items:
        rows = item.rows
        if item.name == "prior_sensitivity":
            assert rows is not None
            # Under one of the sets of priors the interval includes zero.
            last = np.arange(len(rows)) == len(rows) - 1
            ends = {"lower": np.where(last, -1.0, 0.5), "upper": 4.0, "mean": 2.0, "median": 2.0}
            rows = rows.assign(**ends, p_direction=np.where(last, 0.8, 1.0))
        items.append(replace(item, rows=rows))
    opened = {**checks, "outcome_everybody": replace(own, checked=replace(own.checked, items=tuple(items)))}
    part = study.parts["association"]
    sure = {"lower": 0.5, "upper": 4.0, "mean": 2.0, "median": 2.0, "p_direction": 1.0}
    blocks = [
        replace(block, rows=block.rows.assign(**sure)) if block.name == "association-everybody" else block
        for block in part.blocks
    ]
    part = replace(part, blocks=tuple(blocks))
    said = "Under other priors that were tried, the direction is not settled."

    findings = findings_of(part, study, opened)

    of = [finding.text for finding in findings if finding.text.endswith(said)]
    # Slope and declared difference of everybody; those with elevated symptoms have a model of their own.
    assert len(of) == 2
    assert all("among everybody" in text for text in of)


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
    analysed, participants = (page.numbers["participants"][name] for name in ("analysed", "participants"))
    # What they lacked may have a number in its name.
    *people, percent = signless(answer["people"].partition(" lacked")[0].replace(",", ""))
    assert people == [analysed, participants, participants - analysed]
    # A whole percentage.
    assert percent == pytest.approx(100 * (1 - analysed / participants), abs=0.5 + 1e-9)
    checks = answer["checks"]
    assert f"{checks['passed']} of {sum(checks.values())} checks passed" in text


#: What the sign of a cell says, for those who cannot see it.
WORDS = ("pass", "warn", "fail", "not examined")


def verdict_of(cell: str) -> str:
    """The verdict of a cell of the page."""
    return next((word for word in WORDS if cell.endswith(word)), cell)


def test_the_summary_has_at_most_seven_rows_the_main_aim_first(page: Rendered, study: Study) -> None:
    rows = page.numbers["summary"]
    assert [row["name"] for row in rows] == [
        "association",
        "association_elevated",
        "change_elevated",
        "shares",
        "ratings",
        "moderation",
        "curve",
    ]
    head, *cells = house.cells(house.parsed(page.html).by_id("table-summary"))
    usual = f"±{study.options.margin:g}"
    judged = [f"Negligible ({usual})", f"Relevant (≥\xa0{study.options.improvement:g})"]
    assert head[:6] == ["Question", "People", "Estimate", *judged, "How sure"]
    assert head[-1] == "In plain words"
    assert len(cells) == len(rows) <= 7
    for row, cell in zip(rows, cells, strict=True):
        assert [cell[0], cell[1], cell[2], cell[-1]] == [row["question"], row["people"], row["estimate"], row["words"]]
        # A row that is judged by another margin than the heading's names its own.
        other = row["margins"][0] not in ("", usual)
        assert cell[3] == (f"{row['negligible']} ({row['margins'][0]})" if other else row["negligible"])
        assert cell[4] == row["relevant"]
        for label, verdict in row["holds"].items():
            if label in head:
                assert verdict_of(cell[head.index(label)]) == (verdict or "not examined")
            else:
                # A mark that no row has is no column.
                assert all(one["holds"][label] is None for one in rows)


def test_every_row_of_the_summary_says_what_its_estimates_hold(page: Rendered, study: Study) -> None:
    known = rows_by_id(read_manifest(page.html, name="study"))
    summary = {row["name"]: row for row in page.numbers["summary"]}
    for row in summary.values():
        assert set(row["rows"]) <= set(known)
    for name in ("association", "association_elevated", "change_elevated"):
        row, own = summary[name], known[summary[name]["rows"][0]]
        values = [
            float(text.replace("\N{MINUS SIGN}", "-"))
            for text in re.findall(r"[\d.\N{MINUS SIGN}]+", row["estimate"])[:3]
        ]
        places = len(re.findall(r"\d+\.(\d+)", row["estimate"])[0])
        assert values == pytest.approx([own["mean"], own["lower"], own["upper"]], abs=0.5 * 10.0**-places + 1e-9)
        settled = own["lower"] > 0 or own["upper"] < 0
        words = row["words"]
        # Direction, and size against the two margins, by the rule of 95 %.
        if not settled:
            assert words.startswith("Direction not settled")
        elif row["holds"]["Other priors"] != "warn":
            assert words.startswith("Better" if own["mean"] > 0 else "Worse")
        # Of what has no direction, under other priors either, no size is said that has one.
        least = 0.0 if words.startswith("Direction not settled") else 0.05
        assert ("may be negligible" in words) == (least <= own["p_rope"] < 0.95)
        assert ("short of relevant" in words) == (own["p_relevant"] <= 0.05 and own["p_rope"] < 0.95)
        # Whole per cents, half of one off at most.
        for cell, probability in (("negligible", own["p_rope"]), ("relevant", own["p_relevant"])):
            sign, _, printed = row[cell].rstrip("%").rpartition(" ")
            bound = {"": abs(100 * probability - float(printed)) <= 0.51}
            bound |= {"<": 100 * probability < float(printed), ">": 100 * probability > float(printed)}
            assert bound[sign]
    for name in ("ratings", "moderation"):
        own = [known[one] for one in summary[name]["rows"]]
        clear = [row["lower"] > 0 or row["upper"] < 0 for row in own]
        of = re.findall(r"(\d+) of (\d+) settled", summary[name]["sure"])
        assert sum(int(settled) for settled, _ in of) == sum(clear)
        assert sum(int(n) for _, n in of) == len(own)
        # Each in its own unit: half of the margin over the first contrast for slopes, points of the scale for ratings.
        assert summary[name]["margins"] == [f"±{own[0]['rope_high']:.3g}", ""]
    shares = [known[one] for one in summary["shares"]["rows"]]
    texts = re.findall(r"([\d.]+)%", summary["shares"]["estimate"])
    printed, places = [float(text) for text in texts], max(len(text.partition(".")[2]) for text in texts)
    expected = [100 * row[name] for row in shares for name in ("mean", "lower", "upper")]
    assert printed == pytest.approx(expected, abs=0.5 * 10.0**-places + 1e-9)
    compared = study.parts["association"].numbers["line_against_spline"]
    assert isinstance(compared, pd.DataFrame)
    weight = float(compared.loc[compared["model"] == "spline", "weight"].iloc[0])
    assert f"{100 * weight:.0f}%" in summary["curve"]["sure"]
    gap, se = (abs(float(compared[name].iloc[1])) for name in ("elpd_difference", "se_difference"))
    assert (summary["curve"]["words"] == "Not settled") == (gap < 4 or gap < 2 * se)


def test_the_grid_has_what_the_checks_of_each_model_say(page: Rendered, study: Study) -> None:
    head, *grid = house.cells(house.parsed(page.html).by_id("table-checks"))
    names = called(study.fitted)
    assert [row[0] for row in grid] == list(names.values())
    cells = {name: [verdict_of(cell) for cell in row[1:]] for name, row in zip(names, grid, strict=True)}
    assert len(head) == 1 + len(GRID)
    for name in ("alliance_gaussian", "outcome_everybody", "change_elevated"):
        fit = study.fitted[name].fit
        assert isinstance(fit, ab.Fit)
        some = fit.thinned(max(1, fit.shape[0] * fit.shape[1] // DRAWS))
        for column, made in zip(GRID.items(), cells[name], strict=True):
            if made == "not examined":
                assert column[0] in ("priors", "groups")
                continue
            refit = column[0] in ("converged", "priors", "groups")
            settings = {"seed": study.options.seed} | ({} if refit else {"replicates": REPLICATES})
            report = run_checks(fit if refit else some, checks=column[1], **settings)
            verdicts = [result.verdict for result in report]
            assert made == next((word for word in ("fail", "warn") if word in verdicts), "pass")
    # All of them are counted by the answer.
    listed = [check["verdict"] for model in page.numbers["checks"].values() for check in model["checks"]]
    counted = page.numbers["answer"]["checks"]
    assert counted == {"passed": listed.count("pass"), "warned": listed.count("warn"), "failed": listed.count("fail")}


def test_no_name_of_a_card_or_a_column_stands_in_the_page_but_in_code(page: Rendered, study: Study) -> None:
    parsed = house.parsed(page.html)
    for section in parsed.all("section"):
        code = {id(inner) for node in section.all("pre", "code", "style", "script") for inner in (node, *node.all())}
        words = [
            child
            for node in (section, *section.all())
            if id(node) not in code
            for child in node.children
            if isinstance(child, str)
        ]
        text = " ".join(words)
        # What a reader could type stands as code; in the table of settings and in formulas of reasons it is what it is.
        if section.attributes.get("id") != "models":
            for name in study.fitted:
                assert "_" not in name or name not in text, (section.attributes.get("id"), name)
            for name in ("n_sessions", "days_in_care", "who5_followup", "who5_baseline"):
                outside = re.sub(rf"\([^()]*\b{name}\b[^()]*\)", "", text)
                assert section.attributes.get("id") == "methods" or not re.search(rf"\b{name}\b", outside)


@pytest.mark.usefixtures("undrawn")
def test_no_check_made_from_bad_draws_shows_a_pass(study: Study) -> None:
    planted = study.fitted["outcome_elevated"]
    tree = planted.fit.tree.copy(deep=True)
    tree["posterior"]["beta"].values[0] += 50.0
    bad = replace(planted, fit=replace(planted.fit, tree=tree))
    found = replace(study, fitted={**study.fitted, "outcome_elevated": bad}).report()

    model = found.numbers["checks"]["outcome_elevated"]
    assert model["gate"] is False
    assert [(check["name"], check["verdict"]) for check in model["checks"]] == [("convergence", "fail")]
    parsed, title = house.parsed(found.html), "Alliance and follow-up well-being, elevated symptoms"
    row = next(row for row in house.cells(parsed.by_id("table-checks")) if row[0] == title)
    assert [verdict_of(cell) for cell in row[1:]] == ["fail", *["withheld"] * (len(GRID) - 1)]
    # What rests on it says so, and the limitations too.
    assert "fail" in parsed.by_id("association").text
    assert f"Convergence of the sampler ({title})" in parsed.by_id("limitations").text
    assert found.numbers["answer"]["checks"]["failed"] == 1


def test_the_limitations_say_how_strong_an_unmeasured_cause_must_be(study: Study, page: Rendered) -> None:
    rows = rows_by_id(read_manifest(page.html, name="study"))
    own = study.first.confounding(prob=0.9, rope=(-3, 3))
    (name,) = (one for one in own.index if one.startswith("robustness_value"))
    row = rows[f"confounding/{name}"]
    # Five digits of the SD are kept.
    assert row["mean"] == pytest.approx(own.loc[name, "mean"], abs=1e-4 * row["sd"])
    assert row["lower"] == pytest.approx(own.loc[name, "lower"], abs=1e-4 * row["sd"])
    text = re.sub(r"\s+", " ", house.parsed(page.html).by_id("limitations").text)
    share = f"{100 * row['mean']:.0f}%"
    assert f"An unmeasured cause would need to explain at least {share} of what remains of both" in text
    assert ("The interval already includes no association, without any such cause" in text) == (row["lower"] == 0)
    assert "How strong an unmeasured cause would have to be" not in text
