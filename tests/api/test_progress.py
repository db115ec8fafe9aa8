"""The progress bar: shown to people at a terminal, silent elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from alliance_bayes.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_draws_and_divergences(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("COLUMNS", "200")
    with progress_bar(True, label="outcome") as report:
        assert report is not None
        report(1500, 8000, 0)
        report(8000, 8000, 2)
    text = shown.getvalue()
    assert "outcome: compiling" in text
    assert "8,000/8,000 draws" in text
    assert "2 divergences" in text


def test_a_log_and_a_request_for_silence_get_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with progress_bar(True) as report:
        assert report is None
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar(False) as report:
        assert report is None
    assert log.getvalue() == ""


def test_a_function_of_the_callers_own_is_passed_on() -> None:
    calls: list[tuple[int, int, int]] = []
    with progress_bar(lambda *state: calls.append(state)) as report:
        assert report is not None
        report(1, 2, 3)
    assert calls == [(1, 2, 3)]
