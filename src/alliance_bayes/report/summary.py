"""The summary of findings: one table of at most seven rows, each against the margin and what it was tried with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_bayes.fit import FittedModel
from alliance_bayes.report.answer import Answer, contrast_row
from alliance_bayes.report.estimates import Estimates, text_of, words_of
from alliance_bayes.report.fixed import fixed_by_model
from alliance_bayes.report.groups import factors_of, pair_name
from alliance_bayes.report.held import Mark, is_of_contrast, marks_of
from alliance_bayes.report.phrases import outcome_words
from alliance_bayes.report.rows import rows_of
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import (
    Row,
    capital,
    clean,
    column_name,
    count,
    derived,
    ends_of_interval,
    exact,
    factor_name,
    is_probability,
    join,
    number,
    percent_unit,
    units,
)
from alliance_bayes.report.verdicts import (
    claim,
    plain_words,
    settled_words,
    standings_words,
    sure_words,
    told_apart,
)
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = [
    "MOST",
    "SummaryRow",
    "estimate_words",
    "margin_words",
    "margins_of",
    "span_words",
    "summary_of",
    "summary_table",
]

SENTENCES = Wording("alliance_bayes.report", "sentences/summary.toml")
#: Rows of the table.
MOST = 7


@dataclass(frozen=True)
class SummaryRow:
    """One question with its answer.

    Parameters
    ----------
    name
        What it is about, for the JSON.
    question, people, estimate, negligible, relevant, sure, words
        Cells of the table as text.
    holds
        What the finding was tried with.
    rows
        Ids of the rows of the effects table that it is made of.
    margins
        What counts as negligible and from where a difference is relevant, in the unit of the row's estimate; empty
        where it is judged by neither.
    """

    name: str
    question: str
    people: str
    estimate: str
    negligible: str
    relevant: str
    sure: str
    words: str
    holds: tuple[Mark, ...] = ()
    rows: tuple[str, ...] = ()
    margins: tuple[str, str] = ("", "")

    def numbers(self) -> dict[str, Any]:
        """The row for the JSON."""
        cells = ("name", "question", "people", "estimate", "negligible", "relevant", "margins", "sure", "words")
        holds = {mark.label: mark.verdict or None for mark in self.holds}
        return {name: getattr(self, name) for name in cells} | {"holds": holds, "rows": list(self.rows)}


def summary_table(rows: Sequence[SummaryRow], *, heading: str) -> Table:
    """The table of some rows; `heading` names the intervals."""
    # All rows have the same marks; a column of what was examined nowhere would say nothing.
    every = [mark.label for mark in rows[0].holds] if rows else []
    tried = {mark.label for row in rows for mark in row.holds if mark.verdict}
    labels = [label for label in every if label in tried]
    never = ", ".join(label[:1].lower() + label[1:] for label in every if label not in tried)
    signs = {mark.verdict for row in rows for mark in row.holds if mark.label in tried}
    # The margins of the first row that has any; a row that is judged by another names its own.
    margins = [
        (part, next((row.margins[place] for row in rows if row.margins[place]), ""))
        for place, part in enumerate(("negligible", "relevant"))
    ]
    judged = [(place, part, usual) for place, (part, usual) in enumerate(margins) if usual]
    headings = (
        *("Question", "People", "Estimate"),
        *(SENTENCES(f"{part}_heading", margin=usual) for _, part, usual in judged),
        *("How sure", *labels, "In plain words"),
    )
    return Table.of(
        "table-summary",
        SENTENCES("caption", heading=heading),
        headings,
        [
            (
                *(row.question, row.people, row.estimate),
                *(_judged(getattr(row, part), row.margins[place], usual) for place, part, usual in judged),
                row.sure,
                *(mark.markup for mark in row.holds if mark.label in tried),
                row.words,
            )
            for row in rows
        ],
        words=range(2, len(headings)),
        note=SENTENCES("note", holds="pass" in signs, part="warn" in signs, fails="fail" in signs, never=never),
        cards=True,
    )


def _judged(cell: str, margin: str, usual: str) -> str:
    """What a row says of a margin, with the margin where it is not that of the heading."""
    return f"{cell} ({margin})" if margin and margin != usual else cell


def summary_of(view: View, answer: Answer) -> tuple[SummaryRow, ...]:
    """The rows of a report."""
    return tuple(_rows(view, answer))[:MOST]


def _rows(view: View, answer: Answer) -> Iterator[SummaryRow]:
    fit, estimates = view.fit, view.estimates
    people = count(fit.count_people())
    focal, arm = fit.spec.focal_predictor(fit.design), fit.spec.focal_factor(fit.design)
    outcome = outcome_words(fit)[0]
    row = contrast_row(fit, estimates, small=view.small)
    if row is not None and answer.claim is not None:
        name = "arms" if arm is not None else "contrast"
        asked = column_name(str(focal)) if arm is None else factor_name(arm)
        where = SENTENCES("with_more", focal=asked) if arm is None else SENTENCES("in_level", level=clean(row["level"]))
        yield SummaryRow(
            name,
            SENTENCES(name, outcome=outcome, focal=asked),
            people,
            estimate_words(fit, estimates, row),
            *margin_words(estimates, row),
            sure_words(estimates, row, answer.claim),
            plain_words(fit, row, answer.claim, where),
            marks_of(view, partial(is_of_contrast, row), main=True, cost=answer.dropped),
            (str(row.name),),
            margins_of(row),
        )
    others = [factor for factor in factors_of(estimates) if factor != arm]
    for factor in others:
        if (question := _differences(view, (factor,), "slope", people)) is not None:
            yield question
    if (question := _differences(view, others, "mean", people)) is not None:
        yield question


def _is_of_factor(factor: str, term: str, called: str) -> bool:
    """Whether it is a difference between the levels of a factor, of a slope or of their level; or those levels' SD."""
    if term:
        return called == f"tau_{factor}[{term}]" or called.startswith(f"difference in slope of {term} by {factor}: ")
    return called.startswith((f"difference by {factor}: ", f"difference in level by {factor}: "))


def _differences(view: View, factors: Sequence[str], of: str, people: str) -> SummaryRow | None:
    """The differences between the levels of some factors, together: none of many is singled out."""
    fit, estimates = view.fit, view.estimates
    parts = [_pairs_of(view, factor, of) for factor in factors]
    named = [factor for factor, part in zip(factors, parts, strict=True) if len(part)]
    rows = [row for part in parts for row in part.to_dict("records")]
    if not rows:
        return None
    first, n = next(part for part in parts if len(part)).iloc[0], len(rows)
    names = join([factor_name(factor) for factor in named])
    about = [partial(_is_of_factor, factor, str(first["term"]) if of == "slope" else "") for factor in named]
    levels = estimates.where("slope_by_level", factor=named[0], term=str(first["term"]))
    slopes = None if of == "mean" else rows_of(levels[levels["level"].isin([first["level"], first["versus"]])])
    cells = (standings_words(rows), "–", settled_words(rows), capital(told_apart(rows, slopes)))
    if n == 1:
        # One difference is not counted: it has its probabilities, as the declared contrast has.
        direction = claim(first)
        where = SENTENCES("in_level", level=clean(first["level"]))
        # A steeper slope is neither better nor worse.
        words = cells[-1] if of == "slope" else plain_words(fit, first, direction, where)
        cells = (*margin_words(estimates, first), sure_words(estimates, first, direction), words)
    return SummaryRow(
        f"{of}s: {', '.join(named)}",
        SENTENCES("slopes" if of == "slope" else "means", factor=names, outcome=outcome_words(fit)[0]),
        people,
        span_words(estimates, rows) if n > 1 else f"{pair_name(rows[0])}: {span_words(estimates, rows)}",
        *cells,
        marks_of(view, lambda called: any(test(called) for test in about)),
        (str(first.name),) if n == 1 else (),
        margins_of(first) if n == 1 else (margins_of(first)[0], ""),
    )


def span_words(estimates: Estimates, rows: Sequence[Row], unit: str = "") -> str:
    """One difference with its interval, or the range of the means of several; with their unit, if any."""
    first = rows[0]
    places, scale = estimates.places(first), 1
    if is_probability(text_of(first, "unit")):
        places, scale, unit = max(0, min(1, places - 2)), 100, unit or percent_unit(text_of(first, "unit"))
    if len(rows) == 1:
        mean, (low, high) = estimates.figures(first)[0], (float(first[end]) for end in ("lower", "upper"))
    else:
        means = [float(row["mean"]) for row in rows]
        mean, (low, high) = "", (min(means), max(means))
    lower, upper = ends_of_interval(scale * low, scale * high, places)
    return SENTENCES("span", mean=mean, low=lower, high=upper, unit=unit)


def _pairs_of(view: View, factor: str, of: str) -> pd.DataFrame:
    """The differences between the levels of a factor that may be shown and that the model has not fixed."""
    rows = view.estimates.where(f"contrast_of_{of}s", factor=factor)
    rows = rows[rows["mean"].notna()]
    return rows.iloc[:0] if len(rows) and fixed_by_model(view.fit.design, rows) else rows


def estimate_words(fit: FittedModel, estimates: Estimates, row: pd.Series) -> str:
    """Mean and interval with their unit: "3.6 (2.4 to 4.8) WHO-5 points"."""
    if fit.design.family.event:
        places = max(0, min(1, estimates.places(row) - 2))
        mean = number(100 * float(row["mean"]), places)
        lower, upper = ends_of_interval(100 * float(row["lower"]), 100 * float(row["upper"]), places)
        points = SENTENCES("percentage_points")
        return f"{mean} ({lower} to {upper}) {points}"
    places = estimates.places(row)
    lower, upper = ends_of_interval(float(row["lower"]), float(row["upper"]), places)
    head, per, rest = words_of(row, "unit").partition(" per ")
    head = head.partition(" from ")[0]
    return f"{estimates.mean(row)} ({lower} to {upper}) {units(head)}{per}{rest}"


def margin_words(estimates: Estimates, row: pd.Series) -> tuple[str, str]:
    """The probabilities of being negligible and of being relevant."""
    inside, reached = (estimates.share(row, name) if pd.notna(row[name]) else "–" for name in ("p_rope", "p_relevant"))
    return inside, reached


def margins_of(row: Row) -> tuple[str, str]:
    """The two margins of a difference, in the unit of its estimate; empty where there is none."""
    scale = 100 if is_probability(text_of(row, "unit")) else 1
    low, high, least = (float(row[name]) * scale for name in ("rope_low", "rope_high", "relevant"))
    negligible = "" if math.isnan(high) else f"±{derived(high)}" if low == -high else f"{exact(low)} to {exact(high)}"
    return negligible, "" if math.isnan(least) or pd.isna(row["p_relevant"]) else exact(least)
