from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.instruments import SRS, WHO5, item_problems, item_values

REMEDY = "Correct the entry, or leave it empty if the item was not answered."


def table(**columns: list) -> pd.DataFrame:
    """Three people's WHO-5 answers, all 3 unless said otherwise."""
    return pd.DataFrame({f"q{item}": [3, 3, 3] for item in range(1, 6)} | columns, index=["ann", "ben", "cat"])


def test_everything_wrong_is_listed_at_once_in_column_and_row_order():
    items = table(q1=[6, 2, -1], q3=[2.5, np.inf, 7.5], q4=["three", "3", None], q5=[True, 3, "x"])
    with pytest.raises(DataError) as caught:
        item_values(items, WHO5, source="wave 1")
    assert str(caught.value) == "\n".join(
        [
            "wave 1: 8 problems found; nothing was analysed.",
            f"  - column 'q1', row ann: 6 is outside the range 0 to 5 of WHO-5 items. {REMEDY}",
            f"  - column 'q1', row cat: -1 is outside the range 0 to 5 of WHO-5 items. {REMEDY}",
            f"  - column 'q3', row ann: 2.5 is not on the steps of 1 from 0 of WHO-5 items. {REMEDY}",
            f"  - column 'q3', row ben: inf is infinite. {REMEDY}",
            f"  - column 'q3', row cat: 7.5 is outside the range 0 to 5 of WHO-5 items. {REMEDY}",
            f"  - column 'q4', row ann: 'three' is not a number. {REMEDY}",
            f"  - column 'q5', row ann: True is not a number. {REMEDY}",
            f"  - column 'q5', row cat: 'x' is not a number. {REMEDY}",
        ]
    )
    assert caught.value.problems == item_problems(items, WHO5)


def test_a_column_of_another_kind_is_one_problem():
    items = table(q2=pd.to_datetime(["2021-01-01"] * 3), q4=[True, False, True])
    assert item_problems(items, WHO5) == (
        Problem(
            "q2", None, None, f"holds values of type {items['q2'].dtype}, not numbers", "Pass the answers as numbers."
        ),
        Problem("q4", None, None, "holds values of type bool, not numbers", "Pass the answers as numbers."),
    )


def test_numbers_are_read_however_they_are_stored():
    items = pd.DataFrame(
        {
            "integer": [0, 5],
            "nullable": pd.array([1, None], dtype="Int64"),
            "text": ["2", None],
            "mixed": pd.Series([Decimal(3), " 4 "], dtype=object),
            "category": pd.Categorical(["4", "5"]),
        }
    )
    expected = [[0, 1, 2, 3, 4], [5, np.nan, np.nan, 4, 5]]
    np.testing.assert_array_equal(item_values(items, WHO5), expected)
    assert item_problems(items, WHO5) == ()


@pytest.mark.parametrize("text", ["", "nan", "NA", "1,5", "True", "3 points"])
def test_text_that_is_no_number_is_a_problem_even_where_it_stands_for_missing(text):
    (problem,) = item_problems(table(q1=[text, "1", "2"]), WHO5)
    assert (problem.column, problem.row, problem.value, problem.what) == ("q1", "ann", text, "is not a number")


def test_rows_can_be_named_as_a_spreadsheet_numbers_them():
    items = table(q2=[9, 1, 8]).reset_index(drop=True)
    assert [problem.row for problem in item_problems(items, WHO5)] == [0, 2]
    assert [problem.row for problem in item_problems(items, WHO5, rows=[2, 3, 4])] == [2, 4]
    with pytest.raises(UsageError) as caught:
        item_problems(items, WHO5, rows=[2, 3])
    assert str(caught.value) == "rows names 2 rows, but the table has 3. Pass one name for each row."


def test_values_in_problems_are_plain_python():
    (problem,) = item_problems(np.full((1, 5), 3.0) + np.array([0, 0, 4, 0, 0]), WHO5)
    assert (type(problem.row), type(problem.value)) == (int, float)
    assert str(problem) == f"column 'item_3', row 0: 7.0 is outside the range 0 to 5 of WHO-5 items. {REMEDY}"


def test_continuous_items_take_any_value_in_range():
    assert item_problems([[0, 10, 3.14159, np.nan]], SRS) == ()
    (problem,) = item_problems([[0, 10.01, 3, 4]], SRS)
    assert problem.what == "is outside the range 0 to 10 of SRS items"


def test_without_an_instrument_only_numbers_are_asked_for():
    assert item_problems([[1e9, -3.7]]) == ()
    assert [problem.what for problem in item_problems([[np.inf, 1.0]])] == ["is infinite"]


def test_the_shape_and_order_of_the_table_are_checked():
    with pytest.raises(UsageError) as caught:
        item_values([1, 2, 3, 4, 5], WHO5)
    assert str(caught.value) == (
        "items must be a table of people by items, but it has 1 dimension. Pass a DataFrame or a two-dimensional array."
    )
    with pytest.raises(UsageError) as caught:
        item_values(np.zeros((2, 4)), WHO5)
    assert str(caught.value) == (
        "WHO-5 has 5 items, but the table has 4 columns. Pass exactly its item columns, in item order."
    )
    with pytest.raises(UsageError) as caught:
        item_values(table()[["q1", "q3", "q2", "q4", "q5"]], WHO5)
    assert str(caught.value) == (
        "the WHO-5 item columns are out of order: their names end in 1, 3, 2, 4, 5. Pass them in item order, 1 to 5."
    )


def test_names_that_are_not_item_numbers_say_nothing_about_order():
    items = pd.DataFrame(np.full((1, 5), 2), columns=["cheerful2", "calm1", "active", "rested", "interested"])
    assert item_problems(items, WHO5) == ()


def test_the_table_passed_in_stays_as_it_was():
    items = table(q1=["1", "2", None])
    before = items.copy(deep=True)
    item_values(items, WHO5)
    pd.testing.assert_frame_equal(items, before)
