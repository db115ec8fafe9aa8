"""Levels and their differences stand in one order on a page, which the number of levels decides, not that of rows."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.report.groups import in_order
from alliance_bayes.study.tables import block_forest
from builders import fitted, rendered, row_of, rows, table_of
from report.test_report_page import parsed


def pairs(levels: int, means: list[float], factor: str = "country") -> list[dict[str, object]]:
    names = [f"C{k}" for k in range(levels)]
    return [
        row_of(mean, 1.0, estimand="contrast_of_means", factor=factor, level=one, versus=other)
        for (other, one), mean in zip(combinations(names, 2), means, strict=False)
    ]


@given(data=st.data(), levels=st.integers(2, 9))
def test_pairs_are_in_the_order_of_the_data_up_to_six_levels_and_of_more_the_highest_comes_first(
    data: st.DataObject, levels: int
) -> None:
    size = levels * (levels - 1) // 2
    means = data.draw(st.lists(st.floats(-9, 9), min_size=size, max_size=size))
    made = table_of(*pairs(levels, means), *pairs(2, [0.0], factor="sex"))

    ordered = in_order(made)

    assert sorted(ordered.index) == sorted(made.index)
    own = ordered[ordered["factor"] == "country"]
    if levels <= 6:
        assert own.index.tolist() == made.index[:size].tolist()
    else:
        assert np.all(np.diff(own["mean"].to_numpy(float)) <= 1e-6)
    assert ordered["factor"].iloc[-1] == "sex"


def test_a_level_without_an_estimate_is_last_of_many() -> None:
    made = table_of(*pairs(7, [float(k) for k in range(21)]))
    made.loc[made.index[20], "mean"] = np.nan
    assert in_order(made).index[-1] == made.index[20]
    assert in_order(made[:0]).empty


@pytest.mark.parametrize("levels", [5, 6, 7])
def test_a_figure_of_the_study_has_the_order_of_a_report(levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five levels have ten pairs, which are more than six rows."""
    size = levels * (levels - 1) // 2
    made = table_of(*pairs(levels, [float((7 * k) % 11) for k in range(size)]))
    drawn = []
    monkeypatch.setattr(
        "alliance_bayes.study.tables.forest_picture",
        lambda name, title, estimates, shown, **given: drawn.append(list(shown.index)),
    )
    block_forest("one", "Differences", made, axis="points", caption="Words.")
    assert drawn == [in_order(made).index.tolist()]


@pytest.mark.slow
def test_the_ends_of_a_curve_have_as_many_decimals() -> None:
    frame = rows(240)
    frame["alliance"] = np.round(frame["alliance"].clip(lower=2.5) + np.linspace(0, 0.3, 240), 5)
    report = rendered(fitted(frame, draws=500))
    words = next(
        found
        for node in parsed(report.html).all("desc")
        if (found := re.search(r": \S+ at (\S+) and \S+ at (\S+)\. Below", node.text))
    )
    decimals = {len(end.partition(".")[2]) for end in words.groups()}
    assert len(decimals) == 1
    low, high = (float(end) for end in words.groups())
    points = report.numbers["curve"]["points"]
    # What is told is the curve's own ends, to half a last digit.
    assert [low, high] == pytest.approx([points[0]["x"], points[-1]["x"]], abs=0.5 * 10 ** -decimals.pop())
