"""Adaptive importance sampling, and independence Metropolis-Hastings chains from what it has learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.collapsed.proposal import LogDensity, Proposal

__all__ = ["Adapted", "Chains", "adapt", "efficiency_of", "independence_chains", "normalised", "weighted"]

# Proposals out of which each chain's first state is taken.
_BEFORE = 50


@dataclass(frozen=True, eq=False)
class Adapted:
    """The best proposal found, and what its round said of it.

    Parameters
    ----------
    proposal
        The proposal.
    efficiency
        Effective share of its draws, 1 / (N sum w^2).
    rounds
        Which round it was drawn in.
    """

    proposal: Proposal
    efficiency: float
    rounds: int


def adapt(
    log_density: LogDensity,
    proposal: Proposal,
    rng: np.random.Generator,
    *,
    size: int,
    rounds: int,
    good: float,
    most: float = 1.0,
) -> Adapted:
    """Rounds of importance sampling, each from the proposal refitted to the round before, until one is good.

    Parameters
    ----------
    log_density
        Unnormalised log density of thetas (N, D).
    proposal
        Where to begin.
    rng
        Generator.
    size, rounds
        Proposals in a round, and the most rounds.
    good
        Efficiency at which to stop.
    most
        Largest share of one proposal in a fit, before all are scaled to sum to 1.

    References
    ----------
    Ionides (2008), Journal of Computational and Graphical Statistics 17(2):295-311, doi 10.1198/106186008X320456.
    Cappe, Douc, Guillin, Marin, Robert (2008), Statistics and Computing 18:447-459, doi 10.1007/s11222-008-9059-x.
    """
    best = Adapted(proposal, 0.0, 0)
    for number in range(1, rounds + 1):
        z, weight = weighted(log_density, proposal, rng, size)
        if not weight.any():
            break
        efficiency = efficiency_of(weight)
        if efficiency > best.efficiency:
            best = Adapted(proposal, efficiency, number)
        if efficiency >= good:
            break
        if weight.max() > most:
            weight = np.minimum(weight, most)
            weight /= weight.sum()
        proposal = proposal.refitted(z, weight)
    return best


def weighted(
    log_density: LogDensity, proposal: Proposal, rng: np.random.Generator, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (size, D) of some proposals, and their importance ratios (size,)."""
    theta, z, log_q = proposal.draw(rng, size)
    return z, normalised(log_density(theta) - log_q)


def normalised(log_weight: np.ndarray) -> np.ndarray:
    """Importance ratios that sum to 1; all are 0 where none can be computed."""
    largest = log_weight.max()
    if not np.isfinite(largest):
        return np.zeros_like(log_weight)
    weight = np.exp(log_weight - largest)
    return np.asarray(weight / weight.sum())


def efficiency_of(weight: np.ndarray) -> float:
    """Effective share of proposals with importance ratios that sum to 1, or are 0 all."""
    square = (weight**2).sum()
    return float(1.0 / square / len(weight)) if square > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Chains:
    """Independence chains.

    Parameters
    ----------
    theta
        Shape (chain, draw, D).
    accepted
        Share of proposals accepted on the way to each draw, shape (chain, draw).
    log_density
        Shape (chain, draw).
    scores, log_weight
        Scores (N, D) and log importance ratios (N,) of all proposals.
    """

    theta: np.ndarray
    accepted: np.ndarray
    log_density: np.ndarray
    scores: np.ndarray
    log_weight: np.ndarray


def independence_chains(
    log_density: LogDensity, proposal: Proposal, rng: np.random.Generator, *, chains: int, draws: int, steps: int
) -> Chains:
    """Metropolis-Hastings chains that propose independently of where they are.

    Each chain starts from a draw, by importance weights, out of proposals of its own, and keeps every ``steps``-th
    state.

    References
    ----------
    Tierney (1994), Annals of Statistics 22:1701-1728, doi 10.1214/aos/1176325750.
    """
    length = draws * steps
    theta, z, log_q = proposal.draw(rng, chains * (_BEFORE + length))
    value = log_density(theta)
    log_weight = value - log_q
    ratio = log_weight.reshape(_BEFORE + length, chains)
    weight = np.exp(ratio[:_BEFORE] - ratio[:_BEFORE].max(axis=0))
    cumulative = np.cumsum(weight / weight.sum(axis=0), axis=0)
    at = np.minimum((cumulative < rng.random(chains)).sum(axis=0), _BEFORE - 1)
    state, moved = _walk(ratio, at, np.log(rng.random((length, chains))), _BEFORE)
    column = np.arange(chains)
    kept = (state[steps - 1 :: steps] * chains + column).T
    return Chains(theta[kept], moved.reshape(draws, steps, chains).mean(axis=1).T, value[kept], z, log_weight)


@njit(cache=True)
def _walk(ratio, start, log_uniform, before):  # type: ignore[no-untyped-def]
    """Row of ``ratio`` that each chain is in after each step, and whether it moved; shape (length, chains) each."""
    length, chains = log_uniform.shape
    state, moved = np.empty((length, chains), dtype=np.int64), np.empty((length, chains), dtype=np.bool_)
    for chain in range(chains):
        at = start[chain]
        for step in range(length):
            moved[step, chain] = log_uniform[step, chain] < ratio[before + step, chain] - ratio[at, chain]
            if moved[step, chain]:
                at = before + step
            state[step, chain] = at
    return state, moved
