"""The participant flow and the counts of missing values, shown so that none of a few people can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from alliance_bayes.cohort import Flow
from alliance_bayes.cohort.names import MISSING_REASONS
from alliance_bayes.report.counts import NOT_SHOWN, fewer
from alliance_bayes.report.text import count, percent

__all__ = ["ShownFlow", "reason_of", "shown_missing"]


@dataclass(frozen=True)
class ShownFlow:
    """A participant flow as a page may show it.

    How many were analysed is in every part of a page. So when a step left out a few people, it is the number of
    participants that is not told, and with it how many were left out in all.

    Parameters
    ----------
    participants
        How many there were, or between which numbers.
    steps
        Reason and count as text.
    analysed
        How many were analysed.
    total, left
        Participants, and those left out; None where that would give a small step away.
    numbers
        The same for the JSON.
    """

    participants: str
    steps: tuple[tuple[str, str], ...]
    analysed: int
    total: int | None
    left: int | None
    numbers: Mapping[str, object]

    @classmethod
    def of(cls, flow: Flow, small: int) -> Self:
        """A flow without steps of fewer than `small` people."""
        few = [0 < step.n < small for step in flow.steps]
        steps = tuple(
            (step.reason, fewer(small) if hidden else count(step.n))
            for step, hidden in zip(flow.steps, few, strict=True)
        )
        # What anybody can work out from what is shown.
        least = flow.participants - sum(step.n - 1 for step, hidden in zip(flow.steps, few, strict=True) if hidden)
        text = count(flow.participants)
        if any(few):
            text = f"{count(least)} to {count(least + sum(few) * (small - 2))}" if small > 2 else NOT_SHOWN
        total = None if any(few) else flow.participants
        listed = [
            {"reason": step.reason, "n": None if hidden else step.n}
            for step, hidden in zip(flow.steps, few, strict=True)
        ]
        numbers = {"participants": total, "left_out": listed, "analysed": flow.analysed}
        left = None if total is None else total - flow.analysed
        return cls(text, steps, flow.analysed, total, left, numbers)

    @property
    def sentence(self) -> str:
        """That the results may not hold for those who were left out; empty when nobody was."""
        if self.left == 0:
            return ""
        known = self.left is not None and self.total is not None
        share = f" {count(self.left)} people ({percent(self.left / self.total)})" if known else " people"  # type: ignore
        return (
            f"That the results hold for the{share} who were left out because a value is missing or cannot be used: "
            "they may differ from those analysed."
        )


def reason_of(column: str) -> str:
    """How the flow says that people were left out for want of a value in a column."""
    return MISSING_REASONS.get(column, f"no value of {column}")


def shown_missing(missing: Mapping[str, int], flow: Flow, small: int) -> dict[str, tuple[int | None, str]]:
    """Missing values by variable, as number and text.

    Parameters
    ----------
    missing
        Participants of the table without a value, by variable.
    flow
        The participant flow, whose steps count each of them once.
    small
        Fewest people that a shown count stands for.

    Returns
    -------
    dict
        A count is not shown when it is small, or when it differs from its step of the flow by a small count: those
        who had been left out before for another reason.
    """
    steps = {step.reason: step.n for step in flow.steps}
    found: dict[str, tuple[int | None, str]] = {}
    for name, size in missing.items():
        before = size - steps.get(reason_of(name), 0)
        if 0 < size < small:
            found[name] = (None, fewer(small))
        elif 0 < before < small:
            found[name] = (None, NOT_SHOWN)
        else:
            found[name] = (size, count(size))
    return found
