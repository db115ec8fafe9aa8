"""Columns out of other columns: what a change of centres makes of products, and indicators that a table lacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from alliance_bayes.errors import ModelError
from alliance_bayes.moments.pooling import Cells, sum_exactly
from alliance_bayes.moments.terms import SMALL, indicators
from alliance_bayes.remedies import setting

__all__ = ["Source", "Sources", "derived", "recentred_cells"]


@dataclass(frozen=True, eq=False)
class Source:
    """Where a product can be read: a column, times a factor that is the same for all rows of a cell.

    Parameters
    ----------
    column
        Position of the column; None for the constant 1.
    factor
        Shape (n_cells,); None for 1.
    """

    column: int | None
    factor: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Sources:
    """The columns of some moments, as sources of products of components.

    Parameters
    ----------
    columns, parts
        Labels, and the components of each.
    levels
        Level labels by key, in the order of the keys.
    codes
        Level numbers of each cell, shape (n_cells, n_keys).
    """

    columns: Sequence[str]
    parts: Mapping[str, tuple[str, ...]]
    levels: Mapping[str, tuple[str, ...]]
    codes: np.ndarray

    @cached_property
    def _places(self) -> dict[tuple[str, ...], int]:
        return {
            tuple(sorted(self.parts.get(label, (label,)))): place
            for place, label in reversed(list(enumerate(self.columns)))
        }

    def find(self, parts: Sequence[str]) -> Source | None:
        """A source of the product of some components; None when there is none."""
        if not parts:
            return Source(None, None)
        place = self._places.get(tuple(sorted(parts)))
        if place is not None:
            return Source(place, None)
        inside = [part for part in parts if indicators([part], self.levels)]
        outside = [part for part in parts if part not in inside]
        factor = self.indicator(inside)
        place = self._places.get(tuple(sorted(outside)))
        if not inside or factor is None or (outside and place is None):
            return None
        return Source(place, factor)

    def indicator(self, parts: Sequence[str]) -> np.ndarray | None:
        """Product of indicators by cell, shape (n_cells,); None where cells of several levels were pooled."""
        out = np.ones(len(self.codes))
        for key, level in indicators(parts, self.levels) or ():
            if SMALL in self.levels[key]:
                return None
            here = self.codes[:, list(self.levels).index(key)]
            out *= here == self.levels[key].index(level) if level in self.levels[key] else 0.0
        return out


def derived(cells: Cells, sources: Sequence[Source]) -> Cells:
    """Cells whose columns are read from other cells' columns."""
    n = len(cells.counts)
    place = np.array([0 if source.column is None else source.column for source in sources])
    constant = np.array([source.column is None for source in sources])
    factor = np.stack([np.ones(n) if source.factor is None else source.factor for source in sources], axis=1)
    spread = np.where(constant, 0.0, factor)
    cross = cells.cross[:, place[:, None], place] * spread[:, :, None] * spread[:, None, :]
    return Cells(
        cells.counts,
        np.where(constant, factor, cells.means[:, place] * factor),
        np.where(constant, 0.0, cells.rest[:, place] * factor),
        cross,
    )


def recentred_cells(cells: Cells, sources: Sources, old: Mapping[str, float], new: Mapping[str, float]) -> Cells:
    """Cells after a change of centres.

    Parameters
    ----------
    cells, sources
        The cells and what their columns are.
    old, new
        Centres by component; components that `new` does not name keep theirs.

    Raises
    ------
    ModelError
        A product would need a lower-order product that is not among the columns.

    Notes
    -----
    With d the old centre minus the new one, (a + d_a)(b + d_b) = ab + d_b a + d_a b + d_a d_b.
    """
    change = {name: old[name] - value for name, value in new.items() if value != old[name]}
    width = len(sources.columns)
    gain = np.zeros((width, width))
    offset = np.zeros((len(cells.counts), width))
    by_cell: list[tuple[int, int, np.ndarray]] = []
    for row, label in enumerate(sources.columns):
        parts = sources.parts.get(label, (label,))
        moved = [place for place, part in enumerate(parts) if part in change]
        for order in range(1, len(moved) + 1):
            for taken in combinations(moved, order):
                weight = float(np.prod([change[parts[place]] for place in taken]))
                left = [part for place, part in enumerate(parts) if place not in taken]
                source = sources.find(left)
                if source is None:
                    raise _lacking(label, left, [parts[place] for place in taken])
                if source.column is None:
                    offset[:, row] += weight if source.factor is None else weight * source.factor
                elif source.factor is None:
                    gain[row, source.column] += weight
                else:
                    by_cell.append((row, source.column, weight * source.factor))
    if by_cell:
        gains = np.repeat(gain[None], len(cells.counts), axis=0)
        for row, column, weights in by_cell:
            gains[:, row, column] += weights
        gain = gains
    shift = np.matvec(gain, cells.means + cells.rest) + offset
    means, lost = sum_exactly(cells.means, shift)
    means, rest = sum_exactly(means, lost + cells.rest)
    whole = np.eye(width) + gain
    return Cells(cells.counts, means, rest, whole @ cells.cross @ np.swapaxes(whole, -1, -2))


def _lacking(label: str, left: Sequence[str], moved: Sequence[str]) -> ModelError:
    return ModelError(
        f"the centre of {' and '.join(map(repr, moved))} cannot be changed: '{label}' would need the column "
        f"'{':'.join(left)}', which these moments do not have. State the centres "
        f"of the model ({setting('centre')}) and reduce the table again."
    )
