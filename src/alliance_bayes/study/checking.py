"""The checks of every model of the study: a grid of verdicts, the evidence behind each, and what was not done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from typing import Any

import pandas as pd
from markupsafe import Markup

from alliance_bayes.api import Fit
from alliance_bayes.checks import CHECKS, CheckReport, CheckResult, Gate, run_checks
from alliance_bayes.checks.check import JUDGED
from alliance_bayes.checks.refits import NUMBERS, called_difference
from alliance_bayes.machine import processors
from alliance_bayes.report.checked import CAUTIONS, Checked, Item, quiet
from alliance_bayes.report.finding import Finding
from alliance_bayes.report.held import Mark
from alliance_bayes.report.phrases import under_other_priors
from alliance_bayes.report.privacy import Redact, redaction, unnamed
from alliance_bayes.report.scale_ends import SENTENCES as ENDS
from alliance_bayes.report.scale_ends import apart
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import hidden_beside
from alliance_bayes.report.suppression import Mark as Shown
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, count
from alliance_bayes.report.verdicts import claim, priors_words
from alliance_bayes.study.answers import Answers
from alliance_bayes.study.called import called
from alliance_bayes.study.declared import declaration
from alliance_bayes.study.part import Part
from alliance_bayes.study.runner import Fitted
from alliance_bayes.study.tables import joined, shown_rows
from alliance_bayes.wording import Wording

__all__ = ["GRID", "ModelChecks", "cautions", "checked_models", "checking", "findings_of", "undone"]

SENTENCES = Wording("alliance_bayes.study", "checking.toml")
#: Columns of the grid, and the checks that each is about.
GRID: Mapping[str, tuple[str, ...]] = {
    column: tuple(name for name, check in CHECKS.items() if check.judges == column) for column in JUDGED
}
# What no draws are fitted again for, made of every model.
_OF_ALL = tuple(
    name for name, check in CHECKS.items() if not check.gate and name not in (*GRID["priors"], *GRID["groups"])
)
#: Draws, and data sets simulated from them, by which these are judged: a quarter of the time, and the same verdicts.
DRAWS, REPLICATES = 1000, 300
_TABLED = tuple(name for name, check in CHECKS.items() if check.tabled)
# Columns by which people could be counted.
_COUNTS = ("n", "excluded", "factor", "level")
_ORDER = ("fail", "warn", "pass")


@dataclass(frozen=True, eq=False)
class ModelChecks:
    """The checks of one model.

    Parameters
    ----------
    name, title
        Of the model, and what the page calls it.
    gate
        Whether its draws may be used.
    checked
        The checks as the page shows them; of bad draws only that which judges them.
    """

    name: str
    title: str
    gate: Gate
    checked: Checked

    def worst(self, names: Sequence[str]) -> Item | None:
        """Of some checks that came to a verdict, the one that is worst; None where none did."""
        judged = [item for item in self.checked.items if item.name in names and item.verdict in _ORDER]
        return min(judged, key=lambda item: _ORDER.index(item.verdict), default=None)

    @property
    def numbers(self) -> dict[str, Any]:
        """The checks for the JSON."""
        return {
            "gate": self.gate.passed,
            "checks": [
                {"name": item.name, "verdict": item.verdict, "sentence": item.sentence} for item in self.checked.items
            ],
        }


def checked_models(study: Answers) -> dict[str, ModelChecks]:
    """Check every model of a study, side by side on the processors that there are.

    Parameters
    ----------
    study
        The study.

    Returns
    -------
    dict
        By the models' names, in their order.

    Notes
    -----
    Of draws that failed nothing is computed but the check that failed: a pass by bad draws would mean nothing.
    """
    gates = {name: model.judged.gate for name, model in study.fitted.items()}
    gates = {name: _closed_by_rows(study, name, gates) for name in gates}
    refits = _refits(study)
    with ThreadPoolExecutor(processors()) as pool:
        pending = {
            name: pool.submit(copy_context().run, partial(_checks, study, model, gates[name], refits.get(name, ())))
            for name, model in study.fitted.items()
        }
        return {name: future.result() for name, future in pending.items()}


def _closed_by_rows(study: Answers, name: str, gates: Mapping[str, Gate]) -> Gate:
    """The gate of a model, closed too where a number of it has not converged though the parameters have."""
    if not gates[name].passed:
        return gates[name]
    blocks = [block for part in study.parts.values() for block in part.blocks if name in block.models]
    reasons = [
        reason for block in blocks if all(gates[model].passed for model in block.models) for reason in block.withheld
    ]
    return Gate(not reasons, tuple(dict.fromkeys(reasons)))


def _refits(study: Answers) -> dict[str, tuple[str, ...]]:
    """The dearer checks by model, as the parts declare them."""
    refits: dict[str, tuple[str, ...]] = {}
    for part in study.parts:
        for use in declaration(part).models.values():
            name = use.name(study.options)
            refits[name] = tuple(dict.fromkeys((*refits.get(name, ()), *use.refits)))
    return refits


def _checks(study: Answers, model: Fitted, gate: Gate, refits: Sequence[str]) -> ModelChecks:
    title = called(study.fitted)[model.name]
    if not isinstance(model.fit, Fit):
        result = _of_draws(model.judged.results[0], gate)
        item = Item(
            f"check-{model.name}-1",
            result,
            result.title,
            result.verdict,
            clean(result.sentence),
            tuple(map(clean, result.problems)),
            (),
            (),
            "",
            {},
        )
        return ModelChecks(model.name, title, gate, Checked((item,)))
    fit, small, seed = model.fit, study.options.small, study.options.seed
    results = [_of_draws(model.judged.results[0], gate)]
    if gate.passed:
        chains, draws = fit.shape
        some = fit.thinned(min(draws, max(1, chains * draws // DRAWS)))
        results += run_checks(some, checks=_OF_ALL, replicates=REPLICATES, seed=seed)
        # Of all draws, so that what is said of the fit itself is what the page says of it.
        results += run_checks(fit, checks=refits, seed=seed) if refits else ()
    # Nothing is shown of the long tables; that of the priors says which of the numbers depend on them.
    report = CheckReport(
        tuple(one if one.name == "prior_sensitivity" else replace(one, details=one.details[:0]) for one in results),
        gate,
    )
    rows = [block.rows for part in study.parts.values() for block in part.blocks if block.models == (model.name,)]
    reported = joined(rows)
    few = quiet(fit, reported, small) | _beside(fit, study.first, small)
    redact = unnamed(redaction(fit), few)
    untold = shown_rows(study.fitted, small)[model.name] is None
    if untold:
        redact = _uncounted(redact, fit.flow.analysed)
    anchor = f"check-{model.name}"
    checked = Checked.of(
        fit, report, redact, small, few=few, anchor=anchor, drawn=False, tabled=_TABLED, effects=reported
    )
    items = tuple(
        replace(_small(item, title), ends=tuple(replace(end, counted=not untold) for end in item.ends))
        for item in checked.items
    )
    return ModelChecks(model.name, title, gate, Checked(items))


def _uncounted(redact: Redact, n: int) -> Redact:
    """A redaction that takes out of how many rows a check is, too."""
    pattern = re.compile(rf"(?<![\d,.]){n:,} rows\b")
    return lambda text: redact(pattern.sub("its rows", str(text)))


def _of_draws(result: CheckResult, gate: Gate) -> CheckResult:
    """The verdict on the draws, which fails where a reported number has not converged."""
    if gate.passed or result.verdict == "fail":
        return result
    return replace(result, verdict="fail", sentence=SENTENCES("not_converged"), problems=gate.reasons)


def _beside(fit: Fit, first: Fit, small: int) -> set[str]:
    """What checks call the levels of which nothing is said of a fit's people beside Table 1, and their differences."""
    hidden = set()
    for factor in fit.design.factors:
        if fit is first or factor.name not in fit.design.frame:
            continue
        few = hidden_beside(fit, first, factor.name, small)
        hidden |= {f"{factor.name} {level}" for level in few}
        for pair in permutations(factor.levels, 2) if few and len(factor.levels) <= len(CHECKS) else ():
            if few & {*pair}:
                hidden |= {called_difference(factor.name, of, *pair) for of in ("mean", "level", *factor.terms)}
    return hidden


def _small(item: Item, model: str) -> Item:
    """A check with one small table, and none by which people could be counted."""
    frame = item.result.table
    tables = [table for table in item.tables if table.name == f"{item.id}-table"]
    if item.name == "influence" and tables:
        shown = [name for name in frame.columns if name not in _COUNTS]
        places = [place for place, name in enumerate(frame.columns) if name in shown]
        tables = [_columns(table, places) for table in tables]
    return replace(item, tables=tuple(replace(table, caption=f"{table.caption}: {model}") for table in tables))


def _columns(table: Table, places: Sequence[int]) -> Table:
    """Some columns of a table."""

    def picked(rows: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
        return [tuple(row[place] for place in places) for row in rows]

    return Table.of(
        table.name,
        table.caption,
        [table.headings[place] for place in places],
        picked(table.rows),
        words=[new for new, place in enumerate(places) if place in table.words],
        note=table.note,
        more=picked(table.more),
    )


def checking(models: Mapping[str, ModelChecks], small: int, *, imputed: bool = False) -> Section:
    """The section: verdicts at a glance, the ends of scales, and the evidence of every model folded below.

    Parameters
    ----------
    models
        The checks by model.
    small
        Fewest people that a shown count stands for.
    imputed
        Whether values were drawn in some of them.
    """
    headings = [SENTENCES("model"), *(SENTENCES(f"judged_{column}") for column in GRID)]
    grid = Table.of(
        "table-checks",
        SENTENCES("caption"),
        headings,
        [
            (
                Markup('<a href="#checks-{}">{}</a>').format(name, model.title),
                *(_cell(model, column) for column in GRID),
            )
            for name, model in models.items()
        ],
        words=range(1, len(headings)),
        cards=True,
        note=SENTENCES("note"),
    )
    context = {
        "introduction": SENTENCES("introduction", draws=count(DRAWS), imputed=imputed),
        "grid": grid,
        "ends": _ends(models, small),
        "models": [
            {
                "name": name,
                "title": model.title,
                "items": model.checked.items,
                "counts": SENTENCES("counts", **_counts(model), withheld=not model.gate.passed),
            }
            for name, model in models.items()
        ],
    }
    return Section(
        "checks",
        SENTENCES("title"),
        "study_checks.html",
        context,
        {"checks": {name: model.numbers for name, model in models.items()}},
    )


def _ends(models: Mapping[str, ModelChecks], small: int) -> Table | None:
    """How many are at an end of an outcome's scale, observed and replicated, by model; None of enough people."""
    named = [(model.title, end) for model in models.values() for item in model.checked.items for end in item.ends]
    ends = apart([end for _, end in named], small)
    shown = [
        (name, end) for (name, _), end in zip(named, ends, strict=True) if end.mark is Shown.SHOWN and end.k >= small
    ]
    if not shown:
        return None
    headings = ("heading", "observed", "replicated", "limits", "finding")
    return Table.of(
        "table-ends",
        ENDS("of_study"),
        [ENDS("model"), *map(ENDS, headings)],
        [(name, end.label, *end.cells(small)) for name, end in shown],
        words=(1, 5),
        cards=True,
        note=ENDS("of_study_note", uncounted=not all(end.counted for _, end in shown)),
    )


def _cell(model: ModelChecks, column: str) -> str | Markup:
    """A verdict with a link to its evidence; "withheld" where the draws failed."""
    item = model.worst(GRID[column])
    if item is not None:
        return Mark(column, item.verdict, item.id).markup
    return Mark(column).markup if model.gate.passed else SENTENCES("withheld")


def _counts(model: ModelChecks) -> dict[str, int]:
    verdicts = [item.verdict for item in model.checked.items]
    return {word: verdicts.count(word) for word in _ORDER}


def findings_of(part: Part, study: Answers, checks: Mapping[str, ModelChecks]) -> tuple[Finding, ...]:
    """The findings of a part, each with what other priors leave of what it says of a focal association."""
    return tuple(_under_priors(finding, part, study, checks) for finding in part.findings)


def _under_priors(finding: Finding, part: Part, study: Answers, checks: Mapping[str, ModelChecks]) -> Finding:
    name, _, identity = finding.rows[0].partition("/") if len(finding.rows) == 1 else ("", "", "")
    block = next((candidate for candidate in part.blocks if candidate.name == name), None)
    model = block.models[0] if block is not None and len(block.models) == 1 else ""
    fit = study.fitted[model].fit if model in checks else None
    if block is None or not isinstance(fit, Fit) or identity not in block.rows.index:
        return finding
    row = block.rows.loc[identity]
    # What is fitted again is what the model asks, over everybody.
    of_focal = row["estimand"] in NUMBERS and row["term"] == fit.spec.focal_predictor(fit.design) and pd.isna(row["at"])
    if not of_focal:
        return finding
    fitted = claim(row)
    under = priors_words(fitted, under_other_priors(fitted, checks[model].checked))
    return replace(finding, text=f"{finding.text} {under}".rstrip())


def undone(models: Mapping[str, ModelChecks]) -> list[str]:
    """The checks that were not made of every model, each with the models that lack it."""
    sentences = []
    for check in CHECKS.values():
        lacking = [model.title for model in models.values() if check in model.checked.not_completed]
        if lacking and not check.gate:
            everywhere = len(lacking) == len(models)
            sentences.append(SENTENCES("undone", what=check.looks_at, models=[] if everywhere else lacking))
    return sentences


def cautions(models: Mapping[str, ModelChecks], names: Iterable[str], subject: str | None = None) -> tuple[Item, ...]:
    """The checks of some models that warn or fail, those about a subject or all; each of several with its model."""
    known = [name for name in dict.fromkeys(names) if name in models]
    return tuple(
        replace(item, title=SENTENCES("of_model", title=item.title, model=models[name].title if known[1:] else ""))
        for name in known
        for item in models[name].checked.items
        if item.verdict in CAUTIONS and (subject is None or subject in item.check.concerns)
    )
