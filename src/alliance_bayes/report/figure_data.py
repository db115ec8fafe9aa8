"""What a figure shows, as a table beside it: from the estimates it is made of, or read back from what was drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import capital, clean, count, typeset
from alliance_bayes.report.text import percent as percent_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["MOST_ROWS", "Recorder", "curve_data", "observed_by_group", "observed_data", "written"]

#: Rows of a table read back from a drawing.
MOST_ROWS = 120
#: Where something is on the axis that data are read along: from and to, which are the same for a point.
type _Place = tuple[float, float]


def curve_data(
    name: str,
    title: str,
    curves: Sequence[tuple[str, pd.DataFrame]],
    x: str,
    band: str,
    *,
    percent: bool = False,
) -> Table:
    """Points of curves with their bands; columns ``x``, ``mean``, ``lower``, ``upper``.

    Parameters
    ----------
    name, title
        Of the figure.
    curves
        What each is called (empty for one alone), and its points.
    x, band
        Headings of the predictor and of the band.
    percent
        Whether what is expected is a probability, which is written as the axis has it.
    """
    several, form = len(curves) > 1, share_of if percent else written
    rows = [
        (
            *((clean(label),) if several else ()),
            written(point["x"]),
            *(form(point[of]) for of in ("mean", "lower", "upper")),
        )
        for label, curve in curves
        for _, point in curve.iterrows()
    ]
    return Table.of(f"{name}-data", title, (*(("Line",) if several else ()), x, "Mean", f"{band}: from", "to"), rows)


def observed_data(name: str, title: str, observed: pd.DataFrame, x: str, units: str, *, percent: bool = False) -> Table:
    """Observed means of bins; columns ``low``, ``high``, ``n``, ``mean``.

    Parameters
    ----------
    name, title
        Of the figure, and of the table.
    observed
        See :func:`alliance_bayes.report.curve.observed_means`.
    x, units
        Headings of the predictor and of the rows counted.
    percent
        Whether they are shares.
    """
    form, heading = (share_of, "Observed share") if percent else (written, "Observed mean")
    rows = [
        (written(point["low"]), written(point["high"]), count(int(point["n"])), form(point["mean"]))
        for _, point in observed.iterrows()
    ]
    return Table.of(f"{name}-observed", title, (f"{x}: from", "to", capital(units), heading), rows)


def observed_by_group(
    name: str, title: str, observed: Mapping[str, pd.DataFrame], x: str, units: str, *, percent: bool = False
) -> Table:
    """The same by group, the groups' names in the first column."""
    form, heading = (share_of, "Observed share") if percent else (written, "Observed mean")
    rows = [
        (clean(group), written(point["low"]), written(point["high"]), count(int(point["n"])), form(point["mean"]))
        for group, points in observed.items()
        for _, point in points.iterrows()
    ]
    return Table.of(f"{name}-observed", title, ("Group", f"{x}: from", "to", capital(units), heading), rows)


def written(value: float) -> str:
    """A number that is drawn, with four digits: more than can be seen."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}" if abs(value) >= 1e-12 else "0"
    return typeset(text)


def share_of(value: float) -> str:
    """A probability that is drawn on an axis in per cent: "42.3%"."""
    return percent_of(value, 1) if np.isfinite(value) else "–"


class Recorder:
    """A painter that reads back the data of what it has drawn.

    Parameters
    ----------
    painter
        Draws onto an empty matplotlib figure, and no participant as a point.
    """

    def __init__(self, painter: Callable[[Figure], None]) -> None:
        self._painter = painter
        self._panels: list[_Panel] = []

    def __call__(self, figure: Figure) -> None:
        """Draw."""
        self._painter(figure)
        seen = [axes for axes in figure.axes if axes.get_visible() and axes.axison]
        panels = (_Panel.of(axes, alone=len(seen) == 1) for axes in seen)
        self._panels = [panel for panel in panels if panel.series]

    def table(self, name: str, title: str, shown: Callable[[str], str] = str) -> Table | None:
        """The data, a place of the axis a row and a series a column, in at most `MOST_ROWS` rows; None of nothing.

        Parameters
        ----------
        name, title
            Of the figure.
        shown
            What is done to every text, besides taking out control characters.
        """
        if not self._panels:
            return None
        several, most = len(self._panels) > 1, max(1, MOST_ROWS // len(self._panels))
        columns = list(dict.fromkeys(column for panel in self._panels for column in panel.columns()))
        rows = [
            (*((panel.head,) if several else ()), place, *(cells.get(column, "–") for column in columns))
            for panel in self._panels
            for place, cells in panel.rows(most)
        ][:MOST_ROWS]
        named = {panel.along for panel in self._panels}
        along = named.pop() if len(named) == 1 else "Level" if all(panel.named for panel in self._panels) else "Across"
        some = any(series.size > most for panel in self._panels for series in panel.series)
        notes = ["Of what has many points, some at even distances are given."] if some else []
        lines = dict.fromkeys(line for panel in self._panels for line in panel.lines)
        values = dict.fromkeys(panel.values for panel in self._panels if panel.values and panel.values not in columns)
        notes += [f"Values: {'; '.join(values)}."] if values else []
        notes += [f"Lines: {'; '.join(lines)}."] if lines else []
        words = [0, 1] if several and all(panel.named for panel in self._panels) else [0]
        return Table.of(
            f"{name}-data",
            shown(title),
            [clean(shown(text)) for text in (*(("Panel",) if several else ()), along, *columns)],
            [tuple(clean(shown(cell)) for cell in row) for row in rows],
            words=words,
            note=clean(shown(" ".join(notes))),
        )


@dataclass(frozen=True)
class _Panel:
    """The data of one pair of axes.

    Parameters
    ----------
    head
        What it is called beside others.
    along, values
        What the places measure that its data are at, and what the data measure.
    named
        Whether these have names: levels, from top to bottom.
    series
        What is drawn at them.
    lines
        What lines all across stand for, in words.
    scale
        Tells what places are called.
    inverted
        Whether the lowest place is on top.
    """

    head: str
    along: str
    values: str
    named: bool
    series: list[_Series]
    lines: list[str]
    scale: _Scale
    inverted: bool

    @classmethod
    def of(cls, axes: Axes, *, alone: bool) -> _Panel:
        across, up = _Scale(axes, "x"), _Scale(axes, "y")
        named = up.named
        labels = (axes.get_xlabel(), axes.get_ylabel())
        parts = _Parts(axes, across, up, named=named, otherwise=labels[0 if named else 1] or "value")
        head = "" if alone else axes.get_title(loc="left") or axes.get_title() or axes.get_xlabel()
        along, values = (labels[1] or "Level", labels[0]) if named else (labels[0] or "Across", labels[1])
        along, values, head = (" ".join(text.split()) for text in (along, values, head))
        series = [one for one in parts.series() if one.size]
        return cls(head, along, values, named, series, parts.lines, up if named else across, axes.yaxis_inverted())

    def columns(self) -> list[str]:
        """Names of the series."""
        return [series.name for series in self.series]

    def rows(self, most: int) -> list[tuple[str, dict[str, str]]]:
        """What each place is called, and what is there by series; of many places some."""
        cells: dict[_Place, dict[str, list[str]]] = {}
        bins = sorted({place for series in self.series for place in series.places if place[0] < place[1]})
        for series in self.series:
            few = np.unique(np.linspace(0, series.size - 1, min(series.size, most)).round().astype(int))
            places = [series.places[k] for k in few]
            for place, k in zip(_binned(places, bins), few, strict=True):
                cells.setdefault(place, {}).setdefault(series.name, []).append(series.cell(int(k)))
        order = sorted(cells, reverse=self.named and not self.inverted)
        return [
            (self.scale.between(*place), {name: "; ".join(of) for name, of in cells[place].items()}) for place in order
        ]


def _binned(places: list[_Place], bins: list[_Place]) -> list[_Place]:
    """Points as the bins that they stand for, where each is in a bin of its own."""
    if not bins or any(low < high for low, high in places):
        return places
    lower = np.array([low for low, _ in bins])
    at = [int(np.searchsorted(lower, x, side="right")) - 1 for x, _ in places]
    inside = all(k >= 0 and x <= bins[k][1] for k, (x, _) in zip(at, places, strict=True))
    return [bins[k] for k in at] if inside and len(set(at)) == len(at) else places


@dataclass(frozen=True)
class _Series:
    """What is drawn at some places, put into words only where the table has it."""

    name: str
    places: list[_Place]
    cell: Callable[[int], str]

    @property
    def size(self) -> int:
        return len(self.places)


class _Parts:
    """Reads the artists of a pair of axes."""

    def __init__(self, axes: Axes, across: _Scale, up: _Scale, *, named: bool, otherwise: str) -> None:
        self._axes, self._across, self._up, self._named = axes, across, up, named
        self._otherwise = " ".join(otherwise.split())
        self.lines: list[str] = []

    def series(self) -> Iterator[_Series]:
        """All of them."""
        from matplotlib.collections import LineCollection, PolyCollection
        from matplotlib.container import BarContainer
        from matplotlib.lines import Line2D
        from matplotlib.patches import StepPatch

        for line in self._axes.lines:
            assert isinstance(line, Line2D)
            yield from self._line(line)
        for collection in self._axes.collections:
            if isinstance(collection, LineCollection):
                ends = [np.asarray(segment, float)[[0, -1]] for segment in collection.get_segments()]
                yield from self._intervals(self._name(collection.get_label(), "interval"), ends)
            elif isinstance(collection, PolyCollection):
                outline = np.concatenate([cast(np.ndarray, path.vertices) for path in collection.get_paths()])
                yield self._area(self._name(collection.get_label(), "band"), outline)
        for container in self._axes.containers:
            if isinstance(container, BarContainer):
                yield self._bars(self._name(container.get_label(), self._otherwise), container)
        for patch in self._axes.patches:
            if isinstance(patch, StepPatch):
                values, edges, _ = patch.get_data()
                places = [(float(low), float(high)) for low, high in pairwise(edges)]
                cell = partial(self._at, self._up, np.asarray(values, float))
                yield _Series(self._name(patch.get_label(), self._otherwise), places, cell)

    def _name(self, label: object, otherwise: str) -> str:
        text = " ".join(str(label or "").split())
        return otherwise if text.startswith("_") or not text else text

    @staticmethod
    def _at(scale: _Scale, values: np.ndarray, k: int) -> str:
        return scale.at(float(values[k]))

    def _line(self, line: Line2D) -> Iterator[_Series]:
        axes, label = self._axes, self._name(line.get_label(), "")
        x, y = (np.asarray(values, float) for values in line.get_data())
        for transform, scale, place in (
            (axes.get_yaxis_transform("grid"), self._up, y),
            (axes.get_xaxis_transform("grid"), self._across, x),
        ):
            if line.get_transform() == transform:
                # A line all across says where something lies, and without a name what the axis says already.
                where = scale.at(float(place[0])) if place.size else ""
                # "limit 400" says where it lies.
                text = label if label.endswith(f" {where}") else f"{label}, {where}"
                self.lines += [text] if label and where else []
                return
        if self._named and x.size == 2 and y[0] == y[1] and line.get_linestyle() != "None":
            yield from self._intervals(label or "interval", [np.column_stack([x, y])])
            return
        key, value, scale = (y, x, self._across) if self._named else (x, y, self._up)
        places = [(float(place), float(place)) for place in np.round(key, 9)]
        yield _Series(label or self._otherwise, places, partial(self._at, scale, value))

    def _intervals(self, name: str, ends: list[np.ndarray]) -> Iterator[_Series]:
        flat = self._named or all(bar[0, 0] != bar[1, 0] for bar in ends)
        if flat and not self._named:
            # Level pieces: a value over a stretch of the axis.
            places = [(float(bar[0, 0]), float(bar[1, 0])) for bar in ends]
            yield _Series(name, places, lambda k: self._up.between(*ends[k][:, 1]))
            return
        key, value, scale = (1, 0, self._across) if self._named else (0, 1, self._up)
        places = [(float(round(bar[0, key], 9)),) * 2 for bar in ends]
        yield _Series(name, places, lambda k: scale.between(*sorted(map(float, ends[k][:, value]))))

    def _area(self, name: str, outline: np.ndarray) -> _Series:
        places = np.unique(outline[:, 0])

        def cell(k: int) -> str:
            heights = outline[outline[:, 0] == places[k], 1]
            return self._up.between(float(heights.min()), float(heights.max()))

        return _Series(name, [(float(place), float(place)) for place in np.round(places, 9)], cell)

    def _bars(self, name: str, container: BarContainer) -> _Series:
        boxes = [bar.get_bbox() for bar in container.patches]
        # A bar lies along the axis that does not have its width; from nothing on, its end is what it says.
        if container.orientation == "horizontal":
            middles = [float(round((box.y0 + box.y1) / 2, 9)) for box in boxes]
            sides = [(float(box.x0), float(box.x1)) for box in boxes]
            places, scale = [(middle, middle) for middle in middles], self._across
        else:
            places, scale = [(float(box.x0), float(box.x1)) for box in boxes], self._up
            sides = [(float(box.y0), float(box.y1)) for box in boxes]
        return _Series(name, places, lambda k: scale.at(sides[k][1]) if not sides[k][0] else scale.between(*sides[k]))


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

    @property
    def named(self) -> bool:
        """Whether the axis has names in place of numbers."""
        return any(written(place) != name and name for place, name in self._names.items())

    def at(self, value: float) -> str:
        return self._names.get(round(float(value), 6), written(float(value)))

    def between(self, low: float, high: float) -> str:
        return self.at(low) if low == high else f"{written(float(low))} to {written(float(high))}"
