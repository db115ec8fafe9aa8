"""Values that everybody is set to before an average (``at={"month": 12}``): read, checked, and named in a row."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cells import CellError, level_label
from alliance_bayes.effects.counterfactual import NumericSetting
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import shown
from alliance_bayes.model.roles import is_of_persons, role_of
from alliance_bayes.remedies import argument

__all__ = [
    "AS_THEY_ARE",
    "MOST_CELLS",
    "At",
    "Cell",
    "at_of",
    "at_words",
    "beyond_rows",
    "cells_of",
    "compared_cells",
    "levels_at",
    "plain_at",
    "sides_of",
]

#: What ``at`` takes: a value, or several, by predictor.
type At = Mapping[str, float | str | Sequence[float | str]]
type Value = float | str

#: Combinations of values that one table may hold.
MOST_CELLS = 100
# Levels, and problems, that a message lists.
_LISTED = 20


@dataclass(frozen=True)
class Cell:
    """Values that everybody is set to: one combination of those asked for.

    Parameters
    ----------
    values
        Column and value, in the order asked for; a number or a level.
    note
        What a reader must know about these values; empty for nothing.
    """

    values: tuple[tuple[str, Value], ...] = ()
    note: str = ""

    @property
    def columns(self) -> frozenset[str]:
        """What is set."""
        return frozenset(column for column, _ in self.values)

    @property
    def numeric(self) -> tuple[NumericSetting, ...]:
        """Numeric columns and their values."""
        return tuple(NumericSetting(column, value) for column, value in self.values if isinstance(value, float))

    @property
    def fixed(self) -> dict[str, str]:
        """Categorical columns and their levels."""
        return {column: value for column, value in self.values if isinstance(value, str)}

    @property
    def label(self) -> str | None:
        """As the column ``at`` of a table has it: "month = 12, sex = female"; None where nothing is set."""
        return ", ".join(at_of(column, value) for column, value in self.values) or None


#: Everybody as they are.
AS_THEY_ARE = Cell()


def cells_of(fit: FittedModel, at: At | None) -> tuple[Cell, ...]:
    """All combinations of the values asked for; one that sets nothing where nothing is asked for.

    Parameters
    ----------
    fit
        The fitted model.
    at
        A value, or several, by predictor.

    Returns
    -------
    tuple of Cell
        The last predictor's values change first.

    Raises
    ------
    UsageError
        Something else than a mapping, a column that is no predictor of the model, a value that is no finite number or
        no level of the column, one that comes twice, levels that are single persons, or too many combinations. All
        that is wrong is said at once.
    """
    if at is None:
        return (AS_THEY_ARE,)
    if not isinstance(at, Mapping) or not at:
        example = argument("at", {"month": 12})
        raise UsageError(f"at should be a mapping from predictors to values, such as {example}, but got {shown(at)}.")
    problems: list[str] = []
    known: dict[str, list[Value]] = {}
    for column, entry in at.items():
        try:
            known[column] = _values(fit, column, entry)
        except _RefusedError as refused:
            problems.append(str(refused))
    count = prod(map(len, known.values()))
    if count > MOST_CELLS:
        problems.append(
            f"{argument('at')} asks for {count:,} combinations of values, and at most {MOST_CELLS} are computed at "
            "once. Name fewer values."
        )
    if problems:
        # Files may ask for thousands.
        raise UsageError(" ".join(problems[:_LISTED]))
    cells = (tuple(zip(known, values, strict=True)) for values in product(*known.values()))
    return tuple(Cell(values, beyond_rows(fit, values)) for values in cells)


class _RefusedError(Exception):
    """What is wrong with the values of one column, as a sentence."""


def _values(fit: FittedModel, column: object, entry: object) -> list[Value]:
    """The values of one column, checked."""
    design = fit.design
    if column == design.outcome.name:
        raise _RefusedError(f"{argument('at')} sets '{column}', the outcome, but it is for predictors.")
    if column not in design.predictors:
        raise _RefusedError(
            f"{argument('at')} sets {shown(column)}, which is no predictor of this model. "
            f"Its predictors: {', '.join(design.predictors) or 'none'}."
        )
    name, several = str(column), _listed(entry)
    if not 1 <= len(several) <= MOST_CELLS:
        raise _RefusedError(
            f"{argument('at')} should give '{name}' 1 to {MOST_CELLS} values, but gives it {len(several):,}."
        )
    levels = _levels(fit, name)
    parsed = [_number(item) if levels is None else _level(item, levels) for item in several]
    if wrong := ", ".join(shown(item) for item, value in zip(several, parsed, strict=True) if value is None):
        if levels is None:
            raise _RefusedError(f"{argument('at')} should give '{name}' finite numbers, but got {wrong}.")
        known = ", ".join(map(repr, levels[:_LISTED])) + (", ..." if len(levels) > _LISTED else "")
        raise _RefusedError(
            f"{argument('at')} should give '{name}' levels that it has, but got {wrong}. Its levels: {known}."
        )
    values = [value for value in parsed if value is not None]
    if twice := [value for value in values if values.count(value) > 1]:
        raise _RefusedError(f"{argument('at')} gives '{name}' the value {shown(twice[0])} twice. Give it once.")
    return values


def _listed(entry: object) -> list[object]:
    """One value or several as a list."""
    several = isinstance(entry, Sequence | np.ndarray | pd.Series | pd.Index) and not isinstance(entry, str | bytes)
    if isinstance(entry, np.ndarray) and not entry.ndim:
        return [entry.item()]
    return list(entry) if several else [entry]  # type: ignore[call-overload]


def _levels(fit: FittedModel, column: str) -> list[str] | None:
    """The levels of a categorical column; None of a numeric one."""
    values = fit.design.frame[column]
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return None
    for factor in fit.design.factors:
        role = role_of(column, fit.spec.roles)
        persons = role.known and role.role == "person" and column in factor.name.split(":")
        if persons or (factor.name == column and is_of_persons(factor, fit.design.rows.n)):
            raise _RefusedError(
                f"{argument('at')} sets '{column}', whose levels are single persons, and nobody is named. "
                "Leave it out: averages are over all persons."
            )
    # What rows have that have no level is none to set others to.
    idle = {label for factor in fit.design.factors if factor.name == column for label in factor.idle}
    return [str(label) for label in values.cat.categories if str(label) not in idle]


def _number(entry: object) -> float | None:
    """A finite number; None of anything else. A truth value is a number to Python, and a mistake here."""
    if not isinstance(entry, int | float | np.integer | np.floating) or isinstance(entry, bool):
        return None
    try:
        value = float(entry)
    except OverflowError:
        return None
    # Zero has one sign, so that it is one value.
    return value + 0.0 if math.isfinite(value) else None


def _level(entry: object, levels: Sequence[str]) -> str | None:
    """The level that a value stands for; None where it stands for none of them."""
    try:
        label = level_label(entry)
    except CellError:
        return None
    return label if label in levels else None


def beyond_rows(fit: FittedModel, values: Sequence[tuple[str, Value]]) -> str:
    """A note of values, or levels together, that no analysed row has; their limits may be single persons', untold."""
    frame, beyond, levels = fit.design.frame, [], []
    together = np.ones(len(frame), dtype=bool)
    for column, value in values:
        if isinstance(value, str):
            levels.append(at_of(column, value))
            together &= (frame[column].astype(str) == value).to_numpy()
        # The points of moments have the rows' means, not their ends.
        elif fit.moments is None and not frame[column].min() <= value <= frame[column].max():
            beyond.append(at_of(column, value))
    notes = [f"no analysed row reaches {' or '.join(beyond)}"] if beyond else []
    notes += [] if together.any() else [f"no analysed row has {' with '.join(levels)}"]
    return f"extrapolated: {', and '.join(notes)}" if notes else ""


def plain_at(at: At) -> dict[str, list[Value]]:
    """Values that were accepted, as JSON has them."""
    return {str(column): [_plain(item) for item in _listed(entry)] for column, entry in at.items()}


def _plain(value: object) -> Value:
    return value if isinstance(value, str) else float(value) if _number(value) is not None else level_label(value)  # type: ignore[arg-type]


def compared_cells(cells: Sequence[Cell]) -> Iterator[tuple[int, int, str]]:
    """Pairs of cells that differ in one column, the later first: their numbers, and what the column ``at`` says."""
    for earlier, later in combinations(range(len(cells)), 2):
        pairs = list(zip(cells[later].values, cells[earlier].values, strict=True))
        differ = [f"{at_of(*first)} minus {at_of(*second)}" for first, second in pairs if first != second]
        if len(differ) == 1:
            # What is compared comes first.
            yield later, earlier, ", ".join([*differ, *(at_of(*first) for first, second in pairs if first == second)])


def at_of(column: str, value: Value) -> str:
    """What a row's ``at`` says of one column: "month = 12"."""
    text = value if isinstance(value, str) else f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return f"{_quoted(column)} = {_quoted(text)}"


def _quoted(text: str) -> str:
    """A text in quotation marks where it holds what separates parts of a label."""
    plain = text and not re.search(r'[,="\\]| minus |^\s|\s$', text)
    # No mark of quotation within two of them, so that a label can be read without knowing what is in it.
    return text if plain else '"' + json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', "\\u0022") + '"'


_TEXT = r'("[^"]*"|[^",=]+?)'
_ITEM = re.compile(rf"{_TEXT} = {_TEXT}(?: minus {_TEXT} = {_TEXT})?", flags=re.DOTALL)
_SEPARATED = re.compile(r'(?:"[^"]*"|[^",])+', flags=re.DOTALL)


def _unquoted(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


def _items(at: str) -> list[tuple[str, str, str | None]]:
    """Column, value, and the value that is taken from it, of each part of a label."""
    items = []
    for part in _SEPARATED.findall(at):
        item = _ITEM.fullmatch(part.strip())
        if item is None:
            return []
        column, value, _, other = item.groups()
        items.append((_unquoted(column), _unquoted(value), None if other is None else _unquoted(other)))
    return items


def at_words(at: str, name: Callable[[str], str] = str) -> str:
    """What a row's ``at`` says, in words: "with month at 12 and sex at female", "month at 12 minus month at 2".

    Parameters
    ----------
    at
        The column of a table of effects.
    name
        What a column is called.
    """
    items = _items(at)
    if not items:
        return f"at {at}"
    fixed = [f"{name(column)} at {value}" for column, value, other in items if other is None]
    compared = [f"{name(column)} at {value} minus {name(column)} at {other}" for column, value, other in items if other]
    joined = " and ".join(filter(None, [", ".join(fixed[:-1]), *fixed[-1:]]))
    return ", ".join([*compared, *([f"with {joined}"] if fixed else [])])


def sides_of(at: str) -> tuple[str, str, str] | None:
    """Both sides of what a row compares over values of ``at``, and what is held; None where it compares none."""
    items = _items(at)
    for column, value, other in items:
        if other is not None:
            fixed = ", ".join(at_of(name, fixed_value) for name, fixed_value, against in items if against is None)
            return f"{column} = {value}", f"{column} = {other}", fixed
    return None


def levels_at(at: str) -> dict[str, set[str]]:
    """Columns and values that a row's ``at`` names, as text."""
    levels: dict[str, set[str]] = {}
    for column, value, other in _items(at):
        levels.setdefault(column, set()).update({value} if other is None else {value, other})
    return levels
