"""Forest plots keep their names apart, however many lines they have."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alliance_bayes.report.forest import NAMED_ENDS, Forest, Interval, forest_size
from alliance_bayes.report.group_lines import spread_out
from alliance_bayes.report.style import RC


def drawn(lines: int, *, narrow: bool = False, **given: Any) -> Figure:
    import matplotlib as mpl

    intervals = [
        Interval(
            f"A rather long country {k}", -k, -k - 1.0, -k + 1.0, f"{k + 1000:,}", f"{-k}.0 ({-k - 1}.0 to {1 - k}.0)"
        )
        for k in range(lines)
    ]
    with mpl.rc_context(RC):
        forest = Forest(
            intervals,
            label="Difference (points)",
            reference=0.0,
            people="People",
            printed="Mean (89% interval)",
            **given,
        )
        painter, size = forest.narrow() if narrow else (forest, forest_size(lines))
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        painter(figure)
        figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("lines", [1, 2, 14, 34, 35, 60, 200])
def test_no_names_or_numbers_overlap_and_none_leaves_the_figure(lines: int) -> None:
    figure = drawn(lines)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    (axes,) = figure.axes
    named = lines if lines <= 34 else 2 * NAMED_ENDS

    names = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
    assert len(names) == (named if lines <= 34 else named + 1)
    beside = [text for text in axes.texts if text.get_text() not in ("People", "Mean (89% interval)")]
    people, printed = beside[:named], beside[named:]
    assert len(printed) == named
    inside = axes.get_window_extent(renderer)
    columns = [[text.get_window_extent(renderer) for text in column] for column in (people, printed)]
    headings = [text.get_window_extent(renderer) for text in axes.texts if text not in beside]
    for column in (names, *columns):
        column.sort(key=lambda box: box.y0)
        assert all(below.y1 <= above.y0 for below, above in pairwise(column))
        assert all(box.x0 >= 0 and box.y0 >= 0 for box in column)
        assert all(box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in column)
        assert not any(box.overlaps(head) for box in column for head in headings)
    # From left to right: names, people, lines, estimates.
    assert max(box.x1 for box in names) <= min(box.x0 for box in columns[0])
    assert max(box.x1 for box in columns[0]) <= inside.x0
    assert inside.x1 <= min(box.x0 for box in columns[1])


@pytest.mark.parametrize("lines", [1, 34, 60])
def test_numbers_stand_beside_the_line_that_they_are_of(lines: int) -> None:
    (axes,) = drawn(lines).axes
    at = {
        float(y): float(x)
        for line in axes.lines
        if line.get_marker() == "o"
        for x, y in zip(*line.get_data(), strict=True)
    }
    seen = 0
    for text in axes.texts:
        found = re.fullmatch(r"(-?\d+)\.0 \(.*\)", text.get_text())
        if found is not None:
            assert at[float(text.xy[1])] == float(found[1])  # type: ignore[attr-defined]
            seen += 1
    assert seen == (lines if lines <= 34 else 2 * NAMED_ENDS)


@pytest.mark.parametrize("lines", [2, 14, 34, 200])
def test_every_line_is_drawn_once_from_top_to_bottom(lines: int) -> None:
    (axes,) = drawn(lines).axes

    points = sorted(
        (float(y), float(x))
        for line in axes.lines
        if line.get_marker() == "o"
        for x, y in zip(*line.get_data(), strict=True)
    )
    assert [x for _, x in points] == [-k for k in reversed(range(lines))]


def test_margin_overall_and_relevant_lines_are_where_they_are_said_to_be() -> None:
    (axes,) = drawn(3, rope=(-2.0, 2.0), relevant=5.0, overall=-1.5).axes
    (zone,) = axes.patches
    assert (zone.get_x(), zone.get_x() + zone.get_width()) == (-2, 2)  # type: ignore[attr-defined]
    upright = sorted(float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() != "o")  # type: ignore[index]
    assert upright == [-5, -1.5, 0, 5]


@pytest.mark.parametrize("lines", [1, 2, 34, 60])
def test_for_a_phone_no_upright_line_strikes_out_a_name_or_a_number(lines: int) -> None:
    figure = drawn(lines, narrow=True, rope=(-2.0, 2.0), relevant=5.0, overall=-1.5)
    (axes,) = figure.axes
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    texts = [text.get_window_extent(renderer) for text in axes.texts]
    # Of a line the middle of its letters: what reaches below the line of writing is outside of its row.
    middles = sorted((box.y0 + box.y1) / 2 for box in texts)
    upright = {}
    for collection in axes.collections:
        for (x, low), (end, high) in collection.get_segments():  # type: ignore[attr-defined]
            if x == end:
                upright.setdefault(float(x), []).append(axes.transData.transform([(x, low), (x, high)])[:, 1])
    assert sorted(upright) == [-5, -1.5, 0, 5]
    dots = [y for line in axes.lines if line.get_marker() == "o" for y in line.get_ydata()]  # type: ignore[union-attr]
    for segments in upright.values():
        assert not any(low < middle < high for low, high in segments for middle in middles)
        # Beside every interval there is the line that it is held to.
        for y in axes.transData.transform([(0, y) for y in dots])[:, 1]:
            assert any(low <= y <= high for low, high in segments)


def test_names_at_the_ends_are_those_of_the_first_and_last_lines() -> None:
    (axes,) = drawn(200).axes

    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [label.rsplit(" ", 1)[1] for label in labels if "between" not in label] == [
        str(k) for k in (*range(NAMED_ENDS), *range(200 - NAMED_ENDS, 200))
    ]
    assert labels[NAMED_ENDS] == f"{200 - 2 * NAMED_ENDS} between"


def test_figures_stay_smaller_than_a_page() -> None:
    assert max(forest_size(lines)[1] for lines in range(1, 201)) < 9.5


def test_labels_of_lines_are_moved_apart_and_no_further() -> None:
    places = [1.0, 1.1, 5.0, 0.9]

    moved = spread_out(places, 0.5)

    assert np.diff(np.sort(moved)).min() >= 0.5 - 1e-12
    assert np.argsort(moved).tolist() == np.argsort(places).tolist()
    assert moved[2] == 5.0
    assert moved[[0, 1, 3]].mean() == pytest.approx(1.0)
