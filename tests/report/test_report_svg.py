from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from alliance_bayes.report.svg import MAX_SVG, draw

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ["$\\frac{1}$", "<script>alert(1)</script>", 'x" onload="y', "nul\x00bell\x07", "a\u202eb", "一二"]


def hostile(figure: Figure) -> None:
    axes = figure.subplots()
    axes.plot([1, 2], [3, 4], label=HOSTILE[0])
    axes.set_title(HOSTILE[1])
    axes.set_xlabel(HOSTILE[2])
    axes.set_yticks(range(len(HOSTILE)), HOSTILE)
    axes.legend()


def texts(markup: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(markup).iter(f"{SVG}text")]


def test_a_drawing_is_one_image_with_a_name_and_a_description() -> None:
    markup = draw(hostile, name="one", title="A <b>", description="What & why", size=(4, 3))

    root = ET.fromstring(markup)
    assert root.tag == f"{SVG}svg"
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == "one-title one-desc"
    assert (root.attrib["width"], root.attrib["height"]) == ("384", "288")
    assert [child.tag.removeprefix(SVG) for child in root][:2] == ["title", "desc"]
    assert [child.text for child in root][:2] == ["A <b>", "What & why"]
    assert root.attrib["class"] == "picture"


def test_hostile_labels_are_shown_as_they_are_and_nothing_more() -> None:
    markup = draw(hostile, name="one", title="t", description="d", size=(4, 3))

    shown = texts(markup)
    assert "<script>alert(1)</script>" in shown
    assert 'x" onload="y' in shown
    assert shown.count("$\\frac{1}$") == 2  # the tick and the legend
    assert "nul�bell�" in shown
    assert "a�b" in shown
    assert {element.tag.removeprefix(SVG) for element in ET.fromstring(markup).iter()} <= {
        *("svg", "title", "desc", "g", "path", "defs", "use", "clipPath", "rect", "text")
    }


def test_a_drawing_needs_no_style_and_refers_only_to_itself() -> None:
    markup = draw(hostile, name="one", title="t", description="d", size=(4, 3))

    root = ET.fromstring(markup)
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert all(identity.startswith("one-") for identity in ids)
    assert len(set(ids)) == len(ids)
    references = [element.attrib["href"] for element in root.iter() if "href" in element.attrib]
    assert references
    assert {reference.removeprefix("#") for reference in references} <= set(ids)
    clips = [element.attrib["clip-path"] for element in root.iter() if "clip-path" in element.attrib]
    assert clips
    assert {clip[len("url(#") : -1] for clip in clips} <= set(ids)
    assert not any("style" in element.attrib for element in root.iter())
    assert "http" not in markup.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_the_same_drawing_is_the_same_text() -> None:
    first, second = (draw(hostile, name="one", title="t", description="d", size=(4, 3)) for _ in range(2))

    assert first == second


def test_last_digits_of_the_data_are_no_part_of_a_drawing() -> None:
    def drawn(scale: float) -> str:
        def paint(figure: Figure) -> None:
            axes = figure.subplots()
            axes.set_box_aspect(0.6 * scale)  # moves the axes by as much, as a layout may
            x, y = np.linspace(0.1, 0.9, 7) * scale, np.linspace(1, 4, 7) * scale
            axes.plot(x, y, "o-")
            axes.fill_between(x, y - 0.1, y + 0.1)

        return str(draw(paint, name="one", title="t", description="d", size=(4, 3)))

    # Not 1e-12 of a hundredth of a point is seen, but matplotlib names what it clips and repeats by a hash of places.
    assert drawn(1.0) == drawn(1.0 + 1e-12)
    ids = [element.get("id") for element in ET.fromstring(drawn(1.0)).iter() if element.get("id")]
    assert ids == ["one-title", "one-desc", *(f"one-{place}" for place in range(1, len(ids) - 1))]


def test_heights_of_lines_are_those_that_matplotlib_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_title("two\nlines", fontsize=14, fontweight="bold")
        axes.set_ylabel("at the side\nand long", fontsize=8)

    ours = draw(paint, name="one", title="t", description="d", size=(4, 3))
    monkeypatch.delattr("alliance_bayes.report.canvas._Renderer._get_font_height_metrics")
    assert draw(paint, name="one", title="t", description="d", size=(4, 3)) == ours


def test_what_may_not_be_shown_is_taken_out_of_every_label() -> None:
    markup = draw(
        hostile, name="one", title="t", description="d", size=(4, 3), shown=lambda text: text.replace("alert", "…")
    )

    assert not any("alert" in text for text in texts(markup))


def test_a_users_own_settings_do_not_reach_the_report() -> None:
    with mpl.rc_context({"text.usetex": True, "font.size": 40, "svg.fonttype": "path"}):
        changed = draw(hostile, name="one", title="t", description="d", size=(4, 3))

    assert changed == draw(hostile, name="one", title="t", description="d", size=(4, 3))


def test_ticks_of_logarithmic_axes_are_plain_numbers() -> None:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.loglog([1, 1000], [0.01, 10])

    assert {"1000", "0.01"} <= set(texts(draw(paint, name="one", title="t", description="d", size=(4, 3))))


@pytest.mark.slow
def test_a_drawing_with_too_many_points_becomes_a_picture_with_its_words() -> None:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        x = np.linspace(0, 1, 40_000)
        axes.scatter(x, np.sin(1e6 * x), s=2)

    markup = draw(paint, name="one", title='A "b"', description="Points.", size=(6, 3))

    assert len(markup) < 10 * MAX_SVG
    assert markup.startswith(
        '<img class="picture wide" width="576" height="288" alt="A &#34;b&#34;. Points." src="data:'
    )
    data = markup.split("base64,")[1].split('"')[0]
    assert base64.b64decode(data).startswith(b"\x89PNG")


def test_a_rasterised_part_keeps_its_picture() -> None:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], ".", rasterized=True)

    root = ET.fromstring(draw(paint, name="one", title="t", description="d", size=(4, 3)))

    (image,) = root.iter(f"{SVG}image")
    assert image.attrib["href"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(("width", "kind"), [(5.2, "picture"), (5.3, "picture wide")])
def test_wide_drawings_are_marked_for_scrolling(width: float, kind: str) -> None:
    root = ET.fromstring(draw(hostile, name="one", title="t", description="d", size=(width, 3)))

    assert root.attrib["class"] == kind


def test_a_painter_may_do_without_a_layout() -> None:
    def placed(figure: Figure) -> None:
        figure.set_layout_engine(None)
        figure.add_axes((0.1, 0.1, 0.8, 0.8)).set_title("by hand")

    assert texts(draw(placed, name="one", title="A", description="B", size=(4, 3))).count("by hand") == 1


def test_a_drawing_does_not_show_the_last_bits_of_a_place() -> None:
    """Clips and markers are named by their number, and zero has no sign: all else is rounded to two decimals."""

    def paint(figure: Figure, off: float) -> None:
        axes = figure.subplots()
        axes.plot(np.arange(4.0) * (1 + off), np.array([0.0, 1.0, 4.0, 9.0]) * (1 + off), marker="o")
        axes.set_position((0.1 * (1 + off), 0.1, 0.8, 0.8 * (1 - off)))

    made = [
        draw(lambda figure, off=off: paint(figure, off), name="one", title="t", description="d", size=(4, 3))  # type: ignore[misc]
        for off in (0.0, 3e-13, -2e-13)
    ]
    assert made[0] == made[1] == made[2]
    named = {element.attrib["id"] for element in ET.fromstring(made[0]).iter() if "id" in element.attrib}
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', made[0]))
    assert used
    assert used <= named
    assert not re.search(r"-0(?:\.0+)?(?![\d.])", " ".join(re.findall(r' (?:d|x|y|transform)="([^"]*)"', made[0])))


@pytest.mark.parametrize("along", ["x", "y"])
def test_a_label_longer_than_its_axis_takes_more_lines_inside_the_figure(along: str) -> None:
    words = "difference by arm: therapist and coach, of a follow-up score with a long name (points), 89% equal-tailed"

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1])
        (axes.set_xlabel if along == "x" else axes.set_ylabel)("of it")
        (axes.set_title if along == "x" else axes.set_xlabel)("beside")

    # What is shown in place of a short name may be long.
    markup = draw(
        paint,
        name="one",
        title="t",
        description="d",
        size=(3.5, 3.0),
        shown=lambda text: words if text == "of it" else text,
    )
    lines = [text for text in texts(markup) if text in words and len(text) > 3]

    assert len(lines) > 1
    assert " ".join(lines) == words
    # By the font that it is measured in no line is longer than the figure.
    longest = max(TextPath((0, 0), line, size=10).get_extents().width for line in lines)
    assert longest < 72 * (3.5 if along == "x" else 3.0)


def test_a_label_that_has_room_stays_as_it_is() -> None:
    def paint(figure: Figure) -> None:
        figure.subplots().set_xlabel("a label of\ntwo lines")

    assert {"a label of", "two lines"} <= set(
        texts(draw(paint, name="one", title="t", description="d", size=(3.5, 3.0)))
    )
