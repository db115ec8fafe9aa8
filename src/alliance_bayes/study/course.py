"""Alliance over time: growth over sessions, early alliance, and the parts within and between providers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from alliance_bayes.api import Fit
from alliance_bayes.cohort import session_cohort, with_alliance_parts
from alliance_bayes.effects import EffectTable, Estimate, Measure
from alliance_bayes.effects.options import make_options
from alliance_bayes.effects.summary import Fixed, summarise
from alliance_bayes.report.findings import Finding
from alliance_bayes.report.rows import measured
from alliance_bayes.report.text import exact
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import block_table, one_row, prefix_of, prefixed, shown
from alliance_bayes.study.words import more_or_less, slope_sentence

__all__ = ["course"]

# Column of the rating, and what it is called.
_WHEN = {
    "overall": ("alliance", "Average over all sessions"),
    "early": ("alliance_early", "First two sessions"),
    "first": ("alliance_first", "First session"),
}
_RATED_EARLY = {"early": "early", "first": "first_session"}


def course(runner: StudyRunner) -> Part:
    """Three views of time and of providers, each from models of its own."""
    sessions = session_cohort(runner.cohort)
    parts = with_alliance_parts(runner.cohort)
    growth = runner.fit("growth", cohort=sessions)
    fits = {"overall": runner.fit("outcome_everybody", card="outcome")}
    fits |= {when: runner.fit(card, cohort=parts) for when, card in _RATED_EARLY.items()}
    blocks = [_growth(runner, growth), _early(runner, fits)]
    left_out = []
    if "alliance_provider" in parts.data and parts.data["alliance_provider"].notna().any():
        blocks.append(_providers(runner, runner.fit("within_between", cohort=parts)))
    else:
        left_out.append("slopes within and between providers: the sessions do not name the provider.")
    findings = [finding for block in blocks for finding in _findings(runner, block)]
    return Part(
        "time",
        "Alliance over time and between providers",
        "How does the alliance develop from session to session, does it go with later well-being when it is rated "
        "early, and is it the client's own alliance or the provider's average that matters?",
        tuple(blocks),
        tuple(findings),
        (
            "That early alliance brings later well-being about. It comes first in time, but what people brought with "
            "them may lie behind both.",
        ),
        tuple(left_out),
    )


def _growth(runner: StudyRunner, fit: Fit) -> Block:
    draws, names = fit.stacked, {factor.name: factor for factor in fit.design.factors}
    terms = list(fit.design.terms)
    beta = draws["beta"]
    centre = fit.design.centres.get("session", 0.0)

    def row(name: str, label: str, values: np.ndarray, unit: str, **facts: Any) -> Estimate:
        return Estimate(name, Fixed(fit.with_chains(values)), unit, measure=Measure(label), **facts)

    slope, point = beta[:, terms.index("session")], "alliance point"
    start = beta[:, terms.index("Intercept")] - centre * slope
    found = [
        row("rating_in_first_session", "Rating in first session", start, point),
        row("change_per_session", "Change per session", slope, f"{point} per session", signed=True),
    ]
    for name, factor in names.items():
        who = "participants" if name == "person" else "providers"
        for place, term in enumerate(factor.terms):
            what, unit = ("level", point) if term == "Intercept" else ("change", f"{point} per session")
            values = draws[f"tau_{name}"][:, place]
            found.append(row(f"sd_of_{what}", f"SD of {what} between {{factor}}", values, unit, factor=who))
    found.append(row("residual_sd", "Residual SD", draws["sigma"], point))
    rows = summarise(found, make_options(fit, prob=runner.options.prob))
    block = runner.block("time-growth", "From session to session", rows, [fit])
    if block.withheld:
        return block
    text = (
        f"Ratings of {len(fit.design.frame):,} sessions, each the mean of goal and bond, with a line for every "
        "participant (level and change per session) and a level for every provider. The lines' level is at "
        f"session {exact(round(centre + 1, 1))}. Ratings near the ceiling cannot rise, which flattens the lines.",
    )
    return block.with_page(
        text=text,
        tables=[
            block_table(
                "table-time-growth",
                "Growth of the alliance over sessions",
                block.rows,
                label=partial(measured, block.rows),
            )
        ],
    )


def _early(runner: StudyRunner, fits: dict[str, Fit]) -> Block:
    found = []
    for when, fit in fits.items():
        table = fit.effects(
            ["slopes"], predictor=_WHEN[when][0], prob=runner.options.prob, rope=runner.options.rope, relevant=None
        )
        found.append(prefixed(table, when, estimands=("slope", "slope_per_sd", "slope_standardised")))
    block = runner.block("time-early", "Rated early", EffectTable.concat(found), fits.values())
    if block.withheld:
        return block
    page = block_table(
        "table-time-early",
        "Slope of follow-up WHO-5 on the alliance when it was rated",
        block.rows,
        label=lambda row: f"{_WHEN[prefix_of(row)][1]}: {measured(block.rows, row, short=True, unit='point')}",
        heading="Rated in",
    )
    text = (
        "A rating from the first session precedes the change that the average over the whole window partly reflects. "
        "It is also less reliable, since it averages less, which makes its slope smaller for that reason alone.",
    )
    return block.with_page(text=text, tables=[page])


def _providers(runner: StudyRunner, fit: Fit) -> Block:
    options = make_options(fit, prob=runner.options.prob, rope=runner.options.rope)
    terms, beta = list(fit.design.terms), fit.stacked["beta"]
    within, between = beta[:, terms.index("alliance_within")], beta[:, terms.index("alliance_provider")]
    unit = "WHO-5 point per alliance point"
    found = [
        Estimate(
            name,
            Fixed(fit.with_chains(values)),
            unit,
            term=name,
            signed=True,
            rope=options.rope,
            measure=Measure(label, signed=True),
        )
        for name, label, values in (
            ("slope_within_providers", "Within providers", within),
            ("slope_between_providers", "Between providers", between),
            ("between_minus_within", "Difference", between - within),
        )
    ]
    block = runner.block("time-providers", "Within and between providers", summarise(found, options), [fit])
    if block.withheld:
        return block
    clients = fit.design.frame.groupby("provider_id", observed=True).size()
    text = (
        "A client's alliance in two parts: the provider's average over clients, and the client's distance from it "
        f"(cluster-mean centring). The {len(clients):,} providers have a median of {exact(float(clients.median()))} "
        "clients here, so their averages are themselves uncertain, which draws the slope between providers towards the "
        "one within.",
    )
    return block.with_page(
        text=text,
        tables=[
            block_table(
                "table-time-providers",
                "Slope of follow-up WHO-5 on alliance within and between providers",
                block.rows,
                label=partial(measured, block.rows),
                heading="Slope",
            )
        ],
    )


def _findings(runner: StudyRunner, block: Block) -> list[Finding]:
    if block.withheld:
        return []
    estimates = shown(block.rows)
    if block.name == "time-growth":
        row = block.rows[block.rows["estimand"] == "change_per_session"].iloc[0]
        sentence = more_or_less(estimates, row, unit="alliance points")
        text = f"From one session to the next, the alliance was rated {sentence}."
        return [Finding(text, (f"{block.name}/{row.name}",))]
    if block.name == "time-early":
        row = one_row(block.rows, "slope", "first")
        sentence = slope_sentence(estimates, row, predictor="alliance_first", outcome="who5_followup", who="everybody")
        return [
            Finding(
                f"With the alliance as it was rated in the first session, {sentence}.",
                (f"{block.name}/{row.name}",),
            )
        ]
    row = block.rows[block.rows["estimand"] == "between_minus_within"].iloc[0]
    text = (
        "The slope between providers compared with that within providers was "
        f"{more_or_less(estimates, row, unit='WHO-5 points per alliance point')}."
    )
    return [Finding(text, (f"{block.name}/{row.name}",))]
