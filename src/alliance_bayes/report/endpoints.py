"""Clinical end points: who improves by the smallest relevant change, and who leaves the range of elevated symptoms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable, responders
from alliance_bayes.effects.joined import PROBES, TOLERANCE, joins
from alliance_bayes.effects.responders import improvement_of
from alliance_bayes.fit import FittedModel
from alliance_bayes.instruments import WHO5
from alliance_bayes.model.scales import is_who5
from alliance_bayes.report.groups import pair_name
from alliance_bayes.report.privacy import identifying
from alliance_bayes.report.rows import (
    Column,
    effect_table,
    estimate_columns,
    forest_picture,
    rows_of,
    text_of,
)
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import analysed_words, one_row, shown_events, unit_words
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import SHOWN, Table
from alliance_bayes.report.text import Row, factor_name, percent
from alliance_bayes.report.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["ELEVATED", "endpoint_effects", "endpoints", "lowest_above"]

#: WHO-5 score at or below which a screen for depression is positive.
ELEVATED = next(threshold.value for threshold in WHO5.thresholds if threshold.name == "depression_screen")
#: Distance between two scores on the percentage scale of five items from 0 to 5.
STEP = 4.0
BASELINE, FOLLOWUP, CHANGE = "who5_baseline", "who5_followup", "who5_change"
# A share of fewer people is no estimate, and their number is nobody's business.
_LEAST = 20
# Groups are compared when there are a few: the pairs of many are a table of their own.
_FEW = 6

SENTENCES = Wording("alliance_bayes.report", "sentences/endpoints.toml")


def lowest_above(mark: float) -> float:
    """The lowest WHO-5 score above a mark: 32 above 28."""
    return STEP * (math.floor(mark / STEP) + 1)


def endpoint_effects(fit: FittedModel, *, prob: float, small: int) -> EffectTable | None:
    """Shares of people who improve and who recover, and their differences between groups.

    Parameters
    ----------
    fit
        Of the WHO-5 at follow-up, or of its change.
    prob
        Probability of the equal-tailed intervals.
    small
        Fewest people that a shown count stands for: rows say among how many people a share is.

    Returns
    -------
    EffectTable or None
        None where the outcome has no such end points, or the fit was made from moments.
    """
    outcome = fit.design.outcome.name
    scored = is_who5(fit.design.scales.get(outcome)) and not fit.design.family.event
    if not scored or fit.moments is not None or outcome not in (FOLLOWUP, CHANGE):
        return None
    frame, relevant = fit.design.frame, float(WHO5.smallest_relevant_change or 10)
    low = frame[BASELINE].to_numpy(float) <= ELEVATED if BASELINE in fit.design.predictors else None
    tables = []
    least = max(_LEAST, small)
    enough = low is not None and fit.count_people(low) >= least
    some = enough and low is not None and fit.count_people(~low) >= least
    if outcome == CHANGE:
        tables.append(_responders(fit, relevant, None, prob))
        if some:
            tables.append(_responders(fit, relevant, low, prob))
    elif low is not None:
        tables.append(improvement_of(fit, [None, low] if some else [None], by=relevant, prob=prob))
        if enough and (some or low.all()):
            tables.append(_responders(fit, lowest_above(ELEVATED), low, prob))
    return EffectTable.concat(tables) if tables else None


def endpoints(view: View) -> Section | None:
    """The section; None where there are no end points."""
    # Remembered: a page that is made again makes them twice of one fit.
    remake = lru_cache(maxsize=1)(partial(endpoint_effects, prob=view.prob, small=view.small))
    if view.withheld or (table := remake(view.fit)) is None:
        return None
    estimates = view.estimated("endpoints", table)
    shares = estimates.where(("share_improved", "share_at_least"))
    differences = estimates.where("risk_difference")
    observed = _observed(view.fit)
    told = _told(view, [None, *dict.fromkeys(shares["factor"].dropna())], observed)
    whom = unit_words(view.fit)
    percentages = partial(estimates.percentages, least=1, most=1)
    content: list[str | Table | Picture] = [
        SENTENCES("introduction", one=one_row(view.fit), units=whom),
        effect_table(
            "table-endpoints",
            f"Shares of {whom} by end point, posterior means; {analysed_words(view.fit)} analysed",
            shares,
            _wrapping(
                Column("End point", _event),
                Column("Group", _group),
                *estimate_columns(estimates, shares, mean="Share", figures=percentages, direction=False, judged=()),
                Column("Observed share", lambda row: _seen(view, row, observed, told)),
            ),
            note=SENTENCES(
                "note",
                joined=joins(view.fit, view.fit.design.rows.n),
                tolerance=f"{TOLERANCE:g}",
                probes=PROBES,
            ),
            at_once=SHOWN,
        ),
    ]
    if len(differences):
        columns = _wrapping(
            Column("End point", _event),
            Column("Difference", lambda row: f"{factor_name(text_of(row, 'factor'))}: {pair_name(row)}"),
            *estimate_columns(estimates, differences, mean="Risk difference", direction=True, judged=()),
        )
        caption = "Differences of shares between groups, in probabilities; posterior means"
        content.append(effect_table("table-risk-differences", caption, differences, columns, at_once=SHOWN))
    shown = [f"{_event(row)}, {_group(row)}: {percentages(row)[0]}" for row in rows_of(shares)]
    picture = forest_picture(
        "endpoints",
        f"Shares of {whom} by end point",
        estimates,
        shares,
        caption=SENTENCES("figure_caption", heading=estimates.interval_heading(), elevated=f"{ELEVATED:g}"),
        axis=f"Share of {whom}",
        heading="End point and group",
        label=lambda row: f"{_event(row)}: {_group(row)}",
        line=_short,
        description=f"{'; '.join(shown)}.",
        data_title=f"Shares of {whom} by end point, as probabilities",
        shown=view.redact,
    )
    numbers = {"endpoints": estimates.records()}
    return Section.of("endpoints", "Clinical end points", *content, picture, numbers=numbers, rows=table, remake=remake)


def _wrapping(*columns: Column) -> list[Column]:
    """Columns that are all set as words."""
    return [replace(column, words=True) for column in columns]


def _responders(fit: FittedModel, at_least: float, among: np.ndarray | None, prob: float) -> EffectTable:
    """Shares of everybody and of the levels of every factor with a few."""
    factors = [
        factor.name
        for factor in fit.design.factors
        if ":" not in factor.name and 2 <= len(factor.levels) <= _FEW and not identifying(fit, factor.name)
    ]
    arm = fit.spec.focal_factor(fit.design)
    if arm is not None and arm not in factors and 2 <= len(fit.design.frame[arm].cat.categories) <= _FEW:
        factors.insert(0, arm)
    # A share stands beside the one that was observed, of the same people at their own levels.
    return responders(fit, at_least=at_least, factor=factors, among=among, prob=prob, population="sample")


def _event(row: Row) -> str:
    """What counts, in words."""
    term = text_of(row, "term")
    among = f", of those at {ELEVATED:g} or below at baseline" if " among " in term else ""
    if row["estimand"] == "share_improved" or term.startswith(CHANGE):
        return f"Improved by {WHO5.smallest_relevant_change:g} points or more{among}"
    return f"Recovered: above {ELEVATED:g} at follow-up{among}"


def _group(row: Row) -> str:
    return "all" if pd.isna(row["factor"]) else f"{factor_name(text_of(row, 'factor'))}: {text_of(row, 'level')}"


def _short(row: Row) -> str:
    """The same as a label in a figure."""
    what = "Improved" if _event(row).startswith("Improved") else "Recovered"
    low = ", low" if what == "Improved" and " among " in text_of(row, "term") else ""
    return f"{what}{low}: {'all' if pd.isna(row['factor']) else text_of(row, 'level')}"


def _observed(fit: FittedModel) -> tuple[pd.Series, pd.Series]:
    """Whether each analysed person improved, and whether they were at or below the mark at baseline."""
    frame, outcome = fit.design.frame, fit.design.outcome.name
    after = frame[outcome].astype(float)
    start = frame[BASELINE].astype(float) if BASELINE in frame.columns else pd.Series(np.nan, index=frame.index)
    gained = after if outcome == CHANGE else after - start
    return gained >= float(WHO5.smallest_relevant_change or 10), start <= ELEVATED


def _reached(fit: FittedModel) -> pd.Series:
    """Whether each analysed person was above the mark at follow-up."""
    return fit.design.frame[fit.design.outcome.name].astype(float) > ELEVATED


def _told(
    view: View, factors: Sequence[str | None], observed: tuple[pd.Series, pd.Series]
) -> dict[str | None, dict[str, bool]]:
    """Of which levels an observed share may be shown: one answer for all end points, since one is part of another."""
    fit = view.fit
    improved, low = (part.to_numpy(bool) for part in observed)
    tables = [[improved]]
    if low.any():
        tables += [[low, improved], [low, low & _reached(fit).to_numpy(bool)]]
    by_factor: dict[str | None, dict[str, bool]] = {}
    for factor in factors:
        answers = [shown_events(fit, factor, events, view.small) for events in tables]
        by_factor[factor] = {level: all(answer[level] for answer in answers) for level in answers[0]}
    return by_factor


def _seen(
    view: View,
    row: Row,
    observed: tuple[pd.Series, pd.Series],
    told: Mapping[str | None, Mapping[str, bool]],
) -> str:
    """The share as it was observed, unless it stands for few people."""
    frame = view.fit.design.frame
    improved, low = observed
    term = text_of(row, "term")
    happened = improved
    if row["estimand"] == "share_at_least" and not term.startswith(CHANGE):
        happened = _reached(view.fit)
    who = low if " among " in term else pd.Series(True, index=frame.index)
    factor: str | None = row["factor"] if isinstance(row["factor"], str) else None
    if not told[factor]["" if factor is None else str(row["level"])]:
        return "–"
    if factor is not None:
        who = who & (frame[factor].astype(str) == str(row["level"]))
    n, k = int(who.sum()), int((who & happened).sum())
    return percent(k / n, 1) if n else "–"
