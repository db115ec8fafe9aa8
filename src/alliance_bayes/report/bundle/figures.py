"""Figures of a page as files: SVG as the page has them, in the colours of paper, and PNG where dots are wanted."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from alliance_bayes.report.svg import Picture

__all__ = ["FigureFiles", "figure_files"]

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_PNG = re.compile(r'src="data:image/png;base64,([^"]+)"')
# The font that texts are measured in, and what is nearly as wide.
_FONTS = "DejaVu Sans, Verdana, Arial, sans-serif"
_LARGE = "Only PNG: as SVG it is too large."
_DRAWN = "Only SVG: it was not drawn by matplotlib here."


@dataclass(frozen=True)
class FigureFiles:
    """A figure's files by their endings, with what they are called and what there is to say."""

    name: str
    title: str
    files: Mapping[str, bytes]
    note: str


def figure_files(pictures: Iterable[Picture]) -> Iterator[FigureFiles]:
    """The files of each figure, under names that differ.

    Parameters
    ----------
    pictures
        In the page's order.
    """
    taken: set[str] = set()
    for place, picture in enumerate(pictures, 1):
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", picture.name).strip("-_").lower()[:80] or f"figure-{place}"
        name = name if name not in taken else f"{name}-{place}"
        taken.add(name)
        drawn = str(picture.markup).startswith("<svg")
        png = _PNG.search(str(picture.markup))
        files = {".svg": standalone(str(picture.markup))} if drawn else {}
        if picture.png is not None:
            files[".png"] = picture.png()
        elif png:
            files[".png"] = base64.b64decode(png[1])
        note = _DRAWN if drawn and ".png" not in files else "" if drawn else _LARGE
        if files:
            yield FigureFiles(name, picture.title, files, note)


def standalone(markup: str) -> bytes:
    """A page's SVG as a file of its own: with fonts, a white ground, and links as older programs read them.

    Parameters
    ----------
    markup
        An ``svg`` element.
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(markup)
    root.attrib.pop("class", None)
    root.set("font-family", _FONTS)
    for element in root.iter():
        if (link := element.attrib.pop("href", None)) is not None:
            element.set(f"{{{_XLINK}}}href", link)
    _, _, width, height = root.attrib["viewBox"].split()
    ground = ET.Element(f"{{{_SVG}}}rect", {"width": width, "height": height, "fill": "#ffffff"})
    # After what it is called.
    words = [child for child in root if child.tag in (f"{{{_SVG}}}title", f"{{{_SVG}}}desc")]
    root.insert(len(words), ground)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)
