"""The model as a directed graph: what the outcome depends on, which effects share a distribution, and the priors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alliance_bayes.model import StatedPrior
from alliance_bayes.report.sections import Picture
from alliance_bayes.report.style import ACCENT, BAND, GREY, INK, LIGHT
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import MINUS, capital, clean, count, shortened
from alliance_bayes.report.words import column_name, factor_name, term_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alliance_bayes.report.view import View

__all__ = ["Node", "model_graph", "nodes_of"]

#: Lines of a box that are shown; of more, the number.
MOST_LINES = 9
# Inches: height of a line, room inside a box, between boxes, and the widths of the two columns and of the gap.
_LINE, _INSIDE, _BETWEEN = 0.2, 0.13, 0.22
_LEFT, _GAP, _RIGHT = 3.1, 0.4, 1.4
_WIDTH = _LEFT + _GAP + _RIGHT + 0.05
# Mean width of a character of the text in the boxes, in inches.
_CHARACTER = 0.078
_SIZE = 9.3


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


def nodes_of(view: View, priors: Mapping[str, StatedPrior]) -> list[Node]:
    """The boxes that the outcome depends on, in the formula's order.

    Parameters
    ----------
    view
        With the fit.
    priors
        As the page states them, by parameter.
    """
    design = view.fit.design

    def prior(parameter: str) -> str:
        stated = priors.get(parameter)
        return "" if stated is None else f" ~ {_short(stated)}"

    common = tuple(f"{term_name(term)}{prior(term)}" for term in design.terms)
    common += tuple(f"{term_name(offset.name)}, times 1" for offset in design.formula.offsets)
    nodes = [Node("Predictors", common, 0, "expectation")] if common else []
    for factor in design.factors:
        lines = tuple(
            f"SD of {'levels' if term == 'Intercept' else f'slopes of {term_name(term)}'}"
            f"{prior(f'tau_{factor.name}[{term}]')}"
            for term in factor.terms
        )
        nodes.append(Node(capital(factor_name(factor.name)), lines, len(factor.levels), "expectation"))
    for smooth in design.smooths:
        lines = (f"SD of the bend{prior(f'tau_{smooth.name}')}",)
        nodes.append(Node(f"Bend of {column_name(smooth.column)}", lines, smooth.size, "expectation"))
    symbols = {"sigma": "residual SD", "nu": "degrees of freedom", "phi": "precision", "cutpoints": "cutpoints"}
    named = {name for node in design.terms for name in (node,)} | {name for name in priors if name.startswith("tau_")}
    rest = [name for name in priors if name not in named and not name.startswith("corr_")]
    spread = tuple(f"{symbols.get(name.split('[')[0].split(' ')[0], 'parameter')}{prior(name)}" for name in rest)
    if spread:
        levels = 0 if design.residual is None else len(design.residual.levels)
        what = "Around the expectation" + (
            "" if design.residual is None else f", by {column_name(design.residual.name)}"
        )
        nodes.append(Node(what, tuple(dict.fromkeys(spread)), levels, "outcome"))
    return nodes


def _short(stated: StatedPrior) -> str:
    prior = stated.prior
    return f"{prior.distribution}({', '.join(f'{value:.3g}' for value in prior.parameters)})".replace("-", MINUS)


def model_graph(view: View, priors: Mapping[str, StatedPrior]) -> Picture:
    """The figure. It shows no estimate, so that it stays when conclusions are withheld.

    Parameters
    ----------
    view, priors
        See `nodes_of`.
    """
    nodes = nodes_of(view, priors)
    design = view.fit.design
    outcome = column_name(design.outcome.name)
    targets = {"expectation": f"expected {outcome}", "outcome": outcome}
    name, title = "model-graph", "The model as a graph"
    pooled = [f"{node.title} ({count(node.levels)} levels)" for node in nodes if node.levels]
    description = (
        f"Arrows lead from {len(nodes)} boxes to the expected {outcome} or to {outcome} itself: "
        f"{'; '.join(node.title for node in nodes)}."
        + (f" Stacked boxes are repeated by level: {'; '.join(pooled)}." if pooled else "")
    )
    caption = (
        f"What {outcome} depends on in the model, with the prior of every parameter. Stacked boxes hold one effect a "
        "level, all drawn from one distribution whose SD is estimated (partial pooling)."
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
        size=(_WIDTH, max(height, 2.4)),
        data=data,
    )


def _shown(node: Node) -> list[str]:
    lines = list(node.lines[:MOST_LINES])
    return lines if len(lines) == len(node.lines) else [*lines, f"and {len(node.lines) - MOST_LINES} more"]


def _height(node: Node) -> float:
    return _LINE * (1 + len(_shown(node))) + 2 * _INSIDE


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
        axes.set_xlim(0, _WIDTH)
        axes.set_ylim(0, total)
        axes.set_axis_off()
        most = int((_LEFT - 0.3) / _CHARACTER)
        top = total - _BETWEEN
        middles = []
        for node in nodes:
            tall = _height(node)
            for behind in (0.1, 0.05) if node.levels else ():
                box(axes, 0.05 + behind, top - tall - behind, _LEFT - 0.2, tall, GREY, LIGHT, 1)
            box(axes, 0.05, top - tall, _LEFT - 0.2, tall, GREY, "white", 2)
            levels = f" · {count(node.levels)} levels" if node.levels else ""
            head = f"{shortened(node.title, most - 4 - len(levels))}{levels}"
            for place, line in enumerate([head, *_shown(node)]):
                axes.text(
                    0.15,
                    top - _INSIDE - _LINE * (place + 0.5),
                    shortened(line, most),
                    va="center",
                    fontsize=_SIZE,
                    fontweight="normal" if place else "bold",
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
    from textwrap import wrap

    return wrap(clean(text), int((_RIGHT - 0.1) / _CHARACTER))


def _rank(places: Sequence[float], place: float) -> float:
    """Where a place is among all of them, from 0.5 for the highest to -0.5 for the lowest."""
    if len(places) < 2:
        return 0.0
    return 0.5 - sorted(places, reverse=True).index(place) / (len(places) - 1)
