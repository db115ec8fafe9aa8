"""A model fitted to all rows, with the values that were not observed drawn together with its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.cohort import Cohort, Flow
from alliance_bayes.engines.nuts import Progress, SamplerSettings
from alliance_bayes.errors import ModelError
from alliance_bayes.imputation.imputed import GROUP, Imputed, asked_columns, in_numbers, nearest_table
from alliance_bayes.imputation.sampler import Drawn, Imputer
from alliance_bayes.imputation.table import MOST_DRAWN, MOST_LEVELS, Column, columns_of_table, hot_deck
from alliance_bayes.model import Design, ModelSpec, PriorTable
from alliance_bayes.model.grammar import in_formula, shown
from alliance_bayes.model.layout import posterior_dataset
from alliance_bayes.model.scales import is_measured, sample_scale, scale_of
from alliance_bayes.remedies import setting

__all__ = ["PER_TABLE", "TABLES", "all_rows", "begin", "impute", "incomplete"]

#: Draws of the parameters for each set of values, and sets whose values are kept.
PER_TABLE, TABLES = 4, 40
# Sets of values before those that are kept, at least, and as a share of them.
_LEAST_WARM_UP, _WARM_UP = 60, 0.4


def incomplete(spec: ModelSpec, data: pd.DataFrame) -> list[str]:
    """Columns of a model with values to draw: missing, or measured with an error."""
    return [name for name in spec.columns if data[name].isna().any() or name in spec.inexact]


def all_rows(spec: ModelSpec, cohort: Cohort) -> tuple[pd.DataFrame, Flow, list[str]]:
    """The rows that are analysed with values drawn for what they lack, who is left out, and by which columns.

    People are left out who lack what is not drawn: a level of a factor of very many, whose a row is, trials.

    Parameters
    ----------
    spec
        The model.
    cohort
        The cohort, as `derive` gives it.

    Raises
    ------
    ModelError
        Everything at once of which no values can be drawn: parts within and between persons of an incomplete column,
        an auxiliary column that there is not, that is of the model, or that tells whose or when a row is.
    UsageError, DataError
        A column that there is not, or that could not be read.
    """
    # As where incomplete rows are left out: whatever there is no column for, or cannot be read.
    cohort.complete([*spec.columns, *(name for name in spec.auxiliary if name in cohort.aside)])
    data, faults = cohort.data, list(_faults(spec, cohort))
    if faults:
        raise ModelError(" ".join(faults))
    demanded = [name for name in (spec.trials, cohort.person, cohort.time) if name in spec.columns]
    for name in (*spec.columns, *spec.auxiliary):
        categorical = isinstance(data[name].dtype, pd.CategoricalDtype)
        if categorical and data[name].nunique() > MOST_DRAWN:
            demanded.append(name)
    frame, flow = cohort.complete(list(dict.fromkeys(name for name in demanded if name is not None)))
    return frame, flow, demanded


def _faults(spec: ModelSpec, cohort: Cohort) -> Iterable[str]:
    data = cohort.data
    made = [one.name for one in spec.parsed.windows if one.name in data and data[one.name].isna().any()]
    if made:
        yield (
            f"{', '.join(map(shown, made))}: parts within and between persons, and lags, are not imputed. Leave "
            f"incomplete rows out ({setting('missing', 'drop')}), or give tables that were imputed elsewhere by a "
            "model of persons (mice's 2l.pan, jomo), of each of which the parts are made."
        )
    for name in spec.auxiliary:
        if name not in data:
            known = ", ".join(str(column) for column in data if column not in spec.columns)
            yield f"{setting('auxiliary', [name])}: the table has no column {shown(name)}. It has {known}."
        elif name in spec.columns:
            yield f"{setting('auxiliary', [name])}: {shown(name)} is a column of the model already. Take it out."
        elif not (pd.api.types.is_numeric_dtype(data[name]) or isinstance(data[name].dtype, pd.CategoricalDtype)):
            yield f"{setting('auxiliary', [name])}: {shown(name)} holds neither numbers nor levels. Take it out."
        elif isinstance(data[name].dtype, pd.CategoricalDtype) and data[name].nunique() > MOST_LEVELS:
            yield (
                f"{setting('auxiliary', [name])}: {shown(name)} has {data[name].nunique():,} levels, and at most "
                f"{MOST_LEVELS} are worked with. Join levels, or make it a factor of the model: "
                f"(1 | {in_formula(name)})."
            )


def begin(spec: ModelSpec, frame: pd.DataFrame, *, seed: int) -> tuple[ModelSpec, dict[str, Column], pd.DataFrame]:
    """The model with the scales and centres of what was observed, its columns, and a first table without gaps.

    Parameters
    ----------
    spec
        The model.
    frame
        The analysed rows, with missing values.
    seed
        Seed of the first table.
    """
    columns = columns_of_table(
        frame, (*spec.columns, *spec.auxiliary), spec.error, spec.reliability, spec.parsed.outcome
    )
    scales, centre = dict(spec.scales), dict(spec.centre)
    for name in spec.columns:
        column = columns[name]
        if not column.numeric or not column.missing.any():
            continue
        # Priors depend on what was observed only, not on what was drawn.
        if spec.autoscale and scale_of(name, scales) is None and is_measured(name):
            scales[name] = sample_scale(column.values.dropna().to_numpy(float), None, name)
        # What a column is made into by a call has a centre of its own.
        if name in spec.parsed.components and spec.parsed.is_centred(name):
            centre.setdefault(name, column.centre)
    filled = hot_deck(columns, frame, np.random.default_rng(seed))
    if spec.trials is not None:
        # Of somebody with more trials there may be more successes than of those who lack them.
        outcome = spec.parsed.outcome
        filled[outcome] = np.minimum(filled[outcome].to_numpy(float), filled[spec.trials].to_numpy(float))
    return replace(spec, scales=scales, centre=centre), columns, filled


def impute(
    spec: ModelSpec, frame: pd.DataFrame, settings: SamplerSettings, *, progress: Progress | None = None
) -> tuple[Design, PriorTable, xr.DataTree, dict[str, Any]]:
    """Draw values and parameters in turn.

    Parameters
    ----------
    spec
        The model.
    frame
        The analysed rows, with missing values.
    settings
        Draws and chains, and the seed.
    progress
        A function of draws done, draws in all, and divergences.

    Returns
    -------
    design : Design
        Of all rows, with the values of one kept table: see :func:`nearest_table`.
    priors : PriorTable
        The model's.
    tree : xarray.DataTree
        Groups ``posterior``, ``sample_stats`` and ``imputation`` (:class:`Imputed`).
    info : dict
        How the draws came about.

    Raises
    ------
    ModelError
        A column has nothing to draw from.
    """
    first, second = np.random.SeedSequence(settings.seed).generate_state(2)
    stated, columns, filled = begin(spec, frame, seed=int(first))
    design = stated.design(filled)
    priors = stated.priors_for(design)
    sampler = Imputer(spec, columns, design, priors, filled, settings, np.random.default_rng(int(second)))
    columns, filled, outcome = sampler.columns, sampler.filled, sampler.outcome
    per_table = min(PER_TABLE, settings.draws)
    states = max(1, settings.draws // per_table)
    warm_up = max(_LEAST_WARM_UP, round(_WARM_UP * states))
    drawn = sampler.run(states, per_table, warm_up, min(TABLES, states * settings.chains), progress)
    kept = Imputed(
        {name: columns[name].unknown for name in drawn.values},
        drawn.values,
        drawn.column_means,
        drawn.traces,
        np.arange(settings.chains)[:, None] * states + np.repeat(np.arange(states), per_table),
    )
    completed = [kept.completed(filled, table) for table in range(kept.tables)]
    tables = ((design.evaluate(one, counterfactual=True).x, in_numbers(one[outcome])) for one in completed)
    of_all = kept.column_means.reshape(-1, len(design.columns))
    chosen = completed[nearest_table(tables, of_all, design.rows.x.std(axis=0), asked_columns(stated, design))]
    final = replace(stated, centre=design.centres).design(chosen, smooths=design.smooths)
    shape = (settings.chains, states * per_table)
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior_dataset(design, dict(drawn.parameters)),
            "sample_stats": xr.Dataset(
                {name: (("chain", "draw"), values) for name, values in drawn.statistics.items()},
                coords={"chain": np.arange(shape[0]), "draw": np.arange(shape[1])},
            ),
            GROUP: kept.dataset(),
        }
    )
    return (
        final,
        priors,
        tree,
        _info(spec, columns, kept, drawn, warm_up)
        | {
            "draws": shape[1],
            "chains": settings.chains,
            "seed": settings.seed,
        },
    )


def _info(spec: ModelSpec, columns: Mapping[str, Column], kept: Imputed, drawn: Drawn, warm_up: int) -> dict[str, Any]:
    return {
        "engine": "imputation",
        **drawn.told,
        "imputation": {
            "columns": {name: int(columns[name].missing.sum()) for name in kept.places if columns[name].missing.any()},
            "auxiliary": list(spec.auxiliary),
            "error": {name: column.error for name, column in columns.items() if column.error},
            "tables": kept.tables,
            "warm_up": warm_up,
            "every": drawn.every,
            "accepted": {name: round(share, 3) for name, share in drawn.accepted.items()},
        },
    }
