"""Whether rows under different ids are the same, and whether outcomes repeat earlier values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from alliance_bayes.checks.check import Check, CheckResult, percent
from alliance_bayes.checks.context import Context, in_turn
from alliance_bayes.cohort.coarse import coarse_columns
from alliance_bayes.cohort.doubts import identical_rows
from alliance_bayes.cohort.repeats import repeats_of
from alliance_bayes.wording import Wording

__all__ = ["Copies"]

SENTENCES = Wording("alliance_bayes.checks", "sentences/copies.toml")


class Copies(Check):
    """Compare how many analysed rows of different people are the same, or repeat a value, with what chance makes.

    ``warn`` when there are more. All columns of the table that was fitted are compared, those aside that say whose
    a row is or name rows; those of the model alone, as people entered twice may have two sites or dates; and the
    outcome with each number that it is predicted by, and with the same person's one before. Of each number of the model
    it is looked at whether some levels of a factor have values in wider steps than others. The table has one row: how
    many ``columns`` were compared, whether there are ``copies``, ``repeats`` and ``rounded`` values (yes or no): how
    many, and where, is for those who have the table, whom :meth:`alliance_bayes.Cohort.doubts` tells.

    Notes
    -----
    What chance makes is estimated from rows that are the same but for one column, with room for an error by a factor of
    three, so that the rate of false alarms is far below the stated one; see
    `alliance_bayes.cohort.doubts.identical_rows`. Of more than a million cells, the columns with the most values are
    compared. Repeated values are told from near ones; see `alliance_bayes.cohort.repeats.repeats_of`; steps by those of
    other levels; see `alliance_bayes.cohort.coarse.coarse_levels`.
    """

    name = "copies"
    judges = "unused"
    sees_rows = False
    holds_estimates = False
    title = "Identical rows, repeated and rounded values"
    looks_at = "rows that are the same under different ids, outcomes that repeat an earlier value, and rounded values"
    meaning = (
        "People who were entered twice count twice, and values that were carried forward hide change: what is said is "
        "surer than the data are. Values that were rounded at one place are less exact there."
    )
    needs_rows = "Whether rows are the same or repeat values"

    def examine(self, context: Context) -> CheckResult:
        """Compare how many analysed rows are the same, or repeat a value, with how many would by chance."""
        fit = context.fit
        if fit.info.get("weights", {}).get("kind") == "frequency":
            return self.result("info", SENTENCES("weighted"))
        own = fit.design.frame.drop(columns=[name for name in fit.design.frame if name in fit.person_columns])
        frame = own if fit.beside is None else pd.concat([own, fit.beside.columns], axis=1)
        people = np.arange(len(frame)) if fit.people is None else fit.people
        rate = context.rate / (1 if frame.shape[1] == own.shape[1] else 2)
        identical = identical_rows(_few_columns(frame), people, rate=rate)
        in_model = None
        if identical is None and frame.shape[1] > own.shape[1]:
            in_model = identical_rows(_few_columns(own), people, rate=rate)
        repeated = [name for name, earlier in _earlier(context) if repeats_of(earlier, fit.design.outcome.values)]
        rounded = _rounded(context, people)
        table = pd.DataFrame(
            {
                "columns": [frame.shape[1]],
                "copies": ["no" if identical is None and in_model is None else "yes"],
                "repeats": ["yes" if repeated else "no"],
                "rounded": ["yes" if rounded else "no"],
            }
        )
        sentences = []
        if identical is not None:
            sentences.append(SENTENCES("fired", n=frame.shape[1]))
        if in_model is not None:
            sentences.append(SENTENCES("fired_in_model", n=own.shape[1]))
        if repeated:
            sentences.append(SENTENCES("repeated", columns=repeated))
        if rounded:
            sentences.append(SENTENCES("rounded", columns=rounded))
        if not sentences:
            sentences.append(SENTENCES("level", n=frame.shape[1], share=percent(1 - context.rate)))
        fired = identical is not None or in_model is not None or bool(repeated or rounded)
        return self.result("warn" if fired else "pass", " ".join(sentences), table)


def _earlier(context: Context) -> Iterator[tuple[str, np.ndarray]]:
    """What the outcome may repeat: numbers that it is predicted by, and the same person's one before."""
    fit = context.fit
    yield from context.numeric.items()
    if fit.people is not None:
        first, second = in_turn(fit)
        before = np.full(fit.design.rows.n, np.nan)
        before[second] = fit.design.outcome.values[first]
        yield SENTENCES("before"), before


def _rounded(context: Context, people: np.ndarray) -> list[tuple[str, str]]:
    """Numbers that are in wider steps at some levels of a factor than elsewhere, with the first that tells."""
    design, person = context.fit.design, context.fit.person
    numbers = {design.outcome.name: design.outcome.values, **context.numeric}
    factors = {one.name: one.codes for one in context.groupings if one.name != person}
    return [(name, factor) for name, factor, _ in coarse_columns(numbers, factors, people, rate=context.rate)]


#: Cells that are compared.
MOST_CELLS = 1_000_000


def _few_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that tell rows apart best, as many as there is time for."""
    most = max(5, MOST_CELLS // max(1, len(frame)))
    if frame.shape[1] <= most:
        return frame
    some = frame.iloc[:: max(1, len(frame) // 2_000)]
    ranked = sorted(frame.columns, key=lambda name: -some[name].nunique())[:most]
    return frame[[name for name in frame.columns if name in ranked]]
