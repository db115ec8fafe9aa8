"""The outcome of the rows whose values change: its density by the linear predictor, and values where nobody saw it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import override

import numpy as np

from alliance_bayes.imputation.linked import Touch
from alliance_bayes.model import Design
from alliance_bayes.model.families.family import Outcome

__all__ = ["OutcomeRows", "outcome_of"]

#: Parameters of the family by chain: (chains,), or (chains, n) of a residual SD by row, or (chains, cutpoints).
type Own = Mapping[str, np.ndarray]

# Degrees of freedom of proposals by a family that is not Normal: their tails are heavier than those of any density
# that a Normal regression has a part in.
_DF = 5.0
# Steps to the peak of a value's density, none longer than so many SDs of what the regressions say of it.
_STEPS, _LONGEST = 4, 3.0
# Difference quotients by the linear predictor, in residual SDs where the family has one.
_STEP = 0.05
# Proposals of a missing outcome that other columns tell something of.
_TRIES = 3


class OutcomeRows(ABC):
    """Outcomes of the rows that change, in every chain.

    Parameters
    ----------
    design
        The model on all rows.
    at
        Places of the rows that change.
    chains
        How many chains.
    """

    def __init__(self, design: Design, at: np.ndarray, chains: int) -> None:
        self.family = design.family
        self.coded = np.tile(design.outcome.coded[at], (chains, 1))
        self.like = design.outcome.take(at)

    @abstractmethod
    def log_density(self, eta: np.ndarray, inside: np.ndarray, own: Own) -> np.ndarray:
        """Log density of some of the rows, shape (chains, n).

        Parameters
        ----------
        eta
            Their linear predictor, shape (chains, n).
        inside
            Which of the rows that change.
        own
            The family's parameters; ``sigma`` is of these rows.
        """

    @abstractmethod
    def proposal(
        self,
        middle: np.ndarray,
        precision: np.ndarray,
        there: np.ndarray,
        along: np.ndarray,
        touch: Touch,
        own: Own,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Centre and precision of proposals of a predictor's values, from all that is known but the values themselves.

        Parameters
        ----------
        middle, precision
            What the regressions say of them, shape (chains, values).
        there, along
            The linear predictor of the rows that change with them at the middle, and its slope by the value.
        touch
            Which rows these are.
        own
            As in :meth:`log_density`, of these rows.
        """

    @abstractmethod
    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Standard proposals."""

    @abstractmethod
    def log_noise(self, square: np.ndarray) -> np.ndarray:
        """Log density of a standard proposal by its square, but for a constant."""

    @abstractmethod
    def draw(
        self,
        eta: np.ndarray,
        inside: np.ndarray,
        own: Own,
        told: tuple[np.ndarray, np.ndarray],
        scale: tuple[float, float],
        rng: np.random.Generator,
    ) -> None:
        """Draw the outcomes of rows where none was observed.

        Parameters
        ----------
        eta, inside, own
            As in :meth:`log_density`.
        told
            Precision, and precision times mean, of what other columns say of the outcome in SDs of its column.
        scale
            Centre and SD of its column.
        rng
            Generator.
        """

    @abstractmethod
    def in_column(self, inside: np.ndarray) -> np.ndarray:
        """Outcomes of some of the rows as the table has them, shape (chains, n)."""


class _Normal(OutcomeRows):
    @override
    def log_density(self, eta: np.ndarray, inside: np.ndarray, own: Own) -> np.ndarray:
        sigma = own["sigma"]
        return np.asarray(-0.5 * ((self.coded[:, inside] - eta) / sigma) ** 2 - np.log(sigma))

    @override
    def proposal(
        self,
        middle: np.ndarray,
        precision: np.ndarray,
        there: np.ndarray,
        along: np.ndarray,
        touch: Touch,
        own: Own,
    ) -> tuple[np.ndarray, np.ndarray]:
        sigma = own["sigma"]
        whole = precision + touch.gathered((along / sigma) ** 2)
        left = touch.gathered(along * (self.coded[:, touch.inside] - there) / sigma**2)
        return middle + left / whole, whole

    @override
    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return rng.standard_normal(shape)

    @override
    def log_noise(self, square: np.ndarray) -> np.ndarray:
        return -0.5 * square

    @override
    def draw(
        self,
        eta: np.ndarray,
        inside: np.ndarray,
        own: Own,
        told: tuple[np.ndarray, np.ndarray],
        scale: tuple[float, float],
        rng: np.random.Generator,
    ) -> None:
        centre, sd = scale
        precision = 1 / (own["sigma"] / sd) ** 2
        sums = precision * ((eta - centre) / sd) + told[1]
        precision = precision + told[0]
        value = sums / precision + rng.standard_normal(sums.shape) / np.sqrt(precision)
        self.coded[:, inside] = centre + sd * value

    @override
    def in_column(self, inside: np.ndarray) -> np.ndarray:
        return self.coded[:, inside]


class _Heavy(OutcomeRows):
    """Of proposals with heavier tails than the density may have."""

    @override
    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return rng.standard_t(_DF, shape)

    @override
    def log_noise(self, square: np.ndarray) -> np.ndarray:
        return np.asarray(-0.5 * (_DF + 1) * np.log1p(square / _DF))


class _NormalAlong(_Heavy, _Normal):
    """Of a residual SD that differs along columns: tails are heavier than those of the SD in the middle."""


class _OfFamily(_Heavy):
    @override
    def log_density(self, eta: np.ndarray, inside: np.ndarray, own: Own) -> np.ndarray:
        made = [
            self.family.log_density(one, theirs, outcome)[0] for one, theirs, outcome in self._chains(eta, inside, own)
        ]
        return np.array(made)

    def _chains(
        self, eta: np.ndarray, inside: np.ndarray, own: Own
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], Outcome]]:
        """Each chain's linear predictor (1, n), parameters of one draw, and outcome."""
        some = self.like.take(inside)
        for chain, one in enumerate(eta):
            coded = self.coded[chain, inside]
            outcome = replace(some, coded=coded, values=self._values(coded, some))
            yield one[None], {name: values[chain : chain + 1] for name, values in own.items()}, outcome

    @staticmethod
    def _values(coded: np.ndarray, like: Outcome) -> np.ndarray:
        """Outcomes on their own scale, of those that the likelihood reads."""
        if like.levels is not None:
            return np.asarray(like.levels[coded.astype(np.int64)])
        return coded if like.trials is None else coded / like.trials

    @override
    def proposal(
        self,
        middle: np.ndarray,
        precision: np.ndarray,
        there: np.ndarray,
        along: np.ndarray,
        touch: Touch,
        own: Own,
    ) -> tuple[np.ndarray, np.ndarray]:
        # The peak, of the linear predictor as a straight line in the value, and the curvature there.
        inside, far = touch.inside, _LONGEST / np.sqrt(precision)
        by = _STEP * own.get("sigma", np.ones((len(middle), 1)))
        moved, whole = np.zeros_like(middle), precision
        for _ in range(_STEPS):
            eta = there + along * touch.spread(moved)
            below, here, above = (self.log_density(eta + step, inside, own) for step in (-by, 0.0, by))
            curvature = np.maximum(-(below - 2 * here + above) / by**2, 0.0)
            whole = precision + touch.gathered(along**2 * curvature)
            step = (touch.gathered(along * (above - below) / (2 * by)) - precision * moved) / whole
            moved = moved + np.clip(step, -far, far)
        return middle + moved, whole

    @override
    def draw(
        self,
        eta: np.ndarray,
        inside: np.ndarray,
        own: Own,
        told: tuple[np.ndarray, np.ndarray],
        scale: tuple[float, float],
        rng: np.random.Generator,
    ) -> None:
        some, (precision, sums) = self.like.take(inside), told

        def said(coded: np.ndarray) -> np.ndarray:
            value = (self._column(coded, some) - scale[0]) / scale[1]
            return np.asarray(-0.5 * precision * value**2 + sums * value)

        now = self.coded[:, inside]
        for _ in range(_TRIES if np.any(precision) else 1):
            drawn = [
                self.family.simulate(one, theirs, like, rng)[0] for one, theirs, like in self._chains(eta, inside, own)
            ]
            new = self._coded(np.array(drawn), some)
            accepted = np.log(rng.random(now.shape)) < said(new) - said(now)
            now = np.where(accepted, new, now)
        self.coded[:, inside] = now

    @override
    def in_column(self, inside: np.ndarray) -> np.ndarray:
        return self._column(self.coded[:, inside], self.like.take(inside))

    def _column(self, coded: np.ndarray, like: Outcome) -> np.ndarray:
        """Outcomes as the table has them: of trials the successes, not their share."""
        return coded if like.trials is not None else self._values(coded, like)

    @staticmethod
    def _coded(values: np.ndarray, like: Outcome) -> np.ndarray:
        """Outcomes as the likelihood reads them, of those on their own scale."""
        if like.levels is not None:
            return np.abs(values[..., None] - like.levels).argmin(axis=-1).astype(float)
        return values if like.trials is None else np.rint(values * like.trials)


def outcome_of(design: Design, at: np.ndarray, chains: int) -> OutcomeRows:
    """The outcomes of the rows that change."""
    if not design.family.conjugate:
        return _OfFamily(design, at, chains)
    return (_Normal if design.sigma is None else _NormalAlong)(design, at, chains)
