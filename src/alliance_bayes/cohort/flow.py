"""Participant flow: how many came in, how many were left out and why, how many were analysed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from alliance_bayes.errors import UsageError

__all__ = ["Flow", "FlowStep"]


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One reason for leaving people out.

    Parameters
    ----------
    reason
        Why, as a noun phrase: "no follow-up WHO-5".
    n
        People left out at this step; nobody is counted at two steps.
    """

    reason: str
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise UsageError(
                f"FlowStep {self.reason!r}: n should be 0 or more but got {self.n}. Count people left out."
            )


@dataclass(frozen=True, slots=True)
class Flow:
    """Participants in, left out by reason in order, and analysed (STROBE item 13).

    Parameters
    ----------
    participants
        People at the start.
    steps
        Reasons in the order they were applied; the counts never overlap.

    Raises
    ------
    UsageError
        When the steps leave out more people than there were.
    """

    participants: int
    steps: tuple[FlowStep, ...] = ()

    def __post_init__(self) -> None:
        if self.analysed < 0:
            raise UsageError(
                f"Flow: the steps leave out {self.participants - self.analysed} of {self.participants} participants. "
                "Count each person at one step only."
            )

    @property
    def analysed(self) -> int:
        """People who remain after the last step."""
        return self.participants - sum(step.n for step in self.steps)

    def to_frame(self) -> pd.DataFrame:
        """Return the flow as a table.

        Returns
        -------
        pandas.DataFrame
            Columns `stage`, `left_out`, `remaining` (people): a row for everybody, one for each step, and one for those
            analysed.
        """
        rows: list[tuple[str, int, int]] = [("participants", 0, self.participants)]
        for step in self.steps:
            rows.append((step.reason, step.n, rows[-1][2] - step.n))
        rows.append(("analysed", 0, self.analysed))
        return pd.DataFrame(rows, columns=["stage", "left_out", "remaining"])

    def __str__(self) -> str:
        lines = [("participants", f"{self.participants:,}")]
        lines += [(f"  left out: {step.reason}", f"{step.n:,}") for step in self.steps]
        lines.append(("analysed", f"{self.analysed:,}"))
        wide = max(len(label) for label, _ in lines)
        digits = max(len(count) for _, count in lines)
        text = "\n".join(f"{label:<{wide}}  {count:>{digits}}" for label, count in lines)
        if self.participants:
            text += f"  ({100 * self.analysed / self.participants:.1f} %)"
        return text


def merge_steps(steps: Iterable[FlowStep]) -> tuple[FlowStep, ...]:
    """Drop steps that leave nobody out; the order stays."""
    return tuple(step for step in steps if step.n)
