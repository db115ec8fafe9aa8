"""The page on paper: what the first screen says and its limits first, then the rest, with nothing to click."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsing import CHROMIUM, printed_pages

REPORTS = Path(__file__).parents[2] / "reports"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    # Playwright's driver closes its own pipe late on interpreter shutdown.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

# Chromium reserves the room of what is folded, but does not paint it.
SEEN = "parts => parts.map(part => part.checkVisibility({ contentVisibilityAuto: true }))"


@pytest.fixture
def paper(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    page = browser.new_page()
    page.goto(pages["full"].as_uri())
    page.emulate_media(media="print")
    yield page
    page.close()


def seen(page: Any, selector: str) -> set[bool]:
    return set(page.locator(selector).evaluate_all(SEEN))


def test_what_is_folded_stays_folded_but_for_the_limits(paper: Any) -> None:
    folded = paper.evaluate("document.querySelectorAll('details:not([open])').length")

    assert seen(paper, "details.printed li") == {True}
    assert seen(paper, "details:not([open], .printed)") == {False}
    assert seen(paper, "details.data, .save, nav.contents, .skip") == {False}
    # Of a long table its first rows, once.
    assert seen(paper, ".excerpt:not(details *) table") == {True}
    assert seen(paper, ".excerpt ~ details table") == {False}

    # Browsers that know no style for what is folded are told by the script.
    paper.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert (
        paper.evaluate(
            "[...document.querySelectorAll('details')].filter(box => box.open && !box.matches('.printed')"
            " && box.querySelector('.data, .much')).length"
        )
        == 0
    )
    assert paper.evaluate("document.querySelector('details.printed').open")
    paper.evaluate("dispatchEvent(new Event('afterprint'))")
    assert paper.evaluate("document.querySelectorAll('details:not([open])').length") == folded > 5


def test_what_a_reader_opened_is_printed(paper: Any) -> None:
    paper.locator(".excerpt ~ details").first.evaluate("box => { box.open = true; }")
    assert paper.locator(".excerpt ~ details[open] table").first.is_visible()


def test_no_heading_is_stranded_and_the_rest_begins_on_a_page_of_its_own(paper: Any) -> None:
    style = "parts => parts.map(part => getComputedStyle(part).{})"
    assert set(paper.locator("h2, h3, .tablename, .caution").evaluate_all(style.format("breakAfter"))) == {"avoid"}
    assert set(paper.locator("figure, tr").evaluate_all(style.format("breakInside"))) == {"avoid"}
    assert paper.locator("main > section").evaluate_all(style.format("breakBefore"))[:3] == ["auto", "page", "auto"]


def test_headings_of_a_table_go_along_to_its_next_page(paper: Any) -> None:
    """Boxes of their own in a heading are not drawn where it is repeated; its text is."""
    headings = paper.locator("thead .sort")
    assert headings.count() > 10
    assert set(headings.evaluate_all("parts => parts.map(part => getComputedStyle(part).display)")) == {"contents"}
    ends = paper.locator("tbody tr:first-child, tbody tr:nth-last-child(2)")
    assert set(ends.evaluate_all("parts => parts.map(part => getComputedStyle(part).breakAfter)")) == {"avoid"}


def test_nothing_is_wider_than_paper(paper: Any) -> None:
    # A4 between its margins of 12 mm, in CSS pixels.
    paper.set_viewport_size({"width": 703, "height": 1000})
    assert paper.evaluate("document.documentElement.scrollWidth") == 703


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("study", 15),
        # With the numbers of every check that warns.
        ("outcome", 20),
    ],
)
def test_pages_of_the_demonstration(browser: Any, name: str, most: int) -> None:
    page = browser.new_page()
    page.goto((REPORTS / f"{name}.html").as_uri())
    assert 5 <= printed_pages(page) <= most
    # The summary takes two of them.
    page.evaluate("document.querySelectorAll('main > section:not(#findings)').forEach(section => section.remove())")
    assert printed_pages(page) <= 2
    page.close()
