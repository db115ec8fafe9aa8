"""The causes that the declared roles of covariates assume, as a drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from alliance_bayes.report.style import ACCENT, BAND, GREY, INK, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CAUSES_SIZE", "Causes"]

#: Inches.
CAUSES_SIZE = (WIDTH, 3.6)
# Letters of a line of a box, and places of boxes in inches: middle across, middle up.
_LINE, _WIDE = 24, 1.85
_PLACES = {
    "confounder": (1.02, 3.0),
    "unmeasured": (3.32, 3.0),
    "focal": (0.98, 1.75),
    "outcome": (3.32, 1.75),
    "post": (1.2, 0.5),
    "precision": (3.32, 0.5),
}
_ARROWS = (
    ("focal", "outcome", "-"),
    ("confounder", "focal", "-"),
    ("confounder", "outcome", "-"),
    ("precision", "outcome", "-"),
    ("focal", "post", "-"),
    ("post", "outcome", "-"),
    ("unmeasured", "focal", "--"),
    ("unmeasured", "outcome", "--"),
)
_MOST = 4


@dataclass(frozen=True)
class Causes:
    """A painter of boxes and arrows.

    Parameters
    ----------
    boxes
        Heading and names by kind: "focal", "outcome", "confounder", "precision", "post" and "unmeasured"; those that
        are empty are not drawn.
    """

    boxes: Mapping[str, tuple[str, Sequence[str]]]

    def lines(self, kind: str) -> list[str]:
        """What a box says, line by line."""
        heading, names = self.boxes[kind]
        listed = [*names[:_MOST], *([f"and {len(names) - _MOST} more"] if len(names) > _MOST else [])]
        return [*wrap(heading, _LINE), *(line for name in listed for line in wrap(name, _LINE))]

    def __call__(self, figure: Figure) -> None:
        """Draw onto an empty figure."""
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, CAUSES_SIZE[0])
        axes.set_ylim(0, CAUSES_SIZE[1])
        axes.set_axis_off()
        self.draw(axes)

    def draw(self, axes: Axes) -> None:
        """Draw onto axes of that size."""
        from matplotlib.patches import FancyBboxPatch

        boxes = {}
        for kind in self.boxes:
            lines, (x, y) = self.lines(kind), _PLACES[kind]
            tall = 0.17 * len(lines) + 0.14
            main = kind in ("focal", "outcome")
            edge, dashed = (ACCENT, "-") if main else (GREY, "--" if kind == "unmeasured" else "-")
            boxes[kind] = FancyBboxPatch(
                (x - _WIDE / 2, y - tall / 2),
                _WIDE,
                tall,
                boxstyle="round,pad=0,rounding_size=0.06",
                edgecolor=edge,
                facecolor=BAND if kind == "outcome" else "white",
                linestyle=dashed,
                zorder=3,
            )
            axes.add_patch(boxes[kind])
            heads = len(wrap(self.boxes[kind][0], _LINE))
            for place, line in enumerate(lines):
                axes.text(
                    x,
                    y + tall / 2 - 0.07 - 0.17 * (place + 0.5),
                    line,
                    ha="center",
                    va="center",
                    fontsize=9.5,
                    fontweight="bold" if place < heads else "normal",
                    color=INK,
                    zorder=4,
                )
        for start, end, style in _ARROWS:
            if start in boxes and end in boxes:
                axes.annotate(
                    "",
                    _PLACES[end],
                    _PLACES[start],
                    arrowprops={
                        "arrowstyle": "-|>",
                        "color": GREY,
                        "linestyle": style,
                        "linewidth": 1.0,
                        "patchA": boxes[start],
                        "patchB": boxes[end],
                        "shrinkA": 2,
                        "shrinkB": 2,
                    },
                )
