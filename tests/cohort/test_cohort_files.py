"""Files of every kind: encodings, separators, line ends, Parquet, and paths that lead nowhere."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alliance_bayes.cohort import read_cohort
from alliance_bayes.cohort.contents import TABLE_BYTES
from alliance_bayes.cohort.files import ENDINGS, read_raw
from alliance_bayes.errors import DataError, UsageError

TEXT = "participant_id,sex\n1,weiblich\n2,männlich\n"


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode("utf-8"), None),
        (TEXT.encode("utf-8-sig"), None),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (TEXT.encode("latin-1"), "latin-1"),
        (TEXT.encode("cp1252"), "cp1252"),
        (TEXT.encode("utf-16"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), "utf-16-le"),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), None),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), None),
        (TEXT.encode("utf-32"), None),
        (TEXT.encode("utf-32"), "utf-32"),
        (b"\0\0\xfe\xff" + TEXT.encode("utf-32-be"), None),
        (TEXT.encode("utf-32-le"), "utf-32-le"),
    ],
)
def test_encodings_that_are_read(tmp_path: Path, content: bytes, encoding: str | None) -> None:
    cohort = read_cohort(write(tmp_path, "a.csv", content), encoding=encoding)
    assert list(cohort.data.columns) == ["participant_id", "sex"]
    assert cohort.data["sex"].tolist() == ["weiblich", "männlich"]


LEAVE_OUT = "Leave encoding out: the file is UTF-8."
SAVE = "Save the file as UTF-8, or say how it is written: encoding='cp1252' (Windows), encoding='latin-1', ..."


@pytest.mark.parametrize(
    ("content", "encoding", "problem"),
    [
        (TEXT.encode("latin-1"), None, f"has bytes on line 3 that are not UTF-8: 0xE4. {SAVE}"),
        (TEXT.encode("utf-8"), "ascii", f"has bytes on line 3 that are not ASCII: 0xC3. {LEAVE_OUT}"),
        # An even number of bytes would be read as letters of other scripts, an odd one has a byte too many.
        (b"pid,ab\n1,30\n", "utf-16", f"is not UTF-16 text: it has no byte of 0. {LEAVE_OUT}"),
        (b"pid,abc\n1,30\n", "utf-16-be", f"is not UTF-16-BE text: it has no byte of 0. {LEAVE_OUT}"),
        (b"pid,ab\n1,30\n", "utf-32", f"is not UTF-32 text: it has no byte of 0. {LEAVE_OUT}"),
        (b"pid,\xfcb\n1,30\n", "utf-16", f"is not UTF-16 text: it has no byte of 0. {SAVE}"),
        (
            b"pid,\x81b\n1,30\n",
            "cp1252",
            "has bytes on line 1 that are not CP1252: 0x81. Save the file as UTF-8, or say how it is written: "
            "encoding='latin-1', ...",
        ),
        (
            "participant_id,age\n1,30\n".encode("utf-16-le"),
            None,
            "seems to be UTF-16 text without a byte-order mark, not UTF-8. Pass encoding='utf-16-le', or save the file "
            "as UTF-8.",
        ),
    ],
)
def test_encodings_that_are_refused(tmp_path: Path, content: bytes, encoding: str | None, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        read_cohort(write(tmp_path, "a.csv", content), encoding=encoding)
    assert str(caught.value) == f"a.csv: 1 problem found; nothing was analysed.\n  - table: {problem}"


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("a.csv", "participant_id,alliance\n007,4.5\n1.0,3\n", {}),
        ("a.CSV", "participant_id,alliance\n007,4.5\n1.0,3\n", {}),
        ("a.csv", "participant_id,alliance\r\n007,4.5\r\n\r\n1.0,3\r\n,\r\n", {}),
        ("a.csv", "participant_id,alliance\r007,4.5\r1.0,3\r", {}),
        ("a.csv", '"participant_id","alliance"\n"007"," 4.5 "\n"1.0","+3.00"', {}),
        ("a.csv", " participant_id , alliance\n007,45e-1\n1.0,3.\n", {}),
        ("a.csv", "\n\nparticipant_id,alliance\n007,4.5\n1.0,3\n", {}),
        ("a.tsv", "participant_id\talliance\n007\t4.5\n1.0\t3\n", {}),
        ("a.tab", "participant_id\talliance\n007\t4.5\n1.0\t3\n", {}),
        ("a.txt", "participant_id|alliance\n007|4.5\n1.0|3\n", {"sep": "|"}),
        ("a.csv", "participant_id;alliance\n007;4,5\n1.0;3\n", {"sep": ";", "decimal": ","}),
        ("a.csv", 'participant_id,alliance\n007,"4,5"\n1.0,3\n', {"decimal": ","}),
        (
            "a.csv",
            "who,mean rating\n007,4.5\n1.0,3\n",
            {"columns": {"participant_id": "who", "alliance": "mean rating"}},
        ),
    ],
)
def test_ways_to_write_the_same_table(tmp_path: Path, name: str, text: str, options: dict[str, object]) -> None:
    cohort = read_cohort(write(tmp_path, name, text), **options)
    expected = pd.DataFrame({"participant_id": pd.Series(["007", "1.0"], dtype="str"), "alliance": [4.5, 3.0]})
    pd.testing.assert_frame_equal(cohort.data, expected)
    assert cohort.source == name


def test_rows_are_numbered_as_a_spreadsheet_numbers_them(tmp_path: Path) -> None:
    text = 'participant_id,note,age\n1,"two\nlines",30\n\n,,\n2,"a ""quoted"" word",x\n'
    with pytest.raises(DataError) as caught:
        read_cohort(write(tmp_path, "a.csv", text))
    # The quoted line break and the two empty rows count as one row each.
    assert [(problem.column, problem.row, problem.value) for problem in caught.value.problems] == [("age", 5, "x")]


def test_long_values_are_cut_in_messages(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_cohort(write(tmp_path, "a.csv", f"participant_id,age\n1,{'x' * 5000}\n"))
    assert caught.value.problems[0].value == "x" * 60 + "..."


def test_a_row_of_many_cells_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_cohort(write(tmp_path, "a.csv", "participant_id,age\n1," + ",".join(["9"] * 20_000) + "\n"))
    assert str(caught.value) == (
        "a.csv: 1 problem found; nothing was analysed.\n"
        "  - table, row 2: has 20001 cells where the header has 2 (line 2 of the file). "
        "Put text that contains commas in double quotation marks."
    )


def test_parquet_keeps_kinds_and_levels(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "participant_id": ["007", "8"],
            "sex": pd.Categorical(["m", "f"], categories=["m", "f", "x"]),
            "alliance": [4.5, None],
            "n_sessions": [3, 4],
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    cohort = read_cohort(tmp_path / "a.parquet")
    assert cohort.source == "a.parquet"
    assert list(cohort.data["sex"].cat.categories) == ["m", "f", "x"]
    assert cohort.data["participant_id"].tolist() == ["007", "8"]
    assert cohort.hash == read_cohort(frame).hash


def test_parquet_rows_are_numbered_like_a_spreadsheets(tmp_path: Path) -> None:
    pd.DataFrame({"age": [30.0, 300.0]}).to_parquet(tmp_path / "a.pq")
    with pytest.raises(DataError) as caught:
        read_cohort(tmp_path / "a.pq")
    assert str(caught.value) == (
        "a.pq: 1 problem found; nothing was analysed.\n"
        "  - column 'age', row 3: 300.0 is outside 0 to 120 (years). "
        "Correct it, or leave the cell empty if it is unknown. "
        "If it is another measure, rename it: columns={'new_name': 'age'}."
    )


@pytest.mark.parametrize("content", [b"", b"participant_id,age\n1,30\n", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_unreadable_parquet(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, "a.parquet", content)
    with pytest.raises(DataError) as caught:
        read_cohort(path)
    # The reason is the reader's own, without the directory.
    reason = str(caught.value.__cause__).splitlines()[0].replace(str(path), "a.parquet").rstrip(".")
    assert str(caught.value) == (
        "a.parquet: 1 problem found; nothing was analysed.\n"
        f"  - table: cannot be read as Parquet ({reason}). Write the file again, or give it as CSV."
    )
    assert str(tmp_path) not in str(caught.value)


def test_paths_that_lead_to_no_table(tmp_path: Path) -> None:
    sheet = write(tmp_path, "a.docx", b"x")
    text = write(tmp_path, "a.txt", "participant_id\n1\n")
    types = f"Give a file ending in {', '.join(ENDINGS)} (or .txt with sep=...)."
    expected = {
        tmp_path
        / "b.csv": f"source: there is no file {tmp_path / 'b.csv'}. Check the path; it is read from {Path.cwd()}.",
        tmp_path: f"source: {tmp_path} is a directory. Name the file in it.",
        sheet: f"source: {sheet} is of no known type. {types}",
        text: f"source: {text} is of no known type. {types}",
    }
    for path, message in expected.items():
        for given in (path, str(path)):
            with pytest.raises(UsageError) as caught:
                read_cohort(given)
            assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "utf8x"}, "encoding 'utf8x' is unknown. Usual ones: 'utf-8', 'utf-16', 'cp1252', 'latin-1'."),
        (
            {"encoding": "base64"},
            "encoding 'base64' is no text encoding. Usual ones: 'utf-8', 'utf-16', 'cp1252', 'latin-1'.",
        ),
        ({"sep": "||"}, "sep should be one character but got '||'. Usual ones: ',', ';', '\\t'."),
        ({"sep": '"'}, "sep should be one character but got '\"'. Usual ones: ',', ';', '\\t'."),
        ({"decimal": ";"}, "decimal should be '.' or ',' but got ';'."),
    ],
)
def test_impossible_options(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_cohort(write(tmp_path, "a.csv", TEXT), **options)
    assert str(caught.value) == message


def aside_of(path: Path) -> list[tuple[str | None, str]]:
    return [(problem.column, problem.what) for found in read_raw(path).aside.values() for problem in found]


def problems_of(path: Path) -> list[tuple[str | None, str]]:
    with pytest.raises(DataError) as caught:
        read_raw(path)
    return [(problem.column, problem.what) for problem in caught.value.problems]


def test_columns_of_parquet_that_hold_no_single_values_are_named_all_at_once(tmp_path: Path) -> None:
    kinds = {
        "list": pa.array([[1], None]),
        "struct": pa.array([{"a": 1}, None]),
        "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
        "bytes": pa.array([b"a", None]),
        "time": pa.array([1, None], pa.time64("us")),
        "span": pa.array([1, None], pa.duration("us")),
    }
    pq.write_table(pa.table({"age": [1, 2], **kinds}), tmp_path / "a.parquet")
    what = "which is no single number, text, truth value or date"
    assert aside_of(tmp_path / "a.parquet") == [
        ("list", f"is of type list<element: int64>, {what}"),
        ("struct", f"is of type struct<a: int64>, {what}"),
        ("map", f"is of type map<string, int64 ('map')>, {what}"),
        ("bytes", f"is of type binary, {what}"),
        ("time", f"is of type time64[us], {what}"),
        ("span", f"is of type duration[us], {what}"),
    ]


def test_columns_of_parquet_that_hold_single_values_are_read_as_they_are(tmp_path: Path) -> None:
    kinds: dict[str, pa.Array] = {
        "whole": pa.array([2**60 + 1, None]),
        "share": pa.array([0.5, None]),
        "word": pa.array(["é", None]),
        "large": pa.array(["a", None], pa.large_string()),
        "truth": pa.array([True, None]),
        "money": pa.array([decimal.Decimal("1.50"), None]),
        "day": pa.array([dt.date(2024, 2, 29), None]),
        "time": pa.array([dt.datetime(2024, 2, 29, 12), None], pa.timestamp("us")),
        "level": pa.array(["b", None]).dictionary_encode(),
        "none": pa.nulls(2),
    }
    pq.write_table(pa.table(kinds), tmp_path / "a.parquet")
    cells = read_raw(tmp_path / "a.parquet").cells
    assert list(cells) == list(kinds)
    assert [cells[name].iloc[0] for name in list(kinds)[:9]] == [
        2**60 + 1,
        0.5,
        "é",
        "a",
        True,
        decimal.Decimal("1.50"),
        dt.date(2024, 2, 29),
        pd.Timestamp("2024-02-29 12:00"),
        "b",
    ]
    assert cells.iloc[1].isna().all()
    assert cells["level"].dtype == "category"


@pytest.mark.slow
def test_a_table_larger_than_it_looks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": pa.array(np.zeros(5_000_000, np.int8))}), path)
    assert problems_of(path) == [(None, "has 5,000,000 rows, and no more than 2,000,000 are read")]
    pq.write_table(pa.table({f"c{k}": pa.array(np.zeros(2_000_000, np.int8)) for k in range(8)}), path)
    assert problems_of(path) == [(None, "has 16,000,000 cells, and no more than 10,000,000 are read")]
    # One text of a megabyte, told once and meant a hundred thousand times.
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"a": text}), path, store_schema=False)
    assert problems_of(path) == [("a", "has a cell of 1,000,000 bytes, and no more than 65,536 are read")]
    pq.write_table(pa.table({"a": ["x" * (TABLE_BYTES + 1)]}), path, use_dictionary=False)
    assert problems_of(path) == [(None, "takes 256 MiB in memory, and no more than 256 are read")]


def test_two_columns_of_one_name_and_pandas_own_columns(tmp_path: Path) -> None:
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "a.parquet")
    assert aside_of(tmp_path / "a.parquet") == [("a", "is the name of columns 1 and 2")]
    frame = pd.DataFrame({"age": [1.0, 2.0]}, index=pd.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["k", None]))
    frame.to_parquet(tmp_path / "b.parquet")
    assert list(read_raw(tmp_path / "b.parquet").cells) == ["age"]
    frame.set_axis(pd.Index(["p1", "p2"], name="participant_id")).to_parquet(tmp_path / "c.parquet")
    assert set(read_raw(tmp_path / "c.parquet").cells) == {"age", "participant_id"}
    note = {b"pandas": b"[" * 100_000}
    pq.write_table(pa.table({"age": [1]}).replace_schema_metadata(note), tmp_path / "d.parquet")
    assert list(read_raw(tmp_path / "d.parquet").cells) == ["age"]


def test_rows_of_text_without_an_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for text in ("a,b\n" + "1" * (1 << 21), "a,b\n" + '"\n",' * 20_000, "a,b\n" + '"' + "\n" * 200_000):
        path.write_text(text, encoding="utf-8")
        ((column, what),) = problems_of(path)
        assert column is None
        assert what.startswith("cannot be split into cells from line 2 of the file on (")
    path.write_text("a\n" + "1\n" * 2_000_001, encoding="utf-8")
    assert problems_of(path) == [(None, "has 2,000,001 rows, and no more than 2,000,000 are read")]
    path.write_text("," * 10_000_001, encoding="utf-8")
    assert problems_of(path) == [(None, "has 10,000,001 cells, and no more than 10,000,000 are read")]
    path.write_text(",".join(f"c{k}" for k in range(10_001)) + "\n", encoding="utf-8")
    assert problems_of(path) == [(None, "has 10,001 columns, and no more than 10,000 are read")]
