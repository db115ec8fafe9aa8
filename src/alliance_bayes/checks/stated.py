"""The numbers that findings state or rest on, and what they are when all priors are narrower or wider."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from alliance_bayes.checks.refits import FEW_LEVELS, asked, called, called_difference, refitted
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Prior
from alliance_bayes.model.roles import is_of_persons

__all__ = ["MOVED", "RATIO", "moved", "of_other_scales", "stated", "under_other_scales"]

#: How much the scales of all priors are multiplied with, by what that is called.
SCALES: Mapping[str, float] = {"halved": 0.5, "doubled": 2.0}
#: Shift of a mean, in posterior SDs, and change of an SD, as a part of it, above which a number depends on the priors.
MOVED, RATIO = 0.5, 0.2


def stated(fit: FittedModel) -> dict[str, np.ndarray]:
    """Draws of the numbers, each of shape (n_draws,), by what they are called.

    The focal slope, or the differences of adjusted means of a focal factor; coefficients of its products and of other
    differences between groups; differences between levels of pooled factors with few of them, of level and slope, on
    the scale of the linear predictor; and the SDs of sampled factors' levels on which averages over all levels rest.
    Levels that are persons are compared by none.
    """
    design, draws = fit.design, fit.stacked
    predictor, arm = fit.spec.focal_predictor(design), fit.spec.focal_factor(design)
    found = {called(one): one.draws().ravel() for one in asked(fit)}
    for number, column in enumerate(design.columns):
        parts = column.term.split(":")
        product = column.order > 1 and (predictor in column.numeric or arm in parts)
        # The differences of a focal factor are those above.
        group = column.order == 1 and not column.numeric and not (found and arm in parts)
        if product or group:
            found[column.label] = draws["beta"][:, number]
    for factor in design.factors:
        if len(factor.levels) <= FEW_LEVELS and not is_of_persons(factor, design.rows.n):
            for number, term in enumerate(factor.terms):
                if term == "Intercept" and found and factor.name == arm:
                    continue
                of = "level" if term == "Intercept" else term
                for a, b in combinations(range(len(factor.levels)), 2):
                    effects = draws[f"u_{factor.name}"]
                    label = called_difference(factor.name, of, factor.levels[b], factor.levels[a])
                    found[label] = effects[:, b, number] - effects[:, a, number]
        if not factor.exhaustive:
            for number, term in enumerate(factor.terms):
                # On an identity link no slope and no difference rests on how far levels differ in level.
                if term == "Intercept" and design.family.linear:
                    continue
                found[f"tau_{factor.name}[{term}]"] = draws[f"tau_{factor.name}"][:, number]
    return found


def of_other_scales(fit: FittedModel) -> dict[str, dict[str, np.ndarray]]:
    """The numbers of a fit by the collapsed engine with the scales of all priors halved and doubled."""
    made = {}
    for name, factor in SCALES.items():
        priors = {parameter: scaled(known.prior, factor) for parameter, known in fit.priors.items()}
        made[name] = stated(refitted(fit, priors=priors))
    return made


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
        ``sd_halved`` and ``sd_doubled``, the SD as a multiple of the fit's own.
    """
    columns: dict[str, list[float]] = {}
    for name, again in others.items():
        columns[name] = [float((again[key].mean() - own.mean()) / own.std()) for key, own in numbers.items()]
        columns[f"sd_{name}"] = [float(again[key].std() / own.std()) for key, own in numbers.items()]
    return pd.DataFrame(columns, index=list(numbers))


def moved(table: pd.DataFrame) -> np.ndarray:
    """Which rows of :func:`under_other_scales` depend on the scales of the priors, shape (n_rows,)."""
    shift = np.abs(table[list(SCALES)].to_numpy()).max(axis=1)
    ratio = np.abs(np.log(table[[f"sd_{name}" for name in SCALES]].to_numpy())).max(axis=1)
    return (shift > MOVED) | (ratio > np.log1p(RATIO))


def scaled(prior: Prior, factor: float) -> Prior:
    """A prior whose scale is multiplied and whose place is what it was; one of several numbers is left as it is."""
    place = {name: value for name, value in prior.arguments.items() if name == "mu"}
    return Prior(prior.distribution, tuple((prior.rescaled(factor).arguments | place).values()))
