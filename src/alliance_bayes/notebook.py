"""What objects look like in a notebook: a heading, facts and small tables, in the notebook's own style."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["MOST_ROWS", "escaped", "listed", "number", "overview", "table"]

#: Rows of a table, letters of a cell and items of a list; what is beyond them is counted.
MOST_ROWS, MOST_LETTERS, MOST_ITEMS = 20, 240, 12
_LEFT = ' style="text-align: left"'


def escaped(text: object, most: int = MOST_LETTERS) -> str:
    """Text from anywhere as HTML: no markup, no control over what is beside it, and no longer than a cell bears."""
    plain = "".join(
        char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in str(text)[: most + 1]
    )
    return escape(plain if len(plain) <= most else f"{plain[: most - 1]}…")


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, or a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}".replace("-", "\N{MINUS SIGN}")


def overview(heading: str, facts: Iterable[tuple[str, object]] = (), *parts: str) -> str:
    """An object as a notebook shows it.

    Parameters
    ----------
    heading
        What it is.
    facts
        What there is to say in a word or two; those that are empty are left out.
    *parts
        What follows, as HTML.
    """
    line = " · ".join(f"{escape(name)}: {escaped(value, 400)}" for name, value in facts if str(value))
    return f"<div><p><strong>{escaped(heading, 400)}</strong>{'<br>' if line else ''}{line}</p>{''.join(parts)}</div>"


def table(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, words: Iterable[int] = (0,), caption: str = ""
) -> str:
    """A table of at most `MOST_ROWS` rows; it says how many there are.

    Parameters
    ----------
    headings, rows
        Cells as text.
    words
        Columns of words.
    caption
        What it holds.
    """
    left = set(words)
    styles = [_LEFT if place in left else "" for place in range(len(headings))]
    head = "".join(f"<th{style}>{escaped(text)}</th>" for text, style in zip(headings, styles, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{style}>{escaped(cell)}</td>' for cell, style in zip(row, styles, strict=True))}</tr>"
        for row in rows[:MOST_ROWS]
    )
    more = f"<p>{MOST_ROWS} of {len(rows):,} rows.</p>" if len(rows) > MOST_ROWS else ""
    return (
        f"{f'<p>{escaped(caption, 400)}</p>' if caption else ''}"
        f'<table class="dataframe"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}'
    )


def listed(items: Sequence[str]) -> str:
    """Sentences as a list."""
    shown = "".join(f"<li>{escaped(item, 600)}</li>" for item in items[:MOST_ITEMS])
    more = f"<li>and {len(items) - MOST_ITEMS} more</li>" if len(items) > MOST_ITEMS else ""
    return f"<ul>{shown}{more}</ul>" if items else ""
