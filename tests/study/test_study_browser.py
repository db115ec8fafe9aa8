"""The committed pages in a real browser, from a phone's width to a desk's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from browsing import CHROMIUM, complaints

REPORTS = Path(__file__).parents[2] / "reports"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    # Playwright's driver closes its own pipe late on interpreter shutdown.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_study_in_the_browser(browser: Any, width: int) -> None:
    assert complaints(browser, REPORTS / "study.html", width) == []
