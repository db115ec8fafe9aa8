"""The page on a phone: intervals below their estimates, rows of words as cards, and nothing cut off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from browsing import CHROMIUM, SIDEWAYS, in_time

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    # Playwright's driver closes its own pipe late on interpreter shutdown.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

OPEN = "document.querySelectorAll('main details').forEach(box => { box.open = true; })"
# What reaches beyond the window, in no box that scrolls to it, and not to be seen anyway.
CUT = """
[...document.querySelectorAll('body *')].filter(part => part.checkVisibility()
    && !part.closest('.scroll > *, svg, .unseen, .skip') && part.getBoundingClientRect().right > innerWidth + .5)
  .map(part => part.outerHTML.slice(0, 120))
"""
# Names of instruments, intervals in brackets and options that a line's end divides.
DIVIDED = r"""
(() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode;
    if (!text.parentElement.checkVisibility() || text.parentElement.closest('svg, pre, code')) continue;
    for (const match of text.data.matchAll(/[A-Z]{2,}-\d+|\([\d.,\u2212%]+ to [\d.,\u2212%]+\)|--[a-z-]+/gu)) {
      const range = document.createRange();
      range.setStart(text, match.index);
      range.setEnd(text, match.index + match[0].length);
      if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) found.push(match[0]);
    }
  }
  return found;
})()
"""
# Texts of drawings that are too small to read, leave their drawing, or lie over another.
LOST_TEXTS = """
[...document.querySelectorAll('svg.picture')].filter(drawn => drawn.checkVisibility()).flatMap(drawn => {
  const scale = drawn.getBoundingClientRect().width / drawn.viewBox.baseVal.width, box = drawn.getBoundingClientRect();
  const texts = [...drawn.querySelectorAll('text')].filter(text => text.textContent.trim());
  const boxes = texts.map(text => text.getBoundingClientRect()), name = drawn.querySelector('title').textContent;
  const found = [];
  texts.forEach((text, k) => {
    const one = boxes[k], size = scale * parseFloat(getComputedStyle(text).fontSize);
    if (size < 10) found.push([name, text.textContent, `${size.toFixed(2)} px`]);
    if (one.left < box.left - .5 || one.right > box.right + .5 || one.top < box.top - 2 || one.bottom > box.bottom + 2)
      found.push([name, text.textContent, 'cut off']);
    // Boxes of letters are higher than these: lines may touch.
    texts.slice(0, k).forEach((other, place) => {
      const two = boxes[place], across = Math.min(one.right, two.right) - Math.max(one.left, two.left);
      const down = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
      if (across > 1 && down > .35 * Math.min(one.height, two.height))
        found.push([name, text.textContent, `over ${other.textContent}`]);
    });
  });
  return found;
})
"""
SHOWN = "cells => cells.filter(cell => cell.checkVisibility()).map(cell => cell.textContent)"


@pytest.fixture
def phone(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(pages["full"].as_uri())
    yield page
    page.close()


@pytest.mark.parametrize("name", ["full", "withheld"])
@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_cut_off(browser: Any, pages: dict[str, Path], name: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(pages[name].as_uri())
    assert page.evaluate(CUT) == []
    page.evaluate(OPEN)
    assert page.evaluate(CUT) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_no_table_or_figure_is_scrolled_sideways(browser: Any, pages: dict[str, Path]) -> None:
    for path, width in product(pages.values(), (360, 768)):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(path.as_uri())
        page.evaluate(OPEN)
        # Boxes are measured when they have been laid out.
        assert in_time(page, SIDEWAYS, []) == [], path.name
        page.close()


def test_texts_of_figures_can_be_read_and_none_is_cut_off_or_over_another(browser: Any, pages: dict[str, Path]) -> None:
    # Wider than a phone, and not drawn for it: a figure of one's own has a narrower drawing beside it.
    for path, width in product(pages.values(), (360, 768, 1280)):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto(path.as_uri())
        page.evaluate(OPEN)
        assert page.evaluate("document.querySelectorAll('svg.picture text').length") > 10
        assert in_time(page, LOST_TEXTS, []) == [], (path.name, width)
        page.close()


def test_a_table_without_room_is_cards_and_one_again_with_room(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(pages["full"].as_uri())
    row = page.locator("#table-slopes tbody tr").first
    headings = page.locator("#table-slopes thead th")
    assert in_time(page, "document.querySelector('#table-slopes').classList.contains('stacked')", True) is True
    # Every number that is seen stands below its own heading.
    shown = headings.evaluate_all(
        "cells => cells.map((cell, place) => cell.dataset.column ? '' : cell.textContent).slice(1)"
    )
    labels = row.locator("td").evaluate_all(
        "cells => cells.map(cell => cell.checkVisibility() ? getComputedStyle(cell, '::before').content : '')"
    )
    told = [(label.strip('"'), heading) for label, heading in zip(labels, shown, strict=True) if label]
    assert told
    assert [label for label, _ in told] == [heading for _, heading in told]
    name, first = row.locator("th").bounding_box(), row.locator("td").first.bounding_box()
    assert name["y"] + name["height"] <= first["y"] + 1

    page.set_viewport_size({"width": 1280, "height": 800})
    assert in_time(page, "document.querySelector('#table-slopes').classList.contains('stacked')", False) is False
    page.close()


def test_a_forest_is_drawn_for_the_screen_that_it_is_on(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(pages["full"].as_uri())
    figures = page.locator("figure:has(.narrow)")
    assert figures.count() > 0
    for width, narrow in ((1280, False), (768, False), (360, True)):
        page.set_viewport_size({"width": width, "height": 800})
        for figure in figures.all():
            seen = figure.locator(".picture").evaluate_all("all => all.map(one => one.checkVisibility())")
            assert seen == [not narrow, narrow]
            if narrow:
                wide, small = (figure.locator("svg.picture").nth(place) for place in (0, 1))
                # The same estimates, and letters that can be read: 9 pixels at least.
                printed = (
                    "svg => [...svg.querySelectorAll('text')].map(text => text.textContent)"
                    ".filter(text => / to /.test(text)).sort()"
                )
                assert small.evaluate(printed) == wide.evaluate(printed)
                assert small.evaluate("svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width * 9") >= 9
    page.close()


def test_names_and_intervals_are_not_divided(phone: Any) -> None:
    phone.evaluate(OPEN)
    assert "WHO-5" in phone.locator("main").inner_text()
    assert phone.evaluate(DIVIDED) == []
    # Nor is the stop after a term on the next line.
    terms = phone.locator(".terms > *")
    assert terms.count() > 5
    assert set(terms.evaluate_all("parts => parts.map(part => part.textContent.at(-1))")) == {",", "."}
    assert set(terms.evaluate_all("parts => parts.map(part => getComputedStyle(part).whiteSpace)")) == {"nowrap"}


def test_an_option_is_not_divided_after_its_hyphens(browser: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    sentence = "How far the estimates move is what a report with --missing impute and --auxiliary says."
    path = tmp_path / "page.html"
    html = pages["full"].read_text(encoding="utf-8")
    path.write_text(html.replace("</main>", f"<p id='said'>{sentence}</p></main>"), encoding="utf-8")
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(path.as_uri())
    assert page.locator("#said .whole").all_text_contents() == ["--missing", "--auxiliary"]
    for width in range(300, 400, 10):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(DIVIDED) == [], width
    page.close()


def test_the_contents_are_folded_on_a_phone_only(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(pages["full"].as_uri())
    link = page.locator("nav.contents li a").first
    assert link.is_visible()
    page.set_viewport_size({"width": 360, "height": 800})
    assert not link.is_visible()
    page.locator("nav.contents summary").click()
    assert link.is_visible()
    page.set_viewport_size({"width": 1280, "height": 800})
    assert link.is_visible()
    page.close()


def test_an_interval_stands_below_its_estimate(phone: Any) -> None:
    headings = phone.locator("#table-slopes thead th").all_text_contents()
    at = next(place for place, heading in enumerate(headings) if heading.endswith("interval"))
    seen = phone.locator("#table-slopes thead th").evaluate_all(SHOWN)
    dropped = [heading for heading in headings if heading not in seen]

    assert dropped == [headings[at], *(h for h in headings if h.startswith(("Unit", "Probability of 10")))]
    assert phone.locator(".scroll:has(> #table-slopes)").get_attribute("data-wide") == ", ".join(dropped[1:])
    for row in phone.locator("#table-slopes tbody tr").all():
        cells = row.locator("th, td")
        below = cells.nth(at - 1).evaluate("cell => getComputedStyle(cell, '::after').content")
        assert below == f'"{cells.nth(at).text_content()}"'
        assert not cells.nth(at).is_visible()

    phone.set_viewport_size({"width": 1280, "height": 800})
    assert phone.locator("#table-slopes thead th").evaluate_all(SHOWN) == headings
    after = "cells => cells.map(cell => getComputedStyle(cell, '::after').content)"
    assert set(phone.locator("#table-slopes tbody td").evaluate_all(after)) == {"none"}


def test_each_row_of_the_summary_is_a_card_with_its_marks_named(phone: Any) -> None:
    headings = phone.locator("#table-summary thead th").all_text_contents()
    rows = phone.locator("#table-summary tbody tr")
    boxes = [row.bounding_box() for row in rows.all()]

    assert len(boxes) > 1
    assert all(lower["y"] >= upper["y"] + upper["height"] for upper, lower in pairwise(boxes))
    for row in rows.all():
        cells = row.locator("td")
        labels = cells.evaluate_all("cells => cells.map(cell => getComputedStyle(cell, '::before').content)")
        assert labels == [f'"{heading}: "' for heading in headings[1:]]
    # A screen reader still finds a table.
    tree = phone.locator(".scroll:has(> #table-summary)").aria_snapshot()
    assert tree.count("rowheader") == len(boxes)
    assert tree.count('row "') == len(boxes) + 1


def test_a_table_is_saved_alike_on_a_phone_and_on_a_desk(browser: Any, pages: dict[str, Path]) -> None:
    saved = []
    for width in (360, 1280):
        context = browser.new_context(accept_downloads=True, viewport={"width": width, "height": 800})
        page = context.new_page()
        page.goto(pages["full"].as_uri())
        with page.expect_download() as waiting:
            page.locator(".scroll:has(> #table-slopes) + .save").click()
        saved.append(Path(waiting.value.path()).read_bytes())
        context.close()
    assert saved[0] == saved[1]
