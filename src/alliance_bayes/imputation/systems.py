"""Small systems of Normal unknowns, many of them drawn side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Systems"]


class Systems:
    """Many small systems of Normal unknowns, each of which is drawn at once.

    A row has an error left that its system's unknowns would change, in straight lines, and how precisely it is known.
    Unknowns are counted from where they stand.

    Parameters
    ----------
    unknown, rows
        System of each unknown, shape (k,), and of each row, shape (n,).
    entries
        Row and unknown of what is not 0, shape (2, entries).
    pairs
        Pairs of unknowns of one system that a prior has a precision of, both ways round, shape (2, pairs).
    """

    def __init__(self, unknown: np.ndarray, rows: np.ndarray, entries: np.ndarray, pairs: np.ndarray) -> None:
        n = int(unknown.max(initial=-1)) + 1
        sizes, lengths = np.bincount(unknown, minlength=n), np.bincount(rows, minlength=n)
        place, line = _place_within(unknown, sizes), _place_within(rows, lengths)
        # Those of about the same size are worked with side by side.
        kind = np.stack([np.ceil(np.log2(np.maximum(1, own))) for own in (sizes, lengths)])
        _, which = np.unique(kind, axis=1, return_inverse=True)
        which = which.ravel()
        self.n_unknown, self.entries, self.pairs = len(unknown), entries, pairs
        self._parts = [
            _Part.of(np.flatnonzero(which == one), unknown, rows, place, line, entries, pairs)
            for one in range(int(which.max(initial=-1)) + 1)
        ]

    def draw(
        self,
        by: np.ndarray,
        left: np.ndarray,
        weight: np.ndarray,
        prior: np.ndarray,
        pull: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Draw how far every unknown goes from where it stands, shape (chains, k).

        Parameters
        ----------
        by
            What one more of an entry's unknown takes from what is left of its row, shape (chains, entries).
        left, weight
            What is left of each row, and its precision, shape (chains, n).
        prior, pull
            Precisions of the pairs, shape (chains, pairs), and what else says how far each should go, times its
            precision, shape (chains, k).
        rng
            Generator.
        """
        out = np.empty((len(by), self.n_unknown))
        for part in self._parts:
            out[:, part.unknown] = part.draw(by, left, weight, prior, pull, rng)
        return out


@dataclass(frozen=True, eq=False)
class _Part:
    """Systems of about the same size: which unknowns, rows, entries and pairs are theirs, and where these stand."""

    shape: tuple[int, int, int]
    unknown: np.ndarray
    unknown_at: np.ndarray
    rows: np.ndarray
    rows_at: np.ndarray
    entries: np.ndarray
    entries_at: np.ndarray
    pairs: np.ndarray
    pairs_at: np.ndarray
    empty_at: np.ndarray

    @classmethod
    def of(
        cls,
        systems: np.ndarray,
        unknown: np.ndarray,
        rows: np.ndarray,
        place: np.ndarray,
        line: np.ndarray,
        entries: np.ndarray,
        pairs: np.ndarray,
    ) -> _Part:
        slot = np.full(int(unknown.max()) + 1, -1, dtype=np.int64)
        slot[systems] = np.arange(len(systems))
        mine, lines = np.flatnonzero(slot[unknown] >= 0), np.flatnonzero(slot[rows] >= 0)
        size, length = int(place[mine].max()) + 1, int(line[lines].max(initial=0)) + 1
        own = np.flatnonzero(slot[unknown[entries[1]]] >= 0)
        row, of = entries[:, own]
        two = np.flatnonzero(slot[unknown[pairs[0]]] >= 0)
        one, other = pairs[:, two]
        filled = np.zeros((len(systems), size), dtype=bool)
        filled[slot[unknown[mine]], place[mine]] = True
        where, diagonal = np.nonzero(~filled)
        return cls(
            (len(systems), length, size),
            mine,
            slot[unknown[mine]] * size + place[mine],
            lines,
            slot[rows[lines]] * length + line[lines],
            own,
            (slot[unknown[of]] * length + line[row]) * size + place[of],
            two,
            (slot[unknown[one]] * size + place[one]) * size + place[other],
            (where * size + diagonal) * size + diagonal,
        )

    def draw(
        self,
        by: np.ndarray,
        left: np.ndarray,
        weight: np.ndarray,
        prior: np.ndarray,
        pull: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        chains, (n, length, size) = len(by), self.shape
        columns = _put(by, self.entries, self.entries_at, (chains, n, length, size))
        rows = (chains, n, length, 1)
        weighted = columns * _put(weight, self.rows, self.rows_at, rows)
        precision = weighted.swapaxes(-1, -2) @ columns
        flat = precision.reshape(chains, -1)
        flat[:, self.pairs_at] += prior[:, self.pairs]
        flat[:, self.empty_at] = 1.0
        sums = weighted.swapaxes(-1, -2) @ _put(left, self.rows, self.rows_at, rows)
        sums += _put(pull, self.unknown, self.unknown_at, sums.shape)
        noise = np.linalg.cholesky(precision) @ rng.standard_normal(sums.shape)
        drawn = np.linalg.solve(precision, sums + noise)
        return np.asarray(drawn.reshape(chains, -1)[:, self.unknown_at])


def _put(values: np.ndarray, chosen: np.ndarray, at: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros((shape[0], int(np.prod(shape[1:]))))
    out[:, at] = values[:, chosen]
    return out.reshape(shape)


def _place_within(of: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Place of each among those of the same number."""
    order, out = np.argsort(of, kind="stable"), np.empty(len(of), dtype=np.int64)
    out[order] = np.arange(len(of)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return out
