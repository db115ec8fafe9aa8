"""Improvement: the share of people whose outcome exceeds their own baseline by at least some amount."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from math import prod

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.effects.exceedance import AtLeast, cut_for
from alliance_bayes.effects.masks import mask_of_rows
from alliance_bayes.effects.options import make_options
from alliance_bayes.effects.quantity import Fixed, Quantity
from alliance_bayes.effects.summary import summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel

__all__ = ["improvement"]


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
    cannot improve by so much, being too close to the top of the scale, counts as not improved.
    """
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
    chosen = np.ones(n, dtype=bool) if among is None else mask_of_rows(fit.design, "among", among)
    starts = frame[baseline].to_numpy(float)
    scale = fit.design.scales.get(fit.design.outcome.name)
    top = np.inf if scale is None or scale.upper is None else scale.upper

    def reached_from(start: float) -> np.ndarray:
        event = AtLeast((cut_for(fit, float(start + by), "default"),), single=True)
        rows = fit.design.rows.take(np.flatnonzero(chosen & (starts == start)))
        out = np.empty(prod(fit.shape))
        for which in fit.blocks(rows.n):
            eta, own = fit.linear_predictor(rows, which=which), fit.parameters_at(which, rows)
            out[which] = event(fit.design.family, eta, own, fit.design.outcome).sum(axis=1)
        return out

    # A baseline score has few values: everybody who starts at one has the same cut. What takes time releases the
    # interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reached = pool.map(reached_from, (start for start in np.unique(starts[chosen]) if start + by <= top))
        total = sum(reached, np.zeros(prod(fit.shape)))
    term = f"{fit.design.outcome.name} - {baseline} >= {by:g}"
    if among is not None:
        term += f" among {int(chosen.sum()):,} of {n:,}"
    share = fit.with_chains(total / chosen.sum())
    return summarise([Quantity("share_improved", Fixed(share), "probability", term=term, population="sample")], options)
