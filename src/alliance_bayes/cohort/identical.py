"""Rows that are the same under different ids: people entered twice, or with little that tells them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Identical", "identical_rows"]

# A row that so few others are expected to be like, by chance, is one person's own.
_OWN = 0.1
# By how much more than estimated people may be alike, who are so in ways that no single column shows.
_ALLOWANCE = 3.0
# Chance below which so many identical rows are no coincidence.
_CHANCE = 0.05
# Share of all copies that they have to be.
_SHARE = 0.2
# Pairs of rows that are the same in some columns, from which on it is no chance that they are in another one.
_PAIRS = 5

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Identical:
    """Rows that are the same as another row, more of them than there would be by chance.

    Parameters
    ----------
    copies
        Rows that could be left out without losing a row that is different.
    expected
        About how many there would be by chance.
    columns
        How many columns were compared.
    """

    copies: int
    expected: float
    columns: int


def identical_rows(table: pd.DataFrame, people: npt.ArrayLike) -> Identical | None:
    """Find rows of different people that are the same in every column, unless that is natural for such columns.

    Parameters
    ----------
    table
        The columns that are compared; a missing value is like another. Rows without any value are nobody's.
    people
        Whose each row is, shape (n,).

    Returns
    -------
    Identical or None
        None where there are no more than chance would make of such columns.

    Notes
    -----
    Where two people are the same by chance, many more are the same but for one column: a row's expected number of
    doubles is estimated by those who differ from it in one column, and the share of people who have the row's value
    there (the largest over columns, and not less than what independent columns would give). Of rows that expect fewer
    than 0.1 doubles, the copies are compared with a Poisson count of three times the sum of expectations. A table that
    was pasted twice has copies, and no neighbours of them. Time is of the order of cells.
    """
    codes = [np.asarray(pd.factorize(table[name])[0], dtype=np.int64) for name in table.columns]
    codes = [code for code in codes if code.size and (code != code[0]).any()]
    if not codes:
        return None
    somebody = np.any([code >= 0 for code in codes], axis=0)
    codes, whose = [code[somebody] for code in codes], np.asarray(pd.factorize(np.asarray(people))[0])[somebody]
    hashed = [_mixed(code, place) for place, code in enumerate(codes)]
    keys = np.sum(hashed, axis=0, dtype=np.uint64)
    # Somebody's own rows, in a table with several of each person, are no copies.
    first = ~pd.DataFrame({"row": keys, "person": whose}).duplicated().to_numpy()
    codes, hashed, keys = [code[first] for code in codes], [part[first] for part in hashed], keys[first]
    sizes = _sizes(keys)
    if (sizes == 1).all():
        return None
    different = np.unique(keys, return_index=True)[1]
    free = _free([code[different] for code in codes], [part[different] for part in hashed], sizes.size)
    expected = _doubles([codes[place] for place in free], [hashed[place] for place in free], sizes)
    own = expected <= _OWN
    copies = round(float((1 - 1 / sizes[own]).sum()))
    by_chance = float(expected[own].sum()) / 2
    if copies < _SHARE * (sizes.size - different.size):
        # Such columns make people alike, and some of them are a little less so than others.
        return None
    # SciPy takes a while to import, and most tables do not get here.
    from scipy.special import gammainc

    likely = float(gammainc(copies, _ALLOWANCE * by_chance)) if copies else 1.0
    return Identical(copies, by_chance, len(codes)) if likely < _CHANCE else None


def _free(codes: list[Ints], hashed: list[Keys], rows: int) -> list[int]:
    """Which columns say more than those with fewer values: no age group beside age, no sum beside its parts.

    Of the rows that are different, out of so many. A column adds nothing when it parts none that are the same in those
    before it, although there are such rows, or would be by chance were those not left out that are the same in all.
    """
    free: list[int] = []
    n = codes[0].size
    keys, groups, chance = np.zeros(n, dtype=np.uint64), 1, 1.0
    for place in sorted(range(len(codes)), key=lambda place: int(codes[place].max())):
        finer = keys + hashed[place]
        parted = np.unique(finer).size
        if parted == groups and max(n - groups, rows * rows * chance / 2) >= _PAIRS:
            continue
        free.append(place)
        keys, groups = finer, parted
        chance *= float(np.square(np.bincount(codes[place] + 1) / n).sum())
    return free


def _doubles(codes: list[Ints], hashed: list[Keys], sizes: Ints) -> Floats:
    """How many others each row is expected to be like by chance, its copies left out, shape (n,)."""
    n, keys = sizes.size, np.sum(hashed, axis=0, dtype=np.uint64)
    log_independent = np.zeros(n)
    near: Floats = np.zeros(n)
    for code, part in zip(codes, hashed, strict=True):
        share = np.bincount(code + 1)[code + 1] / n
        log_independent += np.log(share)
        alike = _sizes(keys - part) - sizes
        near = np.maximum(near, alike * share / np.maximum(1 - share, 0.5 / n))
    return np.maximum(near, n * np.exp(log_independent))


def _sizes(keys: Keys) -> Ints:
    """How many rows have each row's key."""
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    out: Ints = counts[place.ravel()]
    return out


def _mixed(code: Ints, place: int) -> Keys:
    """A number for each value of a column, sums of which over columns are as good as different (splitmix64)."""
    x = (code + 1).astype(np.uint64) + (np.uint64(place + 1) << np.uint64(40))
    x = x * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
