"""Providers whom a page does not name: how much they differ, of how many there are and with how many people."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable, Estimate, Measure, coefficients
from alliance_bayes.effects.options import make_options
from alliance_bayes.effects.summary import Fixed, summarise
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import PooledFactor
from alliance_bayes.report.codings import level_counts
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.figure_data import curve_data
from alliance_bayes.report.privacy import identifying
from alliance_bayes.report.rows import Column, effect_table, estimate_columns
from alliance_bayes.report.style import ACCENT, BAND, WIDTH
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.text import (
    Row,
    capital,
    column_name,
    count,
    factor_name,
    levels_words,
    number,
    pooling_sentence,
    unit_of,
    units,
    varying,
)
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from alliance_bayes.report.view import View

__all__ = ["provider_part", "said_of_providers", "spread_of_providers", "unnamed_providers"]

SENTENCES = Wording("alliance_bayes.report", "sentences/providers.toml")
#: Providers from which quartiles of their numbers of people are told; of fewer, these give each number away.
MANY = 8
# Points of the density.
_POINTS = 81


def unnamed_providers(fit: FittedModel) -> list[PooledFactor]:
    """Pooled factors of providers whom the page does not name."""
    return [factor for factor in fit.design.factors if factor.role.role == "provider" and identifying(fit, factor.name)]


def spread_of_providers(fit: FittedModel, prob: float) -> EffectTable | None:
    """SDs over unnamed providers and, on the outcome's own scale, how far two of them differ; None without any.

    Parameters
    ----------
    fit
        The fit.
    prob
        Probability of the intervals.

    Notes
    -----
    Two draws from Normal(0, tau) are 2 tau / sqrt(pi) apart on average.
    """
    names = [factor.name for factor in unnamed_providers(fit)]
    if not names:
        return None
    rows = coefficients(fit, at="centre", prob=prob)
    spread = rows[(rows["estimand"] == "level_sd") & rows["factor"].isin(names)]
    if not fit.design.family.linear:
        return spread
    apart = [
        Estimate(
            "apart_on_average",
            Fixed(fit.with_chains(2 / math.sqrt(math.pi) * fit.stacked[f"tau_{factor.name}"][:, place])),
            unit_of(fit.design, fit.design.outcome.name),
            term="Intercept",
            factor=factor.name,
            measure=Measure("Two of {factor} drawn at random are apart by, on average"),
        )
        for factor in unnamed_providers(fit)
        for place, term in enumerate(factor.terms)
        if term == "Intercept"
    ]
    distances = summarise(apart, make_options(fit, prob=prob))
    return EffectTable.concat([spread, distances])


def provider_part(view: View, factor: PooledFactor, estimates: Estimates, position: str) -> dict[str, Any]:
    """A part of the section about groups: the spread of a factor's levels, none of which is named or ranked."""
    design = view.fit.design
    rows = estimates.table[estimates.table["factor"] == factor.name]
    who = levels_words([factor])

    def quantity(row: Row) -> str:
        term = str(row["term"])
        if row["estimand"] == "apart_on_average":
            return SENTENCES("apart", who=who)
        column = column_name(design.outcome.name) if term == "Intercept" else varying(design, term)
        return SENTENCES("sd", what=column, who=who, link="" if design.family.linear else design.family.link)

    table = effect_table(
        f"table-{position}",
        SENTENCES("caption", who=capital(who)),
        rows,
        [Column("Quantity", quantity, words=True), *estimate_columns(estimates, rows, judged=())],
    )
    pictures = [_picture(view, factor, who, position)] if design.family.linear and "Intercept" in factor.terms else []
    return {
        "id": position,
        "title": capital(factor_name(factor.name)),
        "sentence": pooling_sentence(design, factor),
        "spread": "",
        "unnamed": SENTENCES("unnamed", who=who, n=count(len(factor.levels)), people=_people(view, factor)),
        "note": None,
        "same_slope": False,
        "pictures": pictures,
        "tables": [table],
    }


def said_of_providers(fit: FittedModel, estimates: Estimates) -> Iterator[tuple[str, str, str, str]]:
    """What the key findings say of unnamed providers: name, lead, text and the row that it is of."""
    for factor in unnamed_providers(fit):
        row = estimates.first("icc", factor=factor.name)
        if row is not None:
            share, ends = estimates.percentages(row)
            text = SENTENCES(
                "finding",
                share=share,
                who=levels_words([factor]),
                interval=f"{estimates.interval_heading()} {ends.strip('()')}",
            )
            yield f"providers: {factor.name}", capital(factor_name(factor.name)), text, str(row.name)


def _people(view: View, factor: PooledFactor) -> str:
    """How many people half of the providers have; empty where that would tell how many single ones have."""
    sizes = [size for size in level_counts(view.fit, factor.name).values() if size]
    if len(sizes) < MANY:
        return ""
    low, high = (round(float(end)) for end in np.quantile(sizes, [0.25, 0.75]))
    if high < view.small:
        return SENTENCES("few", small=view.small)
    if low == high:
        return SENTENCES("alike", size=count(low))
    return SENTENCES("half", low=count(low) if low >= view.small else "", high=count(high), small=view.small)


def _picture(view: View, factor: PooledFactor, who: str, position: str) -> Picture:
    """Where providers lie about their middle: a density for the SD of each draw, and its band."""
    fit, design = view.fit, view.fit.design
    tau = fit.stacked[f"tau_{factor.name}"][:, factor.terms.index("Intercept")]
    reach = 3 * float(np.median(tau))
    x = np.linspace(-reach, reach, _POINTS)
    scale = np.maximum(tau, 1e-12)[:, None]
    density = np.exp(-0.5 * (x / scale) ** 2) / (scale * math.sqrt(2 * math.pi))
    tail = (1 - view.prob) / 2
    lower, upper = np.quantile(density, [tail, 1 - tail], axis=0)
    curve = pd.DataFrame({"x": x, "mean": density.mean(axis=0), "lower": lower, "upper": upper})
    outcome, unit = column_name(design.outcome.name), units(unit_of(design, design.outcome.name))
    words = {"who": who, "outcome": outcome, "unit": unit, "prob": f"{100 * view.prob:g}%"}
    # Of all that there could be, 80 % are within 1.28 SDs; here with the uncertainty of the SD.
    draws = np.abs(np.random.default_rng(0).normal(size=tau.size) * tau)
    within = number(float(np.quantile(draws, 0.8)), 1)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.fill_between(x, lower, upper, color=BAND, linewidth=0)
        axes.plot(x, curve["mean"], color=ACCENT)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylim(0, None)
        axes.set_xlabel(SENTENCES("axis", **words))

    name, title, band = f"{position}-spread", SENTENCES("title", **words), SENTENCES("band", **words)
    return view.figure(
        paint,
        name=name,
        title=title,
        caption=SENTENCES("figure", within=within, **words),
        description=SENTENCES("description", within=within, **words),
        size=(WIDTH, 2.8),
        data=curve_data(name, title, [("", curve)], SENTENCES("axis", **words), band),
    )
