"""One ungrouped query over all rows: who is complete, ends and means."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alliance_bayes.cohort.cells import MISSING
from alliance_bayes.model import ModelSpec, scale_of
from alliance_bayes.model.complete import Emptied
from alliance_bayes.moments.sources import Remote, fetched
from alliance_bayes.moments.structure import Structure
from alliance_bayes.rounding import ON_LEVEL

__all__ = ["Kinds", "Levels", "Look"]


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


class Look:
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
        return dict(fetched(self.query(), self.remote.source).to_pylist()[0])

    def query(self) -> Any:
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
