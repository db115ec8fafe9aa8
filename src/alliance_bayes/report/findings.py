"""The key findings: sentences with their numbers, the cautions that touch them, and what must not be concluded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from alliance_bayes.checks.refits import FEW_LEVELS
from alliance_bayes.checks.stated import MOST_AT, SAID_AT
from alliance_bayes.effects.at import at_words
from alliance_bayes.effects.counterfactual import is_bent
from alliance_bayes.effects.options import DENOMINATORS
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.arms import differences, moderated, reference_of, varied_by
from alliance_bayes.report.checked import Checked
from alliance_bayes.report.effect_sizes import further_rows, relevance_words, rope_limits
from alliance_bayes.report.estimates import Estimates, text_of, words_of
from alliance_bayes.report.finding import Finding, Findings, Topic, scale_words
from alliance_bayes.report.fixed import fixed_by_model
from alliance_bayes.report.groups import factors_of, ordered_pairs, pair_name
from alliance_bayes.report.limitations import is_simulated, not_to_conclude
from alliance_bayes.report.phrases import (
    adjusted_for,
    contrast_of,
    contrast_values,
    outcome_mean,
    outcome_words,
    persons_of,
    under_other_priors,
)
from alliance_bayes.report.providers import said_of_providers
from alliance_bayes.report.rows import measured_where, row_words
from alliance_bayes.report.small_counts import alike_but_for
from alliance_bayes.report.text import (
    MINUS,
    capital,
    clean,
    column_name,
    count,
    ends_words,
    exact,
    factor_name,
    join,
    levels_words,
    over_words,
    percent,
    step_of,
    unit_of,
    units,
)
from alliance_bayes.report.untold import unsaid
from alliance_bayes.report.verdicts import (
    Claim,
    claim,
    excludes_zero,
    lower_is_better,
    margin_verdict,
    symptom_words,
)
from alliance_bayes.wording import Wording

__all__ = ["find"]

SENTENCES = Wording("alliance_bayes.report", "sentences/findings.toml")
#: Differences that a finding names.
NAMED = 3
#: Part of a posterior SD by which two populations' means, or part by which their SDs, may differ and count as the same.
DIFFERENT = 0.1
#: Pairs from which on an unclear one is not named.
MANY = 15


def find(
    fit: FittedModel, estimates: Estimates, checked: Checked, reasons: Sequence[str] | None, small: int
) -> Findings:
    """Put the findings of a fit into words.

    Parameters
    ----------
    fit, estimates
        The fit and its effects.
    checked
        The checks.
    reasons
        Why no conclusions may be drawn, as the page says it; None where they may.
    small
        Fewest people that a shown count stands for.
    """
    simulated = is_simulated(fit.info.get("cohort_source"))
    if reasons is not None:
        return Findings(True, tuple(reasons), (), (), simulated)
    factor = fit.spec.focal_factor(fit.design)
    parts = (
        ("Association", "effects", tuple(_association(fit, estimates, checked, small)))
        if factor is None
        else (f"Differences by {factor_name(factor)}", "effects", tuple(_arms(fit, estimates, checked, factor))),
        (
            "Groups",
            "groups",
            (
                *_groups(fit, estimates, besides=factor),
                *(Finding(text, (row,), name, lead) for name, lead, text, row in said_of_providers(fit, estimates)),
            ),
        ),
        ("How much is explained", "variance", tuple(_explained(estimates))),
        ("Other estimands", "effects", (*_further(fit, estimates), *_at_values(fit, estimates, checked))),
    )
    topics: list[Topic] = []
    for title, section, findings in parts:
        if findings:
            before = {item.name for topic in topics for item in topic.cautions}
            about = checked.about(section)
            fresh = tuple(item for item in about if item.name not in before)
            topics.append(Topic(title, findings, fresh, tuple(item for item in about if item.name in before)))
    certainty = scale_words() if any(finding.claims for topic in topics for finding in topic.findings) else ""
    return Findings(False, (), tuple(topics), not_to_conclude(fit, small), simulated, certainty)


def _association(fit: FittedModel, estimates: Estimates, checked: Checked, small: int) -> Iterable[Finding]:
    focal = fit.spec.focal_predictor(fit.design)
    slope = None if focal is None else estimates.first("slope", term=focal)
    if focal is None:
        return
    if focal in unsaid(fit, small):
        yield Finding(SENTENCES("slope_hidden", focal=column_name(focal)), (), "slope")
        return
    if slope is None:
        # The predictor enters by a step, say: what goes with a step of it says all that there is to say.
        yield from _span(fit, estimates, checked, focal, outcome_words(fit)[1])
        return
    name, points = column_name(focal), outcome_words(fit)[1]
    step = step_of(fit.design, focal)
    if fit.design.is_indicator(focal):
        step += " (1 against 0)"
    covariates = adjusted_for(fit, focal)
    fitted = claim(slope)
    direction = under_other_priors(fitted, checked)
    sentence = _sentence(
        estimates,
        slope,
        direction,
        unit=step,
        term=name,
        outcome=outcome_mean(fit),
        points=points,
        given=covariates,
        leaning=direction.though,
        over=over_words(fit.design, str(slope["population"])),
    )
    text = SENTENCES(
        "association",
        sentence=sentence,
        interval=estimates.spoken(slope, lower=direction.lower),
        direction=estimates.direction_spoken(slope, lower=direction.lower),
        symptoms=lower_is_better(fit),
        bent=is_bent(fit.design, focal),
        fitted="" if direction.word == fitted.word else fitted.word,
        in_rope=_in_rope(estimates, slope),
        limits=rope_limits(fit, slope) if pd.notna(slope["rope_low"]) else "",
    )
    yield Finding(text, (str(slope.name),), "slope", claims=(direction,))
    yield from _in_sample(fit, estimates, slope, focal, points)
    if direction.settled and not fit.design.is_indicator(focal):
        yield from _needed(fit, estimates, focal)
    yield from _span(fit, estimates, checked, focal, points)


def _in_sample(fit: FittedModel, estimates: Estimates, slope: pd.Series, focal: str, points: str) -> Iterable[Finding]:
    """The slope over the levels in the data, where it is not about that over all that there could be."""
    row = estimates.first("slope_in_sample", term=focal)
    if row is not None:
        yield from _beside(fit, estimates, slope, row, points, "slope in the sample")


def _beside(
    fit: FittedModel, estimates: Estimates, main: pd.Series, row: pd.Series, points: str, name: str
) -> Iterable[Finding]:
    """An estimate over the levels in the data, where it is not about that over all that there could be."""
    moved, ratio = abs(row["mean"] - main["mean"]) / main["sd"], row["sd"] / main["sd"]
    if moved <= DIFFERENT and abs(ratio - 1) <= DIFFERENT:
        return
    text = SENTENCES(
        "in_sample",
        levels=levels_words([factor for factor in fit.design.factors if not factor.exhaustive]),
        mean=f"{estimates.figures(row)[0]}{points}",
        interval=estimates.spoken(row),
        surer=ratio < 1 - DIFFERENT,
    )
    yield Finding(text, (str(row.name),), name)


def _needed(fit: FittedModel, estimates: Estimates, focal: str) -> Iterable[Finding]:
    """How much of the predictor goes with the smallest relevant difference."""
    row = estimates.first("points_needed", term=focal)
    if row is None:
        return
    goal = text_of(row, "denominator")
    scale = fit.design.scales.get(focal)
    whole = None if scale is None else scale.range
    # As printed: what is beside the number may not contradict it.
    beyond = 0.0 if whole is None else round(float(row["median"]), estimates.places(row)) - whole
    further = (
        ""
        if whole is None or beyond < 0
        else f", {'more than' if beyond > 0 else 'as much as'} the {exact(whole)} between the ends of its scale"
    )
    yield Finding(
        _sentence(estimates, row, change=goal, units=units(unit_of(fit.design, focal)), further=further),
        (str(row.name),),
        "needed",
    )


def _span(fit: FittedModel, estimates: Estimates, checked: Checked, focal: str, points: str) -> Iterable[Finding]:
    """The difference between people low and high on the predictor."""
    name = column_name(focal)
    span = contrast_of(estimates, focal)
    # Between 0 and 1 a straight line's step is its slope, of which the finding before speaks.
    sentence = (
        fit.design.family.linear and fit.design.is_indicator(focal) and estimates.first("slope", term=focal) is not None
    )
    if span is not None and not sentence:
        low, high = ends_words(*contrast_values(fit, span))
        direction = under_other_priors(claim(span), checked)
        between = f"{low} and {high}"
        over = over_words(fit.design, str(span["population"]))
        text = _sentence(
            estimates,
            span,
            direction,
            who=alike_but_for(fit, focal),
            term=name,
            outcome=outcome_mean(fit),
            points=points,
            span=between,
            over=over,
        )
        reached = estimates.share_spoken(span, "p_relevant") if pd.notna(span["p_relevant"]) else ""
        text = SENTENCES(
            "span",
            sentence=text,
            in_rope=_in_rope(estimates, span),
            limits=rope_limits(fit, span) if pd.notna(span["rope_low"]) else "",
            reached=reached,
            relevant=relevance_words(fit, span),
        )
        yield Finding(text, (str(span.name),), "span", claims=(direction,) if direction.settled else ())


def _over(fit: FittedModel, factor: str, population: str) -> str:
    """Over which sampled levels a difference of a factor's levels is, where it matters: where it varies with them."""
    varied = varied_by(fit.design, factor)
    fixed = fit.design.family.linear and not any(one.name in varied for one in fit.design.factors)
    return "" if fixed else over_words(fit.design, population, factor)


def _in_rope(estimates: Estimates, row: pd.Series) -> str:
    return estimates.share_spoken(row, "p_rope") if pd.notna(row["p_rope"]) else ""


def _sentence(estimates: Estimates, row: pd.Series, direction: Claim | None = None, **words: str) -> str:
    """What the row's estimand says of it, settled or not."""
    measure, mean = estimates.table.measure(str(row["estimand"])), estimates.figures(row)[0]
    text = measure.sentence if direction is None or direction.settled else measure.unsettled
    lower = direction is not None and direction.lower
    known = {"mean": mean, "size": mean.removeprefix(MINUS), "interval": estimates.spoken(row, lower=lower)}
    if direction is not None:
        known |= {"word": direction.word, "way": direction.way}
    return text.format_map(defaultdict(str, known | words))


def _further(fit: FittedModel, estimates: Estimates) -> Iterable[Finding]:
    """What estimands without a place of their own on the page say in a sentence."""
    outcome, points = outcome_mean(fit), outcome_words(fit)[1]
    for _, row in further_rows(estimates).iterrows():
        measure = estimates.table.measure(str(row["estimand"]))
        # What a sentence says of everybody as they are is not so at other values.
        if measure.sentence and not isinstance(row["at"], str) and pd.notna(row["median"]):
            direction = claim(row) if measure.unsettled and pd.notna(row["p_direction"]) else None
            over = over_words(fit.design, str(row["population"])) if pd.notna(row["population"]) else ""
            words = row_words(row, fit.design) | {"outcome": outcome, "points": points, "over": over}
            text = capital(_sentence(estimates, row, direction, **words))
            yield Finding(
                text, (str(row.name),), f"estimand: {row.name}", claims=() if direction is None else (direction,)
            )


def _at_values(fit: FittedModel, estimates: Estimates, checked: Checked) -> Iterable[Finding]:
    """What the few main rows with some predictors set are, each with the values; of more, their table tells all."""
    rows = estimates.with_at()
    # What the model holds to be zero is no finding.
    rows = rows[rows["estimand"].isin(SAID_AT) & rows["median"].notna() & ((rows["mean"] != 0) | (rows["sd"] != 0))]
    if len(rows) <= MOST_AT:
        for _, row in rows.iterrows():
            text = SENTENCES(
                "at_values",
                label=measured_where(estimates.table, {**row.to_dict(), "at": None}, design=fit.design),
                of=_subject(fit, estimates, row),
                at=clean(at_words(str(row["at"]), column_name)),
                amount=estimates.amount(row),
                over=over_words(fit.design, text_of(row, "population")),
                interval=estimates.spoken(row),
                direction=estimates.direction_spoken(row),
                note=words_of(row, "note"),
                prior=checked.depends_on_priors(str(row.name)),
            )
            yield Finding(text, (str(row.name),), f"at values: {row.name}")


def _subject(fit: FittedModel, estimates: Estimates, row: pd.Series) -> str:
    """Of what a difference is one; empty where the row is none."""
    measure = estimates.table.measure(str(row["estimand"]))
    return measure.subject.format(**row_words(row, fit.design)) if measure.difference else ""


def _arms(fit: FittedModel, estimates: Estimates, checked: Checked, factor: str) -> Iterable[Finding]:
    """The differences of the levels that the model is asked about: those from the first, then the others together."""
    rows, reference = differences(estimates, factor), reference_of(fit.design, factor)
    name = factor_name(factor)
    if rows.empty:
        if factor in (*estimates.few, *estimates.hidden):
            yield Finding(SENTENCES("arms_hidden", factor=name), (), "difference")
        return
    if len(set(rows["level"]) | set(rows["versus"])) > FEW_LEVELS or _are_providers(fit, factor):
        text, claims = _pairs(fit, estimates, ordered_pairs(rows), "mean")
        yield Finding(text, tuple(one.row for one in claims), "differences", capital(name), tuple(claims))
        return
    first = rows["versus"] == reference
    for place, (_, row) in enumerate(rows[first].iterrows()):
        yield from _difference(fit, estimates, checked, row, again=place > 0)
    if not first.all():
        text, claims = _pairs(fit, estimates, ordered_pairs(rows[~first]), "mean", checked)
        heading = "Beside them" if first.any() else capital(name)
        yield Finding(text, tuple(one.row for one in claims), "other differences", heading, tuple(claims))
    for column, group in moderated(estimates, factor).items():
        for _, row in group[group["versus"] == reference].iterrows():
            yield _moderation(fit, estimates, row, column)


def _moderation(fit: FittedModel, estimates: Estimates, row: pd.Series, column: str) -> Finding:
    """By how much a difference changes with one more unit of a predictor."""
    direction, mean = claim(row), estimates.figures(row)[0]
    text = SENTENCES(
        "moderation",
        level=clean(row["level"]),
        versus=clean(row["versus"]),
        column=column_name(column),
        step=step_of(fit.design, column),
        settled=direction.settled,
        word=direction.word,
        way=direction.way,
        mean=mean.removeprefix(MINUS) if direction.settled else mean,
        points=outcome_words(fit)[1],
        over=over_words(fit.design, str(row["population"]), str(row["factor"])),
        interval=estimates.spoken(row, lower=direction.lower),
        direction=estimates.direction_spoken(row, lower=direction.lower),
    )
    return Finding(text, (str(row.name),), f"moderation: {column}", claims=(direction,))


def _difference(
    fit: FittedModel, estimates: Estimates, checked: Checked, row: pd.Series, *, again: bool = False
) -> Iterable[Finding]:
    """One difference with the two means that it is of, and how large it is."""
    factor, points = str(row["factor"]), outcome_words(fit)[1]
    where = {"factor": factor, "level": row["level"], "versus": row["versus"]}
    fitted = claim(row)
    direction = under_other_priors(fitted, checked, row)
    few = lower_is_better(fit)
    varied = varied_by(fit.design, factor)
    population = str(row["population"])
    over = _over(fit, factor, population)
    sentence = _sentence(
        estimates,
        row,
        direction,
        factor=factor_name(factor),
        level=clean(row["level"]),
        versus=clean(row["versus"]),
        outcome=outcome_mean(fit),
        points=points,
        way=f"{direction.way}{symptom_words(fit, direction)}" if direction.settled else direction.way,
        leaning=direction.though,
        over=over.replace(" over", " on average over", 1),
        given=adjusted_for(fit, factor),
    )
    means = [estimates.first("mean", factor=factor, level=where[end]) for end in ("level", "versus")]
    text = SENTENCES(
        "difference",
        sentence=capital(sentence),
        interval=estimates.spoken(row, lower=direction.lower),
        direction=estimates.direction_spoken(row, lower=direction.lower),
        fitted="" if direction.word == fitted.word else fitted.word,
        means=join(
            [f"{' '.join(estimates.figures(one))} for “{text_of(one, 'level')}”" for one in means if one is not None]
        ),
        # Means are over levels even where their difference is not; said once.
        over="" if over else over_words(fit.design, population, factor),
        varied=join([factor_name(name) for name in varied]),
        symptoms=few and not direction.settled,
    )
    yield Finding(text, (str(row.name),), "difference", claims=(direction,))
    sampled = estimates.first("contrast_in_sample", **where)
    if sampled is not None:
        yield from _beside(fit, estimates, row, sampled, points, "difference in the sample")
    size = None if fit.design.family.event else estimates.first("cohens_d_of_means", **where)
    denominator = "" if size is None else text_of(size, "denominator")
    residual = denominator == DENOMINATORS["residual_sd"]
    text = SENTENCES(
        "size",
        size="" if size is None else " ".join(estimates.figures(size)),
        denominator=denominator,
        persons=residual and bool(persons_of(fit)),
        residual=residual,
        again=again,
        # With nothing but the arms in the model, what is left of the SD is that within them.
        within=residual and set(fit.design.formula.columns[1:]) == {factor},
        in_rope=_in_rope(estimates, row),
        limits=rope_limits(fit, row) if pd.notna(row["p_rope"]) else "",
        verdict=margin_verdict(row) if pd.notna(row["p_rope"]) else "",
        reached=estimates.share_spoken(row, "p_relevant") if pd.notna(row["p_relevant"]) else "",
        relevant=relevance_words(fit, row),
    )
    if text:
        rows = (str(row.name),) if size is None else (str(row.name), str(size.name))
        yield Finding(text, rows, "size of the difference")


def _are_providers(fit: FittedModel, factor: str) -> bool:
    """Whether the levels of a pooled factor are therapists or others who provide care."""
    return any(column.name == factor and column.role.role == "provider" for column in fit.design.factors)


def _groups(fit: FittedModel, estimates: Estimates, besides: str | None) -> Iterable[Finding]:
    for factor in (name for name in factors_of(estimates) if name != besides):
        parts: list[str] = []
        used: list[Claim] = []
        for of in ("mean", "slope"):
            rows = ordered_pairs(estimates.where(f"contrast_of_{of}s", factor=factor))
            rows = rows[rows["mean"].notna()]
            if len(rows) and not fixed_by_model(fit.design, rows):
                text, claims = _pairs(fit, estimates, rows, of)
                parts.append(text)
                used += claims
        if parts:
            name = factor_name(factor)
            text = " ".join([parts[0], *(capital(part) for part in parts[1:])])
            yield Finding(text, tuple(one.row for one in used), f"groups: {factor}", capital(name), tuple(used))


def _pairs(
    fit: FittedModel, estimates: Estimates, rows: pd.DataFrame, of: str, checked: Checked | None = None
) -> tuple[str, list[Claim]]:
    noun = "adjusted means" if of == "mean" else "slopes"
    clear = rows[np.array([excludes_zero(row) for row in rows.to_dict("records")], dtype=bool)]
    shown = (clear if len(clear) else rows).head(NAMED if len(clear) else 1)

    claims = [
        claim(row) if checked is None else under_other_priors(claim(row), checked, row) for _, row in shown.iterrows()
    ]

    def say(row: pd.Series, direction: Claim, first: bool) -> str:
        mean, interval = estimates.figures(row)
        amount = estimates.amount(row) if first else mean
        inside = f"{estimates.spoken(row)}; {estimates.direction_spoken(row)}" if first else interval.strip("()")
        return f"{pair_name(row, width=40)}, {amount}{direction.side} ({inside})"

    named = "; ".join(say(row, one, one is claims[0]) for (_, row), one in zip(shown.iterrows(), claims, strict=True))
    # Among hundreds of pairs the largest is of no interest unless it is clear; and a provider is a person.
    providers = _are_providers(fit, str(rows["factor"].iloc[0]))
    of_none = providers or (len(rows) > MANY and not len(clear))
    text = SENTENCES(
        "pairs",
        what=noun,
        over=_over(fit, str(rows["factor"].iloc[0]), str(rows["population"].iloc[0])),
        n=count(len(rows)),
        one=len(rows) == 1,
        settled=claims[0].settled,
        clear=count(len(clear)) if len(clear) else "",
        more=len(clear) > NAMED,
        named="" if of_none else named,
        providers=providers and of == "mean",
        all=of == "mean",
        **_of_all(fit, estimates, rows),
    )
    return text, [] if of_none else claims


def _of_all(fit: FittedModel, estimates: Estimates, rows: pd.DataFrame) -> dict[str, str]:
    """Of how many pairs of levels some differences are, and whether the others have too few people."""
    factor = str(rows["factor"].iloc[0])
    if factor not in estimates.few:
        return {"pairs": "", "levels": ""}
    levels = len(fit.design.level_labels(factor))
    pairs = levels * (levels - 1) // 2
    some = len(rows) < pairs
    return {"pairs": count(pairs) if some else "", "levels": count(levels) if some else ""}


def _explained(estimates: Estimates) -> Iterable[Finding]:
    r2 = estimates.first("bayesian_r2")
    if r2 is not None:
        places = max(0, estimates.places(r2) - 2)
        ends = f"{percent(float(r2['lower']), places)} to {percent(float(r2['upper']), places)}"
        heading = estimates.spoken(r2).split(" interval ")[0]
        text = _sentence(estimates, r2, mean=percent(float(r2["mean"]), places), interval=f"{heading} interval {ends}")
        # Nothing of a variance without end is explained, however well the middle of outcomes is.
        note = words_of(r2, "note")
        yield Finding(f"{text} {capital(note)}." if note else text, (str(r2.name),), "r2")
