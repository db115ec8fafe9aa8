"""The sections that come with the package, by name, in their default order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from alliance_bayes.errors import UsageError
from alliance_bayes.report.checking import checking, sensitivity
from alliance_bayes.report.effect_sizes import effect_sizes
from alliance_bayes.report.endpoints import endpoints
from alliance_bayes.report.groups import groups
from alliance_bayes.report.guidelines import guidelines
from alliance_bayes.report.limitations import limitations
from alliance_bayes.report.methods import methods
from alliance_bayes.report.modelling import modelling
from alliance_bayes.report.participants import participants
from alliance_bayes.report.reproduction import reproduction
from alliance_bayes.report.sections import Section
from alliance_bayes.report.variance import variance
from alliance_bayes.report.view import View

__all__ = ["SECTIONS", "SectionMaker", "build_sections", "check_sections"]

#: Makes a section of a view, or None where there is nothing to report.
type SectionMaker = Callable[[View], Section | None]

SECTIONS: Mapping[str, SectionMaker] = {
    "data": participants,
    "model": modelling,
    "checks": checking,
    "effects": effect_sizes,
    "groups": groups,
    "variance": variance,
    "endpoints": endpoints,
    "sensitivity": sensitivity,
    "limitations": limitations,
    "guidelines": guidelines,
    "methods": methods,
    "reproduction": reproduction,
}
# These say where the other sections are, so they are made last.
LATE = ("limitations", "guidelines", "methods")
_ID = re.compile(r"[a-z][a-z0-9-]*")
# Anchors that the page itself has.
_TAKEN = ("findings", "manifest")


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
    wanted = list(SECTIONS) if sections is None else list(sections)
    made: list[Section | str] = []
    for item in wanted:
        if isinstance(item, str) and item in LATE:
            made.append(item)
        elif (section := _made(item, view)) is not None:
            made.append(section)
    order = tuple(item if isinstance(item, str) else item.id for item in made)
    _check_ids(order)
    whole = replace(view, order=order)
    final = [_made(item, whole) if isinstance(item, str) else item for item in made]
    return tuple(section for section in final if section is not None)


def _made(item: str | Section | SectionMaker, view: View) -> Section | None:
    if isinstance(item, Section):
        return item
    if isinstance(item, str):
        known = SECTIONS[item](view)
        return None if known is None else replace(known, maker=item)
    made = item(view)
    if made is not None and not isinstance(made, Section):
        raise UsageError(f"the function {item!r} should return a Section (see Section.of) or None but got {made!r}.")
    return made


def _check_ids(ids: Sequence[str]) -> None:
    faults = [f"{name!r} is not made of small letters, digits and hyphens" for name in ids if not _ID.fullmatch(name)]
    faults += [f"{name!r} is an anchor of the page itself" for name in ids if name in _TAKEN]
    faults += [f"{name!r} is there twice" for name in dict.fromkeys(ids) if list(ids).count(name) > 1]
    if faults:
        raise UsageError(f"ids of sections: {'; '.join(faults)}. Give every section an id of its own.")
