"""Figures of a bundle: the page's own drawings as files, on white, without a style sheet."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from alliance_bayes.report import Picture, Rendered
from alliance_bayes.report.bundle.figures import figure_files, standalone
from alliance_bayes.report.style import DARK
from alliance_bayes.report.svg import MAX_SVG

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"


def line(figure: Any) -> None:
    axes = figure.subplots()
    axes.plot([0, 1, 2], [1, -2, 3], marker="o")
    axes.set_xlabel("<b>&amp; $x$")


def points(figure: Any) -> None:
    rng = np.random.default_rng(0)
    figure.subplots().scatter(*rng.normal(size=(2, MAX_SVG // 20)), s=3, marker="*")


def drawn(painter: Any = line, name: str = "a-line") -> Picture:
    return Picture.drawn(painter, name=name, title="A line", caption="C.", description="D.", size=(4.0, 3.0))


@pytest.mark.slow
def test_every_figure_of_the_page_is_there_as_svg_and_png(report: Rendered, tmp_path: Path) -> None:
    report.bundle(tmp_path)
    drawings = re.findall(r'aria-labelledby="([^" ]+)-title [^"]+-desc"', report.html)
    # What a phone shows in place of a wide figure is no figure of its own.
    ids = [name for name in drawings if not name.endswith("-narrow")]
    assert len(drawings) > len(ids) > 10
    found = {path.name for path in (tmp_path / "figures").iterdir()}
    assert found == {f"{name}{ending}" for name in ids for ending in (".svg", ".png")}
    for name in ids:
        text = (tmp_path / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        root = ET.fromstring(text)
        # What it says is what the page's drawing says.
        theirs = re.search(rf'<svg [^>]*aria-labelledby="{name}-title .*?</svg>', report.html, re.DOTALL)
        assert theirs is not None
        assert list(root.itertext()) == list(ET.fromstring(theirs.group()).itertext())
        with Image.open(tmp_path / "figures" / f"{name}.png") as image:
            # Three hundred dots an inch, of which the page's units are 96.
            assert abs(image.width - float(root.attrib["width"]) / 96 * 300) <= 4
            assert image.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_a_file_needs_no_page() -> None:
    root = ET.fromstring(standalone(str(drawn().markup)))
    assert "DejaVu Sans" in root.attrib["font-family"]
    assert "class" not in root.attrib
    ground = next(child for child in root if child.tag not in (f"{SVG}title", f"{SVG}desc"))
    _, _, *size = root.attrib["viewBox"].split()
    assert ground.attrib == {"width": size[0], "height": size[1], "fill": "#ffffff"}
    ids = {element.get("id") for element in root.iter()}
    links = [element.get(LINK) for element in root.iter() if element.get(LINK)]
    assert links
    assert all(link[1:] in ids for link in links if link is not None)
    assert not [element for element in root.iter() if {"href", "style"} & set(element.keys())]
    # Colours of paper, whatever the screen.
    colours = {element.get(key, "").lower() for element in root.iter() for key in ("fill", "stroke")}
    assert not colours & (set(DARK.values()) - {"#ffffff"})
    assert "<b>&amp; $x$" in "".join(root.itertext())


def test_what_is_too_large_as_svg_is_png_alone_and_says_so() -> None:
    (found,) = figure_files([drawn(points)])
    assert set(found.files) == {".png"}
    assert found.note.startswith("Only PNG")
    assert Image.open(io.BytesIO(found.files[".png"])).width == 1200


def test_a_figure_that_was_not_drawn_here_is_svg_alone_and_says_so() -> None:
    own = Picture("Own", "C.", Markup('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"></svg>'))
    (found,) = figure_files([own])
    assert (found.name, set(found.files)) == ("figure-1", {".svg"})
    assert found.note.startswith("Only SVG")
    assert list(figure_files([Picture("Own", "C.", Markup("<p>none</p>"))])) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b/c", "Ünï", "con", "-", "x" * 300])
def test_names_are_those_of_files(name: str) -> None:
    first, second = figure_files([drawn(name=name), drawn(name=name)])
    for found in (first, second):
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", found.name)
        assert len(found.name) < 100
    assert first.name != second.name
