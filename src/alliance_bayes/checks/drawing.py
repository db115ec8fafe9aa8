"""What all figures of the checks share: colours, axes and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alliance_bayes.model import Design

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BAND",
    "CHAINS",
    "EXPECTED",
    "GREY",
    "OBSERVED",
    "TEXT",
    "WIDTH",
    "axes_of",
    "called",
    "called_and",
    "label_of",
    "legend",
    "short",
    "slug",
]

# Okabe and Ito's palette: told apart with every kind of colour vision, and by lightness in print. The light ones are
# darkened here, so that every line has a contrast of 3:1 on white.
OBSERVED = "#D55E00"
EXPECTED = "#0072B2"
BAND = "#9ECAE1"
GREY = "#595959"
CHAINS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B87A00", "#3A96CF", "#000000", "#8A7F00")
TEXT = 9.5
#: Inches of a figure whose smallest text has 10 pixels when a phone of 360 pixels shows the whole of it.
WIDTH = 4.3


def axes_of(figure: Figure, rows: int = 1, columns: int = 1, *, share_x: bool = False) -> list[Axes]:
    """Axes in reading order, without the frame's upper and right sides, in text of a size legible at 640 pixels."""
    figure.set_layout_engine("constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share_x)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=TEXT)
        # Bars are no exception to the margin around everything drawn.
        axes.use_sticky_edges = False
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_fontsize(TEXT)
    return list(grid.flat)


def legend(figure: Figure, axes: Axes, columns: int = 3) -> None:
    """Name what is drawn, above the axes, where it covers nothing, in as many columns as have room."""
    handles, labels = axes.get_legend_handles_labels()
    # Inches of the longest entry with its handle, in letters of the text's size.
    longest = 0.6 + 0.075 * max(map(len, labels), default=0)
    columns = max(1, min(columns, int(float(figure.get_size_inches()[0]) / longest)))
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, fontsize=TEXT, frameon=False)


def label_of(design: Design, column: str, *, prefix: str = "") -> str:
    """A column with its unit, as axes are labelled: "alliance (alliance points)"."""
    scale = design.scales.get(column)
    if scale is None or scale.unit == "unit":
        return prefix + column
    return f"{prefix}{column} ({scale.unit}s)"


def called(design: Design) -> str:
    """What values of the outcome are called."""
    return "observed or imputed" if design.outcome.drawn else "observed"


def called_and(design: Design) -> str:
    """The same before another kind of values."""
    return f"{called(design)}{',' if design.outcome.drawn else ''} and"


def short(text: str, most: int = 28) -> str:
    """A label cut to a length that leaves room for the figure."""
    return text if len(text) <= most else text[: most - 1] + "…"


def slug(text: str) -> str:
    """A label as a part of a figure's name."""
    return "".join(character if character.isalnum() else "-" for character in text).strip("-").lower()
