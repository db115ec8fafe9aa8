"""What the parameters of a fit are called on a page: the words for a reader, and the name in files for an analyst."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pandas as pd

from alliance_bayes.model import Design
from alliance_bayes.report.text import clean, column_name, factor_name, term_name, varying
from alliance_bayes.wording import Wording

__all__ = ["parameter_words", "parameters_in"]

SENTENCES = Wording("alliance_bayes.report", "sentences/parameters.toml")
#: What is in the brackets of a parameter: anything, and one more pair of brackets.
_INSIDE = r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]"


def parameter_words(design: Design, name: str) -> str:
    """A parameter in words, by its name in the posterior or among the priors; empty for what is none.

    Parameters
    ----------
    design
        The design.
    name
        "beta[alliance]", "tau_country[Intercept]", "u_sex[male, alliance]", "sigma"; of a prior also "alliance".
    """
    head, _, rest = name.partition("[")
    inside = rest.removesuffix("]")
    if name in design.terms:
        return _coefficient(design, name)
    if head == "beta" and inside:
        return _coefficient(design, inside)
    for factor in design.factors:
        words = _of_factor(design, factor.name, factor.terms, head, inside)
        if words:
            return words
    for smooth in design.smooths:
        if name == f"tau_{smooth.name}":
            return SENTENCES("bend", column=column_name(smooth.column))
    parameter = design.family.parameters.get(head)
    if parameter is None:
        return ""
    if parameter.title:
        return f"{parameter.title}: {clean(inside)}" if inside else parameter.title
    number = pd.to_numeric(inside, errors="coerce") if inside else float("nan")
    below = [] if pd.isna(number) else [level for level in design.outcome.known_levels if level < number]
    return SENTENCES("cutpoint", below=f"{below[-1]:.6g}", level=f"{number:.6g}") if below else ""


def _coefficient(design: Design, label: str) -> str:
    """What a coefficient is of: a slope, the difference of a level, or the intercept."""
    if label == "Intercept":
        return SENTENCES("intercept")
    column = next((one for one in design.columns if one.label == label), None)
    level = "[" in label if column is None else column.order == 1 and not column.numeric and not column.whole
    return SENTENCES("coefficient", difference=level or design.is_indicator(label), of=term_name(label))


def _of_factor(design: Design, name: str, terms: Iterable[str], head: str, inside: str) -> str:
    """What a pooled factor's effects, their SDs and correlations are called; empty where it is none of them."""
    kinds = {f"u_{clean(name)}": "effect", f"tau_{clean(name)}": "spread", f"corr_{clean(name)}": "correlation"}
    kind = kinds.get(head)
    if kind is None:
        return ""

    def of(term: str) -> str:
        return SENTENCES("level") if term == "Intercept" else varying(design, term)

    called = factor_name(name)
    if kind == "correlation":
        first, second = (next((one for one in terms if test(one)), "") for test in (_begins(inside), _ends(inside)))
        return SENTENCES("correlation", first=of(first), second=of(second), factor=called) if first and second else ""
    term = next((one for one in terms if inside == one or (kind == "effect" and inside.endswith(f", {one}"))), "")
    if not term:
        return ""
    return SENTENCES(kind, of=of(term), factor=called, level=clean(inside.removesuffix(f", {term}")))


def _begins(inside: str) -> Callable[[str], bool]:
    return lambda term: inside.startswith(f"{term}, ")


def _ends(inside: str) -> Callable[[str], bool]:
    return lambda term: inside.endswith(f", {term}")


def parameters_in(design: Design, quoted: bool = False) -> Callable[[str], str]:
    """What puts words in place of the parameters that a text names, brackets and all; in a sentence, in quotes."""
    heads = ["beta", *design.family.parameters]
    heads += [f"{kind}_{clean(factor.name)}" for factor in design.factors for kind in ("u", "tau", "corr")]
    # Some have one value and no brackets, and may be words: they are told where nothing stands beside them.
    alone = [name for name, parameter in design.family.parameters.items() if parameter.title]
    alone += [f"tau_{smooth.name}" for smooth in design.smooths]
    either = (
        rf"(?<![\w\[])(?:{'|'.join(map(re.escape, heads))}){_INSIDE}",
        rf"(?:(?<=^)|(?<=\()|(?<=[;:] ))(?:{'|'.join(map(re.escape, alone))})(?=[;)]|$)",
    )
    pattern = re.compile("|".join(either if alone else either[:1]))

    def called(match: re.Match[str]) -> str:
        words = parameter_words(design, match[0])
        return f"“{words}”" if words and quoted else words or match[0]

    return lambda text: pattern.sub(called, text)
