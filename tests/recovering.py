"""An attacker with nothing but a page: tries to recover counts of few people from all that the page says in numbers.

Knows how pages are made. Counts are unknown whole numbers, tied by totals, shown counts and rounded shares (solved as
integer programmes); sizes also follow from means and SDs of shares, and digests of guessable columns are tried.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

SMALL = 10
Terms = Mapping[Any, float]


class Unknowns:
    """Whole numbers with bounds, and linear constraints between them."""

    def __init__(self) -> None:
        self.names: dict[Any, int] = {}
        self.low: list[float] = []
        self.high: list[float] = []
        self.rows: list[tuple[dict[int, float], float, float]] = []

    def add(self, name: Any, low: float = 0, high: float = np.inf) -> None:
        """An unknown, or what more is known of one."""
        if name not in self.names:
            self.names[name] = len(self.low)
            self.low.append(low)
            self.high.append(high)
            return
        at = self.names[name]
        self.low[at], self.high[at] = max(self.low[at], low), min(self.high[at], high)

    def tie(self, terms: Terms, low: float, high: float) -> None:
        """``low <= sum of terms <= high``."""
        self.rows.append(({self.names[name]: value for name, value in terms.items()}, low, high))

    def told(self, name: Any, text: str, *, hidden_from: int = 1) -> None:
        """What a count in a table says: a number, fewer than ten, or nothing but that there is somebody."""
        if text.startswith("<"):
            self.add(name, 1, SMALL - 1)
        elif text in ("–", ""):
            self.add(name, hidden_from)
        else:
            number = int(text.replace(",", ""))
            self.add(name, number, number)

    def range(self, name: Any) -> tuple[float, float]:
        """The least and the most that an unknown can be."""
        at, ends = self.names[name], []
        matrix = np.zeros((len(self.rows), len(self.low)))
        for place, (terms, _, _) in enumerate(self.rows):
            for column, value in terms.items():
                matrix[place, column] = value
        constraints = [
            LinearConstraint(matrix, [low for _, low, _ in self.rows], [high for _, _, high in self.rows])
        ] * bool(self.rows)
        for sign in (1.0, -1.0):
            goal = np.zeros(len(self.low))
            goal[at] = sign
            found = milp(
                goal, constraints=constraints, bounds=Bounds(self.low, self.high), integrality=np.ones(len(self.low))
            )
            # Without an end the programme is unbounded; a page that no table fits would be a mistake of this solver.
            assert found.status in (0, 3, 4), found.message
            ends.append(sign * found.fun if found.status == 0 else sign * -np.inf)
        return round(ends[0]) if np.isfinite(ends[0]) else ends[0], round(ends[1]) if np.isfinite(ends[1]) else ends[1]


def solved(unknowns: Unknowns, truth: Mapping[Any, int]) -> list[str]:
    """The counts of few people that can be one number only, or of which a wrong range follows."""
    found = []
    for name, size in truth.items():
        if name in unknowns.names and 0 < size < SMALL:
            low, high = unknowns.range(name)
            assert low <= size <= high, (name, size, low, high)
            if low == high:
                found.append(f"{name}: {size}")
    return found


def of_table(participants: Mapping[str, Any], unknowns: Unknowns) -> None:
    """Counts of Table 1: by level, by level and group, and their totals."""
    total = participants["analysed"]
    levels: dict[str, list[str]] = {}
    shown = {(row["variable"], row["level"]): row["shown"] for row in participants["summary"] if "level" in row}
    for variable, level in shown:
        levels.setdefault(variable, []).append(level)
    for variable, own in levels.items():
        texts = [shown[variable, level] for level in own]
        # Where few are told from hidden, the hidden are not few.
        least = SMALL if any(text.startswith("<") for text in texts) else 1
        for level, text in zip(own, texts, strict=True):
            unknowns.told((variable, level), text, hidden_from=least)
        unknowns.tie({(variable, level): 1.0 for level in own}, total, total)
    if not participants["groups"]:
        return
    split = participants["groups"]["factor"]
    cells: dict[tuple[str, str, str], str] = {}
    for group in participants["groups"]["levels"]:
        unknowns.add((split, group["level"]), group["n"], group["n"])
        for row in group["summary"]:
            if "level" in row:
                cells[row["variable"], row["level"], group["level"]] = row["shown"]
    if split not in levels:
        # Its levels are not listed, since many have few people; those without a column are the rest.
        levels[split] = [*(group["level"] for group in participants["groups"]["levels"]), "the rest"]
        unknowns.add((split, "the rest"))
        unknowns.tie({(split, level): 1.0 for level in levels[split]}, total, total)
    for variable, own in levels.items():
        if variable == split or not any(key[0] == variable for key in cells):
            continue
        for level in own:
            for group in levels[split]:
                text = cells.get((variable, level, group))
                name = (variable, level, group)
                unknowns.add(name) if text is None or text == "–" else unknowns.told(name, text)
            terms = {(variable, level, group): 1.0 for group in levels[split]} | {(variable, level): -1.0}
            unknowns.tie(terms, 0, 0)
        for group in levels[split]:
            unknowns.tie({(variable, level, group): 1.0 for level in own} | {(split, group): -1.0}, 0, 0)


def of_flow(participants: Mapping[str, Any], unknowns: Unknowns, reasons: Mapping[str, str]) -> None:
    """Steps of the flow, and missing values by variable, which are at least those of their step."""
    steps = {step["reason"]: step["n"] for step in participants["left_out"]}
    for reason, n in steps.items():
        unknowns.told(("step", reason), "< 10" if n is None else str(n))
    unknowns.add("participants", participants["analysed"])
    if participants["participants"] is not None:
        unknowns.add("participants", participants["participants"], participants["participants"])
    terms = {("step", reason): 1.0 for reason in steps} | {"participants": -1.0}
    unknowns.tie(terms, -participants["analysed"], -participants["analysed"])
    before: list[str] = []
    for name, size in (participants["missing"] or {}).items():
        reason = reasons.get(name, f"no value of {name}")
        unknowns.add(("missing", name), *(() if size is None else (size, size)))
        if reason in steps:
            # Those who had been left out before are among those of the steps before.
            unknowns.tie({("missing", name): 1.0, ("step", reason): -1.0}, 0, np.inf)
            unknowns.add(("before", name))
            unknowns.tie({("missing", name): 1.0, ("step", reason): -1.0, ("before", name): -1.0}, 0, 0)
            before.append(reason)


def of_shares(rows: Sequence[tuple[str, str, str]], everybody: str, factor: str, name: str, unknowns: Unknowns) -> None:
    """Shares of an event among everybody and in the levels of a factor, as printed: between two whole numbers."""
    texts = {level: text for _, level, text in rows}

    def bound(size: Any, event: Any, text: str) -> None:
        unknowns.add(size)
        unknowns.add(event)
        unknowns.tie({size: 1.0, event: -1.0}, 0, np.inf)
        if text != "–":
            share = float(text.rstrip("%"))
            unknowns.tie({event: 1.0, size: -(share - 0.0501) / 100}, 0, np.inf)
            unknowns.tie({event: 1.0, size: -(share + 0.0501) / 100}, -np.inf, 0)

    for level, text in texts.items():
        bound((factor, level), (name, level), text)
    bound("everybody", (name, ""), everybody)
    unknowns.tie({(name, level): 1.0 for level in texts} | {(name, ""): -1.0}, 0, 0)


def sizes_of_shares(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, float, float]]:
    """People and events behind each share of the Bayesian bootstrap: n = p (1 - p) / sd^2 - 1."""
    for name, row in rows.items():
        if "share_at_ceiling" in name and "observed" in name and row["sd"]:
            n = row["mean"] * (1 - row["mean"]) / row["sd"] ** 2 - 1
            yield name, n, n * row["mean"]


def size_of_spread(shown: Mapping[str, tuple[int, float]], sd: float) -> float:
    """People of a level from the SD of its mean, by what the SDs of levels of known size are."""
    n = np.array([size for size, _ in shown.values()], float)
    precision = np.array([spread**-2.0 for _, spread in shown.values()])
    slope, start = np.polyfit(n, precision, 1)
    return float((sd**-2.0 - start) / slope)


def people_by_digest(text: str, most: int) -> list[int]:
    """Numbers of people for which a digest of their numbers, one below the other, begins with a word of the page."""
    words = set(re.findall(r"(?<![0-9a-zA-Z])[0-9a-f]{8,64}(?![0-9a-zA-Z])", text))
    found = []
    for n in range(1, most):
        for ids in (map(str, range(1, n + 1)), (f"P{k:05d}" for k in range(1, n + 1))):
            body = hashlib.sha256(json.dumps(list(ids)).encode()).digest()
            head = json.dumps(["participant_id", "text"]).encode()
            digests = (hashlib.sha256(head + b"\n" + body).hexdigest(), body.hex())
            if any(digest.startswith(word) for digest in digests for word in words):
                found.append(n)
    return found


def sizes_of_mean(mean: float, sd: float, most: int, *, shares: bool = False) -> list[int]:
    """Numbers of people whose whole numbers (or 0 and 1) can have a mean and an SD, exact to their printed digits."""
    half = [0.5 * 10.0 ** -min(len(f"{number!r}".partition(".")[2]), 9) for number in (mean, sd)]
    found = []
    for n in range(2, most + 1):
        first = np.arange(np.ceil(n * (mean - half[0]) - 1e-9), np.floor(n * (mean + half[0]) + 1e-9) + 1)
        spread = [(n - 1) * max(0.0, sd + sign * half[1]) ** 2 for sign in (-1, 1)]
        # The sum of squares is whole, too; of 0 and 1 it is the sum.
        low, high = (end + first**2 / n for end in spread)
        if shares:
            fits = (first >= low - 1e-6) & (first <= high + 1e-6)
        else:
            fits = np.floor(high + 1e-6) >= np.ceil(low - 1e-6)
        if fits.any():
            found.append(n)
    return found
