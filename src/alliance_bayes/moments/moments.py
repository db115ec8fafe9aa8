"""Moments: all that a Gaussian model reads of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from alliance_bayes.cohort import Flow
from alliance_bayes.errors import ModelError
from alliance_bayes.model import Formula
from alliance_bayes.moments.histogram import Histogram
from alliance_bayes.moments.pooling import Cells, cell_numbers, pool
from alliance_bayes.moments.recentring import Sources, recentred_cells
from alliance_bayes.moments.terms import component_names
from alliance_bayes.readonly import ReadOnly

__all__ = ["Moments"]


@dataclass(frozen=True, eq=False, repr=False)
class Moments:
    """Count, means and cross-products of a design's columns in every cell of its categorical columns.

    Parameters
    ----------
    columns
        The outcome, the design's columns (common ones, then pooled ones, each once, without "Intercept"), smooths'
        basis columns, then base columns: components of products and squares that are no design column themselves.
    keys
        Categorical columns of the model, whose cross makes the cells.
    levels
        Level labels in order, by key.
    codes
        Level numbers of each cell, shape (n_cells, n_keys).
    counts
        Rows in each cell, shape (n_cells,).
    means
        Shape (n_cells, n_columns), in the columns' units.
    cross
        Cross-products about the cell's own means, shape (n_cells, n_columns, n_columns).
    centres
        What was subtracted from each numeric component before products were made.
    histogram
        How often each outcome occurred in each cell.
    rest
        What rounding took from `means`: their sum has twice the digits. None for zeros.
    parts
        Components that each column is the product of: "sex[male]:age" is ("sex[male]", "age"). A column that is not
        named has itself for its one component.
    bases
        Numbers that fix each smooth's basis, by its name: ends, knots, transform and line. Moments with other bases
        cannot be merged.
    flow
        Who was left out before.
    notes
        What was lost on the way, one sentence each.
    card
        The model card (TOML) of the model that the moments were made for; "" when not known.
    """

    columns: tuple[str, ...]
    keys: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    codes: np.ndarray
    counts: np.ndarray
    means: np.ndarray
    cross: np.ndarray
    centres: Mapping[str, float]
    histogram: Histogram | None = None
    rest: np.ndarray = None  # type: ignore[assignment]
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bases: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    flow: Flow | None = None
    notes: tuple[str, ...] = ()
    card: str = ""

    def __post_init__(self) -> None:
        if self.rest is None:
            object.__setattr__(self, "rest", np.zeros_like(self.means))
        for name in ("levels", "centres", "parts", "bases"):
            object.__setattr__(self, name, ReadOnly(getattr(self, name)))

    def __repr__(self) -> str:
        """Sizes and names only: no cell's values."""
        cells = f"{self.n_cells:,} cells of {', '.join(self.keys)}" if self.keys else "one cell"
        return f"<{type(self).__name__}: {self.n:,.0f} rows in {cells}; columns: {', '.join(self.columns)}>"

    @property
    def n(self) -> float:
        """Number of rows."""
        return float(self.counts.sum())

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.counts)

    @property
    def total_mean(self) -> np.ndarray:
        """Mean over all rows, shape (n_columns,)."""
        return self._total.means[0]

    @property
    def total_cross(self) -> np.ndarray:
        """Cross-products about the overall mean, shape (n_columns, n_columns)."""
        return self._total.cross[0]

    @cached_property
    def _total(self) -> Cells:
        return pool(self.cells, np.zeros(self.n_cells, dtype=np.int64), 1)

    @property
    def cells(self) -> Cells:
        """The arrays of the cells together."""
        return Cells(self.counts, self.means, self.rest, self.cross)

    def column(self, label: str) -> int:
        """Position of a column.

        Raises
        ------
        ModelError
            No such column; the message lists those there are.
        """
        if label not in self.columns:
            raise ModelError(
                f"the moments have no column '{label}'. Their columns: {', '.join(self.columns)}. "
                "Reduce the table again with this model's card."
            )
        return self.columns.index(label)

    def keep_keys(self, keys: Sequence[str]) -> Moments:
        """Pool the cells that differ in other keys only; exact.

        Parameters
        ----------
        keys
            Keys to keep, in the order wanted; none pools everything.

        Raises
        ------
        ModelError
            A key that the moments do not have.
        """
        unknown = [key for key in keys if key not in self.keys]
        if unknown:
            raise ModelError(
                f"the moments have no key {', '.join(map(repr, unknown))}. Their keys: "
                f"{', '.join(self.keys) or 'none'}."
            )
        codes = self.codes[:, [self.keys.index(key) for key in keys]]
        return self.regrouped(tuple(keys), {key: self.levels[key] for key in keys}, codes)

    def centres_for(self, formula: Formula) -> dict[str, float]:
        """Centres of a formula's own components, without those of base columns: what a model's ``centre`` takes."""
        names = component_names(formula)
        return {name: value for name, value in self.centres.items() if name in names}

    def recentred(self, centres: Mapping[str, float]) -> Moments:
        """The moments as they would be with other centres; exact.

        Parameters
        ----------
        centres
            New centre by numeric component; the others keep theirs.

        Raises
        ------
        ModelError
            A component that the moments do not have, a centre that is not finite, or a product of which the
            components are not among the columns.
        """
        unknown = [name for name in centres if name not in self.centres]
        if unknown:
            raise ModelError(
                f"centres names {', '.join(map(repr, unknown))}, but the numeric components of these moments are "
                f"{', '.join(self.centres) or 'none'}."
            )
        for name, value in centres.items():
            if not np.isfinite(value):
                raise ModelError(f"centre of '{name}' should be a finite number but got {value}.")
        if all(self.centres[name] == value for name, value in centres.items()):
            return self
        cells = recentred_cells(self.cells, self.sources, self.centres, centres)
        return self.with_cells(
            cells, centres={**self.centres, **{name: float(value) for name, value in centres.items()}}
        )

    def merge(self, other: Moments) -> Moments:
        """Moments of both tables' rows together; exact.

        Cells are matched by their levels' labels and the levels united, in the first table's order where the two
        contradict each other. Indicator columns that one table lacks, because nobody had the level there, are filled
        in. Centres that differ become those of all rows together. The flow is kept only if both tables have one, and
        the histogram only if both have the same bins.

        Raises
        ------
        ModelError
            The tables do not have the same columns and keys, or their centres cannot be brought together.
        """
        # The functions of merging work on moments, so that module imports this one.
        from alliance_bayes.moments.merging import merged

        return merged(self, other)

    def __add__(self, other: Moments) -> Moments:
        return self.merge(other)

    def regrouped(self, keys: tuple[str, ...], levels: Mapping[str, tuple[str, ...]], codes: np.ndarray) -> Moments:
        """The moments with other level numbers; cells that get the same ones are pooled.

        Parameters
        ----------
        keys, levels
            New keys and their levels; levels that no cell has are dropped.
        codes
            New level numbers of each cell, shape (n_cells, n_keys).
        """
        levels, codes = _used(keys, levels, codes)
        distinct, number = cell_numbers(codes, [len(levels[key]) for key in keys])
        cells = pool(self.cells, number, len(distinct))
        histogram = None if self.histogram is None else self.histogram.pooled(number, len(distinct))
        return self.with_cells(cells, keys=keys, levels=levels, codes=distinct, histogram=histogram)

    @property
    def sources(self) -> Sources:
        """The columns as sources of other columns."""
        return Sources(self.columns, self.parts, {key: self.levels[key] for key in self.keys}, self.codes)

    def with_cells(self, cells: Cells, **changes: Any) -> Moments:
        """The moments with other arrays, and other fields where named."""
        return replace(self, **cells._asdict(), **changes)


def _used(
    keys: tuple[str, ...], levels: Mapping[str, tuple[str, ...]], codes: np.ndarray
) -> tuple[dict[str, tuple[str, ...]], np.ndarray]:
    """Levels that cells have, and the cells' numbers among them."""
    out, kept = codes.copy(), {}
    for position, key in enumerate(keys):
        present = np.zeros(len(levels[key]), dtype=bool)
        present[codes[:, position]] = True
        out[:, position] = (np.cumsum(present) - 1)[codes[:, position]]
        kept[key] = tuple(level for level, here in zip(levels[key], present, strict=True) if here)
    return kept, out
