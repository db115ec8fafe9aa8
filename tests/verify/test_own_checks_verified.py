"""Checks of the analyst's own: handed in they are run again and compared as ours; without them a page is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import CheckResult, Context
from alliance_bayes.errors import UsageError
from alliance_bayes.report.page import EMPTY, embed, read_manifest
from alliance_bayes.verify import verification
from alliance_bayes.verify.again import Again, make_again
from builders import rows
from verify.test_forged_pages import MANIFEST

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 || sex)"


class Even(ab.Check):
    """How many outcomes are even multiples of the WHO-5's step?"""

    name = "even"
    title = "Even answers"
    looks_at = "how many answers are even"
    meaning = "People seem to avoid odd numbers."
    concerns = ("effects",)

    def examine(self, context: Context) -> CheckResult:
        share = float((context.fit.design.outcome.values % 8 == 0).mean())

        def draw(figure: Any) -> None:
            figure.subplots().bar(["even", "odd"], [share, 1 - share])

        table = pd.DataFrame({"quantity": ["even"], "value": [share]})
        plot = ab.Plot("even", "Even and odd", "Two bars.", draw)
        return self.result("warn", f"{share:.0%} of the answers are even.", table, plots=[plot])


class Other(Even):
    """The same name, and another finding."""

    def examine(self, context: Context) -> CheckResult:
        found = super().examine(context)
        return self.result("warn", "Most answers are even.", found.table, plots=found.plots)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fit = ab.Model(FORMULA).fit(rows(120, seed=3), seed=11, draws=500, progress=False)
    effects = fit.effects(["slopes"])
    checks = fit.check(effects=effects, checks=["convergence", Even()])
    assert checks.gate.passed
    path = tmp_path_factory.mktemp("own") / "page.html"
    sections = ["data", "checks", "effects", "limitations", "methods"]
    ab.Report(sections=sections).render(fit, effects=effects, checks=checks).write(path)
    return path


def verified(path: Path, *checks: Any) -> ab.Verification:
    return ab.verify_report(path, ab.read_cohort(rows(120, seed=3)), checks=checks)


@pytest.mark.slow
def test_a_check_that_is_handed_in_is_run_again_and_compared_whole(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Again] = []

    def once(*arguments: Any, **options: Any) -> Again:
        made.extend([] if made else [make_again(*arguments, **options)])
        return made[0]

    # What is forged below is no number that the page is fitted by.
    monkeypatch.setattr(verification, "make_again", once)
    found = verified(page, Even())
    assert found.problems == ()

    def forged(old: str, new: str) -> ab.Verification:
        html = page.read_text("utf-8")
        assert old in html
        manifest = read_manifest(html, name="page")
        bare = {key: manifest[key] for key in manifest if key not in ("page", "digest")}
        path = tmp_path / "page.html"
        path.write_text(embed(MANIFEST.sub(EMPTY, html.replace(old, new)), bare), encoding="utf-8")
        return verified(path, Even())

    for old, new in (
        ("of the answers are even.", "of the answers are odd."),
        ("People seem to avoid odd numbers.", "Nothing is wrong."),
        ("how many answers are even", "how many answers are odd"),
        (">even</text>", ">odd</text>"),
    ):
        assert forged(old, new).problems, old


def test_another_check_of_that_name_is_found_out(page: Path) -> None:
    assert any("even" in problem for problem in verified(page, Other()).problems)


def test_a_page_is_refused_without_its_checks_by_name(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError) as error:
        verified(page)
    assert str(error.value) == (
        "the check(s) 'even' of this page are the analyst's own, and what they say stands all over it. A page cannot "
        "say how they are made: hand them in, as verify_report(page, cohort, checks=[...])."
    )


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        (["loo"], "checks should be the analyst's own, but 'loo' comes with the package. Leave it out."),
        ([Even], "checks: Even is a class: write Even()."),
    ],
)
def test_what_is_no_check_of_ones_own_is_refused(page: Path, checks: list[Any], said: str) -> None:
    with pytest.raises(UsageError) as error:
        verified(page, *checks)
    assert str(error.value) == said


@pytest.mark.slow
def test_a_check_that_the_page_does_not_have_is_a_problem(tmp_path: Path) -> None:
    fit = ab.Model(FORMULA).fit(rows(120, seed=3), seed=11, draws=500, progress=False)
    effects = fit.effects(["slopes"])
    path = tmp_path / "page.html"
    ab.Report(sections=["effects"]).render(
        fit, effects=effects, checks=fit.check(effects=effects, checks=["convergence"])
    ).write(path)
    assert verified(path, Even()).problems == ("The page has no check 'even', which was handed in.",)
