"""What holds for every table: round trips, faults found where they are, flows that add up."""

from __future__ import annotations

import csv
import io
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.cohort import Cohort, FlowStep, read_cohort
from alliance_bayes.cohort.cells import MISSING, read_number
from alliance_bayes.cohort.odd_rows import _BESIDE, _TOTALS
from alliance_bayes.errors import DataError

pytestmark = pytest.mark.slow

type Table = dict[str, list[str]]

QUICK = settings(max_examples=50, deadline=None)
LEVELS = {"sex": ["female", "male", "ä, b"], "provider_type": ["coach", "therapist", "both"]}


def numbers(low: float, high: float) -> st.SearchStrategy[str]:
    return st.floats(low, high, allow_nan=False).map(repr)


def plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


# Any text may be a level if it starts with a letter that makes it neither a number nor a missing value, does not end in
# a space, and holds no character that pandas' CSV writer does not quote (a lone carriage return).
words = (
    st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)
    .map(lambda text: ("Q" + text).strip())
    .filter(lambda text: text == text.strip())
)
further_levels = st.lists(words, min_size=1, max_size=4, unique_by=plain)

COLUMNS = {
    "age": numbers(0, 120),
    "alliance": numbers(1, 5),
    "n_sessions": st.integers(0, 10**6).map(str),
    "days_in_care": numbers(0, 1e300),
    "who5_baseline": st.integers(0, 25).map(lambda raw: str(4 * raw)),
    "who5_followup": st.integers(0, 25).map(lambda raw: f"{4 * raw}.0"),
    "sex": st.sampled_from(LEVELS["sex"]),
    "provider_type": st.sampled_from(LEVELS["provider_type"]),
    "x_number": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "x_factor": None,
}


@st.composite
def tables(draw: st.DrawFn, min_rows: int = 1) -> Table:
    n = draw(st.integers(min_rows, 6))
    # A row of totals is no participant ("MEAN").
    ids = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=6).filter(
        lambda i: i not in MISSING and i.casefold() not in _TOTALS | _BESIDE
    )
    out = {"participant_id": draw(st.lists(ids, min_size=n, max_size=n, unique=True))}
    for name in draw(st.lists(st.sampled_from(list(COLUMNS)), unique=True)):
        cells = COLUMNS[name]
        if cells is None:
            cells = st.sampled_from(draw(further_levels))
        column = draw(st.lists(cells | st.sampled_from(MISSING), min_size=n, max_size=n))
        # A column without any value is an error, so each gets one.
        column[draw(st.integers(0, n - 1))] = draw(cells)
        out[name] = column
    return out


def write(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return text.getvalue()


def read(text: str, **options: object) -> Cohort:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cohort.csv")
        path.write_bytes(text.encode())
        return read_cohort(path, **options)


def declared(table: Table) -> dict[str, list[str]]:
    return {name: levels for name, levels in LEVELS.items() if name in table}


@QUICK
@given(tables())
def test_csv_to_cohort_to_csv_changes_nothing(table: Table) -> None:
    cohort = read(write(table), levels=declared(table))
    again = read(cohort.data.to_csv(index=False), levels=declared(table))
    assert again.hash == cohort.hash
    pd.testing.assert_frame_equal(again.data, cohort.data, check_exact=True)
    for name, cells in table.items():
        if cohort.data[name].dtype == np.float64:
            wanted = [np.nan if cell in MISSING else float(cell) for cell in cells]
            np.testing.assert_array_equal(cohort.data[name], wanted)
        else:
            found = [None if pd.isna(value) else value for value in cohort.data[name]]
            assert found == [None if cell in MISSING else cell for cell in cells]


@QUICK
@given(tables())
def test_a_frame_of_text_reads_like_its_file(table: Table) -> None:
    levels = declared(table)
    assert read_cohort(pd.DataFrame(table, dtype="str"), levels=levels).hash == read(write(table), levels=levels).hash


@QUICK
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_columns_does_not_matter(table: Table, random: object) -> None:
    names = list(table)
    random.shuffle(names)  # type: ignore[attr-defined]
    one, two = read(write(table)), read(write({name: table[name] for name in names}))
    assert one.hash == two.hash
    pd.testing.assert_frame_equal(one.data, two.data[one.data.columns], check_exact=True)


WRONG = {
    "age": ["abc", "-1", "120.5", "inf", "4,5", "n/a", "TRUE"],
    "alliance": ["0.99", "5.01", "four", "1e999"],
    "n_sessions": ["1.5", "-1", "?"],
    "days_in_care": ["-0.5", "3 days", "2021-01-01"],
    "who5_baseline": ["41", "104", "-4", "nan"],
    "who5_followup": ["2", "1000", "unknown"],
    "sex": ["Female", " male", "diverse", "female\n"],
    "provider_type": ["COACH", "coach/therapist", "1"],
    "x_number": ["oops", "1,000", "--1"],
    # An empty identifier in a row that is empty otherwise makes an empty row, which is passed over.
    "participant_id": ["NA", " x"],
}


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_one_wrong_cell_is_found_at_its_column_and_row(data: st.DataObject) -> None:
    table = data.draw(tables(min_rows=3))
    name = data.draw(st.sampled_from([name for name in table if name in WRONG]))
    if name == "x_number":
        # One number among texts would make the column a factor: see the rule for further columns.
        table[name] = [cell if cell not in MISSING else "0.5" for cell in table[name]]
    row = data.draw(st.integers(0, len(table[name]) - 1))
    table[name][row] = data.draw(st.sampled_from(WRONG[name]))
    try:
        problems = read(write(table), levels=declared(table)).aside[name]
    except DataError as error:
        problems = error.problems
    assert [(problem.column, problem.row, problem.value) for problem in problems] == [(name, row + 2, table[name][row])]


@QUICK
@given(tables(min_rows=2), st.data())
def test_a_repeated_identifier_is_found_at_its_second_row(table: Table, data: st.DataObject) -> None:
    first, second = sorted(
        data.draw(st.lists(st.integers(0, len(table["participant_id"]) - 1), min_size=2, max_size=2, unique=True))
    )
    table["participant_id"][second] = table["participant_id"][first]
    with pytest.raises(DataError) as caught:
        read(write(table), levels=declared(table))
    assert [(problem.row, problem.what) for problem in caught.value.problems] == [
        (second + 2, f"is already in row {first + 2}")
    ]


@QUICK
@given(st.data())
def test_several_wrong_cells_are_all_found(data: st.DataObject) -> None:
    table = data.draw(tables(min_rows=4))
    may_break = [name for name in table if name in WRONG and name != "x_number"]
    rows = data.draw(st.dictionaries(st.sampled_from(may_break), st.integers(0, 3), min_size=1))
    for name, row in rows.items():
        table[name][row] = data.draw(st.sampled_from(WRONG[name]))
    with pytest.raises(DataError) as caught:
        read(write(table), levels=declared(table))
    found = [(problem.column, problem.row) for problem in caught.value.problems]
    # In the table's own column order.
    assert found == [(name, rows[name] + 2) for name in table if name in rows]


@QUICK
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_read_exactly(value: float) -> None:
    assert read_number(repr(value), decimal=".", missing=MISSING) == value
    assert read_number(repr(value).replace(".", ","), decimal=",", missing=MISSING) == value
    assert read_number(f" {value:+.17g} ", decimal=".", missing=MISSING) == value


@QUICK
@given(st.data())
def test_flow_counts_add_up(data: st.DataObject) -> None:
    names = ["who5_baseline", "who5_followup", "alliance", "age", "days_in_care", "phq9"]
    n = data.draw(st.integers(0, 12))
    cell = st.sampled_from([np.nan, 4.0])
    frame = pd.DataFrame({name: data.draw(st.lists(cell, min_size=n, max_size=n)) for name in names}, dtype=float)
    steps = [
        FlowStep(f"reason {k}", count) for k, count in enumerate(data.draw(st.lists(st.integers(0, 5), max_size=3)))
    ]
    cohort = Cohort(frame, "x", tuple(steps))
    columns = data.draw(st.lists(st.sampled_from(names), unique=True))
    rows, flow = cohort.complete(columns)
    assert flow.participants == n + sum(step.n for step in steps)
    assert flow.analysed == len(rows) == len(frame.dropna(subset=columns))
    assert flow.participants == sum(step.n for step in flow.steps) + flow.analysed
    assert all(step.n > 0 for step in flow.steps)
    assert flow.to_frame()["remaining"].is_monotonic_decreasing
    assert rows[columns].notna().all(axis=None)
    # Whoever is left out is left out whatever the order; only the reasons change.
    assert cohort.complete(columns[::-1])[1].analysed == flow.analysed
