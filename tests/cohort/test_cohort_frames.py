"""DataFrames: kinds of cells that a CSV file cannot hold, kinds of columns, and options."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.cohort import read_cohort, single_level_columns
from alliance_bayes.errors import DataError, UsageError

MISSING = "Correct it; a missing value is an empty cell, NA or NaN"
CORRECT = "Correct it, or leave the cell empty if it is unknown."
ANOTHER = "If it is another measure, rename it: columns={'new_name': 'age'}."
AS_TEXT = "Read identifiers as text, so that none is changed (007, 1.0)."
TRUTH = "is a truth value, not a number. Write the number that is meant."

BROKEN: dict[str, tuple[pd.DataFrame, list[str]]] = {
    "no columns": (pd.DataFrame(), ["table: has no columns. Give a table with one row a participant."]),
    "no rows": (
        pd.DataFrame({"age": []}),
        ["table: has columns but no rows. Check the selection that made the table."],
    ),
    "numbered columns": (
        pd.DataFrame([[1]]),
        ["table: has a column (number 1) whose name is 0, which is not text. Name every column with text."],
    ),
    "columns of two levels": (
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
        ["table: has a column (number 1) whose name is ('a', 'b'), which is not text. Name every column with text."],
    ),
    "repeated column": (
        pd.DataFrame([[1, 2]], columns=["age", "age"]),
        ["column 'age': is the name of columns 1 and 2. Rename or remove one of them."],
    ),
    "infinite": (
        pd.DataFrame({"age": [30, np.inf]}, index=["x", "y"]),
        [f"column 'age', row y: inf is infinite. {MISSING}."],
    ),
    "truth values": (
        pd.DataFrame({"age": [True, False]}),
        [f"column 'age', row 0: True {TRUTH}", f"column 'age', row 1: False {TRUTH}"],
    ),
    "complex": (
        pd.DataFrame({"age": [1 + 2j]}),
        ["column 'age', row 0: (1+2j) is of type complex, not a number. Convert the column to numbers."],
    ),
    "dates for numbers": (
        pd.DataFrame({"age": [dt.date(1990, 1, 31)]}),
        [
            "column 'age', row 0: datetime.date(1990, 1, 31) is of type date, not a number. "
            "Convert the column to numbers."
        ],
    ),
    "mixed cells": (
        pd.DataFrame({"age": [30, "31", "n/a", None, True, [1], Decimal("32.5"), np.int8(-1)]}, index=list("abcdefgh")),
        [
            f"column 'age', row c: 'n/a' is not a number. {MISSING}, or is named in missing=['NA', 'NaN', 'n/a'].",
            f"column 'age', row e: True {TRUTH}",
            "column 'age', row f: [1] is of type list, not a number. Convert the column to numbers.",
            f"column 'age', row h: -1 is outside 0 to 120 (years). {CORRECT} {ANOTHER}",
        ],
    ),
    "float identifiers": (
        pd.DataFrame({"participant_id": [1.0, np.nan]}),
        [
            f"column 'participant_id', row 0: 1.0 is of type float, not text. {AS_TEXT}",
            "column 'participant_id', row 1: has no identifier. Fill in the identifier, or remove the row.",
        ],
    ),
    "missing identifiers": (
        pd.DataFrame({"participant_id": ["a", None, None]}),
        [
            "column 'participant_id', row 1: has no identifier. Fill in the identifier, or remove the row.",
            "column 'participant_id', row 2: has no identifier. Fill in the identifier, or remove the row.",
        ],
    ),
    "codes that are too large": (
        pd.DataFrame({"sex": [2.0**53, 2.0, None]}),
        [
            "column 'sex', row 0: 9007199254740992.0 is too large a float to tell a code from its neighbours. "
            "Give the codes as text or whole numbers."
        ],
    ),
    "lists for levels": (
        pd.DataFrame({"sex": [["f"], "m"]}),
        ["column 'sex', row 0: ['f'] is of type list, not a level. Give levels as text or whole numbers."],
    ),
    "case in a categorical column": (
        pd.DataFrame({"sex": pd.Categorical(["m", "M", "m"])}),
        [
            "column 'sex', row 1: 'M' differs from 'm' (n = 2) in case or spacing alone. "
            "Write 'm', or declare both: levels={'sex': ['M', 'm']}."
        ],
    ),
    "numbers in a categorical column": (
        pd.DataFrame({"age": pd.Categorical([30, 200])}),
        [f"column 'age', row 1: 200 is outside 0 to 120 (years). {CORRECT} {ANOTHER}"],
    ),
    "odd labels": (
        pd.DataFrame({"age": [1, -1, -2]}, index=[5, 5, (1, 2)]),
        [
            f"column 'age', row 5: -1 is outside 0 to 120 (years). {CORRECT} {ANOTHER}",
            f"column 'age', row (1, 2): -2 is outside 0 to 120 (years). {CORRECT} {ANOTHER}",
        ],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_frames(case: str) -> None:
    frame, lines = BROKEN[case]
    with pytest.raises(DataError) as caught:
        read_cohort(frame)
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    expected = [f"DataFrame: {count} found; nothing was analysed.", *(f"  - {line}" for line in lines)]
    assert str(caught.value).splitlines() == expected


def test_codes_become_text_levels() -> None:
    cohort = read_cohort(
        pd.DataFrame({"provider_type": [2, 1, 2], "country": [3.0, None, 12.0], "site": [1, 2, 1]}),
        categorical=["site"],
    )
    assert list(cohort.data["provider_type"].cat.categories) == ["1", "2"]
    assert list(cohort.data["country"].cat.categories) == ["3", "12"]
    assert cohort.data["country"].isna().tolist() == [False, True, False]
    assert cohort.data["site"].tolist() == ["1", "2", "1"]


def test_kinds_of_further_columns() -> None:
    frame = pd.DataFrame(
        {
            "flag": [True, False],
            "seen": [dt.date(2020, 1, 1), pd.Timestamp("2020-01-02T03:04")],
            "code": ["007", "8"],
            "score": ["1.5", None],
            "empty": [None, None],
            "forced": ["1", "2"],
        }
    )
    data = read_cohort(frame, categorical=["forced"]).data
    assert {name: data[name].tolist() for name in ("flag", "seen", "code", "forced")} == {
        "flag": ["True", "False"],
        "seen": ["2020-01-01", "2020-01-02T03:04:00"],
        "code": ["007", "8"],
        "forced": ["1", "2"],
    }
    np.testing.assert_array_equal(data["score"], [1.5, np.nan])
    np.testing.assert_array_equal(data["empty"], [np.nan, np.nan])


def test_identifiers_are_kept_or_numbered() -> None:
    assert read_cohort(pd.DataFrame({"participant_id": [7, 10]})).data["participant_id"].tolist() == ["7", "10"]
    assert read_cohort(pd.DataFrame({"age": [7, 10]})).data["participant_id"].tolist() == ["1", "2"]
    index = pd.Index(["007", "8"], name="participant_id")
    assert read_cohort(pd.DataFrame({"age": [7, 10]}, index=index)).data["participant_id"].tolist() == ["007", "8"]
    both = pd.DataFrame({"participant_id": ["x", "y"]}, index=index)
    assert read_cohort(both).data["participant_id"].tolist() == ["x", "y"]


def test_spaces_around_missing_markers_do_not_matter() -> None:
    data = read_cohort(pd.DataFrame({"age": [" NA ", "30"], "sex": ["  ", "f"]})).data
    assert data.isna().to_numpy().tolist() == [[False, True, True], [False, False, False]]


def test_a_column_half_numbers_is_taken_for_numbers() -> None:
    cohort = read_cohort(pd.DataFrame({"phq9": ["4", "x", "5", "y"]}))
    assert list(cohort.data) == ["participant_id"]
    with pytest.raises(DataError) as caught:
        cohort.complete(["phq9"])
    assert [(problem.row, problem.value) for problem in caught.value.problems] == [(1, "x"), (3, "y")]


def test_spelling_is_checked_in_factors_and_not_in_notes() -> None:
    def notes(n: int) -> pd.DataFrame:
        return pd.DataFrame({"note": [*(f"note {k}" for k in range(n - 1)), "Note 1"]})

    assert len(read_cohort(notes(51)).data) == 51
    for frame, options in ((notes(50), {}), (notes(51), {"categorical": ["note"]})):
        with pytest.raises(DataError) as caught:
            read_cohort(frame, **options).complete(["note"])
        assert [problem.value for problem in caught.value.problems] == ["Note 1"]


def test_the_given_frame_is_left_alone() -> None:
    frame = pd.DataFrame({" age ": ["30", "NA"], "sex": ["f", "m"]}, index=[4, 4])
    before = frame.copy(deep=True)
    read_cohort(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_missing_markers_are_a_choice_and_never_a_declared_level() -> None:
    frame = pd.DataFrame({"age": ["30", "-9"], "country": ["NA", "ZA"]})
    with pytest.raises(DataError):
        read_cohort(frame)
    cohort = read_cohort(frame, missing=["", "-9"])
    np.testing.assert_array_equal(cohort.data["age"], [30.0, np.nan])
    assert cohort.data["country"].tolist() == ["NA", "ZA"]
    declared = read_cohort(frame[["country"]], levels={"country": ["ZA", "NA"]})
    assert declared.data["country"].tolist() == ["NA", "ZA"]
    assert read_cohort(frame[["country"]]).data["country"].isna().tolist() == [True, False]


def test_declared_levels_keep_their_order_used_or_not() -> None:
    cohort = read_cohort(pd.DataFrame({"sex": ["f", "m"]}), levels={"sex": ["m", "x", "f"]})
    assert list(cohort.data["sex"].cat.categories) == ["m", "x", "f"]
    assert not cohort.data["sex"].cat.ordered


def test_one_level_is_kept_and_named() -> None:
    cohort = read_cohort(pd.DataFrame({"sex": ["f", "f"], "country": ["A", "B"]}))
    assert single_level_columns(cohort.data) == ("sex",)


def test_scores_from_items() -> None:
    items = {f"who5_baseline_{k}": [1, 3, k, None] for k in range(1, 6)}
    ratings = {"alliance_goal": [5, 4, None, 3], "alliance_bond": [4, 4, 5, 3]}
    data = read_cohort(pd.DataFrame(items | ratings)).data
    np.testing.assert_array_equal(data["who5_baseline"], [20, 60, 60, np.nan])
    np.testing.assert_array_equal(data["alliance"], [4.5, 4, np.nan, 3])
    # A score that is there is kept, an empty one is filled from its items.
    given = read_cohort(pd.DataFrame(items | {"who5_baseline": [20, None, 60, 48]})).data
    np.testing.assert_array_equal(given["who5_baseline"], [20, 60, 60, 48])


def test_prorating_leaves_the_grid() -> None:
    frame = pd.DataFrame({f"who5_followup_{k}": [3, 2] for k in range(1, 5)} | {"who5_followup_5": [None, 2]})
    frame.loc[0, "who5_followup_1"] = 2
    np.testing.assert_array_equal(read_cohort(frame).data["who5_followup"], [np.nan, 40])
    # 2 + 3 + 3 + 3 = 11; 11 / 4 * 5 * 4 = 55.
    np.testing.assert_array_equal(read_cohort(frame, prorate=0.8).data["who5_followup"], [55, 40])
    assert read_cohort(pd.DataFrame({"who5_followup": [55]}), prorate=0.8).data["who5_followup"].tolist() == [55.0]


PRORATE = "prorate should be a share of items in the interval (0, 1], or left out for all, but got"
SHARE = (
    "Pass the smallest share that must be answered, as in prorate=0.8, or 'instrument' for each instrument's own rule."
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"columns": ["age"]},
            "columns should map names to the table's names, as in columns={'age': 'Age at intake'}.",
        ),
        (
            {"columns": {"age": "x", "sex": "x"}},
            "columns maps 'age' and 'sex' to one column, 'x'. Map each to its own.",
        ),
        (
            {"levels": {"sex": "fm"}},
            "levels should map columns to lists of levels, as in levels={'sex': ['female', 'male']}.",
        ),
        ({"levels": {"sex": []}}, "levels of 'sex' should be distinct, non-empty levels in order but got ()."),
        (
            {"levels": {"sex": ["f", "f"]}},
            "levels of 'sex' should be distinct, non-empty levels in order but got ('f', 'f').",
        ),
        (
            {"levels": {"age": ["1"]}},
            "column 'age' is a number, not a factor. Leave it out of levels and categorical.",
        ),
        ({"numeric": ["sex"]}, "column 'sex' is a factor, not a number. Leave it out of numeric."),
        ({"numeric": ["x"], "categorical": ["x"]}, "column 'x' is asked for as numeric and as a factor. Choose one."),
        (
            {"categorical": "site"},
            "categorical should be a sequence of texts but got 'site'. Write categorical=['...'].",
        ),
        ({"missing": "NA"}, "missing should be a sequence of texts but got 'NA'. Write missing=['...']."),
        ({"prorate": 2}, f"{PRORATE} 2. {SHARE}"),
        ({"prorate": True}, f"{PRORATE} True. {SHARE}"),
    ],
)
def test_impossible_wishes(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_cohort(pd.DataFrame({"age": [30.0], "sex": ["f"]}), **options)
    assert str(caught.value) == message


def test_a_source_is_a_path_or_a_frame() -> None:
    with pytest.raises(UsageError) as caught:
        read_cohort([1])  # type: ignore[arg-type]
    assert str(caught.value) == "source should be a path or a DataFrame but got list."
