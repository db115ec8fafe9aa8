"""How strong an unmeasured cause must be to explain an association away, against measured ones."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Unpack, override

import numpy as np
import numpy.typing as npt

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.benchmarks import Benchmark, benchmark_columns, benchmark_of
from alliance_bayes.effects.estimand import Estimand
from alliance_bayes.effects.explained import unique_variance
from alliance_bayes.effects.options import EffectOptions, chosen, with_common_options
from alliance_bayes.effects.slopes import averages_at, contrast_between
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import number_in, shown
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument

__all__ = [
    "CONFOUNDING",
    "Strength",
    "as_strong_as",
    "bias_share",
    "confounding",
    "e_value",
    "outcome_share_needed",
    "robustness_value",
]

type Towards = Literal["zero", "away", "either"]
#: A share, or its prior: "Beta(1, 9)", "Uniform(0, 0.2)".
type Share = float | str

_TOWARDS = ("zero", "away", "either")
_PRIOR = re.compile(r"\s*(Beta|Uniform)\s*\(([^(),]+),([^(),]+)\)\s*")
# A logistic variable has the SD pi / sqrt(3) = 1.81: the logarithm of the odds ratio is 1.81 d, and that of the risk
# ratio about half of it (VanderWeele and Ding 2017, table 2).
_PER_SD = 0.91


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


@with_common_options
def confounding(
    fit: FittedModel,
    *,
    predictor: str | None = None,
    benchmarks: Sequence[str] | None = None,
    times: float = 1.0,
    r2_predictor: Share | None = None,
    r2_outcome: Share | None = None,
    towards: Towards = "zero",
    **options: Unpack[EffectOptions],
) -> EffectTable:
    """How strong an unmeasured cause of predictor and outcome must be to explain their association.

    Parameters
    ----------
    fit
        The fitted model.
    predictor
        A numeric predictor; the model's focal one by default.
    benchmarks
        Measured covariates to compare with; by default all but the predictor, persons, providers and factors with
        more than 30 levels.
    times
        How many times as strong as each of them an unmeasured cause is taken to be.
    r2_predictor, r2_outcome
        Share of what the model leaves unexplained that an unmeasured cause is taken to explain of the predictor, and of
        the outcome given the predictor: a number in [0, 1), or a prior, ``"Beta(1, 9)"`` or ``"Uniform(0, 0.2)"``. Both
        or none.
    towards
        Where the estimate moves when that cause is allowed for: to ``"zero"`` (it made the association look stronger),
        ``"away"`` from it, or to ``"either"`` side, with equal probability.

    Returns
    -------
    EffectTable
        Of families whose expected outcome is the linear predictor:

        ``partial_r2``
            Partial R2 of predictor and outcome, the square of the partial correlation: the share of what is left of the
            predictor that a cause would have to explain if it explained all that is left of the outcome.
        ``robustness_value``
            Share of what is left of the predictor, and as much of what is left of the outcome, that a cause must
            explain to bring the slope to zero.
        ``robustness_to_margin``
            The same to bring the declared contrast into the ROPE; where there is one.
        ``benchmark_r2_predictor``, ``benchmark_r2_outcome``
            What a measured covariate (``factor``) explains of the predictor given the other terms, and of the outcome
            given the predictor and the others.
        ``contrast_as_strong``
            The declared contrast if there were a cause ``times`` as strong as that covariate, and it were allowed for.
        ``contrast_bias_adjusted``
            The declared contrast under the given shares or their priors.

        Of all families ``e_value``: the smallest risk ratio that a cause must have with the predictor (its higher
        against its lower value) and with the outcome to explain the contrast away.

        Draws in which the contrast lies on the other side of zero than its median count as explained away: 0 for the
        robustness values, 1 for the E-value. So the lower end of their intervals is that of the interval's end nearest
        to zero, and is 0 (or 1) where the interval holds zero.

    Raises
    ------
    UsageError
        An option is outside what is accepted, the predictor is not a numeric predictor of the model, a benchmark is no
        covariate of it, or benchmarks or shares are asked for in a family that is not linear.

    Notes
    -----
    With b the average slope, v the variance of the predictor given the other terms at the level at which it varies, and
    s2 the unexplained variance there (`alliance_bayes.effects.slopes`), draw by draw [1]_: partial R2 = b^2 v / (b^2 v
    + s2), f2 = b^2 v / s2, and the robustness value of a share q of the slope is (sqrt(f_q^4 + 4 f_q^2) - f_q^2) / 2
    with f_q = q f. An unmeasured cause with the partial R2s r_x and r_y moves the slope by sqrt(r_y r_x / (1 - r_x))
    sqrt(s2 / v). Without pooled factors and with flat priors these are the figures of sensemakr, whose t^2 / df is f2.
    They are about causes that act through the straight part of the association.

    The shares r_x and r_y are those of the population, independent of what the data tell: the data say nothing about
    them. The contrast under them is the contrast minus the bias, draw by draw.

    E-values [2]_ are of the ratio of expected outcomes where the outcome is an event or a count; elsewhere of exp(.91
    d), with d the contrast in residual SDs. The declared contrast is that of `slopes`; without rows a step of an SD.

    References
    ----------
    .. [1] Cinelli, Hazlett (2020). Making sense of sensitivity: extending omitted variable bias. Journal of the Royal
       Statistical Society B 82(1). doi 10.1111/rssb.12348
    .. [2] VanderWeele, Ding (2017). Sensitivity analysis in observational research: introducing the E-value. Annals of
       Internal Medicine 167(4). doi 10.7326/M16-2607
    """
    own: dict[str, Any] = {"r2_predictor": r2_predictor, "r2_outcome": r2_outcome, "towards": towards}
    return CONFOUNDING(fit, predictor=predictor, benchmarks=benchmarks, times=times, **own, **options)


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
        Of the predictor given the other terms.
    unexplained
        Variance of the outcome that the model leaves at the predictor's level, shape (n_draws,).
    change
        What is compared, in words.
    problem, why
        Why the slope's figures, or the contrast, are NaN; empty where they are not.
    """

    slope: np.ndarray
    contrast: np.ndarray
    span: float
    side: float
    variance: float
    unexplained: np.ndarray
    change: str
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
        return np.asarray(self.contrast - self.side * np.asarray(sign) * bias * self.per_bias)

    @classmethod
    def of(cls, analysis: Analysis, predictor: str) -> Strength:
        """That of an analysis, for a numeric predictor; of families that are not linear, of its contrast alone."""
        fit = analysis.fit
        draws, (problem,) = analysis.slopes(predictor, [{}])
        slope, ends = draws[:, 0], _ends(analysis, predictor)
        if ends is None:
            sd = fit.design.sd(predictor)
            span, contrast, change, why = sd, slope * sd, f"sample SD of {predictor}, {sd:.4g}", problem
        elif fit.design.is_indicator(predictor):
            span, contrast, change, why = 1.0, slope, f"1 {analysis.unit_of(predictor)}", problem
        else:
            span, (contrast, why, _) = ends[1] - ends[0], contrast_between(analysis, predictor, ends)
            change = f"{ends[0]:.5g} to {ends[1]:.5g} of {predictor}"
        side = -1.0 if float(np.median(contrast)) < 0 else 1.0
        nothing = np.full(analysis.n_draws, np.nan)
        if not fit.design.family.linear:
            return cls(slope, contrast, span, side, np.nan, nothing, change, problem, why)
        unique = unique_variance(fit, predictor, tables=analysis.tables)
        if not problem and unique.variance == 0:
            problem = f"{predictor} is a combination of the other terms, so that nothing of it is left"
        unexplained = unique.left + analysis.spread.residual
        problem = problem or why or analysis.infinite_variance
        return cls(slope, contrast, span, side, unique.variance or np.nan, unexplained, change, problem, why)


def _ends(analysis: Analysis, predictor: str) -> tuple[float, float] | None:
    """The two values that are compared; None where a step of an SD stands for them."""
    if analysis.fit.design.is_indicator(predictor):
        return 0.0, 1.0
    ends = analysis.contrast_ends(predictor)
    return None if ends is None or ends[0] == ends[1] else ends


class Confounding(Estimand):
    """See :func:`confounding`."""

    name = "confounding"
    title = "unmeasured confounding"
    options = EffectOptions
    needs_predictor = True
    measures = ReadOnly(
        {
            "partial_r2": Measure("Partial R² of {term} and outcome", "share"),
            "robustness_value": Measure("Robustness value, to zero", "share"),
            "robustness_to_margin": Measure("Robustness value, into the ROPE", "share"),
            "e_value": Measure("E-value", "risk ratio"),
            "benchmark_r2_predictor": Measure("{factor}: share of {term}", "share"),
            "benchmark_r2_outcome": Measure("{factor}: share of the outcome", "share"),
            "contrast_as_strong": Measure("With a cause as strong as {factor}", signed=True, judged=True),
            "contrast_bias_adjusted": Measure("Adjusted for a cause of given strength", signed=True, judged=True),
        }
    )

    @override
    def estimates(
        self,
        analysis: Analysis,
        *,
        predictor: str | None = None,
        benchmarks: Sequence[str] | None = None,
        times: float = 1.0,
        r2_predictor: Share | None = None,
        r2_outcome: Share | None = None,
        towards: Towards = "zero",
    ) -> Iterator[Estimate]:
        name, fit = analysis.predictor(predictor), analysis.fit
        _check(times, benchmarks, (r2_predictor, r2_outcome), towards)
        strength = Strength.of(analysis, name)
        row = partial(self.row, analysis, term=name)
        if not fit.design.family.linear:
            if benchmarks is not None or r2_predictor is not None:
                raise UsageError(
                    "shares of an unmeasured cause are of a linear regression, but the expected outcome of family "
                    f"'{fit.spec.family}' is not linear. Leave benchmarks and r2_predictor out: its E-value is there."
                )
            yield self._e_value(analysis, strength, name)
            return
        why, options = strength.problem, analysis.options
        f2 = strength.f2
        yield row("partial_r2", f2 / (1 + f2), note=why, size_of=strength.slope)
        yield row("robustness_value", strength.robustness(), denominator=strength.change, note=why)
        if options.rope is not None:
            margin = options.rope[1] if strength.side > 0 else -options.rope[0]
            facts: dict[str, Any] = {"denominator": strength.change, "rope": None, "relevant": None}
            yield row("robustness_to_margin", strength.robustness(max(margin, 0.0)), note=why, **facts)
        yield self._e_value(analysis, strength, name)
        names = benchmark_columns(fit, name) if benchmarks is None else list(dict.fromkeys(benchmarks))
        for column in names if not math.isnan(strength.variance) else ():
            found = benchmark_of(fit, name, column, variance=strength.variance, unexplained=strength.unexplained)
            yield from self._against(analysis, strength, name, column, found, times)
        if r2_predictor is not None and r2_outcome is not None:
            rng = np.random.default_rng([options.seed, 7])
            of_x, of_y = (_drawn(share, analysis.n_draws, rng) for share in (r2_predictor, r2_outcome))
            sign = rng.choice([-1.0, 1.0], analysis.n_draws) if towards == "either" else np.ones(analysis.n_draws)
            sign = -sign if towards == "away" else sign
            where = "either side" if towards == "either" else "zero" if towards == "zero" else "away from zero"
            taken = f"R2 {r2_predictor} with {name}, {r2_outcome} with the outcome, moving it to {where}"
            said = taken.replace("to away", "away")
            draws = strength.less(bias_share(of_x, of_y), sign)
            yield row("contrast_bias_adjusted", draws, denominator=strength.change, note=why or said)

    def _against(
        self, analysis: Analysis, strength: Strength, name: str, column: str, found: Benchmark, times: float
    ) -> Iterator[Estimate]:
        """The rows of one covariate."""
        row, why = partial(self.row, analysis, term=name, factor=column), strength.problem
        of_x, of_y = as_strong_as(found.predictor, found.outcome, times)
        impossible = f"nothing can be {times:g} times as strong as {column}" if np.isnan(of_x).any() else ""
        yield row("benchmark_r2_predictor", found.predictor, note=why)
        yield row("benchmark_r2_outcome", found.outcome, note=why)
        draws = strength.less(bias_share(of_x, of_y))
        change = f"{strength.change}, {times:g} times as strong"
        yield row("contrast_as_strong", draws, denominator=change, note=why or impossible)

    def _e_value(self, analysis: Analysis, strength: Strength, name: str) -> Estimate:
        """The E-value of the contrast."""
        family, why = analysis.fit.design.family, strength.why
        if family.event or family.has_trials or family.link == "log":
            of, ends = "ratio of expected outcomes", _ends(analysis, name)
            if ends is None:
                ratio, why = np.full(analysis.n_draws, np.nan), f"two values of {name} to compare are not known"
            else:
                averages, why = averages_at(analysis, name, ends)
                ratio = averages[:, 1] / averages[:, 0]
        else:
            of = "exp(.91 d), d in residual SDs"
            ratio = np.exp(_PER_SD * strength.contrast / np.sqrt(analysis.spread.residual))
        draws = e_value(ratio if strength.side > 0 else 1 / ratio)
        return self.row(analysis, "e_value", draws, term=name, denominator=f"{strength.change}; {of}", note=why)


CONFOUNDING = Confounding()


def _check(
    times: float, benchmarks: Sequence[str] | None, shares: tuple[Share | None, Share | None], towards: str
) -> None:
    chosen("towards", towards, _TOWARDS)
    if isinstance(times, bool) or not isinstance(times, int | float) or not (math.isfinite(times) and times > 0):
        raise UsageError(f"times should be a finite number greater than 0 but got {shown(times)}.")
    if isinstance(benchmarks, str):
        raise UsageError(f"benchmarks should be a sequence of names but got {benchmarks!r}. Write [{benchmarks!r}].")
    if (shares[0] is None) != (shares[1] is None):
        lacking = argument("r2_predictor", ...) if shares[0] is None else argument("r2_outcome", ...)
        raise UsageError(
            f"a cause explains some of the predictor and of the outcome. Give the other share, too: {lacking}."
        )
    for name, share in zip(("r2_predictor", "r2_outcome"), shares, strict=True):
        if share is not None and _prior(share) is None:
            raise UsageError(
                f"{name} should be a share in the interval [0, 1), or a prior of it such as 'Beta(1, 9)' or "
                f"'Uniform(0, 0.2)', but got {shown(share)}."
            )


def _prior(share: Share) -> tuple[str, float, float] | None:
    """A share or its prior as a kind and two numbers; None where it is none."""
    if isinstance(share, bool):
        return None
    if isinstance(share, int | float):
        return ("Uniform", float(share), float(share)) if 0 <= share < 1 else None
    found = _PRIOR.fullmatch(share) if isinstance(share, str) else None
    if found is None:
        return None
    numbers = [number_in(part.strip()) for part in found.groups()[1:]]
    first, second = numbers
    if first is None or second is None:
        return None
    fits = first > 0 and second > 0 if found[1] == "Beta" else 0 <= first < second <= 1
    return (found[1], first, second) if fits else None


def _drawn(share: Share, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Independent draws of a share, below 1."""
    prior = _prior(share)
    assert prior is not None
    kind, first, second = prior
    if first == second and kind == "Uniform":
        return np.full(n_draws, first)
    draws = rng.beta(first, second, n_draws) if kind == "Beta" else rng.uniform(first, second, n_draws)
    return np.minimum(draws, np.nextafter(1.0, 0.0))
