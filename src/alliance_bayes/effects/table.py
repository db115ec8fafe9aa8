"""EffectTable: one estimate a row, with the draws behind each and what it is a measure of."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pandas as pd
from pandas.plotting import PlotAccessor

from alliance_bayes.errors import UsageError
from alliance_bayes.notebook import escaped
from alliance_bayes.readonly import ReadOnly

__all__ = ["COLUMNS", "Draws", "EffectTable", "Measure", "steady"]

TEXT_COLUMNS = (
    "estimand",
    "term",
    "factor",
    "level",
    "versus",
    "at",
    "unit",
    "denominator",
    "population",
    "interval",
    "note",
)
COLUMNS = (
    "estimand",
    "term",
    "factor",
    "level",
    "versus",
    "at",
    "unit",
    "denominator",
    "population",
    "mean",
    "sd",
    "median",
    "lower",
    "upper",
    "interval",
    "prob",
    "p_direction",
    "rope_low",
    "rope_high",
    "p_rope",
    "ess_bulk",
    "ess_tail",
    "rhat",
    "mcse_mean",
    "fmi",
    "relevant",
    "p_relevant",
    "p_above_rope",
    "p_rope_prior",
    "note",
)


_INTERVALS = {"eti": "equal-tailed intervals", "hdi": "highest-density intervals"}
_MIXING = ("ess_bulk", "ess_tail", "rhat", "mcse_mean")


def steady(values: pd.Series) -> pd.Series:
    """Numbers to put rows in order by: those that only rounding tells apart are the same on every processor."""
    numbers = values.astype(float)
    known = numbers[np.isfinite(numbers)].abs()
    scale = float(known.max()) if len(known) else 1.0
    return (numbers / (scale or 1.0)).round(7)


_LABEL = ("term", "unit", "units", "factor", "level", "versus", "change")
_FINDING = (
    "outcome",
    "points",
    "mean",
    "size",
    "interval",
    "word",
    "way",
    "leaning",
    "given",
    "over",
    "further",
    "span",
    "step",
    "who",
)
# What the texts of a measure may have in braces; a unit may also have what the estimand gives to each row.
_WORDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("label", "short", "subject"), _LABEL),
    **dict.fromkeys(("sentence", "unsettled"), (*_FINDING, *_LABEL)),
    "unit": (),
}


#: What a measure has in it besides averages over people.
type Tells = Literal["", "spread", "ends", "parts", "parameter", "levels"]


@dataclass(frozen=True)
class Measure:
    """What rows of one name in the column ``estimand`` hold, and how they are spoken of.

    Texts may have names in braces. ``{term}``, ``{factor}``, ``{level}`` and ``{versus}`` are the row's columns,
    ``{unit}`` is one unit of the term, ``{units}`` several, ``{change}`` the row's denominator; a page says them in its
    own words ("baseline WHO-5").

    Parameters
    ----------
    label
        What a row is called in a table of several measures; by default the name with blanks.
    unit
        Of the draws: ``{outcome}`` and ``{unit}`` are one unit of the outcome and of the term, and the estimand may
        give more names row by row.
    short
        The label where the table says the rest.
    subject
        What a difference is one of, or a distance from zero is that of ("the slope of {term}"); by default the name and
        its term.
    sentence
        A finding: what a row says whose direction is settled, or which has none. Names: those of the label,
        ``{outcome}``, ``{points}`` (several of its units, with a blank before), ``{mean}``, ``{size}`` (without its
        sign), ``{interval}``, ``{word}`` ("probably") and ``{way}`` ("higher"), ``{given}`` (what it
        is adjusted for), ``{over}`` (what an average is over), ``{span}`` (what it lies between),
        ``{step}`` (one unit of the term, and of what), ``{who}`` (whom the
        term tells apart, people or rows of one person), ``{further}`` (what
        else there is to say).
    unsettled
        The same where no direction is settled; ``{leaning}`` where one is probable.
    difference
        Whether it is ``level`` minus ``versus``.
    signed
        Whether zero means "no effect", so that there is a probability of direction; of every difference it does.
    judged
        Whether it is in points of the outcome, so that the table's ROPE and smallest relevant change are about it.
    unbounded
        Whether it may be infinite in some draws, so that its mean says nothing, and its interval may have no upper end.
    lead
        What comes before the label where a sentence names a row without its table, and the label says less than what
        it is of ("difference of slopes").
    tells
        What it has in it besides averages over people, by which a few of them could be counted: ``"spread"``, the SD or
        percentiles of its term or factor; ``"ends"``, percentiles that its factor is set to; ``"parts"``, the variance
        of everything that is pooled; ``"parameter"`` or ``"levels"``, the posterior of the parameter that its term
        names, or of SDs and correlations of its factor's levels. Of numbers that would tell, a page has no such row.

    Raises
    ------
    ValueError
        A text has a name in braces, or `tells` a value, that is not one of these.
    """

    label: str = ""
    unit: str = "{outcome}"
    short: str = ""
    subject: str = ""
    sentence: str = ""
    unsettled: str = ""
    difference: bool = False
    signed: bool = False
    judged: bool = False
    unbounded: bool = False
    lead: str = ""
    tells: Tells = ""

    def __post_init__(self) -> None:
        if self.tells not in get_args(Tells.__value__):
            raise ValueError(f"tells should be one of {get_args(Tells.__value__)} but is {self.tells!r}.")
        for kind, known in _WORDS.items():
            for part in re.split(r"({\w+})", getattr(self, kind)):
                if ("{" in part or "}" in part) and not (
                    part[1:-1].isidentifier() and (part[1:-1] in known or not known)
                ):
                    may = ", ".join(known) or "outcome, unit, term and names of your own"
                    raise ValueError(f"{kind} {getattr(self, kind)!r} has {part!r}, but in braces it may have {may}.")


#: A measure of which only the name is known.
UNKNOWN = Measure()


class Draws(Mapping[str, np.ndarray]):
    """Draws by row id, each of shape (chain, draw), computed when they are asked for."""

    def __init__(self, sources: Mapping[str, Callable[[], np.ndarray]]) -> None:
        self._sources = sources

    def __getitem__(self, row: str) -> np.ndarray:
        return self._sources[row]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __repr__(self) -> str:
        return f"Draws({len(self)} rows)"


# What draws tables, which is above this room: loaded by name when it is asked for, as pandas loads what draws its own.
_DRAWING = "alliance_bayes.report.plots"


class EffectPlot(PlotAccessor):
    """Draws the rows of an effects table."""

    def __init__(self, data: pd.DataFrame, table: EffectTable) -> None:
        super().__init__(data)
        self._table = table

    def __call__(self, *args: Any, **options: Any) -> Any:
        """A forest of the rows; with what pandas takes (``kind``, ``x``, ``y``), what it draws.

        Parameters
        ----------
        *args, **options
            ``ax``, the matplotlib axes to draw onto; a figure of its own by default. With others, those of pandas.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn onto.

        Raises
        ------
        UsageError
            The table has no estimate, or its rows are in several units.
        """
        if args or options.keys() - {"ax"}:
            return super().__call__(*args, **options)
        return import_module(_DRAWING).plot_effects(self._table, **options)


class EffectTable(pd.DataFrame):
    """A table of estimands, one a row; the index holds the rows' ids.

    Columns: ``estimand, term, factor, level, versus`` (what is estimated; contrasts are ``level`` minus ``versus``),
    ``at`` (values that everybody is set to: "month = 12, sex = female"; "month = 12 minus month = 2" of a difference
    between two; "who5_followup = imputed - 5" where imputed values are moved), ``unit``, ``denominator`` (what a
    standardised figure is divided by), ``population`` (which levels are averaged over), ``mean, sd, median, lower,
    upper`` of the posterior, ``interval`` ("eti" or "hdi") and its ``prob``, ``p_direction`` (the larger of the
    probabilities of being above and below zero), ``rope_low, rope_high`` and the probability ``p_rope`` of lying
    between them, ``ess_bulk, ess_tail, rhat, mcse_mean``, ``fmi`` (fraction of missing information: the share of the
    variance that is due to values that were not observed; NaN where none were imputed), ``relevant`` (smallest relevant
    change) and the probability ``p_relevant`` of an effect at least as large in either direction, ``p_above_rope`` (of
    lying above the ROPE), ``p_rope_prior`` (the prior's of lying in it; for differences of slopes) and ``note``.
    Missing where it does not apply.

    Attributes
    ----------
    draws : Mapping
        Draws by row id, shape (chain, draw) each, for the rows the table holds. An operation of pandas may lose them;
        it never assigns them to another row.
    prior_draws : Mapping
        Draws of the same from the prior, of differences of slopes.
    measures : Mapping
        What the rows are measures of, by the names in the column ``estimand``.
    left_out : tuple of str
        What was not computed, and why.
    better : str or None
        Which direction of the outcome is good, "higher" or "lower"; None where tables of several disagree.
    asked : Mapping or None
        Arguments of :func:`alliance_bayes.effects.effects` that give the table again, where that made it.
    """

    # pandas reads these names from the class, adds them to a list of its own, and never changes them.
    _metadata: ClassVar[list[str]] = ["_sources", "_priors", "measures", "left_out", "better", "asked"]
    _sources: Mapping[str, Callable[[], np.ndarray]] = ReadOnly({})
    _priors: Mapping[str, Callable[[], np.ndarray]] = ReadOnly({})
    measures: Mapping[str, Measure] = ReadOnly({})
    left_out: tuple[str, ...] = ()
    better: str | None = "higher"
    asked: Mapping[str, Any] | None = None

    def _repr_html_(self) -> str | None:
        """In a notebook as pandas has it, with kind and probability of the intervals said once, and no empty column."""
        # What pandas has for notebooks is not in its annotations.
        plain: Any = pd.DataFrame(self)
        columns = ["interval", "prob"]
        kinds = plain[columns].drop_duplicates() if set(columns) <= set(plain.columns) else plain[:0]
        if len(kinds) != 1 or kinds.isna().any(axis=None):
            return plain._repr_html_()
        kind, prob = kinds.iloc[0]
        html = plain.drop(columns=columns).dropna(axis=1, how="all")._repr_html_()
        name = _INTERVALS.get(kind, kind)
        return None if html is None else f"<p>Posterior, {escaped(f'{100 * prob:g}% {name}')}</p>{html}"

    @property
    def plot(self) -> EffectPlot:
        """Draws the rows as a forest: ``table.plot()``, or ``table.plot(ax=axes)``; what pandas draws, too.

        ``table.plot(kind="bar", y="mean")`` and ``table.plot.bar(y="mean")`` are those of pandas.
        """
        return EffectPlot(pd.DataFrame(self), self)

    @property
    def _constructor(self) -> type[EffectTable]:
        return EffectTable

    @classmethod
    def build(
        cls,
        rows: pd.DataFrame,
        sources: Mapping[str, Callable[[], np.ndarray]],
        *,
        priors: Mapping[str, Callable[[], np.ndarray]] = ReadOnly({}),
        measures: Mapping[str, Measure] = ReadOnly({}),
        left_out: Iterable[str] = (),
    ) -> EffectTable:
        """Put a table together.

        Parameters
        ----------
        rows
            The columns of the class, indexed by row id.
        sources
            What gives each row's draws, by row id.
        priors
            What gives draws of a row from the prior, by row id.
        measures
            What the rows are measures of, by name.
        left_out
            What was not computed, and why.

        Raises
        ------
        UsageError
            Two rows have the same id.
        """
        repeated = rows.index[rows.index.duplicated()]
        if len(repeated):
            raise UsageError(
                f"an effects table holds every estimand once, but {repeated[0]!r} came twice. Remove one of the two."
            )
        table = cls(rows)
        table._sources, table._priors = dict(sources), dict(priors)
        table.measures = dict(measures)
        table.left_out = tuple(left_out)
        return table

    @classmethod
    def concat(cls, tables: Iterable[EffectTable]) -> EffectTable:
        """Put tables below each other, with their draws.

        Parameters
        ----------
        tables
            In the order wanted.

        Returns
        -------
        EffectTable
            All rows.

        Raises
        ------
        UsageError
            Two rows have the same id.
        """
        tables = list(tables)
        rows = pd.concat([pd.DataFrame(table) for table in tables])
        sources = {row: source for table in tables for row, source in table._sources.items()}
        priors = {row: source for table in tables for row, source in table._priors.items()}
        measures = {name: measure for table in tables for name, measure in table.measures.items()}
        left_out = [reason for table in tables for reason in table.left_out]
        joined = cls.build(rows, sources, priors=priors, measures=measures, left_out=left_out)
        ways = {table.better for table in tables}
        joined.better = ways.pop() if len(ways) == 1 else None
        return joined

    def under(self, name: str) -> EffectTable:
        """The table with a name and a slash before its ids, so that it can be put below others of the same rows.

        Parameters
        ----------
        name
            What comes before the slash.

        Returns
        -------
        EffectTable
            The same rows and draws.
        """
        sources = {f"{name}/{row}": source for row, source in self._sources.items()}
        index = pd.Index([f"{name}/{row}" for row in self.index], dtype="str", name="id")
        priors = {f"{name}/{row}": source for row, source in self._priors.items()}
        rows = pd.DataFrame(self).set_axis(index, axis=0)
        renamed = self.build(rows, sources, priors=priors, measures=self.measures, left_out=self.left_out)
        renamed.better = self.better
        return renamed

    def told(self, rows: Mapping[str, Mapping[str, Any]], under: str = "") -> EffectTable:
        """The table with the figures of a page in place of its own, for rows that the page has.

        Parameters
        ----------
        rows
            Figures by row id and column; None where there is none.
        under
            What stands before the table's ids there.

        Returns
        -------
        EffectTable
            A copy, with the draws of this one.
        """
        out = self.copy()
        known = [row for row in self.index if f"{under}{row}" in rows]
        for column in ("mean", "sd", "median", "lower", "upper", "p_direction", "p_rope", "p_relevant", *_MIXING):
            values = [rows[f"{under}{row}"][column] for row in known]
            out.loc[known, column] = pd.Series(values, index=known, dtype="float64")
        return out

    def measure(self, estimand: str) -> Measure:
        """What the rows of a name are a measure of; of one that does not say, only what it is called is known.

        Parameters
        ----------
        estimand
            As in the column ``estimand``.

        Returns
        -------
        Measure
            Labels, units and sentences.
        """
        return self.measures.get(estimand, UNKNOWN)

    @property
    def draws(self) -> Draws:
        """Draws by row id, for the rows that the table holds."""
        return Draws({row: self._sources[row] for row in self.index if row in self._sources})

    @property
    def prior_draws(self) -> Draws:
        """Draws from the prior by row id, of the rows that have some."""
        return Draws({row: self._priors[row] for row in self.index if row in self._priors})

    def to_records_list(self) -> list[dict[str, Any]]:
        """Rows as dicts of JSON values; None where a figure does not apply or is not finite.

        Returns
        -------
        list of dict
            In the table's order.
        """
        return [
            {str(name): _plain_value(value) for name, value in zip(self.columns, row, strict=True)}
            for row in self.itertuples(index=False)
        ]


def _plain_value(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return None
    return float(value)
