"""One benchmark's part of the results."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Section:
    """A title, what was done, tables in Markdown, who was left out and why, and versions of what ran."""

    title: str
    explained: str
    tables: Sequence[str]
    left_out: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        parts = [f"## {self.title}", self.explained, *self.tables]
        if self.left_out:
            parts.append("Not run:\n\n" + "\n".join(f"* {reason}" for reason in self.left_out))
        return "\n\n".join(parts) + "\n"


def announce(what: str) -> None:
    """Say what is being measured now; results go to standard output."""
    print(f"   {what}", file=sys.stderr, flush=True)
