"""Columns that are made of several rows, by window functions where the table is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from alliance_bayes.errors import UsageError
from alliance_bayes.model import ModelSpec
from alliance_bayes.model.nodes import Windowed
from alliance_bayes.model.windows import dates_as_times, no_person, no_time, number_occasions
from alliance_bayes.moments.columns import Levels, judged
from alliance_bayes.moments.persons import Persons, with_gaps
from alliance_bayes.moments.sources import Remote, fetched

__all__ = ["columns_needed", "with_windows"]


def columns_needed(spec: ModelSpec, persons: Persons) -> Callable[[Collection[str]], Sequence[str]]:
    """The columns that are queried of a table with some columns: those of the model, and what they are made of."""

    def needed(present: Collection[str]) -> Sequence[str]:
        wanted = _wanted(spec, present)
        windowed = {window.name for window in wanted}
        names = [name for name in spec.columns if name not in windowed]
        names += [persons.person] if persons.said and persons.person is not None else []
        for window in wanted:
            time = persons.time if window.function == "lag" else None
            names += [
                name
                for name in (window.of.name, window.whose(persons.person), time)
                if name is not None and name not in windowed
            ]
        return tuple(dict.fromkeys(names))

    return needed


def _wanted(spec: ModelSpec, present: Collection[str]) -> list[Windowed]:
    return [window for window in spec.parsed.windows if window.name not in present]


def with_windows(spec: ModelSpec, remote: Remote, persons: Persons, *, prorated: bool) -> Remote:
    """The table with the columns of the model that are made of several rows, and without those that only they need.

    Parameters
    ----------
    spec
        The model.
    remote
        The table, with the columns of `columns_needed`.
    persons
        Whose its rows are, and when they were.
    prorated
        Whether WHO-5 scores may lie between the steps of 4.

    Raises
    ------
    UsageError
        Nobody to be within or between; no time; rows without either; times that are no whole numbers or that a person
        has twice.
    DataError
        What is wrong with the columns that others are made of.
    """
    wanted = _wanted(spec, remote.names)
    if not wanted:
        return remote
    windowed = {window.name for window in wanted}
    numeric = {window.of.name for window in wanted} - windowed
    if problems := list(_problems(wanted, persons)):
        raise UsageError(f"{remote.source}: {' '.join(problems)}")
    keys = {by for window in wanted if (by := _by(window, persons))}
    times = {persons.time} if any(window.function == "lag" for window in wanted) else set()
    for time in times:
        if time is not None and remote.table[time].type().is_temporal():
            raise UsageError(f"{remote.source}: {dates_as_times(wanted[0], time)}")
    numbers = sorted(numeric | {time for time in times if time is not None})
    judge = judged(spec, remote, prorated=prorated, numeric=numbers, levelled=sorted(keys))
    values = {name: remote.number(name, wrap=name in judge.wrapped) for name in numbers}
    codes = {key: _key(remote, key, judge.levels[key]) for key in keys}
    if any(window.by is None for window in wanted) and None in judge.levels[str(persons.person)].labels.values():
        raise with_gaps(remote, str(persons.person))
    # Under names that no column has: a name in a formula holds no line break.
    table = remote.table.mutate(
        **{f"\n{name}": value for name, value in values.items()},
        **{f"\n\n{key}": code for key, code in codes.items()},
    )
    for time in times:
        _check_times(table, wanted, f"\n\n{persons.person}", f"\n{time}", str(time), remote.source)
    for window in wanted:
        of = table[f"\n{window.of.name}"] if window.of.name in numbers else table[window.of.name]
        key = table[f"\n\n{_by(window, persons)}"]
        time = None if window.function != "lag" else table[f"\n{persons.time}"]
        table = table.mutate(**{window.name: _value(window, of, key, time)})
    columns = [name for name in spec.columns if name not in windowed]
    columns += [window.name for window in wanted if window.name in spec.columns]
    columns += [] if remote.row is None else [remote.row]
    names = {name: remote.names.get(name, name) for name in spec.columns}
    return replace(remote, table=table.select(*columns), names=names)


def _by(window: Windowed, persons: Persons) -> str:
    return str(window.whose(persons.person))


def _problems(wanted: Sequence[Windowed], persons: Persons) -> Iterator[str]:
    for window in wanted:
        if window.by is None and persons.person is None:
            yield no_person(window)
        elif window.function == "lag" and persons.time is None:
            yield no_time(window)


def _key(remote: Remote, name: str, levels: Levels) -> Any:
    """What rows of one level have in common; missing where the level is.

    Raises
    ------
    UsageError
        Two values of the table are one level, which a window does not know.
    """
    labels = [label for label in levels.labels.values() if label is not None]
    if len(set(labels)) < len(labels):
        raise UsageError(
            f"{remote.source}: the column '{remote.names[name]}' writes a level in two ways, which are two to a window "
            "function. Write each in one way, or read the table and fit its rows."
        )
    column = remote.table[name]
    if levels.has_nan:
        column = column.nullif(float("nan"))
    return column.isin(levels.gaps).ifelse(None, column) if levels.gaps else column


def _value(window: Windowed, of: Any, key: Any, time: Any) -> Any:
    """One column, missing where there is no level, or nothing to be made of."""
    import ibis

    if window.function == "lag":
        # Exactly so many before: a row that lies less or more before is none.
        frame = ibis.range_window(group_by=key, order_by=time, preceding=(window.steps, window.steps))
        return key.notnull().ifelse(of.min().over(frame), None)
    mean = of.mean().over(ibis.window(group_by=key))
    return key.notnull().ifelse(mean if window.function == "between" else of - mean, None)


def _check_times(table: Any, wanted: Sequence[Windowed], person: str, time: str, name: str, source: str) -> None:
    """Refuse times that do not count occasions.

    Raises
    ------
    UsageError
        Some are missing or no whole numbers, or a person has one twice.
    """
    lag = next(window for window in wanted if window.function == "lag")
    when = table[time]
    known = table.filter(table[person].notnull(), when.notnull())
    pairs = known.group_by([person, time]).aggregate(n=known.count())
    answer = fetched(table.aggregate(broken=(when != when.round()).sum(), gaps=when.isnull().sum()), source)
    broken, gaps = (int(answer.to_pylist()[0][key] or 0) for key in ("broken", "gaps"))
    twice = int(fetched(pairs.aggregate(n=(pairs.n > 1).sum()), source).to_pylist()[0]["n"] or 0)
    if gaps:
        raise UsageError(
            f"{source}: {gaps:,} rows have no time in '{name}', so what is before them cannot be told. Fill it in, or "
            "leave those rows out."
        )
    if broken:
        raise UsageError(
            f"{source}: {lag} counts occasions, so the times in '{name}' should be whole numbers, but {broken:,} are "
            f"not. {number_occasions()}"
        )
    if twice:
        raise UsageError(
            f"{source}: {lag} is not one value, because persons have two rows at one time in '{name}' ({twice:,} "
            f"times). Leave one of them out. {number_occasions()}"
        )
