"""Every check as the page shows it: verdict, sentence, tables and figures, and the sections its warnings belong to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.checks import CHECKS, Check, CheckReport, CheckResult, Plot
from alliance_bayes.checks.refits import FEW_LEVELS, called_difference
from alliance_bayes.checks.registry import named
from alliance_bayes.effects import EffectTable
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.codings import level_counts
from alliance_bayes.report.drawn import lacking
from alliance_bayes.report.figure_data import Recorder
from alliance_bayes.report.parameters import parameters_in
from alliance_bayes.report.privacy import (
    HIDDEN,
    Redact,
    factors_with_few,
    grouped_only,
    identifying,
    named_factors,
    people_between,
)
from alliance_bayes.report.records import records
from alliance_bayes.report.scale_ends import ScaleEnd, ends_table, scale_ends
from alliance_bayes.report.small_counts import hidden_levels, hidden_parameters, hidden_rows
from alliance_bayes.report.spoken import Spoken, in_cells, in_sentences, quantities_called, with_quantities
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table, frame_table
from alliance_bayes.report.text import typeset
from alliance_bayes.report.untold import untold

__all__ = ["CAUTIONS", "WITHHELD", "Checked", "Item", "may_show", "quiet", "told"]

# Columns of which each cell is the name of a quantity.
_QUANTITIES = ("quantity", "where")
_ROWS = re.compile(r"; rows? [\d, andto]*counted from 0")
#: Verdicts that are repeated where their subject is reported.
CAUTIONS = ("warn", "fail")
#: What stands in place of a verdict that rests on draws which did not pass.
WITHHELD = "withheld"


@dataclass(frozen=True)
class Item:
    """One check as the page shows it."""

    id: str
    result: CheckResult
    title: str
    verdict: str
    sentence: str
    problems: tuple[str, ...]
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    note: str
    numbers: Mapping[str, Any]
    rows: EffectTable | None = None
    ends: tuple[ScaleEnd, ...] = ()
    ends_table: Table | None = None

    @property
    def check(self) -> Check:
        """The check."""
        return self.result.check

    @property
    def name(self) -> str:
        """Its key."""
        return self.check.name


@dataclass(frozen=True)
class Checked:
    """All checks, to be looked up by the sections that they concern."""

    items: tuple[Item, ...]

    def in_section(self, section: str) -> tuple[Item, ...]:
        """The checks that a section has."""
        return tuple(item for item in self.items if item.check.section == section)

    def repeated_in(self, section: str) -> Item | None:
        """The check whose sentence another section repeats, or None."""
        return next((item for item in self.items if item.check.repeated_in == section), None)

    def answering(self, item: str) -> Item | None:
        """The check that answers an item of a reporting guideline ("BARG 1E"), or None."""
        return next((entry for entry in self.completed if item in entry.check.answered(entry.result)), None)

    @property
    def completed(self) -> tuple[Item, ...]:
        """The checks that came to a result: those of the package, in their order, and then the others."""
        order, items = [*CHECKS], [item for item in self.items if item.result.completed]
        return tuple(sorted(items, key=lambda item: order.index(item.name) if item.name in order else len(order)))

    @property
    def not_completed(self) -> tuple[Check, ...]:
        """Checks that come with the package and were not run, or could not be made though there was something."""
        done = [
            *(item.check for item in self.completed),
            *(item.check for item in self.items if item.result.nothing),
        ]
        return tuple(check for check in CHECKS.values() if check not in done)

    def depends_on_priors(self, number: str) -> bool:
        """Whether a number that findings state, by its id, was found to depend on the priors."""
        tables = (part for item in self.items for part in (item.result.table, item.result.details))
        known = (part for part in tables if {"quantity", "depends"} <= set(part.columns))
        return any((part.loc[part["quantity"] == number, "depends"] == "yes").any() for part in known)

    def about(self, section: str) -> tuple[Item, ...]:
        """The checks that warn or fail and bear on what a section reports."""
        return tuple(item for item in self.items if item.verdict in CAUTIONS and section in item.check.concerns)

    @classmethod
    def of(
        cls,
        fit: FittedModel,
        report: CheckReport,
        redact: Redact,
        small: int,
        *,
        few: frozenset[str] = frozenset(),
        anchor: str = "check",
        drawn: bool = True,
        tabled: Collection[str] = tuple(CHECKS),
        effects: EffectTable | None = None,
    ) -> Checked:
        """Draw and tabulate every check of a report.

        Parameters
        ----------
        fit
            What was checked.
        report
            The checks.
        redact
            Takes out of a text what may not be shown.
        small
            Fewest people that a shown group has.
        few
            The quantities that no check says anything of; see :func:`quiet`.
        anchor
            What the ids of the checks begin with, unique in the page.
        drawn
            Whether they have their figures.
        tabled
            The package's checks that have their tables; checks of others always do.
        effects
            The quantities that sentences may name by their ids, which are then put into words.
        """
        spoken = in_sentences(fit.design, _beside(fit))
        if effects is not None:
            spoken = with_quantities(spoken, effects, fit.design, redact)
        withheld, items = report.conclusions_withheld, []
        for position, result in enumerate(report.results, 1):
            with named(result.check):
                left = result.without(fit, few)
                shown_ends = left.name == "posterior_predictive" and not withheld
                # A figure of another section may have the bars.
                ends = scale_ends(fit, left, small) if shown_ends else ()
                left = left if drawn else replace(left, plots=())
                has_tables = result.name in tabled or result.name not in CHECKS
                item = _item(
                    fit,
                    left,
                    f"{anchor}-{position}",
                    withheld,
                    redact,
                    small,
                    spoken,
                    tabled=has_tables,
                    effects=effects,
                )
                items.append(replace(item, ends=ends, ends_table=ends_table(fit, ends, f"{item.id}-ends", small)))
        return cls(tuple(items))


def _beside(fit: FittedModel) -> list[str]:
    """Columns of the table that checks look at though the model does not use them."""
    return [] if fit.beside is None else [str(name) for name in fit.beside.columns]


def _item(
    fit: FittedModel,
    result: CheckResult,
    anchor: str,
    withheld: bool,
    redact: Redact,
    small: int,
    spoken: Spoken,
    *,
    tabled: bool,
    effects: EffectTable | None = None,
) -> Item:
    # Any other check would give away the numbers that are withheld.
    shown = not withheld or not result.check.holds_estimates
    # Neither does a check of bad draws pass, nor does it fail.
    verdict = result.verdict if shown else WITHHELD
    title = redact(result.title)
    words = in_cells(fit.design, _beside(fit))
    kept = grouped_only(fit, result.table, small)
    sentence = (
        _said(told(result, kept), redact, spoken)
        if shown
        else "What this check found is withheld with the conclusions."
    )
    problems = tuple(_said(problem, redact, spoken) for problem in result.problems) if shown else ()
    frame, details = (
        _shown(part, redact) if shown else pd.DataFrame()
        for part in (kept, grouped_only(fit, result.details, small) if len(result.details) else result.details)
    )
    headings = dict(result.check.shown_as)
    if fit.design.outcome.name in lacking(fit):
        headings |= {"observed": "observed or imputed"}
    captions = (("table", title, frame, kept), ("details", f"{title}: details", details, result.details))
    tables = [
        frame_table(
            _called(_worded(part.rename(columns=headings), words), raw, fit, effects, redact),
            name=f"{anchor}-{name}",
            caption=caption,
        )
        for name, caption, part, raw in captions
        if len(part) and tabled
    ]
    allowed = [plot for plot in result.plots if shown and not plot.single_rows]
    few, whole = _of_few(fit, result.table, small), len(frame) == len(result.table)
    plots = [plot for plot in allowed if may_show(plot, small) and plot.column not in few and (whole or not plot.whole)]
    parameters = parameters_in(fit.design)
    pictures = [
        _picture(plot, f"{anchor}-{number}", lambda text: typeset(words(parameters(redact(text)))))
        for number, plot in enumerate(plots, 1)
    ]
    # The sentence already says what the problems are when it is made of them.
    listed = tuple(problem for problem in problems if problem not in sentence)
    numbers = {
        "name": result.name,
        "title": title,
        "verdict": verdict,
        "sentence": sentence if shown else None,
        "problems": problems,
        "table": records(frame) if shown else None,
        "details": records(details) if shown else None,
    }
    note = (
        f"Figures that would show groups of fewer than {small} people are left out."
        if len(plots) < len(allowed)
        else ""
    )
    rows = None
    if shown and result.rows is not None:
        # Not those of groups that the table does not have, or whose name it does not say.
        named = [name for name in frame.iloc[:, 0].astype(str) if HIDDEN not in name]
        keep = np.array([redact(str(term)) in named for term in result.rows["term"]], dtype=bool)
        rows = result.rows[keep & ~hidden_rows(fit, result.rows, small)]
    return Item(
        anchor,
        result,
        title,
        verdict,
        sentence,
        listed,
        tuple(tables),
        tuple(pictures),
        note,
        numbers,
        rows,
    )


def quiet(fit: FittedModel, effects: EffectTable, small: int) -> frozenset[str]:
    """Names of the parameters and of the differences, and ids of the effects, of which a page says nothing."""
    ids = map(str, effects.index[hidden_rows(fit, effects, small)])
    spreads = (f"standardised slope of {name}" for name in untold(fit, small))
    return hidden_parameters(fit, small).union(ids, hidden_differences(fit, small), spreads)


def hidden_differences(fit: FittedModel, small: int) -> Iterable[str]:
    """What checks call the differences of a level of which a page says nothing, or that is nobody's to name."""
    sloped = {factor.name: factor.terms for factor in fit.design.factors}
    hidden = hidden_levels(fit, small)
    for factor in dict.fromkeys([*hidden, *named_factors(fit)]):
        unnamed = factor in named_factors(fit) and identifying(fit, factor)
        levels = list(level_counts(fit, factor)) if unnamed or hidden.get(factor) else []
        few = set(levels) if unnamed else hidden.get(factor, frozenset())
        for one, other in permutations(levels if len(levels) <= FEW_LEVELS else (), 2):
            if {one, other} & few:
                for of in ("mean", "level", *sloped.get(factor, ())):
                    yield (name := called_difference(factor, of, one, other))
                    yield f"standardised {name}"


def told(result: CheckResult, shown: pd.DataFrame) -> str:
    """A check's sentence; where it speaks of a group that may not be shown, one without it; `kept` is what may be."""
    table = result.table
    if len(shown) == len(table):
        return result.sentence
    gone = table.loc[table.index.difference(shown.index)]
    if "outside" in table.columns and gone["outside"].any():
        return (
            f"{int(table['outside'].sum())} of {len(table)} statistics of the outcome are outside their limits; the "
            "table has those that may be shown."
        )
    sentence = result.sentence
    for label in gone["label"] if "label" in gone.columns else ():
        sentence = re.sub(rf"{re.escape(str(label))}(?!\w)", "without a group that may not be shown", sentence)
    return sentence


def may_show(plot: Plot, small: int) -> bool:
    """Whether every bar and point of a figure stands for at least so many people."""
    return plot.fewest is None or plot.fewest >= small


def _of_few(fit: FittedModel, frame: pd.DataFrame, small: int) -> set[str]:
    """Columns of which a figure would show groups of fewer than `small` people."""
    few = {*factors_with_few(fit, small), *untold(fit, small), *fit.unnamed_columns}
    if {"column", "n"} <= set(frame.columns):
        few |= set(frame.loc[(frame["n"] > 0) & (frame["n"] < small), "column"])
    if fit.people is not None and {"column", "low", "high"} <= set(frame.columns):
        # A part of a column may hold many rows of few people.
        parts = frame.to_dict("records")
        few |= {str(part["column"]) for part in parts if people_between(fit, part) < small}
    return few


def _said(sentence: str, redact: Redact, spoken: Spoken) -> str:
    """A sentence of a check without numbers of rows: each is one person."""
    return typeset(spoken(redact(_ROWS.sub("", sentence))))


def _worded(frame: pd.DataFrame, words: Spoken) -> pd.DataFrame:
    """A table as the page has it: the JSON keeps the names of columns."""
    texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    # Levels are called what the data call them.
    wording = {name: words if name in ("level", "versus") else lambda text: typeset(words(text)) for name in texts}
    return frame.assign(
        **{name: [wording[name](cell) if isinstance(cell, str) else cell for cell in frame[name]] for name in texts}
    )


def _called(
    frame: pd.DataFrame, raw: pd.DataFrame, fit: FittedModel, effects: EffectTable | None, redact: Redact
) -> pd.DataFrame:
    """A table with words for the quantities that it names; `raw` has their names, in rows of the same index."""
    table = frame
    for name in (column for column in _QUANTITIES if column in frame.columns and column in raw.columns):
        called = quantities_called(raw.loc[frame.index, name], fit.design, effects, redact)
        cells = [cell if words is None else words for cell, words in zip(frame[name], called, strict=True)]
        table = table.assign(**{name: cells})
    return table


def _shown(frame: pd.DataFrame, redact: Redact) -> pd.DataFrame:
    """A table whose rows may be shown without what may not in its words."""
    frame = frame.copy()
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = [redact(value) if isinstance(value, str) else value for value in frame[name]]
    return frame


def _picture(plot: Plot, name: str, redact: Redact) -> Picture:
    title, description = redact(plot.title), typeset(redact(plot.description))
    recorder = Recorder(plot.draw)
    picture = Picture.drawn(
        recorder,
        name=name,
        title=title,
        caption=description,
        description=description,
        size=plot.size,
        shown=redact,
    )
    return replace(picture, data=recorder.table(name, title, redact))
