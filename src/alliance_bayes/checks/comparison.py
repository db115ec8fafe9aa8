"""Comparison of models by how well they predict participants they have not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_bayes.checks.common_step import Step, common_step
from alliance_bayes.checks.evidence import Evidence
from alliance_bayes.checks.level_scores import Scores, scores
from alliance_bayes.checks.same_rows import check_same_rows
from alliance_bayes.checks.stacking import stacking_weights
from alliance_bayes.checks.wording import count
from alliance_bayes.fit import FittedModel

__all__ = ["Comparison", "compare"]

LEVEL, DENSITY = "probability of the observed level", "density"
# Below these, the standard error of a difference is not to be relied on (Sivula et al. 2020).
SMALL_DIFFERENCE, FEW_ROWS = 4.0, 100


@dataclass(frozen=True, eq=False)
class Comparison:
    """Models side by side, the best predicting first.

    Parameters
    ----------
    table
        One row a model, in order of ``elpd``: ``model``, ``family``, ``elpd`` (sum of the rows' leave-one-out log
        scores), ``se``, ``elpd_difference`` (to the best, at most 0), ``se_difference``, ``p_loo`` (effective number
        of parameters), ``weight`` (stacking), ``pareto_k_max``, ``rows_above_good_k`` (rows whose score is not
        reliable) and ``score`` (what is scored: "probability of the observed level" or "density").
    sentence
        What the table says.
    models
        Names in the order of ``pointwise``.
    pointwise
        Log score of each row under each model, shape (n, n_models). One number a participant: not for reports.
    """

    table: pd.DataFrame
    sentence: str
    models: tuple[str, ...]
    pointwise: np.ndarray = field(repr=False)


def compare(fits: Mapping[str, FittedModel], *, step: Step = "default") -> Comparison:
    """Compare models by leave-one-out prediction, families of densities and of masses on one footing.

    Parameters
    ----------
    fits
        Fits by name, all of one outcome in the same rows: of several families, or of a straight line and a spline.
    step
        Distance between the levels that the outcome is recorded on. By default the scale's step, or what repeated
        values show. None: there are no levels, and continuous families are compared by their densities.

    Returns
    -------
    Comparison
        Scores, differences, stacking weights and how far they can be relied on.

    Raises
    ------
    UsageError
        The fits differ in outcome or rows; the step is not a number greater than 0; or densities would be compared
        with masses.

    Notes
    -----
    A density and a probability cannot be compared: a score's density depends on its unit. Every row's score is
    therefore the log of the leave-one-out probability of the level that was observed, which is the mass of a discrete
    family, and of a continuous one the probability of half a step to either side (the whole tail at a censoring
    limit). What a continuous family gives to values between and beyond the levels counts against it.

    The leave-one-out posterior is reached by Pareto-smoothed importance sampling from the fitted likelihood [1]_.
    Stacking weights are those of the mixture that predicts best [2]_; they are not probabilities of the models.
    Standard errors of differences are too small where models predict alike or rows are few [3]_.

    References
    ----------
    .. [1] Vehtari, Gelman, Gabry (2017). Practical Bayesian model evaluation using leave-one-out cross-validation and
       WAIC. Statistics and Computing 27. doi 10.1007/s11222-016-9696-4
    .. [2] Yao, Vehtari, Simpson, Gelman (2018). Using stacking to average Bayesian predictive distributions. Bayesian
       Analysis 13(3). doi 10.1214/17-BA1091
    .. [3] Sivula, Magnusson, Matamoros, Vehtari (2020). Uncertainty in Bayesian leave-one-out cross-validation based
       model comparison. arXiv 2008.10296
    """
    check_same_rows(fits, what="comparing models")
    width = common_step(fits, step)
    found = {
        name: scores(fit, width, relative_efficiency=Evidence(fit).relative_efficiency) for name, fit in fits.items()
    }
    names = tuple(sorted(found, key=lambda name: -float(found[name].elpd.sum())))
    pointwise = np.column_stack([found[name].elpd for name in names])
    discrete = all(fit.design.family.discrete for fit in fits.values())
    table = _table(names, fits, found, pointwise, LEVEL if discrete or width is not None else DENSITY)
    return Comparison(table, _sentence(table, pointwise.shape[0]), names, pointwise)


def _table(
    names: tuple[str, ...],
    fits: Mapping[str, FittedModel],
    found: Mapping[str, Scores],
    pointwise: np.ndarray,
    score: str,
) -> pd.DataFrame:
    weights, root = stacking_weights(pointwise), np.sqrt(pointwise.shape[0])
    rows = []
    for place, name in enumerate(names):
        own, difference = found[name], pointwise[:, place] - pointwise[:, 0]
        k = np.where(np.isnan(own.pareto_k), np.inf, own.pareto_k)
        rows.append(
            {
                "model": name,
                "family": fits[name].design.family.name,
                "elpd": float(own.elpd.sum()),
                "se": float(root * own.elpd.std(ddof=1)),
                "elpd_difference": float(difference.sum()),
                "se_difference": float(root * difference.std(ddof=1)),
                "p_loo": float(own.p.sum()),
                "weight": float(weights[place]),
                "pareto_k_max": float(k.max()),
                "rows_above_good_k": int(np.count_nonzero(~(k <= own.good_k))),
                "score": score,
            }
        )
    return pd.DataFrame(rows)


def _sentence(table: pd.DataFrame, n: int) -> str:
    best, second = table.iloc[0], table.iloc[1]
    gap, se = abs(second["elpd_difference"]), second["se_difference"]
    parts = [
        f"By the leave-one-out {best['score']}, '{best['model']}' predicts the {n:,} rows best (elpd "
        f"{best['elpd']:,.1f}, SE {best['se']:,.1f}), followed by '{second['model']}' with {gap:,.1f} less "
        f"(SE of the difference {se:,.1f})."
    ]
    if gap < SMALL_DIFFERENCE:
        parts.append(
            f"A difference below {SMALL_DIFFERENCE:g} is small, and its standard error is not to be relied on: choose "
            "between these two by what they assume, not by this."
        )
    elif n < FEW_ROWS:
        parts.append(f"With fewer than {FEW_ROWS} rows, standard errors of differences are not to be relied on.")
    elif gap < 2 * se:
        parts.append("The difference is within two standard errors: which of the two predicts better is open.")
    unreliable = table[table["rows_above_good_k"] > 0]
    if len(unreliable):
        said = ", ".join(
            f"{count(int(rows), 'row')} of '{model}' (largest k {k:.2f})"
            for model, rows, k in zip(
                unreliable["model"], unreliable["rows_above_good_k"], unreliable["pareto_k_max"], strict=True
            )
        )
        parts.append(f"Scores cannot be trusted where importance sampling failed: {said}.")
    weights = ", ".join(f"{w:.2f} for '{m}'" for w, m in zip(table["weight"], table["model"], strict=True))
    parts.append(f"Stacking weights: {weights}.")
    return " ".join(parts)
