"""The page in a real browser: accessible, self-contained, and no wider than the screen, in light, dark and print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from browsing import CHROMIUM, complaints

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    # Playwright's driver closes its own pipe late on interpreter shutdown.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

OPEN = "document.querySelectorAll('details').forEach(box => { box.open = true; })"


@pytest.mark.parametrize(
    ("width", "scheme", "media", "axe"),
    [
        # axe-core takes fifteen seconds. What it finds depends on the colours, and on what the narrowest screen does.
        (360, "light", "screen", True),
        (768, "light", "screen", False),
        (1440, "light", "screen", False),
        (360, "dark", "screen", False),
        (1440, "dark", "screen", True),
        # A4 between its margins, printed from a dark screen.
        (680, "dark", "print", True),
    ],
)
@pytest.mark.parametrize("name", ["full", "withheld"])
def test_a_page_in_the_browser(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str, media: str, axe: bool
) -> None:
    assert complaints(browser, pages[name], width, scheme=scheme, media=media, axe=axe) == []


def test_wide_tables_scroll_inside_their_own_box(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 900})
    page.goto(pages["full"].as_uri())

    scrolling = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth)"
        ".map(box => [getComputedStyle(box).overflowX, box.tabIndex, box.getAttribute('role')])"
    )
    fitting = page.evaluate(
        # What is folded away is judged when it is opened.
        "[...document.querySelectorAll('.scroll')].filter(box => !box.closest('details:not([open])')"
        " && box.scrollWidth <= box.clientWidth).map(box => [box.tabIndex, box.getAttribute('role')])"
    )

    assert len(scrolling) > 5
    assert all(state == ["auto", 0, "region"] for state in scrolling)
    # What does not scroll is no stop on the way through the page.
    assert len(fitting) > 5
    assert all(state == [-1, "group"] for state in fitting)
    page.close()


def test_figures_are_drawn_and_their_text_is_legible_on_a_phone(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 900})
    page.goto(pages["full"].as_uri())
    page.evaluate(OPEN)

    sizes = page.evaluate(
        "[...document.querySelectorAll('main svg text')].filter(text => text.checkVisibility()).map(text => {"
        "const picture = text.ownerSVGElement; const scale = picture.clientWidth / picture.viewBox.baseVal.width; "
        "return scale * parseFloat(getComputedStyle(text).fontSize); })"
    )
    styled = page.evaluate("getComputedStyle(document.querySelector('.answer')).borderLeftStyle")

    assert len(sizes) > 200
    assert min(sizes) >= 8.5  # CSS pixels: below that, a label on a phone is guesswork
    assert styled == "solid"  # the style sheet passed its own policy
    page.close()


def test_a_dark_screen_gets_a_dark_page_and_paper_a_light_one(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(pages["full"].as_uri())
    looks = (
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color, "
        "getComputedStyle(document.querySelector('svg text[fill]')).fill]"
    )

    dark = page.evaluate(looks)
    page.emulate_media(media="print", color_scheme="dark")
    paper = page.evaluate(looks)
    page.emulate_media(media="screen", color_scheme="light")
    light = page.evaluate(looks)

    assert light == ["rgb(255, 255, 255)", "rgb(28, 39, 51)", "rgb(28, 39, 51)"]
    assert paper == light
    assert dark == ["rgb(18, 24, 31)", "rgb(230, 235, 240)", "rgb(230, 235, 240)"]
    page.close()


def test_without_its_script_the_page_is_whole(browser: Any, pages: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["full"].as_uri())

    # Explanations open without it.
    assert page.locator("button:not([popovertarget])").count() == 0
    assert page.locator("#table-slopes thead th").first.inner_text() == "Association"
    assert page.locator("#table-slopes tbody tr").count() == 8
    page.locator("main details summary").first.click()
    assert page.locator("details[open] table").first.is_visible()
    context.close()


def test_what_a_row_is_about_stays_in_view_on_a_wide_screen_only(browser: Any, pages: dict[str, Path]) -> None:
    """Without the script, which makes cards of rows that have no room, numbers scroll by under a first column.

    It is opaque, which would leave no room for them on a phone.
    """
    for width, stays in ((800, True), (360, False)):
        page = browser.new_page(viewport={"width": width, "height": 900}, java_script_enabled=False)
        page.goto(pages["full"].as_uri())
        page.evaluate(OPEN)
        moved = page.evaluate(
            "[...document.querySelectorAll('.scroll:has(table)')].filter(box => box.scrollWidth > box.clientWidth + 20)"
            ".map(box => { box.scrollLeft = 20; return [...box.querySelectorAll('tr > th:first-child')]"
            ".map(cell => cell.getBoundingClientRect().left - box.getBoundingClientRect().left); }).flat()"
        )
        seen = page.evaluate(
            "getComputedStyle(document.querySelector('tbody tr:nth-child(even) > th')).backgroundColor"
        )
        assert len(moved) > 5
        assert {round(left) for left in moved} == ({0} if stays else {-20})
        assert (seen == "rgb(255, 255, 255)") == stays
        page.close()
