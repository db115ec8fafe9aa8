"""A progress bar on standard error, for people who wait in front of a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Report", "progress_bar"]

Report = Callable[[int, int, int], None]  # draws done, draws in all, divergences


@contextmanager
def progress_bar(show: bool | Report, *, label: str = "sampling") -> Iterator[Report | None]:
    """Yield what a sampler calls with (draws done, draws in all, divergences).

    Parameters
    ----------
    show
        True for a bar where standard error is a terminal, False for none, or a function of the caller's own.
    label
        What is under way.
    """
    if callable(show):
        yield show
        return
    if not show or not sys.stderr.isatty():
        yield None
        return
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
