"""Tables as a page shows them: text cells, each column marked as words or numbers; of any DataFrame, too."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from alliance_bayes.report.text import clean, count, number, probability

__all__ = ["Table", "frame_table"]

#: Characters up to which a cell of words stays on one line, and from which it needs room.
SHORT, LONG = 24, 40
# Headings of intervals, which follow that of their estimate; and of columns that a reader on a phone can do without.
_RANGE = re.compile(r"\b[Ii]nterval$")
_SECOND = re.compile(
    r"Unit\b|Denominator$|Cohen’s d\b|d by the\b|Prior’s probability|The same before the data"
    r"|Probability of .* or more|SD\b|SE\b|MCSE\b|R-hat\b"
    r"|ESS\b|Missing information$|p \(LOO\)"
    r"|Rows above good k|Engine$|Divergences$|Kind$|Role$|Limit$|Judged$|Departure$"
)


@dataclass(frozen=True)
class Table:
    """A table ready to be shown.

    Parameters
    ----------
    name
        Its id in the page.
    caption
        What it holds, with units and, where there are intervals, their kind and probability.
    headings
        One a column.
    rows
        Cells as text, or as markup where a cell is a link; the first is the row's heading.
    words
        Positions of columns of words (left-aligned, and allowed to wrap); the first always is.
    note
        What needs saying below it.
    more
        Further rows, shown when asked for.
    cards
        Whether a narrow screen shows each row as a card, each cell under its heading: for rows of words.
    folded
        Whether the whole is shown only when asked for.
    """

    name: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int] = frozenset({0})
    note: str = ""
    more: tuple[tuple[str, ...], ...] = field(default=())
    cards: bool = False
    folded: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        caption: str,
        headings: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        words: Iterable[int] = (),
        note: str = "",
        more: Iterable[Sequence[str]] = (),
        cards: bool = False,
        folded: bool = False,
    ) -> Table:
        """Make a table; every row must have a cell for every heading."""
        shown, further = tuple(map(tuple, rows)), tuple(map(tuple, more))
        wrong = [row for row in (*shown, *further) if len(row) != len(headings)]
        assert not wrong, f"table {name!r} has {len(headings)} headings but a row of {len(wrong[0])} cells"
        return cls(name, caption, tuple(headings), shown, frozenset({0, *words}), note, further, cards, folded)

    def kind(self, column: int) -> str:
        """Class of a column of words: long ones get room, so that rows do not become tall, and short ones one line."""
        return self._kinds[column]

    def role(self, column: int) -> str:
        """What a narrow screen does with a column: an interval stands below its estimate, and what is second drops."""
        heading = self.headings[column]
        if not column or self.cards:
            return ""
        if _RANGE.search(heading):
            return "second" if _SECOND.match(self.headings[column - 1]) else "range"
        return "second" if _SECOND.match(heading) else ""

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        longest = [0] * len(self.headings)
        for row in (*self.rows, *self.more):
            longest = list(map(max, longest, map(_length, row)))
        return tuple("word long" if size > LONG else "word short" if size <= SHORT else "word" for size in longest)


def _length(cell: str) -> int:
    return len(cell.striptags() if isinstance(cell, Markup) else cell)


#: Rows shown at once; the whole table opens on request.
SHOWN = 12
#: Rows a page can bear; beyond them the JSON has the rest.
MOST = 200
# Columns whose value says which quantity a row is about.
_KEYS = ("quantity", "criterion", "statistic", "column", "parameter")
# Shares of draws, as all tables have them.
_OF_DRAWS = ("p_direction",)
# Shares of rows or of replicates, and their limits: one that is printed as zero, or one, says so where it is not.
_SHARES = ("coverage", "ecdf", "lower", "upper", "below", "above", "p", "p_value", "weight")
# One machine has 1, another 0.9999999999999999.
_NEAR = 1e-9
# Numbers that were chosen, not estimated.
_CHOSEN = ("point",)
# Decimals where the custom or the threshold asks for them, by column.
_DECIMALS = {
    "rhat": 3,
    "r_hat": 3,
    "ess_bulk": 0,
    "ess_tail": 0,
    "p_value": 3,
    "p": 3,
    "pareto_k": 2,
    "departure": 2,
    "weight": 3,  # at an end of its range it is found up to the optimiser's error, which differs between machines
}
_HEADINGS = {
    "rhat": "R-hat",
    "ess_bulk": "ESS (bulk)",
    "ess_tail": "ESS (tail)",
    "ess": "ESS",
    "mcse_mean": "MCSE",
    "sd": "SD",
    "n": "n",
    "p": "p",
    "pareto_k": "Pareto k",
    "elpd": "ELPD",
    "ecdf": "ECDF",
    "se": "SE",
    "sampling_se": "SE, from the sample of rows",
    "sampling_se_difference": "SE of the difference, from the sample of rows",
    "elpd_difference": "ELPD difference",
    "se_difference": "SE of the difference",
    "p_loo": "p (LOO)",
    "pareto_k_max": "Pareto k (largest)",
    "p_direction": "Probability of direction",
    "sd_halved": "SD, halved",
    "sd_doubled": "SD, doubled",
    "times_limit": "Times the limit",
}


def frame_table(frame: pd.DataFrame, *, name: str, caption: str, note: str = "") -> Table:
    """A DataFrame as a table, with three significant digits of the largest number of a kind.

    Parameters
    ----------
    frame
        Columns of numbers, booleans and words.
    name, caption, note
        See :class:`Table`.
    """
    columns = [str(column) for column in frame.columns]
    key = next((name for name in _KEYS if name in columns), None)
    groups = [""] * len(frame) if key is None else frame[key].astype(str).tolist()
    cells = [_column(column, frame.iloc[:, position], groups) for position, column in enumerate(columns)]
    rows = list(zip(*cells, strict=True))
    words = [position for position in range(len(columns)) if not pd.api.types.is_numeric_dtype(frame.iloc[:, position])]
    if len(frame) > MOST:
        note = f"{note} The first {count(MOST)} of {count(len(frame))} rows; all of them are in the JSON file.".strip()
    more = rows if len(rows) > SHOWN else []
    return Table.of(
        name, caption, [_heading(column) for column in columns], rows[:SHOWN], words=words, note=note, more=more
    )


def _heading(column: str) -> str:
    words = clean(column).replace("_", " ")
    return _HEADINGS.get(column, words[:1].upper() + words[1:])


def _column(name: str, values: pd.Series, groups: Sequence[str]) -> list[str]:
    """First cells of a column; the numbers of one group (the rows of one quantity) have the same decimals."""
    dtype, first = values.dtype, values.iloc[:MOST].tolist()
    if pd.api.types.is_bool_dtype(dtype):
        return ["yes" if value else "no" for value in first]
    if not pd.api.types.is_numeric_dtype(dtype):
        return [_cell(value) for value in first]
    numbers = values.to_numpy(float, na_value=math.nan)
    if name in _OF_DRAWS:
        return [probability(value) for value in numbers[:MOST].tolist()]
    if name in _CHOSEN:
        return [f"{value:.6g}" for value in numbers[:MOST].tolist()]
    if pd.api.types.is_integer_dtype(dtype) or name in _DECIMALS:
        places = dict.fromkeys(groups, _DECIMALS.get(name, 0))
    else:
        parts = pd.Series(numbers).groupby(pd.Series(groups, dtype=object), sort=False)
        places = {group: _places(part.to_numpy()) for group, part in parts}
    low = 0.0 if (numbers[np.isfinite(numbers)] >= 0).all() else math.inf
    if name in ("p", "p_value"):
        # One that no computer tells from zero is above it.
        low = -2 * _NEAR
    high = 1.0 if low <= 0 and name in _SHARES and not (numbers > 1).any() else math.inf
    return [
        _between(value, places[group], low, high) for value, group in zip(numbers[:MOST].tolist(), groups, strict=False)
    ]


def _between(value: float, places: int, low: float, high: float) -> str:
    """A number between two ends that is printed as none of them unless it is one."""
    text, step = number(value, places), 10.0**-places
    if value > low + _NEAR and text == number(low, places):
        return f"< {number(low + step, places)}"
    return f"> {number(high - step, places)}" if value < high - _NEAR and text == number(high, places) else text


def _places(values: np.ndarray) -> int:
    """Decimals that give the largest of some numbers three significant digits, four where it lies between 1 and 2."""
    finite = np.abs(values[np.isfinite(values)])
    if not finite.size or finite.max() == 0:
        return 0
    largest = float(finite.max())
    # Whole but for rounding: one machine has 1, another 0.9999999999999999.
    if np.abs(finite - np.round(finite)).max() <= 1e-9 * max(largest, 1.0):
        return 0
    return 3 if 1 <= largest < 2 else max(0, min(4, 2 - math.floor(math.log10(largest))))


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return count(int(value))
    if isinstance(value, float | np.floating):
        return number(float(value), _places(np.array([float(value)])))
    # A blank cell looks like one that was forgotten.
    return clean(value) or "–"
