"""The exploratory question: whether the association differs by utilization type, baseline or sessions."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.effects import moderation as moderation_effects
from alliance_bayes.effects.equivalence import DECIDED, standing_of
from alliance_bayes.report.findings import Finding
from alliance_bayes.report.rows import Estimates, condition
from alliance_bayes.report.text import derived, exact
from alliance_bayes.study.part import Part
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import block_forest, block_table, level_name, shown
from alliance_bayes.study.words import more_or_less, within_margin

__all__ = ["moderation"]


def moderation(runner: StudyRunner) -> Part:
    """Interactions as estimates, each with the probability that it is too small to matter."""
    options = runner.options
    rope = options.rope
    fit = runner.fit("moderation")
    numeric = moderation_effects(fit, prob=options.prob, rope=rope)
    found = [numeric]
    if any(factor.name == "provider_type" for factor in fit.design.factors):
        pairs = fit.contrasts("provider_type", of="slope", prob=options.prob, rope=rope, relevant=None)
        found.append(pairs[pairs["estimand"] == "contrast_of_slopes"])
    block = runner.block("moderation", "Differences of the slope", EffectTable.concat(found), [fit])
    part = Part(
        "moderation",
        "For whom the alliance matters",
        "Exploratory. Does the association of alliance and follow-up well-being differ by utilization type, baseline "
        "well-being or number of sessions?",
        (block,),
        limits=(
            "That an interval which includes zero shows that there is no difference. The probability that a difference "
            "lies within the margin is what speaks for equivalence.",
        ),
    )
    if block.withheld:
        return part
    slopes = block.rows[block.rows["versus"].isna()]
    pairs = block.rows[block.rows["versus"].notna()]
    picture = block_forest(
        "picture-moderation",
        "Differences of the slope of follow-up WHO-5 on alliance",
        pairs,
        axis="WHO-5 points per alliance point",
        caption=f"Posterior mean and interval. Grey: differences of less than {derived(_margin(pairs))} WHO-5 points "
        f"per alliance point, which count as none: {_over(runner)}.",
        label=level_name,
        reference=0.0,
        rope=(-_margin(pairs), _margin(pairs)),
    )
    tables = [
        block_table(
            "table-moderation-pairs",
            "Differences of slopes between low and high values, and between utilization types",
            pairs,
            heading="Difference",
        )
    ]
    if len(slopes):
        tables.insert(0, block_table("table-moderation-slopes", "Slopes at the 10th and the 90th percentile", slopes))
    block = block.with_page(tables=tables, pictures=[picture])
    estimates = shown(block.rows)
    each = [_finding(runner, block.name, estimates, row) for _, row in pairs.iterrows()]
    return replace(part, blocks=(block,), findings=(_overall(runner, block.name, pairs), *each))


def _overall(runner: StudyRunner, block: str, pairs: EffectTable) -> Finding:
    """How many differences are settled, and how many are small enough to count as none."""
    n = len(pairs)
    clear = int(((pairs["lower"] > 0) | (pairs["upper"] < 0)).sum())
    found = [standing_of(row) for _, row in pairs.iterrows()]
    same, open_ = found.count("inside"), found.count("undecided")
    different = n - same - open_
    settled = (
        f"{clear} of {n} have an interval that excludes zero" if clear else "none has an interval that excludes zero"
    )
    types = "by utilization type, " if (pairs["factor"] == "provider_type").any() else ""
    text = (
        f"Of {n} differences of the slope ({types}between low and high baseline WHO-5, between few and many "
        f"sessions), {settled}; {same} {'lies' if same == 1 else 'lie'} within "
        f"±{derived(_margin(pairs))} WHO-5 points per alliance point ({_over(runner)}) with a probability of "
        f"{exact(DECIDED)} or more, which is equivalence by that margin, {different} above or below it with as much, "
        f"and {open_} "
        f"{'is' if open_ == 1 else 'are'} undecided."
    )
    return Finding(text, tuple(f"{block}/{row}" for row in pairs.index))


def _margin(pairs: EffectTable) -> float:
    """Largest difference of slopes that counts as none, per alliance point."""
    return float(pairs["rope_high"].max())


def _over(runner: StudyRunner) -> str:
    """The margin in the outcome's points over the contrast that it is declared for."""
    half = exact(runner.options.margin / 2)
    return f"{half} {'point' if half == '1' else 'points'} between the 10th and the 90th percentile of alliance"


def _finding(runner: StudyRunner, block: str, estimates: Estimates, row: pd.Series) -> Finding:
    unit = "WHO-5 points per alliance point"
    first, second = (condition(str(row[name])) for name in ("level", "versus"))
    return Finding(
        f"At {first} compared with {second}, the slope was {more_or_less(estimates, row, unit=unit)}. "
        + within_margin(estimates, row, margin=float(row["rope_high"]), unit=unit),
        (f"{block}/{row.name}",),
        key=False,
    )
