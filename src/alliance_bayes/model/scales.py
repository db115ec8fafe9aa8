"""Reference scales of columns: what a point means, so that default priors need not look at the data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import numpy as np

from alliance_bayes.cohort import Cohort
from alliance_bayes.errors import ModelError
from alliance_bayes.foreign import shown
from alliance_bayes.instruments.catalogue import ALLIANCE2, instrument, known_as
from alliance_bayes.instruments.definition import Instrument
from alliance_bayes.instruments.naming import called, named_after
from alliance_bayes.model.grammar import windowed_named
from alliance_bayes.model.nodes import Windowed
from alliance_bayes.rounding import is_constant

__all__ = [
    "BUILT_IN",
    "CodedScale",
    "SampleScale",
    "Scale",
    "called",
    "check_size",
    "is_measured",
    "is_who5",
    "sample_scale",
    "scale_of",
    "scales_of",
    "two_values",
    "unit_of",
]

#: Most steps of a scale with levels.
MAX_LEVELS = 100_000
#: Sizes of numbers whose products of three, and sums of these over all rows, can still be computed.
LARGEST, TINIEST = 1e100, 1e-100


@dataclass(frozen=True)
class Scale:
    """Reference scale of one numeric column.

    Parameters
    ----------
    mean, sd
        Reference mean and standard deviation, in the column's own unit. They set default priors and never touch the
        data.
    lower, upper
        Ends of the scale, where it has ends.
    step
        Distance between neighbouring levels, where the scale is discrete.
    unit
        What one unit is called ("point", "year").
    higher_is_better
        False for symptom scores, so that the literature's positive association gets its sign, and what is said to be
        better is.
    reason
        Where the figures come from.
    smallest_relevant_change
        Smallest change that matters, in the column's own unit; None where none is known.
    instrument
        The instrument of the catalogue whose total this is (or a change of it), whose thresholds are those of the
        column; empty where it is none.
    """

    mean: float
    sd: float
    lower: float | None = None
    upper: float | None = None
    step: float | None = None
    unit: str = "unit"
    higher_is_better: bool = True
    reason: str = "declared by the analyst"
    smallest_relevant_change: float | None = None
    instrument: str = ""

    def __post_init__(self) -> None:
        if self.instrument and known_as(self.instrument) is None:
            raise ModelError(f"a scale's instrument should be one of the catalogue but got {shown(self.instrument)}.")
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise ModelError(
                f"a scale needs a finite mean and an sd greater than 0 but got mean={self.mean}, sd={self.sd}."
            )
        # Those of the rows are judged with their column.
        if type(self) is Scale and (abs(self.mean) > LARGEST or not TINIEST <= self.sd <= LARGEST):
            raise ModelError(
                f"a scale's numbers should be at most {LARGEST:g}, and its sd at least {TINIEST:g}, to be computed "
                f"with, but got mean={self.mean:g}, sd={self.sd:g}. Give them in the column's own unit."
            )
        for name in ("lower", "upper", "step", "smallest_relevant_change"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ModelError(f"a scale's {name} should be a finite number but got {value}.")
        if self.lower is not None and self.upper is not None and not self.lower < self.upper:
            raise ModelError(
                f"a scale's lower end should be below its upper end but got {self.lower} and {self.upper}."
            )
        if self.smallest_relevant_change is not None and self.smallest_relevant_change <= 0:
            raise ModelError(
                f"a scale's smallest relevant change should be greater than 0 but got {self.smallest_relevant_change}. "
                "Leave it out where none is known; higher_is_better says the direction."
            )
        if self.step is not None:
            if self.lower is None or self.upper is None or self.step <= 0:
                raise ModelError("a scale with a step needs both ends and a step greater than 0.")
            count = (self.upper - self.lower) / self.step
            if count > MAX_LEVELS:
                raise ModelError(
                    f"a scale from {self.lower:g} to {self.upper:g} in steps of {self.step:g} has more than "
                    f"{MAX_LEVELS:,} levels. Leave the step out: it is as good as continuous."
                )
            if abs(count - round(count)) > 1e-9:
                raise ModelError(
                    f"a scale from {self.lower:g} to {self.upper:g} does not hold a whole number of steps of "
                    f"{self.step:g}."
                )

    @property
    def range(self) -> float | None:
        """Distance between the ends, None where an end is open."""
        return None if self.lower is None or self.upper is None else self.upper - self.lower

    @property
    def is_change(self) -> bool:
        """Whether it is that of changes of an instrument's score: they go below where scores begin."""
        return bool(self.instrument and self.lower is not None and self.lower < self._of_scores[0])

    @property
    def score_ends(self) -> tuple[float | None, float | None]:
        """The ends: of the score, where it is that of its changes."""
        return self._of_scores if self.is_change else (self.lower, self.upper)

    @property
    def _of_scores(self) -> tuple[float, float]:
        low, high = instrument(self.instrument).score_range
        return float(low), float(high)

    @property
    def levels(self) -> np.ndarray | None:
        """All levels in order, shape (n_levels,); None for a continuous scale."""
        if self.step is None or self.lower is None or self.range is None:
            return None
        return self.lower + self.step * np.arange(round(self.range / self.step) + 1)


class SampleScale(Scale):
    """The scale of a column that no instrument fixes: mean and SD of the analysed rows."""


class CodedScale(Scale):
    """The scale of a column of two values: one SD is the step between them, whatever the share of either."""


# Codes by which two values may be known of a column of which there are only mean and SD.
_CODES = (-1.0, -0.5, 0.0, 0.5, *map(float, range(1, 11)))
# Part of the squared step that a variance may be off and be that of the two values.
_EXACT = 1e-7


def two_values(values: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float] | None:
    """The two values of a column that has no others, the lower first; None of any other column.

    Parameters
    ----------
    values
        Shape (n,), finite.
    weights
        Participants that each of some points stands for, which have the column's mean and SD and not its values: two
        values are then known of a column that is coded by small numbers (0 and 1, 1 and 2, -0.5 and 0.5).
    """
    if weights is None:
        # Of a column with many values the first few tell.
        distinct = np.unique(values[:64])
        distinct = np.unique(values) if distinct.size <= 2 else distinct
        return (float(distinct[0]), float(distinct[1])) if distinct.size == 2 else None
    mean = float(np.average(values, weights=weights))
    variance = float(np.average((values - mean) ** 2, weights=weights))
    for low, high in combinations(_CODES, 2):
        if low < mean < high and abs(variance - (expected := (mean - low) * (high - mean))) <= _EXACT * expected:
            return low, high
    return None


# The alliance of a person is an average over sessions, which has no steps.
_ALLIANCE = "alliance"
_OF_ALLIANCE = re.compile(r"^alliance_(baseline|followup|first|early|last|mean|change|\d+)$")
_DAYS = "right-skewed with median 28 days; SD assumed one standardised unit of 38"
_SETTINGS: Mapping[str, Scale] = {
    "age": Scale(36.0, 9.0, unit="year", reason="36 +/- 9 years (Sagui-Henson et al. 2022)"),
    "days_in_care": Scale(28.0, 38.0, unit="day", reason=_DAYS),
    "n_sessions": Scale(3.0, 3.0, unit="session", reason="right-skewed with median 3; SD assumed about the median"),
}


@dataclass(frozen=True)
class _Measured:
    """What a column named after an instrument holds.

    Parameters
    ----------
    instrument
        The instrument.
    change
        Whether the column is a difference of two totals.
    averaged
        Whether it is an average of totals, which has no steps.
    subscale
        The subscale whose score it is; empty for the total.
    alliance
        Whether it is the alliance itself, which a point is called after.
    """

    instrument: Instrument
    change: bool = False
    averaged: bool = False
    subscale: str = ""
    alliance: bool = False

    def on(self, mean: float, sd: float, reason: str, kind: type[Scale]) -> Scale:
        """A scale with the instrument's ends, step, unit, direction and smallest relevant change."""
        low, high = map(float, self.instrument.range_of(self.subscale))
        step, relevant = self.instrument.score_step, self.instrument.smallest_relevant_change
        if self.subscale:
            step, relevant = None if self.instrument.total.startswith("mean") else self.instrument.item_step, None
        return kind(
            mean,
            sd,
            low - high if self.change else low,
            high - low if self.change else high,
            None if self.averaged or step is None else float(step),
            self.unit,
            self.instrument.higher_is == "better",
            reason,
            None if relevant is None else float(relevant),
            "" if self.subscale else self.instrument.name,
        )

    @property
    def unit(self) -> str:
        """What one unit is called."""
        named = f"{self.instrument.name} {self.subscale.replace('_', ' ')}".strip()
        return f"{_ALLIANCE if self.alliance else named} point"

    @property
    def scale(self) -> Scale | None:
        """By the instrument's reference; None where it has none."""
        known = self.instrument.reference
        if known is None or self.subscale:
            return None
        if self.change:
            return self.on(0.0, float(known.sd), f"difference of two {self.unit.removesuffix(' point')} scores", Scale)
        return self.on(float(known.mean), float(known.sd), known.source, Scale)


@cache
def _measured(column: str) -> _Measured | None:
    """What instrument a column is named after ("who5", "phq9_baseline", "core_om_change"), if any."""
    if (named := named_after(column)) is not None:
        return _Measured(named.instrument, named.when == "change", subscale=named.subscale)
    if column == _ALLIANCE or _OF_ALLIANCE.match(column):
        return _Measured(ALLIANCE2, column.endswith("_change"), averaged=True, alliance=True)
    return None


def _known(column: str) -> Scale:
    """The scale of a column of which one is known."""
    measured = _measured(column)
    scale = None if measured is None else measured.scale
    if scale is None:
        raise LookupError(column)
    return scale


#: Scales that default priors know by name.
BUILT_IN: Mapping[str, Scale] = {
    **{column: _known(column) for column in ("who5", "who5_change", "alliance")},
    **_SETTINGS,
}


def is_who5(scale: Scale | None) -> bool:
    """Whether a column is a WHO-5 percentage score or a change of it, in points."""
    return scale in (BUILT_IN["who5"], BUILT_IN["who5_change"])


def scale_of(column: str, declared: Mapping[str, Scale]) -> Scale | None:
    """The scale of a column: declared, else its instrument's ("who5_baseline" is the WHO-5), else None.

    None too where the instrument has no reference mean and SD: the rows then have them (see `sample_scale`).
    """
    if column in declared:
        return declared[column]
    if (window := windowed_named(column)) is not None:
        whole = scale_of(window.source, declared)
        return None if whole is None else _of_part(window, whole)
    if column in _SETTINGS:
        return _SETTINGS[column]
    measured = _measured(column)
    return None if measured is None else measured.scale


def _of_part(window: Windowed, whole: Scale) -> Scale:
    """The scale of a column that is made of several rows of another: in its unit and with its SD, the larger one."""
    if "within" in window.functions:
        reason = f"difference from a mean, in points of '{window.source}' and with its SD ({whole.reason})"
        return replace(whole, mean=0.0, lower=None, upper=None, step=None, reason=reason, instrument="")
    return replace(whole, step=None, instrument="") if "between" in window.functions else whole


def scales_of(cohort: Cohort) -> dict[str, Scale]:
    """The scales of a cohort's scores that are others than those of their names, by column (``cohort.instruments``).

    Parameters
    ----------
    cohort
        The cohort. Where an instrument has no reference, mean and SD are those of the scores in it.
    """
    scales = {}
    for name, key in cohort.instruments.items():
        if name not in cohort.data:
            continue
        # A person's alliance may be an average of several scores, which has no steps.
        alliance = name == _ALLIANCE
        measured = _Measured(instrument(key), averaged=alliance, alliance=alliance)
        low, high = measured.instrument.score_range
        sample = sample_scale(cohort.data[name].dropna().to_numpy(float))
        why = f"{key} range {low:g}-{high:g}; mean and SD of the table, so that this prior depends on the data"
        scale = measured.on(float(f"{sample.mean:.4g}"), float(f"{sample.sd:.4g}"), why, Scale)
        scales[name] = measured.scale or scale
    return scales


def is_measured(column: str) -> bool:
    """Whether a column is named after an instrument."""
    return _measured(column) is not None


def unit_of(column: str, declared: Mapping[str, Scale]) -> str:
    """What one unit of a column is called: its scale's or its instrument's word, else "unit of <column>"."""
    window = windowed_named(column)
    if window is not None and column not in declared:
        return unit_of(window.source, declared)
    scale, measured = scale_of(column, declared), _measured(column)
    if scale is None and measured is not None:
        return measured.unit
    return f"unit of {column}" if scale is None or scale.unit == "unit" else scale.unit


def check_size(values: np.ndarray, subject: str, of: str = "it") -> None:
    """Refuse finite values, shape (n,), whose squares and products leave the numbers that a computer has.

    Raises
    ------
    ModelError
        The largest value, and what to do.
    """
    most = float(np.abs(values).max(initial=0.0))
    if most != 0 and not TINIEST <= most <= LARGEST:
        large = most > LARGEST
        raise ModelError(
            f"{subject} has values of {'up to' if large else 'no more than'} {most:.3g}; products of numbers "
            f"{f'above {LARGEST:g}' if large else f'below {TINIEST:g}'} cannot be computed. "
            f"{'Divide' if large else 'Multiply'} {of} by a round number, or check the table."
        )


def sample_scale(values: np.ndarray, weights: np.ndarray | None = None, column: str = "") -> Scale:
    """The scale of a column from the analysed rows themselves.

    Parameters
    ----------
    values
        Shape (n,), finite.
    weights
        Participants that each value stands for; one each by default.
    column
        Its name: where that is an instrument's, ends, step, unit, direction and smallest relevant change are, too.
    """
    mean = float(np.average(values, weights=weights))
    if weights is None:
        sd = float(np.std(values, ddof=1)) if values.size > 1 else 0.0
    else:
        sd = float(np.sqrt(weights @ (values - mean) ** 2 / max(weights.sum() - 1, 1)))
    sd = sd if sd > 0 and not is_constant(values) else abs(mean) or 1.0
    reason = "mean and SD of the analysed rows, so that this prior depends on the data"
    part = windowed_named(column)
    measured = _measured(column if part is None else part.source)
    if measured is None:
        if not is_constant(values) and (coded := two_values(values, weights)) is not None:
            low, high = coded
            why = f"two values, {low:g} and {high:g}, with the step between them for an SD"
            return CodedScale((low + high) / 2, high - low, reason=why)
        return SampleScale(mean, sd, reason=reason)
    if part is not None:
        better = measured.instrument.higher_is == "better"
        return SampleScale(mean, sd, unit=measured.unit, higher_is_better=better, reason=reason)
    scale = measured.on(mean, sd, reason, SampleScale)
    assert isinstance(scale, SampleScale)
    return scale
