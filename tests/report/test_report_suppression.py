"""An attacker who knows the shown counts, the totals and the rules finds no count of a few people."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linprog

from alliance_bayes.report.suppression import Mark, one_way, two_way

FEW = settings(max_examples=120, deadline=None, derandomize=True)
COUNTS = st.one_of(st.integers(0, 12), st.integers(0, 60), st.integers(100, 5000))
SMALL = st.sampled_from([2, 3, 5, 10])


def attack(counts: np.ndarray, marks: np.ndarray, small: int) -> dict[tuple[int, ...], tuple[float, float]]:
    """Least and largest value of each suppressed count, by linear programming, given all totals of rows and columns.

    The bounds of single counts are what the marks say at most: with one marked as few, the attacker takes the others
    to be no less than `small`; with none, to be at least 1. Of rows that are hidden as a whole nothing is known.
    """
    few, shown = marks == Mark.FEW, marks == Mark.SHOWN
    axis = 0 if counts.shape[1] > counts.shape[0] else 1
    whole = (marks == Mark.HIDDEN).all(axis=axis, keepdims=True)
    least = np.where(np.broadcast_to(whole, counts.shape), 0, small if few.any() else 1)
    bounds = [
        (size, size) if s else (1, small - 1) if f else (low, None)
        for size, s, f, low in zip(counts.ravel(), shown.ravel(), few.ravel(), least.ravel(), strict=True)
    ]
    cells = np.arange(counts.size).reshape(counts.shape)
    sums = [np.isin(np.arange(counts.size), part).astype(float) for part in (*cells, *cells.T)]
    totals = [*counts.sum(axis=1), *counts.sum(axis=0)]
    found = {}
    for place in zip(*np.nonzero(~shown), strict=True):
        aim = np.zeros(counts.size)
        aim[cells[place]] = 1
        # The constraints are those of a flow, so the ends of the interval are whole numbers.
        ends = [linprog(sign * aim, A_eq=np.array(sums), b_eq=totals, bounds=bounds) for sign in (1, -1)]
        assert all(end.status == 0 for end in ends), "the true counts contradict what is shown"
        found[tuple(map(int, place))] = (float(ends[0].fun), float(-ends[1].fun))
    return found


def attack_one_way(counts: list[int], small: int) -> tuple[tuple[Mark, ...], dict[int, tuple[float, float]]]:
    """The same of one factor: of its counts, the sum alone is known."""
    marks = one_way(counts, small)
    few, shown = [mark is Mark.FEW for mark in marks], [mark is Mark.SHOWN for mark in marks]
    least = small if any(few) else 0 if not any(shown) else 1
    bounds = [
        (size, size) if s else (1, small - 1) if f else (least, None)
        for size, s, f in zip(counts, shown, few, strict=True)
    ]
    found = {}
    for k, known in enumerate(shown):
        if not known:
            aim = np.eye(len(counts))[k]
            ends = [
                linprog(sign * aim, A_eq=np.ones((1, len(counts))), b_eq=[sum(counts)], bounds=bounds)
                for sign in (1, -1)
            ]
            assert all(end.status == 0 for end in ends)
            found[k] = (float(ends[0].fun), float(-ends[1].fun))
    return marks, found


def test_nothing_is_hidden_where_no_count_is_small() -> None:
    assert one_way([0, 10, 250], 10) == (Mark.SHOWN,) * 3
    assert (two_way(np.array([[0, 10], [30, 40]]), 10) == Mark.SHOWN).all()


def test_the_smallest_count_that_suffices_is_hidden_with_a_small_one() -> None:
    # With 11, "< 10" could be no more than 4; with 30 it may be 1 to 9.
    assert one_way([3, 200, 11, 30, 0], 10) == (Mark.FEW, Mark.SHOWN, Mark.SHOWN, Mark.HIDDEN, Mark.SHOWN)
    # Two small counts whose sum leaves each of them 1 to 9 need no third.
    assert one_way([4, 6, 100], 10) == (Mark.FEW, Mark.FEW, Mark.SHOWN)
    assert one_way([9, 9, 100], 10) == (Mark.FEW, Mark.FEW, Mark.HIDDEN)


def test_where_that_cannot_be_it_is_not_said_which_count_is_small() -> None:
    assert one_way([9, 9, 9], 10) == (Mark.HIDDEN,) * 3
    assert one_way([3, 10], 10) == (Mark.HIDDEN,) * 2
    # "Fewer than 2" would be 1.
    assert one_way([1, 40, 50], 2) == (Mark.HIDDEN, Mark.HIDDEN, Mark.SHOWN)


def test_a_rectangle_with_the_fewest_people_hides_a_cell() -> None:
    counts = np.array([[3, 90, 400], [50, 60, 300], [70, 200, 500]])

    marks = two_way(counts, 10)

    hidden = {tuple(map(int, place)) for place in np.argwhere(marks == Mark.HIDDEN)}
    assert marks[0, 0] is Mark.FEW
    assert hidden == {(0, 1), (1, 0), (1, 1)}
    assert attack(counts, marks, 10)[0, 0] == (1, 9)


def test_a_cell_beside_counts_of_nobody_hides_the_whole_table() -> None:
    # Were the 0 shown, the 10 beside it would be its row's total, and 3 the rest of the column's.
    counts = np.array([[3, 10], [10, 0]])

    marks = two_way(counts, 10)

    assert (marks == Mark.HIDDEN).all()
    assert attack(counts, marks, 10)[0, 0] == (3, 13)


@FEW
@given(st.lists(COUNTS, min_size=2, max_size=7), SMALL)
def test_of_one_factor_no_small_count_can_be_worked_out(counts: list[int], small: int) -> None:
    marks, found = attack_one_way(counts, small)

    few = [k for k, size in enumerate(counts) if 0 < size < small]
    assert all(marks[k] is not Mark.SHOWN for k in few)
    assert all(mark is Mark.SHOWN for mark in marks) == (not few)
    if sum(size > 0 for size in counts) > 1:
        assert all(found[k][0] < found[k][1] for k in few)
    if any(size >= small for size in counts):
        assert all(found[k][0] <= 1 and found[k][1] >= max(small - 1, 2) for k in few)


@FEW
@given(st.lists(COUNTS, min_size=2, max_size=7), SMALL)
def test_no_more_levels_are_hidden_than_needed(counts: list[int], small: int) -> None:
    marks = one_way(counts, small)

    few, hidden = ([k for k, m in enumerate(marks) if m is mark] for mark in (Mark.FEW, Mark.HIDDEN))
    if few and len(hidden) == 1:
        # Neither without it nor with a smaller one would every small count still range from 1 to small - 1.
        for instead in [None, *(k for k, n in enumerate(counts) if small <= n < counts[hidden[0]])]:
            known = sum(counts[k] for k in (*few, *([] if instead is None else [instead])))
            lowest = len(few) + (0 if instead is None else small)
            ceiling = known - lowest + 1
            floor = known - (small - 1) * (len(few) - 1) if instead is None else 1
            assert ceiling < small - 1 or floor > 1


def test_a_row_without_a_rectangle_is_hidden_with_as_many_as_it_takes() -> None:
    counts = np.array([[300, 0], [200, 100], [150, 90], [8, 3], [60, 30]])

    marks = two_way(counts, 10)

    assert (marks[3] == Mark.FEW).all() or (marks[3] == Mark.HIDDEN).all()
    assert (marks[:2] == Mark.SHOWN).all()
    found = attack(counts, marks, 10)
    assert found[3, 1][0] <= 1
    assert found[3, 1][1] >= 9


@FEW
@given(hnp.arrays(int, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6), elements=COUNTS), SMALL)
def test_of_two_factors_no_small_count_can_be_worked_out(counts: np.ndarray, small: int) -> None:
    # Small rows and columns are merged before; see the report's counts.
    totals = [*counts.sum(axis=0), *counts.sum(axis=1)]
    counts = counts + small * any(0 < total < small for total in totals) * np.eye(*counts.shape, dtype=int)
    totals = [*counts.sum(axis=0), *counts.sum(axis=1)]
    if any(0 < total < small for total in totals):
        return
    marks = two_way(counts, small)

    found = attack(counts, marks, small)
    few = list(zip(*np.nonzero((counts > 0) & (counts < small)), strict=True))
    assert all(marks[place] is not Mark.SHOWN for place in few)
    for place in few:
        lower, upper = found[tuple(map(int, place))]
        assert lower < upper - 0.5
        if (marks == Mark.SHOWN).any():
            assert lower <= 1 + 1e-6
            assert upper >= max(small - 1, 2) - 1e-6


@pytest.mark.parametrize("small", [2, 5, 10])
def test_tables_of_many_levels_keep_the_large_ones(small: int) -> None:
    sizes = np.r_[400, 300, 200, 100, np.arange(10, 40)]
    counts = np.random.default_rng(1).poisson(np.outer(sizes, [0.65, 0.18, 0.17]))
    counts[counts.sum(axis=1) < 10] = 0

    marks = two_way(counts, small)

    found = attack(counts, marks, small)
    for place in zip(*np.nonzero((counts > 0) & (counts < small)), strict=True):
        lower, upper = found[tuple(map(int, place))]
        assert lower <= 1 + 1e-6
        assert upper >= max(small - 1, 2) - 1e-6
    assert counts[marks == Mark.SHOWN].sum() > counts.sum() / 2
