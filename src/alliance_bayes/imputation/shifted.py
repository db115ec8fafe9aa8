"""Values missing not at random: completed tables whose drawn values are moved by some points, analysed anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.engines.collapsed.changing import ChangingRows
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.imputation.imputed import GROUP, Imputed
from alliance_bayes.model import Design, PriorTable, Rows
from alliance_bayes.model.layout import posterior_dataset

__all__ = ["ShiftedTables"]

# Sets by which the proposal of the hyperparameters is adapted, and sets moved alike that share one.
_ADAPTED_BY, _TOGETHER = 4, 20


class ShiftedTables:
    """The completed tables of a fit, which can be analysed with some of their drawn values moved.

    Parameters
    ----------
    design, priors
        The model on its rows, with the values of one table; of the Gaussian family.
    imputed
        The drawn values of all tables.
    draws
        Draws of the parameters given each table.
    seed
        Of the draws. Those of two shifts differ by the shifts alone, as far as that can be.
    """

    def __init__(self, design: Design, priors: PriorTable, imputed: Imputed, *, draws: int, seed: int) -> None:
        self.design, self.priors, self.kept, self.draws, self.seed = design, priors, imputed, draws, seed
        self._of_model = [name for name in imputed.places if name in design.frame]
        places = [imputed.places[name] for name in self._of_model]
        self.at = np.unique(np.concatenate([*places, np.zeros(0, dtype=np.int64)]))
        self._model = ChangingRows(design, priors, self.at)
        self._outcome = design.outcome.name

    @cached_property
    def _frames(self) -> list[pd.DataFrame]:
        """The rows that change, with each table's values."""
        inside = {name: np.searchsorted(self.at, self.kept.places[name]) for name in self._of_model}
        values = {name: self.kept.values[name] for name in self._of_model}
        changing = Imputed(inside, values, self.kept.column_means, {}, self.kept.table)
        some = self.design.frame.iloc[self.at].reset_index(drop=True)
        return [changing.completed(some, table) for table in range(self.kept.tables)]

    @cached_property
    def _rows(self) -> list[Rows]:
        return [self.design.evaluate(frame, counterfactual=True) for frame in self._frames]

    def posterior(self, shifts: Mapping[str, np.ndarray], sets: np.ndarray | None = None) -> xr.DataTree:
        """The draws given all tables together, with some values moved.

        Parameters
        ----------
        shifts
            By numeric column, what is added to each of its drawn values: of shape (n_drawn,), or (sets, n_drawn).
        sets
            Number of the table of each set of values; each table once by default.

        Returns
        -------
        xarray.DataTree
            Groups ``posterior``, ``sample_stats`` and ``imputation``, a chain for each set.
        """
        sets = np.arange(self.kept.tables) if sets is None else sets
        moved = {name: self._moved(name, shift, sets) for name, shift in shifts.items()}
        frames, rows = [self._frames[k] for k in sets], [self._rows[k] for k in sets]
        if any(name != self._outcome for name in moved):
            frames = [frame.assign(**{name: moved[name][k] for name in moved}) for k, frame in enumerate(frames)]
            rows = [self.design.evaluate(frame, counterfactual=True) for frame in frames]
        outcomes = [
            moved[self._outcome][k] if self._outcome in moved else frame[self._outcome].to_numpy(float)
            for k, frame in enumerate(frames)
        ]
        marginals = [
            self._model.marginal(changed.of_seen_levels(), outcome)
            for changed, outcome in zip(rows, outcomes, strict=True)
        ]
        drawn = self._drawn(marginals, self._alike(shifts, len(sets)))
        shape = (len(sets), self.draws)
        named = self._model.natural(*(np.concatenate(part) for part in zip(*drawn, strict=True)))
        parameters = {name: values.reshape(*shape, *values.shape[1:]) for name, values in named.items()}
        still = np.ones(self.design.rows.n, dtype=bool)
        still[self.at] = False
        base = self.design.rows.x[still].sum(axis=0)
        means = np.array([(base + changed.x.sum(axis=0)) / self.design.rows.n for changed in rows])
        values = {name: value[sets] + shifts.get(name, 0.0) for name, value in self.kept.values.items()}
        table = np.repeat(np.arange(len(sets))[:, None], self.draws, axis=1)
        imputed = Imputed(self.kept.places, values, np.repeat(means[:, None], self.draws, axis=1), {}, table)
        return xr.DataTree.from_dict(
            {
                "posterior": posterior_dataset(self.design, parameters),
                "sample_stats": xr.Dataset(coords={"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}),
                GROUP: imputed.dataset(),
            }
        )

    def _alike(self, shifts: Mapping[str, np.ndarray], sets: int) -> list[np.ndarray]:
        """Sets that are moved about as far, of which one proposal will do."""
        far = sum(
            np.square(np.broadcast_to(shift, (sets, np.shape(shift)[-1]))).mean(axis=1) for shift in shifts.values()
        )
        if np.ptp(far) == 0:
            return [np.arange(sets)]
        return np.array_split(np.argsort(far, kind="stable"), max(1, round(sets / _TOGETHER)))

    def _drawn(
        self, marginals: Sequence[Marginal], groups: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        first, second = np.random.SeedSequence(self.seed).spawn(2)
        streams = second.spawn(len(marginals))
        drawn: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        for group, stream in zip(groups, first.spawn(len(groups)), strict=True):
            some = group[np.linspace(0, len(group) - 1, min(_ADAPTED_BY, len(group))).round().astype(int)]
            self._model.adapt([marginals[k] for k in some], np.random.default_rng(stream))
            for k in group:
                drawn[int(k)] = self._model.independent(marginals[k], self.draws, np.random.default_rng(streams[k]))
        return [drawn[k] for k in range(len(marginals))]

    def _moved(self, name: str, shift: np.ndarray, sets: np.ndarray) -> np.ndarray:
        """A column of the rows that change, by set, with its drawn values moved."""
        inside = np.searchsorted(self.at, self.kept.places[name])
        values = np.array([self._frames[k][name].to_numpy(float) for k in sets])
        values[:, inside] += shift
        return values
