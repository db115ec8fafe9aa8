"""Colours and matplotlib settings shared by every figure of a report."""

from __future__ import annotations

from typing import Any

__all__ = ["ACCENT", "BAND", "GREY", "INK", "LIGHT", "RC", "SECOND"]

# Blue and vermilion of Okabe and Ito (2008), darkened until thin lines and text reach a contrast of 4.5:1 on white.
# They stay apart for every common colour vision, and wherever they meet a line style or a marker differs too.
ACCENT = "#0b5394"
SECOND = "#b3470b"
BAND = "#a9c7e6"
INK = "#1c2733"
GREY = "#5a6672"
LIGHT = "#d5dbe1"

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
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    "axes.prop_cycle": f"cycler('color', ['{ACCENT}', '{SECOND}', '#00624a', '#7a4b8a', '#8a6d00', '{GREY}'])",
}
