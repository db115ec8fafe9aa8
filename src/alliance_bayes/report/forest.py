"""Estimates with their intervals, one below the other, with their numbers beside them: from one line to two hundred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.effects.table import steady
from alliance_bayes.report.narrow_forest import NarrowForest
from alliance_bayes.report.style import ACCENT, GREY, INK, LIGHT, SECOND, THIN, WIDE, WIDTH, percent_axis
from alliance_bayes.report.text import count, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "IN_ORDER",
    "NAMED_ENDS",
    "ONE_COLUMN",
    "Forest",
    "Interval",
    "all_named",
    "column_ends",
    "downwards",
    "forest_size",
    "plain_size",
]

#: Levels up to which groups stand in the order that the data give them, in every table and figure alike.
IN_ORDER = 6
#: Lines up to which a figure of two marks a line has one column, and up to which every line of a forest has its name.
ONE_COLUMN, ALL_NAMED = 24, 34
#: Lines that are named at either end where not all are.
NAMED_ENDS = 6
#: Rows' worth of height that the unnamed lines between the ends share.
MIDDLE = 14
# Inches of a row, and of what is around the rows.
_ROW, _AROUND = 0.245, 1.05
_DASHES, _DOTS = (0, (4, 3)), (0, (1, 1.5))
# Points between the axes and the numbers beside them, and of a letter in the measuring font.
_GAP, _LETTER = 8, 6.1


@dataclass(frozen=True)
class Interval:
    """One line of a forest plot: label, estimate, and ends of its interval.

    Parameters
    ----------
    label
        What it is about.
    mean, lower, upper
        Of the mark.
    people
        How many it is of, as a page may show it; empty for no number.
    printed
        Estimate and interval as the page prints them; empty for none.
    """

    label: str
    mean: float
    lower: float
    upper: float
    people: str = ""
    printed: str = ""


def downwards(means: pd.Series, levels: int) -> np.ndarray:
    """Places of rows about so many levels as all figures have them: few as they stand, many from the greatest mean."""
    if levels <= IN_ORDER:
        return np.arange(len(means))
    return np.argsort(-steady(means).to_numpy(), kind="stable")


def all_named(lines: int) -> bool:
    """Whether a forest plot of so many lines names all of them."""
    return lines <= ALL_NAMED


def column_ends(lines: int, *, one_column: bool = False) -> list[tuple[int, int]]:
    """First line and the one after the last of every column, of a figure whose lines are all named."""
    if one_column or lines <= ONE_COLUMN:
        return [(0, lines)]
    half = -(-lines // 2)
    return [(0, half), (half, lines)]


def row_places(lines: int) -> np.ndarray:
    """Heights of the lines, shape (lines,), in rows, the first on top.

    Where not all lines are named, those in the middle stand closer, so that the names at the ends have room.
    """
    if all_named(lines):
        return np.arange(lines, dtype=float)[::-1]
    inner = lines - 2 * NAMED_ENDS
    middle = NAMED_ENDS + np.linspace(0, MIDDLE, inner)
    down = np.concatenate([np.arange(NAMED_ENDS), middle, NAMED_ENDS + MIDDLE + 1 + np.arange(NAMED_ENDS)])
    return np.asarray(down[-1] - down)


def forest_size(lines: int) -> tuple[float, float]:
    """Inches that a forest plot of so many lines needs."""
    rows = float(np.ptp(row_places(lines))) + 1 if lines else 1.0
    return WIDE, max(1.5, _AROUND + _ROW * rows)


def plain_size(lines: int, *, one_column: bool = False) -> tuple[float, float]:
    """Inches of a figure without numbers beside its lines, in one column or in two."""
    columns = column_ends(lines, one_column=one_column)
    return WIDTH if len(columns) == 1 else WIDE, max(1.5, _AROUND + 0.225 * (columns[0][1] or 1))


@dataclass(frozen=True)
class Forest:
    """A painter of estimates with their intervals; of many lines it names those at either end.

    Parameters
    ----------
    lines
        From top to bottom.
    label
        Of the horizontal axis, with unit and interval.
    reference
        Where a dashed line is drawn (0 for differences); None for none.
    overall
        The estimate of everybody, where a dotted line is drawn.
    rope
        Ends of a shaded region of practical equivalence.
    relevant
        Smallest relevant difference in either direction, marked by lines where one is given.
    width
        Characters up to which a name is shown.
    shares
        Whether the axis is in per cent.
    points
        Whether it is in percentage points, so that no number has the sign.
    people, printed
        Headings of the numbers beside the lines.
    """

    lines: Sequence[Interval]
    label: str
    reference: float | None
    overall: float | None = None
    rope: tuple[float, float] | None = None
    relevant: float | None = None
    width: int = 34
    shares: bool = False
    points: bool = False
    people: str = ""
    printed: str = ""

    def __call__(self, figure: Figure) -> None:
        """Draw onto an empty figure."""
        self.draw(figure.subplots())

    def draw(self, axes: Axes) -> None:
        """Draw onto axes."""
        y, named = row_places(len(self.lines)), self.named
        self.margins(axes)
        self.marks(axes, y)
        self._names(axes, y, named)
        self._numbers(axes, y, named)
        axes.set_ylim(-0.7, float(y[0]) + 0.7 if len(y) else 0.7)
        axes.tick_params(axis="y", left=False)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel(self.label)
        if self.shares:
            percent_axis(axes.xaxis, "" if self.points else "%")

    def narrow(self) -> tuple[NarrowForest, tuple[float, float]]:
        """The same for a phone, and its size in inches."""
        painter = NarrowForest(self)
        return painter, painter.size

    @property
    def named(self) -> np.ndarray:
        """Which lines have their names beside them, shape (lines,)."""
        named = np.ones(len(self.lines), dtype=bool)
        if not all_named(len(self.lines)):
            named[NAMED_ENDS:-NAMED_ENDS] = False
        return named

    def margins(self, axes: Axes, clear: Sequence[tuple[float, float]] | None = None) -> None:
        """Draw what the lines are held to: margins, zero, and the estimate of everybody; lines where it is clear."""
        if self.rope is not None:
            axes.axvspan(*self.rope, color=LIGHT, alpha=0.6, linewidth=0)
        upright = (
            [] if self.relevant is None else [(side, SECOND, 1.2, _DOTS) for side in (-self.relevant, self.relevant)]
        )
        if self.reference is not None:
            upright.append((self.reference, GREY, 0.9, _DASHES))
        if self.overall is not None:
            upright.append((self.overall, ACCENT, 1.2, _DOTS))
        for place, colour, width, style in upright:
            if clear is None:
                axes.axvline(place, color=colour, linewidth=width, linestyle=style)
            else:
                axes.vlines(
                    [place] * len(clear), *zip(*clear, strict=True), color=colour, linewidth=width, linestyle=style
                )

    def marks(self, axes: Axes, y: np.ndarray) -> None:
        """Draw points and intervals at heights, shape (lines,)."""
        named = self.named
        ends = np.array([(line.lower, line.upper) for line in self.lines]).reshape(-1, 2)
        means = np.array([line.mean for line in self.lines])
        for which, thick, dot, colour in ((named, 1.8, 4.5, ACCENT), (~named, 0.8, 1.8, THIN)):
            if which.any():
                axes.hlines(y[which], ends[which, 0], ends[which, 1], color=colour, linewidth=thick)
                axes.plot(means[which], y[which], "o", color=ACCENT, markersize=dot)

    def _names(self, axes: Axes, y: np.ndarray, named: np.ndarray) -> None:
        places = [float(place) for place in y[named]]
        labels = [shortened(line.label, self.width) for line, show in zip(self.lines, named, strict=True) if show]
        if not named.all():
            places.insert(NAMED_ENDS, float(y[~named].mean()))
            labels.insert(NAMED_ENDS, f"{count(int((~named).sum()))} between")
        axes.set_yticks(places, labels)

    def _numbers(self, axes: Axes, y: np.ndarray, named: np.ndarray) -> None:
        """People to the left of the lines, between them and the names, and estimates to the right."""
        beside = axes.get_yaxis_transform()

        def write(x: float, place: float, text: str, side: str, *, heading: bool = False) -> None:
            axes.annotate(
                text,
                (x, 1 if heading else place),
                xycoords="axes fraction" if heading else beside,
                xytext=(_GAP if x else -_GAP, 3 if heading else 0),
                textcoords="offset points",
                ha=side,
                va="bottom" if heading else "center_baseline",
                fontsize=9 if heading else 9.5,
                color=GREY if heading else INK,
            )

        shown = [(place, line) for place, line, show in zip(y, self.lines, named, strict=True) if show]
        if any(line.people for _, line in shown):
            widest = max(len(self.people) * 0.95, *(len(line.people) for _, line in shown))
            axes.tick_params(axis="y", pad=2 * _GAP + _LETTER * widest)
            write(0, 0, self.people, "right", heading=True)
            for place, line in shown:
                write(0, float(place), line.people, "right")
        if any(line.printed for _, line in shown):
            write(1, 0, self.printed, "left", heading=True)
            for place, line in shown:
                write(1, float(place), line.printed, "left")
