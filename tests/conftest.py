"""Fixtures that several folders of tests use."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from browsing import ARGUMENTS, CHROMIUM

# A slow or busy machine is no failure: an example may take as long as it takes, to make and to try. The same examples
# in every run, or a test would pass in one and fail in the next; --hypothesis-profile=exploring tries others.
exploring = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("exploring", exploring)
settings.register_profile("any machine", exploring, derandomize=True)
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Hear the signals that tests send: a run in the background, or below nohup, begins with these ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def python_mode() -> Iterator[None]:
    """Functions of a graph are called a few times in a test, so compiling them would take longer than running them."""
    import pytensor

    with pytensor.config.change_flags(mode="FAST_COMPILE", cxx=""):
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()
