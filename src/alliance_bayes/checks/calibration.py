"""Are stated probabilities right? LOO-PIT with simultaneous bands, and the coverage of predictive intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_bayes.checks.bands import Uniformity, binomial_limits, uniformity
from alliance_bayes.checks.evidence import Evidence
from alliance_bayes.checks.plots_calibration import interval_coverage, pit_difference
from alliance_bayes.checks.results import CheckResult
from alliance_bayes.checks.rows_needed import rows_needed
from alliance_bayes.checks.wording import percent
from alliance_bayes.effects.table import steady

__all__ = ["INTERVALS", "calibration"]

TITLE = "Calibration of predictions (LOO-PIT)"
INTERVALS = (0.50, 0.80, 0.89, 0.95)
_REMEDY = "Do not read predictive intervals as stated; compare another family"


def calibration(evidence: Evidence) -> CheckResult:
    """Compare the observed outcomes with their leave-one-out predictive distributions.

    Parameters
    ----------
    evidence
        The fit with its leave-one-out weights.

    Returns
    -------
    CheckResult
        ``warn`` when the distribution of the PIT values leaves its band. The table has one row a central predictive
        interval: ``interval`` (stated probability), ``coverage``, ``lower`` and ``upper`` (limits of the coverage of
        right intervals, for each interval by itself), ``below`` and ``above`` (shares of outcomes under and over the
        interval).

    Notes
    -----
    The probability integral transform (PIT) of an outcome is the probability that its prediction from all other rows
    gives to lower values. PIT values of a calibrated model are uniform. Outcomes recorded in steps, and those of
    discrete families, have an interval of values: one is drawn from it at random [1]_ (the seed is the evidence's),
    and the coverage counts the interval in part. The band is simultaneous and holds for independent uniform values;
    those of a fitted model are more regular, so that the check fires less often than stated when the model is right.
    Of more than 10,000 rows, a random sample is looked at.

    References
    ----------
    .. [1] Czado, Gneiting and Held (2009), Biometrics 65(4):1254-1261, doi 10.1111/j.1541-0420.2009.01191.x.
    """
    if evidence.fit.moments is not None:
        return rows_needed("calibration", TITLE, "The calibration of predictions for single people")
    low, high = evidence.pit_bounds
    pit = evidence.generator(3).uniform(low, high)
    shape = uniformity(pit, rate=evidence.rate)
    table = pd.DataFrame([_coverage(low, high, interval, evidence.rate) for interval in INTERVALS])
    fires = shape.p < evidence.rate
    furthest = int(steady((table["coverage"] - table["interval"]).abs()).to_numpy().argmax())
    stated, held = float(table["interval"].iloc[furthest]), float(table["coverage"].iloc[furthest])
    found = f"the {percent(stated)} predictive intervals hold {percent(held, 1)} of outcomes"
    if fires:
        alternatives = evidence.fit.design.family.alternatives
        sentence = (
            f"Predictions are not calibrated: {_direction(shape, table)}, and {found}. {_REMEDY} ({alternatives})."
        )
    else:
        sentence = (
            "Predictions are calibrated: the LOO-PIT values stay within a band that a calibrated model leaves in at "
            f"most {percent(evidence.rate)} of data sets; furthest from what is stated, {found}."
        )
    unit = (
        ""
        if evidence.step is None
        else f" Scores in steps of {evidence.step:g} count as the interval of half a step to either side."
    )
    return CheckResult(
        "calibration",
        TITLE,
        "warn" if fires else "pass",
        sentence + unit + evidence.of_a_sample(low.size),
        table,
        (pit_difference(shape, evidence.rate), interval_coverage(table)),
        pd.DataFrame({"point": shape.points, "ecdf": shape.ecdf, "lower": shape.lower, "upper": shape.upper}),
    )


def _coverage(low: np.ndarray, high: np.ndarray, interval: float, rate: float) -> dict[str, float]:
    start, stop = (1 - interval) / 2, (1 + interval) / 2
    below, above = _share_below(low, high, start), 1 - _share_below(low, high, stop)
    n = low.size
    lower, upper = (float(count) / n for count in binomial_limits(rate / 2, n, interval))
    return {
        "interval": interval,
        "coverage": 1 - below - above,
        "lower": lower,
        "upper": upper,
        "below": below,
        "above": above,
    }


def _share_below(low: np.ndarray, high: np.ndarray, point: float) -> float:
    """Share of PIT values below a point, each spread evenly over its interval."""
    width = high - low
    inside = np.where(width > 0, (point - low) / np.where(width > 0, width, 1.0), low < point)
    return float(np.clip(inside, 0.0, 1.0).mean())


def _direction(shape: Uniformity, table: pd.DataFrame) -> str:
    """The pattern of the departure, in words."""
    difference = shape.ecdf - shape.points
    quarter, last = difference[shape.points.searchsorted(0.25)], difference[shape.points.searchsorted(0.75)]
    if quarter * last > 0:
        return "outcomes are lower than predicted" if quarter > 0 else "outcomes are higher than predicted"
    narrow = table["coverage"].iloc[0] < table["interval"].iloc[0]
    return (
        "predictive distributions are too narrow"
        if narrow
        else "predictive distributions are too wide in the middle or of the wrong shape"
    )
