"""A methods paragraph made from the fit (what is not mentioned was not done), and the references it may name."""

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
from alliance_bayes.report.limitations import is_simulated
from alliance_bayes.report.modelling import stated_as
from alliance_bayes.report.privacy import ShownFlow
from alliance_bayes.report.sections import Section
from alliance_bayes.report.text import (
    capital,
    clean,
    column_name,
    count,
    exact,
    factor_name,
    interval_name,
    join,
    unit_of,
    units,
)

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = [
    "REFERENCES",
    "Cited",
    "Reference",
    "bibtex",
    "fit_sentences",
    "methods",
    "sampling_sentence",
    "software_sentence",
]

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
    completed = view.checked.completed
    if not completed:
        yield "No check was run."
        return
    listed = []
    for item in completed:
        with named(item.check):
            listed.append(f"{view.redact(item.check.looks_at)}{cite(*item.check.references)}")
    yield f"Checks: {'; '.join(listed)}."
    for verdict, word in (("fail", "failed"), ("warn", "warned")):
        found = [item.title for item in completed if item.verdict == verdict]
        if found:
            yield f"{len(found)} {word}: {'; '.join(found)}."
    if view.checked.not_completed:
        yield f"Not done: {'; '.join(check.looks_at for check in view.checked.not_completed)}."


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


def _article(authors: str, title: str, year: int, journal: str, volume: str, pages: str, doi: str = "") -> Reference:
    fields = {"journal": journal, "volume": volume, "pages": pages} | ({"doi": doi} if doi else {})
    return Reference("article", authors, title, str(year), fields)


REFERENCES: Mapping[str, Reference] = {
    "saguihenson2022": _article(
        "Sagui-Henson, Sara J. and Welcome Chamberlain, Camille E. and Smith, Brooke J. and Li, Elizabeth J. and "
        "Castro Sweet, Cynthia and Altman, Myra",
        "Understanding Components of Therapeutic Alliance and Well-Being from Use of a Global Digital Mental Health "
        "Benefit During the {COVID-19} Pandemic: Longitudinal Observational Study",
        2022,
        "Journal of Technology in Behavioral Science",
        "7",
        "439--450",
        "10.1007/s41347-022-00263-5",
    ),
    "topp2015": _article(
        r"Topp, Christian Winther and {\O}stergaard, S{\o}ren Dinesen and S{\o}ndergaard, Susan and Bech, Per",
        "The {WHO-5} Well-Being Index: A Systematic Review of the Literature",
        2015,
        "Psychotherapy and Psychosomatics",
        "84",
        "167--176",
        "10.1159/000376585",
    ),
    "flueckiger2018": _article(
        r"Fl{\"u}ckiger, Christoph and Del Re, A. C. and Wampold, Bruce E. and Horvath, Adam O.",
        "The Alliance in Adult Psychotherapy: A Meta-Analytic Synthesis",
        2018,
        "Psychotherapy",
        "55",
        "316--340",
        "10.1037/pst0000172",
    ),
    "aafjes2024": _article(
        r"Aafjes-van Doorn, Katie and Spina, Daniel S. and Horne, Sarah J. and B{\'e}k{\'e}s, Vera",
        "The Association Between Quality of Therapeutic Alliance and Treatment Outcomes in Teletherapy: A Systematic "
        "Review and Meta-Analysis",
        2024,
        "Clinical Psychology Review",
        "110",
        "102430",
        "10.1016/j.cpr.2024.102430",
    ),
    "vehtari2021": _article(
        r"Vehtari, Aki and Gelman, Andrew and Simpson, Daniel and Carpenter, Bob and B{\"u}rkner, Paul-Christian",
        r"Rank-Normalization, Folding, and Localization: An Improved $\widehat{R}$ for Assessing Convergence of {MCMC}",
        2021,
        "Bayesian Analysis",
        "16",
        "667--718",
        "10.1214/20-BA1221",
    ),
    "vehtari2017": _article(
        "Vehtari, Aki and Gelman, Andrew and Gabry, Jonah",
        "Practical {Bayesian} Model Evaluation Using Leave-One-Out Cross-Validation and {WAIC}",
        2017,
        "Statistics and Computing",
        "27",
        "1413--1432",
        "10.1007/s11222-016-9696-4",
    ),
    "vehtari2024": _article(
        "Vehtari, Aki and Simpson, Daniel and Gelman, Andrew and Yao, Yuling and Gabry, Jonah",
        "Pareto Smoothed Importance Sampling",
        2024,
        "Journal of Machine Learning Research",
        "25",
        "1--58",
    ),
    "yao2018": _article(
        "Yao, Yuling and Vehtari, Aki and Simpson, Daniel and Gelman, Andrew",
        "Using Stacking to Average {Bayesian} Predictive Distributions",
        2018,
        "Bayesian Analysis",
        "13",
        "917--1007",
        "10.1214/17-BA1091",
    ),
    "rubin1981": _article(
        "Rubin, Donald B.",
        "The {Bayesian} Bootstrap",
        1981,
        "The Annals of Statistics",
        "9",
        "130--134",
        "10.1214/aos/1176345338",
    ),
    "czado2009": _article(
        "Czado, Claudia and Gneiting, Tilmann and Held, Leonhard",
        "Predictive Model Assessment for Count Data",
        2009,
        "Biometrics",
        "65",
        "1254--1261",
        "10.1111/j.1541-0420.2009.01191.x",
    ),
    "gelman2019": _article(
        "Gelman, Andrew and Goodrich, Ben and Gabry, Jonah and Vehtari, Aki",
        "{R}-squared for {Bayesian} Regression Models",
        2019,
        "The American Statistician",
        "73",
        "307--309",
        "10.1080/00031305.2018.1549100",
    ),
    "kruschke2018": _article(
        "Kruschke, John K.",
        "Rejecting or Accepting Parameter Values in {Bayesian} Estimation",
        2018,
        "Advances in Methods and Practices in Psychological Science",
        "1",
        "270--280",
        "10.1177/2515245918771304",
    ),
    "kruschke2021": _article(
        "Kruschke, John K.",
        "{Bayesian} Analysis Reporting Guidelines",
        2021,
        "Nature Human Behaviour",
        "5",
        "1282--1291",
        "10.1038/s41562-021-01177-7",
    ),
    "depaoli2017": _article(
        "Depaoli, Sarah and van de Schoot, Rens",
        "Improving Transparency and Replication in {Bayesian} Statistics: The {WAMBS}-Checklist",
        2017,
        "Psychological Methods",
        "22",
        "240--261",
        "10.1037/met0000065",
    ),
    "vandeschoot2021": _article(
        r"van de Schoot, Rens and Depaoli, Sarah and King, Ruth and Kramer, Bianca and M{\"a}rtens, Kaspar and "
        "Tadesse, Mahlet G. and Vannucci, Marina and Gelman, Andrew and Veen, Duco and Willemsen, Joukje and "
        "Yau, Christopher",
        "{Bayesian} Statistics and Modelling",
        2021,
        "Nature Reviews Methods Primers",
        "1",
        "1",
        "10.1038/s43586-020-00001-2",
    ),
    "hoffman2014": _article(
        "Hoffman, Matthew D. and Gelman, Andrew",
        "The {No-U-Turn} Sampler: Adaptively Setting Path Lengths in {Hamiltonian} {Monte} {Carlo}",
        2014,
        "Journal of Machine Learning Research",
        "15",
        "1593--1623",
    ),
    "tierney1994": _article(
        "Tierney, Luke",
        "{Markov} Chains for Exploring Posterior Distributions",
        1994,
        "The Annals of Statistics",
        "22",
        "1701--1728",
        "10.1214/aos/1176325750",
    ),
    "cappe2008": _article(
        r"Capp{\'e}, Olivier and Douc, Randal and Guillin, Arnaud and Marin, Jean-Michel and Robert, Christian P.",
        "Adaptive Importance Sampling in General Mixture Classes",
        2008,
        "Statistics and Computing",
        "18",
        "447--459",
        "10.1007/s11222-008-9059-x",
    ),
    "abrilpla2023": _article(
        "Abril-Pla, Oriol and Andreani, Virgile and Carroll, Colin and Dong, Larry and Fonnesbeck, Christopher J. and "
        r"Kochurov, Maxim and Kumar, Ravin and Lao, Junpeng and Luhmann, Christian C. and Martin, Osvaldo A. and "
        "Osthege, Michael and Vieira, Ricardo and Wiecki, Thomas and Zinkov, Robert",
        "{PyMC}: A Modern, and Comprehensive Probabilistic Programming Framework in {Python}",
        2023,
        "PeerJ Computer Science",
        "9",
        "e1516",
        "10.7717/peerj-cs.1516",
    ),
    "kumar2019": _article(
        "Kumar, Ravin and Carroll, Colin and Hartikainen, Ari and Martin, Osvaldo",
        "{ArviZ} a Unified Library for Exploratory Analysis of {Bayesian} Models in {Python}",
        2019,
        "Journal of Open Source Software",
        "4",
        "1143",
        "10.21105/joss.01143",
    ),
    "robins1986": _article(
        "Robins, James",
        "A New Approach to Causal Inference in Mortality Studies with a Sustained Exposure Period -- Application to "
        "Control of the Healthy Worker Survivor Effect",
        1986,
        "Mathematical Modelling",
        "7",
        "1393--1512",
        "10.1016/0270-0255(86)90088-6",
    ),
}


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
