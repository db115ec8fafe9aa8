"""A least number of people in every cell, for tables that leave the house."""

from __future__ import annotations

from typing import Literal

import numpy as np

from alliance_bayes.cohort.names import rows_of
from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.kinds import is_whole
from alliance_bayes.moments.moments import Moments
from alliance_bayes.moments.terms import SMALL
from alliance_bayes.remedies import argument

__all__ = ["check_minimum", "with_minimum"]


def with_minimum(moments: Moments, size: int, *, small: Literal["refuse", "merge"] = "refuse") -> Moments:
    """Moments without cells of fewer people than a stated number.

    Parameters
    ----------
    moments
        The moments.
    size
        Least number of people in a cell: of rows, where a row is a person.
    small
        What to do about smaller cells. "refuse": raise. "merge": put them together, key by key from the one with the
        most levels on, under the level "(small cells)"; if one is left over that is too small, it is joined by the
        next smallest. The notes say what was lost.

    Raises
    ------
    UsageError
        An argument that is not as described.
    DataError
        There are smaller cells and they are to be refused, or all rows together are too few. Moments of a model with an
        effect of persons have a cell, or several, for each of them, and nothing to put together.
    """
    check_minimum(size, small)
    if moments.person and size > 1:
        what = (
            f"has cells of one person each ({moments.people:,} people by '{moments.person}', whose effects the model "
            f"has), fewer than the {size} that a cell must have"
        )
        remedy = "Lower the least number to 1, or reduce a table with one row a person."
        raise DataError([Problem(None, None, None, what, remedy)], source="moments")
    few = int((moments.counts < size).sum())
    if not few:
        return moments
    if moments.n < size:
        what = f"has {rows_of(moments.n)} altogether, fewer than the {size} that a cell must have"
        raise DataError([Problem(None, None, None, what, "Lower the least number, or add rows.")], source="moments")
    if small == "refuse":
        what = (
            f"has {few:,} of {moments.n_cells:,} cells of {', '.join(moments.keys)} with fewer than {size} rows "
            f"({rows_of(float(moments.counts[moments.counts < size].sum()))} of {moments.n:,.0f})"
        )
        remedy = f"Put them together with {argument('small', 'merge')}, leave out a factor, or lower the least number."
        raise DataError([Problem(None, None, None, what, remedy)], source="moments")
    return _merged(moments, size)


def check_minimum(size: object, small: object) -> None:
    """Raise UsageError for arguments that `with_minimum` does not take."""
    if not is_whole(size, least=1):
        raise UsageError(f"the least number of rows in a cell should be a whole number from 1 up but got {size!r}.")
    if small not in ("refuse", "merge"):
        raise UsageError(f"small should be 'refuse' or 'merge' but got {small!r}.")


def _merged(moments: Moments, size: int) -> Moments:
    out = moments
    lost: dict[str, tuple[float, set[str]]] = {}
    for key in sorted(moments.keys, key=lambda name: -len(moments.levels[name])):
        alone = out.counts < size
        if alone.any():
            out = _relabelled(out, alone, [key], lost)
    if (out.counts < size).any():
        # What is left is one cell without any level of its own; those that lost most levels already join it.
        unnamed = sum((out.codes[:, place] == _number(out, key)).astype(int) for place, key in enumerate(out.keys))
        order = np.lexsort((out.counts, -np.asarray(unnamed), out.counts >= size))
        taken = order[: int(np.searchsorted(np.cumsum(out.counts[order]), size)) + 1]
        out = _relabelled(out, np.isin(np.arange(out.n_cells), taken), list(out.keys), lost)
    notes = tuple(
        f"Cells of fewer than {size} rows: {rows_of(rows)} of {len(levels)} "
        f"level{'' if len(levels) == 1 else 's'} of '{key}' {'is' if rows == 1 else 'are'} now '{SMALL}'."
        for key, (rows, levels) in lost.items()
    )
    return out.with_cells(out.cells, notes=(*out.notes, *notes))


def _relabelled(
    moments: Moments, chosen: np.ndarray, keys: list[str], lost: dict[str, tuple[float, set[str]]]
) -> Moments:
    codes, levels = moments.codes.copy(), dict(moments.levels)
    for key in keys:
        place = moments.keys.index(key)
        named = chosen & (codes[:, place] != _number(moments, key))
        rows, gone = lost.get(key, (0.0, set()))
        lost[key] = (
            rows + float(moments.counts[named].sum()),
            gone | {levels[key][code] for code in np.unique(codes[named, place])},
        )
        if SMALL not in levels[key]:
            levels[key] = (*levels[key], SMALL)
        codes[chosen, place] = levels[key].index(SMALL)
    return moments.regrouped(moments.keys, levels, codes)


def _number(moments: Moments, key: str) -> int:
    levels = moments.levels[key]
    return levels.index(SMALL) if SMALL in levels else -1
