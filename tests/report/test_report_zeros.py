"""Nothing is printed as none, or as all, that is neither: shares and probabilities; levels keep their names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.effects import effects
from alliance_bayes.report.spoken import quantity_words
from alliance_bayes.report.tables import frame_table
from alliance_bayes.report.text import MINUS, proportion, range_of
from builders import fitted, rows


@pytest.mark.parametrize(
    ("value", "places", "printed"),
    [
        (0.0, 1, "0.0%"),
        (1.0, 1, "100.0%"),
        (0.0004, 1, "< 0.1%"),
        (0.0006, 1, "0.1%"),
        (0.9996, 1, "> 99.9%"),
        (0.9994, 1, "99.9%"),
        (0.004, 0, "< 1%"),
        (0.997, 0, "> 99%"),
        (-0.0004, 1, "0.0%"),
        (float("nan"), 0, "–"),
    ],
)
def test_a_share_is_none_or_all_only_where_it_is(value: float, places: int, printed: str) -> None:
    assert proportion(value, places) == printed


@pytest.mark.parametrize(
    ("lower", "upper", "places", "printed"),
    [
        # On one side of zero, which words of certainty follow from.
        (0.31, 16.2, 0, "(0.3 to 16)"),
        (-16.2, -0.031, 0, f"({MINUS}16 to {MINUS}0.03)"),
        (0.004, 0.52, 1, "(0.004 to 0.5)"),
        # On both, or at it.
        (-0.31, 16.2, 0, "(0 to 16)"),
        (0.0, 16.2, 0, "(0 to 16)"),
        (0.6, 16.2, 0, "(1 to 16)"),
        # So near that nobody would read it.
        (1e-9, 16.2, 0, "(0 to 16)"),
        (float("nan"), float("nan"), 0, "–"),
        (3.1, float("inf"), 0, "(3 to ∞)"),
    ],
)
def test_an_interval_beside_zero_is_not_printed_as_one_that_includes_it(
    lower: float, upper: float, places: int, printed: str
) -> None:
    assert range_of(lower, upper, places) == printed


def cells_of(**columns: list[float]) -> list[list[str]]:
    return [list(row) for row in frame_table(pd.DataFrame(columns), name="t", caption="").rows]


def test_tables_of_checks_print_no_share_as_one_that_it_is_not() -> None:
    # Points of the calibration were "0.000" three times over, and 1e-6 below one was one.
    assert cells_of(point=[1e-6, 3e-4, 0.5, 1 - 1e-6], ecdf=[0.0, 0.0002, 0.5, 0.9999]) == [
        ["1e-06", "0.000"],
        ["0.0003", "< 0.001"],
        ["0.5", "0.500"],
        ["0.999999", "> 0.999"],
    ]
    assert cells_of(p=[0.0, 2e-4, 0.9999, 1.0]) == [["< 0.001"], ["< 0.001"], ["> 0.999"], ["1.000"]]
    # A number with a sign is rounded, and one beyond one is no share.
    assert cells_of(shift=[-0.5, 0.00001]) == [[f"{MINUS}0.500"], ["0.000"]]
    assert cells_of(lower=[0.3, 1.9999]) == [["0.300"], ["2.000"]]


def test_all_draws_are_not_certainty() -> None:
    # Of 400 draws, the least that a reported quantity has, one would be a quarter of a per cent.
    assert cells_of(p_direction=[1.0, 0.968, 0.5]) == [["> 99%"], ["97%"], ["50%"]]


def test_a_level_keeps_its_first_letter() -> None:
    frame = rows(120)
    frame["sex"] = pd.Categorical(np.where(frame["sex"].to_numpy() == "female", "Norway", "spain"))
    fit = fitted(frame, formula="who5_followup ~ alliance + (alliance | sex)")
    table = effects(fit)
    names = {
        quantity_words(table, row, fit.design, str)
        for row in ({**row, "id": index} for index, row in zip(table.index, table.to_dict("records"), strict=True))
        if row["estimand"] in ("contrast_of_means", "contrast_of_slopes")
    }
    assert names == {
        "difference of adjusted means, spain minus Norway",
        "difference of slopes, spain minus Norway",
    }
