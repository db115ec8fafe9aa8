"""What the rows of one table share: interval, probability, ROPE, smallest relevant change, population."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.instruments import WHO5
from alliance_bayes.model import scales
from alliance_bayes.remedies import argument

__all__ = ["DENOMINATORS", "POPULATIONS", "Options", "Relevant", "Rope", "chosen", "is_who5", "make_options"]

type Rope = tuple[float, float] | Literal["default"] | None
type Relevant = float | Literal["default"] | None

POPULATIONS = ("sample", "equal", "new")
DENOMINATORS = ("residual_sd", "total_sd")
# Half-width of the default ROPE in WHO-5 points: a tenth of the SD of about 19 (Kruschke 2018, doi
# 10.1177/2515245918771304, takes half of a small standardised effect of 0.2).
WHO5_ROPE = 2.0


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
        Which levels of the factors an average is over; see :class:`Standardiser`.
    seed
        Seed for the effects of new levels.
    """

    prob: float = 0.89
    interval: str = "eti"
    rope: tuple[float, float] | None = None
    relevant: float | None = None
    population: str = "sample"
    seed: int = 0


def is_who5(fit: FittedModel) -> bool:
    """Whether the outcome is a WHO-5 score or a change of it, in points."""
    scale = fit.design.scales.get(fit.design.outcome.name)
    return not fit.design.family.event and scales.is_who5(scale)


def make_options(
    fit: FittedModel,
    *,
    prob: float = 0.89,
    interval: str = "eti",
    rope: Rope = None,
    relevant: Relevant = None,
    population: str = "sample",
    seed: int = 0,
) -> Options:
    """Check the options of a table and fill in what the outcome's instrument says.

    Parameters
    ----------
    fit
        The fitted model, for its outcome.
    rope, relevant
        ``"default"``: -2 to 2 and 10 points for a WHO-5 outcome, nothing for any other, because a point then has no
        known meaning.

    Raises
    ------
    UsageError
        An option is outside what is accepted.
    """
    if not 0 < prob < 1:
        raise UsageError(f"{argument('prob')} should be in the interval (0, 1) but got {prob!r}. 0.89 is the default.")
    chosen("interval", interval, ("eti", "hdi"))
    chosen("population", population, POPULATIONS)
    if rope == "default":
        rope = (-WHO5_ROPE, WHO5_ROPE) if is_who5(fit) else None
    if relevant == "default":
        relevant = WHO5.smallest_relevant_change if is_who5(fit) else None
    if rope is not None and not (len(rope) == 2 and all(map(math.isfinite, rope)) and rope[0] < rope[1]):
        raise UsageError(
            f"rope should be two finite numbers, the lower first, in points of the outcome, but got {rope!r}."
        )
    if relevant is not None and not (math.isfinite(relevant) and relevant > 0):
        raise UsageError(f"relevant should be a finite number of points greater than 0 but got {relevant!r}.")
    limits = None if rope is None else (float(rope[0]), float(rope[1]))
    return Options(prob, interval, limits, None if relevant is None else float(relevant), population, seed)


def chosen(name: str, value: str, options: Iterable[str]) -> None:
    """Raise a UsageError that lists the options when the value is none of them."""
    options = tuple(options)
    if value not in options:
        raise UsageError(f"{name} should be one of {', '.join(map(repr, options))} but got {value!r}.")
