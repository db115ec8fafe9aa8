"""Texts that were written for whoever knows a model's names, with columns and parameters as a page calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pandas as pd

from alliance_bayes.checks.refits import FEW_LEVELS
from alliance_bayes.effects import EffectTable
from alliance_bayes.model import Design
from alliance_bayes.report.parameters import parameter_words, parameters_in
from alliance_bayes.report.privacy import HIDDEN
from alliance_bayes.report.rows import measured_where, row_words, rows_of
from alliance_bayes.report.text import Row, clean, column_name, factor_name, levels_words, varying
from alliance_bayes.wording import Wording

__all__ = ["in_cells", "in_sentences", "quantities_called", "quantity_words", "with_quantities"]

SENTENCES = Wording("alliance_bayes.report", "sentences/spoken.toml")
# The share of those at the upper end, by itself and of an outcome.
_CEILING = re.compile(r"\b([Ss]hare) at ceiling( of)?")

type Spoken = Callable[[str], str]


def in_cells(design: Design, beside: Iterable[str] = ()) -> Spoken:
    """What puts words in place of a model's columns, in headings and cells that hold nothing else.

    Parameters
    ----------
    design
        The design, whose columns are looked for as whole words. A name that is a word itself ("age", "mean") stays.
    beside
        Further columns of the table.
    """
    return _in_pairs(design, beside, "pair_in_cells")


def _columns(design: Design, beside: Iterable[str]) -> Spoken:
    if design.family.event and not design.family.has_trials:
        # Of an event there is one share, of those who had it; of trials there is that of those with nothing else.
        return _of_event(_named_columns(design, beside))
    return _named_columns(design, beside)


def _of_event(columns: Spoken) -> Spoken:
    return lambda text: columns(
        _CEILING.sub(lambda match: f"{match[1]} {SENTENCES('having' if match[2] else 'event')}", text)
    )


def _named_columns(design: Design, beside: Iterable[str]) -> Spoken:
    names = {str(name) for name in (*design.frame.columns, design.outcome.name, *beside)}
    coded = {clean(name): column_name(name) for name in names if not name.isalpha()}
    if not coded:
        return lambda text: text
    choices = "|".join(map(re.escape, sorted(coded, key=lambda name: (-len(name), name))))
    # It may be part of a parameter's, a level's or a row's name: tau_country[alliance_t1], lag(who5_followup),
    # mean/provider_type=coach.
    # A formula to be written stays as it is.
    pattern = re.compile(rf"\"~ [^\"]*\"|(?<![\w\[(.:'/])(?P<quote>'?)(?P<name>{choices})(?P=quote)(?![\w\[\])(/=])")
    return lambda text: pattern.sub(lambda match: coded.get(match["name"] or "", match.group()), text)


def _in_pairs(design: Design, beside: Iterable[str], form: str) -> Spoken:
    """The same with differences between two levels, which checks write for programs, in a form of words."""
    columns = _columns(design, beside)
    named = {factor.name: list(factor.levels) for factor in design.factors}
    named |= {
        str(name): [str(level) for level in column.cat.categories]
        for name, column in design.frame.items()
        if isinstance(column.dtype, pd.CategoricalDtype)
    }
    named |= {str(name): ["0", "1"] for name in design.frame.columns if design.is_indicator(str(name))}
    few = {clean(name): (name, levels) for name, levels in named.items() if len(levels) <= FEW_LEVELS}
    patterns = [
        re.compile(rf"(?<!\w)by (?P<factor>{re.escape(factor)}): (?P<level>{any_of}) - (?P<versus>{any_of})(?![\w-])")
        for factor, (_, levels) in few.items()
        if (any_of := "|".join(re.escape(clean(level)) for level in sorted(levels, key=len, reverse=True)))
    ]

    def pair(match: re.Match[str]) -> str:
        name = factor_name(few[match["factor"]][0])
        return SENTENCES(form, factor=name, level=match["level"], versus=match["versus"])

    def worded(text: str) -> str:
        for pattern in patterns:
            text = pattern.sub(pair, text)
        return columns(text)

    return worded


def in_sentences(design: Design, beside: Iterable[str] = ()) -> Spoken:
    """The same of sentences, in which parameters are called what they are, too: "the SD of slopes ..."."""
    columns, parameters = _in_pairs(design, beside, "pair"), parameters_in(design, quoted=True)
    factors = {clean(factor.name): factor for factor in design.factors}
    if not factors:
        return lambda text: columns(parameters(text))
    choices = "|".join(map(re.escape, sorted(factors, key=lambda name: (-len(name), name))))
    pattern = re.compile(rf"(?<!\w)tau_(?P<factor>{choices})\[(?P<term>[^\[\]]+(?:\[[^\[\]]*\])?)\]")

    def spread(match: re.Match[str]) -> str:
        of = "level" if match["term"] == "Intercept" else varying(design, match["term"])
        return f"the SD of the {of} over {levels_words([factors[match['factor']]])}"

    return lambda text: columns(parameters(pattern.sub(spread, text)))


def with_quantities(spoken: Spoken, table: EffectTable, design: Design, redact: Spoken) -> Spoken:
    """The same with the ids of rows of effects as what these are: “slope, provider type: coach”.

    Parameters
    ----------
    spoken
        What is done besides.
    table, design
        The effects and the design.
    redact
        What was done to the text, and so to the ids in it, before.
    """
    estimands = [str(name) for name in dict.fromkeys(table["estimand"])]

    def worded(text: str) -> str:
        # Most texts name none, and a table may have thousands.
        named = [name for name in estimands if f"{name}/" in text]
        if named:
            rows = table[table["estimand"].isin(named)]
            by_id = {redact(str(row["id"])): row for row in rows_of(rows)}
            # What is not shown has a name that says no more than that.
            present = (one for one in by_id if one in text and "/" in one)
            for identity in sorted(present, key=len, reverse=True):
                pattern = re.compile(rf"(?<![\w/]){re.escape(identity)}(?![\w/])")
                # Nothing in the words is a reference to a group of the pattern.
                words = f"“{quantity_words(table, by_id[identity], design, redact)}”".replace("\\", r"\\")
                text = pattern.sub(words, text)
        return spoken(text)

    return worded


def quantity_words(table: EffectTable, row: Row, design: Design, redact: Spoken) -> str:
    """A row as a reader knows it, without what may not be shown."""
    # By the id, which says of which factor a level is: a provider may have the name of anything, "mean" or "Value".
    if HIDDEN in redact(str(row["id"])):
        row = {**row, **{name: HIDDEN for name in ("level", "versus") if not pd.isna(row[name])}}
    label, lead = measured_where(table, row, design=design), table.measure(str(row["estimand"])).lead
    # "R²" and "ΔR²" stay, and so do levels, which are the data's.
    of_data = label.startswith(row_words(row, design)["level"] or "\0")
    lowered = label[:1].lower() + label[1:] if label[1:2].islower() and not of_data else label
    return redact(f"{lead}, {lowered}" if lead else lowered)


def quantities_called(
    names: Iterable[object], design: Design, effects: EffectTable | None, redact: Callable[[str], str]
) -> list[str | None]:
    """What quantities are called in the cells of a table; None where nothing is known but their names.

    Parameters
    ----------
    names
        Of parameters, with which the name is given too, and ids of effects.
    design, effects
        The design and the effects; None without.
    redact
        Takes out of a text what may not be shown.
    """
    wanted = list(map(str, names))
    known = [] if effects is None else [name for name in dict.fromkeys(wanted) if name in effects.index]
    titles: dict[str, str] = {}
    if effects is not None and known:
        rows = effects.loc[known]
        titles = {str(row["id"]): quantity_words(rows, row, design, redact) for row in rows_of(rows)}

    def called(name: str) -> str | None:
        if name in titles:
            return titles[name]
        # What may not be shown is told by the brackets that it stands in, which words have not.
        shown = redact(name)
        words = parameter_words(design, shown)
        return (f"{words} ({shown})" if "[" in shown else words) if words else None

    return [called(name) for name in wanted]
