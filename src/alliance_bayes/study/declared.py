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
from alliance_bayes.report.findings import Finding
from alliance_bayes.report.rows import Label, measured, rows_of, text_of
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import Row, derived, exact, factor_name
from alliance_bayes.report.wording import filled, read_wording
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.populations import population_words
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import (
    FEW_LEVELS,
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

__all__ = ["Declaration", "DeclaredPart", "declaration", "few_levels", "whole_part"]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A card, the population it is fitted to, and the fit's name, which is the card's by default."""

    card: str
    fit: str = ""
    people: str = "everybody"


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
    options: Mapping[str, Any] = field(default_factory=dict)
    from_study: Mapping[str, str] = field(default_factory=dict)
    keep: Sequence[str] = ()
    prefix: str = ""

    def table(self, fit: Fit, model: str, factor: str, options: StudyOptions) -> EffectTable:
        """The rows of one model and, where one is named, one factor."""
        given: dict[str, Any] = {"prob": options.prob} | ({"factor": factor} if factor else {})
        given |= {name: None if value is False else value for name, value in self.options.items()}
        given |= {name: getattr(options, source) for name, source in self.from_study.items()}
        if isinstance(self.estimand, str):
            table = ESTIMANDS[self.estimand](fit, **given)
        else:
            table = effects(fit, self.estimand, **given)
        if self.keep:
            table = table[table["estimand"].isin(self.keep)]
        prefix = model if self.prefix == "model" else self.prefix
        return table.under(prefix) if prefix else table

    def factors(self, fit: Fit) -> list[str]:
        """The factors that the rows are by; one without a name where they are by none."""
        pooled = {factor.name: len(factor.levels) for factor in fit.design.factors}
        match self.by:
            case "":
                return [""]
            case "factors":
                return list(pooled)
            case "factors of few levels":
                return few_levels(fit)
        return [name for name in self.by if name in pooled]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Rows of a block that are shown: all, "levels", "pairs", or those of an estimand or of several."""

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
    """A table; `beside`: rows about the same people, of several models, one below the other."""

    heading: str = "Quantity"
    direction: bool | None = None
    beside: bool = False

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
        listed: dict[str, Any] = {name: [kind(**one) for one in table.get(name, ())] for name, kind in kinds.items()}
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
    models = {key: Model(**one) for key, one in table.pop("models", {}).items()}
    blocks = {key: DeclaredBlock.of(shared | one) for key, one in table.pop("blocks").items()}
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
    return [factor.name for factor in fit.design.factors if len(factor.levels) <= FEW_LEVELS]


# What is no value of a text among the arguments of `DeclaredPart.show`.
_OF_SHOW = ("label", "tables", "pictures", "fit")


class DeclaredPart:
    """Makes a part of what its file declares; what a part computes of its own it adds.

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
        self._values = {
            **{
                name: exact(getattr(options, name)) for name in ("improvement", "elevated", "margin", "alliance_margin")
            },
            "half_margin": exact(options.margin / 2),
            "alliance_margin_reason": options.reason("alliance_margin"),
            "the_elevated": population_words("elevated", options),
            "prob": f"{100 * options.prob:g}%",
            "small": str(options.small),
        }

    def fit(self, model: str) -> Fit:
        """The fit of one of the part's models."""
        of = self.declaration.models[model]
        return self.runner.fit(of.fit or of.card, card=of.card, people=of.people)

    def fits(self, *models: str) -> dict[str, Fit]:
        """Fits by model, in the order of the file; of all models by default."""
        return {name: self.fit(name) for name in models or self.declaration.models}

    def estimated(self, block: str, fits: Mapping[str, Fit]) -> EffectTable:
        """The rows of a block's estimates."""
        tables = []
        for (models, _), group in groupby(self.declaration.blocks[block].estimates, lambda one: (one.models, one.by)):
            together = list(group)
            tables += [
                one.table(fits[model], model, factor, self.runner.options)
                for model in models or fits
                for factor in together[0].factors(fits[model])
                for one in together
            ]
        return joined(tables)

    def block(
        self,
        block: str,
        rows: EffectTable | None = None,
        fits: Mapping[str, Fit] | None = None,
        *,
        estimated_with: Mapping[str, Fit] | None = None,
        **values: Any,
    ) -> Block:
        """A block's numbers, with the verdict on the draws behind them.

        Parameters
        ----------
        block
            Its key in the file.
        rows
            What is estimated; the estimates that the file declares by default.
        fits
            The fits behind the rows; those of its models by default.
        estimated_with
            Fits that the estimates are made of in place of these.
        **values
            What its texts name.
        """
        of = self.declaration.blocks[block]
        if fits is None:
            fits = self.fits(*of.models)
        if rows is None:
            rows = self.estimated(block, estimated_with or fits)
        return self.runner.block(self.say(of.name, **values), self.say(of.title, **values), rows, fits.values())

    def show(
        self,
        block: str,
        made: Block,
        *,
        label: Label | None = None,
        tables: Iterable[Table] = (),
        pictures: Iterable[Picture] = (),
        fit: Fit | None = None,
        **values: Any,
    ) -> Block:
        """Add a block to the part, with what the file shows and says of it unless it is withheld.

        Parameters
        ----------
        block
            Its key in the file.
        made
            The block.
        label
            What rows are called in its tables, in place of what the file says.
        tables, pictures
            More of them, after those of the file.
        fit
            Whose units the rows are in.
        **values
            What its texts name.
        """
        of = self.declaration.blocks[block]
        if not made.withheld:
            values = {"name": made.name, "title": made.title, **of.values, **values}
            text = [self.say(paragraph, **values) for paragraph in of.text]
            forests = [picture for one in of.forests for picture in self._forests(one, of, made.rows, fit, values)]
            made = made.with_page(
                text=filter(None, text),
                tables=[*self._tables(block, made.rows, label=label, fit=fit, **values), *tables],
                pictures=[*forests, *pictures],
            )
        self.blocks.append(made)
        return made

    def tell(self, block: str, made: Block, **values: Any) -> None:
        """Add the findings that the file declares of a block, unless it is withheld."""
        for of in () if made.withheld else self.declaration.blocks[block].findings:
            if of.each:
                rows = [row for _, row in chosen_rows(made.rows, of.each).iterrows()]
            else:
                prefix, _, estimand = self.say(of.row, **values).rpartition("/")
                rows = [one_row(made.rows, estimand, prefix)]
            estimates = shown(made.rows)
            for row in rows:
                text = self.say(of.text, row=spoken(estimates, row), **values)
                self.findings.append(Finding(text, (f"{made.name}/{row.name}",), key=of.key))

    def add(self, block: str, made: Block | None = None, **shown_with: Any) -> Block:
        """Add a block, made as the file declares it by default, and what the file says of it; see :meth:`show`."""
        made = self.show(block, self.block(block) if made is None else made, **shown_with)
        self.tell(block, made, **{name: value for name, value in shown_with.items() if name not in _OF_SHOW})
        return made

    def find(self, sentence: str, rows: Iterable[str] = (), *, key: bool = True, **values: Any) -> None:
        """Add a finding of one of the file's sentences."""
        self.findings.append(Finding(self.sentence(sentence, **values), tuple(rows), key=key))

    def sentence(self, name: str, **values: Any) -> str:
        """One of the file's sentences."""
        return self.say(self.declaration.sentences[name], **values)

    def say(self, text: str, **values: Any) -> str:
        """A text of the file with its values, and those of the study's options."""
        return filled(text, self._values | values)

    def part(self, *, left_out: Iterable[str] = (), numbers: Mapping[str, object] | None = None) -> Part:
        """The part as far as it is made."""
        of = self.declaration
        blocks, findings = tuple(self.blocks), tuple(self.findings)
        return Part(
            self.name, of.title, of.question, blocks, findings, tuple(of.limits), tuple(left_out), dict(numbers or {})
        )

    def _tables(
        self, block: str, rows: EffectTable, *, label: Label | None = None, fit: Fit | None = None, **values: Any
    ) -> list[Table]:
        """The tables of a block that have rows."""
        of, groups = self.declaration.blocks[block], {"": rows}
        if of.by_factor:
            prefixes = np.array([prefix_of(row) for row in rows_of(rows)], dtype=object)
            groups = {factor: rows[prefixes == factor] for factor in dict.fromkeys(prefixes)}
        tables = []
        for factor, group in groups.items():
            named = {**values, "factor": factor, "factor_name": factor_name(factor)} if factor else values
            for one in of.tables:
                if len(some := one.of(group)):
                    table = block_table(
                        self.say(one.name, **named),
                        self.say(one.caption, **named),
                        some,
                        label=label or self._label(one, of, rows, fit, values),
                        heading=one.heading,
                        direction=one.direction,
                    )
                    tables.append(table)
        return tables

    def _forests(
        self, of: ShownForest, block: DeclaredBlock, rows: EffectTable, fit: Fit | None, values: Mapping[str, Any]
    ) -> list[Picture]:
        some = of.of(rows)
        if not len(some):
            return []
        limit = float(some["rope_high"].max())
        values = {**values, "rope": derived(limit)}
        name, title, axis, caption = (self.say(text, **values) for text in (of.name, of.title, of.axis, of.caption))
        if of.by_factor:
            return block_forests(name, title, some, axis=axis, caption=caption, reference=of.reference)
        picture = block_forest(
            name,
            title,
            some,
            axis=axis,
            caption=caption,
            label=self._label(of, block, rows, fit, values),
            reference=of.reference,
            rope=(-limit, limit) if of.rope else None,
        )
        return [picture]

    def _label(
        self, of: Shown, block: DeclaredBlock, rows: EffectTable, fit: Fit | None, values: Mapping[str, Any]
    ) -> Label:
        """What rows are called: the level or pair, unless the file says more."""
        if not of.label:
            return level_name
        called = {prefix: self.say(text, **values) for prefix, text in block.called.items()}
        design = None if fit is None else fit.design
        words: dict[str, Any] = {"unit": of.unit} if of.unit else {}

        def label(row: Row) -> str:
            return self.say(
                of.label,
                **values,
                level=level_name(row) if text_of(row, "level") else "",
                at=text_of(row, "level"),
                estimand=row["estimand"],
                called=called.get(prefix_of(row), ""),
                measure=measured(rows, row, design=design, **words),
                short=measured(rows, row, design=design, short=True, **words),
            )

        return label


def whole_part(name: str, runner: StudyRunner) -> Part:
    """A part of which the file says everything."""
    part = DeclaredPart(name, runner)
    for block in part.declaration.blocks:
        part.add(block)
    return part.part()
