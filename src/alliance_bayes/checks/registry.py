"""The checks by name, and how they are run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Protocol

import pandas as pd

from alliance_bayes.checks.calibration import calibration
from alliance_bayes.checks.convergence import convergence
from alliance_bayes.checks.evidence import Evidence
from alliance_bayes.checks.loo import loo
from alliance_bayes.checks.posterior_predictive import posterior_predictive
from alliance_bayes.checks.prior_predictive import prior_predictive
from alliance_bayes.checks.residuals import curvature, groups
from alliance_bayes.checks.results import CheckReport, CheckResult, Gate
from alliance_bayes.checks.sensitivity import influence, prior_sensitivity
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.machine import processors

__all__ = ["CHECKS", "Check", "run_checks"]


class Check(Protocol):
    """What a check is: a function from a fit and what goes with it to a result."""

    def __call__(self, evidence: Evidence, /) -> CheckResult:
        """Look at the evidence and judge it."""
        ...


CHECKS: Mapping[str, Check] = {
    "convergence": convergence,
    "prior_predictive": prior_predictive,
    "posterior_predictive": posterior_predictive,
    "calibration": calibration,
    "loo": loo,
    "curvature": curvature,
    "groups": groups,
    "prior_sensitivity": prior_sensitivity,
    "influence": influence,
}
# They share the leave-one-out predictions, of which no other check knows.
_WEIGHING = ("calibration", "loo")


def run_checks(
    fit: FittedModel,
    *,
    effects: pd.DataFrame | None = None,
    extra: pd.DataFrame | None = None,
    only: Sequence[str] | None = None,
    rate: float = 0.01,
    replicates: int = 1000,
    seed: int = 0,
) -> CheckReport:
    """Run the checks on a fit.

    Parameters
    ----------
    fit
        The fit.
    effects
        The quantities that will be reported, with their ``rhat``, ``ess_bulk`` and ``ess_tail``.
    extra
        Further columns of the analysed rows, in their order, which the model leaves out (provider type, say); nothing
        that was made from the outcome.
    only
        Names of the checks to run; all by default.
    rate
        Share of well-specified fits in which each model check may fire.
    replicates
        How many data sets are simulated from the posterior.
    seed
        Seed of everything simulated.

    Returns
    -------
    CheckReport
        Results in the order of :data:`CHECKS`. The gate is open when the convergence check ran and did not fail.

    Raises
    ------
    UsageError
        An unknown name (the known ones are listed), or see :class:`Evidence`.
    """
    if isinstance(only, str):
        raise UsageError(f"only should be a sequence of names but got the text {only!r}. Write ({only!r},).")
    unknown = [name for name in only or () if name not in CHECKS]
    if unknown:
        raise UsageError(f"unknown check(s) {', '.join(map(repr, unknown))}. Known checks: {', '.join(CHECKS)}.")
    evidence = Evidence(fit, effects=effects, extra=extra, rate=rate, replicates=replicates, seed=seed)
    results = _results(evidence, [name for name in CHECKS if only is None or name in only])
    asked = {
        "only": None if only is None else list(only),
        "extra": None if extra is None else [str(name) for name in extra.columns],
        "rate": rate,
        "replicates": replicates,
        "seed": seed,
    }
    return CheckReport(results, _gate(results), f"{fit.spec.formula} ({fit.design.family.title})", asked)


def _results(evidence: Evidence, names: Collection[str]) -> tuple[CheckResult, ...]:
    """Run checks; those that weigh draws, which NumPy does for most of their time, beside the others."""
    heavy = [name for name in names if name in _WEIGHING]
    if len(heavy) in (0, len(names)) or evidence.fit.moments is not None or processors() == 1:
        return tuple(CHECKS[name](evidence) for name in names)
    # What both sides need is computed before they part.
    _ = evidence.relative_efficiency, evidence.fit.coefficients_of_known
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(copy_context().run, lambda: {name: CHECKS[name](evidence) for name in heavy})
        found = {name: CHECKS[name](evidence) for name in names if name not in heavy}
        found |= ahead.result()
    return tuple(found[name] for name in names)


def _gate(results: tuple[CheckResult, ...]) -> Gate:
    for result in results:
        if result.name == "convergence":
            return Gate(result.verdict != "fail", result.problems)
    return Gate(False, ("Convergence was not checked. Run that check too.",))
