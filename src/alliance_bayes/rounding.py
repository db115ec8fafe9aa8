"""What is rounding and what is not: one rule for every "does this vary?" in the package."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["ON_LEVEL", "ROUNDING", "grid_step", "is_constant"]

#: Share of a number's size that arithmetic may leave of what is exactly nothing: thousands of units in the last place,
#: and far less than any instrument resolves.
ROUNDING = 1e-12

#: Distance from a level, in steps, at which a value still is that level: what rounding may do to a decimal step.
ON_LEVEL = 1e-9


def is_constant(values: npt.ArrayLike, axis: int | tuple[int, ...] = -1, size: npt.ArrayLike = 0.0) -> np.ndarray:
    """Whether values differ by no more than rounding.

    Parameters
    ----------
    values
        Any shape, at least one value along the axis.
    axis
        The axis, or axes, along which values are compared.
    size
        Size of the numbers that the values were computed from, where it exceeds their own (centred values, sums of
        numbers of both signs); of the shape of the result.

    Returns
    -------
    numpy.ndarray of bool
        The shape of ``values`` without the axis. Relative to the numbers' size, so the unit of measurement does not
        matter. What is NaN anywhere varies; so does what is infinite and finite.
    """
    numbers = np.asarray(values, dtype=float)
    low, high = numbers.min(axis=axis), numbers.max(axis=axis)
    with np.errstate(invalid="ignore"):
        narrow = high - low <= ROUNDING * np.maximum(np.maximum(np.abs(low), np.abs(high)), size)
    return np.asarray((low == high) | (narrow & np.isfinite(low) & np.isfinite(high)))


def grid_step(distinct: np.ndarray) -> float | None:
    """The smallest gap between values where all gaps are multiples of it; None where they are not.

    Parameters
    ----------
    distinct
        Different values in ascending order, shape (n,).
    """
    if distinct.size < 2:
        return None
    gaps = np.diff(distinct)
    multiples = gaps / gaps.min()
    return float(gaps.min()) if np.abs(multiples - np.round(multiples)).max() < 1e-6 else None
