"""Which counts of people a page may show, decided once for all columns of a fit and every pair of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from alliance_bayes.fit import FittedModel
from alliance_bayes.report.codings import cells_of, crossed, decided, few_valued, level_counts
from alliance_bayes.report.suppression import Mark, one_way, two_way

__all__ = ["cell_marks", "column_marks", "crossed_marks", "factors_of", "with_rest"]


def factors_of(fit: FittedModel) -> list[str]:
    """Pooled factors and categorical columns."""
    frame = fit.design.frame
    categorical = (str(name) for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype))
    return list(dict.fromkeys([*(factor.name for factor in fit.design.factors), *categorical]))


def column_marks(fit: FittedModel, small: int) -> dict[str, list[Mark]]:
    """Marks of the levels of every categorical column, such that no column tells what another one hides.

    Numbers of two or three values are among them, as columns and as components of the formula.
    """
    known = decided(fit)
    if small not in known:
        names = list(dict.fromkeys([*(name for name in factors_of(fit) if name in fit.design.frame), *few_valued(fit)]))
        counts = {name: np.array(list(level_counts(fit, name).values())) for name in names}
        marks = {name: list(one_way(people.tolist(), small)) for name, people in counts.items()}
        nests, pairs = [], []
        for one, other in combinations(names, 2):
            cells, sizes = cells_of(fit, one, other)
            nested = [_nest(cells, *ends) for ends in ((0, one, other), (1, other, one))]
            nests += [nest for nest in nested if nest is not None]
            few = np.flatnonzero(sizes < small)
            if not any(nested) and few.size:
                pairs.append(((one, other), cells, few))
        focal = fit.spec.focal_factor(fit.design)
        while any(_closed(counts, marks, nest, small) for nest in nests) or any(
            _parted(counts, marks, pair, focal) for pair in pairs
        ):
            pass
        known[small] = marks
    return dict(known[small])


type _Nest = tuple[str, str, list[tuple[int, np.ndarray]]]


def _nest(cells: np.ndarray, inner: int, fine: str, coarse: str) -> _Nest | None:
    """Which levels of a column make up each level of another; None where one is not nested in the other.

    Parameters
    ----------
    cells
        Pairs of levels that have people in common, shape (n_cells, 2).
    inner
        Place of the finer one in a pair.
    fine, coarse
        Their names.
    """
    inside, around = cells[:, inner], cells[:, 1 - inner]
    groups = np.unique(around)
    if len(np.unique(inside)) < len(inside) or len(groups) < 2:
        return None
    return fine, coarse, [(int(group), inside[around == group]) for group in groups]


def _parted(
    counts: Mapping[str, np.ndarray],
    marks: dict[str, list[Mark]],
    pair: tuple[tuple[str, str], np.ndarray, np.ndarray],
    focal: str | None,
) -> bool:
    """Hide a level where totals of two columns tell how few people two levels have in common; whether there was any.

    Whoever knows which levels have nobody in common has every cell that is the only unknown one of a shown level: of
    those in care, all have a therapist but three.
    """
    names, cells, few = pair
    shown = [np.array([mark is Mark.SHOWN for mark in marks[name]]) for name in names]
    unknown = np.ones(len(cells), dtype=bool)
    while True:
        before = unknown.copy()
        for known, column in zip(shown, cells.T, strict=True):
            left = np.bincount(column[unknown], minlength=known.size)
            unknown &= ~(known & (left == 1))[column]
        if (unknown == before).all():
            break
    solved = few[~unknown[few]]
    if not solved.size:
        return False
    ends = [(name, int(level)) for name, level in zip(names, cells[solved[0]], strict=True)]
    ends = [(name, level) for name, level in ends if marks[name][level] is Mark.SHOWN]
    name, level = min(ends, key=lambda end: (end[0] == focal, counts[end[0]][end[1]]))
    marks[name][level] = Mark.HIDDEN
    _not_one(counts[name], marks[name])
    return True


def _not_one(counts: np.ndarray, marks: list[Mark]) -> bool:
    """Hide a second level of a column of which one alone is hidden; whether there was one."""
    shown = [k for k, mark in enumerate(marks) if mark is Mark.SHOWN and counts[k]]
    if not shown or sum(mark is not Mark.SHOWN for mark in marks) != 1:
        return False
    marks[min(shown, key=lambda level: counts[level])] = Mark.HIDDEN
    return True


def _closed(
    counts: Mapping[str, np.ndarray],
    marks: dict[str, list[Mark]],
    nest: _Nest,
    small: int,
) -> bool:
    """Hide what a nested column, summed, would tell of the other, or the other of it; whether there was any."""
    fine, coarse, members = nest
    changed = False

    def hide(name: str, level: int) -> None:
        nonlocal changed
        changed |= marks[name][level] is Mark.SHOWN
        if marks[name][level] is Mark.SHOWN:
            marks[name][level] = Mark.HIDDEN

    for group, levels in members:
        if marks[coarse][group] is not Mark.SHOWN:
            for level in levels:
                hide(fine, int(level))
            continue
        for level, mark in zip(levels, one_way(counts[fine][levels].tolist(), small), strict=True):
            if mark is not Mark.SHOWN:
                hide(fine, int(level))
        if sum(marks[fine][level] is not Mark.SHOWN for level in levels) == 1:
            others = [int(level) for level in levels if marks[fine][level] is Mark.SHOWN and counts[fine][level]]
            hide(*((fine, min(others, key=lambda level: counts[fine][level])) if others else (coarse, group)))
    for name in (fine, coarse):
        changed |= _not_one(counts[name], marks[name])
    return changed


def cell_marks(fit: FittedModel, first: str, second: str, small: int) -> np.ndarray:
    """Marks of a table of two columns, of which some rows and columns are hidden since their own counts are."""
    if first > second:
        # The marks must not depend on which of the two is across.
        return cell_marks(fit, second, first, small).T
    known = decided(fit)
    if (small, first, second) not in known:
        table = crossed(fit, first, second)
        shown = [np.array([m is Mark.SHOWN for m in column_marks(fit, small)[name]]) for name in (first, second)]
        # What is hidden can be had in sum, as the totals less what is shown: one more row, and one more column.
        merged = with_rest(with_rest(table, shown[0]).T, shown[1]).T
        inner = two_way(merged, small)
        marks = np.full(table.shape, Mark.HIDDEN, dtype=object)
        marks[np.ix_(*shown)] = inner[: int(shown[0].sum()), : int(shown[1].sum())]
        known[(small, first, second)] = marks
    return np.asarray(known[(small, first, second)])


def crossed_marks(fit: FittedModel, factor: str, small: int) -> list[Mark]:
    """Marks of the levels of a combination ("a:b"), as the table of its parts has them."""
    known = decided(fit)
    if (small, factor) not in known:
        known[small, factor] = _marks_of_combination(fit, factor, small)
    return list(known[small, factor])


def _marks_of_combination(fit: FittedModel, factor: str, small: int) -> list[Mark]:
    codes, levels = fit.design.levels_of(factor)
    parts = factor.split(":")
    if not all(part in fit.design.frame for part in parts):
        return list(one_way(list(level_counts(fit, factor).values()), small))
    # A label may itself hold a colon, so the parts of a level are those of a row that is in it.
    present, first = np.unique(codes, return_index=True)
    rows = dict(zip(present.tolist(), first.tolist(), strict=True))
    inside = [fit.design.levels_of(part)[0] for part in parts]
    counts = one_way(list(level_counts(fit, factor).values()), small)
    marks = []
    for code in range(len(levels)):
        if code not in rows:
            marks.append(Mark.HIDDEN)
        elif len(parts) == 2:
            marks.append(cell_marks(fit, parts[0], parts[1], small)[inside[0][rows[code]], inside[1][rows[code]]])
        else:
            of_parts = [column_marks(fit, small)[part][at[rows[code]]] for part, at in zip(parts, inside, strict=True)]
            marks.append(counts[code] if all(mark is Mark.SHOWN for mark in of_parts) else Mark.HIDDEN)
    return marks


def with_rest(table: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The rows that are shown and, where there are others, their sum."""
    return table if shown.all() else np.vstack([table[shown], table[~shown].sum(axis=0)])
