"""A forest plot for a phone: a line's name and numbers stand above it, so that it has the whole width."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from alliance_bayes.report.style import GREY, INK, percent_axis
from alliance_bayes.report.text import clean, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alliance_bayes.report.forest import Forest, Interval

__all__ = ["NarrowForest"]

# Letters of a line of text.
_LETTERS = 56
# Inches of the width, of a line of text, and of what is around all of them.
_WIDTH, _LINE, _AROUND = 4.2, 0.17, 0.9
# Lines of text that a bar takes with the room around it, and that a bar without a name takes.
_BAR, _UNNAMED = 1.2, 0.3


@dataclass(frozen=True)
class NarrowForest:
    """A painter of what a wide forest plot shows, as wide as a phone.

    Parameters
    ----------
    forest
        The wide one.
    """

    forest: Forest

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return _WIDTH, _AROUND + _LINE * self._layout()[2]

    def __call__(self, figure: Figure) -> None:
        """Draw onto an empty figure."""
        axes, forest = figure.subplots(), self.forest
        bars, texts, height = self._layout()
        forest.margins(axes, _clear([place for place, _, _ in texts], height))
        forest.marks(axes, bars)
        for place, text, side in texts:
            _write(axes, place, text, side)
        heading = f"({forest.people.lower()})" if any(line.people for line in forest.lines) else ""
        for text, side in ((heading, "left"), (forest.printed if self._printed else "", "right")):
            if text:
                _write(axes, height, text, side, colour=GREY)
        axes.set_ylim(0, height)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel("\n".join(wrap(forest.label, _LETTERS)))
        if forest.shares:
            percent_axis(axes.xaxis, "" if forest.points else "%")

    @property
    def _printed(self) -> bool:
        return any(line.printed for line in self.forest.lines)

    def _layout(self) -> tuple[np.ndarray, list[tuple[float, str, str]], float]:
        """Heights of the bars, texts with theirs and their side, and the whole height, in lines of text from below."""
        named = self.forest.named
        down, bars, texts = 0.5, [], []
        for place, line in enumerate(self.forest.lines):
            if named[place]:
                words = self._words(line)
                texts += [(down + row + 0.5, text, "left") for row, text in enumerate(words)]
                if line.printed:
                    texts.append((down + len(words) - 0.5, line.printed, "right"))
                down += len(words)
                bars.append(down + 0.45)
                down += _BAR
            else:
                if named[place - 1]:
                    texts.append((down + 0.5, f"{count(int((~named).sum()))} between", "left"))
                    down += 1.3
                bars.append(down)
                # The next name is clear of the last of these.
                down += 0.6 if named[place + 1] else _UNNAMED
        return down - np.array(bars), [(down - place, text, side) for place, text, side in texts], down

    def _words(self, line: Interval) -> list[str]:
        """A line's name and people in as many lines of text as they need beside its numbers."""
        name = clean(line.label) + (f" ({line.people})" if line.people else "")
        words = wrap(name, _LETTERS) or [""]
        # An empty last line is one for the numbers alone.
        return words if len(words[-1]) + len(line.printed) + 2 <= _LETTERS else [*words, ""]


def _clear(texts: Sequence[float], height: float) -> list[tuple[float, float]]:
    """Where no line of text is, from below: an upright line through a name or a number strikes it out."""
    rows = [-0.5, *sorted({*texts, height})]
    ends = [(below + 0.5, above - 0.5) for below, above in pairwise(rows)]
    return [(lower, upper) for lower, upper in ends if upper - lower > 1e-9]


def _write(axes: Axes, place: float, text: str, side: str, *, colour: str = INK) -> None:
    axes.annotate(
        text,
        (float(side == "right"), place),
        xycoords=axes.get_yaxis_transform(),
        ha=side,
        va="center_baseline",
        fontsize=9.5,
        color=colour,
    )
