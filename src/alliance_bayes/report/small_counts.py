"""Counts of people by level, the same wherever a page shows them, and none from which a few people can be told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from alliance_bayes.cohort.flow import counted, plural
from alliance_bayes.effects.at import levels_at
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Column
from alliance_bayes.model.grammar import windowed_named
from alliance_bayes.model.levels import lies_within
from alliance_bayes.model.nodes import Windowed
from alliance_bayes.model.sigma import GAMMA
from alliance_bayes.report.codings import coding_of, crossed, decided, few_valued, level_counts, tally
from alliance_bayes.report.marks import cell_marks, column_marks, crossed_marks, factors_of, with_rest
from alliance_bayes.report.suppression import Mark, one_way, two_way
from alliance_bayes.report.text import column_name, count, levels_words, percent
from alliance_bayes.report.untold import is_two_valued, telling_rows, unsaid, untold
from alliance_bayes.report.weights import is_weighed

__all__ = [
    "NOT_SHOWN",
    "SMALL",
    "alike_but_for",
    "averaged_words",
    "fewer",
    "hidden_beside",
    "hidden_levels",
    "hidden_parameters",
    "hidden_rows",
    "shown_cells",
    "shown_counts",
    "shown_events",
    "split_factor",
]

#: Counts below this are not shown by default.
SMALL = 10
#: What stands for a count that is not shown.
NOT_SHOWN = "–"
#: Columns that a table by groups can have beside the one of everybody.
MOST_GROUPS = 5


@dataclass(frozen=True)
class ShownCount:
    """A count as a page may show it.

    Parameters
    ----------
    number
        The count; None where it is not shown.
    text
        The count, "< 10", or a dash.
    share
        Its share of the total; a dash where the count is not shown.
    """

    number: int | None
    text: str
    share: str

    @classmethod
    def of(cls, size: int, total: int, mark: Mark, small: int) -> Self:
        """A count with its mark."""
        if mark is Mark.SHOWN:
            return cls(size, count(size), percent(size / total, 1) if total else NOT_SHOWN)
        return cls(None, fewer(small) if mark is Mark.FEW else NOT_SHOWN, NOT_SHOWN)

    @property
    def both(self) -> str:
        """Count and share in one cell."""
        return self.text if self.number is None else f"{self.text} ({self.share})"


def fewer(small: int) -> str:
    """How a small count is written; "< 2" would be 1."""
    return f"< {small}" if small > 2 else NOT_SHOWN


def unit_words(fit: FittedModel, people: str = "people") -> str:
    """What rows are called: people, or what somebody has several of ("sessions")."""
    return people if fit.people is None else plural(fit.flow.unit)


def one_row(fit: FittedModel, person: str = "person") -> str:
    """What a row is called, in the singular."""
    return person if fit.people is None else fit.flow.unit


def rows_in_words(fit: FittedModel) -> str:
    """How many rows were analysed, where they are not people: ", 180 days"; empty where they are."""
    return "" if fit.people is None else f", {counted(fit.flow.analysed, fit.flow.unit)}"


def alike_but_for(fit: FittedModel, predictor: str) -> str:
    """Whom the values of a predictor tell apart: people, rows of several people, or those of one person or level."""
    rows = "people" if fit.people is None else plural(fit.flow.unit)
    window = windowed_named(predictor)
    if window is not None and "within" in window.functions:
        by = next(part.by for part in (window, window.of) if isinstance(part, Windowed) and part.function == "within")
        return f"{rows} of one {'person' if by is None else column_name(by.name)}"
    if fit.people is None:
        return rows
    by_person = fit.design.frame[predictor].groupby(fit.people)
    return "people" if (by_person.nunique() == 1).all() else rows


def analysed_words(fit: FittedModel) -> str:
    """How many were analysed: "2,773 people", "18 people, 180 days"."""
    return f"{count(fit.count_people())} people{rows_in_words(fit)}"


def averaged_words(fit: FittedModel, population: str, factor: str | None = None) -> str:
    """Over whom an average is, and how many they are; of a table by the levels of a factor, besides that factor."""
    others = [one for one in fit.design.factors if not one.exhaustive and one.name != factor]
    people = f"{count(fit.count_people())} people"
    rows = f"the {people} analysed" if fit.people is None else f"the {rows_in_words(fit)[2:]} of {people} analysed"
    # Who has one is counted by no table.
    whom = "those analysed who have one" if factor in fit.design.rows.lacking else rows
    whom += " by their weights" if is_weighed(fit) else ""
    if population == "average" and others:
        return f"averaged over {whom} and over all {levels_words(others)} that there could be"
    if population == "equal":
        return "averaged over all levels equally"
    if population == "new":
        return "for a new level"
    return f"averaged over {whom}"


def one_value_each(fit: FittedModel, column: str) -> bool:
    """Whether a column says the same of a person in all analysed rows; True where a row is a person."""
    if fit.people is None:
        return True
    codes = pd.factorize(fit.design.frame[column])[0]
    return lies_within(fit.people, codes)


def shown_counts(fit: FittedModel, factor: str, small: int) -> dict[str, ShownCount]:
    """Counts and shares of a factor's levels, the same in every table of a page.

    Parameters
    ----------
    fit
        The fit.
    factor
        A pooled factor or a categorical column. Of combinations ("a:b"), those with the factor that Table 1 is split by
        are shown as there, and of others none is: together, such tables could tell what each of them hides.
    small
        Fewest people that a shown count stands for.
    """
    counts, total = level_counts(fit, factor), fit.count_people()
    if factor in fit.design.frame:
        marks = _without_rest(list(counts.values()), column_marks(fit, small)[factor], total, small)
        return {
            level: ShownCount.of(size, total, mark, small)
            for (level, size), mark in zip(counts.items(), marks, strict=True)
        }
    split, parts = split_factor(fit, small), factor.split(":")
    if len(parts) != 2 or split not in parts:
        return {level: ShownCount(None, NOT_SHOWN, NOT_SHOWN) for level in counts}
    marks = crossed_marks(fit, factor, small)
    return {
        level: ShownCount.of(size, total, mark, small)
        for (level, size), mark in zip(counts.items(), marks, strict=True)
    }


def _without_rest(sizes: Sequence[int], marks: Sequence[Mark], total: int, small: int) -> list[Mark]:
    """Marks of levels of which somebody may be at several, without those that all but a few people have been at."""
    if sum(sizes) <= total:
        return list(marks)
    return [Mark.HIDDEN if 0 < total - size < small else mark for size, mark in zip(sizes, marks, strict=True)]


def hidden_levels(fit: FittedModel, small: int) -> dict[str, frozenset[str]]:
    """The levels of which a page says nothing but their names, by pooled factor and categorical column.

    And by numeric column with two or three values, which are its levels.

    They are those whose count may not be shown: what is observed or estimated of a level tells how many people are
    behind it, be it by the SD of a mean or by the steps of a share.

    Parameters
    ----------
    fit
        The fit.
    small
        Fewest people that a shown count stands for.
    """
    hidden = {}
    numbers = [name for name in few_valued(fit) if name in fit.design.frame]
    for factor in (*factors_of(fit), *numbers):
        if factor in fit.design.frame:
            marks = column_marks(fit, small)[factor]
        else:
            marks = crossed_marks(fit, factor, small)
        levels = zip(coding_of(fit, factor).levels, marks, strict=True)
        hidden[factor] = frozenset(level for level, mark in levels if mark is not Mark.SHOWN)
    return hidden


def hidden_beside(fit: FittedModel, first: FittedModel, factor: str, small: int) -> frozenset[str]:
    """Levels of which nothing observed is shown of the people of a fit, beside a page's counts of those of another.

    Parameters
    ----------
    fit, first
        Two fits to one cohort, of which the second's people are those that the page counts.
    factor
        A categorical column of both.
    small
        Fewest people that a shown count stands for: also of those of a level who are in one of the two only, since what
        is observed of a level tells how many people it has.
    """
    if factor not in first.design.frame:
        return hidden_levels(fit, small)[factor]
    hidden = hidden_levels(fit, small)[factor] | hidden_levels(first, small)[factor]
    sizes, other = level_counts(fit, factor), level_counts(first, factor)
    differences = [abs(size - other.get(level, 0)) for level, size in sizes.items()]
    marks = zip(sizes, one_way(differences, small), strict=True)
    return hidden | {level for level, mark in marks if mark is not Mark.SHOWN}


def hidden_rows(fit: FittedModel, rows: pd.DataFrame, small: int) -> np.ndarray:
    """Which rows of an effects table are about a few people or a level of which a page says nothing, (n_rows,)."""
    hidden = hidden_levels(fit, small)
    columns = (rows[name] for name in ("term", "factor", "level", "versus", "at"))
    return np.array(
        [
            (isinstance(factor, str) and bool({level, versus} & hidden.get(factor, frozenset())))
            or (isinstance(term, str) and _of_few(term, small))
            or (isinstance(at, str) and _hidden_at(fit, at, factor, {level, versus}, hidden, small))
            for term, factor, level, versus, at in zip(*columns, strict=True)
        ],
        dtype=bool,
    ) | telling_rows(fit, rows, hidden_parameters(fit, small), small)


def _hidden_at(
    fit: FittedModel, at: str, factor: object, levels: set[object], hidden: Mapping[str, frozenset[str]], small: int
) -> bool:
    """Whether levels that everybody is set to, or they and those of the row's factor, are of a few people."""
    frame, values = fit.design.frame, levels_at(at)
    numeric = {name for name in frame if not isinstance(frame[name].dtype, pd.CategoricalDtype)}
    about = {name: labels for name, labels in values.items() if name not in numeric}
    # Of what cannot be read nothing is known.
    if not about:
        return not values
    labels = {level for level in levels if isinstance(level, str)}
    if isinstance(factor, str) and labels and factor not in numeric:
        about[factor] = labels
    if any(values & hidden.get(name, frozenset()) for name, values in about.items()):
        return True
    # As of coefficients: no page has a table of three columns.
    if len(about) > 2 or any(name not in frame for name in about):
        return True
    return len(about) == 2 and _hidden_cell(fit, about, small)


def _of_few(term: str, small: int) -> bool:
    """Whether a share is among a few of the people or all but a few ("who5_followup >= 32 among 3 of 60")."""
    *_, counts = term.rpartition(" among ")
    some, of, people = counts.replace(",", "").partition(" of ")
    if not (of and some.isdecimal() and people.isdecimal()):
        return False
    return int(some) < small or 0 < int(people) - int(some) < small


def hidden_parameters(fit: FittedModel, small: int) -> frozenset[str]:
    """Parameters about a level of which a page says nothing: how far data outweigh a prior tells how many people.

    Their names in the posterior ("beta[country[B]]") and among the priors ("country[B]"). A coefficient is about the
    level that it names, about the reference that it is told from, and about both of what it is the slope or the
    intercept at ("alliance", beside "country[B]:alliance", is the slope at country's reference).

    Parameters
    ----------
    fit
        The fit.
    small
        Fewest people that a shown count stands for.
    """
    known = decided(fit)
    if ("parameters", small) not in known:
        known["parameters", small] = _parameters_hidden(fit, small)
    names: frozenset[str] = known["parameters", small]
    return names


def _parameters_hidden(fit: FittedModel, small: int) -> frozenset[str]:
    design, hidden = fit.design, hidden_levels(fit, small)
    common = _about_hidden(fit, design.columns, hidden, small)
    if untold(fit, small) & set(design.centres) and "Intercept" in design.terms:
        # Beside means at known values, it tells at which ones the predictors are.
        common |= {"Intercept"}
    names = common | {f"beta[{term}]" for term in common}
    if design.residual is not None:
        few = hidden[design.residual.name]
        named = zip(design.residual.parameters, design.residual.levels, strict=True)
        names |= {name for name, level in named if level in few}
    if design.sigma is not None:
        # The SD at the centring values is about the reference level, as an intercept is.
        columns = (Column("Intercept", "Intercept", (), 0), *design.sigma.columns)
        about = _about_hidden(fit, columns, hidden, small)
        if untold(fit, small) & {name for column in columns for name in column.numeric}:
            about |= {"Intercept"}
        names |= {"sigma" if term == "Intercept" else f"{GAMMA}[{term}]" for term in about}
    for factor in design.factors:
        few, about = hidden[factor.name], _about_hidden(fit, factor.columns, hidden, small)
        names |= {f"tau_{factor.name}[{term}]" for term in about}
        names |= {f"corr_{factor.name}[{a}, {b}]" for a in factor.terms for b in factor.terms if {a, b} & about}
        names |= {
            f"u_{factor.name}[{level}, {term}]"
            for level in factor.levels
            for term in factor.terms
            if level in few or term in about
        }
    return frozenset(names)


def shown_events(fit: FittedModel, factor: str | None, events: Sequence[np.ndarray], small: int) -> dict[str, bool]:
    """For which levels it may be shown how many of their people are in each of several groups.

    Parameters
    ----------
    fit
        A fit to rows.
    factor
        A categorical column; None for everybody.
    events
        Masks of the analysed rows, shape (n,) each. Cells are made of all their combinations, so that no few can be had
        from a share of one of them among another.
    small
        Fewest people that a shown count stands for.

    Returns
    -------
    dict
        By level, and for everybody under the empty name.
    """
    codes = np.zeros(len(fit.design.frame), dtype=np.intp)
    for event in events:
        codes = 2 * codes + event
    n_cells = 2 ** len(events)
    columns = tally(fit, codes, n_cells)
    everybody = not ((columns > 0) & (columns < small)).any()
    if factor is None:
        return {"": everybody}
    coding = coding_of(fit, factor)
    index, levels = coding.codes, coding.levels
    assert index is not None
    table = tally(fit, index * n_cells + codes, len(levels) * n_cells).reshape(len(levels), n_cells)
    shown = np.array([mark is Mark.SHOWN for mark in column_marks(fit, small)[factor]])
    marks = np.full(table.shape, Mark.HIDDEN, dtype=object)
    if everybody and shown.any():
        marks[shown] = two_way(with_rest(table, shown), small)[: int(shown.sum())]
    safe = [all(mark is Mark.SHOWN for mark in row) for row in marks]
    return {"": everybody} | dict(zip(levels, safe, strict=True))


def split_factor(fit: FittedModel, small: int) -> str | None:
    """The factor by whose levels Table 1 describes people: the focal one, the provider type, or an exhaustive one.

    None where there is no such factor, or it has more levels than a table has room for, or none of whom enough people
    can be shown.
    """
    frame = fit.design.frame
    exhaustive = [factor.name for factor in fit.design.factors if factor.exhaustive]
    for name in (fit.spec.focal_factor(fit.design), "provider_type", *exhaustive):
        if name is None or name not in frame or name in fit.unnamed_columns:
            continue
        of_rows = isinstance(frame[name].dtype, pd.CategoricalDtype) or (
            fit.moments is None and fit.design.is_indicator(name)
        )
        if of_rows:
            counts = list(level_counts(fit, name).values())
            if 2 <= len(counts) <= MOST_GROUPS:
                marks = column_marks(fit, small)[name]
                return name if any(s and m is Mark.SHOWN for s, m in zip(counts, marks, strict=True)) else None
    return None


def shown_cells(fit: FittedModel, factor: str, split: str, small: int) -> dict[str, dict[str, ShownCount]]:
    """Counts of a factor's levels in each group of another factor that is shown, with shares of the group.

    Parameters
    ----------
    fit
        The fit.
    factor, split
        Two categorical columns, or numbers with two or three values.
    small
        Fewest people that a shown count stands for.

    Returns
    -------
    dict
        Level, then group. Levels and groups whose own counts are not shown have no counts here either.
    """
    table, marks = crossed(fit, factor, split), cell_marks(fit, factor, split, small).copy()
    levels, groups = coding_of(fit, factor).levels, coding_of(fit, split).levels
    totals = list(level_counts(fit, split).values())
    for j, total in enumerate(totals):
        marks[:, j] = _without_rest(table[:, j].tolist(), marks[:, j].tolist(), int(total), small)
    return {
        level: {
            group: ShownCount.of(int(table[k, j]), int(totals[j]), marks[k, j], small) for j, group in enumerate(groups)
        }
        for k, level in enumerate(levels)
    }


def _about_hidden(
    fit: FittedModel, columns: Sequence[Column], hidden: Mapping[str, frozenset[str]], small: int
) -> set[str]:
    """Which of the columns that a predictor is made of are about a level, or a combination, that is not shown."""
    frame, quiet, terms = fit.design.frame, unsaid(fit, small), [column.label for column in columns]
    # A number with two values tells its two groups apart.
    numeric = {
        column.label: {
            name: set(coding_of(fit, name).levels)
            for name in column.numeric
            if name not in quiet and is_two_valued(fit, name)
        }
        for column in columns
    }
    of_unsaid = {column.label for column in columns if set(column.numeric) & quiet}
    levels = {
        name: frozenset(fit.design.levels_of(name)[1])
        for name in factors_of(fit)
        if name in frame and any(f"{name}[" in term for term in terms)
    }
    parts = {f"{name}[{level}]": (name, level) for name, labels in levels.items() for level in labels}
    # Longest first, since a label may itself hold a colon.
    choices = "|".join(map(re.escape, sorted(parts, key=lambda part: (-len(part), part))))
    pattern = re.compile(rf"(?:(?<=:)|^)(?:{choices})(?=:|$)") if parts else re.compile(r"(?!)")
    inside = {term: dict(parts[part] for part in pattern.findall(term)) for term in terms}
    rest = {term: ":".join(part for part in pattern.sub("", term).split(":") if part) for term in terms}
    blocks: dict[tuple[str, frozenset[str]], dict[str, set[str]]] = {}
    for term in terms:
        # An intercept is what is left of indicators.
        rest[term] = "" if rest[term] == "Intercept" else rest[term]
        named = blocks.setdefault((rest[term], frozenset(inside[term])), {name: set() for name in inside[term]})
        for name, level in inside[term].items():
            named[name].add(level)

    def involved(term: str) -> Iterator[dict[str, set[str]]]:
        """The levels of each factor that a column is about: its own, and those that its block has no column of."""
        for (other, names), named in blocks.items():
            if other == rest[term] and names >= set(inside[term]):
                about = {name: set(levels[name] - named[name]) for name in names}
                for name, level in inside[term].items():
                    about[name].add(level)
                # Nothing of a column with all its levels is in a column without it.
                if all(about.values()):
                    yield about | numeric[term]

    def few(about: Mapping[str, set[str]]) -> bool:
        if any(labels & hidden.get(name, frozenset()) for name, labels in about.items()):
            return True
        # No page has a table of three columns.
        return len(about) > 2 or (len(about) == 2 and _hidden_cell(fit, about, small))

    return of_unsaid | {term for term in terms if any(map(few, involved(term)))}


def _hidden_cell(fit: FittedModel, about: Mapping[str, set[str]], small: int) -> bool:
    """Whether a combination of some levels of two columns is not shown."""
    (first, chosen), (second, other) = about.items()
    marks = cell_marks(fit, first, second, small)
    rows = [k for k, level in enumerate(coding_of(fit, first).levels) if level in chosen]
    columns = [k for k, level in enumerate(coding_of(fit, second).levels) if level in other]
    return any(mark is not Mark.SHOWN for mark in marks[np.ix_(rows, columns)].ravel())
