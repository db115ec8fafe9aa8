"""A drawing as part of a page: SVG with text kept as text and no inline style; PNG where the SVG would be too large."""

from __future__ import annotations

import base64
import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from markupsafe import Markup

from alliance_bayes.report.style import RC, WIDTH
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.backend_bases import RendererBase
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from alliance_bayes.report.canvas import SvgCanvas

__all__ = ["MAX_SVG", "Picture", "draw", "draw_png"]

#: Characters of SVG above which a picture is sent as PNG.
MAX_SVG = 150_000
#: Pixels up to which a picture can be read when a phone shows the whole of it.
WIDEST = 500
#: Pixels up to which the smallest text in it can be read there; a wider one is drawn for a phone, too.
LEGIBLE = 420
# Letters that a line of an axis' label has at least, and the share of its room that they fill: not all are as wide.
_SHORTEST, _FILLED = 12, 0.95
# Dots in an inch of pictures, on a page and in print.
_PAGE_DPI, _PRINT_DPI = 180, 300
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_LONG_FRACTION = re.compile(r"-?\d+\.\d{3,}")
_MINUS_ZERO = re.compile(r"(?<![\w.])-(?=0(?:\.0+)?(?![\d.]))")
_DROPPED = ("metadata", "style", "title", "desc")


def clean_lines(text: str) -> str:
    """Clean text in which line breaks are meant."""
    return "\n".join(clean(line) for line in text.split("\n"))


def draw(
    painter: Callable[[Figure], None],
    *,
    name: str,
    title: str,
    description: str,
    size: tuple[float, float],
    shown: Callable[[str], str] = str,
) -> Markup:
    """Run a painter and return its picture, to be put into a page.

    Parameters
    ----------
    painter
        Draws onto an empty matplotlib figure.
    name
        Prefix of every id in the picture; unique in the page.
    title, description
        What assistive technology reads out.
    size
        Width and height in inches.
    shown
        What is done to every text in the drawing, besides taking out control characters.

    Returns
    -------
    markupsafe.Markup
        An ``svg`` element with role "img", or an ``img`` with a data URI when the SVG has more than `MAX_SVG`
        characters. Text in it is never parsed as mathematics, whatever the labels hold.
    """
    with _painted(painter, size, shown) as (figure, canvas):
        text = _embedded(canvas.svg(), name, title, description)
        if len(text) <= MAX_SVG:
            return Markup(text)  # made here, every text in it escaped by ElementTree
        data = base64.b64encode(_png(figure, _PAGE_DPI)).decode("ascii")
    width, height = (round(96 * side) for side in size)
    return Markup('<img class="{}" width="{}" height="{}" alt="{}" src="data:image/png;base64,{}">').format(
        _kind(width, height), width, height, f"{title}. {description}", data
    )


def draw_png(
    painter: Callable[[Figure], None], *, size: tuple[float, float], shown: Callable[[str], str] = str
) -> bytes:
    """The same picture for print, on white; see :func:`draw`."""
    with _painted(painter, size, shown) as (figure, _):
        figure.patch.set(facecolor="white", alpha=1.0)
        return _png(figure, _PRINT_DPI)


@contextmanager
def _painted(
    painter: Callable[[Figure], None], size: tuple[float, float], shown: Callable[[str], str]
) -> Iterator[tuple[Figure, SvgCanvas]]:
    """A figure with everything in its place, and what draws it."""
    from alliance_bayes.report.canvas import SvgCanvas

    with _figure(size) as figure:
        canvas = SvgCanvas(figure)
        painter(figure)
        _tame(figure, lambda text: clean_lines(shown(text)))
        _lighten(figure)
        if (layout := figure.get_layout_engine()) is not None:
            layout.execute(figure)
            # A layout makes room for a label beside the axes, and none along them.
            labels = [
                (axis.label, along) for axes in figure.axes for along, axis in enumerate((axes.xaxis, axes.yaxis))
            ]
            if sum(_broken(label, along, figure, canvas.get_renderer()) for label, along in labels):
                layout.execute(figure)
            figure.set_layout_engine("none")
        yield figure, canvas


def _broken(label: Text, along: int, figure: Figure, renderer: RendererBase) -> bool:
    """Break the lines of a label along an axis that go beyond the figure; whether any did."""
    if not label.get_text():
        return False
    low, high = label.get_window_extent(renderer).get_points()[:, along]
    start, end = figure.bbox.get_points()[:, along]
    if low >= start and high <= end:
        return False
    middle = (low + high) / 2
    lines = label.get_text().split("\n")
    # Letters of the longest line that have room around the middle of the axis.
    room = _FILLED * 2 * min(middle - start, end - middle) / (high - low)
    most = max(int(room * max(map(len, lines))), _SHORTEST)
    label.set_text("\n".join(part for line in lines for part in wrap(line, most, break_on_hyphens=False)))
    return True


def _png(figure: Figure, dpi: int) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    stream = io.BytesIO()
    figure.dpi = dpi
    cast(Any, FigureCanvasAgg(figure)).print_png(stream)
    return stream.getvalue()


@contextmanager
def _figure(size: tuple[float, float]) -> Iterator[Figure]:
    """An empty figure under this package's own settings, whatever the user's matplotlib is set to."""
    import matplotlib as mpl

    from alliance_bayes.report.canvas import DPI, OwnFigure

    current: Mapping[str, Any] = cast(Any, mpl.rcParams)
    # Each is checked when it is set, so only those are set that differ.
    settings = {key: value for key, value in _own_settings().items() if value != current[key]}
    with mpl.rc_context(cast(Any, settings)), warnings.catch_warnings():
        # The reader's browser has the glyphs that the measuring font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        # Labels that leave no room for the axes: the table beside the picture has the numbers.
        warnings.filterwarnings("ignore", message="constrained_layout not applied", category=UserWarning)
        yield OwnFigure(figsize=size, dpi=DPI, layout="constrained")


@cache
def _own_settings() -> Mapping[str, Any]:
    import matplotlib as mpl

    wanted = {**cast(Any, mpl.rcParamsDefault), **RC}
    return {key: value for key, value in wanted.items() if not key.startswith("backend")}


def _tame(figure: Figure, shown: Callable[[str], str]) -> None:
    """Make every text in a drawing plain: no mathematics, nothing that may not be shown, log ticks written out."""
    from matplotlib.ticker import FixedFormatter, FuncFormatter, LogFormatter, NullFormatter

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, LogFormatter):
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axis.set_minor_formatter(NullFormatter())
            elif isinstance(formatter, FixedFormatter):
                # Tick labels are written again when the figure is drawn.
                axis.set_major_formatter(FixedFormatter([shown(str(label)) for label in formatter.seq]))
            elif isinstance(formatter, FuncFormatter):
                axis.set_major_formatter(FuncFormatter(_tamed(formatter.func, shown)))
    for text in _texts(figure):
        text.set_parse_math(False)
        if (plain := shown(text.get_text())) != text.get_text():
            text.set_text(plain)


def _texts(artist: Artist) -> Iterator[Text]:
    """Every text in a drawing, but those of ticks that are not made yet: these are the formatter's."""
    from matplotlib.axis import Axis
    from matplotlib.text import Text

    if isinstance(artist, Text):
        yield artist
    if isinstance(artist, Axis):
        fields = vars(artist)
        parts: list[Artist] = [
            artist.label,
            artist.offsetText,
            *fields.get("majorTicks", ()),
            *fields.get("minorTicks", ()),
        ]
    else:
        parts = artist.get_children()
    for part in parts:
        yield from _texts(part)


def _lighten(figure: Figure) -> None:
    """Take out of the layout what takes no room: spines, and labels that are empty.

    The places of both are found from the labels of all ticks, again and again.
    """
    for axes in figure.axes:
        for spine in axes.spines.values():
            spine.set_in_layout(False)
        for axis in (axes.xaxis, axes.yaxis):
            if not axis.get_label_text():
                axis.set_label_coords(0, 0)


def _tamed(label: Callable[..., str], shown: Callable[[str], str]) -> Callable[..., str]:
    return lambda value, position=None: shown(str(label(value, position)))


def _embedded(raw: str, name: str, title: str, description: str) -> str:
    root = ET.fromstring(raw)
    for parent in root.iter():
        for child in list(parent):
            if child.tag.removeprefix(_SVG) in _DROPPED or not isinstance(child.tag, str):
                parent.remove(child)
    ids = _ids(root, name)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib = dict(_attributes(element.attrib, ids))
        if element.tag == "text":
            element.attrib.pop("font-family", None)  # the page's own
        element.text, element.tail = (part if part and part.strip() else None for part in (element.text, element.tail))
    points = [float(part) for part in root.attrib["viewBox"].split()[2:]]
    width, height = (round(side * 4 / 3) for side in points)
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": _kind(width, height),
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
        "width": str(width),
        "height": str(height),
        "viewBox": root.attrib["viewBox"],
        "stroke-linejoin": "round",
    }
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        child = ET.Element(tag, {"id": f"{name}-{tag}"})
        child.text = clean(text)
        root.insert(position, child)
    return ET.tostring(root, encoding="unicode")


def _ids(root: ET.Element, name: str) -> dict[str, str]:
    """New ids of what others refer to: numbered, since matplotlib's depend on the last digits of a place."""
    values = [value for element in root.iter() for value in element.attrib.values()]
    named = {target for value in values for target in _REFERENCE.findall(value)}
    named |= {link[1:] for element in root.iter() if (link := element.get(_HREF, "")).startswith("#")}
    known = [identity for element in root.iter() if (identity := element.get("id")) is not None and identity in named]
    return {value: f"{name}-{place}" for place, value in enumerate(dict.fromkeys(known), 1)}


def _attributes(attributes: dict[str, str], ids: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """An element's attributes with style written as presentation attributes, and the new ids of :func:`_ids`."""
    for key, value in attributes.items():
        if key == "style":
            for part in value.split(";"):
                property_, _, setting = part.partition(":")
                if setting:
                    yield property_.strip(), _named(setting.strip(), ids)
        elif key == "id":
            if value in ids:
                yield "id", ids[value]
        elif key == _HREF:
            # A rasterised part carries its picture in a data URI.
            yield "href", f"#{ids[value[1:]]}" if value.startswith("#") else value
        elif key in ("d", "points", "transform", "x", "y"):
            short = _LONG_FRACTION.sub(lambda match: f"{float(match.group()):.2f}", " ".join(value.split()))
            yield key, _MINUS_ZERO.sub("", short)
        else:
            yield key, _named(value, ids)


def _named(value: str, ids: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda match: f"url(#{ids[match[1]]})", value)


def _kind(width: int, height: int) -> str:
    """Class of a picture: one that a phone can shrink, or a wider one; a tall one has room on paper."""
    return "picture" if width <= WIDEST else "picture wide tall" if height > width else "picture wide"


@runtime_checkable
class Reflowing(Protocol):
    """A painter that has another of the same for a narrow screen."""

    def narrow(self) -> tuple[Callable[[Figure], None], tuple[float, float]]:
        """The other, and its size in inches."""


@dataclass(frozen=True)
class Picture:
    """A drawn figure with its words and, where given, its data, in one table or in several; and itself for print."""

    title: str
    caption: str
    markup: Markup
    data: Table | None = None
    more: tuple[Table, ...] = ()
    name: str = ""
    png: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)
    narrow: Markup = field(default=Markup(), repr=False)

    @classmethod
    def drawn(
        cls,
        painter: Callable[[Figure], None],
        *,
        name: str,
        title: str,
        caption: str,
        description: str,
        size: tuple[float, float],
        data: Table | None = None,
        more: Iterable[Table] = (),
        shown: Callable[[str], str] = str,
    ) -> Picture:
        """Draw one; see :func:`draw`. Of a wide one, two, of which a page shows one at a time."""
        words: Any = {"title": title, "description": description, "shown": shown}
        markup, narrow = draw(painter, name=name, size=size, **words), Markup()
        if 96 * size[0] > LEGIBLE:
            reflowed, inches = painter.narrow() if isinstance(painter, Reflowing) else (painter, (WIDTH, size[1]))
            narrow = Markup('<div class="narrow">{}</div>').format(
                draw(reflowed, name=f"{name}-narrow", size=inches, **words)
            )
        png = partial(draw_png, painter, size=size, shown=shown)
        return cls(title, caption, markup, data, tuple(more), name, png, narrow)
