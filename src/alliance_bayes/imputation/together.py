"""Unknown values that hang together by the rows that they change, drawn at once with the effects of their levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from alliance_bayes.imputation.linked import Touch
from alliance_bayes.imputation.systems import Systems
from alliance_bayes.model import Rows

__all__ = ["Blocks", "Together"]

# Most unknowns of a block, and most numbers that a sweep writes for all of them.
_MOST_UNKNOWN, _MOST_NUMBERS = 200, 5_000_000

#: Levels of a factor whose effects are drawn with the values, ascending, and the block of each.
type Levels = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Blocks:
    """What hangs together: unknown values, rows that they change, and levels that no other block has rows of.

    Parameters
    ----------
    rows
        Block of each row of the table whose outcome takes part, shape (rows,); -1 of others.
    levels
        By factor of the model, those of its levels.
    own
        Block of each row whose value takes part, drawn or not, shape (rows,); -1 of others.
    own_levels
        The same as ``levels``, by factor of the column's own regression.
    codes
        Numbers of the levels of those factors by row, shape (rows,) each.
    """

    rows: np.ndarray
    levels: Mapping[str, Levels]
    own: np.ndarray
    own_levels: Mapping[str, Levels]
    codes: Mapping[str, np.ndarray]

    @classmethod
    def of(
        cls,
        units: sparse.csr_matrix,
        changed: sparse.csr_matrix,
        by: Sequence[np.ndarray],
        factors: Mapping[str, np.ndarray],
        own_factors: Mapping[str, np.ndarray],
    ) -> Blocks:
        """Find them.

        Parameters
        ----------
        units
            1 where a row has an unknown value, shape (rows, values).
        changed
            Not 0 where a value changes an analysed row, shape (rows, values).
        by
            Columns of levels that values are in one block by, in numbers by row, -1 of no level.
        factors, own_factors
            Factors of the model, of analysed rows, and of the column's own regression in the same way, by name.
        """
        links = [changed]
        for codes in by:
            inside = np.flatnonzero(codes >= 0)
            shape = int(codes.max(initial=-1)) + 1, len(codes)
            links.append(sparse.csr_matrix((np.ones(len(inside)), (codes[inside], inside)), shape=shape) @ units)
        n = units.shape[1]
        graph = sparse.vstack(links).tocoo()
        size = n + graph.shape[0]
        pairs = sparse.csr_matrix((np.ones(graph.nnz), (graph.col, n + graph.row)), shape=(size, size))
        number = np.unique(connected_components(pairs, directed=False)[1][:n], return_inverse=True)[1]
        rows, levels = _with_levels(_block_of_rows(changed, number), factors)
        own, own_levels = _with_levels(_block_of_rows(units, number), own_factors)
        return cls(rows, levels, own, own_levels, own_factors)

    def fit(self, chains: int) -> bool:
        """Whether they are small enough."""
        n = int(self.own.max(initial=-1)) + 1
        values = np.bincount(self.own[self.own >= 0], minlength=n)
        rows = values + np.bincount(self.rows[self.rows >= 0], minlength=n)
        return bool(values.max(initial=0) <= _MOST_UNKNOWN and chains * rows @ values <= _MOST_NUMBERS)


def _block_of_rows(of: sparse.csr_matrix, number: np.ndarray) -> np.ndarray:
    out, at = np.full(of.shape[0], -1, dtype=np.int64), of.tocoo()
    out[at.row] = number[at.col]
    return out


def _with_levels(rows: np.ndarray, factors: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, Levels]]:
    """Levels whose rows are of one block or none, one factor after the other; all these rows are the block's then."""
    found = {}
    for name, codes in factors.items():
        size, known = int(codes.max(initial=-1)) + 1, (codes >= 0) & (rows >= 0)
        first, last = np.full(size, len(rows)), np.full(size, -1)
        np.minimum.at(first, codes[known], rows[known])
        np.maximum.at(last, codes[known], rows[known])
        levels = np.flatnonzero(first == last)
        found[name] = levels, first[levels]
        inside = np.isin(codes, levels)
        rows = rows.copy()
        rows[inside] = first[codes[inside]]
    return rows, found


class Together:
    """Unknown values of a column, effects of the model, and of the column's own regression, that are drawn at once.

    Given all else they are jointly Normal where the design is straight lines in the values. An effect whose own design
    column moves with the values (a slope of them) stays as it is: a product of two unknowns is none.

    Parameters
    ----------
    blocks
        What hangs together.
    touches
        The unknown values, in groups that change no row together.
    at
        The changing rows of the model by place in the table, shape (n_changing,).
    rows
        Their design arrays, of every chain.
    terms
        Which effects of each factor are drawn, shape (n_terms,) each.
    """

    def __init__(
        self, blocks: Blocks, touches: Sequence[Touch], at: np.ndarray, rows: Rows, terms: Mapping[str, np.ndarray]
    ) -> None:
        self.inside, self.own = np.flatnonzero(blocks.rows[at] >= 0), np.flatnonzero(blocks.own >= 0)
        self.terms = {name: np.flatnonzero(terms[name]) for name in blocks.levels}
        self.levels = {name: one for name, (one, _) in blocks.levels.items() if one.size and self.terms[name].size}
        self.own_levels = {name: one for name, (one, _) in blocks.own_levels.items() if one.size}
        line, own_line = (np.full(len(blocks.own), -1, dtype=np.int64) for _ in range(2))
        line[self.inside] = np.arange(len(self.inside))
        own_line[self.own] = len(self.inside) + np.arange(len(self.own))
        unknown, entries, pairs, end = [], [], [], 0
        for touch in touches:
            unknown.append(blocks.own[touch.first])
            entries.append((line[touch.inside], end + touch.unit))
            pairs.append(np.tile(end + np.arange(touch.n), (2, 1)))
            end += touch.n
        self.n_values, end = end, 0
        for touch in touches:
            entries.append((own_line[touch.own], end + touch.own_unit))
            end += touch.n
        self._signs = [-np.ones(sum(len(touch.own) for touch in touches))]
        self._taken: dict[str, np.ndarray] = {}
        for name, levels in self.levels.items():
            q, (there, number) = len(self.terms[name]), _numbers(levels, rows.index[name][self.inside])
            self._taken[name] = self.inside[there]
            entries.append((np.repeat(there, q), (end + q * number[:, None] + np.arange(q)).ravel()))
            square = np.indices((q, q)).reshape(2, 1, -1) + end + q * np.arange(len(levels))[:, None]
            pairs.append(square.reshape(2, -1))
            unknown.append(np.repeat(blocks.levels[name][1], q))
            end += q * len(levels)
        for name, levels in self.own_levels.items():
            there, number = _numbers(levels, blocks.codes[name][self.own])
            entries.append((len(self.inside) + there, end + number))
            self._signs.append(np.ones(len(there)))
            pairs.append(np.tile(end + np.arange(len(levels)), (2, 1)))
            unknown.append(blocks.own_levels[name][1])
            end += len(levels)
        lines = np.concatenate([blocks.rows[at][self.inside], blocks.own[self.own]])
        self._systems = Systems(np.concatenate(unknown), lines, np.hstack(entries), np.hstack(pairs))

    def draw(
        self,
        slopes: np.ndarray,
        z: Mapping[str, np.ndarray],
        told: tuple[np.ndarray, np.ndarray],
        rows: tuple[np.ndarray, np.ndarray],
        own: tuple[np.ndarray, np.ndarray],
        effects: Mapping[str, tuple[np.ndarray, np.ndarray]],
        own_effects: Mapping[str, tuple[np.ndarray, np.ndarray]],
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """How far values, effects of the model and effects of the column's own regression go from where they stand.

        Parameters
        ----------
        slopes
            Of the linear predictor by a value, of the pairs of all touches, shape (chains, pairs).
        z
            Pooled columns of the changing rows, shape (chains, n_changing, n_terms) by factor.
        told
            Precision of the values by all but the model and their own regression, and how far this says that they
            should go times the precision, shapes (chains, values).
        rows, own
            What is left of the outcomes of the changing rows, and of the column by its own regression, with precisions.
        effects
            By factor the precision of a level's effects, shape (chains, n_terms, n_terms), and all effects as they
            are, shape (chains, n_levels, n_terms).
        own_effects
            The same of the column's own regression, shapes (chains,) and (chains, n_levels).
        rng
            Generator.
        """
        chains = len(slopes)
        by = [slopes, np.tile(self._signs[0], (chains, 1))]
        prior, pull = [told[0]], [told[1]]
        for name, levels in self.levels.items():
            terms, (precision, now) = self.terms[name], effects[name]
            by.append(z[name][:, self._taken[name]][..., terms].reshape(chains, -1))
            mine = precision[:, terms[:, None], terms].reshape(chains, 1, -1)
            prior.append(np.repeat(mine, len(levels), axis=1).reshape(chains, -1))
            # An effect that stays says what to expect of one that is correlated with it.
            pull.append(-np.einsum("clq,cqt->clt", now[:, levels], precision[..., terms]).reshape(chains, -1))
        for (name, levels), sign in zip(self.own_levels.items(), self._signs[1:], strict=True):
            alone, own_now = own_effects[name]
            by.append(np.tile(sign, (chains, 1)))
            prior.append(np.repeat(alone[:, None], len(levels), axis=1))
            pull.append(-alone[:, None] * own_now[:, levels])
        left, weight = (
            np.hstack([of_rows[:, self.inside], of_own[:, self.own]]) for of_rows, of_own in zip(rows, own, strict=True)
        )
        moved = self._systems.draw(np.hstack(by), left, weight, np.hstack(prior), np.hstack(pull), rng)
        values, found, own_found, end = moved[:, : self.n_values], {}, {}, self.n_values
        for name, levels in self.levels.items():
            size = len(levels) * len(self.terms[name])
            found[name] = moved[:, end : end + size].reshape(chains, len(levels), -1)
            end += size
        for name, levels in self.own_levels.items():
            own_found[name] = moved[:, end : end + len(levels)]
            end += len(levels)
        return values, found, own_found


def _numbers(levels: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have one of some levels, ascending, and the number among these that each has."""
    there = np.flatnonzero(np.isin(codes, levels))
    return there, np.searchsorted(levels, codes[there])
