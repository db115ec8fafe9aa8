"""Structure in the residuals: along numeric predictors, and between groups."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_bayes.bins import bin_numbers
from alliance_bayes.checks.evidence import Evidence
from alliance_bayes.checks.lack_of_fit import LackOfFit, lack_of_fit, level_basis, parts_limits, spline_basis
from alliance_bayes.checks.plots_residuals import residuals_along, residuals_by_level
from alliance_bayes.checks.results import CheckResult
from alliance_bayes.checks.rows_needed import rows_needed
from alliance_bayes.checks.wording import percent

__all__ = ["curvature", "groups"]

ALONG, BY_GROUP = "Residuals along numeric predictors", "Residuals by group"
PARTS = 10
_REMEDIES = {
    "left out": "The model leaves out {0}: pool over it, as in (1 | {1}).",
    "residual": "The model lets the residual SD differ by {0}, but not the mean: pool over it, as in (1 | {1}).",
    "in part": "The model has {0} only in combination with other columns: give it a term of its own, as in (1 | {1}).",
    "pooled": "The model pools over {0}: check the prior of its level SD, and what else differs between its levels.",
}
NAMED = 4


def curvature(evidence: Evidence) -> CheckResult:
    """Compare the residuals along every numeric predictor with those of replicates.

    Parameters
    ----------
    evidence
        The fit with its replicates; numeric columns of ``extra`` are looked at too.

    Returns
    -------
    CheckResult
        ``warn`` when a column's test fires. The table has one row a column and part of its range (tenths of the rows,
        or fewer): ``column``, ``low``, ``high``, ``n``, ``residual`` (mean of observed minus expected), ``limit``
        (parts of one column keep within plus and minus it together) and ``p`` (the column's, adjusted for the number
        of columns). The test looks along a natural cubic spline, the parts are for the eye.
    """
    if evidence.fit.moments is not None:
        return rows_needed("curvature", ALONG, "The course of residuals along a predictor")
    looked_at, evidence = evidence.sampled, evidence.sample
    columns = evidence.numeric
    tests = lack_of_fit(evidence, {name: spline_basis(values) for name, values in columns.items()})
    frames = []
    for name, values in columns.items():
        edges = _edges(values)
        parts = np.where(np.isfinite(values), bin_numbers(values, edges), -1)
        indicators = parts[:, None] == np.arange(edges.size - 1)
        residual, limit = parts_limits(evidence, indicators)
        middle = [float(values[at].mean()) for at in indicators.T]
        low, high = ([float(f(values[at])) for at in indicators.T] for f in (np.min, np.max))
        frames.append(
            pd.DataFrame(
                {"column": name, "low": low, "high": high, "mean": middle, "n": indicators.sum(axis=0)}
            ).assign(residual=residual, limit=limit, p=tests[name].p)
        )
    table = _concatenated(frames, ["column", "low", "high", "mean", "n", "residual", "limit", "p"])
    fired = _fired(tests, evidence.rate)
    if fired:
        smooths = {smooth.column: smooth.size for smooth in evidence.fit.design.smooths}
        curve = (
            f"Give s({fired[0]}) more than {smooths[fired[0]]} knots"
            if fired[0] in smooths
            else f"Let it bend, as in s({fired[0]})"
        )
        sentence = (
            f"The residuals are not level along {_named(fired, tests)}: the relation is not the one the formula "
            f"states. {curve}, or add an interaction, and see whether the reported slope changes."
        )
    elif not tests:
        sentence = "The model has no numeric predictors, so there is no curve to look for."
    else:
        sentence = (
            f"The residuals are level along {', '.join(tests)}: they bend no more than they do in "
            f"{percent(1 - evidence.rate)} of data sets from a well-specified model."
        )
    return CheckResult(
        "curvature",
        ALONG,
        "warn" if fired else "pass" if tests else "info",
        sentence + looked_at,
        table,
        tuple(
            residuals_along(evidence.fit.design, str(name), rows) for name, rows in table.groupby("column", sort=False)
        ),
    )


def groups(evidence: Evidence) -> CheckResult:
    """Compare the residuals of every level of every categorical column with those of replicates.

    Parameters
    ----------
    evidence
        The fit with its replicates; categorical columns of ``extra`` are looked at too.

    Returns
    -------
    CheckResult
        ``warn`` when a column's test fires. The table has one row a column and level: ``column``, ``role``
        (``pooled``, ``common``, ``residual``, ``in part``, ``left out``), ``level``, ``n``, ``residual``, ``limit`` and
        ``p``, as in :func:`curvature`.

    Notes
    -----
    A column of common effects is fitted freely, and has nothing left to test (p is 1).
    """
    if evidence.fit.moments is not None:
        return rows_needed("groups", BY_GROUP, "The distribution of residuals by group")
    looked_at, evidence = evidence.sampled, evidence.sample
    groupings = {grouping.name: grouping for grouping in evidence.groupings}
    tests = lack_of_fit(evidence, {name: level_basis(grouping.indicators) for name, grouping in groupings.items()})
    roles = {name: _role(grouping.role, tests[name]) for name, grouping in groupings.items()}
    frames = []
    for name, grouping in groupings.items():
        there = np.flatnonzero(grouping.counts > 0)
        residual, limit = parts_limits(evidence, grouping.indicators[:, there])
        levels = pd.DataFrame({"level": [grouping.levels[k] for k in there], "n": grouping.counts[there]})
        frames.append(levels.assign(column=name, role=roles[name], residual=residual, limit=limit, p=tests[name].p))
    table = _concatenated(frames, ["column", "role", "level", "n", "residual", "limit", "p"])
    fired = _fired(tests, evidence.rate)
    if fired:
        remedies = [_remedy(role, [name for name in fired if roles[name] == role]) for role in _REMEDIES]
        sentence = (
            f"The residuals differ between the levels of {_named(fired, tests)}. {' '.join(filter(None, remedies))}"
        )
    elif not tests:
        sentence = "There are no categorical columns to look at."
    else:
        sentence = (
            f"The residuals do not differ between the levels of {', '.join(tests)} by more than they do in "
            f"{percent(1 - evidence.rate)} of data sets from a well-specified model."
        )
    return CheckResult(
        "groups",
        BY_GROUP,
        "warn" if fired else "pass" if tests else "info",
        sentence + looked_at,
        table,
        tuple(
            residuals_by_level(evidence.fit.design, str(name), rows)
            for name, rows in table.groupby("column", sort=False)
        ),
    )


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of up to ten parts with about equally many rows; equal values stay together."""
    present = values[np.isfinite(values)]
    distinct = np.unique(present)
    if distinct.size <= PARTS:
        inner = distinct[1:]
    else:
        inner = np.unique(np.quantile(present, np.arange(1, PARTS) / PARTS, method="higher"))
        inner = inner[inner > distinct[0]]
    return np.concatenate([[-np.inf], inner, [np.inf]])


def _fired(tests: dict[str, LackOfFit], rate: float) -> list[str]:
    return sorted((name for name, test in tests.items() if test.p < rate), key=lambda name: tests[name].p)


def _role(given: str, test: LackOfFit) -> str:
    """What the model does with a column: of those it does not pool over, it may express all differences or some."""
    if given == "pooled":
        return given
    if test.df == 0:
        return "common"
    return "in part" if given == "column" else given


def _remedy(role: str, names: list[str]) -> str:
    return _REMEDIES[role].format(" and ".join(names), names[0]) if names else ""


def _named(fired: list[str], tests: dict[str, LackOfFit]) -> str:
    shown = ", ".join(f"{name} (p = {tests[name].p:.3f})" for name in fired[:NAMED])
    return shown + (f" and {len(fired) - NAMED} more" if len(fired) > NAMED else "")


def _concatenated(frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)
