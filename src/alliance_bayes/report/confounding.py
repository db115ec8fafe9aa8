"""How strong an unmeasured cause must be: a short section, and one sentence of the limitations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.effects.confounding import confounding
from alliance_bayes.effects.strength import as_strong_as
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.answer import contrast_row
from alliance_bayes.report.codings import decided
from alliance_bayes.report.contours import CONTOURS_SIZE, Contour, Contours, Point
from alliance_bayes.report.estimates import Estimates, text_of
from alliance_bayes.report.rows import Column, effect_table, estimate_columns, rope_of, rows_of
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import shown_cells
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import SHOWN, Table
from alliance_bayes.report.text import (
    Row,
    clean,
    column_name,
    factor_name,
    join,
    number,
    percent,
    proportion,
    unit_of,
    units,
)
from alliance_bayes.report.untold import groups_told, is_two_valued, untold
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["ID", "confounding_effects", "contours_of", "limitation", "unmeasured", "unmeasured_limitation"]

SENTENCES = Wording("alliance_bayes.report", "sentences/confounding.toml")
#: Anchor, and under which the page's manifest has the rows.
ID = "confounding"
# Covariates that the figure names, and rows of its data.
_NAMED, _ROWS = 3, 10
# Share that a covariate may explain by chance and be told as one that a cause might be as strong as.
_BY_CHANCE = 0.1


def confounding_effects(fit: FittedModel, *, contrast: pd.Series, small: int) -> EffectTable:
    """How strong an unmeasured cause must be to explain the declared contrast.

    Parameters
    ----------
    fit
        The fit.
    contrast
        The row of the contrast, of a number or of two levels, whose probability, interval, population and ROPE these
        rows have.
    small
        Fewest people that a shown count stands for: nothing is said of columns that would tell of fewer.
    """
    of_levels = isinstance(contrast["level"], str)
    predictor = str(contrast["factor" if of_levels else "term"])
    levels = (str(contrast["versus"]), str(contrast["level"])) if of_levels else None
    prob, rope = float(contrast["prob"]), rope_of(contrast)
    interval, population = contrast["interval"], contrast["population"]
    # The section and the limitations ask for the same.
    known, key = decided(fit), ("confounding", predictor, levels, prob, interval, population, rope, small)
    if key not in known:
        table = confounding(
            fit,
            predictor=predictor,
            levels=levels,
            prob=prob,
            interval=interval,
            population=population,
            rope=rope,
            relevant=None,
        )
        # What a covariate explains has its SD in it.
        hidden = set(untold(fit, small))
        if of_levels:
            hidden |= {name for name in _covariates(table) if not _crossed(fit, name, predictor, small)}
        known[key] = table[[not (isinstance(name, str) and name in hidden) for name in table["factor"]]]
    return cast(EffectTable, known[key])


def _covariates(table: EffectTable) -> list[str]:
    return [name for name in dict.fromkeys(table["factor"]) if isinstance(name, str)]


def _crossed(fit: FittedModel, name: str, by: str, small: int) -> bool:
    """Whether what Table 1 tells of a covariate by the levels of a factor is told of all: a share tells the rest."""
    if isinstance(fit.design.frame[name].dtype, pd.CategoricalDtype) or is_two_valued(fit, name):
        cells = shown_cells(fit, name, by, small)
        return all(cell.number is not None for groups in cells.values() for cell in groups.values())
    shown = groups_told(fit, name, by, small)
    return all(shown[level] for level in fit.design.level_labels(by))


@dataclass(frozen=True)
class _Names:
    """What is compared, in full and in short, the outcome, and whether levels are compared."""

    focal: str
    short: str
    outcome: str
    levels: bool

    @classmethod
    def of(cls, fit: FittedModel, contrast: pd.Series) -> _Names:
        """Those of a contrast."""
        outcome = column_name(fit.design.outcome.name)
        if not isinstance(contrast["level"], str):
            name = column_name(str(contrast["term"]))
            return cls(name, name, outcome, levels=False)
        factor = str(contrast["factor"])
        short = factor_name(factor)
        ends = {name: clean(contrast[name]) for name in ("level", "versus")}
        return cls(SENTENCES("levels", factor=short, **ends), short, outcome, levels=True)

    @property
    def words(self) -> dict[str, str]:
        """For a sentence."""
        return {"focal": self.focal, "outcome": self.outcome}

    @property
    def heads(self) -> dict[str, str]:
        """For a heading, or an axis."""
        return {"focal": self.short, "outcome": self.outcome}


def unmeasured(view: View) -> Section | None:
    """The section; None without a slope that the page is about."""
    contrast = _contrast(view)
    if contrast is None:
        return None
    # Remembered: a page that is made again makes them twice of one fit.
    remake = lru_cache(maxsize=1)(partial(confounding_effects, contrast=contrast, small=view.small))
    table = remake(view.fit)
    estimates = view.estimated(ID, table)
    if (sentence := _said(view.fit, estimates, contrast)) is None:
        return None
    content: list[str | Table | Picture] = [sentence]
    above = float(contrast["median"]) >= 0
    strong = _by_influence(view.fit, estimates, above=above)
    if len(strong):
        content[0] = f"{sentence} {_strongest(view.fit, estimates, strong, above=above)}"
    content[0] = f"{content[0]} {SENTENCES('nobody')}"
    names = _Names.of(view.fit, contrast)
    if (painter := contours_of(view.fit, estimates, contrast)) is not None:
        content.append(_picture(view, estimates, painter, names, _to_margin(estimates, contrast)))
    if len(strong):
        content.append(_table(view.fit, estimates, strong, names))
    numbers = {ID: estimates.records()}
    return Section.of(ID, SENTENCES("title"), *content, numbers=numbers, rows=table, remake=remake)


def unmeasured_limitation(view: View) -> str:
    """One sentence of the limitations, where the page has the section; empty where it has not."""
    return limitation(view)[0] if ID in view.order else ""


def limitation(view: View) -> tuple[str, EffectTable | None]:
    """One sentence of the limitations of any page, and the rows that it is of; empty without a slope to speak of."""
    contrast = _contrast(view)
    if contrast is None:
        return "", None
    table = confounding_effects(view.fit, contrast=contrast, small=view.small)
    sentence = _limitation(view, view.estimated(ID, table), _Names.of(view.fit, contrast))
    return sentence, table if sentence else None


def _limitation(view: View, estimates: Estimates, names: _Names) -> str:
    ratio = not view.fit.design.family.linear
    row = estimates.first("e_value" if ratio else "robustness_value")
    if row is None:
        return ""
    return SENTENCES(
        "limitation",
        ratio=ratio,
        value=number(float(row["mean"]), 1) if ratio else _needed(row["mean"]),
        levels=names.levels,
        **names.words,
        settled=_settled(row),
        place=view.place(ID),
    )


def contours_of(fit: FittedModel, estimates: Estimates, contrast: pd.Series) -> Contours | None:
    """The figure's painter; None where there are no shares."""
    value, margin = estimates.first("robustness_value"), _to_margin(estimates, contrast)
    if value is None or not float(value["mean"]) > 0:
        return None
    f = _as_f(float(value["mean"]))
    lines = [Contour(SENTENCES("zero"), f)]
    if margin:
        lines.append(Contour(SENTENCES("margin_line"), _as_f(margin)))
    lines.append(Contour(SENTENCES("half"), f / 2))
    names = _Names.of(fit, contrast).heads
    points = []
    for place, row in enumerate(rows_of(_by_influence(fit, estimates, above=float(contrast["median"]) >= 0))):
        x, y = as_strong_as(*(_share(estimates, kind, row) for kind in ("predictor", "outcome")))
        if np.isfinite(x) and np.isfinite(y):
            name = column_name(text_of(row, "factor")) if place < _NAMED else ""
            points.append(Point(name, float(x), float(y)))
    return Contours(lines, points, SENTENCES("x_axis", **names), SENTENCES("y_axis", **names))


def _contrast(view: View) -> pd.Series | None:
    """The row of the contrast that the section is about."""
    row = None if view.withheld else contrast_row(view.fit, view.estimates, small=view.small)
    if row is None or row["population"] not in ("average", "sample"):
        return None
    # What a cause must explain has the SD of the predictor in it, or percentiles.
    return None if row["term"] in untold(view.fit, view.small) else row


def _as_f(value: float) -> float:
    """The partial f whose robustness value it is."""
    return value / float(np.sqrt(1 - value))


def _inside(contrast: pd.Series) -> bool:
    """Whether the estimate lies within what is negligible as it is."""
    rope = rope_of(contrast)
    return rope is not None and rope[0] <= float(contrast["mean"]) <= rope[1]


def _to_margin(estimates: Estimates, contrast: pd.Series) -> float:
    """What a cause must explain for the estimate to be negligible; 0 where there is nothing that it must, or no margin.

    Draws beyond the margin need a cause also where their mean does not.
    """
    row = estimates.first("robustness_to_margin")
    return 0.0 if row is None or _inside(contrast) else float(row["mean"])


def _settled(row: pd.Series) -> bool:
    """Whether the interval says that something is needed."""
    return float(row["lower"]) > (1.0 if row["estimand"] == "e_value" else 0.0)


def _said(fit: FittedModel, estimates: Estimates, contrast: pd.Series) -> str | None:
    labels = _Names.of(fit, contrast)
    names = labels.words
    if not fit.design.family.linear:
        row = estimates.first("e_value")
        if row is None:
            return None
        values = {key: number(float(row[of]), 1) for key, of in (("value", "mean"), ("lower", "lower"))}
        change = labels.focal if labels.levels else SENTENCES("higher", **names)
        return SENTENCES("ratio", change=change, settled=_settled(row), **values, **names)
    row, margin = estimates.first("robustness_value"), _to_margin(estimates, contrast)
    if row is None:
        return None
    values = {key: _needed(row[of]) for key, of in (("value", "mean"), ("lower", "lower"))}
    return SENTENCES(
        "needed",
        margin="" if margin < 0.005 else percent(margin),
        inside=_inside(contrast),
        settled=_settled(row),
        **values,
        **names,
    )


def _by_influence(fit: FittedModel, estimates: Estimates, *, above: bool) -> pd.DataFrame:
    """The rows of causes as strong as covariates, that first by which an estimate above zero, or below, moves most."""
    rows = estimates.where("contrast_as_strong")
    rows = rows[rows["mean"].notna() & ~rows["factor"].isin(_by_chance(fit, estimates))]
    means = rows["mean"].astype(float) * (1 if above else -1)
    return rows.loc[means.round(9).sort_values(kind="stable").index]


def _by_chance(fit: FittedModel, estimates: Estimates) -> list[str]:
    """Covariates with so many levels for so few people that they explain much of anything: no cause is as strong.

    Of n people, levels that are nothing but labels explain (levels - 1) / (n - 1) on average.
    """
    n = fit.count_people()
    return [
        name
        for name in dict.fromkeys(map(str, estimates.where("contrast_as_strong")["factor"]))
        if isinstance(fit.design.frame[name].dtype, pd.CategoricalDtype)
        and len(fit.design.level_labels(name)) - 1 > _BY_CHANCE * (n - 1)
    ]


def _needed(share: float) -> str:
    """A share that a cause must explain: below one per cent with a decimal, since "0%" would be no cause at all."""
    return percent(float(share), 0 if float(share) >= 0.01 else 1)


def _share(estimates: Estimates, of: str, row: Row) -> float:
    """What a row's covariate explains of predictor or outcome."""
    benchmark = estimates.first(f"benchmark_r2_{of}", factor=str(row["factor"]))
    return float("nan") if benchmark is None else float(benchmark["mean"])


def _strongest(fit: FittedModel, estimates: Estimates, rows: pd.DataFrame, *, above: bool) -> str:
    """What a cause as strong as the most influential covariate would leave."""
    first = rows.iloc[0]
    gone = float(first["mean"]) <= 0 if above else float(first["mean"]) >= 0
    unit = "" if fit.design.family.event else f" {units(unit_of(fit.design, fit.design.outcome.name))}"
    left = f"{estimates.mean(first)}{unit} {estimates.interval(first)}"
    return SENTENCES("strongest", cause=column_name(text_of(rows_of(rows)[0], "factor")), gone=gone, left=left)


def _picture(view: View, estimates: Estimates, painter: Contours, labels: _Names, margin: float) -> Picture:
    value = estimates.first("robustness_value")
    assert value is not None
    names = labels.words
    named = [point for point in painter.points if point.name]
    points = " ".join(
        SENTENCES("point", cause=cause.name, x=proportion(cause.predictor, 1), y=proportion(cause.outcome, 1))
        for cause in named
    )
    shares = painter.grid(_ROWS)
    cells = [line.outcome(shares) for line in painter.lines]
    data = Table.of(
        f"{ID}-figure-data",
        SENTENCES("data", **labels.heads),
        (painter.x, *(line.name for line in painter.lines)),
        [
            (proportion(float(share), 1), *(proportion(float(of[k]), 1) if of[k] <= 1 else "–" for of in cells))
            for k, share in enumerate(shares)
        ],
    )
    return Picture.drawn(
        painter,
        name=f"{ID}-figure",
        title=SENTENCES("figure"),
        caption=SENTENCES("caption", **names, benchmarks=bool(painter.points)),
        description=SENTENCES(
            "description",
            value=_needed(value["mean"]),
            margin=percent(margin) if margin else "",
            points=points,
        ),
        size=CONTOURS_SIZE,
        data=data,
        shown=view.redact,
    )


def _table(fit: FittedModel, estimates: Estimates, rows: pd.DataFrame, labels: _Names) -> Table:
    names = labels.heads
    unit = units(unit_of(fit.design, fit.design.outcome.name))
    return effect_table(
        "table-confounding",
        SENTENCES("table", unit=unit),
        rows,
        [
            Column(SENTENCES("covariate"), lambda row: column_name(text_of(row, "factor"))),
            Column(SENTENCES("of_focal", **names), lambda row: proportion(_share(estimates, "predictor", row), 1)),
            Column(SENTENCES("of_outcome", **names), lambda row: proportion(_share(estimates, "outcome", row), 1)),
            *estimate_columns(estimates, rows, mean=SENTENCES("as_strong"), direction=False, judged=()),
        ],
        note=SENTENCES(
            "note", many=join([column_name(name) for name in _by_chance(fit, estimates)]), share=percent(_BY_CHANCE)
        ),
        at_once=SHOWN,
    )
