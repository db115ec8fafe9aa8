"""What of a page can be taken away: its tables and figures by name, its methods and the sources that these cite."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table

if TYPE_CHECKING:
    from alliance_bayes.report.methods import Reference
    from alliance_bayes.report.sections import Section

__all__ = ["Content"]

# Objects of these rooms are made for a page; others, such as fits, are what it is made from.
_OF_PAGES = ("alliance_bayes.report.", "alliance_bayes.study.")


@dataclass(frozen=True)
class Content:
    """What a page shows, besides its estimates.

    Parameters
    ----------
    tables, pictures
        In the page's order, tables by name.
    methods
        Paragraphs with the keys of sources in square brackets; empty without a section on methods.
    sources
        What the paragraphs cite, by key.
    bibtex
        The same as the text of a ``.bib`` file.
    """

    tables: Mapping[str, Table] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    methods: str = ""
    sources: Mapping[str, Reference] = field(default_factory=dict)
    bibtex: str = ""

    @classmethod
    def of(cls, html: str, first: Any, sections: Iterable[Section]) -> Content:
        """Look a page through.

        Parameters
        ----------
        html
            The page: what is not in it is not taken.
        first
            What stands before the sections.
        sections
            In order.
        """
        sections = list(sections)
        items = [*_shown(first), *(item for section in sections for item in _shown(section.context))]
        tables = {item.name: item for item in items if isinstance(item, Table) and f'id="{escape(item.name)}"' in html}
        pictures = dict.fromkeys(item for item in items if isinstance(item, Picture) and str(item.markup) in html)
        methods = next((section.context for section in sections if section.template == "methods.html"), {})
        return cls(
            tables,
            tuple(pictures),
            methods.get("text", ""),
            methods.get("sources", {}),
            methods.get("bibtex", ""),
        )


def _shown(thing: Any) -> Iterator[Table | Picture]:
    """Tables and pictures in whatever templates are given, at any depth."""
    if isinstance(thing, Table | Picture):
        yield thing
    elif isinstance(thing, Mapping):
        for item in thing.values():
            yield from _shown(item)
    elif isinstance(thing, list | tuple):
        for item in thing:
            yield from _shown(item)
    elif dataclasses.is_dataclass(thing) and type(thing).__module__.startswith(_OF_PAGES):
        for one in dataclasses.fields(thing):
            yield from _shown(getattr(thing, one.name))
