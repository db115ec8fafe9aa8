"""What tables of effects have in common: their options, declared, checked and documented once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, get_args, get_type_hints

import numpy as np

from alliance_bayes.effects.at import AS_THEY_ARE, At, Cell, cells_of
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import check_prob, check_seed, chosen, is_number, is_pair

__all__ = [
    "DENOMINATORS",
    "AtOptions",
    "AverageOptions",
    "EffectAtOptions",
    "EffectOptions",
    "IntervalAtOptions",
    "IntervalOptions",
    "Options",
    "Rope",
    "RopeOptions",
    "chosen",
    "default_population",
    "defaults_of",
    "make_options",
    "with_common_options",
]

type Rope = tuple[float, float] | Literal["default"] | None
type Relevant = float | Literal["default"] | None

_POPULATIONS = ("average", "sample", "equal", "new")
#: What Cohen's d is divided by, and what it is called.
DENOMINATORS: Mapping[str, str] = {"residual_sd": "residual SD", "total_sd": "total SD"}
# Half-width of the default ROPE as a share of the smallest relevant change: 2 of the 10 points of the WHO-5, which is a
# tenth of its SD of about 19 (Kruschke 2018, doi 10.1177/2515245918771304, takes half of a small standardised effect of
# 0.2).
ROPE_SHARE = 0.2


class IntervalOptions(TypedDict, total=False):
    """Options of every table.

    Parameters
    ----------
    prob, interval
        Probability and kind of the intervals: ``"eti"`` (equal tails) or ``"hdi"`` (highest density).
    """

    prob: float
    interval: Literal["eti", "hdi"]


class AverageOptions(IntervalOptions, total=False):
    """Options of what is averaged over people.

    Parameters
    ----------
    population
        Which levels of the factors an average is over. ``"average"``: all that a sampled factor could have, of which
        those in the data are a sample (their effects are integrated out, not set to zero), and of other factors the
        existing ones by their share; ``"sample"``: the existing ones of every factor, by their share; ``"equal"``:
        every existing level the same; ``"new"``: one new level of every sampled factor. By default ``"average"`` where
        the model has a sampled factor, else ``"sample"``.
    seed
        Seed for the effects of new levels.
    """

    population: Literal["average", "sample", "equal", "new"] | None
    seed: int


class RopeOptions(IntervalOptions, total=False):
    """Options of what is in points of the outcome.

    Parameters
    ----------
    rope
        Region of practical equivalence in points of the outcome; by default a fifth of the smallest relevant change of
        the outcome's scale to either side of zero (-2 to 2 for the WHO-5), none where that is not known.
    relevant
        Smallest relevant change in points of the outcome; by default that of the outcome's scale (10 for the WHO-5),
        none where that is not known.
    """

    rope: Rope
    relevant: Relevant


class EffectOptions(AverageOptions, RopeOptions, total=False):
    """Options of averages in points of the outcome."""


class SetOptions(TypedDict, total=False):
    """Options of what is averaged over people with some of their predictors set.

    Parameters
    ----------
    at
        Values that everybody is set to before the average, by predictor: a number (``{"month": 12}``), a level
        (``{"sex": "female"}``), or several of them (``{"month": [2, 12]}``), of which every combination has rows of its
        own, up to 100. The column ``at`` says which. By default everybody stays as they are. A value that no analysed
        row reaches is extrapolated, which the row's note says; levels that are single persons are refused.
    """

    at: At | None


class IntervalAtOptions(IntervalOptions, SetOptions, total=False):
    """Options of what is averaged over the analysed rows as they are, or with some predictors set."""


class AtOptions(AverageOptions, SetOptions, total=False):
    """Options of what is averaged over a population with some predictors set."""


class EffectAtOptions(AtOptions, EffectOptions, total=False):
    """Options of averages in points of the outcome with some predictors set: all that there are."""


@dataclass(frozen=True)
class Options:
    """Checked options of a table.

    Parameters
    ----------
    prob
        Probability of the intervals.
    interval
        ``"eti"`` (equal tails) or ``"hdi"`` (highest density).
    rope
        Region of practical equivalence, in points of the outcome; None where there is none.
    relevant
        Smallest relevant change, in points of the outcome; None where there is none.
    population
        Which levels of the factors an average is over.
    seed
        Seed for the effects of new levels.
    better
        Which direction of the outcome is good, ``"higher"`` or ``"lower"``, as its scale says.
    at
        Values that everybody is set to: rows are of each of these cells.
    table
        Number of the set of imputed values that each draw is given, shape (chain, draw); None where none were imputed.
    """

    prob: float = 0.89
    interval: str = "eti"
    rope: tuple[float, float] | None = None
    relevant: float | None = None
    population: str = "sample"
    seed: int = 0
    better: str = "higher"
    at: tuple[Cell, ...] = (AS_THEY_ARE,)
    table: np.ndarray | None = None


def make_options(
    fit: FittedModel,
    *,
    population: str | None = None,
    prob: float = 0.89,
    interval: str = "eti",
    rope: Rope = "default",
    relevant: Relevant = "default",
    seed: int = 0,
    at: At | None = None,
) -> Options:
    """Check the options of a table and fill in what the outcome's instrument says.

    Parameters
    ----------
    fit
        The fitted model, for its outcome.
    population, prob, interval, seed, at
        See :class:`EffectAtOptions`.
    rope, relevant
        ``"default"``: what the outcome's scale says, see :class:`RopeOptions`; nothing for a probability.

    Raises
    ------
    UsageError
        An option is outside what is accepted.
    """
    check_prob(prob)
    check_seed(seed)
    chosen("interval", interval, ("eti", "hdi"))
    population = default_population(fit) if population is None else population
    chosen("population", population, _POPULATIONS)
    scale = None if fit.design.family.event else fit.design.scales.get(fit.design.outcome.name)
    known = None if scale is None else scale.smallest_relevant_change
    if isinstance(rope, str) and rope == "default":
        rope = None if known is None else (-ROPE_SHARE * known, ROPE_SHARE * known)
    if isinstance(relevant, str) and relevant == "default":
        relevant = known
    if rope is not None and not (is_pair(rope) and rope[0] < rope[1]):
        raise UsageError(
            f"rope should be two finite numbers, the lower first, in points of the outcome, but got {shown(rope)}."
        )
    if relevant is not None and not (is_number(relevant) and relevant > 0):
        raise UsageError(f"relevant should be a finite number of points greater than 0 but got {shown(relevant)}.")
    better = "higher" if scale is None or scale.higher_is_better else "lower"
    limits = None if rope is None else (float(rope[0]), float(rope[1]))
    change = None if relevant is None else float(relevant)
    table = None if fit.imputation is None else fit.imputation.table
    return Options(prob, interval, limits, change, population, seed, better, cells_of(fit, at), table)


def default_population(fit: FittedModel) -> str:
    """Over whom averages are taken where nothing is said: what is asked of sampled levels is not about these alone."""
    return "sample" if all(factor.exhaustive for factor in fit.design.factors) else "average"


def defaults_of(options: type) -> dict[str, Any]:
    """The options that a TypedDict of this module declares, with their defaults, as :func:`make_options` has them."""
    declared = get_type_hints(options)
    parameters = inspect.signature(make_options).parameters
    return {name: parameter.default for name, parameter in parameters.items() if name in declared}


def with_common_options[F: Callable[..., Any]](function: F) -> F:
    """Let a function that takes ``**options: Unpack[...]`` show them one by one in its signature and its docstring.

    Type checkers see them as they are; this is for ``help`` and for notebooks.
    """
    signature, hints = inspect.signature(function), get_type_hints(function, include_extras=True)
    *named, packed = signature.parameters.values()
    (declared,) = get_args(hints[packed.name])
    types = get_type_hints(declared)
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=types[name])
        for name, default in defaults_of(declared).items()
        if name not in signature.parameters
    ]
    shown = [*(parameter.replace(annotation=hints[parameter.name]) for parameter in named), *common]
    function.__signature__ = inspect.Signature(shown, return_annotation=hints["return"])  # type: ignore[attr-defined]
    # Python may have been told to keep no docstrings.
    if function.__doc__:
        text, section = inspect.cleandoc(function.__doc__), "\n\nReturns\n---"
        for options in (IntervalOptions, AverageOptions, RopeOptions, SetOptions):
            *_, entries = inspect.cleandoc(str(options.__doc__)).partition("----------\n")
            # What the function itself says of an option stands.
            documented = any(f"\n{entries.split()[0].rstrip(',')}{mark}" in text for mark in ",\n")
            if options.__annotations__.keys() <= types.keys() and not documented:
                text = text.replace(section, f"\n{entries}{section}", 1)
        function.__doc__ = text
    return function
