"""Are stated probabilities right? LOO-PIT with simultaneous bands, and the coverage of predictive intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from alliance_bayes.checks.check import OF_STRUCTURE, OTHER_FAMILY, Check, CheckResult, Plot, percent
from alliance_bayes.checks.context import Context
from alliance_bayes.checks.drawing import BAND, GREY, OBSERVED, axes_of, called, legend
from alliance_bayes.effects.table import steady
from alliance_bayes.model import Design

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["POINTS", "Calibration", "Uniformity", "binomial_limits", "uniformity"]

INTERVALS = (0.50, 0.80, 0.89, 0.95)
_REMEDY = f"Do not read predictive intervals as stated; {OTHER_FAMILY}"
# Hundredths, and points towards both ends: single outcomes far out show there and nowhere else.
_TAIL = np.array([1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3])
POINTS = np.concatenate([_TAIL, np.arange(1, 100) / 100, 1 - _TAIL[::-1]])
SIMULATIONS = 10_000
#: With thousands of rows the test finds departures that nobody would notice: a stated probability that is off by no
#: more than this (two people of 100) is as good as right.
SMALL_DEPARTURE = 0.02


class Calibration(Check):
    """Compare the observed outcomes with their leave-one-out predictive distributions.

    ``warn`` when the distribution of the PIT values leaves its band, and by more than two percentage points somewhere,
    or far out in a tail, where single outcomes count. The table has one row a central predictive
    interval: ``interval`` (stated probability), ``coverage``, ``lower`` and ``upper`` (limits of the coverage of
    right intervals, for each interval by itself), ``below`` and ``above`` (shares of outcomes under and over the
    interval).

    Notes
    -----
    The probability integral transform (PIT) of an outcome is the probability that its prediction from all other rows
    gives to lower values. PIT values of a calibrated model are uniform. Outcomes recorded in steps, and those of
    discrete families, have an interval of values: one is drawn from it at random [1]_ (the seed is the context's),
    and the coverage counts the interval in part. The band is simultaneous and holds for independent uniform values;
    those of a fitted model are more regular, so that the check fires less often than stated when the model is right.
    Of more than 10,000 rows, a random sample is looked at.

    References
    ----------
    .. [1] Czado, Gneiting and Held (2009), Biometrics 65(4):1254-1261, doi 10.1111/j.1541-0420.2009.01191.x.
    """

    name = "calibration"
    judges = "predictive"
    tabled = True
    title = "Calibration of predictions (LOO-PIT)"
    looks_at = "calibration of single predictions (LOO-PIT)"
    meaning = "Single predictions are more, or less, certain than they claim to be."
    concerns = ("variance", "endpoints")
    shows = OF_STRUCTURE
    references = ("czado2009",)
    weighs_draws = True
    needs_rows = "The calibration of single predictions"

    def examine(self, context: Context) -> CheckResult:
        """Compare observed outcomes with their leave-one-out predictive distributions."""
        low, high = context.pit_bounds
        pit = context.generator(3).uniform(low, high)
        shape = uniformity(pit, rate=context.rate)
        table = pd.DataFrame([_coverage(low, high, interval, context.rate) for interval in INTERVALS])
        fires = shape.p < context.rate
        furthest = int(steady((table["coverage"] - table["interval"]).abs()).to_numpy().argmax())
        stated, observed = float(table["interval"].iloc[furthest]), float(table["coverage"].iloc[furthest])
        statement = f"the {percent(stated)} predictive intervals hold {percent(observed, 1)} of outcomes"
        small = _is_small(shape, table)
        if fires and small:
            sentence = (
                "Predictions are calibrated but for little: the LOO-PIT values leave the band that a calibrated model "
                f"leaves in at most {percent(context.rate)} of data sets, but no stated probability is off by more "
                f"than {100 * SMALL_DEPARTURE:g} percentage points; furthest from what is stated, {statement}."
            )
        elif fires:
            alternatives = context.fit.design.family.alternatives
            sentence = (
                f"Predictions are not calibrated: {_direction(shape, table)}, and {statement}. {_REMEDY} "
                f"({alternatives})."
            )
        else:
            sentence = (
                "Predictions are calibrated: the LOO-PIT values stay within a band that a calibrated model leaves in "
                f"at most {percent(context.rate)} of data sets; furthest from what is stated, {statement}."
            )
        unit = (
            ""
            if context.step is None
            else f" Scores in steps of {context.step:g} count as the interval of half a step to either side."
        )
        return self.result(
            "warn" if fires and not small else "pass",
            sentence + unit + context.of_a_sample(low.size),
            table,
            plots=(
                pit_difference(context.fit.design, shape, context.rate),
                interval_coverage(context.fit.design, table),
            ),
            details=pd.DataFrame(
                {"point": shape.points, "ecdf": shape.ecdf, "lower": shape.lower, "upper": shape.upper}
            ),
        )


def _coverage(low: np.ndarray, high: np.ndarray, interval: float, rate: float) -> dict[str, float]:
    start, stop = (1 - interval) / 2, (1 + interval) / 2
    below, above = _share_below(low, high, start), 1 - _share_below(low, high, stop)
    n = low.size
    lower, upper = (float(count) / n for count in binomial_limits(rate / 2, n, interval))
    return {
        "interval": interval,
        "coverage": 1 - below - above,
        "lower": lower,
        "upper": upper,
        "below": below,
        "above": above,
    }


def _share_below(low: np.ndarray, high: np.ndarray, point: float) -> float:
    """Share of PIT values below a point, each spread evenly over its interval."""
    width = high - low
    inside = np.where(width > 0, (point - low) / np.where(width > 0, width, 1.0), low < point)
    return float(np.clip(inside, 0.0, 1.0).mean())


def _is_small(shape: Uniformity, table: pd.DataFrame) -> bool:
    """Whether no stated probability is off by much, and nothing is far out in a tail."""
    tails = np.isin(shape.points, POINTS[[*range(_TAIL.size), *range(-_TAIL.size, 0)]])
    outside = (shape.ecdf < shape.lower) | (shape.ecdf > shape.upper)
    off = max(np.abs(shape.ecdf - shape.points).max(), (table["coverage"] - table["interval"]).abs().max())
    return bool(off <= SMALL_DEPARTURE and not (outside & tails).any())


def _direction(shape: Uniformity, table: pd.DataFrame) -> str:
    """The pattern of the departure, in words."""
    difference = shape.ecdf - shape.points
    quarter, last = difference[shape.points.searchsorted(0.25)], difference[shape.points.searchsorted(0.75)]
    if quarter * last > 0:
        return "outcomes are lower than predicted" if quarter > 0 else "outcomes are higher than predicted"
    narrow = table["coverage"].iloc[0] < table["interval"].iloc[0]
    return (
        "predictive distributions are too narrow"
        if narrow
        else "predictive distributions are too wide in the middle or of the wrong shape"
    )


@dataclass(frozen=True, eq=False)
class Uniformity:
    """The empirical distribution of some values against the uniform one.

    Parameters
    ----------
    points
        Where it is evaluated, in (0, 1).
    ecdf
        Share of values up to each point.
    lower, upper
        Limits that all points keep together with probability 1 - rate when the values are uniform and independent.
    p
        Share of uniform samples that depart at least as much as these values.
    """

    points: np.ndarray
    ecdf: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    p: float


def uniformity(values: np.ndarray, *, rate: float) -> Uniformity:
    """Compare values with the uniform distribution.

    Parameters
    ----------
    values
        Shape (n,), in [0, 1].
    rate
        Share of uniform samples that leave the band somewhere.

    Notes
    -----
    At each point the count of values up to it is binomial. The departure of a sample is its smallest binomial tail
    probability over all points; its distribution is simulated, and the band holds the counts whose tail probability
    is above its quantile.

    References
    ----------
    Säilynoja, Bürkner and Vehtari (2022), Statistics and Computing 32:32, doi 10.1007/s11222-022-10090-6.
    """
    n = int(np.size(values))
    null = _departures(n)
    counts = np.searchsorted(np.sort(values), POINTS, side="right")
    p = (1 + int(null.searchsorted(_departure(counts[None], n)[0] * (1 + 1e-9), side="right"))) / (1 + null.size)
    # The largest departure that does not fire, a hair smaller because it is itself one of the attainable probabilities.
    quiet = int(np.ceil(rate * (1 + null.size) - 1)) - 1
    tail = float(null[max(quiet, 0)]) * (1 - 1e-9)
    lower, upper = binomial_limits(tail, n, POINTS)
    return Uniformity(POINTS, counts / n, lower / n, upper / n, p)


def binomial_limits(tail: float, n: int, p: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Counts that a binomial one falls short of, and those that it exceeds, with a probability of at most `tail` each.

    Parameters
    ----------
    tail
        Probability in (0, 1).
    n
        Number of trials.
    p
        Probability of each.

    Returns
    -------
    lower, upper : numpy.ndarray of int
        The least count k with P(X <= k) >= tail, and the least with P(X > k) <= tail, of the shape of ``p``.
    """
    p = np.asarray(p, dtype=float)
    return (
        _least(lambda k: special.bdtr(k, n, p) >= tail, n, p.shape),
        _least(lambda k: special.betainc(k + 1, np.maximum(n - k, 1), p) <= tail, n, p.shape),
    )


def _least(holds: Callable[[np.ndarray], np.ndarray], n: int, shape: tuple[int, ...]) -> np.ndarray:
    """Least of the counts 0, ..., n from which on something holds; n where it does not before."""
    low, high = np.zeros(shape, dtype=np.int64), np.full(shape, n)
    while (low < high).any():
        middle = (low + high) // 2
        enough = holds(middle)
        low, high = np.where(enough, low, np.minimum(middle + 1, high)), np.where(enough, middle, high)
    return high


def _departure(counts: np.ndarray, n: int) -> np.ndarray:
    """Smallest binomial tail probability over the points, of counts of shape (k, n_points); shape (k,)."""
    # Thousands of samples share the few counts that are likely at a point: each is looked up in a table of them.
    least = counts.min(axis=0)
    likely = np.minimum(least + np.arange((counts - least).max() + 1)[:, None], n)
    # P(X >= c) is the regularised incomplete beta function; one minus a distribution function would lose digits.
    at_least = np.where(likely > 0, special.betainc(np.maximum(likely, 1), n - likely + 1, POINTS), 1.0)
    at_most = special.bdtr(likely, n, POINTS)
    tails = np.minimum(at_least, at_most)
    return np.asarray(tails[counts - least, np.arange(POINTS.size)].min(axis=1))


@lru_cache(maxsize=64)
def _departures(n: int) -> np.ndarray:
    cells = np.random.default_rng(n).multinomial(n, np.diff(POINTS, prepend=0.0, append=1.0), size=SIMULATIONS)
    return np.sort(_departure(cells.cumsum(axis=1)[:, :-1], n))


def pit_difference(design: Design, shape: Uniformity, rate: float) -> Plot:
    """Empirical distribution of the LOO-PIT values minus the uniform one, with its band.

    Parameters
    ----------
    design
        For labels.
    shape
        The values' distribution and band.
    rate
        Share of calibrated models that leave the band.
    """

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        x = np.concatenate([[0.0], shape.points, [1.0]])
        lower, upper, line = (
            np.concatenate([[0.0], values - shape.points, [0.0]]) for values in (shape.lower, shape.upper, shape.ecdf)
        )
        axes.fill_between(
            x, lower, upper, color=BAND, alpha=0.6, linewidth=0, label=f"calibrated in {percent(1 - rate)} of data sets"
        )
        axes.axhline(0, color=GREY, linewidth=1)
        axes.plot(x, line, color=OBSERVED, linewidth=1.5, label=called(design))
        axes.set_xlabel("LOO-PIT value (probability of a lower outcome)")
        axes.set_ylabel("Share of rows up to it,\nminus the expected share")
        legend(figure, axes)

    outside = int(((shape.ecdf < shape.lower) | (shape.ecdf > shape.upper)).sum())
    return Plot(
        "calibration-pit",
        "Calibration: LOO-PIT",
        "Difference between the empirical distribution of the LOO-PIT values and the uniform distribution, with a "
        "simultaneous band. "
        f"{outside or 'None'} of the {shape.points.size} points {'is' if outside == 1 else 'are'} "
        "outside.",
        draw,
    )


def interval_coverage(design: Design, table: pd.DataFrame) -> Plot:
    """Coverage of predictive intervals against what is stated.

    Parameters
    ----------
    design
        For labels.
    table
        Columns ``interval``, ``coverage``, ``lower``, ``upper``.
    """

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        x = 100 * table["interval"]
        axes.plot([40, 100], [40, 100], color=GREY, linewidth=1, label="as stated")
        axes.vlines(
            x, 100 * table["lower"], 100 * table["upper"], color=BAND, linewidth=7, label="limits, each by itself"
        )
        axes.plot(x, 100 * table["coverage"], "o", color=OBSERVED, markersize=5, label=called(design))
        axes.set_xticks(x)
        axes.set_xlabel("Stated probability of the predictive interval (%)")
        axes.set_ylabel("Outcomes inside (%)")
        legend(figure, axes)

    pairs = table[["interval", "coverage"]].to_numpy(float)
    listed = "; ".join(f"{percent(stated)}: {percent(observed, 1)}" for stated, observed in pairs)
    return Plot(
        "calibration-intervals",
        "Coverage of predictive intervals",
        f"Share of outcomes inside their leave-one-out predictive intervals against the stated probability ({listed}).",
        draw,
    )
