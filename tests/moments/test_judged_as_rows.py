"""A table that is queried is judged by the rules of one that is read: what is refused, in which words, and what not."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.cohort import Flow, FlowStep, read_cohort
from alliance_bayes.cohort.cells import NUMBER
from alliance_bayes.cohort.convert import ReadOptions
from alliance_bayes.errors import DataError, ModelError, UsageError
from alliance_bayes.model import ModelSpec
from alliance_bayes.moments import columns as of_columns
from alliance_bayes.moments import moments_of, reduce_table
from alliance_bayes.moments.sources import Remote
from builders import rows

ibis = pytest.importorskip("ibis")
pa = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")

FORMULA = "who5_followup ~ alliance + age + n_sessions + stress + ward + (1 | country) + (1 | sex) + (1 | site)"
SPEC = ModelSpec(FORMULA, autoscale=True)
DECLARED = ModelSpec(
    FORMULA,
    autoscale=True,
    levels={"ward": ("b", "a"), "country": ("C4", "C3", "C2", "C1", "C0", "NA"), "sex": ("male", "female")},
)
NUMBERS = ("who5_followup", "alliance", "age", "n_sessions", "stress")
FACTORS = ("ward", "country", "sex", "site")
N = 48

BROKEN_NUMBERS = (
    *("", " ", "NA", "NaN", " NA ", "na", "n/a", "-", "?", "null", "-99", "999", "unknown", "x" * 70),
    *("45%", "4,5", "1,000", "1.000,5", "1'000", "4.5.", "1_000", "0x1F", "1e2", "+3", ".5", "3.", "1e400", "1e-400"),
    *("inf", "-Infinity", "true", "False", "#N/A", "#DIV/0!", "2024-03-01", "01.02.2024", "May 4", "12:30"),
    *("104", "-4", "0", "5.5", "38", "2.5", "007", "00", "121", " 4 ", "\t4", "\u00a04", "4\u2003", "\u20094\u3000"),
    *("\uff14", "\u0664", "\u22124", "4\u200b", "4 2", "vier", "4 points", "=A1", "'4", "4\n"),
)
BROKEN_LEVELS = (
    *("", " ", "NA", "NaN", "na", "C1 ", " C1", "c1", "C 1", "\uff231", "C1\u200b", "c1", "C1\u00a0", "#REF!", "#N/V"),
    *(
        "Österreich",
        "O\u0308sterreich",
        "ÖSTERREICH",
        "österreich",
        "straße",
        "STRASSE",
        "1",
        "1.0",
        "1.00",
        "01",
        "1.10",
    ),
    *("4,5", "true", "True", "2024-03-01", "?", "female", "Female", "FEMALE", "O'Brien", 'a "b"', "%s", "y" * 70),
)
#: Columns that a database has by type; a value of each kind that may be missing.
TYPED = {
    "float": [4.0, 2.5, float("nan"), float("inf"), -float("inf"), 104.0, -1.0, 1e300, 38.0, 2.0**53, None],
    "int": [0, 1, 4, 5, 104, -99, 2**53, 2**62, None],
    "bool": [True, False, None],
    "date": [dt.date(2024, 3, 1), dt.date(1969, 5, 4), None],
    "time": [dt.datetime(2024, 3, 1), dt.datetime(2024, 3, 1, 12, 30), None],
    "decimal": [Decimal("4.0"), Decimal("2.5"), Decimal("-1.5"), Decimal("104.0"), None],
}
ARROW = {
    "float": "float64",
    "int": "int64",
    "bool": "bool_",
    "date": "date32",
    "time": "timestamp",
    "decimal": "decimal128",
}


def whole() -> pd.DataFrame:
    """Rows without a fault, as text."""
    rng = np.random.default_rng(5)
    frame = rows(N, seed=4)[[*NUMBERS[:-1], "country", "sex"]]
    frame = frame.assign(
        stress=np.round(rng.normal(size=N), 3), ward=np.resize(["a", "b"], N), site=np.resize(["1", "2", "30"], N)
    )
    return frame.astype(object).map(str)


def arrow_of(kind: str) -> pa.DataType:
    more = {"time": ("us",), "decimal": (12, 3)}.get(kind, ())
    return getattr(pa, ARROW[kind])(*more)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Rows of which a few cells, or whole columns, are something else; the first and the last are whole."""
    frame = whole()
    for name in draw(st.lists(st.sampled_from([*NUMBERS, *FACTORS]), max_size=3)):
        pool = BROKEN_NUMBERS if name in NUMBERS else BROKEN_LEVELS
        cells = draw(st.lists(st.sampled_from(pool) | st.sampled_from(BROKEN_NUMBERS), min_size=1, max_size=4))
        places = draw(st.lists(st.integers(8, N - 9), min_size=len(cells), max_size=8))
        for place, row in enumerate(places):
            frame.loc[row, name] = cells[place % len(cells)]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for name in draw(st.lists(st.sampled_from([*NUMBERS, *FACTORS]), max_size=2, unique=True)):
        kind = draw(st.sampled_from(list(TYPED)))
        values = draw(st.lists(st.sampled_from(TYPED[kind]), min_size=1, max_size=5))
        table = table.set_column(
            table.column_names.index(name), name, pa.array(np.resize(np.array(values, dtype=object), N), arrow_of(kind))
        )
    for name in draw(st.lists(st.sampled_from(NUMBERS), max_size=3, unique=True)):
        # Numbers as the database has them, with single values that cannot be.
        if pa.types.is_string(table[name].type):
            clean = whole()[name].astype(float).to_numpy(copy=True)
            for row in draw(st.lists(st.integers(8, N - 9), max_size=2)):
                clean[row] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 104.0, -4.0, 2.5, 1e9]))
            table = table.set_column(table.column_names.index(name), name, pa.array(clean))
    return table


def told(problem) -> tuple[str, object, str, str]:
    """Column, value, rule and remedy of a problem, without the number of rows; whom one asks for a factor differs."""
    what = re.sub(r" \((1 row|[0-9,]+ rows)\)$", "", str(problem.what))
    hint = re.sub(r"(pass categorical=\[|declare its levels: levels=\{).*$", "", str(problem.remedy))
    # What only a table that is read can be told: that a score is another instrument's.
    of_another = r", leave the cell empty, or say on which instrument's scale it is: instruments=\{[^}]*\}\."
    hint = re.sub(of_another, ", or leave the cell empty if it is unknown.", hint)
    return problem.column, repr(problem.value), what, hint


def rows_told(problem) -> int:
    found = re.search(r" \((1 row|([0-9,]+) rows)\)$", str(problem.what))
    return 1 if found is None or found[2] is None else int(found[2].replace(",", ""))


def cohort_of(source, spec, **options):
    """The cohort of a table, with its columns asked for as the model does: by name, and a grouping one as a factor."""
    asked = {name: name for name in spec.columns}
    return read_cohort(source, columns=asked, categorical=["site"], levels=dict(spec.levels), set_aside=True, **options)


def of_rows(source, spec=SPEC, **options):
    """Moments and flow, or what is told instead, of rows that are read."""
    try:
        complete, flow = cohort_of(source, spec, **options).complete(spec.columns)
        return moments_of(spec.design(complete), spec=spec), flow
    except DataError as error:
        counted: Counter = Counter()
        for problem in error.problems:
            counted[told(problem)] += 1
        return counted
    except ModelError as error:
        return type(error)


def first_rows(problems) -> dict[tuple[str, object, str, str], int]:
    """The first row of each problem that has one."""
    rows_of: dict = {}
    for problem in problems:
        if problem.row is not None:
            rows_of[told(problem)] = min(problem.row, rows_of.get(told(problem), problem.row))
    return rows_of


def of_query(source, spec=SPEC, **options):
    """The same, of a table that is queried."""
    try:
        moments = reduce_table(source, spec, **options)
        return moments, moments.flow
    except DataError as error:
        counted = Counter()
        for problem in error.problems:
            counted[told(problem)] += rows_told(problem)
        return counted
    except ModelError as error:
        return type(error)


def assert_same(found, expected) -> None:
    if not isinstance(expected, tuple):
        assert found == expected
        return
    assert isinstance(found, tuple), found
    (mine, flow), (theirs, their_flow) = found, expected
    assert flow == their_flow
    assert mine.columns == theirs.columns
    assert dict(mine.levels) == dict(theirs.levels)
    np.testing.assert_array_equal(mine.codes, theirs.codes)
    np.testing.assert_array_equal(mine.counts, theirs.counts)
    np.testing.assert_allclose(mine.means, theirs.means, rtol=1e-9, atol=1e-9 * np.abs(theirs.means).max())
    np.testing.assert_allclose(mine.cross, theirs.cross, rtol=1e-9, atol=1e-9 * np.abs(theirs.cross).max())


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from([SPEC, DECLARED]))
def test_a_table_of_a_database_is_judged_as_its_rows_are(table: pa.Table, spec: ModelSpec) -> None:
    frame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    connection = ibis.duckdb.connect()
    try:
        assert_same(of_query(connection.create_table("t", table), spec), of_rows(frame, spec))
    finally:
        connection.disconnect()


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from([SPEC, DECLARED]), st.sampled_from(["csv", "parquet"]))
def test_a_file_that_is_queried_is_judged_as_one_that_is_read(
    tmp_path_factory: pytest.TempPathFactory, table: pa.Table, spec: ModelSpec, ending: str
) -> None:
    path = tmp_path_factory.mktemp("judged") / f"t.{ending}"
    frame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    frame.to_csv(path, index=False) if ending == "csv" else pa.parquet.write_table(table, path)
    expected = of_rows(path, spec)
    assert_same(of_query(path, spec), expected)
    if ending == "parquet" and isinstance(expected, Counter):
        with pytest.raises(DataError) as queried:
            reduce_table(path, spec)
        with pytest.raises(DataError) as read:
            cohort_of(path, spec).complete(spec.columns)
        assert first_rows(queried.value.problems) == first_rows(read.value.problems)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.from_regex(re.compile(NUMBER["."].pattern, re.ASCII), fullmatch=True), min_size=20, max_size=200),
    st.lists(st.floats(allow_nan=False), max_size=50),
    st.sampled_from(".,"),
)
def test_a_database_reads_numbers_digit_by_digit_as_python_does(
    texts: list[str], floats: list[float], decimal: str
) -> None:
    written = [*texts, *map(repr, floats)]
    table = pa.table({"x": [f" {text}\u2003".replace(".", decimal) for text in written]})
    connection = ibis.duckdb.connect()
    try:
        remote = Remote(
            connection.create_table("t", table), {"x": "x"}, "t", ReadOptions(decimal=decimal), casts_text=True
        )
        asked = remote.table.select(x="x", number=remote.number("x"), plain=remote.is_plain("x", codes=True))
        found = asked.to_pyarrow().to_pydict()
    finally:
        connection.disconnect()
    by_text = {x.strip().replace(",", "."): (number, plain) for x, number, plain in zip(*found.values(), strict=True)}
    assert {text: number for text, (number, _) in by_text.items()} == {text: float(text) for text in written}
    assert {text: plain for text, (_, plain) in by_text.items()} == {text: np.isfinite(float(text)) for text in written}


def query_of(
    frame: pd.DataFrame, tmp_path, formula="who5_followup ~ age + (1 | country)", *, ending="csv", spec=None, **options
):
    """Moments, or problems as they are printed, of a table that is queried."""
    path = tmp_path / f"t.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    try:
        return reduce_table(path, ModelSpec(formula, autoscale=True) if spec is None else spec, **options)
    except DataError as error:
        return [str(problem) for problem in error.problems]


def with_cells(column: str, *cells: object, n: int = 60) -> pd.DataFrame:
    """Rows with some cells of a column changed, from the fourth row on."""
    frame = rows(n)
    frame[column] = frame[column].astype(object)
    for place, cell in enumerate(cells):
        frame.loc[3 + place, column] = cell
    return frame


MARKS = "Correct it; a missing value is an empty cell, NA or NaN, or is named in missing=['NA', 'NaN', {}]."


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        # Let pass before: a score off its grid, part of a session, and what only the database reads as a number.
        (
            "who5_followup",
            38.5,
            "'38.5' is not on the grid 0, 4, ..., 100 (WHO-5 score) (1 row). Give the percentage score (the raw sum "
            "times "
            "4), or leave the cell empty if it is unknown.",
        ),
        (
            "n_sessions",
            2.5,
            "'2.5' is not a whole number (sessions) (1 row). Correct it, or leave the cell empty if it is unknown.",
        ),
        ("age", "1_0", f"'1_0' is not a number (1 row). {MARKS.format(repr('1_0'))}"),
        # Told with less before.
        ("age", "45%", f"'45%' is not a number (1 row). {MARKS.format(repr('45%'))}"),
        (
            "age",
            "36,5",
            "'36,5' has a decimal comma (1 row). Pass decimal=',' if every number is written so; otherwise correct "
            "the cell.",
        ),
        (
            "age",
            "1,036",
            "'1,036' has a comma that may separate thousands or decimals (1 row). Write it without the comma, or pass "
            "decimal=',' if that is the decimal mark.",
        ),
        ("age", "TRUE", "'TRUE' is a truth value, not a number (1 row). Write the number that is meant."),
        (
            "age",
            "#DIV/0!",
            "'#DIV/0!' is an error of the spreadsheet, not a number (1 row). Leave the cell empty if the value is "
            "unknown, or "
            "pass missing=['NA', 'NaN', '#DIV/0!'].",
        ),
        (
            "age",
            "2024-03-01",
            "'2024-03-01' is a date, not a number (1 row). Format the column as numbers before it is saved: a "
            "spreadsheet may "
            "make a date of 4.5.",
        ),
        (
            "age",
            "\u22124",
            "'\u22124' is a number written with the character U+2212 (minus sign) (1 row). Write -4, if that is meant.",
        ),
        ("age", "1e400", "'1e400' is infinite (1 row). Correct it; a missing value is an empty cell, NA or NaN."),
        (
            "age",
            -99,
            "'-99' is outside 0 to 120 (years) (1 row). Correct it, or leave the cell empty if it is unknown. "
            "If it is another measure, rename it: columns={'new_name': 'age'}. If it stands "
            "for a missing value, pass missing=['NA', 'NaN', '-99'].",
        ),
        # Levels.
        (
            "country",
            "\uff231",
            "'\uff231' differs from 'C1' (n = 0) in Unicode form alone (1 row). Write 'C1', or declare both: "
            "levels={'country': ['C0', 'C1', 'C2', 'C3', 'C4', '\uff231']}.",
        ),
        (
            "country",
            "#N/A",
            "'#N/A' is an error of the spreadsheet, not a level (1 row). Leave the cell empty if the value is "
            "unknown, or pass "
            "missing=['NA', 'NaN', '#N/A'].",
        ),
    ],
)
def test_cells_that_cannot_be_are_told_as_those_of_rows(tmp_path, column: str, cell: object, said: str) -> None:
    formula = "who5_followup ~ age + n_sessions + (1 | country)"
    frame = with_cells(column, cell)
    said = f"column '{column}': {said.replace('(n = 0)', f'(n = {(frame["country"] == "C1").sum()})')}"
    assert query_of(frame, tmp_path, formula) == [said]
    with pytest.raises(DataError) as error:
        read_cohort(tmp_path / "t.csv")
    (problem,) = error.value.problems
    # A file's rows have numbers, and one row is one problem.
    assert (problem.row, str(problem).replace(", row 5:", ":")) == (5, said.replace(" (1 row)", ""))


def test_items_and_further_levels_are_judged_too(tmp_path) -> None:
    frame = rows(60).assign(alliance_goal=np.resize([4.0, 5.0], 60), ward=np.resize(["a", "b"], 60))
    frame.loc[7, "alliance_goal"], frame.loc[8, "ward"] = 7.0, "A"
    assert query_of(frame, tmp_path, "who5_followup ~ alliance_goal + ward", ending="parquet") == [
        "column 'alliance_goal', row 9: 7.0 is outside 1 to 5 (alliance rating) (1 row). Correct it, or leave the cell "
        "empty if it is unknown.",
        "column 'ward', row 10: 'A' differs from 'a' (n = 29) in case or spacing alone (1 row). Write 'a', or declare "
        "both: levels={'ward': ['A', 'a', 'b']}.",
    ]


def test_spaces_of_any_kind_around_a_number_do_not_matter(tmp_path) -> None:
    frame = with_cells("age", "\u00a036", "37\u2003", "\t38 ", " 039\u3000").astype({"age": object})
    plain = with_cells("age", 36, 37, 38, 39)
    found, expected = query_of(frame, tmp_path), query_of(plain, tmp_path)
    assert (found.n, found.flow) == (60, Flow(60))
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_allclose(found.means, expected.means, rtol=1e-12, atol=1e-12)


def test_times_are_levels(tmp_path) -> None:
    days = [dt.datetime(2024, 3, 1), dt.datetime(2024, 3, 1, 12, 30)]
    frame = rows(60).assign(start=pd.Series(np.resize(np.array(days, dtype="datetime64[us]"), 60)))
    found = query_of(frame, tmp_path, "who5_followup ~ age + (1 | start)", ending="parquet")
    assert found.levels["start"] == ("2024-03-01", "2024-03-01T12:30:00")


def test_marks_of_missing_values_and_the_decimal_mark_can_be_named(tmp_path) -> None:
    frame = with_cells("age", "-99", " -99 ", "unknown", "")[["age", "country"]].assign(
        stress=[f"{number:.2f}".replace(".", ",") for number in np.linspace(-1, 1, 60)]
    )
    frame["age"] = frame["age"].map(lambda age: str(age).replace(".", ","))
    spec = ModelSpec("age ~ stress + (1 | country)", autoscale=True)
    named = {"missing": ["-99", "unknown"], "decimal": ","}
    found = query_of(frame, tmp_path, spec=spec, **named)
    assert found.flow == Flow(60, (FlowStep("age unknown", 4),))
    complete, flow = read_cohort(tmp_path / "t.csv", **named).complete(spec.columns)
    assert_same((found, found.flow), (moments_of(spec.design(complete), spec=spec), flow))
    said = query_of(frame, tmp_path, spec=spec, decimal=",")
    assert [problem.partition(". ")[0] for problem in said] == [
        "column 'age': ' -99 ' is outside 0 to 120 (years) (1 row)",
        "column 'age': '-99' is outside 0 to 120 (years) (1 row)",
        "column 'age': 'unknown' is not a number (1 row)",
    ]
    for wrong in ({"missing": "NA"}, {"decimal": ";"}, {"prorate": 2}):
        with pytest.raises(UsageError):
            reduce_table(tmp_path / "t.csv", spec, **wrong)


def test_prorated_scores_may_lie_between_the_steps(tmp_path) -> None:
    frame = with_cells("who5_followup", 35.0, 45.0)
    found = query_of(frame, tmp_path, prorate=0.8)
    assert (found.n, found.histogram.levels) == (60, None)
    assert len(query_of(frame.assign(who5_followup=lambda d: d["who5_followup"] * 2), tmp_path, prorate=0.8)) > 0
    assert len(query_of(frame, tmp_path)) == 2


def test_identifiers_that_a_model_groups_by_are_text_and_may_repeat(tmp_path) -> None:
    frame = rows(60).assign(participant_id=np.resize(["P1", "7", "007"], 60))
    formula = "who5_followup ~ age + (1 | participant_id)"
    found = query_of(frame, tmp_path, formula)
    # Moments number persons anew.
    assert (found.people, found.levels["participant_id"]) == (3, ("1", "2", "3"))
    frame.loc[[4, 5], "participant_id"] = None, "P1 "
    assert query_of(frame, tmp_path, formula) == [
        "column 'participant_id': 'P1 ' has spaces around it (1 row). Remove them: identifiers are compared "
        "character by "
        "character.",
        "column 'participant_id': has no identifier (1 row). Fill in the identifier, or remove the row.",
    ]


def test_a_number_that_a_model_groups_by_keeps_its_own_rule(tmp_path) -> None:
    frame = rows(60).assign(n_sessions=np.resize([1.0, 2.0, 3.0], 60))
    formula = "who5_followup ~ age + (1 | n_sessions)"
    for ending in ("csv", "parquet"):
        assert query_of(frame, tmp_path, formula, ending=ending).levels["n_sessions"] == ("1", "2", "3")
        (said,) = query_of(frame.replace({"n_sessions": {3.0: -3.0}}), tmp_path, formula, ending=ending)
        assert "is below 0 (sessions) (20 rows)" in said


def test_no_more_of_a_cell_is_shown_than_of_one_that_is_read(tmp_path) -> None:
    secret = "Jane Doe " * 30
    for column in ("age", "country"):
        (said,) = query_of(with_cells(column, secret), tmp_path)
        with pytest.raises(DataError) as error:
            read_cohort(tmp_path / "t.csv")
        assert f"{secret[:60]}..." in said
        assert secret[:61] not in said.replace(f"{secret[:60]}...", "")
        (problem,) = error.value.problems
        assert said.startswith(f"column '{column}': {problem.value!r} ")


def test_many_values_that_cannot_be_are_counted_and_not_all_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(of_columns, "MOST_PROBLEMS", 5)
    frame = rows(60).assign(age=np.arange(60.0) + 200)
    for ending in ("csv", "parquet"):
        said = query_of(frame, tmp_path, ending=ending)
        assert len(said) == 6
        assert said[-1] == "column 'age': has 55 more values of this kind (55 rows). Correct them like those above."


def test_no_more_values_than_are_said_are_looked_at(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(of_columns, "MOST_VALUES", 40)
    monkeypatch.setattr(of_columns, "MOST_LEVELS", 40)
    frame = rows(60).assign(stress=np.arange(60) / 7, unit=[f"u{k}" for k in range(60)])
    more = (
        "has more than 40 distinct values to be looked at. Correct those that are told, or leave the column out of the "
        "model."
    )
    for ending in ("csv", "parquet"):
        # Numbers that are written as such, and within their rule, need no look.
        assert query_of(frame, tmp_path, "who5_followup ~ stress + age", ending=ending).n == 60
        assert query_of(frame, tmp_path, "who5_followup ~ stress + (1 | unit)", ending=ending) == [
            f"column 'unit': {more}"
        ]
        # Of numbers that break their rule those that were looked at are told.
        said = query_of(frame.assign(age=frame["stress"] + 200), tmp_path, ending=ending)
        assert (len(said), said[0]) == (41, f"column 'age': {more}")
