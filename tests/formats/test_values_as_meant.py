"""Values that a program keeps in a way of its own are what it shows of them; what cannot be is told by name."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import alliance_bayes as ab
from workbooks import write_workbook

FILES = Path(__file__).parent / "files"


def test_columns_of_r_are_what_r_shows() -> None:
    cohort = ab.read_cohort(FILES / "odd.rds")
    data = cohort.data
    np.testing.assert_array_equal(data["n"], [42, -7, np.nan])
    assert data["mood"].tolist() == ["high", np.nan, np.nan]
    assert data["state"].tolist() == ["married", np.nan, "married"]
    assert cohort.missing_by_reason == {"mood": {"refused (-99)": 1, "code -98": 1}, "state": {"unknown (x)": 1}}
    # Its levels are "z", NA and "y" in the file.
    assert data["site"].tolist() == ["z", np.nan, "y"]
    assert data["last"].tolist() == ["z", np.nan, "y"]
    assert list(data["site"].cat.categories) == ["z", "y"]
    assert data["one"].tolist() == [1.5, 2.0, 3.0]
    told = {name: str(problems[0]) for name, problems in cohort.aside.items()}
    assert set(told) == {"big", "at", "m", "inner"}
    assert "with numbers beyond 2^53, which are not exact as numbers. Convert it with as.character()" in told["big"]
    assert told["at"].endswith(
        "is of type POSIXlt, which keeps the parts of times apart. Convert it with as.POSIXct()."
    )
    assert "is a matrix of several columns. Give each of its columns a name in the table itself" in told["m"]
    assert "is a data.frame in a column of another" in told["inner"]


def test_a_formula_that_was_never_calculated_is_no_empty_cell(tmp_path: Path) -> None:
    rows = [["participant_id", "age", "site"], ["a", 30, "x"], ["b", 31, "y"]]
    extra = (
        '<row r="4"><c r="A4"><f>"c"&amp;1</f></c><c r="B4"><f>20+1</f><v /></c>'
        '<c r="C4"><f>1&gt;2</f><v></v></c></row>'
        '<row r="5"><c r="A5" t="str"><f>1</f><v>d</v></c><c r="B5"><f>4*8</f><v>32</v></c>'
        '<c r="C5" t="str"><f>IF(1,"")</f><v></v></c></row>'
    )
    path = write_workbook(tmp_path / "a.xlsx", {"S": rows}, extra=extra)
    with pytest.raises(ab.DataError) as caught:
        ab.read_cohort(path, levels={"site": ["x", "y"]})
    lines = str(caught.value).splitlines()[1:]
    what = "is a formula whose value is not in the file. Open the workbook in its own program, which calculates it"
    assert len(lines) == 3
    assert all(what in line for line in lines)
    assert [line.partition("' is")[0] for line in lines] == [
        "  - column 'participant_id', row 4: '=\"c\"&1 (never calculated)",
        "  - column 'age', row 4: '=20+1 (never calculated)",
        "  - column 'site', row 4: '=1>2 (never calculated)",
    ]
    ods = tmp_path / "a.ods"
    with zipfile.ZipFile(FILES / "cohort.ods") as given, zipfile.ZipFile(ods, "w") as made:
        for member in given.infolist():
            data = given.read(member)
            if member.filename == "content.xml":
                before = data
                number = rb'office:value-type="float" office:value="34" calcext:value-type="float"'
                data = re.sub(number, b'table:formula="of:=30+4"', data)
                assert data != before
            made.writestr(member, data)
    with pytest.raises(
        ab.DataError, match=r"'=30\+4 \(never calculated\)' is a formula whose value is not in the file"
    ):
        ab.read_cohort(ods)


def test_days_that_are_none_are_no_other_days(tmp_path: Path) -> None:
    first = dt.date(1899, 12, 30)
    days = [first + dt.timedelta(days=k) for k in (59, 60, 61, 0, -5)]
    path = write_workbook(tmp_path / "a.xlsx", {"S": [["age", "day"], *([60, day] for day in days)]})
    cohort = ab.read_cohort(path)
    shown = ["1900-02-28", "1900-02-29", "1900-03-01", "1900-01-00", "########"]
    assert cohort.data["day"].tolist() == shown
    assert cohort.data["age"].tolist() == [60.0] * 5
    (note,) = cohort.notes
    assert note.column == "day"
    assert note.what == "has 3 dates that the calendar does not have (row 3: 1900-02-29)"
    times = [["age", "at"], [30, dt.timedelta(0)], [31, dt.timedelta(hours=5)]]
    midnight = ab.read_cohort(write_workbook(tmp_path / "b.xlsx", {"S": times}))
    assert midnight.data["at"].tolist() == ["00:00:00", "05:00:00"]
    assert not midnight.notes


def test_short_floats_of_stata_are_the_decimals_that_it_shows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"alliance": [4.1, 3.3, np.nan, 1.7], "dose": [0.1, 1e-7, 123456.7, 0.1]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.astype(np.float32).to_stata(tmp_path / "a.dta", write_index=False)
    for options in ({}, {"categorical": ["dose"], "levels": {"dose": ["0.1", "1e-07", "123456.7"]}}):
        found, expected = (ab.read_cohort(tmp_path / name, **options) for name in ("a.dta", "a.csv"))
        pd.testing.assert_frame_equal(found.data, expected.data, check_exact=True)
        assert found.hash == expected.hash


def test_identifiers_that_are_too_long_for_numbers_are_told_once(tmp_path: Path) -> None:
    frame = pd.DataFrame({"participant_id": [12345678901234567.0, 2.0, 2.0], "age": [30.0, 31, 32]})
    pyreadstat.write_sav(frame, tmp_path / "a.sav")
    with pytest.raises(ab.DataError) as caught:
        ab.read_cohort(tmp_path / "a.sav")
    assert str(caught.value) == (
        "a.sav: 1 problem found; nothing was analysed.\n  - column 'participant_id': holds identifiers of which one "
        "is a number too long to be exact: of more than 15 digits the last ones may be lost. Keep identifiers as text "
        "in the program that saves them (a string variable, a column of text)."
    )


def test_moments_of_the_largest_numbers() -> None:
    values = [1e308, -1e308, 1e308, 3.0]
    frame = pd.DataFrame({"age": [30.0, 40, 50, 60], "x": values, "y": [1.7e308, -1.7e308, 1.7e308, -1.7e308]})
    told = ab.read_cohort(frame).summary().set_index("variable")
    expected = np.std(np.array(values) / 1e308, ddof=1)
    assert told.loc["x", "sd"] / 1e308 == pytest.approx(expected, rel=1e-12)
    assert told.loc["x", ["mean", "median"]].tolist() == pytest.approx([2.5e307, 5e307], rel=1e-12)
    # Beyond the largest number.
    assert np.isnan(told.loc["y", "sd"])
    assert told.loc["age", "sd"] == frame["age"].std()
