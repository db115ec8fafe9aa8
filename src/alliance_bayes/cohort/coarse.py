"""Levels of a factor whose values are in wider steps than those of others: a site that rounds what it reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.rounding import ON_LEVEL, grid_step

__all__ = ["Coarse", "coarse_columns", "coarse_levels"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Rows of a level, and different values of it and of all, from which on it is looked at.
_ROWS, _VALUES, _ALL_VALUES = 20, 4, 10
# Rows that are looked at.
_MOST_ROWS = 20_000
# Multiples of a column's own step, and steps of numbers without any, by powers of ten.
_MULTIPLES = (2, 3, 4, 5, 10, 20, 25, 50)
_ROUND, _POWERS = (1.0, 2.0, 5.0), 4
# Share of a level's values that have to be in wide steps, and of others' that may be.
_LEAST, _MOST = 0.9, 0.75
# Chance below which a level's values are no coincidence.
_CHANCE = 0.01


@dataclass(frozen=True, slots=True)
class Coarse:
    """A level whose values are in wider steps.

    Parameters
    ----------
    level
        Its number.
    step
        The distance between its values.
    share, elsewhere
        How much of the level's rows, and of all others, has values in such steps.
    """

    level: int
    step: float
    share: float
    elsewhere: float


def coarse_columns(
    numbers: Mapping[str, npt.ArrayLike], factors: Mapping[str, npt.ArrayLike], whose: Ints, *, rate: float = _CHANCE
) -> Iterator[tuple[str, str, list[Coarse]]]:
    """Numbers with such levels, each with the first factor that has them and these; the rate is that of all at once."""
    codes = {factor: np.asarray(own, dtype=np.int64) for factor, own in factors.items()}
    each = rate / max(1, len(numbers) * len(codes))
    for name, values in numbers.items():
        amounts = np.asarray(values, dtype=float)
        found = ((factor, coarse_levels(amounts, own, whose=whose, rate=each)) for factor, own in codes.items())
        if (first := next(((factor, levels) for factor, levels in found if levels), None)) is not None:
            yield name, *first


def coarse_levels(values: Floats, codes: Ints, *, whose: Ints | None = None, rate: float = _CHANCE) -> list[Coarse]:
    """Find levels with values in wider steps than other levels have; none where no level rounds.

    Parameters
    ----------
    values
        A number of each row, shape (n,); NaN where there is none.
    codes
        The level of each row, shape (n,), from 0; negative where there is none.
    whose
        Whose each row is, shape (n,): a value that a person has several times is one.
    rate
        Chance below which so many values in wide steps are no coincidence.

    Notes
    -----
    By chance a level has values in wide steps about as often as others have, whatever its mean and its spread are, as
    long as it has several of them. The chance is that of a binomial count whose share is halfway from that of
    the others to 1, and is divided by the number of steps, offsets and levels that were looked at. Of more than 20,000
    rows, some at even distances are.
    """
    every = max(1, len(values) // _MOST_ROWS)
    values, codes, whose = values[::every], codes[::every], None if whose is None else whose[::every]
    known = np.isfinite(values) & (codes >= 0)
    if not known.any():
        return []
    # At its ends, round or not, a scale holds what is beyond them.
    known &= (values > values[known].min()) & (values < values[known].max())
    table = pd.DataFrame({"value": values[known], "level": codes[known]})
    if whose is not None:
        table = table[~table.assign(whose=whose[known]).duplicated()]
    if table.empty:
        return []
    numbers = table["value"].to_numpy()
    present, levels = np.unique(table["level"], return_inverse=True)
    distinct, sizes = np.unique(numbers), np.bincount(levels)
    open_levels = (sizes >= _ROWS) & (levels.size - sizes >= _ROWS)
    if distinct.size < _ALL_VALUES or not open_levels.any():
        return []
    rate, found = rate / int(open_levels.sum()), []
    step = grid_step(distinct)
    widths = _MULTIPLES if step is not None else _round_steps(distinct)
    for width in sorted(widths, reverse=True):
        if step is None:
            places, offsets = _near(numbers / width).astype(np.int64) - 1, 1
        else:
            places, offsets = (np.rint((numbers - distinct[0]) / step) % width).astype(np.int64), int(width)
        on = places >= 0
        counts = np.bincount(levels[on] * offsets + places[on], minlength=sizes.size * offsets).reshape(-1, offsets)
        # The offset that most of a level's values have.
        usual = counts.argmax(axis=1)
        share = counts.max(axis=1) / np.maximum(sizes, 1)
        elsewhere = (counts.sum(axis=0)[usual] - counts.max(axis=1)) / np.maximum(levels.size - sizes, 1)
        for level in np.flatnonzero(open_levels & (share >= _LEAST) & (elsewhere <= _MOST)):
            own = numbers[levels == level]
            if _chance(own, places[levels == level] == usual[level], elsewhere[level]) * len(widths) * offsets < rate:
                size = float(width * (step or 1.0))
                found.append(Coarse(int(present[level]), size, float(share[level]), float(elsewhere[level])))
                open_levels[level] = False
    return sorted(found, key=lambda one: one.level)


def _chance(own: Floats, at: npt.NDArray[np.bool_], elsewhere: float) -> float:
    """Of as many values in wide steps, or more."""
    if np.unique(own[at]).size < _VALUES:
        return 1.0
    # SciPy takes a while to import, and most tables do not get here.
    from scipy.special import bdtrc

    # Of a value that most have, no more than a third of the rows count: it is one coincidence.
    beyond = max(0, int(np.unique(own, return_counts=True)[1].max()) - own.size // 3)
    return float(bdtrc(int(at.sum()) - beyond - 1, own.size - beyond, (1 + elsewhere) / 2))


def _round_steps(distinct: Floats) -> list[float]:
    """Powers of ten, twice and five times them, of which several are within the range of values."""
    most = (distinct[-1] - distinct[0]) / (_VALUES - 1)
    if not 0 < most < np.inf:
        return []
    power = int(np.floor(np.log10(most)))
    return [step for k in range(power - _POWERS, power + 1) for one in _ROUND if (step := one * 10.0**k) <= most]


def _near(places: Floats) -> npt.NDArray[np.bool_]:
    # Beyond that, numbers are too large for their steps to show.
    return (np.abs(places - np.rint(places)) < ON_LEVEL * np.maximum(1.0, np.abs(places))) & (np.abs(places) < 1e6)
