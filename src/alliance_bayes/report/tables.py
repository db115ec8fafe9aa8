"""Tables as a page shows them: text cells, each column marked as words or numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

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
        Cells as text; the first is the row's heading.
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
        longest = max((len(row[column]) for row in (*self.rows, *self.more)), default=0)
        return "word long" if longest > LONG else "word short" if longest <= SHORT else "word"
