"""Levels that are single persons, without their names: what is printed or kept says "a person" or "person 3"."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from alliance_bayes.effects.summary import escaped
from alliance_bayes.fit import FittedModel

__all__ = ["Nameless"]

# What follows a level: "u_pid[p7, Intercept]", "beta[pid[p7]]", "contrast_of_means/pid=p7 vs p8/sample".
_VERSUS = " vs "
_ENDS = re.compile(rf"[,\]/)]|{_VERSUS}|$")
#: Columns of a table that hold a level of the factor that another one names, and those that name it.
_LEVELS, _FACTORS = ("level", "versus"), ("factor", "column")


@dataclass(frozen=True)
class Nameless:
    """Takes persons' names out of quantities, sentences and records.

    Parameters
    ----------
    numbers
        Of each factor whose levels are persons: the number of each level, from 1, in the factor's order.
    """

    numbers: Mapping[str, Mapping[str, int]] = field(repr=False)

    @classmethod
    def of(cls, fit: FittedModel, columns: Collection[str] | None = None) -> Self:
        """That of a fit's persons, or of the levels of some of its columns and their combinations."""
        persons = set(fit.person_columns if columns is None else columns)
        levels = {factor.name: list(factor.levels) for factor in fit.design.factors}
        if (residual := fit.design.residual) is not None:
            levels.setdefault(residual.name, list(residual.levels))
        for name in persons & set(fit.design.frame.columns):
            if name not in levels and hasattr(fit.design.frame[name], "cat"):
                levels[name] = [str(level) for level in fit.design.frame[name].cat.categories]
        of_persons = {name: labels for name, labels in levels.items() if persons & {name, *name.split(":")}}
        # Ids of rows have a level with its separators escaped.
        return cls(
            {
                name: {text: place for place, level in enumerate(labels, 1) for text in (level, escaped(level))}
                for name, labels in of_persons.items()
            }
        )

    def sentence(self, text: str) -> str:
        """A text in which no quantity names a person."""
        return self._without(text, lambda number: "a person")

    def hidden(self, text: str, by: str) -> str:
        """The same with other words for whoever it is."""
        return self._without(text, lambda number: by)

    def label(self, text: str) -> str:
        """A quantity, or the id of a row, in which persons are numbered."""
        return self._without(text, _numbered)

    def records(self, records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Records in which persons are numbered, so that those of one person stay together."""
        if not self.numbers:
            return [dict(record) for record in records]
        return [self._record(record) for record in records]

    def _record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        anonymous = {
            key: self._without(value, _numbered) if isinstance(value, str) else value for key, value in record.items()
        }
        for numbers in [known for key in _FACTORS if (known := self.numbers.get(str(record.get(key))))]:
            anonymous |= {
                key: _numbered(numbers[level]) for key in _LEVELS if (level := str(record.get(key))) in numbers
            }
        return anonymous

    def _without(self, text: str, name_of: Callable[[int], str]) -> str:
        for name, numbers in self.numbers.items():
            start, pieces = 0, []
            for opened in re.finditer(rf"(?<!\w)(?:(?:u_)?{re.escape(name)}\[|{re.escape(name)}=)", text):
                at = opened.end()
                while at >= start:
                    # The longest, so that a level with a comma is not taken for a shorter one.
                    ends = [end.start() for end in _ENDS.finditer(text, at) if text[at : end.start()] in numbers]
                    if not ends:
                        break
                    pieces += [text[start:at], name_of(numbers[text[at : ends[-1]]])]
                    start = ends[-1]
                    at = start + len(_VERSUS) if text.startswith(_VERSUS, start) else -1
            text = "".join([*pieces, text[start:]])
        return text


def _numbered(number: int) -> str:
    return f"person {number}"
