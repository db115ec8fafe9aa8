from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec
from alliance_bayes.moments import Histogram, Moments, moments_of
from alliance_bayes.moments.pooling import sum_exactly, united
from builders import OUTCOME_FORMULA, rows


def labelled(moments):
    """Cells by their labels, so that the order of levels does not matter."""
    cells = {}
    for cell in range(moments.n_cells):
        codes = zip(moments.keys, moments.codes[cell], strict=True)
        label = tuple(sorted((key, moments.levels[key][code]) for key, code in codes))
        cells[label] = (moments.counts[cell], moments.means[cell] + moments.rest[cell], moments.cross[cell])
    return cells


def assert_same(one, other, *, rtol=1e-9, atol=1e-7):
    # The same sums in another order: cross-products here are of order 1e5, so 1e-7 is their twelfth digit.
    assert one.columns == other.columns
    mine, its = labelled(one), labelled(other)
    assert mine.keys() == its.keys()
    for label in mine:
        assert mine[label][0] == its[label][0]
        np.testing.assert_allclose(mine[label][1], its[label][1], rtol=rtol, atol=atol)
        np.testing.assert_allclose(mine[label][2], its[label][2], rtol=rtol, atol=atol)


def made(seed, n):
    """Made-up rows: values and levels."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) * [1, 10, 0.1], rng.integers(0, 3, size=(n, 1))


def of_arrays(values, codes, *, offset):
    """Moments of rows whose values all lie ``offset`` higher; only their means know it."""
    cells = np.unique(codes[:, 0])
    parts = [values[codes[:, 0] == cell] for cell in cells]
    near = np.array([part.mean(axis=0) for part in parts])
    means, rest = sum_exactly(np.full_like(near, offset), near)
    return Moments(
        ("y", "x", "z"),
        ("g",),
        {"g": tuple("abc"[cell] for cell in cells)},
        np.arange(len(cells))[:, None],
        np.array([float(len(part)) for part in parts]),
        means,
        np.array([(part - mean).T @ (part - mean) for part, mean in zip(parts, near, strict=True)]),
        {"x": 0.0, "z": 0.0},
        rest=rest,
    )


sizes = st.integers(1, 40)
seeds = st.integers(0, 10_000)
offsets = st.sampled_from([0.0, -3.0, 1e4, 1e9])


@given(seeds, sizes, sizes, sizes, offsets)
def test_merging_does_not_depend_on_order_and_equals_the_rows_together(seed, n, m, k, offset):
    tables = [made(seed + i, size) for i, size in enumerate((n, m, k))]
    a, b, c = (of_arrays(*table, offset=offset) for table in tables)
    together = of_arrays(*(np.vstack(parts) for parts in zip(*tables, strict=True)), offset=offset)
    # Arithmetic of order 1e-16 on sums of at most 120 squares of order 10^2, whatever the offset.
    for merged in ((a + b) + c, a + (b + c), (c + b) + a):
        assert_same(merged, together, rtol=1e-12, atol=1e-11)


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.data())
def test_levels_of_one_declared_order_are_united_in_it(declared, data):
    first, second = ([x for x in declared if data.draw(st.booleans())] for _ in range(2))
    out = united(first, second)
    assert set(out) == {*first, *second}
    for levels in (first, second):
        assert [level for level in out if level in levels] == levels
    assert united(second, first) == out


def test_levels_without_a_common_order_are_sorted_as_rows_sort_them():
    assert united(("b",), ("a", "c")) == ("a", "b", "c")
    assert united(("10",), ("9", "x")) == ("9", "10", "x")
    assert united(("female", "male"), ("male", "female", "other")) == ("female", "male", "other")


def split(spec, frame, where, **changes):
    design = spec.design(frame)
    return moments_of(design), moments_of(spec.design(frame[where])), moments_of(spec.design(frame[~where]))


def test_two_sites_centred_at_their_own_means_become_the_rows_of_both():
    spec = ModelSpec(OUTCOME_FORMULA.replace("age", "alliance:age + age + I(age**2) + age:sex"))
    frame = rows(500)
    whole, one, other = split(spec, frame, frame["alliance"] > 4.5)
    assert one.centres["alliance"] > other.centres["alliance"]
    merged = one + other
    for name, centre in whole.centres.items():
        assert merged.centres[name] == pytest.approx(centre, rel=1e-13)
    # Products of three components of order 30 each: 1e9 in the cross-products, of which 1e-4 is the thirteenth digit.
    assert_same(merged, whole, rtol=1e-9, atol=1e-4)
    np.testing.assert_array_equal(merged.histogram.counts.sum(axis=0), whole.histogram.counts.sum(axis=0))


def test_declared_centres_stay():
    spec = ModelSpec("who5_followup ~ alliance * age + (1 | sex)", centre={"alliance": 4.5, "age": 36})
    frame = rows(200)
    whole, one, other = split(spec, frame, frame.index < 50)
    merged = one + other
    assert dict(merged.centres) == {"alliance": 4.5, "age": 36.0} == dict(whole.centres)
    assert_same(merged, whole)


def test_a_level_that_one_site_lacks_gets_its_indicators():
    spec = ModelSpec("who5_followup ~ alliance * provider_type + (1 | sex)", centre={"alliance": 4.5})
    frame = rows(300)
    whole = moments_of(spec.design(frame))
    coaches = frame["provider_type"] != "both"
    one = moments_of(spec.design(frame[coaches]))
    second = frame[~coaches | (frame["provider_type"] == "therapist") & (frame.index < 40)]
    # The second site has no coach, so therapists are its reference.
    other = moments_of(spec.design(second))
    assert "provider_type[both]" not in one.columns
    assert "provider_type[therapist]" not in other.columns
    merged = one + other
    assert merged.levels["provider_type"] == ("coach", "therapist", "both")
    twice = pd.concat([frame[coaches], second])
    expected = moments_of(spec.design(twice))
    assert set(expected.columns) <= set(merged.columns)
    order = [merged.column(label) for label in expected.columns]
    np.testing.assert_allclose(merged.total_mean[order], expected.total_mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(merged.total_cross[np.ix_(order, order)], expected.total_cross, rtol=1e-10, atol=1e-9)
    assert whole.columns == expected.columns


def test_columns_in_another_order_are_matched_by_label():
    frame = rows(200)
    one, other = (
        moments_of(ModelSpec(f"who5_followup ~ {terms} + (1 | sex)", centre={"age": 0, "alliance": 0}).design(frame))
        for terms in ("age + alliance", "alliance + age")
    )
    assert_same(one + other, one + one)


def test_other_columns_keys_or_outcomes_are_refused():
    frame = rows(100)

    def of(formula):
        return moments_of(ModelSpec(formula).design(frame))

    plain = of("who5_followup ~ alliance + (1 | sex)")
    for formula, message in (
        (
            "who5_followup ~ age + (1 | sex)",
            "these moments have different columns: only the first has 'alliance' and only the second has 'age'. "
            "Reduce both tables with one model card.",
        ),
        (
            "who5_followup ~ alliance + (1 | country)",
            "these moments have different keys: only the first has 'sex' and only the second has 'country'. "
            "Reduce both tables with one model card.",
        ),
        (
            "who5_baseline ~ alliance + (1 | sex)",
            "these moments have different outcomes: only the first has 'who5_followup' and only the second has "
            "'who5_baseline'. Reduce both tables with one model card.",
        ),
        (
            "who5_followup ~ alliance + age + (1 | sex)",
            "these moments have different columns: only the second has 'age'. Reduce both tables with one model card.",
        ),
    ):
        with pytest.raises(ModelError) as error:
            plain.merge(of(formula))
        assert str(error.value) == message


def test_bases_of_smooths_that_differ_are_refused():
    spec = ModelSpec("who5_followup ~ s(age, k=5)")
    frame = rows(300)
    one, other = (moments_of(spec.design(part)) for part in (frame[:100], frame[100:]))
    assert_same(one + one, one.merge(one))
    with pytest.raises(ModelError) as error:
        one.merge(other)
    assert str(error.value) == (
        "the tables' bases of 's_age' are not the same: each was made from its own table's values. Read the rows of "
        "both together, or replace the smooth by powers of the column."
    )


def test_flows_and_notes_add_up_and_a_card_of_both_is_kept():
    moments = moments_of(ModelSpec("who5_followup ~ alliance").design(rows(50)))
    one = dataclasses.replace(
        moments, flow=Flow(60, (FlowStep("age unknown", 10),)), notes=("Left.",), card='formula = "y ~ x"'
    )
    other = dataclasses.replace(
        moments,
        flow=Flow(75, (FlowStep("sex unknown", 5), FlowStep("age unknown", 20))),
        notes=("Left.", "Right."),
        card='formula = "y ~ x"',
    )
    merged = one + other
    assert merged.flow == Flow(135, (FlowStep("age unknown", 30), FlowStep("sex unknown", 5)))
    assert merged.notes == ("Left.", "Right.")
    assert merged.card == 'formula = "y ~ x"'
    assert (one + moments).flow is None
    assert (one + moments).card == ""


def test_other_bins_drop_the_histogram_and_say_so():
    moments = moments_of(ModelSpec("who5_followup ~ alliance").design(rows(50)))
    wider = dataclasses.replace(moments, histogram=Histogram(np.array([[50, 0]]), edges=np.array([0.0, 50.0, 100.0])))
    merged = moments + wider
    assert merged.histogram is None
    assert merged.notes == ("The outcome's histogram was dropped: the merged tables had different bins.",)
    without = moments + dataclasses.replace(moments, histogram=None)
    assert without.notes == ("The outcome's histogram was dropped: one of the merged tables had none.",)
    assert (moments + moments).histogram.counts.tolist() == (2 * moments.histogram.counts).tolist()
