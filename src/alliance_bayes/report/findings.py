"""The key findings: sentences with their numbers, the cautions that touch them, and what must not be concluded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.checks import Gate
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.checking import Checked, Item
from alliance_bayes.report.effect_sizes import relevance_words, rope_limits
from alliance_bayes.report.estimates import Estimates, excludes_zero, text_of
from alliance_bayes.report.groups import factors_of, fixed_at_zero, ordered_pairs, pair_name
from alliance_bayes.report.privacy import Redact
from alliance_bayes.report.text import MINUS, capital, count, exact, join, percent, typeset
from alliance_bayes.report.words import column_name, factor_name, unit_of, units

__all__ = ["Finding", "Findings", "find"]

#: Differences that a finding names.
NAMED = 3
#: Pairs from which on an unclear one is not named.
MANY = 15


@dataclass(frozen=True)
class Finding:
    """A sentence or more, with the rows of the effects table that its numbers come from.

    Parameters
    ----------
    name
        What it is about, for the JSON.
    lead
        The first words, set off from the rest; may be empty.
    text
        The rest.
    rows
        Ids of rows.
    """

    name: str
    lead: str
    text: str
    rows: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Lead and text."""
        return f"{self.lead}: {self.text}" if self.lead else self.text


@dataclass(frozen=True)
class Topic:
    """Findings under one heading, and the checks that warn about them; `repeated` are given in full further up."""

    title: str
    findings: tuple[Finding, ...]
    cautions: tuple[Item, ...]
    repeated: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Findings:
    """Everything above the first section.

    Parameters
    ----------
    withheld
        Whether conclusions are withheld.
    reasons
        Why, one sentence each.
    topics
        The findings by heading; none when withheld.
    limits
        What must not be concluded.
    simulated
        Whether the data come from a simulator.
    """

    withheld: bool
    reasons: tuple[str, ...]
    topics: tuple[Topic, ...]
    limits: tuple[str, ...]
    simulated: bool

    @property
    def sentences(self) -> tuple[str, ...]:
        """The findings, or why there are none."""
        if self.withheld:
            return ("Conclusions are withheld: the draws did not pass the checks.", *self.reasons)
        return tuple(finding.sentence for topic in self.topics for finding in topic.findings)

    def numbers(self) -> list[dict[str, Any]]:
        """The findings for the JSON."""
        return [
            {
                "name": finding.name,
                "text": finding.sentence,
                "rows": list(finding.rows),
                "cautions": [item.name for item in (*topic.cautions, *topic.repeated)],
            }
            for topic in self.topics
            for finding in topic.findings
        ]


def find(fit: FittedModel, estimates: Estimates, checked: Checked, gate: Gate, redact: Redact) -> Findings:
    """Put the findings of a fit into words.

    Parameters
    ----------
    fit, estimates
        The fit and its effects.
    checked, gate
        The checks and whether conclusions may be drawn.
    redact
        Takes out of a text what may not be shown.
    """
    simulated = str(fit.info.get("cohort_source", "")).startswith("simulated")
    if not gate.passed:
        return Findings(True, tuple(typeset(redact(reason)) for reason in gate.reasons), (), (), simulated)
    parts = (
        ("Association", "effects", tuple(_association(fit, estimates))),
        ("Groups", "groups", tuple(_groups(estimates))),
        ("How much is explained", "variance", tuple(_explained(estimates))),
    )
    topics: list[Topic] = []
    for title, section, findings in parts:
        if findings:
            before = {item.name for topic in topics for item in topic.cautions}
            about = checked.about(section)
            fresh = tuple(item for item in about if item.name not in before)
            topics.append(Topic(title, findings, fresh, tuple(item for item in about if item.name in before)))
    return Findings(False, (), tuple(topics), _limits(fit), simulated)


def _association(fit: FittedModel, estimates: Estimates) -> Iterable[Finding]:
    focal = fit.spec.focal_predictor(fit.design)
    slope = None if focal is None else estimates.first("slope", term=focal)
    if focal is None or slope is None:
        return
    name, outcome, points = column_name(focal), *_outcome(fit)
    step = unit_of(fit.design, focal)
    step = step if name in step else f"{step} of {name}"
    others = [column_name(c) for c in fit.design.formula.columns[1:] if c != focal]
    given = f", adjusted for {join(others)}" if others else ""
    if excludes_zero(slope):
        size = estimates.mean(slope).removeprefix(MINUS)
        way = "higher" if float(slope["median"]) > 0 else "lower"
        text = f"For each additional {step}, {outcome} was on average {size}{points} {way}{given}"
    else:
        text = (
            f"Whether {outcome} was higher or lower with more {name} is not settled: for each additional {step} the "
            f"estimate is {estimates.mean(slope)}{points}{given}"
        )
    text += f" ({estimates.spoken(slope)}; {estimates.direction_spoken(slope)})."
    if focal in {smooth.column for smooth in fit.design.smooths}:
        text += " The association may bend; this is its average over those analysed."
    if pd.notna(slope["p_rope"]):
        text += (
            f" The probability that this difference is too small to matter (within {rope_limits(fit, slope)}) is "
            f"{estimates.share_spoken(slope, 'p_rope')}."
        )
    yield Finding("slope", "", text, (str(slope.name),))
    span = estimates.first("slope_p10_p90", term=focal)
    if span is not None:
        low, high = np.quantile(fit.design.frame[focal].to_numpy(float), [0.1, 0.9])
        text = (
            f"Between people at the 10th and at the 90th percentile of {name} ({exact(round(low, 3))} and "
            f"{exact(round(high, 3))}), expected {outcome} differed by {estimates.mean(span)}{points} "
            f"({estimates.spoken(span)})."
        )
        if pd.notna(span["p_relevant"]):
            text += (
                f" The probability that this reaches the smallest relevant difference, {relevance_words(fit, span)}, "
                f"is {estimates.share_spoken(span, 'p_relevant')}."
            )
        yield Finding("span", "", text, (str(span.name),))


def _outcome(fit: FittedModel) -> tuple[str, str]:
    """What the outcome is called, and its unit with a blank before it."""
    name = column_name(fit.design.outcome.name)
    if fit.design.family.name == "bernoulli":
        return f"the probability of {name}", ""
    return name, f" {units(unit_of(fit.design, fit.design.outcome.name))}"


def _groups(estimates: Estimates) -> Iterable[Finding]:
    for factor in factors_of(estimates):
        parts, used = [], []
        for of in ("mean", "slope"):
            rows = ordered_pairs(estimates.where(f"contrast_of_{of}s", factor=factor))
            rows = rows[rows["mean"].notna()]
            if len(rows) and not fixed_at_zero(rows):
                text, ids = _pairs(estimates, rows, of)
                parts.append(text)
                used += ids
        if parts:
            name = factor_name(factor)
            text = " ".join([parts[0], *(capital(part) for part in parts[1:])])
            yield Finding(f"groups: {factor}", capital(name), text, tuple(used))


def _pairs(estimates: Estimates, rows: pd.DataFrame, of: str) -> tuple[str, list[str]]:
    what = "adjusted means" if of == "mean" else "slopes"
    clear = rows[[excludes_zero(row) for _, row in rows.iterrows()]]
    shown = (clear if len(clear) else rows).head(NAMED if len(clear) else 1)

    def say(row: pd.Series, first: bool) -> str:
        unit = text_of(row, "unit")
        head, per, rest = unit.partition(" per ")
        amount = f"{estimates.mean(row)} {units(head)}{per}{rest}" if first else estimates.mean(row)
        inside = f"{estimates.spoken(row)}; {estimates.direction_spoken(row)}" if first else estimates.interval(row)
        return f"{pair_name(row, width=40)}, {amount} ({inside})"

    named = "; ".join(say(row, position == 0) for position, (_, row) in enumerate(shown.iterrows()))
    ids = [str(identity) for identity in shown.index]
    if len(rows) == 1:
        return (
            f"the {what} differ: {named}." if len(clear) else f"whether the {what} differ is not settled: {named}."
        ), ids
    if len(clear):
        largest = "; the largest are " if len(clear) > NAMED else ": "
        return (
            f"{count(len(clear))} of {count(len(rows))} differences of {what} have an interval that excludes zero"
            f"{largest}{named}.",
            ids,
        )
    none = f"none of the {count(len(rows))} differences of {what} has an interval that excludes zero"
    # Among hundreds of pairs the largest is of no interest unless it is clear.
    return (f"{none}.", []) if len(rows) > MANY else (f"{none}; the largest is {named}.", ids)


def _explained(estimates: Estimates) -> Iterable[Finding]:
    r2 = estimates.first("bayesian_r2")
    if r2 is not None:
        places = max(0, estimates.places(r2) - 2)
        ends = f"{percent(float(r2['lower']), places)} to {percent(float(r2['upper']), places)}"
        heading = estimates.spoken(r2).split(" interval ")[0]
        yield Finding(
            "r2",
            "",
            f"The model explains {percent(float(r2['mean']), places)} of the variance of the outcome (Bayesian R²; "
            f"{heading} interval {ends}).",
            (str(r2.name),),
        )


def _limits(fit: FittedModel) -> tuple[str, ...]:
    focal = fit.spec.focal_predictor(fit.design)
    limits = []
    if focal is not None:
        reason = (
            " Ratings were gathered while people were in care, so feeling better may also have raised them."
            if focal == "alliance"
            else ""
        )
        limits.append(
            f"That raising {column_name(focal)} would change the outcome. This is an association among people who were "
            f"observed; what was not measured may lie behind it.{reason}"
        )
    if "provider_type" in fit.design.formula.columns:
        limits.append(
            "That one provider type works better than another. People chose their provider type or were guided to it, "
            "so those groups differed from the start."
        )
    if fit.flow.analysed < fit.flow.participants:
        left = fit.flow.participants - fit.flow.analysed
        limits.append(
            f"That the results hold for the {count(left)} people ({percent(left / fit.flow.participants)}) who were "
            "left out because a value is missing: they may differ from those analysed."
        )
    limits.append(
        "That an interval which includes zero shows that there is no difference. It shows that the data do not settle "
        "the matter."
    )
    return tuple(limits)


def _numeric(fit: FittedModel) -> set[str]:
    frame = fit.design.frame
    return {name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])}
