"""Every estimand of a model in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.contrasts import contrast_quantities
from alliance_bayes.effects.means import mean_quantities, rank_quantities
from alliance_bayes.effects.options import DENOMINATORS, Relevant, Rope, chosen, make_options
from alliance_bayes.effects.slopes import level_slope_quantities, slope_quantities
from alliance_bayes.effects.summary import Estimate, summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.effects.variance import r2_quantities, variance_quantities
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel

__all__ = ["DEFAULT_ESTIMANDS", "ESTIMANDS", "effects"]

# Levels that a factor may have for its levels, and for all their pairs, to be in a table that nobody asked for in
# particular.
_MOST_LEVELS = 200
_MOST_COMPARED = 60


@dataclass(frozen=True)
class _Request:
    """What one call asks for, and where it notes what it leaves out."""

    analysis: Analysis
    predictor: str | None
    denominator: str
    left_out: list[str]


def effects(
    fit: FittedModel,
    *,
    estimands: Sequence[str] | None = None,
    predictor: str | None = None,
    denominator: str = "residual_sd",
    population: str = "sample",
    prob: float = 0.89,
    interval: str = "eti",
    rope: Rope = "default",
    relevant: Relevant = "default",
    seed: int = 0,
) -> EffectTable:
    """Everything there is to say about a fit, in one table.

    Parameters
    ----------
    fit
        The fitted model.
    estimands
        Any of ``slopes``, ``slopes_by_level``, ``means``, ``contrasts_of_means``, ``contrasts_of_slopes``,
        ``variance``, ``r2`` and ``ranks``; all but the ranks by default. Factors are the pooled ones and the
        categorical columns of common terms.
    predictor
        The numeric predictor whose slope is asked for; the model's focal one by default.
    denominator
        What Cohen's d is divided by, ``"residual_sd"`` or ``"total_sd"``; see :func:`contrasts`.
    population
        Which levels of the factors averages are over: ``"sample"``, ``"equal"`` or ``"new"``; see :func:`slopes`.
        Variance shares and R2 are always of the sample.
    prob, interval
        Probability and kind of the intervals: ``"eti"`` (equal tails) or ``"hdi"`` (highest density).
    rope, relevant
        Region of practical equivalence and smallest relevant change in points of the outcome; those of the WHO-5 for
        a WHO-5 outcome by default, none for others.
    seed
        Seed for the effects of new levels.

    Returns
    -------
    EffectTable
        ``left_out`` names what the model or its size ruled out: slopes of a model without a numeric predictor, levels
        of a factor with more than 200 and pairs of one with more than 60, which :func:`adjusted_means` and
        :func:`contrasts` give.

    Raises
    ------
    UsageError
        An option is outside what is accepted, or an estimand is unknown; the message lists the options.
    """
    chosen("denominator", denominator, DENOMINATORS)
    asked = DEFAULT_ESTIMANDS if estimands is None else tuple(dict.fromkeys(estimands))
    if isinstance(estimands, str):
        raise UsageError(f"estimands should be a sequence of names but got {estimands!r}. Write [{estimands!r}].")
    for name in asked:
        chosen("an estimand", name, ESTIMANDS)
    options = make_options(
        fit, prob=prob, interval=interval, rope=rope, relevant=relevant, population=population, seed=seed
    )
    request = _Request(Analysis(fit, options), predictor, denominator, [])
    # A slope that was asked for by name is an error where there is none; one that everybody gets is left out.
    quiet = estimands is None and predictor is None and fit.spec.focal_predictor(fit.design) is None
    if quiet:
        request.left_out.append("slopes: the model has no numeric predictor")
        asked = tuple(name for name in asked if "slope" not in name)
    quantities = [quantity for name in asked for quantity in ESTIMANDS[name](request)]
    table = summarise(quantities, options, left_out=request.left_out)
    table.asked = {
        "estimands": None if estimands is None else list(estimands),
        "predictor": predictor,
        "denominator": denominator,
        "population": population,
        "prob": prob,
        "interval": interval,
        "rope": list(rope) if isinstance(rope, tuple) else rope,
        "relevant": relevant,
        "seed": seed,
    }
    return table


def _slopes(request: _Request) -> Iterator[Estimate]:
    return slope_quantities(request.analysis, request.predictor)


def _slopes_by_level(request: _Request) -> Iterator[Estimate]:
    for factor in _small_enough(request, _MOST_LEVELS, "slopes by level", "slopes_by_level"):
        yield from level_slope_quantities(request.analysis, factor, request.predictor)


def _means(request: _Request) -> Iterator[Estimate]:
    for factor in _small_enough(request, _MOST_LEVELS, "means", "adjusted_means"):
        yield from mean_quantities(request.analysis, factor)


def _contrasts_of(of: str) -> Callable[[_Request], Iterator[Estimate]]:
    def quantities(request: _Request) -> Iterator[Estimate]:
        predictor = request.predictor if of == "slope" else None
        analysis = request.analysis
        for factor in _small_enough(request, _MOST_COMPARED, f"contrasts of {of}s", "contrasts(levels=...)"):
            if analysis.options.population == "new" and analysis.is_sampled(factor):
                request.left_out.append(
                    f"contrasts of {of}s by '{factor}': a new level has nothing to be compared with"
                )
                continue
            yield from contrast_quantities(
                analysis, factor, of=of, denominator=request.denominator, predictor=predictor
            )

    return quantities


def _ranks(request: _Request) -> Iterator[Estimate]:
    for factor in _small_enough(request, _MOST_LEVELS, "ranks", "ranks"):
        yield from rank_quantities(request.analysis, factor)


def _variance(request: _Request) -> Iterator[Estimate]:
    return variance_quantities(request.analysis)


def _r2(request: _Request) -> Iterator[Estimate]:
    return r2_quantities(request.analysis)


def _small_enough(request: _Request, most: int, what: str, instead: str) -> Iterable[str]:
    for factor in request.analysis.factors():
        count = len(request.analysis.levels(factor))
        if count <= most:
            yield factor
        else:
            request.left_out.append(f"{what} by '{factor}': {count:,} levels; ask for them with {instead}")


ESTIMANDS: Mapping[str, Callable[[_Request], Iterator[Estimate]]] = {
    "slopes": _slopes,
    "slopes_by_level": _slopes_by_level,
    "means": _means,
    "contrasts_of_means": _contrasts_of("mean"),
    "contrasts_of_slopes": _contrasts_of("slope"),
    "variance": _variance,
    "r2": _r2,
    "ranks": _ranks,
}
DEFAULT_ESTIMANDS = tuple(name for name in ESTIMANDS if name != "ranks")
