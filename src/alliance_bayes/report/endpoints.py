"""Clinical end points: who improves, who recovers and who responds, on the outcome's own instrument."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable, responders
from alliance_bayes.effects.improvement import improvement, improvement_of
from alliance_bayes.effects.joined import PROBES, TOLERANCE, joins
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.instruments import WHO5
from alliance_bayes.report.endpoint_kinds import EndPoint, EndPoints, endpoints_of, is_case
from alliance_bayes.report.estimates import text_of
from alliance_bayes.report.groups import pair_name
from alliance_bayes.report.privacy import identifying
from alliance_bayes.report.rows import Column, effect_table, estimate_columns, forest_picture, rows_of
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import NOT_SHOWN, analysed_words, one_row, shown_events, unit_words
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import SHOWN, Table
from alliance_bayes.report.text import Row, count, factor_name, join, proportion
from alliance_bayes.report.unions import union_told
from alliance_bayes.report.weights import weights_words
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["ELEVATED", "endpoint_effects", "endpoints", "lowest_above"]

#: WHO-5 score at or below which a screen for depression is positive.
ELEVATED = next(threshold.value for threshold in WHO5.thresholds if threshold.name == "depression_screen")
#: Distance between two scores on the percentage scale of five items from 0 to 5.
STEP = 4.0
# A share of fewer people is no estimate, and their number is nobody's business.
_LEAST = 20
# Groups are compared when there are a few: the pairs of many are a table of their own.
_FEW = 6
_SHARES = ("share_improved", "share_at_least", "share_at_most")
_DIFFERENCES = ("risk_difference", "difference_improved")

SENTENCES = Wording("alliance_bayes.report", "sentences/endpoints.toml")


def lowest_above(mark: float) -> float:
    """The lowest WHO-5 score above a mark: 32 above 28."""
    return STEP * (math.floor(mark / STEP) + 1)


def endpoint_effects(fit: FittedModel, *, prob: float, small: int) -> EffectTable | None:
    """Shares of people who improve and who recover, and their differences between groups.

    Parameters
    ----------
    fit
        Of a score at follow-up whose instrument is known, with its baseline among the predictors, or of its change.
    prob
        Probability of the equal-tailed intervals.
    small
        Fewest people that a shown count stands for: rows say among how many people a share is.

    Returns
    -------
    EffectTable or None
        None where the outcome has no such end points, or the fit was made from moments.
    """
    if fit.moments is not None or (points := endpoints_of(fit.design)) is None:
        return None
    low = _cases(fit, points)
    some, whole = _cases_told(fit, low, small)
    groups: list[np.ndarray | None] = [None, low] if some else [None]
    arm = _arm(fit)
    tables = []
    for point in points.found:
        if point.of_cases and not (some or whole):
            continue
        rule: dict[str, Any] = {"by": point.rule.by, "share": point.rule.share, "to": point.rule.to}
        if points.changed:
            tables += [_responders(fit, points, _of_change(point, points), group, prob) for group in groups]
        elif point.name == "recovered":
            tables.append(_responders(fit, points, point.rule.to, low, prob))
        else:
            of = [low] if point.of_cases else groups
            plain = of if arm is None else of[:-1]
            if plain:
                tables.append(improvement_of(fit, plain, baseline=points.baseline, prob=prob, **rule))
            if arm is not None:
                tables.append(improvement(fit, baseline=points.baseline, among=of[-1], factor=arm, prob=prob, **rule))
    return EffectTable.concat(tables) if tables else None


def _cases_told(fit: FittedModel, cases: np.ndarray | None, small: int) -> tuple[bool, bool]:
    """Whether shares of those who were cases may be told beside those of everybody, and whether everybody was one."""
    least = max(_LEAST, small)
    if cases is None or fit.count_people(cases) < least:
        return False, False
    return fit.count_people(~cases) >= least, bool(cases.all())


def _not_told(fit: FittedModel, points: EndPoints, small: int) -> str:
    """Which end points of cases are left out, and why; empty where none is."""
    cases = _cases(fit, points)
    if cases is None or any(_cases_told(fit, cases, small)):
        return ""
    return SENTENCES(
        "not_told",
        names=join([f"“{point.label}”" for point in points.found if point.of_cases]),
        others=any(not point.of_cases for point in points.found),
        cases=points.cases.removeprefix(", of those "),
        least=max(_LEAST, small),
    )


def endpoints(view: View) -> Section | None:
    """The section; None where there are no end points."""
    fit = view.fit
    points = None if view.withheld or fit.moments is not None else endpoints_of(fit.design)
    if points is None:
        return None
    # Remembered: a page that is made again makes them twice of one fit.
    remake = lru_cache(maxsize=1)(partial(endpoint_effects, prob=view.prob, small=view.small))
    lacking = SENTENCES(
        "lacking",
        lacking=" or ".join(points.lacking),
        instrument=points.instrument.name,
        change="smallest relevant change" in points.lacking,
    )
    not_told = _not_told(fit, points, view.small)
    remarks = [*([not_told] if not_told else []), *([lacking] if points.lacking else [])]
    if (table := remake(fit)) is None:
        return Section.of("endpoints", "Clinical end points", *remarks) if remarks else None
    estimates = view.estimated("endpoints", table)
    shares, differences = estimates.where(_SHARES), estimates.where(_DIFFERENCES)
    observed = _Told.of(view, points, [None, *dict.fromkeys(shares["factor"].dropna())])
    event, short = partial(_event, fit, points), partial(_short, fit, points)
    whom = unit_words(fit)
    percentages = partial(estimates.percentages, least=1, most=1)
    counted = [observed.seen(_named(fit, points, row), row) for row in rows_of(shares)]
    low, cases = _cases(fit, points), points.cases.removeprefix(", of those ")
    some = low is not None and _cases_told(fit, low, view.small)[0]
    whose = f", {count(int(low.sum()))} of them {cases}" if some and low is not None else ""
    if whose and not seen(fit, str(points.baseline)).all():
        # Shares are of each table's own cases.
        whose += " in one completed table"
    introduction = SENTENCES(
        "introduction",
        cases=cases if some else "",
        one=one_row(fit),
        units=whom,
        less="" if points.higher else f"less {points.instrument.measures}",
        fewer=points.instrument.measures == "symptoms",
        instrument=points.instrument.name,
    )
    content: list[str | Table | Picture] = [
        introduction,
        effect_table(
            "table-endpoints",
            f"Model-based shares of {whom} by end point, posterior means; {analysed_words(fit)} analysed{whose}",
            shares,
            _wrapping(
                Column("End point", event),
                Column("Group", _group),
                *estimate_columns(
                    estimates, shares, mean="Model-based share", figures=percentages, direction=False, judged=()
                ),
                Column("Observed share", lambda row: observed.seen(_named(fit, points, row), row)),
            ),
            note=SENTENCES(
                "note",
                joined=joins(fit, fit.design.rows.n),
                tolerance=f"{TOLERANCE:g}",
                probes=PROBES,
                sources=_sources(fit, points, shares),
                dashes=NOT_SHOWN in counted,
                weighted=weights_words(fit)["kind"] == "sampling",
                small=view.small,
            ),
            at_once=SHOWN,
        ),
    ]
    if len(differences):
        columns = _wrapping(
            Column("End point", event),
            Column("Difference", lambda row: f"{factor_name(text_of(row, 'factor'))}: {pair_name(row)}"),
            *estimate_columns(
                estimates, differences, mean="Risk difference", figures=estimates.figures, direction=True, judged=()
            ),
        )
        caption = "Differences of shares between groups, in percentage points; posterior means; "
        caption += f"{analysed_words(fit)} analysed{whose}"
        content.append(effect_table("table-risk-differences", caption, differences, columns, at_once=SHOWN))
    content += remarks
    shown = [f"{event(row)}, {_group(row)}: {percentages(row)[0]}" for row in rows_of(shares)]
    picture = forest_picture(
        "endpoints",
        f"Shares of {whom} by end point",
        estimates,
        shares,
        caption=SENTENCES(
            "figure_caption",
            heading=estimates.interval_heading(),
            cases=cases if shares["term"].str.contains(" among ").any() else "",
            low=points.higher,
            people=f"{analysed_words(fit)} analysed{whose}",
        ),
        axis=f"Share of {whom}",
        heading="End point and group",
        label=lambda row: f"{event(row)}: {_group(row)}",
        line=short,
        figures=percentages,
        shares=True,
        reference=None,
        description=f"{'; '.join(shown)}.",
        data_title=f"Shares of {whom} by end point",
        shown=view.redact,
    )
    numbers = {"endpoints": estimates.records()}
    section = Section.of(
        "endpoints", "Clinical end points", *content, picture, numbers=numbers, rows=table, remake=remake
    )
    # Shares are of outcomes that the model predicts, so what is wrong with those is wrong with them.
    return replace(section, context={**section.context, "cautions": view.checked.about("endpoints")})


def _wrapping(*columns: Column) -> list[Column]:
    """Columns that are all set as words."""
    return [replace(column, words=True) for column in columns]


def _cases(fit: FittedModel, points: EndPoints) -> np.ndarray | None:
    """Who was a case at baseline; None where there is no baseline, or no threshold of a case."""
    if points.baseline is None or points.case is None:
        return None
    return is_case(points.case, fit.design.frame[points.baseline].to_numpy(float))


def _arm(fit: FittedModel) -> str | None:
    """The factor that the page is about, where it has a few levels."""
    arm = fit.spec.focal_factor(fit.design)
    few = arm is not None and 2 <= len(fit.design.level_labels(arm)) <= _FEW and not identifying(fit, arm)
    return arm if few else None


def _of_change(point: EndPoint, points: EndPoints) -> float | None:
    """The change that counts, as the outcome has it."""
    return point.rule.by if points.higher or point.rule.by is None else -point.rule.by


def _responders(
    fit: FittedModel, points: EndPoints, mark: float | None, among: np.ndarray | None, prob: float
) -> EffectTable:
    """Shares of everybody and of the levels of every factor with a few."""
    factors = [
        factor.name
        for factor in fit.design.factors
        if ":" not in factor.name and 2 <= len(factor.levels) <= _FEW and not identifying(fit, factor.name)
    ]
    arm = fit.spec.focal_factor(fit.design)
    if arm is not None and arm not in factors and 2 <= len(fit.design.level_labels(arm)) <= _FEW:
        factors.insert(0, arm)
    least, most = (mark, None) if points.higher else (None, mark)
    # A share stands beside the one that was observed, of the same people at their own levels.
    return responders(fit, at_least=least, at_most=most, factor=factors, among=among, prob=prob, population="sample")


def _named(fit: FittedModel, points: EndPoints, row: Row) -> EndPoint:
    """The end point of a row, by what its term says that counts."""
    term = text_of(row, "term").partition(" among ")[0]
    outcome = fit.design.outcome.name
    for point in points.found:
        if points.changed:
            text = f"{outcome} {'>=' if points.higher else '<='} {_of_change(point, points):g}"
        else:
            assert points.baseline is not None
            text = point.rule.said(outcome, points.baseline, higher=points.higher)
        if text == term:
            return point
    raise AssertionError(term)


def _event(fit: FittedModel, points: EndPoints, row: Row) -> str:
    """What counts, in words."""
    point = _named(fit, points, row)
    return f"{point.label}{points.cases if ' among ' in text_of(row, 'term') else ''}"


def _group(row: Row) -> str:
    return "all" if pd.isna(row["factor"]) else f"{factor_name(text_of(row, 'factor'))}: {text_of(row, 'level')}"


def _short(fit: FittedModel, points: EndPoints, row: Row) -> str:
    """The same as a label in a figure."""
    point = _named(fit, points, row)
    low = "" if " among " not in text_of(row, "term") else ", low" if points.higher else ", cases"
    return f"{point.short}{low}: {'all' if pd.isna(row['factor']) else text_of(row, 'level')}"


def _sources(fit: FittedModel, points: EndPoints, shares: pd.DataFrame) -> str:
    """Where each end point's figures come from."""
    names = dict.fromkeys(_named(fit, points, row).name for row in rows_of(shares))
    by_name = {point.name: point for point in points.found}
    return "; ".join(
        f"{by_name[name].label[0].lower()}{by_name[name].label[1:]} ({by_name[name].source})" for name in names
    )


class _Told:
    """Observed shares that may be shown."""

    def __init__(self, view: View, points: EndPoints) -> None:
        frame = view.fit.design.frame
        self.view = view
        after = frame[view.fit.design.outcome.name].to_numpy(float)
        before = np.zeros(len(frame)) if points.baseline is None else frame[points.baseline].to_numpy(float)
        if points.changed:
            before, after = np.zeros(len(frame)), after
        low = _cases(view.fit, points)
        names = [view.fit.design.outcome.name, *([] if points.baseline is None else [points.baseline])]
        self.there = seen(view.fit, *names)
        # Beside the totals by column, of how many both were observed tells how many lack both.
        self.told = union_told(view.fit, tuple(names), view.small)
        self.low = self.there & (False if low is None else low)
        self.events = {point.name: self.there & point.happened(before, after) for point in points.found}
        self.answers: dict[str, dict[str | None, dict[str, bool]]] = {}
        self.alone: dict[str, bool] = {}

    @classmethod
    def of(cls, view: View, points: EndPoints, factors: Sequence[str | None]) -> _Told:
        """Of which levels an observed share may be shown.

        There is one answer for what most pages have, since one is part of another; what is a part of an end point
        besides is told where the rest of that one is not few people, either. Where that answer is no, everybody's
        shares of events of which none is part of another are told, each if it alone is not of few people.
        """
        self = cls(view, points)
        low = self.low
        # Who has an observed value is told as little as what it is.
        beside = [] if self.there.all() else [self.there]
        tables: list[list[np.ndarray]] = []
        main = [point for point in points.found if not point.within and point.name != "response"]
        for point in main:
            event = self.events[point.name]
            tables += [[low, low & event]] if point.of_cases else [[event], *([[low, event]] if low.any() else [])]
        for point in main:
            event = self.events[point.name]
            alone = [*beside, *([low, low & event] if point.of_cases else [event])]
            self.alone[point.name] = shown_events(view.fit, None, alone, view.small)[""]
        for point in points.found:
            event = self.events[point.name]
            crossed = list(tables)
            if point not in main:
                whole = [self.events[point.within]] if point.within else []
                crossed += [[low, *(low & part for part in (*whole, event))]] if low.any() else []
                crossed += [] if point.of_cases else [[*whole, event]]
            self.answers[point.name] = {}
            for factor in factors:
                allowed = [shown_events(view.fit, factor, [*beside, *events], view.small) for events in crossed]
                self.answers[point.name][factor] = {
                    level: all(answer[level] for answer in allowed) for level in allowed[0]
                }
        return self

    def seen(self, point: EndPoint, row: Row) -> str:
        """The share as it was observed, unless it stands for few people, or tells how few lack both values."""
        if not self.told:
            return NOT_SHOWN
        cases = " among " in text_of(row, "term")
        who = self.low if cases else self.there
        factor: str | None = row["factor"] if isinstance(row["factor"], str) else None
        alone = factor is None and cases == point.of_cases and self.alone.get(point.name, False)
        if not alone and not self.answers[point.name][factor]["" if factor is None else str(row["level"])]:
            return NOT_SHOWN
        if factor is not None:
            codes, levels = self.view.fit.design.levels_of(factor)
            who = who & (codes == levels.index(str(row["level"])))
        n, k = int(who.sum()), int((who & self.events[point.name]).sum())
        return SENTENCES("observed", k=count(k), n=count(n), share=proportion(k / n, 1)) if n else NOT_SHOWN
