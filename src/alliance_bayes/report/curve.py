"""Expected outcome along a predictor, averaged over those analysed, and the predictor's distribution."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from alliance_bayes.bins import bin_counts, bin_numbers
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Design, Rows, Scale
from alliance_bayes.model.likelihood import expectation

__all__ = ["average_curve", "covered_range", "grouped_histogram"]

GRID = 25
# Draws used where every person has to be predicted at every point: enough for a band, and a second of work.
THINNED = 400
# Rows in memory at once: with twenty columns, 16 MB.
_AT_ONCE = 100_000


def average_curve(fit: FittedModel, predictor: str, *, prob: float, small: int) -> pd.DataFrame:
    """Average expected outcome if everybody had the same value of a predictor, all else as it is (g-computation).

    Parameters
    ----------
    fit
        The fit.
    predictor
        A numeric column of the formula.
    prob
        Probability of the equal-tailed band.
    small
        Fewest people beyond either end of the curve; see `covered_range`.

    Returns
    -------
    pandas.DataFrame
        Columns `x` (units of the predictor), `mean`, `lower`, `upper` (units of the outcome), over `covered_range`.
    """
    values = fit.design.frame[predictor].to_numpy(float)
    lower, upper = covered_range(values, small, fit.design.scales.get(predictor), fit.people)
    values = np.linspace(lower, upper, GRID)
    draws = np.stack(list(_averages(fit, predictor, values)), axis=1)
    tail = (1 - prob) / 2
    ends = np.quantile(draws, [tail, 1 - tail], axis=0)
    return pd.DataFrame({"x": values, "mean": draws.mean(axis=0), "lower": ends[0], "upper": ends[1]})


def _averages(fit: FittedModel, predictor: str, values: np.ndarray) -> Iterator[np.ndarray]:
    """Draws of the average outcome at each value, each of shape (n_draws,)."""
    design = fit.design
    linear = design.family.name in ("gaussian", "student_t")
    total = fit.shape[0] * fit.shape[1]
    which = np.unique(np.linspace(0, total - 1, min(total, THINNED)).astype(int))
    for rows in _rows_at(design, predictor, values):
        if linear:
            yield _mean_predictor(fit, rows)
        else:
            eta = fit.linear_predictor(rows, which=which)
            yield expectation(design.family, eta, fit.parameters_at(which, rows), design.outcome).mean(axis=1)


def _rows_at(design: Design, predictor: str, values: np.ndarray) -> Iterator[Rows]:
    """The analysed rows with everybody at one value of the predictor after the other."""
    own = np.arange(design.rows.n)
    # The formula is evaluated on many rows at once: most of its cost is one a call.
    for some in np.array_split(values, min(values.size, -(-values.size * own.size // _AT_ONCE))):
        frame = design.frame.iloc[np.tile(own, some.size)].reset_index(drop=True)
        rows = design.evaluate(frame.assign(**{predictor: np.repeat(some, own.size)}))
        for place in range(some.size):
            yield rows.take(place * own.size + own)


def _mean_predictor(fit: FittedModel, rows: Rows) -> np.ndarray:
    """Mean over rows of a linear expectation, shape (n_draws,): only the rows' mean design counts."""
    mean = fit.coefficients_of_known @ rows.known.mean(axis=0)
    for factor in fit.design.factors:
        z, index = rows.z[factor.name], rows.index[factor.name]
        weights = np.zeros((len(factor.levels), z.shape[1]))
        np.add.at(weights, index, z / rows.n)
        mean = mean + np.einsum("dlt,lt->d", fit.stacked[f"u_{factor.name}"], weights)
    for smooth in fit.design.smooths:
        mean = mean + fit.stacked[f"u_{smooth.name}"] @ rows.basis[smooth.name].mean(axis=0)
    return np.asarray(mean)


def covered_range(
    values: np.ndarray, small: int, scale: Scale | None = None, people: np.ndarray | None = None
) -> tuple[float, float]:
    """The range outside which fewer than `small` people lie at either end, so that its ends are nobody's own values.

    Parameters
    ----------
    values
        Shape (n,); with fewer than twice as many as `small`, the range between their quartiles. Where only one value
        is left, half a unit to either side of it.
    small
        Fewest people at either end.
    scale
        The values' scale, beyond whose ends nothing is drawn; the size of the one value is the unit where it has none.
    people
        Number of the person of each value, where some have several.
    """
    # Somebody with several values is at their own furthest one.
    own = None if people is None else pd.Series(values).groupby(people)
    low = np.sort(values if own is None else own.min().to_numpy())
    high = np.sort(values if own is None else own.max().to_numpy())
    cut = small - 1 if low.size >= 2 * small else low.size // 4
    lower, upper = float(low[cut]), float(high[high.size - 1 - cut])
    if lower < upper:
        return lower, upper
    half = 0.5 if scale is not None else 0.5 * abs(lower) or 0.5
    least, most = (None, None) if scale is None else (scale.lower, scale.upper)
    return (
        lower - half if least is None else max(lower - half, min(least, lower)),
        upper + half if most is None else min(upper + half, max(most, upper)),
    )


def grouped_histogram(
    values: np.ndarray,
    small: int,
    *,
    bins: int = 24,
    scale: Scale | None = None,
    people: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Histogram in which every bar stands for at least `small` people: neighbouring bins are joined until it does.

    Parameters
    ----------
    values
        Shape (n,).
    small
        Fewest people in a bar.
    bins
        Bins of equal width to start from, over `covered_range`; people beyond it count in the outer bins.
    scale
        As for `covered_range`.
    people
        Number of the person of each value, where some have several.

    Returns
    -------
    edges : numpy.ndarray
        Shape (k + 1,).
    density : numpy.ndarray
        Shape (k,): share of people per unit of the values.
    """
    lower, upper = covered_range(values, small, scale, people)
    edges = np.linspace(lower, upper, bins + 1)
    clipped = np.clip(values, lower, upper)
    counts, at = bin_counts(clipped, edges), bin_numbers(clipped, edges)
    kept, sizes, running, first = [edges[0]], [], 0, 0
    for place, (edge, size) in enumerate(zip(edges[1:], counts, strict=True)):
        running += int(size)
        if running >= small and (people is None or np.unique(people[(at >= first) & (at <= place)]).size >= small):
            kept.append(edge)
            sizes.append(running)
            running, first = 0, place + 1
    if not sizes:
        kept, sizes = [edges[0], edges[-1]], [running]
    else:
        sizes[-1] += running
        kept[-1] = edges[-1]
    final = np.asarray(kept)
    return final, np.asarray(sizes) / values.size / np.diff(final)
