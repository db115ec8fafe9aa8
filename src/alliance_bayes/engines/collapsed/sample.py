"""The collapsed engine: exact draws from the posterior of a Gaussian model, whatever the number of rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from alliance_bayes.diagnostics import convergence, smoothed
from alliance_bayes.engines.collapsed.blocks import contrasts
from alliance_bayes.engines.collapsed.equations import normal_equations
from alliance_bayes.engines.collapsed.hyper import hyperparameters
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.engines.collapsed.proposal import (
    Adapted,
    Chains,
    Proposal,
    adapt,
    along_ridges,
    efficiency_of,
    find_mode,
    independence_chains,
    normalised,
    weighted,
)
from alliance_bayes.engines.nuts import (
    NutpieDensity,
    Progress,
    SamplerSettings,
    run_nutpie,
    sampler_statistics,
    unconstrained_draws,
)
from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design, PriorTable
from alliance_bayes.model.layout import posterior_dataset
from alliance_bayes.moments import Moments
from alliance_bayes.remedies import argument

__all__ = ["marginal_posterior", "named", "sample_collapsed", "sample_marginal", "unpack", "why_not_collapsed"]


# Adaptation ends when a round is worth this share of independent draws; less than the other is too poor for chains.
_ROUNDS, _GOOD, _POOR = 4, 0.5, 0.03
# Attempts at chains before NUTS steps in, and draws that say what a proposal is worth that was widened.
_ATTEMPTS, _LOOK = 5, 2000


@dataclass(frozen=True)
class _Effort:
    """Proposals of a round of adaptation, and steps of a chain between draws.

    Parameters
    ----------
    size
        Proposals of a round.
    most
        Largest share of one proposal in a fit.
    worth, steps
        Steps are as many as make a draw worth about this share of an independent one, and no more than that.
    """

    size: int
    most: float
    worth: float
    steps: int


# What all models get, and what those get for which it is not enough: of few proposals the heaviest would shrink a fit
# to themselves. NUTS takes some fifteen gradients for a draw, each the time of three evaluations or more.
_FIRST, _THOROUGH = _Effort(400, 1.0, 0.5, 17), _Effort(10_000, 0.005, 1.0, 30)
# A proposal that is worth less at first has not the posterior's shape, and no fit will give it that.
_HOPELESS = 0.02
# Chains that accept fewer proposals, or whose importance ratios have a heavier tail, are thrown away; and those that do
# not agree, or of which a draw is worth less than this share of an independent one.
_LEAST_ACCEPTED, _LARGEST_K = 0.03, 0.7
_LARGEST_RHAT, _LEAST_WORTH = 1.01, 0.1
# Chance alone makes R-hat 1 + 3 / draws or so. Fewer draws of a chain than the other say little of either.
_CHANCE, _FEWEST = 10.0, 100


def why_not_collapsed(design: Design, priors: PriorTable) -> str:
    """Why the engine cannot take a model; empty where it can."""
    if not design.family.conjugate:
        return f"the family is {design.family.name}, not gaussian"
    if design.sigma is not None:
        return f"the residual SD differs along columns ({design.sigma.formula.text})"
    for term in design.terms:
        if priors[term].prior.distribution != "Normal":
            return f"the prior of '{term}' is {priors[term].prior}, not a Normal"
    return ""


def marginal_posterior(
    design: Design, priors: PriorTable, moments: Moments | None = None, *, cores: int = 1
) -> Marginal:
    """The marginal posterior of the hyperparameters of a Gaussian model.

    Parameters
    ----------
    design, priors
        The model.
    moments
        Cell moments of its rows, where these are out of reach.
    cores
        Evaluations done at once.

    Raises
    ------
    ModelError
        The engine cannot take the model, the outcome does not vary, or the moments are of another model.
    """
    reason = why_not_collapsed(design, priors)
    if reason:
        raise ModelError(f"the collapsed engine cannot take this model: {reason}. Use {argument('engine', 'nuts')}.")
    hyper = hyperparameters(design, priors)
    equations = normal_equations(design, priors, moments, scale=hyper.scale)
    terms = {factor.name: (len(factor.terms), factor.correlated) for factor in design.factors}
    return Marginal(equations, hyper, terms, cores)


def sample_collapsed(
    design: Design,
    priors: PriorTable,
    moments: Moments | None,
    settings: SamplerSettings,
    *,
    progress: Progress | None = None,
    before: Callable[[Marginal], None] | None = None,
) -> tuple[xr.DataTree, dict[str, Any]]:
    """Sample the posterior of a Gaussian model with its coefficients integrated out.

    Parameters
    ----------
    design, priors
        The model.
    moments
        Cell moments of its rows, where these are out of reach.
    settings
        Draws, chains, cores and seed; ``tune`` and ``target_accept`` serve only where NUTS has to step in.
    progress
        Called with (draws done, draws in all, divergences) where NUTS has to step in; the chains take no time.
    before
        Called with the density before anything is sampled from it.

    Returns
    -------
    tree : xarray.DataTree
        Groups ``posterior`` and ``sample_stats``: of the independence chains ``acceptance_rate`` (share of proposals
        accepted on the way to a draw), ``lp`` (log density of the hyperparameters, up to a constant) and ``pareto_k``
        (of all importance ratios); of NUTS what :func:`sample_nuts` gives.
    info : dict
        Engine, sampler, efficiency of the proposal, wall seconds; ``fallback`` where NUTS had to step in, and why.

    Raises
    ------
    ModelError
        See :func:`marginal_posterior`.
    SamplingError
        The residual SD has no posterior (the predictors explain the outcome exactly), or NUTS failed too.

    Notes
    -----
    The hyperparameters (residual SDs, scales, correlations) are sampled from their marginal posterior by independence
    Metropolis-Hastings, from a proposal shaped like it; the coefficients are then drawn from their exact conditional
    distribution, anew for each draw. Where the proposal is poor, NUTS samples the same marginal density.
    """
    clock = time.perf_counter()
    marginal = marginal_posterior(design, priors, moments, cores=settings.cores)
    if before is not None:
        before(marginal)
    chain_seed, draw_seed = np.random.SeedSequence(settings.seed).spawn(2)
    rng = np.random.default_rng(chain_seed)
    mode, covariance = find_mode(marginal, marginal.equations.outcome_sd)
    total = settings.chains * settings.draws
    proposal = along_ridges(marginal.log_density, mode, covariance, logarithms=marginal.hyper.positive)
    attempt = _independence(marginal, proposal, rng, settings)
    info: dict[str, Any] = {"engine": "collapsed", "sampler": "independence Metropolis-Hastings"}
    if attempt.chains is not None:
        theta, statistics = attempt.chains.theta, _statistics(attempt.chains, attempt.pareto_k)
    else:
        info |= {"sampler": "NUTS on the marginal density", "fallback": attempt.reason}
        theta, statistics = sample_marginal(marginal, mode, covariance, settings, progress=progress)
    info["proposal_efficiency"] = round(attempt.efficiency, 3)
    dense, eliminated = marginal.draw(theta.reshape(total, -1), seed=draw_seed)
    posterior = unpack(design, marginal, theta, dense, eliminated)
    info |= {"sample_seconds": round(time.perf_counter() - clock, 3)}
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": statistics}), info


@dataclass(frozen=True, eq=False)
class _Attempt:
    chains: Chains | None
    efficiency: float
    pareto_k: float
    reason: str


def _independence(
    marginal: Marginal, proposal: Proposal, rng: np.random.Generator, settings: SamplerSettings
) -> _Attempt:
    effort, start = _FIRST, proposal
    adapted = _adapted(marginal, start, rng, effort)
    proposal, efficiency, pareto_k = adapted.proposal, adapted.efficiency, np.nan
    for _ in range(_ATTEMPTS):
        if efficiency < _POOR:
            z, weight = weighted(marginal.log_density, proposal, rng, _LOOK)
            efficiency = efficiency_of(weight)
            reason = f"the proposal is worth {efficiency:.1%} of independent draws"
        if efficiency >= _POOR:
            steps = int(np.clip(np.ceil(effort.worth / efficiency), 1, effort.steps))
            chains = independence_chains(
                marginal.log_density, proposal, rng, chains=settings.chains, draws=settings.draws, steps=steps
            )
            pareto_k = _tail_shape(chains.log_weight)
            reason = _fault(chains, pareto_k)
            if not reason:
                return _Attempt(chains, efficiency, pareto_k, "")
            z, weight = chains.scores, normalised(chains.log_weight)
        if not weight.any():
            break
        # Of few draws a poor proposal looks better than it is: where more were looked at, these say whether to go on.
        if effort is _FIRST and min(efficiency, adapted.efficiency) >= _HOPELESS:
            effort = _THOROUGH
            again = _adapted(marginal, start, rng, effort)
            proposal, efficiency = again.proposal, again.efficiency
        else:
            # What was drawn is thrown away, but says where the proposal is too thin; what that is worth is seen anew.
            proposal, efficiency = proposal.widened(z, weight), 0.0
    return _Attempt(None, efficiency, pareto_k, reason)


def _adapted(marginal: Marginal, proposal: Proposal, rng: np.random.Generator, effort: _Effort) -> Adapted:
    return adapt(marginal.log_density, proposal, rng, size=effort.size, rounds=_ROUNDS, good=_GOOD, most=effort.most)


def _fault(chains: Chains, pareto_k: float) -> str:
    """Why chains are not to be used; empty where they are. What cannot be computed counts as the worst."""
    accepted = float(chains.accepted.mean())
    if not accepted >= _LEAST_ACCEPTED:
        return f"{accepted:.0%} of the proposals were accepted"
    if not pareto_k <= _LARGEST_K:
        return f"the importance ratios have a Pareto k of {pareto_k:.2f}"
    largest, worth = _mixing(chains.theta)
    if not largest <= max(_LARGEST_RHAT, 1 + _CHANCE / chains.theta.shape[1]):
        return f"the chains have an R-hat of {largest:.3f}"
    if not worth >= _LEAST_WORTH:
        return f"a draw of the chains is worth {worth:.1%} of an independent one"
    return ""


def _tail_shape(log_weight: np.ndarray) -> float:
    """Pareto k of importance ratios (Vehtari et al. 2024, Journal of Machine Learning Research 25(72):1-58)."""
    finite = log_weight[np.isfinite(log_weight)]
    if finite.size == 0:
        return np.inf
    # Without an estimate nearly all the weight is on few draws.
    return float(np.nan_to_num(smoothed(finite[None])[1][0], nan=np.inf))


def _mixing(theta: np.ndarray) -> tuple[float, float]:
    """Largest R-hat of the hyperparameters, and least bulk effective sample size over the number of draws."""
    draws = np.moveaxis(theta, 2, 0)
    if draws.shape[2] < _FEWEST:
        return 1.0, 1.0
    diagnostics = convergence(draws, np.quantile(draws, [0.055, 0.945], axis=(1, 2)).T)
    largest = 1.0 if theta.shape[0] == 1 else float(np.max(diagnostics["rhat"]))
    return largest, float(np.min(diagnostics["ess_bulk"])) / theta.shape[0] / theta.shape[1]


def _statistics(chains: Chains, pareto_k: float) -> xr.Dataset:
    n_chains, n_draws = chains.accepted.shape
    return xr.Dataset(
        {
            "acceptance_rate": (("chain", "draw"), chains.accepted),
            "lp": (("chain", "draw"), chains.log_density),
            "pareto_k": ((), pareto_k),
        },
        coords={"chain": np.arange(n_chains), "draw": np.arange(n_draws)},
    )


def sample_marginal(
    marginal: Marginal,
    mode: np.ndarray,
    covariance: np.ndarray,
    settings: SamplerSettings,
    *,
    progress: Progress | None = None,
) -> tuple[np.ndarray, xr.Dataset]:
    """Sample the hyperparameters by NUTS with the exact gradient of their marginal density.

    Parameters
    ----------
    marginal
        The density.
    mode, covariance
        Where chains begin, up to a little noise, and the curvature there, shapes (D,) and (D, D): what is sampled is
        the distance from the mode in its SDs, so that the sampler has no scales and correlations to learn.
    settings
        Draws, warm-up, chains, cores, seed and target acceptance.
    progress
        As for :func:`sample_nuts`.

    Returns
    -------
    theta : numpy.ndarray
        Shape (chain, draw, D).
    statistics : xarray.Dataset
        What the sampler says of itself, dims (chain, draw).
    """
    root = np.linalg.cholesky(covariance)

    def first(seed: int) -> np.ndarray:
        return 0.1 * np.random.default_rng(seed).standard_normal(len(mode))

    def value_and_gradient(steps: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = marginal.value_and_gradient(mode + root @ steps)
        return value, gradient @ root

    tree = run_nutpie(NutpieDensity(len(mode), value_and_gradient, first), settings, progress)
    theta = mode + unconstrained_draws(tree) @ root.T
    return theta, sampler_statistics(tree["sample_stats"].to_dataset(), tree["posterior"].to_dataset())


def unpack(
    design: Design, marginal: Marginal, theta: np.ndarray, dense: np.ndarray, eliminated: np.ndarray
) -> xr.Dataset:
    """Name the draws, as :func:`named` does, in a dataset of dims chain and draw; ``theta`` is (chain, draw, D)."""
    chains, draws = theta.shape[:2]
    values = named(design, marginal, theta.reshape(chains * draws, -1), dense, eliminated)
    return posterior_dataset(
        design, {name: drawn.reshape(chains, draws, *drawn.shape[1:]) for name, drawn in values.items()}
    )


def named(
    design: Design, marginal: Marginal, theta: np.ndarray, dense: np.ndarray, eliminated: np.ndarray
) -> dict[str, np.ndarray]:
    """Draws by the names of the posterior's variables, shape (n_draws, ...).

    Parameters
    ----------
    design
        The model.
    marginal
        Its marginal posterior.
    theta
        Hyperparameters, shape (n_draws, D).
    dense, eliminated
        Coefficients counted from the pilot, shapes (n_draws, d) and (n_draws, L, q).
    """
    eq, hyper = marginal.equations, marginal.hyper
    n = len(theta)
    sigma, tau, roots = hyper.natural(theta)
    values: dict[str, np.ndarray] = {"sigma": sigma if design.residual is not None else sigma[:, 0]}
    if design.terms:
        values["beta"] = dense[:, : len(design.terms)] + eq.pilot
    for smooth in design.smooths:
        start = eq.starts[smooth.name]
        values[f"u_{smooth.name}"] = dense[:, start : start + len(smooth.labels)]
        values[f"tau_{smooth.name}"] = tau[:, hyper.scale[f"tau_{smooth.name}"]]
    for factor in design.factors:
        name, q, levels = factor.name, len(factor.terms), len(factor.levels)
        values[f"tau_{name}"] = tau[:, [hyper.scale[f"tau_{name}[{term}]"] for term in factor.terms]]
        if factor.correlated:
            values[f"corr_{name}"] = roots[name] @ roots[name].transpose(0, 2, 1)
        if name == eq.eliminated:
            values[f"u_{name}"] = eliminated
            continue
        start, width = eq.starts[name], levels - 1 if factor.exhaustive else levels
        u = dense[:, start : start + width * q].reshape(n, width, q)
        values[f"u_{name}"] = np.einsum("lk,nkq->nlq", contrasts(levels), u) if factor.exhaustive else u
    return values
