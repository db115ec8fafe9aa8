"""What checks return: results, the gate, and the report that holds both."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import pandas as pd

from alliance_bayes.effects.table import EffectTable
from alliance_bayes.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CheckReport", "CheckResult", "Gate", "Plot", "Verdict"]

Verdict = Literal["pass", "warn", "fail", "info"]


@dataclass(frozen=True)
class Plot:
    """A figure that can be drawn when somebody wants it.

    Parameters
    ----------
    name
        Unique among a report's figures; letters, digits and hyphens.
    title
        What the figure is called.
    description
        What it shows, in words: the alternative text.
    draw
        Draws on an empty matplotlib figure of that size.
    size
        Width and height in inches; text is legible at 100 pixels an inch.
    """

    name: str
    title: str
    description: str
    draw: Callable[[Figure], None] = field(repr=False)
    size: tuple[float, float] = (6.4, 3.6)


@dataclass(frozen=True, eq=False)
class CheckResult:
    """The outcome of one check.

    Parameters
    ----------
    name, title
        Key in a report, and what the check is called.
    verdict
        ``pass``, ``warn``, ``fail``, or ``info`` where there is nothing to judge.
    sentence
        What was found, what it means and what to do.
    table
        The figures behind the verdict, one row a thing compared.
    plots
        Figures.
    details
        A longer table for those who look closer; may be empty.
    problems
        One sentence for each thing that made the check fail.
    rows
        Estimates among the figures, as rows of an effects table with their draws; None where there are none.
    """

    name: str
    title: str
    verdict: Verdict
    sentence: str
    table: pd.DataFrame
    plots: tuple[Plot, ...] = ()
    details: pd.DataFrame = field(default_factory=pd.DataFrame)
    problems: tuple[str, ...] = ()
    rows: EffectTable | None = None

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise UsageError(
                f"verdict should be one of {', '.join(get_args(Verdict))} but got {self.verdict!r} for check "
                f"'{self.name}'."
            )

    def to_dict(self) -> dict[str, Any]:
        """Everything but the figures, as JSON values; numbers that are not finite become None."""
        return {
            "name": self.name,
            "title": self.title,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "table": _records(self.table),
            "details": _records(self.details),
            "plots": [{"name": plot.name, "title": plot.title, "description": plot.description} for plot in self.plots],
        }

    def __str__(self) -> str:
        head = f"{self.verdict.upper():<5} {self.title}"
        return "\n".join([head, *textwrap.wrap(self.sentence, 94, initial_indent="      ", subsequent_indent="      ")])


@dataclass(frozen=True)
class Gate:
    """Whether a fit may be used for conclusions.

    Parameters
    ----------
    passed
        True when the convergence check did not fail.
    reasons
        Why not, one sentence each.
    """

    passed: bool
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.passed:
            return "Gate: open. The draws may be used for conclusions."
        return " ".join(["Gate: CLOSED. Conclusions are withheld.", *self.reasons])


@dataclass(frozen=True, eq=False)
class CheckReport:
    """Results of all checks that were run, and the gate.

    Parameters
    ----------
    results
        In the order they were run.
    gate
        Whether conclusions may be drawn.
    model
        Formula and family of the checked fit, for printing.
    asked
        Arguments of :func:`alliance_bayes.checks.run_checks` that give the report again, with the names of the extra
        columns in place of their values; None where it was put together otherwise.
    """

    results: tuple[CheckResult, ...]
    gate: Gate
    model: str = ""
    asked: Mapping[str, Any] | None = None

    @property
    def conclusions_withheld(self) -> bool:
        """Whether the gate is closed."""
        return not self.gate.passed

    def __getitem__(self, name: str) -> CheckResult:
        for result in self.results:
            if result.name == name:
                return result
        raise UsageError(
            f"no check {name!r} in this report. Checks that were run: "
            f"{', '.join(result.name for result in self.results)}."
        )

    def __iter__(self) -> Iterator[CheckResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def to_frame(self) -> pd.DataFrame:
        """One row a check: ``name``, ``title``, ``verdict``, ``sentence`` (all text)."""
        return pd.DataFrame(
            [(result.name, result.title, result.verdict, result.sentence) for result in self.results],
            columns=["name", "title", "verdict", "sentence"],
            dtype="str",
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "model": self.model,
            "gate": {"passed": self.gate.passed, "reasons": list(self.gate.reasons)},
            "checks": [result.to_dict() for result in self.results],
        }

    def __str__(self) -> str:
        counts = [
            f"{sum(result.verdict == verdict for result in self.results)} {verdict}" for verdict in get_args(Verdict)
        ]
        head = f"Checks of {self.model}: {', '.join(counts)}" if self.model else f"Checks: {', '.join(counts)}"
        return "\n".join([head, *map(str, self.results), *textwrap.wrap(str(self.gate), 100)])

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{result.name}: {result.verdict}" for result in self.results)
        return f"{type(self).__name__}({verdicts}; gate {'open' if self.gate.passed else 'closed'})"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): _plain(value) for name, value in zip(frame.columns, row, strict=True)}
        for row in frame.itertuples(index=False, name=None)
    ]


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
