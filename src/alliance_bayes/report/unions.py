"""How many lack one of two columns or the other, which beside how many lack each would tell how many lack both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alliance_bayes.effects.improvement import baseline_of
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.report.drawn import lacking, lacking_people, shown_lacking
from alliance_bayes.report.patterns import patterns_of, safe

__all__ = ["kept_unions", "told_unions", "union_told"]


def told_unions(fit: FittedModel, small: int) -> dict[tuple[str, ...], int]:
    """Rows that lack any of some columns, where a page may tell of how many both values were observed.

    Parameters
    ----------
    fit
        A fit.
    small
        Fewest people that a shown count stands for.

    Returns
    -------
    dict
        By columns: the outcome with the predictor of interest, whose observed means a page has, and with its baseline,
        of whose people it has observed shares. None of the patterns of missing values of all these columns that few
        people have can be solved for from these numbers and from how many lack each column.
    """
    places, outcome = lacking(fit), fit.design.outcome.name
    others = dict.fromkeys(name for name in (fit.spec.focal_predictor(fit.design), baseline_of(fit.design)) if name)
    pairs = [(outcome, name) for name in others if outcome in places and name in places]
    if fit.people is not None:
        # Of several rows a person, it is people who are counted.
        pairs = [names for names in pairs if not _few(fit, names, small)]
    totals = {name: shown_lacking(fit, name, small) for names in pairs for name in names}
    return kept_unions({name: places[name] for name in totals}, totals, pairs, len(fit.design.frame), small)


def kept_unions(
    places: Mapping[str, np.ndarray],
    totals: Mapping[str, int | None],
    pairs: Sequence[tuple[str, ...]],
    n: int,
    small: int,
) -> dict[tuple[str, ...], int]:
    """Of some unions those that may be told together, and rows of each; of rows that lack each column."""
    unions: dict[tuple[str, ...], int] = {}
    for names in pairs:
        columns = [name for name in totals if any(name in pair for pair in (*unions, names))]
        tried = {**unions, names: int(np.unique(np.concatenate([places[name] for name in names])).size)}
        patterns = patterns_of({name: places[name] for name in columns}, n)
        if safe(patterns, [], {name: totals[name] for name in columns}, small, tried):
            unions = tried
    return unions


def _few(fit: FittedModel, names: tuple[str, ...], small: int) -> bool:
    """Whether few people have rows that lack one of some columns, or all of them."""
    lack_all = ~np.any([seen(fit, name) for name in names], axis=0)
    return any(0 < size < small for size in (fit.count_people(lack_all), *(lacking_people(fit, one) for one in names)))


def union_told(fit: FittedModel, names: tuple[str, ...], small: int) -> bool:
    """Whether a page may tell of how many some columns were all observed; of those with a value alone it always may."""
    lacked = tuple(name for name in dict.fromkeys(names) if name in lacking(fit))
    return len(lacked) < 2 or lacked in told_unions(fit, small)
