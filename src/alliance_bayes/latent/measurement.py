"""The measurement model of ratings: the shapes of the trait's distribution, and the priors of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from alliance_bayes.errors import ModelError
from alliance_bayes.model.priors import Prior, StatedPrior, parse_prior

__all__ = ["BEND", "MEASUREMENT_PRIORS", "TRAITS", "bent", "measurement_priors"]

#: Shapes of the trait's distribution.
TRAITS = ("stretched", "normal")

MEASUREMENT_PRIORS: Mapping[str, StatedPrior] = {
    "item_shift": StatedPrior(
        Prior("Normal", (0.0, 1.0)), "highest threshold of bond above that of goal; two items of one instrument"
    ),
    "log_gap": StatedPrior(
        Prior("Normal", (0.5, 0.6)), "logarithm of the distance between neighbouring thresholds: 0.5 to 5.5 logits"
    ),
    "trait_sd": StatedPrior(
        Prior("HalfNormal", (2.5,)), "logits an SD of the trait below the highest threshold; chance alone has 1.8"
    ),
    "trait_sd_above": StatedPrior(
        Prior("HalfNormal", (5.0,)), "the same above it, where many always give the highest rating"
    ),
    "trait_mean": StatedPrior(
        Prior("Normal", (0.5, 1.0)), "SDs above the highest threshold: 7 % to 99 % of persons are beyond it"
    ),
    "trait_slope": StatedPrior(Prior("Normal", (0.0, 0.5)), "SDs of the trait per reference SD of a predictor"),
    "trait_tau": StatedPrior(Prior("HalfNormal", (0.25,)), "SDs of the trait between the levels of a factor"),
    "lean_sd": StatedPrior(Prior("HalfNormal", (1.0,)), "half of what one person rates bond above goal, logits"),
    "provider_sd": StatedPrior(Prior("HalfNormal", (1.0,)), "logits; providers differ less than their clients do"),
    "session_sd": StatedPrior(Prior("HalfNormal", (1.0,)), "logits; good and bad sessions with one provider"),
}

#: Width, in SDs of the trait, over which its spread below the highest threshold passes into that above it: without a
#: kink NUTS keeps its energy.
BEND = 0.5


def measurement_priors(priors: Mapping[str, str | Prior]) -> dict[str, StatedPrior]:
    """All priors of the measurement model.

    Parameters
    ----------
    priors
        The analyst's own, by name.

    Raises
    ------
    ModelError
        An unknown name, or a distribution of another support than the default's.
    """
    out = dict(MEASUREMENT_PRIORS)
    for name, text in priors.items():
        if name not in out:
            raise ModelError(f"prior for unknown parameter {name!r}. Known parameters: {', '.join(out)}.")
        prior = parse_prior(text, name=name)
        needed = out[name].prior.support
        if prior.support != needed:
            raise ModelError(
                f"prior of '{name}': {prior} has {prior.support} support, but this parameter needs {needed} support."
            )
        out[name] = StatedPrior(prior, "given by the analyst")
    return out


def bent(xi: Any, below: Any, above: Any, *, root: Callable[[Any], Any] = np.sqrt) -> Any:
    """Stretch a variable by one factor below 0 and by another above it, smoothly; 0 stays 0.

    Parameters
    ----------
    xi
        The variable, in SDs.
    below, above
        Units in one SD on either side.
    root
        Square root, of NumPy or of PyTensor.
    """
    return below * xi + 0.5 * (above - below) * (xi + root(xi**2 + BEND**2) - BEND)
