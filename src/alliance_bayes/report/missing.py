"""What was not observed: by column, in patterns, against what was drawn, and what complete rows alone would say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.report.codings import tally
from alliance_bayes.report.complete_rows import Comparison, compared_with, of_complete_rows
from alliance_bayes.report.drawn import auxiliary_of, error_of, is_given, lacking, shown_lacking, values_drawn
from alliance_bayes.report.patterns import MOST_COLUMNS, Pattern, patterns_of, shown_patterns
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import NOT_SHOWN, hidden_levels, unit_words
from alliance_bayes.report.style import ACCENT, GREY, LIGHT, SECOND, WIDTH
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import (
    capital,
    clean,
    column_name,
    count,
    derived,
    join,
    number,
    percent,
    shortened,
    unit_of,
    units,
)
from alliance_bayes.report.tipping import shifted, shifted_contrast, shifted_rows
from alliance_bayes.report.unions import told_unions
from alliance_bayes.report.untold import is_two_valued, observed_told
from alliance_bayes.wording import Wording, read_wording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from alliance_bayes.report.view import View

__all__ = ["compared_words", "missing"]

SENTENCES = Wording("alliance_bayes.report", "sentences/missing.toml")
_QUARTILES = (0.25, 0.5, 0.75)


def _headings(name: str) -> list[str]:
    return list(read_wording("alliance_bayes.report", "sentences/missing.toml")[name])


@dataclass(frozen=True)
class _Numbers:
    """Mean, SD and quartiles of some values of a number, in its own unit."""

    mean: float
    sd: float
    quartiles: tuple[float, ...]

    @classmethod
    def of(cls, values: np.ndarray) -> _Numbers:
        """Of values in one axis, or by table in two: SDs are averaged over tables."""
        tables = np.atleast_2d(values)
        sd = float(tables.std(axis=1, ddof=1).mean()) if tables.shape[1] > 1 else np.nan
        return cls(float(values.mean()), sd, tuple(map(float, np.quantile(values, _QUARTILES))))

    def rounded(self, places: int) -> dict[str, float]:
        """For the JSON, no more exact than the page: an exact mean would tell of how many it is."""
        return {"mean": round(self.mean, places), "sd": round(self.sd, places)}


@dataclass(frozen=True)
class _Column:
    """An incomplete column: how many rows lack a value, and what is observed and drawn, where that may be told."""

    name: str
    n: int | None
    beside: bool
    numbers: tuple[_Numbers, _Numbers] | None = None
    shares: Mapping[str, tuple[float, float]] | None = None
    places: int = 1


def missing(view: View) -> Section | None:
    """The section; None where every value was observed."""
    fit, small = view.fit, view.small
    if fit.imputation is None:
        return None
    columns = [_column(fit, name, small, withheld=view.withheld) for name in lacking(fit)]
    content: list[str | Table | Picture] = []
    error = error_of(fit)
    beside = [column_name(name) for name in auxiliary_of(fit)]
    if (values := values_drawn(fit, small)) is not None:
        content.append(SENTENCES("introduction", values=values, beside=join(beside), given=is_given(fit)))
    if error:
        content.append(
            SENTENCES(
                "introduction_error",
                error=join([column_name(name) for name in error]),
                sizes=join([f"{derived(sd)} {units(unit_of(fit.design, name))}" for name, sd in error.items()]),
                several=len(error) > 1,
            )
        )
    patterns: list[Pattern] = []
    if columns:
        content.append(_table(fit, columns, small, withheld=view.withheld))
        patterns = _patterns(fit, small)
        # One of nothing that is missing and of all others together has nothing to draw, nor has that of one column.
        if len(columns) > 1:
            lacked = any(one.lacks for one in patterns)
            content.append(_pattern_picture(view, patterns) if lacked else SENTENCES("no_pattern", small=small))
        if (picture := _against(view, columns)) is not None:
            content.append(picture)
    tables: list[EffectTable] = []
    comparison = None if view.withheld else compared_with(view)
    if comparison is not None:
        content.append(compared_words(fit, comparison))
        tables.append(comparison.rows)
    moved = shifted(view)
    for place, one in enumerate(moved):
        content.append(one.sentence(again=place > 0))
        if (picture := one.picture) is not None:
            content.append(picture)
        tables.append(one.found.rows)
    numbers = {
        "missing": {
            "columns": [_record(column) for column in columns],
            "patterns": [{"lacks": None if one.lacks is None else list(one.lacks), "n": one.n} for one in patterns],
            "shifted": [one.record for one in moved],
        }
    }
    return Section.of(
        "missing",
        SENTENCES("title"),
        *content,
        numbers=numbers,
        rows=EffectTable.concat(tables) if tables else None,
        remake=partial(
            _remade,
            prob=view.prob,
            complete=comparison is not None,
            columns=[one.found.column for one in moved],
            contrast=shifted_contrast(view),
        )
        if tables
        else None,
    )


def _remade(
    fit: FittedModel, *, prob: float, complete: bool, columns: Sequence[str], contrast: pd.Series | None
) -> EffectTable | None:
    """The section's estimates of any fit: of complete rows, and with missing values moved."""
    tables = [of_complete_rows(fit, prob=prob)] if complete else []
    tables += shifted_rows(fit, columns=columns, contrast=contrast)
    present = [table for table in tables if table is not None]
    return EffectTable.concat(present) if present else None


def _record(column: _Column) -> dict[str, Any]:
    record: dict[str, Any] = {"column": column.name, "missing": column.n, "in_model": not column.beside}
    if column.numbers is not None:
        observed, imputed = (numbers.rounded(column.places) for numbers in column.numbers)
        record |= {"observed": observed, "imputed": imputed}
    if column.shares is not None:
        for place, name in enumerate(("observed", "imputed")):
            record[name] = {level: round(shares[place], 3) for level, shares in column.shares.items()}
    return record


def _column(fit: FittedModel, name: str, small: int, *, withheld: bool) -> _Column:
    """A column; draws that did not pass the checks are not described."""
    imputation = fit.imputation
    assert imputation is not None
    bare = _Column(name, shown_lacking(fit, name, small), name in auxiliary_of(fit))
    if withheld or name not in fit.design.frame or bare.n is None:
        return bare
    known, drawn = seen(fit, name), imputation.values[name]
    categorical = isinstance(fit.design.frame[name].dtype, pd.CategoricalDtype)
    if categorical or is_two_valued(fit, name):
        if name in fit.unnamed_columns or hidden_levels(fit, small).get(name):
            return bare
        codes, levels = fit.design.levels_of(name) if categorical else _two(fit, name)
        observed = tally(fit, np.where(known, codes, -1), len(levels))
        if ((observed > 0) & (observed < small)).any():
            return bare
        share = np.bincount(codes[known], minlength=len(levels)) / known.sum()
        values = drawn if categorical else np.searchsorted([float(level) for level in levels], drawn)
        imputed = np.bincount(values.astype(np.int64).ravel(), minlength=len(levels)) / drawn.size
        shares = {level: (float(share[k]), float(imputed[k])) for k, level in enumerate(levels)}
        return replace(bare, shares=shares)
    if not observed_told(fit, name, None, small)[""]:
        return bare
    both = _Numbers.of(fit.design.frame[name].to_numpy(float)[known]), _Numbers.of(drawn)
    places = max(0, 1 - int(np.floor(np.log10(both[0].sd)))) if both[0].sd > 0 else 1
    return replace(bare, numbers=both, places=places)


def _two(fit: FittedModel, name: str) -> tuple[np.ndarray, Sequence[str]]:
    values = fit.design.frame[name].to_numpy(float)
    unique = np.unique(values)
    return np.searchsorted(unique, values), [f"{value:g}" for value in unique]


def _table(fit: FittedModel, columns: Sequence[_Column], small: int, *, withheld: bool) -> Table:
    n, rows = fit.flow.analysed, []
    for column in columns:
        name = SENTENCES("role", column=column_name(column.name), beside=column.beside)
        amount = NOT_SHOWN
        if column.n is not None:
            amount = SENTENCES("missing", n=count(column.n), share=percent(column.n / n, 1))
        if column.shares is not None:
            rows.append([name, amount, "", ""])
            for level, shares in column.shares.items():
                label = SENTENCES("level", column=column_name(column.name), level=clean(level))
                rows.append([label, "", *(percent(share, 1) for share in shares)])
        elif column.numbers is not None:
            printed = [f"{number(o.mean, column.places)} ({number(o.sd, column.places)})" for o in column.numbers]
            rows.append([name, amount, *printed])
        else:
            rows.append([name, amount, NOT_SHOWN, NOT_SHOWN])
    imputation = fit.imputation
    assert imputation is not None
    modelled = [column for column in columns if not column.beside]
    return Table.of(
        "table-missing",
        SENTENCES("caption", shown=any(one.numbers or one.shares for one in columns)),
        _headings("headings"),
        rows,
        note=SENTENCES(
            "note",
            tables=count(imputation.tables),
            few=any(one.n is None or (one.numbers is None and one.shares is None) for one in modelled) and not withheld,
            withheld=withheld,
            small=small,
            beside=any(one.beside for one in columns),
        ),
    )


def _patterns(fit: FittedModel, small: int) -> list[Pattern]:
    """Patterns of rows; where somebody has several, each must be of enough people."""
    places = lacking(fit)
    unions = told_unions(fit, small)
    joint = {name for names in unions for name in names}
    most = sorted(places, key=lambda name: (name not in joint, -places[name].size))[:MOST_COLUMNS]
    chosen = {name: places[name] for name in places if name in most}
    n = len(fit.design.frame)
    if fit.people is not None:
        return []
    totals = {name: shown_lacking(fit, name, small) for name in chosen}
    return shown_patterns(patterns_of(chosen, n), totals, small, unions)


def _lacks(pattern: Pattern) -> str | None:
    return None if pattern.lacks is None else join([column_name(name) for name in pattern.lacks])


def _pattern_picture(view: View, patterns: Sequence[Pattern]) -> Picture:
    fit, n = view.fit, len(view.fit.design.frame)
    names = [name for name in lacking(fit) if any(name in (one.lacks or ()) for one in patterns)]
    printed = [(count(one.n), percent(one.n / n, 1)) for one in patterns]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for line, one in enumerate(patterns):
            for place, name in enumerate(names):
                if one.lacks is None:
                    axes.text(place, line, "…", ha="center", va="center", color=GREY)
                    continue
                fill, edge = (SECOND, SECOND) if name in one.lacks else ("none", GREY)
                axes.scatter([place], [line], marker="s", s=120, color=fill, edgecolors=edge)
            axes.text(len(names) - 0.4, line, "  ".join(printed[line]), va="center")
        axes.set_xlim(-0.6, len(names) + 1.2)
        axes.set_ylim(len(patterns) - 0.5, -0.5)
        axes.set_xticks(range(len(names)), [shortened(column_name(name), 16) for name in names])
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(patterns)), [str(line + 1) for line in range(len(patterns))])
        axes.set_ylabel("pattern")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    whole = [
        SENTENCES("pattern_line", lacks=_lacks(one), n=of[0], share=of[1])
        for one, of in zip(patterns, printed, strict=True)
    ]
    return view.figure(
        paint,
        name="missing-patterns",
        title=SENTENCES("pattern_title"),
        caption=SENTENCES(
            "pattern_caption",
            units=unit_words(fit),
            rest=any(one.lacks is None for one in patterns),
            some=len(lacking(fit)) > MOST_COLUMNS,
        ),
        description=SENTENCES("pattern_description", patterns=whole),
        size=(WIDTH, 0.9 + 0.34 * len(patterns)),
        data=Table.of(
            "missing-patterns-data",
            SENTENCES("pattern_title"),
            _headings("pattern_headings"),
            [
                (capital(SENTENCES("pattern_name", lacks=_lacks(one))), *of)
                for one, of in zip(patterns, printed, strict=True)
            ],
        ),
    )


def _against(view: View, columns: Sequence[_Column]) -> Picture | None:
    """Observed against imputed numbers of every column of which both may be told."""
    numeric = [column for column in columns if column.numbers is not None][:MOST_COLUMNS]
    imputation = view.fit.imputation
    if not numeric or imputation is None:
        return None
    kinds = (SENTENCES("observed"), SENTENCES("imputed"))

    def paint(figure: Figure) -> None:
        every = np.atleast_1d(figure.subplots(len(numeric), 1))
        for axes, column in zip(every, numeric, strict=True):
            looks = ((ACCENT, "-", "o"), (SECOND, (0, (2, 1)), "D"))
            for line, (one, (colour, style, marker)) in enumerate(zip(column.numbers or (), looks, strict=True)):
                lower, _, upper = one.quartiles
                axes.plot([lower, upper], [line, line], color=colour, linewidth=3, linestyle=style)
                axes.plot([one.mean], [line], marker, color=colour, markersize=6)
            axes.set_yticks([0, 1], kinds)
            axes.set_ylim(1.6, -0.6)
            axes.set_xlabel(f"{column_name(column.name)} ({units(unit_of(view.fit.design, column.name))})")
            axes.grid(axis="x", color=LIGHT)

    rows = [
        (
            column_name(column.name),
            kind,
            number(one.mean, column.places),
            *(number(value, column.places) for value in one.quartiles),
        )
        for column in numeric
        for kind, one in zip(kinds, column.numbers or (), strict=True)
    ]
    title = SENTENCES("against_title")
    return view.figure(
        paint,
        name="missing-against",
        title=title,
        caption=SENTENCES("against_caption", tables=count(imputation.tables)),
        description="; ".join(f"{row[0]}, {row[1]}: {row[2]} ({row[3]} to {row[5]})" for row in rows) + ".",
        size=(WIDTH, 0.4 + 1.25 * len(numeric)),
        data=Table.of("missing-against-data", title, _headings("against_headings"), rows, words=(1,)),
    )


def compared_words(fit: FittedModel, comparison: Comparison) -> str:
    """What complete rows alone say of what the model is asked, beside all rows."""
    return SENTENCES(
        "compared",
        units=unit_words(fit),
        what=comparison.what,
        complete=comparison.complete,
        own=comparison.own,
        same=comparison.verdict == "pass",
    )
