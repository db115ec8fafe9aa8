"""A part of the study as its file declares it: cards, estimates, tables, figures and sentences, made into a `Part`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Any, Self

import numpy as np

from alliance_bayes.api import Fit
from alliance_bayes.effects import ESTIMANDS, EffectTable, effects
from alliance_bayes.model import Design
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.report.estimates import text_of
from alliance_bayes.report.finding import Finding
from alliance_bayes.report.forest import IN_ORDER
from alliance_bayes.report.rows import Column, Label, measured, rows_of
from alliance_bayes.report.small_counts import NOT_SHOWN, shown_counts
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import Row, derived, exact, factor_name
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.populations import population_words
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import (
    AT_ONCE,
    block_forest,
    block_forests,
    block_table,
    factor_order,
    joined,
    level_name,
    one_row,
    prefix_of,
    shown,
)
from alliance_bayes.study.words import spoken
from alliance_bayes.wording import filled, read_wording

__all__ = ["Declaration", "DeclaredPart", "declaration", "few_levels", "whole_part"]

NO_VALUES: Mapping[str, Any] = ReadOnly({})


@dataclass(frozen=True, kw_only=True)
class Model:
    """A card, the population it is fitted to, the fit's name, which is the card's by default, and its dearer checks.

    `refits` names the checks that fit the model again: those on which a row of the summary of findings rests. `impute`
    says that missing values are drawn where those of the study are; `complete` is what the fit to complete rows is then
    called, where other parts have the model with drawn values.
    """

    card: str
    fit: str = ""
    people: str = "everybody"
    refits: Sequence[str] = ()
    impute: bool = False
    complete: str = ""

    def name(self, options: StudyOptions) -> str:
        """Of the fit."""
        return (self.complete if options.imputes else "") or self.fit or self.card


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """An estimand (or several in one table) with its options, of some models of the block and by some factors.

    Parameters
    ----------
    estimand
        Name or names in `alliance_bayes.effects.ESTIMANDS`.
    models
        Keys of the part's models; those of the block by default.
    by
        Of each of these factors that the model has; ``"factors"``: all pooled ones; ``"factors of few levels"``.
    sloped
        Whether only of those by which the slope of the focal predictor differs.
    options
        Of the estimand; False is None.
    from_study
        Options that are fields or properties of :class:`StudyOptions`, by name.
    keep
        Which names in the column ``estimand``; all by default.
    prefix
        What comes before the rows' ids; ``"model"`` is the model's key.
    """

    estimand: str | list[str]
    models: Sequence[str] = ()
    by: str | Sequence[str] = ""
    sloped: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    from_study: Mapping[str, str] = field(default_factory=dict)
    keep: Sequence[str] = ()
    prefix: str = ""

    def table(self, fit: Fit, model: str, factor: str, options: StudyOptions) -> EffectTable:
        """The rows of one model and, where one is named, one factor."""
        arguments: dict[str, Any] = {"prob": options.prob} | ({"factor": factor} if factor else {})
        arguments |= {name: None if value is False else value for name, value in self.options.items()}
        arguments |= {name: getattr(options, source) for name, source in self.from_study.items()}
        if isinstance(self.estimand, str):
            table = ESTIMANDS[self.estimand](fit, **arguments)
        else:
            table = effects(fit, self.estimand, **arguments)
        if self.keep:
            table = table[table["estimand"].isin(self.keep)]
        prefix = model if self.prefix == "model" else self.prefix
        return table.under(prefix) if prefix else table

    def factors(self, fit: Fit) -> list[str]:
        """The factors that the rows are by; one without a name where they are by none."""
        if not self.by:
            return [""]
        focal = fit.spec.focal_predictor(fit.design)
        pooled = [factor.name for factor in fit.design.factors if not self.sloped or focal in factor.terms]
        if isinstance(self.by, str):
            few = few_levels(fit)
            return [name for name in pooled if self.by == "factors" or name in few]
        return [name for name in self.by if name in pooled]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Rows of a block that are shown.

    Parameters
    ----------
    name, caption
        Id in the page, and what stands above or below.
    rows
        "all", "levels" (those of one level, or none), "pairs", or the name of an estimand, or several.
    label
        What a row is called; its level or pair by default. The text may name `level` (the level or pair in words, empty
        without one), `at` (the level as it is), `called` (what the block calls the prefix of its id), `measure` and
        `short` (what its estimand calls it), and `estimand`.
    unit
        In place of the unit that those have in braces.
    """

    name: str
    caption: str
    rows: str | Sequence[str] = "all"
    label: str = ""
    unit: str = ""

    def of(self, rows: EffectTable) -> EffectTable:
        """The rows."""
        return chosen_rows(rows, self.rows)


@dataclass(frozen=True, kw_only=True)
class ShownTable(Shown):
    """A table; `beside`: rows about the same people, of several models, one below the other.

    `observed` is the heading of a column with what was observed, where the part has that.
    """

    heading: str = "Quantity"
    direction: bool | None = None
    beside: bool = False
    observed: str = ""

    def of(self, rows: EffectTable) -> EffectTable:
        """The rows in their order."""
        rows = super().of(rows)
        return factor_order(rows) if self.beside else rows


@dataclass(frozen=True, kw_only=True)
class ShownForest(Shown):
    """A forest plot, or one for each factor of many levels; `rope`: whether it has the rows' ROPE."""

    title: str
    axis: str
    reference: float | None = None
    rope: bool = False
    by_factor: bool = False


@dataclass(frozen=True, kw_only=True)
class Said:
    """A finding: of the first row of an estimand (``prefix/estimand``), or one `each` of "levels" or "pairs"."""

    text: str
    row: str = ""
    each: str = ""
    key: bool = True


@dataclass(frozen=True, kw_only=True)
class DeclaredBlock:
    """A block: of which models, what is estimated, what is shown of it and what is said.

    `called` has what prefixes of rows are called in labels, `values` what its texts may name besides; `by_factor` says
    that the prefix is a factor, each of which has tables of its own.
    """

    name: str
    title: str
    models: Sequence[str] = ()
    text: Sequence[str] = ()
    estimates: Sequence[Estimates] = ()
    tables: Sequence[ShownTable] = ()
    forests: Sequence[ShownForest] = ()
    findings: Sequence[Said] = ()
    called: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    by_factor: bool = False

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """The block of a table of a file; a key that is not known is an error."""
        kinds = {"estimates": Estimates, "tables": ShownTable, "forests": ShownForest, "findings": Said}
        listed: dict[str, Any] = {
            name: [kind(**entry) for entry in table.get(name, ())] for name, kind in kinds.items()
        }
        return cls(**{**table, **listed})


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What the file of a part holds.

    Parameters
    ----------
    title, question, limits
        See :class:`Part`.
    models
        Cards by the names that the part has for them.
    blocks
        In the order of the page.
    sentences
        What else is said, for the part's own code.
    every_block
        Tables and figures that all blocks have.
    full, sessions, column
        What the part needs: the full study, single sessions, a column of at least two values.
    """

    title: str
    question: str
    models: Mapping[str, Model]
    blocks: Mapping[str, DeclaredBlock]
    limits: Sequence[str] = ()
    sentences: Mapping[str, str] = field(default_factory=dict)
    full: bool = False
    sessions: bool = False
    column: str = ""


@cache
def declaration(name: str) -> Declaration:
    """The part that ``parts/<name>.toml`` declares."""
    table = dict(read_wording("alliance_bayes.study", f"parts/{name}.toml"))
    shared = table.pop("every_block", {})
    models = {key: Model(**entry) for key, entry in table.pop("models", {}).items()}
    blocks = {key: DeclaredBlock.of(shared | entry) for key, entry in table.pop("blocks").items()}
    return Declaration(models=models, blocks=blocks, **table)


def chosen_rows(rows: EffectTable, which: str | Sequence[str]) -> EffectTable:
    """All rows, those about one level, those about a pair, or those of an estimand or of several."""
    match which:
        case "all":
            return rows
        case "levels":
            return rows[rows["versus"].isna()]
        case "pairs":
            return rows[rows["versus"].notna()]
    return rows[rows["estimand"].isin([which] if isinstance(which, str) else which)]


def few_levels(fit: Fit) -> list[str]:
    """Pooled factors with few enough levels that every pair is of interest."""
    return [factor.name for factor in fit.design.factors if len(factor.levels) <= IN_ORDER]


class DeclaredPart:
    """Makes a part of what its file declares; what a part computes of its own it adds.

    Blocks go by their keys in the file. Values are what texts name besides the study's options.

    Parameters
    ----------
    name
        Of the part, which ``parts/<name>.toml`` declares.
    runner
        Fits the models.
    """

    def __init__(self, name: str, runner: StudyRunner) -> None:
        self.name, self.runner, self.declaration = name, runner, declaration(name)
        self.blocks: list[Block] = []
        self.findings: list[Finding] = []
        options = runner.options
        chosen = {key: exact(getattr(options, key)) for key in ("improvement", "elevated", "margin", "alliance_margin")}
        self._values = chosen | {
            "half_margin": exact(options.margin / 2),
            "alliance_margin_reason": options.reason("alliance_margin", runner.alliance_scale),
            "the_elevated": population_words("elevated", options),
            "alliance_ends": runner.alliance_ends,
            "prob": f"{100 * options.prob:g}%",
            "small": str(options.small),
        }

    def fit(self, model: str) -> Fit:
        """The fit of one of the part's models."""
        use = self.declaration.models[model]
        return self.runner.fit(use.name(self.runner.options), card=use.card, people=use.people, impute=use.impute)

    def fits(self, *models: str) -> dict[str, Fit]:
        """Fits by model, in the order of the file; of all models by default."""
        return {name: self.fit(name) for name in models or self.declaration.models}

    def estimated(self, key: str, fits: Mapping[str, Fit]) -> EffectTable:
        """The rows of a block's estimates."""
        tables = []
        for _, group in groupby(self.declaration.blocks[key].estimates, lambda entry: (entry.models, entry.by)):
            first, *others = group
            tables += [
                estimates.table(fits[model], model, factor, self.runner.options)
                for model in first.models or fits
                for factor in first.factors(fits[model])
                for estimates in (first, *others)
            ]
        return joined(tables)

    def block(
        self,
        key: str,
        rows: EffectTable | None = None,
        fits: Mapping[str, Fit] | None = None,
        values: Mapping[str, Any] = NO_VALUES,
    ) -> Block:
        """A block's numbers, with the verdict on the draws behind them.

        Parameters
        ----------
        key, values
            See the class.
        rows
            What is estimated; the estimates that the file declares by default.
        fits
            The fits behind the rows; those of the block's models by default.
        """
        block = self.declaration.blocks[key]
        fits = self.fits(*block.models) if fits is None else fits
        rows = self.estimated(key, fits) if rows is None else rows
        return self.runner.block(self.say(block.name, **values), self.say(block.title, **values), rows, fits.values())

    def show(
        self,
        key: str,
        block: Block,
        values: Mapping[str, Any] = NO_VALUES,
        *,
        label: Label | None = None,
        tables: Iterable[Table] = (),
        pictures: Iterable[Picture] = (),
        fit: Fit | None = None,
        observed: Label | None = None,
    ) -> Block:
        """Add a block to the part, with what the file shows of it unless it is withheld.

        Parameters
        ----------
        key, values
            See the class.
        block
            The numbers.
        label
            What rows are called in its tables, in place of what the file says.
        tables, pictures
            More of them, after those of the file.
        fit
            Whose units the rows are in.
        observed
            What was observed of a row, for the tables that the file gives a column for it.
        """
        if not block.withheld:
            layout = _Layout(self, self.declaration.blocks[key], block, values, fit, self._design(block))
            block = block.with_page(
                text=layout.text(),
                tables=[*layout.tables(label, observed), *tables],
                pictures=[*layout.forests(), *pictures],
                of=layout.of,
            )
        self.blocks.append(block)
        return block

    def tell(self, key: str, block: Block, values: Mapping[str, Any] = NO_VALUES) -> None:
        """Add the findings that the file declares of a block, unless it is withheld."""
        estimates = shown(block.rows)
        for declared in () if block.withheld else self.declaration.blocks[key].findings:
            if declared.each:
                rows = [row for _, row in chosen_rows(block.rows, declared.each).iterrows()]
            else:
                prefix, _, estimand = self.say(declared.row, **values).rpartition("/")
                rows = [one_row(block.rows, estimand, prefix)]
            for row in rows:
                text = self.say(declared.text, row=spoken(estimates, row, self._design(block)), **values)
                self.findings.append(Finding(text, (f"{block.name}/{row.name}",), key=declared.key))

    def _design(self, block: Block) -> Design | None:
        """The design of a block's first model; all of them pool over the same factors."""
        fit = self.runner.fitted[block.models[0]].fit if block.models else None
        return fit.design if isinstance(fit, Fit) else None

    def add(self, key: str, block: Block | None = None, values: Mapping[str, Any] = NO_VALUES, **layout: Any) -> Block:
        """Add a block, by default made as the file declares it, and its findings; see :meth:`show`."""
        block = self.show(key, self.block(key, values=values) if block is None else block, values, **layout)
        self.tell(key, block, values)
        return block

    def find(self, sentence: str, rows: Iterable[str] = (), *, key: bool = True, **values: Any) -> None:
        """Add a finding of one of the file's sentences."""
        self.findings.append(Finding(self.sentence(sentence, **values), tuple(rows), key=key))

    def sentence(self, name: str, **values: Any) -> str:
        """One of the file's sentences."""
        return self.say(self.declaration.sentences[name], **values)

    def say(self, text: str, **values: Any) -> str:
        """A text of the file with its values, and those of the study's options."""
        return filled(text, self._values | values)

    def part(self, *, left_out: Iterable[str] = (), numbers: Mapping[str, object] = NO_VALUES) -> Part:
        """The part as far as it is made."""
        return Part(
            self.name,
            self.declaration.title,
            self.declaration.question,
            tuple(self.blocks),
            tuple(self.findings),
            tuple(self.declaration.limits),
            tuple(left_out),
            numbers,
        )


class _Layout:
    """What a block shows as its declaration has it."""

    def __init__(
        self,
        part: DeclaredPart,
        declared: DeclaredBlock,
        block: Block,
        values: Mapping[str, Any],
        fit: Fit | None,
        of: Design | None,
    ) -> None:
        self._declared, self._rows, self._design = declared, block.rows, None if fit is None else fit.design
        self._of = of
        self._part, self._values = part, {"name": block.name, "title": block.title, **declared.values, **values}
        self._called = {prefix: self._say(text) for prefix, text in declared.called.items()}
        #: Models by table, where the rows of a table say by their prefix of which they are.
        self.of: dict[str, tuple[str, ...]] = {}

    def _say(self, text: str, **values: Any) -> str:
        return self._part.say(text, **self._values, **values)

    def text(self) -> list[str]:
        """Paragraphs, without those that are empty with these values."""
        return list(filter(None, map(self._say, self._declared.text)))

    def tables(self, label: Label | None, observed: Label | None = None) -> list[Table]:
        """The tables that have rows; with another label for their rows where one is given."""
        groups = {"": self._rows}
        if self._declared.by_factor:
            prefixes = np.array([prefix_of(row) for row in rows_of(self._rows)], dtype=object)
            groups = {factor: self._rows[prefixes == factor] for factor in dict.fromkeys(prefixes)}
        drawn = self._drawn()
        return [
            self._table(declared, rows, label=label, observed=observed, factor=factor)
            for factor, group in groups.items()
            for declared in self._declared.tables
            if declared not in drawn and len(rows := declared.of(group))
        ]

    def _drawn(self) -> list[ShownTable]:
        """Tables of the rows of a forest plot: they are its data, and are not shown beside it."""
        drawn = [declared.rows for declared in self._declared.forests]
        alone = not self._declared.by_factor
        return [table for table in self._declared.tables if alone and table.rows in drawn and not table.observed]

    def _table(
        self,
        declared: ShownTable,
        rows: EffectTable,
        *,
        label: Label | None = None,
        observed: Label | None = None,
        factor: str = "",
        suffix: str = "",
        whole: bool = False,
    ) -> Table:
        further = [Column(declared.observed, observed, words=True)] if declared.observed and observed else []
        name, prefixes = self._say(declared.name, factor=factor) + suffix, {prefix_of(row) for row in rows_of(rows)}
        uses, options = self._part.declaration.models, self._part.runner.options
        if models := [uses[key].name(options) for key in self._declared.models if key in prefixes]:
            self.of[name] = tuple(models)
        return block_table(
            name,
            self._say(declared.caption, factor_name=factor_name(factor)),
            rows,
            label=label or self._label(declared),
            heading=declared.heading,
            direction=declared.direction,
            further=further,
            at_once=None if whole else AT_ONCE,
        )

    def forests(self) -> list[Picture]:
        """The forest plots that have rows."""
        pictures: list[Picture] = []
        for declared in self._declared.forests:
            rows = declared.of(self._rows)
            limit = float(rows["rope_high"].max())
            name, title, axis = map(self._say, (declared.name, declared.title, declared.axis))
            caption = self._say(declared.caption, rope=derived(limit))
            words: dict[str, Any] = {"axis": axis, "caption": caption, "reference": declared.reference}
            words["people"] = self._people(rows)
            table = next((shown_table for shown_table in self._drawn() if shown_table.rows == declared.rows), None)

            def data(suffix: str, some: EffectTable, table: ShownTable | None = table) -> Table:
                assert table is not None
                return self._table(table, some, suffix=suffix, whole=True)

            if declared.by_factor:
                pictures += block_forests(name, title, rows, table=None if table is None else data, **words)
            elif len(rows):
                rope = (-limit, limit) if declared.rope else None
                words["data"] = None if table is None else data("", rows)
                pictures.append(block_forest(name, title, rows, label=self._label(declared), rope=rope, **words))
        return pictures

    def _people(self, rows: EffectTable) -> Label | None:
        """How many people a level has, where those of the block are those whom the page counts."""
        runner = self._part.runner
        if not rows["level"].notna().all() or rows["versus"].notna().any() or self._of is None:
            return None
        first = runner.first
        if first.moments is not None or self._of.rows.n != first.design.rows.n:
            return None
        factors = [name for name in dict.fromkeys(rows["factor"]) if name in first.design.frame]
        counts = {name: shown_counts(first, name, runner.options.small) for name in factors}

        def people(row: Row) -> str:
            of = counts.get(str(row["factor"]), {})
            return of[row["level"]].text if row["level"] in of else NOT_SHOWN

        return people

    def _label(self, declared: Shown) -> Label:
        """What rows are called: the level or pair, unless the file says more."""
        words: dict[str, Any] = {"design": self._design} | ({"unit": declared.unit} if declared.unit else {})

        def label(row: Row) -> str:
            return self._say(
                declared.label,
                level=level_name(row) if text_of(row, "level") else "",
                at=text_of(row, "level"),
                estimand=row["estimand"],
                called=self._called.get(prefix_of(row), ""),
                measure=measured(self._rows, row, **words),
                short=measured(self._rows, row, short=True, **words),
            )

        return label if declared.label else level_name


def whole_part(name: str, runner: StudyRunner) -> Part:
    """A part of which the file says everything."""
    part = DeclaredPart(name, runner)
    for block in part.declaration.blocks:
        part.add(block)
    return part.part()
