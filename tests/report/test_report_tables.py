from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.report.tables import MOST, SHOWN, Table, frame_table


def test_numbers_of_one_column_have_the_same_decimals() -> None:
    frame = pd.DataFrame(
        {"level": ["a", "b"], "mean": [12.345, -0.5], "n": [1200, 3], "share": [0.123, np.nan], "fine": [True, False]}
    )

    table = frame_table(frame, name="t", caption="c")

    assert table.headings == ("Level", "Mean", "n", "Share", "Fine")
    assert table.rows == (("a", "12.3", "1,200", "0.123", "yes"), ("b", "\N{MINUS SIGN}0.5", "3", "–", "no"))
    assert table.words == {0}


def test_rows_about_different_quantities_have_their_own_decimals() -> None:
    frame = pd.DataFrame(
        {"criterion": ["R-hat, largest", "ESS", "E-BFMI"], "value": [1.0037, 895.96, 0.7438], "where": ["x", "", None]}
    )

    table = frame_table(frame, name="t", caption="c")

    assert [row[1] for row in table.rows] == ["1.004", "896", "0.744"]
    assert [row[2] for row in table.rows] == ["x", "–", "–"]
    assert table.words == {0, 2}


def test_columns_with_a_custom_have_its_decimals() -> None:
    frame = pd.DataFrame({"quantity": ["a", "b"], "rhat": [1.0, 1.01], "ess_bulk": [100.4, 2000.9]})

    assert frame_table(frame, name="t", caption="c").rows == (
        (
            "a",
            "1.000",
            "100",
        ),
        ("b", "1.010", "2,001"),
    )
    assert frame_table(frame, name="t", caption="c").headings == ("Quantity", "R-hat", "ESS (bulk)")


def test_the_last_digit_of_a_number_decides_nothing() -> None:
    for off in (0.0, 2.2e-16, 1e-12):
        frame = pd.DataFrame({"gain": [3.0 - off, 12.0 + off], "weight": [1.0 - off, off]})
        assert frame_table(frame, name="t", caption="c").rows == (("3", "1.000"), ("12", "0.000"))
    assert frame_table(pd.DataFrame({"gain": [3.0, 12.001]}), name="t", caption="c").rows == (("3.0",), ("12.0",))


def test_a_cell_without_words_has_a_dash() -> None:
    frame = pd.DataFrame({"quantity": ["a", "b", "c"], "depends": ["yes", "", None]})
    table = frame_table(frame, name="t", caption="T")
    assert table.rows == (("a", "yes"), ("b", "–"), ("c", "–"))


def test_long_tables_are_cut_and_say_so() -> None:
    frame = pd.DataFrame({"a": np.arange(MOST + 50)})

    table = frame_table(frame, name="t", caption="c")

    assert len(table.rows) == SHOWN
    assert len(table.more) == MOST
    assert table.note == f"The first {MOST} of {MOST + 50} rows; all of them are in the JSON file."
    assert frame_table(frame.head(SHOWN), name="t", caption="c").more == ()


def test_a_row_without_a_cell_for_every_heading_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="table 't' has 2 headings but a row of 1 cells"):
        Table.of("t", "c", ("a", "b"), [("1",)])


def test_long_columns_of_words_get_room() -> None:
    table = Table.of("t", "c", ("a", "b", "c"), [("x" * 24, "x" * 25, "x" * 41)], words=(1, 2))

    assert [table.kind(column) for column in range(3)] == ["word short", "word", "word long"]
