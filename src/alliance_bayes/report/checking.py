"""Section 3: every check with its verdict, sentence, table and figures, and where its warnings belong in the rest of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alliance_bayes.checks import CheckReport, CheckResult, Plot
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.frames import frame_table
from alliance_bayes.report.privacy import Redact, grouped_only
from alliance_bayes.report.records import records
from alliance_bayes.report.sections import Picture, Section
from alliance_bayes.report.svg import draw
from alliance_bayes.report.tables import Table

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
    numbers: Mapping[str, Any]


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
    def of(cls, fit: FittedModel, report: CheckReport, redact: Redact) -> Checked:
        """Draw and tabulate every check of a report.

        Parameters
        ----------
        fit
            What was checked.
        report
            The checks.
        redact
            Takes out of a text what may not be shown.
        """
        withheld = not report.gate.passed
        return cls(
            tuple(_item(fit, result, position, withheld, redact) for position, result in enumerate(report.results, 1))
        )


def checking(checked: Checked) -> tuple[Section, list[Mapping[str, Any]]]:
    """The section, and its numbers for the JSON."""
    return Section("checks", "Checks", "checks.html", {"items": checked.items}), [item.numbers for item in checked.items]


def _item(fit: FittedModel, result: CheckResult, position: int, withheld: bool, redact: Redact) -> Item:
    # Any other check would give away the numbers that are withheld.
    shown = not withheld or result.name in WITHOUT_ESTIMATES
    anchor, title = f"check-{position}", redact(result.title)
    sentence = redact(result.sentence) if shown else "What this check found is withheld with the conclusions."
    problems = tuple(map(redact, result.problems)) if shown else ()
    frame, details = (_shown(fit, part, redact) if shown else pd.DataFrame() for part in (result.table, result.details))
    captions = (("table", title, frame), ("details", f"{title}: details", details))
    tables = [frame_table(part, name=f"{anchor}-{name}", caption=caption) for name, caption, part in captions if len(part)]
    pictures = [_picture(plot, f"{anchor}-{number}", redact) for number, plot in enumerate(result.plots if shown else (), 1)]
    # The sentence already says what the problems are when it is made of them.
    listed = tuple(problem for problem in problems if problem not in sentence)
    numbers = {
        "name": result.name,
        "title": title,
        "verdict": result.verdict,
        "sentence": sentence if shown else None,
        "problems": problems,
        "table": records(frame) if shown else None,
    }
    return Item(anchor, result.name, title, result.verdict, sentence, listed, tuple(tables), tuple(pictures), numbers)


def _shown(fit: FittedModel, frame: pd.DataFrame, redact: Redact) -> pd.DataFrame:
    """A table without what may not be shown, in its rows and in its words."""
    frame = grouped_only(fit, frame)
    return frame.apply(lambda column: column if pd.api.types.is_numeric_dtype(column) else column.map(lambda v: redact(v) if isinstance(v, str) else v))


def _picture(plot: Plot, name: str, redact: Redact) -> Picture:
    title, description = redact(plot.title), redact(plot.description)
    markup = draw(plot.draw, name=name, title=title, description=description, size=plot.size, shown=redact)
    return Picture(title, description, markup)
