"""A short run of values and parameters in turn: what a fit that left rows out would say with all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.engines.nuts import SamplerSettings
from alliance_bayes.imputation.impute import begin
from alliance_bayes.imputation.linked import Gaps
from alliance_bayes.imputation.persons import columns_of_persons, filled_in, whose_values
from alliance_bayes.imputation.sampler import Imputer
from alliance_bayes.imputation.table import MOST_DRAWN
from alliance_bayes.model import Design, ModelSpec, PriorTable
from alliance_bayes.model.layout import posterior_dataset

__all__ = ["CHAINS", "DRAWS", "all_of", "quick_posterior"]

#: Chains of the run, and draws of each: four for every set of values.
CHAINS, DRAWS = 4, 200
_PER_TABLE, _WARM_UP = 4, 40


def all_of(design: Design, lacking: pd.DataFrame, demanded: list[str]) -> pd.DataFrame:
    """The analysed rows and those that were left out, as far as values can be drawn for these.

    Rows are passed over that lack a column of ``demanded`` or a factor of very many levels, or have a level of which
    the model knows nothing: one of a predictor, or of a factor whose levels are all there.

    Parameters
    ----------
    design
        The model on the analysed rows.
    lacking
        The rows that were left out.
    demanded
        Columns that each row has to have.
    """
    own = design.frame
    fixed = {part for factor in design.factors if factor.exhaustive for part in factor.name.split(":")}
    fixed |= {part for term in design.formula.common for part in term.split(":")} | design.of_residual
    keep, parts = np.ones(len(lacking), dtype=bool), {}
    for name in map(str, own.columns):
        column, mine = lacking[name], own[name]
        if not isinstance(mine.dtype, pd.CategoricalDtype):
            parts[name] = column.astype(mine.dtype)
            continue
        known = list(map(str, mine.cat.categories))
        there = column.notna().to_numpy()
        text = column.astype("object").map(str).where(there)
        if name in fixed:
            keep &= text.isin(known).to_numpy() | ~there
        if len(known) > MOST_DRAWN or name in demanded:
            keep &= there
        parts[name] = text
    for name in demanded:
        if name in parts:
            keep &= parts[name].notna().to_numpy()
    made = {}
    for name, column in parts.items():
        whole, some = own[name], column[keep].reset_index(drop=True)
        if isinstance(whole.dtype, pd.CategoricalDtype):
            # Levels of rows that were passed over are nobody's.
            known = list(map(str, whole.cat.categories))
            levels = [*known, *sorted(set(some.dropna()) - set(known))]
            labels = [*whole.astype("object").map(str), *some.astype("object")]
            made[name] = pd.Series(pd.Categorical(labels, levels, ordered=True))
        else:
            made[name] = pd.concat([whole, some], ignore_index=True)
    return pd.DataFrame(made)


def quick_posterior(
    spec: ModelSpec, design: Design, priors: PriorTable, frame: pd.DataFrame, *, seed: int, person: str | None = None
) -> xr.DataTree | None:
    """The posterior of a model on all rows, of the parameters that it has on the analysed ones.

    Parameters
    ----------
    spec
        The model, which leaves rows out; of the Gaussian family.
    design, priors
        The model on the analysed rows, whose centring, bases and priors are kept.
    frame
        All rows: see :func:`all_of`.
    seed
        Of the run.
    person
        The column that says whose a row is, if there is one.

    Returns
    -------
    xarray.DataTree or None
        Group ``posterior``; None where the rows that were left out make other terms or levels of the model.

    Raises
    ------
    ModelError, SamplingError
        A column has nothing to draw from, or a draw is no number.
    """
    first, second = np.random.SeedSequence([seed, 17]).generate_state(2)
    frame, _ = filled_in(spec, frame, person)
    person = whose_values(spec, frame, person)
    gaps = Gaps.of(frame, person, columns_of_persons(spec, frame, person, None))
    stated, columns, filled = begin(replace(spec, missing="impute", centre=design.centres), gaps, seed=int(first))
    whole = replace(stated, levels={}).design(filled, smooths=design.smooths)
    if whole.terms != design.terms or any(
        mine.exhaustive and mine.levels != theirs.levels
        for mine, theirs in zip(whole.factors, design.factors, strict=True)
    ):
        return None
    settings = SamplerSettings(draws=DRAWS, chains=CHAINS, cores=1, seed=seed)
    gaps = replace(gaps, frame=filled)
    sampler = Imputer(stated, columns, whole, priors, gaps, settings, np.random.default_rng(int(second)))
    drawn = sampler.run(DRAWS // _PER_TABLE, _PER_TABLE, _WARM_UP, CHAINS, longest=1)
    posterior = posterior_dataset(whole, dict(drawn.parameters))
    known = {factor.name: list(factor.levels) for factor in design.factors if factor.name in posterior.dims}
    return xr.DataTree.from_dict(
        {
            "posterior": posterior.sel(known),
            "sample_stats": xr.Dataset(coords={"chain": np.arange(CHAINS), "draw": np.arange(DRAWS)}),
        }
    )
