"""What the priors say about outcomes before any are seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.bins import bin_counts
from alliance_bayes.checks.check import Check, CheckResult, Plot, percent
from alliance_bayes.checks.context import Context
from alliance_bayes.checks.drawing import BAND, OBSERVED, axes_of, label_of, legend
from alliance_bayes.checks.outcome_figures import MOST_BINS, bins_around
from alliance_bayes.checks.refits import called_difference, is_asked
from alliance_bayes.effects.analysis import Analysis, prior_fit
from alliance_bayes.effects.options import Options, default_population
from alliance_bayes.errors import ModelError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Design
from alliance_bayes.model.derivative import RoughnessError
from alliance_bayes.model.families import Outcome
from alliance_bayes.model.scales import SampleScale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PriorPredictive"]

# More than half of all simulated outcomes impossible: the priors are about something else than this scale.
OUTSIDE_LIMIT = 0.5
# Halfway between what lies at the two ends where every value is as likely, and all: the priors say that hardly anybody
# is in between. A continuous outcome has nobody there; of four levels they are half of it.
AT_ENDS_LIMIT = 0.5
# Of a count, whose logarithm may be as far below 0 as above, half are expected at 0 where nothing is known of its mean.
HALF_AT_LOWEST = 0.5
# Up to this share of simulated outcomes an axis without an upper end goes: the last ones are far beyond all others.
MOST_SHOWN = 0.95
# A median R2 beyond this: the priors say that the predictors explain nearly everything.
R2_LIMIT = 0.9
# Largest prior probability of a standardised slope beyond -1 or 1, which no correlation can have.
SLOPE_LIMIT = 0.5
DRAWS = 500
# Rows that outcomes are simulated for: 500 draws of so many are 40 MB. Of more rows, a random sample.
MOST_ROWS = 10_000


# What the one end of a scale is called, by whether it has no upper one.
_END = {True: "the lowest value", False: "the highest value"}
_OR = " or "


class PriorPredictive(Check):
    """Simulate outcomes of the analysed rows from the priors.

    ``warn`` when a figure passes its limit, else ``info``: a prior is a statement, and only its consequences can
    be judged. The table has ``quantity``, ``median``, ``lower``, ``upper`` (5 % and 95 % quantiles over prior
    draws), ``judged`` (the figure compared) and ``limit`` (NaN where there is none).

    Notes
    -----
    R2 is the variance of the expected outcomes over that plus the mean residual variance [1]_. The slope is the mean
    derivative of the expected outcome by the focal predictor times the predictor's SD in the rows, over the reference
    SD of the outcome's scale (the SD of the rows where the scale is not known); of a focal factor it is the difference
    of adjusted means over that SD, from the first level. Of more than 10,000 rows a random sample is looked at. For a
    fit made from moments, outcomes are simulated at weighted points that have the moments of the rows: R2 is then that
    of the rows, and the distribution of single outcomes is approximate.

    References
    ----------
    .. [1] Gelman, Goodrich, Gabry and Vehtari (2019), The American Statistician 73(3):307-309, doi
    10.1080/00031305.2018.1549100.
    """

    name = "prior_predictive"
    judges = ""
    tabled = True
    sees_rows = False
    title = "Prior predictive check"
    looks_at = "prior predictive check"
    meaning = "The priors imply outcomes that hardly anybody would expect; another prior set may give other results."
    concerns = ("effects",)
    holds_estimates = False
    repeated_in = "model"
    answers = ("BARG 1E", "WAMBS 1")

    def examine(self, context: Context) -> CheckResult:
        """Simulate outcomes of the analysed rows from the priors."""
        fit = context.fit
        design, outcome = fit.design, fit.design.outcome
        prior = prior_fit(fit, draws=DRAWS, seed=context.seed)
        at, weights = _looked_at(design, context.generator(5))
        rows_at = design.rows.take(at)
        outcome = outcome.of(rows_at.trials)
        parameters = prior.parameters_at(rows=rows_at)
        eta = prior.linear_predictor(rows_at)
        mean = design.family.expectation(eta, parameters, outcome)
        with np.errstate(over="ignore"):
            values = np.asarray(design.family.simulate(eta, parameters, outcome, context.generator(2)), dtype=float)
            spread = design.family.residual_variance(eta, parameters, outcome)
        spread = _averaged(spread, weights)
        explained = _variance(mean, weights)
        r2 = np.where(np.isinf(spread), 0.0, explained / np.maximum(explained + spread, 1e-300))
        rows = [_row("simulated outcome", values, np.nan, np.nan, weights)]
        warnings = []
        low, high = outcome.lower, outcome.upper
        bounded = design.family.ends(outcome) != (None, None)
        if not bounded and (low is not None or high is not None):
            outside = (values < (-np.inf if low is None else low)) | (values > (np.inf if high is None else high))
            shares = _averaged(outside, weights)
            rows.append(_row("share outside the scale", shares, shares.mean(), OUTSIDE_LIMIT))
            if shares.mean() > OUTSIDE_LIMIT:
                warnings.append(
                    f"{percent(shares.mean())} of outcomes simulated from the priors lie outside {_range(low, high)} "
                    f"(limit {percent(OUTSIDE_LIMIT)})"
                )
        elif (low is not None or high is not None) and (outcome.levels is None or outcome.levels.size > 2):
            ends = (values == low) | (values == high)
            limit = _at_ends_limit(outcome)
            rows.append(_row(f"share at {_ends_of(design)}", ends.mean(axis=1), ends.mean(), limit))
            if ends.mean() > limit:
                warnings.append(
                    f"{percent(ends.mean())} of outcomes simulated from the priors lie at {_range(low, high, _OR)} "
                    f"(limit {percent(limit)})"
                )
        # A share of many trials has next to no variance of its own, so that its R2 is near 1 whatever explains it.
        r2_limit = R2_LIMIT if outcome.trials is None else np.inf
        rows.append(_row("R2", r2, np.median(r2), _stated(r2_limit)))
        # Where no instrument fixes the outcome's scale the default priors are weak on purpose: on an identity link.
        linear = design.family.link == "identity"
        weak = linear and isinstance(design.scales.get(design.outcome.name), SampleScale)
        if np.median(r2) > r2_limit and not weak:
            warnings.append(f"half of the prior draws have an R2 above {np.median(r2):.3f} (limit {R2_LIMIT:g})")
        focal = fit.spec.focal_predictor(design)
        if focal is not None:
            slope = _standardised_slope(prior, focal, at, weights)
            if slope is not None:
                beyond = float((np.abs(slope) > 1).mean())
                # Nor is the SD of shares, which depends on the trials, a unit.
                slope_limit = SLOPE_LIMIT if outcome.trials is None else np.inf
                rows.append(_row(f"standardised slope of {focal}", slope, beyond, _stated(slope_limit)))
                weak = weak or (linear and isinstance(design.scales.get(focal), SampleScale))
                if beyond > slope_limit and not weak:
                    warnings.append(
                        f"the standardised slope of {focal} is beyond -1 or 1 in {percent(beyond)} of prior draws "
                        f"(limit {percent(SLOPE_LIMIT)})"
                    )
        for name, difference in _standardised_differences(prior, fit.design):
            beyond = float((np.abs(difference) > 1).mean())
            rows.append(_row(name, difference, beyond, SLOPE_LIMIT))
            weak = weak or (linear and isinstance(design.scales.get(design.outcome.name), SampleScale))
            if beyond > SLOPE_LIMIT and not weak:
                warnings.append(
                    f"the {name} is beyond -1 or 1 in {percent(beyond)} of prior draws (limit {percent(SLOPE_LIMIT)})"
                )
        if warnings:
            sentence = f"The priors are hard to believe: {'; '.join(warnings)}. Narrow them, or say why they are meant."
        elif weak:
            sentence = (
                "The priors are weak, since their scales are those of the analysed rows, and rule little out: "
                f"{_summary(rows)}. Declare scales, or state priors, to say what is believed."
            )
        else:
            sentence = f"What the priors imply is within the stated limits: {_summary(rows)}."
        if fit.moments is not None:
            sentence += (
                " The fit was made from moments: outcomes were simulated at points that have the rows' moments, so the "
                "share of single outcomes outside the scale is approximate."
            )
        return self.result(
            "warn" if warnings else "info",
            sentence,
            pd.DataFrame(rows, columns=["quantity", "median", "lower", "upper", "judged", "limit"]),
            plots=(prior_outcomes(design, values, weights),),
        )


def _looked_at(design: Design, rng: np.random.Generator) -> tuple[slice | np.ndarray, np.ndarray | None]:
    """Places of all rows, or of a sample; and how many participants each stands for (None: as many as the others)."""
    if design.rows.n <= MOST_ROWS:
        return slice(None), design.weights
    share = None if design.weights is None else design.weights / design.weights.sum()
    return np.sort(rng.choice(design.rows.n, MOST_ROWS, p=share)), None


def _stated(limit: float) -> float:
    """A limit as a table has it: none is NaN."""
    return limit if np.isfinite(limit) else np.nan


def _at_ends_limit(outcome: Outcome) -> float:
    """Share at the two ends above which the priors say that hardly anybody is in between."""
    if outcome.upper is None:
        even = HALF_AT_LOWEST
    elif outcome.trials is not None:
        even = float(np.minimum(1.0, 2.0 / (outcome.trials + 1.0)).mean())
    else:
        even = 0.0 if outcome.levels is None else 2.0 / outcome.levels.size
    return even + AT_ENDS_LIMIT * (1.0 - even)


def _averaged(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Mean over rows of values of shape (n_draws, n_rows)."""
    return np.asarray(np.average(values, axis=1, weights=weights))


def _variance(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Variance over rows (divisor n - 1) of values of shape (n_draws, n_rows)."""
    if weights is None:
        return np.asarray(values.var(axis=1, ddof=1))
    away = values - _averaged(values, weights)[:, None]
    return np.asarray(away**2 @ weights / (weights.sum() - 1))


def _standardised_slope(
    prior: FittedModel, focal: str, at: slice | np.ndarray, weights: np.ndarray | None
) -> np.ndarray | None:
    """Slope of the expected outcome by one column in each draw, standardised; None where the rows cannot be moved."""
    design: Design = prior.design
    if focal not in design.frame.columns or not pd.api.types.is_numeric_dtype(design.frame[focal]):
        return None
    frame = design.frame.iloc[at]
    still = design.rows if design.points else design.rows.take(at)
    try:
        change = design.change(frame, focal, still)
    except (ModelError, RoughnessError):
        return None
    if not np.isfinite(change.known).all():
        return None
    step = 1e-3 * design.sd(focal)
    family, outcome, parameters = design.family, design.outcome, prior.parameters_at(rows=still)
    before, after = (
        family.expectation(prior.linear_predictor(rows), parameters, outcome)
        for rows in (still.along(change, -step), still.along(change, step))
    )
    scale = design.scales.get(outcome.name)
    sd = design.sd(outcome.name) if scale is None else scale.sd
    return np.asarray(_averaged((after - before) / (2 * step), weights) * design.sd(focal) / sd)


def _standardised_differences(prior: FittedModel, design: Design) -> Iterator[tuple[str, np.ndarray]]:
    """Differences of a focal factor's adjusted means from its first level in each draw, over the outcome's SD."""
    factor = prior.spec.focal_factor(design)
    # The SD of an event is no unit: how far probabilities differ is bounded by itself.
    if factor is None or design.family.event or not is_asked(prior):
        return
    outcome = design.outcome.name
    scale = design.scales.get(outcome)
    sd = design.sd(outcome) if scale is None else scale.sd
    levels, means, problems = Analysis(prior, Options(population=default_population(prior))).by_level(factor)
    for level, mean, problem in zip(levels[1:], means[1:], problems[1:], strict=True):
        if not problem and not problems[0]:
            yield f"standardised {called_difference(factor, 'mean', level, levels[0])}", (mean - means[0]).ravel() / sd


def _row(
    name: str, values: np.ndarray, judged: float, limit: float, weights: np.ndarray | None = None
) -> tuple[str, float, float, float, float, float]:
    if weights is None:
        lower, median, upper = np.quantile(values, [0.05, 0.5, 0.95])
    else:
        spread = np.broadcast_to(weights, values.shape).ravel()
        lower, median, upper = np.quantile(values.ravel(), [0.05, 0.5, 0.95], weights=spread, method="inverted_cdf")
    return (name, float(median), float(lower), float(upper), float(judged), limit)


def _summary(rows: list[tuple[str, float, float, float, float, float]]) -> str:
    parts = []
    for name, median, lower, upper, judged, limit in rows[1:]:
        if name.startswith("share"):
            parts.append(
                f"{percent(judged)} of simulated outcomes are {name.removeprefix('share ')} (limit {percent(limit)})"
            )
        else:
            parts.append(f"{name} {median:.2f} ({lower:.2f} to {upper:.2f})")
    return "; ".join(parts)


def _range(low: float | None, high: float | None, word: str = " to ") -> str:
    if low is None or high is None:
        # Outcomes lie outside an end of a scale, and at the least or the greatest that there is.
        what = f"{_END[high is None]}," if word == _OR else "the end of the scale at"
        return f"{what} {low if high is None else high:g}"
    return f"{low:g}{word}{high:g}"


def _ends_of(design: Design) -> str:
    """What the least and the greatest outcome are called: levels that were observed are no ends of a scale."""
    outcome, scale = design.outcome, design.scales.get(design.outcome.name)
    observed = outcome.levels is not None and (scale is None or scale.levels is None)
    single = outcome.lower is None or outcome.upper is None
    if single and not observed:
        return _END[outcome.upper is None]
    return "the lowest and the highest level" if observed else "the ends of the scale"


def prior_outcomes(design: Design, values: np.ndarray, weights: np.ndarray | None = None) -> Plot:
    """Outcomes simulated from the prior, with the ends of the scale.

    Parameters
    ----------
    design
        For the scale and labels.
    values
        Simulated outcomes, shape (n_draws, n).
    weights
        Participants that each row stands for, shape (n,); as many as the others by default.
    """
    ends = [end for end in (design.outcome.lower, design.outcome.upper) if end is not None]
    counts = design.outcome.upper is None and design.family.discrete
    low, high = np.quantile(values, [0.005, MOST_SHOWN if counts else 0.995])
    # Not to the lowest and the highest outcome: each is somebody's.
    low, high = min([low, *ends]), max([high, *ends])
    levels = design.outcome.levels
    if levels is not None:
        edges = bins_around(levels, levels[0], levels[-1]).edges
    elif counts:
        # As many whole numbers in every bar.
        wide = max(1, math.ceil((high - low + 1) / MOST_BINS))
        edges = low - 0.5 + wide * np.arange(math.ceil((high - low + 1) / wide) + 1)
        high = edges[-1]
    else:
        edges = np.linspace(low, high, MOST_BINS + 1)
    outside = float(np.average(((values < low) | (values > high)).mean(axis=0), weights=weights))
    inside = bin_counts(values, edges, weights).sum(axis=0)
    shares = inside / (values.size if weights is None else len(values) * weights.sum())

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        axes.stairs(100 * shares, edges, fill=True, color=BAND, label="simulated from the priors")
        for position, end in enumerate(ends):
            axes.axvline(
                end,
                color=OBSERVED,
                linestyle="--",
                linewidth=1.3,
                label=_ends_of(design).removeprefix("the ") if not position else None,
            )
        axes.set_xlabel(label_of(design, design.outcome.name))
        axes.set_ylabel("Simulated outcomes (%)")
        legend(figure, axes)

    return Plot(
        "prior-outcomes",
        "Outcomes that the priors expect",
        f"Histogram of {design.outcome.name} simulated from the priors for the analysed rows"
        + (f", with {_ends_of(design)} at {' and '.join(f'{end:g}' for end in ends)}" if ends else "")
        + (f". {percent(outside, 1)} lie beyond the axis." if outside > 0 else "."),
        draw,
    )
