"""What a table holds where it is: kinds, levels, faults, who is left out, and means, before anything is reduced."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.cohort.cells import MISSING, CellError, read_level
from alliance_bayes.cohort.names import CHANGE, FACTORS, LEVELS_FIRST, MANY_LEVELS, MISSING_REASONS, NUMBERS, in_order
from alliance_bayes.errors import DataError, ModelError
from alliance_bayes.model import ModelSpec, scale_of
from alliance_bayes.model.grammar import columns_of
from alliance_bayes.model.resolve import CATEGORICAL_COLUMNS
from alliance_bayes.moments.faults import level_faults, number_faults, reads_as_number, type_fault
from alliance_bayes.moments.look import Kinds, Levels, Look
from alliance_bayes.moments.sources import Remote, fetched
from alliance_bayes.moments.structure import Structure, expressions_of

__all__ = ["Tally", "kinds_of", "levels_of", "tallied"]


@dataclass(frozen=True, eq=False)
class Tally:
    """Complete rows, and what is known of them before they are reduced.

    Parameters
    ----------
    look
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

    look: Look
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


def tallied(spec: ModelSpec, remote: Remote, kinds: Kinds, levels: Mapping[str, Levels], structure: Structure) -> Tally:
    """Check the numbers, count who is left out, and take the means that columns are centred at.

    Raises
    ------
    DataError
        Text, infinite values or values beyond their scale in a numeric column.
    ModelError
        Fewer than two complete rows.
    """
    numbers = (kinds.outcome, *kinds.numeric)
    look = Look(spec, remote, kinds, levels, structure, frozenset())
    answer = look.answer()
    wrapped = frozenset(name for name in numbers if any(_nan(answer[f"{end}_{name}"]) for end in ("low", "high")))
    if wrapped:
        # Rare enough to look again: to test every value for being a number at all takes longer than the sums.
        look = Look(spec, remote, kinds, levels, structure, wrapped)
        answer = look.answer()
    problems = number_faults(remote, spec, look.numbers, answer)
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
    return Tally(
        look,
        constant,
        look.complete_rows(),
        flow,
        centres,
        float(answer[f"mean_{kinds.outcome}"]),
        float(answer["least"]),
        float(answer["most"]),
        look.step is not None and not answer["off_levels"],
    )


def _missing(value: Any, declared: Sequence[str]) -> bool:
    if isinstance(value, str):
        # A declared level is never a missing value ("NA" is also the code of Namibia).
        return not value.strip() or (value.strip() in MISSING and value not in declared)
    return value is None or _nan(value)


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
