"""What a check is, everything that the package asks of it in one object, and what it returns."""

from __future__ import annotations

import math
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
import pandas as pd

from alliance_bayes.checks.drawing import WIDTH
from alliance_bayes.checks.nameless import Nameless
from alliance_bayes.checks.subsample import FEWEST_OF_POPULATION
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.readonly import ReadOnly

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from alliance_bayes.checks.context import Context
    from alliance_bayes.fit import FittedModel

__all__ = [
    "JUDGED",
    "OF_STRUCTURE",
    "OTHER_FAMILY",
    "SUBJECTS",
    "Check",
    "CheckResult",
    "Plot",
    "Verdict",
    "count",
    "percent",
    "some",
]

Verdict = Literal["pass", "warn", "fail", "info"]
#: What findings are about: the association, differences between groups, what the variance is made of, and how many
#: people reach an end point.
SUBJECTS = ("effects", "groups", "variance", "endpoints")
#: What checks judge of a model: the draws, predictions, those of rows left out, what residuals show, what it does not
#: use, the priors, and groups without which it is fitted again.
JUDGED = ("converged", "predictive", "loo", "residuals", "unused", "priors", "groups")
#: Checks of a term or a column that the model lacks. What one leaves in the residuals, means or spreads that differ,
#: makes their distribution one that no family of the package has.
OF_STRUCTURE = ("curvature", "groups", "spread", "interactions", "unused_columns")
#: What to do where nothing but the shape of the distribution is at fault.
OTHER_FAMILY = "compare another family"
_CELLS = (str, bool, int, float, np.bool_, np.integer, np.floating, type(pd.NA))
_NAME = re.compile(r"[a-z][a-z0-9_]*")


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
    column
        Column whose levels or parts it shows: no page has it that may not show one of them.
    fewest
        Fewest people that each bar or point stands for, where the check sees to that.
    single_rows
        Whether a participant is a point: no page has it.
    whole
        Whether it shows every row of the check's table: no page has it that leaves out some.
    edges
        Edges of the bars of a histogram of the outcome; what else is told of the outcome must leave no few of a bar.
    """

    name: str
    title: str
    description: str
    draw: Callable[[Figure], None] = field(repr=False)
    size: tuple[float, float] = (WIDTH, 3.2)
    column: str = ""
    fewest: int | None = None
    single_rows: bool = False
    whole: bool = False
    edges: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class CheckResult:
    """The outcome of one check; see :meth:`alliance_bayes.Check.result`.

    Parameters
    ----------
    check
        The check.
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
    nameless
        What takes persons' names out of `to_dict`; the tables have them, for whoever has the data.
    nothing
        Whether there was nothing to look at (nobody was left out, say), so that the check is not left undone.

    Raises
    ------
    UsageError
        Another verdict, no sentence, or something in a table, a list of figures or of problems that has no place there.
    """

    check: Check
    verdict: Verdict
    sentence: str
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    plots: tuple[Plot, ...] = ()
    details: pd.DataFrame = field(default_factory=pd.DataFrame)
    problems: tuple[str, ...] = ()
    rows: EffectTable | None = None
    nameless: Nameless | None = field(default=None, repr=False)
    nothing: bool = False

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise UsageError(
                f"verdict should be one of {', '.join(get_args(Verdict))} but got {self.verdict!r} for check "
                f"'{self.name}'."
            )
        faults = [] if isinstance(self.sentence, str) and self.sentence.strip() else ["the sentence is no text"]
        faults += [
            f"{name} {fault}"
            for name, frame in (("table", self.table), ("details", self.details))
            if (fault := _unfit(frame))
        ]
        faults += [f"{plot!r:.80} is no Plot" for plot in self.plots if not isinstance(plot, Plot)]
        faults += [f"the problem {text!r:.80} is no text" for text in self.problems if not isinstance(text, str)]
        if faults:
            raise UsageError(f"check '{self.name}': {'; '.join(faults)}.")

    @property
    def name(self) -> str:
        """Key in a report."""
        return self.check.name

    @property
    def title(self) -> str:
        """What the check is called."""
        return self.check.title

    @property
    def completed(self) -> bool:
        """Whether the check could be made of the fit; where it could not, its sentence says why."""
        return self.verdict != "info" or len(self.table) > 0 or bool(self.plots)

    def without(self, fit: FittedModel, hidden: frozenset[str]) -> CheckResult:
        """The result without rows about some quantities (a column ``quantity``), and figures of what is left.

        Parameters
        ----------
        fit
            The fit that was checked.
        hidden
            Quantities of which nothing may be shown.

        Returns
        -------
        CheckResult
            What is left.
        """
        table, details = (
            part[~part["quantity"].isin(hidden)] if "quantity" in part.columns else part
            for part in (self.table, self.details)
        )
        if len(table) == len(self.table) and len(details) == len(self.details):
            return self
        left = replace(self, table=table, details=details)
        left = replace(left, sentence=self.check.restated(left, self))
        plots = self.check.redrawn(left, fit, hidden)
        return replace(left, plots=tuple(plot for plot in plots if not plot.whole or len(table) == len(self.table)))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the figures, as JSON values; numbers that are not finite become None, persons numbers.

        Returns
        -------
        dict
            By field.
        """
        return {
            "name": self.name,
            "title": self.title,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "table": self._records(self.table),
            "details": self._records(self.details),
            "plots": [{"name": plot.name, "title": plot.title, "description": plot.description} for plot in self.plots],
        }

    def _records(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        records = _records(frame)
        return records if self.nameless is None else self.nameless.records(records)

    def naming_nobody(self, nameless: Nameless) -> CheckResult:
        """The result with sentences that name no person; its tables do, and what is made of them as JSON does not.

        Parameters
        ----------
        nameless
            Of the fit that was checked.

        Returns
        -------
        CheckResult
            Of the same figures.
        """
        anonymous = nameless.sentence
        return replace(
            self,
            sentence=anonymous(self.sentence),
            problems=tuple(map(anonymous, self.problems)),
            plots=tuple(replace(plot, description=anonymous(plot.description)) for plot in self.plots),
            nameless=nameless,
        )

    def __str__(self) -> str:
        head = f"{self.verdict.upper():<5} {self.title}"
        return "\n".join([head, *textwrap.wrap(self.sentence, 94, initial_indent="      ", subsequent_indent="      ")])


class Check(ABC):
    """One check of a fit: called with a :class:`Context`, it gives a :class:`CheckResult`.

    A check is a subclass with a file of its own that defines :meth:`examine`; what it lacks is refused when it is made.
    An analyst's own is handed to :func:`alliance_bayes.run_checks`. Its facts:

    ``name``
        Key in reports and JSON: small letters, digits and underscores.
    ``title``
        What it is called.
    ``looks_at``
        What it looks at, as a list names it: "residuals by group".
    ``meaning``
        What it means for the reader when it warns or fails, in a sentence or two.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    looks_at: ClassVar[str]
    meaning: ClassVar[str]

    #: The subjects (`SUBJECTS`) of the findings that it bears on.
    concerns: ClassVar[tuple[str, ...]] = SUBJECTS
    #: Whether its tables and figures hold estimates, which are withheld while the gate is closed.
    holds_estimates: ClassVar[bool] = True
    #: What it compares, as the beginning of a sentence, where it needs single rows, which moments do not hold.
    needs_rows: ClassVar[str] = ""
    #: Whether it looks at rows as if they were drawn from the population that the model describes. Of a fit with
    #: sampling weights it sees as many of them as are (``Context.of_population``).
    sees_rows: ClassVar[bool] = True
    #: Section of the page that has it, and another one that repeats its sentence.
    section: ClassVar[Literal["checks", "sensitivity"]] = "checks"
    repeated_in: ClassVar[str] = ""
    #: What it judges (`JUDGED`) where verdicts on many models stand side by side; empty where it is not among them.
    judges: ClassVar[str] = "residuals"
    #: Whether its table says how large something is and is small, so that it stands beside those of other models.
    tabled: ClassVar[bool] = False
    #: What a page calls columns of its table whose names say less there than in the JSON.
    shown_as: ClassVar[Mapping[str, str]] = ReadOnly({})
    #: Items of reporting guidelines that it answers ("BARG 1E").
    answers: ClassVar[tuple[str, ...]] = ()
    #: References of the package's list that the methods text names beside it.
    references: ClassVar[tuple[str, ...]] = ()
    #: Why the gate is closed where the check was not run. Empty for one that does not close the gate when it fails.
    gate: ClassVar[str] = ""
    #: Names of checks whose faults show in this one, too: where they warn, what they say to do comes first.
    shows: ClassVar[tuple[str, ...]] = ()
    #: Whether it shares the leave-one-out predictions, of which no other check knows and which take long.
    weighs_draws: ClassVar[bool] = False

    def __init__(self) -> None:
        self.refuse_faults()

    def refuse_faults(self) -> None:
        """Refuse a check that is not whole.

        Raises
        ------
        TypeError
            A fact is missing, or is not of its kind.
        """
        lacking = [fact for fact in ("name", "title", "looks_at", "meaning") if not hasattr(self, fact)]
        if lacking:
            raise TypeError(f"{type(self).__name__} lacks {', '.join(lacking)}")
        faults = [
            f"{fact} should be text but is {value!r:.80}"
            for fact in ("name", "title", "looks_at", "meaning")
            if not isinstance(value := getattr(self, fact), str) or not value.strip()
        ]
        if not faults and not _NAME.fullmatch(self.name):
            faults.append(f"name should be small letters, digits and underscores but is {self.name!r:.80}")
        if not isinstance(self.concerns, tuple) or any(subject not in SUBJECTS for subject in self.concerns):
            faults.append(f"concerns should be some of {SUBJECTS} but is {self.concerns!r:.80}")
        if self.section not in (known := ("checks", "sensitivity")):
            faults.append(f"section should be one of {known} but is {self.section!r:.80}")
        if self.judges not in ("", *JUDGED):
            faults.append(f"judges should be one of {JUDGED} or empty but is {self.judges!r:.80}")
        if faults:
            raise TypeError(f"{type(self).__name__}: {'; '.join(faults)}")

    def __repr__(self) -> str:
        return f"<check {getattr(self, 'name', type(self).__name__)}>"

    def __call__(self, context: Context, /) -> CheckResult:
        """Check a fit, or say that it takes rows which the fit does not have."""
        if self.needs_rows and context.fit.moments is not None:
            return self.result(
                "info",
                f"{self.needs_rows} needs the analysed rows, and this fit was made from moments. Where the rows are, "
                "fit the model to them and check that fit.",
            )
        if not self.sees_rows or context.fit.design.rows.weights is None:
            return self.examine(context)
        few = context.of_population
        if few is None:
            return self.result(
                "info",
                f"Not done: weights as unequal as these leave fewer than {FEWEST_OF_POPULATION} rows that could have "
                "been drawn as they are from the population.",
            )
        result = self.examine(few)
        n, size = context.fit.design.rows.n, few.fit.design.rows.n
        note = (
            f" Of {n:,} rows, {size:,} were looked at, drawn by their sampling weights so that they stand for the "
            "population."
        )
        return replace(result, sentence=f"{result.sentence}{note}")

    @abstractmethod
    def examine(self, context: Context) -> CheckResult:
        """Look at a fit and judge it.

        Parameters
        ----------
        context
            The fit, and what several checks need of it.
        """

    def beside(self, result: CheckResult, warned: Sequence[Check]) -> CheckResult:
        """The result, given that other checks of the fit warn.

        Parameters
        ----------
        result
            A result of this check.
        warned
            Those of :attr:`shows` that warn.

        Returns
        -------
        CheckResult
            The same, or one that says what to do first: another family does not mend what a term of the model would.
        """
        first = f"first mend what the check of {' and of '.join(check.looks_at for check in warned)} found"
        told = f"{first}, which shows here, too; where this stays, {OTHER_FAMILY}"
        return replace(result, sentence=result.sentence.replace(OTHER_FAMILY, told)) if warned else result

    def answered(self, result: CheckResult) -> tuple[str, ...]:
        """Those of :attr:`answers` that one result answers.

        Parameters
        ----------
        result
            A result of this check.

        Returns
        -------
        tuple of str
            Items of the reporting guidelines.
        """
        return self.answers

    def redrawn(self, result: CheckResult, fit: FittedModel, hidden: frozenset[str]) -> tuple[Plot, ...]:
        """The figures of a result that has lost its rows about some quantities.

        Parameters
        ----------
        result
            The result, without those rows.
        fit
            The fit that was checked.
        hidden
            Quantities of which nothing may be shown.

        Returns
        -------
        tuple of Plot
            Figures of what is left.
        """
        return result.plots

    def restated(self, left: CheckResult, whole: CheckResult) -> str:
        """The sentence of a result that has lost its rows about some quantities.

        Parameters
        ----------
        left
            The result, without those rows.
        whole
            The result as it was.

        Returns
        -------
        str
            What may be said.
        """
        return whole.sentence

    def result(
        self,
        verdict: Verdict,
        sentence: str,
        table: pd.DataFrame | None = None,
        *,
        plots: Sequence[Plot] = (),
        details: pd.DataFrame | None = None,
        problems: Sequence[str] = (),
        rows: EffectTable | None = None,
        nothing: bool = False,
    ) -> CheckResult:
        """A result of this check; see :class:`CheckResult`.

        Parameters
        ----------
        verdict
            ``"pass"``, ``"warn"``, ``"fail"`` or ``"info"``.
        sentence
            What was found, in one or two sentences.
        table
            The numbers behind it.
        plots
            Figures.
        details
            A longer table.
        problems
            A sentence for each thing that is wrong.
        rows
            Estimates that the check made, with their draws.
        nothing
            Whether there was nothing to look at, as the sentence says: pages then do not list the check as undone.

        Returns
        -------
        CheckResult
            The result, with this check.
        """
        empty = pd.DataFrame()
        return CheckResult(
            self,
            verdict,
            sentence,
            empty if table is None else table,
            tuple(plots),
            empty if details is None else details,
            tuple(problems),
            rows,
            nothing=nothing,
        )


def _unfit(frame: object) -> str:
    """What keeps a table out of page and JSON; empty for nothing."""
    if not isinstance(frame, pd.DataFrame):
        return f"is no DataFrame but {frame!r:.80}"
    if not frame.columns.is_unique or frame.columns.nlevels > 1:
        return "has columns that are called the same"
    for name, values in frame.items():
        if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_complex_dtype(values.dtype):
            continue
        odd = next((value for value in values.tolist() if not (value is None or isinstance(value, _CELLS))), None)
        if odd is not None:
            return f"has {type(odd).__name__} in the column {str(name)!r:.80}, where numbers and words can stand"
    return ""


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


def percent(share: float, digits: int | None = None) -> str:
    """A share as text, to three figures or so many decimal places: ``percent(0.125)`` is "12.5 %"."""
    return f"{100 * share:.3g} %" if digits is None else f"{100 * share:.{digits}f} %"


def count(n: int, noun: str) -> str:
    """A number of things: "1 quantity", "1,200 quantities"."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{n:,} {noun if n == 1 else plural}"


def some(names: Iterable[str], most: int = 4) -> str:
    """The first few of some names, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most:,} more" if len(listed) > most else "")
