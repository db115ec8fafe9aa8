"""Level effects in a unit that fits both what their prior and what the data say of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

__all__ = ["ScaledEffects"]

# Where Normal and ZeroSumNormal have their SD among the inputs of the random variable.
_SIGMA = {"Normal": 3, "ZeroSumNormal": 2}


class ScaledEffects(Transform):  # type: ignore[misc]  # PyMC is not typed here
    """Effects with prior SD tau, sampled in units of ``tau / sqrt(1 + tau**2 * information)``.

    Parameters
    ----------
    distribution
        ``"Normal"`` or ``"ZeroSumNormal"``, whose SD is tau, of shape (n_terms, 1).
    information
        Shape (n_terms,): what the data say of a level's effect, as one over its squared standard error.

    Notes
    -----
    The unit is the posterior SD of an effect whose prior and likelihood are both normal. Where the data say nothing it
    is tau, and the effects are standardised (the non-centred form); where they say much it is the standard error,
    whatever tau (the centred form). Either form alone has a funnel: the first where tau is large, the second where it
    is small, and factors with few levels leave tau free to be both. The posterior is the same; only its shape in the
    sampler's eyes changes, so the information need not be more than about right.

    References
    ----------
    Papaspiliopoulos, Roberts and Sköld (2007), Statistical Science 22(1):59-73, doi 10.1214/088342307000000014.
    """

    name = "scaled"
    ndim_supp = 0

    def __init__(self, distribution: str, information: np.ndarray) -> None:
        self._sigma, self._information = _SIGMA[distribution], information[:, None]

    def _unit(self, inputs: tuple[Any, ...]) -> Any:
        tau = inputs[self._sigma]
        return tau / pt.sqrt(1.0 + tau**2 * self._information)

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Effects in the sampler's unit."""
        return value / self._unit(inputs)

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Effects in their own unit."""
        return value * self._unit(inputs)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Logarithm of the unit, for every effect."""
        return pt.zeros_like(value) + pt.log(self._unit(inputs))
