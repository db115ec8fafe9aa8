"""What the study's page says first: the answer to its main aim, from the model of the association among everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from alliance_bayes.api import Fit
from alliance_bayes.checks import CheckReport, Gate, run_gate
from alliance_bayes.report.answer import Answer, Verdicts, answer_of, people_words
from alliance_bayes.report.checked import Checked
from alliance_bayes.report.privacy import redaction, unnamed
from alliance_bayes.report.rows import Estimates
from alliance_bayes.report.small_counts import hidden_parameters
from alliance_bayes.report.view import View
from alliance_bayes.report.wording import Wording
from alliance_bayes.study.answers import Answers
from alliance_bayes.study.part import Block
from alliance_bayes.study.runner import Fitted

__all__ = ["MAIN", "first_answer", "view_of"]

SENTENCES = Wording("alliance_bayes.study", "page.toml")
#: The block that answers the main aim.
MAIN = "association-everybody"

type Told = Mapping[str, Mapping[str, Any]]


def view_of(study: Answers, block: Block, fit: Fit, *, told: Told, checked: Checked) -> View:
    """A block's numbers of one model as the sections of a report see them, under the ids of the page's manifest.

    Parameters
    ----------
    study, block
        The study and one of its blocks.
    fit
        One of the models behind it.
    told
        See :class:`View`.
    checked
        The model's checks.
    """
    small = study.options.small
    return View(
        fit,
        Estimates.of(fit, block.rows.under(block.name), small),
        CheckReport((), Gate(not block.withheld, block.withheld)),
        checked,
        study.options.prob,
        small,
        unnamed(redaction(fit), hidden_parameters(fit, small)),
        told=told,
    )


def first_answer(study: Answers, *, told: Told) -> Answer:
    """The answer to the main aim.

    Parameters
    ----------
    study
        The study.
    told
        See :class:`View`.
    """
    block, fit = study.block(MAIN), study.first
    verdicts, where = Verdicts.of([_converged(model) for model in study.fitted.values()]), "models"
    if block.withheld:
        people = people_words(fit, study.options.small)
        return Answer(SENTENCES("answer_withheld"), "", "", people, verdicts, where)
    answer = answer_of(view_of(study, block, fit, told=told, checked=Checked(())))
    return replace(answer, verdicts=verdicts, where=where)


def _converged(model: Fitted) -> str:
    """The verdict on a model's draws."""
    gate = run_gate(model.fit).gate if isinstance(model.fit, Fit) else model.fit.check().gate
    return "pass" if gate.passed else "fail"
