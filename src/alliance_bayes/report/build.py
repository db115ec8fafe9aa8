"""From a fit to its report."""

from __future__ import annotations

from typing import Any

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.checking import Checked, checking
from alliance_bayes.report.effect_sizes import effect_sizes
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.findings import find
from alliance_bayes.report.groups import groups
from alliance_bayes.report.modelling import modelling
from alliance_bayes.report.page import page
from alliance_bayes.report.participants import participants
from alliance_bayes.report.privacy import redaction
from alliance_bayes.report.records import plain
from alliance_bayes.report.report import FORMAT, JSON_NAME, Report
from alliance_bayes.report.reproduction import reproduction
from alliance_bayes.report.text import capital, clean, count
from alliance_bayes.report.variance import variance
from alliance_bayes.report.words import column_name
from alliance_bayes.versions import versions

__all__ = ["build_report"]


def build_report(
    fit: FittedModel,
    *,
    effects: EffectTable | None = None,
    checks: CheckReport | None = None,
    prob: float = 0.89,
    title: str | None = None,
) -> Report:
    """Write up a fit as one self-contained page with its numbers.

    Parameters
    ----------
    fit
        The fit.
    effects
        Its effect sizes; computed here where not given. Their probability is then the page's.
    checks
        Its checks; run here where not given.
    prob
        Probability of the intervals.
    title
        Heading of the page; by default the model card's title.

    Returns
    -------
    Report
        The page (`html`) and its numbers. When the checks closed the gate, no conclusion and no estimate is in either.

    Raises
    ------
    UsageError
        A probability outside (0, 1), or one that differs from that of the effects given.

    Notes
    -----
    No row of a participant is in the page or in the JSON: distributions are shown in bars of at least five people,
    counts of fewer than five as "< 5", and levels that may be one person each are not named.
    """
    if not 0 < prob < 1:
        raise UsageError(f"prob should be in the interval (0, 1) but got {prob!r}. 0.89 is the default.")
    effects, checks = _completed(fit, effects, checks, prob)
    if len(effects):
        prob = float(effects["prob"].iloc[0])
    withheld = not checks.gate.passed
    version = versions()["alliance_bayes"]
    estimates = Estimates.of(fit, effects[effects["estimand"] == ""] if withheld else effects)
    redact = redaction(fit)
    checked = Checked.of(fit, checks, redact)
    found = find(fit, estimates, checked, checks.gate, redact)

    data, people = participants(fit)
    model, described = modelling(fit, checked=checked, withheld=withheld)
    verdicts, judged = checking(checked)
    sizes, curve = effect_sizes(fit, estimates, prob=prob, withheld=withheld, cautions=checked.about("effects"))
    rerun, meta = reproduction(fit, checked=checked, withheld=withheld, prob=prob, version=version)
    sections = (
        data,
        model,
        verdicts,
        sizes,
        groups(fit, estimates, withheld=withheld, cautions=checked.about("groups")),
        variance(fit, estimates, withheld=withheld, cautions=checked.about("variance")),
        rerun,
    )
    heading = clean(title or fit.spec.card.title or _title(fit))
    source = clean(fit.info.get("cohort_source", "source not recorded"))
    html = page(
        title=heading,
        subtitle=[
            line
            for line in (clean(fit.spec.card.question), f"{count(fit.flow.analysed)} people analysed · data: {source}")
            if line
        ],
        sections=sections,
        findings=found,
        version=version,
        json_name=JSON_NAME,
    )
    numbers: dict[str, Any] = plain(
        {
            "format": FORMAT,
            "title": heading,
            "withheld": withheld,
            "reasons": found.reasons,
            "prob": prob,
            "findings": found.numbers(),
            "effects": None if withheld else estimates.records(),
            "curve": None if curve is None else {"interval": "eti", "prob": prob, "points": curve},
            "participants": people,
            "model": described,
            "checks": judged,
            "meta": meta,
        }
    )
    return Report(heading, html, numbers, found.sentences, withheld)


def _completed(
    fit: FittedModel, effects: EffectTable | None, checks: CheckReport | None, prob: float
) -> tuple[EffectTable, CheckReport]:
    if effects is None:
        from alliance_bayes.effects import effects as compute

        effects = compute(fit, prob=prob)
    if checks is None:
        from alliance_bayes.checks import run_checks

        checks = run_checks(fit, effects=effects)
    return effects, checks


def _title(fit: FittedModel) -> str:
    focal = fit.spec.focal_predictor(fit.design)
    outcome = column_name(fit.design.outcome.name)
    text = outcome if focal is None else f"{column_name(focal)} and {outcome}"
    return capital(text)
