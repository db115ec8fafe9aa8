"""One score for all models of a comparison: the step of the outcome's levels, or densities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from alliance_bayes.checks.context import Context
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.remedies import argument

__all__ = ["Step", "common_step"]

type Step = float | Literal["default"] | None


def common_step(fits: Mapping[str, FittedModel], asked: Step) -> float | None:
    """Distance between the outcome's levels that serves all fits.

    Parameters
    ----------
    fits
        Fits by name, of one outcome in the same rows.
    asked
        A distance; ``"default"`` for what the continuous families' fits know of the outcome; None for none.

    Returns
    -------
    float or None
        None where densities are compared, or where all families are discrete and need no step.

    Raises
    ------
    UsageError
        Not a number greater than 0; fits that do not agree; densities beside masses without a step, or with one wider
        than the levels are apart; or densities of fits that are censored at different limits.
    """
    if asked is not None and not isinstance(asked, str) and not (np.isfinite(asked) and asked > 0):
        raise UsageError(f"step should be a finite number greater than 0, None or 'default' but got {asked!r}.")
    continuous = {name: fit for name, fit in fits.items() if not fit.design.family.discrete}
    discrete = {name: fit for name, fit in fits.items() if name not in continuous}
    if not continuous:
        return None
    step = _known(continuous) if isinstance(asked, str) else asked
    if step is None and discrete:
        raise UsageError(
            f"the densities of {_listed(continuous)} cannot be compared with the probabilities of {_listed(discrete)}, "
            f"and the outcome has no known step. Give the distance between its levels: {argument('step', ...)}"
        )
    if step is None:
        _refuse_different_limits(continuous)
        return None
    for name, fit in discrete.items():
        narrowest = fit.design.outcome.spacing
        if narrowest is None:
            raise UsageError(
                f"the outcome of '{name}' is a share of trials, whose values differ from person to person. Compare it "
                "with families of shares only."
            )
        if narrowest < step * (1 - 1e-9):
            raise UsageError(
                f"the levels of '{name}' are as close as {narrowest:g}, so a step of {step:g} would "
                f"give {_listed(continuous)} several of them at once. Give {argument('step', narrowest)} or less, or "
                "compare families of one kind."
            )
    return step


def _known(continuous: Mapping[str, FittedModel]) -> float | None:
    steps = {name: Context(fit).step for name, fit in continuous.items()}
    if len(set(steps.values())) > 1:
        said = ", ".join(f"{'none' if own is None else f'{own:g}'} in '{name}'" for name, own in steps.items())
        raise UsageError(
            f"the fits do not agree on the step of the outcome's levels: {said}. Give {argument('step', ...)}"
        )
    return next(iter(steps.values()))


def _refuse_different_limits(continuous: Mapping[str, FittedModel]) -> None:
    """At a limit that outcomes reach, a censored family has a probability where others have a density."""
    limits = {name: _reached(fit) for name, fit in continuous.items()}
    if len(set(limits.values())) > 1:
        said = ", ".join(
            f"'{name}' at {' and '.join(f'{limit:g}' for limit in own) or 'none'}" for name, own in limits.items()
        )
        raise UsageError(
            f"the fits are censored at different limits ({said}), where one has a probability and another a density, "
            f"and the outcome has no known step. Give the distance between its levels: {argument('step', ...)}"
        )


def _reached(fit: FittedModel) -> tuple[float, ...]:
    """Censoring limits that some outcome lies at."""
    outcome = fit.design.outcome
    return tuple(end for end in fit.design.family.ends(outcome) if end is not None and end in outcome.values)


def _listed(names: Mapping[str, FittedModel]) -> str:
    return ", ".join(f"'{name}'" for name in names)
