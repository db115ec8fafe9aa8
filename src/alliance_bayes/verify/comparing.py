"""Compare the figures of one row of a manifest with those of a refit, each within its Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from alliance_bayes.effects.convergence import arviz
from alliance_bayes.report.manifest import DIGITS, GIVEN, NUMBERS

__all__ = ["LIMIT", "Figure", "compare"]

#: Standard errors that a figure may be off: the demonstration report has 34,000 figures, and some figure of two honest
#: runs of it would differ by more about once in fifty times.
LIMIT = 5.0
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
        Whether they are the same within `LIMIT` errors.
    """

    row: str
    name: str
    page: Any
    again: Any
    error: float
    agree: bool


def compare(
    row: str, page: Mapping[str, Any], again: Mapping[str, Any], draws: Callable[[], np.ndarray | None]
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
    """
    # What a row is told by (interval, ROPE, ...) has no Monte Carlo error; an error of an error is not compared.
    exact = [
        Figure(row, name, page[name], again[name], math.nan, _same(page[name], again[name]))
        for name in GIVEN
        if name != "mcse_mean"
    ]
    figures = [*exact, *(_figure(row, name, page, again, draws) for name in NUMBERS)]
    return [figure for figure in figures if not (_missing(figure.page) and _missing(figure.again))]


def _figure(
    row: str, name: str, page: Mapping[str, Any], again: Mapping[str, Any], draws: Callable[[], np.ndarray | None]
) -> Figure:
    old, new = page[name], again[name]
    if _same(old, new):
        return Figure(row, name, old, new, math.nan, True)
    if _missing(old) or _missing(new) or isinstance(old, str) or isinstance(new, str):
        return Figure(row, name, old, new, math.nan, False)
    found = draws()
    # Both runs have the error: the page's is taken to be that of the refit, since its own is part of what is checked.
    error = math.nan if found is None else math.sqrt(2) * _mcse(name, new, found)
    return Figure(row, name, old, new, error, bool(abs(old - new) <= LIMIT * error))


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
    return value is None or (isinstance(value, float) and math.isnan(value))


def _same(old: Any, new: Any) -> bool:
    """Equal to the digits that a manifest keeps."""
    if _missing(old) or _missing(new):
        return _missing(old) and _missing(new)
    if isinstance(old, str) or isinstance(new, str):
        return bool(old == new)
    return math.isclose(old, new, rel_tol=10.0 ** (1 - DIGITS), abs_tol=1e-12)
