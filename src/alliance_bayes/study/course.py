"""Alliance over time: growth over sessions, early alliance, and the parts within and between providers."""

from __future__ import annotations

from typing import Any

import numpy as np

from alliance_bayes.api import Fit
from alliance_bayes.cohort import with_alliance_parts
from alliance_bayes.effects import EffectTable, Estimate, Measure
from alliance_bayes.effects.options import make_options
from alliance_bayes.effects.summary import Fixed, summarise
from alliance_bayes.report.text import exact
from alliance_bayes.study.declared import DeclaredPart
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.part import Part
from alliance_bayes.study.runner import StudyRunner

__all__ = ["course"]


def course(runner: StudyRunner) -> Part:
    """Three views of time and of providers, each from models of its own."""
    part, options = DeclaredPart("time", runner), runner.options
    growth, *_ = part.fits("growth", "overall", "early", "first").values()
    centre = growth.design.centres.get("session", 0.0) + 1
    values = {"n": f"{len(growth.design.frame):,}", "centre": exact(round(centre, 1))}
    part.add("growth", part.block("growth", _growth(growth, options)), values)
    part.add("early")
    between = with_alliance_parts(runner.cohort).data.get("alliance_provider")
    if between is None or not between.notna().any():
        return part.part(left_out=[part.sentence("no_providers")])
    fit = part.fit("providers")
    clients = fit.design.frame.groupby("provider_id", observed=True).size()
    values = {"providers": f"{len(clients):,}", "clients": exact(float(clients.median()))}
    part.add("providers", part.block("providers", _providers(fit, options)), values)
    return part.part()


def _growth(fit: Fit, options: StudyOptions) -> EffectTable:
    """Level and change of the alliance over sessions, and their SDs between people and providers."""
    draws, terms = fit.stacked, list(fit.design.terms)

    def row(name: str, label: str, values: np.ndarray, unit: str, **facts: Any) -> Estimate:
        return Estimate(name, Fixed(fit.with_chains(values)), unit, measure=Measure(label), **facts)

    slope, point = draws["beta"][:, terms.index("session")], "alliance point"
    start = draws["beta"][:, terms.index("Intercept")] - fit.design.centres.get("session", 0.0) * slope
    rows = [
        row("rating_in_first_session", "Rating in first session", start, point),
        row("change_per_session", "Change per session", slope, f"{point} per session", signed=True),
    ]
    for factor in fit.design.factors:
        who = "participants" if factor.name == "person" else "providers"
        for place, term in enumerate(factor.terms):
            quantity, unit = ("level", point) if term == "Intercept" else ("change", f"{point} per session")
            values = draws[f"tau_{factor.name}"][:, place]
            rows.append(row(f"sd_of_{quantity}", f"SD of {quantity} between {{factor}}", values, unit, factor=who))
    rows.append(row("residual_sd", "Residual SD", draws["sigma"], point))
    return summarise(rows, make_options(fit, prob=options.prob))


def _providers(fit: Fit, options: StudyOptions) -> EffectTable:
    """Slopes within and between providers, and their difference."""
    terms, beta = list(fit.design.terms), fit.stacked["beta"]
    within, between = beta[:, terms.index("alliance_within")], beta[:, terms.index("alliance_provider")]
    rows = [
        Estimate(
            name,
            Fixed(fit.with_chains(values)),
            "WHO-5 point per alliance point",
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
    return summarise(rows, make_options(fit, prob=options.prob, rope=options.rope))
