"""Leave-one-out predictive accuracy, and whether its estimate can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.checks.check import OF_STRUCTURE, OTHER_FAMILY, Check, CheckResult, Plot, Verdict
from alliance_bayes.checks.context import Context
from alliance_bayes.checks.drawing import EXPECTED, GREY, OBSERVED, axes_of, legend
from alliance_bayes.checks.leave_one_out import Loo
from alliance_bayes.checks.people import why_rows
from alliance_bayes.checks.subsample import looked_at

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LeaveOneOut"]

INFLUENTIAL = 10
_COLUMNS = ["quantity", "value", "se", "sampling_se", "limit"]


class LeaveOneOut(Check):
    """Estimate leave-one-out predictive accuracy by Pareto-smoothed importance sampling.

    ``warn`` when some Pareto k is above ArviZ's ``good_k``, ``fail`` when one is above 1 (the importance ratios
    then have no mean). The table has rows ``elpd_loo``, ``p_loo``, the largest k and the number of rows by k
    (columns ``quantity``, ``value``, ``se``, ``limit``, and ``sampling_se`` where some rows were looked at);
    ``details`` the rows with the largest k (``row`` from 0, ``outcome``, ``pareto_k``, ``elpd``).

    Notes
    -----
    Of more than 10,000 rows, a random sample of so many is looked at, and the thousand others whose log densities vary
    most over the draws: a row with a large k is one of these. Sums over all rows are estimated by the difference
    estimator (:meth:`~alliance_bayes.checks.subsample.LookedAt.total`); ``se`` counts in what this adds, and
    ``sampling_se`` is that part.

    Where rows are several of one person, persons are left out, each with all rows and with the person's effects
    integrated out (:func:`~alliance_bayes.checks.people.leave_people_out`): what is predicted is somebody new.
    ``row`` is then the first row of the person. Where that cannot be done, the sentence says why rows are left out.

    For a continuous family on an outcome with levels, ``elpd_loo of levels`` scores the probability of the observed
    level. It may be compared with discrete families, as ``elpd_loo``, a density there, may not.
    """

    name = "loo"
    shows = OF_STRUCTURE
    judges = "loo"
    title = "Leave-one-out predictions (PSIS-LOO)"
    looks_at = "leave-one-out predictions (PSIS-LOO)"
    meaning = (
        "Single rows weigh heavily in the results, and comparisons of models by these scores are not to be trusted."
    )
    concerns = ("effects", "groups")
    references = ("vehtari2017", "vehtari2024")
    weighs_draws = True
    needs_rows = "Leaving one row out"

    def examine(self, context: Context) -> CheckResult:
        """Predict rows, or persons with several rows, each from all the others."""
        why = why_rows(context.fit)
        if context.fit.people is not None and not why:
            return self._of_people(context)
        loo = context.loo
        looked, known = loo.looked, loo.known
        outcome = context.fit.design.outcome
        k, good, n = loo.pareto_k, loo.good_k, loo.pareto_k.size
        elpd = looked.total(loo.elpd, None if known is None else known.elpd)
        p = looked.total(loo.p, None if known is None else known.p)
        rows = [
            ("elpd_loo", elpd.value, elpd.se, elpd.sampling, np.nan),
            ("p_loo", p.value, np.nan, p.sampling, np.nan),
        ]
        if loo.level is not None:
            levels = looked.total(
                np.log(np.maximum(loo.level, np.finfo(float).tiny)), None if known is None else known.level
            )
            rows.append(("elpd_loo of levels", levels.value, levels.se, levels.sampling, np.nan))
        seen = "" if looked.whole else " looked at"
        shapes = _Shapes.of(loo)
        rows += shapes.rows("rows" if looked.whole else f"rows of {n:,}{seen}")
        table = pd.DataFrame(rows, columns=_COLUMNS)
        largest, beyond, order = shapes.largest, shapes.middling + shapes.bad, shapes.order
        at = looked.rows[order]
        accuracy = f"elpd_loo is {elpd.value:,.1f} (SE {elpd.se:,.1f}) with {p.value:,.1f} effective parameters"
        if shapes.verdict == "pass":
            sentence = (
                f"Leave-one-out predictions can be trusted: the largest Pareto k is {largest:.2f} (limit {good:.2f}); "
                f"{accuracy}."
            )
        else:
            who = ", ".join(str(int(row)) for row in at[: min(5, beyond)])
            one = beyond == 1
            which, pull, whose = ("row", "it pulls", "its") if one else ("rows", "these rows pull", "their")
            sentence = (
                f"Leave-one-out predictions of {beyond} of {n:,} rows{seen} cannot be trusted (Pareto k above "
                f"{good:.2f}, largest {largest:.2f}; {which} {who}, counted from 0): {pull} the fit. Check {whose} "
                f"values, {OTHER_FAMILY} with heavier tails, and do not compare models by elpd_loo before that; "
                f"{accuracy}."
            )
        sentence += looked.counted(elpd, "elpd_loo")
        if why:
            sentence += f" Single rows are left out, not persons with all of theirs: {why}."
        if context.every > 1:
            sentence += f" One of {context.every} draws was weighed."
        return self.result(
            shapes.verdict,
            sentence,
            table.drop(columns="sampling_se") if looked.whole else table,
            plots=(pareto_shapes(k, good, looked.rows),),
            details=pd.DataFrame(
                {"row": at, "outcome": outcome.values[at], "pareto_k": k[order], "elpd": loo.elpd[order]}
            ),
            problems=(sentence,) if shapes.verdict == "fail" else (),
        )

    def _of_people(self, context: Context) -> CheckResult:
        loo = context.loo_of_people
        k, good, n = loo.pareto_k, loo.good_k, loo.pareto_k.size
        again, shapes = int(loo.refitted.sum()), _Shapes.of(loo)
        everybody = looked_at(n, np.arange(n), [])
        elpd, p = everybody.total(loo.elpd, None), everybody.total(loo.p, None)
        rows = [
            ("elpd_loo", elpd.value, elpd.se, elpd.sampling, np.nan),
            ("p_loo", p.value, np.nan, p.sampling, np.nan),
            *shapes.rows("people", apart=again),
        ]
        if again:
            rows.append(("people left out by fitting the model again", again, np.nan, np.nan, np.nan))
        summary = (
            f"elpd_loo is {elpd.value:,.1f} (SE {elpd.se:,.1f}) over {n:,} people with {p.value:,.1f} effective "
            "parameters"
        )
        others = (
            f" {again} of them {'was' if again == 1 else 'were'} left out by fitting the model again." if again else ""
        )
        if shapes.verdict == "pass":
            sentence = (
                "Predictions of people who are left out, each with all their rows, can be trusted: the largest "
                f"Pareto k is {shapes.largest:.2f} (limit {good:.2f}); {summary}.{others}"
            )
        else:
            sentence = (
                f"Predictions of {shapes.middling + shapes.bad} of {n:,} people who are left out, each with all their "
                f"rows, cannot be trusted (Pareto k above {good:.2f}, largest {shapes.largest:.2f}): these people pull "
                f"the fit. Check their values, {OTHER_FAMILY} with heavier tails, and do not compare models by "
                "elpd_loo before that; "
                f"{summary}.{others}"
            )
        order = shapes.order
        return self.result(
            shapes.verdict,
            sentence,
            pd.DataFrame(rows, columns=_COLUMNS).drop(columns="sampling_se"),
            plots=(pareto_shapes(k, good, np.arange(n), what="person"),),
            details=pd.DataFrame({"row": loo.first[order], "pareto_k": k[order], "elpd": loo.elpd[order]}),
            problems=(sentence,) if shapes.verdict == "fail" else (),
        )


@dataclass(frozen=True, eq=False)
class _Shapes:
    """How far the shapes of importance ratios go: those between the limit and 1, and those beyond."""

    k: np.ndarray
    good: float

    @classmethod
    def of(cls, loo: Loo) -> _Shapes:
        """Of leave-one-out predictions; a shape that cannot be told counts as the worst."""
        return cls(np.where(np.isnan(loo.pareto_k), np.inf, loo.pareto_k), loo.good_k)

    @property
    def middling(self) -> int:
        return int(((self.k > self.good) & (self.k <= 1)).sum())

    @property
    def bad(self) -> int:
        return int((self.k > 1).sum())

    @property
    def largest(self) -> float:
        return float(self.k.max())

    @property
    def verdict(self) -> Verdict:
        return "fail" if self.bad else "warn" if self.middling else "pass"

    @property
    def order(self) -> np.ndarray:
        """Places of the largest."""
        return np.argsort(-self.k, kind="stable")[:INFLUENTIAL]

    def rows(self, units: str, *, apart: int = 0) -> list[tuple[str, float, float, float, float]]:
        """Rows of the table, of which some are counted apart."""
        within = self.k.size - self.middling - self.bad - apart
        return [
            ("Pareto k, largest", self.largest, np.nan, np.nan, self.good),
            (f"{units} with k up to {self.good:.2f}", within, np.nan, np.nan, np.nan),
            (f"{units} with k from {self.good:.2f} to 1", self.middling, np.nan, np.nan, 0.0),
            (f"{units} with k above 1", self.bad, np.nan, np.nan, 0.0),
        ]


def pareto_shapes(k: np.ndarray, good: float, rows: np.ndarray, *, what: str = "row") -> Plot:
    """Pareto k of every row (or person) that was looked at, with the limit.

    Parameters
    ----------
    k
        Shape (n,).
    good
        Estimates with a larger k are not reliable.
    rows
        Places of the rows, shape (n,).
    what
        What was left out.
    """
    several = "people" if what == "person" else f"{what}s"
    finite = np.where(np.isfinite(k), k, 1.5)
    above = int((finite > good).sum())

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        over = finite > good
        axes.plot(
            rows[~over], finite[~over], ".", color=EXPECTED, markersize=3, alpha=0.6, rasterized=True, label=several
        )
        if over.any():
            axes.plot(rows[over], finite[over], "^", color=OBSERVED, markersize=6, label=f"{several} above the limit")
        axes.axhline(good, color=GREY, linestyle="--", linewidth=1.2, label=f"limit {good:.2f}")
        axes.set_xlabel(f"Analysed {what} (counted from 0)")
        axes.set_ylabel("Pareto k")
        legend(figure, axes)

    return Plot(
        "loo-pareto-k",
        f"Influence of single {several}: Pareto k",
        f"Pareto k of {k.size:,} {several}. The largest is {finite.max():.2f}; {above or 'none'} of them "
        f"{'is' if above == 1 else 'are'} above the limit of {good:.2f}.",
        draw,
        single_rows=True,
    )
