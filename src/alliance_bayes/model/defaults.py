"""Default priors: fixed by the scales of the instruments, each with its reason; named sets for the alliance slope."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from alliance_bayes.model.columns import Column
from alliance_bayes.model.families import Family
from alliance_bayes.model.priors import Prior, StatedPrior
from alliance_bayes.model.scales import BUILT_IN, Scale, is_who5

__all__ = ["PRIOR_SETS", "Defaults"]

# Standardised slope of alliance: (mean, sd, reason). Sources: Fluckiger et al. 2018, Aafjes-van Doorn et al. 2024.
PRIOR_SETS: Mapping[str, tuple[float, float, str] | None] = {
    "weak": None,
    "literature": (0.15, 0.10, "standardised slope Normal(.15, .10), from meta-analyses of alliance and outcome"),
    "sceptical": (0.0, 0.10, "standardised slope Normal(0, .10), centred at no association"),
    "enthusiastic": (
        0.28,
        0.10,
        "standardised slope Normal(.28, .10), the face-to-face correlation (Fluckiger et al. 2018)",
    ),
}
# On the WHO-5 0-100 scale, per unit of the predictor.
_WHO5_SLOPES: Mapping[str, tuple[float, str]] = {
    "who5_baseline": (1.0, "per baseline point; a slope beyond +/- 2 would amplify differences"),
    "age": (1.0, "per year; ten years are unlikely to matter by more than 20 points"),
    "days_in_care": (0.5, "per day; a month is unlikely to matter by more than 30 points"),
}


@dataclass(frozen=True)
class Defaults:
    """Default priors of one outcome, family and named set.

    Parameters
    ----------
    outcome
        Column name of the outcome.
    family
        Its observation family.
    scale
        Its reference scale, None when unknown (``bernoulli`` needs none).
    named
        Name of the prior set for the alliance slope.
    levels
        Number of an ordinal outcome's levels, None when unknown (others need none).
    """

    outcome: str
    family: Family
    scale: Scale | None
    named: str
    levels: int | None = None

    @property
    def _sd(self) -> float | None:
        """Reference SD of the outcome on the scale of the linear predictor."""
        return self.family.predictor_sd(self.scale)

    @property
    def _factor(self) -> float:
        """Linear-predictor units in one unit of the outcome."""
        return 1.0 if self.scale is None else self.family.predictor_unit(self.scale)

    def _stated(self, prior: Prior, reason: str) -> StatedPrior:
        """A prior in units of the outcome, brought to the linear predictor."""
        factor = self._factor
        note = "" if factor == 1.0 else f"; times {factor:.3g} to the linear predictor"
        return StatedPrior(prior.rescaled(factor), reason + note)

    def intercept(self) -> StatedPrior | None:
        """Prior of the expected outcome at the centring values."""
        own = self.family.intercept(self.scale)
        if own is not None or self.scale is None:
            return own
        if self.scale == BUILT_IN["who5_change"]:
            return self._stated(
                Prior("Normal", (0.0, 25.0)), "no change on average expected; half the scale within 2 SD"
            )
        if self.scale == BUILT_IN["alliance"]:
            return self._stated(Prior("Normal", (4.5, 1.0)), "mean alliance ratings lie in the upper part of 1-5")
        if self.scale.range is not None and self.scale.lower is not None:
            middle = self.scale.lower + self.scale.range / 2
            return self._stated(
                Prior("Normal", (middle, self.scale.range / 4)), "middle of the scale; its ends at 2 SD"
            )
        return self._stated(
            Prior("Normal", (self.scale.mean, 2.5 * self.scale.sd)), f"2.5 reference SDs; {self.scale.reason}"
        )

    def slope(
        self, column: Column, scales: Mapping[str, Scale], origins: Mapping[str, float] | None = None
    ) -> StatedPrior | None:
        """Prior of a common coefficient.

        Parameters
        ----------
        column
            The design column.
        scales
            Reference scales by numeric component.
        origins
            Where the model has no intercept, the centring value of each numeric component that has one other than 0.
        """
        numeric, main = column.numeric, column.order == 1
        if origins is not None and column.whole:
            return self._without_intercept(column, scales, origins)
        if main and len(numeric) == 1 and is_who5(self.scale):
            if numeric[0] in _WHO5_SLOPES:
                width, reason = _WHO5_SLOPES[numeric[0]]
                return self._stated(Prior("Normal", (0.0, width)), reason)
            if numeric[0] == "alliance" and self.named == "weak":
                return self._stated(
                    Prior("Normal", (0.0, 10.0)), "weak: per alliance point, the smallest relevant change is 10"
                )
        if self._sd is None or any(name not in scales for name in numeric):
            return None
        unit = self._sd / math.prod(scales[name].sd for name in numeric)
        if main and numeric == ("alliance",) and (named := PRIOR_SETS[self.named]) is not None:
            mean, sd, reason = named
            sign = 1.0 if self.scale is None or self.scale.higher_is_better else -1.0
            return StatedPrior(
                Prior("Normal", (sign * mean * unit, sd * unit)),
                f"{self.named}: {reason}; SDs {self._sd:.3g} and {scales['alliance'].sd:g}",
            )
        width = 0.5 if main else 0.25
        what = (
            "standardised interaction"
            if not main
            else "standardised slope"
            if numeric
            else "standardised group difference"
        )
        return StatedPrior(Prior("Normal", (0.0, width * unit)), f"{what} Normal(0, {width:g})")

    def _without_intercept(
        self, column: Column, scales: Mapping[str, Scale], origins: Mapping[str, float]
    ) -> StatedPrior | None:
        """Prior of a coefficient that carries the outcome's level, because no intercept does.

        The outcome is about as large as the coefficient times the predictor, so that it is scaled by what their sizes
        (root mean squares about zero, or about the centring value) are, not by their SDs.
        """
        level = self.intercept()
        if level is None or any(name not in scales for name in column.numeric):
            return None
        if not column.numeric:
            return StatedPrior(level.prior, f"the level itself, as there is no intercept: {level.reason}")
        mean, sd = level.prior.arguments["mu"], level.prior.arguments["sigma"]
        size = math.prod(math.hypot(scales[n].mean - origins.get(n, 0.0), scales[n].sd) for n in column.numeric)
        return StatedPrior(
            Prior("Normal", (0.0, math.hypot(mean, sd) / size)),
            "no intercept, so that the coefficient carries the outcome's level: the sizes of outcome and predictor "
            f"about zero, {math.hypot(mean, sd):.3g} over {size:.3g}",
        )

    def spread(self, column: Column, scales: Mapping[str, Scale]) -> StatedPrior | None:
        """Prior of the SD of a pooled column's effect over the levels of a factor."""
        numeric = column.numeric
        if is_who5(self.scale) and column.order == 0:
            return self._stated(
                Prior("HalfNormal", (5.0,)),
                "country means in Europe differ by an SD of about 5 (EQLS 2007); other factors hardly by more",
            )
        if is_who5(self.scale) and column.order == 1 and numeric == ("alliance",):
            return self._stated(
                Prior("HalfNormal", (2.0,)), "per alliance point; groups' slopes are alike within a few points"
            )
        if self._sd is None or any(name not in scales for name in numeric):
            return None
        unit = self._sd / math.prod(scales[name].sd for name in numeric)
        width = 0.25 if not numeric else 0.075
        what = "level SD" if not numeric else "slope SD"
        return StatedPrior(Prior("HalfNormal", (width * unit,)), f"standardised {what} HalfNormal({width:g})")

    def bend(self) -> StatedPrior | None:
        """Prior of the SD of a smooth's departure from its straight line."""
        if is_who5(self.scale):
            return self._stated(
                Prior("HalfNormal", (5.0,)),
                "departures from a straight line are hardly beyond 10 points, the smallest relevant change",
            )
        if self._sd is None:
            return None
        return StatedPrior(
            Prior("HalfNormal", (0.25 * self._sd,)), "standardised departure from a straight line HalfNormal(0.25)"
        )

    def parameter(self, name: str) -> StatedPrior | None:
        """Prior of a parameter of the family."""
        return self.family.parameter_prior(name, self.scale, self.levels)
