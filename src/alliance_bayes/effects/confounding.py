"""How strong an unmeasured cause must be to explain an association away, against measured ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal, Unpack, override

import numpy as np
import pandas as pd

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.benchmarks import Benchmark, benchmark_columns, benchmark_of
from alliance_bayes.effects.estimand import Estimand
from alliance_bayes.effects.exposure import Exposure
from alliance_bayes.effects.means import levels_to_compare
from alliance_bayes.effects.options import EffectOptions, with_common_options
from alliance_bayes.effects.strength import Strength, as_strong_as, bias_share, e_value
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import number_in, shown
from alliance_bayes.kinds import check_name, chosen, is_number, is_several, is_text_list
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument

__all__ = ["CONFOUNDING", "confounding"]

type Towards = Literal["zero", "away", "either"]
#: A share, or its prior: "Beta(1, 9)", "Uniform(0, 0.2)".
type Share = float | str

_TOWARDS = ("zero", "away", "either")
_PRIOR = re.compile(r"\s*(Beta|Uniform)\s*\(([^(),]+),([^(),]+)\)\s*")
# A logistic variable has the SD pi / sqrt(3) = 1.81: the logarithm of the odds ratio is 1.81 d, and that of the risk
# ratio about half of it (VanderWeele and Ding 2017, table 2).
_PER_SD = 0.91


@with_common_options
def confounding(
    fit: FittedModel,
    *,
    predictor: str | None = None,
    levels: Sequence[str] | None = None,
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
        A numeric predictor, or a factor of which two levels are compared; the model's focal one by default.
    levels
        Of a factor, the two levels: the second minus the first. Its first two by default.
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

        Of a factor, the contrast is the difference of the two levels' adjusted means, and the predictor an indicator of
        the second, given indicators of the levels that are neither.

        Of all families ``e_value``: the smallest risk ratio that a cause must have with the predictor (its higher
        against its lower value) and with the outcome to explain the contrast away.

        Draws in which the contrast lies on the other side of zero than its median count as explained away: 0 for the
        robustness values, 1 for the E-value. So the lower end of their intervals is that of the interval's end nearest
        to zero, and is 0 (or 1) where the interval holds zero.

    Raises
    ------
    UsageError
        An option is outside what is accepted, the predictor is none of the model's, levels are given of a number or are
        not two of the factor's, a benchmark is no covariate of the model, or benchmarks or shares are asked for in a
        family that is not linear.

    Notes
    -----
    With b the average slope, v the variance of the predictor given the other terms at the level at which it varies, and
    s2 the unexplained variance there (`alliance_bayes.effects.slopes`), draw by draw [1]_: partial R2 = b^2 v / (b^2 v
    + s2), f2 = b^2 v / s2, and the robustness value of a share q of the slope is (sqrt(f_q^4 + 4 f_q^2) - f_q^2) / 2
    with f_q = q f. An unmeasured cause with the partial R2s r_x and r_y moves the slope by sqrt(r_y r_x / (1 - r_x))
    sqrt(s2 / v). Without pooled factors and with flat priors these are the figures of sensemakr, whose t^2 / df is f2.
    They are about causes that act through the straight part of the association. Where values were drawn, v and what
    benchmarks explain are of each draw's own completed table, or of the kept one that is nearest to it.

    The shares r_x and r_y are those of the population, independent of what the data tell: the data say nothing about
    them. The contrast under them is the contrast minus the bias, draw by draw.

    E-values [2]_ are of the ratio of expected outcomes where the outcome is an event or a count (of a factor, that of
    the two levels' adjusted shares or means), and elsewhere of exp(.91 d), with d the contrast in residual SDs. The
    declared contrast is that of `slopes`; without rows a step of an SD.

    References
    ----------
    .. [1] Cinelli, Hazlett (2020). Making sense of sensitivity: extending omitted variable bias. Journal of the Royal
       Statistical Society B 82(1). doi 10.1111/rssb.12348
    .. [2] VanderWeele, Ding (2017). Sensitivity analysis in observational research: introducing the E-value. Annals of
       Internal Medicine 167(4). doi 10.7326/M16-2607
    """
    specific: dict[str, Any] = {"r2_predictor": r2_predictor, "r2_outcome": r2_outcome, "towards": towards}
    specific |= {"levels": levels}
    return CONFOUNDING(fit, predictor=predictor, benchmarks=benchmarks, times=times, **specific, **options)


class Confounding(Estimand):
    """See :func:`confounding`."""

    name = "confounding"
    title = "unmeasured confounding"
    options = EffectOptions
    measures = ReadOnly(
        {
            "partial_r2": Measure("Partial R² of {term} and outcome", "share", tells="spread"),
            "robustness_value": Measure("Robustness value, to zero", "share", tells="spread"),
            "robustness_to_margin": Measure("Robustness value, into the ROPE", "share", tells="spread"),
            "e_value": Measure("E-value", "risk ratio", tells="spread"),
            "benchmark_r2_predictor": Measure("{factor}: share of {term}", "share", tells="spread"),
            "benchmark_r2_outcome": Measure("{factor}: share of the outcome", "share", tells="spread"),
            "contrast_as_strong": Measure(
                "With a cause as strong as {factor}", signed=True, judged=True, tells="spread"
            ),
            "contrast_bias_adjusted": Measure(
                "Adjusted for a cause of given strength", signed=True, judged=True, tells="spread"
            ),
        }
    )

    @override
    def estimates(
        self,
        analysis: Analysis,
        *,
        predictor: str | None = None,
        levels: Sequence[str] | None = None,
        benchmarks: Sequence[str] | None = None,
        times: float = 1.0,
        r2_predictor: Share | None = None,
        r2_outcome: Share | None = None,
        towards: Towards = "zero",
    ) -> Iterator[Estimate]:
        fit = analysis.fit
        _check(times, benchmarks, (r2_predictor, r2_outcome), towards)
        exposure = _exposure(analysis, predictor, levels)
        name, strength = exposure.name, Strength.of(analysis, exposure)
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
        names = benchmark_columns(fit, exposure) if benchmarks is None else list(dict.fromkeys(benchmarks))
        for column in names if not strength.undefined else ():
            benchmark = benchmark_of(
                fit, exposure, column, variance=strength.variance, unexplained=strength.unexplained
            )
            yield from self._against(analysis, strength, name, column, benchmark, times)
        if r2_predictor is not None and r2_outcome is not None:
            rng = np.random.default_rng([options.seed, 7])
            of_x, of_y = (_drawn(share, analysis.n_draws, rng) for share in (r2_predictor, r2_outcome))
            sign = rng.choice([-1.0, 1.0], analysis.n_draws) if towards == "either" else np.ones(analysis.n_draws)
            sign = -sign if towards == "away" else sign
            where = "either side" if towards == "either" else "zero" if towards == "zero" else "away from zero"
            taken = f"R2 {r2_predictor} with {name}, {r2_outcome} with the outcome, moving it to {where}"
            note = taken.replace("to away", "away")
            draws = strength.less(bias_share(of_x, of_y), sign)
            yield row("contrast_bias_adjusted", draws, denominator=strength.change, note=why or note)

    def _against(
        self, analysis: Analysis, strength: Strength, name: str, column: str, benchmark: Benchmark, times: float
    ) -> Iterator[Estimate]:
        """The rows of one covariate."""
        row, why = partial(self.row, analysis, term=name, factor=column), strength.problem
        of_x, of_y = as_strong_as(benchmark.predictor, benchmark.outcome, times)
        impossible = f"nothing can be {times:g} times as strong as {column}" if np.isnan(of_x).any() else ""
        yield row("benchmark_r2_predictor", benchmark.predictor, note=why)
        yield row("benchmark_r2_outcome", benchmark.outcome, note=why)
        draws = strength.less(bias_share(of_x, of_y))
        change = f"{strength.change}, {times:g} times as strong"
        yield row("contrast_as_strong", draws, denominator=change, note=why or impossible)

    def _e_value(self, analysis: Analysis, strength: Strength, name: str) -> Estimate:
        """The E-value of the contrast."""
        of, ratio = "ratio of expected outcomes", strength.ratio
        if ratio is None:
            of = "exp(.91 d), d in residual SDs"
            ratio = np.exp(_PER_SD * strength.contrast / np.sqrt(analysis.spread.residual))
        draws = e_value(ratio if strength.side > 0 else 1 / ratio)
        return self.row(
            analysis, "e_value", draws, term=name, denominator=f"{strength.change}; {of}", note=strength.why
        )


CONFOUNDING = Confounding()


def _exposure(analysis: Analysis, predictor: str | None, levels: Sequence[str] | None) -> Exposure:
    """What is asked for: a numeric predictor, or two levels of a factor."""
    frame, name = analysis.fit.design.frame, predictor
    if name is not None:
        check_name("predictor", name)
    if name is None:
        name = analysis.fit.spec.focal_predictor(analysis.fit.design) or analysis.focal_factor
    of_levels = name is not None and name in frame and isinstance(frame[name].dtype, pd.CategoricalDtype)
    if name is None or not of_levels:
        if levels is not None and not (name in frame and analysis.fit.design.is_indicator(str(name))):
            raise UsageError(f"{argument('levels')} are of a factor, which {shown(name)} is not. Leave them out.")
        name = analysis.predictor(predictor)
        if levels is None:
            return Exposure(name)
    analysis.refuse_set(name, "whose levels are compared")
    known = analysis.levels(name)
    if levels is not None and (not is_text_list(levels) or len(levels) != 2):
        raise UsageError(f"{argument('levels')} should be two levels of '{name}' but got {shown(levels)}.")
    if len(known) < 2:
        raise UsageError(f"'{name}' has the same level in all analysed rows, so there is no difference.")
    (_, versus), (_, level) = levels_to_compare(analysis, name, known[:2] if levels is None else levels)
    return Exposure(name, level, versus)


def _check(
    times: float, benchmarks: Sequence[str] | None, shares: tuple[Share | None, Share | None], towards: str
) -> None:
    chosen("towards", towards, _TOWARDS)
    if not (is_number(times) and times > 0):
        raise UsageError(f"times should be a finite number greater than 0 but got {shown(times)}.")
    if not (benchmarks is None or is_several(benchmarks)):
        text = shown(benchmarks)
        raise UsageError(f"benchmarks should be a sequence of names but got {text}. Write [{text}].")
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
    if is_number(share):
        return ("Uniform", float(share), float(share)) if 0 <= share < 1 else None
    match = _PRIOR.fullmatch(share) if isinstance(share, str) else None
    if match is None:
        return None
    numbers = [number_in(part.strip()) for part in match.groups()[1:]]
    first, second = numbers
    if first is None or second is None:
        return None
    fits = first > 0 and second > 0 if match[1] == "Beta" else 0 <= first < second <= 1
    return (match[1], first, second) if fits else None


def _drawn(share: Share, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Independent draws of a share, below 1."""
    prior = _prior(share)
    assert prior is not None
    kind, first, second = prior
    if first == second and kind == "Uniform":
        return np.full(n_draws, first)
    draws = rng.beta(first, second, n_draws) if kind == "Beta" else rng.uniform(first, second, n_draws)
    return np.minimum(draws, np.nextafter(1.0, 0.0))
