"""Checks of an analyst's own: what they must have, what may be left out, and what is said when something is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks import CHECKS, Check, CheckResult, Context, Gate, Plot, run_checks
from alliance_bayes.checks.check import SUBJECTS
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from builders import fitted, own_check, rows


class Heaping(Check):
    """Are outcomes heaped on multiples of ten?"""

    name = "heaping"
    title = "Heaping of outcomes"
    looks_at = "heaping of outcomes on multiples of ten"
    meaning = "People rounded their answers."

    def examine(self, context: Context) -> CheckResult:
        values = context.fit.design.outcome.values
        share = float((values % 10 == 0).mean())
        table = pd.DataFrame({"quantity": ["share on multiples of ten"], "value": [share]})
        return self.result("warn" if share > 0.5 else "pass", f"{share:.1%} are multiples of ten.", table)


@pytest.fixture(scope="module")
def fit() -> FittedModel:
    return fitted(rows(120))


def test_an_own_check_runs_where_it_stands_and_has_the_context(fit: FittedModel) -> None:
    report = run_checks(fit, checks=["convergence", Heaping(), "prior_predictive"])

    assert [result.name for result in report] == ["convergence", "heaping", "prior_predictive"]
    found = report["heaping"]
    share = np.mean(fit.design.outcome.values % 10 == 0)
    assert found.table["value"].tolist() == [share]
    assert found.sentence == f"{share:.1%} are multiples of ten."
    assert f"PASS  Heaping of outcomes\n      {found.sentence}" in str(report)
    (kept,) = (check for check in json.loads(json.dumps(report.to_dict()))["checks"] if check["name"] == "heaping")
    assert kept["table"] == [{"quantity": "share on multiples of ten", "value": share}]
    assert report.asked is not None
    assert report.asked["only"] == [
        "convergence",
        {"name": "heaping", "title": "Heaping of outcomes"},
        "prior_predictive",
    ]


def test_what_an_own_check_leaves_out_is_said_of_every_finding_and_withheld_with_the_estimates() -> None:
    check = Heaping()
    assert check.concerns == SUBJECTS
    assert check.holds_estimates
    assert (check.section, check.gate, check.needs_rows, check.answers) == ("checks", "", "", ())


def test_an_own_check_may_close_the_gate_and_does_not_open_it(fit: FittedModel) -> None:
    def fail(check: Check, context: Context) -> CheckResult:
        return check.result("fail", "Half of the answers are missing.", problems=["Too few answers."])

    closing = own_check("enough", fail, gate="Nobody counted the answers.")
    alone = run_checks(fit, checks=[closing])
    assert alone.gate == Gate(False, (CHECKS["convergence"].gate, "Too few answers."))
    # One that says nothing of the gate does not decide about it.
    open_ = own_check("enough", fail)
    good = fitted(rows(120), draws=1000)
    assert run_checks(good, checks=["convergence", open_]).gate == Gate(True)
    assert run_checks(good, checks=["convergence", closing]).gate == Gate(False, ("Too few answers.",))


def test_a_check_of_single_rows_says_that_moments_hold_none() -> None:
    class Nobody:
        moments = object()

    class Empty:
        fit = Nobody()

    found = own_check("rows", needs_rows="Counting people")(Empty())  # type: ignore[arg-type]
    assert (found.verdict, found.completed) == ("info", False)
    assert found.sentence.startswith("Counting people needs the analysed rows, and this fit was made from moments.")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"title": None}, "lacks title"),
        ({"title": None, "meaning": None}, "lacks title, meaning"),
        ({"name": "Two words"}, "name should be small letters, digits and underscores but is 'Two words'"),
        ({"name": "<b>"}, "name should be small letters, digits and underscores but is '<b>'"),
        ({"name": "naïve"}, "name should be small letters, digits and underscores but is 'naïve'"),
        ({"name": ""}, "name should be text but is ''"),
        ({"name": 3}, "name should be text but is 3"),
        ({"meaning": " "}, "meaning should be text but is ' '"),
        ({"concerns": "effects"}, f"concerns should be some of {SUBJECTS} but is 'effects'"),
        ({"concerns": ("slopes",)}, f"concerns should be some of {SUBJECTS} but is ('slopes',)"),
        ({"section": "effects"}, "section should be one of ('checks', 'sensitivity') but is 'effects'"),
    ],
)
def test_a_check_that_is_not_whole_is_refused_when_it_is_made(facts: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as error:
        own_check(**{"name": "mine", **facts})
    assert str(error.value).startswith("Own")
    assert said in str(error.value)


def test_a_check_without_examine_is_refused_when_it_is_made() -> None:
    class Empty(Check):
        name = title = looks_at = meaning = "empty"

    with pytest.raises(TypeError, match="examine"):
        Empty()  # type: ignore[abstract]


class Unmade(Heaping):
    """A check that never calls the base class's constructor."""

    def __init__(self) -> None:
        self.name = "Not a word"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([Heaping], "checks: Heaping is a class: write Heaping()."),
        ([len], "checks: <built-in function len> is neither a name nor a Check."),
        ([None, Heaping], "checks: None is neither a name nor a Check; Heaping is a class: write Heaping()."),
        (Heaping(), "checks should be a list of names and checks but got <check heaping>. Write [<check heaping>]."),
        ([Heaping(), Heaping()], "checks: 'heaping' is there twice."),
        (["convergence", "convergence"], "checks: 'convergence' is there twice."),
        (
            [Unmade()],
            "checks: Unmade: name should be small letters, digits and underscores but is 'Not a word'.",
        ),
        ([own_check("loo")], "checks: the name 'loo' is that of a check of the package."),
    ],
)
def test_what_is_no_check_is_refused_before_anything_runs(fit: FittedModel, checks: Any, message: str) -> None:
    with pytest.raises(UsageError) as error:
        run_checks(fit, checks=checks)
    assert str(error.value) == message


def test_names_that_are_not_known_are_told_first(fit: FittedModel) -> None:
    with pytest.raises(UsageError, match=r"unknown check\(s\) 'waic'. Known checks: convergence, "):
        run_checks(fit, checks=["waic", Heaping()])


def raising(error: BaseException) -> Any:
    def examine(check: Check, context: Context) -> CheckResult:
        raise error

    return examine


@pytest.mark.parametrize(
    ("examine", "said"),
    [
        (raising(ValueError("no such column")), "ValueError: no such column"),
        (raising(ZeroDivisionError()), "went wrong: ZeroDivisionError. Mend it"),
        (raising(UsageError("It needs rows.")), "went wrong: It needs rows. Mend it"),
        (raising(ValueError("no\nsuch")), "ValueError: no\nsuch. Mend it"),
        (lambda check, context: None, "TypeError: examine should return what self.result gives but returned None"),
        (
            lambda check, context: CHECKS["loo"].result("pass", "All is well."),
            "TypeError: examine should return what self.result gives",
        ),
        (lambda check, context: check.result("good", "All is well."), "verdict should be one of pass, warn, fail"),
        (lambda check, context: check.result("pass", ""), "check 'mine': the sentence is no text"),
        (lambda check, context: check.result("pass", None), "check 'mine': the sentence is no text"),
        (lambda check, context: check.result("pass", "Fine.", [1]), "check 'mine': table is no DataFrame but [1]"),
        (
            lambda check, context: check.result("pass", "Fine.", pd.DataFrame([[1, 2]], columns=["a", "a"])),
            "table has columns that are called the same",
        ),
        (
            lambda check, context: check.result("pass", "Fine.", pd.DataFrame({"a": [{"b": 1}]})),
            "table has dict in the column 'a', where numbers and words can stand",
        ),
        (
            lambda check, context: check.result("pass", "Fine.", details=pd.DataFrame({"a": [1j]})),
            "details has complex in the column 'a'",
        ),
        (
            lambda check, context: check.result("pass", "Fine.", pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])})),
            "table has Timestamp in the column 'a'",
        ),
        (lambda check, context: check.result("pass", "Fine.", plots=["x.png"]), "'x.png' is no Plot"),
        (lambda check, context: check.result("fail", "Bad.", problems=[3]), "the problem 3 is no text"),
    ],
)
def test_whatever_goes_wrong_in_an_own_check_is_told_with_its_name(fit: FittedModel, examine: Any, said: str) -> None:
    with pytest.raises(UsageError) as error:
        run_checks(fit, checks=[own_check("mine", examine)])
    assert str(error.value).startswith("the check 'mine' went wrong: ")
    assert said in str(error.value)
    assert str(error.value).endswith(". Mend it, or leave it out.")
    assert ".. Mend" not in str(error.value)


def test_an_interrupt_and_an_error_of_the_packages_own_checks_pass_through(
    fit: FittedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_checks(fit, checks=[own_check("mine", raising(KeyboardInterrupt()))])
    monkeypatch.setattr(type(CHECKS["loo"]), "examine", raising(ValueError("a fault")))
    with pytest.raises(ValueError, match="a fault"):
        run_checks(fit, checks=["loo"])


def test_the_documentation_has_every_check_and_its_example_runs(fit: FittedModel) -> None:
    text = (Path(__file__).parents[2] / "docs" / "checks.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|.*\|.*\|$", text, re.MULTILINE)[: len(CHECKS)] == list(CHECKS)
    (code,) = re.findall(r"```python\n(.*?)\nchecks = ", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    found = run_checks(fit, checks=[names["PeoplePerCoefficient"]()]).results[0]
    assert found.verdict == "pass"
    assert found.table["value"].tolist() == [120, len(fit.design.terms)]


def test_a_figure_keeps_its_facts_and_rows_about_hidden_quantities_go(fit: FittedModel) -> None:
    plot = Plot("a", "A", "A figure.", lambda figure: None, column="sex", fewest=5, whole=True)
    table = pd.DataFrame({"quantity": ["sigma", "beta[alliance]"], "value": [1.0, 2.0]})
    found = own_check("mine").result("pass", "Fine.", table, plots=[plot])
    assert found.without(fit, frozenset({"beta[age]"})) is found
    left = found.without(fit, frozenset({"beta[alliance]"}))
    assert left.table["quantity"].tolist() == ["sigma"]
    # A figure of every row would show what the table has lost.
    assert left.plots == ()
