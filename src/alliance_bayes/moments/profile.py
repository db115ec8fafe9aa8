"""The profile of a table that stays where it is: kinds, levels, who is left out, and means, before it is reduced."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.cohort.cells import MISSING, CellError, read_level
from alliance_bayes.cohort.names import CHANGE, FACTORS, LEVELS_FIRST, MANY_LEVELS, MISSING_REASONS, NUMBERS, in_order
from alliance_bayes.errors import DataError, ModelError
from alliance_bayes.model import ModelSpec, scale_of
from alliance_bayes.model.complete import Emptied
from alliance_bayes.model.grammar import columns_of
from alliance_bayes.model.resolve import CATEGORICAL_COLUMNS
from alliance_bayes.moments.faults import level_faults, number_faults, reads_as_number, type_fault
from alliance_bayes.moments.sources import Remote, fetched
from alliance_bayes.moments.structure import Structure, expressions_of
from alliance_bayes.rounding import ON_LEVEL

__all__ = ["Kinds", "Levels", "Profile", "ProfileQuery", "kinds_of", "levels_of", "profile_of"]


@dataclass(frozen=True)
class Kinds:
    """Needed columns by kind.

    Parameters
    ----------
    outcome
        Name of the outcome.
    numeric
        Numeric predictors.
    keys
        Categorical predictors.
    """

    outcome: str
    numeric: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Levels:
    """What a categorical column holds.

    Parameters
    ----------
    labels
        Label of each value as the database gives it; None for values that are missing.
    order
        Labels in order.
    """

    labels: Mapping[Any, str | None]
    order: tuple[str, ...]

    @property
    def gaps(self) -> tuple[str, ...]:
        """Texts that stand for a missing value."""
        return tuple(value for value, label in self.labels.items() if label is None and isinstance(value, str))

    @property
    def has_nan(self) -> bool:
        """Whether numbers that are none occur."""
        return any(isinstance(value, float) and math.isnan(value) for value in self.labels)


class ProfileQuery:
    """One ungrouped query over all rows."""

    def __init__(
        self,
        spec: ModelSpec,
        remote: Remote,
        kinds: Kinds,
        levels: Mapping[str, Levels],
        structure: Structure,
        wrapped: frozenset[str],
    ) -> None:
        self.remote, self.kinds, self.structure, self.columns = remote, kinds, structure, spec.columns
        scale = scale_of(kinds.outcome, spec.scales)
        self.step = None if scale is None or scale.step is None else (scale.lower, scale.step)
        table = remote.table
        self.numbers = {name: _number(table[name], wrap=name in wrapped) for name in (kinds.outcome, *kinds.numeric)}
        self.present = {name: value.notnull() for name, value in self.numbers.items()}
        for key in kinds.keys:
            here = table[key].notnull()
            if levels[key].gaps:
                here = here & ~table[key].isin(levels[key].gaps)
            if levels[key].has_nan:
                here = here & ~table[key].isnan()
            self.present[key] = here

    def answer(self) -> dict[str, Any]:
        """Counts, ends and means."""
        return dict(fetched(self.expression(), self.remote.source).to_pylist()[0])

    def expression(self) -> Any:
        """The query that asks for them."""
        table = self.remote.table
        asked: dict[str, Any] = {"n": table.count()}
        before: Any = None
        for place, name in enumerate(self.columns):
            here = self.present[name]
            asked[f"step_{place}"] = ((~here) if before is None else (before & ~here)).sum()
            before = here if before is None else before & here
        for name, value in self.numbers.items():
            asked |= {f"low_{name}": value.min(), f"high_{name}": value.max()}
            if table[name].type().is_string():
                bad = table[name].notnull() & ~table[name].strip().isin(MISSING) & value.isnull()
                asked |= {f"bad_{name}": bad.sum(), f"example_{name}": table[name].min(where=bad)}
        wanted = (*self.structure.components, *self.structure.base)
        for name in dict.fromkeys((self.kinds.outcome, *wanted)):
            value = self.structure.component(name, self.numbers.__getitem__)
            asked[f"mean_{name}"] = value.mean(where=before)
        for name in self.kinds.numeric:
            value = self.numbers[name]
            asked |= {f"least_{name}": value.min(where=before), f"most_{name}": value.max(where=before)}
        outcome = self.numbers[self.kinds.outcome]
        asked |= {"least": outcome.min(where=before), "most": outcome.max(where=before)}
        if self.step is not None:
            steps = (outcome - self.step[0]) / self.step[1]
            asked["off_levels"] = (before & ((steps - steps.round()).abs() > ON_LEVEL)).sum()
        return table.aggregate(**asked)

    def emptied(self, name: str, kept: Mapping[str, Sequence[Any]], show: Callable[[Sequence[Any]], str]) -> Emptied:
        """Which rows with other values than the complete ones have were left out, and for want of what.

        Parameters
        ----------
        name
            A column, or the combination "a:b" of those that ``kept`` names.
        kept
            Values that the complete rows have, by column.
        show
            What prints one row's values.
        """
        table = self.remote.table
        values = {part: self.numbers[part] if part in self.numbers else table[part] for part in kept}
        others: Any = None
        for part, own in kept.items():
            other = ~values[part].isin(list(own))
            others = other if others is None else others | other
        left_out = table.filter(*(self.present[part] for part in kept), others)
        lacking = {f"lack_{place}": (~self.present[column]).sum() for place, column in enumerate(self.columns)}
        by = {f"part_{place}": value for place, value in enumerate(values.values())}
        query = left_out.group_by(**by).aggregate(n=left_out.count(), **lacking)
        found = fetched(query, self.remote.source).to_pylist()
        counts = {
            column: sum(int(row[f"lack_{place}"] or 0) for row in found) for place, column in enumerate(self.columns)
        }
        named = sorted({show([row[part] for part in by]) for row in found})
        return Emptied(
            name,
            show([own[0] for own in kept.values()]),
            tuple(named),
            sum(int(row["n"]) for row in found),
            {column: n for column, n in counts.items() if n},
            levels=not set(kept) & set(self.numbers),
        )

    def complete_rows(self) -> Any:
        """The rows that have a value in every needed column."""
        table = self.remote.table
        kept = {**self.numbers, **{key: table[key] for key in self.kinds.keys}}
        return table.filter(*self.present.values()).select(**kept)


def _number(column: Any, *, wrap: bool) -> Any:
    """A column as 64-bit floats; text that is no number is missing, and so is what is no number at all."""
    dtype = column.type()
    value = column.try_cast("float64") if dtype.is_string() else column.cast("float64")
    if wrap or dtype.is_string():
        value = value.nullif(float("nan"))
    return value


@dataclass(frozen=True, eq=False)
class Profile:
    """Complete rows, and what is known of them before they are reduced.

    Parameters
    ----------
    query
        The query that told.
    constant
        Numeric predictors that have other values, but only one in the complete rows, with that value.
    rows
        Ibis table of the complete rows: numeric columns as 64-bit floats, keys as they come.
    flow
        Who was left out.
    centres
        Centre of each component and base column.
    middle
        Mean of the outcome.
    low, high
        Ends of the outcome's values.
    on_levels
        Whether every outcome is one of its scale's levels.
    """

    query: ProfileQuery
    constant: Mapping[str, float]
    rows: Any
    flow: Flow
    centres: Mapping[str, float]
    middle: float
    low: float
    high: float
    on_levels: bool


def kinds_of(spec: ModelSpec, remote: Remote) -> Kinds:
    """Which of a model's columns are numeric and which have levels.

    Grouping columns, those with declared levels and those that a cohort knows as factors have levels; components of
    arithmetic, those with a scale and those that a cohort knows as numbers are numeric; for others the database's type
    tells.

    Raises
    ------
    DataError
        A column's type is neither.
    """
    formula = spec.parsed
    levelled = {part for group in formula.groups for part in group.factor.split(":")}
    levelled |= {*spec.levels, *CATEGORICAL_COLUMNS, *FACTORS, spec.residual_by or ""}
    counted = {name for expression in expressions_of(formula).values() for name in columns_of(expression)}
    counted |= {*NUMBERS, CHANGE, *spec.centre}
    numeric, keys, problems = [], [], []
    for name in spec.columns[1:]:
        dtype = remote.table[name].type()
        if name in levelled:
            keys.append(name)
        elif name in counted or scale_of(name, spec.scales) is not None or dtype.is_numeric():
            numeric.append(name)
        elif dtype.is_string():
            mixed, number = reads_as_number(remote, name)
            problems += mixed
            (numeric if number else keys).append(name)
        else:
            keys.append(name)
    for name in (formula.outcome, *numeric):
        problems += type_fault(remote, name, number=True)
    for name in keys:
        problems += type_fault(remote, name, number=False)
    if problems:
        raise DataError(problems, source=remote.source)
    return Kinds(formula.outcome, tuple(numeric), tuple(keys))


def levels_of(remote: Remote, keys: Sequence[str], declared: Mapping[str, tuple[str, ...]]) -> dict[str, Levels]:
    """Levels of categorical columns: declared ones in their order, others sorted.

    Raises
    ------
    DataError
        Values that are no level, or not a declared one, with the number of rows of each; a column without values.
    """
    out, problems = {}, []
    for key in keys:
        column = remote.table[key]
        found = fetched(remote.table.group_by(value=column).aggregate(n=remote.table.count()), remote.source)
        counts = dict(zip(found["value"].to_pylist(), found["n"].to_pylist(), strict=True))
        labels: dict[Any, str | None] = {}
        unreadable: dict[Any, CellError] = {}
        for value in counts:
            labels[value] = None
            if not _missing(value, declared.get(key, ())):
                try:
                    labels[value] = read_level(value)
                except CellError as error:
                    unreadable[value] = error
        present: dict[str, int] = {}
        for value, label in labels.items():
            if label is not None:
                present[label] = present.get(label, 0) + counts[value]
        known = key in CATEGORICAL_COLUMNS or key in FACTORS
        problems += level_faults(
            remote.names[key],
            present,
            unreadable,
            counts,
            declared.get(key),
            check_spelling=known and len(present) <= MANY_LEVELS,
        )
        if key in declared:
            order = [level for level in declared[key] if level in present]
        else:
            order = in_order(present, LEVELS_FIRST.get(key, ()))
        out[key] = Levels(labels, tuple(order))
    if problems:
        raise DataError(problems, source=remote.source)
    return out


def profile_of(
    spec: ModelSpec, remote: Remote, kinds: Kinds, levels: Mapping[str, Levels], structure: Structure
) -> Profile:
    """Check the numbers, count who is left out, and take the means that columns are centred at.

    Raises
    ------
    DataError
        Text, infinite values or values beyond their scale in a numeric column.
    ModelError
        Fewer than two complete rows.
    """
    numbers = (kinds.outcome, *kinds.numeric)
    query = ProfileQuery(spec, remote, kinds, levels, structure, frozenset())
    answer = query.answer()
    wrapped = frozenset(name for name in numbers if any(_nan(answer[f"{end}_{name}"]) for end in ("low", "high")))
    if wrapped:
        # Rare enough to look again: to test every value for being a number at all takes longer than the sums.
        query = ProfileQuery(spec, remote, kinds, levels, structure, wrapped)
        answer = query.answer()
    problems = number_faults(remote, spec, query.numbers, answer)
    if problems:
        raise DataError(problems, source=remote.source)
    steps = [
        FlowStep(MISSING_REASONS.get(name, f"no value of {name}"), int(answer[f"step_{place}"] or 0))
        for place, name in enumerate(spec.columns)
    ]
    flow = Flow(int(answer["n"]), tuple(step for step in steps if step.n))
    if flow.analysed < 2:
        raise ModelError(
            f"the model needs at least 2 complete rows but got {flow.analysed}. The participant flow tells why:\n{flow}"
        )
    wanted = (*structure.components, *structure.base)
    unknown = sorted(set(spec.centre) - set(structure.components))
    if unknown:
        raise ModelError(
            f"centre names {', '.join(unknown)}, but the numeric columns of the formula are "
            f"{', '.join(sorted(structure.components))}."
        )
    left = {name for name in structure.components if not spec.parsed.is_centred(name)}
    centres = {
        name: float(spec.centre.get(name, answer[f"mean_{name}"] if name not in left else 0.0))
        for name in dict.fromkeys(wanted)
    }
    constant = {
        name: float(answer[f"least_{name}"])
        for name in kinds.numeric
        if answer[f"least_{name}"] == answer[f"most_{name}"] and answer[f"low_{name}"] != answer[f"high_{name}"]
    }
    return Profile(
        query,
        constant,
        query.complete_rows(),
        flow,
        centres,
        float(answer[f"mean_{kinds.outcome}"]),
        float(answer["least"]),
        float(answer["most"]),
        query.step is not None and not answer["off_levels"],
    )


def _missing(value: Any, declared: Sequence[str]) -> bool:
    if isinstance(value, str):
        # A declared level is never a missing value ("NA" is also the code of Namibia).
        return not value.strip() or (value.strip() in MISSING and value not in declared)
    return value is None or _nan(value)


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
