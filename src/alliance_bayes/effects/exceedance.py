"""Probability that an outcome, as observed, is at least some value, in every family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from alliance_bayes.effects.averages import Tabulated
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Family, Outcome
from alliance_bayes.model.families import Draws
from alliance_bayes.model.families.continuous import residual_sd
from alliance_bayes.remedies import argument

__all__ = ["AtLeast", "Step", "cut_for", "refuse_shares"]

type Step = float | Literal["default"] | None

# How far, in steps, rounding may put a value off a multiple of the step.
_ROUNDING = 1e-6
# Points of a table of a standard CDF.
_POINTS = 1024


@dataclass(frozen=True, eq=False)
class AtLeast:
    """Probability of an outcome of at least some values, given the linear predictor.

    Parameters
    ----------
    cuts
        The values, on the outcome's scale, shape (n_cuts,); (n_rows, n_cuts) where every row has its own.
    single
        Whether there is one value, and no axis for it.

    Notes
    -----
    A Gaussian, a Student t and the inside of a censored Gaussian have no probability at a single value. The censored
    one has some at the ends of its scale: every outcome is at least the lower end, none is above the upper. A discrete
    family counts its levels from the first that is not below the value.
    """

    cuts: npt.ArrayLike
    single: bool = False

    def __call__(self, family: Family, eta: np.ndarray, parameters: Draws, outcome: Outcome) -> np.ndarray:
        """Probabilities, of the shape of ``eta`` with one more axis for the values unless there is a single one."""
        cuts = np.asarray(self.cuts, dtype=float)
        if family.discrete:
            found = family.exceedance(eta, parameters, outcome, outcome.first_code(cuts))
        else:
            z = (eta[..., None] - cuts) / residual_sd(eta, parameters)[..., None]
            found = _standard(family, z, parameters)
            # An end that is open is None, and NaN here: no value is below or above it.
            lower, upper = (np.nan if end is None else end for end in family.ends(outcome))
            found[..., cuts <= lower] = 1.0
            found[..., cuts > upper] = 0.0
        return np.asarray(found[..., 0] if self.single else found)


def refuse_shares(fit: FittedModel) -> None:
    """Refuse a share of trials, of which no value can be had by everybody.

    Raises
    ------
    UsageError
        The outcome is one.
    """
    if fit.design.family.has_trials:
        raise UsageError(
            f"the outcome is a share of trials ('{fit.design.outcome.name}' of '{fit.design.trials}'), so how probable "
            "a value is depends on the number of trials, which differs between people. Ask for adjusted means: they "
            "are the expected shares."
        )


def cut_for(fit: FittedModel, at_least: float | None, step: Step) -> float:
    """Where a fit's outcome is cut so that what is above are the observed values of at least so much.

    Parameters
    ----------
    fit
        The fitted model.
    at_least
        The smallest value that counts, on the outcome's scale; None for the event of a Bernoulli outcome.
    step
        Distance between the values that can be observed. ``"default"``: that of the outcome's scale. None: every value
        can be.

    Returns
    -------
    float
        For a continuous family and an outcome in steps, the middle between the smallest value that counts and the one
        below it (continuity correction); the value itself otherwise.

    Raises
    ------
    UsageError
        A share of trials, no value or one that is not finite, a step that is not above 0 or that a discrete family is
        given, or a value that every outcome reaches or none.
    """
    design = fit.design
    refuse_shares(fit)
    name, discrete, scale = design.outcome.name, design.family.discrete, design.scales.get(design.outcome.name)
    if at_least is None:
        if not design.family.event:
            raise UsageError(
                f"{argument('at_least')} should be the smallest value of '{name}' that counts as a response. For "
                f"example {argument('at_least', 10)} for a change of the WHO-5, {argument('at_least', 32)} for a score "
                "above 28."
            )
        at_least = 1.0
    if not np.isfinite(at_least):
        raise UsageError(f"at_least should be a finite number but got {at_least!r}. Give it in units of '{name}'.")
    if step != "default" and discrete and step is not None:
        raise UsageError(
            f"step is for continuous families, but family '{design.family.name}' knows the levels of '{name}'. "
            "Leave it out."
        )
    if isinstance(step, (int, float)) and not (np.isfinite(step) and step > 0):
        raise UsageError(f"step should be a finite number greater than 0, or None, but got {step!r}.")
    levels = design.outcome.levels
    if levels is not None:
        lowest, highest = float(levels[0]), float(levels[-1])
    else:
        lowest = -np.inf if scale is None or scale.lower is None else scale.lower
        highest = np.inf if scale is None or scale.upper is None else scale.upper
    if at_least <= lowest:
        raise UsageError(
            f"{argument('at_least', float(at_least))} counts everybody: '{name}' is never below {lowest:g}. "
            "Give a higher value."
        )
    if at_least > highest:
        raise UsageError(
            f"{argument('at_least', float(at_least))} counts nobody: '{name}' is never above {highest:g}. "
            "Give a lower value."
        )
    if step == "default":
        step = None if scale is None else scale.step
    if discrete or step is None:
        return float(at_least)
    origin = lowest if np.isfinite(lowest) else 0.0
    return float(origin + step * (np.ceil((at_least - origin) / step - _ROUNDING) - 0.5))


def _standard(family: Family, z: np.ndarray, own: Draws) -> np.ndarray:
    """Standard CDF of a continuous family, shape of ``z`` (n_draws, n, n_cuts)."""
    flat = z.reshape(len(z), -1)
    if flat.shape[1] <= 2 * _POINTS:
        return family.standard_cdf(z, own)
    # Thousands of values a draw: a table of the CDF, interpolated, takes a fifth of the time, for a Student t a
    # thirtieth. It errs by less than 1e-7 where z spans 50.
    low, high = flat.min(axis=1), flat.max(axis=1)
    step = np.maximum(high - low, 1e-6) / _POINTS
    start = low - 2 * step
    grid = start[:, None] + step[:, None] * np.arange(_POINTS + 5)
    table = Tabulated(start, step, family.standard_cdf(grid, own)[:, None])
    return table(flat, np.zeros(flat.shape[1], dtype=np.intp)).reshape(z.shape)
