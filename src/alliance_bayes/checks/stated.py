"""The numbers that findings state or rest on, and what they are when all priors are narrower or wider."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from alliance_bayes.checks.refits import FEW_LEVELS, asked, called, called_difference, refitted
from alliance_bayes.effects import EffectTable
from alliance_bayes.effects import effects as effects_of
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Prior
from alliance_bayes.model.roles import is_of_persons

__all__ = [
    "MOST_AT",
    "MOVED",
    "RATIO",
    "SAID_AT",
    "extent",
    "of_other_scales",
    "stated",
    "stated_at",
    "under_other_scales",
]

#: How much the scales of all priors are multiplied with, by what that is called.
SCALES: Mapping[str, float] = {"halved": 0.5, "doubled": 2.0}
#: Shift of a mean, in posterior SDs, and change of an SD, as a part of it, above which a number depends on the priors.
MOVED, RATIO = 0.5, 0.2

#: Rows with some predictors set of which findings speak, and up to how many of them.
SAID_AT = (
    "slope",
    "contrast_of_means",
    "contrast_of_slopes",
    "interaction_contrast_of_means",
    "interaction_contrast_of_slopes",
    "predicted_mean",
)
MOST_AT = 6
# A page may say six of more, where it does not show the others.
_MOST_JUDGED = 4 * MOST_AT


def stated_at(effects: pd.DataFrame | None) -> dict[str, np.ndarray]:
    """Draws of the rows of a table with some predictors set, of which findings may speak, by their ids.

    What the model holds to be zero, or does not know, is no finding. Of a table of many such rows findings state none.
    """
    if not isinstance(effects, EffectTable):
        return {}
    rows = effects[effects["at"].notna() & effects["estimand"].isin(SAID_AT) & (effects["sd"] > 0)]
    return {str(row): effects.draws[row].ravel() for row in rows.index} if len(rows) <= _MOST_JUDGED else {}


def stated(fit: FittedModel) -> dict[str, np.ndarray]:
    """Draws of the numbers, each of shape (n_draws,), by what they are called.

    The focal slope, or the differences of adjusted means of a focal factor; coefficients of its products and of other
    differences between groups; differences between levels of pooled factors with few of them, of level and slope, on
    the scale of the linear predictor; and the SDs of sampled factors' levels on which averages over all levels rest.
    Levels that are persons are compared by none.
    """
    design, draws = fit.design, fit.stacked
    predictor, arm = fit.spec.focal_predictor(design), fit.spec.focal_factor(design)
    numbers = {called(estimate): estimate.draws().ravel() for estimate in asked(fit)}
    for number, column in enumerate(design.columns):
        parts = column.term.split(":")
        product = column.order > 1 and (predictor in column.numeric or arm in parts)
        # The differences of a focal factor are those above.
        group = column.order == 1 and not column.numeric and not (numbers and arm in parts)
        if product or group:
            numbers[column.label] = draws["beta"][:, number]
    for factor in design.factors:
        if len(factor.levels) <= FEW_LEVELS and not is_of_persons(factor, design.rows.n):
            for number, term in enumerate(factor.terms):
                if term == "Intercept" and numbers and factor.name == arm:
                    continue
                of = "level" if term == "Intercept" else term
                for a, b in combinations(range(len(factor.levels)), 2):
                    effects = draws[f"u_{factor.name}"]
                    label = called_difference(factor.name, of, factor.levels[b], factor.levels[a])
                    numbers[label] = effects[:, b, number] - effects[:, a, number]
        if not factor.exhaustive:
            for number, term in enumerate(factor.terms):
                # On an identity link no slope and no difference rests on how far levels differ in level.
                if term == "Intercept" and design.family.linear:
                    continue
                numbers[f"tau_{factor.name}[{term}]"] = draws[f"tau_{factor.name}"][:, number]
    return numbers


def of_other_scales(fit: FittedModel, effects: pd.DataFrame | None = None) -> dict[str, dict[str, np.ndarray]]:
    """The numbers of a fit by the collapsed engine with the scales of all priors halved and doubled.

    With those of a table's rows with some predictors set, where it is known how the table was made.
    """
    by_scale = {}
    request = effects.asked if isinstance(effects, EffectTable) and stated_at(effects) else None
    for name, factor in SCALES.items():
        priors = {parameter: scaled(known.prior, factor) for parameter, known in fit.priors.items()}
        again = refitted(fit, priors=priors)
        by_scale[name] = stated(again) | ({} if request is None else stated_at(effects_of(again, **request)))
    return by_scale


def under_other_scales(
    numbers: Mapping[str, np.ndarray], others: Mapping[str, Mapping[str, np.ndarray]]
) -> pd.DataFrame:
    """Shifts of means and ratios of SDs of some numbers under other scales of the priors.

    Parameters
    ----------
    numbers
        Those of :func:`stated`.
    others
        Those of :func:`of_other_scales`.

    Returns
    -------
    pandas.DataFrame
        Index the numbers; columns ``halved`` and ``doubled``, the shift of the mean in posterior SDs, and
        ``sd_halved`` and ``sd_doubled``, the SD as a multiple of the fit's own. Missing for a number that was not made
        again.
    """
    columns: dict[str, list[float]] = {}
    missing = np.array([np.nan])
    for name, again in others.items():
        pairs = [(again.get(key, missing), draws) for key, draws in numbers.items()]
        columns[name] = [float((new.mean() - draws.mean()) / draws.std()) for new, draws in pairs]
        columns[f"sd_{name}"] = [float(new.std() / draws.std()) for new, draws in pairs]
    return pd.DataFrame(columns, index=list(numbers))


def extent(table: pd.DataFrame) -> np.ndarray:
    """How much each row of :func:`under_other_scales` depends on the scales, as a multiple of what counts."""
    shift = np.abs(table[list(SCALES)].to_numpy(float)).max(axis=1)
    ratio = np.abs(np.log(table[[f"sd_{name}" for name in SCALES]].to_numpy(float))).max(axis=1)
    return np.nan_to_num(np.fmax(shift / MOVED, ratio / np.log1p(RATIO)))


def scaled(prior: Prior, factor: float) -> Prior:
    """A prior whose scale is multiplied and whose place is what it was; one of several numbers is left as it is."""
    place = {name: value for name, value in prior.arguments.items() if name == "mu"}
    return Prior(prior.distribution, tuple((prior.rescaled(factor).arguments | place).values()))
