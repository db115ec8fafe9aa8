"""Families for a bounded score: which predicts best, and whether the choice changes a conclusion."""

from __future__ import annotations

from alliance_bayes.checks.conclusions import Conclusions, conclusions
from alliance_bayes.effects import EffectTable
from alliance_bayes.report.findings import Finding
from alliance_bayes.report.rows import measured
from alliance_bayes.study.model_comparison import compared, score_table
from alliance_bayes.study.part import Part
from alliance_bayes.study.predictive import predictive_pictures
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import block_forest, block_table, prefix_of, prefixed

__all__ = ["families"]

_CARDS = {
    "gaussian": "outcome",
    "student_t": "outcome_student_t",
    "beta_binomial": "outcome_beta_binomial",
    "cumulative": "outcome_ordinal",
}
_TITLES = {
    "gaussian": "Gaussian",
    "student_t": "Student's t",
    "beta_binomial": "Beta-binomial",
    "cumulative": "Ordinal",
}


def families(runner: StudyRunner) -> Part:
    """The outcome model under four families, on one scale."""
    options = runner.options
    fits = {
        name: runner.fit("outcome_everybody", card=card) if name == "gaussian" else runner.fit(card)
        for name, card in _CARDS.items()
    }
    rope = options.rope
    rows = EffectTable.concat(
        prefixed(
            fit.effects(["slopes"], prob=options.prob, rope=rope, relevant=options.improvement),
            name,
            estimands=("slope", "slope_p10_p90"),
        )
        for name, fit in fits.items()
    )
    block = runner.block("families-slopes", "The slope under each family", rows, fits.values())
    question = "Does the family that is assumed for a score with ends and steps change what is concluded?"
    if block.withheld:
        return Part("families", "Families for a bounded score", question, (block,))
    slopes = block.rows[block.rows["estimand"] == "slope"]
    picture = block_forest(
        "picture-families",
        "Slope of follow-up WHO-5 on alliance by family",
        slopes,
        axis="WHO-5 points per alliance point",
        caption="Average slope of the expected score, on the score's own scale whatever the family.",
        label=lambda row: _TITLES[prefix_of(row)],
        reference=0.0,
        rope=rope,
    )
    table = block_table(
        "table-families-slopes",
        "Slope of follow-up WHO-5 on alliance by family",
        block.rows,
        label=lambda row: f"{_TITLES[prefix_of(row)]}: " + measured(block.rows, row, short=True, unit="point"),
        heading="Family",
    )
    runner.tell("comparing families by leave-one-out prediction")
    named = {_TITLES[name]: fit for name, fit in fits.items()}
    comparison = compared(named)
    same = conclusions(named, prob=options.prob, rope=rope)
    scores = score_table(
        comparison,
        name="table-families-scores",
        what="Families",
        note="Stacking weights are those of the mixture that predicts best, not probabilities of the families.",
    )
    predicted = runner.block("families-predictive", "Prior and posterior predictive checks", rows[:0], []).with_page(
        text=("What each family would have drawn before it saw the data, and after, against what was observed.",),
        pictures=[
            picture
            for name, fit in fits.items()
            for picture in predictive_pictures(name, _TITLES[name], fit, options.small)
        ],
    )
    return Part(
        "families",
        "Families for a bounded score",
        question,
        (block.with_page(text=(same.sentence,), tables=[table, scores], pictures=[picture]), predicted),
        (
            Finding(_same(same), tuple(f"{block.name}/{row}" for row in slopes.index)),
            Finding(comparison.sentence, key=False),
        ),
        numbers={"scores": comparison.table, "conclusions": same.table},
    )


def _same(found: Conclusions) -> str:
    """Whether the family matters, for the key findings."""
    if found.changes:
        return found.sentence
    low, high = found.table["mean"].min(), found.table["mean"].max()
    return (
        f"Whichever of {len(found.table)} families is assumed for the score, the slope on alliance is between "
        f"{low:.2f} and {high:.2f} WHO-5 points per alliance point, and the conclusion is the same."
    )
