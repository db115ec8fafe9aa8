"""Phrases that sentences about a fit share: the outcome, what is adjusted for, what holds under other priors."""

from __future__ import annotations

import pandas as pd

from alliance_bayes.effects.counterfactual import terms_with
from alliance_bayes.effects.slopes import CONTRASTED
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import PooledFactor
from alliance_bayes.model.nodes import Call, columns_of
from alliance_bayes.model.roles import is_of_persons
from alliance_bayes.report.checked import Checked
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.text import (
    PROBABILITY,
    clean,
    column_name,
    exact,
    join,
    levels_words,
    percent_unit,
    unit_of,
    units,
)
from alliance_bayes.report.verdicts import Claim, claim, least_claim

__all__ = [
    "adjusted_for",
    "contrast_of",
    "contrast_values",
    "expected_words",
    "outcome_mean",
    "outcome_words",
    "persons_of",
    "slope_contrast",
    "under_other_priors",
]


def under_other_priors(direction: Claim, checked: Checked, of: pd.Series | None = None) -> Claim:
    """What may be said of the focal slope, or of a difference of levels, under all priors that it was tried with."""
    tables = [item.rows for item in checked.items if item.name == "prior_sensitivity" and item.rows is not None]
    rows = [row for table in tables for _, row in table.iterrows()]
    if of is not None:
        rows = [row for row in rows if all(row[name] == of[name] for name in ("factor", "level", "versus"))]
    return least_claim(direction, [claim(row) for row in rows])


def contrast_of(estimates: Estimates, focal: str) -> pd.Series | None:
    """The difference between a low and a high value of a predictor, those that the model declares first."""
    rows = (estimates.first(estimand, term=focal) for estimand in CONTRASTED)
    return next((row for row in rows if row is not None), None)


def slope_contrast(fit: FittedModel, estimates: Estimates, focal: str) -> pd.Series | None:
    """The row of a numeric predictor that carries the verdict; a step of an SD, or of one, where no ends are known."""
    if fit.design.is_indicator(focal):
        return estimates.first("slope", term=focal)
    rows = (contrast_of(estimates, focal), *(estimates.first(kind, term=focal) for kind in ("slope_per_sd", "slope")))
    return next((row for row in rows if row is not None), None)


def contrast_values(fit: FittedModel, row: pd.Series) -> tuple[float, float]:
    """The low and the high value that such a row compares."""
    term = str(row["term"])
    declared = fit.spec.declared_contrast(fit.design, term) if row["estimand"] == "slope_contrast" else None
    low, high = declared or fit.quantiles(term, (0.1, 0.9))
    return float(low), float(high)


def expected_words(fit: FittedModel) -> str:
    """What a model expects, as axes and titles call it: "expected follow-up WHO-5", "probability of “recovery”"."""
    name = column_name(fit.design.outcome.name)
    return f"probability of “{name}”" if fit.design.family.event else f"expected {name}"


def outcome_words(fit: FittedModel) -> tuple[str, str]:
    """What the outcome is called, and the unit of its differences with a blank before it."""
    name = column_name(fit.design.outcome.name)
    if fit.design.family.event:
        # A column's name may be a noun, a verb or a code: in quotes it is a name whatever it is.
        return f"the probability of “{name}”", f" {percent_unit(PROBABILITY)}"
    return name, f" {units(unit_of(fit.design, fit.design.outcome.name))}"


def outcome_mean(fit: FittedModel) -> str:
    """What was higher or lower: of one in number, whatever the outcome's label is ("Contacts")."""
    name = outcome_words(fit)[0]
    return name if fit.design.family.event else f"the mean of {name}"


def persons_of(fit: FittedModel) -> set[str]:
    """Pooled factors whose levels are single persons, or look like it."""
    return {factor.name for factor in fit.design.factors if is_of_persons(factor, fit.design.rows.n)}


def _of_others(fit: FittedModel, factor: PooledFactor, focal: str) -> bool:
    """Whether a factor is one of providers, who are persons and no covariate, of whom everybody has one."""
    return factor.role.role == "provider" and factor.name != focal and factor.name not in fit.design.rows.lacking


def adjusted_for(fit: FittedModel, focal: str) -> str:
    """What an association is adjusted for; not persons and providers, nor what some have no level of."""
    besides = {focal, *persons_of(fit), *fit.design.rows.lacking, *fit.provider_columns, *_of_offsets(fit)}
    others = [column_name(name) for name in fit.design.formula.columns[1:] if name not in besides]
    allowed = levels_words([factor for factor in fit.design.factors if _of_others(fit, factor, focal)])
    between = f", with differences between {allowed} allowed for" if allowed else ""
    return (f", adjusted for {join(others)}" if others else "") + between + _offset_words(fit)


def _of_offsets(fit: FittedModel) -> set[str]:
    """Columns of offsets alone, which have no coefficient."""
    offsets = fit.design.formula.offsets
    names = {offset.name for offset in offsets}
    return {
        column
        for offset in offsets
        for column in columns_of(offset)
        if all(term.name in names for term in terms_with(fit.design, column))
    }


def _offset_words(fit: FittedModel) -> str:
    """How long, or of how much, everybody's outcome is; what else is added with a coefficient of one."""
    over: list[str] = []
    added: list[str] = []
    for offset in fit.design.formula.offsets:
        what = offset.arguments[0]
        if fit.design.family.link == "log" and isinstance(what, Call) and what.function == "log":
            # Days, or days by 30: it is the days that people have.
            over += map(column_name, columns_of(what))
        else:
            added.append(column_name(clean(what)))
    words = f", everybody over their own {join(over)}" if over else ""
    return words + (f", with {join(added)} as an offset" if added else "")


def slopes_judged(fit: FittedModel, predictor: str) -> str:
    """What differences of a predictor's slopes are judged by: over the step that `Analysis.slope_rope` has."""
    declared = fit.spec.declared_contrast(fit.design, predictor)
    if declared is not None:
        step = f"the step from {exact(declared[0])} to {exact(declared[1])} that the model declares"
    elif fit.moments is not None:
        step = "one unit of the predictor, since moments tell no percentiles"
    else:
        low, high = fit.quantiles(predictor, (0.1, 0.9))
        step = "the step from the predictor’s 10th to its 90th percentile"
        if low == high:
            step = "one unit of the predictor, whose 10th and 90th percentile are the same"
    return f"A difference of slopes is judged against half of the region of practical equivalence, over {step}."
