"""Aim 1: how the alliance is rated, by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.api import Fit
from alliance_bayes.effects import group_ratings
from alliance_bayes.instruments import cronbach_alpha
from alliance_bayes.report.finding import Finding
from alliance_bayes.report.rows import rows_of
from alliance_bayes.report.small_counts import hidden_beside, hidden_levels, shown_events
from alliance_bayes.report.text import capital, clean, count, factor_name, number, percent
from alliance_bayes.report.verdicts import SENTENCES as VERDICTS
from alliance_bayes.report.verdicts import claim, rank_side, under_models
from alliance_bayes.study.declared import DeclaredPart, chosen_rows, declaration, few_levels
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.predictive import predictive_pictures
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import joined, prefix_of, shown, shown_rows
from alliance_bayes.study.words import spoken
from alliance_bayes.wording import filled

__all__ = ["differing_ranks", "pair_under_families", "ratings"]

# Hundreds of levels make every draw costly; the draws of an ordinal model are some thousands.
ORDINAL_THINNING = 4


def ratings(runner: StudyRunner) -> Part:
    """Ratings as they were given, and what the models expect of each group."""
    part = DeclaredPart("ratings", runner)
    rated = _rated(runner, part.fit("gaussian"))
    observed = _observed(part, rated)
    expected = part.add("expected", values={"n": _told(runner, "alliance_gaussian")})
    part.add("gradients")
    ceiling = _ceiling(part) if runner.options.full else None
    reliability = _reliability(runner)
    _findings(part, observed, expected, rated, ceiling)
    if reliability is not None:
        figures = {name: f"{reliability[name]:.2f}" for name in ("lower", "upper")}
        alpha = f"{reliability['value']:.2f}"
        part.find("reliability", key=False, alpha=alpha, interval=reliability["interval"], **figures)
    return part.part(numbers={"reliability": reliability})


def _rated(runner: StudyRunner, fit: Fit) -> Fit:
    """The fit whose people's ratings are described: all that were rated, unless few of them are not in Table 1.

    What is observed of a group tells how many people it has, and beside Table 1 how many of them are not there.
    """
    small, first = runner.options.small, runner.first
    for factor in few_levels(fit):
        known = hidden_levels(fit, small)[factor] | hidden_levels(first, small).get(factor, frozenset())
        if factor in first.design.frame and hidden_beside(fit, first, factor, small) != known:
            return first
    return fit


def highest(runner: StudyRunner) -> float:
    """The highest rating that there is."""
    upper = runner.alliance_scale.upper
    assert upper is not None
    return upper


def _observed(part: DeclaredPart, fit: Fit) -> Block:
    """Medians, means and shares at the ceiling as observed, with no model but that people are exchangeable."""
    runner, options = part.runner, part.runner.options
    described = []
    for factor in few_levels(fit):
        hidden = hidden_beside(fit, runner.first, factor, options.small)
        frame = fit.design.frame[~fit.design.frame[factor].isin(list(hidden))]
        if frame[factor].nunique() < 2:
            continue
        groups = frame[factor].cat.remove_unused_categories()
        table = group_ratings(frame["alliance"], groups, top=highest(runner), seed=options.seed, prob=options.prob)
        # The mean and SD of a share tell how many people have the event, and how many do not.
        counted = shown_events(
            fit, factor, [(fit.design.frame["alliance"] >= highest(runner)).to_numpy()], options.small
        )
        keep = [row["estimand"] != "share_at_ceiling" or counted[str(row["level"])] for row in rows_of(table)]
        described.append(table[np.asarray(keep, dtype=bool)].under(factor))
    block = replace(part.block("observed", joined(described), {}), of={"": (_named(runner, fit),)})
    return part.show("observed", block, {"of_table_1": fit is runner.first, "n": _told(runner, "alliance_gaussian")})


def _named(runner: StudyRunner, fit: Fit) -> str:
    """The name of a model of the study."""
    return next(name for name, model in runner.fitted.items() if model.fit is fit)


def _told(runner: StudyRunner, model: str) -> str:
    """How many people a model has, where that is told."""
    number = shown_rows(runner.fitted, runner.options.small)[model]
    return "" if number is None else count(number)


def _ceiling(part: DeclaredPart) -> Block:
    """The same differences under families that know of the ceiling."""
    fits = part.fits()
    thinned = {**fits, "ordinal": fits["ordinal"].thinned(ORDINAL_THINNING)}
    block = part.block("ceiling", part.estimated("ceiling", thinned), fits)
    called = part.declaration.blocks["ceiling"].called
    pictures = [
        picture
        for name in ("censored", "ordinal")
        if not block.withheld
        for picture in predictive_pictures(f"ratings-{name}", capital(called[name]), fits[name], part.runner)
    ]
    return part.show("ceiling", block, pictures=pictures)


def _findings(part: DeclaredPart, observed: Block, expected: Block, fit: Fit, ceiling: Block | None) -> None:
    values = fit.design.frame["alliance"].to_numpy(float)
    countable = shown_events(fit, None, [values >= highest(part.runner)], part.runner.options.small)[""]
    top = percent(float((values >= highest(part.runner)).mean())) if countable else ""
    part.find(
        "median",
        top=top,
        median=number(float(pd.Series(values).median()), 2),
        highest=f"{highest(part.runner):g}",
        averaged=not part.runner.cohort.instruments,
    )
    if expected.withheld:
        return
    means, seen = shown(expected.rows), shown(observed.rows)
    for _, row in means.where("contrast_of_means").iterrows():
        factor, level, versus = (str(row[name]) for name in ("factor", "level", "versus"))
        if factor not in ("sex", "provider_type"):
            continue
        better = seen.where("probability_of_superiority", level=level, versus=versus)
        way = differing_ranks(better)
        part.find(
            "pair",
            (f"{expected.name}/{row.name}", *(f"{observed.name}/{name}" for name in better.index)),
            key=factor == "sex",
            factor=factor_name(factor),
            level=clean(level),
            versus=clean(versus),
            row=spoken(means, row),
            better=spoken(seen, better.iloc[0]) if len(better) else None,
            apart=VERDICTS("ranks", level=clean(level), way=way) if way and not claim(row).settled else "",
        )
        if ceiling is not None and not ceiling.withheld:
            _under_families(part, ceiling, row)


def _under_families(part: DeclaredPart, ceiling: Block, row: pd.Series) -> None:
    """Whether families that know of the ceiling come to the same of a pair."""
    pair = chosen_rows(ceiling.rows, "contrast_of_means")
    pair = pair[(pair["factor"] == row["factor"]) & (pair["level"] == row["level"]) & (pair["versus"] == row["versus"])]
    called = part.declaration.blocks["ceiling"].called
    rows = {called[prefix_of({"id": str(name)})]: one for name, one in pair.iterrows()}
    text, same = pair_under_families(rows)
    part.findings.append(Finding(text, tuple(f"{ceiling.name}/{name}" for name in pair.index), key=not same))


def pair_under_families(rows: Mapping[str, pd.Series]) -> tuple[str, bool]:
    """What families that know of the ceiling say of a pair beside one that does not, and whether that is the same.

    Parameters
    ----------
    rows
        The difference under each, by what it is called.
    """
    same, verdicts = under_models(rows)
    first = next(iter(rows.values()))
    values = {"factor": factor_name(str(first["factor"])), "same": same, "verdicts": verdicts}
    values |= {name: clean(first[name]) for name in ("level", "versus")}
    return filled(declaration("ratings").sentences["under_families"], values), same


def differing_ranks(superiority: pd.DataFrame) -> str:
    """Whether the first of two groups rates "lower" or "higher" more often; empty where that is open."""
    return "" if superiority.empty else rank_side(superiority.iloc[0])


def _reliability(runner: StudyRunner) -> dict[str, Any] | None:
    """Cronbach's alpha of the two items averaged over sessions, where the cohort knows them."""
    if runner.cohort.sessions is None:
        return None
    items = runner.cohort.sessions.groupby("participant_id", sort=False)[["goal", "bond"]].mean().dropna()
    alpha = cronbach_alpha(items, prob=0.95)
    interval = f"{alpha.prob:.0%} {alpha.interval}"
    return {"value": alpha.value, "lower": alpha.lower, "upper": alpha.upper, "interval": interval}
