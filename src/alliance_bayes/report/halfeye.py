"""A half-eye: a posterior's density, its interval below, what is negligible shaded, and what is relevant marked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.report.figure_data import written
from alliance_bayes.report.figures import density_curve
from alliance_bayes.report.style import ACCENT, BAND, GREY, INK, LIGHT, SECOND
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, exact, is_probability, percent
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alliance_bayes.report.estimates import Estimates

__all__ = ["HALFEYE_SIZE", "HalfEye", "half_eye_of", "halfeye"]

#: Inches: 420 by 300 pixels of a page.
HALFEYE_SIZE = (4.375, 3.125)
SENTENCES = Wording("alliance_bayes.report", "sentences/halfeye.toml")
# Points of the density: the page's widest is 5 pixels of each.
_POINTS = 81
# How many times as far as all else the relevant change may be, and still be on the axis.
_FAR = 6.0
# Heights, where the density's top is 1: of the interval, of its text, and of the labels above.
_INTERVAL, _PRINTED, _LABELS, _TOP = -0.14, -0.37, 1.1, 1.55
# Ends of upright lines, which cross no text.
_LINES = (-0.24, 1.05)
_FONT = 12
# Letters of a line of the axis's label.
_LINE = 36
# Inches that a letter and the axes' frame take, to see whether two labels meet.
_LETTER, _FRAME = 0.105, 0.3
# Shares of the posterior whose ends are the figure's data.
_SHARES = (0.005, 0.025, 0.055, 0.25, 0.5, 0.75, 0.945, 0.975, 0.995)


@dataclass(frozen=True)
class HalfEye:
    """A painter of one quantity.

    Parameters
    ----------
    draws
        Shape (n_draws,).
    mean, lower, upper
        Of the point and the interval.
    label
        Of the horizontal axis, with the unit.
    printed
        Point and interval as the page prints them, below both.
    rope
        Ends of what is negligible.
    relevant
        Smallest relevant change, marked on the side of the mean, and on the other where the axis reaches so far.
    """

    draws: np.ndarray
    mean: float
    lower: float
    upper: float
    label: str
    printed: str = ""
    rope: tuple[float, float] | None = None
    relevant: float | None = None

    def __call__(self, figure: Figure) -> None:
        """Draw onto an empty figure."""
        self.draw(figure.subplots())

    def draw(self, axes: Axes) -> None:
        """Draw onto axes."""
        x, density = density_curve(self.draws, points=_POINTS)
        low, high, marks, beyond = self._reach(x)
        if self.rope is not None:
            axes.axvspan(*self.rope, color=LIGHT, linewidth=0, label="_zone")
        axes.vlines(0, *_LINES, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), label="_zero")
        if density.size:
            top = density / density.max()
            axes.fill_between(x, top, color=BAND, linewidth=0, label="_density")
            axes.plot(x, top, color=ACCENT, label="_density")
        axes.plot([self.lower, self.upper], [_INTERVAL] * 2, color=INK, linewidth=3, solid_capstyle="butt")
        axes.plot([self.mean], [_INTERVAL], "o", color=INK, markersize=7)
        for place in marks:
            axes.vlines(place, *_LINES, color=SECOND, linewidth=1.6, linestyle=(0, (1, 1.5)), label="_relevant")
        axes.set_xlim(low, high)
        axes.set_ylim(-0.55, _TOP)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="x", labelsize=_FONT)
        axes.locator_params(axis="x", nbins=7)
        axes.set_xlabel("\n".join(wrap(self.label, _LINE)) or " ", fontsize=_FONT)
        self._write(axes, low, high, marks, beyond)

    def _reach(self, x: np.ndarray) -> tuple[float, float, list[float], float]:
        """Ends of the axis, where the relevant change is marked, and the side on which it is beyond the axis."""
        ends = [0.0, self.lower, self.upper, *(self.rope or ()), *((x[0], x[-1]) if x.size else ())]
        low, high = float(min(ends)), float(max(ends))
        marks, beyond = [], 0.0
        if self.relevant is not None:
            side = 1.0 if self.mean >= 0 else -1.0
            if self.relevant <= _FAR * max(-low, high):
                marks = [side * self.relevant]
                low, high = min(low, *marks), max(high, *marks)
            else:
                beyond = side
            marks += [-side * self.relevant] if low <= -side * self.relevant <= high else []
        room = 0.04 * (high - low) or 1.0
        return low - room, high + room, marks, beyond

    def _write(self, axes: Axes, low: float, high: float, marks: list[float], beyond: float) -> None:
        """The labels on the figure itself, none over another or over the edge."""
        letter = _LETTER * (high - low) / max(axes.get_window_extent().width / axes.figure.dpi, _FRAME)
        labels = []
        if self.rope is not None:
            text = SENTENCES("negligible", low=exact(self.rope[0]), high=exact(self.rope[1]))
            labels.append(_Label.of(text, sum(self.rope) / 2, INK, letter, low, high))
        for mark in [*marks[:1], *([low if beyond < 0 else high] if beyond else [])]:
            text = SENTENCES("relevant", value=exact(float(self.relevant or 0)), beyond=beyond)
            labels.append(_Label.of(text, mark, SECOND, letter, low, high))
        if len(labels) == 2:
            left, right = sorted(labels, key=lambda label: label.wanted)
            labels = _apart(left, right, low, high)
        for label in labels:
            axes.text(
                label.place,
                _LABELS,
                label.text,
                color=label.colour,
                ha="center",
                va="bottom",
                fontsize=_FONT,
                linespacing=1.1,
            )
        if self.printed:
            place = _Label.of(self.printed, self.mean, INK, letter, low, high).place
            axes.text(
                place, _PRINTED, self.printed, color=INK, ha="center", va="center", fontsize=_FONT, fontweight="bold"
            )


@dataclass(frozen=True)
class _Label:
    """A text above what it names, as far as the edges let it be."""

    text: str
    wanted: float
    place: float
    half: float
    colour: str

    @classmethod
    def of(cls, text: str, wanted: float, colour: str, letter: float, low: float, high: float) -> _Label:
        """One of which a letter takes so much of the axis."""
        lines = text.replace(": ", ":\n")
        half = letter * max(map(len, lines.split("\n"))) / 2
        place = min(max(wanted, low + half), high - half) if 2 * half < high - low else (low + high) / 2
        return cls(lines, wanted, place, half, colour)


def _apart(left: _Label, right: _Label, low: float, high: float) -> list[_Label]:
    """Two labels that do not meet: the right one gives way, and the left one where the edge stops that."""
    if left.place + left.half <= right.place - right.half:
        return [left, right]
    place = min(left.place + left.half + right.half, high - right.half)
    return [replace(left, place=max(place - right.half - left.half, low + left.half)), replace(right, place=place)]


def half_eye_of(
    estimates: Estimates,
    row: pd.Series,
    *,
    axis: str,
) -> HalfEye | None:
    """A row of an effects table as a painter; as for :func:`halfeye`."""
    draws = estimates.table.draws
    if row.name not in draws:
        return None
    values = np.asarray(draws[str(row.name)], float).ravel()
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    margin = tuple(float(row[column]) for column in ("rope_low", "rope_high"))
    scale = 100.0 if is_probability(str(row["unit"])) else 1.0
    rope = None if np.isnan(margin).any() else (margin[0], margin[1])
    relevant = float(row["relevant"]) if pd.notna(row["relevant"]) else None
    return HalfEye(
        scale * values,
        mean=scale * float(row["mean"]),
        lower=scale * float(row["lower"]),
        upper=scale * float(row["upper"]),
        label=axis,
        printed=estimates.printed(row),
        rope=None if rope is None else (scale * rope[0], scale * rope[1]),
        relevant=None if relevant is None else scale * relevant,
    )


def halfeye(
    name: str,
    title: str,
    estimates: Estimates,
    row: pd.Series,
    *,
    axis: str,
    shown: Callable[[str], str] = str,
) -> Picture | None:
    """A row of an effects table as a half-eye; None where its draws are not at hand.

    Parameters
    ----------
    name, title
        Id and heading of the figure.
    estimates
        Knows how the numbers are printed.
    row
        One of its rows.
    axis
        What the horizontal axis measures, with its unit.
    shown
        What is done to every text in the drawing.
    """
    painter = half_eye_of(estimates, row, axis=axis)
    if painter is None:
        return None
    values, rope, relevant = painter.draws, painter.rope, painter.relevant
    mean, interval = estimates.figures(row)
    ends = interval.strip("()")
    words = {
        "axis": axis,
        "mean": mean,
        "ends": ends,
        "heading": estimates.interval_heading(),
        "direction": estimates.direction(row),
        "inside": estimates.share(row, "p_rope") if rope and pd.notna(row["p_rope"]) else "",
        "low": exact(rope[0]) if rope else "",
        "high": exact(rope[1]) if rope else "",
        "relevant": exact(relevant) if relevant else "",
        "beyond": estimates.share(row, "p_relevant") if relevant and pd.notna(row["p_relevant"]) else "",
    }
    quantiles = zip(_SHARES, np.quantile(values, _SHARES), strict=True)
    data = Table.of(
        f"{name}-data",
        f"{title}; {clean(axis)}",
        ("Share of the posterior below", "Value"),
        [(percent(share, 1), written(value)) for share, value in quantiles],
        note=SENTENCES("data_note", **words),
    )
    return Picture.drawn(
        painter,
        name=name,
        title=title,
        caption=SENTENCES("caption", **words),
        description=SENTENCES("description", **words),
        size=HALFEYE_SIZE,
        data=data,
        shown=shown,
    )
