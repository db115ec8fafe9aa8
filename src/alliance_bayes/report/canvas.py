"""Figures that are drawn as SVG: every text is measured once, for all of them, and no tick is made for nothing."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any, cast

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, Tick, XAxis, YAxis
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import FigureCanvasSVG, RendererSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

__all__ = ["DPI", "OwnFigure", "SvgCanvas"]

#: Units of an SVG in an inch. A figure of as many dots is laid out in what it is drawn in.
DPI = 72
# Dots of a rasterised part in an inch.
_RASTER_DPI = 100
# Where a font says how high its lines are: table, gap between lines, ascent and descent, in the order of preference.
_HEIGHTS = (
    ("OS/2", "sTypoLineGap", "sTypoAscender", "sTypoDescender"),
    ("hhea", "lineGap", "ascent", "descent"),
)


class SvgCanvas(FigureCanvasSVG):
    """A canvas with one renderer, which matplotlib's layouts ask for measures before it draws.

    Parameters
    ----------
    figure
        Of `DPI` dots an inch.
    """

    def __init__(self, figure: Figure) -> None:
        super().__init__(figure)
        self._stream = io.StringIO()
        width, height = (float(side) for side in figure.get_size_inches())
        # matplotlib has no types for its backends.
        vector = cast(Any, _Renderer)(
            width * DPI,
            height * DPI,
            self._stream,
            image_dpi=_RASTER_DPI,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
        self._renderer: Any = cast(Any, MixedModeRenderer)(figure, width, height, _RASTER_DPI, vector)

    def get_renderer(self) -> RendererBase:
        """What measures and draws."""
        return cast(RendererBase, self._renderer)

    def svg(self) -> str:
        """Draw the figure; once."""
        self.figure.draw(self._renderer)
        self._renderer.finalize()
        return self._stream.getvalue()


class _Renderer(RendererSVG):
    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: bool | str
    ) -> tuple[float, float, float]:
        # Shaping a line of text takes milliseconds, and figures share most of their labels. A font may be changed.
        if ismath:
            return cast(Any, super()).get_text_width_height_descent(s, prop, ismath)
        return _measured(s, prop.copy())

    def _get_font_height_metrics(self, prop: FontProperties) -> tuple[float, float, float] | tuple[None, None, None]:
        # matplotlib asks here before it reads the font's tables, for every text again; it does without, too.
        return _heights(prop.copy())


@lru_cache(maxsize=10_000)
def _measured(text: str, font: FontProperties) -> tuple[float, float, float]:
    width, height, descent = cast(Any, text_to_path).get_text_width_height_descent(text, font, False)
    return float(width), float(height), float(descent)


@lru_cache(maxsize=1_000)
def _heights(font: FontProperties) -> tuple[float, float, float] | tuple[None, None, None]:
    """A font's ascent, descent and gap between lines; None for one that does not say."""
    read: Any = get_font(findfont(font))
    for table, gap, ascent, descent in _HEIGHTS:
        if (metrics := read.get_sfnt_table(table)) is not None:
            unit = font.get_size_in_points() / read.get_sfnt_table("head")["unitsPerEm"]
            return metrics[ascent] * unit, -metrics[descent] * unit, metrics[gap] * unit
    return None, None, None


class OwnFigure(Figure):
    """A figure whose axes make only the ticks that are drawn."""

    def add_subplot(self, *args: Any, **kwargs: Any) -> Axes:
        """Add axes; see matplotlib."""
        if not kwargs.keys() & {"projection", "polar", "axes_class"} and not isinstance(next(iter(args), None), Axes):
            kwargs["axes_class"] = _Axes
        return cast(Axes, super().add_subplot(*args, **kwargs))


class _Axis(Axis):
    """What is slow of an axis; where matplotlib does not call these, the drawing is the same."""

    def set_clip_path(self, path: Any, transform: Any = None) -> None:
        # matplotlib would make a tick of each kind, to clip the line of a grid that is not there.
        Artist.set_clip_path(self, path, transform)
        for kind in ("majorTicks", "minorTicks"):
            for tick in vars(self).get(kind, ()):
                tick.set_clip_path(path, transform)

    def _get_tick(self, major: bool) -> Tick:
        tick = cast(Any, super())._get_tick(major)
        for artist in (tick, tick.gridline):
            artist.set_clip_box(self.get_clip_box())
            artist.set_clip_path(self.get_clip_path())
        return cast(Tick, tick)

    def _copy_tick_props(self, src: Tick, dest: Tick) -> None:
        # All ticks are made as the axis has it. A copy of their markers takes longer than all the rest of a tick.
        for name in ("label1", "label2"):
            getattr(dest, name).update_from(getattr(src, name))


class _XAxis(_Axis, XAxis):
    pass


class _YAxis(_Axis, YAxis):
    pass


class _Axes(Axes):
    def _init_axis(self) -> None:
        cast(Any, super())._init_axis()
        self.xaxis.__class__, self.yaxis.__class__ = _XAxis, _YAxis
