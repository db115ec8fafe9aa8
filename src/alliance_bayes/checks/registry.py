"""The checks by name, how they are run, and the gate that can withhold a fit's conclusions."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd

from alliance_bayes.checks.absent import Absent
from alliance_bayes.checks.calibration import Calibration
from alliance_bayes.checks.check import Check, CheckResult, Verdict
from alliance_bayes.checks.context import Context, Draws
from alliance_bayes.checks.convergence import Convergence
from alliance_bayes.checks.copies import Copies
from alliance_bayes.checks.interactions import Interactions
from alliance_bayes.checks.loo import LeaveOneOut
from alliance_bayes.checks.nameless import Nameless
from alliance_bayes.checks.order import Order
from alliance_bayes.checks.posterior_predictive import PosteriorPredictive
from alliance_bayes.checks.prior_predictive import PriorPredictive
from alliance_bayes.checks.refits import of_one_table
from alliance_bayes.checks.residuals import Curvature, Groups
from alliance_bayes.checks.sensitivity import Influence, PriorSensitivity
from alliance_bayes.checks.spread import Spread
from alliance_bayes.checks.unused_columns import UnusedColumns
from alliance_bayes.errors import AllianceBayesError, UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.machine import processors
from alliance_bayes.notebook import listed, overview, table
from alliance_bayes.readonly import ReadOnly

if TYPE_CHECKING:
    pass

__all__ = ["CHECKS", "CheckReport", "Gate", "choose_checks", "named", "run_checks", "run_gate"]

_CONVERGENCE = Convergence()
#: What precedes sentences of checks that look at one completed table.
OF_ONE_TABLE = "Of one completed table"
#: Every check by its name, in the order in which they are run and shown.
CHECKS: Mapping[str, Check] = ReadOnly(
    {
        check.name: check
        for check in (
            _CONVERGENCE,
            PriorPredictive(),
            PosteriorPredictive(),
            Calibration(),
            LeaveOneOut(),
            Curvature(),
            Groups(),
            Spread(),
            Interactions(),
            UnusedColumns(),
            Order(),
            Copies(),
            Absent(),
            PriorSensitivity(),
            Influence(),
        )
    }
)


@dataclass(frozen=True)
class Gate:
    """Whether a fit may be used for conclusions.

    Parameters
    ----------
    passed
        True when every check that decides about it was run, and none of them failed.
    reasons
        Why not, one sentence each.
    """

    passed: bool
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, results: Iterable[CheckResult]) -> Gate:
        """What the checks that decide about the gate say.

        Parameters
        ----------
        results
            Results of any checks.

        Returns
        -------
        Gate
            Open unless one of them closes it.
        """
        deciding = {result.check: result for result in results if result.check.gate}
        reasons = [check.gate for check in CHECKS.values() if check.gate and check not in deciding]
        for result in deciding.values():
            if result.verdict == "fail":
                reasons += result.problems or (result.sentence,)
        return cls(not reasons, tuple(reasons))

    def __str__(self) -> str:
        if self.passed:
            return "Gate: open. The draws may be used for conclusions."
        return " ".join(["Gate: CLOSED. Conclusions are withheld.", *self.reasons])


@dataclass(frozen=True, eq=False)
class CheckReport:
    """Results of all checks that were run, and the gate.

    Parameters
    ----------
    results
        In the order they were run.
    gate
        Whether conclusions may be drawn.
    model
        Formula and family of the checked fit, for printing.
    asked
        Arguments of :func:`alliance_bayes.run_checks` that give the report again, with the names of the extra columns
        in place of their values and those of the checks as ``only``; None where it was put together otherwise.
    """

    results: tuple[CheckResult, ...]
    gate: Gate
    model: str = ""
    asked: Mapping[str, Any] | None = None

    @property
    def conclusions_withheld(self) -> bool:
        """Whether the gate is closed."""
        return not self.gate.passed

    def __getitem__(self, name: str) -> CheckResult:
        for result in self.results:
            if result.name == name:
                return result
        raise UsageError(
            f"no check {name!r} in this report. Checks that were run: "
            f"{', '.join(result.name for result in self.results)}."
        )

    def __iter__(self) -> Iterator[CheckResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def to_frame(self) -> pd.DataFrame:
        """One row a check: ``name``, ``title``, ``verdict``, ``sentence`` (all text).

        Returns
        -------
        pandas.DataFrame
            In the order of the checks.
        """
        return pd.DataFrame(
            [(result.name, result.title, result.verdict, result.sentence) for result in self.results],
            columns=["name", "title", "verdict", "sentence"],
            dtype="str",
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; persons are numbered, in the order of their factor's levels, and not named.

        Returns
        -------
        dict
            Model, gate and results.
        """
        return {
            "model": self.model,
            "gate": {"passed": self.gate.passed, "reasons": list(self.gate.reasons)},
            "checks": [result.to_dict() for result in self.results],
        }

    def __str__(self) -> str:
        counts = [
            f"{sum(result.verdict == verdict for result in self.results)} {verdict}" for verdict in get_args(Verdict)
        ]
        head = f"Checks of {self.model}: {', '.join(counts)}" if self.model else f"Checks: {', '.join(counts)}"
        return "\n".join([head, *map(str, self.results), *textwrap.wrap(str(self.gate), 100)])

    def _repr_html_(self) -> str:
        """In a notebook: every check with its verdict, and what the gate says."""
        counts = [(verdict, sum(result.verdict == verdict for result in self.results)) for verdict in get_args(Verdict)]
        rows = [(result.title, result.verdict, result.sentence) for result in self.results]
        checks = table(("check", "verdict", "what it found"), rows, words=(0, 1, 2))
        gate = ["Conclusions may be drawn."] if self.gate.passed else ["Conclusions are withheld.", *self.gate.reasons]
        return overview(f"Checks of {self.model}" if self.model else "Checks", counts, checks, listed(gate))

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{result.name}: {result.verdict}" for result in self.results)
        return f"{type(self).__name__}({verdicts}; gate {'open' if self.gate.passed else 'closed'})"


def run_checks(
    fit: FittedModel,
    *,
    checks: Sequence[str | Check] | None = None,
    effects: pd.DataFrame | None = None,
    extra: pd.DataFrame | None = None,
    rate: float = 0.01,
    replicates: int = 1000,
    seed: int = 0,
) -> CheckReport:
    """Run the checks on a fit.

    Parameters
    ----------
    fit
        The fit.
    checks
        What to run, in order: names of those that come with the package (:data:`CHECKS`), and checks of your own
        (:class:`Check`); all that come with the package by default.
    effects
        The quantities that will be reported, with their ``rhat``, ``ess_bulk`` and ``ess_tail``.
    extra
        Further columns of the analysed rows, in their order, which the model leaves out (provider type, say); nothing
        that was made from the outcome.
    rate
        Share of well-specified fits in which each model check may fire.
    replicates
        How many data sets are simulated from the posterior.
    seed
        Seed of everything simulated.

    Returns
    -------
    CheckReport
        Results in that order. The gate is open when the convergence check ran and did not fail.

    Raises
    ------
    UsageError
        An unknown name (the known ones are listed); a check of your own that is none, whose name is taken, or in which
        something goes wrong; or see :class:`Context`.

    Examples
    --------
    ``run_checks(fit, checks=[*CHECKS, mine])`` runs a check of your own after all others.
    """
    chosen = list(CHECKS.values()) if checks is None else choose_checks(checks)
    context = Context(fit, effects=effects, extra=extra, rate=rate, replicates=replicates, seed=seed)
    if fit.imputation is None:
        results = _results(context, chosen)
    else:
        # What was drawn is judged as it is; what a model looks like beside its rows needs rows, and is of one table.
        of_draws = [check for check in chosen if check.gate]
        whole = dict(zip(of_draws, _results(context, of_draws), strict=True))
        others = [check for check in chosen if not check.gate]
        if others:
            again = replace(context, fit=of_one_table(fit), effects=None)
            for check, result in zip(others, _results(again, others), strict=True):
                whole[check] = _of_one_table(result)
        results = tuple(whole[check] for check in chosen)
    warned = [result.check for result in results if result.verdict == "warn"]
    results = tuple(
        result.check.beside(result, [check for check in warned if check.name in result.check.shows])
        for result in results
    )
    if (nameless := Nameless.of(fit)).numbers:
        results = tuple(result.naming_nobody(nameless) for result in results)
    request = {
        "only": None
        if checks is None
        else [check.name if is_packaged(check) else {"name": check.name, "title": check.title} for check in chosen],
        "beside": fit.beside is not None,
        "extra": None if extra is None else [str(name) for name in extra.columns],
        "rate": rate,
        "replicates": replicates,
        "seed": seed,
    }
    return CheckReport(results, Gate.of(results), f"{fit.spec.formula} ({fit.design.family.title})", request)


def _of_one_table(result: CheckResult) -> CheckResult:
    """What a check found in one completed table, said so; of what was not looked at there is no table."""
    if not len(result.table) and not len(result.details):
        return result
    return replace(result, sentence=f"{OF_ONE_TABLE}: {result.sentence}")


def run_gate(fit: Draws, effects: pd.DataFrame | None = None) -> CheckReport:
    """Run the check that decides about the gate, which asks nothing but the draws.

    Parameters
    ----------
    fit
        A fit of any kind.
    effects
        As for :func:`alliance_bayes.run_checks`.

    Returns
    -------
    CheckReport
        Its result, and the gate.
    """
    results = (_CONVERGENCE.of_draws(fit, effects),)
    return CheckReport(results, Gate.of(results))


def is_packaged(check: Check) -> bool:
    """Whether a check comes with the package."""
    return any(check is known for known in CHECKS.values())


@contextmanager
def named(check: Check) -> Iterator[None]:
    """Name the check in which something goes wrong, where it is not the package's: the fault is its own."""
    try:
        yield
    except Exception as error:
        if is_packaged(check):
            raise
        reason = str(error) if isinstance(error, AllianceBayesError) else f"{type(error).__name__}: {error}"
        raise UsageError(
            f"the check '{check.name}' went wrong: {reason.rstrip('.: ')}. Mend it, or leave it out."
        ) from error


def choose_checks(checks: Sequence[str | Check]) -> list[Check]:
    """The checks asked for; UsageError that lists whatever is none."""
    if isinstance(checks, str | Check):
        raise UsageError(f"checks should be a list of names and checks but got {checks!r}. Write [{checks!r}].")
    unknown = [item for item in checks if isinstance(item, str) and item not in CHECKS]
    if unknown:
        raise UsageError(f"unknown check(s) {', '.join(map(repr, unknown))}. Known checks: {', '.join(CHECKS)}.")
    faults, chosen = [], []
    for item in checks:
        if isinstance(item, type) and issubclass(item, Check):
            faults.append(f"{item.__name__} is a class: write {item.__name__}()")
        elif not isinstance(item, str | Check):
            faults.append(f"{item!r:.80} is neither a name nor a Check")
        else:
            chosen.append(CHECKS[item] if isinstance(item, str) else item)
    for check in chosen:
        if not is_packaged(check):
            # Again, because a check may have changed since it was made.
            try:
                check.refuse_faults()
            except TypeError as error:
                faults.append(str(error))
            else:
                faults += [f"the name {check.name!r} is that of a check of the package"] * (check.name in CHECKS)
    names = [check.name for check in chosen] if not faults else []
    faults += [f"{name!r} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if faults:
        raise UsageError(f"checks: {'; '.join(faults)}.")
    return chosen


def _result(check: Check, context: Context) -> CheckResult:
    with named(check):
        result = check(context)
        if not isinstance(result, CheckResult) or result.check is not check:
            raise TypeError(f"examine should return what self.result gives but returned {result!r:.80}")
        return result


def _results(context: Context, checks: Sequence[Check]) -> tuple[CheckResult, ...]:
    """Run checks; those that weigh draws, which NumPy does for most of their time, beside the others."""
    heavy = [check for check in checks if check.weighs_draws]
    if len(heavy) in (0, len(checks)) or context.fit.moments is not None or processors() == 1:
        return tuple(_result(check, context) for check in checks)
    # What both sides need is computed before they part.
    _ = context.relative_efficiency, context.fit.coefficients_of_known
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(copy_context().run, lambda: {check: _result(check, context) for check in heavy})
        results = {check: _result(check, context) for check in checks if check not in heavy}
        results |= ahead.result()
    return tuple(results[check] for check in checks)
