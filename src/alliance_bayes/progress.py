"""A progress bar for people who wait: on standard error in a terminal, below the cell in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Report", "progress_bar"]

Report = Callable[[int, int, int], None]  # draws done, draws in all, divergences
# Seconds between two updates below a cell: each is a message to a browser.
_PAUSE = 0.2


@contextmanager
def progress_bar(show: bool | Report, *, label: str = "sampling") -> Iterator[Report | None]:
    """Yield what a sampler calls with (draws done, draws in all, divergences).

    Parameters
    ----------
    show
        True for a bar where standard error is a terminal, or a notebook shows what is displayed; False for none, or a
        function of the caller's own.
    label
        What is under way.
    """
    if callable(show):
        yield show
    elif show and _in_notebook():
        with _below_cell(label) as report:
            yield report
    elif show and sys.stderr.isatty():
        with _on_terminal(label) as report:
            yield report
    else:
        yield None


@contextmanager
def _on_terminal(label: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[counts]}"),
        TextColumn("{task.fields[divergences]} divergences"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{label}: compiling", total=None, divergences=0, counts="")
        # What is quick may end before the bar's own clock has drawn it once.
        bar.refresh()

        def report(done: int, total: int, divergences: int) -> None:
            counts = f"{done:,}/{total:,} draws"
            bar.update(task, description=label, completed=done, total=total, divergences=divergences, counts=counts)

        yield report


def _in_notebook() -> bool:
    """Whether a kernel runs this, which shows what is displayed; IPython in a terminal has none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


@contextmanager
def _below_cell(label: str) -> Iterator[Report]:
    """One line below the cell, rewritten in place; it needs no widgets, and stays as text where a notebook is kept."""
    from html import escape

    display: Any = sys.modules["IPython"].display.display
    started = last = time.monotonic()

    def line(done: int, total: int, divergences: int, *, begun: str = "compiling") -> dict[str, str]:
        counts = f"{done:,}/{total:,} draws, {divergences:,} divergences" if total else begun
        text = f"{label}: {counts}, {time.monotonic() - started:.0f} s"
        bar = f'<progress value="{done}" max="{total}"></progress> ' if total else ""
        return {"text/plain": text, "text/html": f"<div>{bar}{escape(text)}</div>"}

    shown = display(line(0, 0, 0), raw=True, display_id=True)
    state = (0, 0, 0)

    def report(done: int, total: int, divergences: int) -> None:
        nonlocal last, state
        state = (done, total, divergences)
        if time.monotonic() - last >= _PAUSE:
            last = time.monotonic()
            shown.update(line(*state), raw=True)

    ended = "stopped"
    try:
        yield report
        ended = "done"
    finally:
        shown.update(line(*state, begun=ended), raw=True)
