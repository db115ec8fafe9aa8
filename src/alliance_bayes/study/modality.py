"""Video and in-person care compared: ratings, well-being, and how the two go together."""

from __future__ import annotations

from alliance_bayes.api import Fit
from alliance_bayes.effects import EffectTable, equivalence
from alliance_bayes.report.findings import Finding
from alliance_bayes.report.tables import frame_table
from alliance_bayes.report.text import derived
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import block_forest, block_table

__all__ = ["modality"]

FACTOR = "modality"


def modality(runner: StudyRunner) -> Part:
    """Equivalence and non-inferiority by stated margins, of ratings, of well-being and of their association."""
    options = runner.options
    rated, outcome = runner.fit("alliance_modality"), runner.fit("modality")
    blocks, findings = [], []
    for name, title, fit, of, margin, unit in (
        ("alliance", "Ratings of the alliance", rated, "mean", options.alliance_margin, "alliance points"),
        ("wellbeing", "Follow-up well-being", outcome, "mean", options.margin, "WHO-5 points"),
        ("slope", "Association of the two", outcome, "slope", options.margin, "WHO-5 points per alliance point"),
    ):
        block, said = _compared(runner, f"modality-{name}", title, fit, of, margin, unit)
        blocks.append(block)
        findings += said
    return Part(
        "modality",
        "Video and in-person care",
        "Are ratings of the alliance, follow-up well-being and their association the same in video and in-person care?",
        tuple(blocks),
        tuple(findings),
        (
            "That a difference between video and in-person care, or its absence, is due to the modality. People were "
            "not assigned to one of them at random.",
        ),
    )


def _compared(
    runner: StudyRunner, name: str, title: str, fit: Fit, of: str, margin: float, unit: str
) -> tuple[Block, list[Finding]]:
    prob = runner.options.prob
    levels = (
        fit.adjusted_means(FACTOR, prob=prob)
        if of == "mean"
        else fit.effects(["slopes_by_level"], prob=prob, rope=None, relevant=None)
    )
    levels = levels[levels["factor"] == FACTOR]
    pairs = fit.contrasts(
        FACTOR, of="mean" if of == "mean" else "slope", prob=prob, rope=(-margin, margin), relevant=None
    )
    pairs = pairs[pairs["estimand"] == f"contrast_of_{of}s"]
    block = runner.block(name, title, EffectTable.concat([levels, pairs]), [fit])
    if block.withheld:
        return block, []
    pairs = block.rows[block.rows["versus"].notna()]
    # Slopes are compared over a contrast of the predictor, by limits that the rows have.
    judged = equivalence(pairs)
    margin = float(pairs["rope_high"].iloc[0])
    picture = block_forest(
        f"picture-{name}",
        f"{title}: difference between modalities",
        pairs,
        axis=unit,
        caption=f"Posterior mean and interval. Grey: the margin of ±{derived(margin)} {unit}.",
        reference=0.0,
        rope=(-margin, margin),
    )
    tables = [
        block_table(f"table-{name}-levels", f"{title} by modality", block.rows[block.rows["versus"].isna()]),
        block_table(f"table-{name}-pairs", f"{title}: difference between modalities", pairs),
        frame_table(
            judged.drop(columns=["statement"]),
            name=f"table-{name}-margin",
            caption=f"Equivalence and non-inferiority by a margin of {derived(margin)} {unit}",
        ),
    ]
    said = [Finding(str(sentence), (f"{name}/{row}",)) for row, sentence in judged["statement"].items()]
    return block.with_page(tables=tables, pictures=[picture]), said
