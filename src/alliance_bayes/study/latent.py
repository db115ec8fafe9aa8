"""Latent alliance: the slope corrected for the error and the ceiling of ratings."""

from __future__ import annotations

from functools import partial

from alliance_bayes.effects import EffectTable
from alliance_bayes.report.findings import Finding
from alliance_bayes.report.rows import measured
from alliance_bayes.report.tables import frame_table
from alliance_bayes.report.text import MINUS
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import block_forest, block_table, one_row, shown
from alliance_bayes.study.words import share_words

__all__ = ["latent", "measurement_equations"]


def latent(runner: StudyRunner) -> Part:
    """The corrected slope beside the naive one, and how well ratings measure."""
    fit = runner.latent("latent")
    rope = runner.options.rope
    rows = fit.effects(runner.options.prob, rope=rope)
    gate = fit.check().gate
    reasons = () if gate.passed else gate.reasons
    block = Block("latent", "The slope without error of measurement", rows, reasons, models=("latent",))
    question = "How large is the association once the error and the ceiling of ratings are taken out?"
    title = "Latent alliance"
    if block.withheld:
        return Part("latent", title, question, (Block(block.name, block.title, rows[:0], block.withheld),))
    slopes = rows[rows["estimand"].isin(["corrected_slope", "naive_slope"])]
    picture = block_forest(
        "picture-latent",
        "Slope of follow-up WHO-5 on alliance, corrected and naive",
        slopes,
        axis="WHO-5 points per alliance point",
        caption="Naive: on the observed mean rating. Corrected: on the rating that a person is expected to give, which "
        "the ratings of single sessions inform.",
        label=lambda row: "Corrected" if row["estimand"] == "corrected_slope" else "Naive",
        reference=0.0,
        rope=rope,
    )
    tables = [
        block_table("table-latent", "Latent alliance", rows, label=partial(measured, rows)),
        frame_table(
            fit.measurement_check(),
            name="table-latent-check",
            caption="Does the measurement model give back the ratings? Observed against replicated",
        ),
    ]
    text = (
        "Every rating is an ordered answer of a person to an item in a session: the person's trait, the person's "
        "leaning to goal or bond, the provider, the session and chance decide which. True alliance is the average "
        "rating that the person would be expected to give these providers, with chance taken out; the outcome is "
        "regressed on it in the same model, so that what is not known of it widens the interval.",
    )
    return Part(
        "latent",
        title,
        question,
        (block.with_page(text=text, tables=tables, pictures=[picture]),),
        tuple(_findings(block, rows)),
        ("That the corrected slope is a causal effect. It corrects for error of measurement, and for nothing else.",),
    )


def _findings(block: Block, rows: EffectTable) -> list[Finding]:
    estimates = shown(rows)
    corrected, naive = one_row(rows, "corrected_slope"), one_row(rows, "naive_slope")
    reliability = share_words(estimates, one_row(rows, "reliability"))
    text = (
        f"With error of measurement taken out, the slope is {estimates.mean(corrected)} WHO-5 points per alliance "
        f"point ({estimates.spoken(corrected)}), against {estimates.mean(naive)} ({estimates.spoken(naive)}) on "
        f"observed ratings, whose reliability is {reliability}."
    )
    return [Finding(text, tuple(f"{block.name}/{row.name}" for row in (corrected, naive)))]


def measurement_equations(trait: str) -> tuple[str, ...]:
    """The model of the ratings as lines of plain text; its parameters are named as in the table of its priors.

    Parameters
    ----------
    trait
        Shape of the trait's distribution, one of `alliance_bayes.latent.measurement.TRAITS`.

    References
    ----------
    Samejima (1969), Psychometrika Monograph 17: the graded response model.
    """
    units = "trait_sd · ξ"
    if trait == "stretched":
        units += " below 0, trait_sd_above · ξ above it, joined smoothly"
    return (
        f"log odds(rating of item m > k) = θ + lean[m] + provider + session {MINUS} cut[m, k], k = 1 to 4, m = goal or "
        "bond",
        f"θ = {units}",
        "ξ ~ Normal(trait_mean + Σ trait_slope · predictor + Σ trait_tau · level, 1), with the predictors and factors "
        "of the outcome",
        f"lean[bond] = λ, lean[goal] = {MINUS}λ, λ ~ Normal(0, lean_sd)",
        "provider ~ Normal(0, provider_sd), session ~ Normal(0, session_sd)",
        f"cut[bond, 4] = item_shift / 2, cut[goal, 4] = {MINUS}item_shift / 2; below, at distances of exp(log_gap)",
        "alliance = expected rating of a person over sessions and providers, mean of goal and bond",
    )
