"""What families on the logit scale share."""

from __future__ import annotations

import math

from alliance_bayes.model.priors import Prior, StatedPrior

__all__ = ["LOGISTIC_SD", "LOGISTIC_VARIANCE", "LOG_ODDS"]

#: Of a standard logistic variable.
LOGISTIC_SD = math.pi / math.sqrt(3.0)
LOGISTIC_VARIANCE = math.pi**2 / 3
LOG_ODDS = StatedPrior(Prior("Normal", (0.0, 1.5)), "log odds; covers probabilities from .05 to .95 about evenly")
