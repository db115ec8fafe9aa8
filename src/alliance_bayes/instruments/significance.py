"""Reliable and clinically significant change, by Jacobson and Truax (1991)."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.errors import UsageError

__all__ = ["CHANGES", "clinical_cutoff", "reliable_change", "significant_change"]

#: What a change may be, from the worst to the best.
CHANGES = ("deteriorated", "unchanged", "improved", "recovered")


def reliable_change(sd: float, reliability: float, *, prob: float = 0.95) -> float:
    """Smallest change that error of measurement alone would rarely make.

    Parameters
    ----------
    sd
        Standard deviation of the score before care, in points.
    reliability
        Reliability of the score, between 0 and 1: test-retest, or Cronbach's alpha.
    prob
        Probability with which the error of two measurements stays below the change, to either side.

    Returns
    -------
    float
        In points: z times the square root of 2 times ``sd`` times the square root of 1 - ``reliability``, z being 1.96
        for .95. It may be given to ``fit.improvement(by=...)`` as the smallest difference that counts.

    Raises
    ------
    UsageError
        The SD is not a finite number above 0, or reliability or probability is not between 0 and 1.

    References
    ----------
    .. [1] Jacobson, Truax (1991). Clinical significance: a statistical approach to defining meaningful change in
       psychotherapy research. Journal of Consulting and Clinical Psychology 59(1). doi 10.1037/0022-006X.59.1.12
    """
    if not (math.isfinite(sd) and sd > 0):
        raise UsageError(f"sd should be a finite number above 0 but got {sd!r}. Pass the SD of scores before care.")
    for name, value in (("reliability", reliability), ("prob", prob)):
        if not 0 < value < 1:
            raise UsageError(f"{name} should be in the interval (0, 1) but got {value!r}.")
    return NormalDist().inv_cdf((1 + prob) / 2) * math.sqrt(2) * sd * math.sqrt(1 - reliability)


def clinical_cutoff(clinical: tuple[float, float], general: tuple[float, float]) -> float:
    """The score that is as many SDs from the mean of those in care as from that of everybody else (criterion c).

    Parameters
    ----------
    clinical
        Mean and SD of the score among people in care.
    general
        Mean and SD in the general population.

    Returns
    -------
    float
        In points. See [1]_ of :func:`reliable_change`.

    Raises
    ------
    UsageError
        A mean or an SD is not finite, an SD is not above 0, or both means are the same.
    """
    (low, spread), (high, other) = clinical, general
    if not (all(map(math.isfinite, (low, spread, high, other))) and spread > 0 and other > 0 and low != high):
        raise UsageError(
            "a cut-off lies between two different means with SDs above 0 but got "
            f"clinical={clinical!r} and general={general!r}."
        )
    return (other * low + spread * high) / (spread + other)


def significant_change(
    baseline: npt.ArrayLike,
    followup: npt.ArrayLike,
    *,
    change: float,
    cutoff: float,
    higher_is: Literal["better", "worse"] = "better",
) -> pd.Series:
    """What became of each person: recovered, improved, unchanged or deteriorated.

    Parameters
    ----------
    baseline, followup
        Scores of the same people before and after, shape (n,); NaN where missing.
    change
        The reliable change in points, see :func:`reliable_change`.
    cutoff
        Score between those who are in care and everybody else, see :func:`clinical_cutoff`.
    higher_is
        Whether a higher score is ``"better"`` or ``"worse"``, as an instrument's ``higher_is`` says.

    Returns
    -------
    Series of ordered categorical
        "recovered" who improved by ``change`` or more and went from the cut-off or its clinical side to beyond it;
        "improved" who did the first only; "deteriorated" who became worse by ``change`` or more; else "unchanged".
        Missing where a score is. Index of `baseline` when it is a Series.

    Raises
    ------
    UsageError
        Shapes differ, or a figure is not a finite number (``change``: above 0), or ``higher_is`` is something else.
    """
    before, after = np.asarray(baseline, dtype=float), np.asarray(followup, dtype=float)
    if before.ndim != 1 or before.shape != after.shape:
        raise UsageError(
            f"baseline and followup should have one score a person but have shapes {before.shape} and {after.shape}."
        )
    if (
        isinstance(baseline, pd.Series)
        and isinstance(followup, pd.Series)
        and not baseline.index.equals(followup.index)
    ):
        raise UsageError("baseline and followup differ in their index. Align them before comparing people.")
    if not (math.isfinite(cutoff) and math.isfinite(change) and change > 0):
        raise UsageError(
            f"change should be a finite number above 0 and cutoff a finite one but got {change!r} and {cutoff!r}."
        )
    if higher_is not in ("better", "worse"):
        raise UsageError(f"higher_is should be 'better' or 'worse' but got {higher_is!r}.")
    sign = 1.0 if higher_is == "better" else -1.0
    gain = sign * (after - before)
    # Differences of pro-rated scores may miss a whole number of points by rounding alone.
    least = change * (1 - 1e-9)
    crossed = (sign * before <= sign * cutoff) & (sign * after > sign * cutoff)
    codes = np.select([np.isnan(gain), (gain >= least) & crossed, gain >= least, gain <= -least], [-1, 3, 2, 0], 1)
    changes = pd.Categorical.from_codes(codes, categories=pd.Index(CHANGES), ordered=True)
    return pd.Series(changes, index=baseline.index if isinstance(baseline, pd.Series) else None, name="change")
