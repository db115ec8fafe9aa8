"""Leave-one-out predictive accuracy, and whether its estimate can be trusted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_bayes.checks.evidence import Evidence
from alliance_bayes.checks.plots_calibration import pareto_shapes
from alliance_bayes.checks.results import CheckResult, Verdict
from alliance_bayes.checks.rows_needed import rows_needed

__all__ = ["loo"]

TITLE = "Leave-one-out predictions (PSIS-LOO)"
INFLUENTIAL = 10


def loo(evidence: Evidence) -> CheckResult:
    """Estimate leave-one-out predictive accuracy by Pareto-smoothed importance sampling.

    Parameters
    ----------
    evidence
        The fit.

    Returns
    -------
    CheckResult
        ``warn`` when some Pareto k is above ArviZ's ``good_k``, ``fail`` when one is above 1 (the importance ratios
        then have no mean). The table has rows ``elpd_loo``, ``p_loo``, the largest k and the number of rows by k
        (columns ``quantity``, ``value``, ``se``, ``limit``); ``details`` the rows with the largest k (``row`` from 0,
        ``outcome``, ``pareto_k``, ``elpd``).

    Notes
    -----
    For a continuous family on an outcome with levels, ``elpd_loo of levels`` scores the probability of the observed
    level. It may be compared with discrete families, as ``elpd_loo``, a density there, may not.
    """
    if evidence.fit.moments is not None:
        return rows_needed("loo", TITLE, "Leaving one row out")
    loo = evidence.loo
    elpd, se, p = loo.total
    outcome = evidence.fit.design.outcome
    k, good = loo.pareto_k, loo.good_k
    n, middling, bad = k.size, int(((k > good) & (k <= 1)).sum()), int((~(k <= 1)).sum())
    largest = float(np.where(np.isnan(k), np.inf, k).max())
    rows = [("elpd_loo", elpd, se, np.nan), ("p_loo", p, np.nan, np.nan)]
    if evidence.left_out.level is not None:
        levels = np.log(np.maximum(evidence.left_out.level, np.finfo(float).tiny))
        rows.append(("elpd_loo of levels", float(levels.sum()), float(np.sqrt(n * levels.var(ddof=1))), np.nan))
    rows += [
        ("Pareto k, largest", largest, np.nan, good),
        (f"rows with k up to {good:.2f}", n - middling - bad, np.nan, np.nan),
        (f"rows with k from {good:.2f} to 1", middling, np.nan, 0.0),
        ("rows with k above 1", bad, np.nan, 0.0),
    ]
    verdict: Verdict = "fail" if bad else "warn" if middling else "pass"
    order = np.argsort(-np.where(np.isnan(k), np.inf, k), kind="stable")[:INFLUENTIAL]
    accuracy = f"elpd_loo is {elpd:,.1f} (SE {se:,.1f}) with {p:,.1f} effective parameters"
    if verdict == "pass":
        sentence = (
            f"Leave-one-out predictions can be trusted: the largest Pareto k is {largest:.2f} (limit {good:.2f}); "
            f"{accuracy}."
        )
    else:
        who = ", ".join(str(int(row)) for row in order[: min(5, middling + bad)])
        sentence = (
            f"Leave-one-out predictions of {middling + bad} of {n:,} rows cannot be trusted (Pareto k above "
            f"{good:.2f}, largest {largest:.2f}; rows {who}, counted from 0): these rows pull the fit. Check their "
            "values, compare a family with heavier tails, and do not compare models by elpd_loo before that; "
            f"{accuracy}."
        )
    return CheckResult(
        "loo",
        TITLE,
        verdict,
        sentence,
        pd.DataFrame(rows, columns=["quantity", "value", "se", "limit"]),
        (pareto_shapes(k, good),),
        pd.DataFrame({"row": order, "outcome": outcome.values[order], "pareto_k": k[order], "elpd": loo.elpd[order]}),
        (sentence,) if verdict == "fail" else (),
    )
