"""What is no error in a table, and likely to be a mistake: people entered twice, misspelt levels, codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.cohort.coarse import coarse_columns
from alliance_bayes.cohort.likeness import alike_levels
from alliance_bayes.cohort.names import CHANGE, FACTORS, ID, ITEMS, LISTED_LEVELS, NUMBERS, rows_of
from alliance_bayes.cohort.repeats import repeats_of
from alliance_bayes.errors import Problem
from alliance_bayes.remedies import argument

__all__ = [
    "Doubt",
    "dates_of",
    "find_doubts",
    "identical_rows",
    "is_identifier",
    "may_be_persons",
    "names_codes",
    "remarks",
    "unknown_levels",
]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

#: Levels that a message names; all are in its details.
SHOWN = 5
# From so many rows on, columns are not alike by chance, and levels for nearly every row are identifiers.
_ROWS, _NEARLY = 20, 0.8
# Correlation from which on two columns are one, and the most columns and rows that are compared.
_SAME, _COLUMNS, _COMPARED = 0.9999, 60, 20_000
# Most levels of a factor that are told apart.
_MOST_LEVELS = 200
# Longest text that may say that nothing is known.
_LONGEST = 30

_ITEMS = frozenset(item for items in ITEMS.values() for item in items)
_KNOWN = frozenset((*FACTORS, *NUMBERS, *_ITEMS, CHANGE))
_UNKNOWN = re.compile(
    r"#?n/a|n\.a\.|null|nil|unknown|missing|not available|\?+|-+|\.|tbd|unbekannt|keine angabe|k\.a\.|inconnu"
    r"|desconocido|-9|-99|-999|999|9999"
)
_SENTINELS = (-9999.0, -999.0, -99.0, -9.0, 99.0, 999.0, 9999.0)
_CODE_WORD = re.compile(
    "id|code|nr|no|number|site|clinic|cent(er|re)|ward|group|team|provider|therapist|coach|plz|zip|postcode|arm|region"
    "|country|sex|gender|type|category"
)
# Words of columns that may say whose a row is, and those of columns that say something else with an id.
_WHOSE = frozenset("id pid patient subject person participant client respondent case user member".split())  # noqa: SIM905
_NOT_WHOSE = frozenset(
    "provider therapist coach site clinic center centre ward group team school class country item arm".split()  # noqa: SIM905
)
_TIME_WORDS = frozenset(("date", "day", "days", "week", "weeks", "month", "time", "year"))
_EARLIER = {
    "baseline": ("followup", "follow", "fu"),
    "start": ("end", "stop"),
    "first": ("last",),
    "pre": ("post",),
    "intake": ("discharge", "followup"),
    "admission": ("discharge",),
}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?")

# A row that so few others are expected to be like, by chance, is one person's own.
_OWN = 0.1
# By how much more than estimated people may be alike, who are so in ways that no single column shows.
_ALLOWANCE = 3.0
# Chance below which so many identical rows are no coincidence.
_CHANCE = 0.05
# Share of all copies that they have to be.
_SHARE = 0.2
# Pairs of rows that are the same in some columns, from which on it is no chance that they are in another one.
_PAIRS = 5


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that is likely to be a mistake.

    Parameters
    ----------
    kind
        "identical_rows", "repeated", "misspelling", "unknown", "impossible", "several_rows", "identifier", "code",
        "constant", "same_columns", "coarse" or "one_person".
    problem
        Where it is, what it is, and what to do.
    details
        Its numbers and names, JSON values only.
    """

    kind: str
    problem: Problem
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.problem)


def find_doubts(
    data: pd.DataFrame, person: str | None = None, only: Collection[str] | None = None, *, time: str | None = None
) -> tuple[Doubt, ...]:
    """Look a table over.

    Parameters
    ----------
    data
        A cohort's table.
    person
        Column that says whose a row is; the participant's id by default.
    only
        Columns that are looked at one by one; all by default. Rows, and columns that contradict each other, are
        looked at in any case.
    time
        Column that says when a row was, which is not looked at on its own.

    Returns
    -------
    tuple of Doubt
        Those of rows first, then by column and kind. They name levels, also of one person, and no participant: they
        are for those who have the data.
    """
    if time is not None and pd.api.types.is_datetime64_dtype(data[time].dtype):
        data = data.assign(**{time: (data[time] - data[time].min()) / pd.Timedelta(days=1)})
    name = person or ID
    people = pd.factorize(data[name])[0] if name in data else np.arange(len(data))
    columns = [column for column in data.columns if column not in (ID, name)]
    identifiers = {column for column in columns if is_identifier(data[column])}
    doubts = [*_identical(data, people, identifiers), *_impossible(data), *_repeated(data)]
    for column in columns:
        if column == time or (only is not None and column not in only):
            continue
        values = data[column]
        if person is None and _numbered(data) and _says_whose(column, values):
            n = values.nunique()
            what = f"has {n:,} values in {rows_of(len(values))} and may say whose they are; each is counted as a person"
            remedy = f"Pass {argument('person', column)} if people have several rows."
            doubts.append(_doubt("several_rows", column, what, remedy, values=int(n), rows=len(values)))
            continue
        if isinstance(values.dtype, pd.CategoricalDtype):
            doubts += _of_factor(column, values, people, column in identifiers)
        else:
            doubts += _of_numbers(column, values)
    if only is None:
        told = data[[column for column in columns if column not in identifiers]]
        doubts += [*_same_columns(told), *_coarse(told, people, time)]
    return tuple(doubts)


def _doubt(kind: str, column: str | None, what: str, remedy: str, **details: Any) -> Doubt:
    return Doubt(kind, Problem(column, None, None, what, remedy), details)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+|[0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(map(repr, names[:SHOWN])) + (f" and {more:,} more" if more > 0 else "")


def is_identifier(values: pd.Series) -> bool:
    """Whether a column has a value for nearly every row that names it: a factor's levels, or running numbers."""
    present = int(values.notna().sum())
    if present < _ROWS or values.nunique() < _NEARLY * present:
        return False
    if isinstance(values.dtype, pd.CategoricalDtype):
        return True
    numbers = values.dropna().to_numpy()
    whole = bool((numbers == np.round(numbers)).all())
    running = np.unique(numbers).size == present and numbers.max() / 2 - numbers.min() / 2 == (present - 1) / 2
    return whole and (running or bool({"id", "nr", "no", "number", "index", "row"} & set(_words(str(values.name)))))


def names_codes(name: str, values: pd.Series) -> bool:
    """Whether numbers are, by the column's name, codes of something that several rows have."""
    numbers = values.dropna().to_numpy(dtype=float)
    whole = bool((numbers == np.round(numbers)).all())
    return whole and 2 * np.unique(numbers).size <= numbers.size and any(map(_CODE_WORD.fullmatch, _words(name)[-1:]))


def _numbered(data: pd.DataFrame) -> bool:
    """Whether the table has no identifiers of participants but those that count its rows."""
    return ID not in data or data[ID].tolist() == [str(row) for row in range(1, len(data) + 1)]


def may_be_persons(data: pd.DataFrame) -> list[str]:
    """Columns that may say whose a row is, of a table in which nothing is declared to."""
    return [str(name) for name in data if _says_whose(str(name), data[name])] if _numbered(data) else []


def _says_whose(name: str, values: pd.Series) -> bool:
    """Whether a column is named as one of persons, most of whom have several rows."""
    words = set(_words(name))
    if len(values) < _ROWS or not words & _WHOSE or words & _NOT_WHOSE:
        return False
    counts = values.value_counts()
    counts = counts[counts > 0]
    return len(counts) > 2 and bool(counts.median() >= 2)


# ------------------------------------------------------------------------------------------------------------- rows
def _identical(data: pd.DataFrame, people: npt.ArrayLike, identifiers: set[str]) -> Iterator[Doubt]:
    scored = {score for score, items in ITEMS.items() if set(items) <= set(data.columns)}
    left_out = {ID, CHANGE, *identifiers, *scored}
    compared = data[[column for column in data.columns if column not in left_out]]
    identical = identical_rows(compared, people) if compared.shape[1] else None
    if identical is None:
        return
    chance = "hardly one" if identical.expected < 0.5 else f"about {identical.expected:.0f}"
    lone = identical.copies == 1
    yield _doubt(
        "identical_rows",
        None,
        f"has {identical.copies:,} row{'' if lone else 's'} under {'an id of its' if lone else 'ids of their'} own "
        f"that {'is' if lone else 'are'} the same as another row in all other columns, and {chance} would be so by "
        "chance",
        "Sort by all columns but the id, look at rows that are the same, and remove those that were entered twice.",
        copies=identical.copies,
        expected=float(f"{identical.expected:.3g}"),
        columns=identical.columns,
    )


def _impossible(data: pd.DataFrame) -> Iterator[Doubt]:
    """Rows whose values cannot be true together."""

    def numbers(name: str) -> pd.Series:
        return data[name] if name in data and name in NUMBERS else pd.Series(np.nan, index=data.index)

    sessions, days, age = numbers("n_sessions"), numbers("days_in_care"), numbers("age")
    cases: list[tuple[str, str, pd.Series]] = [
        ("alliance", "a rating of the alliance and no session ('n_sessions' is 0)", (sessions == 0) & _has(data)),
        ("days_in_care", "days in care and at most one session ('n_sessions')", (days > 0) & (sessions <= 1)),
        ("days_in_care", "more days in care than 'age' allows", days > (age + 1) * 365.25),
    ]
    if "provider_type" in data:
        both = (data["provider_type"] == "both") & (sessions < 2)
        cases.append(("provider_type", "providers of both types and fewer than two sessions ('n_sessions')", both))
    for early, late in _in_time(data, _time):
        cases.append((late[0], f"a value before that of '{early[0]}'", late[1] < early[1]))
    for column, what, which in cases:
        n = int(which.sum())
        if n:
            yield _doubt("impossible", column, f"has {rows_of(n)} with {what}", "Look at both columns there.", rows=n)


def _has(data: pd.DataFrame) -> pd.Series:
    ratings = [name for name in ("alliance", *ITEMS["alliance"]) if name in data]
    return data[ratings].notna().any(axis=1) if ratings else pd.Series(False, index=data.index)


def _repeated(data: pd.DataFrame) -> Iterator[Doubt]:
    """Later values that repeat the earlier ones more often than they come near them."""
    for (before, earlier), (name, later) in _in_time(data, _amount):
        repeats = repeats_of(earlier.to_numpy(float), later.to_numpy(float))
        if repeats is not None:
            n, expected = repeats.rows, round(repeats.expected)
            what = (
                f"is exactly the value of {before!r} in {rows_of(n)} of {repeats.compared:,}, and by those that are "
                f"near it would be in about {expected:,}"
            )
            remedy = "Leave cells empty that were carried forward to people who were not asked again."
            yield _doubt("repeated", name, what, remedy, rows=n, expected=expected, compared=repeats.compared)


def _in_time(
    data: pd.DataFrame, kind: Callable[[pd.Series, str], pd.Series | None]
) -> Iterator[tuple[tuple[str, pd.Series], tuple[str, pd.Series]]]:
    """Pairs of columns of a kind of which one is, by their names, the earlier."""
    times: dict[tuple[str, ...], tuple[str, pd.Series]] = {}
    for name in data.columns:
        words, values = tuple(_words(str(name))), kind(data[name], str(name))
        if values is not None:
            times[words] = (str(name), values)
    for words, early in times.items():
        for place, word in enumerate(words):
            for other in _EARLIER.get(word, ()):
                changed = (other, "up") if other == "follow" else (other,)
                late = times.get((*words[:place], *changed, *words[place + 1 :]))
                if late is not None and late[1].dtype == early[1].dtype:
                    yield early, late


def _amount(values: pd.Series, name: str) -> pd.Series | None:
    return values if pd.api.types.is_float_dtype(values.dtype) and not _TIME_WORDS & set(_words(name)) else None


def _time(values: pd.Series, name: str) -> pd.Series | None:
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values if _TIME_WORDS & set(_words(name)) and name not in _KNOWN else None
    return dates_of(values)


def unknown_levels(data: pd.DataFrame) -> dict[str, list[str]]:
    """Levels that may stand for a missing value, by column: those of the doubts called "unknown", at little cost."""
    found: dict[str, list[str]] = {}
    for name in data.select_dtypes("category"):
        sizes = data[name].value_counts(sort=False)
        counts = {str(level): int(n) for level, n in sizes.items() if n}
        if len(counts) > 1 and (levels := [level for level in counts if _is_unknown(level, counts)]):
            found[str(name)] = levels
    return found


def remarks(data: pd.DataFrame, notes: Sized) -> dict[str, str]:
    """What whoever prints a cohort should know of it: that there are notes, and which levels may mean missing."""
    unknown = [f"{', '.join(map(repr, levels))} in {name}" for name, levels in unknown_levels(data).items()]
    told = {"notes": f"{len(notes)} (see .notes)" if len(notes) else "", "may mean missing": "; ".join(unknown)}
    return {what: words for what, words in told.items() if words}


def dates_of(values: pd.Series) -> pd.Series | None:
    """A factor whose levels are all dates as dates; None for any other column."""
    levels = values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else ()
    if not len(levels) or not all(_DATE.fullmatch(level) for level in levels):
        return None
    known = pd.Series(
        pd.to_datetime(levels, format="ISO8601", errors="coerce", utc=True).as_unit("us").tz_localize(None)
    )
    return pd.Series(known.reindex(values.cat.codes).to_numpy(), index=values.index)


# ---------------------------------------------------------------------------------------------------------- columns
def _of_factor(name: str, values: pd.Series, people: npt.ArrayLike, identifier: bool) -> Iterator[Doubt]:
    seen = pd.DataFrame({"level": values, "person": people}).dropna().drop_duplicates()
    counts = {str(level): int(n) for level, n in seen["level"].value_counts(sort=False).items() if n}
    if len(counts) < 2:
        yield from _constant(name, values)
        return
    unknown = [level for level in counts if _is_unknown(level, counts)]
    if unknown:
        what = (
            f"has {'levels' if len(unknown) > 1 else 'a level'} that may stand for a missing value: {_listed(unknown)}"
        )
        yield _doubt("unknown", name, what, "Leave these cells empty, if nothing is known there.", levels=unknown)
    if identifier and all(map(_DATE.fullmatch, counts)):
        return
    if identifier:
        what = f"has {len(counts):,} levels in {int(values.notna().sum()):,} rows: it seems to name rows, or to be text"
        yield _doubt("identifier", name, what, "Use it in no model; leave it out of the table.", levels=len(counts))
        return
    alike = alike_levels(counts)
    if alike:
        some = ", ".join(map(str, alike[:SHOWN]))
        more = f", and {len(alike) - SHOWN:,} more" if len(alike) > SHOWN else ""
        what = f"has {'levels' if len(alike) > 1 else 'a level'} that may be a misspelling of another: {some}{more}"
        yield _doubt(
            "misspelling",
            name,
            what,
            "Write each level in one way; nothing is to be done where they are different.",
            levels=[{"level": a.level, "n": a.n, "like": a.usual, "n_like": a.n_usual} for a in alike],
        )
    numbers = all(_NUMBER.fullmatch(level) for level in counts)
    if numbers and (name in FACTORS or len(counts) > LISTED_LEVELS):
        what = f"is a factor whose {len(counts):,} levels are numbers: {_listed(list(counts))}"
        remedy = "Write what they stand for; if they are amounts, read the column as numbers."
        yield _doubt("code", name, what, remedy, levels=len(counts))
    single = [level for level, n in counts.items() if n == 1]
    if single:
        many = len(single) > 1
        what = (
            f"has {len(single):,} of {len(counts):,} levels with one person{' each' if many else ''}: {_listed(single)}"
        )
        remedy = "Of such a level alone nothing can be learnt: put small levels together, where that makes sense."
        yield _doubt("one_person", name, what, remedy, n=len(single), of=len(counts), levels=single)


def _is_unknown(level: str, counts: Mapping[str, int]) -> bool:
    if len(level) > _LONGEST or not _UNKNOWN.fullmatch(" ".join(level.casefold().split())):
        return False
    if not _NUMBER.fullmatch(level):
        return True
    # 999 beside 1 and 2, but not as the last of a series.
    others = [abs(float(other)) for other in counts if other != level and _NUMBER.fullmatch(other)]
    return len(counts) <= LISTED_LEVELS and 5 * max(others, default=0.0) < abs(float(level))


def _of_numbers(name: str, values: pd.Series) -> Iterator[Doubt]:
    numbers = values.dropna().to_numpy(dtype=float)
    distinct = np.unique(numbers)
    if distinct.size < 2:
        if name != CHANGE:
            yield from _constant(name, values)
        return
    if name in _KNOWN:
        return
    if names_codes(name, values):
        what = f"is read as numbers, and its name says that its {distinct.size:,} values are codes"
        remedy = f"Pass {argument('categorical', [name])}, unless they are amounts: a slope over codes means nothing."
        yield _doubt("code", name, what, remedy, levels=int(distinct.size))
    for value, rest in ((distinct[0], distinct[1:]), (distinct[-1], distinct[:-1])):
        if value not in _SENTINELS or rest.size < 3:
            continue
        # In halves: the difference of the largest numbers is none.
        gap = np.abs(value / 2 - rest / 2).min()
        if gap / 2 > rest[-1] / 2 - rest[0] / 2:
            n = int((numbers == value).sum())
            what = f"has the value {value:g} in {rows_of(n)}, far from all others ({rest[0]:g} to {rest[-1]:g})"
            yield _doubt("unknown", name, what, "Leave these cells empty, if it stands for a missing value.", rows=n)


def _constant(name: str, values: pd.Series) -> Iterator[Doubt]:
    if len(values) < 2:
        return
    present = values.dropna()
    shown = "" if present.empty else present.iloc[0]
    shown = f"{shown:g}" if isinstance(shown, float) else repr(shown)
    what = "has no value in any row" if present.empty else f"has one value only: {shown}"
    yield _doubt("constant", name, what, "No model can use it; check that the export is complete.")


def _same_columns(data: pd.DataFrame) -> Iterator[Doubt]:
    """Pairs of columns that say the same: level by level, or as numbers on a straight line."""
    scores = {name for name, items in ITEMS.items() if set(items) & set(data.columns)}
    names = [name for name in data.columns if name != CHANGE and name not in scores]
    parted: dict[bytes, list[str]] = {}
    for name in names:
        codes = pd.factorize(data[name])[0]
        distinct = int(codes.max(initial=-1)) + 1
        if len(codes) >= _ROWS and 2 <= distinct <= len(codes) / 2:
            parted.setdefault(codes.tobytes(), []).append(name)
    pairs = {(same[0], other): "tell the same rows apart" for same in parted.values() for other in same[1:]}
    numeric = [name for name in names if pd.api.types.is_float_dtype(data[name].dtype)][:_COLUMNS]
    rows = data[numeric].iloc[:: max(1, len(data) // _COMPARED)]
    related = rows.corr(min_periods=_ROWS).to_numpy()
    again = {other for _, other in pairs}
    for j in range(1, len(numeric)):
        like = np.flatnonzero(np.abs(related[:j, j]) > _SAME)
        if like.size and numeric[j] not in again:
            i = int(like[0])
            pairs[numeric[i], numeric[j]] = f"are as good as one (correlation {related[i, j]:.5f})"
    for (first, other), relation in pairs.items():
        remedy = "Use one of them in a model."
        yield _doubt("same_columns", other, f"and '{first}' {relation}", remedy, columns=[first, other])


def _coarse(data: pd.DataFrame, people: npt.ArrayLike, time: str | None) -> Iterator[Doubt]:
    """Numbers that are in wider steps at some levels of a factor than elsewhere, by the first factor that tells."""
    factors = [str(name) for name in data.select_dtypes("category") if 2 <= data[name].nunique() <= _MOST_LEVELS]
    numbers = [str(name) for name in data.select_dtypes("number") if name not in (time, CHANGE)][:_COLUMNS]
    codes = {name: data[name].cat.codes for name in factors}
    for name, factor, found in coarse_columns({name: data[name] for name in numbers}, codes, np.asarray(people)):
        first, labels = found[0], [str(data[factor].cat.categories[one.level]) for one in found]
        what = (
            f"has values in steps of {first.step:.3g} in {100 * first.share:.0f} % of the rows of {labels[0]!r} "
            f"({factor}), and in {100 * first.elsewhere:.0f} % of others"
        )
        what += f"; so have {_listed(labels[1:])} wider steps than others" if labels[1:] else ""
        remedy = "Look at how these were recorded: they may have been rounded, or be of another instrument."
        steps = {label: one.step for label, one in zip(labels, found, strict=True)}
        yield _doubt("coarse", name, what, remedy, factor=factor, steps=steps)


@dataclass(frozen=True, slots=True)
class Identical:
    """Rows that are the same as another row, more of them than there would be by chance.

    Parameters
    ----------
    copies
        Rows that could be left out without losing a row that is different.
    expected
        About how many there would be by chance.
    columns
        How many columns were compared.
    """

    copies: int
    expected: float
    columns: int


def identical_rows(table: pd.DataFrame, people: npt.ArrayLike, *, rate: float = _CHANCE) -> Identical | None:
    """Find rows of different people that are the same in every column, unless that is natural for such columns.

    Parameters
    ----------
    table
        The columns that are compared; a missing value is like another. Rows without any value are nobody's.
    people
        Whose each row is, shape (n,).
    rate
        Chance below which so many are no coincidence.

    Returns
    -------
    Identical or None
        None where there are no more than chance would make of such columns.

    Notes
    -----
    Where two people are the same by chance, many more are the same but for one column: a row's expected number of
    doubles is estimated by those who differ from it in one column, and the share of people who have the row's value
    there (the largest over columns, and not less than what independent columns would give). Of rows that expect fewer
    than 0.1 doubles, the copies are compared with a Poisson count of three times the sum of expectations. A table that
    was pasted twice has copies, and no neighbours of them. Time is of the order of cells.
    """
    codes = [np.asarray(pd.factorize(table[name])[0], dtype=np.int64) for name in table.columns]
    codes = [code for code in codes if code.size and (code != code[0]).any()]
    if not codes:
        return None
    somebody = np.any([code >= 0 for code in codes], axis=0)
    codes, whose = [code[somebody] for code in codes], np.asarray(pd.factorize(np.asarray(people))[0])[somebody]
    hashed = [_mixed(code, place) for place, code in enumerate(codes)]
    keys = np.sum(hashed, axis=0, dtype=np.uint64)
    # Somebody's own rows, in a table with several of each person, are no copies.
    first = ~pd.DataFrame({"row": keys, "person": whose}).duplicated().to_numpy()
    codes, hashed, keys = [code[first] for code in codes], [part[first] for part in hashed], keys[first]
    sizes = _sizes(keys)
    if (sizes == 1).all():
        return None
    different = np.unique(keys, return_index=True)[1]
    free = _free([code[different] for code in codes], [part[different] for part in hashed], sizes.size)
    expected = _doubles([codes[place] for place in free], [hashed[place] for place in free], sizes)
    rare = expected <= _OWN
    copies = round(float((1 - 1 / sizes[rare]).sum()))
    by_chance = float(expected[rare].sum()) / 2
    if copies < _SHARE * (sizes.size - different.size):
        # Such columns make people alike, and some of them are a little less so than others.
        return None
    # SciPy takes a while to import, and most tables do not get here.
    from scipy.special import gammainc

    likely = float(gammainc(copies, _ALLOWANCE * by_chance)) if copies else 1.0
    return Identical(copies, by_chance, len(codes)) if likely < rate else None


def _free(codes: list[Ints], hashed: list[Keys], rows: int) -> list[int]:
    """Which columns say more than those with fewer values: no age group beside age, no sum beside its parts.

    Of the rows that are different, out of so many. A column adds nothing when it parts none that are the same in those
    before it, although there are such rows, or would be by chance were those not left out that are the same in all.
    """
    free: list[int] = []
    n = codes[0].size
    keys, groups, chance = np.zeros(n, dtype=np.uint64), 1, 1.0
    for place in sorted(range(len(codes)), key=lambda place: int(codes[place].max())):
        finer = keys + hashed[place]
        parted = np.unique(finer).size
        if parted == groups and max(n - groups, rows * rows * chance / 2) >= _PAIRS:
            continue
        free.append(place)
        keys, groups = finer, parted
        # The share of pairs that are the same, with one pair more: of numbers without steps it is hardly any.
        counts = np.bincount(codes[place] + 1).astype(float)
        chance *= min(1.0, float((counts * (counts - 1)).sum() + 2) / max(2, n * (n - 1)))
    return free


def _doubles(codes: list[Ints], hashed: list[Keys], sizes: Ints) -> Floats:
    """How many others each row is expected to be like by chance, its copies left out, shape (n,)."""
    n, keys = sizes.size, np.sum(hashed, axis=0, dtype=np.uint64)
    log_independent = np.zeros(n)
    near: Floats = np.zeros(n)
    for code, part in zip(codes, hashed, strict=True):
        share = np.bincount(code + 1)[code + 1] / n
        log_independent += np.log(share)
        alike = _sizes(keys - part) - sizes
        near = np.maximum(near, alike * share / np.maximum(1 - share, 0.5 / n))
    return np.maximum(near, n * np.exp(log_independent))


def _sizes(keys: Keys) -> Ints:
    """How many rows have each row's key."""
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    out: Ints = counts[place.ravel()]
    return out


def _mixed(code: Ints, place: int) -> Keys:
    """A number for each value of a column, sums of which over columns are as good as different (splitmix64)."""
    x = (code + 1).astype(np.uint64) + (np.uint64(place + 1) << np.uint64(40))
    x = x * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
