"""Latent alliance: the slope corrected for the error and the ceiling of ratings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alliance_bayes.report.tables import frame_table
from alliance_bayes.report.text import MINUS
from alliance_bayes.study.declared import DeclaredPart
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import one_row, shown
from alliance_bayes.study.words import spoken

__all__ = ["latent", "measurement_equations"]


def latent(runner: StudyRunner) -> Part:
    """The corrected slope beside the naive one, and how well ratings measure."""
    part = DeclaredPart("latent", runner)
    fit = runner.latent(part.declaration.models["latent"].card)
    rows, gate = fit.effects(runner.options.prob, rope=runner.options.rope), fit.check().gate
    of = part.declaration.blocks["slope"]
    if not gate.passed:
        part.show("slope", Block(of.name, of.title, rows[:0], gate.reasons))
        return replace(part.part(), limits=())
    check = frame_table(fit.measurement_check(), name="table-latent-check", caption=part.sentence("check"))
    block = part.show("slope", Block(of.name, of.title, rows, models=("latent",)), tables=[check])
    names = {"corrected": "corrected_slope", "naive": "naive_slope", "reliability": "reliability"}
    by_name = {name: one_row(rows, estimand) for name, estimand in names.items()}
    cited = [f"{block.name}/{by_name[name].name}" for name in ("corrected", "naive")]
    phrases: dict[str, Any] = {name: spoken(shown(rows), row) for name, row in by_name.items()}
    part.find("slopes", cited, **phrases)
    return part.part()


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
