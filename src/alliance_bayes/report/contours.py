"""How strong an unmeasured cause must be, as lines over the shares that it explains of predictor and outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alliance_bayes.effects.strength import outcome_share_needed
from alliance_bayes.report.style import ACCENT, GREY, INK, SECOND, WIDTH, percent_axis
from alliance_bayes.report.text import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CONTOURS_SIZE", "Contour", "Contours", "Point"]

#: Inches.
CONTOURS_SIZE = (WIDTH, 4.2)
_STYLES = (("-", ACCENT), ("--", SECOND), (":", GREY))
_POINTS = 121
# Share of the figure's height between two names.
_ROOM = 0.075


@dataclass(frozen=True)
class Contour:
    """Where a bias brings the estimate to one value.

    Parameters
    ----------
    name
        What the estimate is there.
    f
        The bias, as a partial f: see :func:`alliance_bayes.effects.strength.bias_share`.
    """

    name: str
    f: float

    def outcome(self, predictor: np.ndarray) -> np.ndarray:
        """Share of the outcome that is needed with each share of the predictor."""
        return outcome_share_needed(predictor, self.f)


@dataclass(frozen=True)
class Point:
    """A cause as strong as a covariate: what it is called, empty for no name, and what it explains."""

    name: str
    predictor: float
    outcome: float


@dataclass(frozen=True)
class Contours:
    """A painter of lines of one estimate each, and of causes as strong as measured covariates.

    Parameters
    ----------
    lines
        That of an estimate of zero first.
    points
        Causes to compare with, the most important first.
    x, y
        What the axes measure.
    """

    lines: Sequence[Contour]
    points: Sequence[Point]
    x: str
    y: str

    @property
    def ends(self) -> tuple[float, float]:
        """Largest share on either axis: all points are within, and the middle of the line of zero."""
        f2 = self.lines[0].f ** 2
        middle = 2 * f2 / (np.sqrt(f2**2 + 4 * f2) + f2) if f2 else 0.0
        across = max([1.7 * middle, 0.02, *(1.35 * point.predictor for point in self.points)])
        up = max([1.7 * middle, 0.02, *(1.2 * point.outcome for point in self.points)])
        return min(1.0, across), min(1.0, up)

    def grid(self, count: int) -> np.ndarray:
        """Shares of the predictor, evenly spaced from the first above 0."""
        return np.linspace(0, self.ends[0], count + 1)[1:]

    def __call__(self, figure: Figure) -> None:
        """Draw onto an empty figure."""
        axes = figure.subplots()
        self.draw(axes)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=1)

    def draw(self, axes: Axes) -> None:
        """Draw onto axes."""
        across, up = self.ends
        for line, (style, colour) in zip(self.lines, _STYLES, strict=False):
            # Beyond the upper end there is nothing to see.
            first = line.f**2 / (line.f**2 + up) if line.f else 0.0
            if first >= across or not line.f:
                continue
            x = np.linspace(first, across, _POINTS)
            axes.plot(x, np.minimum(line.outcome(x), up), style, color=colour, label=line.name)
        if self.points:
            axes.plot(
                [point.predictor for point in self.points],
                [point.outcome for point in self.points],
                "o",
                color=INK,
                markerfacecolor="none",
                markersize=6,
                label="as strong as a measured covariate",
            )
        taken: list[float] = []
        for point in self.points:
            height = min(max(point.outcome, _ROOM / 2 * up), (1 - _ROOM / 2) * up)
            # A name over another would tell neither; all of them are in the table.
            if point.name and all(abs(height - other) >= _ROOM * up for other in taken):
                taken.append(height)
                place = (point.predictor + 0.03 * across, height)
                # Lines do not run through a name.
                behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
                axes.annotate(
                    shortened(point.name, 24),
                    (point.predictor, point.outcome),
                    place,
                    va="center",
                    fontsize=10,
                    bbox=behind,
                )
        axes.set(xlim=(-0.015 * across, across), ylim=(-0.015 * up, up), xlabel=self.x, ylabel=self.y)
        for axis in (axes.xaxis, axes.yaxis):
            percent_axis(axis)
