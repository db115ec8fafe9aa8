"""The demonstration's pages, measured: the answer on the first screen, few words above the sections, no barrier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from browsing import CHROMIUM, SIDEWAYS, complaints, in_time

REPORTS = Path(__file__).parents[2] / "reports"
#: Words of the key findings that are seen before anything is opened.
MOST_WORDS = 220

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    # Playwright's driver closes its own pipe late on interpreter shutdown.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

# A word has two letters in a row; numbers, signs and what only a screen reader gets are none.
WORDS = r"""
(() => {
  const walker = document.createTreeWalker(document.querySelector('#findings'), NodeFilter.SHOW_TEXT);
  let words = 0;
  while (walker.nextNode()) {
    const text = walker.currentNode, parent = text.parentElement;
    if (!parent.checkVisibility() || parent.closest('.unseen, svg, button')) continue;
    words += text.data.split(/\s+/u).filter(word => /\p{L}{2}/u.test(word)).length;
  }
  return words;
})()
"""
BOTTOM = "part => part.getBoundingClientRect().bottom"


@pytest.mark.parametrize("name", ["outcome", "study"])
def test_the_answer_and_its_picture_are_on_the_first_screen(browser: Any, name: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((REPORTS / f"{name}.html").as_uri())

    assert 0 < page.locator(".answer").evaluate(BOTTOM) <= 800
    # It is the first figure of the page.
    assert page.locator("figure").first.evaluate("figure => figure.closest('.answer') !== null")
    assert 0 < page.locator(".answer svg").evaluate(BOTTOM) <= 800
    assert page.evaluate(WORDS) <= MOST_WORDS

    page.set_viewport_size({"width": 360, "height": 800})
    assert 800 < page.locator(".answer").evaluate(BOTTOM) <= 1600
    page.close()


@pytest.mark.parametrize("name", ["outcome", "study"])
@pytest.mark.parametrize(
    ("width", "scheme", "axe"),
    # Of what axe-core looks at, contrasts follow from the colours, the rest from the width: each is seen by it once.
    [(360, "dark", True), (1280, "light", True), (1280, "dark", False), (360, "light", False)],
)
def test_nobody_is_shut_out(browser: Any, name: str, width: int, scheme: str, axe: bool) -> None:
    assert complaints(browser, REPORTS / f"{name}.html", width, scheme=scheme, axe=axe) == []


@pytest.mark.parametrize("name", ["outcome", "study"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_table_or_figure_is_scrolled_sideways(browser: Any, name: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto((REPORTS / f"{name}.html").as_uri())
    page.evaluate("document.querySelectorAll('main details').forEach(box => { box.open = true; })")
    # Boxes are measured when they have been laid out.
    assert in_time(page, SIDEWAYS, []) == []
    page.close()
