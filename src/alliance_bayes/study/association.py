"""Aim 3: how alliance and follow-up well-being go together, among everybody and among the elevated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from alliance_bayes.api import Fit
from alliance_bayes.checks.comparison import SMALL_DIFFERENCE, Comparison
from alliance_bayes.report.curve import average_curve, grouped_histogram
from alliance_bayes.report.effect_sizes import SLOPES
from alliance_bayes.report.figure_data import curve_data
from alliance_bayes.report.figures import slope_figure
from alliance_bayes.report.findings import Finding
from alliance_bayes.report.rows import measured
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.text import capital, count, exact
from alliance_bayes.study.model_comparison import compared, score_table
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.populations import Populations
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import (
    FEW_LEVELS,
    block_forests,
    block_table,
    joined,
    one_row,
    prefixed,
    shown,
    shown_rows,
)
from alliance_bayes.study.words import slope_sentence

__all__ = ["association"]

LINE = "straight line"


def association(runner: StudyRunner, populations: Populations) -> Part:
    """The slope in every unit, by group, and as a curve."""
    fits = {
        name: runner.fit(f"outcome_{name}", card="outcome", cohort=people.cohort)
        for name, people in populations.items()
    }
    sizes = [_sizes(runner, name, fit, populations[name].words) for name, fit in fits.items()]
    groups = _groups(runner, fits["everybody"])
    curve, comparison = _curve(runner, fits["everybody"])
    # A score of draws that failed the checks, of either model, is no more to be shown than a slope of theirs.
    if sizes[0].withheld:
        curve = replace(
            curve, rows=curve.rows[:0], withheld=tuple(dict.fromkeys((*curve.withheld, *sizes[0].withheld)))
        )
    findings = []
    for block, name in zip(sizes, fits, strict=True):
        if not block.withheld:
            estimates = shown(block.rows)
            row = one_row(block.rows, "slope", name)
            sentence = slope_sentence(
                estimates, row, predictor="alliance", outcome="who5_followup", who=populations[name].words
            )
            text = (
                f"Given age, sex, baseline WHO-5 and days in care, {sentence}. The probability that a point of "
                f"alliance goes with less than {exact(runner.options.margin)} WHO-5 points either way is "
                f"{estimates.share_spoken(row, 'p_rope')}."
            )
            findings.append(Finding(text, (f"{block.name}/{row.name}",)))
    if not curve.withheld:
        findings.append(Finding(_bend(comparison)))
    return Part(
        "association",
        "Alliance and follow-up well-being",
        "Aim 3. How is the alliance related to well-being at follow-up, given age, sex, baseline well-being and days "
        "in care?",
        (*sizes, groups, curve),
        tuple(findings),
        (
            "That raising the alliance would raise well-being. Ratings were gathered while people were in care, so "
            "feeling better may also have raised them, and what was not measured may lie behind both.",
        ),
        numbers={} if curve.withheld else {"line_against_spline": comparison.table},
    )


def _bend(comparison: Comparison) -> str:
    """Whether a curve predicts better than a straight line, in words that hold whatever the comparison says."""
    second = comparison.table.iloc[1]
    gap, se = abs(float(second["elpd_difference"])), float(second["se_difference"])
    first = str(comparison.table.iloc[0]["model"])
    size = f"(difference in expected log score {gap:.1f}, standard error {se:.1f})"
    if gap < SMALL_DIFFERENCE or gap < 2 * se:
        return (
            "A straight line and a curve predict follow-up well-being about equally well "
            f"{size}, so nothing speaks for a bend in the association over the range observed."
        )
    if first == LINE:
        return f"A straight line predicts follow-up well-being better than a curve {size}."
    return (
        f"A curve predicts follow-up well-being better than a straight line {size}: the association bends, and its "
        "slope is an average."
    )


def _sizes(runner: StudyRunner, name: str, fit: Fit, who: str) -> Block:
    rows = fit.effects(
        ["slopes", "bayesian_r2"],
        prob=runner.options.prob,
        rope=runner.options.rope,
        relevant=runner.options.improvement,
    )
    rows = prefixed(rows, name, estimands=(*SLOPES, "bayesian_r2"))
    number = shown_rows(runner.fitted, runner.options.small)[f"outcome_{name}"]
    size = "" if number is None else f" (n = {count(number)})"
    block = runner.block(f"association-{name}", capital(f"among {who}{size}"), rows, [fit])
    if block.withheld:
        return block
    table = block_table(
        f"table-association-{name}",
        f"Association of alliance with follow-up WHO-5 among {who}",
        block.rows,
        label=lambda row: capital(measured(block.rows, row, design=fit.design)),
        heading="Association",
    )
    return block.with_page(tables=[table])


def _groups(runner: StudyRunner, fit: Fit) -> Block:
    options = runner.options
    sloped = [factor for factor in fit.design.factors if "alliance" in factor.terms]
    by_level = [fit.effects(["slopes_by_level"], prob=options.prob, rope=None, relevant=None)] if sloped else []
    contrasts = [
        fit.contrasts(factor.name, of="slope", prob=options.prob, rope=runner.options.rope, relevant=None)
        for factor in sloped
        if len(factor.levels) <= FEW_LEVELS
    ]
    contrasts = [table[table["estimand"] == "contrast_of_slopes"] for table in contrasts]
    rows = joined([*by_level, *contrasts])
    block = runner.block("association-groups", "By group", rows, [fit])
    if block.withheld:
        return block
    levels = block.rows[block.rows["versus"].isna()]
    pairs = block.rows[block.rows["versus"].notna()]
    pictures = block_forests(
        "picture-association-groups",
        "Slope of follow-up WHO-5 on alliance",
        levels,
        axis="WHO-5 points per alliance point",
        caption="Posterior mean and interval of the slope in each group. Groups are drawn towards each other, the more "
        "so the fewer people they have, so the differences need no correction for their number.",
        reference=0.0,
    )
    tables = (
        [block_table("table-association-levels", "Slopes by group", levels, heading="Group")] if len(levels) else []
    )
    if len(pairs):
        tables.append(
            block_table("table-association-pairs", "Differences of slopes between groups", pairs, heading="Difference")
        )
    return block.with_page(tables=tables, pictures=pictures)


def _curve(runner: StudyRunner, line: Fit) -> tuple[Block, Comparison]:
    spline = runner.fit("dose_response")
    rows = prefixed(
        spline.effects(["slopes"], prob=runner.options.prob, rope=runner.options.rope, relevant=None), "spline"
    )
    block = runner.block("association-curve", "The dose-response curve", rows[:1], [spline])
    comparison = compared({LINE: line, "spline": spline})
    if block.withheld:
        return block, comparison
    table = score_table(
        comparison,
        name="table-association-curve",
        what="Straight line against spline",
        note="A difference counts for little when it is not several times its standard error.",
    )
    return block.with_page(
        tables=[table], pictures=[_picture(spline, runner.options.prob, runner.options.small)]
    ), comparison


def _picture(fit: Fit, prob: float, small: int) -> Picture:
    curve = average_curve(fit, "alliance", prob=prob, small=small)
    values = fit.design.frame["alliance"].to_numpy(float)
    painter = slope_figure(
        curve,
        grouped_histogram(values, small, scale=fit.design.scales.get("alliance"), people=fit.people),
        predictor="alliance (points, 1-5)",
        outcome="follow-up WHO-5",
        centre=float(np.mean(values)),
        band=f"{100 * prob:g}% equal-tailed band",
    )
    first, last = curve.iloc[0], curve.iloc[-1]
    title = "Expected follow-up WHO-5 along alliance, allowed to bend"
    description = (
        f"The expected follow-up WHO-5 is {first['mean']:.1f} at an alliance of {first['x']:.2f} and "
        f"{last['mean']:.1f} at {last['x']:.2f}."
    )
    caption = (
        "What is expected on average if everybody had that alliance, all else as it is. Where the band is wide there "
        f"are few people. Every bar stands for at least {small}."
    )
    name = "picture-association-curve"
    return Picture.drawn(
        painter,
        name=name,
        title=title,
        caption=caption,
        description=description,
        size=(4.9, 3.7),
        data=curve_data(name, title, [("", curve)], "alliance", f"{100 * prob:g}% equal-tailed band"),
    )
