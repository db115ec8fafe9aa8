"""One estimand: what it is called, and the draws behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alliance_bayes.rounding import ROUNDING

__all__ = ["Difference", "Fixed", "Quantity"]


@dataclass(frozen=True, eq=False)
class Fixed:
    """Draws that are at hand, shape (chain, draw)."""

    values: np.ndarray

    def __call__(self) -> np.ndarray:
        """Return them."""
        return self.values


@dataclass(frozen=True, eq=False)
class Difference:
    """Difference of two levels, computed when asked for, so that hundreds of pairs need no memory.

    Parameters
    ----------
    block
        Draws by level, shape (level, chain, draw).
    first, second
        The levels: first minus second.
    denominator
        What the difference is divided by, shape (chain, draw); None for nothing.
    """

    block: np.ndarray
    first: int
    second: int
    denominator: np.ndarray | None = None

    def __call__(self) -> np.ndarray:
        """Return the draws, shape (chain, draw)."""
        first, second = self.block[self.first], self.block[self.second]
        difference = first - second
        # What the model holds equal may still differ by rounding.
        if np.abs(difference).max() <= ROUNDING * max(np.abs(first).max(), np.abs(second).max()):
            difference = np.zeros_like(difference)
        return np.asarray(difference if self.denominator is None else difference / self.denominator)


@dataclass(frozen=True, eq=False)
class Quantity:
    """One estimand with its draws; a row of an :class:`EffectTable` before it is summarised.

    Parameters
    ----------
    estimand
        What it is ("slope", "mean", "contrast_of_means", ...).
    draws
        Gives the draws, shape (chain, draw). NaN: not defined in that draw, which makes the whole row NaN. Infinite:
        beyond any bound, which leaves quantiles defined and the mean not.
    unit
        Unit of the draws.
    term, factor, level, versus, denominator, population
        As the table's columns; None where they do not apply.
    size_of
        Draws of what this is a size of, shape (n_draws,), where that has a sign: where its interval holds 0, the
        interval begins at 0.
    signed
        Whether zero means "no effect", so that a probability of direction makes sense.
    prior
        Gives draws of the same from the prior, any shape; None where they are not asked for.
    rope, relevant
        Region of practical equivalence and smallest relevant change, in ``unit``; None where there is none.
    note
        What a reader must know about the row, or why it is NaN; empty for nothing.
    """

    estimand: str
    draws: Callable[[], np.ndarray]
    unit: str
    term: str | None = None
    factor: str | None = None
    level: str | None = None
    versus: str | None = None
    denominator: str | None = None
    population: str | None = None
    size_of: np.ndarray | None = None
    signed: bool = False
    prior: Callable[[], np.ndarray] | None = None
    rope: tuple[float, float] | None = None
    relevant: float | None = None
    note: str = ""

    @property
    def row_id(self) -> str:
        """Identifies the row within a table: the parts that tell rows apart, joined by slashes."""
        where = None if self.factor is None else _plain(self.factor)
        if where is not None and self.level is not None:
            where += f"={_plain(self.level)}"
        compared = self.versus is not None
        if where is not None and self.versus is not None:
            where += f" vs {_plain(self.versus)}"
        term = None if self.term is None else _plain(self.term)
        parts = (self.estimand, term, where, self.population, self.denominator if compared else None)
        return "/".join(part for part in parts if part is not None)


def _plain(label: str) -> str:
    """A label whose separators are escaped, so that no two rows share an id."""
    return label.replace("\\", "\\\\").replace("/", "\\/").replace(" vs ", "\\ vs ")
