"""The key findings: plain sentences with their numbers, the cautions that touch them, and what must not be concluded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.checks import Gate
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.checking import Checked, Item
from alliance_bayes.report.effect_sizes import relevance_words, rope_words
from alliance_bayes.report.estimates import Estimates, text_of
from alliance_bayes.report.groups import factors_of, ordered_pairs, pair_name
from alliance_bayes.report.text import clean, count, exact, join, percent
from alliance_bayes.report.words import column_name, factor_name, unit_of, units

__all__ = ["Finding", "Findings", "find"]

#: Differences that a finding names.
NAMED = 3


@dataclass(frozen=True)
class Finding:
    """One sentence or two, with the rows of the effects table that its numbers come from."""

    topic: str
    text: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """Findings under one heading, and the checks that warn about them."""

    title: str
    findings: tuple[Finding, ...]
    cautions: tuple[Item, ...]


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
        return tuple(finding.text for topic in self.topics for finding in topic.findings)

    def numbers(self) -> list[dict[str, Any]]:
        """The findings for the JSON."""
        return [
            {"topic": finding.topic, "text": finding.text, "rows": list(finding.rows), "cautions": [item.name for item in topic.cautions]}
            for topic in self.topics
            for finding in topic.findings
        ]


def find(fit: FittedModel, estimates: Estimates, checked: Checked, gate: Gate) -> Findings:
    """Put the findings of a fit into words.

    Parameters
    ----------
    fit, estimates
        The fit and its effects.
    checked, gate
        The checks and whether conclusions may be drawn.
    """
    simulated = str(fit.info.get("cohort_source", "")).startswith("simulated")
    if not gate.passed:
        return Findings(True, tuple(map(clean, gate.reasons)), (), (), simulated)
    about_groups = ("groups", "posterior_predictive", "convergence")
    general = tuple(item for item in checked.cautions() if item.name != "groups")
    topics = [
        Topic("Association", tuple(_association(fit, estimates)), general),
        Topic("Groups", tuple(_groups(fit, estimates)), checked.cautions(*about_groups)),
        Topic("How much is explained", tuple(_explained(estimates)), checked.cautions("posterior_predictive", "calibration")),
    ]
    return Findings(False, (), tuple(topic for topic in topics if topic.findings), _limits(fit), simulated)


def _association(fit: FittedModel, estimates: Estimates) -> Iterable[Finding]:
    focal = fit.spec.focal_predictor(fit.design)
    slope = None if focal is None else estimates.first("slope", term=focal)
    if focal is None or slope is None:
        return
    name, outcome = column_name(focal), column_name(fit.design.outcome.name)
    unit = units(unit_of(fit.design, fit.design.outcome.name)) if fit.design.family.name != "bernoulli" else "in probability"
    others = [column_name(c) for c in fit.design.formula.columns[1:] if c != focal and c in _numeric(fit)]
    factors = [factor_name(factor.name) for factor in fit.design.factors]
    given = f", given {join(others)}" if others else ""
    given += f"{' and' if others else ', given'} differences by {join(factors)}" if factors else ""
    size = estimates.mean(slope).removeprefix("\N{MINUS SIGN}")
    way = "higher" if float(slope["median"]) > 0 else "lower"
    if _excludes_zero(slope):
        text = f"With each {unit_of(fit.design, focal)} more of {name}, {outcome} was on average {size} {unit} {way}{given}"
    else:
        text = f"Whether {outcome} was higher or lower with more {name} is not settled: the estimate is {estimates.mean(slope)} {unit} for each {unit_of(fit.design, focal)}{given}"
    text += f" ({estimates.spoken(slope)}; probability {estimates.direction(slope)})."
    if pd.notna(slope["p_rope"]):
        text += f" The probability that a difference of one {unit_of(fit.design, focal)} hardly matters ({rope_words(fit, slope)}) is {estimates.share(slope, 'p_rope')}."
    yield Finding("slope", text, (str(slope.name),))
    span = estimates.first("slope_p10_p90", term=focal)
    if span is not None:
        low, high = np.quantile(fit.design.frame[focal].to_numpy(float), [0.1, 0.9])
        text = (
            f"Between the 10th and the 90th percentile of {name} ({exact(round(low, 3))} and {exact(round(high, 3))}), expected {outcome} differed by "
            f"{estimates.mean(span)} {unit} ({estimates.spoken(span)})."
        )
        if pd.notna(span["p_relevant"]):
            text += f" The probability that this reaches {relevance_words(fit, span)}, the smallest relevant difference, is {estimates.share(span, 'p_relevant')}."
        yield Finding("span", text, (str(span.name),))


def _groups(fit: FittedModel, estimates: Estimates) -> Iterable[Finding]:
    for factor in factors_of(estimates):
        for of in ("mean", "slope"):
            rows = ordered_pairs(estimates.where(f"contrast_of_{of}s", factor=factor))
            rows = rows[rows["mean"].notna()]
            if len(rows):
                yield _pairs(estimates, rows, of, factor)


def _pairs(estimates: Estimates, rows: pd.DataFrame, of: str, factor: str) -> Finding:
    name = factor_name(factor)[:1].upper() + factor_name(factor)[1:]
    what = "adjusted means" if of == "mean" else "slopes"
    clear = rows[[_excludes_zero(row) for _, row in rows.iterrows()]]
    shown = (clear if len(clear) else rows).head(NAMED if len(clear) else 1)

    def say(row: pd.Series, first: bool) -> str:
        inside = f"{estimates.spoken(row)}; {estimates.direction(row)}" if first else f"{estimates.interval(row)}; {estimates.direction(row)}"
        unit = text_of(row, "unit").replace(" per ", "s per ", 1) if " per " in text_of(row, "unit") else units(text_of(row, "unit"))
        return f"{pair_name(row)} {estimates.mean(row)} {unit if first else ''}".rstrip() + f" ({inside})"

    named = "; ".join(say(row, position == 0) for position, (_, row) in enumerate(shown.iterrows()))
    if len(rows) == 1:
        verdict = f"the {what} differ" if len(clear) else f"a difference of the {what} is not settled"
        text = f"{name}: {verdict}: {named}."
    elif len(clear):
        largest = "the largest: " if len(clear) > NAMED else ""
        text = f"{name}: the {what} of {count(len(clear))} of {count(len(rows))} pairs differ, with intervals that exclude zero; {largest}{named}."
    else:
        text = f"{name}: none of the {count(len(rows))} differences of {what} has an interval that excludes zero; the largest is {named}."
    return Finding(f"{of}s by {factor}", text, tuple(str(identity) for identity in shown.index))


def _explained(estimates: Estimates) -> Iterable[Finding]:
    r2 = estimates.first("bayesian_r2")
    if r2 is not None:
        places = max(0, estimates.places(r2) - 2)
        ends = f"{percent(float(r2['lower']), places)} to {percent(float(r2['upper']), places)}"
        heading = estimates.spoken(r2).split(" interval ")[0]
        yield Finding(
            "r2",
            f"The model explains {percent(float(r2['mean']), places)} of the variance of the outcome (Bayesian R²; {heading} interval {ends}).",
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
            f"That raising {column_name(focal)} would change the outcome. This is an association among people who were observed; what was "
            f"not measured may lie behind it.{reason}"
        )
    if "provider_type" in fit.design.formula.columns:
        limits.append(
            "That one provider type works better than another. People chose their provider type or were guided to it, so those groups differed "
            "from the start."
        )
    if fit.flow.analysed < fit.flow.participants:
        left = fit.flow.participants - fit.flow.analysed
        limits.append(
            f"That the results hold for the {count(left)} people ({percent(left / fit.flow.participants)}) who lack a value and were left out: they may differ "
            "from those analysed."
        )
    limits.append("That an interval which includes zero shows that there is no difference. It shows that the data do not settle it.")
    return tuple(limits)


def _numeric(fit: FittedModel) -> set[str]:
    frame = fit.design.frame
    return {name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])}


def _excludes_zero(row: pd.Series) -> bool:
    return bool(float(row["lower"]) > 0 or float(row["upper"]) < 0)
