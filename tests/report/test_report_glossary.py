"""Terms of statistics: explained once a page, named in the sections that use them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from alliance_bayes.report import Rendered
from alliance_bayes.report.glossary import explained, glossary
from browsing import CHROMIUM


@pytest.mark.parametrize(
    ("markup", "names"),
    [
        ("<p>Probability in ROPE</p>", ["ROPE"]),
        ('<th title="ROPE">Mean</th><svg><text>R-hat</text></svg><pre>ELPD</pre>', []),
        ("<td>elpd_loo</td><td>ESS (bulk)</td>", ["effective sample size", "ELPD"]),
        ("<p>89% equal-tailed interval</p> Pareto k", ["equal-tailed interval", "Pareto k"]),
        (
            "<p>both: probability of superiority; power-scaling</p>",
            ["probability of superiority", "power-scaling"],
        ),
        ("EUROPE", []),
    ],
)
def test_a_section_names_the_terms_that_it_uses(markup: str, names: list[str]) -> None:
    assert [term.name for term in explained(markup)] == names


def test_what_a_page_names_it_explains_once_and_nothing_else(report: Rendered) -> None:
    named = re.findall(r'popovertarget="([^"]*)"', report.html)
    told = re.findall(r'popover id="([^"]*)"', report.html)

    assert {"why-rope", "why-interval"} <= set(named)
    assert sorted(told) == sorted(set(named))
    assert set(told) <= {term.id for term in glossary()}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
# Playwright's driver closes its own pipe late on interpreter shutdown.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_explanation_opens_without_the_script_and_stands_at_the_end_on_paper(
    browser: Any, pages: dict[str, Path]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["full"].as_uri())
    rope = page.locator("#why-rope")
    assert not rope.is_visible()
    page.locator("[popovertarget=why-rope]").first.click()
    assert rope.is_visible()
    page.keyboard.press("Escape")
    assert not rope.is_visible()

    page.emulate_media(media="print")
    assert page.locator("[popover]").count() > 1
    assert all(term.is_visible() for term in page.locator("[popover]").all())
    assert not page.locator(".terms").first.is_visible()
    context.close()
