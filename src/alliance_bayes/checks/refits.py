"""Fit a model again with other priors or without some of its rows, and what it then says of what it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np
import pandas as pd

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.counterfactual import is_bent
from alliance_bayes.effects.means import CONTRASTS
from alliance_bayes.effects.options import Options, default_population
from alliance_bayes.effects.slopes import CONTRASTED, SLOPES
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.engines import SamplerSettings
from alliance_bayes.engines.choice import sample
from alliance_bayes.errors import AllianceBayesError
from alliance_bayes.fit import FittedModel, without_times
from alliance_bayes.model import Prior

__all__ = [
    "DRAWS",
    "FEW_LEVELS",
    "NUMBERS",
    "PROB",
    "Refit",
    "asked",
    "called",
    "called_difference",
    "error_of_shifts",
    "focal",
    "is_asked",
    "of_one_table",
    "refit",
    "refit_rows",
    "refitted",
    "summary",
    "why_not",
]

#: Pairs of levels are stated of a factor with so many levels at most; of more, none is named unless it is clear.
FEW_LEVELS = 6
#: What the fit itself is called.
AS_FITTED = "as fitted"
#: Draws of a refit, over all chains: the mean slope then has a Monte Carlo error of some 0.03 posterior SDs.
DRAWS = 1600
#: Draws of a fit to one completed table, over all chains.
DRAWS_OF_TABLE = 4000
#: Probability of the equal-tailed intervals by which a conclusion about the sign is judged.
PROB = 0.89


@dataclass(frozen=True)
class Refit:
    """What a refit says of what the model is asked.

    Parameters
    ----------
    label
        What was changed.
    excluded
        People whose rows it was not fitted to.
    draws
        By what :func:`called` has it, shape (chain, draw); none where it could not be fitted, or has no such number.
    problem
        Why not; empty otherwise.
    """

    label: str
    excluded: int
    draws: Mapping[str, np.ndarray]
    problem: str = ""


def why_not(fit: FittedModel, *, slope: bool = True) -> str:
    """Why a check cannot fit the model again (for what it is asked); empty when it can.

    Only what the collapsed engine sampled is fitted again, in a fraction of a second. NUTS takes minutes.
    """
    if slope and not is_asked(fit):
        return "the model has no numeric predictor, and no factor of few levels is the one of interest"
    if fit.info.get("engine") != "collapsed" or "fallback" in fit.info:
        return "a refit by NUTS takes minutes; fit the other models yourself and compare"
    return ""


def of_one_table(fit: FittedModel) -> FittedModel:
    """The same model fitted to one completed table alone: the analysed rows of a fit whose missing values were drawn.

    Observed values and drawn ones are what the model would have made where it and what it assumes of the missing ones
    hold, so that replicates are compared with both (Gelman et al. 2005, Biometrics 61:74-85).
    """
    chains, seed = int(fit.info["chains"]), int(fit.info["seed"])
    settings = SamplerSettings(draws=max(1, DRAWS_OF_TABLE // chains), chains=chains, cores=1, seed=seed)
    tree, ran = sample(fit.design, fit.priors, settings, draws=settings.draws)
    info = {name: value for name, value in fit.info.items() if name != "imputation"}
    outcome = fit.design.outcome
    if fit.imputation is not None and outcome.name in fit.imputation.places:
        outcome = replace(outcome, drawn=True)
    return replace(fit, tree=tree, info=info | without_times(ran)[0], design=replace(fit.design, outcome=outcome))


def is_asked(fit: FittedModel) -> bool:
    """Whether the model is asked about a slope, or about the differences of a few levels."""
    factor = fit.spec.focal_factor(fit.design)
    if factor is None:
        return fit.spec.focal_predictor(fit.design) is not None
    return len(Analysis(fit, Options()).levels(factor)) <= FEW_LEVELS


def asked(fit: FittedModel) -> list[Estimate]:
    """What the model is asked: its focal slope, or the differences of its focal factor's levels; none without either.

    Differences are of adjusted means, those from the first level first. Of many levels there are none: no one of them
    is singled out.
    """
    if not is_asked(fit):
        return []
    factor = fit.spec.focal_factor(fit.design)
    if factor is None:
        return [focal(fit)]
    analysis = Analysis(fit, Options(population=default_population(fit)))
    return [estimate for estimate in CONTRASTS.estimates(analysis, factor) if estimate.estimand == "contrast_of_means"]


def focal(fit: FittedModel) -> Estimate:
    """The average slope of the focal predictor; the difference that goes with its declared step where it has none.

    So too where the association bends: what is said of it is that difference, of which an average slope tells nothing.
    """
    # One after the other: most fits need the first only, and the others go through all rows.
    estimates = SLOPES.estimates(Analysis(fit, Options(population=default_population(fit))))
    slope = next(quantity for quantity in estimates if quantity.estimand == "slope")
    predictor = fit.spec.focal_predictor(fit.design)
    bent = predictor is not None and is_bent(fit.design, predictor)
    if not bent and not np.isnan(slope.draws()).all():
        return slope
    step = next((quantity for quantity in estimates if quantity.estimand in CONTRASTED), slope)
    return slope if np.isnan(step.draws()).all() else step


#: What a number of a predictor is called, by its estimand.
NUMBERS: Mapping[str, str] = {
    "slope": "slope",
    "slope_p10_p90": "difference between the percentiles",
    "slope_contrast": "declared difference",
}


def called(estimate: Estimate) -> str:
    """What :func:`asked` gives, in words."""
    if estimate.factor is not None and estimate.level is not None and estimate.versus is not None:
        return called_difference(estimate.factor, "mean", estimate.level, estimate.versus)
    return NUMBERS[estimate.estimand]


def called_difference(factor: str, of: str, level: str, versus: str) -> str:
    """A difference between two levels of a factor, in words: of its means, of their levels or of a slope."""
    kind = {"mean": "difference", "level": "difference in level"}.get(of, f"difference in slope of {of}")
    return f"{kind} by {factor}: {level} - {versus}"


def refitted(
    fit: FittedModel, *, priors: str | Mapping[str, str | Prior] | None = None, keep: np.ndarray | None = None
) -> FittedModel:
    """The model fitted again; the fit itself where nothing is another.

    Parameters
    ----------
    fit
        What was fitted; another family than the Gaussian is fitted again by NUTS.
    priors
        Other priors, as for a model; the same by default.
    keep
        Which rows stay, True or False for each, shape (n_rows,); all by default.

    Raises
    ------
    AllianceBayesError
        Without some rows a model may not be one any more: a factor is left with one level, say.
    """
    spec = fit.spec if priors is None else replace(fit.spec, priors=priors)
    if keep is None:
        design = fit.design
    else:
        rows = fit.design.frame[keep]
        levels = {
            str(name): rows[name].cat.remove_unused_categories() for name in rows.select_dtypes("category").columns
        }
        # Declared levels that nobody has left would be refused.
        spec = replace(spec, levels={})
        weights = fit.design.rows.weights
        design = spec.design(
            rows.assign(**levels).reset_index(drop=True), weights=None if weights is None else weights[keep]
        )
        if fit.design.persons is not None:
            design = replace(design, persons=fit.design.persons[keep])
    table = spec.priors_for(design)
    if keep is None and table.entries == fit.priors.entries:
        return fit
    chains, draws = fit.shape
    draws = min(draws, -(-DRAWS // chains))
    settings = SamplerSettings(draws=draws, chains=chains, seed=int(fit.info.get("seed") or 0))
    moments = None if keep is not None else fit.moments
    tree, info = sample(design, table, settings, draws=draws, moments=moments)
    return replace(fit, spec=spec, design=design, priors=table, tree=tree, info=info)


def refit(
    fit: FittedModel,
    label: str,
    *,
    priors: str | Mapping[str, str | Prior] | None = None,
    keep: np.ndarray | None = None,
) -> Refit:
    """What a refit, called ``label``, says of what the model is asked; see :func:`refitted`."""
    excluded = 0 if keep is None else fit.count_people(~keep)
    try:
        again = asked(refitted(fit, priors=priors, keep=keep))
        return Refit(label, excluded, {called(estimate): estimate.draws() for estimate in again})
    except AllianceBayesError as error:
        return Refit(label, excluded, {}, str(error))


def refit_rows(declared: Estimate, refits: Sequence[Refit]) -> EffectTable:
    """A number of the fit itself and of those refits that have it; their ``term`` is what was changed.

    Parameters
    ----------
    own
        The fit's own number: one of :func:`asked`.
    refits
        What it is compared with.
    """
    name = called(declared)
    labelled = [
        (fitted.label, fitted.draws[name])
        for fitted in (Refit(AS_FITTED, 0, {name: declared.draws()}), *refits)
        if name in fitted.draws
    ]
    pair = partial(Estimate, factor=declared.factor, level=declared.level, versus=declared.versus, signed=True)
    numbers = [pair(declared.estimand, Fixed(draws), declared.unit, term=label) for label, draws in labelled]
    # Those of one shape together: a refit has fewer draws than the fit.
    shapes = groupby(numbers, key=lambda estimate: estimate.draws().shape)
    return EffectTable.concat([summarise(some, Options(prob=PROB)) for _, some in shapes])


def error_of_shifts(rows: EffectTable) -> float:
    """Largest Monte Carlo standard error of a shift, in posterior SDs of the fit's own number; NaN without refits.

    Parameters
    ----------
    rows
        Those of :func:`refit_rows`.
    """
    fitted, others = rows.iloc[0], rows.iloc[1:]
    if others.empty:
        return float("nan")
    return float(np.hypot(others["mcse_mean"].max(), fitted["mcse_mean"]) / fitted["sd"])


def summary(rows: EffectTable, refits: Sequence[Refit]) -> pd.DataFrame:
    """A number under all refits, side by side.

    Parameters
    ----------
    rows
        Those of :func:`refit_rows`.
    refits
        What the fit is compared with; rows below that of the fit itself.

    Returns
    -------
    pandas.DataFrame
        Columns ``label``, ``mean``, ``lower``, ``upper`` (equal-tailed), ``p_direction``, ``shift`` (difference
        of the means in posterior SDs of the fit's own) and ``settled`` (whether the interval excludes zero).
        Missing where a model could not be fitted.
    """
    numbers = ["mean", "lower", "upper", "p_direction"]
    known = pd.DataFrame(rows).set_index("term")
    table = known.reindex([AS_FITTED, *(other.label for other in refits)])[numbers]
    table["shift"] = (table["mean"] - table["mean"].iloc[0]) / known["sd"].iloc[0]
    settled = np.where((table["lower"] > 0) | (table["upper"] < 0), "yes", "no")
    table["settled"] = pd.Series(settled, index=table.index, dtype="str").where(table["mean"].notna())
    return table.rename_axis("label").reset_index()
