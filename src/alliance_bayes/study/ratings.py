"""Aim 1: how the alliance is rated, by whom."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.api import Fit
from alliance_bayes.effects import EffectTable, group_ratings, superiority
from alliance_bayes.instruments import cronbach_alpha
from alliance_bayes.report.findings import Finding
from alliance_bayes.report.rows import measured, rows_of
from alliance_bayes.report.small_counts import hidden_beside, hidden_levels, shown_events
from alliance_bayes.report.text import Row, capital, clean, exact, factor_name, number, percent
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.predictive import predictive_pictures
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import (
    FEW_LEVELS,
    block_forests,
    block_table,
    joined,
    level_name,
    prefix_of,
    prefixed,
    shown,
)
from alliance_bayes.study.words import more_or_less, share_words

__all__ = ["ratings"]

TOP = 5.0
ORDINAL_THINNING = 4
_FAMILIES = {"gaussian": "alliance_gaussian", "censored": "alliance", "ordinal": "alliance_ordinal"}
_TITLES = {"gaussian": "Gaussian", "censored": "Gaussian, censored at 1 and 5", "ordinal": "ordinal"}


def ratings(runner: StudyRunner) -> Part:
    """Ratings as they were given, and what the models expect of each group."""
    gaussian = runner.fit("alliance_gaussian")
    rated = _rated(runner, gaussian)
    observed = _observed(runner, rated)
    expected = _expected(runner, gaussian)
    blocks = [observed, expected, _gradients(runner, gaussian)]
    if runner.options.full:
        blocks.append(_families(runner, gaussian))
    return Part(
        "ratings",
        "Ratings of the alliance",
        "Aim 1. How do ratings of the alliance differ by provider type, sex, country, age and baseline well-being?",
        tuple(blocks),
        tuple(_findings(runner, observed, expected, rated)),
        (
            "That one provider type brings about a better alliance than another. People chose their provider type or "
            "were guided to it, so those groups differed from the start.",
        ),
        numbers={"reliability": _reliability(runner)},
    )


def factors_compared(fit: Fit) -> list[str]:
    """Pooled factors with few enough levels that every pair is of interest."""
    return [factor.name for factor in fit.design.factors if len(factor.levels) <= FEW_LEVELS]


def _rated(runner: StudyRunner, fit: Fit) -> Fit:
    """The fit whose people's ratings are described: all that were rated, unless few of them are not in Table 1.

    What is observed of a group tells how many people it has, and beside Table 1 how many of them are not there.
    """
    small, first = runner.options.small, runner.first
    for factor in factors_compared(fit):
        known = hidden_levels(fit, small)[factor] | hidden_levels(first, small).get(factor, frozenset())
        if factor in first.design.frame and hidden_beside(fit, first, factor, small) != known:
            return first
    return fit


def _observed(runner: StudyRunner, fit: Fit) -> Block:
    """Medians, means and shares at the ceiling as observed, with no model but that people are exchangeable."""
    tables, small = [], runner.options.small
    for factor in factors_compared(fit):
        hidden = hidden_beside(fit, runner.first, factor, small)
        frame = fit.design.frame[~fit.design.frame[factor].isin(list(hidden))]
        if frame[factor].nunique() < 2:
            continue
        found = group_ratings(
            frame["alliance"],
            frame[factor].cat.remove_unused_categories(),
            top=TOP,
            seed=runner.options.seed,
            prob=runner.options.prob,
        )
        # The mean and SD of a share tell how many people have the event, and how many do not.
        told = shown_events(fit, factor, [(fit.design.frame["alliance"] >= TOP).to_numpy()], small)
        counted = [row["estimand"] != "share_at_ceiling" or told[str(row["level"])] for _, row in found.iterrows()]
        tables.append(prefixed(found[np.asarray(counted, dtype=bool)], factor))
    block = runner.block("ratings-observed", "Ratings as they were given", joined(tables), [])
    rows = block.rows
    pages = []
    for factor in factors_compared(fit):
        own = rows[np.array([prefix_of(row) == factor for row in rows_of(rows)], dtype=bool)]
        for kind, part in (("levels", own[own["versus"].isna()]), ("pairs", own[own["versus"].notna()])):
            if len(part):
                pages.append(
                    block_table(
                        f"table-ratings-{kind}-{factor}",
                        f"{capital(factor_name(factor))}: ratings observed (1-5), "
                        + ("by level" if kind == "levels" else "pairwise"),
                        part,
                        label=partial(_observed_name, rows),
                    )
                )
    text = (
        "Posterior of what is true of the people these were drawn from, by the Bayesian bootstrap: it assumes no shape "
        "of the distribution, so the ceiling needs no model, and it pools nothing. The probability of superiority is "
        "that of a person of the first group rating higher than one of the second (ties count half); 50% is no "
        "difference." + (" Described are those of Table 1: few others were rated." if fit is runner.first else ""),
    )
    return block.with_page(text=text, tables=pages)


def _observed_name(rows: EffectTable, row: Row) -> str:
    who = level_name(row) if isinstance(row["versus"], str) else str(row["level"])
    return f"{who}: {measured(rows, row, short=True)}"


def _expected(runner: StudyRunner, fit: Fit) -> Block:
    options = runner.options
    by_group = [fit.adjusted_means(factor.name, prob=options.prob) for factor in fit.design.factors]
    pairs = [fit.contrasts(name, prob=options.prob, rope=options.alliance_rope) for name in factors_compared(fit)]
    rows = joined([*by_group, *pairs])
    block = runner.block("ratings-expected", "Expected ratings, pooled and adjusted", rows, [fit])
    if block.withheld:
        return block
    levels = block.rows[block.rows["versus"].isna()]
    points = block.rows[block.rows["estimand"] == "contrast_of_means"]
    pictures = block_forests(
        "picture-ratings-expected",
        "Expected alliance",
        levels,
        axis="alliance (points, 1-5)",
        caption="Adjusted mean of each group: what is expected on average if everybody belonged to it, all else as it "
        "is. Small groups are drawn towards the common mean.",
    )
    tables = []
    if len(levels):
        means = block_table("table-ratings-means", "Adjusted mean ratings", levels, heading="Group", direction=False)
        tables.append(means)
    if len(points):
        caption = "Differences of adjusted means"
        tables.append(block_table("table-ratings-contrasts", caption, points, heading="Difference"))
    text = (
        "A Gaussian model: right for group means, blind to the ceiling. Differences within "
        f"±{exact(options.alliance_margin)} points count as none (ROPE): {options.reason('alliance_margin')}.",
    )
    return block.with_page(text=text, tables=tables, pictures=pictures)


def _gradients(runner: StudyRunner, fit: Fit) -> Block:
    """How ratings go with age and baseline well-being."""
    found = []
    for predictor in ("age", "who5_baseline"):
        table = fit.effects(["slopes"], predictor=predictor, prob=runner.options.prob, rope=None, relevant=None)
        found.append(prefixed(table, predictor, estimands=("slope", "slope_p10_p90", "partial_correlation")))
    block = runner.block("ratings-gradients", "Age and baseline well-being", EffectTable.concat(found), [fit])
    if block.withheld:
        return block

    def label(row: Row) -> str:
        who = "Age" if prefix_of(row) == "age" else "Baseline WHO-5"
        return f"{who}: {measured(block.rows, row, short=True, unit='unit')}"

    return block.with_page(
        tables=[
            block_table("table-ratings-gradients", "Alliance along age and baseline WHO-5", block.rows, label=label)
        ]
    )


def _families(runner: StudyRunner, gaussian: Fit) -> Block:
    """The same differences under families that know of the ceiling."""
    options = runner.options
    fits = {name: gaussian if name == "gaussian" else runner.fit(card) for name, card in _FAMILIES.items()}
    found = []
    for name, whole in fits.items():
        # Hundreds of levels make every draw costly; the draws of an ordinal model are some thousands.
        fit = whole.thinned(ORDINAL_THINNING) if name == "ordinal" else whole
        for factor in factors_compared(fit):
            pairs = fit.contrasts(factor, prob=options.prob, rope=options.alliance_rope)
            found.append(prefixed(pairs, name, estimands=("contrast_of_means",)))
            better = superiority(fit, factor, prob=options.prob)
            found.append(prefixed(better, name))
    block = runner.block("ratings-families", "The ceiling", EffectTable.concat(found), fits.values())
    if block.withheld:
        return block

    def label(row: Row) -> str:
        return f"{level_name(row)}: {_TITLES[prefix_of(row)]}"

    def together(estimand: str) -> EffectTable:
        rows = block.rows[block.rows["estimand"] == estimand]
        names = [f"{row['factor']} {level_name(row)}" for row in rows_of(rows)]
        return rows.iloc[sorted(range(len(rows)), key=names.__getitem__)]

    tables = [
        block_table(
            "table-ratings-families",
            "Differences of expected ratings by family",
            together("contrast_of_means"),
            label=label,
        ),
        block_table(
            "table-ratings-superiority",
            "Probability that a person of the first group rates higher (ties count half), by family",
            together("probability_of_superiority"),
            label=label,
        ),
        block_table(
            "table-ratings-medians", "Pooled medians by group and family", together("predictive_median"), label=label
        ),
        block_table(
            "table-ratings-ceiling",
            "Pooled share at the top of the scale by group, families that have one",
            together("share_at_ceiling"),
            label=label,
        ),
    ]
    text = (
        "The expectation of the observed rating under three families: Gaussian; Gaussian censored at the ends of the "
        "scale; and ordinal, which assumes no distance between ratings. Where they agree, the ceiling does not matter "
        "for the conclusion.",
    )
    pictures = [
        picture
        for name in ("censored", "ordinal")
        for picture in predictive_pictures(f"ratings-{name}", capital(_TITLES[name]), fits[name], runner.options.small)
    ]
    return block.with_page(text=text, tables=tables, pictures=pictures)


def _findings(runner: StudyRunner, observed: Block, expected: Block, fit: Fit) -> list[Finding]:
    values = fit.design.frame["alliance"].to_numpy(float)
    median = number(float(pd.Series(values).median()), 2)
    told = shown_events(fit, None, [values >= TOP], runner.options.small)[""]
    text = (
        f"{percent(float((values >= TOP).mean()))} of people gave their provider the highest possible rating in every "
        f"session (the median of people's average ratings is {median} of 5)."
        if told
        else f"The median of people's average ratings is {median} of 5."
    )
    findings = [Finding(text)]
    estimates, seen = shown(expected.rows), shown(observed.rows)
    for _, row in estimates.where("contrast_of_means").iterrows():
        if expected.withheld or str(row["factor"]) not in ("sex", "provider_type"):
            continue
        who = f"{capital(factor_name(str(row['factor'])))}, {clean(row['level'])} compared with {clean(row['versus'])}"
        text = f"{who}: ratings of the alliance {more_or_less(estimates, row, unit='points')}"
        better = seen.where("probability_of_superiority", level=str(row["level"]), versus=str(row["versus"]))
        if len(better):
            text += f"; probability of superiority {share_words(seen, better.iloc[0])}"
        rows = (f"{expected.name}/{row.name}", *(f"{observed.name}/{name}" for name in better.index))
        findings.append(Finding(f"{text}.", rows, key=str(row["factor"]) == "sex"))
    reliability = _reliability(runner)
    if reliability is not None:
        alpha, ends = reliability["value"], f"{reliability['lower']:.2f} to {reliability['upper']:.2f}"
        findings.append(
            Finding(
                f"Goal and bond, each averaged over a person's sessions, have a Cronbach's alpha of {alpha:.2f} "
                f"({reliability['interval']} {ends}).",
                key=False,
            )
        )
    return findings


def _reliability(runner: StudyRunner) -> dict[str, Any] | None:
    """Cronbach's alpha of the two items averaged over sessions, where the cohort knows them."""
    sessions = runner.cohort.sessions
    if sessions is None:
        return None
    items = sessions.groupby("participant_id", sort=False)[["goal", "bond"]].mean().dropna()
    found = cronbach_alpha(items, prob=0.95)
    return {"value": found.value, "lower": found.lower, "upper": found.upper, "interval": found.interval}
