"""Section 3: every check with its verdict, sentence, table and figures, and where its warnings belong in the rest of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alliance_bayes.checks import CheckReport, CheckResult
from alliance_bayes.report.frames import frame_table
from alliance_bayes.report.records import records
from alliance_bayes.report.sections import Picture, Section
from alliance_bayes.report.svg import draw
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean

__all__ = ["Checked", "Item", "checking"]

#: Checks whose tables and figures hold no estimate, so that they stay when conclusions are withheld.
WITHOUT_ESTIMATES = ("convergence", "prior_predictive")
#: Verdicts that are repeated where their subject is reported.
CAUTIONS = ("warn", "fail")


@dataclass(frozen=True)
class Item:
    """One check as the page shows it."""

    id: str
    name: str
    title: str
    verdict: str
    sentence: str
    problems: tuple[str, ...]
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    open: bool


@dataclass(frozen=True)
class Checked:
    """All checks, to be looked up by the sections that they concern."""

    items: tuple[Item, ...]

    def by_name(self, name: str) -> Item | None:
        """A check that was run, or None."""
        return next((item for item in self.items if item.name == name), None)

    def cautions(self, *names: str) -> tuple[Item, ...]:
        """The checks of these names that warn or fail; all that do without names."""
        return tuple(item for item in self.items if item.verdict in CAUTIONS and (not names or item.name in names))

    @classmethod
    def of(cls, report: CheckReport) -> Checked:
        """Draw and tabulate every check of a report."""
        withheld = not report.gate.passed
        return cls(tuple(_item(result, position, withheld) for position, result in enumerate(report.results, 1)))


def checking(checked: Checked, report: CheckReport) -> tuple[Section, list[dict[str, Any]]]:
    """The section, and its numbers for the JSON."""
    context = {"items": checked.items, "gate": report.gate, "withheld": not report.gate.passed}
    numbers = [
        {
            "name": result.name,
            "title": result.title,
            "verdict": result.verdict,
            "sentence": result.sentence if item.open else None,
            "problems": list(result.problems) if item.open else [],
            "table": records(result.table) if item.open else None,
        }
        for item, result in zip(checked.items, report.results, strict=True)
    ]
    return Section("checks", "Checks", "checks.html", context), numbers


def _item(result: CheckResult, position: int, withheld: bool) -> Item:
    # What a failed check found may be needed to mend it; any other would give away the numbers that are withheld.
    shown = not withheld or result.name in WITHOUT_ESTIMATES
    anchor = f"check-{position}"
    tables: list[Table] = []
    pictures: list[Picture] = []
    if shown:
        frames: Sequence[tuple[str, str, pd.DataFrame]] = (
            ("table", clean(result.title), result.table),
            ("details", f"{clean(result.title)}: details", result.details),
        )
        tables = [frame_table(frame, name=f"{anchor}-{part}", caption=caption) for part, caption, frame in frames if len(frame)]
        pictures = [
            Picture(
                clean(plot.title),
                clean(plot.description),
                draw(plot.draw, name=f"{anchor}-{number}", title=plot.title, description=plot.description, size=plot.size),
            )
            for number, plot in enumerate(result.plots, 1)
        ]
    return Item(
        anchor,
        result.name,
        clean(result.title),
        result.verdict,
        clean(result.sentence) if shown else "What this check found is withheld with the conclusions.",
        tuple(map(clean, result.problems)) if shown else (),
        tuple(tables),
        tuple(pictures),
        shown,
    )
