"""The levels of the factor that a page is about: adjusted means, differences from the first level, then the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_bayes.model import Design
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.fixed import fixed_at_zero
from alliance_bayes.report.groups import (
    MOST_PAIRS,
    level_picture,
    pair_name,
    pair_picture,
    pair_table,
)
from alliance_bayes.report.partial_pooling import pooling_picture
from alliance_bayes.report.phrases import slopes_judged
from alliance_bayes.report.privacy import identifying
from alliance_bayes.report.rows import Column, effect_table, estimate_columns
from alliance_bayes.report.text import (
    capital,
    clean,
    count,
    factor_name,
    join,
    levels_words,
    percent_unit,
    step_of,
    unit_of,
    units,
)

if TYPE_CHECKING:
    from alliance_bayes.report.svg import Picture
    from alliance_bayes.report.tables import Table
    from alliance_bayes.report.view import View

__all__ = ["arms", "differences", "moderated", "reference_of", "varied_by"]


def reference_of(design: Design, factor: str) -> str:
    """The first level of a factor, from which the others' differences are told first."""
    return design.level_labels(factor)[0]


def differences(estimates: Estimates, factor: str) -> pd.DataFrame:
    """Differences of a factor's adjusted means that may be shown: from the first level, then the others."""
    rows = estimates.where("contrast_of_means", factor=factor)
    rows = rows[rows["mean"].notna()]
    return rows.iloc[:0] if fixed_at_zero(rows) else rows


def moderated(estimates: Estimates, factor: str) -> dict[str, pd.DataFrame]:
    """By how much each difference changes with one more unit of a numeric predictor, by predictor."""
    rows = estimates.where("contrast_of_slopes", factor=factor)
    rows = rows[rows["mean"].notna() & rows["term"].notna()]
    return {str(name): group for name, group in rows.groupby("term", sort=False) if not fixed_at_zero(group)}


def varied_by(design: Design, factor: str) -> list[str]:
    """What the model lets the differences of a factor vary with: columns, and pooled factors."""
    parts = [
        part
        for term in design.formula.common
        if factor in term.split(":")
        for part in term.split(":")
        if part != factor
    ]
    pooled = [
        one.name
        for one in design.factors
        if one.name != factor
        and (factor in one.name.split(":") or any(factor in column.term.split(":") for column in one.columns))
    ]
    slopes = [
        part
        for one in design.factors
        if one.name == factor
        for column in one.columns
        if column.order
        for part in column.term.split(":")
    ]
    return list(dict.fromkeys([*parts, *slopes, *pooled]))


def arms(view: View, factor: str, *, on_axis: bool) -> dict[str, Any]:
    """What the section of effect sizes has of the levels of a factor.

    Parameters
    ----------
    view
        What the page is made from.
    factor
        The focal factor.
    on_axis
        Whether another figure has its differences, beside other effects.
    """
    fit, estimates = view.fit, view.estimates
    means, rows = estimates.where("mean", factor=factor), differences(estimates, factor)
    pictures: list[Picture] = []
    tables: list[Table] = []
    if means["mean"].notna().any():
        pictures.append(level_picture(view, means, "means-focal", "Adjusted mean", factor, "table-levels-focal"))
        pooled = next((one for one in fit.design.factors if one.name == factor), None)
        if pooled is not None and (pooling := pooling_picture(view, pooled, "pooling-focal")) is not None:
            pictures.append(pooling)
    if len(rows):
        sizes = estimates.where("cohens_d_of_means", factor=factor)
        if fit.design.family.event:
            # The SD of an event follows from its probability: in SDs a difference says nothing more.
            sizes = sizes.iloc[:0]
        table = pair_table(fit, estimates, rows, sizes, "mean", factor, "focal")
        if 1 < len(rows) <= MOST_PAIRS and not on_axis:
            pictures.append(pair_picture(estimates, rows, "mean", factor, "focal", table))
        else:
            tables.append(table)
    sampled = estimates.where("contrast_in_sample", factor=factor)
    if len(sampled):
        tables.append(_in_sample(view, factor, sampled))
    for number, (name, group) in enumerate(moderated(estimates, factor).items(), 1):
        tables.append(_moderation(view, factor, name, group, number))
    return {
        "factor": factor_name(factor),
        "unnamed": identifying(fit, factor),
        "reference": "" if identifying(fit, factor) else clean(reference_of(fit.design, factor)),
        "levels": count(len(fit.design.level_labels(factor))),
        "varied": join([factor_name(name) for name in varied_by(fit.design, factor)]),
        "pictures": pictures,
        "tables": tables,
    }


def _in_sample(view: View, factor: str, rows: pd.DataFrame) -> Table:
    """The differences over those levels of sampled factors that are in the data."""
    sampled = [one for one in view.fit.design.factors if not one.exhaustive and one.name != factor]
    which = levels_words(sampled)
    return effect_table(
        "table-sample-pairs",
        f"{capital(factor_name(factor))}: the same differences over the {which} in the data, "
        f"{percent_unit(units(unit_of(view.fit.design, view.fit.design.outcome.name)))}; posterior means",
        rows,
        [Column("Difference", pair_name), *estimate_columns(view.estimates, rows, direction=True)],
    )


def _moderation(view: View, factor: str, name: str, rows: pd.DataFrame, number: int) -> Table:
    """By how much the differences change with one more unit of a predictor."""
    estimates = view.estimates
    unit, step = (
        percent_unit(units(unit_of(view.fit.design, view.fit.design.outcome.name))),
        step_of(view.fit.design, name),
    )
    judged = rows["rope_low"].notna().any()
    return effect_table(
        f"table-moderation-{number}",
        f"By how much differences by {factor_name(factor)} change with one more {step}, in {unit}; posterior means",
        rows,
        [
            Column("Difference", pair_name),
            *estimate_columns(estimates, rows, direction=True, judged=("p_rope", "p_rope_prior")),
        ],
        note=slopes_judged(view.fit, name) if judged else "",
    )
