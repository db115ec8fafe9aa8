"""A model fitted to all rows, with the values that were not observed drawn together with its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.cohort import Cohort, Flow
from alliance_bayes.engines.choice import check_size
from alliance_bayes.engines.forecast import Forecast
from alliance_bayes.engines.nuts import Progress, SamplerSettings, memory_of_nuts
from alliance_bayes.errors import ModelError
from alliance_bayes.imputation.drawn import Drawn
from alliance_bayes.imputation.imputed import GROUP, Imputed, asked_columns, in_numbers, nearest_table
from alliance_bayes.imputation.linked import Gaps, made_here
from alliance_bayes.imputation.persons import columns_of_persons, whose_values
from alliance_bayes.imputation.sampler import Imputer
from alliance_bayes.imputation.table import MOST_DRAWN, MOST_LEVELS, Column, columns_of_table, hot_deck
from alliance_bayes.model import Design, ModelSpec, PriorTable
from alliance_bayes.model.grammar import in_formula, shown
from alliance_bayes.model.layout import posterior_dataset
from alliance_bayes.model.levels import labels_of
from alliance_bayes.model.scales import is_measured, sample_scale, scale_of
from alliance_bayes.remedies import setting

__all__ = ["PER_TABLE", "TABLES", "all_rows", "begin", "impute", "incomplete"]

#: Draws of the parameters for each set of values, and sets whose values are kept.
PER_TABLE, TABLES = 4, 40
# Sets of values before those that are kept, at least, and as a share of them.
_LEAST_WARM_UP, _WARM_UP = 60, 0.4
# Copies of the completed columns that are in memory at once.
_COPIES = 3


def incomplete(spec: ModelSpec, gaps: Gaps) -> list[str]:
    """Columns of a model with values to draw: missing, measured with an error, or made of such a one."""
    own, parts = gaps.frame.iloc[gaps.analysed], {made.name for made in gaps.parts}
    return [name for name in spec.columns if name in parts or own[name].isna().any() or name in spec.inexact]


def all_rows(spec: ModelSpec, cohort: Cohort) -> tuple[Gaps, Flow, list[str]]:
    """The rows that are analysed with values drawn for what they lack, who is left out, and by which columns.

    People are left out who lack what is not drawn: a level of a factor of very many, or of one crossed with others in
    which nobody has some combination, whose a row is, trials, the row that a lag is of.

    Parameters
    ----------
    spec
        The model.
    cohort
        The cohort, as `derive` and then `with_stand_ins` gives it.

    Raises
    ------
    ModelError
        Everything at once of which no values can be drawn: an auxiliary column that there is not, that is of the model,
        or that tells whose or when a row is.
    UsageError, DataError
        A column that there is not, or that could not be read.
    """
    # As where incomplete rows are left out: whatever there is no column for, or cannot be read.
    cohort.complete([*spec.columns, *(name for name in spec.auxiliary if name in cohort.aside)])
    cohort = replace(cohort, data=_in_levels(spec, cohort.data))
    data, faults = cohort.data, list(_faults(spec, cohort))
    if faults:
        raise ModelError(" ".join(faults))
    demanded = [name for name in (spec.trials, cohort.person, cohort.time) if name in spec.columns]
    demanded += [made.name for made in spec.parsed.windows if made.name in spec.columns]
    for name in (*spec.columns, *spec.auxiliary):
        categorical = isinstance(data[name].dtype, pd.CategoricalDtype)
        if categorical and data[name].nunique() > MOST_DRAWN:
            demanded.append(name)
    demanded = list(dict.fromkeys(name for name in demanded if name is not None))
    # Again, since with those who are left out another factor may lose a combination.
    while more := _crossed(spec, data[data[demanded].notna().all(axis=1)]):
        demanded += more
    # Ids are text, and the model may pool over them.
    text = dict.fromkeys((name for name in spec.columns if pd.api.types.is_string_dtype(data[name].dtype)), "category")
    frame, flow = cohort.complete(demanded)
    frame, data = frame.astype(text), data.astype(text)
    whose = whose_values(spec, data, cohort.person, cohort.time)
    parts, of_persons = made_here(spec, data), columns_of_persons(spec, data, whose, cohort.time)
    if not parts:
        return Gaps.of(frame, whose, of_persons), flow, demanded
    # A mean is of all rows of a person, and a lag of a row that may be none of the model itself.
    analysed = np.flatnonzero(data[demanded].notna().all(axis=1))
    rows = data.reset_index(drop=True)
    return Gaps(rows, analysed, parts, cohort.person, cohort.time, of_persons), flow, demanded


def _crossed(spec: ModelSpec, data: pd.DataFrame) -> list[str]:
    """Incomplete parts of factors that are crossed or nested, where nobody has some combination that they could have.

    One that is drawn at times only would have an effect at times only; where factors are nested, most are impossible.
    """
    out: dict[str, None] = {}
    for group in spec.parsed.groups:
        parts = group.factor.split(":")
        gaps = [name for name in parts if data[name].isna().any()]
        could_be = math.prod(data[name].nunique() for name in parts)
        if len(parts) > 1 and gaps and len(data[parts].dropna().drop_duplicates()) < could_be:
            out |= dict.fromkeys(gaps)
    return list(out)


def _in_levels(spec: ModelSpec, data: pd.DataFrame) -> pd.DataFrame:
    """The table with labels in place of numbers that the model takes for levels (sites 1 to 12)."""
    named = {*spec.parsed.grouping, *spec.levels}
    numbers = [name for name in spec.columns if name in named and pd.api.types.is_numeric_dtype(data[name].dtype)]
    labels = {name: labels_of(data[name].dropna()) for name in numbers}
    index = {name: data.index[data[name].notna()] for name in numbers}
    return data.assign(**{name: pd.Series(labels[name], index=index[name]).reindex(data.index) for name in numbers})


def _faults(spec: ModelSpec, cohort: Cohort) -> Iterable[str]:
    data = cohort.data
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


def begin(spec: ModelSpec, gaps: Gaps, *, seed: int) -> tuple[ModelSpec, dict[str, Column], pd.DataFrame]:
    """The model with the scales and centres of what was observed, its columns, and a first table without gaps.

    Columns that follow from incomplete ones are none of the columns, and the incomplete ones are, in the model or not.

    Parameters
    ----------
    spec
        The model.
    gaps
        The rows, with missing values.
    seed
        Seed of the first table.
    """
    frame, followed = gaps.frame, {made.name for made in gaps.parts}
    # Lags have no value in rows that are analysed by none.
    followed |= {made.name for made in spec.parsed.windows if made.name in frame and frame[made.name].isna().any()}
    names = [name for name in dict.fromkeys((*spec.columns, *gaps.sources, *spec.auxiliary)) if name not in followed]
    columns = columns_of_table(frame, names, spec.error, spec.reliability, spec.parsed.outcome)
    columns |= {name: replace(columns[name], whose=gaps.whose) for name in gaps.of_persons if name in columns}
    observed = gaps.with_parts(frame)
    scales, centre = dict(spec.scales), dict(spec.centre)
    for name in spec.columns:
        values = observed[name].iloc[gaps.analysed]
        if name in columns and not (columns[name].numeric and values.isna().any()):
            continue
        if name not in {made.name for made in gaps.parts} and name not in columns:
            continue
        # Priors depend on what was observed only, not on what was drawn.
        if spec.autoscale and scale_of(name, scales) is None and is_measured(name):
            scales[name] = sample_scale(values.dropna().to_numpy(float), None, name)
        # What a column is made into by a call has a centre of its own.
        formulas = [one for one in (spec.parsed, spec.parsed_sigma) if one is not None and name in one.components]
        if formulas and all(one.is_centred(name) for one in formulas):
            centre.setdefault(name, float(values.mean()))
    filled = hot_deck(columns, frame, np.random.default_rng(seed))
    if spec.trials is not None:
        # Of somebody with more trials there may be more successes than of those who lack them.
        outcome = spec.parsed.outcome
        filled[outcome] = np.minimum(filled[outcome].to_numpy(float), filled[spec.trials].to_numpy(float))
    return replace(spec, scales=scales, centre=centre), columns, gaps.with_parts(filled)


def impute(
    spec: ModelSpec,
    gaps: Gaps,
    settings: SamplerSettings,
    *,
    progress: Progress | None = None,
    before: Callable[[Forecast], None] | None = None,
) -> tuple[Design, PriorTable, xr.DataTree, dict[str, Any]]:
    """Draw values and parameters in turn.

    Parameters
    ----------
    spec
        The model.
    gaps
        The rows, with missing values.
    settings
        Draws and chains, and the seed.
    progress
        A function of draws done, draws in all, and divergences.
    before
        A function of what all sets of values will take, called after the first few.

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
    stated, columns, filled = begin(spec, gaps, seed=int(first))
    design = stated.design(filled.iloc[gaps.analysed])
    priors = stated.priors_for(design)
    numbers = check_size(design, settings)
    rng = np.random.default_rng(int(second))
    sampler = Imputer(spec, columns, design, priors, replace(gaps, frame=filled), settings, rng)
    columns, outcome = sampler.columns, sampler.outcome
    per_table = min(PER_TABLE, settings.draws)
    states = max(1, settings.draws // per_table)
    warm_up = max(_LEAST_WARM_UP, round(_WARM_UP * states))

    def timed(seconds: float) -> None:
        if before is not None:
            memory, draws = memory_of_nuts(settings, numbers)
            memory += _COPIES * 8 * settings.chains * design.rows.n * (len(columns) + len(design.columns))
            sets = warm_up + states
            counts = f"{sets:,} sets of missing values in {design.rows.n:,} rows, and {draws}"
            # Chains that do not agree yet go on.
            before(Forecast(sets * seconds, memory, counts, at_least=True))

    kept_tables = min(TABLES, states * settings.chains)
    drawn = sampler.run(states, per_table, warm_up, kept_tables, progress, before=timed)
    kept = Imputed(
        sampler.places,
        drawn.values,
        drawn.column_means,
        drawn.traces,
        np.arange(settings.chains)[:, None] * states + np.repeat(np.arange(states), per_table),
    )
    first_table = sampler.filled.iloc[gaps.analysed].reset_index(drop=True)
    completed = [kept.completed(first_table, table) for table in range(kept.tables)]
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
        _info(spec, columns, gaps, kept, drawn, warm_up)
        | {
            "draws": shape[1],
            "chains": settings.chains,
            "seed": settings.seed,
        },
    )


def _info(
    spec: ModelSpec, columns: Mapping[str, Column], gaps: Gaps, kept: Imputed, drawn: Drawn, warm_up: int
) -> dict[str, Any]:
    missing = {
        name: int(column.missing[gaps.analysed].sum()) for name, column in columns.items() if name in kept.places
    }
    return {
        "engine": "imputation",
        **drawn.told,
        "imputation": {
            "columns": {name: count for name, count in missing.items() if count},
            "of_persons": [name for name, count in missing.items() if count and columns[name].whose is not None],
            "auxiliary": list(spec.auxiliary),
            "error": {name: column.error for name, column in columns.items() if column.error},
            "tables": kept.tables,
            "warm_up": warm_up,
            "every": drawn.every,
            "accepted": {name: round(share, 3) for name, share in drawn.accepted.items()},
        },
    }
