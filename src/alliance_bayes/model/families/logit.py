"""What families on the logit scale share, and those that see a logistic variable through cutpoints."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import override

import numpy as np
from scipy import special

from alliance_bayes.model.families.family import Averages, Draws, Family, Outcome
from alliance_bayes.model.priors import Prior, StatedPrior
from alliance_bayes.model.scales import Scale

__all__ = ["LOGISTIC_SD", "LOG_ODDS", "Thresholds", "logits_in"]

#: Of a standard logistic variable.
LOGISTIC_SD = math.pi / math.sqrt(3.0)
LOG_ODDS = StatedPrior(Prior("Normal", (0.0, 1.5)), "log odds; covers probabilities from .05 to .95 about evenly")


def logits_in(scale: Scale) -> float:
    """Logits in one unit of a score with two ends, in the middle between them."""
    return 4.0 / scale.range if scale.range else 1.0


class Thresholds(Family):
    """A family of between which cutpoints a logistic variable around the linear predictor lies."""

    discrete = True

    @abstractmethod
    def _thresholds(self, own: Draws) -> np.ndarray:
        """Cutpoints with both ends, which lie at infinity, shape (..., n_levels + 1) or (n_levels + 1,)."""

    @override
    def exceedance(self, eta: np.ndarray, own: Draws, outcome: Outcome, codes: np.ndarray) -> np.ndarray:
        """Every outcome is at least the lowest level, none above the highest."""
        edges = self._thresholds(own)
        probabilities = np.empty((*eta.shape, codes.shape[-1]))
        for place in range(codes.shape[-1]):
            probabilities[..., place] = special.expit(eta - edges[..., np.atleast_1d(codes[..., place])])
        return probabilities

    @override
    def predictor_variance(self, own: Draws, outcome: Outcome, rows: Averages) -> np.ndarray:
        """Of the logistic variable."""
        return np.array(math.pi**2 / 3)

    @override
    def predictor_sd(self, scale: Scale | None) -> float | None:
        """Of the logistic variable, so that no scale is needed."""
        return LOGISTIC_SD
