"""How strong an unmeasured cause is or must be, in shares that it explains or in risk ratios."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.explained import unique_variance
from alliance_bayes.effects.exposure import Exposure
from alliance_bayes.effects.slopes import averages_at, contrast_between
from alliance_bayes.wording import ends_of

__all__ = [
    "Strength",
    "as_strong_as",
    "bias_share",
    "e_value",
    "outcome_share_needed",
    "robustness_value",
]


def robustness_value(f2: npt.ArrayLike, share: npt.ArrayLike = 1.0) -> np.ndarray:
    """Share of what is left of predictor and outcome alike that an unmeasured cause must explain.

    Parameters
    ----------
    f2
        Partial f2 of predictor and outcome, R2 / (1 - R2).
    share
        Share of the slope that it is to explain: 1 brings it to zero.

    Returns
    -------
    numpy.ndarray
        Between 0 and 1.
    """
    of = np.asarray(share, float) ** 2 * np.asarray(f2, float)
    # Written so that a large f2 loses no digits.
    return 2 * of / (np.sqrt(of**2 + 4 * of) + of + np.finfo(float).tiny)


def bias_share(r2_predictor: npt.ArrayLike, r2_outcome: npt.ArrayLike) -> np.ndarray:
    """Bias of a slope in units of the unexplained SD of the outcome per unexplained SD of the predictor.

    Parameters
    ----------
    r2_predictor, r2_outcome
        Partial R2 of the unmeasured cause with the predictor, and with the outcome given the predictor.

    Returns
    -------
    numpy.ndarray
        The root of r2_outcome r2_predictor / (1 - r2_predictor).
    """
    x, y = np.asarray(r2_predictor, float), np.asarray(r2_outcome, float)
    return np.asarray(np.sqrt(y * x / (1 - x)))


def outcome_share_needed(r2_predictor: npt.ArrayLike, f: npt.ArrayLike) -> np.ndarray:
    """Share of the outcome that goes with a share of the predictor for a bias of ``f``; see :func:`bias_share`.

    Parameters
    ----------
    r2_predictor
        In (0, 1].
    f
        The bias, as a partial f.

    Returns
    -------
    numpy.ndarray
        Above 1 where no cause is strong enough.
    """
    x = np.asarray(r2_predictor, float)
    return np.asarray(np.asarray(f, float) ** 2 * (1 - x) / x)


def as_strong_as(
    r2_predictor: npt.ArrayLike, r2_outcome: npt.ArrayLike, times: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Partial R2 of an unmeasured cause that is some times as strong as a measured covariate.

    Parameters
    ----------
    r2_predictor, r2_outcome
        Partial R2 of the covariate with the predictor, and with the outcome given the predictor.
    times
        How many times as strong, in explained variance of both.

    Returns
    -------
    tuple of numpy.ndarray
        With the predictor, and with the outcome given it (at most 1); NaN where so strong a cause cannot be.

    Notes
    -----
    Cinelli and Hazlett (2020), footnote 10: the bound with equality.
    """
    x, y = np.broadcast_arrays(np.asarray(r2_predictor, float), np.asarray(r2_outcome, float))
    with np.errstate(divide="ignore", invalid="ignore"):
        of_x = times * x / (1 - x)
        between = times * x**2 / ((1 - times * x) * (1 - x))
        possible = (of_x < 1) & (between < 1) & (times * x < 1) & (y < 1)
        of_y = ((math.sqrt(times) + np.sqrt(between)) / np.sqrt(1 - between)) ** 2 * y / (1 - y)
    return np.where(possible, of_x, np.nan), np.where(possible, np.minimum(of_y, 1.0), np.nan)


def e_value(ratio: npt.ArrayLike) -> np.ndarray:
    """E-value of a risk ratio.

    Parameters
    ----------
    ratio
        At least 1 on the side that is asked about; 1 for what is on the other side.

    Returns
    -------
    numpy.ndarray
        Smallest risk ratio with predictor and outcome alike by which an unmeasured cause explains this one.
    """
    above = np.maximum(np.asarray(ratio, float), 1.0)
    return np.asarray(above + np.sqrt(above * (above - 1)))


@dataclass(frozen=True, eq=False)
class Strength:
    """What an unmeasured cause is measured by, draw by draw.

    Parameters
    ----------
    slope, contrast
        Average slope, and the declared contrast, shape (n_draws,).
    span
        Distance between the two values of the predictor that the contrast compares.
    side
        1 or -1: that of the contrast's median.
    variance
        Of the predictor given the other terms; one for each draw where values were drawn.
    unexplained
        Variance of the outcome that the model leaves at the predictor's level, shape (n_draws,).
    change
        What is compared, in words.
    ratio
        Expected outcome at the higher value, or the level, over that at the other, shape (n_draws,); None where it is
        not asked for.
    problem, why
        Why the slope's figures, or the contrast, are NaN; empty where they are not.
    """

    slope: np.ndarray
    contrast: np.ndarray
    span: float
    side: float
    variance: float | np.ndarray
    unexplained: np.ndarray
    change: str
    ratio: np.ndarray | None = None
    problem: str = ""
    why: str = ""

    @property
    def f2(self) -> np.ndarray:
        """Partial f2 of predictor and outcome."""
        return np.asarray(self.slope**2 * self.variance / self.unexplained)

    @property
    def per_bias(self) -> np.ndarray:
        """Points of the contrast that go with a bias of 1; see :func:`bias_share`."""
        return np.asarray(self.span * np.sqrt(self.unexplained / self.variance))

    @property
    def towards_zero(self) -> np.ndarray:
        """Whether a draw is on the side of the median."""
        return np.asarray(self.contrast * self.side > 0)

    def robustness(self, margin: float = 0.0) -> np.ndarray:
        """Robustness values to a distance of the contrast from zero; 0 in draws that are within it already."""
        size = self.side * self.contrast
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(size > margin, (size - margin) / size, 0.0)
        return np.where(self.towards_zero, robustness_value(self.f2, share), 0.0)

    def less(self, bias: np.ndarray, sign: npt.ArrayLike = 1.0) -> np.ndarray:
        """The contrast less a bias towards the side of its median."""
        # No bias of an infinite residual variance is none that can be told; the row says so.
        with np.errstate(invalid="ignore"):
            return np.asarray(self.contrast - self.side * np.asarray(sign) * bias * self.per_bias)

    @property
    def undefined(self) -> bool:
        """Whether nothing of the predictor is left to go with a cause."""
        return bool(np.isnan(self.variance).any())

    @classmethod
    def of(cls, analysis: Analysis, exposure: Exposure) -> Strength:
        """That of an analysis; of families that are not linear, of its contrast alone.

        Parameters
        ----------
        analysis
            The analysis.
        exposure
            A numeric predictor, or two levels of a factor.
        """
        fit, predictor = analysis.fit, exposure.name
        effect = _of_slope(analysis, predictor) if exposure.level is None else _of_levels(analysis, exposure)
        side = -1.0 if float(np.median(effect.contrast)) < 0 else 1.0
        nothing = np.full(analysis.n_draws, np.nan)
        facts = (effect.slope, effect.contrast, effect.span, side)
        if not fit.design.family.linear:
            return cls(*facts, np.nan, nothing, effect.change, effect.ratio, effect.problem, effect.why)
        unique = unique_variance(fit, exposure, tables=analysis.tables)
        variance, problem = np.asarray(unique.variance), effect.problem
        if not problem and (variance == 0).any():
            problem = f"{predictor} is a combination of the other terms, so that nothing of it is left"
        unexplained = unique.left + analysis.spread.residual
        problem = problem or effect.why or analysis.infinite_variance
        variance = np.where((variance == 0).any(), np.nan, variance)
        left = float(variance) if variance.ndim == 0 else variance
        return cls(*facts, left, unexplained, effect.change, effect.ratio, problem, effect.why)


@dataclass(frozen=True, eq=False)
class _Effect:
    """A slope (of two levels, their difference), the contrast, what it is of, and why either is NaN."""

    slope: np.ndarray
    contrast: np.ndarray
    span: float
    change: str
    problem: str
    why: str
    ratio: np.ndarray | None = None


def _of_slope(analysis: Analysis, predictor: str) -> _Effect:
    fit = analysis.fit
    draws, (problem,) = analysis.slopes(predictor, [{}])
    slope, ends = draws[:, 0], _ends(analysis, predictor)
    ratio, known = None, ""
    if asks_for_ratio(analysis):
        if ends is None:
            ratio, known = np.full(analysis.n_draws, np.nan), f"two values of {predictor} to compare are not known"
        else:
            averages, known = averages_at(analysis, predictor, ends)
            ratio = averages[:, 1] / averages[:, 0]
    if ends is None:
        sd = fit.sd(predictor)
        return _Effect(slope, slope * sd, sd, f"sample SD of {predictor}, {sd:.4g}", problem, known or problem, ratio)
    if fit.design.is_indicator(predictor):
        return _Effect(slope, slope, 1.0, f"1 {analysis.unit_of(predictor)}", problem, known or problem, ratio)
    contrast, why, _ = contrast_between(analysis, predictor, ends)
    change = f"{' to '.join(ends_of(*ends))} of {predictor}"
    return _Effect(slope, contrast, ends[1] - ends[0], change, problem, known or why, ratio)


def _of_levels(analysis: Analysis, exposure: Exposure) -> _Effect:
    labels, apart, problems = analysis.by_level(exposure.name, apart=True)
    first, second = (labels.index(str(label)) for label in (exposure.level, exposure.versus))
    difference, ratio = (apart[first] - apart[second]).ravel(), None
    why = problems[first] or problems[second]
    if asks_for_ratio(analysis):
        block = analysis.by_level(exposure.name)[1]
        ratio = (block[first] / block[second]).ravel()
    return _Effect(difference, difference, 1.0, f"{exposure.level} minus {exposure.versus}", why, why, ratio)


def asks_for_ratio(analysis: Analysis) -> bool:
    """Whether expected outcomes have a ratio that means something: those of events and counts."""
    family = analysis.fit.design.family
    return bool(family.event or family.has_trials or family.link == "log")


def _ends(analysis: Analysis, predictor: str) -> tuple[float, float] | None:
    """The two values that are compared; None where a step of an SD stands for them."""
    if analysis.fit.design.is_indicator(predictor):
        return 0.0, 1.0
    ends = analysis.contrast_ends(predictor)
    return None if ends is None or ends[0] == ends[1] else ends
