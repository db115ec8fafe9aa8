"""Draws of a model's parameters given one set of values after the other, by whichever engine can take the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, override

import numpy as np

from alliance_bayes.engines.collapsed import why_not_collapsed
from alliance_bayes.engines.collapsed.changing import ChangingRows, Walk
from alliance_bayes.engines.density.changing import ChangingDensity
from alliance_bayes.engines.nuts import SamplerSettings
from alliance_bayes.model import Design, PriorTable, Rows
from alliance_bayes.readonly import ReadOnly

__all__ = ["Found", "Parameters", "apart", "by_chain", "joined", "parameters_of"]

#: Draws of one chain given one set of values, as an engine has them: arrays of one entry a draw.
type Found = tuple[np.ndarray, ...]


class Parameters(ABC):
    """Chains of a model's parameters, which go on as the values of some rows change."""

    #: How, as a fit tells it, and of what :attr:`accepted` is a share.
    told: Mapping[str, object]
    accepts: str

    @abstractmethod
    def draw(self, rows: Rows, coded: np.ndarray, draws: int, rng: np.random.Generator, *, fresh: bool) -> list[Found]:
        """Draws given the values of each chain, by chain.

        Parameters
        ----------
        rows
            Design arrays of the changing rows of every chain, chain after chain.
        coded
            Their outcomes, shape (chains, n_changing).
        draws
            How many.
        rng
            Generator.
        fresh
            Whether proposals are made anew from these values.
        """

    @abstractmethod
    def natural(self, found: Found, chain: int) -> dict[str, np.ndarray]:
        """The draws of a chain by the names of the posterior's variables, shape (n_draws, ...)."""

    def current(self, found: Found, chain: int) -> dict[str, np.ndarray]:
        """The same of the last draw, as linear predictors of rows of any level are made of it."""
        return self.natural(tuple(part[-1:] for part in found), chain)

    def statistics(self, found: Found) -> dict[str, np.ndarray]:
        """What the sampler says of each draw, by name, shape (n_draws,)."""
        return {}

    def settle(self) -> None:
        """End all learning: what follows is kept."""
        return None

    @property
    @abstractmethod
    def accepted(self) -> float:
        """Share of accepted proposals."""


def parameters_of(design: Design, priors: PriorTable, changing: np.ndarray, settings: SamplerSettings) -> Parameters:
    """By the collapsed engine where that can take the model, and by its density and gradient elsewhere."""
    if why_not_collapsed(design, priors):
        return _ByDensity(design, priors, changing, settings)
    return _Collapsed(design, priors, changing, settings.chains)


class _Collapsed(Parameters):
    told: Mapping[str, object] = ReadOnly(
        {"sampler": "values and parameters in turn, parameters by the collapsed engine"}
    )
    accepts = "hyperparameters"

    def __init__(self, design: Design, priors: PriorTable, changing: np.ndarray, chains: int) -> None:
        self.model = ChangingRows(design, priors, changing)
        self.walks = [Walk() for _ in range(chains)]

    @override
    def draw(self, rows: Rows, coded: np.ndarray, draws: int, rng: np.random.Generator, *, fresh: bool) -> list[Found]:
        marginals = [
            self.model.marginal(chain_rows, outcome)
            for chain_rows, outcome in zip(apart(rows, coded), coded, strict=True)
        ]
        if fresh:
            self.model.adapt(marginals, rng)
            for walk in self.walks:
                walk.theta = None
        return [
            self.model.draw(marginal, walk, draws, rng) for marginal, walk in zip(marginals, self.walks, strict=True)
        ]

    @override
    def natural(self, found: Found, chain: int) -> dict[str, np.ndarray]:
        theta, dense, eliminated = found
        return self.model.natural(theta, dense, eliminated)

    @property
    @override
    def accepted(self) -> float:
        return sum(walk.moved for walk in self.walks) / sum(walk.asked for walk in self.walks)


class _ByDensity(Parameters):
    told: Mapping[str, object] = ReadOnly(
        {
            "sampler": "values and parameters in turn, parameters by Hamiltonian Monte Carlo",
            "density": "compiled",
        }
    )
    accepts = "trajectories"

    def __init__(self, design: Design, priors: PriorTable, changing: np.ndarray, settings: SamplerSettings) -> None:
        self.model = ChangingDensity(design, priors, changing, settings)
        self.told = {**self.told, "target_accept": settings.target_accept}
        self._chance, self._drawn = 0.0, 0

    @override
    def draw(self, rows: Rows, coded: np.ndarray, draws: int, rng: np.random.Generator, *, fresh: bool) -> list[Found]:
        for chain, chain_rows in enumerate(apart(rows, coded)):
            self.model.put(chain, chain_rows, coded[chain])
        if fresh:
            self.model.adapt(rng)
        found = [self.model.draw(chain, draws, rng) for chain in range(len(coded))]
        self._chance += sum(float(part.acceptance.sum()) for part in found)
        self._drawn += draws * len(found)
        return [tuple(part) for part in found]

    @override
    def natural(self, found: Found, chain: int) -> dict[str, np.ndarray]:
        return self.model.natural(found[0], chain)

    @override
    def current(self, found: Found, chain: int) -> dict[str, np.ndarray]:
        return self.model.undivided(found[0][-1:], chain)

    @override
    def statistics(self, found: Found) -> dict[str, np.ndarray]:
        return {"diverging": found[2]}

    @override
    def settle(self) -> None:
        self.model.settle()

    @property
    @override
    def accepted(self) -> float:
        return self._chance / max(1, self._drawn)


def apart(rows: Rows, coded: np.ndarray) -> list[Rows]:
    """The rows of each chain, as engines take them.

    A level that no row has that was observed there is one of its own, without an effect.
    """
    (chains, n), rows = coded.shape, rows.of_seen_levels()
    return [rows.take(slice(chain * n, (chain + 1) * n)) for chain in range(chains)]


def joined(states: Sequence[Sequence[Found]], chain: int) -> Found:
    """The draws of one chain given all sets of values, one after the other."""
    parts: Any = zip(*(state[chain] for state in states), strict=True)
    return tuple(np.concatenate(part) for part in parts)


def by_chain(several: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What chains have by name, shape (chain, draw, ...)."""
    return {name: np.stack([chain[name] for chain in several]) for name in several[0]}
