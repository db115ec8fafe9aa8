"""Figures of outcomes against what the priors and the fitted model predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.checks.drawing import BAND, EXPECTED, OBSERVED, axes_of, label_of, legend, short
from alliance_bayes.checks.evidence import FEWEST_ROWS
from alliance_bayes.checks.results import Plot
from alliance_bayes.checks.wording import percent
from alliance_bayes.model import Design

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["levels_against_limits", "outcome_edges", "outcome_shares", "prior_outcomes", "share_in_bins"]

MOST_LEVELS = 25
MOST_BINS = 40
PANELS = ("mean", "SD")


def prior_outcomes(design: Design, values: np.ndarray, weights: np.ndarray | None = None) -> Plot:
    """Outcomes simulated from the prior, with the ends of the scale.

    Parameters
    ----------
    design
        For the scale and labels.
    values
        Simulated outcomes, shape (n_draws, n).
    weights
        Participants that each row stands for, shape (n,); as many as the others by default.
    """
    ends = [end for end in (design.outcome.lower, design.outcome.upper) if end is not None]
    low, high = np.quantile(values, [0.005, 0.995])
    low, high = min([low, *ends, design.outcome.values.min()]), max([high, *ends, design.outcome.values.max()])
    outside = float(np.average(((values < low) | (values > high)).mean(axis=0), weights=weights))
    edges = _bin_edges(design, None, low, high)
    spread = None if weights is None else np.broadcast_to(weights, values.shape)
    shares = np.histogram(values, edges, weights=spread)[0] / (values.size if spread is None else spread.sum())

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        axes.stairs(100 * shares, edges, fill=True, color=BAND, label="simulated from the priors")
        for position, end in enumerate(ends):
            axes.axvline(
                end, color=OBSERVED, linestyle="--", linewidth=1.3, label="ends of the scale" if not position else None
            )
        axes.set_xlabel(label_of(design, design.outcome.name))
        axes.set_ylabel("Simulated outcomes (%)")
        legend(figure, axes)

    return Plot(
        "prior-outcomes",
        "Outcomes that the priors expect",
        f"Histogram of {design.outcome.name} simulated from the priors for the analysed rows"
        + (f", with the ends of the scale at {' and '.join(f'{end:g}' for end in ends)}" if ends else "")
        + (f". {percent(outside, 1)} lie beyond the axis." if outside > 0 else "."),
        draw,
    )


def outcome_edges(design: Design, simulated: np.ndarray, step: float | None) -> np.ndarray:
    """Edges of bins that hold the observed outcomes and nearly all replicated ones, shape (n_bins + 1,).

    Parameters
    ----------
    design
        With the observed outcomes.
    simulated
        Replicates, shape (n_replicates, n).
    step
        Distance between levels for a continuous family, None without.
    """
    observed = design.outcome.values
    low, high = (float(end) for end in np.quantile(simulated, [0.0005, 0.9995]))
    # Beyond nearly all replicates, the end of the scale is drawn rather than the value of one row, where there is one.
    if observed.min() < low:
        low = float(observed.min() if design.outcome.lower is None else design.outcome.lower)
    if observed.max() > high:
        high = float(observed.max() if design.outcome.upper is None else design.outcome.upper)
    return _bin_edges(design, step, low, high)


def share_in_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Share of each row of values in each bin, shape (n_rows, n_bins); what lies outside is in none."""
    return _counts(values, edges) / values.shape[1]


def outcome_shares(design: Design, edges: np.ndarray, observed: np.ndarray, replicated: np.ndarray) -> Plot:
    """Observed shares of the outcome by bin over replicated ones.

    Neighbouring bins are joined until every one holds at least `FEWEST_ROWS` observed rows: a page may show the figure,
    and a bar is a count.

    Parameters
    ----------
    design
        For labels and the number of participants.
    edges
        Of the bins, shape (n_bins + 1,).
    observed, replicated
        Shapes (n_bins,) and (n_replicates, n_bins).
    """
    width = float(np.median(np.diff(edges)))
    starts = _joined(observed * design.n)
    edges = np.r_[edges[starts], edges[-1]]
    # Per width of one bin, so that a joined bar stands for its rows by its area.
    bars = np.diff(edges) / width
    observed, replicated = np.add.reduceat(observed, starts) / bars, np.add.reduceat(replicated, starts, axis=1) / bars
    middle = (edges[:-1] + edges[1:]) / 2
    lower, median, upper = 100 * np.quantile(replicated, [0.025, 0.5, 0.975], axis=0)

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        axes.stairs(100 * observed, edges, color=OBSERVED, linewidth=1.4, label="observed")
        axes.vlines(middle, lower, upper, color=BAND, linewidth=3.0, zorder=1, label="replicated, 95 % of data sets")
        axes.plot(middle, median, "o", color=EXPECTED, markersize=3, label="replicated, median")
        axes.set_ylim(bottom=0)
        axes.set_xlabel(label_of(design, design.outcome.name))
        axes.set_ylabel(f"Rows (%) per {width:.3g}")
        legend(figure, axes)

    return Plot(
        "predictive-distribution",
        "Observed and replicated outcomes",
        f"Histogram of the {design.n:,} observed values of {design.outcome.name}, with the median and 95 % "
        "range of histograms of outcomes "
        f"replicated from the fitted model. Every bar is of at least {FEWEST_ROWS} observed rows.",
        draw,
    )


def levels_against_limits(design: Design, factor: str, statistics: pd.DataFrame) -> Plot:
    """Mean and SD of the outcome in each level of a factor, with predictive limits.

    Parameters
    ----------
    design
        For labels.
    factor
        Name of the factor.
    statistics
        Columns ``statistic``, ``level``, ``n``, ``observed``, ``lower``, ``upper``, ``departure``, ``outside``.
    """
    panels = [name for name in PANELS if name in set(statistics["statistic"])] or list(
        dict.fromkeys(statistics["statistic"])
    )[:1]
    worst = statistics.groupby("level", sort=False)["departure"].agg(lambda values: values.abs().max())
    levels = list(worst.sort_values(ascending=False, kind="stable").index[:MOST_LEVELS])
    order = {level: position for position, level in enumerate(_declared(design, factor, levels))}

    def draw(figure: Figure) -> None:
        all_axes = axes_of(figure, 1, len(panels), share_y=True)
        for axes, name in zip(all_axes, panels, strict=True):
            rows = statistics[(statistics["statistic"] == name) & statistics["level"].isin(order)]
            y = len(order) - 1 - rows["level"].map(order).to_numpy()
            axes.barh(
                y,
                rows["upper"] - rows["lower"],
                left=rows["lower"],
                height=0.55,
                color=BAND,
                label="limits, all statistics at once",
            )
            axes.plot(rows["observed"], y, "o", color=OBSERVED, markersize=5, label="observed")
            share = name.startswith("share")
            axes.set_xlabel(
                name.capitalize()
                if share
                else label_of(design, design.outcome.name, prefix=f"{name[0].upper()}{name[1:]} of ")
            )
            counts = rows.set_index("level")["n"]
            axes.set_yticks(
                [len(order) - 1 - order[level] for level in order],
                [f"{short(level, 18)} ({counts[level]:,})" for level in order],
            )
            axes.margins(x=0.1, y=0.12 if len(order) < 6 else 0.02)
        all_axes[0].set_ylabel(f"{short(factor)} (rows)")
        legend(figure, all_axes[0])

    outside = int(statistics["outside"].sum())
    some = f" The {MOST_LEVELS} levels furthest out are shown." if len(worst) > MOST_LEVELS else ""
    return Plot(
        f"predictive-by-{''.join(c if c.isalnum() else '-' for c in factor).strip('-').lower()}",
        f"Observed and predicted outcomes by {factor}",
        f"{panels[0][0].upper()}{' and '.join(panels)[1:]} of {design.outcome.name} in {len(worst)} levels of "
        f"{factor}, observed and with "
        f"predictive limits. {outside or 'None'} of the {len(statistics)} statistics of these levels "
        f"{'is' if outside == 1 else 'are'} outside.{some}",
        draw,
        (6.4, 2.0 + 0.27 * len(order)),
    )


def _bin_edges(design: Design, step: float | None, low: float, high: float) -> np.ndarray:
    """A bin for each level where the outcome has levels, equal ones otherwise."""
    levels = design.outcome.levels
    if levels is not None:
        middle = (levels[:-1] + levels[1:]) / 2
        return np.concatenate([[2 * levels[0] - middle[0]], middle, [2 * levels[-1] - middle[-1]]])
    if step is not None:
        start = design.outcome.values.min() - step * (np.ceil((design.outcome.values.min() - low) / step) + 0.5)
        edges = start + step * np.arange(np.ceil((high - start) / step) + 1)
        return np.asarray(edges[:: max(1, int(np.ceil(edges.size / (2 * MOST_BINS))))])
    return np.linspace(low, high, MOST_BINS + 1)


def _joined(counts: np.ndarray) -> np.ndarray:
    """First bins of the bars that hold at least `FEWEST_ROWS` each; all bins are one bar where there are fewer."""
    starts, running = [0], 0.0
    for place, size in enumerate(counts, 1):
        running += size
        # Half a row for rounding: shares of rows come as doubles.
        if running > FEWEST_ROWS - 0.5 and counts[place:].sum() > FEWEST_ROWS - 0.5:
            starts.append(place)
            running = 0.0
    return np.array(starts)


def _counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Histogram of each row of values, shape (n_rows, n_bins); what lies outside the edges is not counted."""
    bins = edges.size + 1
    places = np.searchsorted(edges, values, side="right") + bins * np.arange(len(values))[:, None]
    return np.bincount(places.ravel(), minlength=bins * len(values)).reshape(len(values), bins)[:, 1:-1]


def _declared(design: Design, factor: str, levels: list[str]) -> list[str]:
    """Levels in their declared order."""
    known = next((f.levels for f in design.factors if f.name == factor), None)
    if known is None:
        known = tuple(str(level) for level in design.frame[factor].cat.categories)
    return [level for level in known if level in levels]
