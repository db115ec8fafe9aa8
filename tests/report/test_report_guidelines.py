"""Limitations and guidelines: what was done and what was not follows from the checks and sections that there are."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks import CHECKS, CheckReport, Gate
from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.effects import EffectTable, effects
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from alliance_bayes.report.checked import WITHHELD
from alliance_bayes.report.guidelines import DONE, NOT_APPLICABLE, NOT_DONE
from alliance_bayes.report.limitations import AT_THE_END, at_the_end
from builders import fitted, rendered, rows
from report.test_report_page import parsed

# No test here looks at a figure.
pytestmark = pytest.mark.usefixtures("undrawn")

ITEMS = {
    "convergence": ("barg", "2B Convergence of the chains, for every parameter and every effect"),
    "prior_predictive": ("barg", "1E Prior predictive check"),
    "posterior_predictive": ("barg", "3 Posterior predictive check"),
    "prior_sensitivity": ("barg", "5 Sensitivity of the posterior to the priors: of the focal estimate"),
}


def checks_named(*names: str, verdict: str = "pass") -> CheckReport:
    table = pd.DataFrame({"value": [1.0]})
    results = tuple(CHECKS[name].result(verdict, f"Sentence of {name}.", table) for name in names)
    return CheckReport(results, Gate(True, ()))


@pytest.mark.parametrize("name", list(ITEMS))
def test_an_item_is_done_where_its_check_was_run(fit: FittedModel, table: EffectTable, name: str) -> None:
    guideline, item = ITEMS[name]

    sections = ["checks", "sensitivity", "guidelines"]
    with_it = rendered(fit, effects=table, checks=checks_named(name), sections=sections).numbers
    without = rendered(fit, effects=table, checks=checks_named("loo"), sections=sections).numbers
    # A check that the page does not show is not reported.
    hidden = rendered(fit, effects=table, checks=checks_named(name), sections=["guidelines"]).numbers

    assert with_it["guidelines"][guideline][item] == DONE
    assert item not in with_it["guidelines"]["not_done"]
    assert without["guidelines"][guideline][item] == NOT_DONE
    assert item in without["guidelines"]["not_done"]
    assert hidden["guidelines"][guideline][item] == NOT_DONE


def test_an_item_whose_finding_is_withheld_is_not_done(fit: FittedModel, table: EffectTable) -> None:
    checks = CheckReport(checks_named(*ITEMS).results, Gate(False, ("The draws did not mix.",)))

    made = rendered(fit, effects=table, checks=checks, sections=["checks", "sensitivity", "guidelines"]).numbers

    status = {name: made["guidelines"][guideline][item] for name, (guideline, item) in ITEMS.items()}
    # What is no estimate is shown: the draws, which are why, and what the priors say.
    shown = ("convergence", "prior_predictive")
    assert status == {name: DONE if name in shown else WITHHELD for name in ITEMS}
    assert not {item for _, item in ITEMS.values()} & {*made["guidelines"]["not_done"]}


@pytest.mark.parametrize("refitted", [False, True])
@pytest.mark.parametrize("correlated", [False, True])
def test_sensitivity_is_claimed_for_what_was_tried(table: EffectTable, refitted: bool, correlated: bool) -> None:
    formula = f"who5_followup ~ alliance + (alliance {'|' if correlated else '||'} country)"
    fit = fitted(rows(120, countries=4), formula=formula, draws=60)
    (scaled,) = checks_named("prior_sensitivity").results
    # Power-scaling alone has a table; refits have rows of slopes.
    made = dataclasses.replace(scaled, rows=table.head(2)) if refitted else scaled
    wambs = rendered(
        fit, effects=table, checks=CheckReport((made,), Gate(True, ())), sections=["sensitivity", "guidelines"]
    ).numbers["guidelines"]["wambs"]
    status = {item.partition(" ")[0]: found for item, found in wambs.items()}
    assert status["8"] == (DONE if refitted else NOT_DONE)
    assert status["9"] == DONE
    # No check varies the prior of a correlation.
    assert status["7"] == (NOT_DONE if correlated else NOT_APPLICABLE)


def test_every_item_has_a_status_and_every_link_a_target(report: Rendered, withheld: Rendered) -> None:
    for shown in (report, withheld):
        page = parsed(shown.html)
        for name in ("table-barg", "table-wambs"):
            _, *lines = page.by_id(name).all("tr")
            assert len(lines) >= 10
            for line in lines:
                _, where, status = line.all("th", "td")
                assert status.text in (DONE, NOT_DONE, NOT_APPLICABLE, WITHHELD)
                links = where.all("a")
                assert bool(links) == (status.text in (DONE, WITHHELD)), line.text
                for link in links:
                    page.by_id(link.attributes["href"][1:])
    assert WITHHELD in withheld.numbers["guidelines"]["barg"].values()
    assert WITHHELD not in report.numbers["guidelines"]["barg"].values()


@pytest.mark.parametrize("verdict", ["warn", "fail"])
def test_a_check_that_warns_or_fails_is_listed_with_what_it_means(
    fit: FittedModel, table: EffectTable, verdict: str
) -> None:
    checks = CheckReport(
        (*checks_named("loo").results, *checks_named("curvature", verdict=verdict).results), Gate(True, ())
    )

    report = rendered(fit, effects=table, checks=checks)

    assert report.numbers["limitations"]["checks"] == ["curvature"]
    section = parsed(report.html).by_id("limitations")
    (line,) = (node for node in section.all("li") if CHECKS["curvature"].title in node.text)
    assert "Sentence of curvature." in line.text
    assert CHECKS["curvature"].meaning in line.text
    assert CHECKS["loo"].meaning not in section.text
    assert "None of the checks that were run" not in section.text


def test_checks_that_were_not_run_are_not_done(fit: FittedModel, table: EffectTable) -> None:
    report = rendered(fit, effects=table, checks=checks_named("convergence", "loo"))

    undone = [sentence.lower() for sentence in report.numbers["limitations"]["not_done"]]
    for name, check in CHECKS.items():
        said = any(sentence.startswith(check.looks_at.lower()) for sentence in undone)
        assert said == (name not in ("convergence", "loo"))
    assert "None of the checks that were run warns or fails." in report.html


def test_a_ceiling_is_said_where_there_is_one(checks_of: Callable[..., CheckReport]) -> None:
    def sentences(at_top: int) -> str:
        frame = rows(100)
        frame["alliance"] = np.r_[np.full(at_top, 5.0), np.full(100 - at_top, 4.0)]
        frame.loc[99, "alliance"] = 3.0
        fit = fitted(frame, formula="who5_followup ~ alliance", draws=60)
        assert ("upper" in at_the_end(fit, "alliance", 10)) == (at_top >= 100 * AT_THE_END)
        report = rendered(fit, effects=effects(fit), checks=checks_of(), sections=["limitations"])
        return " ".join(report.numbers["limitations"]["sentences"])

    assert "There is a ceiling of alliance: 40% of those analysed" in sentences(40)
    assert "There is a ceiling" not in sentences(14)


def test_a_small_group_at_the_end_of_a_scale_is_not_counted_aloud() -> None:
    frame = rows(40)
    frame["alliance"] = np.r_[np.full(9, 5.0), np.linspace(3, 4, 31)]
    fit = fitted(frame, formula="who5_followup ~ alliance", draws=20)

    assert at_the_end(fit, "alliance", 10) == {}
    assert at_the_end(fit, "alliance", 5) == {"upper": 9 / 40}


def test_what_depends_on_the_data_depends_on_them(checks_of: Callable[..., CheckReport]) -> None:
    def said(fit: FittedModel) -> str:
        report = rendered(fit, effects=effects(fit), checks=checks_of(), sections=["limitations"])
        return json.dumps(report.numbers["limitations"], ensure_ascii=False)

    plain = fitted(rows(100), formula="who5_followup ~ age", draws=60)
    left = dataclasses.replace(plain, flow=Flow(125, (FlowStep("age unknown", 25),)))
    made = dataclasses.replace(plain, info={**plain.info, "cohort_source": "simulated (n=100, seed=1)"})
    rated = fitted(rows(100), formula="who5_followup ~ alliance + (1 | provider_type)", draws=60)

    assert "25 of 125 participants (20.0%) were left out" in said(left)
    assert re.search(r"participants \([\d.]+%\) were left out", said(plain)) is None
    assert "The data are simulated." in said(made)
    assert "The data are simulated." not in said(plain)
    assert "The same people rated the alliance" in said(rated)
    assert "The same people rated the alliance" not in said(plain)
    assert "Provider types were chosen" in said(rated)
    assert "Provider types were chosen" not in said(plain)
