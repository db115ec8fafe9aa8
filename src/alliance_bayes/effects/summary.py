"""From draws to rows: every figure of an effects table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import batched

import numpy as np
import pandas as pd

from alliance_bayes.diagnostics import arviz, convergence
from alliance_bayes.effects.options import Options
from alliance_bayes.effects.table import COLUMNS, TEXT_COLUMNS, EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.machine import processors
from alliance_bayes.rounding import ROUNDING, is_constant

__all__ = ["Difference", "Estimate", "Fixed", "escaped", "summarise"]


# Estimates whose draws are in memory at once: 16 x 4,000 doubles are half a MB, which the processor's cache holds.
_CHUNK = 16


@dataclass(frozen=True, eq=False)
class Fixed:
    """Draws that are at hand, shape (chain, draw)."""

    values: np.ndarray

    def __call__(self) -> np.ndarray:
        """Return them."""
        return self.values


@dataclass(frozen=True, eq=False)
class Difference:
    """Difference of two levels, computed when asked for, so that hundreds of pairs need no memory.

    Parameters
    ----------
    block
        Draws by level, shape (level, chain, draw).
    first, second
        The levels: first minus second.
    denominator
        What the difference is divided by, shape (chain, draw); None for nothing.
    """

    block: np.ndarray
    first: int
    second: int
    denominator: np.ndarray | None = None

    def __call__(self) -> np.ndarray:
        """Return the draws, shape (chain, draw)."""
        first, second = self.block[self.first], self.block[self.second]
        difference = first - second
        # What the model holds equal may still differ by rounding.
        if np.abs(difference).max() <= ROUNDING * max(np.abs(first).max(), np.abs(second).max()):
            difference = np.zeros_like(difference)
        return np.asarray(difference if self.denominator is None else difference / self.denominator)


@dataclass(frozen=True, eq=False)
class Estimate:
    """What is estimated, with its draws; a row of an :class:`EffectTable` before it is summarised.

    Parameters
    ----------
    estimand
        What it is ("slope", "mean", "contrast_of_means", ...).
    draws
        Gives the draws, shape (chain, draw). NaN: not defined in that draw, which makes the whole row NaN. Infinite:
        beyond any bound, which leaves quantiles defined and the mean not.
    unit
        Unit of the draws.
    term, factor, level, versus, denominator, population, at
        As the table's columns; None where they do not apply.
    size_of
        Draws of what this is a size of, shape (n_draws,), where that has a sign: where its interval holds 0, the
        interval begins at 0.
    signed
        Whether zero means "no effect", so that a probability of direction makes sense.
    prior
        Gives draws of the same from the prior, any shape; None where they are not asked for.
    rope, relevant
        Region of practical equivalence and smallest relevant change, in ``unit``; None where there is none.
    note
        What a reader must know about the row, or why it is NaN; empty for nothing.
    measure
        What it is a measure of; None where only the name is known.
    """

    estimand: str
    draws: Callable[[], np.ndarray]
    unit: str
    term: str | None = None
    factor: str | None = None
    level: str | None = None
    versus: str | None = None
    denominator: str | None = None
    population: str | None = None
    size_of: np.ndarray | None = None
    signed: bool = False
    prior: Callable[[], np.ndarray] | None = None
    rope: tuple[float, float] | None = None
    relevant: float | None = None
    note: str = ""
    measure: Measure | None = None
    at: str | None = None

    @property
    def row_id(self) -> str:
        """Identifies the row within a table: the parts that tell rows apart, joined by slashes."""
        where = None if self.factor is None else escaped(self.factor)
        if where is not None and self.level is not None:
            where += f"={escaped(self.level)}"
        compared = self.versus is not None
        if where is not None and self.versus is not None:
            where += f" vs {escaped(self.versus)}"
        term = None if self.term is None else escaped(self.term)
        at = None if self.at is None else f"at {escaped(self.at)}"
        parts = (self.estimand, term, where, self.population, self.denominator if compared else None, at)
        return "/".join(part for part in parts if part is not None)


def escaped(label: str) -> str:
    """A label whose separators are escaped, so that no two rows share an id."""
    return label.replace("\\", "\\\\").replace("/", "\\/").replace(" vs ", "\\ vs ")


def summarise(estimates: Iterable[Estimate], options: Options, *, left_out: Iterable[str] = ()) -> EffectTable:
    """Summarise estimates into a table.

    Parameters
    ----------
    estimates
        What to summarise; the draws of all have the same shape (chain, draw).
    options
        Interval, probability and population of the table.
    left_out
        What was not computed, and why.

    Notes
    -----
    An estimate that is NaN in any draw is NaN throughout, and its note gives the share of such draws. One that is
    infinite in some draws has no mean; its median and limits are quantiles of all draws, NaN where the quantile is
    infinite. Constant draws have no R-hat, ESS or Monte Carlo error. The interval of a size (delta R2) begins at 0
    where that of what it is the size of (the slope) holds 0.

    Raises
    ------
    UsageError
        Two estimates have the same id, or draws of different shapes.
    """
    listed = list(estimates)
    # What takes time in a chunk, sorting, releases the interpreter's lock.
    with ThreadPoolExecutor(min(4, processors())) as pool:
        chunks = pool.map(lambda chunk: list(_figures(chunk, options)), batched(listed, _CHUNK))
        figures = [row for rows in chunks for row in rows]
    records = [
        {name: getattr(estimate, name, None) for name in TEXT_COLUMNS} | row
        for estimate, row in zip(listed, figures, strict=True)
    ]
    rows = pd.DataFrame.from_records(
        records, index=pd.Index([q.row_id for q in listed], dtype="str", name="id"), columns=list(COLUMNS)
    )
    rows = rows.astype({name: "str" if name in TEXT_COLUMNS else "float64" for name in COLUMNS})
    priors = {q.row_id: q.prior for q in listed if q.prior is not None}
    sources = {q.row_id: q.draws for q in listed}
    measures = {q.estimand: q.measure for q in listed if q.measure is not None}
    table = EffectTable.build(rows, sources, priors=priors, measures=measures, left_out=left_out)
    table.better = options.better
    return table


def _figures(chunk: Sequence[Estimate], options: Options) -> Iterator[dict[str, float | str | None]]:
    several = [np.asarray(estimate.draws(), dtype=float) for estimate in chunk]
    for estimate, values in zip(chunk, several, strict=True):
        if values.ndim != 2 or values.shape != several[0].shape:
            raise UsageError(
                f"the rows of a table have draws of one shape (chain, draw), but those of {estimate.row_id!r} have the "
                f"shape {values.shape} and those of {chunk[0].row_id!r} {several[0].shape}."
            )
    draws = np.stack(several)
    flat = draws.reshape(len(chunk), -1)
    undefined = np.isnan(flat).mean(axis=1)
    order = np.argsort(flat, axis=1)
    ordered = np.take_along_axis(flat, order, axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        mean, sd = flat.mean(axis=1), flat.std(axis=1, ddof=1) if flat.shape[1] > 1 else np.full(len(flat), np.nan)
        tails = ((1 - options.prob) / 2, (1 + options.prob) / 2)
        median, low, high = _quantiles(ordered, (0.5, *tails))
        diagnostics = convergence(draws, np.column_stack([low, high]), order=order)
        mcse = sd / np.sqrt(diagnostics["ess_mean"])
    # Rounding alone would leave a constant a spread of 1e-15.
    sd = np.where(is_constant(flat) & ~np.isnan(sd), 0.0, sd)
    if options.interval == "hdi":
        low, high = _densest(flat, options.prob)
    _from_zero(chunk, ordered, low, high, options)
    above, below = (flat > 0).mean(axis=1), (flat < 0).mean(axis=1)
    for k, estimate in enumerate(chunk):
        defined = undefined[k] == 0
        row: dict[str, float | str | None] = {
            "mean": mean[k],
            "sd": sd[k],
            "median": median[k],
            "lower": low[k],
            "upper": high[k],
            "interval": options.interval,
            "prob": options.prob,
            "mcse_mean": mcse[k],
            "note": estimate.note or None if defined else _reason(estimate, undefined[k]),
        }
        row |= {name: diagnostics[name][k] for name in ("ess_bulk", "ess_tail", "rhat")}
        row["fmi"] = missing_information(draws[k], options.table) if defined else None
        row = {name: value if isinstance(value, str) else _finite(value) for name, value in row.items()}
        if estimate.signed and defined:
            row["p_direction"] = max(above[k], below[k])
        if estimate.rope is not None:
            row["rope_low"], row["rope_high"] = estimate.rope
            if defined:
                row["p_rope"] = float(((flat[k] >= estimate.rope[0]) & (flat[k] <= estimate.rope[1])).mean())
                row["p_above_rope"] = float((flat[k] > estimate.rope[1]).mean())
            if estimate.prior is not None and not np.isnan(before := estimate.prior()).any():
                row["p_rope_prior"] = float(((before >= estimate.rope[0]) & (before <= estimate.rope[1])).mean())
        if estimate.relevant is not None:
            row["relevant"] = estimate.relevant
            if defined:
                row["p_relevant"] = float((np.abs(flat[k]) >= estimate.relevant).mean())
        yield row


def missing_information(draws: np.ndarray, table: np.ndarray | None) -> float | None:
    """Fraction of missing information: one minus the variance given a completed table over the whole variance.

    Parameters
    ----------
    draws
        Shape (chain, draw).
    table
        Number of the table that each draw is given, of the same shape; None where none were imputed.

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, ch. 3, with all draws of the tables in one posterior.
    """
    if table is None or not np.isfinite(draws).all():
        return None
    flat, codes = draws.ravel(), np.unique(table, return_inverse=True)[1].ravel()
    counts, total = np.bincount(codes), float(flat.var(ddof=1))
    within = flat.size - len(counts)
    if total == 0 or within == 0:
        return None
    # Counted from the mean first, because the squares of numbers far from zero are rounded.
    away = flat - flat.mean()
    away -= (np.bincount(codes, away) / counts)[codes]
    return float(np.clip(1 - away @ away / within / total, 0.0, 1.0))


def _quantiles(ordered: np.ndarray, probs: tuple[float, ...]) -> Iterator[np.ndarray]:
    """Quantiles of sorted rows by linear interpolation; NaN where a neighbour is infinite."""
    for prob in probs:
        place = prob * (ordered.shape[1] - 1)
        left = int(place)
        # The right neighbour is not touched where it has no weight: it may be infinite.
        right = left + (place > left)
        # A sort puts NaN last, where it would pass unnoticed.
        yield np.where(
            np.isnan(ordered[:, -1]), np.nan, ordered[:, left] + (place - left) * (ordered[:, right] - ordered[:, left])
        )


def _from_zero(
    chunk: Sequence[Estimate], ordered: np.ndarray, low: np.ndarray, high: np.ndarray, options: Options
) -> None:
    """Let the interval of a size begin at 0, in place, where that of what it is the size of holds 0.

    An equal tail of sizes never reaches 0, however uncertain the sign. The interval from 0 has the same probability.
    """
    for k, estimate in enumerate(chunk):
        if estimate.size_of is None:
            continue
        signed = estimate.size_of.reshape(1, -1)
        tails = ((1 - options.prob) / 2, (1 + options.prob) / 2)
        hdi = options.interval == "hdi"
        least, most = _densest(signed, options.prob) if hdi else _quantiles(np.sort(signed), tails)
        if least[0] <= 0 <= most[0]:
            low[k], (high[k],) = 0.0, *_quantiles(ordered[k : k + 1], (options.prob,))


def _densest(flat: np.ndarray, prob: float) -> tuple[np.ndarray, np.ndarray]:
    limits = np.full((len(flat), 2), np.nan)
    finite = np.isfinite(flat).all(axis=1)
    if finite.any():
        limits[finite] = arviz().hdi(flat[finite], prob=prob, axis=-1)
    return limits[:, 0], limits[:, 1]


def _reason(estimate: Estimate, share: float) -> str:
    return estimate.note or f"not defined in {share:.1%} of the draws"


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
