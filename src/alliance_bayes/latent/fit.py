"""Fit the joint model of ratings and outcome, and the model of observed alliance beside it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.cohort import Cohort
from alliance_bayes.engines.choice import sample
from alliance_bayes.engines.nuts import Progress, SamplerSettings, run_nutpie, sampler_statistics
from alliance_bayes.errors import SamplingError, UsageError
from alliance_bayes.fit import FittedModel, without_times
from alliance_bayes.kinds import is_whole
from alliance_bayes.latent.data import JointData, joint_data
from alliance_bayes.latent.measurement import MEASUREMENT_PRIORS, TRAITS, measurement_priors
from alliance_bayes.latent.predictive import measurement_check
from alliance_bayes.latent.result import LatentFit, derived
from alliance_bayes.machine import processors
from alliance_bayes.model import ModelSpec
from alliance_bayes.model.layout import posterior_dataset, posterior_dims
from alliance_bayes.model.priors import Prior, StatedPrior
from alliance_bayes.progress import progress_bar
from alliance_bayes.remedies import argument, call
from alliance_bayes.versions import versions

__all__ = ["FORMULA", "fit_latent"]

FORMULA = (
    "who5_followup ~ alliance + who5_baseline + age + days_in_care + (1 | provider_type) + (1 | sex) + (1 | country)"
)


def fit_latent(
    cohort: Cohort,
    *,
    sessions: pd.DataFrame | None = None,
    formula: str = FORMULA,
    priors: str | Mapping[str, str | Prior] = "literature",
    trait: str = "stretched",
    n_nodes: int = 5,
    draws: int = 1500,
    tune: int = 500,
    chains: int = 4,
    cores: int | None = None,
    seed: int | None = None,
    target_accept: float = 0.9,
    keep_people: bool = False,
    progress: bool | Progress = True,
) -> LatentFit:
    """Draw from the posterior of a measurement model of single ratings, joined to the model of the outcome.

    Parameters
    ----------
    cohort
        The cohort.
    sessions
        One row a session: `participant_id`, `goal`, `bond` (1-5), `provider_id`; the cohort's own by default.
    formula
        The outcome's model, Gaussian, with one slope of `alliance`; pooled factors as ``(1 | factor)``.
    priors
        As in :class:`alliance_bayes.model.ModelSpec`; the mapping may name parameters of the measurement model too
        (`MEASUREMENT_PRIORS`).
    trait
        Distribution of persons: ``"stretched"`` (one spread below the highest threshold and another above it) or
        ``"normal"``.
    n_nodes
        Quadrature nodes for what a session adds to both ratings.
    draws, tune, chains, cores, seed, target_accept
        As in :meth:`alliance_bayes.Model.fit`; the model of observed alliance keeps as many draws.
    keep_people
        Whether to keep the draws of every person's expected rating: 8 bytes x people x draws.
    progress
        Whether to show a bar, or a function of (draws done, draws in all, divergences).

    Returns
    -------
    LatentFit
        The corrected slope, and all that goes with it.

    Raises
    ------
    UsageError
        An argument out of its range, or no sessions.
    ModelError, DataError
        The model or the sessions cannot be used; told before sampling.
    SamplingError
        The sampler could not produce usable draws.

    Notes
    -----
    A rating of an item in a session is a graded response [1]_ in logistic form: its latent value is the sum of the
    person's trait, the person's leaning to one of the items, the provider, the session and chance. The alliance of a
    person is the rating (1-5) that the person is expected to give, averaged over both items and the person's providers
    (by sessions), with the session's and the rating's chance integrated out. The outcome is regressed on that number,
    jointly, so that all uncertainty about it counts; what the outcome's predictors say of the trait is estimated with
    it. People without an outcome contribute their ratings.

    References
    ----------
    .. [1] Samejima (1969), Psychometrika Monograph 17.
    """
    # PyMC takes a second to import, and whoever only reads results does not need it.
    from alliance_bayes.latent.graph import PERSON_VARIABLES, build_joint_graph, scalar_variables

    settings = _settings(draws, tune, chains, cores, seed, target_accept)
    if trait not in TRAITS:
        raise UsageError(f"trait should be one of {', '.join(map(repr, TRAITS))} but got {trait!r}.")
    if not is_whole(n_nodes, 1, 30):
        raise UsageError(f"n_nodes should be a whole number from 1 to 30 but got {n_nodes!r}.")
    spec, measurement = _split(formula, priors)
    data = joint_data(cohort, _sessions(cohort, sessions), spec)
    outcome_priors = spec.priors_for(data.design)

    # First, because it refuses columns that are called like a part of the model.
    model = build_joint_graph(data, outcome_priors, measurement, trait=trait, n_nodes=n_nodes)
    started = time.perf_counter()
    naive_tree, naive_info = sample(data.design, outcome_priors, settings, draws=settings.draws, progress=False)
    naive_done = time.perf_counter()
    scalars = scalar_variables(data, trait=trait)
    keep = (*posterior_dims(data.design), *scalars, *PERSON_VARIABLES)
    compiled = _compile(model, keep)
    compiled_at = time.perf_counter()
    with progress_bar(progress, label="ratings and outcome") as report:
        tree = run_nutpie(compiled, settings, report)
    sampled = time.perf_counter()

    raw = _finite(tree["posterior"].to_dataset()[list(keep)])
    posterior = xr.merge([_labelled(raw, data, scalars), derived(raw, data)])
    statistics = sampler_statistics(tree["sample_stats"].to_dataset(), posterior)
    check = measurement_check(raw, data.ratings, seed=settings.seed)
    groups = {
        "posterior": posterior,
        "sample_stats": statistics,
        "measurement": xr.Dataset.from_dataframe(check.set_index("statistic")),
    }
    if keep_people:
        groups["people"] = raw[["expected"]].assign_coords(person=list(data.people))
    info = {
        "engine": "nuts",
        "sampler": settings.sampler,
        "divergences": int(statistics["diverging"].sum()),
        "draws": settings.draws,
        "tune": settings.tune,
        "chains": settings.chains,
        "seed": settings.seed,
        "target_accept": settings.target_accept,
        "trait": trait,
        "n_nodes": n_nodes,
        "people": data.ratings.n,
        "sessions": data.ratings.n_sessions,
        "providers": len(data.ratings.providers),
        "observed_sd": float(data.observed[data.rows].std(ddof=1)),
        "measurement_priors": {name: stated.prior.exact for name, stated in measurement.items()},
        "cohort_source": cohort.source,
        "cohort_hash": cohort.hash,
        "versions": versions(),
    }
    naive_info, naive_seconds = without_times(naive_info)
    naive = FittedModel(spec, data.design, outcome_priors, naive_tree, data.flow, naive_info, seconds=naive_seconds)
    seconds = {
        "compile": round(compiled_at - naive_done, 3),
        "sample": round(sampled - compiled_at, 3),
        "summary": round(time.perf_counter() - sampled, 3),
        "naive": round(naive_done - started, 3),
    }
    return LatentFit(xr.DataTree.from_dict(groups), naive, info, seconds)


def _settings(
    draws: int, tune: int, chains: int, cores: int | None, seed: int | None, target_accept: float
) -> SamplerSettings:
    return SamplerSettings(
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores if cores is not None else min(chains, processors()),
        seed=int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed,
        target_accept=target_accept,
    )


def _sessions(cohort: Cohort, sessions: pd.DataFrame | None) -> pd.DataFrame:
    rows = getattr(cohort, "sessions", None) if sessions is None else sessions
    if rows is None:
        raise UsageError(
            f"{cohort.source}: the cohort has no sessions, and single ratings are what the model is of. Give the "
            f"three tables ({call('read_tables')}), or {argument('sessions', ...)}"
        )
    return rows


def _split(formula: str, priors: str | Mapping[str, str | Prior]) -> tuple[ModelSpec, Mapping[str, StatedPrior]]:
    """The outcome's model, and the priors of the measurement model."""
    if isinstance(priors, str):
        return ModelSpec(formula, priors=priors), measurement_priors({})
    ratings = {name: prior for name, prior in priors.items() if name in MEASUREMENT_PRIORS}
    rest = {name: prior for name, prior in priors.items() if name not in ratings}
    return ModelSpec(formula, priors=rest), measurement_priors(ratings)


def _finite(posterior: xr.Dataset) -> xr.Dataset:
    for name, values in posterior.data_vars.items():
        if not np.isfinite(values.values).all():
            raise SamplingError(f"the draws of '{name}' are not all finite. Tighten the priors, or check the sessions.")
    return posterior.transpose("chain", "draw", ...)


def _labelled(raw: xr.Dataset, data: JointData, scalars: tuple[str, ...]) -> xr.Dataset:
    outcome = posterior_dataset(data.design, {name: raw[name].values for name in posterior_dims(data.design)})
    return xr.merge([outcome, raw[list(scalars)].assign_coords({k: outcome[k] for k in ("chain", "draw")})])


def _compile(model: Any, keep: tuple[str, ...]) -> Any:
    """Compile a PyMC graph for nutpie; of its variables, those in ``keep`` are kept."""
    import nutpie

    with warnings.catch_warnings():
        # nutpie runs numba's code; a BLAS of the system would serve only the starting point of correlated models.
        warnings.filterwarnings("ignore", "PyTensor could not link to a BLAS installation", UserWarning)
        return nutpie.compile_pymc_model(model, var_names=keep)
