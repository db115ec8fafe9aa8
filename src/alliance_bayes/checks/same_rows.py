"""Whether several fits are of one outcome in the same rows, so that what they say can be set side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alliance_bayes.checks.wording import count
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel

__all__ = ["check_same_rows"]


def check_same_rows(fits: Mapping[str, FittedModel], *, what: str) -> None:
    """Refuse fits that cannot be compared.

    Parameters
    ----------
    fits
        Fits by name.
    what
        Who asks, as the beginning of a sentence.

    Raises
    ------
    UsageError
        Fewer than two fits, one made from moments, or fits of different outcomes or rows; all that differ from the
        first are listed.
    """
    if len(fits) < 2:
        raise UsageError(f"{what} needs two fits or more but got {len(fits)}.")
    for fit in fits.values():
        fit.need_rows(what)
    (first, reference), *others = fits.items()
    expected = reference.design.outcome
    differing = []
    for name, fit in others:
        outcome = fit.design.outcome
        if outcome.name != expected.name:
            differing.append(f"'{name}' is of '{outcome.name}'")
        elif outcome.values.size != expected.values.size:
            differing.append(f"'{name}' has {count(outcome.values.size, 'row')}")
        elif unlike := int(np.count_nonzero(outcome.values != expected.values)):
            differing.append(f"'{name}' has other outcomes in {count(unlike, 'row')}")
    if differing:
        raise UsageError(
            f"{what} needs fits of one outcome in the same rows, but against '{first}' ('{expected.name}', "
            f"{expected.values.size:,} rows) {', '.join(differing)}. Fit all of them to one table without missing "
            "values in any column that one of them uses."
        )
