"""What the study's page says first: the answer to its main aim, from the model of the association among everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from alliance_bayes.api import Fit
from alliance_bayes.checks import CheckReport, Gate
from alliance_bayes.effects import EffectTable
from alliance_bayes.report.answer import Answer, Verdicts, answer_of, people_words
from alliance_bayes.report.checked import Checked
from alliance_bayes.report.confounding import limitation
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.privacy import redaction, unnamed
from alliance_bayes.report.small_counts import hidden_parameters
from alliance_bayes.report.view import View
from alliance_bayes.study.answers import Answers
from alliance_bayes.study.checking import ModelChecks
from alliance_bayes.study.part import Block
from alliance_bayes.wording import Wording

__all__ = ["MAIN", "Told", "first_answer", "first_unmeasured", "first_view", "view_of"]

SENTENCES = Wording("alliance_bayes.study", "first.toml")
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


def first_answer(study: Answers, models: Mapping[str, ModelChecks], *, told: Told) -> Answer:
    """The answer to the main aim.

    Parameters
    ----------
    study
        The study.
    models
        The checks by model: all of them are counted, and those of the main model bear on what is said.
    told
        See :class:`View`.
    """
    block, fit = study.block(MAIN), study.first
    verdicts = Verdicts.of([item.verdict for model in models.values() for item in model.checked.items])
    if block.withheld:
        return Answer(SENTENCES("answer_withheld"), "", "", people_words(fit, study.options.small), verdicts)
    answer = answer_of(first_view(study, models, told=told))
    return replace(answer, verdicts=verdicts)


def first_view(study: Answers, models: Mapping[str, ModelChecks], *, told: Told, population: str = "everybody") -> View:
    """The numbers of the main aim, of everybody or of the elevated, as sections of a report see them.

    Parameters
    ----------
    study, models, told
        See :func:`first_answer`.
    population
        Of whom.
    """
    name = f"outcome_{population}"
    fit = study.fitted[name].fit
    assert isinstance(fit, Fit)
    block = study.block(f"association-{population}")
    return view_of(study, block, fit, told=told, checked=models[name].checked)


def first_unmeasured(
    study: Answers, models: Mapping[str, ModelChecks], *, told: Told
) -> tuple[str, EffectTable | None]:
    """How strong an unmeasured cause of the main association must be: in a sentence, and the rows that it is of.

    Parameters
    ----------
    study, models, told
        See :func:`first_answer`.
    """
    return limitation(first_view(study, models, told=told))
