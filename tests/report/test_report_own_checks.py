"""Checks of an analyst's own on the page: told where their subject is reported, and never more than text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alliance_bayes.checks import CHECKS, Check, CheckReport, CheckResult, Context, Gate, Plot
from alliance_bayes.effects import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Report
from alliance_bayes.report.guidelines import DONE, NOT_DONE
from alliance_bayes.report.methods import REFERENCES
from builders import own_check, rendered
from report.test_report_hostile import Tags
from report.test_report_page import parsed

MARKUP = "<script>alert(1)</script>"
HOSTILE = f'{MARKUP} "&amp;" </title> {{{{ 7 * 7 }}}} $\\frac{{1}}$ nul\x00\u202eexe'


def bars(figure: Any) -> None:
    figure.subplots().bar(["even", "odd"], [60, 40])


def report_of(*results: CheckResult, passed: bool = True) -> CheckReport:
    calm = CHECKS["convergence"].result("pass", "The chains agree.", pd.DataFrame({"value": [1.0]}))
    return CheckReport((calm, *results), Gate(passed, () if passed else ("Too few.",)))


def warning(check: Check, **more: Any) -> CheckResult:
    table = pd.DataFrame({"quantity": ["even", "odd"], "value": [0.6, 0.41]})
    plot = Plot("even-odd", "Even and odd", "Two bars, 60 and 40.", bars)
    return check.result("warn", "Answers are even too often.", table, plots=[plot], **more)


@pytest.mark.usefixtures("undrawn")
def test_an_own_check_is_told_wherever_one_of_the_package_is(fit: FittedModel, table: EffectTable) -> None:
    check = own_check(
        "even",
        title="Even answers",
        looks_at="how many answers are even",
        meaning="People seem to avoid odd numbers.",
        concerns=("groups",),
    )
    page = rendered(fit, effects=table, checks=report_of(warning(check)))

    html = parsed(page.html)
    article = html.by_id("check-2")
    assert article.all("h3")[0].text.startswith("Even answers")
    assert "Answers are even too often." in article.text
    assert len(article.all("svg")) == 1
    assert "0.60" in article.text
    assert "0.41" in article.text
    assert "People seem to avoid odd numbers." in html.by_id("limitations").text
    assert "how many answers are even" in html.by_id("methods").text
    assert "1 warned: Even answers." in html.by_id("methods").text
    (kept,) = (found for found in page.numbers["checks"] if found["name"] == "even")
    assert kept["title"] == "Even answers"
    assert kept["table"] == [{"quantity": "even", "value": 0.6}, {"quantity": "odd", "value": 0.41}]
    assert page.numbers["limitations"]["checks"] == ["even"]
    # It bears on what it says, and on nothing else.
    assert "Even answers" in html.by_id("groups").text
    assert "Even answers" not in html.by_id("effects").text
    cautions = {finding["name"]: finding["cautions"] for finding in page.numbers["findings"]}
    assert cautions["slope"] == []
    assert cautions["groups: sex"] == ["even"]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_an_own_check_may_answer_a_guideline_and_stand_with_the_sensitivity(
    fit: FittedModel, table: EffectTable
) -> None:
    item = "3 Convergence again with twice the iterations"
    assert rendered(fit, effects=table, checks=report_of()).numbers["guidelines"]["wambs"][item] == NOT_DONE
    check = own_check("sums", section="sensitivity", answers=("WAMBS 9",), references=("kruschke2018",))
    page = rendered(fit, effects=table, checks=report_of(warning(check)))
    wambs = {name.partition(" ")[0]: status for name, status in page.numbers["guidelines"]["wambs"].items()}
    assert wambs["9"] == DONE
    html = parsed(page.html)
    assert "Answers are even too often." in html.by_id("sensitivity").text
    assert "Answers are even too often." not in html.by_id("checks").text
    assert "kruschke2018" in page.numbers["methods"]["references"]


@pytest.mark.parametrize("holds_estimates", [False, True])
def test_an_own_check_is_withheld_with_the_conclusions_unless_it_holds_no_estimate(
    fit: FittedModel, table: EffectTable, holds_estimates: bool
) -> None:
    check = own_check("even", holds_estimates=holds_estimates)
    page = rendered(fit, effects=table, checks=report_of(warning(check), passed=False))
    article = parsed(page.html).by_id("check-2")
    assert ("Answers are even too often." in article.text) is not holds_estimates
    (kept,) = (found for found in page.numbers["checks"] if found["name"] == "even")
    assert (kept["table"] is None) is holds_estimates
    assert ("0.41" in article.text) is not holds_estimates
    assert bool(article.all("svg")) is not holds_estimates


@pytest.mark.slow
def test_no_text_of_an_own_check_becomes_markup(fit: FittedModel, table: EffectTable) -> None:
    harmless, hostile = (
        rendered(
            fit,
            effects=table,
            checks=report_of(
                own_check("even", title=text, looks_at=text, meaning=text).result(
                    "warn",
                    text,
                    pd.DataFrame({"quantity": [text], text: [1.5]}),
                    plots=[Plot("p", text, text, bars)],
                    details=pd.DataFrame({text: [text]}),
                    problems=[f"Also: {text}"],
                )
            ),
        )
        for text in ("A text", HOSTILE)
    )
    ours, theirs = Tags(), Tags()
    ours.feed(harmless.html)
    theirs.feed(hostile.html)
    assert theirs.tags == ours.tags
    assert theirs.attributes == ours.attributes
    assert len(theirs.scripts) == 2
    assert theirs.scripts[1] == ours.scripts[1]
    assert MARKUP not in hostile.html
    shown = parsed(hostile.html)
    for place in ("check-2", "limitations", "effects", "groups"):
        assert f'{MARKUP} "&amp;" </title> {{{{ 7 * 7 }}}} $\\frac{{1}}$ nul��exe' in shown.by_id(place).text
    assert "\x00" not in hostile.html
    (kept,) = (found for found in hostile.numbers["checks"] if found["name"] == "even")
    assert "\u202e" not in kept["sentence"]


def paint_wrongly(figure: Any) -> None:
    raise RuntimeError("no ink")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("facts", "plots", "said"),
    [
        ({}, [Plot("p", "P", "P.", paint_wrongly)], "RuntimeError: no ink"),
        ({}, [Plot("p", "P", "P.", bars, ("wide", 3))], "TypeError"),
        ({"references": ("nobody2020",)}, [], "'nobody2020'"),
    ],
)
def test_what_goes_wrong_in_an_own_check_leaves_no_half_page(
    fit: FittedModel, table: EffectTable, tmp_path: Path, facts: dict[str, Any], plots: list[Plot], said: str
) -> None:
    check = own_check("even", **facts)
    checks = report_of(check.result("pass", "Fine.", plots=plots, table=pd.DataFrame({"value": [1.0]})))
    with pytest.raises(UsageError) as error:
        Report().render(fit, effects=table, checks=checks).write(tmp_path / "page.html")
    assert str(error.value).startswith("the check 'even' went wrong: ")
    assert said in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_figure_of_a_column_with_a_hidden_level_or_of_few_people_is_not_drawn(
    fit: FittedModel, table: EffectTable
) -> None:
    few = max(int(count) for count in fit.design.frame["country"].value_counts()) + 1
    plots = [
        Plot("one", "By sex", "A figure.", bars, column="sex"),
        Plot("two", "By country", "A figure.", bars, column="country"),
        Plot("three", "Few", "A figure.", bars, fewest=3),
        Plot("four", "Single", "A figure.", bars, single_rows=True),
    ]
    check = own_check("even")
    checks = report_of(check.result("pass", "Fine.", pd.DataFrame({"value": [1.0]}), plots=plots))
    for small, drawn in ((1, ["By sex", "By country", "Few"]), (few, ["By sex"])):
        page = parsed(rendered(fit, effects=table, checks=checks, small=small).html)
        titles = [title.text for svg in page.by_id("check-2").all("svg") for title in svg.all("title")]
        assert titles == drawn


def test_every_check_of_the_package_is_whole_and_every_item_of_a_guideline_has_one_check() -> None:
    for name, check in CHECKS.items():
        check.refuse_faults()
        assert (check.name, CHECKS[name]) == (name, check)
        assert set(check.references) <= set(REFERENCES)
    answers = [item for check in CHECKS.values() for item in check.answers]
    assert len(answers) == len(set(answers))
    assert set(answers) == {
        *(f"BARG {item}" for item in ("1E", "2B", "2C", "3", "5")),
        *(f"WAMBS {item}" for item in ("1", "2", "4", "5", "6", "8", "9")),
    }
    assert [name for name, check in CHECKS.items() if check.gate] == ["convergence"]


def test_the_context_is_all_that_a_check_is_given(fit: FittedModel) -> None:
    seen: list[Context] = []

    def look(check: Check, context: Context) -> CheckResult:
        seen.append(context)
        return check.result("info", "Seen.")

    found = own_check("look", look)(Context(fit, rate=0.02, seed=3))
    assert (found.verdict, found.completed) == ("info", False)
    assert (seen[0].fit, seen[0].rate, seen[0].seed) == (fit, 0.02, 3)
