"""A methods paragraph and its references, made from the fit: what is not mentioned was not done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alliance_bayes.checks.registry import named
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.scales import is_who5
from alliance_bayes.report.effect_sizes import rope_words
from alliance_bayes.report.groups import SLOPES_JUDGED
from alliance_bayes.report.left_out import ShownFlow
from alliance_bayes.report.limits import is_simulated
from alliance_bayes.report.modelling import stated_as
from alliance_bayes.report.references import REFERENCES, Reference, bibtex
from alliance_bayes.report.sections import Section
from alliance_bayes.report.text import capital, clean, count, exact, interval_name, join
from alliance_bayes.report.words import column_name, factor_name, unit_of, units

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["Cited", "fit_sentences", "methods", "package_reference", "sampling_sentence", "software_sentence"]

#: Sources of the named sets of priors for the alliance slope, see `alliance_bayes.model.defaults`.
_PRIORS = {"literature": ("flueckiger2018", "aafjes2024"), "enthusiastic": ("flueckiger2018",)}
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
            list(fit_sentences(fit, cite, view.small)),
            [sampling_sentence(fit.shape, fit.info, cite), *_checks(view, cite)],
            [*_effects(view, cite), software_sentence(fit, cite)],
        )
    )
    entries = bibtex(cite.entries.items())
    numbers = {"methods": {"text": text, "references": list(cite.entries)}}
    return Section(
        "methods", "Methods and references to copy", "methods.html", {"text": text, "bibtex": entries}, numbers
    )


def fit_sentences(fit: FittedModel, cite: Cited, small: int) -> Iterable[str]:
    """People, model and priors."""
    design, focal = fit.design, fit.spec.focal_predictor(fit.design)
    outcome = column_name(design.outcome.name)
    scale = design.scales.get(design.outcome.name)
    named = f"{outcome}{cite('topp2015')}" if is_who5(scale) else outcome
    what = f" and its association with {column_name(focal)}" if focal is not None else ""
    analysed, flow = count(fit.flow.analysed), ShownFlow.of(fit.flow, small)
    of = "" if flow.total is None else f" of {count(flow.total)}"
    yield (
        f"We modelled {named}{what} in {analysed}{of} participants; those without a value in a column of the model "
        "were left out, and nothing was imputed."
        if flow.left != 0
        else f"We modelled {named}{what} in {analysed} participants, none of whom had a missing value."
    )
    if is_simulated(fit.info.get("cohort_source")):
        yield f"The data were simulated from published figures{cite('saguihenson2022')}."
    elif fit.info.get("cohort_source"):
        yield f"Data: {clean(fit.info['cohort_source'])}."
    kind = "hierarchical regression" if design.factors else "regression"
    yield f"The model is a Bayesian {kind} (family: {design.family.title}) with the formula {clean(fit.spec.formula)}."
    for factor in design.factors:
        terms = join(
            ["level" if term == "Intercept" else f"slope of {column_name(clean(term))}" for term in factor.terms]
        )
        kind = (
            "a zero-sum normal distribution (all levels are in the data)"
            if factor.exhaustive
            else "a normal distribution"
        )
        over = f"{len(factor.levels)} levels of {factor_name(factor.name)}"
        together = ", with a correlation between them" if factor.correlated else ""
        yield f"{capital(terms)} varied over {over}, drawn from {kind}{together}."
    for smooth in design.smooths:
        yield f"The association with {column_name(smooth.column)} could bend (a penalised natural cubic spline)."
    for offset in design.formula.offsets:
        yield f"{capital(column_name(clean(offset.name)))} was added with a coefficient of 1."
    left = [name for name in design.centres if not design.formula.is_centred(name) and name not in fit.spec.centre]
    centred = {name: value for name, value in design.centres.items() if name not in left}
    if centred:
        centres = join([f"{column_name(name)} at {exact(value)}" for name, value in centred.items()])
        yield f"Numeric predictors were centred: {centres}."
    if left:
        verb = "was" if len(left) == 1 else "were"
        yield (
            f"{capital(join([column_name(name) for name in left]))} {verb} not centred, because there is no intercept "
            "that would take up the mean."
        )
    stated = fit.priors.get(focal) if focal is not None else None
    named_set = clean(fit.spec.prior_set)
    about = ""
    if stated is not None:
        slope = f"{stated_as(stated.prior)} for the slope of {column_name(str(focal))}"
        about = f" ({slope}; {clean(stated.reason)})"
    sources = cite(*_PRIORS.get(fit.spec.prior_set, ()))
    yield f"Priors were those of the set “{named_set}”{about}{sources}; every prior and its reason is in the report."


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
    size = f"{count(shape[0])} chains of {count(shape[1])} kept draws"
    seed = f", seed {info['seed']}" if isinstance(info.get("seed"), int) else ""
    sampler = clean(info.get("sampler", ""))
    nuts = f"the no-U-turn sampler{cite('hoffman2014')}" if info.get("engine") == "nuts" or "fallback" in info else ""
    warm = f", after {count(info['tune'])} warm-up draws each" if isinstance(info.get("tune"), int) else ""
    if info.get("engine") == "collapsed" and nuts:
        how = f"with the coefficients integrated out exactly, the variance parameters by {nuts} (nutpie)"
    elif info.get("engine") == "collapsed":
        how = (
            "with the coefficients integrated out exactly, the variance parameters by independence Metropolis-Hastings"
            f"{cite('tierney1994')} with a proposal from adaptive importance sampling{cite('cappe2008')} and the "
            "coefficients from their exact conditional distribution"
        )
    elif nuts:
        own = info.get("density") == "compiled"
        program = "on the exact gradient of the joint density" if own else f"in PyMC{cite('abrilpla2023')}"
        how = f"by {nuts} ({sampler}) {program}"
    else:
        how = f"by the engine “{clean(info.get('engine', 'not recorded'))}”"
    return f"The posterior was sampled {how}: {size}{warm}{seed}."


def _checks(view: View, cite: Cited) -> Iterable[str]:
    made = view.checked.made
    if not made:
        yield "No check was run."
        return
    listed = []
    for item in made:
        with named(item.check):
            listed.append(f"{view.redact(item.check.looks_at)}{cite(*item.check.references)}")
    yield f"Checks: {'; '.join(listed)}."
    for verdict, word in (("fail", "failed"), ("warn", "warned")):
        found = [item.title for item in made if item.verdict == verdict]
        if found:
            yield f"{len(found)} {word}: {'; '.join(found)}."
    if view.checked.not_made:
        yield f"Not done: {'; '.join(check.looks_at for check in view.checked.not_made)}."


def _effects(view: View, cite: Cited) -> Iterable[str]:
    if view.withheld:
        yield "The draws did not pass the checks, so no estimate is reported."
        return
    table = view.estimates.table
    estimands = set(table["estimand"])
    if not len(table):
        return
    kind = interval_name(table["interval"].iloc[0], view.prob)
    yield f"Estimates are posterior means with {kind}s, and the probability of direction."
    if estimands & {"slope", "mean", "contrast_of_means"}:
        yield f"Slopes and adjusted means are averages over those analysed (g-computation{cite('robins1986')})."
    between = table["estimand"].isin(["contrast_of_slopes", "difference_in_slope"])
    ropes = table[table["p_rope"].notna() & ~between]
    if len(ropes):
        yield f"The region of practical equivalence{cite('kruschke2018')} is {rope_words(view.fit, ropes.iloc[0])}."
    if (table["p_rope"].notna() & between).any():
        yield SLOPES_JUDGED
    relevant = table["relevant"].dropna()
    if len(relevant):
        unit = units(unit_of(view.fit.design, view.fit.design.outcome.name))
        yield f"The smallest relevant difference is {exact(float(relevant.iloc[0]))} {unit}."
    if "bayesian_r2" in estimands:
        yield f"Explained variance is the Bayesian R²{cite('gelman2019')}."
    if "guidelines" in view.order:
        yield (
            "The report states where each item of two reporting guidelines is"
            f"{cite('kruschke2021', 'depaoli2017', 'vandeschoot2021')}."
        )


def software_sentence(fit: FittedModel, cite: Cited) -> str:
    """The programs that took part, with their versions."""
    known = {str(name): version for name, version in dict(fit.info.get("versions", {})).items()}
    version = _version(known.get("alliance_bayes", ""))
    own = f"alliance_bayes{f' {version}' if version else ''}{cite.add('alliance_bayes', package_reference(version))}"
    used = [name for name in _PACKAGES if name in known and _used(fit, name)]
    others = [f"{name} {_version(known[name])}{cite('kumar2019') if name == 'arviz' else ''}" for name in used]
    return f"Software: {join([own, *others])}."


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
