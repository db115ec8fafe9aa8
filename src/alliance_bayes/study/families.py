"""Families for a bounded score: which predicts best, and whether the choice changes a conclusion."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.report.finding import Finding
from alliance_bayes.report.text import number
from alliance_bayes.report.verdicts import under_models
from alliance_bayes.study.declared import DeclaredPart, declaration
from alliance_bayes.study.model_comparison import compared, score_table
from alliance_bayes.study.part import Part
from alliance_bayes.study.predictive import predictive_pictures
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import one_row
from alliance_bayes.wording import filled

__all__ = ["conclusion_under", "families"]


def families(runner: StudyRunner) -> Part:
    """The outcome model under four families, on one scale."""
    part = DeclaredPart("families", runner)
    fits = part.fits()
    block = part.block("slopes", fits=fits)
    if block.withheld:
        part.show("slopes", block)
        return part.part()
    runner.tell("comparing families by leave-one-out prediction")
    titles = part.declaration.blocks["slopes"].called
    by_title = {titles[name]: fit for name, fit in fits.items()}
    comparison = compared(by_title)
    scores = score_table(
        comparison, name="table-families-scores", what=part.sentence("scores"), note=part.sentence("scores_note")
    )
    rows = {titles[name]: one_row(block.rows, "slope_p10_p90", name) for name in fits}
    verdict = conclusion_under(rows)
    part.show("slopes", block, {"verdict": verdict}, tables=[scores])
    pictures = [
        picture for name, fit in fits.items() for picture in predictive_pictures(name, titles[name], fit, runner)
    ]
    part.show("predictive", part.block("predictive", EffectTable(block.rows[:0]), {}), pictures=pictures)
    part.findings.append(Finding(verdict, tuple(f"{block.name}/{row.name}" for row in rows.values())))
    part.findings.append(Finding(comparison.sentence, key=False))
    return part.part(numbers={"scores": comparison.table})


def conclusion_under(rows: Mapping[str, pd.Series]) -> str:
    """Whether the family changes the conclusion.

    Parameters
    ----------
    rows
        The declared contrast under each family, by what it is called.
    """
    same, verdicts = under_models(rows)
    means = [float(row["mean"]) for row in rows.values()]
    low, high = (number(end, 1) for end in (min(means), max(means)))
    values = {"n": len(rows), "low": low, "high": high, "verdicts": verdicts}
    return filled(declaration("families").sentences["same" if same else "changes"], values)
