"""Numbers in sentences."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["count", "percent", "some"]


def percent(share: float, digits: int | None = None) -> str:
    """A share as text, to three figures or so many decimal places: ``percent(0.125)`` is "12.5 %"."""
    return f"{100 * share:.3g} %" if digits is None else f"{100 * share:.{digits}f} %"


def count(n: int, what: str) -> str:
    """A number of things: "1 quantity", "1,200 quantities"."""
    plural = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{n:,} {what if n == 1 else plural}"


def some(names: Iterable[str], most: int = 4) -> str:
    """The first few of some names, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most:,} more" if len(listed) > most else "")
