"""The curve of the full study, beside which nothing stands, has the width of the page."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alliance_bayes.report.page import page as page_of
from alliance_bayes.report.sections import Section
from alliance_bayes.study.association import _picture
from browsing import CHROMIUM, in_time
from builders import fitted, rows

WIDTHS = """
[...document.querySelectorAll('.picture')].filter(one => one.checkVisibility())
  .map(one => one.getBoundingClientRect().width / one.closest('figure').getBoundingClientRect().width)
"""
SIZES = """
[...document.querySelectorAll('svg.picture')].filter(one => one.checkVisibility()).flatMap(one =>
  [...one.querySelectorAll('text')].map(text => one.getBoundingClientRect().width / one.viewBox.baseVal.width
    * parseFloat(getComputedStyle(text).fontSize)))
"""


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
# Playwright's driver closes its own pipe late on interpreter shutdown.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_curve_alone_takes_the_width_that_there_is(browser: Any, tmp_path: Path) -> None:
    runner = SimpleNamespace(options=SimpleNamespace(prob=0.89, small=10), alliance_ends="1 to 5")
    part: Any = SimpleNamespace(runner=runner, sentence=lambda name, **_: name)
    fit: Any = fitted(rows(200), formula="who5_followup ~ alliance", draws=50)
    findings = SimpleNamespace(
        withheld=False, simulated=False, answer=None, summary=None, topics=(), limits=("nothing",), certainty=""
    )
    path = tmp_path / "curve.html"
    section = Section.of("all", "All", _picture(part, fit))
    path.write_text(page_of(title="Curve", subtitle=(), sections=[section], findings=findings), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(path.as_uri())
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert in_time(page, f"{WIDTHS.strip()}.map(share => share > 0.85)", [True]) == [True]
        sizes = page.evaluate(SIZES)
        assert min(sizes) >= 10
        # Not blown up beside the words of the page.
        assert max(sizes) <= 17
    page.close()
