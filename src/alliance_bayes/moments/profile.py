"""The profile of a table that stays where it is: who is left out, and means, before it is reduced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.cohort.flow import ROW, merge_steps
from alliance_bayes.cohort.names import MISSING_REASONS
from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec, scale_of
from alliance_bayes.model.complete import Emptied
from alliance_bayes.moments.columns import Columns
from alliance_bayes.moments.persons import present
from alliance_bayes.moments.sources import Remote, fetched
from alliance_bayes.moments.structure import Structure
from alliance_bayes.remedies import setting
from alliance_bayes.rounding import ON_LEVEL

__all__ = ["Profile", "ProfileQuery", "profile_of"]


class ProfileQuery:
    """One ungrouped query over all rows."""

    def __init__(
        self,
        spec: ModelSpec,
        remote: Remote,
        columns: Columns,
        structure: Structure,
        person: str = "",
    ) -> None:
        self.person = person
        self.remote, self.columns, self.structure, self.needed = remote, columns, structure, spec.columns
        scale = scale_of(columns.outcome, spec.scales)
        self.step = None if scale is None or scale.step is None else (scale.lower, scale.step)
        self.numbers = {
            name: remote.number(name, wrap=name in columns.wrapped) for name in (columns.outcome, *columns.numeric)
        }
        self.present = {name: value.notnull() for name, value in self.numbers.items()}
        self.present |= {key: present(remote.table[key], levels) for key, levels in columns.levels.items()}

    def answer(self) -> dict[str, Any]:
        """Counts, ends and means."""
        return dict(fetched(self.expression(), self.remote.source).to_pylist()[0])

    def expression(self) -> Any:
        """The query that asks for them."""
        table = self.remote.table
        figures: dict[str, Any] = {"n": table.count()}
        before: Any = None
        # Whom an empty cell is of is nobody's name.
        whose = self.present[self.person].ifelse(table[self.person], None) if self.person else None
        if whose is not None:
            figures["people"] = whose.nunique()
        for place, name in enumerate(self.needed):
            here = self.present[name]
            left_out = (~here) if before is None else (before & ~here)
            figures[f"step_{place}"] = left_out.sum()
            before = here if before is None else before & here
            if whose is not None:
                figures |= {f"of_{place}": whose.nunique(where=left_out), f"left_{place}": whose.nunique(where=before)}
        wanted = (*self.structure.components, *self.structure.base)
        for name in dict.fromkeys((self.columns.outcome, *wanted)):
            value = self.structure.component(name, self.numbers.__getitem__)
            figures[f"mean_{name}"] = value.mean(where=before)
        for name in self.columns.numeric:
            value = self.numbers[name]
            figures |= {f"least_{name}": value.min(where=before), f"most_{name}": value.max(where=before)}
        outcome = self.numbers[self.columns.outcome]
        figures |= {"least": outcome.min(where=before), "most": outcome.max(where=before)}
        if self.step is not None:
            steps = (outcome - self.step[0]) / self.step[1]
            figures["off_levels"] = (before & ((steps - steps.round()).abs() > ON_LEVEL)).sum()
        return table.aggregate(**figures)

    def emptied(self, name: str, seen: Mapping[str, Sequence[Any]], show: Callable[[Sequence[Any]], str]) -> Emptied:
        """Which rows with other values than the complete ones have were left out, and for want of what.

        Parameters
        ----------
        name
            A column, or the combination "a:b" of those that ``seen`` names.
        seen
            Values that the complete rows have, by column.
        show
            What prints one row's values.
        """
        table = self.remote.table
        values = {part: self.numbers[part] if part in self.numbers else table[part] for part in seen}
        others: Any = None
        for part, known in seen.items():
            other = ~values[part].isin(list(known))
            others = other if others is None else others | other
        left_out = table.filter(*(self.present[part] for part in seen), others)
        lacking = {f"lack_{place}": (~self.present[column]).sum() for place, column in enumerate(self.needed)}
        by = {f"part_{place}": value for place, value in enumerate(values.values())}
        query = left_out.group_by(**by).aggregate(n=left_out.count(), **lacking)
        rows = fetched(query, self.remote.source).to_pylist()
        counts = {
            column: sum(int(row[f"lack_{place}"] or 0) for row in rows) for place, column in enumerate(self.needed)
        }
        named = sorted({show([row[part] for part in by]) for row in rows})
        return Emptied(
            name,
            show([known[0] for known in seen.values()]),
            tuple(named),
            sum(int(row["n"]) for row in rows),
            {column: n for column, n in counts.items() if n},
            levels=not set(seen) & set(self.numbers),
        )

    def complete_rows(self) -> Any:
        """The rows that have a value in every needed column."""
        table = self.remote.table
        selected = {**self.numbers, **{key: table[key] for key in self.columns.keys}}
        return table.filter(*self.present.values()).select(**selected)


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


def profile_of(
    spec: ModelSpec, remote: Remote, columns: Columns, structure: Structure, *, person: str = "", unit: str = ROW
) -> Profile:
    """Count who is left out, and take the means that columns are centred at.

    Parameters
    ----------
    spec, remote, columns, structure
        The model, the table, what its columns hold, and the design's columns.
    person
        Column that says whose a row is; empty where a row is a person.
    unit
        What a row is called.

    Raises
    ------
    ModelError
        Fewer than two complete rows.
    """
    query = ProfileQuery(spec, remote, columns, structure, person)
    answer = query.answer()
    reasons = [MISSING_REASONS.get(name, f"no value of {name}") for name in spec.columns]
    steps = [FlowStep(reason, int(answer[f"step_{place}"] or 0)) for place, reason in enumerate(reasons)]
    people = None
    if person:
        people = int(answer["people"])
        remaining = [people, *(int(answer[f"left_{place}"]) for place in range(len(steps)))]
        steps = [
            FlowStep(step.reason, step.n, int(answer[f"of_{place}"]), remaining[place] - remaining[place + 1])
            for place, step in enumerate(steps)
        ]
    flow = Flow(int(answer["n"]), merge_steps(steps), people, unit)
    if flow.analysed < 2:
        raise ModelError(
            f"the model needs at least 2 complete rows but got {flow.analysed}. The participant flow tells why:\n{flow}"
        )
    wanted = (*structure.components, *structure.base)
    unknown = sorted(set(spec.centre) - set(structure.components))
    if unknown:
        raise ModelError(
            f"{setting('centre')} names {', '.join(unknown)}, but the numeric columns of the formula are "
            f"{', '.join(sorted(structure.components))}."
        )
    left = {name for name in structure.components if not spec.parsed.is_centred(name)}
    centres = {
        name: float(spec.centre.get(name, answer[f"mean_{name}"] if name not in left else 0.0))
        for name in dict.fromkeys(wanted)
    }
    constant = {
        name: float(answer[f"least_{name}"])
        for name in columns.numeric
        if answer[f"least_{name}"] == answer[f"most_{name}"] and columns.ends[name][0] != columns.ends[name][1]
    }
    return Profile(
        query,
        constant,
        query.complete_rows(),
        flow,
        centres,
        float(answer[f"mean_{columns.outcome}"]),
        float(answer["least"]),
        float(answer["most"]),
        query.step is not None and not answer["off_levels"],
    )
