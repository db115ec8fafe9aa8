"""Columns of many levels: shares of their levels, where each would be a step too many of a probit regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from alliance_bayes.imputation.table import Column

__all__ = ["CONCENTRATIONS", "SHARE_PRIOR", "Shares", "explained_by"]

#: Parameter of the symmetric Dirichlet prior of the shares of levels.
SHARE_PRIOR = 0.5
#: Values that the concentration of groups' shares about those of all may have, each as likely as the others.
CONCENTRATIONS = np.geomspace(0.01, 100, 13)
# Levels times groups of which shares are kept.
_MOST_CELLS = 500_000


@dataclass(eq=False)
class Shares:
    """A column whose levels have shares, in every chain, which may differ by the level of another such column.

    Shares of all are Dirichlet; those of a group Dirichlet about them, with a concentration that is drawn too (the
    hierarchical Dirichlet distribution of Teh et al. 2006, doi 10.1198/016214506000000302, of known groups and levels).
    What numbers and short columns tell of the level is in their own regressions, over whose intercepts it pools.

    Parameters
    ----------
    name
        The column.
    codes
        Level of each row, shape (chains, rows); the sampler writes those that were not observed.
    levels
        How many there are.
    by
        The column whose levels are the groups; None of one group.
    groups
        Group of each row, shape (chains, rows); the sampler writes those that were not observed.
    n_groups
        How many there are.
    counts
        1 where a row counts, 0 where it says nothing, shape (rows,); None where all do.
    """

    name: str
    codes: np.ndarray
    levels: int
    by: str | None
    groups: np.ndarray
    n_groups: int
    counts: np.ndarray | None = None
    columns: Mapping[str, slice] = field(init=False)
    factors: Mapping[str, np.ndarray] = field(init=False)
    of_all: np.ndarray = field(init=False)
    log_shares: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        chains = len(self.codes)
        self.columns, self.factors = {}, {} if self.by is None else {self.by: self.groups}
        self.of_all = np.full((chains, self.levels), 1 / self.levels)
        self.log_shares = np.full((chains, self.n_groups, self.levels), -np.log(self.levels))

    def draw_parameters(self, rng: np.random.Generator) -> None:
        """Draw the shares, and how near groups are to all, given every row's level."""
        chains = len(self.codes)
        shape = (chains, self.n_groups, self.levels)
        at = slice(None) if self.counts is None else np.flatnonzero(self.counts)
        groups, codes = self.groups[:, at], self.codes[:, at]
        cell = ((np.arange(chains)[:, None] * self.n_groups + groups) * self.levels + codes).ravel()
        counts = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)
        if self.by is None:
            self.log_shares = _log_dirichlet(SHARE_PRIOR + counts, rng)
            return
        near = self._concentration(counts, rng)[:, None]
        # How many rows drew their level from the shares of all: of a cell's rows the one after l others with a
        # probability of s / (s + l), where s is the cell's part of the concentration.
        order = np.argsort(cell, kind="stable")
        first = np.r_[0, np.flatnonzero(np.diff(cell[order])) + 1]
        before = np.arange(len(cell)) - np.repeat(first, np.diff(np.r_[first, len(cell)]))
        level = (np.arange(chains)[:, None] * self.levels + codes).ravel()[order]
        part = (near * self.of_all).ravel()[level]
        from_all = rng.random(len(cell)) * (part + before) < part
        tables = np.bincount(level[from_all], minlength=self.of_all.size).reshape(self.of_all.shape)
        self.of_all = np.exp(_log_dirichlet(SHARE_PRIOR + tables, rng))
        self.log_shares = _log_dirichlet((near * self.of_all)[:, None] + counts, rng)

    def _concentration(self, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A draw given levels and the shares of all, groups' own shares integrated out, shape (chains,)."""
        chain, group, level = np.nonzero(counts)
        count, size = counts[chain, group, level], counts.sum(axis=2)
        shares = self.of_all[chain, level]
        log_mass = np.empty((len(CONCENTRATIONS), len(counts)))
        for place, value in enumerate(CONCENTRATIONS):
            cells = special.gammaln(value * shares + count) - special.gammaln(value * shares)
            log_mass[place] = np.bincount(chain, cells, minlength=len(counts))
            log_mass[place] += (special.gammaln(value) - special.gammaln(value + size)).sum(axis=1)
        return CONCENTRATIONS[np.argmax(log_mass + rng.gumbel(size=log_mass.shape), axis=0)]

    def log_mass(self, rows: np.ndarray) -> np.ndarray:
        """Log share of each level in some rows' groups, shape (chains, n, n_levels)."""
        return np.take_along_axis(self.log_shares, self.groups[:, rows, None], axis=1)

    def log_density(self, name: str, rows: np.ndarray, columns: np.ndarray, levels: Sequence[int]) -> np.ndarray:
        """Log share of the rows' levels in each of some groups, shape (chains, n, n_groups)."""
        in_groups = self.log_shares[:, list(levels)].transpose(0, 2, 1)
        log_shares = np.take_along_axis(in_groups, self.codes[:, rows, None], axis=1)
        return log_shares if self.counts is None else log_shares * self.counts[rows, None]


def explained_by(column: Column, others: Sequence[Column]) -> str | None:
    """Which other column's levels tell most of a column's, of each row by the others; None where none tells anything.

    Parameters
    ----------
    column
        A column of levels.
    others
        Those that it may depend on, of levels too.
    """
    assert column.levels is not None
    values, best, most = column.values, None, 0.0
    for other in others:
        assert other.levels is not None
        if len(column.levels) * len(other.levels) > _MOST_CELLS:
            continue
        both = (values.notna() & other.values.notna()).to_numpy()
        level, group = values.cat.codes.to_numpy()[both], other.values.cat.codes.to_numpy()[both]
        shares = (np.bincount(level, minlength=len(column.levels)) / max(1, len(level)))[level]
        size = np.bincount(group, minlength=len(other.levels))[group]
        cell = group.astype(np.int64) * len(column.levels) + level
        together = np.bincount(cell, minlength=len(column.levels) * len(other.levels))[cell]
        # By the other rows of the group, and as much as one row by all.
        gain = float(np.log((together - 1 + shares) / size / shares).sum())
        if gain > most:
            best, most = other.name, gain
    return best


def _log_dirichlet(parameters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Logarithms of Dirichlet draws along the last axis, of parameters that may be next to nothing."""
    # A gamma of shape s is one of s + 1 times U^(1 / s), whose logarithm stays a number.
    log = np.log(rng.standard_gamma(parameters + 1)) - rng.standard_exponential(parameters.shape) / parameters
    return np.asarray(log - special.logsumexp(log, axis=-1, keepdims=True))
