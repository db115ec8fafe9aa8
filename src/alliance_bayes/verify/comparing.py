"""Compare the figures of one row of a manifest with those of a refit, each within its Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from alliance_bayes.diagnostics import arviz
from alliance_bayes.report.page import GIVEN, NUMBERS
from alliance_bayes.report.records import kept, unit

__all__ = ["LIMIT", "Figure", "compare", "limit"]

#: Standard errors of their difference that a figure may be off in a page of some hundred figures.
LIMIT = 4.0
# Chance that some figure of an honest page is off by more than it may be.
_CHANCE = 0.01
_TAILS = ("median", "lower", "upper")
_SHARES = ("p_direction", "p_rope", "p_relevant")


@dataclass(frozen=True)
class Figure:
    """One figure of a page beside the same figure of a refit.

    Parameters
    ----------
    row, name
        Id of the row, and the column.
    page, again
        The two values; None where there is none.
    error
        Monte Carlo standard error of their difference; NaN where they are the same, or no number has one.
    agree
        Whether they are the same within so many errors as was asked for.
    """

    row: str
    name: str
    page: Any
    again: Any
    error: float
    agree: bool

    @property
    def errors(self) -> float:
        """Size of the difference in standard errors; NaN where there is none."""
        return abs(self.page - self.again) / self.error if self.error > 0 else math.nan


def limit(figures: int) -> float:
    """Standard errors that each of so many figures may be off: `LIMIT`, and more where thousands are compared.

    Some of 34,000 figures of two honest runs are off by more than four.
    """
    return max(LIMIT, NormalDist().inv_cdf(1 - _CHANCE / (2 * max(figures, 1))))


def compare(
    row: str,
    page: Mapping[str, Any],
    again: Mapping[str, Any],
    draws: Callable[[], np.ndarray | None],
    most: float = LIMIT,
) -> list[Figure]:
    """All figures of a row that the page or the refit has.

    Parameters
    ----------
    row
        Its id.
    page
        The row in the manifest.
    again
        The row in the refit's table.
    draws
        Gives the refit's draws, shape (chain, draw); None for what no model estimated, which is then to be the same.
    most
        Standard errors that a figure may be off; see `limit`.
    """
    again = kept({**again, "sd": _plain(again["sd"])})
    sd = again["sd"]
    # What a row is told by (interval, ROPE, ...) has no Monte Carlo error; an error of an error is not compared.
    exact = [
        Figure(row, name, page[name], again[name], math.nan, _same(page[name], again[name], None)) for name in GIVEN
    ]
    figures = [*exact, *(_figure(row, name, page, again, draws, sd, most) for name in NUMBERS)]
    return [figure for figure in figures if not (_missing(figure.page) and _missing(figure.again))]


def _figure(
    row: str,
    name: str,
    page: Mapping[str, Any],
    again: Mapping[str, Any],
    draws: Callable[[], np.ndarray | None],
    sd: float | None,
    most: float,
) -> Figure:
    old, new = page[name], again[name]
    if _same(old, new, None if name in _SHARES else sd):
        return Figure(row, name, old, new, math.nan, True)
    if not (_is_number(old) and _is_number(new)):
        return Figure(row, name, old, new, math.nan, False)
    values = draws()
    # Both runs have the error: the page's is taken to be that of the refit, since its own is part of what is checked.
    error = math.nan if values is None else math.sqrt(2) * _mcse(name, new, values)
    return Figure(row, name, old, new, error, bool(abs(old - new) <= most * error))


def _mcse(name: str, value: float, draws: np.ndarray) -> float:
    """Monte Carlo standard error of one figure; see Vehtari et al. (2021), doi 10.1214/20-BA1221."""
    if name in ("mean", "sd"):
        return float(arviz().mcse(draws, method=name))
    if name in _TAILS:
        # Limits of a highest-density interval are quantiles too, of whatever probability.
        prob = float(np.clip((draws <= value).mean(), 1 / draws.size, 1 - 1 / draws.size))
        return float(arviz().mcse(draws, method="quantile", prob=prob))
    assert name in _SHARES
    # A share near 0 or 1 is known to a draw at best.
    share = min(max(value, 1 / draws.size), 1 - 1 / draws.size)
    return math.sqrt(share * (1 - share) / max(float(arviz().ess(draws, method="mean")), 1.0))


def _missing(value: Any) -> bool:
    # A page has no infinite figure: JSON has none.
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _plain(value: Any) -> Any:
    return float(value) if _is_number(value) else None


def _same(old: Any, new: Any, sd: float | None) -> bool:
    """Equal to the digits that a manifest keeps."""
    if _missing(old) or _missing(new):
        return _missing(old) and _missing(new)
    if not (_is_number(old) and _is_number(new)):
        return bool(old == new)
    return abs(old - new) <= 1.01 * unit(new, sd)
