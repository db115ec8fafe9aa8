"""The page in a real browser: accessible, self-contained, and no wider than the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alliance_bayes.report import Report, build_report
from browsing import CHROMIUM, complaints
from builders import fitted, rows

WIDTHS = (390, 1280)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    # Playwright's driver closes its own pipe late on interpreter shutdown.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, withheld: Report) -> dict[str, Path]:
    """A page with every check and a long factor, and one with its conclusions withheld."""
    folder = tmp_path_factory.mktemp("pages")
    full = build_report(fitted(rows(400, countries=14), draws=300))
    assert not full.withheld
    return {"full": full.write(folder / "full.html")[0], "withheld": withheld.write(folder / "withheld.html")[0]}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["full", "withheld"])
def test_a_page_in_the_browser(browser: Any, pages: dict[str, Path], name: str, width: int) -> None:
    assert complaints(browser, pages[name], width) == []


def test_wide_tables_scroll_inside_their_own_box(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto(pages["full"].as_uri())

    wider = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth && "
        "getComputedStyle(box).overflowX !== 'auto').length"
    )
    scrolling = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).length"
    )

    assert wider == 0
    assert scrolling > 0
    page.close()


def test_figures_are_drawn_and_their_text_is_legible_on_a_phone(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto(pages["full"].as_uri())

    sizes = page.evaluate(
        "[...document.querySelectorAll('section#effects svg text, section#groups svg text')].map(text => {"
        "const picture = text.ownerSVGElement; const scale = picture.clientWidth / picture.viewBox.baseVal.width; "
        "return scale * parseFloat(getComputedStyle(text).fontSize); })"
    )
    styled = page.evaluate("getComputedStyle(document.querySelector('.findings')).borderLeftStyle")

    assert len(sizes) > 50
    assert min(sizes) >= 8.5  # CSS pixels: below that, a label on a phone is guesswork
    assert styled == "solid"  # the style sheet passed its own policy
    page.close()
