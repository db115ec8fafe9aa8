"""What a report cites, and how it is written as BibTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["REFERENCES", "Reference", "bibtex"]


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
