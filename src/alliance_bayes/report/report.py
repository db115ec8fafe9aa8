"""Report: which sections a page has and how they are made; it renders fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alliance_bayes.blas import one_blas_thread
from alliance_bayes.checks import CheckReport, run_checks
from alliance_bayes.effects import EffectTable, effects
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.kinds import check_prob, is_whole
from alliance_bayes.remedies import argument
from alliance_bayes.report.answer import ID as ANSWER
from alliance_bayes.report.answer import answer_of
from alliance_bayes.report.checked import Checked, quiet
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.finding import Findings
from alliance_bayes.report.findings import find
from alliance_bayes.report.page import FORMAT, Rendered, frozen
from alliance_bayes.report.privacy import redaction, unnamed
from alliance_bayes.report.records import plain
from alliance_bayes.report.registry import build_sections, check_sections, stated_sections
from alliance_bayes.report.reproduction import digest_of, made_from
from alliance_bayes.report.sections import Section, SectionMaker
from alliance_bayes.report.small_counts import SMALL, analysed_words
from alliance_bayes.report.spoken import in_sentences, with_quantities
from alliance_bayes.report.summary import summary_of, summary_table
from alliance_bayes.report.text import calling, capital, clean, column_name, typeset
from alliance_bayes.report.view import View

__all__ = ["Report"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a report is made of.

    Parameters
    ----------
    sections
        Sections below the key findings, in order: names of those that come with the package (`SECTIONS`), sections
        (:class:`Section`), and functions that make one of a :class:`View`. All known ones by default. The key findings,
        and what withholds them, always come first.
    prob
        Probability of the intervals.
    small
        Fewest people that a shown count stands for; smaller ones are not shown, in no table and no figure, and neither
        is what would give them away.
    title
        Heading of the page; by default the model card's title.
    name_providers
        Whether providers (a factor of that role: therapists, coaches) are named and compared one by one. By default
        the page says how much they differ and names none, since they are persons, too; have their permission.

    Raises
    ------
    UsageError
        A probability outside (0, 1), a threshold below 1, or something that is no section.

    Examples
    --------
    ``Report(sections=["data", "effects", mine]).render(fit).write("mine.html")``
    """

    sections: Sequence[str | Section | SectionMaker] | None = None
    prob: float = 0.89
    small: int = SMALL
    title: str | None = None
    name_providers: bool = False

    def __post_init__(self) -> None:
        check_prob(self.prob)
        if not is_whole(self.small, least=1):
            raise UsageError(f"{argument('small')} should be a whole number of at least 1 but got {self.small!r}.")
        if not isinstance(self.name_providers, bool):
            raise UsageError(f"{argument('name_providers')} should be True or False but got {self.name_providers!r}.")
        check_sections(self.sections)

    @one_blas_thread()
    @frozen()
    def render(
        self,
        fit: FittedModel,
        *,
        effects: EffectTable | None = None,
        checks: CheckReport | None = None,
        key: bytes | None = None,
        told: Mapping[str, Mapping[str, Any]] | None = None,
        again: bool = False,
    ) -> Rendered:
        """Write up a fit as one self-contained page with its numbers.

        Parameters
        ----------
        fit
            The fit.
        effects
            Its effect sizes; computed here where not given. Their probability is then the page's.
        checks
            Its checks; run here where not given.
        key
            Of the digest of the data in the page's manifest; without one, the page holds no digest.
        told
            Figures by row of the manifest and column, which the page gives in place of the fit's own: those of another
            run, to be compared with its page.
        again
            Whether the page is made to be compared with another one: then sections make their estimates again.

        Returns
        -------
        Rendered
            The page (`html`) and its numbers. When the checks closed the gate, no conclusion and no estimate is in
            either.

        Raises
        ------
        UsageError
            A section of the analyst's own has an id that is taken, or is none; or it cannot make its estimates again.

        Notes
        -----
        No row of a participant is in the page or in the JSON: distributions are shown in bars of at least `small`
        people, smaller counts are suppressed, and levels that may be one person each are not named; nor are providers.
        """
        if self.name_providers:
            fit = replace(fit, names_providers=True)
        with calling(fit.info.get("labels") or {}):
            return self._rendered(fit, effects, checks, key, told or {}, again)

    def _rendered(
        self,
        fit: FittedModel,
        effects: EffectTable | None,
        checks: CheckReport | None,
        key: bytes | None,
        told: Mapping[str, Mapping[str, Any]],
        again: bool,
    ) -> Rendered:
        effects, checks = _completed(fit, effects, checks, self.prob)
        prob = float(effects["prob"].iloc[0]) if len(effects) else self.prob
        withheld = checks.conclusions_withheld
        requested = effects.asked
        effects = effects.told(told)
        estimates = Estimates.of(fit, effects[effects["estimand"] == ""] if withheld else effects, self.small)
        few = quiet(fit, effects, self.small)
        redact = unnamed(redaction(fit), few)
        checked = Checked.of(fit, checks, redact, self.small, few=few, effects=effects)
        view = View(fit, estimates, checks, checked, prob, self.small, redact, told=told)
        spoken = with_quantities(in_sentences(fit.design), effects, fit.design, redact)
        reasons = tuple(typeset(spoken(redact(reason))) for reason in checks.gate.reasons)
        findings = find(fit, estimates, checked, reasons if withheld else None, self.small)
        if not withheld:
            findings = _answered(view, findings)
        sections = build_sections(view, self.sections)
        if again and not withheld:
            sections = tuple(section.remade(fit) for section in sections)
        rows = None if withheld else _reported(view, sections, findings)
        meta = made_from(fit)
        heading = clean(self.title or fit.spec.card.title or _title(fit))
        source = clean(fit.info.get("cohort_source", "source not recorded"))
        numbers = plain(
            _with(
                {
                    "format": FORMAT,
                    "title": heading,
                    "withheld": withheld,
                    "reasons": findings.reasons,
                    "prob": prob,
                    "answer": None if findings.answer is None else findings.answer.numbers(),
                    "summary": [question.numbers() for question in findings.questions],
                    "findings": findings.numbers(),
                    "effects": None,
                    "meta": meta,
                },
                sections,
            )
        )
        if not withheld:
            # The bulk of the numbers is as JSON holds it already.
            numbers["effects"] = estimates.records()
        return Rendered.of(
            "report",
            title=heading,
            subtitle=[clean(fit.spec.card.question), f"{analysed_words(fit)} analysed · data: {source}"],
            findings=findings,
            sections=sections,
            numbers=numbers,
            rows=rows,
            made={
                **meta,
                "data": {**meta["data"], "digest": digest_of(fit, key)},
                "asked": requested,
                "checks": checks.asked,
                "page_options": {name: getattr(self, name) for name in ("title", "prob", "small", "name_providers")},
                "sections": stated_sections(sections),
            },
        )


def _completed(
    fit: FittedModel, table: EffectTable | None, checks: CheckReport | None, prob: float
) -> tuple[EffectTable, CheckReport]:
    table = effects(fit, prob=prob) if table is None else table
    return table, run_checks(fit, effects=table) if checks is None else checks


def _answered(view: View, findings: Findings) -> Findings:
    """The findings with what the page says first."""
    answer = answer_of(view)
    questions = summary_of(view, answer)
    table = summary_table(questions, heading=view.estimates.interval_heading())
    return replace(findings, answer=answer, summary=table if questions else None, questions=questions)


def _reported(view: View, sections: Sequence[Section], findings: Findings) -> EffectTable:
    """The effects and what the answer and sections have beside them, under their ids."""
    answer = [] if findings.answer is None or findings.answer.rows is None else [(ANSWER, findings.answer.rows)]
    beside = [*answer, *((section.id, section.rows) for section in sections if section.rows is not None)]
    return EffectTable.concat(
        [view.estimates.table, *(view.estimated(name, rows).table.under(name) for name, rows in beside)]
    )


def _with(numbers: dict[str, Any], sections: Sequence[Section]) -> dict[str, Any]:
    """The numbers with those of the sections."""
    for section in sections:
        if taken := numbers.keys() & section.numbers.keys():
            raise UsageError(
                f"section {section.id!r} adds the numbers {', '.join(map(repr, sorted(taken)))}, which the report has "
                "already. Give them other names."
            )
        numbers |= section.numbers
    return numbers


def _title(fit: FittedModel) -> str:
    focal = fit.spec.focal_predictor(fit.design) or fit.spec.focal_factor(fit.design)
    outcome = column_name(fit.design.outcome.name)
    text = outcome if focal is None else f"{column_name(focal)} and {outcome}"
    return capital(text)
