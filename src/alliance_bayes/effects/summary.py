"""From draws to rows: every figure of an effects table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import batched

import numpy as np
import pandas as pd

from alliance_bayes.diagnostics import arviz, convergence
from alliance_bayes.effects.options import Options
from alliance_bayes.effects.quantity import Quantity
from alliance_bayes.effects.table import COLUMNS, TEXT_COLUMNS, EffectTable
from alliance_bayes.machine import processors
from alliance_bayes.rounding import is_constant

__all__ = ["summarise"]

# Quantities whose draws are in memory at once: 16 x 4,000 doubles are half a MB, which the processor's cache holds.
_CHUNK = 16


def summarise(quantities: Iterable[Quantity], options: Options, *, left_out: Iterable[str] = ()) -> EffectTable:
    """Summarise quantities into a table.

    Parameters
    ----------
    quantities
        What to summarise; the draws of all have the same shape (chain, draw).
    options
        Interval, probability and population of the table.
    left_out
        What was not computed, and why.

    Notes
    -----
    A quantity that is NaN in any draw is NaN throughout, and its note gives the share of such draws. One that is
    infinite in some draws has no mean; its median and limits are quantiles of all draws, NaN where the quantile is
    infinite. Constant draws have no R-hat, ESS or Monte Carlo error. The interval of a size (delta R2) begins at 0
    where that of what it is the size of (the slope) holds 0.

    Raises
    ------
    UsageError
        Two quantities have the same id.
    """
    kept = list(quantities)
    # What takes time in a chunk, sorting, releases the interpreter's lock.
    with ThreadPoolExecutor(min(4, processors())) as pool:
        done = pool.map(lambda chunk: list(_figures(chunk, options)), batched(kept, _CHUNK))
        figures = [row for rows in done for row in rows]
    records = [
        {name: getattr(quantity, name, None) for name in TEXT_COLUMNS} | row
        for quantity, row in zip(kept, figures, strict=True)
    ]
    rows = pd.DataFrame.from_records(
        records, index=pd.Index([q.row_id for q in kept], dtype="str", name="id"), columns=list(COLUMNS)
    )
    rows = rows.astype({name: "str" if name in TEXT_COLUMNS else "float64" for name in COLUMNS})
    priors = {q.row_id: q.prior for q in kept if q.prior is not None}
    return EffectTable.build(rows, {q.row_id: q.draws for q in kept}, priors=priors, left_out=left_out)


def _figures(chunk: Sequence[Quantity], options: Options) -> Iterator[dict[str, float | str | None]]:
    draws = np.stack([quantity.draws() for quantity in chunk])
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
    for k, quantity in enumerate(chunk):
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
            "note": quantity.note or None if defined else _reason(quantity, undefined[k]),
        }
        row |= {name: diagnostics[name][k] for name in ("ess_bulk", "ess_tail", "rhat")}
        row = {name: value if isinstance(value, str) else _finite(value) for name, value in row.items()}
        if quantity.signed and defined:
            row["p_direction"] = max(above[k], below[k])
        if quantity.rope is not None:
            row["rope_low"], row["rope_high"] = quantity.rope
            if defined:
                row["p_rope"] = float(((flat[k] >= quantity.rope[0]) & (flat[k] <= quantity.rope[1])).mean())
                row["p_above_rope"] = float((flat[k] > quantity.rope[1]).mean())
            if quantity.prior is not None and not np.isnan(before := quantity.prior()).any():
                row["p_rope_prior"] = float(((before >= quantity.rope[0]) & (before <= quantity.rope[1])).mean())
        if quantity.relevant is not None:
            row["relevant"] = quantity.relevant
            if defined:
                row["p_relevant"] = float((np.abs(flat[k]) >= quantity.relevant).mean())
        yield row


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
    chunk: Sequence[Quantity], ordered: np.ndarray, low: np.ndarray, high: np.ndarray, options: Options
) -> None:
    """Let the interval of a size begin at 0, in place, where that of what it is the size of holds 0.

    An equal tail of sizes never reaches 0, however uncertain the sign. The interval from 0 has the same probability.
    """
    for k, quantity in enumerate(chunk):
        if quantity.size_of is None:
            continue
        signed = quantity.size_of.reshape(1, -1)
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


def _reason(quantity: Quantity, share: float) -> str:
    return quantity.note or f"not defined in {share:.1%} of the draws"


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
