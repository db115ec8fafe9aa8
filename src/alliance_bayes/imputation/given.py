"""Tables that were imputed elsewhere: one posterior of a model over all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.cohort import Cohort
from alliance_bayes.cohort.imputed import refuse_others, whose
from alliance_bayes.errors import UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.imputation.imputed import GROUP, Imputed, asked_columns, in_numbers, nearest_table
from alliance_bayes.model import Design, ModelSpec, PriorTable

__all__ = ["fit_tables", "refuse_other_rows", "tables_wanted"]

# Relative error of a standard error that two sets of imputations may have.
_CV = 0.05

type Sample = Callable[[Design, PriorTable, int], tuple[xr.DataTree, dict[str, Any]]]


def fit_tables(
    spec: ModelSpec, designs: Sequence[Design], sample: Sample, *, draws: int, chains: int, seed: int
) -> tuple[Design, PriorTable, xr.DataTree, dict[str, Any]]:
    """Fit a model to each of several completed tables, and join the draws.

    Parameters
    ----------
    spec
        The model.
    designs
        The model on each table, with centres and bases of its own.
    sample
        Samples a design with priors, so many draws of each chain.
    draws, chains
        Kept draws of each chain, over all tables, and chains.
    seed
        Of the order in which the tables' draws stand: a random one, so that every part of a chain is of all tables.

    Returns
    -------
    design : Design
        Of the table that stands for all: see :func:`nearest_table`.
    priors : PriorTable
        The model's, from the first table.
    tree : xarray.DataTree
        Groups ``posterior``, ``sample_stats`` and ``imputation`` (:class:`Imputed`).
    info : dict
        How the draws came about.

    Raises
    ------
    UsageError
        Tables with other levels.
    """
    _check_alike(designs)
    first = designs[0]
    stated = replace(spec, centre={**spec.centre, **first.centres}) if spec.parsed.has_intercept else spec
    completed = [first, *(stated.design(other.frame, smooths=first.smooths) for other in designs[1:])]
    priors = spec.priors_for(first)
    each = math.ceil(draws / len(completed))
    fits = [sample(design, priors, each) for design in completed]
    order = np.random.default_rng(seed).permutation(each * len(completed))[: max(draws, 1)]
    names = [str(name) for name in fits[0][0]["posterior"].to_dataset().data_vars]
    posterior = {name: np.concatenate([tree["posterior"][name].values for tree, _ in fits], axis=1) for name in names}
    shape = (chains, len(order))
    like = fits[0][0]["posterior"].to_dataset()
    whole = xr.Dataset(
        {name: (like[name].dims, posterior[name][:, order]) for name in names},
        coords={**like.drop_vars("draw").coords, "draw": np.arange(len(order))},
    )
    table = np.broadcast_to(np.repeat(np.arange(len(completed)), each)[order], shape)
    means = np.array([design.rows.x.mean(axis=0) for design in completed])
    imputed = _kept(completed, means, np.ascontiguousarray(table))
    tables = [(design.rows.x, in_numbers(design.frame[spec.parsed.outcome])) for design in completed]
    tree = xr.DataTree.from_dict(
        {"posterior": whole, "sample_stats": _statistics(fits, order), GROUP: imputed.dataset()}
    )
    ran = fits[0][1]
    fallbacks = [info["fallback"] for _, info in fits if "fallback" in info]
    return (
        completed[nearest_table(tables, None, first.rows.x.std(axis=0), asked_columns(stated, first))],
        priors,
        tree,
        {key: value for key, value in ran.items() if not key.endswith("_seconds")}
        | ({"fallback": fallbacks[0]} if fallbacks else {})
        | {"draws": shape[1], "chains": chains, "seed": seed}
        | {
            "imputation": {
                "given": True,
                "columns": {name: len(places) for name, places in imputed.places.items()},
                "tables": len(completed),
            }
        },
    )


def tables_wanted(fmi: float) -> int:
    """Least number of tables with which standard errors would come out within 5 % with another set of imputations.

    Parameters
    ----------
    fmi
        Fraction of missing information.

    References
    ----------
    von Hippel (2020), Sociological Methods & Research 49:699-718, doi 10.1177/0049124117747303.
    """
    return math.ceil(1 + 0.5 * (fmi / _CV) ** 2)


def refuse_other_rows(tables: Sequence[Cohort], columns: Sequence[str]) -> None:
    """Refuse tables of which other rows are complete: they would be laid over each other.

    Parameters
    ----------
    tables
        The rows that a model is of in each table.
    columns
        The model's columns.

    Raises
    ------
    UsageError
        Another row lacks something than in the first table.
    """
    complete = [one.data[list(columns)].notna().all(axis=1).to_numpy() for one in tables]
    for number, (table, mask) in enumerate(zip(tables[1:], complete[1:], strict=True), start=2):
        first, other = whose(tables[0])[complete[0]], whose(table)[mask]
        if len(first) != len(other) or (len(mask) == len(complete[0]) and (mask != complete[0]).any()):
            raise UsageError(
                f"table {number} has {int(mask.sum()):,} complete rows, and table 1 has {int(complete[0].sum()):,}, or "
                "others. Give completed tables of the same people, in the same order, with every value that the model "
                "needs."
            )
        if first.columns.equals(other.columns):
            refuse_others(first, other, number)


def _check_alike(designs: Sequence[Design]) -> None:
    """Refuse tables with other levels: coefficients would not be the same ones."""
    first = designs[0]
    for number, design in enumerate(designs[1:], start=2):
        levels = [(_levels(each), {factor.name: factor.levels for factor in each.factors}) for each in (first, design)]
        for known, own in zip(levels[0], levels[1], strict=True):
            for name in known:
                if known[name] != own[name]:
                    others = sorted({*known[name]} ^ {*own[name]})
                    named = f" ({', '.join(map(shown, others[:5]))})" if others else ""
                    raise UsageError(
                        f"table {number} has other levels of {shown(name)} than table 1{named}. A level has to be "
                        "there in every completed table: join rare ones."
                    )


def _levels(design: Design) -> dict[str, tuple[str, ...]]:
    """The levels of each categorical column that somebody has."""
    frame = design.frame
    names = [str(name) for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    return {name: tuple(map(str, frame[name].cat.categories)) for name in names}


def _kept(designs: Sequence[Design], means: np.ndarray, table: np.ndarray) -> Imputed:
    """What differs between the tables, and the columns' means by draw."""
    places, values = {}, {}
    for name in designs[0].frame:
        categorical = isinstance(designs[0].frame[name].dtype, pd.CategoricalDtype)
        if categorical:
            categories = designs[0].frame[name].cat.categories
            columns = np.array([categories.get_indexer(pd.Index(design.frame[name])) for design in designs])
        else:
            columns = np.array([design.frame[name].to_numpy(float) for design in designs])
        at = np.flatnonzero((columns != columns[0]).any(axis=0))
        if at.size:
            places[str(name)], values[str(name)] = at, columns[:, at].astype(float)
    return Imputed(places, values, means[table], {}, table)


def _statistics(fits: Sequence[tuple[xr.DataTree, dict[str, Any]]], order: np.ndarray) -> xr.Dataset:
    """What the samplers say of themselves: numbers a draw in the order of the draws, of others the largest."""
    several = [tree["sample_stats"].to_dataset() for tree, _ in fits]
    out: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in set.intersection(*(set(map(str, statistics.data_vars)) for statistics in several)):
        parts = [statistics[name] for statistics in several]
        if parts[0].dims[:2] == ("chain", "draw") and len(parts[0].dims) == 2:
            out[name] = (("chain", "draw"), np.concatenate([part.values for part in parts], axis=1)[:, order])
        elif not parts[0].dims:
            out[name] = ((), np.array(max(float(part.values) for part in parts)))
    return xr.Dataset(dict(sorted(out.items())))
