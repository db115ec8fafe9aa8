"""The study as one page."""

from __future__ import annotations

from typing import Any

from alliance_bayes.checks.limits import ESS_LIMIT, RHAT_LIMIT
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.card import card_text
from alliance_bayes.report.findings import Finding, Findings, Topic
from alliance_bayes.report.page import page
from alliance_bayes.report.participants import participants
from alliance_bayes.report.records import plain, records
from alliance_bayes.report.report import JSON_NAME, Report
from alliance_bayes.report.sections import Section
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import capital, clean, count, number, percent, typeset
from alliance_bayes.study.part import Part
from alliance_bayes.study.study import Study
from alliance_bayes.versions import versions

__all__ = ["FORMAT", "study_report"]

#: Version of the layout of the JSON file.
FORMAT = 1
TITLE = "Alliance and well-being: the whole study"


def study_report(study: Study) -> Report:
    """Write a study up as one self-contained page with its numbers.

    Parameters
    ----------
    study
        The study.
    """
    first = study.fitted["outcome_everybody"].fit
    assert isinstance(first, FittedModel)
    data, people = participants(first)
    models, how = _models(study)
    version = versions()["alliance_bayes"]
    found = _findings(study)
    html = page(
        title=TITLE,
        subtitle=[
            "Ratings of the alliance, change in well-being, how the two go together, and for whom",
            f"{count(first.flow.analysed)} people analysed for the association · data: {clean(study.cohort.source)}",
        ],
        sections=[data, *(_section(part) for part in study.parts.values()), models],
        findings=found,
        version=version,
        json_name=JSON_NAME,
    )
    numbers: dict[str, Any] = plain(
        {
            "format": FORMAT,
            "title": TITLE,
            "withheld": study.withheld,
            "reasons": [reason for part in study.parts.values() for reason in part.withheld],
            "prob": study.options.prob,
            "findings": found.numbers(),
            "effects": [
                {"id": str(identity), **record}
                for identity, record in zip(study.table().index, records(study.table()), strict=True)
            ],
            "parts": {part.name: {"left_out": part.left_out, **part.numbers} for part in study.parts.values()},
            "participants": people,
            "models": how,
            "meta": _meta(study, version),
        }
    )
    return Report(TITLE, html, numbers, study.findings, study.withheld)


def _section(part: Part) -> Section:
    return Section(
        part.name,
        part.title,
        "study_part.html",
        {
            "name": part.name,
            "question": part.question,
            "statements": [typeset(capital(clean(statement.text))) for statement in part.statements],
            "limits": part.limits,
            "blocks": part.blocks,
            "left_out": part.left_out,
        },
    )


def _findings(study: Study) -> Findings:
    topics = []
    for part in study.parts.values():
        said = [
            Finding(f"{part.name}-{place}", "", typeset(capital(clean(statement.text))), statement.rows)
            for place, statement in enumerate(part.statements, 1)
            if statement.key
        ]
        said += [Finding(f"{part.name}-withheld", "Withheld", typeset(reason), ()) for reason in part.withheld]
        if said:
            topics.append(Topic(part.title, tuple(said), ()))
    limits = tuple(dict.fromkeys(limit for part in study.parts.values() for limit in part.limits))
    left = _left(study)
    simulated = study.cohort.source.startswith(("simulated", "sessions of simulated"))
    return Findings(False, (), tuple(topics), (*limits, *left), simulated)


def _left(study: Study) -> tuple[str, ...]:
    first = study.fitted["outcome_everybody"].fit
    assert isinstance(first, FittedModel)
    flow = first.flow
    gone = flow.participants - flow.analysed
    if not gone:
        return ()
    return (
        f"That the results hold for the {count(gone)} people ({percent(gone / flow.participants)}) who were left out "
        "because a value is missing: they may differ from those analysed.",
    )


def _models(study: Study) -> tuple[Section, list[dict[str, Any]]]:
    table = study.models()
    rows = [
        (
            row["model"],
            row["family"],
            count(int(row["people"])),
            row["engine"] + (" (kept)" if row["reused"] else ""),
            count(int(row["divergences"])),
            number(float(row["ess_bulk"]), 0),
            number(float(row["rhat"]), 3),
        )
        for row in table.to_dict("records")
    ]
    seed, prob = study.options.seed, study.options.prob
    command = f"alliance-bayes study cohort.csv -o study.html --seed {seed} --prob {prob:g}"
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
        "cards": [(name, card_text(made.spec)) for name, made in study.fitted.items()],
        "command": command + (" --full" if study.options.full else ""),
        "settings": Table.of(
            "table-settings",
            "Settings",
            ("Setting", "Value"),
            [(key.replace("_", " "), clean(value)) for key, value in vars(study.options).items()],
            words=(1,),
        ),
        "versions": Table.of(
            "table-versions", "Software", ("Package", "Version"), list(versions().items()), words=(1,)
        ),
    }
    # Time is not a result: it differs from run to run.
    kept = [
        {key: value for key, value in row.items() if key not in ("seconds", "ess_per_second", "reused")}
        for row in records(table)
    ]
    return Section("models", "Models and reproduction", "study_models.html", context), kept


def _meta(study: Study, version: str) -> dict[str, Any]:
    return {
        "data": {"source": study.cohort.source, "hash": study.cohort.hash},
        "options": dict(vars(study.options)),
        "cards": {name: card_text(made.spec) for name, made in study.fitted.items()},
        "info": {
            name: {key: value for key, value in made.fit.info.items() if key != "versions" and "seconds" not in key}
            for name, made in study.fitted.items()
        },
        "versions": {"alliance_bayes (this report)": version, **versions()},
    }
