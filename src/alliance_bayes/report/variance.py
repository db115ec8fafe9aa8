"""What the variance of the outcome is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from alliance_bayes.report.estimates import Estimates, text_of
from alliance_bayes.report.forest import Interval, forest, forest_size
from alliance_bayes.report.sections import Picture, Section
from alliance_bayes.report.svg import draw
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, percent
from alliance_bayes.report.words import column_name, factor_name

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
    rows = estimates.where(("bayesian_r2", "variance_share", "icc"))
    shown = not withheld and len(rows) > 0
    context = {
        "withheld": withheld,
        "cautions": view.checked.about("variance"),
        "table": _table(estimates, rows) if shown else None,
        "picture": _picture(estimates, estimates.where("variance_share")) if shown else None,
        "outcome": column_name(fit.design.outcome.name),
    }
    return Section("variance", "Variance partition and R²", "variance.html", context)


def _label(row: pd.Series) -> str:
    factor, term = text_of(row, "factor"), text_of(row, "term")
    match str(row["estimand"]):
        case "bayesian_r2":
            return "Bayesian R²"
        case "icc":
            return f"Intraclass correlation: {factor_name(factor)}"
    if factor:
        return f"Share: {factor_name(factor)}"
    if term.startswith("s("):
        return f"Share: bend of {column_name(term[2:-1])}"
    return f"Share: {_PARTS.get(term, clean(term))}"


def _table(estimates: Estimates, rows: pd.DataFrame) -> Table:
    cells, notes = [], []
    for _, row in rows.iterrows():
        cells.append((_label(row), *_percentages(estimates, row), text_of(row, "denominator") or "–"))
        notes.append(text_of(row, "note"))
    return Table.of(
        "table-variance",
        "Variance partition, intraclass correlations and R²; posterior means, as percentages of the denominator",
        ("Quantity", "Mean", estimates.interval_heading(), "Denominator"),
        cells,
        words=(3,),
        note=" ".join(dict.fromkeys(f"{note}." for note in notes if note)),
    )


def _percentages(estimates: Estimates, row: pd.Series) -> tuple[str, str]:
    """Mean and interval as percentages; a hundredth of a percent is as much as a share can mean."""
    places = max(0, min(2, estimates.places(row) - 2))
    mean, lower, upper = (percent(float(row[name]), places) for name in ("mean", "lower", "upper"))
    return mean, f"[{lower}, {upper}]"


def _picture(estimates: Estimates, rows: pd.DataFrame) -> Picture | None:
    rows = rows[rows["mean"].notna()]
    if rows.empty:
        return None
    lines = [
        Interval(_label(row).removeprefix("Share: "), float(row["mean"]), float(row["lower"]), float(row["upper"]))
        for _, row in rows.iterrows()
    ]
    title = "Shares of the variance"
    listed = "; ".join(
        f"{_label(row).removeprefix('Share: ')} {' '.join(_percentages(estimates, row))}" for _, row in rows.iterrows()
    )
    painter = forest(lines, label=f"Share of the variance,\n{estimates.interval_heading()}", reference=0.0)
    markup = draw(painter, name="variance-shares", title=title, description=f"{listed}.", size=forest_size(len(lines)))
    data = Table.of(
        "variance-shares-data",
        title,
        ("Part", "Mean", estimates.interval_heading()),
        [(_label(row).removeprefix("Share: "), *_percentages(estimates, row)) for _, row in rows.iterrows()],
    )
    return Picture(title, f"Posterior mean and {estimates.interval_heading()}.", markup, data)
