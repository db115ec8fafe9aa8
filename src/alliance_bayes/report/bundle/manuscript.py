"""What a manuscript has of a page: its numbered tables, as plain text, and its methods with what they cite."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

from markupsafe import Markup

from alliance_bayes.report.bundle.content import Content
from alliance_bayes.report.tables import Table

__all__ = ["ManuscriptTable", "cited", "manuscript_tables"]

#: Tables of the page in the order that they are numbered in: name in the page, and what their files are called.
_TABLES: Mapping[str, str] = {"table-participants": "table1", "table-summary": "summary"}
_BRACKETS = re.compile(r"\s?\[([^\[\]]+)\]")


@dataclass(frozen=True)
class ManuscriptTable:
    """A table for a manuscript.

    Parameters
    ----------
    number, name
        Its place, and what its files are called.
    title, note
        Above and below it.
    headings, rows
        Cells as plain text, each on one line.
    words
        Columns of words.
    """

    number: int
    name: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int]
    note: str

    @classmethod
    def of(cls, number: int, name: str, table: Table) -> ManuscriptTable:
        """A page's table, all rows of it."""
        rows = tuple(tuple(map(_line, row)) for row in table.more or table.rows)
        headings = tuple(map(_line, table.headings))
        return cls(number, name, _line(table.caption), headings, rows, table.words, _line(table.note))

    @property
    def characters(self) -> int:
        """Of a line of it, if no cell is broken."""
        return sum(max(map(len, column)) for column in zip(self.headings, *self.rows, strict=True))

    def widths(self, line: int) -> tuple[int, ...]:
        """Characters of each column, together those of a line where words allow it: no word is broken, but cells are.

        Parameters
        ----------
        line
            Characters of a line.
        """
        columns = list(zip(self.headings, *self.rows, strict=True))
        words = [1 + min(line // 2, max(len(word) for cell in one for word in cell.split(" "))) for one in columns]
        wanted = [max(0, max(map(len, one)) - word) for one, word in zip(columns, words, strict=True)]
        room = max(0, line - sum(words))
        # Two columns of ten and of a thousand letters are not to be one as wide as the other, nor a hundred times.
        parts = [want**0.5 for want in wanted]
        shares = [min(want, room * part / (sum(parts) or 1)) for want, part in zip(wanted, parts, strict=True)]
        return tuple(word + round(share) for word, share in zip(words, shares, strict=True))


def manuscript_tables(content: Content) -> tuple[ManuscriptTable, ...]:
    """The tables that the page has, numbered."""
    tables = [(file, content.tables[name]) for name, file in _TABLES.items() if name in content.tables]
    return tuple(ManuscriptTable.of(number, file, table) for number, (file, table) in enumerate(tables, 1))


def cited(text: str, keys: Container[str]) -> Iterator[str | Sequence[str]]:
    """A text in pieces: what is said, and between it lists of the keys that are cited there."""
    place = 0
    for match in _BRACKETS.finditer(text):
        named = match[1].split("; ")
        if all(key in keys for key in named):
            yield text[place : match.start()]
            yield tuple(named)
            place = match.end()
    yield text[place:]


def _line(cell: str) -> str:
    """A cell as plain text on one line, with the blanks that must not break."""
    text = _Words(cell).text if isinstance(cell, Markup) else cell
    return re.sub(r"[ \t\r\n]+", " ", text).strip(" ")


class _Words(HTMLParser):
    """What a cell of markup shows, without words that nobody sees; marks beside each other are a list."""

    def __init__(self, markup: Markup) -> None:
        super().__init__()
        self.text = ""
        # Of each element that is open, whether nobody sees it.
        self._open: list[bool] = []
        self._ended = False
        self.feed(str(markup))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._open and self._ended:
            self.text = f"{self.text.rstrip()}; "
        self._open.append("unseen" in (dict(attrs).get("class") or "").split())

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()
        self._ended = not self._open

    def handle_data(self, data: str) -> None:
        if not any(self._open):
            self.text += data
            # Words between two elements join them to a sentence.
            self._ended = self._ended and not data.strip()
