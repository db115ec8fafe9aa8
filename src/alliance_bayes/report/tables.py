"""Tables as a page shows them: text cells, each column marked as words or numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from markupsafe import Markup

__all__ = ["Table"]

#: Characters up to which a cell of words stays on one line, and from which it needs room.
SHORT, LONG = 24, 40


@dataclass(frozen=True)
class Table:
    """A table ready to be shown.

    Parameters
    ----------
    name
        Its id in the page.
    caption
        What it holds, with units and, where there are intervals, their kind and probability.
    headings
        One a column.
    rows
        Cells as text, or as markup where a cell is a link; the first is the row's heading.
    words
        Positions of columns of words (left-aligned, and allowed to wrap); the first always is.
    note
        What needs saying below it.
    more
        Further rows, shown when asked for.
    """

    name: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int] = frozenset({0})
    note: str = ""
    more: tuple[tuple[str, ...], ...] = field(default=())

    @classmethod
    def of(
        cls,
        name: str,
        caption: str,
        headings: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        words: Iterable[int] = (),
        note: str = "",
        more: Iterable[Sequence[str]] = (),
    ) -> Table:
        """Make a table; every row must have a cell for every heading."""
        shown, further = tuple(map(tuple, rows)), tuple(map(tuple, more))
        wrong = [row for row in (*shown, *further) if len(row) != len(headings)]
        assert not wrong, f"table {name!r} has {len(headings)} headings but a row of {len(wrong[0])} cells"
        return cls(name, caption, tuple(headings), shown, frozenset({0, *words}), note, further)

    def kind(self, column: int) -> str:
        """Class of a column of words: long ones get room, so that rows do not become tall, and short ones one line."""
        return self._kinds[column]

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        longest = [0] * len(self.headings)
        for row in (*self.rows, *self.more):
            longest = list(map(max, longest, map(_length, row)))
        return tuple("word long" if size > LONG else "word short" if size <= SHORT else "word" for size in longest)


def _length(cell: str) -> int:
    return len(cell.striptags() if isinstance(cell, Markup) else cell)
