"""Whether the residuals go along columns of the table that the model does not use."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_bayes.checks.check import Check, CheckResult, percent, some
from alliance_bayes.checks.context import Context
from alliance_bayes.checks.lack_of_fit import Basis, discrepancies, judged, levels_basis, spline_basis, tangent
from alliance_bayes.checks.residuals import fired_of, named
from alliance_bayes.model.roles import columns_of
from alliance_bayes.wording import Wording

__all__ = ["UnusedColumns"]

SENTENCES = Wording("alliance_bayes.checks", "sentences/unused_columns.toml")
_COLUMNS = ["column", "kind", "df", "share", "p"]


class UnusedColumns(Check):
    """Compare the residuals along columns of the table that the model does not use with those of replicates.

    ``warn`` when a column's test fires. Up to 60 columns of the table that was fitted are looked at, factors (whatever
    the number of levels, up to half the rows) before numbers: not those given as ``extra``, which
    :class:`Curvature` and :class:`Groups` look at, nor what says whose a row is, what names rows, and what is made of
    the outcome; dates are in :class:`Order`. The table has one row a column: ``column``, ``kind`` (``levels`` or
    ``numbers``), ``df``, ``share`` (of the residual variance, beyond chance) and ``p``, adjusted for the number of
    columns. No level is named.

    Notes
    -----
    A fit that was read from a file has no such columns. Of a factor with many levels the sums of residuals in each are
    compared, of a number its natural cubic spline, as in :class:`Groups` and :class:`Curvature`. Where persons have
    effects of their own, these have taken up what differs between persons only, and the check is quiet about it.
    """

    name = "unused_columns"
    judges = "unused"
    title = "Columns that the model does not use"
    looks_at = "columns of the table that the model does not use"
    meaning = (
        "People are alike, or differ, by something that the table knows and the model does not: intervals may be too "
        "narrow, and where it goes with the predictor, the slope is another one."
    )
    concerns = ("effects", "groups")
    needs_rows = "What residuals have along other columns"

    def examine(self, context: Context) -> CheckResult:
        """Compare the residuals along columns of the table that the model does not use with those of replicates."""
        looked_at, context = context.sampled, context.sample
        beside = context.fit.beside
        if beside is None:
            return self.result("info", SENTENCES("unknown"))
        bases = {
            str(name): _basis(column)
            for name, column in context.unused.items()
            if not pd.api.types.is_datetime64_dtype(column.dtype)
        }
        if not bases:
            return self.result("info", SENTENCES("none"), nothing=not beside.passed_over)
        tests = judged(discrepancies(context, bases, tangent(context)))
        kinds = {name: "numbers" if name in context.unused_numbers else "levels" for name in bases}
        rows = [(name, kinds[name], test.df, test.share, test.p) for name, test in tests.items()]
        fired = fired_of(tests, context.rate)
        over = SENTENCES("passed_over", n=beside.passed_over) if beside.passed_over else ""
        if fired:
            roles = context.fit.spec.roles
            sentence = SENTENCES(
                "fired",
                columns=named(fired, tests),
                share=percent(tests[fired[0]].share, 1),
                first=fired[0],
                levels=next((name for name in fired if kinds[name] == "levels"), ""),
                numbers=next((name for name in fired if kinds[name] == "numbers"), ""),
                providers=bool(columns_of("provider", roles) & set(fired)),
            )
        else:
            sentence = SENTENCES("level", columns=some(tests), share=percent(1 - context.rate))
        table = pd.DataFrame(rows, columns=_COLUMNS)
        return self.result("warn" if fired else "pass", " ".join(filter(None, [sentence, over])) + looked_at, table)


def _basis(column: pd.Series) -> Basis:
    """Functions of a column; of levels, who has none is a level, too, since who has none may differ."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy(np.intp)
        return levels_basis(np.where(codes < 0, codes.max() + 1, codes))
    return spline_basis(column.to_numpy(float))
