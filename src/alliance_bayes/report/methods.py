"""A methods paragraph made from the fit (what is not mentioned was not done), and the references it may name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_bayes.checks.registry import named
from alliance_bayes.fit import FittedModel, followed
from alliance_bayes.imputation.quick import CHAINS, DRAWS
from alliance_bayes.imputation.regressions import COEFFICIENT_SD, GROUP_SCALE, VARIANCE_PRIOR
from alliance_bayes.model import Design, PooledFactor
from alliance_bayes.model.priors import StatedPrior
from alliance_bayes.model.scales import is_who5
from alliance_bayes.report.checked import WITHHELD
from alliance_bayes.report.drawn import (
    auxiliary_of,
    draws_per_set,
    error_of,
    few_lacking,
    is_given,
    is_imputed,
    lacking,
    values_drawn,
)
from alliance_bayes.report.dropped import tried
from alliance_bayes.report.effect_sizes import rope_words
from alliance_bayes.report.limitations import is_simulated, parts_of
from alliance_bayes.report.modelling import stated_as
from alliance_bayes.report.participants import filled_in_words
from alliance_bayes.report.phrases import slopes_judged
from alliance_bayes.report.privacy import ShownFlow
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import hidden_parameters, unit_words
from alliance_bayes.report.spoken import in_sentences
from alliance_bayes.report.text import (
    clean,
    column_name,
    count,
    derived,
    exact,
    factor_name,
    interval_name,
    join,
    middle_of,
    unit_of,
    units,
    varying,
)
from alliance_bayes.report.untold import telling_priors, untold
from alliance_bayes.report.weights import weights_words
from alliance_bayes.wording import Wording, read_wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = [
    "REFERENCES",
    "Cited",
    "Reference",
    "bibtex",
    "fit_sentences",
    "imputation_sentences",
    "methods",
    "sampling_sentence",
    "software_sentence",
]

#: Sources of the named sets of priors for the alliance slope, see `alliance_bayes.model.defaults`.
_PRIORS = {"literature": ("flueckiger2018", "aafjes2024"), "enthusiastic": ("flueckiger2018",)}
SENTENCES = Wording("alliance_bayes.report", "sentences/methods.toml")
# Differences of slopes, which have limits of their own.
_BETWEEN_SLOPES = ("contrast_of_slopes", "difference_in_slope", "slope_minus_focal")
_PACKAGES = ("python", "pymc", "nutpie", "arviz", "numba", "numpy", "pandas", "scipy", "xarray")


@dataclass
class Cited:
    """References in the order in which a text names them."""

    entries: dict[str, Reference] = field(default_factory=dict)

    def __call__(self, *keys: str) -> str:
        """Name references in brackets."""
        for key in keys:
            self.entries.setdefault(key, REFERENCES[key])
        return f" [{'; '.join(keys)}]" if keys else ""

    def add(self, key: str, reference: Reference) -> str:
        """Name a reference that depends on the fit."""
        self.entries[key] = reference
        return f" [{key}]"


@Section.last("methods")
def methods(view: View) -> Section:
    """The section."""
    cite = Cited()
    fit = view.fit
    text = "\n\n".join(
        " ".join(sentences)
        for sentences in (
            [*fit_sentences(fit, cite, view.small), *imputation_sentences(fit, cite, view.small)],
            [sampling_sentence(fit.shape, fit.info, cite), *_checks(view, cite)],
            [*_effects(view, cite), software_sentence(fit, cite)],
        )
    )
    context = {"text": text, "bibtex": bibtex(cite.entries.items()), "sources": dict(cite.entries)}
    numbers = {"methods": {"text": text, "references": list(cite.entries)}}
    return Section("methods", "Methods and references to copy", "methods.html", context, numbers)


def fit_sentences(fit: FittedModel, cite: Cited, small: int) -> list[str]:
    """People, model and priors."""
    design, focal, flow = fit.design, fit.spec.focal_predictor(fit.design), ShownFlow.of(fit.flow, small)
    left = [name for name in design.centres if not design.is_centred(name) and name not in fit.spec.centre]
    centred = {name: value for name, value in design.centres.items() if name not in left}
    hidden = (untold(fit, small) | few_lacking(fit, small)) - set(fit.spec.centre)
    factor = fit.spec.focal_factor(design)
    prior = _prior_of(fit, focal or factor, small)
    source = fit.info.get("cohort_source")
    return SENTENCES.all(
        "fit",
        cite=cite,
        outcome=column_name(design.outcome.name),
        who5=is_who5(design.scales.get(design.outcome.name)),
        focal=None if focal is None else column_name(focal),
        factor=None if factor is None else factor_name(factor),
        analysed=count(fit.flow.analysed),
        total=None if flow.total is None else count(flow.total),
        complete=flow.left == 0,
        imputed=is_imputed(fit),
        tried=tried(fit),
        units=unit_words(fit, "participants")
        + ("" if fit.people is None else f" of {count(fit.count_people())} people"),
        prorated=_prorated(fit, small),
        filled=filled_in_words(fit, small),
        simulated=is_simulated(source),
        source=clean(source) if source else "",
        family=design.family.title,
        formula=clean(fit.spec.formula),
        sigma=clean(fit.spec.sigma or ""),
        residual_by="" if design.residual is None else column_name(design.residual.name),
        factors=[_pooled(design, factor) for factor in design.factors],
        parts=parts_of(fit),
        made=bool(followed(fit)[1]),
        lags=bool([window for window in design.formula.windows if window.function == "lag"]),
        smooths=[column_name(smooth.column) for smooth in design.smooths],
        offsets=[column_name(clean(offset.name)) for offset in design.formula.offsets],
        centres=join(
            [
                f"{column_name(name)} at {'its mean' if name in hidden else exact(middle_of(design, name))}"
                for name in centred
            ]
        ),
        uncentred=join([column_name(name) for name in left]),
        one_uncentred=len(left) == 1,
        prior_set=clean(fit.spec.prior_set),
        without_set=bool(fit.spec.set_without_use(design, fit.priors)),
        prior="" if prior is None else stated_as(prior.prior),
        prior_reason="" if prior is None else in_sentences(design)(clean(prior.reason)),
        weights=weights_words(fit),
        prior_sources=_PRIORS.get(fit.spec.prior_set, ()) if fit.priors.is_named_applied else (),
    )


def imputation_sentences(fit: FittedModel, cite: Cited, small: int) -> list[str]:
    """How values were drawn in place of those that were not observed, if only to see what they change."""
    imputation = fit.imputation
    if imputation is None:
        return [SENTENCES("quick", cite=cite, chains=count(CHAINS), draws=count(DRAWS))] if tried(fit) else []
    outcome, beside = fit.design.outcome.name, auxiliary_of(fit)
    if is_given(fit):
        names = join([column_name(name) for name in lacking(fit)])
        return [SENTENCES("given", columns=names, tables=count(imputation.tables))]
    imputed = [*(name for name in lacking(fit) if name not in beside), *error_of(fit)]
    predictors = sorted((name for name in imputed if name != outcome), key=lambda name: imputation.places[name].size)
    levels = [
        name
        for name in predictors
        if name in fit.design.frame
        and (isinstance(fit.design.frame[name].dtype, pd.CategoricalDtype) or fit.design.is_indicator(name))
    ]
    sources, parts = followed(fit)
    by = [made.whose(fit.person) for made in fit.spec.parsed.windows if made.name in parts]
    return SENTENCES.all(
        "imputation",
        cite=cite,
        values=values_drawn(fit, small),
        predictors=join([column_name(name) for name in predictors]),
        several=len(predictors) > 1,
        levels=bool(levels),
        parts=join([column_name(name) for name in parts]),
        sources=join([column_name(name) for name in sources]),
        by=join([column_name(name) for name in dict.fromkeys(by) if name is not None]),
        outcome=column_name(outcome) if outcome in imputed else "",
        beside=join([column_name(name) for name in beside]),
        regressions=bool(predictors or beside or error_of(fit)),
        coefficient=exact(COEFFICIENT_SD),
        shape=exact(VARIANCE_PRIOR[0]),
        scale=exact(VARIANCE_PRIOR[1]),
        group=exact(GROUP_SCALE),
        error=join(
            [
                SENTENCES(
                    "with_error",
                    column=column_name(name),
                    sd=derived(sd),
                    reliability=exact(fit.spec.reliability[name]) if name in fit.spec.reliability else "",
                )
                for name, sd in error_of(fit).items()
            ]
        ),
        tables=count(imputation.tables),
        per_table=count(draws_per_set(fit)),
    )


def _prorated(fit: FittedModel, small: int) -> list[dict[str, Any]]:
    """Scores that were made up for missing items: how many, where that is not the number of few people."""
    scales = []
    for name, one in dict(fit.info.get("prorated") or {}).items():
        few = any(0 < n < small for n in one["people"])
        scales.append(
            {
                "score": column_name(name),
                "n": None if few else count(one["n"]),
                "one": one["n"] == 1,
                "needed": count(one["needed"]),
                "size": count(one["items"]),
                "source": clean(one["source"]),
            }
        )
    return scales


def _prior_of(fit: FittedModel, name: str | None, small: int) -> StatedPrior | None:
    """The prior of a slope, or that which all differences of a factor's levels share; None where they share none."""
    columns = [column for column in fit.design.columns if column.term == name and column.order == 1]
    hidden = hidden_parameters(fit, small) | telling_priors(fit, small)
    priors = {fit.priors[one.label] for one in columns if one.label in fit.priors and one.label not in hidden}
    # Without an intercept a coefficient is a level itself.
    return priors.pop() if len(priors) == 1 and not any(one.whole and not one.numeric for one in columns) else None


def _pooled(design: Design, factor: PooledFactor) -> dict[str, Any]:
    """What is pooled over a factor, in words."""
    terms = ["level" if term == "Intercept" else varying(design, term) for term in factor.terms]
    words = {"terms": join(terms), "levels": len(factor.levels), "name": factor_name(factor.name)}
    return words | {"exhaustive": factor.exhaustive, "correlated": factor.correlated}


def sampling_sentence(shape: tuple[int, int], info: Mapping[str, Any], cite: Cited) -> str:
    """How draws came about.

    Parameters
    ----------
    shape
        Chains, and draws of each.
    info
        What the fit records of it.
    cite
        Collects what is cited.
    """
    return SENTENCES(
        "sampling",
        cite=cite,
        collapsed=info.get("engine") == "collapsed",
        imputation=info.get("engine") == "imputation",
        nuts=info.get("engine") == "nuts" or "fallback" in info,
        compiled=info.get("density") == "compiled",
        engine=clean(info.get("engine", "not recorded")),
        sampler=clean(info.get("sampler", "")),
        chains=count(shape[0]),
        draws=count(shape[1]),
        tune=count(info["tune"]) if isinstance(info.get("tune"), int) else "",
        seed=str(info["seed"]) if isinstance(info.get("seed"), int) else "",
    )


def _checks(view: View, cite: Cited) -> list[str]:
    completed = view.checked.completed
    looked_at: dict[bool, list[str]] = {False: [], True: []}
    for item in completed:
        withheld = item.verdict == WITHHELD
        with named(item.check):
            cited = "" if withheld else cite(*item.check.references)
            looked_at[withheld].append(f"{view.redact(item.check.looks_at)}{cited}")
    return SENTENCES.all(
        "checks",
        checks="; ".join(looked_at[False]),
        withheld="; ".join(looked_at[True]),
        failed=[item.title for item in completed if item.verdict == "fail"],
        warned=[item.title for item in completed if item.verdict == "warn"],
        not_done="; ".join(check.looks_at for check in view.checked.not_completed),
    )


def _effects(view: View, cite: Cited) -> list[str]:
    if view.withheld:
        return [SENTENCES("withheld")]
    table = view.estimates.table
    if not len(table):
        return []
    estimands, relevant = set(table["estimand"]), table["relevant"].dropna()
    judged, between = table["p_rope"].notna(), table["estimand"].isin(_BETWEEN_SLOPES)
    unit = units(unit_of(view.fit.design, view.fit.design.outcome.name))
    return SENTENCES.all(
        "effects",
        cite=cite,
        interval=interval_name(table["interval"].iloc[0], view.prob),
        arms=view.fit.spec.focal_factor(view.fit.design) is not None,
        averaged=bool(estimands & {"slope", "mean", "contrast_of_means"}),
        of="those" if view.fit.people is None else f"the {unit_words(view.fit)}",
        rope=rope_words(view.fit, table[judged & ~between].iloc[0]) if (judged & ~between).any() else "",
        slopes_judged=slopes_judged(view.fit, str(table.loc[judged & between, "term"].iloc[0]))
        if (judged & between).any()
        else "",
        relevant=f"{exact(float(relevant.iloc[0]))} {unit}" if len(relevant) else "",
        r2="bayesian_r2" in estimands,
        guidelines="guidelines" in view.order,
    )


def software_sentence(fit: FittedModel, cite: Cited) -> str:
    """The programs that took part, with their versions."""
    known = {str(name): version for name, version in dict(fit.info.get("versions", {})).items()}
    version = _version(known.get("alliance_bayes", ""))
    itself = f"alliance_bayes{f' {version}' if version else ''}{cite.add('alliance_bayes', package_reference(version))}"
    used = [name for name in _PACKAGES if name in known and _used(fit, name)]
    others = [f"{name} {_version(known[name])}{cite('kumar2019') if name == 'arviz' else ''}" for name in used]
    return f"Software: {join([itself, *others])}."


def _used(fit: FittedModel, package: str) -> bool:
    """Whether a package took part: nutpie did only where NUTS ran, and PyMC where it ran on the graph."""
    nuts = fit.info.get("engine") == "nuts"
    if package == "pymc":
        return nuts and fit.info.get("density") != "compiled"
    return package != "nutpie" or "fallback" in fit.info or (nuts and fit.info.get("sampler") == "nutpie")


def package_reference(version: str) -> Reference:
    """The package itself."""
    note = {"note": f"Version {version}"} if version else {}
    return Reference(
        "misc",
        r"{The alliance\_bayes developers}",
        r"alliance\_bayes: {Bayesian} hierarchical models of the therapeutic alliance and clinical outcome",
        "",
        note,
    )


def _version(text: object) -> str:
    """A version with nothing in it that BibTeX or a shell would act on: a fit may come from anybody's file."""
    return re.sub(r"[^\w.+-]", "", str(text).replace("_", "-"))[:40]


@dataclass(frozen=True)
class Reference:
    """A published source.

    Parameters
    ----------
    kind
        BibTeX's type of entry.
    authors, title, year
        As BibTeX wants them; accents as LaTeX commands, so that old styles sort and print them. The year may be empty.
    fields
        Everything else: journal, volume, pages, doi.
    """

    kind: str
    authors: str
    title: str
    year: str
    fields: Mapping[str, str]


def _references() -> Iterable[tuple[str, Reference]]:
    for key, entry in read_wording("alliance_bayes.report", "sentences/references.toml").items():
        fields = {name: text for name, text in entry.items() if name not in ("authors", "title", "year")}
        yield key, Reference("article", entry["authors"], entry["title"], entry["year"], fields)


REFERENCES: Mapping[str, Reference] = dict(_references())


def bibtex(entries: Iterable[tuple[str, Reference]]) -> str:
    """References as the text of a ``.bib`` file.

    Parameters
    ----------
    entries
        Key and reference, in order.
    """
    written = []
    for key, reference in entries:
        fields = {
            "author": reference.authors,
            "title": reference.title,
            **reference.fields,
        } | ({"year": reference.year} if reference.year else {})
        width = max(map(len, fields))
        lines = [f"  {name:<{width}} = {{{value}}}" for name, value in fields.items()]
        written.append(f"@{reference.kind}{{{key},\n" + ",\n".join(lines) + "\n}\n")
    return "\n".join(written)
