"""Figures of calibration, and of the influence of single rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.checks.bands import Uniformity
from alliance_bayes.checks.drawing import BAND, EXPECTED, GREY, OBSERVED, axes_of, legend
from alliance_bayes.checks.results import Plot
from alliance_bayes.checks.wording import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["interval_coverage", "pareto_shapes", "pit_difference"]


def pit_difference(shape: Uniformity, rate: float) -> Plot:
    """Empirical distribution of the LOO-PIT values minus the uniform one, with its band.

    Parameters
    ----------
    shape
        The values' distribution and band.
    rate
        Share of calibrated models that leave the band.
    """

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        x = np.concatenate([[0.0], shape.points, [1.0]])
        lower, upper, line = (
            np.concatenate([[0.0], values - shape.points, [0.0]]) for values in (shape.lower, shape.upper, shape.ecdf)
        )
        axes.fill_between(
            x, lower, upper, color=BAND, alpha=0.6, linewidth=0, label=f"calibrated in {percent(1 - rate)} of data sets"
        )
        axes.axhline(0, color=GREY, linewidth=1)
        axes.plot(x, line, color=OBSERVED, linewidth=1.5, label="observed")
        axes.set_xlabel("LOO-PIT value (probability of a lower outcome)")
        axes.set_ylabel("Share of rows up to it,\nminus the expected share")
        legend(figure, axes)

    outside = int(((shape.ecdf < shape.lower) | (shape.ecdf > shape.upper)).sum())
    return Plot(
        "calibration-pit",
        "Calibration: LOO-PIT",
        "Difference between the empirical distribution of the LOO-PIT values and the uniform distribution, with a "
        "simultaneous band. "
        f"{outside or 'None'} of the {shape.points.size} points {'is' if outside == 1 else 'are'} "
        "outside.",
        draw,
    )


def interval_coverage(table: pd.DataFrame) -> Plot:
    """Coverage of predictive intervals against what is stated.

    Parameters
    ----------
    table
        Columns ``interval``, ``coverage``, ``lower``, ``upper``.
    """

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        x = 100 * table["interval"]
        axes.plot([40, 100], [40, 100], color=GREY, linewidth=1, label="as stated")
        axes.vlines(
            x, 100 * table["lower"], 100 * table["upper"], color=BAND, linewidth=7, label="limits, each by itself"
        )
        axes.plot(x, 100 * table["coverage"], "o", color=OBSERVED, markersize=5, label="observed")
        axes.set_xticks(x)
        axes.set_xlabel("Stated probability of the predictive interval (%)")
        axes.set_ylabel("Outcomes inside (%)")
        legend(figure, axes)

    pairs = table[["interval", "coverage"]].to_numpy(float)
    found = "; ".join(f"{percent(stated)}: {percent(held, 1)}" for stated, held in pairs)
    return Plot(
        "calibration-intervals",
        "Coverage of predictive intervals",
        f"Share of outcomes inside their leave-one-out predictive intervals against the stated probability ({found}).",
        draw,
    )


def pareto_shapes(k: np.ndarray, good: float, rows: np.ndarray) -> Plot:
    """Pareto k of every row that was looked at, with the limit.

    Parameters
    ----------
    k
        Shape (n,).
    good
        Estimates with a larger k are not reliable.
    rows
        Places of the rows, shape (n,).
    """
    finite = np.where(np.isfinite(k), k, 1.5)
    above = int((finite > good).sum())

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        over = finite > good
        axes.plot(
            rows[~over], finite[~over], ".", color=EXPECTED, markersize=3, alpha=0.6, rasterized=True, label="rows"
        )
        if over.any():
            axes.plot(rows[over], finite[over], "^", color=OBSERVED, markersize=6, label="rows above the limit")
        axes.axhline(good, color=GREY, linestyle="--", linewidth=1.2, label=f"limit {good:.2f}")
        axes.set_xlabel("Analysed row (counted from 0)")
        axes.set_ylabel("Pareto k")
        legend(figure, axes)

    return Plot(
        "loo-pareto-k",
        "Influence of single rows: Pareto k",
        f"Pareto k of {k.size:,} rows. The largest is {finite.max():.2f}; {above or 'none'} of them "
        f"{'is' if above == 1 else 'are'} above the limit of {good:.2f}.",
        draw,
    )
