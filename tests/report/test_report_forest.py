"""Forest plots keep their names apart, however many lines they have."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alliance_bayes.report.forest import NAMED_ENDS, Interval, forest, forest_size
from alliance_bayes.report.groups import spread_out
from alliance_bayes.report.style import RC


def drawn(lines: int) -> Figure:
    import matplotlib as mpl

    intervals = [Interval(f"A rather long country {k}", -k, -k - 1.0, -k + 1.0) for k in range(lines)]
    with mpl.rc_context(RC):
        figure = Figure(figsize=forest_size(lines), layout="constrained")
        FigureCanvasAgg(figure)
        forest(intervals, label="Difference (points),\n89% interval", reference=0.0)(figure)
        figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("lines", [1, 2, 14, 24, 25, 60, 61, 200])
def test_no_names_overlap_and_none_leaves_the_figure(lines: int) -> None:
    figure = drawn(lines)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]

    named = 0
    for axes in figure.axes:
        boxes = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
        boxes.sort(key=lambda box: box.y0)
        named += len(boxes)
        assert all(below.y1 <= above.y0 for below, above in pairwise(boxes))
        assert all(box.x0 >= 0 and box.y0 >= 0 and box.y1 <= figure.bbox.y1 for box in boxes)
        # A name stays left of its own column's axes, so that it covers no other column's lines.
        assert all(box.x1 <= axes.get_window_extent(renderer).x0 for box in boxes)
    assert named == (lines if lines <= 60 else 2 * NAMED_ENDS + 1)


@pytest.mark.parametrize("lines", [2, 14, 60, 200])
def test_every_line_is_drawn_once_from_top_to_bottom(lines: int) -> None:
    figure = drawn(lines)

    points = [
        (float(x), float(y))
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() == "o"
        for x, y in zip(*line.get_data(), strict=True)
    ]
    assert sorted(x for x, _ in points) == [-k for k in reversed(range(lines))]
    for axes in figure.axes:
        own = sorted(
            (y, x) for line in axes.lines if line.get_marker() == "o" for x, y in zip(*line.get_data(), strict=True)
        )
        assert [x for _, x in own] == sorted(x for _, x in own)


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
