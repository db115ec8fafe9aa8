"""Power-scaling: how the posterior moves when prior or likelihood weigh a little more or less."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from alliance_bayes.diagnostics import convergence, smoothed
from alliance_bayes.engines.prior_density import log_prior
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Prior
from alliance_bayes.model.sigma import GAMMA

__all__ = ["LIMIT", "power_scaling", "scaled_parameters"]

#: Sensitivity above which ArviZ and Kallioinen et al. (2024) speak of an informative prior.
LIMIT = 0.05
# Draws x rows of which the likelihood is computed (half a second), and the fewest draws: from 400, the likelihood's
# sensitivity has a Monte Carlo error of some 0.05, which is enough to tell a strong likelihood from a weak one.
_MOST, _FEWEST = 4_000_000, 400
# A weight is scaled down and up by so much.
_ALPHAS = (0.99, 1.01)


def power_scaling(fit: FittedModel, numbers: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Sensitivity of some numbers and of the parameters to their priors and to the likelihood.

    Parameters
    ----------
    fit
        The fit.
    numbers
        Their draws by name, each of shape (n_draws,) or (chain, draw).

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
    parameters = list(scaled_parameters(fit))
    prior = sum(log_prior(stated, values) for _, stated, values in parameters)
    quantities = {name: values.ravel() for name, values in numbers.items()}
    quantities |= {name: values for name, _, values in parameters if name not in quantities}
    table = pd.DataFrame({"quantity": list(quantities), "prior": _sensitivity(np.asarray(prior), quantities.values())})
    table["likelihood"] = np.nan
    if fit.moments is None:
        n, (chains, draws) = fit.design.rows.n, fit.shape
        by = min(int(np.ceil(chains * draws * n / _MOST)), max(1, chains * draws // _FEWEST), draws)
        thin = fit.thinned(by)
        counted = fit.design.information_weights
        counted = np.ones(n) if counted is None else counted
        total = np.concatenate([thin.log_likelihood_at(which=which) @ counted for which in thin.blocks(n)])
        thinned = [fit.with_chains(values)[:, ::by].ravel() for values in quantities.values()]
        table["likelihood"] = _sensitivity(total, thinned)
    pairs = zip(table["prior"].to_numpy(float), table["likelihood"].to_numpy(float), strict=True)
    return table.assign(diagnosis=[_diagnosis(*pair) for pair in pairs])


def _sensitivity(component: np.ndarray, quantities: Iterable[np.ndarray]) -> list[float]:
    """Change of each quantity's distribution per doubling of the weight of a component of the log density.

    All of shape (n_draws,). The mean of the changes downwards and upwards, as distances.
    """
    weights = [_weights((alpha - 1) * component) for alpha in _ALPHAS]
    doublings = np.abs(np.log2(_ALPHAS))
    sensitivities = []
    for draws in quantities:
        order = np.argsort(draws, kind="stable")
        ordered = draws[order]
        distances = [_distance(ordered, weight[order]) / by for weight, by in zip(weights, doublings, strict=True)]
        sensitivities.append(float(np.mean(distances)))
    return sensitivities


def _weights(log_ratios: np.ndarray) -> np.ndarray:
    """Smoothed importance weights, which sum to one."""
    tails = np.quantile(log_ratios, [[0.05, 0.95]])
    size = float(convergence(log_ratios[None, None], tails)["ess_tail"][0])
    efficiency = size / log_ratios.size if np.isfinite(size) else 1.0
    return np.exp(smoothed(log_ratios[None], relative_efficiency=efficiency)[0][0])


def _distance(draws: np.ndarray, weights: np.ndarray) -> float:
    """Cumulative Jensen-Shannon distance of ascending draws from the same without weights, the larger of both sides."""
    return max(_one_sided(draws, weights), _one_sided(-draws[::-1], weights[::-1]))


def _one_sided(draws: np.ndarray, weights: np.ndarray) -> float:
    """The distance of ascending draws; Kallioinen et al. (2024), equations 11 to 13."""
    width = np.diff(draws)
    p = np.arange(1, draws.size) / draws.size
    q = np.cumsum(weights / weights.sum())[:-1]
    middle = 0.5 * (p + q)
    # x log x is 0 at 0, where a weight may have rounded to nothing.
    first, other = (np.sum(width * part * np.log2(np.where(part > 0, part / middle, 1.0))) for part in (p, q))
    # What the two add of the areas under p and q cancels.
    bound = float((p + q) @ width)
    return float(np.sqrt(max(first + other, 0.0) / bound)) if bound > 0 else np.nan


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
            for position, parameter in enumerate(design.residual.parameters):
                yield parameter, priors[parameter].prior, draws[name][:, position]
        elif name in priors and draws[name].ndim == 1:
            yield name, priors[name].prior, draws[name]
    if design.sigma is not None:
        for position, parameter in enumerate(design.sigma.parameters):
            yield parameter, priors[parameter].prior, draws[GAMMA][:, position]
    for factor in design.factors:
        for position, term in enumerate(factor.terms):
            name = f"tau_{factor.name}[{term}]"
            yield name, priors[name].prior, draws[f"tau_{factor.name}"][:, position]
    for smooth in design.smooths:
        yield f"tau_{smooth.name}", priors[f"tau_{smooth.name}"].prior, draws[f"tau_{smooth.name}"]


def _diagnosis(prior: float, likelihood: float) -> str:
    if not prior > LIMIT:
        return "–"
    return "potential conflict of prior and data" if likelihood > LIMIT else "potentially strong prior, weak likelihood"
