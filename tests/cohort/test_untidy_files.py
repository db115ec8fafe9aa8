"""Files as people have them: read right, or refused for what is truly wrong with them."""

from __future__ import annotations

import gzip
import io
import os
import threading
import tracemalloc
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.cohort import contents, read_cohort
from alliance_bayes.cohort.contents import kind_of
from alliance_bayes.errors import DataError, Problem, UsageError

HEADER = "participant_id,age,sex,alliance,who5_baseline\n"
ROWS = [f"p{k},{30 + k},{'female' if k % 2 else 'male'},{3 + k % 3},{4 * (k % 20)}\n" for k in range(12)]
PLAIN = HEADER + "".join(ROWS)
SUMS = [
    sum(values) for values in ((30 + k for k in range(12)), (3 + k % 3 for k in range(12)), (4 * k for k in range(12)))
]


def write(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return read_cohort(write(tmp_path_factory.mktemp("plain"), PLAIN)).data


def problems(path: Path, **options: object) -> tuple[Problem, ...]:
    with pytest.raises(DataError) as caught:
        read_cohort(path, **options)  # type: ignore[arg-type]
    return caught.value.problems


def lines(change: object) -> str:
    assert callable(change)
    return "".join(change(line.rstrip("\n")) + "\n" for line in PLAIN.splitlines())


ALIGNED = lines(lambda line: "".join(cell.ljust(17) for cell in line.split(",")))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("\n \n" + PLAIN, {}),
        ("sep=;\n" + PLAIN.replace(",", ";"), {}),
        ('"sep=\t"\r\n' + PLAIN.replace(",", "\t").replace("\n", "\r\n"), {}),
        ("sep=,\n" + PLAIN, {"sep": ","}),
        (lines(lambda line: line + ","), {}),
        (HEADER + "".join(row.replace("\n", ",\n") for row in ROWS), {}),
        (lines(lambda line: line + ",,,"), {}),
        (PLAIN.replace(",", " "), {"sep": " "}),
        (ALIGNED, {"sep": " "}),
        (lines(lambda line: "   " + line.replace(",", "     ") + "  "), {"sep": " "}),
        (PLAIN + "\n\n,,,,\n", {}),
        (PLAIN.replace("\n", "\r\n") + "\x1a", {}),
        (PLAIN.encode("utf-8-sig"), {}),
        (PLAIN.encode("utf-16"), {}),
        (b"\xfe\xff" + PLAIN.encode("utf-16-be"), {}),
        (PLAIN.encode("utf-32"), {}),
        (b"\0\0\xfe\xff" + PLAIN.encode("utf-32-be"), {}),
        (PLAIN.encode("utf-32-le"), {"encoding": "utf-32-le"}),
        (PLAIN.replace(",31,", ",\u00a031\u00a0,"), {}),
    ],
)
def test_what_is_read_right(tmp_path: Path, plain: pd.DataFrame, text: str | bytes, options: dict[str, str]) -> None:
    cohort = read_cohort(write(tmp_path, text), **options)
    pd.testing.assert_frame_equal(cohort.data, plain)
    assert cohort.notes == ()
    assert cohort.aside == {}


def test_columns_without_a_name_are_left_out_with_a_note(tmp_path: Path, plain: pd.DataFrame) -> None:
    numbered = "," + HEADER + "".join(f"{k},{row}" for k, row in enumerate(ROWS, start=1))
    cohort = read_cohort(write(tmp_path, numbered))
    pd.testing.assert_frame_equal(cohort.data, plain)
    (note,) = cohort.notes
    assert note.column is None
    pd.testing.assert_frame_equal(read_cohort(pd.read_csv(io.StringIO(PLAIN)).assign(**{"": 1})).data, plain)


# Name: the file, and (row, column) of each problem; the words are held by the tests of messages.
CAUSES: dict[str, tuple[str | bytes, list[tuple[int | str | None, str | None]], str]] = {
    "title": ("Cohort export 2024\n\n" + PLAIN, [(1, None)], "title"),
    "padded title": ("Cohort export 2024,,,,\n" + PLAIN, [(1, None)], "title"),
    "title with a comma": ("Exported, 2024\n" + PLAIN, [(1, None)], "title"),
    "comment": ("# made by x\n" + PLAIN, [(1, None)], "comment"),
    "headings over columns": ("who,,,Baseline,\n" + PLAIN, [(1, None)], "headings"),
    "total": (PLAIN + f"Total,{SUMS[0]},,{SUMS[1]},{SUMS[2]}\n", [(14, None)], "totals"),
    "Summe": (PLAIN + "Summe,,,,\n", [(14, None)], "totals"),
    "mean and SD": (PLAIN + "Mean,35.5,,4,22\nSD:,3.6,,1,13\n", [(14, None), (15, None)], "totals"),
    "a count below numbered people": (PLAIN + "N,12,12,12,12\n", [(14, None)], "totals"),
    "a count that says how many": (PLAIN + "n = 12,,,,\n", [(14, None)], "totals"),
    "sums without a word": (PLAIN + f",{SUMS[0]},,{SUMS[1]},{SUMS[2]}\n", [(14, None)], "sums"),
    "means without a word": (PLAIN + ",35.5,,4,22\n", [(14, None)], "means"),
    "units": (HEADER + ",years,,1-5,points\n" + "".join(ROWS), [(2, None)], "units"),
    "question texts": (
        HEADER + "Id,How old are you?,Sex,Rating,Score\nx,{q1},{q2},{q3},{q4}\n" + "".join(ROWS),
        [(2, None), (3, None)],
        "units",
    ),
    "header again": (PLAIN + HEADER + "q,30,male,3,4\n", [(14, None)], "header again"),
    "same table below": (PLAIN + "\n" + HEADER + "q,30,male,3,4\n", [(15, None)], "second table"),
    "another table below": (
        PLAIN + "\nparticipant_id,date\np1,2020-01-01\np2,2020-01-02\n",
        [(15, None)],
        "second table",
    ),
    "another table below, padded": (
        PLAIN + "\nsex,n,mean,sd,share\nfemale,6,3,1,50\nmale,6,4,1,50\n",
        [(15, None)],
        "second table",
    ),
    "headings between rows": (
        HEADER + "Group A,,,,\n" + "".join(ROWS[:6]) + "Group B,,,,\n" + "".join(ROWS[6:]),
        [(2, None), (9, None)],
        "heading",
    ),
    "one unit": (HEADER + ",years,,,\n" + "".join(ROWS), [(2, None)], "units"),
    "total in another column": (PLAIN + ",426,Total,,\n", [(14, None)], "totals"),
    "single quotation marks": (
        lines(lambda line: "'" + line.replace(",", "','") + "'"),
        [(None, None)],
        "quotation marks",
    ),
    "a table of R": (
        lines(lambda line: (f'"{line[:2]}" ' if "part" not in line else "") + f'"{line}"'.replace(",", '" "')),
        [(None, None)],
        "spaces",
    ),
    "note below": (PLAIN + "\nSource: clinic\n", [(15, None)], "note"),
    "padded note below": (PLAIN + "Source: clinic X,,,,\n", [(14, None)], "note"),
    "side by side": (lines(lambda line: line + ",,x,y"), [(None, None)], "side"),
    "row names": (HEADER + "".join(f"{k},{row}" for k, row in enumerate(ROWS)), [(None, None)], "row names"),
    "spaces": (PLAIN.replace(",", " "), [(None, None)], "spaces"),
    "spaces below a title": ("Cohort\n" + PLAIN.replace(",", " "), [(None, None)], "spaces"),
    "aligned": (ALIGNED, [(None, None)], "spaces"),
    "fixed width": (ALIGNED.replace("female", "      "), [(None, None)], "fixed width"),
    "tabs": (PLAIN.replace(",", "\t"), [(None, None)], "tabs"),
    "semicolons": (PLAIN.replace(",", ";"), [(None, None)], "semicolons"),
    "semicolons and decimal commas": (PLAIN.replace(",", ";").replace(";3;", ";3,5;"), [(None, None)], "semicolons"),
    "second mark": (PLAIN + "\ufeff" + PLAIN, [(None, None)], "byte-order mark"),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), [(None, None)], "UTF-16"),
    "UTF-16 the other way": (PLAIN.encode("utf-16-be"), [(None, None)], "UTF-16"),
    "UTF-32 without a mark": (PLAIN.encode("utf-32-le"), [(None, None)], "UTF-32"),
    "UTF-32 the other way": (PLAIN.encode("utf-32-be"), [(None, None)], "UTF-32"),
    "open quotation": (PLAIN.replace("p3,", '"p3,'), [(5, None)], "split"),
    "nul": (PLAIN.replace("p3", "p\0"), [(None, None)], "NUL"),
    "one person in two forms": (PLAIN + "é,40,male,3,4\ne\u0301,41,male,4,8\n", [(15, "participant_id")], "Unicode"),
    "an invisible character": (PLAIN + "p\u200b3,40,male,3,4\n", [(14, "participant_id")], "Unicode"),
    "digits of another script": (PLAIN.replace(",31,", ",\u0663\u0661,"), [(3, "age")], "U+0663"),
    "a space that does not break": (PLAIN.replace(",31,", ",3\u00a01,"), [(3, "age")], "U+00A0"),
    "a minus sign": (PLAIN.replace(",31,", ",\u22121,"), [(3, "age")], "U+2212"),
    "thousands": (PLAIN.replace(",31,", ",1\u2019031,"), [(3, "age")], "thousands"),
    "a formula that fails": (PLAIN.replace(",31,", ",#DIV/0!,"), [(3, "age")], "spreadsheet"),
    "a formula of text that fails": (PLAIN.replace("31,female", "31,#N/A"), [(3, "sex")], "spreadsheet"),
    "a date that was a number": (PLAIN.replace(",31,female,4,", ",31,female,04. Mai,"), [(3, "alliance")], "date"),
}


def test_an_empty_cell_among_spaces_is_told_how_to_be_written(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN.replace("p3,33,", "p3,,").replace(",", " "))
    (found,) = problems(path, sep=" ")
    assert (found.row, found.what) == (5, "has 4 cells where the header has 5 (line 5 of the file)")
    assert found.remedy.endswith("Write NA where a cell is empty: among spaces it cannot be seen.")
    assert read_cohort(write(tmp_path, path.read_text().replace("p3 ", "p3 NA")), sep=" ").data["age"].isna().sum() == 1


@pytest.mark.parametrize("case", CAUSES)
def test_what_is_wrong_is_named_once_and_where_it_is(tmp_path: Path, case: str) -> None:
    text, expected, word = CAUSES[case]
    found = problems(write(tmp_path, text))
    assert [(problem.row, problem.column) for problem in found] == expected
    assert all(word in problem.what for problem in found)


@pytest.mark.parametrize(
    "text",
    [
        # Somebody who is as old as the others are in the mean, and as often seen.
        "participant_id,age,n_sessions\na,1,2\nb,2,4\nc,3,6\nd,2,4\n",
        # A level that is called as totals are, and comes again; in a table without identifiers.
        "source,age\nmedia,30\nfriends,31\nfriends,32\nmedia,33\n",
        # The last of three is the sum of the others by chance, in one column.
        "participant_id,age,n_sessions\na,10,1\nb,20,2\nc,30,5\n",
        # Somebody called as a count is, among names.
        "participant_id,age\nann,30\nbob,31\neve,32\nn,33\n",
        # Names alone in the last row: somebody of whom nothing is known.
        PLAIN + "p77,,,,\n",
        # A missing value called by a word in the first rows.
        HEADER + "x1,?,male,?,?\nx2,?,male,?,?\n" + "".join(ROWS),
        # One column whose name has spaces.
        "Age at intake\n30\n31\n",
        # A remark in one cell of many.
        "participant_id,age,remark\na,30,see below\nb,31,\n",
        # Column names of one word and rows of words.
        "a,b\nx,y\nz,w\n",
    ],
)
def test_what_only_looks_untidy_is_read(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    cohort = read_cohort(path, missing=["?"])
    assert len(cohort) == len(pd.read_csv(path, skip_blank_lines=True))


def _zip(name: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr(name, "x")
    return held.getvalue()


def _parquet() -> bytes:
    held = io.BytesIO()
    pd.DataFrame({"age": [30.0]}).to_parquet(held)
    return held.getvalue()


KINDS: dict[str, bytes] = {
    "xlsx": _zip("[Content_Types].xml"),
    "ZIP": _zip("cohort.csv"),
    ".xls": bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 512,
    ".sav": b"$FL2@(#) SPSS DATA FILE",
    ".dta": b"<stata_dta><header>",
    "sas7bdat": b"\0" * 12 + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011") + b"\0" * 100,
    "PDF": b"%PDF-1.7\n",
    "HTML": b"\n<!DOCTYPE html>\n<html><body><table>",
    "XML": b'<?xml version="1.0"?><a/>',
    "JSON": b'[\n  {"age": 30}\n]',
    "Parquet": _parquet(),
    "gzip": gzip.compress(PLAIN.encode()),
    "SQLite": b"SQLite format 3\0" + b"\0" * 80,
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_files_are_known_by_what_they_hold(tmp_path: Path, kind: str) -> None:
    (problem,) = problems(write(tmp_path, KINDS[kind]))
    assert kind in problem.what
    if kind != "Parquet":
        (problem,) = problems(write(tmp_path, KINDS[kind], "a.parquet"))
        assert kind in problem.what


@given(st.lists(st.lists(st.text("abcXYZ 0123456789.-%$", min_size=1), min_size=2, max_size=4), min_size=1))
def test_no_table_in_text_is_taken_for_something_else(cells: list[list[str]]) -> None:
    text = "\n".join(",".join(row) for row in cells)
    assert text.startswith("%PDF") or kind_of(text.encode()) is None


@pytest.mark.parametrize("name", ["a.csv.gz", "A.CSV.GZ", "a.tsv.gz"])
def test_compressed_tables_are_read(tmp_path: Path, plain: pd.DataFrame, name: str) -> None:
    text = PLAIN if "csv" in name.lower() else PLAIN.replace(",", "\t")
    halves = text[:100].encode(), text[100:].encode()
    # Two members, as of two files that were put together.
    path = write(tmp_path, gzip.compress(halves[0]) + gzip.compress(halves[1]), name)
    pd.testing.assert_frame_equal(read_cohort(path).data, plain)


@pytest.mark.parametrize(
    "data",
    [PLAIN.encode(), b"", gzip.compress(PLAIN.encode())[:60], gzip.compress(PLAIN.encode())[:-4] + b"1234"],
    # Compressed bytes hold the time, and workers that collect in different seconds would know different tests.
    ids=["plain text", "empty", "cut off", "another check sum"],
)
def test_damaged_compressed_tables_are_refused(tmp_path: Path, data: bytes) -> None:
    (problem,) = problems(write(tmp_path, data, "a.csv.gz"))
    assert (problem.row, problem.column) == (None, None)


def test_a_small_file_that_unpacks_to_a_large_one_is_refused_before_it_fills_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 1 << 20
    monkeypatch.setattr(contents, "TABLE_BYTES", limit)
    path = write(tmp_path, gzip.compress(b"1" * (100 * limit), 9), "a.csv.gz")
    assert path.stat().st_size < limit
    tracemalloc.start()
    try:
        (problem,) = problems(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "unpacks to more than" in problem.what
    assert peak < 8 * limit


@pytest.mark.parametrize("name", ["p.csv", "pipe"])
def test_pipes_are_read_once_and_whole(tmp_path: Path, plain: pd.DataFrame, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(PLAIN,), daemon=True)
    writer.start()
    cohort = read_cohort(path)
    writer.join(timeout=10)
    pd.testing.assert_frame_equal(cohort.data, plain)
    assert cohort.source == ("p.csv" if "." in name else "pipe")


def test_an_open_pipe_is_a_file_as_of_a_shell(plain: pd.DataFrame) -> None:
    end, start = os.pipe()
    os.write(start, PLAIN.encode())
    os.close(start)
    try:
        pd.testing.assert_frame_equal(read_cohort(f"/dev/fd/{end}").data, plain)
    finally:
        os.close(end)


def test_devices_are_refused() -> None:
    for path in ("/dev/zero", "/dev/null"):
        with pytest.raises(UsageError):
            read_cohort(path)


def test_identifiers_that_are_almost_alike_are_noted(tmp_path: Path) -> None:
    text = PLAIN + "P3,40,male,3,40\n007,41,male,3,40\n7,42,male,3,40\n"
    cohort = read_cohort(write(tmp_path, text))
    assert len(cohort) == 15
    assert [(note.column, note.row, note.value) for note in cohort.notes] == [
        ("participant_id", 14, "P3"),
        ("participant_id", 16, "7"),
    ]
    many = HEADER + "".join(f"{letter}{k},30,male,3,4\n" for letter in "pP" for k in range(40))
    assert len(read_cohort(write(tmp_path, many)).notes) == 6


@given(
    st.text(st.characters(codec="utf-8", exclude_characters='\r\n,"'), min_size=1).filter(
        lambda text: text.strip() == text
    )
)
@settings(max_examples=50, deadline=None)
def test_two_forms_of_one_identifier_are_never_two_people(text: str) -> None:
    forms = sorted({unicodedata.normalize(form, text) for form in ("NFC", "NFD")})
    if not all(forms) or forms[0] in ("NA", "NaN") or "\0" in text:
        return
    frame = pd.DataFrame({"participant_id": forms, "age": [30.0] * len(forms)})
    if len(forms) == 2:
        with pytest.raises(DataError) as caught:
            read_cohort(frame)
        assert {problem.column for problem in caught.value.problems} == {"participant_id"}
    else:
        assert len(read_cohort(frame)) == 1


def test_names_of_columns_that_are_almost_known_are_names_as_any_other(tmp_path: Path) -> None:
    text = PLAIN.replace("age", "Age").replace("alliance", "Alliance")
    cohort = read_cohort(write(tmp_path, text))
    assert list(cohort.data) == ["participant_id", "Age", "sex", "Alliance", "who5_baseline"]
    assert [note.column for note in cohort.notes] == ["Age", "Alliance"]
    assert "columns={'age': 'Age'}" in cohort.notes[0].remedy
    # A column that is there under its known name is meant by it.
    both = read_cohort(write(tmp_path, lines(lambda line: line + ("," + ("AGE" if line.startswith("part") else "1")))))
    assert [note.column for note in both.notes] == []
    assert read_cohort(write(tmp_path, text), columns={"age": "Age", "alliance": "Alliance"}).notes == ()


def test_columns_that_cannot_be_used_matter_to_those_who_use_them(tmp_path: Path) -> None:
    text = lines(
        lambda line: line + (",x,x,month" if line.startswith("part") else f",1,2,{'0' if '3' in line else 'b'}")
    )
    text = text.replace(",31,", ",unknown,").replace(",female,4,", ",Female,9,")
    path = write(tmp_path, text)
    assert {problem.column for problem in problems(path)} == {"age", "sex", "alliance"}
    cohort = read_cohort(path, set_aside=True)
    assert set(cohort.aside) == {"age", "sex", "alliance", "x", "month"}
    assert list(cohort.data) == ["participant_id", "who5_baseline"]
    assert len(cohort.complete(["who5_baseline"])[0]) == 12
    with pytest.raises(DataError) as caught:
        cohort.complete(["age", "who5_baseline", "x"])
    assert {problem.column for problem in caught.value.problems} == {"age", "x"}


def test_scores_of_items_that_cannot_be_read_are_set_aside_with_them(tmp_path: Path) -> None:
    items = [f"who5_baseline_{k}" for k in range(1, 6)]
    frame = pd.DataFrame({name: [3, 4, 5] for name in items} | {"who5_followup": [40, 44, 48]})
    good = read_cohort(frame)
    assert {"who5_baseline", "who5_change"} <= set(good.data)
    bad = read_cohort(frame.assign(who5_baseline_2=[3, 9, 5]), set_aside=True)
    assert set(bad.aside) == {"who5_baseline_2", "who5_baseline", "who5_change"}
    given_too = read_cohort(frame.assign(who5_baseline_2=[3, 9, 5], who5_baseline=[60, 80, 100]), set_aside=True)
    assert set(given_too.aside) == {"who5_baseline_2"}
    np.testing.assert_array_equal(given_too.data["who5_change"], [-20, -36, -52])
    differs = read_cohort(frame.assign(who5_baseline=[60, 80, 96]), set_aside=True)
    assert set(differs.aside) == {"who5_baseline", "who5_change"}


def test_identifiers_are_never_set_aside(tmp_path: Path) -> None:
    for ids in (["a", "a"], ["a", None]):
        with pytest.raises(DataError):
            read_cohort(pd.DataFrame({"participant_id": ids, "age": [30.0, 31.0]}), set_aside=True)


def test_a_model_of_a_table_needs_its_own_columns_only() -> None:
    frame = ab.simulate_cohort(n=60, seed=3).data.drop(columns="who5_change")
    frame = frame.assign(age=frame["age"].astype(object))
    frame.loc[3, "age"] = "unknown"
    model = ab.Model("who5_followup ~ alliance + (1 | sex)", priors="literature")
    data, _ = model.complete(read_cohort(frame, set_aside=True))
    assert len(data) > 50
    assert "age" not in data


@given(
    st.lists(st.tuples(st.integers(0, 120), st.sampled_from([1.0, 2.25, 4.5])), min_size=1, max_size=8),
    st.sampled_from([",", ";", "\t", "|", " "]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"]),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([".", ","]),
)
@settings(max_examples=60, deadline=None)
def test_one_table_however_it_is_written(
    tmp_path_factory: pytest.TempPathFactory,
    people: list[tuple[int, float]],
    sep: str,
    encoding: str,
    packed: bool,
    empty: int,
    end: str,
    decimal: str,
) -> None:
    rows = [["participant_id", "age", "alliance", "Städte"]]
    for k, (age, alliance) in enumerate(people):
        number = str(alliance).replace(".", decimal)
        rows.append([f"p{k}", str(age), f'"{number}"' if sep == "," else number, "Köln"])
    text = end * empty + "".join(sep.join(row) + end for row in rows)
    data = text.encode(encoding)
    path = tmp_path_factory.mktemp("t") / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(data) if packed else data)
    cohort = read_cohort(path, sep=sep, decimal=decimal, encoding="cp1252" if encoding == "cp1252" else None)
    assert cohort.data["participant_id"].tolist() == [f"p{k}" for k in range(len(people))]
    np.testing.assert_array_equal(cohort.data[["age", "alliance"]].to_numpy(), np.array(people, float))
    assert set(cohort.data["Städte"]) == {"Köln"}


def test_years_are_names_of_columns_where_other_numbers_are_a_row(tmp_path: Path) -> None:
    text = "country,1960,1961,2005\nA,1.5,1.75,3\nB,2,2.5,4\n"
    data = read_cohort(write(tmp_path, text)).data
    assert data["1961"].tolist() == [1.75, 2.5]
    for header in ("country,1961,1960,2005", "country,1960,1960,2005", "country,19,1961,2005"):
        (found,) = problems(write(tmp_path, text.replace("country,1960,1961,2005", header)))
        assert "numbers for column names" in found.what
