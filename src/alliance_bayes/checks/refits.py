"""Fit a model again with other priors or without some of its rows, and what its focal slope then is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pandas as pd

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.options import Options, default_population
from alliance_bayes.effects.slopes import SLOPES
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.engines import SamplerSettings
from alliance_bayes.engines.choice import sample
from alliance_bayes.errors import AllianceBayesError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Prior

__all__ = [
    "DRAWS",
    "PROB",
    "Refit",
    "called",
    "error_of_shifts",
    "focal",
    "focal_slope",
    "refit",
    "refitted",
    "slope_rows",
    "summary",
    "why_not",
]

#: What the fit itself is called.
AS_FITTED = "as fitted"
#: Draws of a refit, over all chains: the mean slope then has a Monte Carlo error of some 0.03 posterior SDs.
DRAWS = 1600
#: Probability of the equal-tailed intervals by which a conclusion about the sign is judged.
PROB = 0.89


@dataclass(frozen=True)
class Refit:
    """The focal slope of a refit.

    Parameters
    ----------
    label
        What was changed.
    excluded
        Rows that it was not fitted to.
    draws
        Of the slope, shape (chain, draw); empty where it could not be fitted.
    problem
        Why not; empty otherwise.
    """

    label: str
    excluded: int
    draws: np.ndarray
    problem: str = ""


def why_not(fit: FittedModel, *, slope: bool = True) -> str:
    """Why a check cannot fit the model again (for its slope); empty when it can.

    Only what the collapsed engine sampled is fitted again, in a fraction of a second. NUTS takes minutes.
    """
    if slope and fit.spec.focal_predictor(fit.design) is None:
        return "the model has no numeric predictor"
    if fit.info.get("engine") != "collapsed" or "fallback" in fit.info:
        return "a refit by NUTS takes minutes; fit the other models yourself and compare"
    return ""


def focal_slope(fit: FittedModel) -> np.ndarray:
    """Draws of the average slope of the focal predictor, shape (chain, draw)."""
    return focal(fit).draws()


def focal(fit: FittedModel) -> Estimate:
    """The average slope of the focal predictor; where it has none, the difference that goes with its declared step."""
    # One after the other: most fits need the first only, and the others go through all rows.
    made = SLOPES.estimates(Analysis(fit, Options(population=default_population(fit))))
    own = next(quantity for quantity in made if quantity.estimand == "slope")
    if not np.isnan(own.draws()).all():
        return own
    step = next(quantity for quantity in made if quantity.estimand == "slope_p10_p90")
    return own if np.isnan(step.draws()).all() else step


def called(own: Estimate) -> str:
    """What :func:`focal` gives, in words."""
    return "slope" if own.estimand == "slope" else "difference between the percentiles"


def refitted(
    fit: FittedModel, *, priors: str | Mapping[str, str | Prior] | None = None, keep: np.ndarray | None = None
) -> FittedModel:
    """The model fitted again; the fit itself where nothing is another.

    Parameters
    ----------
    fit
        What was fitted, by the collapsed engine.
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
        design = spec.design(rows.assign(**levels).reset_index(drop=True))
    table = spec.priors_for(design)
    if keep is None and table.entries == fit.priors.entries:
        return fit
    chains, draws = fit.shape
    draws = min(draws, -(-DRAWS // chains))
    settings = SamplerSettings(draws=draws, chains=chains, seed=int(fit.info.get("seed") or 0))
    tree, info = sample(
        design, table, settings, engine="collapsed", draws=draws, moments=None if keep is not None else fit.moments
    )
    return replace(fit, spec=spec, design=design, priors=table, tree=tree, info=info)


def refit(
    fit: FittedModel,
    label: str,
    *,
    priors: str | Mapping[str, str | Prior] | None = None,
    keep: np.ndarray | None = None,
) -> Refit:
    """The focal slope of a refit, called ``label``; see :func:`refitted`."""
    excluded = 0 if keep is None else int((~keep).sum())
    try:
        return Refit(label, excluded, focal_slope(refitted(fit, priors=priors, keep=keep)))
    except AllianceBayesError as error:
        return Refit(label, excluded, np.empty((0, 0)), str(error))


def slope_rows(own: Estimate, refits: Sequence[Refit]) -> EffectTable:
    """The slopes of the fit itself and of those refits that came about; their ``term`` is what was changed.

    Parameters
    ----------
    own
        The fit's own slope.
    refits
        What it is compared with.
    """
    made = [one for one in (Refit(AS_FITTED, 0, own.draws()), *refits) if one.draws.size]
    slopes = [Estimate(own.estimand, Fixed(one.draws), own.unit, term=one.label, signed=True) for one in made]
    # Those of one shape together: a refit has fewer draws than the fit.
    alike = groupby(slopes, key=lambda slope: slope.draws().shape)
    return EffectTable.concat([summarise(some, Options(prob=PROB)) for _, some in alike])


def error_of_shifts(rows: EffectTable) -> float:
    """Largest Monte Carlo standard error of a shift, in posterior SDs of the fit's own slope; NaN without refits.

    Parameters
    ----------
    rows
        Those of :func:`slope_rows`.
    """
    own, others = rows.iloc[0], rows.iloc[1:]
    if others.empty:
        return float("nan")
    return float(np.hypot(others["mcse_mean"].max(), own["mcse_mean"]) / own["sd"])


def summary(rows: EffectTable, refits: Sequence[Refit]) -> pd.DataFrame:
    """Slopes side by side.

    Parameters
    ----------
    rows
        Those of :func:`slope_rows`.
    refits
        What the fit is compared with; rows below that of the fit itself.

    Returns
    -------
    pandas.DataFrame
        Columns ``label``, ``mean``, ``lower``, ``upper`` (equal-tailed), ``p_direction``, ``shift`` (difference
        of the means in posterior SDs of the fit's own slope) and ``settled`` (whether the interval excludes zero).
        Missing where a model could not be fitted.
    """
    numbers = ["mean", "lower", "upper", "p_direction"]
    slopes = pd.DataFrame(rows).set_index("term")
    table = slopes.reindex([AS_FITTED, *(made.label for made in refits)])[numbers]
    table["shift"] = (table["mean"] - table["mean"].iloc[0]) / slopes["sd"].iloc[0]
    settled = np.where((table["lower"] > 0) | (table["upper"] < 0), "yes", "no")
    table["settled"] = pd.Series(settled, index=table.index, dtype="str").where(table["mean"].notna())
    return table.rename_axis("label").reset_index()
