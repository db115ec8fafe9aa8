"""Half-eyes: what is drawn is what the row says, and no label is over another or over the edge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alliance_bayes.report.halfeye import HALFEYE_SIZE, HalfEye

NORMAL = np.random.default_rng(4).standard_normal(2000)


def drawn(painter: HalfEye) -> Figure:
    figure = Figure(figsize=HALFEYE_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    painter(figure)
    figure.draw_without_rendering()
    return figure


def of(mean: float, sd: float, **given: Any) -> HalfEye:
    draws = mean + sd * NORMAL
    lower, upper = np.quantile(draws, [0.055, 0.945])
    return HalfEye(draws, float(draws.mean()), float(lower), float(upper), label="difference (points)", **given)


def test_interval_zone_and_mark_are_where_the_row_has_them() -> None:
    painter = of(2.3, 0.4, rope=(-2.0, 2.0), relevant=10.0, printed="2.3 (1.7 to 2.9)")
    (axes,) = drawn(painter).axes
    (zone,) = [patch for patch in axes.patches if patch.get_label() == "_zone"]
    assert (zone.get_x(), zone.get_x() + zone.get_width()) == (-2, 2)  # type: ignore[attr-defined]
    interval = next(line for line in axes.lines if line.get_linewidth() == 3)
    assert tuple(interval.get_xdata()) == (painter.lower, painter.upper)  # type: ignore[arg-type]
    dot = next(line for line in axes.lines if line.get_marker() == "o")
    assert tuple(dot.get_xdata()) == (painter.mean,)  # type: ignore[arg-type]
    marks = [c.get_segments() for c in axes.collections if c.get_label() == "_relevant"]  # type: ignore[attr-defined]
    assert [segment[0][0][0] for segment in marks] == [10.0]
    assert {text.get_text().replace("\n", " ") for text in axes.texts} == {
        "negligible: within ±2",
        "relevant: 10",
        "2.3 (1.7 to 2.9)",
    }
    low, high = axes.get_xlim()
    assert low < -2
    assert high > 10


def test_what_is_relevant_but_far_is_named_and_not_drawn() -> None:
    (axes,) = drawn(of(-0.04, 0.05, rope=(-0.2, 0.2), relevant=10.0)).axes
    assert not [c for c in axes.collections if c.get_label() == "_relevant"]
    assert "← relevant: 10" in {text.get_text().replace("\n", " ") for text in axes.texts}
    assert max(map(abs, axes.get_xlim())) < 1


def test_margins_that_are_not_even_are_both_said() -> None:
    (axes,) = drawn(of(0.0, 1.0, rope=(-1.0, 2.0))).axes
    assert axes.texts[0].get_text() == "negligible:\n\N{MINUS SIGN}1 to 2"


@pytest.mark.slow
@given(
    mean=st.floats(-20, 20),
    sd=st.floats(0.01, 20),
    half=st.floats(0.05, 20),
    times=st.floats(1.0, 60),
)
def test_no_label_is_over_another_or_over_the_edge(mean: float, sd: float, half: float, times: float) -> None:
    half, relevant = float(f"{half:.2g}"), float(f"{half * times:.2g}")
    figure = drawn(
        of(mean, sd, rope=(-half, half), relevant=relevant, printed=f"{mean:.1f} ({mean:.1f} to {mean:.1f})")
    )
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    edge = figure.bbox
    for place, box in enumerate(boxes):
        # A pixel of 437: what a letter's edge is.
        assert box.x0 > edge.x0 - 1
        assert box.x1 < edge.x1 + 1
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])


def test_the_density_has_one_hill_of_height_one() -> None:
    (axes,) = drawn(of(0.0, 1.0)).axes
    line = next(line for line in axes.lines if line.get_label() == "_density")
    x, y = (np.asarray(values, float) for values in line.get_data())
    assert y.max() == pytest.approx(1)
    # The normal density; a smooth of 2,000 draws is within 0.08 of it.
    np.testing.assert_allclose(y, np.exp(-(x**2) / 2), atol=0.08)
