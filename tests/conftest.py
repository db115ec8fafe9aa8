"""Fixtures that several folders of tests use."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from browsing import ARGUMENTS, CHROMIUM
from lightly import with_the_gate_alone, without_figures

# A slow or busy machine is no failure: an example may take as long as it takes, to make and to try. The same examples
# in every run, or a test would pass in one and fail in the next; --hypothesis-profile=exploring tries others.
exploring = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("exploring", exploring)
settings.register_profile("any machine", exploring, derandomize=True)
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Hear the signals that tests send: a run in the background, or below nohup, begins with these ignored.

    The collector looks as seldom as it does below the command line: thousands of tests and what they import stay.
    """
    gc.set_threshold(20_000, 20, 50)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Files that take 20 seconds of a processor or more, the longest first, but that the second and third need no kernels of
# the collapsed engine: while the first compiles them another worker would compile them, too.
LONG = (
    "study/test_study_whole.py",
    "latent/test_latent_recovery.py",
    "engines/density/test_density.py",
    "study/test_study_missing.py",
    "verify/test_verify_report.py",
    "report/test_report_providers.py",
    "verify/test_forged_pages.py",
    "study/test_study_observed.py",
    "cli/test_standard_streams.py",
    "engines/collapsed/test_collapsed_density.py",
    "cli/test_command_line.py",
    "study/test_study_first.py",
    "cli/test_writing_commands.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first: of a long one at the end, all processors but one would wait for the last."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    order = {Path(__file__).parent / name: place for place, name in enumerate(LONG)}
    assert [path for path in order if not path.exists()] == []
    items.sort(key=lambda item: (item.path not in slow, order.get(item.path, len(LONG))))


@pytest.fixture
def python_mode() -> Iterator[None]:
    """Functions of a graph are called a few times in a test, so compiling them would take longer than running them."""
    import pytensor

    with pytensor.config.change_flags(mode="FAST_COMPILE", cxx=""):
        yield


@pytest.fixture
def gate_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all checks only the one that decides is run: for tests of what commands read and write, not of what they find.

    The others fit the model a dozen times again, which takes longer than all else that such a command does. Of a
    study's models, each is judged by its gate.
    """
    with_the_gate_alone(monkeypatch)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are empty: for tests of pages that look at none, of which the drawing would take most of the time."""
    without_figures(monkeypatch)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()
