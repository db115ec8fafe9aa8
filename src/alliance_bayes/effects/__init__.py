"""Effects: what is estimated of a fit, draw by draw: one object an estimand; here is which there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, Unpack

from alliance_bayes.blas import one_blas_thread
from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.at import cells_of, plain_at
from alliance_bayes.effects.coefficients import COEFFICIENTS, coefficients
from alliance_bayes.effects.compared import COMPARED_SLOPES, compared_slopes
from alliance_bayes.effects.confounding import CONFOUNDING, confounding
from alliance_bayes.effects.delta import Delta, moved_fit
from alliance_bayes.effects.equivalence import equivalence
from alliance_bayes.effects.estimand import Estimand, known_options
from alliance_bayes.effects.improvement import IMPROVEMENT, improvement
from alliance_bayes.effects.means import (
    ADJUSTED_MEANS,
    CONTRASTS,
    OVERALL_MEAN,
    RANKS,
    adjusted_means,
    contrasts,
    overall_mean,
    ranks,
)
from alliance_bayes.effects.options import (
    DENOMINATORS,
    EffectAtOptions,
    defaults_of,
    make_options,
    with_common_options,
)
from alliance_bayes.effects.overlap import Overlap, overlap
from alliance_bayes.effects.predictions import PREDICTIONS, predictions
from alliance_bayes.effects.ratings import group_ratings
from alliance_bayes.effects.regression_to_mean import REGRESSION_TO_MEAN, regression_to_mean
from alliance_bayes.effects.responders import RESPONDERS, responders
from alliance_bayes.effects.slopes import (
    MODERATION,
    SLOPES,
    SLOPES_BY_LEVEL,
    moderation,
    slopes,
    slopes_by_level,
)
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.effects.superiority import SUPERIORITY, superiority
from alliance_bayes.effects.table import COLUMNS, Draws, EffectTable, Measure
from alliance_bayes.effects.tipping import TippingPoint, tipping_point
from alliance_bayes.effects.variance import BAYESIAN_R2, VARIANCE_PARTITION, bayesian_r2, variance_partition
from alliance_bayes.errors import AllianceBayesError, UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import chosen, is_several
from alliance_bayes.notebook import number, table
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument

__all__ = [
    "COLUMNS",
    "DEFAULT_ESTIMANDS",
    "ESTIMANDS",
    "Analysis",
    "Draws",
    "EffectTable",
    "Estimand",
    "Estimate",
    "FitWithEffects",
    "Measure",
    "Overlap",
    "TippingPoint",
    "adjusted_means",
    "bayesian_r2",
    "choose_estimands",
    "coefficients",
    "compared_slopes",
    "confounding",
    "contrasts",
    "effects",
    "equivalence",
    "group_ratings",
    "improvement",
    "moderation",
    "overall_mean",
    "overlap",
    "predictions",
    "ranks",
    "regression_to_mean",
    "responders",
    "slopes",
    "slopes_by_level",
    "superiority",
    "tipping_point",
    "variance_partition",
]

#: The estimands of the package by name, as messages list them.
ESTIMANDS: Mapping[str, Estimand] = ReadOnly(
    {
        estimand.name: estimand
        for estimand in (
            SLOPES,
            SLOPES_BY_LEVEL,
            ADJUSTED_MEANS,
            CONTRASTS,
            VARIANCE_PARTITION,
            BAYESIAN_R2,
            RANKS,
            OVERALL_MEAN,
            PREDICTIONS,
            MODERATION,
            COMPARED_SLOPES,
            RESPONDERS,
            IMPROVEMENT,
            SUPERIORITY,
            REGRESSION_TO_MEAN,
            COEFFICIENTS,
            CONFOUNDING,
        )
    }
)
#: Those of a table that names none.
DEFAULT_ESTIMANDS = ("slopes", "slopes_by_level", "adjusted_means", "contrasts", "variance_partition", "bayesian_r2")

type Estimands = Iterable[str | Estimand] | Mapping[str | Estimand, Mapping[str, Any]]


@one_blas_thread()
@with_common_options
def effects(
    fit: FittedModel,
    estimands: Estimands | None = None,
    *,
    predictor: str | None = None,
    denominator: Literal["residual_sd", "total_sd"] = "residual_sd",
    **options: Unpack[EffectAtOptions],
) -> EffectTable:
    """Several estimands, or everything that there is to say about a fit, in one table.

    Parameters
    ----------
    fit
        The fitted model.
    estimands
        Names of estimands (each is also a method of a fit), or estimands of your own (:class:`Estimand`), in the order
        of the table. A mapping gives options of their own to some: ``{"slopes": {}, "responders": {"at_least": 32,
        "factor": "sex"}}``. By default those of `DEFAULT_ESTIMANDS`, and `compared_slopes` where
        the model names what to compare (``against``); all are in `ESTIMANDS`. Contrasts are of means and
        of slopes, and what is by factor is so by every factor (the pooled ones and the categorical columns of common
        terms), unless their options name one. ``at`` is theirs too: ``{"slopes": {}, "contrasts": {"factor": "arm",
        "at": {"month": [2, 12]}}}``.
    predictor
        The numeric predictor whose slopes are asked for; the model's focal one by default. Where the focal one is a
        factor, there are no slopes unless one is named here: its levels are compared by contrasts.
    denominator
        What Cohen's d is divided by, ``"residual_sd"`` or ``"total_sd"``; see :func:`contrasts`.

    Returns
    -------
    EffectTable
        ``left_out`` names what the model or its size ruled out: slopes of a model without a numeric predictor, levels
        of a factor with more than 200 and pairs of one with more than 60, which :func:`adjusted_means` and
        :func:`contrasts` give; with ``at``, also what varies the same predictor by itself, and variance shares and R2.
        These, improvement and regression to the mean are of the sample, whatever the population.

    Raises
    ------
    UsageError
        An option is outside what is accepted, an estimand is unknown or lacks an option, or ``at`` is given to one
        named that is of the analysed rows as they are; the message lists what there is.
    """
    known_options("effects", options, ["estimands", "predictor", "denominator", *defaults_of(EffectAtOptions)])
    chosen("denominator", denominator, DENOMINATORS)
    selection = choose_estimands(estimands)
    analysis = Analysis(fit, make_options(fit, **options))
    if options.get("at") is not None:
        selection = _with_at(selection, analysis, named=estimands is not None)
    # A slope that was asked for by name is an error where there is none; one that everybody gets is left out.
    if estimands is None and predictor is None and (reason := analysis.no_slopes):
        analysis.leave_out(reason)
        selection = {estimand: {} for estimand in selection if not estimand.needs_predictor}
    if estimands is None and predictor is None and fit.spec.against is not None and not analysis.no_slopes:
        selection[COMPARED_SLOPES] = {}
    shared = {"denominator": denominator} | ({} if predictor is None else {"predictor": predictor})
    rows: list[Estimate] = []
    for estimand, own_options in selection.items():
        taken = {name: value for name, value in shared.items() if name in estimand.own_options}
        arguments, placed = {**taken, **own_options}, analysis
        if estimand.takes_at and "at" in arguments:
            placed = replace(analysis, options=replace(analysis.options, at=cells_of(fit, arguments.pop("at"))))
        with _blamed(estimand):
            estimates = list(estimand.among_others(placed, arguments))
            # Computed here, so that what goes wrong is known to be its own.
            rows += (
                estimates if _is_packaged(estimand) else [replace(row, draws=Fixed(row.draws())) for row in estimates]
            )
    table = summarise(rows, analysis.options, left_out=analysis.left_out)
    common = {**defaults_of(EffectAtOptions), **options}
    at = common.pop("at")
    common |= {} if at is None else {"at": plain_at(at)}
    table.asked = _recorded(
        {"estimands": estimands if estimands is None else selection, "predictor": predictor, "denominator": denominator}
        | {name: list(value) if isinstance(value, tuple) else value for name, value in common.items()}
    )
    return table


def _with_at(
    selection: Mapping[Estimand, Mapping[str, Any]], analysis: Analysis, *, named: bool
) -> dict[Estimand, Mapping[str, Any]]:
    """The estimands that have rows with everybody set to some values; others are left out, unless they were named."""
    others = [estimand for estimand in selection if not estimand.takes_at]
    if others and named:
        with_at = ", ".join(estimand.name for estimand in ESTIMANDS.values() if estimand.takes_at)
        raise UsageError(
            f"{argument('at')} is for averages over people with some predictors set, and '{others[0].name}' is of the "
            f"analysed rows as they are. Leave one of the two out. Those that take it: {with_at}."
        )
    for estimand in others:
        analysis.leave_out(f"{estimand.title}: of the analysed rows as they are, and everybody is set to some values")
    return {estimand: own_options for estimand, own_options in selection.items() if estimand.takes_at}


def _is_packaged(estimand: Estimand) -> bool:
    """Whether an estimand comes with the package."""
    return estimand is ESTIMANDS.get(estimand.name)


@contextmanager
def _blamed(estimand: Estimand) -> Iterator[None]:
    """Name the estimand in which something goes wrong, where it is not the package's: the fault is its own."""
    try:
        yield
    except Exception as error:
        if _is_packaged(estimand) or isinstance(error, AllianceBayesError):
            raise
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"the estimand '{estimand.name}' went wrong: {reason}. Mend it, or leave it out.") from error


def choose_estimands(estimands: Estimands | None) -> dict[Estimand, Mapping[str, Any]]:
    """Estimands and their own options, in the order of the table.

    Raises
    ------
    UsageError
        An unknown name, something that is no estimand, or one of the analyst's own that has a name of the package's.
    """
    if not (estimands is None or is_several(estimands)):
        raise UsageError(
            f"estimands should be a sequence of names but got {shown(estimands)}. Write [{shown(estimands)}]."
        )
    selection: dict[Estimand, Mapping[str, Any]] = {}
    for item in DEFAULT_ESTIMANDS if estimands is None else estimands:
        own_options = estimands[item] if isinstance(estimands, Mapping) else {}
        if not isinstance(own_options, Mapping):
            raise UsageError(
                f"the options of {item!r} should be a mapping from their names to values but got {own_options!r}. "
                "Write {} for none."
            )
        if isinstance(item, str):
            chosen("an estimand", item, ESTIMANDS)
            selection[ESTIMANDS[item]] = own_options
        else:
            _refuse_taken(item)
            selection[item] = own_options
    names = [estimand.name for estimand in selection]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two different estimands are called {name!r}. Give one of them another name.")
    return selection


def _refuse_taken(estimand: Estimand) -> None:
    """Refuse what is no estimand, or would pass for one of the package's."""
    if not isinstance(estimand, Estimand):
        kind = "a class: make an instance of it" if isinstance(estimand, type) else "neither a name nor an Estimand"
        raise UsageError(f"an estimand should be a name or an instance of Estimand, but {estimand!r} is {kind}.")
    if _is_packaged(estimand):
        return
    if estimand.name in ESTIMANDS:
        raise UsageError(f"an estimand of the package is called {estimand.name!r}. Give yours another name.")
    for known in ESTIMANDS.values():
        if shared := [name for name in estimand.measures if name in known.measures]:
            raise UsageError(
                f"{shared[0]!r} is a measure of '{known.name}', so '{estimand.name}' cannot have it. Rename it."
            )


def _recorded(request: dict[str, Any]) -> Mapping[str, Any] | None:
    """What was asked, in plain values, by which a page can be made again; None where an option is about single people.

    An estimand that was handed in is known by its name to whoever verifies the page and hands it in again.
    """
    if request["estimands"] is not None:
        named = {
            estimand.name: dict(own_options)
            | ({"at": plain_at(own_options["at"])} if estimand.takes_at and own_options.get("at") is not None else {})
            for estimand, own_options in request["estimands"].items()
        }
        if not _is_plain(list(named.values())):
            return None
        request["estimands"] = named if any(named.values()) else list(named)
    return request


def _is_plain(value: object) -> bool:
    """Whether a page may hold a value: no array, and no list of True and False, which is one of people."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(item) and not isinstance(item, bool) for item in value)
    return value is None or isinstance(value, str | bool | int | float)


class FitWithEffects(FittedModel):
    """A fitted model with the estimands as methods."""

    effects = effects
    slopes = slopes
    slopes_by_level = slopes_by_level
    adjusted_means = adjusted_means
    contrasts = contrasts
    variance_partition = variance_partition
    bayesian_r2 = bayesian_r2
    ranks = ranks
    overall_mean = overall_mean
    predictions = predictions
    moderation = moderation
    compared_slopes = compared_slopes
    responders = responders
    improvement = improvement
    superiority = superiority
    regression_to_mean = regression_to_mean
    coefficients = coefficients
    confounding = confounding
    tipping_point = tipping_point
    overlap = overlap

    @one_blas_thread()
    def with_delta(self, delta: Mapping[str, Delta], *, seed: int = 0) -> FitWithEffects:
        """The fit if missing values differ from imputed ones by stated amounts; `tipping_point` has those that matter.

        Parameters
        ----------
        delta
            By numeric column, the outcome or a predictor, what is added to its imputed values: a number
            (``{"who5_followup": -5}``: those who lack it are 5 points below what is predicted for them), what is known
            of it (``"Normal(-5, 2)"``: the posterior is as wide as that leaves it), or either by the levels of a factor
            of the model or of its table (``{"who5_followup": {"reason": {"moved": 0, "worse": "Normal(-8, 3)"}}}``),
            each level with a number of its own.
        seed
            Of the draws.

        Returns
        -------
        FitWithEffects
            The posterior of the same model of everybody, over the kept completed tables with these values moved: all
            estimands are its methods, and `imputed` gives the tables. It has no report, since no card says of it what
            was assumed. SDs and percentiles by which effects are scaled are those of the fit as imputed.

        Raises
        ------
        UsageError
            No values of such a column were imputed, an amount is neither a number nor a Normal, or a level is not known
            or has none.
        """
        return moved_fit(self, delta, FitWithEffects, seed=seed)

    def _in_notebook(self) -> tuple[str, ...]:
        """The coefficients, with how well each is known to have been sampled."""
        estimates = self.coefficients()
        rows = [
            (
                name,
                number(row["mean"]),
                number(row["sd"]),
                f"{number(row['lower'])} to {number(row['upper'])}",
                number(row["ess_bulk"]),
                number(row["rhat"], 4),
            )
            for name, row in zip(estimates.index, estimates.to_dict("records"), strict=True)
        ]
        interval = f"{100 * estimates['prob'].iloc[0]:g}% interval" if len(estimates) else "interval"
        return (table(("", "mean", "SD", interval, "ESS (bulk)", "R-hat"), rows),)
