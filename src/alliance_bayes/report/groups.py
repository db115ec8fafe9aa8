"""Adjusted means and slopes by group, with every pairwise difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.options import DENOMINATORS, make_options
from alliance_bayes.effects.table import steady
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import PooledFactor
from alliance_bayes.report.estimates import Estimates, text_of, words_of
from alliance_bayes.report.fixed import fixed_by_model, slope_differs
from alliance_bayes.report.forest import IN_ORDER, NAMED_ENDS, all_named, downwards
from alliance_bayes.report.group_lines import group_lines_picture
from alliance_bayes.report.partial_pooling import pooling_picture
from alliance_bayes.report.phrases import expected_words, slopes_judged
from alliance_bayes.report.providers import provider_part, spread_of_providers, unnamed_providers
from alliance_bayes.report.rows import (
    Column,
    beside,
    described,
    effect_table,
    estimate_columns,
    forest_picture,
    rope_of,
)
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import NOT_SHOWN, ShownCount, averaged_words, shown_counts
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import (
    MINUS,
    Row,
    capital,
    clean,
    column_name,
    count,
    derived,
    factor_name,
    number,
    percent_unit,
    pooling_sentence,
    shortened,
    unit_of,
    units,
)
from alliance_bayes.report.weights import is_weighed
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = [
    "factors_of",
    "groups",
    "in_order",
    "level_picture",
    "level_table",
    "ordered_pairs",
    "pair_name",
    "pair_picture",
    "pair_table",
]

SENTENCES = Wording("alliance_bayes.report", "sentences/groups.toml")
#: Pairs that a figure of differences can hold.
MOST_PAIRS = 15
#: Pairs up to which those of adjusted means stand on one axis with other effects, among the effect sizes.
FEW_PAIRS = 3
#: What a size in residual SDs is, beside what readers know.
D_BY_RESIDUAL = (
    "d is the difference over the residual SD, by which the outcome varies once all terms of the model are known; the "
    "usual Cohen’s d is over the SD of scores within groups."
)
_NOTES = {
    "provider_type": "People chose their provider type or were guided to it, so these differences describe who went "
    "where as much as what they received."
}


def groups(view: View) -> Section:
    """The section: one part a factor, in the formula's order."""
    fit, estimates, withheld = view.fit, view.estimates, view.withheld
    # The factor that the page is about is where the effect sizes are.
    focal = fit.spec.focal_factor(fit.design)
    named = [name for name in factors_of(estimates) if name != focal]
    parts = [] if withheld else [_part(view, name, number) for number, name in enumerate(named, 1)]
    remake = partial(spread_of_providers, prob=view.prob)
    rows = None if withheld else remake(fit)
    providers = unnamed_providers(fit)
    if rows is not None:
        spread = view.estimated("groups", rows)
        parts += [provider_part(view, one, spread, f"providers-{number}") for number, one in enumerate(providers, 1)]
    hidden = [factor_name(name) for name in estimates.hidden if name not in {one.name for one in providers}]
    few = [factor_name(name) for name in estimates.few]
    # That levels which may be persons are not listed is said once, of all that could be estimated of them.
    persons = [f"'{name}': its levels are single persons" for name in estimates.hidden]
    left_out = [clean(reason).rstrip(".") for reason in estimates.table.left_out]
    reasons = [reason for reason in left_out if not any(one in reason for one in persons)]
    context = {
        "withheld": withheld,
        "cautions": view.checked.about("groups"),
        "parts": parts,
        "named": bool(named),
        "sloped": any(part.get("sloped") for part in parts),
        "pooled": any(one.name in named for one in fit.design.factors),
        "elsewhere": "" if focal is None or withheld else capital(factor_name(focal)),
        "hidden": hidden,
        "few": few,
        "small": view.small,
        "left_out": reasons,
        "outcome": column_name(fit.design.outcome.name),
        "expected": expected_words(fit),
    }
    if rows is None:
        return Section("groups", "Group differences", "groups.html", context)
    numbers = {"providers": spread.records()}
    return Section("groups", "Group differences", "groups.html", context, numbers, rows, remake)


def factors_of(estimates: Estimates) -> list[str]:
    """Factors that have adjusted means in the table."""
    return list(dict.fromkeys(estimates.where("mean")["factor"].dropna()))


def pair_name(row: Row, *, width: int | None = None) -> str:
    """A difference as "male" minus "female", the levels cut to a width where one is given."""
    level, versus = (
        text_of(row, name) if width is None else shortened(row[name], width) for name in ("level", "versus")
    )
    return f"{level} {MINUS} {versus}"


def ordered_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Differences with the largest first."""
    return rows.loc[steady(rows["mean"].abs()).sort_values(ascending=False, kind="stable").index]


def _part(view: View, factor: str, position: int) -> dict[str, Any]:
    fit, estimates = view.fit, view.estimates
    means = estimates.where("mean", factor=factor)
    slopes = estimates.where("slope_by_level", factor=factor)
    # Pairs of many levels are not in the table, so that the model is asked.
    same_slope = len(slopes) > 0 and not slope_differs(fit.design, str(slopes["term"].iloc[0]), factor)
    if same_slope:
        slopes = slopes.iloc[:0]
    pooled = next((f for f in fit.design.factors if f.name == factor), None)
    pictures = [level_picture(view, means, f"means-{position}", "Adjusted mean", factor, f"table-levels-{position}")]
    if len(slopes):
        name = f"slopes-{position}"
        pictures.append(level_picture(view, slopes, name, "Slope", factor, f"table-slopes-{position}"))
    if pooled is not None and (pooling := pooling_picture(view, pooled, f"pooling-{position}")) is not None:
        pictures.append(pooling)
    if len(slopes):
        focal = str(slopes["term"].iloc[0])
        if (lines := group_lines_picture(view, factor, focal, f"lines-{position}")) is not None:
            pictures.append(lines)
    tables = []
    for of in ("mean", "slope"):
        rows = in_order(estimates.where(f"contrast_of_{of}s", factor=factor))
        if len(rows) and not fixed_by_model(fit.design, rows):
            sizes = estimates.where(f"cohens_d_of_{of}s", factor=factor)
            table = pair_table(fit, estimates, rows, sizes, of, factor, position)
            if (FEW_PAIRS if of == "mean" else 2) < len(rows) <= MOST_PAIRS:
                pictures.append(pair_picture(estimates, rows, of, factor, position, table))
            else:
                tables.append(table)
    return {
        "id": f"group-{position}",
        "title": capital(factor_name(factor)),
        "sentence": None if pooled is None else pooling_sentence(fit.design, pooled),
        "unnamed": "",
        "spread": "" if pooled is None or all_named(len(means)) else _spread(view, pooled),
        "note": _NOTES.get(factor),
        "same_slope": SENTENCES("same_slope", linear=fit.design.family.linear) if same_slope else "",
        "sloped": len(slopes) > 0,
        "pictures": pictures,
        "tables": tables,
    }


def _spread(view: View, factor: PooledFactor) -> str:
    """By how much many levels differ, in a sentence; empty where the model's scale is not the outcome's."""
    if "Intercept" not in factor.terms or not view.fit.design.family.linear:
        return ""
    draws = view.fit.stacked[f"tau_{factor.name}"][:, factor.terms.index("Intercept")]
    tail = (1 - view.prob) / 2
    mean, lower, upper = (number(float(value), 1) for value in (draws.mean(), *np.quantile(draws, [tail, 1 - tail])))
    return SENTENCES(
        "spread",
        levels=count(len(factor.levels)),
        factor=factor_name(factor.name),
        mean=mean,
        lower=lower,
        upper=upper,
        prob=f"{100 * view.prob:g}%",
        unit=units(unit_of(view.fit.design, view.fit.design.outcome.name)),
    )


def level_picture(view: View, rows: pd.DataFrame, name: str, noun: str, factor: str, table: str) -> Picture:
    """Mean or slope of every level of a factor as a forest plot, with a table of the same levels."""
    fit, estimates = view.fit, view.estimates
    rows = in_order(rows[rows["mean"].notna()])
    unit, interval = _unit(rows), estimates.interval_heading()
    focal, means = fit.spec.focal_predictor(fit.design), noun == "Adjusted mean"
    title = f"{noun} of {column_name(fit.design.outcome.name if means else focal or '')} by {factor_name(factor)}"
    named = "" if all_named(len(rows)) else f" of {count(len(rows))} levels; the {NAMED_ENDS} at either end are named"
    everybody = None if means else estimates.first("slope", term=focal)
    # Means are of a population, and so is what they lie around: everybody in it, and not everybody as observed.
    middle = _middle(fit, rows, factor) if means else 0.0
    of_all = "those who have a level" if factor in fit.design.rows.lacking else "everybody"
    weighed = ", by their weights" if is_weighed(fit) else ""
    dashed = f"what the model expects of {of_all}{weighed}" if means else "no association"
    dotted = "" if everybody is None else "; dotted: the average slope of everybody"
    ends = described(estimates, rows, _level)
    listed = "; ".join(ends) if len(ends) <= IN_ORDER else f"{ends[0]} at the top to {ends[-1]} at the bottom"
    people = shown_counts(fit, factor, view.small)
    return forest_picture(
        name,
        title,
        estimates,
        rows,
        caption=f"Posterior mean and {interval}{named}{'' if middle is None else f'; dashed: {dashed}'}{dotted}.",
        axis=f"{noun} ({percent_unit(units(unit), share=means)})",
        heading="Level",
        label=_level,
        people=partial(_people, people),
        reference=middle,
        overall=None if everybody is None else float(everybody["mean"]),
        description=f"Point and {interval} for each of {count(len(rows))} levels. {listed}.",
        data=level_table(fit, estimates, rows, factor, table, view.small),
        shown=view.redact,
    )


def _middle(fit: FittedModel, means: pd.DataFrame, factor: str) -> float | None:
    """What the adjusted means of a factor lie around; None where moments do not tell."""
    options = make_options(fit, population=_first(means, "population") or None)
    middle = float(Analysis(fit, options).of_everybody(factor).mean())
    return middle if math.isfinite(middle) else None


def _people(counts: Mapping[str, ShownCount], row: Row) -> str:
    return counts[row["level"]].text if row["level"] in counts else NOT_SHOWN


def pair_picture(
    estimates: Estimates, rows: pd.DataFrame, of: str, factor: str, position: int | str, table: Table
) -> Picture:
    """Every difference of a factor's levels as a forest plot, with the table that says more."""
    rope, unit = rope_of(rows.iloc[0]), _unit(rows)
    title = f"Differences of {'adjusted means' if of == 'mean' else 'slopes'} by {factor_name(factor)}"
    grey = "; grey: region of practical equivalence." if rope else "."
    return forest_picture(
        f"pairs-{of}-{position}",
        title,
        estimates,
        in_order(rows),
        caption=f"Posterior mean and {estimates.interval_heading()}{grey}",
        axis=f"Difference ({percent_unit(units(unit))})",
        heading="Difference",
        label=pair_name,
        line=partial(pair_name, width=16),
        rope=rope,
        data=table,
    )


def level_table(
    fit: FittedModel, estimates: Estimates, rows: pd.DataFrame, factor: str, name: str, small: int
) -> Table:
    """Mean with its rank, or slope, of every level of a factor."""
    people = shown_counts(fit, factor, small)
    means = rows["estimand"].iloc[0] == "mean" if len(rows) else True
    unjudged = partial(estimate_columns, estimates, judged=())
    ranks = estimates.where("rank_of_mean", factor=factor) if means and len(rows) > 2 else rows.iloc[:0]
    columns = [
        Column("Level", _level),
        Column("People", partial(_people, people)),
        *unjudged(rows, mean="Adjusted mean" if means else "Slope", direction=not means),
        *beside(ranks, unjudged(ranks, mean="Rank of the mean", direction=False), "level"),
    ]
    unit = units(unit_of(fit.design, fit.design.outcome.name))
    noun = (
        f"adjusted mean in {percent_unit(unit, share=True)}"
        if means
        else f"slope in {percent_unit(units(_unit(rows)))}"
    )
    population = _first(rows, "population")
    caption = f"{capital(factor_name(factor))}: {noun}, {averaged_words(fit, population, factor)}; posterior means"
    return effect_table(name, caption, rows, columns)


def pair_table(
    fit: FittedModel,
    estimates: Estimates,
    rows: pd.DataFrame,
    sizes: pd.DataFrame,
    of: str,
    factor: str,
    position: int | str,
) -> Table:
    """Every difference of a factor's levels, in points and in SDs."""
    # The smallest relevant change is one of points, and no slope is.
    judged = ("p_rope", "p_rope_prior", *(("p_relevant",) if of == "mean" else ()))
    by = _first(sizes, "denominator")
    residual = by == DENOMINATORS["residual_sd"]
    size = f"d by the {by}" if residual else f"Cohen’s d ({by})"
    columns = [
        Column("Difference", pair_name),
        *estimate_columns(estimates, rows, direction=True, judged=judged),
        *beside(sizes, estimate_columns(estimates, sizes, mean=size, direction=False, judged=()), "level", "versus"),
    ]
    noun, unit = "adjusted means" if of == "mean" else "slopes", _unit(rows)
    note = ""
    if of == "slope" and rows["rope_low"].notna().any():
        by = slopes_judged(fit, str(rows.iloc[0]["term"]))
        note = f"{by} Here ±{derived(float(rows.iloc[0]['rope_high']))} {units(unit)}."
    if len(sizes) and residual:
        note = f"{note} {D_BY_RESIDUAL}".strip()
    caption = f"{capital(factor_name(factor))}: differences of {noun}, {percent_unit(units(unit))}; posterior means"
    # The largest of many differences are those that chance favours: no page leads with them.
    folded = len(rows) > MOST_PAIRS
    return effect_table(f"table-{of}-pairs-{position}", caption, rows, columns, note=note, folded=folded)


def in_order[Rows: pd.DataFrame](rows: Rows) -> Rows:
    """Rows as a page has them, by factor: few levels of one in the order of the data, many by their means."""
    factors = rows["factor"].fillna("").to_numpy()
    places = [_levels_in_order(rows, np.flatnonzero(factors == name)) for name in dict.fromkeys(factors)]
    return rows.iloc[np.concatenate(places)] if places else rows


def _levels_in_order(rows: pd.DataFrame, which: np.ndarray) -> np.ndarray:
    """Places of a factor's rows in their order; those that are about no factor stay as they are."""
    selected = rows.iloc[which]
    if selected["factor"].isna().any():
        return which
    return which[downwards(selected["mean"], len({*selected["level"], *selected["versus"].dropna()}))]


def _level(row: Row) -> str:
    return text_of(row, "level")


def _unit(rows: pd.DataFrame) -> str:
    """The unit of the first row, with columns called what sentences call them."""
    return words_of(rows.iloc[0], "unit") if len(rows) else ""


def _first(rows: pd.DataFrame, column: str) -> str:
    """A text that all rows share; empty where there are none."""
    return text_of(rows.iloc[0], column) if len(rows) else ""
