"""Colours on a light page and on a dark one: enough contrast in both, and none that is forgotten."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from importlib.resources import files

import pytest

from alliance_bayes.checks import drawing
from alliance_bayes.report import Rendered, style
from alliance_bayes.report.forest import Forest, Interval, forest_size
from alliance_bayes.report.svg import draw

# Areas, which a line or the axis bounds: seen beside their ground, but not what is read.
AREAS = {style.BAND, style.LIGHT, drawing.BAND}
TEXT = {style.INK, style.GREY, drawing.GREY}

CSS = files("alliance_bayes.report").joinpath("templates", "style.css").read_text(encoding="utf-8")
PAIRS = [
    (ink, ground)
    for ink in ("ink", "soft", "accent", "good", "warn", "bad", "info")
    for ground in ("paper", "tint", f"{ink}-tint", "info-tint", "warn-tint")
]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def variables(rules: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", rules))


LIGHT = variables(CSS.split("@media", 1)[0])
DARK = variables(CSS.split("@media screen and (prefers-color-scheme: dark) {", 1)[1].split("color-scheme: dark;", 1)[0])


def test_contrast_is_measured_as_defined() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_dark_page_gives_every_colour_of_the_light_one_another_value() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert all(LIGHT[name] != DARK[name] for name in LIGHT)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_words_of_the_page_have_a_contrast_of_four_and_a_half(colours: dict[str, str]) -> None:
    low = {
        (ink, ground): round(contrast(colours[ink], colours[ground]), 2)
        for ink, ground in PAIRS
        if ground in colours and contrast(colours[ink], colours[ground]) < 4.5
    }
    assert low == {}


def test_figures_have_enough_contrast_on_both_grounds() -> None:
    assert style.DARK["#ffffff"] == DARK["paper"]
    low = {}
    for light, dark in style.DARK.items():
        if light in AREAS or light == "#ffffff":
            continue
        least = 4.5 if light in TEXT else 3
        for colour, ground in ((light, LIGHT["paper"]), (dark, DARK["paper"])):
            if contrast(colour, ground) < least:
                low[colour] = round(contrast(colour, ground), 2)
    assert low == {}


def test_lines_are_seen_on_the_areas_behind_them() -> None:
    for line, area in ((style.ACCENT, style.BAND), (drawing.OBSERVED, drawing.BAND), (style.INK, style.LIGHT)):
        assert contrast(style.DARK[line], style.DARK[area]) >= 2.5
        assert contrast(style.DARK[area], DARK["paper"]) >= 1.5


def over(colour: str, share: float, ground: str) -> str:
    """A colour of some opacity as it is seen on another."""
    return "#" + "".join(
        f"{round(share * int(colour[k : k + 2], 16) + (1 - share) * int(ground[k : k + 2], 16)):02x}" for k in (1, 3, 5)
    )


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_interval_of_a_caterpillar_is_seen_on_the_page_and_on_the_zone(scheme: str, narrow: bool) -> None:
    lines = 60
    forest = Forest(
        [Interval(f"g{k}", -k, -k - 1.0, -k + 1.0) for k in range(lines)], "Difference", 0.0, rope=(-90.0, 90.0)
    )
    painter, size = forest.narrow() if narrow else (forest, forest_size(lines))
    root = ET.fromstring(draw(painter, name="many", title="Many", description="Lines.", size=size))
    dark = dict(
        re.findall(r'\[(?:fill|stroke)="(#[0-9a-f]{6})"\] \{ (?:fill|stroke): (#[0-9a-f]{6}); \}', style.dark_rules())
    )

    def shown(colour: str) -> str:
        return dark[colour] if scheme == "dark" else colour

    paper = {"light": LIGHT, "dark": DARK}[scheme]["paper"]
    (zone,) = (part.attrib for part in root.iter() if "fill-opacity" in part.attrib or "opacity" in part.attrib)
    opacity = float(zone.get("fill-opacity") or zone["opacity"])
    assert zone["fill"] == style.LIGHT
    # The intervals, and the line of zero: all but the grid.
    strokes = [part.attrib["stroke"] for part in root.iter() if part.get("stroke", "none") not in ("none", style.LIGHT)]
    assert len(strokes) >= lines + 1
    for ground in (paper, over(shown(style.LIGHT), opacity, paper)):
        low = {colour: contrast(shown(colour), ground) for colour in strokes if contrast(shown(colour), ground) < 3}
        assert low == {}


def test_every_colour_in_a_figure_has_a_dark_one(report: Rendered) -> None:
    drawings = re.findall(r"<svg.*?</svg>", report.html, re.DOTALL)
    used = {colour for drawn in drawings for colour in re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]+)"', drawn)}

    assert len(used) > 5
    # A made check draws in matplotlib's own black; what is black has the page's colour.
    assert used - {colour.lower() for colour in style.DARK} == set()
    for colour in used:
        assert f'\n[stroke="{colour}"] {{ stroke: ' in report.html
