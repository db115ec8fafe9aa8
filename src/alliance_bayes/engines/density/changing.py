"""A model's parameters given rows of which some change from one draw to the next: Hamiltonian Monte Carlo."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.density.kernel import log_density
from alliance_bayes.engines.density.model_data import (
    ModelData,
    model_data_of,
    shared_terms,
    starting_point,
    variables_of,
)
from alliance_bayes.engines.nuts import NutpieDensity, SamplerSettings, run_nutpie, unconstrained_draws
from alliance_bayes.model import Design, PriorTable, Rows

__all__ = ["ChangingDensity", "Transitions"]

# Draws of the pilot, after as many to tune it.
_PILOT = 250
# Length of a trajectory on the scale on which the posterior is a standard Normal, the most steps of one, and how often
# the parameters are moved between two draws.
_LENGTH, _MOST_STEPS, _MOVES = 0.5 * math.pi, 40, 2
# Numbers of which all correlations are learnt. Of more, the scales alone.
_MOST_CORRELATED = 150
# Numbers of the dual averaging of the step size (Hoffman and Gelman 2014, JMLR 15:1593-1623).
_GAMMA, _T0, _KAPPA = 0.05, 10.0, 0.75
# A trajectory whose energy is so much higher at its end has left the posterior.
_DIVERGED = 1000.0


class Transitions(NamedTuple):
    """Draws of one chain given one set of values.

    Parameters
    ----------
    q
        The unconstrained vector, shape (draws, size).
    acceptance
        Mean probability of acceptance on the way to each, shape (draws,).
    diverging
        Whether a trajectory on the way to each diverged, shape (draws,).
    """

    q: np.ndarray
    acceptance: np.ndarray
    diverging: np.ndarray


@dataclass(eq=False)
class _StepSize:
    """Dual averaging of the logarithm of a step size, towards a mean acceptance."""

    start: float
    wanted: float
    count: int = 0
    deficit: float = 0.0
    averaged: float = 0.0

    def learn(self, acceptance: float) -> None:
        self.count += 1
        share = 1.0 / (self.count + _T0)
        self.deficit += share * (self.wanted - acceptance - self.deficit)
        weight = self.count**-_KAPPA
        self.averaged += weight * (math.log(self.now) - self.averaged)

    @property
    def now(self) -> float:
        return math.exp(math.log(10.0 * self.start) - math.sqrt(self.count) / _GAMMA * self.deficit)

    @property
    def settled(self) -> float:
        return math.exp(self.averaged) if self.count else self.start


class ChangingDensity:
    """Draws of the parameters of a model of any family given rows of which some are new each time.

    Each draw is of a Markov chain whose stationary distribution is the posterior given the rows: trajectories of
    Hamiltonian dynamics of a random number of steps, accepted or refused (Neal 2011, Handbook of Markov Chain Monte
    Carlo, ch. 5). The scale on which steps are taken is that of a pilot by NUTS on one set of values. The size of
    steps is learnt until :meth:`settle`; afterwards nothing is, so that chains are those of one kernel.

    Parameters
    ----------
    design, priors
        The model on all rows, with some value in place of what was not observed.
    changing
        Places of the rows that change.
    settings
        Chains, how many of a pilot run at once, and ``target_accept``.
    """

    def __init__(self, design: Design, priors: PriorTable, changing: np.ndarray, settings: SamplerSettings) -> None:
        self.design, self.priors, self.changing, self.settings = design, priors, changing, settings
        self.data = model_data_of(design, priors)
        self._tables = [_copied(self.data) for _ in range(settings.chains)]
        self._q: list[np.ndarray] | None = None
        # The mean that NUTS tunes is over whole trajectories, and makes shorter steps than one as large of their ends.
        self._wanted = 0.5 * (1.0 + settings.target_accept)
        self._size = _StepSize(0.5, self._wanted)
        self._settled: float | None = None
        self._seed = 0

    def put(self, chain: int, rows: Rows, coded: np.ndarray) -> None:
        """Give a chain some values in the rows that change.

        Parameters
        ----------
        chain
            Which.
        rows
            Design arrays of the changing rows, in their order, of levels that the design has (`Rows.of_seen_levels`).
        coded
            Their outcome as the likelihood reads it, shape (n_changing,).
        """
        data, at = self._tables[chain], self.changing
        data.x[:, at] = rows.x.T
        data.y[at] = coded
        if rows.offset is not None:
            data.offset[at] = rows.offset
        if rows.sigma is None:
            data.sigma_index[at] = rows.strata
        else:
            data.sigma_x[:, at] = rows.sigma.T
        block = 0
        for number, factor in enumerate(self.design.factors):
            z = rows.z[factor.name]
            data.level[number, at] = rows.index[factor.name]
            data.z[block : block + z.shape[1], at] = z.T
            block += z.shape[1]
        column = 0
        for smooth in self.design.smooths:
            basis = rows.basis[smooth.name]
            data.basis[column : column + basis.shape[1], at] = basis.T
            column += basis.shape[1]

    def adapt(self, rng: np.random.Generator) -> None:
        """Learn the scale of the posterior from a pilot on the first chain's values, where new chains begin.

        Parameters
        ----------
        rng
            Generator of the pilot's seed.
        """
        chains = len(self._tables)
        data = self._tables[0]
        first = starting_point(data)
        seed = int(rng.integers(2**31))
        settings = replace(self.settings, draws=_PILOT, tune=_PILOT, chains=max(2, chains), seed=seed)
        density = NutpieDensity(data.size, lambda q: log_density(q, data), first)
        q = unconstrained_draws(run_nutpie(density, settings, None))
        if self._q is None:
            self._seed = int(rng.integers(2**31))
            self._q = [q[chain, -1].copy() for chain in range(chains)]
        self._root, self._scale = _root_of(q.reshape(-1, data.size))
        # The step size at which long Gaussian vectors are accepted so often (Beskos et al. 2013, Bernoulli 19:1501).
        self._size = _StepSize(min(1.0, data.size**-0.25), self._wanted)

    def settle(self) -> None:
        """End the learning of the step size."""
        self._settled = self._size.settled

    def draw(self, chain: int, draws: int, rng: np.random.Generator) -> Transitions:
        """Draws given a chain's values.

        Parameters
        ----------
        chain
            Which chain, that goes on from where it is.
        draws
            How many.
        rng
            Generator.
        """
        assert self._q is not None
        data, size = self._tables[chain], self.data.size
        moves = draws * _MOVES
        step = self._size.now if self._settled is None else self._settled
        step = min(step, _LENGTH)
        longest = min(_MOST_STEPS, max(1, round(2 * _LENGTH / step)))
        steps = rng.integers(1, longest + 1, moves)
        path, chance, diverged = _walk(
            self._q[chain],
            data,
            self._root,
            self._scale,
            step,
            steps,
            rng.standard_normal((moves, size)),
            np.log(rng.random(moves)),
        )
        self._q[chain] = path[-1]
        if self._settled is None:
            self._size.learn(float(chance.mean()))
        return Transitions(
            path[_MOVES - 1 :: _MOVES],
            chance.reshape(draws, _MOVES).mean(axis=1),
            diverged.reshape(draws, _MOVES).any(axis=1),
        )

    def natural(self, q: np.ndarray, chain: int) -> dict[str, np.ndarray]:
        """The draws of a chain by the names of the posterior's variables, shape (n_draws, ...)."""
        # What is drawn divides sums of which the data know nothing more: the same, however often it is asked for.
        return variables_of(self.design, self.priors, self.data, q, np.random.default_rng([self._seed, chain]))

    def undivided(self, q: np.ndarray, chain: int) -> dict[str, np.ndarray]:
        """The same with the means of level effects, where they are known in sum only, added to their coefficients.

        So rows of a level that no row had have the linear predictor that :meth:`put` gives them.
        """
        values = self.natural(q, chain)
        for term in shared_terms(self.design, self.priors):
            for factor in self.design.factors:
                if factor.exhaustive or factor.correlated or term not in factor.terms:
                    continue
                u = values[f"u_{factor.name}"][:, :, factor.terms.index(term)]
                mean = u.mean(axis=1)
                values["beta"][:, self.design.terms.index(term)] += mean
                u -= mean[:, None]
        return values


def _copied(data: ModelData) -> ModelData:
    """With arrays of its own, where those of single rows are written."""
    names = ("x", "y", "offset", "sigma_index", "sigma_x", "level", "z", "basis")
    return data._replace(**{name: getattr(data, name).copy() for name in names})


def _root_of(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cholesky factor of the covariance of draws, (0, 0) where only the scales are learnt; and the scales."""
    n, size = q.shape
    variance = q.var(axis=0, ddof=1)
    # A little towards one, as Stan does, and correlations towards none by how many there are beside the draws.
    variance = n / (n + 5.0) * variance + 1e-3 * 5.0 / (n + 5.0)
    scale = np.sqrt(variance)
    if size > _MOST_CORRELATED:
        return np.zeros((0, 0)), scale
    correlation = np.corrcoef(q, rowvar=False).reshape(size, size)
    weight = n / (n + 4.0 * size)
    correlation = weight * np.nan_to_num(correlation) + (1 - weight) * np.eye(size)
    np.fill_diagonal(correlation, 1.0)
    return np.ascontiguousarray(scale[:, None] * np.linalg.cholesky(correlation)), scale


@njit(cache=True, nogil=True, error_model="numpy")
def _walk(start, data, root, scale, step, steps, noise, log_uniform):  # type: ignore[no-untyped-def]
    """Trajectories one after the other: where each ended, its probability of acceptance, and whether it diverged."""
    moves, size = noise.shape
    dense = root.shape[0] > 0
    path, chance, diverged = np.empty((moves, size)), np.zeros(moves), np.zeros(moves, dtype=np.bool_)
    q = start.copy()
    log_p, gradient = log_density(q, data)
    for move in range(moves):
        momentum = noise[move].copy()
        before = log_p - 0.5 * np.dot(momentum, momentum)
        trial, log_trial, slope = q.copy(), log_p, gradient
        for _ in range(steps[move]):
            momentum += 0.5 * step * (np.dot(root.T, slope) if dense else scale * slope)
            trial = trial + step * (np.dot(root, momentum) if dense else scale * momentum)
            log_trial, slope = log_density(trial, data)
            if not math.isfinite(log_trial):
                break
            momentum += 0.5 * step * (np.dot(root.T, slope) if dense else scale * slope)
        gain = log_trial - 0.5 * np.dot(momentum, momentum) - before
        if not math.isfinite(log_trial) or not gain > -_DIVERGED:
            diverged[move] = True
        else:
            chance[move] = min(1.0, math.exp(gain))
            if log_uniform[move] < gain:
                q, log_p, gradient = trial, log_trial, slope
        path[move] = q
    return path, chance, diverged
