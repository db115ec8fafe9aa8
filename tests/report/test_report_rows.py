"""One writer of tables of effects and one of forests: every row once, in its words and figures."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.report.estimates import Estimates, text_of
from alliance_bayes.report.rows import (
    MOST_ROWS,
    Column,
    beside,
    described,
    effect_table,
    estimate_columns,
    forest_picture,
    notes_of,
    rope_of,
    rows_of,
)
from alliance_bayes.report.text import MINUS
from builders import row_of, table_of

LEVEL = partial(text_of, column="level")


def levels(n: int) -> list[dict[str, object]]:
    return [row_of(float(k), 1.0, factor="country", level=f"L{k}") for k in range(n)]


@given(st.integers(0, 40), st.integers(1, 30))
def test_a_table_shows_some_rows_at_once_and_has_all_behind_them(n: int, at_once: int) -> None:
    table = effect_table("t", "c", table_of(*levels(n)), [Column("Level", LEVEL)], at_once=at_once)

    names = [f"L{k}" for k in range(n)]
    assert [row[0] for row in table.rows] == names[:at_once]
    assert [row[0] for row in table.more] == (names if n > at_once else [])


def test_a_page_lists_a_thousand_rows_and_says_so() -> None:
    columns = [Column("Level", LEVEL)]
    exactly = effect_table("t", "c", table_of(*levels(MOST_ROWS)), columns, note="Why.", at_once=10)
    over = effect_table("t", "c", table_of(*levels(MOST_ROWS + 1)), columns, note="Why.", at_once=10)

    assert (len(exactly.more), exactly.note) == (MOST_ROWS, "Why.")
    assert (len(over.more), over.note) == (MOST_ROWS, "Why. The page lists the first 1,000; all are in the JSON file.")
    assert [row[0] for row in over.rows] == [f"L{k}" for k in range(10)]


def test_probabilities_are_there_where_a_row_has_them_and_the_table_asks_for_them() -> None:
    judged = {"rope_low": -2.0, "rope_high": 2.0, "p_rope": 0.5, "p_rope_prior": 0.25, "relevant": 10.0}
    rows = table_of(row_of(2.0, 0.1, **judged, p_relevant=0.0), row_of(2.0, 0.1))
    estimates = Estimates(rows, ())

    def headings(**options: object) -> list[str]:
        return [column.heading for column in estimate_columns(estimates, rows, **options)][2:]  # type: ignore[arg-type]

    whole = ["Probability in ROPE", "Prior’s probability in ROPE", "Probability of 10 or more, up or down"]
    assert headings() == ["Probability of direction", *whole]
    assert headings(direction=False) == whole
    assert headings(judged=("p_rope",)) == ["Probability of direction", "Probability in ROPE"]
    assert [column.heading for column in estimate_columns(estimates, rows.iloc[1:])][2:] == ["Probability of direction"]
    shares = effect_table("t", "c", rows, estimate_columns(estimates, rows, direction=False))
    assert shares.rows == (
        ("2.00", "(1.84 to 2.16)", "50%", "25%", "< 0.1%"),
        ("2.00", "(1.84 to 2.16)", "–", "–", "–"),
    )


def test_columns_beside_are_of_the_same_key_whatever_the_order() -> None:
    first = table_of(*levels(3))
    other = table_of(*[row | {"mean": 10.0 + k} for k, row in reversed(list(enumerate(levels(2))))], names=["x", "y"])
    columns = [Column("Level", LEVEL), *beside(other, [Column("Other", lambda row: f"{row['mean']:g}")], "level")]

    assert effect_table("t", "c", first, columns).rows == (("L0", "10"), ("L1", "11"), ("L2", "–"))
    assert beside(other.iloc[:0], columns, "level") == []


def test_cells_hold_no_control_character_and_words_are_marked() -> None:
    rows = table_of(row_of(1.0, 1.0, level="a\x00b"))

    table = effect_table("t", "c", rows, [Column("A", lambda row: "x"), Column("B", lambda row: row["level"], True)])

    assert (table.rows, table.words) == ((("x", "a\ufffdb"),), {0, 1})


def test_rows_have_their_ids_and_their_missing_values() -> None:
    rows = rows_of(table_of(row_of(1.0, 1.0, level="a"), row_of(2.0, 1.0), names=["p/one", "p/two"]))

    assert [(row["id"], row["mean"], text_of(row, "level")) for row in rows] == [
        ("p/one", 1.0, "a"),
        ("p/two", 2.0, ""),
    ]
    assert rows_of(table_of()) == []


def test_a_note_that_rows_share_is_said_once() -> None:
    notes = {"a": "x", "b": None, "c": "y", "d": "x"}
    rows = table_of(*(row_of(1.0, 1.0, level=level, note=note) for level, note in notes.items()))

    assert notes_of(rows, LEVEL) == "X. c: y."
    assert notes_of(rows.iloc[1:3], LEVEL) == "c: y."


def test_percentages_have_no_more_digits_than_shares_mean() -> None:
    rows = table_of(row_of(0.41234, 0.00001), row_of(0.4, 0.3, estimand="b"))
    fine, coarse = rows_of(rows)
    estimates = Estimates(rows, ())

    assert estimates.percentages(fine) == ("41.23%", "(41.23% to 41.24%)")
    assert estimates.percentages(fine, most=1) == ("41.2%", "(41.2% to 41.2%)")
    assert estimates.percentages(coarse) == ("40%", f"({MINUS}8% to 88%)")
    assert estimates.percentages(coarse, least=1)[0] == "40.0%"


@pytest.mark.parametrize(("low", "high", "rope"), [(-2.0, 2.0, (-2.0, 2.0)), (np.nan, 2.0, None), (None, None, None)])
def test_a_region_has_both_ends_or_is_none(low: float, high: float, rope: tuple[float, float] | None) -> None:
    assert rope_of({"rope_low": low, "rope_high": high}) == rope


def test_a_forest_says_in_words_and_as_data_what_it_draws() -> None:
    rows = table_of(row_of(1.0, 0.5, level="secret"), row_of(-1.0, 0.5, level="B"))
    estimates = Estimates(rows, ())

    picture = forest_picture(
        "f",
        "Title",
        estimates,
        rows,
        caption="Words.",
        axis="points",
        heading="Level",
        label=LEVEL,
        shown=lambda text: text.replace("secret", "a level"),
    )

    said = described(estimates, rows, LEVEL)
    assert said == ["secret: 1.00 (0.20 to 1.80)", f"B: {MINUS}1.00 ({MINUS}1.80 to {MINUS}0.20)"]
    assert picture.data is not None
    assert (picture.data.name, picture.data.caption) == ("f-data", "Title")
    assert picture.data.headings == ("Level", "Mean", "89% equal-tailed interval")
    assert [f"{row[0]}: {row[1]} {row[2]}" for row in picture.data.rows] == said
    drawing = str(picture.markup)
    assert f"{'; '.join(said)}." in drawing
    assert re.search(r"<text[^>]*>\s*a level\s*<", drawing)
    assert described(estimates, rows.iloc[:1], LEVEL, figures=estimates.percentages, then=" ")[0].startswith(
        "secret 100"
    )


def test_what_differs_between_forests_is_said_by_its_options() -> None:
    rows = table_of(row_of(0.2, 0.05, level="A"))
    estimates = Estimates(rows, ())

    picture = forest_picture(
        "f",
        "Title",
        estimates,
        rows,
        caption="Words.",
        axis="share",
        heading="Level",
        label=LEVEL,
        line=lambda row: "short",
        figures=estimates.percentages,
        description="All at once.",
        data_title="Title (share)",
        inches=7.0,
    )

    assert picture.data is not None
    assert picture.data.caption == "Title (share)"
    assert picture.data.rows == (("A", "20.0%", "(12.0% to 28.0%)"),)
    assert "All at once." in picture.markup
    assert "short" in picture.markup
    # In points, of which an inch has 72.
    assert 'viewBox="0 0 504 ' in picture.markup


def test_rows_of_one_unit_share_their_decimals_unless_two_would_be_lost() -> None:
    unit = {"unit": "WHO-5 point"}
    rows = table_of(
        row_of(2.4, 0.5, **unit),  # two decimals by itself
        row_of(2.6, 1.5, estimand="b", term="x", **unit),  # one
        row_of(2.0, 0.5, estimand="c", unit="year"),
        row_of(2.0, 1.5, estimand="d", unit="month"),
        row_of(2.0, 0.05, estimand="e", unit="day"),  # three
        row_of(2.0, 15.0, estimand="f", unit="day"),  # none
    )
    estimates = Estimates(rows, ())

    assert [estimates.places(row) for row in rows_of(rows)] == [1, 1, 2, 1, 2, 0]


def test_shares_are_percentages_and_their_differences_points() -> None:
    rows = table_of(
        row_of(0.4567, 0.012, estimand="share_improved", unit="probability"),
        row_of(0.5, 0.012, estimand="share_improved", unit="probability", factor="sex", level="a"),
        row_of(-0.0123, 0.02, estimand="difference_improved", unit="probability"),
        row_of(1.0, 0.1, estimand="slope", unit="WHO-5 point"),
        # A slope of a probability is one of points, per whatever it is per.
        row_of(0.09, 0.02, estimand="slope", unit="probability per alliance point"),
    )
    estimates = Estimates(rows, ())

    # Ends are 1.6 SDs from the mean.
    assert [estimates.figures(row) for row in rows_of(rows)] == [
        ("45.7%", "(43.8% to 47.6%)"),
        ("50.0%", "(48.1% to 51.9%)"),
        (f"{MINUS}1.2", f"({MINUS}4.4 to 2.0)"),
        ("1.00", "(0.84 to 1.16)"),
        ("9.0", "(5.8 to 12.2)"),
    ]
