"""Progress below a cell: one line that a kernel rewrites, by IPython's own display alone."""

from __future__ import annotations

import io
import sys
import types
from typing import Any

import pytest

from alliance_bayes import progress
from alliance_bayes.progress import progress_bar


class Handle:
    """What `display` gives back; keeps what it was told."""

    def __init__(self, shown: list[dict[str, str]]) -> None:
        self.shown = shown

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)


def notebook(monkeypatch: pytest.MonkeyPatch, *, kernel: bool = True) -> list[dict[str, str]]:
    shown: list[dict[str, str]] = []

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert raw
        assert display_id
        shown.append(data)
        return Handle(shown)

    shell: Any = types.SimpleNamespace(kernel=object()) if kernel else types.SimpleNamespace()
    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython, ipython.display = lambda: shell, types.SimpleNamespace(display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    return shown


def test_one_line_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = notebook(monkeypatch)
    monkeypatch.setattr(progress, "_PAUSE", 0.0)
    with progress_bar(True, label="<out&come>") as report:
        assert report is not None
        report(1500, 8000, 0)
        report(8000, 8000, 2)
    assert shown[0]["text/plain"] == "<out&come>: compiling, 0 s"
    assert shown[1]["text/plain"] == "<out&come>: 1,500/8,000 draws, 0 divergences, 0 s"
    assert shown[-1]["text/plain"] == "<out&come>: 8,000/8,000 draws, 2 divergences, 0 s"
    assert '<progress value="8000" max="8000">' in shown[-1]["text/html"]
    assert "&lt;out&amp;come&gt;" in shown[-1]["text/html"]


def test_a_browser_is_told_a_few_times_a_second_and_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = notebook(monkeypatch)

    def interrupted() -> None:
        with progress_bar(True) as report:
            assert report is not None
            for done in range(5000):
                report(done, 5000, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(shown) < 20
    assert "4,999/5,000 draws" in shown[-1]["text/plain"]


def test_what_tells_no_draws_says_that_it_is_done_or_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = notebook(monkeypatch)
    with progress_bar(True, label="outcome"):
        pass
    assert [one["text/plain"] for one in shown] == ["outcome: compiling, 0 s", "outcome: done, 0 s"]

    def interrupted() -> None:
        with progress_bar(True, label="outcome"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert shown[-1]["text/plain"] == "outcome: stopped, 0 s"


@pytest.mark.slow
def test_in_a_kernel_the_last_line_is_what_is_left() -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    code = """
from alliance_bayes.progress import progress_bar
with progress_bar(True, label="outcome") as report:
    for done in range(0, 4001, 50):
        report(done, 4000, 1)
"""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    (output,) = book.cells[0].outputs
    assert output["data"]["text/plain"].startswith("outcome: 4,000/4,000 draws, 1 divergences, ")
    assert '<progress value="4000" max="4000">' in output["data"]["text/html"]


def test_without_a_kernel_there_is_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = notebook(monkeypatch, kernel=False)
    with progress_bar(True) as report:
        assert report is None
    assert shown == []
    notebook(monkeypatch)
    with progress_bar(False) as report:
        assert report is None
