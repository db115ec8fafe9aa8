"""Colours and matplotlib settings shared by every figure of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_bayes.checks import drawing
from alliance_bayes.checks.drawing import WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "BAND",
    "DARK",
    "GREY",
    "INK",
    "LIGHT",
    "RC",
    "SECOND",
    "THIN",
    "WIDE",
    "WIDTH",
    "dark_rules",
    "legend",
    "percent_axis",
]

#: Inches of a figure that has the width of the page.
WIDE = 7.4

# Blue and vermilion of Okabe and Ito (2008), darkened until thin lines and text reach a contrast of 4.5:1 on white.
# They stay apart for every common colour vision, and wherever they meet a line style or a marker differs too.
ACCENT = "#0b5394"
SECOND = "#b3470b"
BAND = "#a9c7e6"
# Thin lines without a name: lighter than the others, and seen on the page and on a shaded zone alike.
THIN = "#4f82bb"
INK = "#1c2733"
GREY = "#5a6672"
LIGHT = "#d5dbe1"
MORE = ("#00624a", "#7a4b8a", "#8a6d00")

#: What a dark screen shows instead of a colour that figures are drawn in, here and by the checks.
DARK = {
    ACCENT: "#7db8f0",
    SECOND: "#f0935a",
    BAND: "#33597f",
    THIN: "#5488bd",
    INK: "#e6ebf0",
    GREY: "#a3aeb9",
    LIGHT: "#3a4654",
    MORE[0]: "#5fc9a8",
    MORE[1]: "#c79ad6",
    MORE[2]: "#d9b94a",
    "#ffffff": "#12181f",
    drawing.OBSERVED: "#f5853f",
    drawing.EXPECTED: "#6bb3ea",
    drawing.BAND: "#2f5b78",
    drawing.GREY: "#a3abb3",
    **dict(
        zip(
            drawing.CHAINS[2:],
            ("#3fcf9f", "#e3a3c6", "#f0b840", "#8fd0f5", "#ffffff", "#f0e442"),
            strict=True,
        )
    ),
}

RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "alliance_bayes",
    "text.parse_math": False,
    "text.usetex": False,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    # Measured in a wide font and shown in the reader's: what fits here fits there.
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": False,
    "grid.color": LIGHT,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "patch.linewidth": 0.8,
    # The page shows through: it may be dark, and a box that scrolls has its shadows behind the picture.
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.prop_cycle": f"cycler('color', {[ACCENT, SECOND, *MORE, GREY]})",
}


def dark_rules() -> str:
    """Style that gives every figure its dark colours on a dark screen; on paper, and elsewhere, they stay as drawn."""
    # Without a class before them: an ancestor is not seen from the copy of a marker that `use` makes.
    rules = (
        f'[{part}="{colour.lower()}"] {{ {part}: {dark}; }}'
        for colour, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    return "\n".join(("@media screen and (prefers-color-scheme: dark) {", *rules, "}", ""))


def percent_axis(axis: Axis, sign: str = "%") -> None:
    """Number an axis of shares in per cent, or without the sign in percentage points."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{round(100 * value, 6):g}{sign}".replace("-", "\N{MINUS SIGN}"))
    )


def legend(figure: Figure, axes: Axes) -> None:
    """Name what is drawn, above all axes: in two columns, long names in one of them, where these are no wider."""
    handles, labels = axes.get_legend_handles_labels()
    by_length = sorted(range(len(labels)), key=lambda place: -len(labels[place]))
    most = float(figure.get_size_inches()[0]) * figure.dpi
    for order, columns in ((range(len(labels)), 2), (by_length, 2), (range(len(labels)), 1)):
        drawn = figure.legend(
            [handles[k] for k in order], [labels[k] for k in order], loc="outside upper left", ncols=columns
        )
        if columns == 1 or drawn.get_window_extent().width <= most:
            return
        drawn.remove()
