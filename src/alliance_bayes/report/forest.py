"""Estimates with their intervals, one below the other, readable from one line to two hundred."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alliance_bayes.report.style import ACCENT, BAND, GREY, INK, LIGHT, SECOND
from alliance_bayes.report.text import count, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "NAMED_ENDS",
    "Interval",
    "all_named",
    "column_ends",
    "forest",
    "forest_size",
]

#: Lines up to which there is one column, and up to which every line has its name.
ONE_COLUMN, ALL_NAMED = 24, 60
#: Lines that are named at either end where not all are.
NAMED_ENDS = 6
#: Rows' worth of height that the unnamed lines between the ends share.
MIDDLE = 14
# Inches of a row, of what is around the rows, and of the whole width with one column and with two.
_ROW, _AROUND, _WIDTHS = 0.225, 0.95, (4.7, 6.4)
_DASHES = (0, (4, 3))


@dataclass(frozen=True)
class Interval:
    """One line of a forest plot: label, estimate, and ends of its interval."""

    label: str
    mean: float
    lower: float
    upper: float


# Characters of a name, from which on the axis is too narrow for its own label.
_SHORT_NAMES = 16


def all_named(lines: int) -> bool:
    """Whether a forest plot of so many lines names all of them."""
    return lines <= ALL_NAMED


def column_ends(lines: int) -> list[tuple[int, int]]:
    """First line and the one after the last of every column."""
    if lines <= ONE_COLUMN or not all_named(lines):
        return [(0, lines)]
    half = -(-lines // 2)
    return [(0, half), (half, lines)]


def row_places(lines: int) -> np.ndarray:
    """Heights of the lines of one column, shape (lines,), in rows, the first on top.

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
    columns = column_ends(lines)
    rows = float(np.ptp(row_places(columns[0][1]))) + 1 if lines else 1.0
    return _WIDTHS[len(columns) - 1], max(1.5, _AROUND + _ROW * rows)


def forest(
    lines: Sequence[Interval],
    *,
    label: str,
    reference: float | None,
    rope: tuple[float, float] | None = None,
    relevant: float | None = None,
    width: int = 28,
) -> Callable[[Figure], None]:
    """Estimates with their intervals: in one column, in two, or with names at the ends only.

    Parameters
    ----------
    lines
        From top to bottom.
    label
        Of the horizontal axis, with unit and interval.
    reference
        Where a vertical line is drawn (0 for differences); None for none.
    rope
        Ends of a shaded region of practical equivalence.
    relevant
        Smallest relevant difference in either direction, marked by lines where one is given.
    width
        Characters up to which a name is shown in one column.
    """

    def paint(figure: Figure) -> None:
        ends = column_ends(len(lines))
        grid = figure.subplots(1, len(ends), sharex=True, squeeze=False)[0]
        rows = ends[0][1]
        for axes, (first, after) in zip(grid, ends, strict=True):
            if rope is not None:
                axes.axvspan(*rope, color=LIGHT, alpha=0.6, linewidth=0)
            if relevant is not None:
                for side in (-relevant, relevant):
                    axes.axvline(side, color=SECOND, linewidth=1.2, linestyle=(0, (1, 1.5)))
            if reference is not None:
                axes.axvline(reference, color=GREY, linewidth=0.9, linestyle=_DASHES)
            # A shorter last column starts at the top too.
            _column(axes, lines[first:after], rows - (after - first), width=width if len(ends) == 1 else 15)
            axes.set_ylim(-0.7, float(row_places(rows)[0]) + 0.7 if rows else 0.7)
        # Below the axis, as long as long names leave the axis enough room for it.
        if len(ends) == 1 and max((len(line.label) for line in lines), default=0) <= _SHORT_NAMES:
            grid[0].set_xlabel(label)
        else:
            figure.supxlabel(label, fontsize=10, color=INK)

    return paint


def _column(axes: Axes, lines: Sequence[Interval], shift: int, *, width: int) -> None:
    y = row_places(len(lines)) + shift
    named = np.ones(len(lines), dtype=bool)
    if not all_named(len(lines)):
        named[NAMED_ENDS:-NAMED_ENDS] = False
    ends = np.array([(line.lower, line.upper) for line in lines]).reshape(-1, 2)
    means = np.array([line.mean for line in lines])
    for which, thick, dot, colour in ((named, 1.8, 4.5, ACCENT), (~named, 0.8, 1.8, BAND)):
        if which.any():
            axes.hlines(y[which], ends[which, 0], ends[which, 1], color=colour, linewidth=thick)
            axes.plot(means[which], y[which], "o", color=ACCENT, markersize=dot)
    places = [float(place) for place in y[named]]
    labels = [shortened(line.label, width) for line, own in zip(lines, named, strict=True) if own]
    if not named.all():
        places.insert(NAMED_ENDS, float(y[~named].mean()))
        labels.insert(NAMED_ENDS, f"{count(int((~named).sum()))} between")
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", left=False)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.locator_params(axis="x", nbins=6)
