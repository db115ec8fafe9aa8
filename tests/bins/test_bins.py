from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.bins import bin_counts, bin_numbers
from alliance_bayes.checks.outcome_figures import bins_around, outcome_bins
from alliance_bayes.model import ModelSpec, Scale
from alliance_bayes.moments.histogram import Histogram, empty_histogram
from alliance_bayes.report.curve import covered_range, grouped_histogram
from builders import rows

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)


@st.composite
def edges_and_values(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Ascending edges, and values among which are the edges themselves and their neighbours."""
    if draw(st.booleans()):
        edges = np.linspace(draw(st.integers(-5, 5)) / 10, draw(st.integers(6, 50)) / 10, draw(st.integers(2, 30)))
    else:
        edges = np.unique(draw(st.lists(numbers, min_size=2, max_size=20, unique=True)))
    at = draw(st.lists(st.sampled_from(edges.tolist()), min_size=1, max_size=20))
    near = [float(np.nextafter(value, draw(st.sampled_from([-np.inf, np.inf])))) for value in at]
    return edges, np.array([*at, *near, *draw(st.lists(numbers, max_size=20))])


@given(edges_and_values())
def test_bins_are_those_of_numpy(case: tuple[np.ndarray, np.ndarray]) -> None:
    edges, values = case
    expected = np.histogram(values, edges)[0]
    np.testing.assert_array_equal(bin_counts(values, edges), expected)
    np.testing.assert_array_equal(bin_counts(np.stack([values, values[::-1]]), edges), [expected, expected])
    weights = np.arange(values.size)
    np.testing.assert_array_equal(bin_counts(values, edges, weights), np.histogram(values, edges, weights=weights)[0])
    places = bin_numbers(values, edges)
    np.testing.assert_array_equal(np.bincount(places[places >= 0], minlength=edges.size - 1), expected)


@given(edges_and_values(), st.booleans(), st.booleans())
def test_open_bins_and_what_is_no_number_are_counted_as_they_are_numbered(
    case: tuple[np.ndarray, np.ndarray], below: bool, above: bool
) -> None:
    edges, values = case[0].copy(), np.r_[case[1], np.nan, -np.inf, np.inf]
    if below:
        edges[0] = -np.inf
    if above:
        edges[-1] = np.inf
    places = bin_numbers(values, edges)
    np.testing.assert_array_equal(bin_counts(values, edges), np.bincount(places[places >= 0], minlength=edges.size - 1))


def test_the_top_edge_is_in_the_last_bin_and_nothing_is_nowhere() -> None:
    np.testing.assert_array_equal(bin_counts([5.0, 5.0, 4.0, 2.0], np.array([1.0, 3.0, 5.0])), [1, 3])
    places = bin_numbers([np.nan, 0.9, 1.0, 3.0, 5.0, 5.1], np.array([1.0, 3.0, 5.0]))
    np.testing.assert_array_equal(places, [-1, -1, 0, 1, 1, -1])
    np.testing.assert_array_equal(bin_numbers([-1e9, 0.0, np.inf], np.array([-np.inf, 0.0, np.inf])), [0, 1, 1])


@given(edges_and_values())
def test_the_histogram_of_moments_is_numpys_with_all_beyond_at_its_ends(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    edges, values = case
    empty = Histogram(np.zeros((1, edges.size - 1), dtype=np.int64), edges=edges)
    held = np.clip(values, edges[0], edges[-1])
    filled = empty.filled(values, np.zeros(values.size, dtype=np.int64))
    np.testing.assert_array_equal(filled.counts[0], np.histogram(held, edges)[0])
    # What is read back from the middle of a bin is of that bin.
    again = empty.filled(filled.values, np.zeros(filled.n_bins, dtype=np.int64), filled.counts[0])
    np.testing.assert_array_equal(again.counts, filled.counts)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=50))
def test_levels_are_counted_as_themselves(tenths: list[int]) -> None:
    scale = Scale(5.0, 2.0, 0.0, 10.0, 0.1)
    values = np.array(tenths) / 10
    found = empty_histogram(scale, 0.0, 10.0, on_levels=True, n_cells=1).filled(
        values, np.zeros(values.size, dtype=np.int64)
    )
    np.testing.assert_array_equal(found.counts[0], np.bincount(tenths, minlength=101))


@given(st.data())
def test_bars_hold_everything_and_stay_within_the_scale(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    family = data.draw(st.sampled_from(["gaussian", "censored_gaussian", "student_t", "beta_binomial", "cumulative"]))
    known = data.draw(st.booleans()) or family in ("censored_gaussian", "beta_binomial")
    step = data.draw(st.sampled_from([None, 1.0])) if family not in ("beta_binomial", "cumulative") else 1.0
    top = data.draw(st.sampled_from([10.0, 500.0]))
    frame = rows(80)
    observed = np.clip(rng.normal(top * data.draw(st.sampled_from([0.3, 0.95])), top / 5, 80), 0, top)
    frame["score"] = observed if step is None else np.round(observed / step) * step
    scales = {"score": Scale(top / 2, top / 5, 0.0, top, 1.0 if step else None)} if known else {}
    design = ModelSpec("score ~ alliance", family=family, scales=scales, autoscale=True).design(frame)
    simulated = rng.normal(top / 2, top / 3, (60, 80))
    if design.family.discrete:
        simulated = design.outcome.levels[rng.integers(0, design.outcome.levels.size, (60, 80))]
    bins = outcome_bins(design, simulated, step)
    assert (np.diff(bins.edges) > 0).all()
    assert bins.units.shape == (bins.edges.size - 1,)
    for values in (design.outcome.values, simulated):
        np.testing.assert_allclose(bins.shares(values).sum(axis=-1), 1.0)
    if known:
        assert bins.edges[0] >= 0.0
        assert bins.edges[-1] <= top
        # The share at the ceiling is the last bar's where that is of one level.
        if step is not None and bins.units[-1] == 1 and bins.edges[-1] == top:
            ceiling = (design.outcome.values >= top - step / 2).mean()
            assert bins.shares(design.outcome.values)[-1] == pytest.approx(ceiling)


def test_replicates_that_went_astray_are_binned_in_bounded_memory() -> None:
    frame = rows(80)
    frame["count"] = np.arange(80.0) % 7
    design = ModelSpec("count ~ alliance", family="poisson").design(frame)
    simulated = np.full((60, 80), 3.0)
    simulated[:20] = 1e15
    bins = outcome_bins(design, simulated, None)
    assert bins.edges.size < 100
    np.testing.assert_allclose(bins.shares(simulated)[:, [0, -1]], np.repeat([[0, 1], [1, 0]], [20, 40], axis=0))


def test_bins_around_levels_end_with_the_scale() -> None:
    np.testing.assert_array_equal(
        bins_around(np.arange(0.0, 101, 4), 0.0, 100.0).edges[[0, 1, -2, -1]], [0, 2, 98, 100]
    )
    np.testing.assert_array_equal(bins_around(np.array([1.0, 2.0, 4.0])).edges, [0.5, 1.5, 3.0, 5.0])


def test_a_curve_and_its_histogram_stay_within_the_scale() -> None:
    scale, values = Scale(4.5, 0.7, 1.0, 5.0), np.r_[np.full(50, 5.0), 3.0]
    assert covered_range(values, 5, scale) == (4.5, 5.0)
    assert covered_range(values * 1e-8, 5) == pytest.approx((2.5e-8, 7.5e-8))
    edges, density = grouped_histogram(values, 5, scale=scale)
    assert edges[-1] == 5.0
    assert (density * np.diff(edges)).sum() == pytest.approx(1.0)


@given(st.lists(st.floats(-2, 9), min_size=25, max_size=60), st.integers(0, 60))
def test_values_drawn_beyond_the_ends_of_a_scale_stretch_neither(drawn: list[float], observed: int) -> None:
    """Imputed values of a bounded score are drawn from a normal distribution, which has no ends."""
    scale = Scale(4.5, 0.7, 1.0, 5.0)
    values = np.r_[drawn, np.linspace(1, 5, observed)]
    low, high = covered_range(values, 5, scale)
    ordered = np.sort(values)
    if ordered[4] < 5 and ordered[-5] > 1 and ordered[4] < ordered[-5]:
        assert 1 <= low < high <= 5
    edges, density = grouped_histogram(values, 5, scale=scale)
    assert (density * np.diff(edges)).sum() == pytest.approx(1.0)
