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
    imputation = fit.imputation
    # Tables that are all the same have nothing that was drawn.
    if imputation is None or not imputation.tables:
        return [(fit, np.arange(prod(fit.shape)))]
    if (split := _TABLES.get(fit)) is None:
        split = _TABLES[fit] = list(_split(fit, imputation))
    return split


def _split(fit: FittedModel, imputation: Imputed) -> Iterator[tuple[FittedModel, np.ndarray]]:
    design = fit.design
    designs = []
    for table in range(imputation.tables):
        frame = imputation.completed(design.frame, table)
        rows = replace(design.evaluate(frame, counterfactual=True), weights=design.rows.weights)
        designs.append(replace(design, frame=frame, rows=rows))
    whose = _whose(fit, imputation, np.array([completed.rows.x.mean(axis=0) for completed in designs]))
    dims = {str(name): values.dims for name, values in fit.posterior.data_vars.items()}
    for table, completed in enumerate(designs):
        which = np.flatnonzero(whose == table)
        if which.size:
            draws = xr.Dataset({name: (of, fit.stacked[name][which][None]) for name, of in dims.items()})
            yield replace(fit, design=completed, tree=xr.DataTree.from_dict({"posterior": draws})), which


def _whose(fit: FittedModel, imputation: Imputed, means: np.ndarray) -> np.ndarray:
    """Number of the kept table of every draw, shape (n_draws,)."""
    about = dict(fit.info.get("imputation") or {})
    tables = imputation.table.ravel()
    if (about.get("given") or "delta" in about) and tables.max(initial=0) < imputation.tables:
        return tables
    drawn = imputation.column_means.reshape(-1, means.shape[1])
    apart = standardised(means, drawn, drawn, fit.design.rows.x.std(axis=0))
    # Tables that are equally near, as where nothing but the outcome was drawn, take turns.
    turns = (np.arange(imputation.tables) - np.arange(len(tables))[:, None]) % imputation.tables
    return np.asarray(np.lexsort((turns, apart.round(9)), axis=1)[:, 0])
