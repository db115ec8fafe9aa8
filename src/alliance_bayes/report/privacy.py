"""Levels that may be one person each, never named in a report, and how many people are said to be left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Self

import numpy as np
import pandas as pd

from alliance_bayes.checks.nameless import Nameless
from alliance_bayes.cohort import Flow
from alliance_bayes.cohort.flow import plural
from alliance_bayes.cohort.names import MISSING_REASONS
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.levels import split_level
from alliance_bayes.report.codings import level_counts
from alliance_bayes.report.small_counts import NOT_SHOWN, fewer, hidden_levels, shown_counts
from alliance_bayes.report.suppression import Mark, one_way, two_way
from alliance_bayes.report.text import clean, count, percent
from alliance_bayes.report.untold import untold

__all__ = [
    "HIDDEN",
    "Redact",
    "ShownFlow",
    "factors_with_few",
    "grouped_only",
    "identifying",
    "named_factors",
    "people_between",
    "redaction",
    "shown_missing",
    "unnamed",
]

Redact = Callable[[str], str]
#: What stands in place of such a level.
HIDDEN = "(a level)"
#: What stands in place of a quantity about levels whose counts are not shown.
UNNAMED = "a quantity that is not shown"
#: People in the middle level of a factor below which its levels may be one person each.
PERSONAL = 5


def identifying(fit: FittedModel, factor: str) -> bool:
    """Whether a factor's levels may each be one person.

    They are participants, or providers who are not to be named, or most have fewer than five people.
    """
    if {factor, *factor.split(":")} & fit.unnamed_columns:
        return True
    return float(np.median(list(level_counts(fit, factor).values()))) < PERSONAL


def named_factors(fit: FittedModel) -> list[str]:
    """Factors whose levels a table of effects may name: those that are pooled, and predictors that nobody may name."""
    frame = fit.design.frame
    categorical = [name for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    return list(
        dict.fromkeys(
            [
                *(factor.name for factor in fit.design.factors),
                *(name for name in categorical if name in fit.unnamed_columns),
            ]
        )
    )


def redaction(fit: FittedModel) -> Redact:
    """A function that takes such levels out of any text.

    The text is cleaned as well (see :func:`alliance_bayes.report.text.clean`), line by line.
    """
    levels = _levels(fit)
    unnamed = [name for name in levels if identifying(fit, name)]
    hidden: set[str] = set()
    for name in unnamed:
        hidden |= {clean(label) for label in levels[name]}
        parts = name.split(":")
        for place, part in enumerate(parts):
            if part in fit.unnamed_columns and len(parts) > 1:
                hidden |= {clean(split_level(label)[place]) for label in levels[name]}
    hidden -= {clean(level) for name in levels if name not in unnamed for level in levels[name]} | {""}
    # Longest first, so that "P10:a" is not taken for "P10" with something behind it.
    names = sorted(hidden, key=lambda name: (-len(name), name))
    # A number, or a word that pages have anyway, is a level only where a parameter's brackets say so: "3 chains" stays.
    plain = {name for name in names if name.replace(".", "").isdecimal() or name.lower() in own_words()}
    words = [re.escape(name) for name in names if name not in plain]
    figures = [re.escape(name) for name in names if name in plain]
    choices = ([rf"(?<!\w)(?:{'|'.join(words)})(?!\w)"] if words else []) + (
        [rf"(?<=\[)(?:{'|'.join(figures)})(?=[,\]])"] if figures else []
    )
    pattern = re.compile("|".join(choices)) if choices else None
    nameless = Nameless.of(fit, unnamed)
    # Where a figure has no room for all of a quantity, its name ends within the level's.
    cut = "|".join(re.escape(name) for name in nameless.numbers)
    ends = re.compile(rf"(?<!\w)((?:u_)?(?:{cut})(?:\[|=))[^\[\]/]*…") if cut else None

    def redact(text: str) -> str:
        lines = (clean(line) for line in str(text).split("\n"))
        whole = nameless.hidden("\n".join(lines), HIDDEN)
        if ends is not None:
            whole = ends.sub(rf"\1{HIDDEN}…", whole)
        return whole if pattern is None else pattern.sub(HIDDEN, whole)

    return redact


def _levels(fit: FittedModel) -> dict[str, Sequence[str]]:
    """Levels by factor: those that are pooled, that of the residual SDs, and categorical predictors of nobody named."""
    levels: dict[str, Sequence[str]] = {factor.name: factor.levels for factor in fit.design.factors}
    if fit.design.residual is not None:
        levels.setdefault(fit.design.residual.name, fit.design.residual.levels)
    for name in named_factors(fit):
        if name not in levels:
            levels[name] = [str(level) for level in fit.design.frame[name].cat.categories]
    return levels


@cache
def own_words() -> frozenset[str]:
    """Words that the package's own texts have, in small letters: on a page, they tell nothing of a level."""
    texts = (
        path.read_text(encoding="utf-8")
        for folder in ("checks", "report", "effects", "model")
        for path in _files(files("alliance_bayes").joinpath(folder))
    )
    return frozenset(word.lower() for text in texts for word in re.findall(r"[^\W\d_]+", text))


def _files(folder: Traversable) -> Iterator[Traversable]:
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path)
        elif path.name.endswith((".py", ".toml", ".html")):
            yield path


def unnamed(redact: Redact, quantities: Iterable[str]) -> Redact:
    """A redaction that takes the names of some quantities out as well.

    Parameters
    ----------
    redact
        Another redaction, which is done afterwards.
    quantities
        Names of parameters of a posterior ("beta[country[B]]"), or ids of effects.
    """
    # A name that is a word may mean something else.
    names = {name for name in quantities if not name.isidentifier()}
    if not names:
        return redact
    choices = "|".join(map(re.escape, sorted(names, key=lambda name: (-len(name), name))))
    pattern = re.compile(rf"(?<!\w)(?:{choices})(?!\w)")
    # Hundreds of names are looked for at every place of a text. Most texts have none of what every name has one of.
    marks = {next((part for part in name if not f"_{part}".isidentifier()), name[0]) for name in names}

    def redacted(text: str) -> str:
        text = str(text)
        return redact(pattern.sub(UNNAMED, text) if any(mark in text for mark in marks) else text)

    return redacted


def factors_with_few(fit: FittedModel, small: int) -> list[str]:
    """Pooled factors and categorical columns with a level whose count is not shown."""
    return [name for name, levels in hidden_levels(fit, small).items() if levels]


#: People of a part of a column, beside its rows.
_WHOSE = "\0people"


def grouped_only(fit: FittedModel, frame: pd.DataFrame, small: int) -> pd.DataFrame:
    """A table without anything that is about one person, or about fewer than `small`.

    Parameters
    ----------
    fit
        The fit the table is about.
    frame
        Any table of a check. Without its rows when it has one a participant (a column `row` or `obs`), and without
        those of single persons; without the ends
        of parts of a column (`low`, `high`), which are somebody's values; and without groups (`n`) of fewer than
        `small` people, and those whose count the page does not show lest a small one be had by subtraction.
    """
    if {"row", "obs"} & set(frame.columns):
        return frame.iloc[:0]
    for of in {"factor", "column"} & set(frame.columns):
        if "level" in frame.columns:
            # A row each of persons, by numbers that are nobody's name.
            frame = frame[~(frame[of].isin(fit.unnamed_columns) & frame["level"].notna())]
    parts = {"column", "low", "high", "n"} <= set(frame.columns)
    # A part of a column may hold many rows of few people, whose rows could be had by subtraction, too.
    several = parts and fit.people is not None
    if several:
        frame = frame.assign(**{_WHOSE: [people_between(fit, row) for row in frame.to_dict("records")]})
    if parts:
        # Nor is the mean of a number in its parts, where they are its few values.
        frame = frame[~frame["column"].isin(untold(fit, small))].drop(columns=["low", "high"])
    if {"column", "difference"} <= set(frame.columns):
        # By how much the mean of some people differs tells what that of all does.
        frame = frame[~frame["column"].isin(untold(fit, small))]
    factor = next((name for name in ("factor", "column") if name in frame.columns), None)
    if factor is None or "n" not in frame.columns:
        return frame
    sizes = frame[_WHOSE if several else "n"]
    keep = (sizes >= small) | (sizes == 0)
    if parts or "level" in frame.columns:
        for name, group in frame.groupby(factor, sort=False):
            keep.loc[group.index] &= _countable(fit, str(name), group.assign(n=sizes[group.index]), small)
    frame = frame[keep].drop(columns=_WHOSE, errors="ignore")
    return (
        frame[_without_counts(fit, frame, small)]
        if {"factor", "statistic", "observed"} <= set(frame.columns)
        else frame
    )


def _without_counts(fit: FittedModel, frame: pd.DataFrame, small: int) -> np.ndarray:
    """Which statistics are no shares that stand for a few people, or by which a few could be counted."""
    shares = frame["statistic"].astype(str).str.startswith("share").to_numpy()
    if fit.people is not None:
        # How many people a share of rows stands for is not known.
        return ~shares
    n = frame["n"].to_numpy(int)
    sizes = np.where(shares, np.rint(frame["observed"].to_numpy(float) * n), 0.0).astype(int)
    everybody = (frame["factor"] == "").to_numpy()
    cells = np.column_stack([sizes, n - sizes])
    keep = ~shares
    for statistic in frame.loc[shares, "statistic"].unique():
        mask = (frame["statistic"] == statistic).to_numpy()
        totals = cells[mask & everybody]
        if len(totals) != 1 or ((totals > 0) & (totals < small)).any():
            continue
        keep |= mask & everybody
        for name in frame.loc[mask & ~everybody, "factor"].unique():
            at = np.flatnonzero(mask & (frame["factor"] == name).to_numpy())
            # Those of the levels that are not listed are the total less the others.
            rest = totals - cells[at].sum(axis=0)
            marks = two_way(np.vstack([cells[at], rest]) if rest.any() else cells[at], small)[: at.size]
            keep[at] = [all(mark is Mark.SHOWN for mark in row) for row in marks]
    return keep


def people_between(fit: FittedModel, part: Mapping[Any, Any]) -> int:
    """People with a value in a part of a column; none where the column is not one of the model's."""
    if part["column"] not in fit.design.frame:
        return 0
    values = fit.design.frame[part["column"]].to_numpy(float)
    return fit.count_people((values >= part["low"]) & (values <= part["high"]))


def _countable(fit: FittedModel, name: str, rows: pd.DataFrame, small: int) -> np.ndarray:
    """Which rows of a factor's table are about groups whose count the page shows."""
    known = name in {factor.name for factor in fit.design.factors} | set(fit.design.frame.columns)
    if known and "level" in rows.columns:
        shown = shown_counts(fit, name, small)
        levels = [shown.get(str(level)) for level in rows["level"]]
        return np.array([level is None or level.number is not None for level in levels], dtype=bool)
    # A column beside the model, or parts of one: what is known of it is this table, in which a level may come twice.
    keys = rows["level"] if "level" in rows.columns else pd.Series(np.arange(len(rows)), index=rows.index)
    sizes = rows["n"].groupby(keys, sort=False).max()
    marks = dict(zip(sizes.index, one_way(sizes.astype(int).tolist(), small), strict=True))
    return np.array([marks[key] is Mark.SHOWN for key in keys])


@dataclass(frozen=True)
class ShownFlow:
    """A participant flow as a page may show it.

    How many were analysed is in every part of a page. So when a step left out a few people, or rows of a few, it is the
    number of participants, or of rows, that is not told, and with it how many were left out in all.

    Parameters
    ----------
    participants
        How many rows there were, or between which numbers.
    steps
        Reason and count of rows as text.
    analysed
        How many rows were analysed.
    total, left
        All rows, and those left out; None where that would give a small step away.
    numbers
        The same for the JSON.
    unit
        What a row is called, in the plural.
    people
        How many people there were, or between which numbers; None where a row is a person.
    lost
        By step, people of whom no row is left, as text; empty where there are none, or where a row is a person.
    people_analysed
        How many people were analysed; None where a row is a person.
    """

    participants: str
    steps: tuple[tuple[str, str], ...]
    analysed: int
    total: int | None
    left: int | None
    numbers: Mapping[str, object]
    unit: str = "people"
    people: str | None = None
    lost: tuple[str, ...] = ()
    people_analysed: int | None = None

    @property
    def hidden(self) -> bool:
        """Whether some number is not given exactly."""
        return self.total is None or self.numbers.get("people", 0) is None

    @property
    def inexact(self) -> list[str]:
        """What is not given exactly of a table with several rows a person."""
        rows = [] if self.people is None or self.total is not None else [plural(str(self.numbers["unit"]))]
        return (["people"] if self.numbers.get("people", 0) is None else []) + rows

    @classmethod
    def of(cls, flow: Flow, small: int, *, unit: str = "people") -> Self:
        """A flow without steps of fewer than `small` people."""
        if flow.people is not None:
            return cls._of_rows(flow, small, unit)
        few = [0 < step.n < small for step in flow.steps]
        steps = tuple(
            (step.reason, fewer(small) if hidden else count(step.n))
            for step, hidden in zip(flow.steps, few, strict=True)
        )
        text = _between(flow.participants, [step.n for step in flow.steps], small)
        total = None if any(few) else flow.participants
        listed = [
            {"reason": step.reason, "n": None if hidden else step.n}
            for step, hidden in zip(flow.steps, few, strict=True)
        ]
        numbers = {"participants": total, "left_out": listed, "analysed": flow.analysed}
        left = None if total is None else total - flow.analysed
        return cls(text, steps, flow.analysed, total, left, numbers, unit)

    @classmethod
    def _of_rows(cls, flow: Flow, small: int, unit: str) -> Self:
        """The same of a table with several rows a person: how many rows a few people have is not told either."""
        assert flow.people is not None
        few = [0 < (step.people or 0) < small for step in flow.steps]
        lost = [step.lost or 0 for step in flow.steps]
        shown = flow.analysed + sum(step.n for step, hidden in zip(flow.steps, few, strict=True) if not hidden)
        total = None if any(few) else flow.participants
        whole = None if any(0 < n < small for n in lost) else flow.people
        numbers = [None if hidden or 0 < n < small else n for n, hidden in zip(lost, few, strict=True)]
        listed = [
            {"reason": step.reason, "n": None if hidden else step.n, "people_lost": n}
            for step, hidden, n in zip(flow.steps, few, numbers, strict=True)
        ]
        return cls(
            count(flow.participants) if total is not None else f"more than {count(shown)}",
            tuple(
                (step.reason, f"some (of fewer than {small} people)" if hidden else count(step.n))
                for step, hidden in zip(flow.steps, few, strict=True)
            ),
            flow.analysed,
            total,
            None if total is None else total - flow.analysed,
            {
                "participants": total,
                "left_out": listed,
                "analysed": flow.analysed,
                "people": whole,
                "people_analysed": flow.analysed_people,
                "unit": flow.unit,
            },
            unit,
            _between(flow.people, lost, small),
            tuple(
                "" if hidden or not n else f"fewer than {small}" if n < small else count(n)
                for n, hidden in zip(lost, few, strict=True)
            ),
            flow.analysed_people,
        )

    @property
    def sentence(self) -> str:
        """That the results may not hold for those who were left out; empty when nobody was."""
        if self.left == 0:
            return ""
        known = self.left is not None and self.total is not None
        share = f" {count(self.left)} {self.unit} ({percent(self.left / self.total)})" if known else f" {self.unit}"  # type: ignore
        return (
            f"That the results hold for the{share} {'who' if self.unit == 'people' else 'that'} were left out because "
            "a value is missing or cannot be used: they may differ from those analysed."
        )


def _between(total: int, steps: list[int], small: int) -> str:
    """A total as text, or what anybody can work out of it from the steps that are shown."""
    few = [n for n in steps if 0 < n < small]
    if not few:
        return count(total)
    least = total - sum(n - 1 for n in few)
    return f"{count(least)} to {count(least + len(few) * (small - 2))}" if small > 2 else NOT_SHOWN


def reason_of(column: str) -> str:
    """How the flow says that people were left out for want of a value in a column."""
    return MISSING_REASONS.get(column, f"no value of {column}")


def shown_missing(
    missing: Mapping[str, int], flow: Flow, small: int, people: Mapping[str, int] | None = None
) -> dict[str, tuple[int | None, str]]:
    """Missing values by variable, as number and text.

    Parameters
    ----------
    missing
        Rows of the table without a value, by variable.
    flow
        The participant flow, whose steps count each of them once.
    small
        Fewest people that a shown count stands for.
    people
        People with such rows, by variable, in a table with several rows a person; None where a row is a person.

    Returns
    -------
    dict
        A count is not shown when it is of few people, or when it differs from its step of the flow by that of few:
        those who had been left out before for another reason.
    """
    steps = {step.reason: step for step in flow.steps}
    shown: dict[str, tuple[int | None, str]] = {}
    for name, size in missing.items():
        step = steps.get(reason_of(name))
        before = size - (0 if step is None else step.n)
        if people is None:
            whose, others, few = size, before, fewer(small)
        else:
            # Of the people with rows that were left out before, at least those who are not of the step.
            whose, few = people.get(name, 0), NOT_SHOWN
            others = 0 if before == 0 else max(1, whose - (0 if step is None else step.people or 0))
        if 0 < whose < small or (size and not whose):
            shown[name] = (None, few)
        elif 0 < others < small:
            shown[name] = (None, NOT_SHOWN)
        else:
            shown[name] = (size, count(size))
    return shown
