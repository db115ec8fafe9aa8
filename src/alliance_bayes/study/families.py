"""Families for a bounded score: which predicts best, and whether the choice changes a conclusion."""

from __future__ import annotations

from alliance_bayes.checks.conclusions import conclusions
from alliance_bayes.effects import EffectTable
from alliance_bayes.report.finding import Finding
from alliance_bayes.study.declared import DeclaredPart, chosen_rows
from alliance_bayes.study.model_comparison import compared, score_table
from alliance_bayes.study.part import Part
from alliance_bayes.study.predictive import predictive_pictures
from alliance_bayes.study.runner import StudyRunner

__all__ = ["families"]


def families(runner: StudyRunner) -> Part:
    """The outcome model under four families, on one scale."""
    part, options = DeclaredPart("families", runner), runner.options
    fits = part.fits()
    block = part.block("slopes", fits=fits)
    if block.withheld:
        part.show("slopes", block)
        return part.part()
    runner.tell("comparing families by leave-one-out prediction")
    titles = part.declaration.blocks["slopes"].called
    by_title = {titles[name]: fit for name, fit in fits.items()}
    comparison, agreement = compared(by_title), conclusions(by_title, prob=options.prob, rope=options.rope)
    scores = score_table(
        comparison, name="table-families-scores", what=part.sentence("scores"), note=part.sentence("scores_note")
    )
    part.show("slopes", block, {"verdict": agreement.sentence}, tables=[scores])
    pictures = [
        picture for name, fit in fits.items() for picture in predictive_pictures(name, titles[name], fit, options.small)
    ]
    part.show("predictive", part.block("predictive", EffectTable(block.rows[:0]), {}), pictures=pictures)
    rows = [f"{block.name}/{row}" for row in chosen_rows(block.rows, "slope").index]
    if agreement.changes:
        part.findings.append(Finding(agreement.sentence, tuple(rows)))
    else:
        means = agreement.table["mean"]
        part.find("same", rows, n=len(means), low=f"{means.min():.2f}", high=f"{means.max():.2f}")
    part.findings.append(Finding(comparison.sentence, key=False))
    return part.part(numbers={"scores": comparison.table, "conclusions": agreement.table})
