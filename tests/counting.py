"""An attacker with nothing but a page: tries to count the people who have each value of a number from means and SDs.

Knows n, which values there are, and how pages are made. Every piece of the page (a sentence, a row of a table, which is
one of its CSV file, a record of the JSON file) that names the number is read; each number in it is taken for a mean, a
share, an SD, a variance or a scale made of one, exact to its digits, and so is each ratio of two estimates of one term.
What leaves one solution in whole numbers is a count; so do a mean and an SD of one piece together.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_NUMBER = re.compile(r"(?<![\w.])[\u2212-]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w])")


@dataclass(frozen=True)
class Count:
    """What was solved for: where, as what, and the numbers of people by value."""

    where: str
    read_as: str
    people: tuple[int, ...]


def pieces(page: str, numbers: Mapping[str, Any]) -> Iterator[str]:
    """Sentences and rows of tables of a page, and records of its JSON file, as text."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL):
        yield " | ".join(_plain(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL))
    text = re.sub(r"<table\b.*?</table>", "\n", text, flags=re.DOTALL)
    text = re.sub(r"</?(?:p|li|h\d|figcaption|div|dt|dd|desc|title|text|pre|summary)\b[^>]*>", "\n", text)
    for line in text.split("\n"):
        # An equation is a piece for each of its terms.
        yield from re.split(r"(?<=[.;]) | \+ | and ", _plain(line))
    yield from _records(numbers, "")


def _plain(markup: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", markup))).strip()


def _records(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        own = [f"{key}: {item}" for key, item in value.items() if not isinstance(item, Mapping | list | tuple)]
        yield f"{path} {'; '.join(own)}"
        for key, item in value.items():
            yield from _records(item, f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _records(item, path)


def _rounded(text: str) -> tuple[float, float]:
    """Between which numbers lies what was written so."""
    plain = text.replace(",", "").replace("\u2212", "-")
    mantissa, _, power = plain.partition("e")
    half = 0.5 * 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    return float(plain) - half, float(plain) + half


def _readings(values: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """What a number of a page may be of a column, for every possible set of counts, shape (n_sets,) each."""
    n = counts.sum(axis=1)
    mean = counts @ values / n
    variance = np.maximum(counts @ values**2 / n - mean**2, 0.0)
    sd = np.sqrt(variance * n / (n - 1))
    own = {
        "mean": mean,
        "SD": sd,
        "variance": sd**2,
        "variance over n": variance,
        "mean square": counts @ values**2 / n,
    }
    shares = {f"share of {value:g}": counts[:, k] / n for k, value in enumerate(values)}
    return own | shares | {f"percentage, {name}": 100 * share for name, share in shares.items()}


def possible(values: Sequence[float], n: int) -> np.ndarray:
    """All numbers of people by value, with somebody at each, shape (n_sets, n_values)."""
    first = [range(1, n) for _ in values[1:]]
    made = [(n - sum(rest), *rest) for rest in itertools.product(*first) if sum(rest) < n]
    return np.array(made, dtype=float)


def counts_told(
    page: str,
    numbers: Mapping[str, Any],
    names: Sequence[str],
    values: Sequence[float],
    n: int,
    *,
    scales: Sequence[float] = (),
) -> list[Count]:
    """Counts by value of a number that some piece of a page leaves one solution for.

    Parameters
    ----------
    page, numbers
        The HTML and the content of the JSON file.
    names
        What the number is called.
    values
        Its values.
    n
        People analysed.
    scales
        Numbers that an SD may be multiplied with, or divide: those of default priors.
    """
    sets = possible(values, n)
    readings = _readings(np.asarray(values, float), sets)
    readings |= {f"{scale:g} over the SD": scale / readings["SD"] for scale in scales}
    named = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in names))
    found = []
    for piece in pieces(page, numbers):
        if named.search(piece):
            where = _NUMBER.sub("#", piece)
            # Two digits or more: a figure such as 5 says nothing of its own.
            told = [_rounded(t) for t in _NUMBER.findall(piece) if len(re.sub(r"\D", "", t).lstrip("0")) >= 2]
            for low, high in told:
                found += _solutions(where, readings, sets, low, high)
            if len(values) > 2 and len(told) < 20:
                for first, second in itertools.permutations(told, 2):
                    both = _within(readings["mean"], first) & _within(readings["SD"], second)
                    found += _solved(where, "mean and SD", both, sets)
    rows = numbers.get("effects") or []
    for one, other in itertools.permutations([row for row in rows if row["term"] in names and row["mean"]], 2):
        ratio = abs(one["mean"] / other["mean"])
        where = f"{one['estimand']} over {other['estimand']}"
        found += _solutions(where, readings, sets, ratio * (1 - 1e-5), ratio * (1 + 1e-5))
    return found


def _solutions(
    where: str, readings: Mapping[str, np.ndarray], sets: np.ndarray, low: float, high: float
) -> Iterator[Count]:
    for name, own in readings.items():
        yield from _solved(where, name, _within(own, (low, high)), sets)


def _within(own: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    return (own >= ends[0]) & (own <= ends[1])


def _solved(where: str, name: str, fits: np.ndarray, sets: np.ndarray) -> Iterator[Count]:
    """The one solution; of two groups, an SD says nothing of which is which."""
    some = np.flatnonzero(fits)
    if some.size == 1 or (some.size == 2 and (sets[some[0]] == sets[some[1]][::-1]).all()):
        for place in some:
            yield Count(where, name, tuple(int(size) for size in sets[place]))


def told_twice(found: Sequence[tuple[Sequence[Count], tuple[int, ...]]]) -> set[tuple[str, str]]:
    """Where counts can be read off: the same piece, read in the same way, is right for each of several tables.

    Once may be chance, since a page has thousands of numbers.
    """
    right = [{(count.where, count.read_as) for count in counts if count.people == truth} for counts, truth in found]
    return set.intersection(*right)
