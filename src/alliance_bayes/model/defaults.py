"""Default priors: fixed by the scales of the instruments, each with its reason; named sets for the alliance slope."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alliance_bayes.model.columns import Column
from alliance_bayes.model.families import Family
from alliance_bayes.model.priors import Prior, PriorTable, StatedPrior
from alliance_bayes.model.roles import Role, RoleOf
from alliance_bayes.model.scales import BUILT_IN, CodedScale, SampleScale, Scale, is_who5

__all__ = ["PRIOR_SETS", "Defaults", "set_without_use"]

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

# Standardised slopes and interactions between columns whose scales instruments fix.
_SLOPE, _INTERACTION = 0.5, 0.25
# Elsewhere, as rstanarm and bambi have it: weak, since the scales are those of the data. Two values have the scale of
# their step, as the levels of a factor do.
_WEAK = 2.5
# Off an identity link, what terms add up to is soon at the ends of the scale, however weak each was meant to be.
# There all common terms have an SD of the outcome together, each its part: predictors explain half of the variance of
# log odds a priori. With .7 a baseline score that does so alone, among a dozen of 300 people, was covered half of the
# time. Two groups differ by two SDs (Gelman et al. 2008, doi 10.1214/08-AOAS191).
_TOGETHER, _GROUPS_APART = 1.0, 2.0
# Log odds given the person are further from 0 than those of shares: with persons' SD at 1.7 SDs of a logistic variable,
# which its prior leaves one time in twelve, twice as far (sqrt(1 + 1.7^2)). Narrower, intervals of the difference
# between the arms of a trial covered it too seldom.
_AMONG_PERSONS = 2.0
# What the linear predictor is of, in words, by link.
_LINKED = {"logit": "log odds", "cumulative_logit": "log odds", "log": "logarithm"}
# SD of what one SD of a column, or another level, adds to the logarithm of the residual SD: by a half, or two thirds.
_LOG_SIGMA = 0.5
# SD of levels, and of slopes by level, in SDs: persons differ from one another as much as outcomes do; providers
# account for 0.2 to 29 % of the variance (Johns et al. 2019); groups differ less.
_LEVELS: Mapping[Role, float] = {"person": 1.0, "provider": 0.35, "group": 0.25}
_SLOPES: Mapping[Role, float] = {"person": 0.5, "provider": 0.175, "group": 0.15}


def set_without_use(priors: PriorTable, alliance: str, predictors: Sequence[str]) -> str:
    """That a named set has no part in a model's priors, and why; empty where it has, and for the weak set.

    Parameters
    ----------
    priors
        The priors on some rows.
    alliance
        The predictor that is an alliance score.
    predictors
        The model's columns without the outcome.
    """
    if PRIOR_SETS[priors.named] is None or priors.is_named_applied:
        return ""
    about = f"The prior set '{priors.named}' is about the slope of an alliance score and does not apply"
    if alliance in priors.given:
        return f"{about}: the slope of '{alliance}' has a prior that was given."
    if alliance in predictors:
        return f"{about}: '{alliance}' has no coefficient of its own in this model."
    return (
        f"{about}: '{alliance}' is no predictor of this model, and 'alliance' (of the model, or its card) "
        "names no other."
    )


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
    alliance
        The predictor that is an alliance score, which the named sets are about.
    terms
        Number of common terms besides the intercept, of which each has its part off an identity link.
    persons
        Whether a pooled factor's levels are persons.
    """

    outcome: str
    family: Family
    scale: Scale | None
    named: str
    levels: int | None = None
    alliance: str = "alliance"
    terms: int = 1
    persons: bool = False

    @property
    def _sd(self) -> float | None:
        """Reference SD of the outcome on the scale of the linear predictor."""
        return self.family.predictor_sd(self.scale)

    @property
    def _factor(self) -> float:
        """Linear-predictor units in one unit of the outcome."""
        return 1.0 if self.scale is None else self.family.predictor_unit(self.scale)

    def _fixed(self, numeric: Sequence[str], scales: Mapping[str, Scale]) -> bool:
        """Whether instruments, not data, fix the scale of a coefficient of some numeric components."""
        outcome = self.scale is not None and not isinstance(self.scale, SampleScale)
        # A logit has a scale of its own, but by it alone no difference of groups is large or small.
        linked = self.family.predictor_sd(None) is not None and not _between_groups(numeric, scales)
        return (outcome or linked) and not any(isinstance(scales[name], SampleScale) for name in numeric)

    @property
    def _is_linked(self) -> bool:
        """Whether a sum of terms is bounded, or grows beyond all bounds, on the scale of the outcome."""
        return self.family.link != "identity"

    @property
    def _times(self) -> float:
        """What persons among the levels multiply the scale of coefficients by, off an identity link."""
        return _AMONG_PERSONS if self.persons and self._is_linked else 1.0

    def _part(self, numeric: Sequence[str], scales: Mapping[str, Scale]) -> float:
        """Prior SD that a standardised coefficient has at most, off an identity link."""
        return _TOGETHER / math.sqrt(self.terms) * (_GROUPS_APART if _between_groups(numeric, scales) else 1.0)

    def _standardised(self, width: float, numeric: Sequence[str], scales: Mapping[str, Scale]) -> tuple[float, str]:
        """Prior SD of a coefficient in SDs of the outcome and its predictors, and what that is besides its own."""
        if not self._is_linked:
            return width, ""
        part, why = self._part(numeric, scales), ""
        if part < width:
            why = f", so that the terms together ({self.terms}) have an SD of about {_TOGETHER:g}"
        if self.persons:
            why += f", times {_AMONG_PERSONS:g} among persons"
        return min(part, width) * self._times, why

    def _sds(self, numeric: Sequence[str], scales: Mapping[str, Scale]) -> str:
        """The SDs that a prior is made of, and where they come from."""
        if self.family.predictor_sd(None) is not None:
            of_outcome = f"{self._sd:.3g} of the {_LINKED.get(self.family.link, self.family.link)} of '{self.outcome}'"
        else:
            of_outcome = f"{self._sd:.3g} of '{self.outcome}'{_source(self.scale)}"
        return ", ".join(
            [f"SD {of_outcome}", *(f"{scales[name].sd:.3g} {_of(name, scales[name])}" for name in numeric)]
        )

    def _stated(self, prior: Prior, reason: str) -> StatedPrior:
        """A prior in units of the outcome, brought to the linear predictor."""
        factor = self._factor
        note = "" if factor == 1.0 else f"; times {factor:.3g} to the linear predictor"
        return StatedPrior(prior.rescaled(factor), reason + note)

    def intercept(self) -> StatedPrior | None:
        """Prior of the expected outcome at the centring values."""
        prior = self.family.intercept(self.scale)
        if prior is not None and self.family.event and self._times != 1.0:
            wider = Prior("Normal", (prior.prior.arguments["mu"], prior.prior.arguments["sigma"] * self._times))
            return StatedPrior(wider, f"{prior.reason}, times {_AMONG_PERSONS:g} among persons")
        if prior is not None or self.scale is None:
            return prior
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
        if main and (by_hand := self._by_hand(numeric, scales)) is not None:
            return by_hand
        if self._sd is None or any(name not in scales for name in numeric):
            return None
        unit = self._sd / math.prod(scales[name].sd for name in numeric)
        if main and numeric == (self.alliance,) and (named := PRIOR_SETS[self.named]) is not None:
            mean, sd, reason = named
            sign = 1.0 if self.scale is None or self.scale.higher_is_better else -1.0
            return StatedPrior(
                Prior("Normal", (sign * mean * unit, sd * unit)),
                f"{self.named}: {reason}; {self._sds(numeric, scales)}",
            )
        width, why = self._standardised(
            _WEAK if not self._fixed(numeric, scales) else _SLOPE if main else _INTERACTION, numeric, scales
        )
        kind = "interaction" if not main else "slope" if numeric else f"difference between levels of '{column.term}'"
        return StatedPrior(
            Prior("Normal", (0.0, width * unit)),
            f"standardised {kind} Normal(0, {width:.3g}){why}; {self._sds(numeric, scales)}",
        )

    def _by_hand(self, numeric: Sequence[str], scales: Mapping[str, Scale]) -> StatedPrior | None:
        """Prior of a slope that is known in points of the WHO-5, unless it is wider than a term's part."""
        if len(numeric) != 1 or not is_who5(self.scale):
            return None
        if numeric[0] in _WHO5_SLOPES:
            width, reason = _WHO5_SLOPES[numeric[0]]
        elif self._is_alliance(numeric, scales) and self.named == "weak":
            width, reason = 10.0, "weak: per alliance point, the smallest relevant change is 10"
        else:
            return None
        if self._is_linked:
            assert self._sd is not None
            scale = scales.get(numeric[0])
            if scale is None or width * self._factor > self._part(numeric, scales) * self._sd / scale.sd:
                return None
        return self._stated(Prior("Normal", (0.0, width)), reason)

    def _is_alliance(self, numeric: Sequence[str], scales: Mapping[str, Scale]) -> bool:
        """Whether a coefficient is that of the alliance score in points of 1 to 5."""
        return tuple(numeric) == (self.alliance,) and scales.get(self.alliance) == BUILT_IN["alliance"]

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

    def spread(self, column: Column, scales: Mapping[str, Scale], factor: str, role: RoleOf) -> StatedPrior | None:
        """Prior of the SD of a pooled column's effect over the levels of a factor.

        Parameters
        ----------
        column
            The pooled column.
        scales
            Reference scales by numeric component.
        factor, role
            The factor's name, and what its levels are.
        """
        numeric, level = column.numeric, column.order == 0
        who = f"levels of '{factor}' are {role.role}s"
        if not role.known:
            who = f"nothing says what the levels of '{factor}' are, so they are taken for {role.role}s"
        if is_who5(self.scale) and role.role == "group":
            if level:
                assert self.scale is not None
                known = (
                    "country means in Europe differ by an SD of about 5 (EQLS 2007)"
                    if factor == "country"
                    else f"a level SD of 5 is {5.0 / self.scale.sd:.2f} of the SD {self.scale.sd:g} of '{self.outcome}'"
                )
                return self._stated(Prior("HalfNormal", (5.0,)), f"{who}: {known}")
            if column.order == 1 and self._is_alliance(numeric, scales):
                return self._stated(
                    Prior("HalfNormal", (2.0,)), f"{who}, whose slopes per alliance point are alike within a few points"
                )
        if self._sd is None or any(name not in scales for name in numeric):
            return None
        width = (_LEVELS if level else _SLOPES)[role.role]
        return StatedPrior(
            Prior("HalfNormal", (width * self._sd / math.prod(scales[name].sd for name in numeric),)),
            f"{who}: standardised {'level' if level else 'slope' if numeric else 'difference'} SD "
            f"HalfNormal({width:g}); {self._sds(numeric, scales)}",
        )

    def bend(self) -> StatedPrior | None:
        """Prior of the SD of a smooth's departure from its straight line."""
        if is_who5(self.scale):
            return self._stated(
                Prior("HalfNormal", (5.0,)),
                "departures from a straight line are hardly beyond 10 points, the smallest relevant change",
            )
        if self._sd is None:
            return None
        width = 1.0 if isinstance(self.scale, SampleScale) else 0.25
        return StatedPrior(
            Prior("HalfNormal", (width * self._sd,)),
            f"standardised departure from a straight line HalfNormal({width:g}); {self._sds((), {})}",
        )

    def log_sigma(self, column: Column, scales: Mapping[str, Scale]) -> StatedPrior | None:
        """Prior of what one unit of a column, or another level, adds to the logarithm of the residual SD."""
        if any(name not in scales for name in column.numeric):
            return None
        width = _LOG_SIGMA / math.prod(scales[name].sd for name in column.numeric)
        if not column.numeric:
            reason = f"the residual SD at one level of '{column.term}' is hardly 2.7 times that at another"
        else:
            sds = ", ".join(f"{scales[name].sd:.3g} {_of(name, scales[name])}" for name in column.numeric)
            reason = f"the residual SD is hardly 2.7 times as large or small with one SD ({sds})"
        return StatedPrior(Prior("Normal", (0.0, width)), reason)

    def parameter(self, name: str) -> StatedPrior | None:
        """Prior of a parameter of the family."""
        return self.family.parameter_prior(name, self.scale, self.levels)


def _between_groups(numeric: Sequence[str], scales: Mapping[str, Scale]) -> bool:
    """Whether a coefficient is of what groups differ by: levels, or columns of two values."""
    return all(isinstance(scales[name], CodedScale) for name in numeric)


def _of(name: str, scale: Scale) -> str:
    """What a scale's SD is one of: a column's, or the step between its two values."""
    return f"between the two values of '{name}'" if isinstance(scale, CodedScale) else f"of '{name}'{_source(scale)}"


def _source(scale: Scale | None) -> str:
    """Where a scale comes from, where it is not an instrument's or the analyst's."""
    return " in the analysed rows" if isinstance(scale, SampleScale) else ""
