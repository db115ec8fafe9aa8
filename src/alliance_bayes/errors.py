"""One exception family: each message says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "AllianceBayesError",
    "DataError",
    "FileFormatError",
    "ModelError",
    "Problem",
    "SamplingError",
    "UsageError",
]


class AllianceBayesError(Exception):
    """Base of every error this package raises on purpose."""


class UsageError(AllianceBayesError, ValueError):
    """An argument is outside what a function accepts."""


class ModelError(AllianceBayesError, ValueError):
    """A formula, family, prior or model card does not make a model."""


class SamplingError(AllianceBayesError, RuntimeError):
    """A sampler could not produce draws that may be used."""


class FileFormatError(AllianceBayesError, ValueError):
    """A file is not what this package wrote or can read."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a table.

    Parameters
    ----------
    column
        Column the problem is in; None when it concerns the table as a whole.
    row
        Row as a spreadsheet numbers it (the header is row 1) for files; the index label for a DataFrame.
        None when the whole column is meant.
    value
        The offending value, as read. None when there is none (a missing column, say).
    what
        The rule that is broken, as a clause: "is not on the WHO-5 grid (0, 4, ..., 100)".
    remedy
        What the user can do about it.
    """

    column: str | None
    row: int | str | None
    value: object
    what: str
    remedy: str

    def __str__(self) -> str:
        where = "table" if self.column is None else f"column '{self.column}'"
        if self.row is not None:
            where += f", row {self.row}"
        value = "" if self.value is None else f"{self.value!r} "
        return f"{where}: {value}{self.what}. {self.remedy}"


class DataError(AllianceBayesError, ValueError):
    """A table breaks its rules; every problem is listed at once.

    Parameters
    ----------
    problems
        Everything that is wrong, in column and row order.
    source
        Name of the table or file.

    Attributes
    ----------
    problems : tuple of Problem
        All of them, also those that the message only counts.
    """

    shown = 25

    def __init__(self, problems: Iterable[Problem], *, source: str = "table") -> None:
        self.problems = tuple(problems)
        self.source = source
        count = len(self.problems)
        lines = [f"{source}: {count} problem{'' if count == 1 else 's'} found; nothing was analysed."]
        lines += [f"  - {problem}" for problem in self.problems[: self.shown]]
        if count > self.shown:
            lines.append(f"  ... and {count - self.shown} more (all of them in the error's .problems).")
        super().__init__("\n".join(lines))
