"""Values that repeat earlier ones, more often than near values come: carried forward where nobody was asked again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Repeats", "repeats_of"]

Floats = npt.NDArray[np.float64]

# Values of either column from which on a difference of nothing is one of many, and rows that are compared.
_VALUES, _ROWS = 10, 50
# Differences about nothing that tell how many there would be of nothing: bins on either side, and how wide they are
# in SDs of all differences at least.
_BINS, _WIDTH = 4, 0.1
# SDs of differences, in bins, from which on these tell a peak from its sides.
_SPREAD = 2.0
# By how much more than a bell has there may be at its middle: as many change little as double exponentials have.
_PEAK = 1.5
# Standard errors of the logarithm of the ratio, and the least share of all rows that is beyond.
_ERRORS, _LEAST = 3.0, 0.03


@dataclass(frozen=True, slots=True)
class Repeats:
    """Values that repeat an earlier one.

    Parameters
    ----------
    rows
        How many do.
    expected
        How many would, by the numbers of those that differ by little.
    compared
        How many rows have both values, neither at its lowest or highest.
    """

    rows: int
    expected: float
    compared: int


def repeats_of(earlier: Floats, later: Floats) -> Repeats | None:
    """Find later values that repeat earlier ones more often than chance makes; None where they do not.

    Parameters
    ----------
    earlier, later
        Values of the same rows, shape (n,); NaN where there is none.

    Notes
    -----
    Numbers of differences that are small are smooth about nothing, whatever the scale: a parabola through the
    logarithms of four on either side tells how many are nothing. More than half as many again, by three standard errors
    and a thirtieth of all rows, are no chance. Values at the ends of a scale repeat each other, and are left out.
    """
    both = np.isfinite(earlier) & np.isfinite(later)
    for values in (earlier, later):
        known = values[both]
        if known.size < _ROWS or np.unique(known).size < _VALUES:
            return None
        # Rows are left out together: one whose later value is at an end may have come from anywhere.
        both = both & (values > known.min()) & (values < known.max())
    change = later[both] - earlier[both]
    if change.size < _ROWS or not np.isfinite(spread := change.std()) or spread == 0:
        return None
    size = np.abs(change)
    # Differences of numbers with decimals are alike but for rounding.
    nothing = size <= 1e-9 * spread
    step = float(size[~nothing].min())
    # Of values on a grid a bin is a number of its steps, of others there are as many steps as one likes.
    per_bin = max(1.0, np.ceil(_WIDTH * spread / step - 1e-6))
    width = per_bin * step
    if spread < _SPREAD * width:
        return None
    place = np.ceil(size[~nothing] / width - 1e-6)
    counts = np.array([(place == k).sum() for k in range(1, _BINS + 1)]) / 2
    # Logarithms of numbers weigh as these do; a half for those that nobody has.
    weight = counts + 0.5
    design = np.column_stack([np.ones(_BINS), (np.arange(1, _BINS + 1) - (per_bin - 1) / per_bin / 2) ** 2])
    precision = design.T * weight @ design
    middle = np.linalg.solve(precision, design.T @ (weight * np.log(weight)))[0]
    error = np.sqrt(np.linalg.inv(precision)[0, 0] / 2)
    rows, expected = int(nothing.sum()), float(np.exp(middle) / per_bin)
    if rows == 0 or rows - expected < _LEAST * change.size:
        return None
    beyond = np.log(rows / max(expected, 1e-9)) - np.log(_PEAK)
    return Repeats(rows, expected, int(change.size)) if beyond > _ERRORS * np.hypot(error, rows**-0.5) else None
