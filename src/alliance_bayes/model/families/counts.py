"""What families of counts share: a log link, and no upper end."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import override

import numpy as np
from scipy import special

from alliance_bayes.model.families.family import Averages, Draws, Family, Outcome, demand
from alliance_bayes.model.priors import Prior, StatedPrior
from alliance_bayes.model.scales import Scale

__all__ = ["LARGEST_MEAN", "Counts"]

#: Expected counts beyond it are not simulated, and no logarithm of one goes further: NumPy's sampler ends at 9e18.
LARGEST_MEAN = 1e15


class Counts(Family):
    """A family of whole numbers from 0 on, whose expectation is the exponential of the linear predictor."""

    link = "log"
    discrete = True
    of_text = "Give it as whole numbers."
    alternatives = "negative_binomial for counts that vary more than their mean, cumulative for few values"

    @override
    def prepare(self, name: str, values: np.ndarray, scale: Scale | None, trials: np.ndarray | None = None) -> Outcome:
        values = np.asarray(values, dtype=float)
        good = (values >= 0) & (values == np.round(values))
        demand(name, values, good, "is not a count (0, 1, 2, ...)", "Correct it, or use a continuous family.")
        return Outcome(name, values, values, None, 0.0, None)

    @override
    def expectation(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        # Infinite where it is more than a double holds, which priors far too wide come to.
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(eta))

    @override
    def predictor_variance(self, own: Draws, outcome: Outcome, rows: Averages) -> np.ndarray:
        """Of the logarithm of a gamma variable with the counts' mean and variance (Nakagawa et al. 2017)."""
        return np.asarray(special.polygamma(1, 1 / self._squared_variation(rows.mean(), own)))

    @abstractmethod
    def _squared_variation(self, mean: np.ndarray, own: Draws) -> np.ndarray:
        """Variance over squared mean of counts of some mean, shape (n_draws,)."""

    @override
    def _mean_slope(self, outcome: Outcome) -> float:
        return float(outcome.values.mean())

    @override
    def predictor_sd(self, scale: Scale | None) -> float | None:
        """Of the logarithm of expected counts, which an SD of 1 multiplies by 2.7; no scale is needed."""
        return 1.0

    @override
    def predictor_unit(self, scale: Scale) -> float:
        """At the scale's mean."""
        return 1.0 / scale.mean if scale.mean > 0 else 1.0

    @override
    def intercept(self, scale: Scale | None) -> StatedPrior | None:
        if scale is None or scale.mean <= 0:
            return StatedPrior(Prior("Normal", (0.0, 2.5)), "log of the expected count; covers .007 to 150")
        middle = math.log(scale.mean)
        return StatedPrior(
            Prior("Normal", (middle, 1.0)),
            f"log of the expected count; covers {math.exp(middle - 2):.2g} to {math.exp(middle + 2):.2g}; "
            f"{scale.reason}",
        )
