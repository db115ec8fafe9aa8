"""One exception family: each message says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alliance_bayes.remedies import PYTHON, Interface, Message, call, worded

__all__ = [
    "AllianceBayesError",
    "DataError",
    "FileFormatError",
    "ModelError",
    "Place",
    "Problem",
    "SamplingError",
    "UsageError",
    "WriteError",
]


class AllianceBayesError(Exception):
    """Base of every error this package raises on purpose.

    Parameters
    ----------
    message
        What is wrong, where, and what to do; it may hold fields of `alliance_bayes.remedies`.

    Attributes
    ----------
    message : Message
        The same, as Python words it. To make it part of another error's message, take ``message.template``.
    """

    def __init__(self, message: str) -> None:
        self.message = Message(message)
        super().__init__(str(self.message))

    def worded(self, interface: Interface) -> str:
        """The message as an interface words it.

        Parameters
        ----------
        interface
            Python, or a command of the command line.

        Returns
        -------
        str
            The whole message.
        """
        return worded(self.message.template, interface)


class UsageError(AllianceBayesError, ValueError):
    """An argument is outside what a function accepts."""


class ModelError(AllianceBayesError, ValueError):
    """A formula, family, prior or model card does not make a model."""


class SamplingError(AllianceBayesError, RuntimeError):
    """A sampler could not produce draws that may be used."""


class FileFormatError(AllianceBayesError, ValueError):
    """A file is not what this package wrote or can read."""


class WriteError(AllianceBayesError, OSError):
    """The system refuses to write a file: no space, no permission."""


class Place(int):
    """A row by its place among those that are looked at, from 0, where only the table knows what it is called."""

    #: What those rows are called where no table is at hand.
    source = "rows as analysed, from 0"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a table.

    Parameters
    ----------
    column
        Column the problem is in; None when it concerns the table as a whole.
    row
        Row as a spreadsheet numbers it (the header is row 1) for files; the index label for a DataFrame.
        That of a second table, for what was joined from it: "4 of staff.csv".
        None when the whole column is meant, a `Place` until the table says what the row is called.
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

    def __post_init__(self) -> None:
        for name in ("what", "remedy"):
            object.__setattr__(self, name, Message(getattr(self, name)))

    def __str__(self) -> str:
        return self.worded()

    def worded(self, interface: Interface = PYTHON) -> str:
        """The whole of it, what it asks for as an interface words it.

        Parameters
        ----------
        interface
            Python, or a command of the command line.

        Returns
        -------
        str
            One line.
        """
        return worded(self.template, interface)

    @property
    def template(self) -> str:
        """The whole of it with its fields, for `alliance_bayes.remedies.worded`."""
        where = "table" if self.column is None else f"column '{self.column}'"
        if self.row is not None:
            where += f", row {self.row}"
        value = "" if self.value is None else f"{self.value!r} "
        what, remedy = (Message(text).template for text in (self.what, self.remedy))
        return f"{where}: {value}{what}. {remedy}"


# Rows that one line names of a value that many have.
_ROWS = 5


def _alike(problems: Iterable[Problem]) -> list[list[Problem]]:
    """Problems that are the same but for the row, together, in the order of the first: many hide no other."""
    found: dict[tuple[object, ...], list[Problem]] = {}
    for place, one in enumerate(problems):
        whose = (one.column, repr(one.value), one.what, one.remedy)
        found.setdefault((*whose, None if one.row is not None and one.value is not None else place), []).append(one)
    return list(found.values())


def _told(alike: list[Problem]) -> str:
    """One line of problems that are the same but for the row."""
    first, *others = alike
    if not others:
        return first.template
    rows = ", ".join(str(one.row) for one in alike[:_ROWS])
    rows += f" and {len(alike) - _ROWS} more" if len(alike) > _ROWS else ""
    return first.template.replace(f", row {first.row}:", f", rows {rows}:", 1)


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
        told = [[problem] for problem in self.problems] if count <= self.shown else _alike(self.problems)
        lines += [f"  - {_told(alike)}" for alike in told[: self.shown]]
        if rest := sum(map(len, told[self.shown :])):
            lines.append(f"  ... and {rest} more ({call('DataError.problems')}).")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[object, ...]:
        return _data_error, (self.problems, self.source)


def _data_error(problems: tuple[Problem, ...], source: str) -> DataError:
    """A DataError again, of what pickle keeps of one."""
    return DataError(problems, source=source)
