"""What a study's page says at its end: limitations, reporting guidelines, and a methods text with references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from alliance_bayes.api import Fit
from alliance_bayes.checks import CHECKS
from alliance_bayes.latent import LatentFit
from alliance_bayes.report.guidelines import Ground, filled
from alliance_bayes.report.limitations import limits_of_data, limits_of_measures
from alliance_bayes.report.methods import Cited, fit_sentences, sampling_sentence, software_sentence
from alliance_bayes.report.references import bibtex
from alliance_bayes.report.sections import Section, linked
from alliance_bayes.report.text import capital, clean, count, exact, typeset
from alliance_bayes.study.rows import shown_rows
from alliance_bayes.study.study import Study

__all__ = ["study_guidelines", "study_limitations", "study_methods"]


def study_limitations(study: Study) -> Section:
    """What the study does not say: of its data, its measures and each of its parts, and what was not done."""
    first = _first(study)
    parts = [
        ("The data", limits_of_data(first, study.options.small)),
        ("What was measured", list(limits_of_measures(first, study.options.small))),
    ]
    for part in study.parts.values():
        gone = [f"Withheld. {reason}" for reason in part.withheld]
        parts.append((part.title, [typeset(clean(line)) for line in (*part.limits, *part.left_out, *gone)]))
    # Every model's draws are judged; the other checks are those of a single model's report.
    undone = [f"{check.looks_at}, for each model." for check in CHECKS.values() if not check.gate]
    undone.append(
        "Imputation of missing values; how strong an unmeasured cause would have to be to explain an association away."
    )
    context = {
        "parts": [(title, sentences) for title, sentences in parts if sentences],
        "judged": None,
        "undone": [capital(sentence) for sentence in undone],
    }
    return Section("limitations", "Limitations", "limitations.html", context)


def study_guidelines(study: Study, order: Sequence[str]) -> Section:
    """The reporting guidelines, filled for the study.

    Parameters
    ----------
    study
        The study.
    order
        Ids of the page's sections, in order.

    Notes
    -----
    Every model's draws are judged. The other checks are those of a single model's report, so they count as not done
    here, even where the page shows the predictions of some models.
    """
    at = {"data": ("data",), "model": ("models",), "reproduction": ("methods", "models")}
    parts = tuple(study.parts)

    def where(*sections: str) -> Markup:
        return linked(order, *dict.fromkeys(name for section in sections for name in at.get(section, parts)))

    judged = {item for check in CHECKS.values() if check.gate for item in check.answers}

    def checked(item: str) -> Markup | None:
        return linked(order, "models") if item in judged else None

    fits = [made.fit for made in study.fitted.values() if isinstance(made.fit, Fit)]
    return filled(
        Ground(
            where,
            checked,
            withheld=study.withheld,
            stated=all(made.spec.card.question or made.spec.card.estimand for made in study.fitted.values()),
            rope=bool(study.table()["p_rope"].notna().any()),
            seeded=True,
            correlated=any(factor.correlated for fit in fits for factor in fit.design.factors),
            densities=False,
        )
    )


def study_methods(study: Study) -> Section:
    """A methods text and the references it names, from the models that were fitted."""
    cite, first, options = Cited(), _first(study), study.options
    shown = shown_rows(study.fitted, options.small)
    rows = {name: "" if number is None else f", {count(number)} rows" for name, number in shown.items()}
    models = [
        f"{name}: {clean(made.spec.formula)} ({_family(made.fit)}{rows[name]})" for name, made in study.fitted.items()
    ]
    sampled = dict.fromkeys(sampling_sentence(*_sampling(made.fit), cite) for made in study.fitted.values())
    checked = (
        "Convergence of the chains and effective sample size of every parameter and reported quantity were checked"
        f"{cite('vehtari2021')}; numbers of models that failed are withheld."
    )
    compared = (
        [f"Models were compared by leave-one-out predictions{cite('vehtari2017')} and stacking{cite('yao2018')}."]
        if "line_against_spline" in study.parts["association"].numbers or "families" in study.parts
        else []
    )
    observed = f"Observed ratings were described by the Bayesian bootstrap{cite('rubin1981')}."
    judged = (
        f"Estimates are posterior means with {100 * options.prob:g}% equal-tailed intervals; differences within "
        f"±{exact(options.margin)} WHO-5 points count as none{cite('kruschke2018')} ({options.reason('margin')}; of "
        "slopes, half of it over the step from the 10th to the 90th percentile of alliance), and "
        f"changes of {exact(options.improvement)} points or more as relevant."
    )
    text = "\n\n".join(
        (
            f"The analysis follows the aims of an earlier study{cite('saguihenson2022')}. "
            + " ".join(fit_sentences(first, cite, options.small)),
            f"All models: {'; '.join(models)}.",
            " ".join([*sampled, checked, *compared]),
            " ".join([observed, judged, software_sentence(first, cite)]),
        )
    )
    context = {"text": text, "bibtex": bibtex(cite.entries.items())}
    return Section("methods", "Methods and references to copy", "methods.html", context)


def _family(fit: Fit | LatentFit) -> str:
    return fit.design.family.title if isinstance(fit, Fit) else f"graded response, {fit.naive.design.family.title}"


def _sampling(fit: Fit | LatentFit) -> tuple[tuple[int, int], Mapping[str, Any]]:
    return (fit.shape if isinstance(fit, Fit) else (fit.info["chains"], fit.info["draws"])), fit.info


def _first(study: Study) -> Fit:
    """The model of the association among everybody, which every study has."""
    first = study.fitted["outcome_everybody"].fit
    assert isinstance(first, Fit)
    return first
