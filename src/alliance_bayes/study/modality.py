"""Video and in-person care compared: ratings, well-being, and how the two go together."""

from __future__ import annotations

from alliance_bayes.effects import equivalence
from alliance_bayes.report.finding import Finding
from alliance_bayes.report.tables import frame_table
from alliance_bayes.report.text import derived
from alliance_bayes.study.declared import DeclaredPart, chosen_rows
from alliance_bayes.study.part import Part
from alliance_bayes.study.runner import StudyRunner

__all__ = ["modality"]


def modality(runner: StudyRunner) -> Part:
    """Equivalence and non-inferiority by stated margins, of ratings, of well-being and of their association."""
    part = DeclaredPart("modality", runner)
    part.fits()
    for name, declared in part.declaration.blocks.items():
        block = part.block(name)
        if block.withheld:
            part.show(name, block)
            continue
        pairs = chosen_rows(block.rows, "pairs")
        # Slopes are compared over a contrast of the predictor, by limits that the rows have.
        verdicts = equivalence(pairs)
        caption = part.sentence("margin", rope=derived(float(pairs["rope_high"].iloc[0])), **declared.values)
        rows = verdicts.drop(columns=["statement"])
        part.show(name, block, tables=[frame_table(rows, name=f"table-{block.name}-margin", caption=caption)])
        for row, sentence in verdicts["statement"].items():
            part.findings.append(Finding(str(sentence), (f"{block.name}/{row}",)))
    return part.part()
