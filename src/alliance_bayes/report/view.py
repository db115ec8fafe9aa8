"""View: what a section of the report may look at, and the tools to make its tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
from markupsafe import Markup

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import EffectTable
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.checked import Checked
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.privacy import Redact
from alliance_bayes.report.rows import Column, effect_table, estimate_columns, measured_where
from alliance_bayes.report.style import WIDTH
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import SHOWN, Table, frame_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["View", "linked"]


@dataclass(frozen=True, eq=False)
class View:
    """A fit with its effects and checks, as the sections of a report see it.

    Parameters
    ----------
    fit
        The fit. Its ``design.frame`` holds the analysed rows: whatever a section shows of them must be about groups.
    estimates
        The effects table, without rows that may be about one person; empty when conclusions are withheld.
    checks
        The checks as they came.
    checked
        The checks as the page shows them.
    prob
        Probability of the intervals.
    small
        Fewest people that a shown count stands for.
    redact
        Takes out of a text the labels that may not be shown.
    order
        Ids of the page's sections, in order.
    told
        Figures by row that a page has of another run; see :meth:`Report.render`.
    """

    fit: FittedModel
    estimates: Estimates
    checks: CheckReport
    checked: Checked
    prob: float
    small: int
    redact: Redact
    order: tuple[str, ...] = ()
    told: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def withheld(self) -> bool:
        """Whether the gate is closed: then no estimate may be shown."""
        return self.checks.conclusions_withheld

    def place(self, *sections: str) -> str:
        """Where sections stand: "Section 3", "Sections 3 and 4"; empty when none of them is in the page.

        Parameters
        ----------
        *sections
            Ids of sections.

        Returns
        -------
        str
            Plain text.
        """
        numbers = [str(self.order.index(name) + 1) for name in sections if name in self.order]
        if not numbers:
            return ""
        if len(numbers) == 1:
            return f"Section {numbers[0]}"
        return f"Sections {', '.join(numbers[:-1])} and {numbers[-1]}"

    def link(self, *sections: str) -> Markup:
        """The same, each number linked to its section; "not in this page" when none of them is.

        Parameters
        ----------
        *sections
            Ids of sections.

        Returns
        -------
        markupsafe.Markup
            HTML.
        """
        return linked(self.order, *sections)

    def estimated(self, section: str, rows: EffectTable) -> Estimates:
        """Estimates of a section's own, to be shown and printed as those of the report are.

        Parameters
        ----------
        section
            Id of the section.
        rows
            What is estimated, for example by ``view.fit.contrasts``.

        Returns
        -------
        Estimates
            Without rows about a level of which the page says nothing.
        """
        return Estimates.of(self.fit, rows.told(self.told, f"{section}/") if self.told else rows, self.small)

    def effect_table(
        self,
        estimates: Estimates,
        *,
        name: str,
        caption: str,
        label: Callable[[Any], str] | None = None,
        heading: str = "Estimate",
        note: str = "",
    ) -> Table:
        """Show estimates: mean, interval and, where they apply, probabilities.

        Parameters
        ----------
        estimates
            See `estimated`.
        name
            Id in the page; unique.
        caption
            What it holds, with units.
        label
            What a row is called; it is given a mapping by column, and by ``id``. By default what its estimand says.
        heading
            Of the column that says so.
        note
            What needs saying below it.

        Returns
        -------
        Table
            To be put into a section.
        """
        table = estimates.table
        named = label or partial(measured_where, table, design=self.fit.design)
        columns = [Column(heading, named), *estimate_columns(estimates, table)]
        return effect_table(name, caption, table, columns, note=note, at_once=SHOWN)

    def table(self, frame: pd.DataFrame, *, name: str, caption: str, note: str = "") -> Table:
        """Show a table of numbers and words; its index is not shown.

        Parameters
        ----------
        frame
            What to show.
        name
            Id in the page; unique.
        caption
            What it holds, with units and, where there are intervals, their kind and probability.
        note
            What needs saying below it.

        Returns
        -------
        Table
            To be put into a section.
        """
        return frame_table(frame, name=name, caption=caption, note=note)

    def figure(
        self,
        painter: Callable[[Figure], None],
        *,
        name: str,
        title: str,
        caption: str,
        description: str,
        size: tuple[float, float] = (WIDTH, 3.7),
        data: Table | None = None,
    ) -> Picture:
        """Draw a figure.

        Parameters
        ----------
        painter
            Draws onto an empty matplotlib figure.
        name
            Id in the page; unique.
        title, caption
            Heading, and what to see.
        description
            What it shows, for those who cannot see it.
        size
            Width and height in inches.
        data
            What is drawn, as a table.

        Returns
        -------
        Picture
            To be put into a section.
        """
        return Picture.drawn(
            painter,
            name=name,
            title=title,
            caption=caption,
            description=description,
            size=size,
            data=data,
            shown=self.redact,
        )


def linked(order: Sequence[str], *sections: str) -> Markup:
    """Where sections stand in a page, each number a link: "Section 3", "Sections 3, 4"; else "not in this page".

    Parameters
    ----------
    order
        Ids of the page's sections, in order.
    *sections
        Ids; those that the page lacks are passed over.
    """
    present = [(name, number) for number, name in enumerate(order, 1) if name in sections]
    if not present:
        return Markup("not in this page")
    links = [Markup('<a href="#{}">{}</a>').format(name, number) for name, number in present]
    return Markup("Section {}").format(links[0]) if len(links) == 1 else Markup("Sections ") + Markup(", ").join(links)
