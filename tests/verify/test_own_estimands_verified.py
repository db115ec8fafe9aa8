"""Estimands of the analyst's own: handed in they are computed again and compared; without them a page is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import alliance_bayes as ab
from alliance_bayes.effects import Analysis, Estimand, Estimate, Measure
from alliance_bayes.errors import UsageError
from builders import rows

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 || sex)"


class Low(Estimand):
    """Share of people who are expected to score below a limit."""

    name = "low"
    title = "low"
    measures = {"share_low": Measure("Expected below {level}", "share of people")}  # noqa: RUF012

    def estimates(self, analysis: Analysis, *, limit: float = 40.0) -> Iterator[Estimate]:
        expected = analysis.fit.linear_predictor()
        yield self.row(analysis, "share_low", (expected < limit).mean(axis=1), level=f"{limit:g}")


class Other(Low):
    """The same name, and other numbers."""

    def estimates(self, analysis: Analysis, *, limit: float = 40.0) -> Iterator[Estimate]:
        return super().estimates(analysis, limit=limit + 10) if limit == 44 else super().estimates(analysis)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fit = ab.Model(FORMULA).fit(rows(120, seed=3), seed=11, draws=500, progress=False)
    effects = fit.effects({"slopes": {}, Low(): {"limit": 44.0}, "overall_mean": {}})
    checks = fit.check(effects=effects, checks=["convergence"])
    assert checks.gate.passed
    path = tmp_path_factory.mktemp("own") / "page.html"
    ab.Report(sections=["data", "effects"]).render(fit, effects=effects, checks=checks).write(path)
    return path


def verified(path: Path, *estimands: Any) -> ab.Verification:
    return ab.verify_report(path, ab.read_cohort(rows(120, seed=3)), estimands=estimands)


@pytest.mark.slow
def test_an_estimand_that_is_handed_in_is_computed_again_and_compared(page: Path) -> None:
    assert verified(page, Low()).problems == ()
    other = verified(page, Other()).problems
    assert any("share_low" in problem for problem in other)


def test_without_it_the_page_is_refused(page: Path) -> None:
    message = (
        "the estimand(s) 'low' of this page are the analyst's own. A page cannot say how they are computed: hand them "
        "in, as verify_report(page, cohort, estimands=[...])."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        verified(page)


def test_what_is_none_or_not_on_the_page_is_told(page: Path) -> None:
    with pytest.raises(
        UsageError, match=r"^estimands should be the analyst's own, but 'slopes' comes with the package"
    ):
        verified(page, "slopes")
    with pytest.raises(UsageError, match=r"is a class: make an instance of it"):
        verified(page, Low)
    unused = type("Unused", (Low,), {"name": "unused"})()
    found = verified(page, Low(), unused).problems
    assert found == ("The page has no estimand 'unused', which was handed in.",)
