"""Improvement: the share of people whose outcome exceeds their own baseline by at least some amount."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.effects.counterfactual import row_mask
from alliance_bayes.effects.exceedance import AtLeast, cut_for
from alliance_bayes.effects.joined import joined_average
from alliance_bayes.effects.options import make_options
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.machine import processors

__all__ = ["improvement", "improvement_of"]


def improvement(
    fit: FittedModel,
    *,
    baseline: str = "who5_baseline",
    by: float = 10.0,
    among: npt.ArrayLike | None = None,
    prob: float = 0.89,
    interval: str = "eti",
) -> EffectTable:
    """Probability that the outcome, as it would be observed, exceeds a person's own baseline by at least some amount.

    Parameters
    ----------
    fit
        A fit of a score at follow-up with the same score at baseline among its predictors.
    baseline
        The predictor on the outcome's scale.
    by
        The smallest difference that counts, in points; 10 is the smallest relevant change of the WHO-5.
    among
        Whose share it is: True or False for each analysed row, shape (n_rows,); everybody's by default.
    prob, interval
        Probability and kind of the interval: ``"eti"`` (equal tails) or ``"hdi"`` (highest density).

    Returns
    -------
    EffectTable
        One row, ``share_improved``, a probability: the average over those people of P(outcome >= baseline + by), draw
        by draw. ``term`` says what counts.

    Raises
    ------
    UsageError
        The baseline is not a numeric predictor of the model, an option is outside what is accepted, or the fit was
        made from moments.

    Notes
    -----
    A continuous family is cut in the middle between two values that can be observed, as in :func:`responders`. Who
    cannot improve by so much, being too close to the top of the scale, counts as not improved. Very many rows are
    joined as there.
    """
    return improvement_of(fit, [among], baseline=baseline, by=by, prob=prob, interval=interval)


def improvement_of(
    fit: FittedModel,
    groups: Sequence[npt.ArrayLike | None],
    *,
    baseline: str = "who5_baseline",
    by: float = 10.0,
    prob: float = 0.89,
    interval: str = "eti",
) -> EffectTable:
    """:func:`improvement` of several groups (None: everybody) in one pass; their sizes, which name the rows, differ."""
    fit.need_rows("the share of people who improve")
    options = make_options(fit, prob=prob, interval=interval)
    frame = fit.design.frame
    if baseline not in fit.design.predictors or not pd.api.types.is_numeric_dtype(frame[baseline]):
        raise UsageError(
            f"'{baseline}' is not a numeric predictor of this model, so nobody's improvement is known. Name the "
            "outcome's own baseline, or fit a model of the change."
        )
    if not (np.isfinite(by) and by > 0):
        raise UsageError(f"by should be a finite number of points greater than 0 but got {by!r}.")
    n = fit.design.rows.n
    chosen = np.stack(
        [np.ones(n, dtype=bool) if one is None else row_mask(fit.design, "among", one) for one in groups], axis=1
    )
    reached = _reached(fit, frame[baseline].to_numpy(float), by, chosen) / chosen.sum(axis=0)

    def quantity(group: int) -> Estimate:
        term = f"{fit.design.outcome.name} - {baseline} >= {by:g}"
        if groups[group] is not None:
            term += f" among {int(chosen[:, group].sum()):,} of {n:,}"
        draws = Fixed(fit.with_chains(reached[:, group]))
        return Estimate("share_improved", draws, "probability", term=term, population="sample")

    return summarise([quantity(group) for group in range(len(groups))], options)


def _reached(fit: FittedModel, starts: np.ndarray, by: float, chosen: np.ndarray) -> np.ndarray:
    """Expected number of people who improve in each group of rows (n_rows, n_groups), shape (n_draws, n_groups)."""
    scale = fit.design.scales.get(fit.design.outcome.name)
    top = np.inf if scale is None or scale.upper is None else scale.upper
    places = np.flatnonzero(chosen.any(axis=1) & (starts + by <= top))
    values, which_value = np.unique(starts[places], return_inverse=True)
    cuts = np.array([cut_for(fit, float(value + by), "default") for value in values])
    design = fit.design
    rows, groups = design.rows.take(places), chosen[places].T
    # What the chance depends on besides the linear predictor: the level of the residual factor, and the start.
    levels = np.zeros(rows.n, dtype=np.intp) if rows.residual is None else np.asarray(rows.residual)
    strata = levels * values.size + which_value

    def given(eta: np.ndarray, which: slice | np.ndarray, strata: np.ndarray) -> np.ndarray:
        level, value = np.divmod(strata, values.size)
        own = fit.parameters_at(which, residual=level)
        return AtLeast(cuts[value, None], single=True)(design.family, eta, own, design.outcome)

    reached, left = np.empty((prod(fit.shape), len(groups))), []
    for number, group in enumerate(groups):
        average = joined_average(fit, rows.take(np.flatnonzero(group)), strata[group], given)
        if average is None:
            left.append(number)
        else:
            reached[:, number] = group.sum() * average

    def in_block(which: slice) -> None:
        chances = given(fit.linear_predictor(rows, which=which), which, strata)
        for number in left:
            reached[which, number] = chances[:, groups[number]].sum(axis=1)

    if left:
        # What takes time releases the interpreter's lock.
        with ThreadPoolExecutor(processors()) as pool:
            list(pool.map(in_block, fit.blocks(places.size)))
    return reached
