"""Why covariates are adjusted for: the assumed causes, and the finding with and without each set of covariates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from alliance_bayes.checks.multiverse import DECLARED, multiverse_of, why_none
from alliance_bayes.checks.sensitivity import cases_of
from alliance_bayes.effects import EffectTable
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.adjustment import known_after
from alliance_bayes.report.causes import CAUSES_SIZE, Causes
from alliance_bayes.report.estimates import Estimates, words_of
from alliance_bayes.report.rows import forest_picture
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import analysed_words
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import Row, capital, clean, column_name, count, interval_name, join, number, units
from alliance_bayes.report.untold import unsaid
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["adjusting", "after_care_began"]

SENTENCES = Wording("alliance_bayes.report", "sentences/adjustment.toml")
_ID = "adjustment"
_KINDS = {"confounder": "confounder", "precision": "precision", "post-baseline": "post"}


def adjusting(view: View) -> Section | None:
    """The section; None where the model does not say why its covariates are adjusted for."""
    fit = view.fit
    if not fit.spec.covariates or fit.spec.focal_predictor(fit.design) is None:
        return None
    content: list[str | Table | Picture] = []
    numbers, rows, remake = {}, None, None
    focal = fit.spec.focal_predictor(fit.design)
    if not (view.withheld or why_none(fit) or focal in unsaid(fit, view.small)):
        # Remembered: a page that is made again makes them twice of one fit.
        remake = lru_cache(maxsize=1)(partial(_rows, prob=view.prob))
        rows = remake(fit)
        estimates = view.estimated(_ID, rows)
        content += [_said(estimates), _caterpillar(view, estimates)]
        numbers = {"multiverse": estimates.records()}
    if after := after_care_began(fit):
        content.append(after)
    content.append(_graph(view))
    return Section.of(_ID, SENTENCES("title"), *content, numbers=numbers, rows=rows, remake=remake)


def _rows(fit: FittedModel, *, prob: float) -> EffectTable:
    """The rows of the caterpillar."""
    return multiverse_of(fit, prob=prob)


def after_care_began(fit: FittedModel) -> str:
    """A flag of covariates that were measured after care began; empty without any."""
    roles, focal = fit.spec.covariates, fit.spec.focal_predictor(fit.design)
    columns = [
        name
        for name in fit.design.predictors
        if name != focal and (roles[name] == "post-baseline" if name in roles else known_after(name))
    ]
    if not columns or focal is None:
        return ""
    words = {"columns": join([column_name(name) for name in columns]), "one": len(columns) == 1}
    return SENTENCES("after", focal=column_name(focal), **words)


def _said(estimates: Estimates) -> str:
    table = estimates.table
    declared = table[table["term"] == DECLARED].iloc[0]
    places = estimates.places(declared)
    apart = ((table["lower"] > 0) | (table["upper"] < 0)).sum()
    kind = interval_name(declared["interval"], float(declared["prob"]))
    lower, upper = (number(float(declared[end]), places) for end in ("lower", "upper"))
    return SENTENCES(
        "introduction",
        count=len(table),
        excluded=any("without " in term and " below " in term for term in table["term"]),
        lowest=number(float(table["mean"].min()), places),
        highest=number(float(table["mean"].max()), places),
        points=f" {units(words_of(declared, 'unit'))}",
        declared=f"{number(float(declared['mean']), places)} ({kind} {lower} to {upper})",
        all=bool(apart == len(table)),
        none=bool(apart == 0),
        some=int(apart),
    )


def _caterpillar(view: View, estimates: Estimates) -> Picture:
    rows = estimates.table.sort_values("mean", kind="stable")
    declared = rows[rows["term"] == DECLARED].iloc[0]

    def label(row: Row) -> str:
        term = str(row["term"])
        return SENTENCES("declared") if term == DECLARED else capital(clean(term))

    return forest_picture(
        "multiverse",
        SENTENCES("figure"),
        estimates,
        rows,
        caption=SENTENCES(
            "caption",
            heading=estimates.interval_heading(),
            people=analysed_words(view.fit),
            fewer=join([f"{count(kept)} {label}" for label, kept in _fewer(view)]),
        ),
        axis=SENTENCES("axis", unit=units(words_of(declared, "unit")), change=words_of(declared, "denominator")),
        heading=SENTENCES("heading"),
        label=label,
        overall=float(declared["mean"]),
        width=76,
        inches=9.4,
        shown=view.redact,
    )


def _fewer(view: View) -> Iterator[tuple[str, int]]:
    """The people whom each choice that leaves some out keeps, where neither these nor the others are few."""
    everybody = view.fit.count_people()
    for label, factor, _, keep in cases_of(view.fit):
        n = view.fit.count_people(keep)
        if factor is None and min(n, view.fit.count_people(~keep)) >= view.small and n < everybody:
            yield clean(label), n


def _graph(view: View) -> Picture:
    fit = view.fit
    focal, outcome = column_name(str(fit.spec.focal_predictor(fit.design))), column_name(fit.design.outcome.name)
    named: dict[str, list[str]] = {kind: [] for kind in _KINDS.values()}
    for name, role in fit.spec.covariates.items():
        named[_KINDS[role]].append(column_name(name))
    boxes: dict[str, tuple[str, list[str]]] = {"focal": (capital(focal), []), "outcome": (capital(outcome), [])}
    boxes |= {kind: (SENTENCES(kind), names) for kind, names in named.items() if names}
    boxes["unmeasured"] = (SENTENCES("unmeasured"), [])
    lists = {kind: join(names) for kind, names in named.items()}
    return Picture.drawn(
        Causes(boxes),
        name="causes",
        title=SENTENCES("graph"),
        caption=SENTENCES("graph_caption", outcome=outcome),
        description=SENTENCES("graph_description", focal=focal, outcome=outcome, **lists),
        size=CAUSES_SIZE,
        data=_roles(fit, name="causes-data"),
        shown=view.redact,
    )


def _roles(fit: FittedModel, *, name: str) -> Table:
    """The roles as they were declared."""
    rows = [(column_name(column), role) for column, role in fit.spec.covariates.items()]
    headings = (SENTENCES("covariate"), SENTENCES("role"))
    return Table.of(name, SENTENCES("roles"), headings, rows, words=[1])
