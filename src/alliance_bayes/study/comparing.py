"""Comparison of a study's fits by leave-one-out prediction, in seconds."""

from __future__ import annotations

from collections.abc import Mapping

from alliance_bayes.api import Fit
from alliance_bayes.checks.comparison import Comparison, compare

__all__ = ["compared"]

# Draws of a fit that importance sampling of every row is given at least. Its error is far below the standard error of a
# difference, which comes from the rows; time is proportional to the draws.
DRAWS = 1200


def compared(fits: Mapping[str, Fit]) -> Comparison:
    """Compare fits; see :func:`alliance_bayes.checks.comparison.compare`."""
    return compare({name: fit.thinned(max(1, fit.shape[0] * fit.shape[1] // DRAWS)) for name, fit in fits.items()})
