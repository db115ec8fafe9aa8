"""Figures saved from the page: an SVG that needs nothing of the page, and a PNG of it, without a request."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alliance_bayes.report.halfeye import HALFEYE_SIZE, HalfEye
from alliance_bayes.report.page import page as page_of
from alliance_bayes.report.sections import Section
from alliance_bayes.report.style import DARK
from alliance_bayes.report.svg import Picture
from browsing import CHROMIUM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    # Playwright's driver closes its own pipe late on interpreter shutdown.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draws = np.random.default_rng(1).normal(3, 1, 1000)
    drawn = HalfEye(draws, 3.0, 1.4, 4.6, "points", "3.0 (1.4 to 4.6)", (-2.0, 2.0), 10.0)
    words = {"caption": "Words.", "description": "A hill of so many points."}
    picture = Picture.drawn(drawn, name="eye", title="Alliance: a & b <c>", size=HALFEYE_SIZE, **words)
    many = Picture.drawn(
        lambda figure: figure.subplots().plot(np.arange(30_000), np.sin(np.arange(30_000)), "o"),
        name="many",
        title="Many points",
        size=(4.0, 3.0),
        **words,
    )
    assert many.markup.startswith("<img")
    findings = SimpleNamespace(
        withheld=False, simulated=False, answer=None, summary=None, topics=(), limits=("nothing",), certainty=""
    )
    path = tmp_path_factory.mktemp("figures") / "figures.html"
    section = Section.of("all", "All", picture, many)
    path.write_text(page_of(title="Figures", subtitle=(), sections=[section], findings=findings), encoding="utf-8")
    return path


@pytest.fixture(params=["light", "dark"])
def shown(browser: Any, file: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = browser.new_context(accept_downloads=True, color_scheme=request.param)
    page = context.new_page()
    page.goto(file.as_uri())
    yield page
    context.close()


def saved(page: Any, label: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=label, exact=True).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def size_of(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png[12:16] == b"IHDR"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_a_saved_drawing_needs_nothing_of_the_page(shown: Any) -> None:
    name, content = saved(shown, "Save as SVG: Alliance: a & b <c>")
    assert name == "Alliance-a-b-c.svg"
    text = content.decode("utf-8")
    assert not [part for part in ("var(", "class=", "url(http", "<script") if part in text]
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    links = [value for node in root.iter() for key, value in node.attrib.items() if key.endswith("href")]
    assert all(link.startswith("#") for link in links)
    assert "sans-serif" in root.attrib["font-family"]
    # Title and description first, then paper under all that is drawn.
    assert [child.tag.removeprefix(SVG) for child in root][:3] == ["title", "desc", "rect"]
    paper = root[2].attrib
    assert [paper["fill"], paper["width"], paper["height"]] == ["#ffffff", *root.attrib["viewBox"].split()[2:]]
    # The colours of paper, whatever the screen is.
    colours = {value for node in root.iter() for key, value in node.attrib.items() if key in ("fill", "stroke")}
    assert not {dark.lower() for dark in DARK.values()} & colours - {"#ffffff"}
    assert {"negligible:", "within ±2", "3.0 (1.4 to 4.6)"} <= {(node.text or "").strip() for node in root.iter()}


def test_a_saved_picture_is_three_times_as_fine_as_the_page(shown: Any) -> None:
    name, content = saved(shown, "Save as PNG: Alliance: a & b <c>")
    assert name == "Alliance-a-b-c.png"
    assert size_of(content) == (3 * 420, 3 * 300)
    # What was drawn is in it, and not an empty sheet.
    colours = shown.evaluate(
        """async bytes => {
            const image = new Image();
            image.src = 'data:image/png;base64,' + btoa(String.fromCharCode(...bytes));
            await image.decode();
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [image.width, image.height];
            const context = canvas.getContext('2d');
            context.drawImage(image, 0, 0);
            const data = context.getImageData(0, 0, image.width, image.height).data;
            const seen = new Set();
            for (let k = 0; k < data.length; k += 4) seen.add(data.slice(k, k + 4).join());
            return [...seen];
        }""",
        list(content),
    )
    # White paper, the hill's band, the zone.
    assert {"255,255,255,255", "169,199,230,255", "213,219,225,255"} <= set(colours)


def test_a_picture_of_pixels_is_saved_as_it_is(shown: Any) -> None:
    name, content = saved(shown, "Save as PNG: Many points")
    assert name == "Many-points.png"
    assert size_of(content) == (720, 540)  # 180 dots an inch
    assert shown.get_by_role("button", name="Save as SVG: Many points").count() == 0
