"""Scores of a table and their items: which there are, by name or because somebody says so, and whether they agree."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from alliance_bayes.cohort.names import ITEMS
from alliance_bayes.errors import Problem, UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.instruments import ALLIANCE2, INSTRUMENTS, WHO5, Instrument, known_as
from alliance_bayes.instruments import score as score_items
from alliance_bayes.instruments.naming import NOT_SCORED, named_after
from alliance_bayes.instruments.scoring import needed_items
from alliance_bayes.kinds import is_text_list
from alliance_bayes.remedies import argument

__all__ = [
    "BUILT_IN_SCORES",
    "Prorate",
    "Prorated",
    "Rule",
    "Score",
    "check_instruments",
    "check_prorate",
    "check_prorated",
    "check_subscales",
    "disagreeing",
    "prorate_of",
    "prorating",
    "score_column",
    "scores_in",
    "without_score",
]

type Rule = float | Literal["instrument"] | None
type Prorate = Rule | Mapping[str, float | Literal["instrument"]]

# A given score and that of its items may differ by rounding: in the last of two decimals, in the last of as many as the
# column has where the score is a mean, to a whole number where it was made up for missing items.
_ROUNDING = 0.01


@dataclass(frozen=True, slots=True)
class Score:
    """A column that holds an instrument's score, or the score of one of its subscales.

    Parameters
    ----------
    name
        The column.
    instrument
        Its instrument.
    items
        Columns of the instrument's items, in its order; the subscale's own are among them.
    asked
        Whether the package knows the column or somebody declared it. Otherwise it is told by its name alone, and what
        is wrong with it matters to those who use it.
    subscale
        The subscale; empty for the total.
    """

    name: str
    instrument: Instrument
    items: tuple[str, ...]
    asked: bool = True
    subscale: str = ""

    @property
    def own_items(self) -> tuple[str, ...]:
        """The columns that this score is made of."""
        if not self.subscale:
            return self.items
        return tuple(self.items[item - 1] for item in self.instrument.subscales[self.subscale])

    @property
    def stepped(self) -> bool:
        """Whether complete answers give whole steps: a person's alliance may be a mean over sessions."""
        return self.name != "alliance" and self.instrument.steps_in_ones and not self.subscale


@dataclass(frozen=True, slots=True)
class Prorated:
    """How a score was made up for missing items.

    Parameters
    ----------
    n
        Rows whose score was.
    scored
        Rows that have a score from their items.
    people
        Persons whose rows they are: of those with such a score, and of those with a complete one.
    needed, items
        Fewest items that had to be answered, and how many there are.
    source
        Whose rule this is; empty where it is that of whoever read the table.
    """

    n: int
    scored: int
    people: tuple[int, int]
    needed: int
    items: int
    source: str = ""

    @staticmethod
    def is_told(value: object) -> bool:
        """Whether a value read from a file is what `dataclasses.asdict` makes of one."""
        kinds: dict[str, Any] = {
            "n": int,
            "scored": int,
            "people": (list, tuple),
            "needed": int,
            "items": int,
            "source": str,
        }
        if not isinstance(value, dict) or set(value) != set(kinds):
            return False
        if not all(isinstance(value[name], kind) for name, kind in kinds.items()) or len(value["people"]) != 2:
            return False
        whole = [*value["people"], *(value[name] for name in ("n", "scored", "needed", "items"))]
        return all(isinstance(number, int) and number >= 0 for number in whole)


#: The scores that the package has names of its own for.
BUILT_IN_SCORES: tuple[Score, ...] = tuple(
    Score(name, ALLIANCE2 if name == "alliance" else WHO5, items) for name, items in ITEMS.items()
)
_BUILT_IN = {score.name: score for score in BUILT_IN_SCORES}


def check_instruments(instruments: Mapping[str, str] | None, known: Collection[str]) -> dict[str, Instrument]:
    """The instruments that are declared, by column.

    Parameters
    ----------
    instruments
        Column -> name of an instrument.
    known
        Columns that hold something else than a score.

    Raises
    ------
    UsageError
        No mapping of columns to instruments of the catalogue, a column that holds something else, that is named after
        another instrument, or an alliance on a scale that does not measure one.
    """
    if instruments is None:
        return {}
    if not isinstance(instruments, Mapping) or not all(isinstance(name, str) and name for name in instruments):
        raise UsageError(
            f"{argument('instruments')} should map columns to instruments, as in "
            f"{argument('instruments', {'alliance': 'wai_sr'})}, but got {shown(instruments)}."
        )
    declared = {}
    for name, key in instruments.items():
        instrument = known_as(key) if isinstance(key, str) else None
        alliances = [entry.name for entry in INSTRUMENTS if entry.measures == "alliance"]
        if instrument is None or (name == "alliance" and instrument.name not in alliances):
            which = "on which an alliance is scored" if name == "alliance" else "of the catalogue"
            names = alliances if name == "alliance" else [entry.name for entry in INSTRUMENTS]
            raise UsageError(
                f"{argument('instruments')}: {shown(key)} is no instrument {which}. There are: {', '.join(names)}."
            )
        if name in known:
            raise UsageError(f"{argument('instruments')}: '{name}' holds no score. Leave it out, or rename the column.")
        named = named_after(name)
        if named is not None and (named.instrument is not instrument or named.subscale or named.when in NOT_SCORED):
            raise UsageError(
                f"{argument('instruments')} says that '{name}' is a score of the {instrument.name}, but it is named "
                f"after the {named.instrument.name}{' and no score' if named.instrument is instrument else ''}. Rename "
                f"the column: {argument('columns', {'new_name': name})}."
            )
        declared[name] = instrument
    return declared


def check_subscales(subscales: Sequence[str]) -> tuple[str, ...]:
    """The subscales that are asked for, as they are named; raise UsageError where these are no texts."""
    if not is_text_list(subscales):
        raise UsageError(
            f"{argument('subscales')} should be a sequence of columns to be made, as in "
            f"{argument('subscales', ['wai_goal'])}, but got {shown(subscales)}."
        )
    return tuple(dict.fromkeys(subscales))


def scores_in(
    columns: Sequence[str],
    declared: Mapping[str, Instrument],
    *,
    subscales: Sequence[str] = (),
    otherwise: Collection[str] = (),
) -> tuple[Score, ...]:
    """The scores that a table has or can have: built in, declared, or told by names.

    Parameters
    ----------
    columns
        Names of the table's columns in the cohort.
    declared
        Instruments of columns, by `check_instruments`.
    subscales
        Subscales to be scored: ``["wai_goal"]``.
    otherwise
        Columns that are known to hold something else.

    Returns
    -------
    tuple of Score
        Those that the package knows (whether or not the table has them), then those that are declared, then those
        whose column, or all of whose items (``phq9_followup_1`` ... ``phq9_followup_9`` and none beyond), are there;
        then the subscales.

    Raises
    ------
    UsageError
        A subscale that no score of the table has.
    """
    here = dict.fromkeys(name for name in columns if name not in otherwise)
    numbered: dict[str, dict[int, list[str]]] = {}
    for column in here:
        base, line, number = column.rpartition("_")
        if line and number.isascii() and number.isdigit() and len(number) < 3:
            numbered.setdefault(base, {}).setdefault(int(number), []).append(column)
    by_name: dict[str, Score] = {}
    for name in (*_BUILT_IN, *declared):
        built_in = _BUILT_IN.get(name)
        if built_in is not None and declared.get(name, built_in.instrument) is built_in.instrument:
            by_name[name] = built_in
        else:
            by_name[name] = Score(name, declared[name], _items_of(name, declared[name], numbered))
    taken = {item for score in by_name.values() for item in score.items}
    for base in (*here, *numbered):
        named = named_after(base)
        if base in by_name or base in taken or named is None or named.subscale or named.when in NOT_SCORED:
            continue
        numbers, every = numbered.get(base, {}), range(1, named.instrument.n_items + 1)
        items = _items_of(base, named.instrument, numbered)
        # A number may be an occasion's as well: two columns of an instrument of nine items are two occasions, unless
        # the occasion has a word of its own.
        whole = set(numbers) == set(every) and all(len(same) == 1 for same in numbers.values())
        part = named.when.isalpha() and base not in here and len(numbers) > 0 and set(numbers) < set(every)
        if (whole or part) and not set(items) & {*declared}:
            taken |= set(items)
            by_name[base] = Score(base, named.instrument, items, asked=False)
        elif base in here:
            by_name[base] = Score(base, named.instrument, (), asked=False)
    scores = [score for score in by_name.values() if score.name not in taken or score.asked]
    return (*scores, *_subscales(scores, here, subscales))


def _items_of(name: str, instrument: Instrument, numbered: Mapping[str, dict[int, list[str]]]) -> tuple[str, ...]:
    """The columns of the items as the table writes their numbers (1 or 01)."""
    columns = numbered.get(name, {})
    return tuple(columns.get(item, [f"{name}_{item}"])[0] for item in range(1, instrument.n_items + 1))


def _subscales(scores: Sequence[Score], here: Collection[str], wanted: Sequence[str]) -> list[Score]:
    """The subscales that are asked for, each of a score whose items are there."""
    possible = {
        f"{score.name}_{name}": replace(score, name=f"{score.name}_{name}", asked=True, subscale=name)
        for score in scores
        if score.items and set(score.items) <= set(here) and f"{score.name}_goal" not in score.items
        for name in score.instrument.subscales
    }
    if unknown := [name for name in wanted if name not in possible]:
        raise UsageError(
            f"{argument('subscales')} asks for {', '.join(map(repr, unknown))}, which no score of the table has with "
            f"all of its items. There are: {', '.join(possible) or 'none'}."
        )
    return [possible[name] for name in wanted]


def check_prorate(prorate: Any) -> None:
    """Raise UsageError unless this is a share of items, "instrument", or either by instrument or column."""
    rules = list(prorate.values()) if isinstance(prorate, Mapping) else [prorate]
    names = list(prorate) if isinstance(prorate, Mapping) else []
    for rule in rules:
        number = isinstance(rule, (int, float)) and not isinstance(rule, bool)
        allowed = (rule is None and not names) or (isinstance(rule, str) and rule == "instrument")
        if not allowed and not (number and 0 < rule <= 1):
            raise UsageError(
                f"{argument('prorate')} should be a share of items in the interval (0, 1], or left out for all, but "
                f"got {prorate!r}. Pass the smallest share that must be answered, as in {argument('prorate', 0.8)}, or "
                f"'instrument' for each instrument's own rule."
            )
    if not all(isinstance(name, str) for name in names):
        raise UsageError(f"{argument('prorate')} should name instruments or columns but got {prorate!r}.")


def prorate_of(prorate: Prorate, score: Score) -> Rule:
    """What to do about a score's missing items: its column's own rule, else its instrument's, else everybody's."""
    if not isinstance(prorate, Mapping):
        return prorate
    if score.name in prorate:
        return prorate[score.name]
    return next((rule for name, rule in prorate.items() if known_as(name) is score.instrument), None)


def check_prorated(prorate: Prorate, scores: Sequence[Score]) -> None:
    """Raise UsageError where `prorate` names what is neither an instrument nor a score of the table."""
    known = [score.name for score in scores]
    if isinstance(prorate, Mapping) and (
        odd := [name for name in prorate if name not in known and known_as(name) is None]
    ):
        raise UsageError(
            f"{argument('prorate')} names {', '.join(map(repr, odd))}, which is neither an instrument of the catalogue "
            f"nor a score of the table. Scores: {', '.join(known)}."
        )


def score_column(data: pd.DataFrame, score: Score, rule: Rule) -> pd.Series:
    """Scores from items, in the instrument's points; missing where they cannot be scored.

    Parameters
    ----------
    data
        Table that holds the items as float64, NaN where unanswered.
    score
        Which score.
    rule
        What to do about missing items, see `prorate_of`.
    """
    return score_items(data[list(score.items)], score.instrument, prorate=rule)[score.subscale or "total"]


def prorating(data: pd.DataFrame, score: Score, rule: Rule, persons: np.ndarray | None) -> Prorated | None:
    """How many scores were made up for missing items; None where none was."""
    if rule is None:
        return None
    answered = data[list(score.own_items)].notna().sum(axis=1).to_numpy()
    needed, size = needed_items(score.instrument, rule, score.subscale), len(score.own_items)
    part, whole = (answered >= needed) & (answered < size), answered == size
    if not part.any():
        return None
    whose = np.arange(len(data)) if persons is None else persons
    source = score.instrument.missing.source if rule == "instrument" and score.instrument.missing is not None else ""
    people = (int(np.unique(whose[part]).size), int(np.unique(whose[whole]).size))
    return Prorated(int(part.sum()), int((part | whole).sum()), people, needed, size, source)


def disagreeing(scores: pd.Series, computed: pd.Series, score: Score, complete: np.ndarray) -> np.ndarray:
    """Places at which a given score is not that of its items, but for rounding."""
    values = scores.dropna().to_numpy(float)
    allowed = np.full(len(scores), _ROUNDING)
    whole, tenths = (bool(np.all(np.abs(values * 10**d - np.round(values * 10**d)) < 1e-9)) for d in (0, 1))
    averaged = score.instrument.total.startswith("mean")
    if averaged and tenths:
        allowed[:] = 0.5 if whole and score.instrument.total == "mean x 10" and not score.subscale else 0.05
    elif not averaged and whole:
        allowed[~complete] = 0.5
    return np.flatnonzero((scores - computed).abs().to_numpy() > allowed + 1e-9)


def without_score(score: Score, here: Sequence[str], names: Mapping[str, str]) -> list[Problem]:
    """Say that some items of a score are there, and neither the others nor the score."""
    lacking = ", ".join(item for item in score.items if item not in here)
    what = f"is one of {len(here)} items of '{score.name}', which needs {len(score.items)}"
    return [Problem(names[here[0]], None, None, what, f"Add {lacking}, or give '{score.name}' itself.")]
