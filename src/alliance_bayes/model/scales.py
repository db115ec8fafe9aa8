"""Reference scales of columns: what a point means, so that default priors need not look at the data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alliance_bayes.errors import ModelError
from alliance_bayes.rounding import is_constant

__all__ = ["BUILT_IN", "SampleScale", "Scale", "is_who5", "sample_scale", "scale_of"]

#: Most steps of a scale with levels.
MAX_LEVELS = 100_000


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
        False for symptom scores, so that the literature's positive association gets its sign.
    reason
        Where the figures come from.
    """

    mean: float
    sd: float
    lower: float | None = None
    upper: float | None = None
    step: float | None = None
    unit: str = "unit"
    higher_is_better: bool = True
    reason: str = "declared by the analyst"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise ModelError(
                f"a scale needs a finite mean and an sd greater than 0 but got mean={self.mean}, sd={self.sd}."
            )
        for name in ("lower", "upper", "step"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ModelError(f"a scale's {name} should be a finite number but got {value}.")
        if self.lower is not None and self.upper is not None and not self.lower < self.upper:
            raise ModelError(
                f"a scale's lower end should be below its upper end but got {self.lower} and {self.upper}."
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
    def levels(self) -> np.ndarray | None:
        """All levels in order, shape (n_levels,); None for a continuous scale."""
        if self.step is None or self.lower is None or self.range is None:
            return None
        return self.lower + self.step * np.arange(round(self.range / self.step) + 1)


class SampleScale(Scale):
    """The scale of a column that no instrument fixes: mean and SD of the analysed rows."""


_WHO5 = "WHO-5 percentage score, 0-100 in steps of 4; SD 19 in adults in video care (Sagui-Henson et al. 2022, derived)"
BUILT_IN: Mapping[str, Scale] = {
    "who5": Scale(50.0, 19.0, 0.0, 100.0, 4.0, "WHO-5 point", reason=_WHO5),
    "who5_change": Scale(0.0, 19.0, -100.0, 100.0, 4.0, "WHO-5 point", reason="difference of two WHO-5 scores"),
    "alliance": Scale(4.5, 0.7, 1.0, 5.0, None, "alliance point", reason="mean of ratings 1-5; SD about 0.7 (derived)"),
    "age": Scale(36.0, 9.0, unit="year", reason="36 +/- 9 years (Sagui-Henson et al. 2022)"),
    "days_in_care": Scale(
        28.0, 38.0, unit="day", reason="right-skewed with median 28 days; SD assumed one standardised unit of 38"
    ),
    "n_sessions": Scale(3.0, 3.0, unit="session", reason="right-skewed with median 3; SD assumed about the median"),
    "phq9": Scale(
        10.0, 6.0, 0.0, 27.0, 1.0, "PHQ-9 point", higher_is_better=False, reason="PHQ-9 range 0-27; SD assumed 6"
    ),
    "phq2": Scale(
        2.0, 1.7, 0.0, 6.0, 1.0, "PHQ-2 point", higher_is_better=False, reason="PHQ-2 range 0-6; SD assumed 1.7"
    ),
    "srs": Scale(36.0, 4.0, 0.0, 40.0, None, "SRS point", reason="SRS range 0-40; SD assumed 4"),
}
_OCCASION = re.compile(r"^(who5|phq9|phq2|srs|alliance)_(baseline|followup|first|early|last|mean|\d+)$")


def is_who5(scale: Scale | None) -> bool:
    """Whether a column is a WHO-5 percentage score or a change of it, in points."""
    return scale in (BUILT_IN["who5"], BUILT_IN["who5_change"])


def scale_of(column: str, declared: Mapping[str, Scale]) -> Scale | None:
    """The scale of a column: declared, else known by name ("who5_baseline" is a "who5"), else None."""
    if column in declared:
        return declared[column]
    if column in BUILT_IN:
        return BUILT_IN[column]
    match = _OCCASION.match(column)
    return BUILT_IN[match.group(1)] if match else None


def sample_scale(values: np.ndarray, weights: np.ndarray | None = None) -> SampleScale:
    """The scale of a column from the analysed rows themselves.

    Parameters
    ----------
    values
        Shape (n,), finite.
    weights
        Participants that each value stands for; one each by default.
    """
    mean = float(np.average(values, weights=weights))
    if weights is None:
        sd = float(np.std(values, ddof=1)) if values.size > 1 else 0.0
    else:
        sd = float(np.sqrt(weights @ (values - mean) ** 2 / max(weights.sum() - 1, 1)))
    return SampleScale(
        mean,
        sd if sd > 0 and not is_constant(values) else abs(mean) or 1.0,
        reason="mean and SD of the analysed rows, so that this prior depends on the data",
    )
