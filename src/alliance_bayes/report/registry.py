"""The sections that come with the package, by name, in their default order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from alliance_bayes.errors import UsageError
from alliance_bayes.report.adjustment import adjusting
from alliance_bayes.report.checking import checking, sensitivity
from alliance_bayes.report.confounding import unmeasured
from alliance_bayes.report.effect_sizes import effect_sizes
from alliance_bayes.report.endpoints import endpoints
from alliance_bayes.report.groups import groups
from alliance_bayes.report.guidelines import guidelines
from alliance_bayes.report.limitations import limitations
from alliance_bayes.report.methods import methods
from alliance_bayes.report.missing import missing
from alliance_bayes.report.modelling import modelling
from alliance_bayes.report.overlap import overlapping
from alliance_bayes.report.participants import participants
from alliance_bayes.report.reproduction import reproduction
from alliance_bayes.report.sections import LastSection, Section, SectionMaker
from alliance_bayes.report.variance import variance
from alliance_bayes.report.view import View

__all__ = ["SECTIONS", "build_sections", "check_sections", "make_section", "stated_sections"]

SECTIONS: Mapping[str, SectionMaker] = {
    "data": participants,
    "missing": missing,
    "model": modelling,
    "checks": checking,
    "effects": effect_sizes,
    "groups": groups,
    "overlap": overlapping,
    "variance": variance,
    "endpoints": endpoints,
    "sensitivity": sensitivity,
    "adjustment": adjusting,
    "confounding": unmeasured,
    "limitations": limitations,
    "guidelines": guidelines,
    "methods": methods,
    "reproduction": reproduction,
}
_ID = re.compile(r"[a-z][a-z0-9-]*")
# Anchors that the page itself has.
_TAKEN = ("answer", "findings", "manifest")


def check_sections(sections: Sequence[str | Section | SectionMaker] | None) -> None:
    """Refuse a list of sections that no page can be made of.

    Raises
    ------
    UsageError
        A name that is not known, something that is no section, or a section given twice.
    """
    if isinstance(sections, str):
        raise UsageError(f"sections should be a list but got the text {sections!r}. Write [{sections!r}].")
    faults = []
    for item in sections or ():
        if isinstance(item, str) and item not in SECTIONS:
            faults.append(f"unknown section {item!r}")
        elif not (isinstance(item, str | Section) or callable(item)):
            faults.append(f"{item!r} is neither a name, nor a Section, nor a function that makes one")
    if faults:
        raise UsageError(f"sections: {'; '.join(faults)}. Known sections: {', '.join(SECTIONS)}.")


def build_sections(view: View, sections: Sequence[str | Section | SectionMaker] | None = None) -> tuple[Section, ...]:
    """Make the sections of a page.

    Parameters
    ----------
    view
        What they are made from.
    sections
        Names of known sections, sections, and functions that make one of a view, in order; all known ones by default.

    Raises
    ------
    UsageError
        See `check_sections`; or two sections have one id, or an id that is no anchor.
    """
    check_sections(sections)
    items = SECTIONS if sections is None else sections
    wanted = [_packaged(item) if isinstance(item, str) else item for item in items]
    first = [item if isinstance(item, LastSection) else make_section(item, view) for item in wanted]
    present = [item for item in first if item is not None]
    order = tuple(item.id for item in present)
    _check_ids(order)
    whole = replace(view, order=order)
    final = (make_section(item, whole) for item in present)
    return tuple(section for section in final if section is not None)


def _packaged(name: str) -> SectionMaker:
    """What makes a section of the package, which then says so."""
    maker = SECTIONS[name]

    def make(view: View) -> Section | None:
        section = maker(view)
        assert section is None or section.id == name, f"the section {name!r} has the id {section.id!r}"
        return None if section is None else replace(section, packaged=True)

    return LastSection(name, make) if isinstance(maker, LastSection) else make


def make_section(item: Section | SectionMaker, view: View) -> Section | None:
    """A section as it is, or made of a view.

    Raises
    ------
    UsageError
        What was made is none, or has another id than it was named by.
    """
    section = item if isinstance(item, Section) else item(view)
    if section is not None and not isinstance(section, Section):
        raise UsageError(f"the function {item!r} should return a Section (see Section.of) or None but got {section!r}.")
    if isinstance(item, LastSection) and section is not None and section.id != item.id:
        raise UsageError(
            f"the section {item.id!r} was made with the id {section.id!r}. Give it the one it was named by."
        )
    return section


def stated_sections(sections: Sequence[Section]) -> list[str | dict[str, str]]:
    """What a manifest says of a page's sections: the name, or id and title of one of the analyst's own."""
    return [section.id if section.packaged else {"id": section.id, "title": section.title} for section in sections]


def _check_ids(ids: Sequence[str]) -> None:
    faults = [f"{name!r} is not made of small letters, digits and hyphens" for name in ids if not _ID.fullmatch(name)]
    faults += [f"{name!r} is an anchor of the page itself" for name in ids if name in _TAKEN]
    faults += [f"{name!r} is there twice" for name in dict.fromkeys(ids) if list(ids).count(name) > 1]
    if faults:
        raise UsageError(f"ids of sections: {'; '.join(faults)}. Give every section an id of its own.")
