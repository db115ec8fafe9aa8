"""The model in words, in symbols and as a graph, its priors with their reasons, and what the data made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from alliance_bayes.checks.nameless import Nameless
from alliance_bayes.engines.prior_density import log_prior
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Column, Design, Prior, StatedPrior
from alliance_bayes.model.sigma import GAMMA
from alliance_bayes.report.drawn import few_lacking, lacking
from alliance_bayes.report.figure_data import written
from alliance_bayes.report.figures import Panel, prior_panels
from alliance_bayes.report.phrases import expected_words
from alliance_bayes.report.privacy import HIDDEN, identifying, named_factors
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import NOT_SHOWN, hidden_parameters, one_row
from alliance_bayes.report.spoken import in_sentences
from alliance_bayes.report.style import ACCENT, BAND, GREY, INK, LIGHT, WIDTH
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import (
    MINUS,
    capital,
    clean,
    column_name,
    count,
    equations,
    exact,
    factor_name,
    family_sentence,
    join,
    meaning,
    middle_of,
    pooling_sentence,
    smooth_sentence,
    term_name,
    typeset,
    varying,
)
from alliance_bayes.report.untold import telling_priors, untold

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alliance_bayes.report.view import View

__all__ = ["Node", "modelling", "prior_density", "prior_table", "stated_as"]

MOST_PANELS = 12
#: Why a prior is not stated.
UNSTATED = (
    "its scale is an SD of the analysed rows, which would tell how many people have a value that few have; state a "
    "prior, or a scale, to have it shown"
)


def modelling(view: View) -> Section:
    """The section."""
    fit, withheld = view.fit, view.withheld
    design, card, stated_priors = fit.design, fit.spec.card, _stated(fit, view.small)
    few = few_lacking(fit, view.small)
    hidden = {name for name in untold(fit, view.small) | few if _is_mean(fit, name)}
    centres = Table.of(
        "table-centres",
        "Values subtracted from the predictors, so that the intercept and the slopes of groups have a meaning",
        ("Predictor", "Value", "Where it comes from"),
        [
            (
                column_name(name),
                NOT_SHOWN if name in hidden else exact(middle_of(design, name)),
                "asked for by the analyst"
                if name in fit.spec.centre
                else "not centred: no term would take up the mean"
                if not design.is_centred(name)
                else "mean of what was observed, which would tell how few values are missing"
                if name in few
                else "mean of those analysed, which would tell how many people have a value that few have"
                if name in hidden
                else "mean of what was observed"
                if name in lacking(fit)
                else "mean of those analysed",
            )
            for name in design.centres
        ],
        words=(2,),
    )
    context = {
        "question": clean(card.question),
        "estimand": clean(card.estimand),
        "assumptions": [clean(item) for item in card.assumptions],
        "sources": [clean(item) for item in card.sources],
        "formula": clean(fit.spec.formula),
        "sigma": clean(fit.spec.sigma or ""),
        "outcome": column_name(design.outcome.name),
        "family": design.family.title,
        "sentence": family_sentence(design),
        "written": clean(fit.info.get("outcome_written", "")),
        "one": one_row(fit),
        "factors": [(factor_name(factor.name), pooling_sentence(design, factor)) for factor in design.factors]
        + [(column_name(smooth.column), smooth_sentence(smooth)) for smooth in design.smooths],
        "equations": _equations(fit, hidden),
        "centres": centres,
        "prior_set": clean(fit.spec.prior_set),
        "without_set": clean(fit.spec.set_without_use(design, fit.priors)),
        "priors": prior_table(fit, "table-priors", "Priors, each with its reason", view.small),
        "prior_check": view.checked.repeated_in("model"),
        "graph": model_graph(view, stated_priors),
        "picture": None if withheld else _prior_picture(fit, view.small),
        "withheld": withheld,
    }
    numbers = {
        "priors": [
            {"parameter": name, "prior": None, "reason": UNSTATED}
            if stated is None
            else {"parameter": name, "prior": stated.prior.exact, "reason": stated.reason}
            for name, stated in stated_priors.items()
        ],
        "centres": {name: None if name in hidden else value for name, value in design.centres.items()},
    }
    return Section("model", "Model and priors", "model.html", context, {"model": numbers})


def _is_mean(fit: FittedModel, name: str) -> bool:
    """Whether what is subtracted from a predictor is the mean of the analysed rows."""
    return name not in fit.spec.centre and fit.design.is_centred(name)


def prior_table(fit: FittedModel, name: str, caption: str, small: int) -> Table:
    """Every prior of a model with its reason."""
    spoken = in_sentences(fit.design)
    rows = [
        (clean(parameter), meaning(fit.design, parameter), words[0], typeset(spoken(words[1])))
        for parameter, stated in _stated(fit, small).items()
        for words in (_told(stated),)
    ]
    return Table.of(name, caption, ("Parameter", "Meaning", "Prior", "Reason"), rows, words=(1, 3), cards=True)


def _told(stated: StatedPrior | None) -> tuple[str, str]:
    """A prior and its reason as a table has them."""
    return ("not shown", UNSTATED) if stated is None else (stated_as(stated.prior), clean(stated.reason))


def _stated(fit: FittedModel, small: int) -> dict[str, StatedPrior | None]:
    """The priors by name, None for one that tells how many people have a value that few have."""
    telling = telling_priors(fit, small)
    return {name: None if name in telling else stated for name, stated in _of_nobody(fit).items()}


def _of_nobody(fit: FittedModel) -> dict[str, StatedPrior | None]:
    """The same with one prior for the coefficients of levels that are nobody's to name; None where they have several.

    A scale that follows a level's share of the rows would tell how many it has.
    """
    shown, kinds = _uncalled(fit), dict[str, set[StatedPrior]]()
    priors: dict[str, StatedPrior | None] = {}
    for name, stated in _without_persons(fit).items():
        label = shown.get(name, name)
        kinds.setdefault(label, set()).add(stated)
        priors[label] = stated if len(kinds[label]) == 1 else None
    return priors


def _equations(fit: FittedModel, hidden: set[str]) -> tuple[str, ...]:
    """The model's lines, in which all coefficients of levels that are nobody's to name are one term."""
    lines = equations(fit.design, untold=hidden)
    if not _uncalled(fit):
        return lines
    nameless = _nameless(fit)
    return tuple(" + ".join(dict.fromkeys(nameless.hidden(line, HIDDEN).split(" + "))) for line in lines)


def _nameless(fit: FittedModel) -> Nameless:
    return Nameless.of(fit, [name for name in named_factors(fit) if identifying(fit, name)])


def _uncalled(fit: FittedModel) -> dict[str, str]:
    """Coefficients of levels that are nobody's to name, by name, and what they are called without it."""
    nameless = _nameless(fit)
    of_sigma = () if fit.design.sigma is None else fit.design.sigma.parameters
    redacted = {term: nameless.hidden(term, HIDDEN) for term in (*fit.design.terms, *of_sigma)}
    return {term: called for term, called in redacted.items() if called != term}


def _without_persons(fit: FittedModel) -> dict[str, StatedPrior]:
    """The priors by name; those of levels that may be one person each are stated once, without a name."""
    residual = fit.design.residual
    if residual is None or not identifying(fit, residual.name):
        return dict(fit.priors)
    hidden = {name: stated for name, stated in fit.priors.items() if name in residual.parameters}
    kinds = dict.fromkeys(hidden.values())
    named = {f"sigma{'' if len(kinds) == 1 else f' {n}'}": stated for n, stated in enumerate(kinds, start=1)}
    return {name: stated for name, stated in fit.priors.items() if name not in hidden} | named


def stated_as(prior: Prior, digits: int = 4) -> str:
    """A prior with a few digits of each number; the JSON has all of them."""
    numbers = ", ".join(f"{value:.{digits}g}" for value in prior.parameters)
    return f"{prior.distribution}({numbers})".replace("-", MINUS)


def _prior_picture(fit: FittedModel, small: int) -> Picture | None:
    panels, rows = [], []
    for name, title, draws in _parameters(fit, small)[:MOST_PANELS]:
        stated = fit.priors[name].prior
        if (known := prior_density(stated)) is not None:
            density, centre, spread = known
            panels.append(Panel(title, density, draws, stated.support == "positive", spread, centre))
            quantiles = (written(value) for value in np.quantile(draws, [0.055, 0.5, 0.945]))
            rows.append((title, stated_as(stated), written(float(draws.mean())), *quantiles))
    if not panels:
        return None
    painter, size = prior_panels(panels)
    title = "Prior and posterior of the main parameters"
    names = ", ".join(panel.title for panel in panels)
    caption = (
        "Dashed: prior. Filled: posterior. Where both have the same shape, the data said little about that parameter; "
        "where the dashed line is flat, the prior said little. Heights are scaled to each panel."
    )
    data = Table.of(
        "prior-posterior-data",
        title,
        ("Parameter", "Prior", "Posterior mean", "5.5%", "50%", "94.5%"),
        rows,
        words=(1,),
        note="The last columns are quantiles of the posterior.",
    )
    return Picture.drawn(
        painter,
        name="prior-posterior",
        title=title,
        caption=caption,
        description=f"Dashed prior density and filled posterior density of {names}.",
        size=size,
        data=data,
    )


def _parameters(fit: FittedModel, small: int) -> list[tuple[str, str, Any]]:
    """Prior-table name, title and draws: what the page is about first, the others in the order of the priors."""
    design, draws = fit.design, fit.stacked
    focal = fit.spec.focal_predictor(design) or fit.spec.focal_factor(design)
    hidden = hidden_parameters(fit, small) | telling_priors(fit, small) | _uncalled(fit).keys()
    columns = sorted(
        (column for column in design.columns if column.label not in hidden),
        key=lambda column: (column.term != focal, column.label == "Intercept"),
    )
    parameters: list[tuple[str, str, Any]] = [
        (column.label, _titled(design, column), draws["beta"][:, design.terms.index(column.label)])
        for column in columns
    ]
    titles = {name: known.title for name, known in design.family.parameters.items() if known.title}
    for name in titles:
        if name == "sigma" and design.residual is not None:
            if identifying(fit, design.residual.name):
                continue
            named = zip(design.residual.parameters, design.residual.levels, draws[name].T, strict=True)
            shown = [part for part in named if part[0] not in hidden]
            parameters += [(parameter, f"{titles[name]}: {clean(level)}", values) for parameter, level, values in shown]
        else:
            if name not in hidden:
                parameters.append((name, titles[name], draws[name]))
    if design.sigma is not None:
        named = zip(design.sigma.parameters, design.sigma.labels, draws[GAMMA].T, strict=True)
        parameters += [
            (part, f"log σ: {term_name(label)}", values) for part, label, values in named if part not in hidden
        ]
    for factor in design.factors:
        for position, term in enumerate(factor.terms):
            kind = "level" if term == "Intercept" else "difference" if design.is_indicator(term) else "slope"
            title, name = f"{kind} SD: {factor_name(factor.name)}", f"tau_{factor.name}[{term}]"
            if name in hidden:
                continue
            parameters.append((name, title, draws[f"tau_{factor.name}"][:, position]))
    for smooth in design.smooths:
        name = f"tau_{smooth.name}"
        parameters.append((name, f"SD of the bend: {column_name(smooth.column)}", draws[name]))
    return parameters


def _titled(design: Design, column: Column) -> str:
    """What a coefficient is called beside its prior."""
    if column.label == "Intercept":
        return "intercept"
    indicator = design.is_indicator(column.label)
    difference = column.order == 1 and not column.numeric and not column.whole
    return f"{'difference' if difference or indicator else 'slope'}: {term_name(column.label)}"


#: Lines of a box that are shown; of more, the number.
MOST_LINES = 9
# Inches: height of a line, room inside a box, between boxes, and the widths of the two columns and of the gap.
_LINE, _INSIDE, _BETWEEN = 0.2, 0.13, 0.22
_LEFT, _GAP = 2.68, 0.32
_RIGHT = WIDTH - _LEFT - _GAP - 0.05
# Mean width of a character of the text in the boxes, in inches.
_CHARACTER = 0.07
_SIZE = 9.5


@dataclass(frozen=True)
class Node:
    """A box of the graph.

    Parameters
    ----------
    title
        What it is.
    lines
        Its parameters with their priors.
    levels
        How often its effects are repeated (a plate); 0 for none.
    to
        What the arrow from it points to: "expectation" or "outcome".
    """

    title: str
    lines: tuple[str, ...]
    levels: int
    to: str


def nodes_of(view: View, priors: Mapping[str, StatedPrior | None]) -> list[Node]:
    """The boxes that the outcome depends on, in the formula's order.

    Parameters
    ----------
    view
        With the fit.
    priors
        As the page states them, by parameter; None for what it does not state.
    """
    design = view.fit.design

    def prior(parameter: str) -> str:
        stated = priors.get(parameter)
        return "" if stated is None else f" ~ {stated_as(stated.prior, 3)}"

    uncalled = _uncalled(view.fit)
    terms = list(dict.fromkeys(uncalled.get(term, term) for term in design.terms))
    common = tuple(f"{term_name(term)}{prior(term)}" for term in terms)
    common += tuple(f"{term_name(offset.name)}, times 1" for offset in design.formula.offsets)
    nodes = [Node("Predictors", common, 0, "expectation")] if common else []
    for factor in design.factors:
        lines = tuple(
            f"SD of {'levels' if term == 'Intercept' else varying(design, term).replace(' of', 's of', 1)}"
            f"{prior(f'tau_{factor.name}[{term}]')}"
            for term in factor.terms
        )
        nodes.append(Node(capital(factor_name(factor.name)), lines, len(factor.levels), "expectation"))
    for smooth in design.smooths:
        lines = (f"SD of the bend{prior(f'tau_{smooth.name}')}",)
        nodes.append(Node(f"Bend of {column_name(smooth.column)}", lines, smooth.size, "expectation"))
    named = {*terms} | {name for name in priors if name.startswith("tau_")}
    rest = [name for name in priors if name not in named and not name.startswith("corr_")]
    spread = tuple(f"{_symbol(name)}{prior(name)}" for name in rest)
    if spread:
        levels = 0 if design.residual is None else len(design.residual.levels)
        of_residual = [column_name(name) for name in design.predictors if name in design.of_residual]
        by = f", by {join(of_residual)}" if of_residual else ""
        title = f"Around the expectation{by}"
        nodes.append(Node(title, tuple(dict.fromkeys(spread)), levels, "outcome"))
    return nodes


_SYMBOLS = {"sigma": "residual SD", "nu": "degrees of freedom", "phi": "precision", "cutpoints": "thresholds"}


def _symbol(parameter: str) -> str:
    """What a parameter of the outcome's distribution is called in the graph."""
    name, _, of = parameter.partition("[")
    if name == GAMMA and of:
        return f"log residual SD, {term_name(of.removesuffix(']'))}"
    return _SYMBOLS.get(name.split(" ")[0], "parameter")


def model_graph(view: View, priors: Mapping[str, StatedPrior | None]) -> Picture:
    """The figure. It shows no estimate, so that it stays when conclusions are withheld.

    Parameters
    ----------
    view, priors
        See `nodes_of`.
    """
    nodes = nodes_of(view, priors)
    design = view.fit.design
    outcome = column_name(design.outcome.name)
    expected = expected_words(view.fit)
    targets = {"expectation": expected, "outcome": outcome}
    name, title = "model-graph", "The model as a graph"
    pooled = [f"{node.title} ({count(node.levels)} levels)" for node in nodes if node.levels]
    boxes = "1 box" if len(nodes) == 1 else f"{count(len(nodes))} boxes"
    description = (
        f"Arrows lead from {boxes} to the {expected} or to {outcome} itself: "
        f"{'; '.join(node.title for node in nodes)}."
        + (f" Stacked boxes are repeated by level: {'; '.join(pooled)}." if pooled else "")
    )
    caption = f"What is in the model of {outcome}, with the prior of every parameter."
    if design.factors:
        caption += (
            " Stacked boxes hold one effect a level, all drawn from one distribution whose SD is estimated (partial "
            "pooling)."
        )
    rows = [
        (node.title, line, count(node.levels) if node.levels else "–", targets[node.to])
        for node in nodes
        for line in node.lines
    ]
    data = Table.of(f"{name}-data", title, ("Box", "Parameter and prior", "Levels", "Points to"), rows, words=(1, 3))
    height = sum(map(_height, nodes)) + _BETWEEN * (len(nodes) + 1)
    return view.figure(
        _painter(nodes, targets, design.family.title, height),
        name=name,
        title=title,
        caption=caption,
        description=description,
        size=(WIDTH, max(height, 2.4)),
        data=data,
    )


def _shown(node: Node) -> list[str]:
    lines = list(node.lines[:MOST_LINES])
    return lines if len(lines) == len(node.lines) else [*lines, f"and {len(node.lines) - MOST_LINES} more"]


def _written(node: Node) -> tuple[list[str], list[str]]:
    """Lines of a box's heading, and of what is below it, none longer than the box is wide."""
    most = int((_LEFT - 0.3) / _CHARACTER)
    levels = f" · {count(node.levels)} levels" if node.levels else ""
    # A heading is bold, and wider for it.
    head = wrap(f"{node.title}{levels}", most - 4)
    # A prior is not broken within its brackets, nor after its sign.
    whole = (line.replace(", ", ",\N{NO-BREAK SPACE}").replace("~ ", "~\N{NO-BREAK SPACE}") for line in _shown(node))
    parts = (part for line in whole for part in wrap(line, most, subsequent_indent="   "))
    return head, [part.replace("\N{NO-BREAK SPACE}", " ") for part in parts]


def _height(node: Node) -> float:
    return _LINE * sum(map(len, _written(node))) + 2 * _INSIDE


def _painter(nodes: Sequence[Node], targets: Mapping[str, str], family: str, height: float) -> Callable[[Figure], None]:
    from matplotlib.patches import FancyBboxPatch

    total = max(height, 2.4)

    def box(axes: Axes, x: float, y: float, width: float, tall: float, edge: str, face: str, order: int) -> None:
        axes.add_patch(
            FancyBboxPatch(
                (x, y),
                width,
                tall,
                boxstyle="round,pad=0,rounding_size=0.06",
                edgecolor=edge,
                facecolor=face,
                linewidth=1.0,
                zorder=order,
            )
        )

    def target(axes: Axes, middle: float, words: Sequence[str], face: str) -> float:
        tall = _LINE * len(words) + 2 * _INSIDE
        box(axes, _LEFT + _GAP, middle - tall / 2, _RIGHT, tall, ACCENT, face, 3)
        for place, line in enumerate(words):
            y = middle + tall / 2 - _INSIDE - _LINE * (place + 0.5)
            axes.text(_LEFT + _GAP + _RIGHT / 2, y, line, ha="center", va="center", fontsize=_SIZE, color=INK, zorder=4)
        return tall

    def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
        axes.annotate(
            "",
            end,
            start,
            arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0},
        )

    def paint(figure: Figure) -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, total)
        axes.set_axis_off()
        top = total - _BETWEEN
        middles = []
        for node in nodes:
            tall = _height(node)
            for behind in (0.1, 0.05) if node.levels else ():
                box(axes, 0.05 + behind, top - tall - behind, _LEFT - 0.2, tall, GREY, LIGHT, 1)
            box(axes, 0.05, top - tall, _LEFT - 0.2, tall, GREY, "white", 2)
            head, lines = _written(node)
            for place, line in enumerate([*head, *lines]):
                axes.text(
                    0.15,
                    top - _INSIDE - _LINE * (place + 0.5),
                    line,
                    va="center",
                    fontsize=_SIZE,
                    fontweight="bold" if place < len(head) else "normal",
                    color=INK,
                    zorder=3,
                )
            middles.append(top - tall / 2)
            top -= tall + _BETWEEN
        upper = [middle for node, middle in zip(nodes, middles, strict=True) if node.to == "expectation"]
        lower = [middle for node, middle in zip(nodes, middles, strict=True) if node.to == "outcome"]
        low = max(lower[0] if lower else 0.6, 0.6)
        high = max(sum(upper) / len(upper) if upper else low + 1.3, low + 1.1)
        first = _wrapped(targets["expectation"])
        last = [*_wrapped(targets["outcome"]), *_wrapped(f"({family})")]
        above = target(axes, high, first, "white")
        below = target(axes, low, last, BAND)
        arrow(axes, (_LEFT + _GAP + _RIGHT / 2, high - above / 2), (_LEFT + _GAP + _RIGHT / 2, low + below / 2))
        for node, middle in zip(nodes, middles, strict=True):
            start = (_LEFT - 0.15 + (0.1 if node.levels else 0.0), middle)
            # Arrows end side by side, in the order in which they start.
            end = low if node.to == "outcome" else high + above * 0.7 * _rank(upper, middle)
            arrow(axes, start, (_LEFT + _GAP, end))

    return paint


def _wrapped(text: str) -> list[str]:
    return wrap(clean(text), int((_RIGHT - 0.1) / _CHARACTER))


def _rank(places: Sequence[float], place: float) -> float:
    """Where a place is among all of them, from 0.5 for the highest to -0.5 for the lowest."""
    if len(places) < 2:
        return 0.0
    return 0.5 - sorted(places, reverse=True).index(place) / (len(places) - 1)


# Probability of less than the middle and the distance from it.
_MOST = 0.985
# In place of zero, which has no logarithm.
_TINY = np.finfo(float).tiny


def prior_density(prior: Prior) -> tuple[Callable[[np.ndarray], np.ndarray], float, float] | None:
    """Density of a prior, where its middle is, and a distance from there that holds most of it.

    Parameters
    ----------
    prior
        A prior of one real or positive number.

    Returns
    -------
    density, centre, spread
        None for distributions of several numbers (LKJ, Dirichlet).
    """
    p = prior.arguments
    spread: float
    match prior.distribution:
        case "Normal":
            spread = p["sigma"] * float(special.ndtri(_MOST))
        case "StudentT":
            spread = p["sigma"] * float(special.stdtrit(p["nu"], _MOST))
        case "HalfNormal":
            spread = p["sigma"] * float(special.ndtri((1 + _MOST) / 2))
        case "HalfStudentT":
            spread = p["sigma"] * float(special.stdtrit(p["nu"], 0.99))
        case "Exponential":
            spread = -math.log1p(-_MOST) / p["lam"]
        case "Gamma":
            spread = float(special.gammaincinv(p["alpha"], _MOST)) / p["beta"]
        case _:
            return None
    if prior.support != "positive":
        return lambda x: np.exp(log_prior(prior, x)), p["mu"], spread if math.isfinite(spread) else 1.0

    def density(x: np.ndarray) -> np.ndarray:
        return np.where(x >= 0, np.exp(log_prior(prior, np.maximum(x, _TINY))), 0.0)

    return density, 0.0, spread if math.isfinite(spread) else 1.0
