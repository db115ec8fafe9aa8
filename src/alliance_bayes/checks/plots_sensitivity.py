"""Figure of a slope beside those of refits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from alliance_bayes.checks.drawing import EXPECTED, GREY, OBSERVED, TEXT, axes_of, label_of, short
from alliance_bayes.checks.refits import PROB, Refit, called
from alliance_bayes.checks.results import Plot
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.fit import FittedModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["slopes_side_by_side"]


def slopes_side_by_side(fit: FittedModel, name: str, when: str, own: Estimate, refits: Sequence[Refit]) -> Plot:
    """Mean and interval of the slope as fitted and of every refit.

    Parameters
    ----------
    fit
        For labels.
    name, when
        Name of the figure, and what the refits have in common, for its title.
    own
        The slope as fitted, or what stands in its place.
    refits
        Those to compare; what could not be fitted is not drawn.
    """
    what = called(own)
    lines = [("as fitted", own.draws()), *((made.label, made.draws) for made in refits if made.draws.size)]
    figures = [(label, draws.mean(), *np.quantile(draws, [(1 - PROB) / 2, (1 + PROB) / 2])) for label, draws in lines]

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        for place, (_, mean, low, high) in enumerate(figures):
            color = OBSERVED if place == 0 else EXPECTED
            axes.plot([low, high], [place, place], color=color, linewidth=2, solid_capstyle="butt")
            axes.plot([mean], [place], "o", color=color, markersize=6)
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_yticks(range(len(figures)), [short(label, 34) for label, *_ in figures], fontsize=TEXT)
        axes.set_ylim(len(figures) - 0.5, -0.5)
        focal = fit.spec.focal_predictor(fit.design)
        axes.set_xlabel(
            f"{what.capitalize()} of {label_of(fit.design, fit.design.outcome.name)}\non {focal}, "
            f"{PROB:.0%} equal-tailed interval"
        )

    means = [mean for _, mean, *_ in figures]
    return Plot(
        name,
        f"{what.capitalize()} {when}",
        f"Mean and {PROB:.0%} interval of the {what} as fitted ({means[0]:.2f}) and of {len(figures) - 1} refits, "
        f"whose means go from {min(means[1:], default=means[0]):.2f} to {max(means[1:], default=means[0]):.2f}.",
        draw,
        (6.4, 1.3 + 0.27 * len(figures)),
    )
