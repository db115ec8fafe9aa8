"""Which counts of a table to leave out, so that none of a few people can be had from the others and the totals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

import numpy as np

__all__ = ["Mark", "one_way", "two_way"]


class Mark(Enum):
    """How a count is shown.

    Attributes
    ----------
    SHOWN
        As it is; a count of nobody always may be.
    FEW
        As fewer than the least number.
    HIDDEN
        Not at all. Beside a count that is marked as few, so that it cannot be had by subtraction; without one, it is
        not said which of the hidden counts are of few people.
    """

    SHOWN = "shown"
    FEW = "few"
    HIDDEN = "hidden"


def one_way(counts: Sequence[int], small: int) -> tuple[Mark, ...]:
    """Suppress small counts of one factor whose total is known.

    Parameters
    ----------
    counts
        People by level.
    small
        Fewest people that a shown count stands for.

    Returns
    -------
    tuple
        A mark for every level. Whoever knows the marks, the shown counts and the total finds that any small count may
        be everything from 1 to ``small - 1``, where there is a count that can be hidden to achieve it, and never only
        one number.

    Notes
    -----
    The smallest count is hidden that suffices; where no single one does, the largest ones.
    """
    few = frozenset(k for k, size in enumerate(counts) if 0 < size < small)
    if not few:
        return (Mark.SHOWN,) * len(counts)
    for named in _namings(small):
        for extra in _choices(counts, small):
            if _open(counts, few, extra, small, named=named):
                return tuple(
                    (Mark.FEW if named else Mark.HIDDEN) if k in few else Mark.HIDDEN if k in extra else Mark.SHOWN
                    for k in range(len(counts))
                )
    # All counts are small. Only if each is of one person does hiding those of nobody make a difference.
    all_of_one = all(size <= 1 for size in counts)
    return tuple(Mark.SHOWN if size == 0 and not all_of_one else Mark.HIDDEN for size in counts)


def two_way(counts: np.ndarray, small: int) -> np.ndarray:
    """Suppress small counts of a table whose row and column totals are known.

    Parameters
    ----------
    counts
        People, shape (n_rows, n_columns). No row or column has a total from 1 to ``small - 1``.
    small
        Fewest people that a shown count stands for.

    Returns
    -------
    numpy.ndarray
        Marks, shape of `counts`; what they promise is as for `one_way`.

    Notes
    -----
    A count is safe when it is the corner of a rectangle of hidden counts: people can be moved around it without a
    change of any total. For each small count, the rectangle that hides the fewest further people is taken [1]_. Rows
    (or columns, if there are more of them) that hold a small count without such a rectangle are hidden as a whole, with
    as many further ones as it takes for their sums not to tell.

    References
    ----------
    .. [1] Giessing, S., & Repsilber, D. (2002). Tools and strategies to protect multiple tables with the GHQUAR cell
       suppression engine. In Inference Control in Statistical Databases (LNCS 2316, 181-192).
    """
    counts = np.asarray(counts)
    if not ((counts > 0) & (counts < small)).any():
        return np.full(counts.shape, Mark.SHOWN, dtype=object)
    across = counts.shape[1] > counts.shape[0]
    table = counts.T if across else counts
    marks = min((_marked(table, small, named=named) for named in _namings(small)), key=lambda grid: _lost(table, grid))
    return marks.T if across else marks


def _lost(table: np.ndarray, marks: np.ndarray) -> int:
    return int(table[marks != Mark.SHOWN].sum())


def _namings(small: int) -> tuple[bool, ...]:
    """Whether small counts may be told from hidden ones: at best yes. "Fewer than 2" would be 1."""
    return (True, False) if small > 2 else (False,)


def _widest(small: int) -> int:
    """How large a small count must be able to be: more than one number in any case."""
    return max(small - 1, 2)


def _choices(counts: Sequence[int], small: int) -> Iterator[frozenset[int]]:
    """Sets of other counts to hide, from the least loss on."""
    yield frozenset()
    large = sorted((k for k, size in enumerate(counts) if size >= small), key=lambda k: (counts[k], k))
    yield from (frozenset({k}) for k in large)
    yield from (frozenset(large[-size:]) for size in range(2, len(large) + 1))


def _open(counts: Sequence[int], few: Iterable[int], extra: Iterable[int], small: int, *, named: bool) -> bool:
    """Whether every small count may be anything from 1 to ``small - 1``, given the sum of the suppressed ones."""
    lowest = dict.fromkeys(few, 1) | dict.fromkeys(extra, small if named else 1)
    highest = dict.fromkeys(few, small - 1 if named else np.inf) | dict.fromkeys(extra, np.inf)
    total, least, most = sum(counts[k] for k in lowest), sum(lowest.values()), sum(highest.values())
    for k in few:
        if len(lowest) == 1 or total - (least - lowest[k]) < _widest(small):
            return False
        others = sum(highest[j] for j in highest if j != k) if np.isinf(most) else most - highest[k]
        if total - others > 1:
            return False
    return True


def _marked(table: np.ndarray, small: int, *, named: bool) -> np.ndarray:
    """Marks of a table whose rows may be hidden as a whole."""
    marks = np.full(table.shape, Mark.HIDDEN, dtype=object)
    totals = table.sum(axis=1)
    whole = np.zeros(len(table), dtype=bool)
    while not whole.all():
        rows = np.flatnonzero(~whole)
        # The sum of hidden rows can be had by subtraction, so it is one more row to protect.
        open_rows = np.vstack([table[rows], table[whole].sum(axis=0)]) if whole.any() else table
        few = (open_rows > 0) & (open_rows < small)
        hidden, failed = _rectangles(open_rows, few, small, named=named)
        if not failed and _apart(table[whole], small):
            masked, few = hidden[: rows.size], few[: rows.size] & named
            marks[rows] = np.array([Mark.SHOWN, Mark.HIDDEN, Mark.FEW], dtype=object)[masked + few.astype(int)]
            return marks
        further = [rows[k] for k in failed if k < rows.size]
        whole[further or min(rows, key=lambda row: (totals[row] == 0, totals[row]))] = True
    return marks


def _apart(rows: np.ndarray, small: int) -> bool:
    """Whether small counts of wholly hidden rows may be anything from 1 to ``small - 1``, given all their totals."""
    across, down = rows.sum(axis=1)[:, None], rows.sum(axis=0)[None, :]
    few = (rows > 0) & (rows < small)
    wide = (np.minimum(across, down) >= _widest(small)) & (across + down - rows.sum() <= 1)
    return bool(wide[few].all())


def _rectangles(counts: np.ndarray, few: np.ndarray, small: int, *, named: bool) -> tuple[np.ndarray, list[int]]:
    """The cells to hide, and the rows of small counts that have no rectangle."""
    # How far each count could be from what it is, were it hidden. A count of nobody is shown and stays.
    down = counts - np.where(few | (not named), 1, small)
    up = np.where(few & named, small - 1 - counts, np.inf)
    fixed = counts == 0
    down, up = np.where(fixed, -1, down), np.where(fixed, -1, up)
    hidden, failed = few.copy(), []
    for row, column in np.argwhere(few):
        more, less = _widest(small) - counts[row, column], counts[row, column] - 1
        beside = (down >= more) & (up >= less)
        fits = (up >= more) & (down >= less) & beside[row][None, :] & beside[:, column][:, None]
        fits[row], fits[:, column] = False, False
        if not fits.any():
            failed.append(int(row))
            continue
        loss = np.where(hidden, 0, counts)
        cost = np.where(fits, loss + loss[row][None, :] + loss[:, column][:, None], np.inf)
        other, along = np.unravel_index(int(np.argmin(cost)), cost.shape)
        hidden[other, along] = hidden[row, along] = hidden[other, column] = True
    return hidden, failed
