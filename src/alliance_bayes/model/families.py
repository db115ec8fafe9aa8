"""Observation families: their parameters, links and what they accept as an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from alliance_bayes.errors import DataError, ModelError, Problem
from alliance_bayes.model.scales import Scale
from alliance_bayes.remedies import setting
from alliance_bayes.rounding import ON_LEVEL

__all__ = ["FAMILIES", "Family", "Outcome", "family_named", "prepare_outcome"]

# Levels of an ordinal outcome without a declared step. Every distinct value of a continuous outcome may be a level of
# its own (Liu, Shepherd, Li and Harrell 2017, doi 10.1002/sim.7433); each costs a parameter.
MOST_LEVELS = 500

Link = Literal["identity", "logit", "cumulative_logit"]

# What every declared scale has.
_NEEDED: dict[str, object] = {"mean": ..., "sd": ...}


@dataclass(frozen=True)
class Family:
    """One observation family.

    Parameters
    ----------
    name
        Name used in ``Model(family=...)`` and in model cards.
    link
        Maps the linear predictor to the outcome's expectation; for ``cumulative``, to the odds of exceeding each
        cutpoint.
    parameters
        Names of the parameters besides the linear predictor.
    discrete
        Whether outcomes have a mass function (their log scores are not comparable with densities).
    title
        How reports call it.
    """

    name: str
    link: Link
    parameters: tuple[str, ...]
    discrete: bool
    title: str


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("gaussian", "identity", ("sigma",), False, "Gaussian"),
        Family("student_t", "identity", ("sigma", "nu"), False, "Student's t"),
        Family("censored_gaussian", "identity", ("sigma",), False, "Gaussian, censored at the ends of the scale"),
        Family("beta_binomial", "logit", ("phi",), True, "beta-binomial on the raw score"),
        Family("cumulative", "cumulative_logit", ("cutpoints",), True, "cumulative logit (ordinal)"),
        Family("bernoulli", "logit", (), True, "Bernoulli"),
    )
}


def family_named(name: str) -> Family:
    """Look a family up.

    Raises
    ------
    ModelError
        Unknown name; the message lists the known ones.
    """
    if name not in FAMILIES:
        raise ModelError(f"unknown family {name!r}. Known families: {', '.join(FAMILIES)}.")
    return FAMILIES[name]


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome as a family sees it.

    Parameters
    ----------
    name
        Column name.
    values
        Shape (n,), on the column's own scale.
    coded
        Shape (n,): what the likelihood reads. The values themselves for continuous families, steps above the lower
        end for ``beta_binomial``, level codes for ``cumulative``, 0/1 for ``bernoulli``.
    levels
        Shape (n_levels,): the value of each code, for discrete families; None otherwise.
    lower, upper
        Censoring limits of ``censored_gaussian``, ends of the scale otherwise (None where open).
    """

    name: str
    values: np.ndarray
    coded: np.ndarray
    levels: np.ndarray | None
    lower: float | None
    upper: float | None

    def take(self, at: slice | np.ndarray) -> Outcome:
        """The outcome of some rows, by place."""
        return replace(self, values=self.values[at], coded=self.coded[at])


def prepare_outcome(name: str, values: np.ndarray, family: Family, scale: Scale | None) -> Outcome:
    """Check an outcome against its family and code it.

    Parameters
    ----------
    name
        Column name.
    values
        Shape (n,), finite numbers.
    family
        The observation family.
    scale
        The column's reference scale; ends and step are read from it where the family needs them.

    Raises
    ------
    ModelError
        The family needs a scale that is not known.
    DataError
        Values that the family cannot produce; every one of them is listed.
    """
    values = np.asarray(values, dtype=float)
    lower = None if scale is None else scale.lower
    upper = None if scale is None else scale.upper
    if family.name == "bernoulli":
        _demand(
            name, values, (values == 0) | (values == 1), "is not 0 or 1", "Code the event as 1 and its absence as 0."
        )
        return Outcome(name, values, values, np.array([0.0, 1.0]), 0.0, 1.0)
    if family.name == "beta_binomial":
        levels = None if scale is None else scale.levels
        if levels is None:
            raise ModelError(
                f"family 'beta_binomial' counts steps of a scale, and '{name}' has no known step. "
                f"Declare it: {setting('scales', {name: {**_NEEDED, 'lower': 0, 'upper': ..., 'step': ...}})}."
            )
        return _on_levels(name, values, levels)
    if family.name == "cumulative":
        levels = None if scale is None else scale.levels
        if levels is None:
            levels = np.unique(values)
            if levels.size > MOST_LEVELS:
                raise ModelError(
                    f"family 'cumulative' takes every distinct value for a level, up to {MOST_LEVELS}, and '{name}' "
                    f"has {levels.size}. Round it, declare its step with {setting('scales', ...)}, or use a "
                    "continuous family."
                )
        return _on_levels(name, values, levels)
    if family.name == "censored_gaussian":
        if lower is None and upper is None:
            raise ModelError(
                f"family 'censored_gaussian' needs the ends of the scale of '{name}'. "
                f"Declare them: {setting('scales', {name: {**_NEEDED, 'lower': ..., 'upper': ...}})}."
            )
        low = -np.inf if lower is None else lower
        high = np.inf if upper is None else upper
        _demand(
            name,
            values,
            (values >= low) & (values <= high),
            f"is outside {low:g} to {high:g}",
            "Correct it or the scale.",
        )
    return Outcome(name, values, values, None, lower, upper)


def _on_levels(name: str, values: np.ndarray, levels: np.ndarray) -> Outcome:
    codes = np.abs(values[:, None] - levels[None, :]).argmin(axis=1)
    _demand(
        name,
        values,
        np.abs(levels[codes] - values) < ON_LEVEL * np.diff(levels).astype(float).min(initial=np.inf),
        f"is not one of the {levels.size} levels from {levels[0]:g} to {levels[-1]:g}",
        "Correct it, or declare the scale's step.",
    )
    return Outcome(name, values, codes.astype(float), levels, float(levels[0]), float(levels[-1]))


def _demand(name: str, values: np.ndarray, good: np.ndarray, what: str, remedy: str) -> None:
    if not good.all():
        raise DataError(
            [Problem(name, int(row), float(values[row]), what, remedy) for row in np.flatnonzero(~good)],
            source="outcome (rows as analysed, from 0)",
        )
