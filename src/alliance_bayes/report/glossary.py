"""Terms of statistics that a page explains where somebody asks for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from alliance_bayes.wording import read_wording

__all__ = ["Term", "explained", "glossary"]

# Drawings, and what is read by programs, ask nobody to understand it.
_NOT_READ = re.compile(r"<svg(?:[^<]|<(?!/svg>))*</svg>|<pre(?:[^<]|<(?!/pre>))*</pre>|<[^<>]*>")


@dataclass(frozen=True)
class Term:
    """A term with what it means.

    Parameters
    ----------
    id
        Of its explanation in the page.
    name
        As the page writes it.
    text
        One or two sentences.
    found
        What a text has that uses it, as a regular expression.
    """

    id: str
    name: str
    text: str
    found: re.Pattern[str]


@cache
def glossary() -> tuple[Term, ...]:
    """All terms, in the order of the file."""
    terms = read_wording("alliance_bayes.report", "sentences/glossary.toml")
    return tuple(
        Term(f"why-{name}", term["name"], term["text"], re.compile(term.get("found") or re.escape(term["name"])))
        for name, term in terms.items()
    )


def explained(markup: str | Sequence[str]) -> list[Term]:
    """The terms that some markup uses, in the order of the glossary."""
    text = _NOT_READ.sub(" ", markup if isinstance(markup, str) else " ".join(markup))
    return [term for term in glossary() if term.found.search(text)]
