"""Which of the analysed values were observed and which were drawn, and how many of the latter a page may tell."""

from __future__ import annotations

import numpy as np

from alliance_bayes.fit import FittedModel, followed, seen
from alliance_bayes.report.text import count

__all__ = [
    "auxiliary_of",
    "draws_per_set",
    "error_of",
    "few_lacking",
    "is_given",
    "is_imputed",
    "lacking",
    "lacking_people",
    "shown_lacking",
    "unmeasured",
    "values_drawn",
]


def is_imputed(fit: FittedModel) -> bool:
    """Whether values were drawn with the parameters, so that the analysed rows are those of one completed table."""
    return fit.imputation is not None


def is_given(fit: FittedModel) -> bool:
    """Whether values were imputed before the model was fitted, by somebody else: how is not known."""
    return is_imputed(fit) and bool(dict(fit.info.get("imputation") or {}).get("given"))


def error_of(fit: FittedModel) -> dict[str, float]:
    """SD of the error of measurement by column whose true values were drawn."""
    if fit.imputation is None:
        return {}
    return dict(dict(fit.info.get("imputation") or {}).get("error") or {})


def auxiliary_of(fit: FittedModel) -> tuple[str, ...]:
    """Columns outside the model that took part in the imputation."""
    return tuple(fit.spec.auxiliary) if is_imputed(fit) else ()


def lacking(fit: FittedModel) -> dict[str, np.ndarray]:
    """Rows that lack a value by column, of the model and then auxiliary; of one with an error it is not known which."""
    if fit.imputation is None:
        return {}
    places, known = fit.imputation.places, error_of(fit)
    # What parts within and between persons are made of is what was observed or not.
    sources, parts = followed(fit)
    names = [fit.design.outcome.name, *fit.spec.columns, *sources, *auxiliary_of(fit)]
    return {
        name: places[name]
        for name in dict.fromkeys(names)
        if name in places and name not in {*known, *parts} and places[name].size
    }


def unmeasured(fit: FittedModel) -> dict[str, int]:
    """Rows of the table without even a measurement, by column with an error that some of them lack."""
    missing = dict(fit.info.get("missing") or {})
    return {name: int(missing[name]) for name in error_of(fit) if missing.get(name)}


def draws_per_set(fit: FittedModel) -> int:
    """Draws of a chain that share one set of values, about; 1 where none were drawn."""
    if fit.imputation is None:
        return 1
    first = fit.imputation.table[0]
    return max(1, round(first.size / np.unique(first).size))


def lacking_people(fit: FittedModel, name: str) -> int:
    """People with rows that lack a value of a column."""
    places = lacking(fit).get(name)
    return 0 if places is None else places.size if fit.people is None else int(np.unique(fit.people[places]).size)


def shown_lacking(fit: FittedModel, name: str, small: int) -> int | None:
    """Rows that lack a value of a column; None where they are those of too few people, or all but a few have none.

    Nor where it differs by a few from the number in the whole table, which Table 1 has.
    """
    people, n = lacking_people(fit, name), lacking(fit).get(name, np.zeros(0)).size
    before = dict(fit.info.get("missing") or {}).get(name, n)
    # Of those whose other rows tell a value, too.
    told = abs(dict(fit.info.get("missing_people") or {}).get(name, people) - people)
    few = [0 < people < small, 0 < fit.count_people(seen(fit, name)) < small, 0 < abs(before - n) < small]
    few.append(before != n and 0 < told < small)
    return None if any(few) else int(n)


def few_lacking(fit: FittedModel, small: int) -> frozenset[str]:
    """Columns of which it is not told how many rows lack a value: an exact mean of what was observed would tell it."""
    return frozenset(name for name in lacking(fit) if shown_lacking(fit, name, small) is None)


def values_drawn(fit: FittedModel, small: int) -> str | None:
    """How many values of the model's columns were drawn in place of missing ones; empty where that is not told.

    None where no value of the model was missing. A person's value is one in however many rows it stands.
    """
    names, gaps = [name for name in lacking(fit) if name not in auxiliary_of(fit)], unmeasured(fit)
    if not names and not gaps:
        return None
    of_persons = dict(fit.info.get("imputation") or {}).get("of_persons") or ()
    shown = [
        lacking_people(fit, name) if rows is not None and name in of_persons else rows
        for name, rows in ((name, shown_lacking(fit, name, small)) for name in names)
    ]
    # Of the whole table, as Table 1 has them: of part of its rows it is not known which had a measurement.
    n, whole = fit.flow.analysed, fit.people is None and fit.flow.analysed == fit.flow.participants
    shown += [gap if whole and small <= gap <= n - small else None for gap in gaps.values()]
    return "" if None in shown else count(sum(n or 0 for n in shown))
