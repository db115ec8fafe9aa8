"""What was really done: which checks were run on a fit, and which could have been."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alliance_bayes.report.checking import Item
    from alliance_bayes.report.view import View

__all__ = ["CHECKED_FOR", "not_run", "ran"]

#: What each check that comes with the package looks at, as a list names it.
CHECKED_FOR: Mapping[str, str] = {
    "convergence": "convergence of the chains and effective sample size of every parameter and every effect",
    "prior_predictive": "prior predictive check",
    "posterior_predictive": "posterior predictive check",
    "calibration": "calibration of predictions for single people (LOO-PIT)",
    "loo": "leave-one-out predictions (PSIS-LOO)",
    "curvature": "residuals along numeric predictors",
    "groups": "residuals by group",
    "prior_sensitivity": "sensitivity of the focal slope to the priors",
    "influence": "sensitivity of the focal slope to the lowest ratings and to the largest levels of sampled factors",
}


def ran(view: View, name: str) -> Item | None:
    """A check that was run and came to a result, or None.

    A check that could not be made of a fit (of single rows, say, where there are only moments) has a sentence that says
    so, and nothing else.
    """
    item = view.checked.by_name(name)
    result = next((result for result in view.checks.results if result.name == name), None)
    if item is None or result is None:
        return None
    empty = result.verdict == "info" and not len(result.table) and not result.plots
    return None if empty else item


def not_run(view: View) -> list[tuple[str, bool]]:
    """Checks that come with the package and have no result, with whether that is for want of rows."""
    return [
        (words, view.fit.moments is not None and view.checked.by_name(name) is not None)
        for name, words in CHECKED_FOR.items()
        if ran(view, name) is None
    ]
