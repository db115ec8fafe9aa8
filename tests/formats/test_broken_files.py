"""Files that are damaged, hostile, protected, or something else than they are called: one paragraph each."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort import programs
from alliance_bayes.formats import apart
from workbooks import Failed, write_workbook

FILES = Path(__file__).parent / "files"
FRAME = pd.DataFrame({"age": np.arange(20.0, 60), "text": ["some text"] * 40})


def said(path: Path, **options: object) -> str:
    with pytest.raises((ab.DataError, ab.UsageError)) as caught:
        ab.read_cohort(path, **options)
    assert str(path.parent) not in str(caught.value).replace(str(path), "")
    return str(caught.value)


def made(folder: Path, ending: str) -> Path:
    path = folder / f"whole.{ending}"
    if ending in ("xlsx", "ods", "xls", "rds"):
        shutil.copy(FILES / f"cohort.{ending}", path)
    elif ending in ("sav", "zsav"):
        pyreadstat.write_sav(FRAME, path, compress=ending == "zsav")
    elif ending == "dta":
        pyreadstat.write_dta(FRAME, path)
    elif ending == "xpt":
        pyreadstat.write_xport(FRAME, path)
    else:
        FRAME.to_feather(path)
    return path


@pytest.mark.parametrize("ending", ["xlsx", "ods", "xls", "rds", "sav", "zsav", "dta", "feather"])
def test_half_a_file(tmp_path: Path, ending: str) -> None:
    data = made(tmp_path, ending).read_bytes()
    half = tmp_path / f"half.{ending}"
    half.write_bytes(data[: len(data) // 2])
    message = said(half)
    assert message.startswith(
        f"half.{ending}: 1 problem found; nothing was analysed.\n  - table: cannot be read as .{ending} ("
    )
    assert message.endswith(
        "Check that it was copied whole and opens in its own program; then save it again, or as CSV (UTF-8)."
    )
    assert message.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["xlsx", "sav", "dta", "rds", "feather"])
def test_flipped_bytes_end_no_process(tmp_path: Path, ending: str) -> None:
    data = bytearray(made(tmp_path, ending).read_bytes())
    rng = np.random.default_rng(3)
    for k in range(3):
        places = rng.integers(8, len(data), 12)
        flipped = bytearray(data)
        for place in places:
            flipped[place] ^= int(rng.integers(1, 256))
        path = tmp_path / f"flipped{k}.{ending}"
        path.write_bytes(bytes(flipped))
        with contextlib.suppress(ab.AllianceBayesError):
            ab.read_cohort(path)


def test_other_endings_than_what_is_in_it(tmp_path: Path) -> None:
    sav, xlsx, csv = made(tmp_path, "sav"), made(tmp_path, "xlsx"), tmp_path / "t.csv"
    csv.write_text("age;sex\n30;m\n")
    is_sav, is_xlsx, called = "is an SPSS file (.sav)", "is an Excel workbook (.xlsx)", "Name it so that it ends in"
    cases = {
        ("a.dta", sav): f"{is_sav}, and not what its ending says (.dta). {called} .sav.",
        ("a.csv", sav): f"{is_sav}, and no table in text, whatever it is called. {called} .sav.",
        ("b.csv", xlsx): f"{is_xlsx}, and no table in text, whatever it is called. {called} .xlsx.",
        ("a.ods", xlsx): f"{is_xlsx}, and not what its ending says (.ods). {called} .xlsx.",
        ("a.parquet", xlsx): f"{is_xlsx}, and not what its ending says (.parquet).",
        ("a.xls", csv): f"is text, and not what its ending says (.xls). {called} .csv, or .tsv where tabs",
        ("a.sav", csv): "is text, and not what its ending says (.sav).",
    }
    for (name, source), expected in cases.items():
        shutil.copy(source, tmp_path / name)
        assert expected in said(tmp_path / name)
    page = tmp_path / "page.xls"
    page.write_text("<html><body><table><tr><td>age</td></tr></table></body></html>")
    assert "is a page in HTML or XML, and not what its ending says (.xls). Save the table itself as CSV" in said(page)
    with pytest.raises(ab.DataError, match=r"is an SPSS file \(.sav\), whatever it is called. Export it as CSV"):
        ab.reduce_table(str(shutil.copy(sav, tmp_path / "a.csv")), ab.load_model("change"))


def test_passwords(tmp_path: Path) -> None:
    wrapped = tmp_path / "a.xlsx"
    wrapped.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 3000 + "EncryptedPackage".encode("utf-16-le"))
    assert said(wrapped).endswith(
        "is protected by a password. Save the workbook without a password, or the sheet as CSV (UTF-8)."
    )
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as packed:
        packed.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        packed.writestr("META-INF/manifest.xml", "<manifest:encryption-data/>")
    assert "is protected by a password" in said(tmp_path / "a.ods")


def test_a_cell_far_away_ends_no_process(tmp_path: Path) -> None:
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    path = write_workbook(tmp_path / "far.xlsx", {"Data": [["age"], [30]]}, extra=far)
    assert "it would take more than the 4 GiB of memory that reading may take. Save the table alone" in said(path)
    path = write_workbook(
        tmp_path / "wide.xlsx", {"Data": [["age"], [30]]}, extra='<row r="9"><c r="XFD9"><v>1</v></c></row>'
    )
    assert "has 16,384 columns, and no more than 10,000 are read" in said(path)


def test_what_unpacks_to_more_than_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_LIMITS", {**programs._LIMITS, "bytes": 1 << 20})
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("[Content_Types].xml", "<a/>")
        packed.writestr("xl/worksheets/sheet1.xml", b" " * (5 << 20))
    assert "unpacks to 5 MiB, and no more than 4 are read" in said(tmp_path / "a.xlsx")
    (tmp_path / "a.rds").write_bytes(gzip.compress(b"\0" * (2 << 20)))
    assert "is, unpacked, larger than 1 MiB" in said(tmp_path / "a.rds")


def test_a_declared_size_is_not_believed(tmp_path: Path) -> None:
    data = bytearray(made(tmp_path, "sav").read_bytes())
    # The number of cases, at byte 80 of the header.
    data[80:84] = (2_000_000_000).to_bytes(4, "little")
    (tmp_path / "many.sav").write_bytes(bytes(data))
    assert len(ab.read_cohort(tmp_path / "many.sav")) == 40
    data = bytearray(made(tmp_path, "dta").read_bytes())
    place = data.index(b"<N>") + 3
    data[place : place + 4] = (2_000_000_000).to_bytes(4, "little")
    (tmp_path / "many.dta").write_bytes(bytes(data))
    assert "has 2,000,000,000 rows, and no more than 2,000,000 are read" in said(tmp_path / "many.dta")


def test_how_a_child_that_died_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path, "sav")
    for code, words in (
        ("import os; os.abort()", "it would take more than the 4 GiB of memory"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "is damaged, or no .sav file at all: reading it failed",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "cannot be read within 10 minutes"),
        ("import sys; sys.stdout.write('x' * 100)", "reading it failed"),
    ):
        monkeypatch.setattr(apart, "_CHILD", code)
        assert words in said(path)


def test_a_package_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path, "sav")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert said(path) == (
        "reading a .sav file needs pyreadstat, which is not installed. Install the extra: pip install "
        "'alliance_bayes[files]'."
    )


def test_sheets_are_told_by_sheet_column_and_row(tmp_path: Path) -> None:
    rows = [["participant_id", "age"], ["a", 30], ["b", Failed("#N/A")], ["c", "x"]]
    path = write_workbook(tmp_path / "a.xlsx", {"Patients": rows, "Notes": [["made by me"]]}, at="B3")
    message = said(path, sheet="Patients")
    assert message.startswith("a.xlsx, sheet 'Patients': 2 problems found")
    assert "column 'age', row 5: '#N/A' is an error of the spreadsheet, not a number." in message
    assert "column 'age', row 6: 'x' is not a number." in message
    title = write_workbook(
        tmp_path / "b.xlsx", {"S": [["Study of 2024"], [None], ["age", "sex"], [30, "m"], [31, "f"]]}
    )
    assert "row 1: holds a title ('Study of 2024') where column names should be, which seem to be in row 3" in said(
        title
    )
    merged = write_workbook(tmp_path / "c.xlsx", {"S": [["age", "sex"], [30, "m"], [31, None]]}, merged=["B2:B3"])
    assert "row 2: has merged cells (B2:B3), of which only the first holds a value. Unmerge them" in said(merged)
    assert "names a sheet of a workbook" in said(FILES / "cohort.csv", sheet="S")


@pytest.mark.slow
def test_other_things_of_r(tmp_path: Path) -> None:
    cohort = ab.read_cohort(FILES / "haven.rds")
    assert list(cohort.data["sex"].cat.categories) == ["male", "female"]
    assert cohort.labels == {"sex": "Sex at birth"}
    assert cohort.data["at"].tolist()[:2] == ["2024-03-01T10:00:00", "2024-07-01T10:00:00"]
    assert cohort.data["done"].tolist() == ["TRUE", np.nan, "FALSE", "TRUE"]
    assert cohort.data["name"].tolist() == ["ä", np.nan, "b", "c"]
    assert "which is no single number" in str(cohort.aside["parts"][0])
    for content in (b"X\n\0\0\0\2" + b"\xff" * 64, b"RDX3\nX\n", b"A\n2\n197888\n131840\n" + b"19\n1\n" * 50_000):
        (tmp_path / "a.rds").write_bytes(content)
        assert said(tmp_path / "a.rds").count("\n") == 1


def test_a_transport_file_of_two_tables(tmp_path: Path) -> None:
    data = made(tmp_path, "xpt").read_bytes()
    # The headers of the library are three records of 80 bytes.
    (tmp_path / "two.xpt").write_bytes(data + data[240:])
    assert said(tmp_path / "two.xpt").endswith("holds 2 tables. Write the one that is meant to a file of its own.")


def test_words_of_a_file_are_one_line(tmp_path: Path) -> None:
    frame = pd.DataFrame({"age": [30.0, -9.0]})
    label = "re\x1b[31mfused\nby \u202email"
    path = tmp_path / "a.sav"
    pyreadstat.write_sav(frame, path, variable_value_labels={"age": {-9: label}}, missing_ranges={"age": [-9]})
    (step,) = ab.read_cohort(path).complete(["age"])[1].steps
    assert step.reason == "age unknown: re [31mfused by mail (-9)"
