"""What the variance of the outcome is made of."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from alliance_bayes.effects import ESTIMANDS
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.estimates import Estimates, text_of, words_of
from alliance_bayes.report.residual_sds import residual_sd_effects, residual_sds
from alliance_bayes.report.rows import (
    Column,
    described,
    effect_table,
    estimate_columns,
    forest_picture,
    measured,
    rows_of,
)
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import analysed_words, unit_words
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import Row, clean, column_name, factor_name

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["variance"]

_PARTS = {
    "common terms": "predictors (common terms)",
    "covariance": "covariance between the parts",
    "residual": "not explained (residual)",
}


def variance(view: View) -> Section:
    """The section."""
    fit, estimates, withheld = view.fit, view.estimates, view.withheld
    rows = estimates.where((*ESTIMANDS["bayesian_r2"].measures, *ESTIMANDS["variance_partition"].measures))
    rows = rows[~_alone(rows)]
    shown = not withheld and len(rows) > 0
    remake = partial(residual_sd_effects, prob=view.prob, small=view.small)
    sds = None if withheld else remake(fit)
    context = {
        "withheld": withheld,
        "cautions": view.checked.about("variance"),
        "table": _table(fit, estimates, rows) if shown else None,
        "picture": _picture(estimates, rows[rows["estimand"] == "variance_share"]) if shown else None,
        "residual_sds": None if sds is None else residual_sds(view, sds),
        "by": "" if fit.design.residual is None else factor_name(fit.design.residual.name),
        "outcome": column_name(fit.design.outcome.name),
        "units": unit_words(fit),
        "grouped": bool(fit.design.factors),
        "bent": bool(fit.design.smooths),
        "covary": bool((rows["term"] == "covariance").any()),
        "correlated": bool((rows["estimand"] == "icc").any()),
        "latent": fit.design.family.link != "identity" and bool((rows["estimand"] == "variance_share").any()),
        "trials": fit.design.family.has_trials,
        "exhaustive": any(factor.exhaustive for factor in fit.design.factors),
    }
    title = "Variance partition and R²"
    if sds is None:
        return Section("variance", title, "variance.html", context)
    numbers = {"residual_sds": view.estimated("variance", sds).records()}
    return Section("variance", title, "variance.html", context, numbers, sds, remake)


def _alone(rows: pd.DataFrame) -> pd.Series:
    """Where a row is the covariance between parts of which there is but one besides the residual."""
    shares = rows["estimand"] == "variance_share"
    covariance = shares & (rows["term"] == "covariance")
    parts = int((shares & ~covariance & (rows["term"] != "residual")).sum())
    return covariance & (parts < 2)


def _label(estimates: Estimates, row: Row) -> str:
    factor, term = text_of(row, "factor"), text_of(row, "term")
    bend = f"bend of {column_name(term[2:-1])}" if term.startswith("s(") else _PARTS.get(term, clean(term))
    return measured(estimates.table, row, short=True, term=factor_name(factor) if factor else bend)


def _table(fit: FittedModel, estimates: Estimates, rows: pd.DataFrame) -> Table:
    notes = dict.fromkeys(words_of(row, "note") for row in rows_of(rows))
    correlated = ", intraclass correlations" if (rows["estimand"] == "icc").any() else ""
    return effect_table(
        "table-variance",
        f"Variance partition{correlated} and R²; posterior means, as percentages of the denominator; "
        f"{analysed_words(fit)}",
        rows,
        [
            Column("Quantity", partial(_label, estimates)),
            *estimate_columns(estimates, rows, figures=estimates.percentages, direction=False, judged=()),
            Column("Denominator", lambda row: words_of(row, "denominator") or "–", words=True),
        ],
        note=" ".join(f"{note}." for note in notes if note),
    )


def _picture(estimates: Estimates, rows: pd.DataFrame) -> Picture | None:
    rows = rows[rows["mean"].notna()]
    if rows.empty:
        return None

    def label(row: Row) -> str:
        return _label(estimates, row).removeprefix("Share: ")

    listed = "; ".join(described(estimates, rows, label, figures=estimates.percentages, then=" "))
    return forest_picture(
        "variance-shares",
        "Shares of the variance",
        estimates,
        rows,
        caption=f"Posterior mean and {estimates.interval_heading()}.",
        axis="Share of the variance",
        heading="Part",
        label=label,
        figures=estimates.percentages,
        shares=True,
        description=f"{listed}.",
    )
