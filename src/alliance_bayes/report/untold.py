"""Numbers of which a page does not say what would tell how many people have one of their values."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from alliance_bayes.effects import ESTIMANDS, EffectTable, Measure
from alliance_bayes.effects.at import levels_at
from alliance_bayes.effects.table import UNKNOWN
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.model import Column
from alliance_bayes.model.grammar import windowed_named
from alliance_bayes.model.nodes import columns_of
from alliance_bayes.model.resolve import at_zero
from alliance_bayes.model.scales import SampleScale
from alliance_bayes.model.sigma import GAMMA
from alliance_bayes.moments.terms import calls
from alliance_bayes.report.codings import (
    FEW_VALUES,
    coding_of,
    decided,
    few_valued,
    numbers_of,
    off_the_commonest,
    solvable,
)
from alliance_bayes.report.drawn import lacking
from alliance_bayes.report.marks import cell_marks, column_marks
from alliance_bayes.report.suppression import Mark

__all__ = [
    "QUARTILES",
    "groups_told",
    "is_two_valued",
    "observed_told",
    "telling_priors",
    "telling_rows",
    "unsaid",
    "untold",
]

#: Probabilities of the quartiles of Table 1, by their names in the JSON.
QUARTILES: Mapping[str, float] = {"q25": 0.25, "median": 0.5, "q75": 0.75}
# Of tables that do not say what their rows measure.
_MEASURES: Mapping[str, Measure] = {name: of for one in ESTIMANDS.values() for name, of in one.measures.items()}


def is_two_valued(fit: FittedModel, name: str) -> bool:
    """Whether a number has two values only, so that people are counted by them."""
    coding = few_valued(fit).get(name)
    return coding is not None and len(coding.levels) == 2


def untold(fit: FittedModel, small: int) -> frozenset[str]:
    """Numbers of which neither mean nor SD, nor what follows from these, is told.

    They are columns and components of the formula: those with two or three values of which the count of one may not be
    shown, be it for what the levels of other columns would tell; those whose mean, SD and quartiles leave one solution
    of how few people have a value; those with one value for all but a few people; and what is made of such columns.

    Parameters
    ----------
    fit
        The fit.
    small
        Fewest people that a shown count stands for.
    """
    return _decided(fit, small)[0]


def unsaid(fit: FittedModel, small: int) -> frozenset[str]:
    """Those among them of which nothing is said, as of a level of a few people: two groups, or one and a few others.

    Parameters
    ----------
    fit
        The fit.
    small
        Fewest people that a shown count stands for.
    """
    return _decided(fit, small)[1]


def _decided(fit: FittedModel, small: int) -> tuple[frozenset[str], frozenset[str]]:
    known = decided(fit)
    if ("untold", small) not in known:
        numbers, marks = numbers_of(fit), column_marks(fit, small)
        few, quiet = set(), set()
        for name, values in numbers.items():
            alike = off_the_commonest(fit, values) < small
            if name in marks:
                hidden = any(mark is not Mark.SHOWN for mark in marks[name])
                alike = hidden and (alike or is_two_valued(fit, name))
            else:
                hidden = alike or _solvable(fit, values, small)
            few |= {name} if hidden else set()
            quiet |= {name} if alike else set()
        for names in (few, quiet):
            names |= _made_of(fit, names)
        known["untold", small] = frozenset(few | quiet), frozenset(quiet)
    few, quiet = known["untold", small]
    return few, quiet


def _solvable(fit: FittedModel, values: np.ndarray, small: int) -> bool:
    # Nobody has the value of a point that stands for moments.
    if fit.design.points:
        return False
    return solvable(values, small, people=fit.people, quartiles=tuple(QUARTILES.values()))


def _made_of(fit: FittedModel, few: Collection[str]) -> set[str]:
    """Columns and components that are made of some columns."""
    windowed = {name for name in fit.design.frame if (of := windowed_named(str(name))) is not None and of.source in few}
    sources = {str(name) for name in (*few, *windowed)}
    called = calls(fit.design.formula) | {offset.name: offset for offset in fit.design.formula.offsets}
    called |= {} if fit.design.sigma is None else calls(fit.design.sigma.formula)
    return {str(name) for name in windowed} | {
        name
        for name in fit.design.centres
        for call, node in called.items()
        if (name == call or name.startswith(f"{call}[")) and sources & set(columns_of(node))
    }


def groups_told(fit: FittedModel, name: str, split: str | None, small: int) -> Mapping[str, bool]:
    """Of which groups mean, SD and quartiles of a number are told, everybody's under the empty name.

    Parameters
    ----------
    fit
        The fit.
    name
        A numeric column.
    split
        The factor by whose levels Table 1 describes people, if any.
    small
        Fewest people that a shown count stands for.
    """
    if name in untold(fit, small):
        return defaultdict(bool)
    if split is None:
        return defaultdict(lambda: True)
    coding = coding_of(fit, split)
    if name in few_valued(fit):
        shown = [all(m is Mark.SHOWN for m in column) for column in cell_marks(fit, name, split, small).T]
        return {"": True} | dict(zip(coding.levels, shown, strict=True))
    if coding.codes is None or fit.design.points:
        return defaultdict(lambda: True)
    values, marks = numbers_of(fit)[name], column_marks(fit, small)[split]
    masks = [coding.codes == k for k, mark in enumerate(marks) if mark is Mark.SHOWN]
    # Those of the other groups together are everybody less those that are told.
    rest = ~np.any(masks, axis=0) if masks else np.ones(len(values), dtype=bool)
    blocks = [(values[some], None if fit.people is None else fit.people[some]) for some in (*masks, rest) if some.any()]
    safe = not any(solvable(some, small, people=people, quartiles=tuple(QUARTILES.values())) for some, people in blocks)
    return {"": True} | dict.fromkeys(coding.levels, safe)


def observed_told(fit: FittedModel, name: str, split: str | None, small: int) -> Mapping[str, bool]:
    """The same of a number whose missing values were drawn: what is told is of those who have an observed one."""
    shown = groups_told(fit, name, split, small)
    if name not in lacking(fit):
        return shown
    observed, values = seen(fit, name), numbers_of(fit)[name]

    def fine(some: np.ndarray) -> bool:
        some = some & observed
        unique, counts = np.unique(values[some], return_counts=True)
        if fit.count_people(some) < small:
            return False
        few = unique.size <= FEW_VALUES
        if few or unique.size <= int(counts.max()):
            for value in unique if few else [unique[counts.argmax()]]:
                own_value = values == value
                if any(0 < fit.count_people(some & part) < small for part in (own_value, ~own_value)):
                    return False
        people = None if fit.people is None else fit.people[some]
        return not solvable(values[some], small, people=people, quartiles=tuple(QUARTILES.values()))

    everybody = shown[""] and fine(np.ones(len(values), dtype=bool))
    coding = None if split is None else coding_of(fit, split)
    if coding is None or coding.codes is None or not everybody or name in few_valued(fit):
        return defaultdict(bool, {"": everybody})
    groups = {level: coding.codes == k for k, level in enumerate(coding.levels)}
    answers = {level: shown[level] and fine(some) for level, some in groups.items()}
    # Those of the other groups together are everybody less those that are told.
    rest = np.ones(len(values), dtype=bool)
    for level, some in groups.items():
        rest &= ~some if answers[level] else True
    if (rest & observed).any() and not fine(rest):
        answers = dict.fromkeys(answers, False)
    return {"": everybody} | answers


def telling_priors(fit: FittedModel, small: int) -> frozenset[str]:
    """Parameters whose default prior is scaled by an SD or mean that is not told: of a predictor, or of the outcome."""
    design, few = fit.design, untold(fit, small)
    sampled = {name for name in few if isinstance(design.scales.get(name), SampleScale)}
    if design.outcome.name in sampled:
        return frozenset(fit.priors)

    def telling(column: Column) -> bool:
        return bool(sampled & set(column.numeric))

    left = {name for name in design.centres if not design.is_centred(name)} | set(fit.spec.centre)
    labels = {column.label for column in design.columns if telling(column)}
    for column in design.columns:
        labels |= {column.label for _, names in at_zero(column, design.columns, left) if sampled & set(names)}
    for factor in design.factors:
        labels |= {f"tau_{factor.name}[{column.label}]" for column in factor.columns if telling(column)}
    if design.sigma is not None:
        labels |= {f"{GAMMA}[{column.label}]" for column in design.sigma.columns if telling(column)}
    return frozenset(labels & set(fit.priors)) - frozenset(fit.priors.given)


def telling_rows(fit: FittedModel, rows: pd.DataFrame, hidden: Collection[str], small: int) -> np.ndarray:
    """Which rows of an effects table are about numbers of which nothing is said, or hold what is not told of one.

    Parameters
    ----------
    fit
        The fit.
    rows
        The table.
    hidden
        Parameters of which a page says nothing.
    small
        Fewest people that a shown count stands for.
    """
    design, few, quiet = fit.design, untold(fit, small), unsaid(fit, small)
    if not few and not hidden:
        return np.zeros(len(rows), dtype=bool)
    pooled = any(set(column.numeric) & quiet for factor in design.factors for column in factor.columns)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)} = " for name in few)) if few else re.compile(r"(?!)")

    def telling(estimand: str, term: object, factor: object, at: object) -> bool:
        tells = measures.get(estimand, UNKNOWN).tells
        if tells == "parameter":
            return term in hidden
        if tells == "levels":
            return any(f"{kind}_{factor}[{term}]" in hidden for kind in ("tau", "corr"))
        if {term, factor} & quiet or (tells == "spread" and {term, factor} & few):
            return True
        if isinstance(at, str) and set(levels_at(at)) & quiet:
            return True
        return (tells == "parts" and pooled) or (tells == "ends" and factor in few)

    measures = {**_MEASURES, **rows.measures} if isinstance(rows, EffectTable) else _MEASURES
    columns = (rows[name] for name in ("estimand", "term", "factor", "at", "note"))
    return np.array(
        [
            telling(estimand, term, factor, at) or (isinstance(note, str) and bool(pattern.search(note)))
            for estimand, term, factor, at, note in zip(*columns, strict=True)
        ],
        dtype=bool,
    )
