"""Power-scaling: how the posterior moves when prior or likelihood weigh a little more or less."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from alliance_bayes.engines.collapsed.hyper import log_density
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Prior

__all__ = ["LIMIT", "power_scaling", "scaled_parameters"]

#: Sensitivity above which ArviZ and Kallioinen et al. (2024) speak of an informative prior.
LIMIT = 0.05
# Draws x rows of which the likelihood is computed: half a second.
_MOST = 4_000_000


def power_scaling(fit: FittedModel, slope: np.ndarray) -> pd.DataFrame:
    """Sensitivity of the focal slope and of the parameters to their priors and to the likelihood.

    Parameters
    ----------
    fit
        The fit.
    slope
        Draws of its focal slope, shape (chain, draw).

    Returns
    -------
    pandas.DataFrame
        Columns ``quantity``, ``prior``, ``likelihood`` (change of the posterior's distribution, as a distance, per
        doubling of either's weight) and ``diagnosis``, in the reference's words. The likelihood's is missing for a
        fit made from moments.

    Notes
    -----
    The priors of all parameters that :func:`scaled_parameters` gives are scaled together; the distribution of the
    effects of levels given their SDs is part of the model, and is not.

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), Statistics and Computing 34:57, doi 10.1007/s11222-023-10366-5.
    """
    # ArviZ carries no annotations. It is slow to import, and only this check needs all of it.
    psense: Any = import_module("arviz_stats").psense
    chains, draws = fit.shape
    by = 1
    if fit.moments is None:
        by = min(draws, int(np.ceil(chains * draws * fit.design.rows.n / _MOST)))
    thin = fit.thinned(by)
    prior = sum(log_prior(stated, values) for _, stated, values in scaled_parameters(thin))
    quantities = {"slope": slope[:, ::by]} | {
        name: thin.with_chains(values) for name, _, values in scaled_parameters(thin)
    }
    dims = ("chain", "draw")
    groups = {
        "posterior": xr.Dataset({name: (dims, values) for name, values in quantities.items()}),
        "log_prior": xr.Dataset({"all": (dims, thin.with_chains(np.asarray(prior)))}),
    }
    kinds = ["prior"]
    if fit.moments is None:
        total = np.concatenate(
            [thin.log_likelihood_at(which=which).sum(axis=1) for which in thin.blocks(fit.design.rows.n)]
        )
        groups["log_likelihood"] = xr.Dataset({"all": (dims, thin.with_chains(total))})
        kinds.append("likelihood")
    tree = xr.DataTree.from_dict(groups)
    found = {kind: psense(tree, group=kind) for kind in kinds}
    table = pd.DataFrame(
        {
            "quantity": list(quantities),
            **{kind: [float(found[kind][name]) for name in quantities] for kind in kinds},
        }
    ).reindex(columns=["quantity", "prior", "likelihood"])
    pairs = zip(table["prior"].to_numpy(float), table["likelihood"].to_numpy(float), strict=True)
    return table.assign(diagnosis=[_diagnosis(*pair) for pair in pairs])


def scaled_parameters(fit: FittedModel) -> Iterator[tuple[str, Prior, np.ndarray]]:
    """Name, prior and stacked draws of every parameter with a stated prior of one number.

    Coefficients, the family's own parameters and SDs of levels; not correlations and cutpoints, whose priors are of
    several numbers at once.
    """
    design, draws, priors = fit.design, fit.stacked, fit.priors
    for position, term in enumerate(design.terms):
        yield term, priors[term].prior, draws["beta"][:, position]
    for name in design.family.parameters:
        if name == "sigma" and design.residual is not None:
            for position, own in enumerate(design.residual.parameters):
                yield own, priors[own].prior, draws[name][:, position]
        elif name in priors and draws[name].ndim == 1:
            yield name, priors[name].prior, draws[name]
    for factor in design.factors:
        for position, term in enumerate(factor.terms):
            name = f"tau_{factor.name}[{term}]"
            yield name, priors[name].prior, draws[f"tau_{factor.name}"][:, position]
    for smooth in design.smooths:
        yield f"tau_{smooth.name}", priors[f"tau_{smooth.name}"].prior, draws[f"tau_{smooth.name}"]


def log_prior(prior: Prior, values: np.ndarray) -> np.ndarray:
    """Log density of a prior of one number."""
    p = prior.arguments
    match prior.distribution:
        case "Normal":
            return np.asarray(stats.norm.logpdf(values, p["mu"], p["sigma"]))
        case "StudentT":
            return np.asarray(stats.t.logpdf(values, p["nu"], p["mu"], p["sigma"]))
    return log_density(prior, values)


def _diagnosis(prior: float, likelihood: float) -> str:
    if not prior > LIMIT:
        return "–"
    return "potential conflict of prior and data" if likelihood > LIMIT else "potentially strong prior, weak likelihood"
