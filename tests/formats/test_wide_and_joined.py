"""Wide repeated measures made long, and what is known of providers joined by their key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import alliance_bayes as ab
from workbooks import write_workbook

WIDE = pd.DataFrame(
    {
        "pid": ["a", "b", "c"],
        "therapist_id": [1.0, 2.0, 1.0],
        "who5_t1": [40.0, 48.0, np.nan],
        "who5_t2": [44.0, np.nan, np.nan],
        "who5_t10": [52.0, 60.0, np.nan],
        "phq9_t1": [10.0, 9.0, np.nan],
        "phq9_t2": [np.nan, 8.0, np.nan],
        "who5_total": [1.0, 2.0, 3.0],
    }
)
LONG = pd.DataFrame(
    {
        "pid": ["a", "a", "a", "b", "b", "b", "c"],
        "therapist_id": [1.0, 1, 1, 2, 2, 2, 1],
        "who5_total": [1.0, 1, 1, 2, 2, 2, 3],
        "time": [1.0, 2, 10, 1, 2, 10, 1],
        "who5": [40.0, 44, 52, 48, np.nan, 60, np.nan],
        "phq9": [10.0, np.nan, np.nan, 9, 8, np.nan, np.nan],
    }
)
PATTERNS = {"who5": "who5_t{time}", "phq9": "phq9_t{time}"}


def problems(*args: object, **options: object) -> list[str]:
    with pytest.raises(ab.DataError) as caught:
        ab.read_cohort(*args, **options)
    return [str(problem) for problem in caught.value.problems]


def test_wide_is_what_long_would_be(tmp_path: Path) -> None:
    path = tmp_path / "a.sav"
    pyreadstat.write_sav(WIDE, path)
    cohort = ab.read_cohort(path, wide=PATTERNS, person="pid", unit="survey")
    expected = ab.read_cohort(LONG, person="pid", time="time", unit="survey")
    pd.testing.assert_frame_equal(cohort.data[list(expected.data)], expected.data)
    assert cohort.hash == expected.hash
    assert (cohort.person, cohort.time, cohort.unit) == ("pid", "time", "survey")
    told = [note.what for note in cohort.notes]
    assert told[0] == "fits 'who5_t{time}', but 'otal' is no number as its other times are"
    assert told[1] == "has 9 rows now, 3 a row, and 2 without a value of who5 and phq9 are left out"
    assert cohort.complete(["who5"])[1].steps[0].lost == 1
    other = ab.read_cohort(path, wide=PATTERNS, person="pid", time="week")
    assert other.time == "week"


def test_times_that_are_names_are_levels_in_the_order_of_the_columns() -> None:
    frame = pd.DataFrame({"pid": ["a", "b"], "who5_pre": [40, 48], "who5_post": [44, 52], "x_post": [1, 2]})
    cohort = ab.read_cohort(frame, wide={"who5": "who5_{time}", "x": "x_{time}"}, person="pid")
    assert list(cohort.data["time"].cat.categories) == ["pre", "post"]
    assert cohort.time is None
    assert cohort.data["x"].isna().tolist() == [True, False, True, False]


def test_items_are_measures_of_their_own() -> None:
    frame = pd.DataFrame({"pid": ["a"], "w_1_t1": [3], "w_2_t1": [4], "w_1_t2": [5], "w_2_t2": [1]})
    data = ab.read_cohort(frame, wide={"who5_{item}": "w_{item}_t{time}"}, person="pid").data
    assert data[["time", "who5_1", "who5_2"]].to_numpy().tolist() == [[1, 3, 4], [2, 5, 1]]


def test_reasons_and_codes_go_along(tmp_path: Path) -> None:
    frame = pd.DataFrame({"pid": ["a", "b"], "s_t1": [1.0, -99.0], "s_t2": [2.0, 1.0]})
    pyreadstat.write_sav(
        frame,
        tmp_path / "a.sav",
        variable_value_labels={name: {1: "low", 2: "high", -99: "refused"} for name in ("s_t1", "s_t2")},
        missing_ranges={"s_t1": [-99], "s_t2": [-99]},
    )
    cohort = ab.read_cohort(tmp_path / "a.sav", wide={"s": "s_t{time}"}, person="pid")
    assert cohort.data["s"].tolist() == ["low", "high", np.nan, "low"]
    assert [(one.reason, one.n) for one in cohort.complete(["s"])[1].steps] == [("no value of s: refused (-99)", 1)]


def test_cells_of_wide_columns_are_named_by_row_and_time() -> None:
    frame = pd.DataFrame({"pid": ["a", "b"], "n_t1": ["1", "x"], "n_t2": ["2", "3"]})
    found = problems(frame, wide={"n_sessions": "n_t{time}"}, person="pid")
    assert found[0].startswith("column 'n_sessions', row 1, time 1: 'x' is not a number.")


@pytest.mark.parametrize(
    ("wide", "said"),
    [
        ({"who5": "w_{time}"}, "table: has no column that 'w_{time}' fits. Correct wide. Columns: pid, therapist_id"),
        ({"pid": "who5_t{time}"}, "column 'pid': is a column of the table, and the name of a measure."),
        ({"a": "who5_t{time}", "b": "who5_{time}"}, "column 'who5_t1': fits the patterns of 'a' and of 'b'"),
    ],
)
def test_patterns_that_do_not_fit(wide: dict[str, str], said: str) -> None:
    assert problems(WIDE, wide=wide, person="pid")[0].startswith(said)


def test_a_time_column_that_is_there() -> None:
    found = problems(WIDE.assign(time=1), wide=PATTERNS, person="pid")
    assert found == [
        "column 'time': is a column of the table, and the times would be called so. Name them: time='week'."
    ]
    twice = pd.DataFrame({"pid": ["a"], "w_t1": [1], "w_t01": [2]})
    assert "and so is 'w_t1'" in problems(twice, wide={"w": "w_t{time}"}, person="pid")[0]


@pytest.mark.parametrize(
    "wide", [{}, {"who5": "who5"}, {"who5": "{time}{time}"}, {"w": "w_{item}_{time}"}, ["a"], {"w": "{x}_{time}"}]
)
def test_impossible_patterns(wide: object) -> None:
    with pytest.raises(ab.UsageError, match="wide"):
        ab.read_cohort(WIDE, wide=wide, person="pid")
    with pytest.raises(ab.UsageError, match="makes several rows a person"):
        ab.read_cohort(WIDE, wide=PATTERNS)


def test_times_are_as_exact_as_they_are_written() -> None:
    frame = pd.DataFrame(
        {"pid": ["a"], "w_20240115": [1], "w_20240315": [2], "x_0.1234567891": [3], "x_20240115.0": [4]}
    )
    wide = {"w": "w_{time}", "x": "x_{time}"}
    data = ab.read_cohort(frame, wide=wide, person="pid").data
    assert data["time"].tolist() == [0.1234567891, 20240115.0, 20240315.0]
    assert data[["w", "x"]].fillna(0).to_numpy().tolist() == [[0, 3], [1, 4], [2, 0]]
    found = problems(frame.assign(**{"x_20240115.0": "?"}), wide=wide, person="pid", numeric=["x"])
    assert found[0].startswith("column 'x', row 0, time 20240115: '?' is not a number.")
    for large in ("1e400", str(2**53)):
        (one,) = problems(frame.assign(**{f"w_{large}": 1}), wide=wide, person="pid")
        assert one.startswith(f"column 'w_{large}': fits 'w_{{time}}', but '{large}' is too large a number for a time.")


def test_items_beside_times_that_are_names_stay_columns() -> None:
    frame = pd.DataFrame({"pid": ["a"], "w_pre": [40], "w_post": [44]})
    frame = frame.assign(**{f"w_{time}_{item}": 1 for time in ("pre", "post") for item in range(1, 6)})
    cohort = ab.read_cohort(frame, wide={"w": "w_{time}"}, person="pid")
    assert cohort.data["time"].tolist() == ["pre", "post"]
    assert "w_pre_1" in cohort.data
    assert cohort.notes[0].what == (
        "fits 'w_{time}', but 'pre_1' is an item at 'pre', as it seems "
        "(likewise 9 more columns: 'w_pre_2', 'w_pre_3', 'w_pre_4', ...)"
    )
    # Items that another pattern takes are no columns that stay.
    both = ab.read_cohort(frame, wide={"w": "w_{time}", "w_{item}": "w_{time}_{item}"}, person="pid")
    assert both.data[["w", "w_1", "w_5"]].to_numpy().tolist() == [[40, 1, 1], [44, 1, 1]]
    assert not any("item" in note.what for note in both.notes)


def test_thousands_of_columns_are_one_problem() -> None:
    frame = pd.DataFrame([[1] * 3001], columns=["pid", *(f"w_t{time}" for time in range(3000))])
    (found,) = problems(frame, wide={"a": "w_t{time}", "b": "w_{time}"}, person="pid")
    assert found == (
        "column 'w_t0': fits the patterns of 'a' and of 'b' (likewise 2,999 more columns: 'w_t1', 'w_t2', 'w_t3', "
        "...). Write patterns of which one fits."
    )
    (found,) = problems(frame[["pid", "w_t1"]].assign(w=1), wide={"w": "w_t{time}"}, person="pid")
    assert found == (
        "column 'w': is a column of the table, and the name of a measure. Rename the column, or call the measure "
        "something else before its pattern: wide={'long_w': 'w_t{time}'}."
    )


def test_labels_that_are_numbers_marks_or_alike(tmp_path: Path) -> None:
    codes = [1.0, 2.0, 3.0, 4.0, np.nan]
    labels = {
        "tens": {1: "10", 2: "20", 3: "40", 4: "50"},
        "own": {1: "1", 2: "2", 3: "3", 4: "4"},
        "country": {1: "NA", 2: "DE", 3: "NaN", 4: "refused"},
        "alike": {1: "same", 2: "same", 3: "same (1)", 4: "other"},
    }
    path = tmp_path / "a.sav"
    pyreadstat.write_sav(pd.DataFrame(dict.fromkeys(labels, codes)), path, variable_value_labels=labels)
    cohort = ab.read_cohort(path)
    pd.testing.assert_series_equal(cohort.data["tens"], pd.Series(codes, name="tens"))
    assert [str(note) for note in cohort.notes] == [
        "column 'tens': is read as its codes: its value labels are numbers, too (1 = '10'). To have the labels as "
        "levels, pass categorical=['tens']; to have them as numbers, recode the column in the program that wrote the "
        "file."
    ]
    # Namibia; only a mark that the caller adds may be a label.
    assert cohort.data["country"].tolist() == ["NA", "DE", "NaN", "refused", np.nan]
    assert cohort.data["alike"].tolist() == ["same (1) (1)", "same (2)", "same (1)", "other", np.nan]
    marked = ab.read_cohort(path, missing=["", "NA", "NaN", "refused"], categorical=["tens"])
    assert marked.data["country"].tolist() == ["NA", "DE", "NaN", np.nan, np.nan]
    assert marked.data["tens"].tolist() == ["10", "20", "40", "50", np.nan]


def therapists(folder: Path, rows: list[list[object]] | None = None) -> Path:
    rows = rows or [[2, "CBT", 12], [1, "psychodynamic", 3], [3, "CBT", 8]]
    cells = [["therapist_id", "orientation", "years"], *rows]
    return write_workbook(folder / "therapists.xlsx", {"Staff": cells, "Rooms": [["room"], [1]]})


def test_a_second_table_is_joined_by_its_key(tmp_path: Path) -> None:
    path = therapists(tmp_path)
    cohort = ab.read_cohort(
        WIDE, join={"therapist_id": (path, "Staff")}, levels={"orientation": ["psychodynamic", "CBT"]}
    )
    assert cohort.data["therapist_id"].tolist() == ["1", "2", "1"]
    assert cohort.data["orientation"].tolist() == ["psychodynamic", "CBT", "psychodynamic"]
    assert list(cohort.data["orientation"].cat.categories) == ["psychodynamic", "CBT"]
    assert cohort.data["years"].tolist() == [3.0, 12.0, 3.0]
    with pytest.raises(ab.UsageError, match=r"therapists.xlsx has several sheets: 'Staff', 'Rooms'. Say which"):
        ab.read_cohort(WIDE, join={"therapist_id": path})


def test_what_is_wrong_between_two_tables(tmp_path: Path) -> None:
    path = therapists(tmp_path, [[1, "CBT", 3], [1, "CBT", "x"], [7, "CBT", 1]])
    found = problems(WIDE.assign(years=1), join={"therapist_id": (path, "Staff")}, numeric=["years"])
    assert found == [
        "column 'therapists.therapist_id', row 3: 1 is already in row 2. Keep one row for each therapist_id.",
        "column 'years': is a column of both tables that 'therapist_id' joins. Rename or remove one of them.",
        "column 'therapist_id', row 1: 2.0 has no row in therapists.xlsx, sheet 'Staff'. Add it to therapists.xlsx, "
        "sheet 'Staff', or leave the cell empty.",
    ]
    lacking = problems(WIDE.drop(columns="therapist_id"), join={"therapist_id": (path, "Staff")})
    columns = "pid, who5_t1, who5_t2, who5_t10, phq9_t1, phq9_t2, who5_total"
    assert lacking == [
        "column 'therapists.therapist_id', row 3: 1 is already in row 2. Keep one row for each therapist_id.",
        f"column 'therapist_id': is not in the table, and joins it to therapists. Columns: {columns}.",
    ]


def test_a_key_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    first, second = tmp_path / "clinic.csv", tmp_path / "sites.csv"
    for has_first, has_second, told in (
        (False, True, "column 'site': is not in the table, and joins it to sites. Columns: place, age."),
        (True, False, "column 'sites.site': is not in the table. Columns: place, beds."),
        (
            False,
            False,
            "column 'site': is neither in the table nor in sites, which it should join. Columns: place, age. Columns "
            "of sites: place, beds.",
        ),
    ):
        first.write_text(f"{'site' if has_first else 'place'},age\n1,30\n2,40\n", encoding="utf-8")
        second.write_text(f"{'site' if has_second else 'place'},beds\n1,3\n2,4\n", encoding="utf-8")
        with pytest.raises(ab.DataError) as caught:
            ab.read_cohort(first, join={"site": second})
        assert [str(problem) for problem in caught.value.problems] == [told]


def test_a_key_of_persons_is_never_shown() -> None:
    scores = pd.DataFrame({"participant_id": ["secret", "b"], "age": [30, 40]})
    known = pd.DataFrame({"participant_id": ["b"], "ward": ["x"]})
    (found,) = problems(scores, join={"participant_id": known})
    assert "secret" not in found
    assert found.startswith("column 'participant_id', row 0: has no row in DataFrame.")
    cohort = ab.read_cohort(scores[1:], join={"participant_id": known})
    assert cohort.data["ward"].tolist() == ["x"]


def test_messages_about_keys_are_of_the_key_at_hand() -> None:
    second = pd.DataFrame(
        {"key": ["Ann Smith", "Ann Smith", "ann smith", "7", "7.0", "", "b"], "ward": [*"xyxyxy", None], "n": 1}
    )
    for person in ("pid", "participant_id"):
        main = pd.DataFrame({person: ["b"], "age": [40]})
        found = problems(main, join={person: second.rename(columns={"key": person})}, person=person)
        assert [one.split(": ", 1)[1] for one in found] == [
            f"is already in row 0. Keep one row for each {person}.",
            "has no key. Fill in the key, or remove the row.",
            f"is the same number as the key in row 3, written otherwise. Keep one row for each {person}.",
        ]
        known = second.iloc[[0, 2, 6]].rename(columns={"key": person})
        (note,) = ab.read_cohort(main, join={person: known}, person=person).notes
        assert "row 2: is almost the key in row 0, and taken for another key." in str(note)
        headed = known.assign(ward=["x", None, "y"], n=[1, None, 1]).replace("ann smith", "Joe Bloggs")
        headed = headed.replace("Ann Smith", "c")
        if person == "participant_id":
            (heading,) = problems(main, join={person: headed}, person=person)
            assert "is a heading between rows, and no participant" in heading
    staff = second.iloc[[0, 2, 5, 6]].rename(columns={"key": "therapist"})
    work = pd.DataFrame({"therapist": ["b"]})
    assert "row 5: has no key." in problems(work, join={"therapist": staff})[0]
    (note,) = ab.read_cohort(work, join={"therapist": staff.drop(index=5)}).notes
    assert "'ann smith' is almost 'Ann Smith' in row 0, and taken for another key." in str(note)


@pytest.mark.parametrize("join", ["a", {"k": 3}, {3: "a.csv"}, {"k": ("a.xlsx", 3)}])
def test_impossible_joins(join: object) -> None:
    with pytest.raises(ab.UsageError, match="join"):
        ab.read_cohort(WIDE, join=join)
