"""Figures of the convergence check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.bins import bin_counts
from alliance_bayes.checks.drawing import CHAINS, EXPECTED, GREY, OBSERVED, TEXT, axes_of, legend, short
from alliance_bayes.checks.results import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["effective_sizes", "rank_histograms"]

BINS = 20
# About how many markers a curve of thousands of values has.
MARKERS = 60


def effective_sizes(quantities: pd.DataFrame, limit: float) -> Plot:
    """Bulk and tail effective sample size of every quantity, in ascending order.

    Parameters
    ----------
    quantities
        Columns ``ess_bulk`` and ``ess_tail``.
    limit
        What they should exceed.
    """
    bulk, tail = (np.sort(quantities[name].dropna().to_numpy(float)) for name in ("ess_bulk", "ess_tail"))

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        for values, colour, marker, name in ((bulk, EXPECTED, "o", "bulk"), (tail, OBSERVED, "^", "tail")):
            # The values ascend: the line says where those without a marker are.
            axes.plot(
                np.arange(1, values.size + 1),
                values,
                f"{marker}-",
                color=colour,
                markersize=4,
                alpha=0.8,
                markevery=max(1, values.size // MARKERS),
                label=name,
            )
        axes.axhline(limit, color=GREY, linestyle="--", linewidth=1.2, label=f"limit {limit:g}")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("Quantities, from the smallest effective sample size")
        axes.set_ylabel("Effective sample size (draws)")
        legend(figure, axes)

    lowest = min((float(values[0]) for values in (bulk, tail) if values.size), default=float("nan"))
    return Plot(
        "convergence-ess",
        "Effective sample sizes",
        f"Bulk and tail effective sample sizes of {len(quantities):,} quantities in ascending order, with the limit "
        f"of {limit:g} as a dashed "
        f"line. The smallest is {lowest:,.0f}.",
        draw,
    )


def rank_histograms(posterior: xr.Dataset, worst: pd.DataFrame) -> Plot:
    """Ranks of each chain's draws among all draws, for the quantities that mixed worst.

    Parameters
    ----------
    posterior
        The draws.
    worst
        Columns ``quantity``, ``variable`` and ``index``.
    """
    names = [str(name) for name in worst["quantity"]]

    def draw(figure: Figure) -> None:
        all_axes = axes_of(figure, max(1, (len(names) + 1) // 2), min(2, max(1, len(names))), share_x=True)
        for axes, (_, row) in zip(all_axes, worst.iterrows(), strict=False):
            values = posterior[row["variable"]].values
            values = values.reshape(*values.shape[:2], -1)[:, :, int(row["index"])]
            ranks = values.ravel().argsort().argsort().reshape(values.shape) / values.size
            edges = np.linspace(0, 1, BINS + 1)
            for chain, chain_ranks in enumerate(ranks):
                counts = bin_counts(chain_ranks, edges)
                axes.stairs(
                    counts,
                    100 * edges,
                    baseline=None,
                    color=CHAINS[chain % len(CHAINS)],
                    linewidth=1.2,
                    label=f"chain {chain}",
                )
            axes.axhline(values.shape[1] / BINS, color=GREY, linestyle="--", linewidth=1)
            axes.set_ylim(bottom=0)
            axes.set_title(short(str(row["quantity"]), 40), fontsize=TEXT)
            axes.set_xlabel("Rank among all draws (%)")
            axes.set_ylabel("Draws")
        for axes in all_axes[len(names) :]:
            axes.set_visible(False)
        legend(figure, all_axes[0], 4)

    return Plot(
        "convergence-ranks",
        "Ranks of the draws by chain",
        "Histograms of the ranks of each chain's draws among all draws, for the quantities with the largest R-hat "
        f"({', '.join(names) or 'none'}). Chains that agree give level histograms.",
        draw,
        (6.4, 2.5 + 2.0 * ((len(names) - 1) // 2)) if names else (6.4, 2.5),
    )
