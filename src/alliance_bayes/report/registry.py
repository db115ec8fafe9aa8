"""The sections that come with the package, by name, in their default order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from alliance_bayes.checks import Check
from alliance_bayes.checks.registry import choose_checks
from alliance_bayes.effects import ESTIMANDS, Estimand, choose_estimands
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
from alliance_bayes.report.sections import LastSection, Section, SectionMaker
from alliance_bayes.report.variance import variance
from alliance_bayes.report.view import View

__all__ = ["SECTIONS", "HandedIn", "build_sections", "check_sections", "own_sections", "stated_sections"]

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
    items = SECTIONS if sections is None else sections
    wanted = [_packaged(item) if isinstance(item, str) else item for item in items]
    made = [item if isinstance(item, LastSection) else _made(item, view) for item in wanted]
    there = [item for item in made if item is not None]
    order = tuple(item.id for item in there)
    _check_ids(order)
    whole = replace(view, order=order)
    final = (_made(item, whole) for item in there)
    return tuple(section for section in final if section is not None)


def _packaged(name: str) -> SectionMaker:
    """What makes a section of the package, which then says so."""
    maker = SECTIONS[name]

    def make(view: View) -> Section | None:
        section = maker(view)
        return None if section is None else replace(section, packaged=True)

    return LastSection(name, make) if isinstance(maker, LastSection) else make


def _made(item: Section | SectionMaker, view: View) -> Section | None:
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


class HandedIn:
    """What of the analyst's own is handed in, so that what a page has of it can be made again.

    Parameters
    ----------
    sections
        Sections, and functions that make one of a view.
    checks, estimands
        Checks and estimands.

    Raises
    ------
    UsageError
        Something that is none of these.

    Notes
    -----
    A page names what is the analyst's own and cannot make them: nothing is verified by what the page itself holds.
    """

    def __init__(
        self,
        sections: Sequence[Section | SectionMaker] = (),
        checks: Sequence[Check] = (),
        estimands: Sequence[Estimand] = (),
    ) -> None:
        check_sections(sections)
        chosen = choose_checks(checks)
        self.estimands = {estimand.name: estimand for estimand in choose_estimands(estimands)}
        for what, given in (("sections", sections), ("checks", checks), ("estimands", estimands)):
            if names := [item for item in given if isinstance(item, str)]:
                raise UsageError(
                    f"{what} should be the analyst's own, but {names[0]!r} comes with the package. Leave it out."
                )
        self.sections = tuple(sections)
        self.checks = {check.name: check for check in chosen}
        self._made: dict[str, Section] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of those that there are, once a page was made with `makers`."""
        return (*self._made, *(item.id for item in self.sections if isinstance(item, LastSection)))

    def makers(self, stated: Sequence[str | Mapping[str, Any]]) -> list[str | SectionMaker]:
        """What makes the sections that a manifest states; those of the analyst's own that were not handed in are empty.

        Raises
        ------
        ValueError
            One of the analyst's own has the name of one of the package, for which it would stand.
        """
        own = own_sections(stated)
        if taken := [name for name in own if name in SECTIONS]:
            raise ValueError(f"own section {taken[0]!r}")
        # The first makes all that were handed in, those too that the page does not have, and is no section itself.
        return [self._make_all, *(item if isinstance(item, str) else self._maker(**item) for item in stated)]

    def run(self, stated: Sequence[str | Mapping[str, Any]] | None) -> list[str | Check] | None:
        """The checks that a manifest states.

        Raises
        ------
        UsageError
            One of the analyst's own was not handed in: what it says stands all over the page.
        """
        own = own_checks(stated)
        if missing := [name for name in own if name not in self.checks]:
            raise UsageError(
                f"the check(s) {', '.join(map(repr, missing))} of this page are the analyst's own, and what they say "
                "stands all over it. A page cannot say how they are made: hand them in, as "
                "verify_report(page, cohort, checks=[...])."
            )
        return (
            None
            if stated is None
            else [item if isinstance(item, str) else self.checks[item["name"]] for item in stated]
        )

    def computed(self, stated: Any) -> Any:
        """The estimands that a manifest states, with their options.

        Raises
        ------
        UsageError
            One of the analyst's own was not handed in.
        """
        if stated is None:
            return None
        given = stated if isinstance(stated, Mapping) else {name: {} for name in stated}
        if missing := [name for name in own_estimands(stated) if name not in self.estimands]:
            raise UsageError(
                f"the estimand(s) {', '.join(map(repr, missing))} of this page are the analyst's own. A page cannot "
                "say how they are computed: hand them in, as verify_report(page, cohort, estimands=[...])."
            )
        return {self.estimands.get(name, name): options for name, options in given.items()}

    def _make_all(self, view: View) -> None:
        self._made = {}
        for item in self.sections:
            section = None if isinstance(item, LastSection) else _guarded(item, view)
            if section is not None and section.id in self._made:
                raise UsageError(f"two sections with the id {section.id!r} were handed in. Hand in one of them.")
            if section is not None:
                self._made[section.id] = section

    def _maker(self, id: str, title: str) -> SectionMaker:
        for item in self.sections:
            if isinstance(item, LastSection) and item.id == id:
                return replace(item, make=partial(_guarded, item))
        return lambda view: self._made.get(id) or Section.of(id, title)


def own_checks(stated: Sequence[str | Mapping[str, Any]] | None) -> list[str]:
    """Names of the checks of the analyst's own that a manifest states."""
    return [str(item["name"]) for item in stated or () if not isinstance(item, str)]


def own_estimands(stated: Iterable[str] | None) -> list[str]:
    """Names of the estimands of the analyst's own that a manifest states."""
    return [name for name in stated or () if name not in ESTIMANDS]


def own_sections(stated: Sequence[str | Mapping[str, Any]]) -> dict[str, str]:
    """Ids and titles of the sections of the analyst's own that a manifest states.

    Raises
    ------
    KeyError, TypeError
        It does not say.
    """
    return {str(item["id"]): str(item["title"]) for item in stated if not isinstance(item, str)}


def _guarded(item: Section | SectionMaker, view: View) -> Section | None:
    """A section that was handed in; whatever goes wrong in it is its own fault, and no page's."""
    try:
        return _made(item, view)
    except UsageError:
        raise
    except Exception as error:
        name = item.id if isinstance(item, Section | LastSection) else getattr(item, "__name__", repr(item))
        raise UsageError(f"the section {name!r} that was handed in cannot be made again ({error!r}).") from error


def _check_ids(ids: Sequence[str]) -> None:
    faults = [f"{name!r} is not made of small letters, digits and hyphens" for name in ids if not _ID.fullmatch(name)]
    faults += [f"{name!r} is an anchor of the page itself" for name in ids if name in _TAKEN]
    faults += [f"{name!r} is there twice" for name in dict.fromkeys(ids) if list(ids).count(name) > 1]
    if faults:
        raise UsageError(f"ids of sections: {'; '.join(faults)}. Give every section an id of its own.")
