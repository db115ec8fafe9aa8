"""What families with a location and a residual SD share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import override

import numpy as np

from alliance_bayes.model.families.family import Averages, Draws, Family, Outcome, Parameter
from alliance_bayes.model.priors import Prior, StatedPrior
from alliance_bayes.model.scales import Scale, is_who5

__all__ = ["HALF_LOG_2PI", "SIGMA", "Continuous", "residual_sd"]

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
SIGMA = Parameter("residual SD σ", "SD of the outcome around its expectation, {unit}")


def residual_sd(eta: np.ndarray, own: Draws) -> np.ndarray:
    """``sigma`` in a shape that broadcasts against ``eta``: (..., 1), or (..., n) where it differs by row."""
    sigma = np.asarray(own["sigma"])
    return sigma if sigma.ndim == eta.ndim else sigma[..., None]


class Continuous(Family):
    """A family of the linear predictor plus noise of scale ``sigma``."""

    link = "identity"
    discrete = False

    @override
    def prepare(self, name: str, values: np.ndarray, scale: Scale | None, trials: np.ndarray | None = None) -> Outcome:
        """Every finite value can be had."""
        values = np.asarray(values, dtype=float)
        ends = (None, None) if scale is None else (scale.lower, scale.upper)
        return Outcome(name, values, values, None, *ends)

    @override
    def ends(self, outcome: Outcome) -> tuple[float | None, float | None]:
        return None, None

    @override
    def predictor_sd(self, scale: Scale | None) -> float | None:
        return None if scale is None else scale.sd

    @override
    def predictor_unit(self, scale: Scale) -> float:
        return 1.0

    @override
    def parameter_prior(self, name: str, scale: Scale | None, levels: int | None) -> StatedPrior | None:
        if scale is None:
            return None
        if is_who5(scale):
            return StatedPrior(Prior("HalfNormal", (25.0,)), "the SD of a 0-100 score can hardly exceed 50")
        width = scale.range / 4 if scale.range is not None else 2.0 * scale.sd
        reason = "a quarter of the scale" if scale.range else "two reference SDs"
        return StatedPrior(Prior("HalfNormal", (width,)), reason)

    @override
    def _mean_slope(self, outcome: Outcome) -> float:
        return 1.0

    @override
    def predictor_variance(self, own: Draws, outcome: Outcome, rows: Averages) -> np.ndarray:
        return rows.residual()

    @abstractmethod
    def standard_cdf(self, z: np.ndarray, own: Draws) -> np.ndarray:
        """Probability of an outcome up to ``z`` scales above the linear predictor.

        Parameters
        ----------
        z
            Shape (n_draws, ...).
        own
            As in the likelihood, of shape (n_draws,).
        """

    @override
    def exceedance(
        self,
        eta: np.ndarray,
        own: Draws,
        outcome: Outcome,
        codes: np.ndarray,
        cdf: Callable[[np.ndarray, Draws], np.ndarray] | None = None,
    ) -> np.ndarray:
        """The general one; ``cdf`` is what is asked in place of `standard_cdf`, a table of it, say."""
        z = (eta[..., None] - codes) / residual_sd(eta, own)[..., None]
        probabilities = (cdf or self.standard_cdf)(z, own)
        # An end that is open is None, and NaN here: no value is below or above it.
        lower, upper = (np.nan if end is None else end for end in self.ends(outcome))
        probabilities[..., codes <= lower] = 1.0
        probabilities[..., codes > upper] = 0.0
        return probabilities

    @override
    def cumulative_bounds(
        self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        low, high = self._edges(outcome, step)
        sigma = residual_sd(eta, own)
        below = self.standard_cdf((low - eta) / sigma, own)
        return (below, below) if low is high else (below, self.standard_cdf((high - eta) / sigma, own))

    @override
    def level_probability(self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float) -> np.ndarray:
        """Both ends are measured from the nearer tail, so that none loses its digits."""
        low, high = self._edges(outcome, step)
        sigma = residual_sd(eta, own)
        near, far = (low - eta) / sigma, (high - eta) / sigma
        upper = near > 0
        near, far = np.where(upper, -far, near), np.where(upper, -near, far)
        return self.standard_cdf(far, own) - self.standard_cdf(near, own)

    def _edges(self, outcome: Outcome, step: float | None) -> tuple[np.ndarray, np.ndarray]:
        """The interval that each value stands for; one array for both ends where it is the value alone."""
        if step is None:
            return outcome.values, outcome.values
        return outcome.values - step / 2, outcome.values + step / 2
