"""The study as one page, with what it says at its end: limitations, reporting guidelines, methods, models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from alliance_bayes.api import Fit
from alliance_bayes.checks.convergence import ESS_LIMIT, RHAT_LIMIT
from alliance_bayes.cohort.flow import plural
from alliance_bayes.effects import EffectTable
from alliance_bayes.latent import LatentFit
from alliance_bayes.latent.measurement import MEASUREMENT_PRIORS
from alliance_bayes.model.card import card_text
from alliance_bayes.report.answer import ID as ANSWER
from alliance_bayes.report.answer import Answer
from alliance_bayes.report.checked import Item
from alliance_bayes.report.confounding import ID as UNMEASURED
from alliance_bayes.report.finding import Finding, Findings, Topic, scale_words
from alliance_bayes.report.guidelines import Ground, answered_by, filled
from alliance_bayes.report.limitations import is_simulated, limits_of_data, limits_of_measures
from alliance_bayes.report.methods import (
    Cited,
    bibtex,
    fit_sentences,
    imputation_sentences,
    sampling_sentence,
    software_sentence,
)
from alliance_bayes.report.modelling import prior_table, stated_as
from alliance_bayes.report.page import Rendered, frozen
from alliance_bayes.report.participants import describe
from alliance_bayes.report.privacy import ShownFlow
from alliance_bayes.report.records import effect_records, plain, records
from alliance_bayes.report.reproduction import told
from alliance_bayes.report.sections import Section
from alliance_bayes.report.summary import SummaryRow, summary_table
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import capital, clean, count, equations, exact, interval_name, number, typeset
from alliance_bayes.report.view import linked
from alliance_bayes.study.answers import Answers, told_findings
from alliance_bayes.study.called import called, family_called
from alliance_bayes.study.checking import ModelChecks, cautions, checked_models, checking, findings_of, undone
from alliance_bayes.study.first import first_answer, first_unmeasured, first_view
from alliance_bayes.study.latent import measurement_equations
from alliance_bayes.study.missing import ELEVATED, drawn_models, imputation_sentence, missing_values, moved_words
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.part import Part
from alliance_bayes.study.runner import Fitted
from alliance_bayes.study.summary import study_summary
from alliance_bayes.study.tables import rows_text, shown_rows
from alliance_bayes.study.whose import numbered
from alliance_bayes.versions import versions
from alliance_bayes.wording import Wording

__all__ = ["FORMAT", "study_report"]

#: Version of the layout of the JSON file.
FORMAT = 2
SENTENCES = Wording("alliance_bayes.study", "page.toml")


@frozen()
def study_report(
    study: Answers,
    *,
    key: bytes | None = None,
    software: Mapping[str, str] | None = None,
    told: Mapping[str, Mapping[str, Any]] | None = None,
) -> Rendered:
    """Write a study up as one self-contained page with its numbers.

    Parameters
    ----------
    study
        The study.
    key
        Of the digest of the data in the page's manifest; without one, the page holds no digest.
    software
        Versions that the page names, for a page that is made again to be compared; those in use by default.
    told
        Figures by row of the manifest that the page gives in place of the study's own; see
        :meth:`alliance_bayes.report.Report.render`.
    """
    software = versions() if software is None else software
    first = study.first
    data = describe(first, study.options.small)
    shown = shown_rows(study.fitted, study.options.small)
    models, how = _models(study, shown, software)
    checks = checked_models(study)
    parts = [replace(part, findings=findings_of(part, study, checks)) for part in study.parts.values()]
    answer = first_answer(study, checks, told=told or {})
    unmeasured = first_unmeasured(study, checks, told=told or {})
    main, low = (first_view(study, checks, told=told or {}, population=who) for who in ("everybody", "elevated"))
    lacking, elevated = missing_values(study, main, low)
    questions = study_summary(study, answer, checks, told=told or {})
    findings, title = _findings(study, parts, checks, answer, questions), SENTENCES("title")
    checked = checking(checks, study.options.small, imputed=bool(drawn_models(study)[0]))
    before = [
        data,
        *filter(None, [lacking]),
        *(_section(part, shown, study, checks) for part in parts),
        checked,
        study_limitations(study, checks, unmeasured[0], moved_words(study, main)),
    ]
    after = [study_methods(study), models]
    order = (*(section.id for section in before), "guidelines", *(section.id for section in after))
    guidelines = study_guidelines(study, order, checks)
    meta = _meta(study, software)
    numbers = {
        "format": FORMAT,
        "title": title,
        "withheld": study.withheld,
        "reasons": [reason for part in parts for reason in part.withheld],
        "prob": study.options.prob,
        "answer": answer.numbers(),
        "summary": [question.numbers() for question in questions],
        "findings": findings.numbers(),
        "effects": [
            {"id": str(identity), **record}
            for identity, record in zip(study.table().index, effect_records(study.table()), strict=True)
        ],
        "parts": {part.name: {"left_out": part.left_out, **part.numbers} for part in parts},
        **data.numbers,
        **({} if lacking is None else lacking.numbers),
        **checked.numbers,
        **guidelines.numbers,
        "models": how,
        "meta": meta,
    }
    extra = [(ANSWER, answer.rows), (UNMEASURED, unmeasured[1])]
    extra += [] if lacking is None else [(lacking.id, lacking.rows), (ELEVATED, elevated)]
    digest = None if key is None else study.cohort.digest(key)
    return Rendered.of(
        "study",
        title=title,
        subtitle=[
            SENTENCES("subtitle"),
            SENTENCES("people", n=count(first.flow.analysed), source=clean(study.cohort.source)),
        ],
        findings=findings,
        # None is the analyst's own.
        sections=[replace(section, packaged=True) for section in (*before, guidelines, *after)],
        numbers=plain(numbers),
        rows=EffectTable.concat([*_blocks(study), *(rows.under(name) for name, rows in extra if rows is not None)]),
        made={**meta, "data": {**meta["data"], "digest": digest}},
        sentences=told_findings(parts),
    )


def _blocks(study: Answers) -> list[EffectTable]:
    """The estimates of all blocks that have any, under their names."""
    blocks = [block for part in study.parts.values() for block in part.blocks]
    return [block.rows.under(block.name) for block in blocks if len(block.rows)]


def _section(part: Part, shown: Mapping[str, int | None], study: Answers, checks: Mapping[str, ModelChecks]) -> Section:
    fitted = study.fitted
    rows = {name: f"{count(number)} {_unit(fitted[name].fit)}" for name, number in shown.items() if number is not None}
    blocks, whose = numbered(part, rows, fitted, study.options)
    return Section(
        part.name,
        part.title,
        "study_part.html",
        {
            "name": part.name,
            "question": part.question,
            "statements": [typeset(capital(clean(finding.text))) for finding in part.findings],
            "limits": part.limits,
            "whose": whose,
            "blocks": blocks,
            "cautions": {block.name: cautions(checks, block.models) for block in part.blocks},
            "titles": called(fitted),
            "rows": rows,
            "left_out": part.left_out,
        },
    )


def _unit(fit: Fit | LatentFit) -> str:
    """What a model's rows are called."""
    return "people" if not isinstance(fit, Fit) or fit.people is None else plural(fit.flow.unit)


def _findings(
    study: Answers,
    parts: Sequence[Part],
    checks: Mapping[str, ModelChecks],
    answer: Answer,
    questions: Sequence[SummaryRow],
) -> Findings:
    topics = []
    for part in parts:
        findings = [
            replace(finding, text=typeset(capital(clean(finding.text))), name=f"{part.name}-{place}")
            for place, finding in enumerate(part.findings, 1)
            if finding.key
        ]
        withheld = [Finding(typeset(why), name=f"{part.name}-withheld", lead="Withheld") for why in part.withheld]
        if findings or withheld:
            # In full beside the numbers, and in the section of the checks.
            warned = cautions(checks, (name for block in part.blocks for name in block.models))
            topics.append(Topic(part.title, (*findings, *withheld), (), warned))
    limits = dict.fromkeys(limit for part in study.parts.values() for limit in part.limits)
    left_out = ShownFlow.of(study.first.flow, study.options.small).sentence
    not_to_conclude = (*limits, *filter(None, [left_out]))
    return Findings(
        False,
        (),
        tuple(topics),
        not_to_conclude,
        is_simulated(study.cohort.source),
        scale_words(),
        answer,
        summary_table(questions, heading=_heading(study)) if questions else None,
        tuple(questions),
    )


def _heading(study: Answers) -> str:
    """What the intervals are called."""
    return interval_name("eti", study.options.prob)


def _models(
    study: Answers, shown: Mapping[str, int | None], software: Mapping[str, str]
) -> tuple[Section, list[dict[str, Any]]]:
    table, names = study.models(), called(study.fitted)
    rows = [
        (
            names[row["model"]],
            row["family"],
            rows_text(shown[row["model"]]),
            row["engine"],
            count(int(row["divergences"])),
            number(float(row["ess_bulk"]), 0),
            number(float(row["rhat"]), 3),
        )
        for row in table.to_dict("records")
    ]
    seed, prob = study.options.seed, study.options.prob
    command = f"alliance-bayes study cohort.csv -o study.html --seed {seed} --prob {prob:g}"
    usual = StudyOptions()
    for name in ("elevated", "improvement", "margin", "small"):
        if (value := getattr(study.options, name)) != getattr(usual, name):
            command += f" --{name} {value:g}"
    if study.options.population_mean != usual.population_mean:
        command += " --population-mean {:g} {:g}".format(*study.options.population_mean)
    context = {
        "rhat": f"{RHAT_LIMIT:g}",
        "ess": f"{ESS_LIMIT:g}",
        "table": Table.of(
            "table-models",
            "The models: rows analysed, and how the draws came about",
            ("Model", "Family", "Rows", "Engine", "Divergences", "ESS (bulk, least)", "R-hat (largest)"),
            rows,
            words=(1, 3),
        ),
        "cards": [_card(model, names[name], study.options.small) for name, model in study.fitted.items()],
        "command": command
        + (" --full" if study.options.full else "")
        + (" --same-people" if study.options.same_people else "")
        + "".join([" --missing impute", *(f" --auxiliary {name}" for name in study.options.auxiliary)])
        * study.options.imputes,
        "settings": Table.of(
            "table-settings",
            "Settings",
            ("Setting", "Value"),
            [(key.replace("_", " "), _setting(value)) for key, value in vars(study.options).items()],
            words=(1,),
        ),
        "versions": Table.of("table-versions", "Software", ("Package", "Version"), list(software.items()), words=(1,)),
    }
    # Time is not a result: it differs from run to run.
    numbers = [
        {key: value for key, value in row.items() if key not in ("seconds", "ess_per_second", "reused")}
        | {"people": shown[row["model"]]}
        for row in records(table)
    ]
    return Section("models", "Models and reproduction", "study_models.html", context), numbers


def _setting(value: object) -> str:
    if not isinstance(value, tuple):
        return clean(value)
    if value and not isinstance(value[0], str):
        return f"{exact(value[0])} to {exact(value[1])}"
    return ", ".join(map(clean, value)) or "none"


def _card(model: Fitted, title: str, small: int) -> dict[str, Any]:
    """A model's card, and what follows from it: equations, and priors with their reasons."""
    ratings: tuple[str, ...] = ()
    outcome = model.fit.naive if isinstance(model.fit, LatentFit) else model.fit
    caption = f"Priors, each with its reason: {title}"
    tables = [prior_table(outcome, f"table-priors-{model.name}", caption, small)]
    if isinstance(model.fit, LatentFit):
        ratings = measurement_equations(model.fit.info["trait"])
        rows = [(name, stated_as(stated.prior), clean(stated.reason)) for name, stated in MEASUREMENT_PRIORS.items()]
        headings = ("Parameter", "Prior", "Reason")
        caption = f"Priors of the model of the ratings: {title}"
        tables.append(Table.of(f"table-priors-{model.name}-ratings", caption, headings, rows, words=(1, 2)))
    return {
        "name": model.name,
        "title": title,
        "text": card_text(model.spec),
        "equations": (*ratings, *equations(outcome.design, untold=outcome.design.centres)),
        "tables": tables,
    }


def _meta(study: Answers, software: Mapping[str, str]) -> dict[str, Any]:
    return {
        "data": {"source": study.cohort.source, "rows": True},
        "options": dict(vars(study.options)),
        "cards": {name: card_text(model.spec) for name, model in study.fitted.items()},
        "info": {name: told(model.fit.info) for name, model in study.fitted.items()},
        "versions": {"alliance_bayes (this report)": versions()["alliance_bayes"], **software},
    }


def study_limitations(study: Answers, checks: Mapping[str, ModelChecks], unmeasured: str, moved: str = "") -> Section:
    """What the study does not say: of its data, its measures and its parts, what checks found, what was not done.

    Parameters
    ----------
    study, checks
        The study, and the checks by model.
    unmeasured
        How strong an unmeasured cause of the main association must be; empty where nothing is known of it.
    moved
        How far drawn values must be from what was drawn for the main association to be another; empty without any.
    """
    first = study.first
    parts = [
        ("The data", [*limits_of_data(first, study.options.small), *filter(None, [moved, unmeasured])]),
        ("What was measured", limits_of_measures(first, study.options.small)),
    ]
    for part in study.parts.values():
        gone = [f"Withheld. {reason}" for reason in part.withheld]
        # What must not be concluded is said among the findings, and where it is about.
        parts.append((part.title, [typeset(clean(line)) for line in (*part.left_out, *gone)]))
    judged = cautions(checks, checks)
    context = {
        "parts": [(title, sentences) for title, sentences in parts if sentences],
        "judged": [(item, item.check.meaning) for item in judged],
        "linked": True,
        "checked": True,
        "undone": [capital(check) for check in (*undone(checks), *_not_done(study, unmeasured, moved))],
    }
    return Section("limitations", "Limitations", "limitations.html", context)


def _not_done(study: Answers, unmeasured: str, moved: str) -> list[str]:
    """What a careful reader would want besides checks, and this page does not have."""
    imputed = bool(drawn_models(study)[0])
    return SENTENCES.all("not_done", unmeasured=not unmeasured, imputed=imputed, moved=bool(moved))


def study_guidelines(study: Answers, order: Sequence[str], checks: Mapping[str, ModelChecks]) -> Section:
    """The reporting guidelines, filled for the study.

    Parameters
    ----------
    study
        The study.
    order
        Ids of the page's sections, in order.
    checks
        The checks by model. An item is answered where the model of the main aim has the check.
    """
    at = {"data": ("data",), "model": ("models",), "reproduction": ("methods", "models")}
    parts, main = tuple(study.parts), checks["outcome_everybody"].checked

    def where(*sections: str) -> Markup:
        return linked(order, *dict.fromkeys(name for section in sections for name in at.get(section, parts)))

    def checked(item: str) -> tuple[Item, Markup] | None:
        answer = main.answering(item)
        return None if answer is None else (answer, answered_by(answer, linked(order, "checks")))

    fits = [model.fit for model in study.fitted.values() if isinstance(model.fit, Fit)]
    return filled(
        Ground(
            where,
            checked,
            withheld=study.withheld,
            stated=all(model.spec.card.question or model.spec.card.estimand for model in study.fitted.values()),
            rope=bool(study.table()["p_rope"].notna().any()),
            seeded=True,
            correlated=any(factor.correlated for fit in fits for factor in fit.design.factors),
            densities=False,
        )
    )


def study_methods(study: Answers) -> Section:
    """A methods text and the references it names, from the models that were fitted."""
    cite, first, options = Cited(), study.first, study.options
    shown, names = shown_rows(study.fitted, options.small), called(study.fitted)
    rows = {name: "" if number is None else f", {count(number)} rows" for name, number in shown.items()}
    models = [
        f"{names[name]}: {clean(model.spec.formula)} ({family_called(model)}{rows[name]})"
        for name, model in study.fitted.items()
    ]
    sampling = dict.fromkeys(sampling_sentence(*_sampling(model.fit), cite) for model in study.fitted.values())
    compared = "line_against_spline" in study.parts["association"].numbers or "families" in study.parts
    checked = SENTENCES.all("checked", cite=cite, compared=compared)
    estimates = SENTENCES(
        "estimates",
        cite=cite,
        prob=f"{100 * options.prob:g}%",
        margin=exact(options.margin),
        reason=options.reason("margin"),
        improvement=exact(options.improvement),
    )
    paragraphs = (
        [SENTENCES("aims", cite=cite), *fit_sentences(first, cite, options.small)],
        [*imputation_sentences(first, cite, options.small), *filter(None, [imputation_sentence(study)])],
        [f"All models: {'; '.join(models)}."],
        [*sampling, *checked],
        [estimates, software_sentence(first, cite)],
    )
    text = "\n\n".join(" ".join(sentences) for sentences in paragraphs if sentences)
    context = {"text": text, "bibtex": bibtex(cite.entries.items()), "sources": dict(cite.entries)}
    return Section("methods", "Methods and references to copy", "methods.html", context)


def _sampling(fit: Fit | LatentFit) -> tuple[tuple[int, int], Mapping[str, Any]]:
    return (fit.shape if isinstance(fit, Fit) else (fit.info["chains"], fit.info["draws"])), fit.info
