"""Fixtures that several folders of tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import alliance_bayes
from browsing import ARGUMENTS, CHROMIUM

# A slow or busy machine is no failure: an example may take as long as it takes, to make and to try. The same examples
# in every run, or a test would pass in one and fail in the next; --hypothesis-profile=exploring tries others.
exploring = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("exploring", exploring)
settings.register_profile("any machine", exploring, derandomize=True)
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Throw away machine code older than a source: numba looks at a function's own file, not at those it calls."""
    if hasattr(config, "workerinput"):
        return  # of several processes the first has done it
    package = Path(alliance_bayes.__file__).parent
    newest = max(path.stat().st_mtime for path in package.rglob("*.py") if "njit" in path.read_text("utf-8"))
    for path in package.rglob("__pycache__/*.nbi"):
        if path.stat().st_mtime < newest:
            path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()
