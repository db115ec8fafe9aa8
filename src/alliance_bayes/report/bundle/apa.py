"""Sources in APA style (7th edition): how a text cites them, and their entries in the list of references."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alliance_bayes.report.methods import Reference

__all__ = ["Piece", "entry", "in_text", "ordered", "plain"]

#: Text, and whether it is in italics.
type Piece = tuple[str, bool]
_ACCENTS = {"`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "c": "\u0327", "v": "\u030c"}
_LETTERS = {r"\O": "Ø", r"\o": "ø", r"\ss": "ß", r"\ae": "æ", r"\AE": "Æ", r"\l": "ł", r"\L": "Ł", r"\aa": "å"}
_ACCENTED = re.compile(r"\\([`'^~\"]|[cv](?= ))\s*\{?\\?([A-Za-z])\}?")
_LETTER = re.compile(r"\\(?:O|o|ss|ae|AE|l|L|aa)(?![A-Za-z])")
_HAT = re.compile(r"\$\\widehat\{(\w)\}\$")


def plain(text: str) -> str:
    """BibTeX's text as Unicode, without its braces."""
    text = _HAT.sub(lambda match: f"{match[1]}\u0302", text)
    text = _ACCENTED.sub(lambda match: unicodedata.normalize("NFC", match[2] + _ACCENTS[match[1]]), text)
    text = _LETTER.sub(lambda match: _LETTERS[match.group()], text)
    text = re.sub(r"\\([&%$#_])", r"\1", text).replace("--", "\N{EN DASH}")
    return " ".join(text.replace("{", "").replace("}", "").split())


def in_text(keys: Sequence[str], sources: Mapping[str, Reference]) -> str:
    """Sources as a text has them: "(Kruschke, 2018; Vehtari et al., 2021)"."""
    cites = (f"{_short(sources[key])}, {_year(key, sources)}" for key in keys)
    return f"({'; '.join(sorted(cites, key=_sorted))})"


def ordered(sources: Mapping[str, Reference]) -> list[str]:
    """Keys in the order of the list of references: by authors, then by year."""
    return sorted(sources, key=lambda key: (_sorted(_listed(sources[key].authors)), _year(key, sources)))


def entry(key: str, sources: Mapping[str, Reference]) -> list[Piece]:
    """The entry of a source in the list of references."""
    source = sources[key]
    fields = source.fields
    authors = _listed(source.authors)
    start = f"{authors}{'' if authors.endswith('.') else '.'} ({_year(key, sources)}). "
    title = _sentence(source.title)
    note = f" ({plain(fields['note'])})" if "note" in fields else ""
    if "journal" not in fields:
        return [(start, False), (title, True), (f"{note}.", False)]
    pieces = [(f"{start}{title}. ", False), (plain(fields["journal"]), True)]
    if "volume" in fields:
        pieces += [(", ", False), (plain(fields["volume"]), True)]
    pages = f", {plain(fields['pages'])}" if "pages" in fields else ""
    doi = f" https://doi.org/{fields['doi']}" if "doi" in fields else ""
    return [*pieces, (f"{pages}.{doi}", False)]


def _names(authors: str) -> list[tuple[str, str]]:
    """Last names with initials; what is in braces as a whole is one name."""
    names = []
    for author in re.split(r"\s+and\s+(?![^{}]*\})", authors.strip()):
        last, comma, first = author.partition(",")
        parts = plain(first).split() if comma else []
        initials = ("-".join(f"{part[0]}." for part in name.split("-") if part) for name in parts)
        names.append((plain(last), " ".join(initials)))
    return names


def _short(source: Reference) -> str:
    names = [last for last, _ in _names(source.authors)]
    return names[0] if len(names) == 1 else " & ".join(names) if len(names) == 2 else f"{names[0]} et al."


def _listed(authors: str) -> str:
    names = [f"{last}, {initials}" if initials else last for last, initials in _names(authors)]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, & {names[-1]}"


def _year(key: str, sources: Mapping[str, Reference]) -> str:
    """The year; with a letter where another source is cited alike."""
    source = sources[key]
    year = source.year or "n.d."
    alike = [other for other, one in sources.items() if (_short(one), one.year) == (_short(source), source.year)]
    if len(alike) == 1:
        return year
    letter = "abcdefghijklmnopqrstuvwxyz"[sorted(alike, key=lambda other: plain(sources[other].title)).index(key)]
    return f"{year}{letter}" if source.year else f"{year}-{letter}"


def _sentence(title: str) -> str:
    """A title in small letters, but for its first one, the first after a colon, and what is in braces."""
    parts: Iterable[str] = re.split(r"(\{[^{}]*\}|\$[^$]*\$)", " ".join(title.split()))
    lowered = "".join(part if part[:1] in ("{", "$") else part.lower() for part in parts)
    text = plain(lowered)
    return re.sub(r"(^|[:?] )(\w)", lambda match: match[1] + match[2].upper(), text)


def _sorted(text: str) -> str:
    """A text as lists are sorted: without accents, and capitals as small letters."""
    return "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char)).casefold()
