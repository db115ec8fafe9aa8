"""The report's own pictures: each takes numbers and returns a painter for an empty matplotlib figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.report.style import ACCENT, BAND, GREY, LIGHT, SECOND, WIDTH, legend, percent_axis
from alliance_bayes.rounding import is_constant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Painter",
    "Panel",
    "SlopeFigure",
    "density_curve",
    "prior_panels",
]

# Letters of a line above a panel.
_PANEL = 26
# Panels side by side.
_COLUMNS = 2

Painter = Callable[["Figure"], None]


@dataclass(frozen=True)
class Panel:
    """A prior and a posterior of one parameter.

    Parameters
    ----------
    title
        Name of the parameter.
    prior
        Density of the prior at given points.
    draws
        Posterior draws, shape (n_draws,).
    positive
        Whether the parameter cannot be negative.
    spread
        A distance from 0 (or from `centre`) that holds most of the prior.
    centre
        Where the prior has its middle; 0 for positive parameters.
    """

    title: str
    prior: Callable[[np.ndarray], np.ndarray]
    draws: np.ndarray
    positive: bool
    spread: float
    centre: float


@dataclass(frozen=True)
class SlopeFigure:
    """A painter of the expected outcome against a predictor, over observed means, with the predictor's histogram below.

    Parameters
    ----------
    curve
        Columns `x`, `mean`, `lower`, `upper`.
    histogram
        Edges and densities of bars of enough people.
    predictor, expected, band, units, points
        What the axes, the band, the bars and the observed means are called.
    centre
        Mean of the predictor; None for no line there.
    observed
        Observed means of bins, columns `x` and `mean`.
    percent
        Whether the outcome is a probability, whose axis is in per cent.
    """

    curve: pd.DataFrame
    histogram: tuple[np.ndarray, np.ndarray]
    predictor: str
    expected: str
    centre: float | None
    band: str
    units: str = "people"
    observed: pd.DataFrame | None = None
    points: str = "observed means"
    percent: bool = False

    def __call__(self, figure: Figure) -> None:
        """Draw onto an empty figure."""
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        self.draw(upper)
        legend(figure, upper)
        edges, density = self.histogram
        lower.bar(edges[:-1], density, width=np.diff(edges), align="edge", color=LIGHT, edgecolor=GREY, linewidth=0.6)
        lower.set_yticks([])
        lower.spines["left"].set_visible(False)
        lower.set_ylabel(self.units, rotation=0, ha="right", va="center")
        lower.set_xlabel(self.predictor)

    def draw(self, axes: Axes) -> None:
        """Draw the curve onto axes, without the histogram."""
        curve, seen = self.curve, self.observed
        axes.fill_between(curve["x"], curve["lower"], curve["upper"], color=BAND, linewidth=0, label=self.band)
        if seen is not None and len(seen):
            axes.plot(
                seen["x"], seen["mean"], "o", color=SECOND, markerfacecolor="none", markersize=6, label=self.points
            )
        axes.plot(curve["x"], curve["mean"], color=ACCENT, label="posterior mean")
        if self.centre is not None:
            mean = f"mean of the {self.units} analysed"
            axes.axvline(self.centre, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), label=mean)
        axes.set_ylabel(self.expected)
        if self.percent:
            percent_axis(axes.yaxis)
        axes.grid(axis="y")


def density_curve(draws: np.ndarray, *, positive: bool = False, points: int = 161) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed density of draws.

    Parameters
    ----------
    draws
        Shape (n_draws,).
    positive
        Whether mass may not leak below 0 (the draws are then mirrored there).

    Returns
    -------
    x, density : numpy.ndarray
        Shape (points,), of which the first and the last are half a step from the ends; empty when the draws do not
        vary.
    """
    nothing = np.empty(0), np.empty(0)
    if is_constant(draws):
        return nothing
    low, high = np.quantile(draws, [0.0005, 0.9995])
    margin = 0.12 * (high - low)
    ends = (0.0 if positive else low - margin, high + margin)
    # Outlying draws are off the picture, as their density is.
    shown = draws[(ends[0] <= draws) & (draws <= ends[1])]
    if shown.size == 0 or is_constant(shown):
        return nothing
    counts, edges = np.histogram(shown, bins=points, range=ends)
    # Scott's width, in bins. Mass that leaks over an end is mirrored there.
    width = 1.06 * shown.std() * shown.size**-0.2 / (edges[1] - edges[0])
    reach = int(np.ceil(4 * width))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * width**2))
    mirrored = np.pad(counts.astype(float), points // 5, mode="symmetric")
    density = np.convolve(mirrored, kernel)[reach + points // 5 :][:points]
    density *= shown.size / draws.size / (density.sum() * (edges[1] - edges[0]))
    return (edges[1:] + edges[:-1]) / 2, density


def prior_panels(panels: Sequence[Panel]) -> tuple[Painter, tuple[float, float]]:
    """Prior against posterior of several parameters, and the inches it needs."""
    rows = -(-len(panels) // _COLUMNS)
    # Room for the names that need more lines than one.
    lines = [max(len(_title(panel)) for panel in panels[row * _COLUMNS : (row + 1) * _COLUMNS]) for row in range(rows)]

    def paint(figure: Figure) -> None:
        axes = np.atleast_1d(figure.subplots(rows, min(_COLUMNS, len(panels)), squeeze=False)).ravel()
        for position, (ax, panel) in enumerate(zip(axes, panels, strict=False)):
            _panel(ax, panel)
            if position == 0:
                legend(figure, ax)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()

    return paint, (WIDTH / _COLUMNS * min(_COLUMNS, len(panels)), 0.3 + 1.2 * rows + 0.16 * sum(lines))


def _title(panel: Panel) -> list[str]:
    """A name in lines of the width of a panel."""
    return wrap(panel.title, _PANEL) or [""]


def _panel(ax: Axes, panel: Panel) -> None:
    x, density = density_curve(panel.draws, positive=panel.positive)
    low, high = (float(x[0]), float(x[-1])) if x.size else (float(panel.draws.min()), float(panel.draws.max()))
    # The prior's bulk, but never so much of it that the posterior becomes a line.
    room = 5.0 * (high - low) if high > low else panel.spread
    left = 0.0 if panel.positive else min(low, max(panel.centre - panel.spread, low - room))
    right = max(high, min(panel.centre + panel.spread, high + room))
    grid = np.linspace(left, right, 201)
    prior = panel.prior(grid)
    top = max(float(density.max()) if density.size else 0.0, float(prior.max()))
    if density.size:
        ax.fill_between(x, density, color=BAND, linewidth=0)
        ax.plot(x, density, color=ACCENT, label="posterior")
    ax.plot(grid, prior, color=SECOND, linestyle=(0, (5, 2)), label="prior")
    ax.set_ylim(0, 1.08 * top)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_title("\n".join(_title(panel)))
    ax.locator_params(axis="x", nbins=4)
