"""What was not observed of the people of a study, in which of its models it was drawn, and in which it was not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alliance_bayes.api import Fit
from alliance_bayes.effects import EffectTable
from alliance_bayes.report.complete_rows import compared_with
from alliance_bayes.report.drawn import auxiliary_of
from alliance_bayes.report.missing import compared_words, missing
from alliance_bayes.report.sections import Section
from alliance_bayes.report.text import column_name, join
from alliance_bayes.report.tipping import shifted_limitation
from alliance_bayes.report.view import View
from alliance_bayes.study.answers import Answers
from alliance_bayes.study.called import called
from alliance_bayes.wording import Wording

__all__ = ["ELEVATED", "drawn_models", "imputation_sentence", "missing_values", "moved_words"]

SENTENCES = Wording("alliance_bayes.study", "missing.toml")
#: Id in the manifest of what complete rows alone say of the elevated.
ELEVATED = "missing-elevated"


def drawn_models(study: Answers) -> tuple[list[str], list[str]]:
    """Names of the models in which values were drawn, and of those fitted to whoever has a value in every column."""
    drawn = [
        name for name, model in study.fitted.items() if isinstance(model.fit, Fit) and model.fit.imputation is not None
    ]
    return drawn, [name for name in study.fitted if name not in drawn]


def imputation_sentence(study: Answers) -> str:
    """In which models values were drawn, and given which columns; empty where in none."""
    drawn, others = drawn_models(study)
    fits = [model.fit for name, model in study.fitted.items() if name in drawn]
    beside = dict.fromkeys(name for fit in fits if isinstance(fit, Fit) for name in auxiliary_of(fit))
    names, words = called(study.fitted), [column_name(name) for name in beside]
    models, rest = ([f"“{names[name]}”" for name in part] for part in (drawn, others))
    return SENTENCES("drawn", models=join(models), others=join(rest), several=len(rest) > 1, beside=join(words))


def missing_values(study: Answers, view: View, elevated: View | None) -> tuple[Section | None, EffectTable | None]:
    """The section, and rows of the elevated that it says something of; None where a study draws no values.

    Parameters
    ----------
    study
        The study.
    view
        Of the model of its main aim, whose columns and people are described.
    elevated
        Of the same model among the elevated, whose complete rows alone are compared with all of them, too.
    """
    if not study.options.imputes:
        return None, None
    drawn, others = drawn_models(study)
    described = missing(view) or Section.of("missing", SENTENCES("title"), SENTENCES("complete"))
    lead = [SENTENCES("main")] if view.fit.imputation is not None else []
    contrast = None if elevated is None or elevated.withheld else compared_with(elevated, section=ELEVATED)
    last = [
        ""
        if elevated is None or contrast is None
        else SENTENCES("compared", said=compared_words(elevated.fit, contrast)),
        imputation_sentence(study),
        SENTENCES("elevated", elevated=f"{study.options.elevated:g}"),
    ]
    items = [("text", text) for text in lead], described.context["items"], [("text", text) for text in last if text]
    models = {"models": {"imputed": drawn, "complete": others}}
    numbers: dict[str, Any] = {
        "missing": {"columns": [], "patterns": [], **described.numbers.get("missing", {}), **models}
    }
    section = replace(described, context={"items": [item for part in items for item in part]}, numbers=numbers)
    return section, None if contrast is None else contrast.rows


def moved_words(study: Answers, view: View) -> str:
    """How far missing values must be from what was drawn for the main finding to be another; empty without any."""
    # The section comes after that of the data.
    return shifted_limitation(replace(view, order=("data", "missing"))) if study.options.imputes else ""
