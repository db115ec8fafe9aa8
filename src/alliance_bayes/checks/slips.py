"""Whether a column has slipped against the rows: from some row on, its values are those of a row before or after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from alliance_bayes.checks.context import Context
from alliance_bayes.checks.subsample import at_mean
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.derivative import RoughnessError

__all__ = ["Slip", "largest_slip"]

#: By how many rows a column may have slipped.
MOST = 3
#: What a row tells at most, so that no few rows of a heavy tail are a slip.
_CAP = 3.0
#: And at the least, which ends any run.
_FLOOR = -1e3


@dataclass(frozen=True)
class Slip:
    """The run of rows that speaks most for a slip.

    Parameters
    ----------
    column
        The column whose value is in another row than its outcome.
    is_outcome
        Whether it is the outcome itself, so that all predictors are in another row.
    by
        How many rows before its outcome the value is; after it where negative.
    first, last
        The first and the last row of the run, places in the table.
    share
        What an alignment would take from the sum of squares of the residuals, beyond chance, as a share.
    p
        At least the probability of as much in any run, of any column, by any number of rows, in a table in order.
    """

    column: str
    is_outcome: bool
    by: int
    first: int
    last: int
    share: float
    p: float


def largest_slip(context: Context) -> Slip | None:
    """The slip that a fit speaks most for; None where no two rows are of different people.

    Notes
    -----
    The log likelihood ratio of "row i has the value of row i - k" against its own, a term a row, is summed over runs of
    rows. Where the table is in order, the ratio of a run that begins at a given row has the expectation 1 at most,
    so that the largest of all runs of it exceeds s with a probability of exp(-s) at most (Ville's inequality), and that
    of n rows and m looks with at most n m exp(-s). Parameters are their posterior means; ratios are cut off above, and
    divided by the residuals' dispersion where that is larger than the model's. Values k rows off tell what the outcome
    is, and those of k rows the other way nothing; where both tell half as much (a slope that is another one within
    sites), what neighbours have in common is another thing, and the run is passed over.
    """
    fit = context.fit
    n = fit.design.rows.n
    if fit.people is not None and fit.count_people() < n:
        # What a person's row before says of the next one is an effect that lasts.
        return None
    place = np.arange(n) if fit.beside is None else fit.beside.place
    pairs = {by: _pairs(place, by) for by in range(-MOST, MOST + 1) if by}
    best, looks, point = None, 0, _Point(fit)
    for column, predictor in _columns(context, point.eta):
        terms = {by: point.ratios(rows, predictor(rows, others)) for by, (rows, others) in pairs.items()}
        looks += len(pairs)
        for by, ratios in terms.items():
            first, last, total = _largest_run(ratios)
            other_side = terms[-by][first : last + 1].sum()
            if other_side < total / 2 and (best is None or total > best[0]):
                best = (total, column, column == fit.design.outcome.name, by, int(place[first]), int(place[last]))
    if best is None:
        return None
    return Slip(*best[1:], share=2 * best[0] / n, p=float(min(1.0, n * looks * np.exp(-best[0]))))


def _pairs(place: np.ndarray, by: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and the rows that stand so many places before them in the table, where these were analysed."""
    at = np.minimum(np.searchsorted(place, place - by), place.size - 1)
    known = place[at] == place - by
    return np.flatnonzero(known), at[known]


def _largest_run(terms: np.ndarray) -> tuple[int, int, float]:
    """First and last place of the run with the largest sum, and the sum."""
    sums = np.concatenate([[0.0], np.cumsum(terms)])
    lowest = np.minimum.accumulate(sums)
    end = int(np.argmax(sums - lowest))
    first = int(np.argmin(sums[: end + 1]))
    return first, max(first, end - 1), float(sums[end] - sums[first])


class _Point:
    """The density at the posterior's means."""

    def __init__(self, fit: FittedModel) -> None:
        self.family, self.outcome, mean = fit.design.family, fit.design.outcome, at_mean(fit)
        self.own, self.eta = mean.parameters_at(), mean.linear_predictor()[0]
        self.here = self._density(self.eta)
        expected = self.family.expectation(self.eta[None], self.own, self.outcome)[0]
        variance = self.family.residual_variance(self.eta[None], self.own, self.outcome)[0]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            spread = float(np.mean((self.outcome.values - expected) ** 2 / variance))
        # More spread than the model has is another check's to say.
        self.spread = max(1.0, spread) if np.isfinite(spread) else 1.0

    def _density(self, eta: np.ndarray) -> np.ndarray:
        return np.asarray(self.family.log_density(eta[None], self.own, self.outcome)[0])

    def ratios(self, rows: np.ndarray, predictor: np.ndarray) -> np.ndarray:
        """Log ratios (n,) of other linear predictors of some rows against their own."""
        eta, terms = self.eta.copy(), np.zeros(self.eta.size)
        eta[rows] = predictor
        # Another's value may be beyond what a computer has.
        with np.errstate(over="ignore", invalid="ignore"):
            terms[rows] = (self._density(eta) - self.here)[rows] / self.spread
        return np.clip(np.nan_to_num(terms, nan=_FLOOR), _FLOOR, _CAP)


def _columns(context: Context, eta: np.ndarray) -> Iterator[tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]]:
    """Each column, and the linear predictor of rows with its values of others; of the outcome, with all of theirs."""
    design = context.fit.design
    yield design.outcome.name, lambda rows, others: eta[others]
    for name, values in context.numeric.items():
        slope = _slope(context.fit, name)
        if slope is None or not slope.any():
            continue

        def of_others(
            rows: np.ndarray, others: np.ndarray, values: np.ndarray = values, slope: np.ndarray = slope
        ) -> np.ndarray:
            return eta[rows] + slope[rows] * (values[others] - values[rows])

        yield name, of_others


def _slope(fit: FittedModel, column: str) -> np.ndarray | None:
    """How the linear predictor changes along a column at each row; None where it has no derivative."""
    design = fit.design
    if column not in design.frame.columns:
        return None
    try:
        return fit.mean_predictor(design.change(design.frame, column, design.rows))
    except RoughnessError:
        return None
