"""A fit to completed tables, table by table: what depends on values that were drawn is of each draw's own values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from weakref import WeakKeyDictionary

import numpy as np
import xarray as xr

from alliance_bayes.fit import FittedModel
from alliance_bayes.imputation.imputed import Imputed, standardised

__all__ = ["by_table"]

# Gone with the fit.
_TABLES: WeakKeyDictionary[FittedModel, list[tuple[FittedModel, np.ndarray]]] = WeakKeyDictionary()


def by_table(fit: FittedModel) -> list[tuple[FittedModel, np.ndarray]]:
    """The fit with the values of each kept table and the draws that go with it, and the places of these draws.

    Draws whose own table is not kept go with the one whose columns' means are nearest to theirs. A fit without drawn
    values is the one there is, with all its draws.

    Parameters
    ----------
    fit
        The fitted model.
    """
    kept = fit.imputation
    # Tables that are all the same have nothing that was drawn.
    if kept is None or not kept.tables:
        return [(fit, np.arange(prod(fit.shape)))]
    if (found := _TABLES.get(fit)) is None:
        found = _TABLES[fit] = list(_split(fit, kept))
    return found


def _split(fit: FittedModel, kept: Imputed) -> Iterator[tuple[FittedModel, np.ndarray]]:
    design = fit.design
    made = []
    for table in range(kept.tables):
        frame = kept.completed(design.frame, table)
        rows = replace(design.evaluate(frame, counterfactual=True), weights=design.rows.weights)
        made.append(replace(design, frame=frame, rows=rows))
    whose = _whose(fit, kept, np.array([one.rows.x.mean(axis=0) for one in made]))
    dims = {str(name): values.dims for name, values in fit.posterior.data_vars.items()}
    for table, one in enumerate(made):
        which = np.flatnonzero(whose == table)
        if which.size:
            own = xr.Dataset({name: (of, fit.stacked[name][which][None]) for name, of in dims.items()})
            yield replace(fit, design=one, tree=xr.DataTree.from_dict({"posterior": own})), which


def _whose(fit: FittedModel, kept: Imputed, means: np.ndarray) -> np.ndarray:
    """Number of the kept table of every draw, shape (n_draws,)."""
    about = dict(fit.info.get("imputation") or {})
    own = kept.table.ravel()
    if (about.get("given") or "delta" in about) and own.max(initial=0) < kept.tables:
        return own
    drawn = kept.column_means.reshape(-1, means.shape[1])
    apart = standardised(means, drawn, drawn, fit.design.rows.x.std(axis=0))
    # Tables that are equally near, as where nothing but the outcome was drawn, take turns.
    turns = (np.arange(kept.tables) - np.arange(len(own))[:, None]) % kept.tables
    return np.asarray(np.lexsort((turns, apart.round(9)), axis=1)[:, 0])
