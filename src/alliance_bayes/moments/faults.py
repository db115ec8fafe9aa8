"""Values that cannot be, in a table that is queried: column, an example, how many rows, and the remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from alliance_bayes.cohort.cells import MISSING, CellError, describe_markers, spelling
from alliance_bayes.cohort.names import rows_of
from alliance_bayes.cohort.schema import cohort_rules
from alliance_bayes.errors import Problem
from alliance_bayes.model import ModelSpec, scale_of
from alliance_bayes.moments.sources import Remote, fetched

__all__ = ["level_faults", "number_faults", "reads_as_number", "type_fault"]

_A_GAP = f"a missing value is {describe_markers(MISSING)}"


def type_fault(remote: Remote, name: str, *, number: bool) -> list[Problem]:
    """The problem with a column's type, if there is one."""
    dtype = remote.table[name].type()
    if number:
        good = dtype.is_numeric() or (dtype.is_string() and remote.casts_text)
        what, remedy = f"is of type {dtype}, not a number", "Convert the column to numbers."
    else:
        good = dtype.is_numeric() or dtype.is_string() or dtype.is_boolean() or dtype.is_date()
        what, remedy = f"is of type {dtype}, not a level", "Give levels as text or whole numbers."
    return [] if good else [Problem(remote.names[name], None, None, what, remedy)]


def reads_as_number(remote: Remote, name: str) -> tuple[list[Problem], bool]:
    """Whether a column of text is meant as numbers, and what is wrong if only part of it is.

    All of it must read as a number; a column of codes with leading zeros (007) does not.
    """
    if not remote.casts_text:
        return [], False
    text = remote.table[name].strip()
    number = text.try_cast("float64").nullif(float("nan"))
    there = text.notnull() & ~text.isin(MISSING)
    other = there & number.isnull()
    query = remote.table.aggregate(
        all=there.sum(),
        others=other.sum(),
        codes=(there & text.re_search("^[+-]?0[0-9]+$")).sum(),
        example=text.min(where=other),
    )
    found = fetched(query, remote.source).to_pylist()[0]
    others = int(found["others"] or 0)
    numbers = int(found["all"] or 0) - others
    if found["codes"] or not numbers:
        return [], False
    if not others:
        return [], True
    hint = "If the column is a factor, declare its levels in the model card ([levels])."
    if numbers < others:
        what = f"mixes numbers (in {numbers:,} of its cells) with text (in {others:,})"
        return [Problem(remote.names[name], None, None, what, f"Remove the column or correct it. {hint}")], False
    what = f"is not a number, but the column holds numbers ({rows_of(others)})"
    return [Problem(remote.names[name], None, found["example"], what, f"Correct it; {_A_GAP}. {hint}")], False


def level_faults(
    name: str,
    present: Mapping[str, int],
    unreadable: Mapping[Any, CellError],
    counts: Mapping[Any, int],
    declared: Sequence[str] | None,
    *,
    check_spelling: bool,
) -> list[Problem]:
    """Problems with a categorical column's values.

    Parameters
    ----------
    name
        The table's own name of the column.
    present
        Rows by level.
    unreadable
        Values that are no level, and why.
    counts
        Rows by value.
    declared
        Declared levels, None if none are.
    check_spelling
        Whether levels that differ in case or spaces alone are problems when none are declared.
    """
    problems = [
        Problem(name, None, value, f"{error.what} ({rows_of(counts[value])})", error.remedy)
        for value, error in unreadable.items()
    ]
    if not present and not unreadable:
        return [Problem(name, None, None, "has no value in any row", "Fill it in, or remove the column.")]
    if declared is not None:
        remedy = f"Declared levels: {', '.join(map(repr, declared))}. Correct the value or declare the level."
        return problems + [
            Problem(name, None, level, f"is not a declared level ({rows_of(n)})", remedy)
            for level, n in present.items()
            if level not in declared
        ]
    groups: dict[str, list[str]] = {}
    for level in present if check_spelling else ():
        groups.setdefault(spelling(level), []).append(level)
    for spellings in groups.values():
        usual = max(sorted(spellings), key=lambda level: present[level])
        problems += [
            Problem(
                name,
                None,
                level,
                f"differs from {usual!r} (n = {present[usual]:,}) in case or spacing alone ({rows_of(present[level])})",
                f"Write {usual!r}, or declare both as levels in the model card ([levels]).",
            )
            for level in sorted(spellings)
            if level != usual
        ]
    return problems


def number_faults(
    remote: Remote, spec: ModelSpec, numbers: Mapping[str, Any], answer: Mapping[str, Any]
) -> list[Problem]:
    """Problems with numeric columns.

    Parameters
    ----------
    remote
        The table.
    spec
        The model, which knows the outcome's scale.
    numbers
        Ibis expression of each numeric column as floats.
    answer
        Least and greatest value of each ("low_<name>", "high_<name>"), and for text how many values are no number
        ("bad_<name>") with one of them ("example_<name>").
    """
    problems = []
    for name, value in numbers.items():
        own = remote.names[name]
        if answer.get(f"bad_{name}"):
            what = f"is not a number ({rows_of(int(answer[f'bad_{name}']))})"
            problems.append(Problem(own, None, answer[f"example_{name}"], what, f"Correct it; {_A_GAP}."))
        low, high = answer[f"low_{name}"], answer[f"high_{name}"]
        if low is None:
            if not answer.get(f"bad_{name}"):
                what, remedy = "has no value in any row", "Fill it in, or remove the column."
                problems.append(Problem(own, None, None, what, remedy))
            continue
        infinite = [end for end in (low, high) if math.isinf(end)]
        if infinite:
            n = _count(remote, value.isinf())
            problems.append(Problem(own, None, infinite[0], f"is infinite ({rows_of(n)})", f"Correct it; {_A_GAP}."))
            continue
        least, most, what, remedy = _ends(name, spec)
        below, above = least is not None and low < least, most is not None and high > most
        if below or above:
            outside = [value < least] * below + [value > most] * above
            n = _count(remote, outside[0] if len(outside) == 1 else outside[0] | outside[1])
            problems.append(Problem(own, None, low if below else high, f"{what} ({rows_of(n)})", remedy))
    return problems


def _ends(name: str, spec: ModelSpec) -> tuple[float | None, float | None, str, str]:
    """Ends that a column's values may not pass, what to say and what to do."""
    scale = scale_of(name, spec.scales)
    if name == spec.parsed.outcome and scale is not None and (scale.lower is not None or scale.upper is not None):
        if scale.lower is None or scale.upper is None:
            what = f"is above {scale.upper:g}" if scale.lower is None else f"is below {scale.lower:g}"
        else:
            what = f"is outside {scale.lower:g} to {scale.upper:g}"
        return scale.lower, scale.upper, what, "Correct it or the scale."
    rule = next((rule for rule in cohort_rules() if rule.name == name and rule.kind == "number"), None)
    if rule is None or rule.low is None:
        return None, None, "", ""
    return rule.low, rule.high, rule.range_text, f"Correct it; {_A_GAP}."


def _count(remote: Remote, condition: Any) -> int:
    return int(fetched(remote.table.aggregate(n=condition.sum()), remote.source)["n"][0].as_py())
