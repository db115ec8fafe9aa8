"""What an estimand is: how it is computed, what its rows measure, and what a table of it needs, in one object."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.options import EffectOptions, defaults_of, make_options
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.remedies import argument

__all__ = ["MOST_LEVELS", "Estimand", "known_options"]

#: Levels that a factor may have for its levels to be in a table that did not name it.
MOST_LEVELS = 200
_TEXTS = ("unit", "term", "factor", "level", "versus", "denominator", "population", "at", "note")


class Estimand(ABC):
    """One estimand: what is computed of a fit, draw by draw, and what its rows are called.

    An estimand is a subclass with the method :meth:`estimates`; what it lacks is refused when it is made. Called with
    a fit and options by name, it gives a table. Its facts:

    ``name``
        In ``effects(estimands=...)``; those of the package are also functions and methods of a fit.
    ``title``
        What it gives, in the plural, after which "by 'country'" may come ("slopes by level").
    ``measures``
        What its rows measure, by their names in the column ``estimand``.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    measures: ClassVar[Mapping[str, Measure]]

    #: Which common options it takes; the table's others say nothing about it.
    options: ClassVar[type] = EffectOptions
    #: What needs the analysed rows; refused of a fit made from moments. Empty where nothing does.
    needs_rows: ClassVar[str] = ""
    #: Whether there is nothing to estimate in a model without a numeric predictor.
    needs_predictor: ClassVar[bool] = False
    #: Of one that takes a ``factor``: levels that it may have to be in a table that did not name it; 0 without one.
    most_levels: ClassVar[int] = 0
    #: What gives a factor of more levels, as "ask for them with ..." has it.
    instead: ClassVar[str] = ""
    #: Whether it compares the levels of its factor, of which a new one has nothing to be compared with.
    compares: ClassVar[bool] = False

    def __init__(self) -> None:
        lacking = [fact for fact in ("name", "title", "measures") if not getattr(self, fact, None)]
        if lacking:
            raise TypeError(f"{type(self).__name__} lacks {', '.join(lacking)}")
        if not (isinstance(self.name, str) and self.name.isidentifier()):
            raise TypeError(
                f"the name of an estimand should be one word of letters, digits and _ but got {self.name!r}"
            )
        wrong = [name for name, measure in self.measures.items() if not isinstance(measure, Measure)]
        if wrong:
            raise TypeError(f"the measures of {self.name!r} should be of the class Measure, but {wrong[0]!r} is not")

    def __repr__(self) -> str:
        return f"<estimand {self.name}>"

    @abstractmethod
    def estimates(self, analysis: Analysis, *args: Any, **given: Any) -> Iterable[Estimate]:
        """Compute the rows, mostly by :meth:`row`, in the order of the table.

        A subclass writes its own options out, in place of these, as parameters that have names; those with a default
        are optional.

        Parameters
        ----------
        analysis
            The fit, the table's options, and what the estimands share: averages of counterfactuals, slopes, levels.
        *args, **given
            Own options, as the subclass names them.

        Returns
        -------
        iterable of Estimate
            One a row.

        Raises
        ------
        UsageError
            An option is outside what is accepted, or the model has no such estimand.
        """

    @property
    def own_options(self) -> dict[str, inspect.Parameter]:
        """Options besides the common ones, by name."""
        _, *parameters = inspect.signature(self.estimates).parameters.items()
        return dict(parameters)

    @property
    def takes_at(self) -> bool:
        """Whether it has rows with everybody set to some values (``at``): where its ``options`` say so.

        Its averages are then over counterfactuals of the analysis that :meth:`estimates` is given, which have the
        values.
        """
        return "at" in defaults_of(self.options)

    @property
    def common_options(self) -> list[str]:
        """Names of the common options that it takes and has no meaning of its own for."""
        return [name for name in defaults_of(self.options) if name not in self.own_options]

    def __call__(self, fit: FittedModel, **given: Any) -> EffectTable:
        """The table of this estimand alone.

        Parameters
        ----------
        fit
            The fitted model.
        **given
            Its own options and the common ones.

        Raises
        ------
        UsageError
            An option is not known or outside what is accepted, or the model has no such estimand.
        """
        specific, common = self.own_options, self.common_options
        known_options(self.name, given, [*specific, *common])
        analysis = Analysis(fit, make_options(fit, **{name: given[name] for name in common if name in given}))
        rows = self.checked(analysis, {name: value for name, value in given.items() if name in specific})
        return summarise(rows, analysis.options, left_out=analysis.left_out)

    def heading(self, given: Mapping[str, Any]) -> str:
        """What it gives with some options, in the plural.

        Parameters
        ----------
        given
            Own options.

        Returns
        -------
        str
            "contrasts of slopes", say.
        """
        return self.title

    def among_others(self, analysis: Analysis, given: Mapping[str, Any]) -> Iterator[Estimate]:
        """The rows in a table of several estimands: of every factor, where none is named.

        Parameters
        ----------
        analysis
            The analysis that the estimands of the table share; it notes what is left out.
        given
            Own options.

        Yields
        ------
        Estimate
            One a row.
        """
        known_options(self.name, given, [*self.own_options, *(["at"] if self.takes_at else [])])
        if not self.most_levels or "factor" in given:
            yield from self.checked(analysis, given)
            return
        heading = self.heading(given)
        for factor in analysis.factors():
            count = len(analysis.levels(factor))
            if analysis.is_of_persons(factor):
                analysis.leave_out(f"{heading} by '{factor}': its levels are single persons; ask for them by name")
            elif count > self.most_levels:
                instead = self.instead or self.name
                analysis.leave_out(f"{heading} by '{factor}': {count:,} levels; ask for them with {instead}")
            elif taken := [name for cell in analysis.options.at for name in factor.split(":") if name in cell.columns]:
                analysis.leave_out(f"{heading} by '{factor}': everybody is set to the same value of '{taken[0]}'")
            elif self.too_many(analysis, factor):
                n_cells = len(analysis.options.at)
                analysis.leave_out(f"{heading} by '{factor}': too many at {n_cells} combinations of values; give fewer")
            elif self.compares and analysis.has_new_level(factor):
                analysis.leave_out(f"{heading} by '{factor}': a new level has nothing to be compared with")
            else:
                yield from self.checked(analysis, {"factor": factor, **given})

    def too_many(self, analysis: Analysis, factor: str) -> str:
        """Why a factor's levels at several values (``at``) are more than a table holds.

        Parameters
        ----------
        analysis
            With everybody as they are.
        factor
            A factor of the model.

        Returns
        -------
        str
            Empty where they are not.
        """
        return analysis.too_many(factor)

    def checked(self, analysis: Analysis, given: Mapping[str, Any]) -> Iterator[Estimate]:
        """The rows at each of the values that everybody is set to, each held to what the estimand says of itself.

        Parameters
        ----------
        analysis
            What :meth:`estimates` is given, with everybody as they are.
        given
            Own options.

        Yields
        ------
        Estimate
            One a row.

        Raises
        ------
        UsageError
            An option is lacking, or a row is none of the estimand's.
        """
        lacking = [
            name
            for name, parameter in self.own_options.items()
            if parameter.default is parameter.empty and name not in given
        ]
        if lacking:
            example = argument("estimands", {self.name: dict.fromkeys(lacking, "...")})
            raise UsageError(f"'{self.name}' needs {' and '.join(map(repr, lacking))}. Give what it needs: {example}.")
        if self.needs_rows:
            analysis.fit.need_rows(self.needs_rows)
        for row in self.at_cells([analysis.at(cell) for cell in analysis.options.at], given):
            if not isinstance(row, Estimate) or row.estimand not in self.measures:
                got = row.estimand if isinstance(row, Estimate) else row
                raise UsageError(
                    f"the rows of '{self.name}' should be estimates of its measures "
                    f"({', '.join(map(repr, self.measures))}) but got {got!r}."
                )
            if wrong := [name for name in _TEXTS if not isinstance(getattr(row, name), str | None)]:
                raise UsageError(
                    f"the {wrong[0]} of {row.estimand!r} should be text but got {getattr(row, wrong[0])!r}."
                )
            yield row

    def at_cells(self, analyses: Sequence[Analysis], given: Mapping[str, Any]) -> Iterator[Estimate]:
        """The rows at each of the values that everybody is set to, and what compares these.

        Parameters
        ----------
        analyses
            One for each combination of values.
        given
            Own options.

        Yields
        ------
        Estimate
            One a row.
        """
        for analysis in analyses:
            for row in self.estimates(analysis, **given):
                cell = analysis.cell
                placed = cell.values and isinstance(row, Estimate)
                yield replace(row, at=cell.label, note=_joined(row.note, cell.note)) if placed else row

    def row(
        self,
        analysis: Analysis,
        measure: str,
        draws: np.ndarray | float | Callable[[], np.ndarray],
        *,
        term: str | None = None,
        words: Mapping[str, object] | None = None,
        **facts: Any,
    ) -> Estimate:
        """One row of the table.

        Parameters
        ----------
        analysis
            What :meth:`estimates` was given.
        measure
            Which of ``measures``.
        draws
            One number a draw, shape (n_draws,) or (chain, draw); one number; or what gives draws of shape (chain,
            draw) when they are asked for.
        term
            The column or the part that it is about.
        words
            What the measure's unit has in braces besides ``{outcome}``, ``{unit}`` and ``{term}``.
        **facts
            Other fields of :class:`Estimate`, in place of what the measure and the table's options say.

        Returns
        -------
        Estimate
            Not summarised yet.

        Raises
        ------
        UsageError
            Draws of another shape, or a unit that lacks a word.
        """
        of, options = self.measures[measure], analysis.options
        known = {"outcome": analysis.outcome_unit, "term": term, **(words or {})}
        if "{unit}" in of.unit and term is not None:
            known["unit"] = analysis.unit_of(term)
        try:
            unit = of.unit.format(**known)
        except KeyError as error:
            raise UsageError(f"the unit {of.unit!r} of the measure '{measure}' needs the word {error}.") from error
        defaults: dict[str, Any] = {"population": options.population, "signed": of.signed or of.difference}
        if of.judged:
            defaults |= {"rope": options.rope, "relevant": options.relevant}
        source = draws if callable(draws) else Fixed(analysis.shaped(draws))
        return Estimate(measure, source, unit, term=term, measure=of, **(defaults | facts))


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def known_options(name: str, options: Iterable[str], known: list[str]) -> None:
    """Refuse options that there are not, and list those that there are."""
    unknown = [option for option in options if option not in known]
    if unknown:
        raise UsageError(
            f"'{name}' has no option {', '.join(map(repr, unknown))}. Its options: {', '.join(known) or 'none'}."
        )
