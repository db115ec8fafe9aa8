"""The answer of a page in sentences and a picture: the declared contrast, of whom it is, and what was checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.effects.improvement import improvement
from alliance_bayes.effects.predictions import predictions
from alliance_bayes.effects.responders import responders
from alliance_bayes.effects.slopes import CONTRASTED
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.arms import differences, reference_of
from alliance_bayes.report.checked import Item
from alliance_bayes.report.drawn import error_of, values_drawn
from alliance_bayes.report.dropped import Dropped, dropped
from alliance_bayes.report.effect_sizes import density_picture
from alliance_bayes.report.endpoint_kinds import EndPoints, endpoints_of
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.held import is_of_contrast, under_priors
from alliance_bayes.report.phrases import (
    adjusted_for,
    contrast_values,
    outcome_mean,
    slope_contrast,
    under_other_priors,
)
from alliance_bayes.report.privacy import ShownFlow
from alliance_bayes.report.rows import rows_of
from alliance_bayes.report.small_counts import rows_in_words, unit_words
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.text import (
    Row,
    clean,
    column_name,
    count,
    derived,
    ends_of_interval,
    ends_words,
    exact,
    factor_name,
    interval_name,
    number,
    percent,
    unit_of,
    units,
)
from alliance_bayes.report.untold import unsaid
from alliance_bayes.report.verdicts import Claim, answer_words, claim
from alliance_bayes.report.weights import is_weighed
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["Answer", "Verdicts", "answer_of", "contrast_row", "end_effects", "people_words"]

SENTENCES = Wording("alliance_bayes.report", "sentences/answer.toml")
#: Under which the page's manifest has the rows of the answer.
ID = "answer"
# A share of fewer people is no estimate.
_LEAST = 20


@dataclass(frozen=True)
class Verdicts:
    """How many checks came to a verdict, and to which."""

    passed: int
    warned: int
    failed: int

    @property
    def made(self) -> int:
        """Checks that came to one."""
        return self.passed + self.warned + self.failed

    @classmethod
    def of(cls, words: list[str]) -> Verdicts:
        """Count the verdicts; "info" is none."""
        return cls(words.count("pass"), words.count("warn"), words.count("fail"))


@dataclass(frozen=True, eq=False)
class Answer:
    """What a page says first.

    Parameters
    ----------
    sentence
        The declared contrast with its interval, in the outcome's words.
    shares
        The predicted shares of people at either end, in natural frequencies, or what is expected there; empty where
        nothing is known of the ends.
    caveat
        What kind of statement this is.
    people
        How many were analysed of how many in the table.
    verdicts
        How many checks passed.
    where
        Anchor of the checks.
    claim
        What is said of the contrast's direction; None where nothing is.
    cautions
        Checks that warn about it.
    elsewhere
        Ids of those of them that found it to hold: they warn of other numbers.
    picture
        The contrast's posterior; None without one.
    rows
        Estimates of the sentences that the page has nowhere else, as an effects table; None without any.
    of
        Ids of the rows that the sentences are made of.
    dropped
        What leaving rows out costs; None where none were, or nothing is told of them.
    """

    sentence: str
    shares: str
    caveat: str
    people: str
    verdicts: Verdicts
    where: str = "checks"
    claim: Claim | None = None
    cautions: tuple[Item, ...] = ()
    elsewhere: frozenset[str] = frozenset()
    picture: Picture | None = None
    rows: EffectTable | None = field(default=None, repr=False)
    of: tuple[str, ...] = ()
    dropped: Dropped | None = None

    def numbers(self) -> dict[str, Any]:
        """The answer for the JSON."""
        direction = self.claim
        return {
            "sentence": self.sentence,
            "shares": self.shares,
            "caveat": self.caveat,
            "people": self.people,
            "dropped": "" if self.dropped is None else self.dropped.clause,
            "checks": {"passed": self.verdicts.passed, "warned": self.verdicts.warned, "failed": self.verdicts.failed},
            "rows": list(self.of),
            "certainty": None if direction is None else direction.word,
        }


def answer_of(view: View) -> Answer:
    """The answer of a report whose conclusions are not withheld."""
    fit, estimates, checked = view.fit, view.estimates, view.checked
    arm = fit.spec.focal_factor(fit.design)
    people = people_words(fit, view.small)
    verdicts = Verdicts.of([item.verdict for item in checked.items])
    focal = fit.spec.focal_predictor(fit.design)
    if focal is None and arm is None:
        return Answer(SENTENCES("nothing"), "", "", people, verdicts)
    row = contrast_row(fit, estimates, small=view.small)
    if row is None:
        return Answer(SENTENCES("hidden"), "", "", people, verdicts)
    ends = _ends(fit, row)
    direction = under_other_priors(claim(row), checked, row if arm is not None else None)
    table = end_effects(fit, row, ends.values, prob=view.prob, small=view.small)
    shown = None if table is None else view.estimated(ID, table)
    cost = dropped(view, row, ID, sign=-1.0 if direction.lower else 1.0)
    tables = [effects for effects in (table, None if cost is None else cost.rows) if effects is not None]
    of = [str(row.name), *(f"{ID}/{name}" for effects in tables for name in map(str, effects.index))]
    return Answer(
        sentence(fit, estimates, row, direction, ends),
        "" if shown is None else _shares(fit, shown, ends),
        _caveat(fit, row),
        people_words(fit, view.small, cost.lacked) if cost is not None else people,
        verdicts,
        claim=direction,
        cautions=(cautions := checked.about("effects")),
        elsewhere=frozenset(item.id for item in cautions if _of_others(item, row)),
        picture=density_picture(view, row, "difference", name=f"{ID}-density"),
        rows=EffectTable.concat(tables) if tables else None,
        of=tuple(of),
        dropped=cost,
    )


def _of_others(item: Item, row: pd.Series) -> bool:
    """Whether what a check of the priors warns of are other numbers than a contrast."""
    return item.name == "prior_sensitivity" and under_priors(item, partial(is_of_contrast, row), main=True) == "pass"


def people_words(fit: FittedModel, small: int, lacked: str = "") -> str:
    """How many were analysed of how many in the table, as far as it may be told, and what the others `lacked`."""
    flow = ShownFlow.of(fit.flow, small, unit=unit_words(fit))
    total = flow.participants if flow.people is None else flow.people
    known = flow.people is None and flow.left and flow.total
    return SENTENCES(
        "people",
        analysed=count(fit.count_people()),
        rows=rows_in_words(fit).removeprefix(", "),
        total=total,
        values=values_drawn(fit, small),
        error=bool(error_of(fit)),
        weighted=is_weighed(fit),
        left=count(flow.left) if known and flow.left else "",
        lacked=lacked,
        share=percent(flow.left / flow.total) if known and flow.left and flow.total else "",
    )


def contrast_row(fit: FittedModel, estimates: Estimates, *, small: int) -> pd.Series | None:
    """The row of the declared contrast: of a numeric predictor low against high, of a factor two of its levels."""
    focal, arm = fit.spec.focal_predictor(fit.design), fit.spec.focal_factor(fit.design)
    if arm is not None:
        rows = differences(estimates, arm)
        first = rows[rows["versus"] == reference_of(fit.design, arm)]
        return None if rows.empty else (first if len(first) else rows).iloc[0]
    if focal is None or focal in unsaid(fit, small):
        return None
    return slope_contrast(fit, estimates, focal)


@dataclass(frozen=True)
class _Ends:
    """The two ends of a contrast in words, and a predictor's higher and lower value where they are known."""

    high: str
    low: str
    short: tuple[str, str]
    values: tuple[float, float] | None = None


def _ends(fit: FittedModel, row: pd.Series) -> _Ends:
    if isinstance(row["level"], str):
        factor = factor_name(str(row["factor"]))
        return _Ends(
            SENTENCES("in_level", factor=factor, level=clean(row["level"])),
            SENTENCES("in_versus", level=clean(row["versus"])),
            tuple(SENTENCES("in_short", level=clean(row[end])) for end in ("level", "versus")),  # type: ignore[arg-type]
        )
    term = str(row["term"])
    name = column_name(term)
    if row["estimand"] == "slope_per_sd":
        ends = (SENTENCES("sd_high", term=name, sd=derived(fit.design.sd(term))), SENTENCES("sd_low"))
        return _Ends(*ends, ends)
    between = row["estimand"] == "slope_p10_p90"
    low, high = contrast_values(fit, row) if row["estimand"] in CONTRASTED else (0.0, 1.0)
    words = ends_words(low, high)[::-1]
    return _Ends(
        SENTENCES("at_high", term=name, value=words[0], percentile=between),
        SENTENCES("at_low", value=words[1], percentile=between),
        (SENTENCES("short", value=words[0]), SENTENCES("short", value=words[1])),
        (high, low),
    )


def sentence(fit: FittedModel, estimates: Estimates, row: pd.Series, direction: Claim, ends: _Ends) -> str:
    """The contrast, settled or not."""
    compared, scale = outcome_mean(fit), fit.design.scales.get(fit.design.outcome.name)
    event = fit.design.family.event
    figures = [float(row[name]) for name in ("mean", "lower", "upper")]
    if direction.lower:
        # A size has no sign, and neither have the figures of its interval.
        figures = [-figures[0], -figures[2], -figures[1]]
    if event:
        points, places = SENTENCES("percentage_points"), max(0, min(1, estimates.places(row) - 2))
        figures = [100 * end for end in figures]
    else:
        whole = None if scale is None or scale.lower != 0 or scale.upper is None else exact(scale.upper)
        points = SENTENCES("points", whole=whole or "", unit=units(unit_of(fit.design, fit.design.outcome.name)))
        places = estimates.places(row)
    size, (lower, upper) = number(figures[0], places), ends_of_interval(figures[1], figures[2], places)
    interval = f"{interval_name(row['interval'], float(row['prob']))} {lower} to {upper}"
    return answer_words(
        fit,
        claim(row),
        direction,
        compared=compared,
        high=ends.high,
        low=ends.low,
        size=size,
        points=points,
        interval=interval,
    )


def _caveat(fit: FittedModel, row: pd.Series) -> str:
    """What kind of statement it is, and given what; over whom it is an average is in the findings in full."""
    arm = isinstance(row["factor"], str)
    covariates = adjusted_for(fit, str(row["factor"] if arm else row["term"]))
    return SENTENCES("groups" if arm else "association", given=covariates)


def end_effects(
    fit: FittedModel, row: pd.Series, values: tuple[float, float] | None, *, prob: float, small: int
) -> EffectTable | None:
    """Predicted shares of people beyond the relevant change, or with the event, at either end of a contrast.

    Expected outcomes of an outcome without either, and the expected share of trials: the size of a difference says
    little where no scale says what is much.

    Parameters
    ----------
    fit, row
        The fit and the row of the contrast: two levels of a factor, or two values of a predictor.
    values
        The predictor's higher and lower value; None where they are not known, or levels are compared.
    prob, small
        See :class:`View`.
    """
    levels = isinstance(row["level"], str)
    if fit.moments is not None or not (levels or values) or fit.count_people() < max(_LEAST, small):
        return None
    # Moved by what the contrast is about: by nobody's score at baseline, which an improvement is from.
    set_to: dict[str, Any] = {"at": {str(row["term"]): list(values or ())}}
    by: dict[str, Any] = {"factor": row["factor"]} if levels else set_to
    family, points = fit.design.family, endpoints_of(fit.design)
    gain = _relevant_gain(points)
    if family.event and not family.has_trials:
        table = responders(fit, prob=prob, population="sample", **by)
    elif points is None or gain is None or points.changed or (not levels and row["term"] == points.baseline):
        ends = [row["level"], row["versus"]]
        # The levels of an indicator are its values.
        ends = [float(end) for end in ends] if levels and fit.design.is_indicator(str(row["factor"])) else ends
        at = {str(row["factor"]): ends} if levels else set_to["at"]
        return predictions(fit, prob=prob, population=row["population"], at=at)
    else:
        table = improvement(fit, baseline=points.baseline, by=gain, prob=prob, **by)
    return _of_pair(table, row) if levels else table


def _relevant_gain(points: EndPoints | None) -> float | None:
    """By how many points somebody has improved; None where the outcome has no such end point."""
    return next((one.rule.by for one in points.found if one.name == "improved"), None) if points is not None else None


def _of_pair(table: EffectTable, row: pd.Series) -> EffectTable:
    """The shares at the two levels of a contrast, its first level first."""
    rows = table[table["level"].isin([row["level"], row["versus"]]) & table["versus"].isna()]
    return rows.loc[sorted(rows.index, key=lambda name: rows.loc[name, "level"] != row["level"])]


def _shares(fit: FittedModel, shown: Estimates, ends: _Ends) -> str:
    """The shares in natural frequencies, or what is expected at either end."""
    if len(shown.table) != 2 or shown.table["mean"].isna().any():
        return ""
    family, rows = fit.design.family, rows_of(shown.table)
    if not family.event and rows[0]["estimand"] == "predicted_mean":
        high, low = map(shown.printed, rows)
        return SENTENCES("expected", high=ends.short[0], low=ends.short[1], high_mean=high, low_mean=low)
    high, low = map(_natural, rows)
    gain = None if family.event else _relevant_gain(endpoints_of(fit.design))
    event = (
        SENTENCES("improve", by=exact(gain))
        if gain
        else SENTENCES("have", outcome=column_name(fit.design.outcome.name))
    )
    of = SENTENCES("trials", trials=column_name(fit.spec.trials)) if fit.spec.trials else SENTENCES("of_people")
    return SENTENCES(
        "shares", of=of, high=ends.short[0], low=ends.short[1], high_share=high, low_share=low, event=event
    )


def _natural(row: Row) -> str:
    """A share as a number of 100."""
    mean, lower, upper = (number(100 * float(row[name]), 0) for name in ("mean", "lower", "upper"))
    return SENTENCES("share", mean=mean, lower=lower, upper=upper)
