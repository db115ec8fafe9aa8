"""What several commands do: say what is going on, in the words of the command line, and show progress."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from rich.console import Console

import alliance_bayes as ab
from alliance_bayes.caches import CacheWarning
from alliance_bayes.errors import Problem
from alliance_bayes.remedies import PYTHON, Interface, Message, worded

__all__ = ["errors", "in_words", "interface", "notes", "progress", "say", "tell_problem", "warn"]

# What changes an analysis; 'validate' tells the rest as well.
_TOLD = ("identical_rows", "repeated", "misspelling", "unknown", "impossible")

#: What words remedies: the command that runs.
interface: ContextVar[Interface] = ContextVar("interface", default=PYTHON)

errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def say(text: str) -> None:
    """A line of progress on standard error."""
    errors.print(f"{text} ...", style="dim")


def in_words(text: str) -> str:
    """A text as the command that runs words it, where it remembers what it asks for."""
    return worded(text.template, interface.get()) if isinstance(text, Message) else text


def tell_problem(kind: str, problem: Problem) -> None:
    """A line about something that is no error, on standard error."""
    errors.print(f"{kind}: {problem.worded(interface.get())}")


def warn(cohort: ab.Cohort | ab.Moments, columns: Collection[str] | None = None) -> None:
    """Say on standard error what is likely to be a mistake in a cohort, of rows and of the columns that are used."""
    for doubt in () if isinstance(cohort, ab.Moments) else cohort.doubts(columns):
        named = doubt.problem.column
        if doubt.kind in _TOLD and (columns is None or named is None or named in columns):
            tell_problem("warning", doubt.problem)


class _Notes(logging.Handler):
    """Prints what is logged as notes."""

    def emit(self, record: logging.LogRecord) -> None:
        said = record.args[0] if isinstance(record.args, tuple) and record.args else None
        errors.print(f"note: {in_words(said) if isinstance(said, Message) else record.getMessage()}", style="dim")


@contextmanager
def notes() -> Iterator[None]:
    """Have what the package says of its work, and of where compiled code is kept, be a line of its own words."""
    listener, logger = _Notes(), logging.getLogger("alliance_bayes")
    logger.addHandler(listener)
    with contextlib.ExitStack() as stack:
        stack.callback(logger.removeHandler, listener)
        stack.enter_context(warnings.catch_warnings())
        before = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, CacheWarning):
                errors.print(f"note: {message}", style="dim")
            else:
                before(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def progress() -> bool | Callable[[int, int, int], None]:
    """A bar on a terminal; elsewhere (a log, say) a line for each quarter of the draws."""
    if errors.is_terminal:
        return True
    quarter = 0

    def report(done: int, total: int, divergences: int) -> None:
        nonlocal quarter
        if done < total and done * 4 // total < quarter:
            quarter = 0  # the next model
        if done * 4 // total > quarter:
            quarter = done * 4 // total
            errors.print(f"  {done:,} of {total:,} draws, {divergences} divergences", style="dim")

    return report
