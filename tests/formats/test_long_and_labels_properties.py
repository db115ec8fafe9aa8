"""What holds for every wide table and every label: nothing is lost, nothing made up."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.cohort.labelled import with_labels
from alliance_bayes.cohort.programs import LABEL, plain_label
from alliance_bayes.cohort.raw import from_frame
from alliance_bayes.cohort.wide import check_wide, to_long

names = st.text("abc_", min_size=1, max_size=3).filter(lambda text: text.strip("_") == text)
cells = st.one_of(st.none(), st.integers(0, 5).map(float))


@given(st.dictionaries(st.integers(0, 30), st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=5), names)
def test_long_tables_hold_what_wide_ones_do(measured: dict[int, list[float | None]], measure: str) -> None:
    wide = pd.DataFrame({"pid": ["x", "y", "z"], **{f"{measure}_t{time}": column for time, column in measured.items()}})
    wanted = check_wide({measure: measure + "_t{time}"}, person="pid", time="when")
    assert wanted is not None
    raw, numeric = to_long(from_frame(wide), wanted, missing=())
    assert numeric
    found = {
        (pid, time, value)
        for pid, time, value in zip(raw.cells["pid"], raw.cells["when"], raw.cells[measure], strict=True)
        if not pd.isna(value)
    }
    expected = {
        (pid, float(time), value)
        for time, column in measured.items()
        for pid, value in zip("xyz", column, strict=True)
        if value is not None
    }
    assert found == expected
    # Nobody is lost, and who has no value has one row.
    assert set(raw.cells["pid"]) == {"x", "y", "z"}
    counts = raw.cells["pid"].value_counts()
    for place, pid in enumerate("xyz"):
        assert counts[pid] == max(1, sum(column[place] is not None for column in measured.values()))
    assert len(set(raw.rows)) == len(raw.rows)


@given(
    st.lists(cells, min_size=1, max_size=8),
    st.dictionaries(
        st.integers(0, 5).map(float),
        st.one_of(st.text(max_size=4), st.sampled_from(["a", "a (0)", "a (0) (0)", "a (1)", "1", "1.0"])),
        max_size=6,
    ),
)
def test_labels_never_join_two_codes_nor_lose_a_cell(column: list[float | None], labels: dict[float, str]) -> None:
    series = pd.Series(column, dtype=float)
    found, _ = with_labels(series, list(labels.items()), "x", wanted=True)
    assert found.isna().tolist() == series.isna().tolist()
    pairs = set(zip(series.dropna().tolist(), found.dropna().tolist(), strict=True))
    assert len({code for code, _ in pairs}) == len({level for _, level in pairs}) == len(pairs)


@given(st.text())
def test_a_label_is_seen_whole_or_cut(text: str) -> None:
    label = plain_label(text)
    assert len(label) <= LABEL
    assert label == " ".join(label.split())
    assert plain_label(label) == label
    assert all(one.isprintable() for one in label)
