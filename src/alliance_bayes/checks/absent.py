"""Whether the people who were left out differ from those who were analysed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from alliance_bayes.checks.check import Check, CheckResult, percent
from alliance_bayes.checks.context import FEW_LEVELS, FEWEST_ROWS, MOST_ROWS, Context, in_unit
from alliance_bayes.cohort.left import standardised_difference
from alliance_bayes.wording import Wording

__all__ = ["Absent"]

SENTENCES = Wording("alliance_bayes.checks", "sentences/absent.toml")
NAMED = 4
_COLUMNS = ["column", "used", "difference", "p"]


class Absent(Check):
    """Compare the people who were left out, because a value was missing, with those who were analysed.

    ``warn`` when the test of a column fires that the model does not use, ``info`` when those fire only that it uses:
    given these, its slopes hold all the same. All columns but the outcome are compared of which at least 20 of either
    have a value; of a factor, and of a number with up to six values, the levels that at least 20 of either have. The
    table has one row a column: ``column``, ``used`` (whether the model uses it), ``difference`` (left out minus
    analysed, in the root of the average of both variances; of levels the one furthest from 0) and ``p``, adjusted for
    the number of columns.

    Notes
    -----
    The largest standardised difference is compared with its distribution when who was left out is drawn at random, as
    many times as there are replicates. Where people have several rows, those of whom no row was analysed are compared
    with the others by the first value that is known.
    """

    name = "absent"
    judges = "unused"
    sees_rows = False
    holds_estimates = False
    title = "People left out and people analysed"
    looks_at = "how people who were left out differ from those analysed"
    meaning = (
        "What is said holds of people like those analysed. Of everybody it holds only as far as the columns of the "
        "model explain who was left out."
    )
    concerns = ("effects", "groups", "endpoints")
    needs_rows = "How people who were left out differ"

    def examine(self, context: Context) -> CheckResult:
        """Compare the people who were left out with those who were analysed."""
        fit = context.fit
        if fit.beside is None:
            return self.result("info", SENTENCES("unknown"))
        if not len(fit.beside.absent) and fit.flow.analysed == fit.flow.participants:
            return self.result("info", SENTENCES("nobody"), nothing=True)
        absent, present = fit.beside.absent, _present(context)
        if len(absent) < FEWEST_ROWS:
            return self.result("info", SENTENCES("few", fewest=FEWEST_ROWS))
        columns = {
            str(name): values
            for name in absent
            if name in present
            and name != fit.design.outcome.name
            and not (values := _numbers(present[name], absent[name])).empty
        }
        if not columns:
            return self.result("info", SENTENCES("nothing", fewest=FEWEST_ROWS))
        differences, p = _compared(context, columns, len(present))
        table = pd.DataFrame(
            [(name, "yes" if name in fit.design.frame else "no", differences[name], p[name]) for name in columns],
            columns=_COLUMNS,
        ).sort_values("p", kind="stable", ignore_index=True)
        fired = table[table["p"] < context.rate]
        if fired.empty:
            sentence = SENTENCES("level", n=len(table), share=percent(1 - context.rate))
            return self.result("pass", sentence, table)
        named = [f"{row.column} ({row.difference:+.1f} SD)" for row in fired.itertuples()]
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        unused = fired.loc[fired["used"] == "no", "column"].tolist()
        sentence = SENTENCES("fired", columns=", ".join(named[:NAMED]) + more, unused=", ".join(unused[:NAMED]))
        return self.result("warn" if unused else "info", sentence, table)


def _present(context: Context) -> pd.DataFrame:
    """A row for each person who was analysed, of the model's columns and the others; of very many, a random sample."""
    context = context.sample if context.fit.people is None else context
    fit = context.fit
    assert fit.beside is not None
    names = [name for name in fit.beside.columns if name not in fit.design.frame]
    frame = pd.concat([fit.design.frame, fit.beside.columns[names]], axis=1)
    if fit.people is None:
        return frame
    first = np.unique(fit.people, return_index=True)[1]
    return frame.iloc[np.sort(first)[:: -(-first.size // MOST_ROWS)]].reset_index(drop=True)


def _numbers(present: pd.Series, absent: pd.Series) -> pd.DataFrame:
    """A column of those analysed and then of those left out, as numbers: itself, or its levels; empty for too few."""
    if isinstance(present.dtype, pd.CategoricalDtype) or isinstance(absent.dtype, pd.CategoricalDtype):
        text = [column.astype("str").where(column.notna()) for column in (present, absent)]
    elif pd.api.types.is_datetime64_dtype(present.dtype):
        start = min(present.min(), absent.min())
        return _enough(*((column - start) / pd.Timedelta(days=1) for column in (present, absent)))
    elif pd.concat([present, absent]).nunique() <= FEW_LEVELS:
        text = [column.astype("str").where(column.notna()) for column in (present, absent)]
    else:
        return _enough(present, absent)
    counts = [part.value_counts() for part in text]
    levels = sorted(set.intersection(*(set(tally.index[tally >= FEWEST_ROWS]) for tally in counts)))
    if len(levels) < 2:
        return pd.DataFrame()
    both = pd.concat(text, ignore_index=True)
    known = both.isin(levels)
    # Two levels say the same.
    some = levels[1:] if len(levels) == 2 else levels
    return pd.DataFrame({level: (both == level).astype(float).where(known) for level in some})


def _enough(present: pd.Series, absent: pd.Series) -> pd.DataFrame:
    if min(present.notna().sum(), absent.notna().sum()) < FEWEST_ROWS:
        return pd.DataFrame()
    both = pd.concat([present, absent], ignore_index=True).astype(float)
    return pd.DataFrame({"value": in_unit(both.where(np.isfinite(both)))})


def _compared(
    context: Context, columns: dict[str, pd.DataFrame], n_present: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Standardised differences of columns, and how often chance makes as large a one of any column."""
    values = np.hstack([numbers.to_numpy(float) for numbers in columns.values()])
    finite = np.isfinite(values)
    middle = np.array([column[known].mean() for column, known in zip(values.T, finite.T, strict=True)])
    away = np.where(finite, values - middle, 0.0)
    sd = np.sqrt((away**2).sum(axis=0) / np.maximum(finite.sum(axis=0) - 1, 1))
    away = away / np.where(sd > 0, sd, 1.0)
    gone = np.arange(len(values)) >= n_present
    z = _differences(sparse.csr_array(gone[None].astype(float)), away, finite)
    drawn = _differences(_drawn(context, gone.size, int(gone.sum())), away, finite)
    largest = np.abs(drawn).max(axis=1)
    differences, p, start = {}, {}, 0
    for name, numbers in columns.items():
        place = slice(start, start := start + numbers.shape[1])
        worst = int(np.argmax(np.abs(z[0, place])))
        column, known = values[:, place][:, worst], finite[:, place][:, worst]
        differences[name] = standardised_difference(column[gone & known], column[~gone & known])
        p[name] = (1 + int((largest >= abs(z[0, place][worst]) * (1 - 1e-9)).sum())) / (1 + largest.size)
    return differences, p


def _drawn(context: Context, n: int, few: int) -> sparse.csr_array:
    """So many of all people, drawn at random, as often as there are replicates; shape (n_replicates, n)."""
    rng, many = context.generator(7), context.replicates
    places = np.concatenate([rng.choice(n, few, replace=False, shuffle=False) for _ in range(many)])
    starts = np.arange(many + 1) * few
    return sparse.csr_array((np.ones(places.size), places, starts), shape=(many, n))


def _differences(gone: sparse.csr_array, away: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Mean of some people less that of the others, as z, by column; shape (n_draws, n_columns)."""
    known, total = finite.sum(axis=0), away.sum(axis=0)
    n, sums = gone @ finite.astype(float), gone @ away
    # A draw may leave none of few.
    n = np.clip(n, 0.5, known - 0.5)
    difference = sums / n - (total - sums) / (known - n)
    return np.asarray(difference / np.sqrt(1 / n + 1 / (known - n)))
