"""What a figure shows, as a table beside it: from the estimates it is made of, or read back from what was drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import capital, clean, count, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.patches import StepPatch

__all__ = ["MOST_ROWS", "Recorder", "curve_data", "observed_data", "written"]

#: Rows of a table read back from a drawing.
MOST_ROWS = 120
_HEADINGS = ("What is drawn", "Across", "Up")
_Mark = tuple[str, str, str]


@dataclass(frozen=True)
class _Part:
    """What one artist drew, put into words only where the table has it: of many points it has few."""

    size: int
    mark: Callable[[int], _Mark]

    def marks(self, most: int) -> list[_Mark]:
        """All marks, or so many at even distances."""
        few = min(self.size, most)
        return [self.mark(int(place)) for place in np.unique(np.linspace(0, self.size - 1, few).round().astype(int))]


def curve_data(name: str, title: str, curves: Sequence[tuple[str, pd.DataFrame]], x: str, band: str) -> Table:
    """Points of curves with their bands; columns ``x``, ``mean``, ``lower``, ``upper``.

    Parameters
    ----------
    name, title
        Of the figure.
    curves
        What each is called (empty for one alone), and its points.
    x, band
        Headings of the predictor and of the band.
    """
    several = len(curves) > 1
    rows = [
        (*((clean(own),) if several else ()), written(point["x"]), written(point["mean"]), *_ends(point))
        for own, curve in curves
        for _, point in curve.iterrows()
    ]
    return Table.of(f"{name}-data", title, (*(("Line",) if several else ()), x, "Mean", f"{band}: from", "to"), rows)


def observed_data(name: str, title: str, observed: pd.DataFrame, x: str, units: str) -> Table:
    """Observed means of bins; columns ``low``, ``high``, ``n``, ``mean``.

    Parameters
    ----------
    name, title
        Of the figure, and of the table.
    observed
        See :func:`alliance_bayes.report.curve.observed_means`.
    x, units
        Headings of the predictor and of the rows counted.
    """
    rows = [
        (written(point["low"]), written(point["high"]), count(int(point["n"])), written(point["mean"]))
        for _, point in observed.iterrows()
    ]
    return Table.of(f"{name}-observed", title, (f"{x}: from", "to", capital(units), "Observed mean"), rows)


def _ends(point: pd.Series) -> tuple[str, str]:
    return written(point["lower"]), written(point["upper"])


def written(value: float) -> str:
    """A number that is drawn, with four digits: more than can be seen."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 1e-12 else "0"
    return typeset(text)


class Recorder:
    """A painter that reads back what it has drawn.

    Parameters
    ----------
    painter
        Draws onto an empty matplotlib figure, and no participant as a point.
    """

    def __init__(self, painter: Callable[[Figure], None]) -> None:
        self._painter = painter
        self._parts: list[_Part] = []

    def __call__(self, figure: Figure) -> None:
        """Draw."""
        self._painter(figure)
        seen = [axes for axes in figure.axes if axes.get_visible() and axes.axison]
        self._parts = [part for axes in seen for part in _parts(axes, alone=len(seen) == 1) if part.size]

    def table(self, name: str, title: str, shown: Callable[[str], str] = str) -> Table | None:
        """What was drawn, in at most `MOST_ROWS` rows; None where nothing was.

        Parameters
        ----------
        name, title
            Of the figure.
        shown
            What is done to every text, besides taking out control characters.
        """
        if not self._parts:
            return None
        most = max(1, MOST_ROWS // len(self._parts))
        rows = [row for part in self._parts for row in part.marks(most)][:MOST_ROWS]
        some = any(part.size > most for part in self._parts)
        return Table.of(
            f"{name}-data",
            shown(title),
            _HEADINGS,
            [tuple(clean(shown(cell)) for cell in row) for row in rows],
            words=(1, 2),
            note="Of what has many points, some at even distances are given." if some else "",
        )


def _parts(axes: Axes, *, alone: bool) -> Iterator[_Part]:
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.container import BarContainer
    from matplotlib.lines import Line2D
    from matplotlib.patches import StepPatch

    across, up = _Scale(axes, "x"), _Scale(axes, "y")
    head = "" if alone else axes.get_title(loc="left") or axes.get_title() or axes.get_xlabel()

    def named(label: object, otherwise: str) -> str:
        own = str(label or "")
        own = otherwise if own.startswith("_") or not own else own
        return f"{head}: {own}" if head else own

    for line in axes.lines:
        assert isinstance(line, Line2D)
        x, y = (np.asarray(values, float) for values in line.get_data())
        name = named(line.get_label(), "line" if line.get_linestyle() != "None" else "points")
        if line.get_transform() == axes.get_yaxis_transform(which="grid"):
            yield _points(name, x[:1], y[:1], lambda _: "everywhere", up.at)
        elif line.get_transform() == axes.get_xaxis_transform(which="grid"):
            yield _points(name, x[:1], y[:1], across.at, lambda _: "everywhere")
        else:
            yield _points(name, x, y, across.at, up.at)
    for collection in axes.collections:
        if isinstance(collection, LineCollection):
            ends = [np.asarray(segment, float)[[0, -1]] for segment in collection.get_segments()]
            yield _intervals(named(collection.get_label(), "interval"), ends, across, up)
        elif isinstance(collection, PolyCollection):
            outline = np.concatenate([cast(np.ndarray, path.vertices) for path in collection.get_paths()])
            yield _area(named(collection.get_label(), "area"), outline, across, up)
    for container in axes.containers:
        if isinstance(container, BarContainer):
            yield _bars(named(container.get_label(), "bar"), container, across, up)
    for patch in axes.patches:
        if isinstance(patch, StepPatch):
            yield _steps(named(patch.get_label(), "steps"), patch, across, up)


def _points(
    name: str, x: np.ndarray, y: np.ndarray, across: Callable[[float], str], up: Callable[[float], str]
) -> _Part:
    return _Part(len(x), lambda k: (name, across(float(x[k])), up(float(y[k]))))


def _intervals(name: str, ends: list[np.ndarray], across: _Scale, up: _Scale) -> _Part:
    return _Part(len(ends), lambda k: (name, across.between(*ends[k][:, 0]), up.between(*ends[k][:, 1])))


def _area(name: str, outline: np.ndarray, across: _Scale, up: _Scale) -> _Part:
    places = np.unique(outline[:, 0])

    def mark(k: int) -> _Mark:
        own = outline[outline[:, 0] == places[k], 1]
        return name, across.at(float(places[k])), up.between(float(own.min()), float(own.max()))

    return _Part(len(places), mark)


def _bars(name: str, container: BarContainer, across: _Scale, up: _Scale) -> _Part:
    boxes = [bar.get_bbox() for bar in container.patches]

    def mark(k: int) -> _Mark:
        box = boxes[k]
        # A bar lies along the axis that does not have its width.
        if container.orientation == "horizontal":
            return name, across.between(box.x0, box.x1), up.at((box.y0 + box.y1) / 2)
        return name, across.between(box.x0, box.x1), up.between(box.y0, box.y1)

    return _Part(len(boxes), mark)


def _steps(name: str, patch: StepPatch, across: _Scale, up: _Scale) -> _Part:
    values, edges, _ = patch.get_data()
    return _Part(len(values), lambda k: (name, across.between(edges[k], edges[k + 1]), up.at(values[k])))


class _Scale:
    """What places of an axis are called: a number, or a level where the axis has names."""

    def __init__(self, axes: Axes, which: str) -> None:
        from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter

        axis = axes.xaxis if which == "x" else axes.yaxis
        formatter, locator = axis.get_major_formatter(), axis.get_major_locator()
        self._names: dict[float, str] = {}
        if isinstance(locator, FixedLocator) and isinstance(formatter, FixedFormatter | FuncFormatter):
            places = [float(place) for place in locator()]
            self._names = {round(place, 6): str(formatter(place, k)) for k, place in enumerate(places)}

    def at(self, value: float) -> str:
        return self._names.get(round(float(value), 6), written(float(value)))

    def between(self, low: float, high: float) -> str:
        return self.at(low) if low == high else f"{written(float(low))} to {written(float(high))}"
