"""Whether residuals go along the order of rows, of dates or of a person's rows, and whether a column has slipped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from alliance_bayes.checks.check import Check, CheckResult, percent
from alliance_bayes.checks.context import Context, in_turn
from alliance_bayes.checks.lack_of_fit import (
    Basis,
    Discrepancy,
    LackOfFit,
    discrepancies,
    judged,
    levels_basis,
    spline_basis,
    tangent,
    wilson_hilferty,
)
from alliance_bayes.checks.residuals import fired_of
from alliance_bayes.checks.slips import Slip, largest_slip
from alliance_bayes.model.roles import is_of_persons
from alliance_bayes.wording import Wording

__all__ = ["Order"]

SENTENCES = Wording("alliance_bayes.checks", "sentences/order.toml")
#: Rows of a batch, and most batches.
BATCH, MOST_BATCHES = 20, 150
#: Most columns of dates.
MOST_DATES = 5
#: Where neighbours are alike with less than this p, no slip is looked for; one table in order of thirty is passed over.
_ALIKE = 0.2
_TABLE = "the table's rows"
_PERSONS = "rows of a person"
_COLUMNS = ["order", "look", "df", "share", "p"]
# Replicates x rows that are worked on at once (doubles): 4 MB.
_BLOCK = 500_000


class Order(Check):
    """Compare what the residuals have along the order of rows and along dates with replicates.

    ``warn`` when a test fires. The table has one row an order and a look at it: ``order`` (that of the table's rows, of
    a column of dates, or of a person's rows in time), ``look`` (``trend``, a natural cubic spline; ``batches`` of 20
    rows that follow each other, or of more; ``neighbours``, the product of each
    residual with the next one; ``slip``, whether in a run of rows a column goes with the outcome of a row up to three
    before or after its own), ``df``, ``share`` (of the residual variance, beyond chance; of neighbours, their
    correlation) and ``p``, adjusted for the number of looks.

    Notes
    -----
    A table that is sorted by the outcome has neighbours who are alike whatever the model, so its order is passed over.
    Of a random sample of rows, the neighbours are those in the sample. A fit that was read from a file knows the order
    of the analysed rows and no dates. A slip is looked for where each row is another person's, among all rows, and
    has a bound for its p; see `alliance_bayes.checks.slips.largest_slip`.
    """

    name = "order"
    title = "Order of rows and dates"
    looks_at = "the order of rows and dates"
    meaning = "Rows near each other are more alike than the model says, so that there is less to learn from them."
    concerns = ("effects", "groups")
    needs_rows = "The order of residuals"

    def examine(self, context: Context) -> CheckResult:
        """Compare what the residuals have along the order of rows and along dates with replicates."""
        if context.fit.info.get("weights", {}).get("kind") == "frequency":
            return self.result("info", SENTENCES("weighted"))
        looked_at, whole, context = context.sampled, context, context.sample
        orders = _orders(context)
        if not orders:
            return self.result("info", SENTENCES("sorted"))
        bases: dict[tuple[str, str], Basis] = {}
        for name, values in orders.items():
            bases |= {(name, look): basis for look, basis in _bases(values)}
        by_look = discrepancies(
            context, {f"{name}: {look}": basis for (name, look), basis in bases.items()}, tangent(context)
        )
        looks = list(bases)
        for name, (first, second) in _neighbours(context, orders):
            if first.size:
                looks.append((name, "neighbours"))
                by_look[f"{name}: neighbours"] = _of_neighbours(context, first, second)
        tests = judged(by_look)
        # Neighbours that are alike (of a site, or sorted by the outcome) may look as if they had each other's values.
        beside = tests.get(f"{_TABLE}: neighbours")
        alike = beside is None or (beside.p < _ALIKE and beside.share > 0)
        slip = None if alike else largest_slip(whole)
        if slip is not None:
            looks.append((_TABLE, "slip"))
            tests[f"{_TABLE}: slip"] = LackOfFit(1, slip.p, slip.share)
        table = pd.DataFrame(
            [(*look, test.df, test.share, test.p) for look, test in zip(looks, tests.values(), strict=True)],
            columns=_COLUMNS,
        )
        fired = fired_of(tests, context.rate)
        by_name = dict(zip(tests, looks, strict=True))
        if fired:
            phrases = [self._phrase(*by_name[key], tests[key], slip) for key in fired]
            order, look = by_name[fired[0]]
            kind = (
                look if look == "slip" else "persons" if order == _PERSONS else "rows" if order == _TABLE else "dates"
            )
            design = context.fit.design
            course = any(len(one.columns) > 1 and is_of_persons(one, design.rows.n) for one in design.factors)
            found = "; ".join(phrases[:3])
            sentence = SENTENCES("fired", found=found, kind=kind, look=look, order=order, course=course)
        else:
            named = ", ".join(dict.fromkeys(order for order, _ in looks))
            sentence = SENTENCES("level", orders=named, share=percent(1 - context.rate), slip=slip is not None)
        return self.result("warn" if fired else "pass", sentence + looked_at, table)

    def _phrase(self, order: str, look: str, test: LackOfFit, slip: Slip | None) -> str:
        """What a look found, in a clause."""
        p = f"= {test.p:.3f}" if test.p >= 0.0005 else "< 0.001"
        return SENTENCES(f"of_{look}", order=order, p=p, alike=test.share > 0, slip=slip if look == "slip" else None)


def _orders(context: Context) -> dict[str, np.ndarray]:
    """What rows are ordered by, a number each, shape (n,): their place in the table, and dates (in days)."""
    beside, n = context.fit.beside, context.fit.design.rows.n
    orders: dict[str, np.ndarray] = {}
    outcome = context.fit.design.outcome.values
    steps = np.diff(outcome)
    if not ((steps >= 0).all() or (steps <= 0).all()):
        orders[_TABLE] = np.arange(n, dtype=float) if beside is None else beside.place.astype(float)
    for name, column in context.unused.items():
        if pd.api.types.is_datetime64_dtype(column.dtype) and len(orders) <= MOST_DATES:
            orders[str(name)] = ((column - column.min()) / pd.Timedelta(days=1)).to_numpy(float)
    return orders


def _bases(values: np.ndarray) -> Iterator[tuple[str, Basis]]:
    known = np.isfinite(values)
    yield "trend", spline_basis(values)
    order = np.full(values.size, -1)
    order[known] = np.argsort(np.argsort(values[known], kind="stable"), kind="stable")
    batch = max(BATCH, -(-int(known.sum()) // MOST_BATCHES))
    if known.sum() >= 3 * batch:
        yield "batches", levels_basis(np.where(known, order // batch, -1))


def _neighbours(context: Context, orders: dict[str, np.ndarray]) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Rows that follow each other, by what orders them."""
    for name, values in orders.items():
        places = np.flatnonzero(np.isfinite(values))
        order = places[np.argsort(values[places], kind="stable")]
        yield name, (order[:-1], order[1:])
    if context.fit.people is not None:
        yield _PERSONS, in_turn(context.fit)


def _of_neighbours(context: Context, first: np.ndarray, second: np.ndarray) -> Discrepancy:
    """The sum of products of residuals that follow each other, over their own mean square."""
    outcome, step = context.fit.design.outcome.values, max(1, _BLOCK // context.fit.design.rows.n)
    parts: list[np.ndarray] = []
    for start in range(0, context.replicates, step):
        middle = context.expected[start : start + step]
        both = [outcome - middle, context.simulated[start : start + step] - middle]
        parts.append(np.stack([np.einsum("ij,ij->i", part[:, first], part[:, second]) for part in both]))
    observed, replicated = np.hstack(parts) / np.stack(context.mean_squares)
    sd, middle_of = replicated.std(), replicated.mean()
    seen, null = (((part - middle_of) / sd) ** 2 for part in (observed, replicated))
    correlation = float((observed - middle_of).mean() / sd / np.sqrt(first.size))
    return Discrepancy(1, wilson_hilferty(seen, 1), wilson_hilferty(null, 1), correlation)
