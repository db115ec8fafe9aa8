from __future__ import annotations

import gzip
import os

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.cohort import Flow
from alliance_bayes.errors import DataError, UsageError
from alliance_bayes.model import ModelSpec, Scale
from alliance_bayes.moments import reduce_table
from builders import rows

ibis = pytest.importorskip("ibis")

SPEC = ModelSpec("who5_followup ~ alliance + age + (1 | country)")


def refusal(frame, folder, spec=SPEC, *, ending=".csv", **options):
    path = folder / f"t{ending}"
    frame.to_csv(path, index=False) if ending == ".csv" else frame.to_parquet(path)
    with pytest.raises(DataError) as error:
        reduce_table(path, spec, **options)
    head, *problems = str(error.value).splitlines()
    n = len(error.value.problems)
    assert head == f"t{ending}: {n} problem{'' if n == 1 else 's'} found; nothing was analysed."
    return [problem.removeprefix("  - ") for problem in problems]


def placed(frame, column, **values):
    """The frame as objects, with values placed at rows r0, r1, ..."""
    out = frame.assign(**{column: frame[column].astype(object)})
    for row, value in values.items():
        out.loc[int(row[1:]), column] = value
    return out


def test_columns_that_are_not_there_are_named_with_what_is_like_them(tmp_path):
    frame = rows(20)[["who5_followup", "alliance", "country"]].assign(Age=30.0)
    assert refusal(frame, tmp_path, columns={"alliance": "aliance"}) == [
        "column 'aliance': is not in the table (mapped to 'alliance'). Columns: who5_followup, alliance, country, Age.",
        "column 'Age': looks like 'age' but is spelled otherwise. Rename it, or pass columns={'age': 'Age'}.",
    ]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_text_among_numbers_is_counted_value_by_value(tmp_path, ending):
    frame = rows(60).assign(alliance=lambda f: f["alliance"].astype(str))
    frame = placed(placed(frame, "alliance", r3="high", r7="low", r8="high", r9="NA", r11=""), "who5_followup", r1=None)
    found = refusal(frame, tmp_path, ending=ending)
    # Rows of one Parquet file have numbers: the first of each value, as a spreadsheet has it.
    rows_of = {"high": ", row 5", "low": ", row 9"} if ending == ".parquet" else {"high": "", "low": ""}
    assert found == [
        f"column 'alliance'{rows_of[value]}: {value!r} is not a number ({n}). Correct it; a missing value is an empty "
        f"cell, NA or NaN, or is named in missing=['NA', 'NaN', {value!r}]."
        for value, n in (("high", "2 rows"), ("low", "1 row"))
    ]


def test_infinite_values_and_values_beyond_their_scale_are_counted(tmp_path):
    frame = rows(60)
    frame.loc[3, "who5_followup"] = 104.0
    frame.loc[4, "who5_followup"] = -4.0
    frame.loc[[5, 6], "age"] = [np.inf, -np.inf]
    frame.loc[[7, 8, 9], "alliance"] = 9.0
    assert refusal(frame, tmp_path, ending=".parquet") == [
        "column 'who5_followup', row 5: 104.0 is outside 0 to 100 (WHO-5 score) (1 row). Correct it, or leave the cell "
        "empty if it is unknown.",
        "column 'who5_followup', row 6: -4.0 is outside 0 to 100 (WHO-5 score) (1 row). Correct it, or leave the cell "
        "empty if it is unknown.",
        "column 'alliance', row 9: 9.0 is outside 1 to 5 (mean alliance rating) (3 rows). Correct it, or leave the "
        "cell "
        "empty if it is unknown.",
        "column 'age', row 7: inf is infinite (1 row). Correct it; a missing value is an empty cell, NA or NaN.",
        "column 'age', row 8: -inf is infinite (1 row). Correct it; a missing value is an empty cell, NA or NaN.",
    ]


def test_ends_of_a_declared_scale_are_kept(tmp_path):
    frame = rows(60).assign(y=np.r_[np.arange(52.0), np.full(8, 51.0)])
    for scale, what in (
        (Scale(30, 10, lower=0, upper=50), ["'51.0' is outside 0 to 50 (9 rows)"]),
        (Scale(30, 10, lower=2), ["'0.0' is below 2 (1 row)", "'1.0' is below 2 (1 row)"]),
        (Scale(30, 10, upper=50), ["'51.0' is above 50 (9 rows)"]),
    ):
        spec = ModelSpec("y ~ age", scales={"y": scale})
        assert refusal(frame, tmp_path, spec) == [f"column 'y': {one}. Correct it or the scale." for one in what]


def test_levels_that_cannot_be_are_counted(tmp_path):
    frame = placed(rows(60), "country", r1="C0 ", r2="c1", r3="c1")
    frame["country"] = frame["country"].astype(str)
    n = int((frame["country"] == "C1").sum())
    assert refusal(frame, tmp_path) == [
        "column 'country': 'C0 ' has spaces around it (1 row). Write 'C0'.",
        f"column 'country': 'c1' differs from 'C1' (n = {n}) in case or spacing alone (2 rows). Write 'C1', or declare "
        "both: levels={'country': ['C0', 'C1', 'C2', 'C3', 'C4', 'c1']}.",
    ]


def test_levels_that_were_not_declared_are_counted(tmp_path):
    frame = rows(60)
    spec = ModelSpec("who5_followup ~ alliance + (1 | country)", levels={"country": ("C0", "C1", "C2", "C3")})
    n = int((frame["country"] == "C4").sum())
    assert refusal(frame, tmp_path, spec) == [
        f"column 'country': 'C4' is not a declared level ('C0', 'C1', 'C2', 'C3') ({n} rows). Correct it, or declare "
        "it "
        "with levels={'country': ['C0', 'C1', 'C2', 'C3', 'C4']}."
    ]


def test_columns_without_any_value_are_named(tmp_path):
    frame = rows(60).assign(age=np.nan, country=None)
    assert refusal(frame.assign(age=36.0), tmp_path) == [
        "column 'country': has no value in any row. Fill it in, or remove the column."
    ]
    assert refusal(rows(60).assign(age=np.nan), tmp_path) == [
        "column 'age': has no value in any row. Fill it in, or remove the column."
    ]


def test_numbers_that_are_no_levels_and_types_that_are_neither_are_named(tmp_path):
    frame = rows(60).assign(country=np.resize([1.0, 2.0**53], 60))
    assert refusal(frame, tmp_path, ending=".parquet") == [
        "column 'country', row 3: 9007199254740992.0 is too large a float to tell a code from its neighbours (30 "
        "rows). Give "
        "the codes as text or whole numbers."
    ]
    frame = rows(60).assign(age=True, country=pd.Timestamp("2024-01-01 12:00", tz="UTC"))
    assert refusal(frame.assign(alliance=[[1]] * 60), tmp_path, ending=".parquet") == [
        "column 'alliance': is of type array<int64>, which is no single number, text, truth value or date. Give it one "
        "value a row, or leave it out.",
        "column 'age', row 2: True is a truth value, not a number (60 rows). Write the number that is meant.",
        "column 'country': is of type timestamp('UTC', 6), which is no single number, text, truth value or date. Give "
        "it one value a row, or leave it out.",
    ]


def test_a_column_of_no_known_kind_is_numeric_when_all_of_it_is(tmp_path):
    frame = rows(60).assign(stress=lambda f: f["age"].astype(str), code="007", ward=np.resize(["a", "b"], 60))
    frame["code"] = np.resize(["007", "12"], 60)
    frame.to_csv(tmp_path / "t.csv", index=False)
    spec = ModelSpec("who5_followup ~ stress + code + ward", autoscale=True)
    assert reduce_table(tmp_path / "t.csv", spec).columns == ("who5_followup", "stress", "code[12]", "ward[b]")


def test_a_column_of_no_known_kind_that_mixes_numbers_and_text_is_refused(tmp_path):
    spec = ModelSpec("who5_followup ~ stress", autoscale=True)
    frame = rows(60).assign(stress=lambda f: f["age"].astype(str))
    assert refusal(placed(frame, "stress", r2="much"), tmp_path, spec) == [
        "column 'stress': 'much' is not a number, but the column holds numbers (1 row). Correct it; a missing value is "
        "an empty cell, NA or NaN, or is named in missing=['NA', 'NaN', 'much']. If the column is a factor, declare "
        "its "
        "levels: levels={'stress': ['...']}."
    ]
    assert refusal(placed(frame.assign(stress="much"), "stress", r2="3"), tmp_path, spec) == [
        "column 'stress': mixes numbers (in 1 of its cells) with text (in 59). Remove the column or correct it. If the "
        "column is a factor, declare its levels: levels={'stress': ['...']}."
    ]


def test_damaged_files_are_refused_without_their_folder(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(DataError) as error:
        reduce_table(tmp_path / "t.parquet", SPEC)
    text = str(error.value)
    assert text.startswith("t.parquet: 1 problem found; nothing was analysed.\n  - table: cannot be queried (")
    assert text.endswith("). Check the files or the table.")
    assert str(tmp_path) not in text
    (tmp_path / "t.csv").write_text("who5_followup,alliance,age,country\n40,4,30,DE\n40,4,30,DE,extra,cells\n")
    with pytest.raises(DataError) as error:
        reduce_table(tmp_path / "t.csv", SPEC)
    assert str(error.value) == (
        "t.csv: 1 problem found; nothing was analysed.\n  - table: cannot be queried (Invalid Input Error: CSV Error "
        "on Line: 3: Expected Number of Columns: 4 Found: 5). Check the files or the table."
    )


def test_text_files_must_be_utf8_and_have_the_same_columns(tmp_path):
    (tmp_path / "a.csv").write_text("who5_followup,alliance,age,country\n40,4,30,DE\n")
    (tmp_path / "b.csv").write_text("alliance,who5_followup,age,country\n4,40,30,DE\n")
    with pytest.raises(DataError) as error:
        reduce_table(str(tmp_path / "*.csv"), SPEC)
    assert str(error.value) == (
        "*.csv: 1 problem found; nothing was analysed.\n  - table: has files with other columns: 'b.csv' has alliance, "
        "who5_followup, age, country. Write the same columns in the same order into every file."
    )
    (tmp_path / "b.csv").write_bytes("who5_followup,alliance,âge\n".encode("latin-1"))
    with pytest.raises(DataError) as error:
        reduce_table(tmp_path / "b.csv", SPEC)
    assert str(error.value) == (
        "b.csv: 1 problem found; nothing was analysed.\n  - table: has a file 'b.csv' that is no UTF-8 table ('utf-8' "
        "codec can't decode byte 0xe2 in position 23: invalid continuation byte). Save it as UTF-8, or have its rows "
        "read (read_cohort())."
    )


def test_wholly_empty_rows_of_text_files_are_passed_over(tmp_path):
    frame = rows(50)
    text = frame.to_csv(index=False)
    (tmp_path / "t.csv").write_text(text + "," * (frame.shape[1] - 1) + "\n\n")
    assert reduce_table(tmp_path / "t.csv", SPEC).flow == Flow(50)


def test_columns_that_nobody_can_name_or_needs_are_in_nobodys_way(tmp_path):
    frame = rows(60, seed=2)[["who5_followup", "alliance", "age", "country"]]
    frame.insert(0, "number", range(60))
    text = (
        frame.assign(x="a", y=1.5, Alliance="b")
        .to_csv(index=False)
        .replace("number,", ",", 1)
        .replace(",x,y,", ",x,x,")
    )
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    expected = reduce_table(_written(frame, tmp_path / "whole.csv"), SPEC)
    for name in ("t.csv", "t.csv.gz"):
        found = reduce_table(tmp_path / name, SPEC)
        np.testing.assert_allclose(found.total_mean, expected.total_mean, rtol=1e-12)
        assert found.n == expected.n
    with pytest.raises(DataError) as error:
        reduce_table(tmp_path / "t.csv", ModelSpec("who5_followup ~ alliance + x"))
    assert [problem.column for problem in error.value.problems] == ["x"]


def _written(frame, path):
    frame.to_csv(path, index=False)
    return path


def test_what_is_no_table_is_told_before_it_is_queried(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04[Content_Types].xml")
    (tmp_path / "b.csv").write_text("who5_followup;alliance;age;country\n40;4;30;C\n", encoding="utf-8")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"who5_followup,alliance\n")[:12])
    for name in ("a.csv", "b.csv", "c.csv.gz"):
        with pytest.raises(DataError) as error:
            reduce_table(tmp_path / name, SPEC)
        assert [problem.column for problem in error.value.problems] == [None], name
    os.mkfifo(tmp_path / "p.csv")
    with pytest.raises(UsageError):
        reduce_table(tmp_path / "p.csv", SPEC)
