"""Values missing not at random: completed tables whose drawn values are moved by some points, analysed anew."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.engines.collapsed.changing import ChangingRows
from alliance_bayes.imputation.imputed import GROUP, Imputed
from alliance_bayes.model import Design, PriorTable, Rows
from alliance_bayes.model.layout import posterior_dataset

__all__ = ["ShiftedTables"]

# Tables by which the proposal of the hyperparameters is adapted.
_ADAPTED_BY = 4


class ShiftedTables:
    """The completed tables of a fit, which can be analysed with some of their drawn values moved.

    Parameters
    ----------
    design, priors
        The model on its rows, with the values of one table; of the Gaussian family.
    kept
        The drawn values of all tables.
    draws
        Draws of the parameters given each table.
    seed
        Of the draws. Those of two shifts differ by the shifts alone, as far as that can be.
    """

    def __init__(self, design: Design, priors: PriorTable, kept: Imputed, *, draws: int, seed: int) -> None:
        self.design, self.priors, self.kept, self.draws, self.seed = design, priors, kept, draws, seed
        self._of_model = [name for name in kept.places if name in design.frame]
        places = [kept.places[name] for name in self._of_model]
        self.at = np.unique(np.concatenate([*places, np.zeros(0, dtype=np.int64)]))
        self._model = ChangingRows(design, priors, self.at)
        self._outcome = design.outcome.name

    @cached_property
    def _frames(self) -> list[pd.DataFrame]:
        """The rows that change, with each table's values."""
        inside = {name: np.searchsorted(self.at, self.kept.places[name]) for name in self._of_model}
        own = {name: self.kept.values[name] for name in self._of_model}
        changing = Imputed(inside, own, self.kept.column_means, {}, self.kept.table)
        some = self.design.frame.iloc[self.at].reset_index(drop=True)
        return [changing.completed(some, table) for table in range(self.kept.tables)]

    @cached_property
    def _rows(self) -> list[Rows]:
        return [self.design.evaluate(frame, counterfactual=True) for frame in self._frames]

    def posterior(self, shifts: Mapping[str, np.ndarray]) -> xr.DataTree:
        """The draws given all tables together, with some values moved.

        Parameters
        ----------
        shifts
            By numeric column, what is added to each of its drawn values: of shape (n_drawn,), or (tables, n_drawn).

        Returns
        -------
        xarray.DataTree
            Groups ``posterior``, ``sample_stats`` and ``imputation``, a chain for each table.
        """
        moved = {name: self._moved(name, shift) for name, shift in shifts.items()}
        frames, rows = self._frames, self._rows
        if any(name != self._outcome for name in moved):
            frames = [frame.assign(**{name: moved[name][k] for name in moved}) for k, frame in enumerate(frames)]
            rows = [self.design.evaluate(frame, counterfactual=True) for frame in frames]
        outcomes = [
            moved[self._outcome][k] if self._outcome in moved else frame[self._outcome].to_numpy(float)
            for k, frame in enumerate(frames)
        ]
        marginals = [self._model.marginal(own, outcome) for own, outcome in zip(rows, outcomes, strict=True)]
        first, second = np.random.SeedSequence(self.seed).spawn(2)
        some = np.linspace(0, len(marginals) - 1, min(_ADAPTED_BY, len(marginals))).round().astype(int)
        self._model.adapt([marginals[k] for k in some], np.random.default_rng(first))
        found = [
            self._model.independent(marginal, self.draws, np.random.default_rng(own))
            for marginal, own in zip(marginals, second.spawn(len(marginals)), strict=True)
        ]
        tables, shape = len(rows), (len(rows), self.draws)
        named = self._model.natural(*(np.concatenate(part) for part in zip(*found, strict=True)))
        parameters = {name: values.reshape(*shape, *values.shape[1:]) for name, values in named.items()}
        still = np.ones(self.design.rows.n, dtype=bool)
        still[self.at] = False
        base = self.design.rows.x[still].sum(axis=0)
        means = np.array([(base + own.x.sum(axis=0)) / self.design.rows.n for own in rows])
        table = np.repeat(np.arange(tables)[:, None], self.draws, axis=1)
        kept = Imputed(self.kept.places, self.kept.values, np.repeat(means[:, None], self.draws, axis=1), {}, table)
        return xr.DataTree.from_dict(
            {
                "posterior": posterior_dataset(self.design, parameters),
                "sample_stats": xr.Dataset(coords={"chain": np.arange(tables), "draw": np.arange(self.draws)}),
                GROUP: kept.dataset(),
            }
        )

    def _moved(self, name: str, shift: np.ndarray) -> np.ndarray:
        """A column of the rows that change, by table, with its drawn values moved."""
        inside = np.searchsorted(self.at, self.kept.places[name])
        values = np.array([frame[name].to_numpy(float) for frame in self._frames])
        values[:, inside] += shift
        return values
