from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from alliance_bayes.checks.statistics import STATISTICS, Cells, group_statistics, simultaneous_limits
from alliance_bayes.model.families import FAMILIES
from alliance_bayes.model.scales import BUILT_IN

WHO5 = BUILT_IN["who5"]


def test_statistics_of_groups_are_those_of_their_rows():
    rng = np.random.default_rng(0)
    y = np.clip(4 * np.round(rng.gamma(4, 15, 200) / 4), 0, 100)
    codes = rng.integers(0, 3, 200)
    outcome = FAMILIES["gaussian"].prepare("who5_followup", y, WHO5)
    found = group_statistics(y[None, :], Cells.of([codes]), outcome, 4.0)
    assert list(found) == ["mean", "SD", "skewness", "kurtosis", "share at floor", "share at ceiling"]
    for group in range(3):
        own = y[codes == group]
        expected = [
            own.mean(),
            own.std(ddof=1),
            stats.skew(own),
            stats.kurtosis(own, fisher=False),
            np.mean(own == 0),
            np.mean(own == 100),
        ]
        np.testing.assert_allclose([values[0, group] for values in found.values()], expected, rtol=1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1e-90, 1e90])
def test_statistics_of_very_large_and_small_outcomes_are_those_of_their_rows(unit: float):
    y = np.random.default_rng(0).gamma(4, 15, 200)
    outcome = FAMILIES["gaussian"].prepare("y", y * unit, None)
    found = group_statistics(unit * y[None, :], Cells.of([np.zeros(200, int)]), outcome, None)
    expected = [y.mean() * unit, y.std(ddof=1) * unit, stats.skew(y), stats.kurtosis(y, fisher=False)]
    np.testing.assert_allclose([values[0, 0] for values in found.values()], expected, rtol=1e-9)


def test_what_lies_at_or_beyond_half_a_step_from_an_end_is_at_the_end():
    y = np.array([0.0, 50.0, 100.0])
    outcome = FAMILIES["gaussian"].prepare("who5_followup", y, WHO5)
    replicated = np.array([[-30.0, 1.9, 2.1], [97.9, 98.1, 130.0]])
    found = group_statistics(replicated, Cells.of([np.zeros(3, int)]), outcome, 4.0)
    np.testing.assert_allclose(found["share at floor"][:, 0], [2 / 3, 0])
    np.testing.assert_allclose(found["share at ceiling"][:, 0], [0, 2 / 3])


def test_two_valued_and_open_outcomes_have_the_statistics_that_apply():
    y = np.array([0.0, 1.0, 1.0])
    binary = FAMILIES["bernoulli"].prepare("improved", y, None)
    everybody = Cells.of([np.zeros(3, int)])
    assert list(group_statistics(y[None, :], everybody, binary, None)) == ["share at ceiling"]
    opened = FAMILIES["gaussian"].prepare("y", y, None)
    assert list(group_statistics(y[None, :], everybody, opened, None)) == ["mean", "SD", "skewness", "kurtosis"]


@given(st.floats(0, 1), st.integers(1, 4000))
@settings(deadline=None)
def test_transformed_shares_come_back(share, count):
    count = np.array([float(count)])
    kind = STATISTICS["share at floor"]
    value = np.round(np.array([share]) * count) / count
    np.testing.assert_allclose(kind.back(kind.transform(value, count), count), value, atol=1e-9)


def compare(observed, replicated, names, counts, rate):
    return simultaneous_limits(names, np.asarray(counts, float), np.asarray(observed, float), replicated, rate=rate)


def test_limits_hold_for_all_statistics_at_once_whatever_their_number():
    rng, rate, m = np.random.default_rng(3), 0.1, 40
    names, counts = ["mean"] * m, [100] * m
    replicated = rng.normal(size=(999, m))
    fired = np.array([compare(row, replicated, names, counts, rate).outside.any() for row in rng.normal(size=(600, m))])
    # 600 repeats, and limits from 999 replicates: four standard errors of both.
    assert abs(fired.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) * (1 / 600 + 1 / 999))


def test_what_is_outside_the_limits_has_a_p_value_below_the_rate():
    rng = np.random.default_rng(4)
    names = ["mean", "SD", "share at ceiling", "skewness"]
    replicated = np.column_stack(
        [rng.normal(50, 2, 499), rng.lognormal(2, 0.1, 499), rng.binomial(50, 0.1, 499) / 50, rng.normal(0, 0.3, 499)]
    )
    for shift in np.linspace(0, 10, 21):
        observed = np.array([50 + shift, np.exp(2 + 0.1 * shift), 0.1 + 0.05 * shift, 0.15 * shift])
        found = compare(observed, replicated, names, [50] * 4, 0.05)
        np.testing.assert_array_equal(found.outside, found.p < 0.05)
        # Back on their own scale, the limits say the same, but for rounding at the limit itself.
        outside = (observed < found.lower - 1e-9) | (observed > found.upper + 1e-9)
        np.testing.assert_array_equal(found.outside, outside)


def test_a_share_that_no_replicate_has_is_judged_by_the_noise_of_a_share():
    replicated = np.zeros((400, 1))
    few = compare([0.01], replicated, ["share at ceiling"], [100], 0.05)
    many = compare([0.30], replicated, ["share at ceiling"], [100], 0.05)
    assert abs(few.departure[0]) < 2
    assert many.departure[0] > 5
    assert many.outside.tolist() == [True]


def test_the_smallest_p_value_is_one_in_the_number_of_replicates():
    found = compare([1e6], np.random.default_rng(0).normal(size=(199, 1)), ["mean"], [10], 0.05)
    assert found.p[0] == pytest.approx(1 / 200)


def test_groups_of_equal_outcomes_have_no_shape_and_no_spread():
    y = np.array([100.0, 100.0, 100.0, 40.0])
    outcome = FAMILIES["gaussian"].prepare("who5_followup", y, WHO5)
    found = group_statistics(y[None, :], Cells.of([np.array([0, 0, 0, -1]), np.zeros(4, int)]), outcome, 4.0)
    assert [found[name][0, 0] for name in ("mean", "SD", "skewness", "kurtosis")] == [100.0, 0.0, 0.0, 3.0]
    assert found["skewness"][0, 1] == pytest.approx(stats.skew(y))


def test_cells_make_up_overlapping_groups_and_leave_out_who_is_in_none():
    rng = np.random.default_rng(6)
    columns = [np.zeros(90, int), rng.integers(-1, 4, 90), rng.integers(0, 3, 90), np.full(90, -1)]
    cells = Cells.of(columns)
    member = np.column_stack([column == group for column in columns for group in range(column.max() + 1)])
    np.testing.assert_array_equal(cells.member.toarray()[cells.number], member)
    np.testing.assert_array_equal(cells.counts, member.sum(axis=0))
    assert len(np.unique(cells.number)) == len(np.unique(member, axis=0))
