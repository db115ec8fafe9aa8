"""What a section of the page is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from alliance_bayes.effects import COLUMNS, EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.view import View

__all__ = ["LastSection", "Section", "SectionMaker"]

#: Makes a section of a view, or None where there is nothing to report.
type SectionMaker = Callable[[View], Section | None]
#: Makes the estimates of a section of a fit.
type Remake = Callable[[Any], EffectTable | None]


@dataclass(frozen=True)
class Section:
    """One numbered section.

    Parameters
    ----------
    id
        Anchor in the page: small letters, digits and hyphens.
    title
        Heading.
    template
        File under ``templates/``.
    context
        What the template shows, as `s`.
    numbers
        What the section adds to the report's JSON, by name.
    rows
        Estimates that the section has beside those of the report. The page's manifest has them under the section's id.
    remake
        Makes these rows again from a fit, so that they can be verified; none without the other.
    packaged
        Whether it comes with the package; otherwise it is the analyst's own.

    Raises
    ------
    UsageError
        Rows that are no effects table, or rows or `remake` alone.
    """

    id: str
    title: str
    template: str
    context: Mapping[str, Any]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    rows: EffectTable | None = None
    remake: Remake | None = None
    packaged: bool = False

    def __post_init__(self) -> None:
        if self.rows is not None:
            _check_rows(self.id, "rows", self.rows)
        if (self.rows is None) != (self.remake is None):
            given, missing = ("remake", "rows") if self.rows is None else ("rows", "remake")
            raise UsageError(
                f"section {self.id!r} has {given}, but no {missing}. Give both: the estimates, and the function that "
                "makes them again from a fit."
            )

    @classmethod
    def of(
        cls,
        id: str,
        title: str,
        *content: str | Table | Picture,
        numbers: Mapping[str, Any] | None = None,
        rows: EffectTable | None = None,
        remake: Remake | None = None,
    ) -> Section:
        """A section of paragraphs, tables and pictures, from top to bottom.

        Parameters
        ----------
        id, title
            Anchor and heading.
        *content
            Paragraphs as plain text, tables and pictures; see :class:`alliance_bayes.report.View` for making them.
        numbers
            What the section adds to the report's JSON, by name.
        rows, remake
            Estimates, as rows of an effects table, and the function of a fit that makes them again. The page's manifest
            has them, and :func:`alliance_bayes.verify_report`, which is handed the section, makes and compares them
            again.

        Raises
        ------
        UsageError
            See the class.
        """
        kinds = {Table: "table", Picture: "picture"}
        items = [(kinds.get(type(item), "text"), item) for item in content]
        return cls(id, title, "content.html", {"items": items}, numbers or {}, rows, remake)

    @staticmethod
    def last(id: str) -> Callable[[SectionMaker], LastSection]:
        """Decorator of a function that makes the section of that id once it is known where all sections are.

        Parameters
        ----------
        id
            Anchor in the page. The view's `place` and `link` then know of all sections, this one included.

        Returns
        -------
        callable
            The decorator.
        """
        return lambda make: LastSection(id, make)

    def remade(self, fit: Any) -> Section:
        """The section with its estimates made again from a fit.

        Parameters
        ----------
        fit
            The fit that ``remake`` is given.

        Returns
        -------
        Section
            The same, with the rows of that fit.

        Raises
        ------
        UsageError
            They cannot be, or what makes them returns something else.
        """
        if self.remake is None:
            return self
        try:
            rows = self.remake(fit)
        except Exception as error:
            raise UsageError(f"section {self.id!r}: its estimates cannot be made again ({error!r}).") from error
        _check_rows(self.id, "what remake returns", rows)
        return replace(self, rows=rows)


@dataclass(frozen=True)
class LastSection:
    """Makes a section that says where others are, once their order is known."""

    id: str
    make: SectionMaker

    def __call__(self, view: View) -> Section | None:
        """The section."""
        return self.make(view)


def _check_rows(section: str, label: str, rows: object) -> None:
    """Refuse what is no table of estimates."""
    if not isinstance(rows, EffectTable):
        raise UsageError(
            f"section {section!r}: {label} should be an effects table, as fit.effects() and fit.contrasts() make them, "
            f"but got {type(rows).__name__}."
        )
    if missing := [name for name in COLUMNS if name not in rows.columns]:
        raise UsageError(f"section {section!r}: {label} lacks the columns {', '.join(missing)} of an effects table.")
